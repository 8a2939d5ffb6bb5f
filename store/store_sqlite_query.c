/* store_sqlite_query.c - what people ask and change, the trace, and small things kept by name.
 * What may touch very many rows goes in steps, so that mail is served between them. */
#include "store/store_sqlite.h"

enum {
    SCAN_STEP = 1000,   /* recipients or messages that a step looks at */
    CHANGE_STEP = 256,  /* recipients that it changes */
    EXPIRE_STEP = 5000, /* lines that it deletes */
};

/* --- walking over recipients that match */

struct scan {
    const struct store_filter *filter;
    int64_t after, last; /* keys: after < key <= last */
    unsigned left;       /* rows that may yet be looked at */
    uint64_t from_local; /* the message whose reverse path was compared last, and how it went */
    bool from_ok;
};

/* Nothing matches: after == last. */
static struct scan scan_new(const struct store_sqlite *s, const struct store_op *op)
{
    const struct store_filter *f = &op->filter;
    struct scan scan = { .filter = f, .last = INT64_MAX, .left = SCAN_STEP };
    if (f->id != 0) {
        bool ours = id_is_ours(s, f->id);
        scan.after = ours ? key_of(f->id, 0) - 1 : 0;
        scan.last = ours ? key_last(f->id) : 0;
    }
    int64_t page = (int64_t)op->resume;
    if (op->resume == 0 && store_id_shard(op->after_id) == s->shard)
        page = key_of(op->after_id, 0) + (op->after_i < RCPTS_MAX ? op->after_i : RCPTS_MAX);
    if (op->resume == 0 && store_id_shard(op->after_id) > s->shard)
        page = INT64_MAX;
    if (op->after_id == 0 && op->resume == 0)
        page = 0;
    if (page > scan.after)
        scan.after = page < scan.last ? page : scan.last;
    return scan;
}

static void scan_start(struct store_sqlite *s, const struct scan *scan)
{
    db_num(s->db, Q_RCPT_LIST, 1, scan->after);
    db_num(s->db, Q_RCPT_LIST, 2, scan->last);
}

static enum err scan_from(struct store_sqlite *s, struct scan *scan, uint64_t local)
{
    if (scan->from_local == local)
        return ERR_OK;
    struct arena a;
    struct envelope envelope = { 0 };
    arena_init(&a, 4 * ENVELOPE_TEXT_MAX);
    enum err e = envelope_load(s, local, &a, &envelope);
    scan->from_local = local;
    scan->from_ok = e == ERR_OK && filter_from(scan->filter, envelope.from);
    arena_done(&a);
    return e;
}

static enum err scan_to(struct store_sqlite *s, const struct scan *scan, bool *ret)
{
    struct arena a;
    struct rcpt rcpt = { 0 };
    arena_init(&a, 4 * ENVELOPE_TEXT_MAX);
    enum err e = rcpt_read(db_row_span(s->db, Q_RCPT_LIST, ITEM_LINE), &a, &rcpt);
    if (e == ERR_OK)
        *ret = filter_to(scan->filter, rcpt.addr);
    arena_done(&a);
    return e == ERR_OK ? ERR_OK : db_distrust(s->db);
}

/* Does the row match? The cheap questions first. */
static enum err scan_match(struct store_sqlite *s, struct scan *scan, bool *ret)
{
    const struct store_filter *f = scan->filter;
    int64_t key = db_row_num(s->db, Q_RCPT_LIST, ITEM_KEY);
    bool match = !f->held_only || (db_row_num(s->db, Q_RCPT_LIST, ITEM_FLAGS) & RCPT_HELD);
    match = match && filter_domain(f, db_row_span(s->db, Q_RCPT_LIST, ITEM_DOMAIN));
    if (match && f->to.n > 0)
        TRY(scan_to(s, scan, &match));
    if (match && f->from.n > 0) {
        TRY(scan_from(s, scan, key_local(key)));
        match = scan->from_ok;
    }
    scan->after = key;
    *ret = match;
    return ERR_OK;
}

