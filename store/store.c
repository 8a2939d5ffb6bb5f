/* store.c - the front: ids, and batches that share one flush. Start reading at store_run, which is
 * the only function here that the store's thread enters. */
#include "store/parts.h"

#include <stdatomic.h>

enum {
    BATCH_MAX = 256, /* operations in one commit */
    PATIENT_MS = 5,  /* results of attempts wait so long for a flush to share */
    PATIENT_MAX = 64,
    PARKED_MS = 2000,            /* an abort that found no space waits so long */
    STAGED_BYTES_MAX = 8 << 20,  /* of appended chunks in a transaction that is left open */
    ARENA_BYTES_MAX = 128 << 20, /* of results: covers STORE_LIST_MAX of the largest */
};

struct store {
    struct work *work;
    struct store_backend *backend;
    unsigned shard;
    /* the loop's */
    struct work_item *patient, **patient_end; /* submitted, not yet handed to the thread */
    unsigned n_patient;
    struct work_item *parked; /* aborts that found no space */
    struct loop *loop;
    struct timer patience, parking;
    uint64_t last_id;
    unsigned pending;
    enum err health;
    bool closing;
    struct store_stats stats;
    /* the thread's */
    bool open; /* a transaction is, with staged_bytes of chunks in it and nothing else */
    size_t staged_bytes;
    bool broken; /* ERR_IO was seen */
    /* written by the thread, read by the loop */
    _Atomic uint64_t commits;
    _Atomic unsigned batch_max;
};

/* --- operations */

void store_op_init(struct store_op *op, enum store_kind kind, void (*done)(struct store_op *),
                   void *arg)
{
    *op = (struct store_op){ .kind = kind, .done = done, .arg = arg };
    arena_init(&op->arena, ARENA_BYTES_MAX);
}

void store_op_done(struct store_op *op)
{
    if (op)
        arena_done(&op->arena);
}

/* What must be on disk before it is reported. An append alone need not: the message that it belongs
 * to makes it so. */
static bool is_durable(enum store_kind kind)
{
    switch (kind) {
    case STORE_APPEND:
    case STORE_READ:
    case STORE_LIST:
    case STORE_COUNT:
    case STORE_FIND:
    case STORE_KV_GET:
        return false;
    case STORE_ABORT:
    case STORE_PUT:
    case STORE_TAKE:
    case STORE_RENEW:
    case STORE_FINISH:
    case STORE_CHANGE:
    case STORE_TRACE:
    case STORE_EXPIRE:
    case STORE_CLAMP:
    case STORE_KV_PUT:
    case STORE_KV_DEL:
    case STORE_KIND_COUNT_:
        break;
    }
    return true;
}

/* An operation of a batch that was rolled back has no results, whatever it had found. */
static void op_fail(struct store_op *op, enum err e)
{
    op->result = e;
    body_unref(op->body);
    op->body = NULL;
    op->lines = NULL;
    op->value = SPAN_NONE;
    op->changed = 0;
    if (op->kind == STORE_TAKE || op->kind == STORE_LIST)
        op->items = NULL;
    if (op->kind == STORE_TAKE || op->kind == STORE_LIST || op->kind == STORE_FIND)
        op->n = 0;
}

/* --- on the thread */

static bool is_breaking(enum err e)
{
    return e == ERR_IO || e == ERR_FULL;
}

static struct store_op *op_of(struct work_item *item)
{
    return CONTAINER_OF(item, struct store_op, work);
}

/* Applies all and, when one of them needs it, commits. ERR_IO, ERR_FULL: nothing of it is there. */
static enum err batch_apply(struct store *s, struct work_item *batch)
{
    struct store_backend *b = s->backend;
    if (!s->open)
        TRY(b->ops->begin(b));
    s->open = true;
    bool durable = false;
    for (struct work_item *it = batch; it; it = it->next) {
        struct store_op *op = op_of(it);
        enum err e = b->ops->apply(b, op);
        if (is_breaking(e))
            return e;
        durable = durable || is_durable(op->kind);
        if (op->kind == STORE_APPEND && e == ERR_OK)
            s->staged_bytes += op->bytes.n;
    }
    if (!durable && s->staged_bytes > 0 && s->staged_bytes < STAGED_BYTES_MAX)
        return ERR_OK;
    TRY(b->ops->commit(b));
    s->open = false;
    s->staged_bytes = 0;
    atomic_fetch_add_explicit(&s->commits, 1, memory_order_relaxed);
    return ERR_OK;
}

static void store_run(void *arg, struct work_item *batch)
{
    struct store *s = arg;
    unsigned n = 0;
    for (struct work_item *it = batch; it; it = it->next)
        n++;
    if (n > atomic_load_explicit(&s->batch_max, memory_order_relaxed))
        atomic_store_explicit(&s->batch_max, n, memory_order_relaxed);

    enum err e = s->broken ? ERR_IO : batch_apply(s, batch);
    if (e == ERR_OK)
        return;
    ASSERT(is_breaking(e));
    if (s->open)
        s->backend->ops->rollback(s->backend);
    s->open = false;
    s->staged_bytes = 0;
    s->broken = s->broken || e == ERR_IO;
    for (struct work_item *it = batch; it; it = it->next)
        op_fail(op_of(it), e);
}

