/* store_mem.c - the model: mail comes in and goes out. What people ask is in store_mem_query.c. */
#include "store/store_mem.h"

/* --- bytes and lists */

struct span mem_keep(struct span s)
{
    char *p = mem_alloc(s.n);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return span_of(p, s.n);
}

void mem_drop(struct span s)
{
    union {
        const char *p;
        char *owned;
    } u = { s.p };
    mem_free(u.owned);
}

void mem_replace(struct span *s, struct span with)
{
    struct span old = *s;
    *s = mem_keep(with);
    mem_drop(old);
}

static void message_free(struct mem_message *m)
{
    list_remove(&m->in);
    mem_drop(m->line);
    mem_free(m);
}

static void rcpt_free(struct mem_rcpt *r)
{
    list_remove(&r->in);
    mem_drop(r->domain);
    mem_drop(r->line);
    mem_drop(r->route);
    mem_drop(r->last);
    mem_free(r);
}

static void chunk_free(struct mem_chunk *c)
{
    list_remove(&c->in);
    mem_drop(c->data);
    mem_free(c);
}

void mem_line_free(struct mem_line *l)
{
    list_remove(&l->in);
    mem_drop(l->text);
    mem_free(l);
}

void mem_value_free(struct mem_value *v)
{
    list_remove(&v->in);
    mem_drop(v->key);
    mem_drop(v->value);
    mem_free(v);
}

struct mem_message *mem_message_get(struct mem *m, uint64_t id)
{
    EACH(struct mem_message, it, &m->messages)
    {
        if (it->id == id)
            return it;
    }
    return NULL;
}

static struct mem_rcpt *rcpt_get(struct mem *m, uint64_t id, unsigned i)
{
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->id == id && it->i == i)
            return it;
    }
    return NULL;
}

static unsigned chunk_count(struct mem *m, uint64_t id)
{
    unsigned n = 0;
    EACH(struct mem_chunk, it, &m->chunks)
    {
        n += it->id == id;
    }
    return n;
}

static void chunks_del(struct mem *m, uint64_t id)
{
    EACH(struct mem_chunk, it, &m->chunks)
    {
        if (it->id == id)
            chunk_free(it);
    }
}

bool mem_is_ours(const struct mem *m, uint64_t id)
{
    return store_id_shard(id) == m->shard && id_local(id) != 0;
}

void mem_note(struct mem *m, uint64_t id)
{
    if (id > m->last)
        m->last = id;
}

bool mem_is_leased(const struct mem_rcpt *r, int64_t now)
{
    return r->token != 0 && r->due_ms > now;
}

static void add_chunk(struct mem *m, uint64_t id, unsigned seq, struct span data)
{
    struct mem_chunk *c = NEW(struct mem_chunk);
    *c = (struct mem_chunk){ .id = id, .seq = seq, .data = mem_keep(data) };
    list_push(&m->chunks, &c->in);
}

bool mem_add_lines(struct mem *m, uint64_t id, struct span text)
{
    unsigned n = 0, have = 0;
    if (trace_count(text, &n) != ERR_OK)
        return false;
    struct list *before = &m->lines; /* the first line of a greater id */
    EACH(struct mem_line, it, &m->lines)
    {
        have += it->id == id;
        if (it->id > id && before == &m->lines)
            before = &it->in;
    }
    if (n > STORE_CHUNKS_MAX - have)
        return false;
    struct span line;
    while (trace_next(&text, &line)) {
        struct mem_line *l = NEW(struct mem_line);
        *l = (struct mem_line){ .id = id, .i = have++, .text = mem_keep(line) };
        list_push(before, &l->in);
    }
    return true;
}

/* --- mail comes in */

