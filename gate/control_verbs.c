/* What `postern` may ask. Start reading at the table `verbs`. Each verb looks at one shard at most,
 * so that answers are bounded and the tool, which asks all shards of all workers, can page. */
#include "gate/control_request.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/sched.h"
#include "io/idn.h"
#include "mail/addr.h"
#include "mail/text.h"

enum { RESTING_MAX = 100, PAIR_MAX = 2 * STORE_TRACE_MAX, SEARCH_MAX = 2048 };

/* --- errors and parts of requests --- */

static const char *const code_names[] = {
    [REQUEST_USAGE] = "usage",
    [REQUEST_NOT_FOUND] = "not-found",
    [REQUEST_TOO_BIG] = "too-big",
    [REQUEST_FAILED] = "failed",
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

/* Where the page begins, and how long it may be. */
static enum err request_page(struct request *r, struct why *why)
{
    int64_t after_i = ctl_get_num(r->in, "after_i");
    TRY(request_id(r, "after_id", &r->op.after_id, why));
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

/* --- status, shards: what needs no store --- */

static void put_counters(const struct worker *w, struct ctl *out)
{
    struct stats mine = { .row = &w->stats.row[w->stats.mine], .n = 1, .mine = 0 };
    struct ctl *own = ctl_object(out, "counters"), *all = ctl_object(out, "sums");
    for (unsigned i = 0; i < STAT_COUNT_; i++) {
        enum counter which = (enum counter)i;
        ctl_set_num(own, stats_name(which), (int64_t)stats_sum(&mine, which));
        ctl_set_num(all, stats_name(which), (int64_t)stats_sum(&w->stats, which));
    }
}

static const char *health_name(enum err health)
{
    return health == ERR_OK ? "ok" : health == ERR_FULL ? "full" : "untrusted";
}

static void put_shards(const struct worker *w, struct ctl *out)
{
    ctl_array(out, "shards");
    for (unsigned i = 0; i < w->n_store; i++) {
        const struct store *s = w->store[i];
        struct store_stats stats = store_stats(s);
        struct ctl *row = ctl_add(out, "shards");
        ctl_set_num(row, "shard", store_shard(s));
        ctl_set(row, "health", span_z(health_name(store_health(s))));
        ctl_set_num(row, "pending", store_pending(s));
        ctl_set_num(row, "commits", (int64_t)stats.commits);
        ctl_set_num(row, "operations", (int64_t)stats.ops);
        ctl_set_num(row, "failures", (int64_t)stats.failures);
        ctl_set_num(row, "batch_max", stats.batch_max);
    }
}

struct resting {
    struct request *r;
    unsigned n;
};

static void put_resting(void *arg, const struct dest *d)
{
    struct resting *resting = arg;
    struct request *r = resting->r;
    if (window_allows(&d->window, loop_wall_ms(r->w->loop)) > 0)
        return;
    if (resting->n++ >= RESTING_MAX)
        return;
    struct buf last;
    buf_init(&last, REPLY_TEXT_MAX + 64);
    reply_print(&d->last, &last);
    struct ctl *row = ctl_add(r->out, "resting");
    ctl_set(row, "destination", d->key);
    ctl_set(row, "domain", d->domain);
    ctl_set_num(row, "until", d->window.dead_until_ms);
    ctl_set_num(row, "waiting", d->n_ready);
    ctl_set(row, "last", buf_span(&last));
    buf_done(&last);
}

static void put_warning(void *arg, const char *text)
{
    struct request *r = arg;
    ctl_set(ctl_add(r->out, "warnings"), "text", span_z(text));
}

static void verb_status(struct request *r)
{
    const struct worker *w = r->w;
    const struct config *c = w->config;
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "worker", w->index);
    ctl_set_num(r->out, "workers", w->n_workers);
    ctl_set(r->out, "version", span_z(POSTERN_VERSION));
    ctl_set_num(r->out, "uptime_ms", control_uptime_ms(w->control));
    ctl_set_bool(r->out, "stopping", w->stopping);
    struct ctl *config = ctl_object(r->out, "config");
    ctl_set(config, "file", c->file);
    ctl_set(config, "digest", span_z(c->digest));
    ctl_set_num(config, "generation", (int64_t)c->generation);
    ctl_set(config, "hostname", c->hostname);
    put_counters(w, r->out);
    put_shards(w, r->out);
    struct resting resting = { .r = r };
    ctl_array(r->out, "resting");
    ctl_array(r->out, "warnings");
    sched_each(w->sched, put_resting, &resting);
    ctl_set_num(r->out, "resting_n", resting.n);
    config_warnings(c, put_warning, r);
    config_lapsed(c, loop_wall_ms(w->loop), put_warning, r);
    request_done(r);
}

static void verb_shards(struct request *r)
{
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "worker", r->w->index);
    ctl_set_num(r->out, "workers", r->w->n_workers);
    put_shards(r->w, r->out);
    request_done(r);
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
                                        "took_ms", "next",  "bits" };
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

