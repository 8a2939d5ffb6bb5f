/* store_sqlite.c - start reading at `applies`, the table of what each kind of operation does; the
 * SQL is in store_sqlite_sql.c, what people ask in store_sqlite_query.c. */
#include "store/store_sqlite.h"

#include <stdlib.h>

enum {
    EPOCH_BITS = 23, /* openings of the file */
    LEASE_BITS = 40, /* leases of one owner: a thousand a second for 34 years */
};

/* --- small things */

void bind_keys(struct store_sqlite *s, enum statement q, uint64_t id)
{
    db_num(s->db, q, 1, key_of(id, 0));
    db_num(s->db, q, 2, key_last(id));
}

bool id_is_ours(const struct store_sqlite *s, uint64_t id)
{
    return store_id_shard(id) == s->shard && id_local(id) != 0;
}

void id_note(struct store_sqlite *s, uint64_t id)
{
    if (id_local(id) > s->now.last)
        s->now.last = id_local(id);
}

enum err must_insert(struct store_sqlite *s, enum statement q)
{
    enum err e = db_run(s->db, q);
    return e == ERR_EXISTS ? db_distrust(s->db) : e;
}

static enum err message_has(struct store_sqlite *s, uint64_t id, bool *ret)
{
    int64_t one = 0;
    db_num(s->db, Q_MESSAGE_HAS, 1, (int64_t)id_local(id));
    enum err e = db_get(s->db, Q_MESSAGE_HAS, &one);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    *ret = e == ERR_OK;
    return ERR_OK;
}

static uint64_t token_new(struct store_sqlite *s)
{
    s->leases++;
    ASSERT(s->leases >> LEASE_BITS == 0);
    return s->epoch << LEASE_BITS | s->leases;
}

static int64_t wake_leased(int64_t until_ms)
{
    return WAKE_LEASE + time_within(until_ms);
}

/* --- mail comes in */

static enum err apply_append(struct store_sqlite *s, struct store_op *op)
{
    ASSERT(id_is_ours(s, op->id));
    if (op->seq >= STORE_CHUNKS_MAX || op->bytes.n > BODY_CHUNK)
        return ERR_TOO_BIG;
    bool there = false;
    unsigned n = 0;
    TRY(message_has(s, op->id, &there));
    TRY(chunk_count(s, op->id, &n));
    if (there || op->seq < n)
        return ERR_EXISTS;
    if (op->seq > n)
        return ERR_NOT_FOUND; /* those before it were lost when a transaction failed */

    id_note(s, op->id);
    db_num(s->db, Q_STAGED_PUT, 1, (int64_t)id_local(op->id));
    TRY(db_run(s->db, Q_STAGED_PUT));
    return chunk_put(s, op->id, op->seq, op->bytes);
}

static enum err staged_del(struct store_sqlite *s, uint64_t id)
{
    db_num(s->db, Q_STAGED_DEL, 1, (int64_t)id_local(id));
    return db_run(s->db, Q_STAGED_DEL);
}

static enum err apply_abort(struct store_sqlite *s, struct store_op *op)
{
    if (!id_is_ours(s, op->id))
        return ERR_NOT_FOUND;
    bool there = false;
    TRY(message_has(s, op->id, &there));
    if (there)
        return ERR_EXISTS;
    TRY(staged_del(s, op->id));
    return chunks_del(s, op->id);
}

/* All that may refuse a new message, before anything is changed. */
static enum err put_check(struct store_sqlite *s, const struct store_new *m)
{
    ASSERT(id_is_ours(s, m->envelope->id));
    TRY(new_check(m));
    bool there = false;
    unsigned n = 0;
    TRY(message_has(s, m->envelope->id, &there));
    TRY(chunk_count(s, m->envelope->id, &n));
    if (there)
        return ERR_EXISTS;
    return n == m->chunks_before ? ERR_OK : ERR_NOT_FOUND;
}

static enum err put_rcpt(struct store_sqlite *s, const struct store_new *m, unsigned i,
                         uint64_t token)
{
    const struct rcpt *r = &m->envelope->rcpt[i];
    buf_clear(&s->text);
    rcpt_print(r, &s->text);
    db_num(s->db, Q_RCPT_PUT, 1, key_of(m->envelope->id, i));
    db_num(s->db, Q_RCPT_PUT, 2,
           token != 0 ? wake_leased(m->lease_until_ms) : time_within(m->envelope->accepted_ms));
    db_num(s->db, Q_RCPT_PUT, 3, (int64_t)token);
    db_text(s->db, Q_RCPT_PUT, 4, r->domain);
    db_text(s->db, Q_RCPT_PUT, 5, buf_span(&s->text));
    return must_insert(s, Q_RCPT_PUT);
}