/* --- on the loop */

/* A success that flushed nothing says nothing about the space. */
static void note_health(struct store *s, const struct store_op *op)
{
    if (s->health == ERR_IO)
        return;
    if (is_breaking(op->result))
        s->health = op->result;
    else if (op->result == ERR_OK && is_durable(op->kind))
        s->health = ERR_OK;
}

/* Nobody waits for an abort, and chunks that stay would fill the disk for good. */
static void abort_park(struct store *s, struct work_item *item)
{
    item->next = s->parked;
    s->parked = item;
    if (!timer_armed(&s->parking))
        timer_set(&s->parking, loop_now_ms(s->loop) + PARKED_MS);
}

static void parked_go(void *arg)
{
    struct store *s = arg;
    struct work_item *next;
    for (struct work_item *it = s->parked; it; it = next) {
        next = it->next;
        s->pending++;
        work_submit(s->work, it);
    }
    s->parked = NULL;
}

static void store_finish(void *arg, struct work_item *item)
{
    struct store *s = arg;
    struct store_op *op = op_of(item);
    note_health(s, op);
    if (op->result == ERR_AGAIN && !s->closing) { /* a step; others had their turn meanwhile */
        work_submit(s->work, item);
        return;
    }
    if (op->result == ERR_AGAIN)
        op_fail(op, ERR_CLOSED);
    s->stats.ops++;
    s->stats.failures += is_breaking(op->result);
    ASSERT(s->pending > 0);
    s->pending--;
    if (op->kind == STORE_ABORT && op->result == ERR_FULL && !s->closing)
        abort_park(s, item);
    else
        op->done(op);
}

/* Nobody outside waits for the results of an attempt: they share the flush of the next message that
 * somebody does wait for, when one comes soon. */
static bool is_patient(enum store_kind kind)
{
    return kind == STORE_FINISH || kind == STORE_RENEW || kind == STORE_TRACE;
}

static void patient_go(void *arg)
{
    struct store *s = arg;
    struct work_item *next;
    timer_stop(&s->patience);
    for (struct work_item *it = s->patient; it; it = next) {
        next = it->next;
        work_submit(s->work, it);
    }
    s->patient = NULL;
    s->patient_end = &s->patient;
    s->n_patient = 0;
}

static void patient_wait(struct store *s, struct work_item *item)
{
    item->next = NULL;
    *s->patient_end = item;
    s->patient_end = &item->next;
    if (++s->n_patient >= PATIENT_MAX)
        patient_go(s);
    else if (!timer_armed(&s->patience))
        timer_set(&s->patience, loop_now_ms(s->loop) + PATIENT_MS);
}

struct store *store_new(struct loop *loop, struct store_backend *backend, unsigned shard)
{
    ASSERT(shard < STORE_SHARDS_MAX);
    struct store *s = NEW(struct store);
    s->backend = backend;
    s->shard = shard;
    s->last_id = backend->ops->last_id(backend);
    ASSERT(store_id_shard(s->last_id) == shard);
    s->work = work_new(loop, "store", BATCH_MAX, store_run, store_finish, s);
    s->loop = loop;
    s->patient_end = &s->patient;
    timer_init(&s->patience, loop, patient_go, s);
    timer_init(&s->parking, loop, parked_go, s);
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    patient_go(s);
    s->closing = true;
    timer_stop(&s->parking);
    parked_go(s);
    work_free(s->work);
    ASSERT(s->pending == 0);
    s->backend->ops->close(s->backend);
    mem_free(s);
}

void store_submit(struct store *s, struct store_op *op)
{
    ASSERT(!s->closing);
    ASSERT(op->kind < STORE_KIND_COUNT_ && op->done);
    s->pending++;
    if (is_patient(op->kind)) {
        patient_wait(s, &op->work);
        return;
    }
    patient_go(s); /* order is kept */
    work_submit(s->work, &op->work);
}

uint64_t store_new_id(struct store *s, int64_t now_ms)
{
    uint64_t local = id_first(now_ms), last = id_local(s->last_id);
    if (local <= last || now_ms > STORE_TIME_MAX)
        local = last + 1;
    ASSERT(id_local(local) == local && local != 0);
    s->last_id = id_whole(s->shard, local);
    return s->last_id;
}

unsigned store_shard(const struct store *s)
{
    return s->shard;
}

enum err store_health(const struct store *s)
{
    return s->health;
}

unsigned store_pending(const struct store *s)
{
    return s->pending;
}

struct store_stats store_stats(const struct store *s)
{
    struct store_stats stats = s->stats;
    stats.commits = atomic_load_explicit(&s->commits, memory_order_relaxed);
    stats.batch_max = atomic_load_explicit(&s->batch_max, memory_order_relaxed);
    return stats;
}
