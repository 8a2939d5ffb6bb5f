/* store.c over the real loop and thread: ids, batches, what a failing disk does to them. */
#include "store/parts.h"
#include "test/unit/store/rig.h"

struct front {
    struct rig rig; /* its back end belongs to the store */
    struct loop *loop;
    struct store *store;
    unsigned done;
    enum err last; /* what the last operation said */
    unsigned results[ERR_COUNT_];
};

static void front_start(struct front *f, bool sqlite)
{
    *f = (struct front){ 0 };
    disk_new();
    rig_open(&f->rig, sqlite);
    f->loop = loop_new();
    f->store = store_new(f->loop, f->rig.b, RIG_SHARD);
}

static void front_stop(struct front *f)
{
    store_free(f->store);
    loop_free(f->loop);
    disk_free();
}

/* The loop stops when all that was submitted is done. */
static void on_done(struct store_op *op)
{
    struct front *f = op->arg;
    f->done++;
    f->last = op->result;
    f->results[op->result]++;
    if (f->store && store_pending(f->store) == 0)
        loop_stop(f->loop);
}

static void front_submit(struct front *f, struct store_op *op)
{
    op->done = on_done;
    op->arg = f;
    store_submit(f->store, op);
}

static enum err front_do(struct front *f, struct store_op *op)
{
    front_submit(f, op);
    loop_run(f->loop);
    return op->result;
}

struct sent {
    struct store_op op;
    struct rig_mail mail;
};

static void send_init(struct front *f, struct sent *s, uint64_t id, size_t body_n)
{
    rig_mail_init(&s->mail, &f->rig, id, 1, body_n);
    rig_op(&s->op, STORE_PUT);
    s->op.message = &s->mail.message;
}

static void send_done(struct sent *s)
{
    store_op_done(&s->op);
    rig_mail_done(&s->mail);
}

static enum err front_put(struct front *f, uint64_t id, unsigned chunks_before, size_t body_n)
{
    struct sent s;
    send_init(f, &s, id, body_n);
    s.mail.message.chunks_before = chunks_before;
    enum err e = front_do(f, &s.op);
    send_done(&s);
    return e;
}

static enum err front_append(struct front *f, uint64_t id, unsigned seq, size_t n)
{
    static char bytes[BODY_CHUNK];
    struct store_op op;
    rig_op(&op, STORE_APPEND);
    op.id = id;
    op.seq = seq;
    op.bytes = span_of(bytes, n);
    enum err e = front_do(f, &op);
    store_op_done(&op);
    return e;
}

TEST(front_ids_grow)
{
    struct front f;
    front_start(&f, true);
    uint64_t first = store_new_id(f.store, RIG_NOW);
    CHECK(store_id_shard(first) == RIG_SHARD && store_shard(f.store) == RIG_SHARD);
    CHECK(id_local(first) == (uint64_t)RIG_NOW << 8);
    uint64_t last = first;
    for (unsigned i = 0; i < 1000; i++) { /* more than a millisecond has room for */
        uint64_t id = store_new_id(f.store, RIG_NOW);
        CHECK(id > last);
        last = id;
    }
    CHECK(store_new_id(f.store, RIG_NOW - 100000) > last); /* T-57: the clock jumps */
    CHECK(store_new_id(f.store, -1) > last);
    last = store_new_id(f.store, RIG_NOW + 60000);
    CHECK(id_local(last) == (uint64_t)(RIG_NOW + 60000) << 8);
    CHECK(store_new_id(f.store, INT64_MAX) == last + 1);
    CHECK_NUM(front_put(&f, last, 0, 10), ERR_OK);
    store_free(f.store);
    f.store = NULL;
    f.rig.b = NULL;
    CHECK_NUM(rig_try(&f.rig, NULL), ERR_OK);
    f.store = store_new(f.loop, f.rig.b, RIG_SHARD);
    CHECK(store_new_id(f.store, RIG_NOW) == last + 1);
    front_stop(&f);
}

