/* Letters, copies and channels. What is on the disk is looked at in check_disk.c. */
#include "sim/check.h"

#include "mail/body.h"
#include "sim/check_disk.h"
#include "sim/machine.h"
#include "sim/swarm.h"
#include "sim/world.h"
#include <inttypes.h>
#include <stdio.h>

enum { BODY_ONE_MAX = 5 * 512 * 1024 };
enum { LETTERS_MAX = 4096, KEY_BYTES = 7, WATCH_BYTES = 16, IDLE_SLACK_S = 20 };

static struct {
    struct letter *letter[LETTERS_MAX];
    unsigned n;
    unsigned n_copies, n_duplicates, n_calls;
    int64_t paused_until_us, frozen_until_us;
} check;

/* --- letters */

struct letter *check_letter_new(bool local_only)
{
    ASSERT(check.n < LETTERS_MAX);
    struct letter *l = NEW(struct letter);
    l->key = check.n;
    l->local_only = local_only;
    l->begun_wall_ms = world_wall_ms();
    buf_init(&l->body, SIZE_MAX / 4);
    check.letter[check.n++] = l;
    return l;
}

const char *letter_key_text(unsigned key, char ret[static 16])
{
    (void)snprintf(ret, 16, "xq%05u", key);
    return ret;
}

/* Where a key begins, or text.n. */
static size_t key_find(struct span text)
{
    for (size_t i = 0; i + KEY_BYTES <= text.n; i++) {
        bool digits = text.p[i] == 'x' && text.p[i + 1] == 'q';
        for (size_t k = 2; digits && k < KEY_BYTES; k++)
            digits = text.p[i + k] >= '0' && text.p[i + k] <= '9';
        if (digits)
            return i;
    }
    return text.n;
}

struct letter *letter_find(struct span text, int *ret_rcpt)
{
    uint64_t key = 0;
    size_t at = key_find(text);
    if (at == text.n)
        return NULL;
    enum err e = span_u64(span_of(text.p + at + 2, KEY_BYTES - 2), UINT32_MAX, &key);
    if (e != ERR_OK || key >= check.n)
        return NULL;
    struct span rest = span_tail(text, at + KEY_BYTES);
    *ret_rcpt = -1;
    if (rest.n > 2 && rest.p[0] == '-' && rest.p[1] == 'r')
        *ret_rcpt = rest.p[2] - '0';
    return check.letter[key];
}

struct letter *letter_next(struct letter *after)
{
    unsigned i = after ? after->key + 1 : 0;
    return i < check.n ? check.letter[i] : NULL;
}

/* Invariant 5, inbound: an open relay is somebody else's name that we speak to for a stranger. */
void check_rcpt_answer(struct letter *l, unsigned i, int code)
{
    struct letter_rcpt *r = &l->rcpt[i];
    r->taken = code >= 200 && code < 300;
    if (r->taken && l->local_only && !r->domain->local)
        violated(5, "a stranger may send to %s: letter %u", r->domain->name, l->key);
}

void check_end_sent(struct letter *l)
{
    l->end_sent = true;
    l->end_sent_us = world_us();
}

void check_body_answer(struct letter *l, int code)
{
    if (!l->end_sent && code >= 200 && code < 300)
        violated(2, "letter %u is answered %d before its end", l->key, code);
    l->reply = code;
    l->accepted = code >= 200 && code < 300;
    tell("letter %u is answered %d", l->key, code);
    if (l->accepted)
        check_disk_committed(l);
}

/* The disk took too long: then nobody knows whether the mail is there. */
void check_body_cut_off(struct letter *l)
{
    int64_t waited_us = world_us() - l->end_sent_us;
    bool late = l->end_sent && waited_us > (TOWN_COMMIT_S - 1) * (int64_t)SECOND_US;
    l->reply = late ? 0 : 421;
    tell("letter %u is answered 421%s", l->key, late ? ", late" : "");
}

void check_probe_failed(const char *why)
{
    violated(8, "all is calm, and the gateway takes no mail: %s", why);
}

/* --- channels: the oracle of what a host may be told */

static const char *channel_fault(const struct channel *c)
{
    enum town_need need = c->host->domain->need;
    enum town_identity id = c->identity;
    if (c->tls && (id == ID_OLD_VERSION || id >= ID_ALERT))
        return "over TLS that cannot be";
    if (need == NEED_TRY)
        return NULL;
    if (!c->tls)
        return "in clear";
    bool trusted = id != ID_SELF_SIGNED && id != ID_EXPIRED;
    if (need >= NEED_CHAIN && !trusted)
        return "over an untrusted certificate";
    if (need >= NEED_NAME && id == ID_WRONG_NAME)
        return "over another's certificate";
    return NULL;
}

