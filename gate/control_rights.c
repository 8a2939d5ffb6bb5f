/* Start at asker_lines. A line of the trace is copied pair by pair: what an organisation may not
 * see is not in the copy, whatever is asked of it later. */
#include "gate/control_rights.h"

#include "base/log.h"
#include "io/idn.h"
#include "mail/addr.h"

enum { VEIL_ROUNDS = 4, CODES_MAX = 12, KEY_MAX = 64 };

/* --- whose --- */

bool asker_owns(struct asker a, const struct org *org)
{
    return a.all || (org && org_admin_of(org, a.uid));
}

bool asker_known(const struct config *c, struct asker a)
{
    for (unsigned i = 0; i < c->n_org; i++)
        if (asker_owns(a, &c->org[i]))
            return true;
    return a.all;
}

bool asker_owns_name(const struct config *c, struct asker a, struct span org)
{
    return asker_owns(a, org.n > 0 ? org_by_name(c->orgs, org) : NULL);
}

bool asker_owns_connector(const struct config *c, struct asker a, struct span id)
{
    return asker_owns_name(c, a, span_head(id, span_find(id, '/')));
}

bool asker_owns_domain(const struct config *c, struct asker a, struct span domain)
{
    return asker_owns(a, org_of_domain(c->orgs, domain));
}

struct span asker_word(const struct config *c, struct asker a)
{
    for (unsigned i = 0; i < c->n_org && !a.all; i++) {
        const struct org_admin *admin = org_admin_of(&c->org[i], a.uid);
        if (admin)
            return admin->name;
    }
    return SPAN("operator");
}

/* Of an address as it was given. */
static const struct org *org_of_address(const struct config *c, struct span address)
{
    struct buf domain;
    size_t at = span_rfind(address, '@');
    const struct org *org = NULL;
    buf_init(&domain, DOMAIN_BYTES_MAX);
    if (at < address.n && idn_to_ascii(span_tail(address, at + 1), &domain) == ERR_OK)
        org = org_of_domain(c->orgs, buf_span(&domain));
    buf_done(&domain);
    return org;
}

/* --- the queue --- */

enum sight asker_item(const struct config *c, struct asker a, const struct envelope *e,
                      struct span domain)
{
    const struct org *to = org_of_domain(c->orgs, domain);
    bool sends = asker_owns_name(c, a, e->org), receives = asker_owns(a, to);
    if (a.all || (receives && (sends || e->org.n == 0)))
        return SIGHT_ALL;
    if (receives)
        return SIGHT_RECIPIENT;
    if (!sends)
        return SIGHT_NONE;
    return to ? SIGHT_SENDER : SIGHT_ALL;
}

struct span asker_reply(enum sight s, struct span reply)
{
    struct span rest = reply;
    if (s != SIGHT_SENDER)
        return reply;
    span_cut(&rest, ' ');
    span_cut(&rest, ' ');
    size_t n = rest.n > 0 ? reply.n - rest.n - 1 : reply.n;
    return span_head(reply, n < CODES_MAX ? n : CODES_MAX);
}

/* --- lines of the trace --- */

struct reading {
    const struct config *c;
    struct asker a;
    bool sends;   /* the message is its own */
    bool foreign; /* it is another organisation's here */
    struct buf value, to;
};

/* What may stand in a line of which not all may be told. */
static bool is_plain_key(struct span key)
{
    static const char *const keys[] = { "event", "time",       "id",      "from", "to",
                                        "bytes", "message-id", "attempt", "next", "took_ms" };
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (span_eq(key, span_z(keys[i])))
            return true;
    return false;
}

/* Those that name a connector or an organisation. */
static bool is_owners_key(struct span key)
{
    static const char *const keys[] = { "org", "connector", "rule", "would-refuse", "would-use" };
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (span_eq(key, span_z(keys[i])))
            return true;
    return false;
}

/* The value of a key; it stands in r->value. Empty: there is none. */
static struct span value_of(struct reading *r, struct span line, struct span want)
{
    struct span key;
    while (kv_next(&line, &key, &r->value) == ERR_OK)
        if (span_eq(key, want))
            return buf_span(&r->value);
    return SPAN_NONE;
}

/* Its own addresses of a list. */
static struct span own_addresses(struct reading *r, struct span list)
{
    buf_clear(&r->to);
    while (list.n > 0) {
        struct span one = span_cut(&list, ',');
        if (!asker_owns(r->a, org_of_address(r->c, one)))
            continue;
        buf_put(&r->to, r->to.n > 0 ? SPAN(",") : SPAN_NONE);
        buf_put(&r->to, one);
    }
    return buf_span(&r->to);
}

/* Some recipient of the line is in another organisation here. */
static bool goes_elsewhere(const struct reading *r, struct span list)
{
    while (list.n > 0) {
        const struct org *org = org_of_address(r->c, span_cut(&list, ','));
        if (org && !asker_owns(r->a, org))
            return true;
    }
    return false;
}