TEST(front_many_share_a_commit)
{
    enum { N = 300 };
    static struct sent sent[N];
    struct front f;
    front_start(&f, true);
    for (unsigned i = 0; i < N; i++) {
        send_init(&f, &sent[i], store_new_id(f.store, RIG_NOW), 500);
        front_submit(&f, &sent[i].op);
    }
    CHECK_NUM(store_pending(f.store), N);
    loop_run(f.loop);
    CHECK_NUM(f.done, N);
    CHECK_NUM(f.results[ERR_OK], N);
    struct store_stats stats = store_stats(f.store);
    CHECK_NUM(stats.ops, N);
    CHECK(stats.commits < N / 2 && stats.batch_max > 1);
    CHECK_NUM(stats.failures, 0);
    for (unsigned i = 0; i < N; i++)
        send_done(&sent[i]);
    front_stop(&f);
}

TEST(front_appends_wait_for_their_message)
{
    struct front f;
    front_start(&f, true);
    uint64_t id = store_new_id(f.store, RIG_NOW);
    for (unsigned seq = 0; seq < 5; seq++)
        CHECK_NUM(front_append(&f, id, seq, BODY_CHUNK), ERR_OK);
    CHECK_NUM(store_stats(f.store).commits, 0);
    CHECK_NUM(front_put(&f, id, 5, 100), ERR_OK);
    CHECK_NUM(store_stats(f.store).commits, 1);
    id = store_new_id(f.store, RIG_NOW);
    for (unsigned seq = 0; seq < 40; seq++) /* but not for ever */
        CHECK_NUM(front_append(&f, id, seq, BODY_CHUNK), ERR_OK);
    CHECK_NUM(store_stats(f.store).commits, 2);
    front_stop(&f);
}

/* T-54: a full disk refuses, loses chunks that were not committed, says so, and heals. */
TEST(front_t54_full)
{
    struct front f;
    front_start(&f, true);
    uint64_t id = store_new_id(f.store, RIG_NOW);
    CHECK_NUM(front_append(&f, id, 0, 1000), ERR_OK);
    disk_fail(DISK_FULL);
    CHECK_NUM(front_put(&f, store_new_id(f.store, RIG_NOW), 0, 300000), ERR_FULL);
    CHECK_NUM(store_health(f.store), ERR_FULL);
    disk_fail(DISK_WELL);
    CHECK_NUM(front_append(&f, id, 1, 1000), ERR_NOT_FOUND);
    CHECK_NUM(front_put(&f, id, 1, 100), ERR_NOT_FOUND);
    CHECK_NUM(front_put(&f, id, 0, 100), ERR_OK);
    CHECK_NUM(store_health(f.store), ERR_OK);
    CHECK_NUM(store_stats(f.store).failures, 1);
    front_stop(&f);
}

/* T-54: after an I/O error nothing is accepted, though the disk be well again. */
TEST(front_t54_io_error)
{
    struct front f;
    front_start(&f, true);
    CHECK_NUM(front_put(&f, store_new_id(f.store, RIG_NOW), 0, 100), ERR_OK);
    disk_fail(DISK_SYNC_EIO);
    CHECK_NUM(front_put(&f, store_new_id(f.store, RIG_NOW), 0, 100), ERR_IO);
    disk_fail(DISK_WELL);
    CHECK_NUM(front_put(&f, store_new_id(f.store, RIG_NOW), 0, 100), ERR_IO);
    CHECK_NUM(store_health(f.store), ERR_IO);
    struct store_op op;
    rig_op(&op, STORE_LIST);
    op.limit = 5;
    CHECK_NUM(front_do(&f, &op), ERR_IO);
    CHECK(op.n == 0 && !op.items);
    store_op_done(&op);
    front_stop(&f);
}