static enum err put_body(struct store_sqlite *s, const struct store_new *m)
{
    unsigned rows = m->body ? body_rows(m->body) : 0;
    for (unsigned i = 0; i < rows; i++)
        TRY(chunk_put(s, m->envelope->id, m->chunks_before + i, body_row(m->body, i, s->memory)));
    return m->chunks_before > 0 ? staged_del(s, m->envelope->id) : ERR_OK;
}

/* After put_check. */
static enum err put(struct store_sqlite *s, struct store_new *m)
{
    const struct envelope *e = m->envelope;
    uint64_t token = m->lease_until_ms != 0 ? token_new(s) : 0;

    buf_clear(&s->text);
    envelope_print(e, &s->text);
    db_num(s->db, Q_MESSAGE_PUT, 1, (int64_t)id_local(e->id));
    db_num(s->db, Q_MESSAGE_PUT, 2, e->accepted_ms);
    db_text(s->db, Q_MESSAGE_PUT, 3, buf_span(&s->text));
    TRY(must_insert(s, Q_MESSAGE_PUT));
    for (unsigned i = 0; i < e->n_rcpt; i++)
        TRY(put_rcpt(s, m, i, token));
    TRY(put_body(s, m));
    TRY(trace_try(s, e->id, m->trace));
    id_note(s, e->id);
    s->now.messages++;
    s->now.recipients += e->n_rcpt;
    m->ret_token = token;
    return ERR_OK;
}

static enum err apply_put(struct store_sqlite *s, struct store_op *op)
{
    TRY(put_check(s, op->message));
    return put(s, op->message);
}

/* --- mail goes out */

enum err envelope_load(struct store_sqlite *s, uint64_t local, struct arena *a,
                       struct envelope *ret)
{
    db_num(s->db, Q_MESSAGE_GET, 1, (int64_t)local);
    enum err e = db_row(s->db, Q_MESSAGE_GET);
    if (e == ERR_NOT_FOUND)
        return db_distrust(s->db);
    TRY(e);
    struct envelope envelope = { 0 };
    e = envelope_read(db_row_span(s->db, Q_MESSAGE_GET, 0), a, &envelope);
    db_end(s->db, Q_MESSAGE_GET);
    if (e != ERR_OK)
        return db_distrust(s->db);
    envelope.id = id_whole(s->shard, local);
    *ret = envelope;
    return ERR_OK;
}

enum err item_read(struct store_sqlite *s, enum statement q, struct arena *a,
                   struct store_item *ret)
{
    int64_t key = db_row_num(s->db, q, ITEM_KEY);
    int64_t wake = db_row_num(s->db, q, ITEM_WAKE);
    int64_t flags = db_row_num(s->db, q, ITEM_FLAGS);
    struct store_item item = {
        .id = id_whole(s->shard, key_local(key)),
        .i = key_i(key),
        .token = (uint64_t)db_row_num(s->db, q, ITEM_TOKEN),
        .due_ms = wake >= WAKE_LEASE && wake < WAKE_HELD ? wake - WAKE_LEASE : wake,
        .attempts = (unsigned)db_row_num(s->db, q, ITEM_ATTEMPTS),
        .held = flags & RCPT_HELD,
        .warned = flags & RCPT_WARNED,
    };
    enum err e = rcpt_read(db_row_span(s->db, q, ITEM_LINE), a, &item.rcpt);
    if (e == ERR_OK)
        e = arena_try_span(a, db_row_span(s->db, q, ITEM_ROUTE), &item.route);
    if (e == ERR_OK)
        e = arena_try_span(a, db_row_span(s->db, q, ITEM_LAST), &item.last);
    if (e != ERR_OK)
        return db_distrust(s->db);
    *ret = item;
    return ERR_OK;
}

static int key_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Adds the keys whose wake is between first and last, the earliest first, as long as there is
 * room. */
