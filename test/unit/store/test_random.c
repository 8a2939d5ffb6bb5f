/* Random histories: the same operations go to the model and to SQLite, and all that comes back is
 * compared. Between them the file is closed and opened, or its owner is killed, or a transaction
 * is rolled back that the model never hears of. A seed that failed once stays in the table. */
#include "store/parts.h"
#include "test/unit/store/rig.h"

#include <inttypes.h>
#include <stdio.h>

enum { MODEL, SQLITE, SIDES, LEASES_MAX = 64, IDS_MAX = 24, STEPS = 250, TEXT_MAX = 1 << 20 };

/* A lease that somebody has, or had. */
struct lease {
    uint64_t id, token[SIDES];
    unsigned i;
};

struct world {
    struct rig side[SIDES];
    struct rng rng;
    uint64_t ids[IDS_MAX];
    struct lease leases[LEASES_MAX];
    unsigned n_ids, n_leases; /* ever: the newest are kept */
};

/* One operation, before it is made for a side. */
struct plan {
    enum store_kind kind;
    uint64_t id, note_id, since;
    unsigned seq, n, n_rcpt, limit, chunks_before;
    size_t body_n;
    struct lease lease[3];
    enum store_outcome outcome[3];
    int64_t due_ms, now_ms;
    enum store_change change;
    struct store_filter filter;
    struct span bytes, key;
    bool note, wrong_token;
};

static unsigned below(struct world *w, unsigned n)
{
    return (unsigned)rng_below(&w->rng, n);
}

static uint64_t new_id(struct world *w)
{
    uint64_t id = rig_id(&w->side[SQLITE]) + below(w, 3) * 256u;
    w->side[SQLITE].last_id = id;
    w->ids[w->n_ids++ % IDS_MAX] = id;
    return id;
}

static uint64_t some_id(struct world *w)
{
    unsigned have = w->n_ids < IDS_MAX ? w->n_ids : IDS_MAX;
    return have > 0 ? w->ids[below(w, have)] : new_id(w);
}

static struct lease some_lease(struct world *w)
{
    unsigned have = w->n_leases < LEASES_MAX ? w->n_leases : LEASES_MAX;
    return have > 0 ? w->leases[below(w, have)] : (struct lease){ .id = new_id(w) };
}

static struct span some_text(struct world *w)
{
    static const char *const texts[] = { "", "450 4.2.0 later", "x", "[192.0.2.1]:25", "a=b" };
    return span_z(texts[below(w, COUNTOF(texts))]);
}

static struct store_filter some_filter(struct world *w)
{
    struct store_filter f = { 0 };
    switch (below(w, 6)) {
    case 0:
        f.domain = SPAN("d1.example");
        break;
    case 1:
        f.from = SPAN("a@x.example");
        break;
    case 2:
        f.held_only = true;
        break;
    case 3:
        f.to = SPAN("r0@d.example");
        break;
    default:
        f.id = some_id(w);
        break;
    }
    return f;
}

/* Leases of one message, for FINISH; the first is any. */
static void plan_leases(struct world *w, struct plan *p)
{
    p->lease[p->n++] = some_lease(w);
    p->id = p->lease[0].id;
    unsigned have = w->n_leases < LEASES_MAX ? w->n_leases : LEASES_MAX;
    for (unsigned k = 0; k < have && p->n < COUNTOF(p->lease); k++) {
        struct lease *l = &w->leases[k];
        bool known = l->i == p->lease[0].i || (p->n > 1 && l->i == p->lease[1].i);
        if (l->id == p->id && !known && rng_chance(&w->rng, 2, 3))
            p->lease[p->n++] = *l;
    }
}

static enum store_kind some_kind(struct world *w)
{
    static const enum store_kind kinds[] = {
        STORE_PUT,    STORE_PUT,    STORE_PUT,    STORE_APPEND, STORE_APPEND, STORE_ABORT,
        STORE_TAKE,   STORE_TAKE,   STORE_TAKE,   STORE_RENEW,  STORE_FINISH, STORE_FINISH,
        STORE_FINISH, STORE_FINISH, STORE_FINISH, STORE_READ,   STORE_LIST,   STORE_CHANGE,
        STORE_CHANGE, STORE_COUNT,  STORE_TRACE,  STORE_FIND,   STORE_EXPIRE, STORE_CLAMP,
        STORE_KV_PUT, STORE_KV_GET, STORE_KV_DEL,
    };
    return kinds[below(w, COUNTOF(kinds))];
}