/* A batch fails as a whole, and results found before it failed are taken back. */
TEST(front_failed_batch_has_no_results)
{
    struct front f;
    front_start(&f, true);
    uint64_t id = store_new_id(f.store, RIG_NOW);
    CHECK_NUM(front_put(&f, id, 0, 100), ERR_OK);
    disk_fail(DISK_WRITE_EIO);
    struct store_op read, find;
    struct sent sent;
    rig_op(&read, STORE_READ);
    read.id = id;
    rig_op(&find, STORE_FIND);
    find.limit = 5;
    send_init(&f, &sent, store_new_id(f.store, RIG_NOW), 100);
    front_submit(&f, &sent.op);
    front_submit(&f, &read);
    front_submit(&f, &find);
    loop_run(f.loop);
    CHECK_NUM(f.done, 4);
    CHECK_NUM(find.result, ERR_IO); /* in the same batch, or in one after it */
    CHECK(!read.body && find.n == 0 && !find.lines);
    store_op_done(&read);
    store_op_done(&find);
    send_done(&sent);
    disk_fail(DISK_WELL);
    front_stop(&f);
}

static void big_queue(struct front *f, unsigned n)
{
    enum { MAX = 600 };
    static struct sent sent[MAX];
    ASSERT(n <= MAX);
    for (unsigned i = 0; i < n; i++) {
        rig_mail_init(&sent[i].mail, &f->rig, store_new_id(f->store, RIG_NOW), RIG_RCPTS_MAX, 10);
        rig_op(&sent[i].op, STORE_PUT);
        sent[i].op.message = &sent[i].mail.message;
        front_submit(f, &sent[i].op);
    }
    loop_run(f->loop);
    for (unsigned i = 0; i < n; i++)
        send_done(&sent[i]);
}

/* What goes in steps is done once, with all its results. */
TEST(front_steps)
{
    struct front f;
    front_start(&f, true);
    big_queue(&f, 600);
    CHECK_NUM(f.results[ERR_OK], 600);

    struct store_op op;
    rig_op(&op, STORE_LIST);
    op.limit = 1000;
    op.filter.domain = SPAN("d7.example");
    CHECK_NUM(front_do(&f, &op), ERR_OK);
    CHECK_NUM(op.n, 600);
    store_op_done(&op);

    rig_op(&op, STORE_CHANGE);
    op.change = STORE_HOLD;
    op.now_ms = RIG_NOW;
    CHECK_NUM(front_do(&f, &op), ERR_OK);
    CHECK_NUM(op.changed, 4800);
    store_op_done(&op);

    rig_op(&op, STORE_CLAMP);
    op.before_ms = RIG_NOW;
    CHECK_NUM(front_do(&f, &op), ERR_OK);
    CHECK_NUM(op.changed, 4800);
    store_op_done(&op);

    rig_op(&op, STORE_FIND);
    op.limit = 3;
    op.match[0] = SPAN("nothing");
    CHECK_NUM(front_do(&f, &op), ERR_OK);
    CHECK_NUM(op.n, 0);
    store_op_done(&op);

    rig_op(&op, STORE_CHANGE);
    op.change = STORE_DROP;
    CHECK_NUM(front_do(&f, &op), ERR_OK);
    CHECK_NUM(op.changed, 4800);
    store_op_done(&op);
    CHECK_NUM(f.done, 605);
    front_stop(&f);
}

TEST(front_free_finishes_what_waits)
{
    static struct sent sent[20];
    struct front f;
    front_start(&f, false);
    for (unsigned i = 0; i < COUNTOF(sent); i++) {
        send_init(&f, &sent[i], store_new_id(f.store, RIG_NOW), 100);
        front_submit(&f, &sent[i].op);
    }
    front_stop(&f);
    CHECK_NUM(f.done, COUNTOF(sent));
    CHECK_NUM(f.results[ERR_OK], COUNTOF(sent));
    for (unsigned i = 0; i < COUNTOF(sent); i++)
        send_done(&sent[i]);
}