static enum err apply_append(struct mem *m, struct store_op *op)
{
    if (op->seq >= STORE_CHUNKS_MAX || op->bytes.n > BODY_CHUNK)
        return ERR_TOO_BIG;
    unsigned n = chunk_count(m, op->id);
    if (mem_message_get(m, op->id) || op->seq < n)
        return ERR_EXISTS;
    if (op->seq > n)
        return ERR_NOT_FOUND;
    add_chunk(m, op->id, op->seq, op->bytes);
    mem_note(m, op->id);
    return ERR_OK;
}

static enum err apply_abort(struct mem *m, struct store_op *op)
{
    if (!mem_is_ours(m, op->id))
        return ERR_NOT_FOUND;
    if (mem_message_get(m, op->id))
        return ERR_EXISTS;
    chunks_del(m, op->id);
    return ERR_OK;
}

static enum err put_check(struct mem *m, const struct store_new *n)
{
    TRY(new_check(n));
    if (mem_message_get(m, n->envelope->id))
        return ERR_EXISTS;
    return chunk_count(m, n->envelope->id) == n->chunks_before ? ERR_OK : ERR_NOT_FOUND;
}

static void put_rcpt(struct mem *m, const struct store_new *n, unsigned i, struct buf *text)
{
    const struct rcpt *from = &n->envelope->rcpt[i];
    bool leased = n->lease_until_ms != 0;
    buf_clear(text);
    rcpt_print(from, text);
    struct mem_rcpt *r = NEW(struct mem_rcpt);
    *r = (struct mem_rcpt){
        .id = n->envelope->id,
        .i = i,
        .due_ms = time_within(leased ? n->lease_until_ms : n->envelope->accepted_ms),
        .token = leased ? m->leases : 0,
        .domain = mem_keep(from->domain),
        .line = mem_keep(buf_span(text)),
        .route = mem_keep(SPAN_NONE),
        .last = mem_keep(SPAN_NONE),
    };
    struct list *before = &m->rcpts;
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->id > r->id && before == &m->rcpts)
            before = &it->in;
    }
    list_push(before, &r->in);
}

static void put_message(struct mem *m, const struct store_new *n, struct buf *text)
{
    struct mem_message *message = NEW(struct mem_message);
    buf_clear(text);
    envelope_print(n->envelope, text);
    message->id = n->envelope->id;
    message->accepted_ms = n->envelope->accepted_ms;
    message->line = mem_keep(buf_span(text));
    struct list *before = &m->messages;
    EACH(struct mem_message, it, &m->messages)
    {
        if (it->id > message->id && before == &m->messages)
            before = &it->in;
    }
    list_push(before, &message->in);
}

static void put(struct mem *m, struct store_new *n)
{
    struct buf text;
    buf_init(&text, ENVELOPE_TEXT_MAX);
    m->leases++;
    put_message(m, n, &text);
    for (unsigned i = 0; i < n->envelope->n_rcpt; i++)
        put_rcpt(m, n, i, &text);
    buf_done(&text);

    char *memory = mem_alloc(BODY_CHUNK);
    for (unsigned i = 0; n->body && i < body_rows(n->body); i++)
        add_chunk(m, n->envelope->id, n->chunks_before + i, body_row(n->body, i, memory));
    mem_free(memory);

    (void)mem_add_lines(m, n->envelope->id, n->trace); /* a full trace does not refuse mail */
    mem_note(m, n->envelope->id);
    n->ret_token = n->lease_until_ms != 0 ? m->leases : 0;
}

static enum err apply_put(struct mem *m, struct store_op *op)
{
    TRY(put_check(m, op->message));
    put(m, op->message);
    return ERR_OK;
}

/* --- mail goes out */