static struct ctl *put_message(struct ctl *out, const struct store_item *item)
{
    char id[ID_BYTES_MAX];
    const struct envelope *e = item->envelope;
    struct ctl *m = ctl_add(out, "messages");
    ctl_set(m, "id", span_z(id_text(item->id, id)));
    ctl_set(m, "from", e->from);
    ctl_set_num(m, "accepted", e->accepted_ms);
    ctl_set_num(m, "bytes", (int64_t)e->size);
    ctl_set(m, "message-id", e->message_id);
    ctl_set(m, "client", e->client);
    ctl_set(m, "helo", e->helo);
    ctl_set_num(m, "hops", e->hops);
    ctl_set_bool(m, "smtputf8", e->smtputf8);
    ctl_set_bool(m, "requiretls", e->requiretls);
    ctl_set_bool(m, "tls-required-no", e->tls_required_no);
    ctl_set(m, "envid", e->envid);
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

static void put_rcpt(struct ctl *message, const struct store_item *item, int64_t now)
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
    ctl_set(row, "last", item->last);
    ctl_set(row, "route", item->route);
    ctl_set_bool(row, "warned", item->warned);
}

/* Where the next page begins. */
static void put_page(struct ctl *out, uint64_t id, unsigned i, bool more)
{
    char text[ID_BYTES_MAX];
    ctl_set(out, "after_id", id != 0 ? span_z(id_text(id, text)) : SPAN_NONE);
    ctl_set_num(out, "after_i", i);
    ctl_set_bool(out, "more", more);
}

static void listed(struct store_op *op)
{
    struct request *r = op->arg;
    struct ctl *message = NULL;
    if (op->result != ERR_OK) {
        enum err e = op->result;
        store_op_done(op);
        request_store_failed(r, e);
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    ctl_array(r->out, "messages");
    for (unsigned i = 0; i < op->n; i++) {
        if (i == 0 || op->items[i].id != op->items[i - 1].id)
            message = put_message(r->out, &op->items[i]);
        put_rcpt(message, &op->items[i], loop_wall_ms(r->w->loop));
    }
    ctl_set_num(r->out, "rows", op->n);
    bool any = op->n > 0;
    const struct store_item *last = any ? &op->items[op->n - 1] : NULL;
    put_page(r->out, any ? last->id : 0, any ? last->i : 0, any && op->n == op->limit);
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
        put_trace(r, &op->lines[i], n, (full && i == 0) || op->lines[i].id == op->after_id);
    }
    put_page(r->out, op->n > 0 ? op->lines[0].id : 0, op->n > 0 ? op->lines[0].i : 0, full);
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

static const struct verb {
    const char *name;
    bool of_a_shard;
    void (*begin)(struct request *r);
} verbs[] = {
    { "status", false, verb_status },         { "shards", false, verb_shards },
    { "queue-count", true, verb_count },      { "queue-list", true, verb_list },
    { "queue-change", true, control_change }, { "trace", true, verb_trace },
    { "explain", false, control_explain },    { "connector-list", false, control_connectors },
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
    if (v->of_a_shard)
        r->store =
            store_of_shard(r->w, ctl_is_num(r->in, "shard") ? ctl_get_num(r->in, "shard") : -1);
    if (v->of_a_shard && !r->store)
        request_fail(r, REQUEST_NOT_FOUND, "worker %u has no such shard", r->w->index);
    else
        v->begin(r);
}
