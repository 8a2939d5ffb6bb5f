/* What `postern` may ask. Start reading at the table `verbs`. Each verb looks at one shard at most,
 * so that answers are bounded and the tool, which asks all shards of all workers, can page. */
#include "gate/control_request.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/sched.h"
#include "io/idn.h"
#include "mail/addr.h"
#include "mail/text.h"

enum { PAIR_MAX = 2 * STORE_TRACE_MAX, SEARCH_MAX = 2048 };

/* --- errors and parts of requests --- */

static const char *const code_names[] = {
    [REQUEST_USAGE] = "usage",   [REQUEST_NOT_FOUND] = "not-found", [REQUEST_TOO_BIG] = "too-big",
    [REQUEST_FAILED] = "failed", [REQUEST_DENIED] = "permission",
};

struct ctl *request_error(enum request_code code, const char *text)
{
    struct ctl *c = ctl_new();
    ctl_set_bool(c, "ok", false);
    ctl_set(c, "code", span_z(code_names[code]));
    ctl_set(c, "error", span_z(text));
    return c;
}

void request_fail(struct request *r, enum request_code code, const char *fmt, ...)
{
    struct buf text;
    va_list ap;
    buf_init(&text, 2 * WHY_BYTES_MAX);
    va_start(ap, fmt);
    enum err e = buf_addv(&text, fmt, ap);
    va_end(ap);
    ctl_free(r->out);
    r->out = request_error(code, e == ERR_OK ? buf_z(&text) : fmt);
    buf_done(&text);
    request_done(r);
}

void request_store_failed(struct request *r, enum err e)
{
    if (e == ERR_TOO_BIG)
        request_fail(r, REQUEST_TOO_BIG, "the answer is too long: ask for less");
    else if (e == ERR_FULL)
        request_fail(r, REQUEST_FAILED, "the disk is full: nothing was changed");
    else
        request_fail(r, REQUEST_FAILED, "shard %u cannot answer (%s): see its log",
                     store_shard(r->store), err_name(e));
}

unsigned request_limit(const struct request *r)
{
    int64_t limit = ctl_get_num(r->in, "limit");
    if (limit < 1)
        return REQUEST_ROWS;
    return limit < REQUEST_ROWS_MAX ? (unsigned)limit : REQUEST_ROWS_MAX;
}