void mem_item_fill(struct mem *m, struct store_op *op, const struct mem_rcpt *r)
{
    struct store_item *item = &op->items[op->n];
    *item = (struct store_item){
        .id = r->id,
        .i = r->i,
        .token = r->token,
        .due_ms = r->due_ms,
        .attempts = r->attempts,
        .held = r->held,
        .warned = r->warned,
        .route = arena_span(&op->arena, r->route),
        .last = arena_span(&op->arena, r->last),
    };
    enum err e = rcpt_read(r->line, &op->arena, &item->rcpt);
    ASSERT(e == ERR_OK);
    if (op->n > 0 && item[-1].id == item->id) {
        item->envelope = item[-1].envelope;
    } else {
        struct envelope *envelope = ARENA_NEW(&op->arena, struct envelope);
        e = envelope_read(mem_message_get(m, r->id)->line, &op->arena, envelope);
        ASSERT(e == ERR_OK);
        envelope->id = r->id;
        item->envelope = envelope;
    }
    op->n++;
}

/* Leases that ended come first, then what waits; the longest due first. */
static bool is_sooner(const struct mem_rcpt *a, const struct mem_rcpt *b)
{
    if ((a->token != 0) != (b->token != 0))
        return a->token != 0;
    if (a->due_ms != b->due_ms)
        return a->due_ms < b->due_ms;
    return a->id != b->id ? a->id < b->id : a->i < b->i;
}

static struct mem_rcpt *take_next(struct mem *m, int64_t now, uint64_t token)
{
    struct mem_rcpt *best = NULL;
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        bool due = !it->held && it->due_ms <= now && it->token != token;
        if (due && (!best || is_sooner(it, best)))
            best = it;
    }
    return best;
}

static enum err apply_take(struct mem *m, struct store_op *op)
{
    int64_t now = time_within(op->now_ms);
    unsigned limit = op->limit < STORE_TAKE_MAX ? op->limit : STORE_TAKE_MAX, n = 0;
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->held && it->token != 0 && it->due_ms <= now) {
            it->token = 0;
            it->due_ms = INT64_MAX;
        }
    }
    uint64_t token = ++m->leases;
    for (struct mem_rcpt *r; n < limit && (r = take_next(m, now, token)) != NULL; n++) {
        r->token = token;
        r->due_ms = time_within(op->until_ms);
    }
    op->items = ARENA_ARRAY(&op->arena, struct store_item, n);
    op->n = 0;
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->token == token)
            mem_item_fill(m, op, it);
    }
    return ERR_OK;
}

static bool lease_ok(struct mem *m, uint64_t id, unsigned i, uint64_t token)
{
    struct mem_rcpt *r = rcpt_get(m, id, i);
    return r && token != 0 && r->token == token;
}

static enum err apply_renew(struct mem *m, struct store_op *op)
{
    for (unsigned i = 0; i < op->n; i++)
        if (!lease_ok(m, op->items[i].id, op->items[i].i, op->items[i].token))
            return ERR_STALE;
    for (unsigned i = 0; i < op->n; i++)
        rcpt_get(m, op->items[i].id, op->items[i].i)->due_ms = renew_end(op, i);
    return ERR_OK;
}

void mem_rcpt_gone(struct mem *m, struct mem_rcpt *r)
{
    uint64_t id = r->id;
    rcpt_free(r);
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->id == id)
            return;
    }
    message_free(mem_message_get(m, id));
    chunks_del(m, id);
}

static void finish_one(struct mem *m, struct mem_rcpt *r, const struct store_result *result)
{
    if (result->outcome == STORE_DONE) {
        mem_rcpt_gone(m, r);
        return;
    }
    r->token = 0;
    r->due_ms = r->held ? INT64_MAX : time_within(result->due_ms);
    if (result->outcome == STORE_BACK)
        return;
    r->attempts++;
    r->warned = r->warned || result->warned;
    mem_replace(&r->last, result->last);
}

static enum err apply_finish(struct mem *m, struct store_op *op)
{
    if (!mem_is_ours(m, op->id))
        return ERR_STALE;
    if (op->message)
        TRY(put_check(m, op->message));
    for (unsigned i = 0; i < op->n; i++)
        if (!lease_ok(m, op->id, op->results[i].i, op->results[i].token))
            return ERR_STALE;
    for (unsigned i = 0; i < op->n; i++)
        finish_one(m, rcpt_get(m, op->id, op->results[i].i), &op->results[i]);
    (void)mem_add_lines(m, op->id, op->bytes); /* nor results */
    if (op->message)
        put(m, op->message);
    return ERR_OK;
}

