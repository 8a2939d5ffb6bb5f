/* store_mem_query.c - the model: what people ask and change, the trace, small things by name. */
#include "store/store_mem.h"

/* --- people */

static bool matches(struct mem *m, const struct store_op *op, const struct mem_rcpt *r)
{
    const struct store_filter *f = &op->filter;
    struct arena a;
    struct rcpt rcpt = { 0 };
    struct envelope envelope = { 0 };
    arena_init(&a, 8 * ENVELOPE_TEXT_MAX);
    enum err e = rcpt_read(r->line, &a, &rcpt);
    ASSERT(e == ERR_OK);
    e = envelope_read(mem_message_get(m, r->id)->line, &a, &envelope);
    ASSERT(e == ERR_OK);
    bool match = (f->id == 0 || f->id == r->id) && (!f->held_only || r->held) &&
                 filter_domain(f, r->domain) && filter_to(f, rcpt.addr) &&
                 filter_from(f, envelope.from);
    arena_done(&a);
    return match;
}

enum err mem_list(struct mem *m, struct store_op *op)
{
    unsigned limit = op->limit < STORE_LIST_MAX ? op->limit : STORE_LIST_MAX;
    op->items = ARENA_ARRAY(&op->arena, struct store_item, limit);
    op->n = 0;
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        bool after = op->after_id == 0 || it->id > op->after_id ||
                     (it->id == op->after_id && it->i > op->after_i);
        if (op->n < limit && after && matches(m, op, it))
            mem_item_fill(m, op, it);
    }
    return ERR_OK;
}

static void hurry(struct mem_rcpt *r, int64_t now)
{
    if (r->token == 0 && !r->held && r->due_ms > now)
        r->due_ms = now;
}

static bool change_one(struct mem *m, struct store_op *op, struct mem_rcpt *r)
{
    int64_t now = time_within(op->now_ms);
    switch (op->change) {
    case STORE_HOLD:
    case STORE_RELEASE:
        if (r->held == (op->change == STORE_HOLD))
            return false;
        r->held = !r->held;
        if (!mem_is_leased(r, now)) {
            r->token = 0;
            r->due_ms = r->held ? INT64_MAX : now;
        }
        return true;
    case STORE_DROP:
        mem_rcpt_gone(m, r);
        return true;
    case STORE_RETRY:
        hurry(r, now);
        return !r->held && r->token == 0;
    case STORE_REROUTE:
        mem_replace(&r->route, op->bytes);
        hurry(r, now);
        return true;
    }
    ASSERT(false); /* no such change */
    return false;
}

enum err mem_change(struct mem *m, struct store_op *op)
{
    if (op->bytes.n > STORE_KEY_MAX)
        return ERR_TOO_BIG;
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (matches(m, op, it))
            op->changed += change_one(m, op, it);
    }
    return ERR_OK;
}

enum err mem_count(struct mem *m, struct store_op *op)
{
    int64_t now = time_within(op->now_ms);
    struct store_totals t = { 0 };
    EACH(struct mem_message, it, &m->messages)
    {
        if (t.messages++ == 0)
            t.oldest_ms = it->accepted_ms;
    }
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        t.recipients++;
        t.held += it->held;
        t.leased += mem_is_leased(it, now);
        t.due += !it->held && it->due_ms <= now;
    }
    op->totals = t;
    return ERR_OK;
}

enum err mem_clamp(struct mem *m, struct store_op *op)
{
    int64_t before = time_within(op->before_ms);
    EACH(struct mem_rcpt, it, &m->rcpts)
    {
        if (it->due_ms == INT64_MAX || it->due_ms <= before)
            continue;
        it->due_ms = before;
        op->changed++;
    }
    return ERR_OK;
}

/* --- the trace */

enum err mem_trace(struct mem *m, struct store_op *op)
{
    if (!mem_is_ours(m, op->id))
        return ERR_NOT_FOUND;
    if (!mem_add_lines(m, op->id, op->bytes))
        return ERR_TOO_BIG;
    mem_note(m, op->id);
    return ERR_OK;
}

static bool find_wants(struct mem *m, const struct store_op *op, const struct mem_line *line)
{
    uint64_t id = line->id, only = op->id != 0 ? op->id : op->filter.id;
    bool page =
        op->after_id == 0 || id < op->after_id || (id == op->after_id && line->i < op->after_i);
    if (!page || (only != 0 && id != only))
        return false;
    if (only == 0 && id_local(id) < id_first(op->since_ms))
        return false;
    unsigned found = match_line(op, SPAN_NONE);
    EACH(struct mem_line, it, &m->lines)
    {
        if (it->id == id)
            found |= match_line(op, it->text);
    }
    return found == MATCH_ALL;
}

enum err mem_find(struct mem *m, struct store_op *op)
{
    unsigned limit = op->limit < STORE_LIST_MAX ? op->limit : STORE_LIST_MAX, n = 0;
    EACH(struct mem_line, it, &m->lines)
    {
        n += find_wants(m, op, it);
    }
    unsigned skip = n > limit ? n - limit : 0;
    op->lines = ARENA_ARRAY(&op->arena, struct store_trace_line, n - skip);
    op->n = 0;
    EACH(struct mem_line, it, &m->lines)
    {
        if (!find_wants(m, op, it))
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        struct span text = arena_span(&op->arena, it->text);
        op->lines[op->n++] = (struct store_trace_line){ it->id, it->i, text };
    }
    return ERR_OK;
}

enum err mem_expire(struct mem *m, struct store_op *op)
{
    EACH(struct mem_line, it, &m->lines)
    {
        if (id_local(it->id) >= id_first(op->before_ms))
            continue;
        mem_line_free(it);
        op->changed++;
    }
    return ERR_OK;
}

/* --- small things by name */

static struct mem_value *value_get(struct mem *m, struct span key)
{
    EACH(struct mem_value, it, &m->values)
    {
        if (span_eq(it->key, key))
            return it;
    }
    return NULL;
}

enum err mem_kv_put(struct mem *m, struct store_op *op)
{
    if (op->key.n > STORE_KEY_MAX || op->bytes.n > STORE_VALUE_MAX)
        return ERR_TOO_BIG;
    struct mem_value *v = value_get(m, op->key);
    if (v) {
        mem_replace(&v->value, op->bytes);
        return ERR_OK;
    }
    v = NEW(struct mem_value);
    *v = (struct mem_value){ .key = mem_keep(op->key), .value = mem_keep(op->bytes) };
    list_push(&m->values, &v->in);
    return ERR_OK;
}

enum err mem_kv_get(struct mem *m, struct store_op *op)
{
    struct mem_value *v = value_get(m, op->key);
    if (!v)
        return ERR_NOT_FOUND;
    op->value = arena_span(&op->arena, v->value);
    return ERR_OK;
}

enum err mem_kv_del(struct mem *m, struct store_op *op)
{
    struct mem_value *v = value_get(m, op->key);
    if (!v)
        return ERR_NOT_FOUND;
    mem_value_free(v);
    return ERR_OK;
}