/* Goes to the next row that matches. ERR_NOT_FOUND: there is none. ERR_AGAIN: looked at enough. */
static enum err scan_next(struct store_sqlite *s, struct scan *scan)
{
    bool match = false;
    while (!match) {
        if (scan->left == 0)
            return ERR_AGAIN;
        scan->left--;
        TRY(db_row(s->db, Q_RCPT_LIST));
        TRY(scan_match(s, scan, &match));
    }
    return ERR_OK;
}

/* --- list */

static enum err list_add(struct store_sqlite *s, struct store_op *op)
{
    struct store_item *item = &op->items[op->n];
    TRY(item_read(s, Q_RCPT_LIST, &op->arena, item));
    if (op->n > 0 && item[-1].id == item->id) {
        item->envelope = item[-1].envelope;
    } else {
        struct envelope *envelope = ARENA_NEW(&op->arena, struct envelope);
        TRY(envelope_load(s, id_local(item->id), &op->arena, envelope));
        item->envelope = envelope;
    }
    op->n++;
    return ERR_OK;
}

enum err sqlite_list(struct store_sqlite *s, struct store_op *op)
{
    unsigned limit = op->limit < STORE_LIST_MAX ? op->limit : STORE_LIST_MAX;
    if (op->resume == 0) {
        op->items = ARENA_ARRAY(&op->arena, struct store_item, limit);
        op->n = 0;
    }
    struct scan scan = scan_new(s, op);
    scan_start(s, &scan);
    enum err e = ERR_OK;
    while (e == ERR_OK && op->n < limit) {
        e = scan_next(s, &scan);
        if (e == ERR_OK)
            e = list_add(s, op);
    }
    db_end(s->db, Q_RCPT_LIST);
    op->resume = (uint64_t)scan.after;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* --- change */

struct found {
    int64_t key, wake;
    uint64_t token;
    bool held;
    int64_t flags;
};

/* Up to CHANGE_STEP matches from scan->after on. ERR_AGAIN: there may be more. */
static enum err change_find(struct store_sqlite *s, struct scan *scan,
                            struct found found[static CHANGE_STEP], unsigned *n)
{
    enum err e = ERR_OK;
    scan_start(s, scan);
    while (*n < CHANGE_STEP && (e = scan_next(s, scan)) == ERR_OK) {
        int64_t flags = db_row_num(s->db, Q_RCPT_LIST, ITEM_FLAGS);
        found[(*n)++] = (struct found){
            .key = db_row_num(s->db, Q_RCPT_LIST, ITEM_KEY),
            .wake = db_row_num(s->db, Q_RCPT_LIST, ITEM_WAKE),
            .token = (uint64_t)db_row_num(s->db, Q_RCPT_LIST, ITEM_TOKEN),
            .held = flags & RCPT_HELD,
            .flags = flags,
        };
    }
    db_end(s->db, Q_RCPT_LIST);
    if (e == ERR_OK)
        return ERR_AGAIN;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static bool is_leased(const struct found *f, int64_t now)
{
    return f->token != 0 && f->wake > WAKE_LEASE + now;
}

/* Due now at the latest, if it only waits: what is leased is being tried, what is held stays so. */
static void found_hurry(struct found *f, int64_t now)
{
    if (f->token == 0 && !f->held && f->wake > now)
        f->wake = now;
}

/* A lease that runs is left to end by itself: its attempt may succeed, and then counts. */
static void found_hold(struct found *f, bool held, int64_t now)
{
    f->flags = held ? f->flags | RCPT_HELD : f->flags & ~(int64_t)RCPT_HELD;
    if (is_leased(f, now))
        return;
    f->token = 0;
    f->wake = held ? WAKE_HELD : now;
}

static enum err found_write(struct store_sqlite *s, const struct found *f)
{
    db_num(s->db, Q_RCPT_FLAGS, 1, f->key);
    db_num(s->db, Q_RCPT_FLAGS, 2, f->wake);
    db_num(s->db, Q_RCPT_FLAGS, 3, (int64_t)f->token);
    db_num(s->db, Q_RCPT_FLAGS, 4, f->flags);
    return db_run(s->db, Q_RCPT_FLAGS);
}

static enum err change_one(struct store_sqlite *s, struct store_op *op, struct found f)
{
    int64_t now = time_within(op->now_ms);
    switch (op->change) {
    case STORE_HOLD:
    case STORE_RELEASE: {
        bool hold = op->change == STORE_HOLD;
        if (f.held == hold)
            return ERR_OK;
        found_hold(&f, hold, now);
        s->now.held = hold ? s->now.held + 1 : s->now.held - 1;
        break;
    }
    case STORE_DROP:
        op->changed++;
        TRY(rcpt_remove(s, f.key, f.held));
        return message_remove_if_done(s, key_local(f.key));
    case STORE_RETRY:
        if (f.held || f.token != 0)
            return ERR_OK;
        found_hurry(&f, now);
        break;
    case STORE_REROUTE:
        db_num(s->db, Q_RCPT_ROUTE, 1, f.key);
        db_text(s->db, Q_RCPT_ROUTE, 2, op->bytes);
        TRY(db_run(s->db, Q_RCPT_ROUTE));
        found_hurry(&f, now);
        break;
    }
    op->changed++;
    return found_write(s, &f);
}

enum err sqlite_change(struct store_sqlite *s, struct store_op *op)
{
    if (op->bytes.n > STORE_KEY_MAX)
        return ERR_TOO_BIG;
    struct scan scan = scan_new(s, op);
    struct found found[CHANGE_STEP];
    unsigned n = 0;
    enum err more = change_find(s, &scan, found, &n);
    if (more != ERR_OK && more != ERR_AGAIN)
        return more;
    op->resume = (uint64_t)scan.after;
    for (unsigned i = 0; i < n; i++)
        TRY(change_one(s, op, found[i]));
    return more;
}

/* --- totals and the clock */

static enum err wake_count(struct store_sqlite *s, enum statement q, int64_t first, int64_t last,
                           uint64_t *sum)
{
    int64_t n = 0;
    db_num(s->db, q, 1, first);
    db_num(s->db, q, 2, last);
    TRY(db_get(s->db, q, &n));
    *sum += (uint64_t)n;
    return ERR_OK;
}

enum err sqlite_count(struct store_sqlite *s, struct store_op *op)
{
    int64_t now = time_within(op->now_ms);
    struct store_totals t = {
        .messages = s->now.messages,
        .recipients = s->now.recipients,
        .held = s->now.held,
    };
    TRY(wake_count(s, Q_WAKE_COUNT, WAKE_LEASE + now + 1, WAKE_HELD - 1, &t.leased));
    TRY(wake_count(s, Q_WAKE_COUNT, 0, now, &t.due));
    TRY(wake_count(s, Q_WAKE_COUNT_FREE, WAKE_LEASE, WAKE_LEASE + now, &t.due));
    enum err e = db_get(s->db, Q_MESSAGE_FIRST, &t.oldest_ms);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    TRY(db_bytes(s->db, &t.bytes_file));
    t.bytes_file += bodies_bytes(s->bodies);
    op->totals = t;
    return ERR_OK;
}

/* Moves those between `to` and `end` to `to`. ERR_AGAIN: there may be more. */
static enum err wake_clamp(struct store_sqlite *s, struct store_op *op, int64_t to, int64_t end)
{
    db_num(s->db, Q_WAKE_CLAMP, 1, to);
    db_num(s->db, Q_WAKE_CLAMP, 2, end);
    db_num(s->db, Q_WAKE_CLAMP, 3, CHANGE_STEP);
    TRY(db_run(s->db, Q_WAKE_CLAMP));
    op->changed += db_changes(s->db);
    return db_changes(s->db) < CHANGE_STEP ? ERR_OK : ERR_AGAIN;
}

enum err sqlite_clamp(struct store_sqlite *s, struct store_op *op)
{
    int64_t before = time_within(op->before_ms);
    TRY(wake_clamp(s, op, before, WAKE_LEASE));
    return wake_clamp(s, op, WAKE_LEASE + before, WAKE_HELD);
}

/* --- the trace */

static enum err trace_add(struct store_sqlite *s, uint64_t id, struct span text)
{
    unsigned n = 0;
    TRY(trace_count(text, &n));
    int64_t key = key_of(id, 0) - 1;
    bind_keys(s, Q_TRACE_LAST, id);
    enum err e = db_get(s->db, Q_TRACE_LAST, &key);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    if (n > key_last(id) - key)
        return ERR_TOO_BIG;