static enum err apply_read(struct mem *m, struct store_op *op)
{
    EACH(struct mem_chunk, it, &m->chunks)
    {
        if (it->id != op->id || it->seq != op->seq)
            continue;
        op->body = body_new();
        body_append(op->body, it->data);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

/* --- what store.c sees */

static struct mem *of(struct store_backend *b)
{
    return CONTAINER_OF(b, struct mem, backend);
}

static enum err mem_begin(struct store_backend *b)
{
    (void)b;
    return ERR_OK;
}

static enum err (*const applies[STORE_KIND_COUNT_])(struct mem *, struct store_op *) = {
    [STORE_APPEND] = apply_append, [STORE_ABORT] = apply_abort, [STORE_PUT] = apply_put,
    [STORE_TAKE] = apply_take,     [STORE_RENEW] = apply_renew, [STORE_FINISH] = apply_finish,
    [STORE_READ] = apply_read,     [STORE_LIST] = mem_list,     [STORE_CHANGE] = mem_change,
    [STORE_COUNT] = mem_count,     [STORE_TRACE] = mem_trace,   [STORE_FIND] = mem_find,
    [STORE_EXPIRE] = mem_expire,   [STORE_CLAMP] = mem_clamp,   [STORE_KV_PUT] = mem_kv_put,
    [STORE_KV_GET] = mem_kv_get,   [STORE_KV_DEL] = mem_kv_del,
};

static enum err mem_apply(struct store_backend *b, struct store_op *op)
{
    ASSERT(op->kind < STORE_KIND_COUNT_);
    op->result = applies[op->kind](of(b), op);
    return op->result;
}

static enum err mem_commit(struct store_backend *b)
{
    (void)b;
    return ERR_OK;
}

static void mem_rollback(struct store_backend *b)
{
    (void)b;
    ASSERT(false); /* nothing here fails */
}

static uint64_t mem_last_id(struct store_backend *b)
{
    return of(b)->last;
}

static void mem_close(struct store_backend *b)
{
    struct mem *m = of(b);
    EACH(struct mem_message, it, &m->messages)
    {
        message_free(it);
    }
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        rcpt_free(it);
    }
    EACH(struct mem_chunk, it, &m->chunks)
    {
        chunk_free(it);
    }
    EACH(struct mem_line, it, &m->lines)
    {
        mem_line_free(it);
    }
    EACH(struct mem_value, it, &m->values)
    {
        mem_value_free(it);
    }
    mem_free(m);
}

static const struct store_backend_ops backend_ops = {
    .begin = mem_begin,
    .apply = mem_apply,
    .commit = mem_commit,
    .rollback = mem_rollback,
    .last_id = mem_last_id,
    .close = mem_close,
};

struct store_backend *store_mem_open(unsigned shard)
{
    ASSERT(shard < STORE_SHARDS_MAX);
    struct mem *m = NEW(struct mem);
    m->backend.ops = &backend_ops;
    m->shard = shard;
    m->last = id_whole(shard, 0);
    list_init(&m->messages);
    list_init(&m->rcpts);
    list_init(&m->chunks);
    list_init(&m->lines);
    list_init(&m->values);
    return &m->backend;
}

void store_mem_reopen(struct store_backend *b, int64_t now_ms)
{
    struct mem *m = of(b);
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->token == 0)
            continue;
        it->token = 0;
        it->due_ms = it->held ? INT64_MAX : time_within(now_ms);
    }
    EACH(struct mem_chunk, it, &m->chunks)
    {
        if (!mem_message_get(m, it->id))
            chunk_free(it);
    }
}