static struct plan some_plan(struct world *w)
{
    static const size_t sizes[] = { 0, 1, 500, 9000, BODY_CHUNK, 2 * BODY_CHUNK + 5 };
    static const char keys[] = "abcde";
    struct plan p = {
        .kind = some_kind(w),
        .n_rcpt = 1 + below(w, 4),
        .body_n = sizes[below(w, rng_chance(&w->rng, 1, 8) ? COUNTOF(sizes) : 4)],
        .limit = below(w, 7),
        .seq = below(w, 3),
        .chunks_before = below(w, 6) == 0 ? below(w, 3) : 0,
        .due_ms = w->side[SQLITE].now_ms + below(w, 100000),
        .change = (enum store_change)below(w, STORE_REROUTE + 1),
        .filter = some_filter(w),
        .bytes = some_text(w),
        .key = span_of(&keys[below(w, 5)], 1),
        .wrong_token = below(w, 10) == 0,
        .since = (uint64_t)RIG_NOW + below(w, 1000),
    };
    p.outcome[0] = (enum store_outcome)below(w, 3);
    p.outcome[1] = (enum store_outcome)below(w, 3);
    p.outcome[2] = STORE_DONE;
    p.id = p.kind == STORE_PUT && below(w, 4) != 0 ? new_id(w) : some_id(w);
    if (p.kind == STORE_APPEND && below(w, 3) == 0)
        p.id = new_id(w);
    if (p.kind == STORE_FINISH || p.kind == STORE_RENEW)
        plan_leases(w, &p);
    p.note = p.kind == STORE_FINISH && below(w, 4) == 0;
    if (p.note)
        p.note_id = new_id(w);
    return p;
}

/* What was given out under a lease; the same on both sides, but for the tokens. */
static void learn(struct world *w, unsigned side, uint64_t id, unsigned i, uint64_t token)
{
    for (unsigned k = 0; k < LEASES_MAX && side != MODEL; k++) {
        struct lease *l = &w->leases[k];
        if (l->id == id && l->i == i && l->token[side] == 0) {
            l->token[side] = token;
            return;
        }
    }
    if (side != MODEL)
        return; /* so many in one operation that the first are forgotten */
    struct lease *l = &w->leases[w->n_leases++ % LEASES_MAX];
    *l = (struct lease){ .id = id, .i = i };
    l->token[MODEL] = token;
}

static void learn_from(struct world *w, unsigned side, const struct store_op *op)
{
    if (op->result != ERR_OK)
        return;
    for (unsigned i = 0; op->kind == STORE_TAKE && i < op->n; i++)
        learn(w, side, op->items[i].id, op->items[i].i, op->items[i].token);
    const struct store_new *m = op->message;
    for (unsigned i = 0; m && m->ret_token != 0 && i < m->envelope->n_rcpt; i++)
        learn(w, side, m->envelope->id, i, m->ret_token);
}

struct made {
    struct store_op op;
    struct rig_mail mail;
    struct store_result results[3];
    struct store_item items[3];
};

/* The operation for one side. Its parts live in ret. */
static void make(const struct plan *p, struct rig *r, unsigned side, struct made *ret)
{
    struct store_op *op = &ret->op;
    rig_op(op, p->kind);
    op->id = p->id;
    op->seq = p->seq;
    op->bytes = p->bytes;
    op->key = p->key;
    op->limit = p->limit;
    op->now_ms = r->now_ms;
    op->until_ms = p->kind == STORE_RENEW && p->seq == 0 ? 0 : r->now_ms + RIG_LEASE_MS;
    op->before_ms = p->kind == STORE_CLAMP ? p->due_ms : (int64_t)p->since;
    op->since_ms = p->seq == 0 ? (int64_t)p->since : 0;
    op->filter = p->filter;
    op->change = p->change;
    if (p->kind == STORE_FIND) {
        op->id = p->seq == 1 ? p->id : 0;
        op->filter.id = 0;
        op->after_id = p->seq == 2 ? p->id : 0;
        op->after_i = p->n_rcpt;
        op->match[2] = p->limit > 3 ? p->bytes : SPAN_NONE;
    }
    if (p->kind == STORE_LIST && p->seq == 1) {
        op->after_id = p->id;
        op->after_i = p->n_rcpt - 1;
    }
    op->n = p->n;
    op->results = ret->results;
    op->items = p->kind == STORE_RENEW ? ret->items : NULL;
    for (unsigned k = 0; k < p->n; k++) {
        const struct lease *l = &p->lease[k];
        uint64_t token = l->token[side] + (p->wrong_token ? 1000000 : 0);
        ret->results[k] = (struct store_result){ .i = l->i,
                                                 .token = token,
                                                 .outcome = p->outcome[k],
                                                 .due_ms = p->due_ms,
                                                 .warned = p->seq == 2,
                                                 .last = p->bytes };
        ret->items[k] =
            (struct store_item){ .id = l->id, .i = l->i, .token = token, .due_ms = p->due_ms };
    }
    rig_mail_init(&ret->mail, r, p->note ? p->note_id : p->id, p->n_rcpt, p->body_n);
    ret->mail.message.chunks_before = p->chunks_before;
    if (p->limit == 6)
        ret->mail.message.lease_until_ms = 0;
    if (p->kind == STORE_PUT || p->note)
        op->message = &ret->mail.message;
}