static enum err request_domain(struct request *r, struct span domain, struct span *ret,
                               struct why *why)
{
    if (domain.n == 0 || domain_is_literal(domain)) {
        *ret = domain;
        return ERR_OK;
    }
    struct buf b;
    buf_init(&b, DOMAIN_BYTES_MAX);
    enum err e = idn_to_ascii(domain, &b);
    if (e == ERR_OK)
        *ret = arena_span(&r->arena, buf_span(&b));
    else
        why_set(why, "`%.*s` is no domain", SPAN_ARG(text_cut(domain, DOMAIN_BYTES_MAX)));
    buf_done(&b);
    return e == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

static enum err request_id(const struct request *r, const char *key, uint64_t *ret, struct why *why)
{
    struct span id = ctl_get(r->in, key);
    uint64_t value = 0;
    if (id.n > 0 && (id_parse(id, &value) != ERR_OK || value == 0)) {
        why_set(why, "`%.*s` is no queue id", SPAN_ARG(text_cut(id, DOMAIN_BYTES_MAX)));
        return ERR_SYNTAX;
    }
    *ret = value;
    return ERR_OK;
}

uint64_t request_after(const struct request *r, uint64_t after_id)
{
    return after_id == 0 ? 0 : asker_unveil(r->asker, &r->w->clients.key, after_id);
}

/* Where the page begins, and how long it may be. */
static enum err request_page(struct request *r, struct why *why)
{
    int64_t after_i = ctl_get_num(r->in, "after_i");
    TRY(request_id(r, "after_id", &r->op.after_id, why));
    r->op.after_id = request_after(r, r->op.after_id);
    r->op.after_i = after_i > 0 && after_i < STORE_CHUNKS_MAX ? (unsigned)after_i : 0;
    r->op.limit = request_limit(r);
    return ERR_OK;
}

enum err request_filter(struct request *r, struct store_filter *ret, struct why *why)
{
    struct store_filter f = {
        .from = ctl_get(r->in, "from"),
        .to = ctl_get(r->in, "to"),
        .held_only = ctl_get_bool(r->in, "held"),
    };
    TRY(request_id(r, "id", &f.id, why));
    TRY(request_domain(r, ctl_get(r->in, "domain"), &f.domain, why));
    *ret = f;
    return ERR_OK;
}

bool filter_is_empty(const struct store_filter *f)
{
    return f->id == 0 && f->domain.n == 0 && f->from.n == 0 && f->to.n == 0 && !f->held_only;
}

static void submit(struct request *r, enum store_kind kind, void (*done)(struct store_op *op))
{
    struct store_op before = r->op;
    store_op_init(&r->op, kind, done, r);
    r->op.filter = before.filter;
    r->op.id = before.id;
    r->op.limit = before.limit;
    r->op.after_id = before.after_id;
    r->op.after_i = before.after_i;
    r->op.since_ms = before.since_ms;
    r->op.now_ms = loop_wall_ms(r->w->loop);
    memcpy(r->op.match, before.match, sizeof before.match);
    store_submit(r->store, &r->op);
}

/* --- queue-count --- */

static void counted(struct store_op *op)
{
    struct request *r = op->arg;
    enum err e = op->result;
    const struct store_totals t = op->totals;
    store_op_done(op);
    if (e != ERR_OK) {
        request_store_failed(r, e);
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "messages", (int64_t)t.messages);
    ctl_set_num(r->out, "recipients", (int64_t)t.recipients);
    ctl_set_num(r->out, "held", (int64_t)t.held);
    ctl_set_num(r->out, "leased", (int64_t)t.leased);
    ctl_set_num(r->out, "due", (int64_t)t.due);
    ctl_set_num(r->out, "bytes_file", (int64_t)t.bytes_file);
    ctl_set_num(r->out, "oldest", t.oldest_ms);
    request_done(r);
}

static void verb_count(struct request *r)
{
    submit(r, STORE_COUNT, counted);
}

/* --- lines of key=value as objects --- */

static bool is_number_key(struct span key)
{
    static const char *const keys[] = { "time",    "rcpts", "bytes", "attempt",
                                        "took_ms", "next",  "bits",  "hosts" };
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (span_eq(key, span_z(keys[i])))
            return true;
    return false;
}

static void put_pair(struct ctl *out, struct span key, struct span value)
{
    char name[64];
    uint64_t number;
    if (key.n >= sizeof name)
        return;
    memcpy(name, key.p, key.n);
    name[key.n] = '\0';
    if (is_number_key(key) && span_u64(value, INT64_MAX, &number) == ERR_OK)
        ctl_set_num(out, name, (int64_t)number);
    else
        ctl_set(out, name, value);
}

/* As far as the line is well-formed. */
static void put_line(struct ctl *out, struct span line)
{
    struct span key;
    struct buf value;
    buf_init(&value, PAIR_MAX);
    while (kv_next(&line, &key, &value) == ERR_OK)
        put_pair(out, key, buf_span(&value));
    buf_done(&value);
}

/* --- queue-list --- */

static void put_tls(struct ctl *message, const struct tls_facts *tls)
{
    struct buf line;
    buf_init(&line, TLS_FACTS_TEXT_MAX);
    tls_facts_print(tls, &line);
    put_line(ctl_object(message, "tls"), buf_span(&line));
    buf_done(&line);
}

static struct ctl *put_message(struct ctl *out, const struct store_item *item, enum sight sight)
{
    char id[ID_BYTES_MAX];
    const struct envelope *e = item->envelope;
    struct ctl *m = ctl_add(out, "messages");
    ctl_set(m, "id", span_z(id_text(item->id, id)));
    ctl_set(m, "from", e->from);
    ctl_set_num(m, "accepted", e->accepted_ms);
    ctl_set_num(m, "bytes", (int64_t)e->size);
    ctl_set(m, "message-id", e->message_id);
    bool how = sight != SIGHT_RECIPIENT;
    ctl_set(m, "client", how ? e->client : SPAN_NONE);
    ctl_set(m, "helo", how ? e->helo : SPAN_NONE);
    ctl_set_num(m, "hops", e->hops);
    ctl_set_bool(m, "smtputf8", e->smtputf8);
    ctl_set_bool(m, "requiretls", e->requiretls);
    ctl_set_bool(m, "tls-required-no", e->tls_required_no);
    ctl_set(m, "envid", e->envid);
    if (how)
        put_tls(m, &e->tls);
    return m;
}

static const char *item_state(const struct store_item *item, int64_t now)
{
    if (item->token != 0 && item->due_ms > now)
        return "sending";
    if (item->held)
        return "held";
    return item->due_ms <= now ? "due" : "waiting";
}

static void put_rcpt(struct ctl *message, const struct store_item *item, enum sight sight,
                     int64_t now)
{
    struct ctl *row = ctl_add(message, "rcpts");
    const char *state = item_state(item, now);
    ctl_set_num(row, "i", item->i);
    ctl_set(row, "to", item->rcpt.addr);
    ctl_set(row, "domain", item->rcpt.domain);
    ctl_set(row, "state", span_z(state));
    ctl_set_bool(row, "held", item->held);
    ctl_set_num(row, "attempts", item->attempts);
    if (strcmp(state, "waiting") == 0)
        ctl_set_num(row, "next", item->due_ms);
    ctl_set(row, "last", asker_reply(sight, item->last));
    ctl_set(row, "route", sight == SIGHT_SENDER ? SPAN_NONE : item->route);
    ctl_set_bool(row, "warned", item->warned);
}

/* Where the next page begins. */
void request_put_page(struct request *r, uint64_t id, unsigned i, bool more)
{
    char text[ID_BYTES_MAX];
    if (id != 0)
        id = asker_veil(r->asker, &r->w->clients.key, id);
    ctl_set(r->out, "after_id", id != 0 ? span_z(id_text(id, text)) : SPAN_NONE);
    ctl_set_num(r->out, "after_i", i);
    ctl_set_bool(r->out, "more", more);
}

static void listed(struct store_op *op)
{
    struct request *r = op->arg;
    struct ctl *message = NULL;
    unsigned rows = 0;
    uint64_t id = 0;
    if (op->result != ERR_OK) {
        enum err e = op->result;
        store_op_done(op);
        request_store_failed(r, e);
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    ctl_array(r->out, "messages");
    for (unsigned i = 0; i < op->n; i++) {
        const struct store_item *item = &op->items[i];
        enum sight sight = asker_item(r->w->config, r->asker, item->envelope, item->rcpt.domain);
        if (sight == SIGHT_NONE)
            continue;
        if (rows++ == 0 || item->id != id)
            message = put_message(r->out, item, sight);
        id = item->id;
        put_rcpt(message, item, sight, loop_wall_ms(r->w->loop));
    }
    ctl_set_num(r->out, "rows", rows);
    bool any = op->n > 0;
    const struct store_item *last = any ? &op->items[op->n - 1] : NULL;
    request_put_page(r, any ? last->id : 0, any ? last->i : 0, any && op->n == op->limit);
    store_op_done(op);
    request_done(r);
}

static void verb_list(struct request *r)
{
    struct why why;
    if (request_filter(r, &r->op.filter, &why) != ERR_OK || request_page(r, &why) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "%s", why.text);
        return;
    }
    submit(r, STORE_LIST, listed);
}

/* --- trace --- */

/* A Message-ID with or without its brackets is one. */
static struct span without_brackets(struct span s)
{
    if (s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        return span_of(s.p + 1, s.n - 2);
    return s;
}

/* What of `value` stands in a line that has it, alone or in a list: without quotes that may be
 * around the whole of it. */
static struct span search_text(struct arena *a, struct span value)
{
    struct buf b;
    if (value.n == 0)
        return SPAN_NONE;
    buf_init(&b, SEARCH_MAX);
    kv_str(&b, "k", value);
    struct span s = span_tail(buf_span(&b), sizeof "k=" - 1);
    if (s.n >= 2 && s.p[0] == '"')
        s = span_of(s.p + 1, s.n - 2);
    struct span ret = arena_span(a, s);
    buf_done(&b);
    return ret;
}

static bool list_has(struct span list, struct span want)
{
    if (span_eq(list, want))
        return true;
    while (list.n > 0)
        if (span_eq(span_cut(&list, ','), want))
            return true;
    return false;
}

enum { SEEN_MESSAGE_ID = 1, SEEN_FROM = 2, SEEN_TO = 4, SEEN_ALL = 7 };

/* What was asked for and stands in this line, exactly: the store looked for parts of it. */
static unsigned line_has(const struct request *r, struct span line)
{
    struct span id = without_brackets(ctl_get(r->in, "message-id"));
    struct span from = ctl_get(r->in, "from"), to = ctl_get(r->in, "to"), key;
    unsigned seen = (id.n == 0 ? SEEN_MESSAGE_ID : 0u) | (from.n == 0 ? SEEN_FROM : 0u) |
                    (to.n == 0 ? SEEN_TO : 0u);
    struct buf value;
    buf_init(&value, PAIR_MAX);
    while (kv_next(&line, &key, &value) == ERR_OK) {
        struct span v = buf_span(&value);
        if (span_eq(key, SPAN("message-id")) && span_eq(without_brackets(v), id))
            seen |= SEEN_MESSAGE_ID;
        if (span_eq(key, SPAN("from")) && span_eq(v, span_eq(from, SPAN("<>")) ? SPAN_NONE : from))
            seen |= SEEN_FROM;
        if (span_eq(key, SPAN("to")) && list_has(v, to))
            seen |= SEEN_TO;
    }
    buf_done(&value);
    return seen;
}

/* n lines of one message. cut: there may be more of it, on another page, so nobody can tell. */
static void put_trace(struct request *r, const struct store_trace_line *lines, unsigned n, bool cut)
{
    char id[ID_BYTES_MAX];
    unsigned seen = cut ? SEEN_ALL : 0;
    for (unsigned i = 0; i < n && seen != SEEN_ALL; i++)
        seen |= line_has(r, lines[i].text);
    if (seen != SEEN_ALL)
        return;
    struct ctl *m = ctl_add(r->out, "messages");
    ctl_set(m, "id", span_z(id_text(lines->id, id)));
    for (unsigned i = 0; i < n; i++)
        put_line(ctl_add(m, "lines"), lines[i].text);
}

/* As much of it as whoever asks may see. */
static void put_own_trace(struct request *r, const struct store_trace_line *lines, unsigned n,
                          bool cut)
{
    if (r->asker.all) {
        put_trace(r, lines, n, cut);
        return;
    }
    struct store_trace_line *own = ARENA_ARRAY(&r->arena, struct store_trace_line, n);
    unsigned n_own = asker_lines(r->w->config, r->asker, lines, n, &r->arena, own);
    if (n_own > 0)
        put_trace(r, own, n_own, cut);
}

static void found(struct store_op *op)
{
    struct request *r = op->arg;
    if (op->result != ERR_OK) {
        enum err e = op->result;
        store_op_done(op);
        request_store_failed(r, e);
        return;
    }
    bool full = op->n == op->limit;
    ctl_set_bool(r->out, "ok", true);
    ctl_array(r->out, "messages");
    for (unsigned i = 0, n; i < op->n; i += n) {
        for (n = 1; i + n < op->n && op->lines[i + n].id == op->lines[i].id;)
            n++;
        put_own_trace(r, &op->lines[i], n, (full && i == 0) || op->lines[i].id == op->after_id);
    }
    request_put_page(r, op->n > 0 ? op->lines[0].id : 0, op->n > 0 ? op->lines[0].i : 0, full);
    store_op_done(op);
    request_done(r);
}

static void verb_trace(struct request *r)
{
    struct why why;
    struct span from = ctl_get(r->in, "from");
    if (request_id(r, "id", &r->op.id, &why) != ERR_OK || request_page(r, &why) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "%s", why.text);
        return;
    }
    r->op.since_ms = ctl_get_num(r->in, "since");
    r->op.match[0] = search_text(&r->arena, without_brackets(ctl_get(r->in, "message-id")));
    r->op.match[1] = span_eq(from, SPAN("<>")) ? SPAN("from=\"\"") : search_text(&r->arena, from);
    r->op.match[2] = search_text(&r->arena, ctl_get(r->in, "to"));
    submit(r, STORE_FIND, found);
}

/* --- the table --- */

/* Who may ask. */
enum right {
    RIGHT_ALL, /* root, and the worker's user */
    RIGHT_OWN, /* administrators, too: the verb looks at r->asker */
};

static const struct verb {
    const char *name;
    enum right right;
    bool of_a_shard;
    void (*begin)(struct request *r);
} verbs[] = {
    { "status", RIGHT_OWN, false, control_status },
    { "shards", RIGHT_OWN, false, control_shards },
    { "queue-count", RIGHT_ALL, true, verb_count },
    { "queue-list", RIGHT_OWN, true, verb_list },
    { "queue-change", RIGHT_OWN, true, control_change },
    { "trace", RIGHT_OWN, true, verb_trace },
    { "explain", RIGHT_OWN, false, control_explain },
    { "connector-list", RIGHT_OWN, false, control_connectors },
    { "fetch", RIGHT_ALL, false, control_fetch },
};

static struct store *store_of_shard(const struct worker *w, int64_t shard)
{
    for (unsigned i = 0; i < w->n_store; i++)
        if (store_shard(w->store[i]) == shard)
            return w->store[i];
    return NULL;
}

void request_begin(struct request *r)
{
    struct span name = ctl_get(r->in, "verb");
    const struct verb *v = NULL;
    for (size_t i = 0; i < COUNTOF(verbs) && !v; i++)
        if (span_eq(name, span_z(verbs[i].name)))
            v = &verbs[i];
    if (!v) {
        request_fail(r, REQUEST_USAGE, "there is no verb `%.*s`", SPAN_ARG(text_cut(name, 64)));
        return;
    }
    /* who was an administrator when it came may be none any more */
    if (!asker_known(r->w->config, r->asker) || (v->right == RIGHT_ALL && !r->asker.all)) {
        request_fail(r, REQUEST_DENIED, "`%s` is not for administrators of an organisation",
                     v->name);
        return;
    }
    if (v->of_a_shard)
        r->store =
            store_of_shard(r->w, ctl_is_num(r->in, "shard") ? ctl_get_num(r->in, "shard") : -1);
    if (v->of_a_shard && !r->store)
        request_fail(r, REQUEST_NOT_FOUND, "worker %u has no such shard", r->w->index);
    else
        v->begin(r);
}