void check_channel(const struct channel *c)
{
    const char *fault = channel_fault(c);
    if (fault)
        violated(4, "mail for %s goes to %s %s", c->host->domain->name, c->host->name, fault);
}

/* --- copies */

/* May there be one more copy beside the latest? What can be known only by the sender may be lost:
 * the 250 on its way, or the fact that it came, until that is on the disk. */
static bool copy_excused(const struct letter_rcpt *r)
{
    if (r->copy_read_us < 0)
        return true;
    const struct life *life = machine_life_of(r->copy_life);
    if (life->store_failed)
        return true;
    return life->over && (life->quiet_us <= r->copy_read_us || life->store_full);
}

static struct span received_cut(struct span body)
{
    if (!span_starts(body, SPAN("Received: ")))
        return body;
    do {
        size_t end = span_find(body, '\n');
        body = span_tail(body, end < body.n ? end + 1 : body.n);
    } while (body.n > 0 && (body.p[0] == '\t' || body.p[0] == ' '));
    return body;
}

static void check_content(const struct letter *l, struct span body)
{
    struct span rest = received_cut(body);
    if (rest.n == body.n)
        violated(2, "letter %u comes without our Received", l->key);
    if (!span_eq(rest, buf_span(&l->body)))
        violated(2, "letter %u comes with another body: %zu bytes for %zu", l->key, rest.n,
                 l->body.n);
}

/* A notification to the sender of l. */
static void check_notice(const struct letter *l, struct span body)
{
    if (l->null_from)
        violated(2, "a notification for letter %u, which came from <>", l->key);
    if (!l->end_sent)
        violated(2, "a notification for letter %u, which was never ours", l->key);
    if (span_find(body, 'x') == body.n)
        violated(2, "an empty notification for letter %u", l->key);
}

static void copy_take(struct letter *l, unsigned i, struct span body)
{
    struct letter_rcpt *r = &l->rcpt[i];
    if (!r->taken && !l->hostile)
        violated(2, "letter %u is delivered to recipient %u, which was refused", l->key, i);
    if (!l->end_sent)
        violated(2, "letter %u is delivered, and its client never sent its end", l->key);
    if (l->reply >= 400 && !check_disk_in_doubt())
        violated(2, "letter %u is delivered, though it was answered %d", l->key, l->reply);
    check_content(l, body);
    if (r->copies > 0 && !copy_excused(r))
        violated(3,
                 "letter %u comes twice to recipient %u: the 250 of the first was read at %" PRId64
                 " us and its result was stored (quiet at %" PRId64 " us)",
                 l->key, i, r->copy_read_us, machine_life_of(r->copy_life)->quiet_us);
    check.n_duplicates += r->copies > 0;
    check.n_copies++;
    r->copies++;
    r->copy_us = world_us();
    r->copy_read_us = -1;
    r->copy_reply_end = 0;
    r->copy_end = NULL;
    r->copy_life = machine_life();
}

void check_copy(const struct channel *c, struct span rcpt, struct span body)
{
    int i;
    struct letter *l = letter_find(rcpt, &i);
    if (!l)
        violated(2, "%s is given a mail that nobody sent, for %.*s", c->host->name, SPAN_ARG(rcpt));
    const char *how = c->tls ? "over TLS" : "in clear";
    if (i < 0) {
        check_notice(l, body);
        tell("%s takes a notification about letter %u, %s", c->host->name, l->key, how);
        return;
    }
    if ((unsigned)i >= l->n_rcpt || l->rcpt[i].domain != c->host->domain)
        violated(5, "%s is given letter %u for %.*s", c->host->name, l->key, SPAN_ARG(rcpt));
    tell("%s takes letter %u for recipient %d, %s", c->host->name, l->key, i, how);
    copy_take(l, (unsigned)i, body);
    l->rcpt[i].copy_end = c->gate_end;
}

void check_maildir(struct span path, struct span unique, const struct body *body)
{
    int i;
    struct letter *l = letter_find(path, &i);
    struct buf whole;
    if (!l || i < 0 || (unsigned)i >= l->n_rcpt || l->rcpt[i].domain->kind != DOMAIN_MAILDIR)
        violated(5, "a mailbox is given what is not for it: %.*s", SPAN_ARG(path));
    buf_init(&whole, SIZE_MAX / 4);
    for (uint64_t at = 0; at < body->n;) {
        struct span s = body_at(body, at);
        buf_put(&whole, s);
        at += s.n;
    }
    tell("the mailbox of letter %u, recipient %d is given %.*s", l->key, i, SPAN_ARG(unique));
    copy_take(l, (unsigned)i, buf_span(&whole));
    buf_done(&whole);
}