static void made_done(struct made *m)
{
    body_unref(m->op.body);
    rig_mail_done(&m->mail);
    store_op_done(&m->op);
}

static void step(struct world *w, unsigned number)
{
    struct plan p = some_plan(w);
    struct buf text[SIDES];
    for (unsigned side = 0; side < SIDES; side++) {
        struct made m = { 0 };
        buf_init(&text[side], TEXT_MAX);
        make(&p, &w->side[side], side, &m);
        (void)rig_do(&w->side[side], &m.op);
        rig_print(&m.op, &text[side]);
        learn_from(w, side, &m.op);
        made_done(&m);
    }
    bool same = span_eq(buf_span(&text[MODEL]), buf_span(&text[SQLITE]));
    if (!same)
        printf("step %u, model:\n%sSQLite:\n%s", number, buf_z(&text[MODEL]), buf_z(&text[SQLITE]));
    for (unsigned side = 0; side < SIDES; side++)
        buf_done(&text[side]);
    CHECK(same);
}

static void compare_all(struct world *w)
{
    struct buf text[SIDES];
    for (unsigned side = 0; side < SIDES; side++) {
        buf_init(&text[side], TEXT_MAX);
        rig_dump(&w->side[side], &text[side]);
    }
    bool same = span_eq(buf_span(&text[MODEL]), buf_span(&text[SQLITE]));
    if (!same)
        printf("model:\n%sSQLite:\n%s", buf_z(&text[MODEL]), buf_z(&text[SQLITE]));
    for (unsigned side = 0; side < SIDES; side++)
        buf_done(&text[side]);
    CHECK(same);
    CHECK(w->side[MODEL].b->ops->last_id(w->side[MODEL].b) ==
          w->side[SQLITE].b->ops->last_id(w->side[SQLITE].b));
}

/* Some operations that are taken back: only SQLite sees them. */
static void rolled_back(struct world *w)
{
    struct rig *r = &w->side[SQLITE];
    struct world before = *w;
    CHECK_NUM(r->b->ops->begin(r->b), ERR_OK);
    for (unsigned i = below(w, 5); i-- > 0;) {
        struct plan p = some_plan(w);
        struct made m = { 0 };
        make(&p, r, SQLITE, &m);
        (void)rig_apply(r, &m.op);
        made_done(&m);
    }
    r->b->ops->rollback(r->b);
    struct rng rng = w->rng;
    *w = before;
    w->rng = rng;
}

static void disturb(struct world *w)
{
    unsigned what = below(w, 40);
    int64_t later = below(w, 30000);
    for (unsigned side = 0; side < SIDES; side++) {
        struct rig *r = &w->side[side];
        if (what < 8)
            r->now_ms += later;
        if (what == 8)
            rig_reopen(r);
        if (what == 9)
            rig_kill(r);
    }
    if (what == 10 || what == 11)
        rolled_back(w);
    if (what >= 8 && what < 12)
        compare_all(w);
}

static void run_seed(uint64_t seed)
{
    char name[40];
    struct world w = { 0 };
    snprintf(name, sizeof name, "seed %" PRIu64, seed);
    test_case(name);
    disk_new();
    rng_init(&w.rng, seed);
    for (unsigned side = 0; side < SIDES; side++)
        rig_open(&w.side[side], side == SQLITE);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&w, i);
        disturb(&w);
    }
    compare_all(&w);
    for (unsigned side = 0; side < SIDES; side++)
        rig_close(&w.side[side]);
    disk_free();
    test_case(NULL);
}

TEST(random_histories)
{
    for (uint64_t seed = 1; seed <= 25; seed++)
        run_seed(seed);
}
