#include "test/unit/store/rig.h"

#include "base/enc.h"
#include <inttypes.h>
#include <stdio.h>

static void nothing(struct store_op *op)
{
    (void)op;
}

void rig_op(struct store_op *op, enum store_kind kind)
{
    store_op_init(op, kind, nothing, NULL);
}

enum err rig_try(struct rig *r, struct why *why)
{
    ASSERT(r->sqlite && !r->b);
    return store_sqlite_open(r->path, RIG_SHARD, "disk", r->now_ms, &r->b, why);
}

static void open_it(struct rig *r)
{
    struct why why = { "" };
    enum err e = rig_try(r, &why);
    if (e != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", err_name(e), why.text);
}

void rig_open(struct rig *r, bool sqlite)
{
    *r = (struct rig){ .sqlite = sqlite, .path = "queue.db", .now_ms = RIG_NOW };
    if (sqlite)
        open_it(r);
    else
        r->b = store_mem_open(RIG_SHARD);
    r->last_id = ((uint64_t)RIG_SHARD << 50) + ((uint64_t)RIG_NOW << 8);
}

void rig_reopen(struct rig *r)
{
    if (!r->sqlite) {
        store_mem_reopen(r->b, r->now_ms);
        return;
    }
    rig_close(r);
    open_it(r);
}

void rig_kill(struct rig *r)
{
    if (!r->sqlite) {
        store_mem_reopen(r->b, r->now_ms);
        return;
    }
    disk_copy("queue.db", "copy.db");
    disk_copy("queue.db-wal", "copy.db-wal");
    disk_copy("queue.db-bodies", "copy.db-bodies");
    rig_close(r);
    disk_copy("copy.db", "queue.db");
    disk_copy("copy.db-wal", "queue.db-wal");
    disk_copy("copy.db-bodies", "queue.db-bodies");
    open_it(r);
}

void rig_close(struct rig *r)
{
    if (r->b)
        r->b->ops->close(r->b);
    r->b = NULL;
}

uint64_t rig_id(struct rig *r)
{
    return ++r->last_id;
}

enum err rig_apply(struct rig *r, struct store_op *op)
{
    enum err e;
    do
        e = r->b->ops->apply(r->b, op);
    while (e == ERR_AGAIN);
    CHECK(e == op->result);
    return e;
}

static bool is_breaking(enum err e)
{
    return e == ERR_IO || e == ERR_FULL;
}

enum err rig_do(struct rig *r, struct store_op *op)
{
    enum err e = r->b->ops->begin(r->b);
    if (e == ERR_OK)
        e = rig_apply(r, op);
    enum err broken = is_breaking(e) ? e : r->b->ops->commit(r->b);
    if (is_breaking(broken)) {
        r->b->ops->rollback(r->b);
        return broken;
    }
    CHECK(broken == ERR_OK);
    return e;
}

/* --- messages */

static struct span textf(char *memory, size_t cap, const char *fmt, uint64_t n)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int len = snprintf(memory, cap, fmt, n);
#pragma GCC diagnostic pop
    return span_of(memory, (size_t)len);
}

static void fill(struct body *b, uint64_t seed, size_t n)
{
    char piece[4096];
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t done = 0; done < n;) {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (char)rng_u64(&rng);
        size_t some = n - done < sizeof piece ? n - done : sizeof piece;
        body_append(b, span_of(piece, some));
        done += some;
    }
}

void rig_mail_init(struct rig_mail *m, struct rig *r, uint64_t id, unsigned n_rcpt, size_t body_n)
{
    ASSERT(n_rcpt <= RIG_RCPTS_MAX);
    *m = (struct rig_mail){ 0 };
    for (unsigned i = 0; i < n_rcpt; i++) {
        m->rcpt[i].domain = textf(m->text[i][0], sizeof m->text[i][0], "d%" PRIu64 ".example", i);
        m->rcpt[i].addr = textf(m->text[i][1], sizeof m->text[i][1], "r%" PRIu64 "@d.example", i);
        m->rcpt[i].notify = NOTIFY_FAILURE;
    }
    m->envelope = (struct envelope){
        .id = id,
        .accepted_ms = r->now_ms,
        .size = body_n,
        .from = id % 3 == 0   ? SPAN_NONE
                : id % 3 == 1 ? SPAN("a@x.example")
                              : SPAN("b@x.example"),
        .helo = SPAN("mail.x.example"),
        .rcpt = m->rcpt,
        .n_rcpt = n_rcpt,
    };
    m->body = body_new();
    fill(m->body, id, body_n);
    body_prepend(m->body, SPAN("Received: x\r\n"));
    m->message = (struct store_new){
        .envelope = &m->envelope,
        .body = m->body,
        .lease_until_ms = r->now_ms + RIG_LEASE_MS,
        .trace = SPAN("event=in"),
    };
}

void rig_mail_done(struct rig_mail *m)
{
    body_unref(m->body);
    m->body = NULL;
}

uint64_t rig_put(struct rig *r, uint64_t id, unsigned n_rcpt)
{
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, r, id, n_rcpt, 300);
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    rig_mail_done(&m);
    store_op_done(&op);
    CHECK(m.message.ret_token != 0);
    return m.message.ret_token;
}

void rig_take(struct rig *r, unsigned limit, struct store_op *op)
{
    rig_op(op, STORE_TAKE);
    op->limit = limit;
    op->now_ms = r->now_ms;
    op->until_ms = r->now_ms + RIG_LEASE_MS;
    CHECK_NUM(rig_do(r, op), ERR_OK);
}