void check_replied(struct wire_end *gate_end)
{
    for (unsigned k = 0; gate_end && k < check.n; k++)
        for (unsigned i = 0; i < check.letter[k]->n_rcpt; i++) {
            struct letter_rcpt *r = &check.letter[k]->rcpt[i];
            if (r->copy_end == gate_end && r->copy_reply_end == 0)
                r->copy_reply_end = gate_end->sent;
        }
}

void check_read(struct wire_end *e)
{
    const struct town_host *h = town_host_at(&e->wire->end[SIDE_CALLED].ip);
    for (unsigned k = 0; h && e->side == SIDE_CALLER && k < check.n; k++)
        for (unsigned i = 0; i < check.letter[k]->n_rcpt; i++) {
            struct letter_rcpt *r = &check.letter[k]->rcpt[i];
            bool now = r->copy_end == e && r->copy_reply_end > 0 && e->read >= r->copy_reply_end;
            if (now && r->copy_read_us < 0)
                r->copy_read_us = world_us();
        }
}

void check_refusal(struct span from, struct span rcpt)
{
    int i;
    struct letter *l = letter_find(rcpt.n > 0 ? rcpt : from, &i);
    if (!l)
        return;
    for (unsigned k = 0; k < l->n_rcpt; k++)
        if (rcpt.n == 0 || (int)k == i)
            l->rcpt[k].may_bounce = true;
}

void check_transaction(unsigned messages, unsigned rcpts)
{
    if (messages > TOWN_MESSAGES_MAX)
        violated(8, "%u messages on one session", messages);
    if (rcpts > TOWN_RCPTS_MAX)
        violated(8, "%u recipients in one transaction", rcpts);
}

/* --- wires */

static bool is_gate(const struct ip *ip)
{
    return ip_same_host(ip, &town.gate);
}

/* Sessions to the hosts of one domain. */
static unsigned sessions_to(const struct town_domain *d)
{
    unsigned n = 0;
    for (struct wire *w = net_wire_next(NULL); w; w = net_wire_next(w)) {
        const struct town_host *h = town_host_at(&w->end[SIDE_CALLED].ip);
        bool ours = is_gate(&w->end[SIDE_CALLER].ip) && w->end[SIDE_CALLER].sock;
        n += ours && h && h->domain == d && w->end[SIDE_CALLER].sent > 0;
    }
    return n;
}

void check_call(const struct wire *w)
{
    char ip[IP_TEXT_MAX];
    if (!is_gate(&w->end[SIDE_CALLER].ip))
        return;
    check.n_calls++;
    const struct town_host *h = town_host_at(&w->end[SIDE_CALLED].ip);
    if (!h)
        violated(5, "the gateway calls %s, where nobody asked it to",
                 ip_port_text(&w->end[SIDE_CALLED].ip, ip));
    if (h->trap)
        violated(5, "the gateway calls %s of %s, whose kind is %s", h->name, h->domain->name,
                 domain_kind_name(h->domain->kind));
}

/* The wire is looked at as a stranger would: words in clear. Keys may be cut anywhere. */
void check_sent(struct wire_end *from, struct span bytes)
{
    struct wire *w = from->wire;
    const struct town_host *h = town_host_at(&w->end[SIDE_CALLED].ip);
    if (from->side != SIDE_CALLER || !is_gate(&from->ip) || !h || h->domain->need == NEED_TRY)
        return;
    static struct {
        const struct wire_end *end;
        char tail[WATCH_BYTES];
        size_t n;
    } seen[64];
    struct buf whole;
    unsigned slot = (unsigned)(w->id % COUNTOF(seen));
    if (seen[slot].end != from) {
        seen[slot].end = from;
        seen[slot].n = 0;
    }
    buf_init(&whole, SIZE_MAX / 4);
    buf_put(&whole, span_of(seen[slot].tail, seen[slot].n));
    buf_put(&whole, bytes);
    struct span s = buf_span(&whole);
    if (key_find(s) < s.n)
        violated(4, "a key goes to %s in clear, and %s wants more", h->name, h->domain->name);
    size_t keep = s.n < KEY_BYTES - 1 ? s.n : KEY_BYTES - 1;
    memcpy(seen[slot].tail, s.p + s.n - keep, keep);
    seen[slot].n = keep;
    buf_done(&whole);
}

