/* queue-change: one page of what matches is listed, then each of its messages is changed and its
 * trace says so. Small steps: the store serves mail between them, and the tool can show how far it
 * is. Start reading at control_change. */
#include "gate/control_request.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/sched.h"

enum { TO_MAX = 1500 };

/* A message of the page: its change, then the line of its trace. */
struct one {
    struct store_op op;
    struct request *r;
    uint64_t id;
    struct span only; /* an administrator's: this recipient of it; empty: all that match */
    struct span to;   /* its recipients of this page, comma separated, as far as they fit */
    uint64_t changed;
};

struct change {
    enum store_change kind;
    struct store_filter filter;
    struct span route;
    struct one *one;
    unsigned n, waiting;
    uint64_t changed;
    enum err failed; /* the first */
    uint64_t after_id;
    unsigned after_i; /* an administrator's: changes are of single recipients */
    bool more;
};

static const struct {
    const char *name, *event;
    bool hurries; /* something may be due now */
    bool own;     /* administrators may do it to what is theirs */
} kinds[] = {
    [STORE_HOLD] = { "hold", "held", false, true },
    [STORE_RELEASE] = { "release", "released", true, true },
    [STORE_DROP] = { "drop", "dropped", false, false },
    [STORE_RETRY] = { "retry", "retried", true, true },
    [STORE_REROUTE] = { "reroute", "rerouted", true, false },
};

/* The store answers for the last time and takes no more. */
static bool is_closing(const struct request *r)
{
    return !r->w->control;
}

/* --- the end --- */

static void change_log(const struct request *r, const struct change *c)
{
    log_begin(LOG_WARN, "queue.changed");
    log_z("change", kinds[c->kind].name);
    log_num("shard", store_shard(r->store));
    log_num("recipients", (int64_t)c->changed);
    log_str("domain", c->filter.domain);
    log_str("from", c->filter.from);
    log_str("to", c->filter.to);
    log_str("route", c->route);
    log_end();
}