static bool is_event(struct reading *r, struct span line, const char *const *names)
{
    struct span event = value_of(r, line, SPAN("event"));
    for (; *names; names++)
        if (span_eq(event, span_z(*names)))
            return true;
    return false;
}

/* Of a line that may be told in part. */
struct told {
    bool plain_only, sender, list_own;
};

static void copy_pair(struct reading *r, const struct told *t, struct span key, struct buf *out)
{
    char name[KEY_MAX] = "";
    struct span value = buf_span(&r->value);
    bool codes = t->sender && span_eq(key, SPAN("reply"));
    if (key.n >= sizeof name || (t->plain_only && !is_plain_key(key) && !codes))
        return;
    if (is_owners_key(key) && !asker_owns_connector(r->c, r->a, value))
        return;
    if (t->list_own && span_eq(key, SPAN("rcpts")))
        return;
    if (t->list_own && span_eq(key, SPAN("to")))
        value = own_addresses(r, value);
    if (codes)
        value = asker_reply(SIGHT_SENDER, value);
    memcpy(name, key.p, key.n);
    kv_str(out, name, value);
}

/* False: nothing of it may be seen. */
static bool line_told(struct reading *r, struct span line, struct told *ret)
{
    static const char *const attempts[] = { "delivered", "deferred", "bounced", "expired", NULL };
    static const char *const alone[] = { "refused", "probe", NULL };
    static const char *const accepted[] = { "accepted", NULL };
    struct told t = { .plain_only = false };
    bool connector = is_event(r, line, alone) &&
                     asker_owns_connector(r->c, r->a, value_of(r, line, SPAN("connector")));
    struct span to = value_of(r, line, SPAN("to"));
    if (r->sends || connector) {
        bool elsewhere = goes_elsewhere(r, to);
        t.sender = t.plain_only = elsewhere && is_event(r, line, attempts);
        *ret = t;
        return true;
    }
    if (own_addresses(r, to).n == 0)
        return false;
    t.list_own = true;
    t.plain_only = r->foreign && is_event(r, line, accepted);
    *ret = t;
    return true;
}

static void copy_line(struct reading *r, const struct told *t, struct span line, struct buf *out)
{
    struct span key;
    while (kv_next(&line, &key, &r->value) == ERR_OK)
        copy_pair(r, t, key, out);
}

/* Whose message it is. */
static void read_sender(struct reading *r, const struct store_trace_line *lines, unsigned n)
{
    static const char *const first[] = { "accepted", "notification", NULL };
    for (unsigned i = 0; i < n; i++) {
        if (!is_event(r, lines[i].text, first))
            continue;
        struct span org = value_of(r, lines[i].text, SPAN("org"));
        r->sends = r->sends || asker_owns_name(r->c, r->a, org);
        r->foreign = r->foreign || (org.n > 0 && !asker_owns_name(r->c, r->a, org));
    }
}

unsigned asker_lines(const struct config *c, struct asker a, const struct store_trace_line *lines,
                     unsigned n, struct arena *arena, struct store_trace_line *ret)
{
    struct reading r = { .c = c, .a = a };
    struct buf text;
    unsigned n_ret = 0;
    buf_init(&r.value, 2 * (size_t)STORE_TRACE_MAX);
    buf_init(&r.to, 2 * (size_t)STORE_TRACE_MAX);
    buf_init(&text, 2 * (size_t)STORE_TRACE_MAX);
    read_sender(&r, lines, n);
    for (unsigned i = 0; i < n; i++) {
        struct told t;
        if (!line_told(&r, lines[i].text, &t))
            continue;
        buf_clear(&text);
        copy_line(&r, &t, lines[i].text, &text);
        ret[n_ret] = lines[i];
        ret[n_ret++].text = arena_span(arena, buf_span(&text));
    }
    buf_done(&text);
    buf_done(&r.to);
    buf_done(&r.value);
    return n_ret;
}

/* --- pages --- */

/* A Feistel network over the halves of the id. */
static uint32_t veil_half(struct asker a, const struct hash_key *key, unsigned round, uint32_t half)
{
    uint32_t in[3] = { a.uid, round, half };
    char bytes[sizeof in];
    memcpy(bytes, in, sizeof in);
    return (uint32_t)span_hash(key, span_of(bytes, sizeof bytes));
}

uint64_t asker_veil(struct asker a, const struct hash_key *key, uint64_t id)
{
    uint32_t left = (uint32_t)(id >> 32), right = (uint32_t)id;
    for (unsigned i = 0; i < VEIL_ROUNDS && !a.all; i++) {
        uint32_t next = left ^ veil_half(a, key, i, right);
        left = right;
        right = next;
    }
    return (uint64_t)left << 32 | right;
}

uint64_t asker_unveil(struct asker a, const struct hash_key *key, uint64_t id)
{
    uint32_t left = (uint32_t)(id >> 32), right = (uint32_t)id;
    for (unsigned i = VEIL_ROUNDS; i > 0 && !a.all; i--) {
        uint32_t before = right ^ veil_half(a, key, i - 1, left);
        right = left;
        left = before;
    }
    return (uint64_t)left << 32 | right;
}