/* --- limits and deadlines */

void check_pause(int64_t until_us)
{
    if (until_us > check.paused_until_us)
        check.paused_until_us = until_us;
    check_freeze(until_us);
}

void check_freeze(int64_t until_us)
{
    if (until_us > check.frozen_until_us)
        check.frozen_until_us = until_us;
}

/* Invariant 9: whatever the other side does or does not, no connection lives longer than its core
 * announced. */
static void check_deadlines(void)
{
    const struct life *life = machine_life_of(machine_life());
    for (struct wire *w = net_wire_next(NULL); w; w = net_wire_next(w)) {
        bool out = is_gate(&w->end[SIDE_CALLER].ip);
        const struct wire_end *e = &w->end[out ? SIDE_CALLER : SIDE_CALLED];
        if (!e->sock || !is_gate(&e->ip))
            continue;
        int64_t since = w->touched_us;
        int64_t excused_us = out ? check.frozen_until_us : check.paused_until_us;
        since = excused_us > since ? excused_us : since;
        since = life->begun_us > since ? life->begun_us : since;
        int64_t idle_s = (world_us() - since) / SECOND_US;
        int64_t whole_s = (world_us() - w->begun_us) / SECOND_US;
        int64_t idle_max = (out ? 2 * TOWN_OUT_S : 3 * TOWN_COMMAND_S) + IDLE_SLACK_S;
        if (idle_s > idle_max)
            violated(9, "wire %" PRIu64 " (%s) is still open after %" PRId64 " s of silence", w->id,
                     out ? "outgoing" : "incoming", idle_s);
        bool paused = check.paused_until_us > w->begun_us;
        if (!out && !paused && whole_s > TOWN_SESSION_S + 3 * TOWN_COMMAND_S + IDLE_SLACK_S)
            violated(9, "wire %" PRIu64 " from a client is open for %" PRId64 " s", w->id, whole_s);
    }
}

static void check_connections(void)
{
    for (struct wire *w = net_wire_next(NULL); w; w = net_wire_next(w)) {
        unsigned n = 0;
        const struct ip *from = &w->end[SIDE_CALLER].ip;
        if (is_gate(from) || from->a[1] == 1)
            continue; /* ours, or exempt */
        for (struct wire *v = net_wire_next(NULL); v; v = net_wire_next(v))
            n += ip_same_host(&v->end[SIDE_CALLER].ip, from) && v->end[SIDE_CALLED].sock &&
                 v->end[SIDE_CALLED].sent > 40; /* more than a 421 at the door */
        if (n > TOWN_CONNECTIONS_MAX)
            violated(8, "%u connections of one address at once", n);
    }
}

static uint64_t sessions_from_clients(void)
{
    uint64_t n = 0;
    for (struct wire *w = net_wire_next(NULL); w; w = net_wire_next(w))
        n += is_gate(&w->end[SIDE_CALLED].ip) && w->end[SIDE_CALLED].sock;
    return n;
}

void check_limits(struct worker *w)
{
    /* what one session may hold, and one mail more than the budget */
    uint64_t most =
        w->config->limits.body_memory_bytes + BODY_ONE_MAX * (1 + sessions_from_clients());
    if (w->body_memory > most)
        violated(8, "%" PRIu64 " bytes of bodies in memory, of %" PRIu64, w->body_memory, most);
    for (unsigned i = 0; i < town.n_domain; i++) {
        unsigned n = sessions_to(&town.domain[i]);
        if (n > 2 * TOWN_SESSIONS_MAX) /* a reload lets those under the old snapshot end */
            violated(8, "%u sessions to %s at once", n, town.domain[i].name);
    }
    check_deadlines();
    check_connections();
}

/* --- the end */

static bool gate_talks(void)
{
    for (struct wire *w = net_wire_next(NULL); w; w = net_wire_next(w))
        for (unsigned side = 0; side < 2; side++)
            if (w->end[side].sock && is_gate(&w->end[side].ip))
                return true;
    return false;
}

void check_end(void)
{
    if (gate_talks())
        violated(8, "the queue is empty, and yet the gateway still has a connection");
    check_disk_end();
}

void check_summary(struct buf *out)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < check.n; i++)
        taken += check.letter[i]->accepted;
    buf_putf(out, "%u letters, %u answered 250, %u copies, %u of them again, %u calls, %u lives",
             check.n, taken, check.n_copies, check.n_duplicates, check.n_calls, machine_life());
}