static void change_over(struct request *r)
{
    struct change *c = r->work;
    if (c->changed > 0)
        change_log(r, c);
    if (c->changed > 0 && kinds[c->kind].hurries) {
        if (c->kind != STORE_RELEASE && r->asker.all) /* others' destinations rest, too */
            sched_wake(r->w->sched);
        sched_kick(r->w->sched);
    }
    if (c->failed != ERR_OK) {
        request_store_failed(r, c->failed);
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    ctl_set_num(r->out, "changed", (int64_t)c->changed);
    ctl_set_num(r->out, "messages", c->n);
    request_put_page(r, c->after_id, r->asker.all ? 0 : c->after_i, c->more);
    request_done(r);
}

/* --- one message --- */

static void one_over(struct one *one, enum err result)
{
    struct request *r = one->r;
    struct change *c = r->work;
    if (result != ERR_OK && c->failed == ERR_OK)
        c->failed = result;
    if (--c->waiting == 0)
        change_over(r);
}

/* The change is made, whatever becomes of its line. */
static void one_traced(struct store_op *op)
{
    struct one *one = op->arg;
    store_op_done(op);
    one_over(one, ERR_OK);
}

static void one_trace(struct one *one)
{
    struct request *r = one->r;
    const struct change *c = r->work;
    char id[ID_BYTES_MAX];
    struct buf line;
    buf_init(&line, STORE_TRACE_MAX);
    kv_str(&line, "event", span_z(kinds[c->kind].event));
    kv_num(&line, "time", loop_wall_ms(r->w->loop));
    kv_str(&line, "id", span_z(id_text(one->id, id)));
    kv_str(&line, "by", asker_word(r->w->config, r->asker));
    kv_num(&line, "rcpts", (int64_t)one->changed);
    if (c->kind == STORE_REROUTE)
        kv_str(&line, "route", c->route);
    kv_str(&line, "to", one->to);
    store_op_init(&one->op, STORE_TRACE, one_traced, one);
    one->op.id = one->id;
    one->op.bytes = arena_span(&r->arena, buf_span(&line));
    buf_done(&line);
    store_submit(r->store, &one->op);
}

static void one_changed(struct store_op *op)
{
    struct one *one = op->arg;
    struct change *c = one->r->work;
    enum err e = op->result;
    one->changed = op->changed;
    store_op_done(op);
    if (e != ERR_OK || one->changed == 0) {
        one_over(one, e);
        return;
    }
    c->changed += one->changed;
    if (is_closing(one->r))
        one_over(one, ERR_OK);
    else
        one_trace(one);
}

static void one_change(struct one *one)
{
    struct request *r = one->r;
    const struct change *c = r->work;
    store_op_init(&one->op, STORE_CHANGE, one_changed, one);
    one->op.change = c->kind;
    one->op.filter = c->filter;
    one->op.filter.id = one->id;
    if (one->only.n > 0)
        one->op.filter.to = one->only;
    one->op.bytes = c->route;
    one->op.now_ms = loop_wall_ms(r->w->loop);
    store_submit(r->store, &one->op);
}

/* --- the page --- */

static struct span recipients(struct request *r, const struct store_item *items, unsigned n)
{
    struct buf to;
    buf_init(&to, TO_MAX);
    for (unsigned i = 0; i < n && items[i].rcpt.addr.n < buf_room(&to); i++) {
        if (i > 0)
            buf_put(&to, SPAN(","));
        buf_put(&to, items[i].rcpt.addr);
    }
    struct span ret = arena_span(&r->arena, buf_span(&to));
    buf_done(&to);
    return ret;
}

/* Each recipient that is its own by itself: others of the same message may not be. */
static void change_own(struct request *r, const struct store_op *page)
{
    struct change *c = r->work;
    for (unsigned i = 0; i < page->n; i++) {
        const struct store_item *item = &page->items[i];
        if (asker_item(r->w->config, r->asker, item->envelope, item->rcpt.domain) == SIGHT_NONE)
            continue;
        struct span to = recipients(r, item, 1);
        c->one[c->n++] = (struct one){ .r = r, .id = item->id, .only = to, .to = to };
    }
    c->after_id = page->n > 0 ? page->items[page->n - 1].id : 0;
    c->after_i = page->n > 0 ? page->items[page->n - 1].i : 0;
    c->more = page->n == page->limit;
}

static void change_page(struct request *r, const struct store_op *page)
{
    struct change *c = r->work;
    c->one = ARENA_ARRAY(&r->arena, struct one, page->n);
    if (!r->asker.all) {
        change_own(r, page);
        return;
    }
    for (unsigned i = 0, n; i < page->n; i += n) {
        for (n = 1; i + n < page->n && page->items[i + n].id == page->items[i].id;)
            n++;
        c->one[c->n++] = (struct one){ .r = r,
                                       .id = page->items[i].id,
                                       .to = recipients(r, &page->items[i], n) };
    }
    c->after_id = c->n > 0 ? c->one[c->n - 1].id : 0;
    c->more = page->n == page->limit;
}

static void page_listed(struct store_op *op)
{
    struct request *r = op->arg;
    struct change *c = r->work;
    c->failed = op->result;
    if (op->result == ERR_OK && !is_closing(r))
        change_page(r, op);
    store_op_done(op);
    if (c->n == 0) {
        change_over(r);
        return;
    }
    c->waiting = c->n;
    for (unsigned i = 0, n = c->n; i < n; i++)
        one_change(&c->one[i]);
}

static enum err change_kind(struct span name, enum store_change *ret, struct why *why)
{
    for (unsigned i = 0; i < COUNTOF(kinds); i++) {
        if (!span_eq(name, span_z(kinds[i].name)))
            continue;
        *ret = (enum store_change)i;
        return ERR_OK;
    }
    why_set(why, "`change` is one of hold, release, drop, retry, reroute");
    return ERR_SYNTAX;
}

static enum err change_route(struct request *r, struct change *c, struct why *why)
{
    struct arena a;
    struct route route;
    c->route = ctl_get(r->in, "route");
    if (c->kind != STORE_REROUTE) {
        c->route = SPAN_NONE;
        return ERR_OK;
    }
    arena_init(&a, REQUEST_ARENA_MAX);
    enum err e = c->route.n > STORE_KEY_MAX ? ERR_TOO_BIG : route_override(c->route, &a, &route);
    arena_done(&a);
    if (e != ERR_OK)
        why_set(why, "`%.*s` is no host to reroute to: write host, host:port or [ip]:port",
                SPAN_ARG(span_head(c->route, c->route.n < 256 ? c->route.n : 256)));
    return e;
}

static enum err change_read(struct request *r, struct change *c, struct why *why)
{
    struct span after = ctl_get(r->in, "after_id");
    TRY(change_kind(ctl_get(r->in, "change"), &c->kind, why));
    TRY(request_filter(r, &c->filter, why));
    TRY(change_route(r, c, why));
    if (filter_is_empty(&c->filter) && !ctl_get_bool(r->in, "all")) {
        why_set(why, "without a filter `all` must say that everything is meant");
        return ERR_SYNTAX;
    }
    if (after.n > 0 && id_parse(after, &c->after_id) != ERR_OK) {
        why_set(why, "`after_id` is no queue id");
        return ERR_SYNTAX;
    }
    c->after_id = request_after(r, c->after_id);
    return ERR_OK;
}

void control_change(struct request *r)
{
    struct why why;
    struct change *c = r->work = ARENA_NEW(&r->arena, struct change);
    if (change_read(r, c, &why) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "%s", why.text);
        return;
    }
    if (!r->asker.all && !kinds[c->kind].own) {
        request_fail(r, REQUEST_DENIED, "`%s` is not for administrators of an organisation",
                     kinds[c->kind].name);
        return;
    }
    int64_t after_i = ctl_get_num(r->in, "after_i");
    bool by_one = !r->asker.all && after_i >= 0 && after_i < RCPTS_MAX;
    store_op_init(&r->op, STORE_LIST, page_listed, r);
    r->op.filter = c->filter;
    r->op.limit = request_limit(r);
    r->op.after_id = c->after_id;
    /* else that message was changed as a whole */
    r->op.after_i = by_one ? (unsigned)after_i : RCPTS_MAX;
    r->op.now_ms = loop_wall_ms(r->w->loop);
    store_submit(r->store, &r->op);
}