    struct span line;
    while (trace_next(&text, &line)) {
        db_num(s->db, Q_TRACE_PUT, 1, ++key);
        db_text(s->db, Q_TRACE_PUT, 2, line);
        TRY(must_insert(s, Q_TRACE_PUT));
    }
    return ERR_OK;
}

enum err trace_try(struct store_sqlite *s, uint64_t id, struct span text)
{
    enum err e = text.n > 0 ? trace_add(s, id, text) : ERR_OK;
    return e == ERR_TOO_BIG ? ERR_OK : e;
}

enum err sqlite_trace(struct store_sqlite *s, struct store_op *op)
{
    if (!id_is_ours(s, op->id))
        return ERR_NOT_FOUND;
    TRY(trace_add(s, op->id, op->bytes));
    id_note(s, op->id);
    return ERR_OK;
}

static enum err find_matches(struct store_sqlite *s, const struct store_op *op, uint64_t local,
                             bool *ret)
{
    unsigned found = match_line(op, SPAN_NONE);
    bind_keys(s, Q_TRACE_LINES, local);
    enum err e = ERR_OK;
    while (found != MATCH_ALL && (e = db_row(s->db, Q_TRACE_LINES)) == ERR_OK)
        found |= match_line(op, db_row_span(s->db, Q_TRACE_LINES, 0));
    db_end(s->db, Q_TRACE_LINES);
    if (e != ERR_OK && e != ERR_NOT_FOUND)
        return e;
    *ret = found == MATCH_ALL;
    return ERR_OK;
}

/* The first column of the row. */
static enum err row_copy(struct store_sqlite *s, enum statement q, struct arena *a,
                         struct span *ret)
{
    enum err e = arena_try_span(a, db_row_span(s->db, q, 0), ret);
    return e == ERR_OK ? ERR_OK : db_distrust(s->db);
}

/* The last key that a page may have: older than (after_id, after_i). */
static int64_t find_end(const struct store_sqlite *s, const struct store_op *op)
{
    unsigned shard = store_id_shard(op->after_id);
    if (op->after_id == 0 || shard > s->shard)
        return key_last(UINT64_MAX);
    if (shard < s->shard)
        return -1;
    int64_t last = key_last(op->after_id), key = key_of(op->after_id, 0);
    return op->after_i < last - key ? key + op->after_i - 1 : last;
}

/* The message's lines, the last first, as long as there is room. */
static enum err find_add(struct store_sqlite *s, struct store_op *op, uint64_t local,
                         unsigned limit)
{
    int64_t end = find_end(s, op);
    db_num(s->db, Q_TRACE_LINES, 1, key_of(local, 0));
    db_num(s->db, Q_TRACE_LINES, 2, key_last(local) < end ? key_last(local) : end);
    enum err e = ERR_OK;
    while (op->n < limit && (e = db_row(s->db, Q_TRACE_LINES)) == ERR_OK) {
        struct store_trace_line *line = &op->lines[op->n++];
        line->id = id_whole(s->shard, local);
        line->i = key_i(db_row_num(s->db, Q_TRACE_LINES, 1));
        if (row_copy(s, Q_TRACE_LINES, &op->arena, &line->text) != ERR_OK)
            return ERR_IO;
    }
    db_end(s->db, Q_TRACE_LINES);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void find_reverse(struct store_op *op)
{
    for (unsigned i = 0, j = op->n; i + 1 < j; i++) {
        struct store_trace_line line = op->lines[i];
        op->lines[i] = op->lines[--j];
        op->lines[j] = line;
    }
}

/* The keys that are asked for: *ret_first..*ret_last; none when first > last. */
static void find_range(const struct store_sqlite *s, const struct store_op *op, int64_t *ret_first,
                       int64_t *ret_last)
{
    uint64_t first = id_first(op->since_ms), id = op->id != 0 ? op->id : op->filter.id;
    int64_t last = find_end(s, op);
    if (id != 0) {
        first = id_local(id);
        last = !id_is_ours(s, id) ? -1 : key_last(id) < last ? key_last(id) : last;
    }
    *ret_first = key_of(first > 0 ? first : 1, 0);
    *ret_last = op->resume != 0 ? key_of(op->resume, 0) - 1 : last;
}

/* From the newest message back, so that the newest lines are found when there are too many. */
enum err sqlite_find(struct store_sqlite *s, struct store_op *op)
{
    unsigned limit = op->limit < STORE_LIST_MAX ? op->limit : STORE_LIST_MAX;
    if (op->resume == 0) {
        op->lines = ARENA_ARRAY(&op->arena, struct store_trace_line, limit);
        op->n = 0;
    }
    int64_t first = 0, last = 0;
    find_range(s, op, &first, &last);
    for (unsigned left = SCAN_STEP; op->n < limit && first <= last; left--) {
        if (left == 0)
            return ERR_AGAIN;
        int64_t key = 0;
        db_num(s->db, Q_TRACE_LAST, 1, first);
        db_num(s->db, Q_TRACE_LAST, 2, last);
        enum err e = db_get(s->db, Q_TRACE_LAST, &key);
        if (e == ERR_NOT_FOUND)
            break;
        TRY(e);
        bool match = false;
        op->resume = key_local(key);
        last = key_of(op->resume, 0) - 1;
        TRY(find_matches(s, op, op->resume, &match));
        if (match)
            TRY(find_add(s, op, op->resume, limit));
    }
    find_reverse(op);
    return ERR_OK;
}

enum err sqlite_expire(struct store_sqlite *s, struct store_op *op)
{
    int64_t end = key_of(id_first(op->before_ms), 0), step = 0;
    db_num(s->db, Q_TRACE_STEP, 1, end);
    db_num(s->db, Q_TRACE_STEP, 2, EXPIRE_STEP);
    enum err more = db_get(s->db, Q_TRACE_STEP, &step);
    if (more != ERR_OK && more != ERR_NOT_FOUND)
        return more;
    db_num(s->db, Q_TRACE_DEL, 1, more == ERR_OK ? step : end);
    TRY(db_run(s->db, Q_TRACE_DEL));
    op->changed += db_changes(s->db);
    return more == ERR_OK ? ERR_AGAIN : ERR_OK;
}

/* --- small things by name */

enum err sqlite_kv_put(struct store_sqlite *s, struct store_op *op)
{
    if (op->key.n > STORE_KEY_MAX || op->bytes.n > STORE_VALUE_MAX)
        return ERR_TOO_BIG;
    db_blob(s->db, Q_KV_PUT, 1, op->key);
    db_blob(s->db, Q_KV_PUT, 2, op->bytes);
    return db_run(s->db, Q_KV_PUT);
}

enum err sqlite_kv_get(struct store_sqlite *s, struct store_op *op)
{
    db_blob(s->db, Q_KV_GET, 1, op->key);
    TRY(db_row(s->db, Q_KV_GET));
    enum err e = row_copy(s, Q_KV_GET, &op->arena, &op->value);
    db_end(s->db, Q_KV_GET);
    return e;
}

enum err sqlite_kv_del(struct store_sqlite *s, struct store_op *op)
{
    db_blob(s->db, Q_KV_DEL, 1, op->key);
    TRY(db_run(s->db, Q_KV_DEL));
    return db_changes(s->db) > 0 ? ERR_OK : ERR_NOT_FOUND;
}