static enum err take_keys(struct store_sqlite *s, int64_t first, int64_t last,
                          int64_t keys[static STORE_TAKE_MAX], unsigned limit, unsigned *n)
{
    db_num(s->db, Q_WAKE_NEXT, 1, first);
    db_num(s->db, Q_WAKE_NEXT, 2, last);
    db_num(s->db, Q_WAKE_NEXT, 3, limit - *n);
    enum err e;
    while ((e = db_row(s->db, Q_WAKE_NEXT)) == ERR_OK)
        keys[(*n)++] = db_row_num(s->db, Q_WAKE_NEXT, 0);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err wake_set(struct store_sqlite *s, int64_t key, int64_t wake, uint64_t token)
{
    db_num(s->db, Q_RCPT_WAKE, 1, key);
    db_num(s->db, Q_RCPT_WAKE, 2, wake);
    db_num(s->db, Q_RCPT_WAKE, 3, (int64_t)token);
    TRY(db_run(s->db, Q_RCPT_WAKE));
    return db_changes(s->db) == 1 ? ERR_OK : db_distrust(s->db);
}

/* Leases the recipient and appends it to the op's items; those of one message come together. */
static enum err take_one(struct store_sqlite *s, struct store_op *op, int64_t key, uint64_t token)
{
    TRY(wake_set(s, key, wake_leased(op->until_ms), token));
    db_num(s->db, Q_RCPT_ITEM, 1, key);
    enum err e = db_row(s->db, Q_RCPT_ITEM);
    if (e == ERR_NOT_FOUND)
        return db_distrust(s->db);
    TRY(e);
    struct store_item *item = &op->items[op->n];
    e = item_read(s, Q_RCPT_ITEM, &op->arena, item);
    db_end(s->db, Q_RCPT_ITEM);
    TRY(e);
    if (op->n > 0 && item[-1].id == item->id) {
        item->envelope = item[-1].envelope;
    } else {
        struct envelope *envelope = ARENA_NEW(&op->arena, struct envelope);
        TRY(envelope_load(s, key_local(key), &op->arena, envelope));
        item->envelope = envelope;
    }
    op->n++;
    return ERR_OK;
}

/* Leases that ended come first, then what waits, the longest due first. */
static enum err apply_take(struct store_sqlite *s, struct store_op *op)
{
    int64_t now = time_within(op->now_ms);
    db_num(s->db, Q_WAKE_SETTLE, 1, WAKE_LEASE);
    db_num(s->db, Q_WAKE_SETTLE, 2, WAKE_LEASE + now);
    db_num(s->db, Q_WAKE_SETTLE, 3, WAKE_HELD);
    TRY(db_run(s->db, Q_WAKE_SETTLE));

    int64_t keys[STORE_TAKE_MAX];
    unsigned n = 0, limit = op->limit < STORE_TAKE_MAX ? op->limit : STORE_TAKE_MAX;
    TRY(take_keys(s, WAKE_LEASE, WAKE_LEASE + now, keys, limit, &n));
    TRY(take_keys(s, 0, now, keys, limit, &n));
    qsort(keys, n, sizeof keys[0], key_order);

    uint64_t token = token_new(s);
    op->items = ARENA_ARRAY(&op->arena, struct store_item, n);
    op->n = 0;
    for (unsigned i = 0; i < n; i++)
        TRY(take_one(s, op, keys[i], token));
    return ERR_OK;
}

/* ERR_STALE unless the recipient is there and leased under that token. */
static enum err lease_check(struct store_sqlite *s, int64_t key, uint64_t token, bool *ret_held)
{
    db_num(s->db, Q_RCPT_STATE, 1, key);
    enum err e = db_row(s->db, Q_RCPT_STATE);
    if (e == ERR_NOT_FOUND)
        return ERR_STALE;
    TRY(e);
    bool same = token != 0 && (uint64_t)db_row_num(s->db, Q_RCPT_STATE, 0) == token;
    bool held = db_row_num(s->db, Q_RCPT_STATE, 1) & RCPT_HELD;
    db_end(s->db, Q_RCPT_STATE);
    if (!same)
        return ERR_STALE;
    *ret_held = held;
    return ERR_OK;
}

static enum err apply_renew(struct store_sqlite *s, struct store_op *op)
{
    bool held = false;
    for (unsigned i = 0; i < op->n; i++) {
        const struct store_item *item = &op->items[i];
        if (!id_is_ours(s, item->id))
            return ERR_STALE;
        TRY(lease_check(s, key_of(item->id, item->i), item->token, &held));
    }
    for (unsigned i = 0; i < op->n; i++) {
        const struct store_item *item = &op->items[i];
        TRY(wake_set(s, key_of(item->id, item->i), wake_leased(renew_end(op, i)), item->token));
    }
    return ERR_OK;
}

enum err rcpt_remove(struct store_sqlite *s, int64_t key, bool held)
{
    db_num(s->db, Q_RCPT_DEL, 1, key);
    TRY(db_run(s->db, Q_RCPT_DEL));
    ASSERT(db_changes(s->db) == 1); /* 0: two results for one recipient */
    s->now.recipients--;
    s->now.held -= held;
    return ERR_OK;
}

enum err message_remove_if_done(struct store_sqlite *s, uint64_t local)
{
    int64_t one = 0;
    bind_keys(s, Q_RCPT_ANY, local);
    enum err e = db_get(s->db, Q_RCPT_ANY, &one);
    if (e != ERR_NOT_FOUND)
        return e;
    db_num(s->db, Q_MESSAGE_DEL, 1, (int64_t)local);
    TRY(db_run(s->db, Q_MESSAGE_DEL));
    if (db_changes(s->db) != 1)
        return db_distrust(s->db);
    s->now.messages--;
    return chunks_del(s, local);
}

static enum err finish_one(struct store_sqlite *s, int64_t key, const struct store_result *r,
                           bool held)
{
    int64_t wake = held ? WAKE_HELD : time_within(r->due_ms);
    switch (r->outcome) {
    case STORE_DONE:
        return rcpt_remove(s, key, held);
    case STORE_BACK:
        return wake_set(s, key, wake, 0);
    case STORE_DEFER:
        break;
    }
    db_num(s->db, Q_RCPT_DEFER, 1, key);
    db_num(s->db, Q_RCPT_DEFER, 2, wake);
    db_num(s->db, Q_RCPT_DEFER, 3, r->warned ? RCPT_WARNED : 0);
    db_text(s->db, Q_RCPT_DEFER, 4, r->last);
    return db_run(s->db, Q_RCPT_DEFER);
}

static enum err apply_finish(struct store_sqlite *s, struct store_op *op)
{
    if (!id_is_ours(s, op->id))
        return ERR_STALE;
    if (op->message)
        TRY(put_check(s, op->message));
    bool *held = ARENA_ARRAY(&op->arena, bool, op->n), done = false;
    for (unsigned i = 0; i < op->n; i++) {
        const struct store_result *r = &op->results[i];
        TRY(lease_check(s, key_of(op->id, r->i), r->token, &held[i]));
        done = done || r->outcome == STORE_DONE;
    }

    for (unsigned i = 0; i < op->n; i++)
        TRY(finish_one(s, key_of(op->id, op->results[i].i), &op->results[i], held[i]));
    if (done)
        TRY(message_remove_if_done(s, id_local(op->id)));
    TRY(trace_try(s, op->id, op->bytes));
    return op->message ? put(s, op->message) : ERR_OK;
}

static enum err apply_read(struct store_sqlite *s, struct store_op *op)
{
    if (!id_is_ours(s, op->id) || op->seq >= STORE_CHUNKS_MAX)
        return ERR_NOT_FOUND;
    return chunk_get(s, op->id, op->seq, &op->body);
}

/* --- what store.c sees */

static struct store_sqlite *of(struct store_backend *b)
{
    return CONTAINER_OF(b, struct store_sqlite, backend);
}

static enum err sqlite_begin(struct store_backend *b)
{
    return db_begin(of(b)->db);
}

static enum err (*const applies[STORE_KIND_COUNT_])(struct store_sqlite *, struct store_op *) = {
    [STORE_APPEND] = apply_append,  [STORE_ABORT] = apply_abort,    [STORE_PUT] = apply_put,
    [STORE_TAKE] = apply_take,      [STORE_RENEW] = apply_renew,    [STORE_FINISH] = apply_finish,
    [STORE_READ] = apply_read,      [STORE_LIST] = sqlite_list,     [STORE_CHANGE] = sqlite_change,
    [STORE_COUNT] = sqlite_count,   [STORE_TRACE] = sqlite_trace,   [STORE_FIND] = sqlite_find,
    [STORE_EXPIRE] = sqlite_expire, [STORE_CLAMP] = sqlite_clamp,   [STORE_KV_PUT] = sqlite_kv_put,
    [STORE_KV_GET] = sqlite_kv_get, [STORE_KV_DEL] = sqlite_kv_del,
};

static enum err sqlite_apply(struct store_backend *b, struct store_op *op)
{
    ASSERT(op->kind < STORE_KIND_COUNT_);
    op->result = applies[op->kind](of(b), op);
    return op->result;
}

static enum err sqlite_commit(struct store_backend *b)
{
    struct store_sqlite *s = of(b);
    if (memcmp(&s->now, &s->committed, sizeof s->now) != 0) {
        db_num(s->db, Q_META_PUT, 1, (int64_t)s->now.last);
        db_num(s->db, Q_META_PUT, 2, (int64_t)s->now.messages);
        db_num(s->db, Q_META_PUT, 3, (int64_t)s->now.recipients);
        db_num(s->db, Q_META_PUT, 4, (int64_t)s->now.held);
        TRY(db_run(s->db, Q_META_PUT));
    }
    TRY(bodies_sync(s->bodies));
    TRY(db_commit(s->db));
    bodies_committed(s->bodies);
    s->committed = s->now;
    return ERR_OK;
}

static void sqlite_rollback(struct store_backend *b)
{
    struct store_sqlite *s = of(b);
    db_rollback(s->db);
    bodies_rolled_back(s->bodies);
    s->now = s->committed;
}

static uint64_t sqlite_last_id(struct store_backend *b)
{
    return id_whole(of(b)->shard, of(b)->now.last);
}

static void sqlite_close(struct store_backend *b)
{
    struct store_sqlite *s = of(b);
    bodies_close(s->bodies);
    db_close(s->db);
    buf_done(&s->text);
    mem_free(s->memory);
    mem_free(s);
}

static const struct store_backend_ops backend_ops = {
    .begin = sqlite_begin,
    .apply = sqlite_apply,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .last_id = sqlite_last_id,
    .close = sqlite_close,
};

/* --- a new owner */

/* Reads what the former owner left and counts this opening. */
static enum err own_meta(struct store_sqlite *s, struct why *why)
{
    int64_t shard = s->shard;
    enum err e = db_row(s->db, Q_META_GET);
    if (e == ERR_OK) {
        shard = db_row_num(s->db, Q_META_GET, 0);
        s->epoch = (uint64_t)db_row_num(s->db, Q_META_GET, 1);
        s->now.last = (uint64_t)db_row_num(s->db, Q_META_GET, 2);
        s->now.messages = (uint64_t)db_row_num(s->db, Q_META_GET, 3);
        s->now.recipients = (uint64_t)db_row_num(s->db, Q_META_GET, 4);
        s->now.held = (uint64_t)db_row_num(s->db, Q_META_GET, 5);
        db_end(s->db, Q_META_GET);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if (shard != s->shard) {
        why_set(why, "it is the queue of shard %d, not of %u: give each shard its own file",
                (int)shard, s->shard);
        return ERR_REFUSED;
    }
    s->epoch = (s->epoch + 1) & (((uint64_t)1 << EPOCH_BITS) - 1);
    db_num(s->db, Q_META_NEW, 1, s->shard);
    db_num(s->db, Q_META_NEW, 2, (int64_t)s->epoch);
    return db_run(s->db, Q_META_NEW);
}

/* Chunks of messages that were never committed. */
static enum err own_orphans(struct store_sqlite *s)
{
    int64_t local = 0;
    enum err e;
    while ((e = db_get(s->db, Q_STAGED_NEXT, &local)) == ERR_OK) {
        bool there = false;
        TRY(message_has(s, (uint64_t)local, &there));
        if (!there)
            TRY(chunks_del(s, (uint64_t)local));
        TRY(staged_del(s, (uint64_t)local));
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err own(struct store_sqlite *s, int64_t now_ms, struct why *why)
{
    TRY(own_meta(s, why));
    db_num(s->db, Q_WAKE_VOID, 1, WAKE_LEASE);
    db_num(s->db, Q_WAKE_VOID, 2, WAKE_HELD);
    db_num(s->db, Q_WAKE_VOID, 3, time_within(now_ms));
    TRY(db_run(s->db, Q_WAKE_VOID));
    TRY(chunks_own(s, why));
    return own_orphans(s);
}

enum err store_sqlite_open(const char *path, unsigned shard, const char *vfs, int64_t now_ms,
                           struct store_backend **ret, struct why *why)
{
    ASSERT(shard < STORE_SHARDS_MAX);
    struct db *db = NULL;
    TRY(db_open(path, vfs, store_sqlite_statements, Q_COUNT_, &db, why));

    struct store_sqlite *s = NEW(struct store_sqlite);
    s->backend.ops = &backend_ops;
    s->db = db;
    s->shard = shard;
    s->memory = mem_alloc(BODY_CHUNK);
    buf_init(&s->text, ENVELOPE_TEXT_MAX);

    enum err e = bodies_open(db, &s->bodies, why);
    if (e != ERR_OK) {
        sqlite_close(&s->backend);
        return e;
    }
    e = db_begin(db);
    if (e == ERR_OK)
        e = own(s, now_ms, why);
    if (e == ERR_OK)
        e = sqlite_commit(&s->backend);
    if (e != ERR_OK) {
        if (e != ERR_REFUSED)
            db_explain(db, why);
        why_prefix(why, "%s", path);
        sqlite_close(&s->backend);
        return e == ERR_REFUSED ? ERR_IO : e;
    }
    s->committed = s->now;
    *ret = &s->backend;
    return ERR_OK;
}