void rig_list(struct rig *r, struct store_op *op)
{
    rig_op(op, STORE_LIST);
    op->limit = 1000;
    CHECK_NUM(rig_do(r, op), ERR_OK);
}

enum err rig_finish(struct rig *r, uint64_t id, struct store_result result)
{
    struct store_op op;
    rig_op(&op, STORE_FINISH);
    op.id = id;
    op.results = &result;
    op.n = 1;
    enum err e = rig_do(r, &op);
    store_op_done(&op);
    return e;
}

enum err rig_change(struct rig *r, enum store_change change, uint64_t id, uint64_t *ret_changed)
{
    struct store_op op;
    rig_op(&op, STORE_CHANGE);
    op.change = change;
    op.filter.id = id;
    op.now_ms = r->now_ms;
    enum err e = rig_do(r, &op);
    *ret_changed = op.changed;
    store_op_done(&op);
    return e;
}

enum err rig_trace(struct rig *r, uint64_t id, const char *text)
{
    struct store_op op;
    rig_op(&op, STORE_TRACE);
    op.id = id;
    op.bytes = span_z(text);
    enum err e = rig_do(r, &op);
    store_op_done(&op);
    return e;
}

int64_t rig_chunk(struct rig *r, uint64_t id, unsigned seq)
{
    struct store_op op;
    rig_op(&op, STORE_READ);
    op.id = id;
    op.seq = seq;
    int64_t n = rig_do(r, &op) == ERR_OK ? (int64_t)op.body->n : -1;
    body_unref(op.body);
    store_op_done(&op);
    return n;
}

/* --- writing down */

static void print_item(const struct store_item *it, struct buf *out)
{
    buf_putf(out, "  %" PRIx64 ".%u %s due=%" PRId64 " attempts=%u%s%s to=%.*s domain=%.*s", it->id,
             it->i, it->token != 0 ? "leased" : "free", it->due_ms, it->attempts,
             it->held ? " held" : "", it->warned ? " warned" : "", SPAN_ARG(it->rcpt.addr),
             SPAN_ARG(it->rcpt.domain));
    buf_putf(out, " route=%.*s last=%.*s | %" PRIx64 " from=%.*s size=%" PRIu64 " n=%u\n",
             SPAN_ARG(it->route), SPAN_ARG(it->last), it->envelope->id,
             SPAN_ARG(it->envelope->from), it->envelope->size, it->envelope->n_rcpt);
}

static void print_body(const struct body *b, struct buf *out)
{
    struct hash_key key = { { 1, 2 } };
    uint64_t hash = 0;
    for (uint64_t at = 0; at < b->n;) {
        struct span s = body_at(b, at);
        hash = hash * 31 + span_hash(&key, s);
        at += s.n;
    }
    buf_putf(out, "  body %" PRIu64 " %" PRIx64 " refs=%u\n", b->n, hash, b->refs);
}

void rig_print(const struct store_op *op, struct buf *out)
{
    buf_putf(out, "%d %s\n", (int)op->kind, err_name(op->result));
    if (op->result != ERR_OK)
        return;
    bool items = op->kind == STORE_TAKE || op->kind == STORE_LIST;
    for (unsigned i = 0; items && i < op->n; i++)
        print_item(&op->items[i], out);
    if (op->body)
        print_body(op->body, out);
    if (op->kind == STORE_CHANGE || op->kind == STORE_EXPIRE)
        buf_putf(out, "  changed %" PRIu64 "\n", op->changed);
    if (op->kind == STORE_COUNT)
        buf_putf(out,
                 "  %" PRIu64 " %" PRIu64 " held %" PRIu64 " leased %" PRIu64 " due %" PRIu64
                 " oldest %" PRId64 "\n",
                 op->totals.messages, op->totals.recipients, op->totals.held, op->totals.leased,
                 op->totals.due, op->totals.oldest_ms);
    for (unsigned i = 0; op->kind == STORE_FIND && i < op->n; i++)
        buf_putf(out, "  %" PRIx64 " %u: %.*s\n", op->lines[i].id, op->lines[i].i,
                 SPAN_ARG(op->lines[i].text));
    if (op->kind == STORE_KV_GET)
        buf_putf(out, "  %.*s\n", SPAN_ARG(op->value));
}

static void dump_op(struct rig *r, struct store_op *op, struct buf *out)
{
    (void)rig_do(r, op);
    rig_print(op, out);
    body_unref(op->body);
    op->body = NULL;
}

static void dump_bodies(struct rig *r, const struct store_op *list, struct buf *out)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (i > 0 && list->items[i - 1].id == list->items[i].id)
            continue;
        for (unsigned seq = 0; seq == 0 || rig_chunk(r, list->items[i].id, seq - 1) >= 0; seq++) {
            struct store_op op;
            rig_op(&op, STORE_READ);
            op.id = list->items[i].id;
            op.seq = seq;
            dump_op(r, &op, out);
            store_op_done(&op);
        }
    }
}

void rig_dump(struct rig *r, struct buf *out)
{
    struct store_op op;
    rig_op(&op, STORE_LIST);
    op.limit = 1000;
    dump_op(r, &op, out);
    dump_bodies(r, &op, out);
    store_op_done(&op);

    rig_op(&op, STORE_COUNT);
    op.now_ms = r->now_ms;
    dump_op(r, &op, out);
    store_op_done(&op);

    rig_op(&op, STORE_FIND);
    op.limit = 1000;
    dump_op(r, &op, out);
    store_op_done(&op);

    for (unsigned k = 0; k < 5; k++) {
        char key = (char)('a' + k);
        rig_op(&op, STORE_KV_GET);
        op.key = span_of(&key, 1);
        dump_op(r, &op, out);
        store_op_done(&op);
    }
}
