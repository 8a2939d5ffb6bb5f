#include "cli/import_maincf.h"

/* Tables of Postfix from their text. Start at table_text_add. */

void table_text_init(struct table_text *t, const struct draft *d)
{
    *t = (struct table_text){ .tail = &t->first };
    map_init(&t->of, &d->key);
}

void table_text_done(struct table_text *t)
{
    map_done(&t->of);
}

struct table_entry *table_text_find(const struct table_text *t, struct span key)
{
    return map_get(&t->of, key);
}

/* Where an entry comes from. */
struct origin {
    struct span file;
    int line;
};

/* Of a key that is there already the first entry stays. */
static enum err put_entry(struct maincf *m, struct table_text *t, struct span key,
                          struct span value, const struct origin *from)
{
    size_t slash = span_rfind(from->file, '/');
    struct span name = span_tail(from->file, slash < from->file.n ? slash + 1 : 0);
    key = maincf_lower(m, key);
    TRY(draft_count(m->d, m->why));
    if (map_get(&t->of, key))
        return ERR_OK;
    struct table_entry *e = ARENA_NEW(&m->d->arena, struct table_entry);
    e->key = key;
    e->value = arena_span(&m->d->arena, value);
    e->file = from->file;
    e->line = from->line;
    e->place = draft_text(m->d, "%.*s:%d", SPAN_ARG(name), from->line);
    *t->tail = e;
    t->tail = &e->next;
    (void)map_put(&t->of, key, e);
    return ERR_OK;
}

enum err table_text_put(struct maincf *m, struct table_text *t, struct span key)
{
    const struct origin from = { .file = m->file, .line = m->line };
    return put_entry(m, t, key, SPAN_NONE, &from);
}

/* "key   value" in each logical line. need_value: else the key alone will do. */
static enum err put_lines(struct maincf *m, struct span file, struct span text, bool need_value,
                          struct table_text *t)
{
    struct logical l = { .left = text };
    struct origin from = { .file = file };
    struct span line;
    while (logical_next(&l, &m->d->arena, &line, &from.line)) {
        size_t n = 0;
        while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
            n++;
        if (need_value && n == line.n) {
            why_set(m->why, "%.*s:%d: a key without a value; write: key value", SPAN_ARG(file),
                    from.line);
            return ERR_SYNTAX;
        }
        TRY(put_entry(m, t, span_head(line, n), span_trim(span_tail(line, n)), &from));
    }
    return ERR_OK;
}

static enum err put_file(struct maincf *m, struct span path, bool need_value, struct table_text *t)
{
    struct buf text;
    struct span here;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = maincf_file(m, path, &text, &here);
    if (e == ERR_OK)
        e = put_lines(m, here, buf_span(&text), need_value, t);
    else
        why_prefix(m->why, "main.cf names %.*s: copy its text beside main.cf", SPAN_ARG(path));
    buf_done(&text);
    return e;
}

enum err maincf_lines(struct maincf *m, struct span path, struct table_text *t)
{
    return put_file(m, path, false, t);
}

static enum err inline_error(struct maincf *m, const char *wants, struct span got)
{
    const struct maincf_param at = { .line = m->line };
    struct span seen = span_head(got, got.n < 80 ? got.n : 80);
    return maincf_error(m, &at, "inline: wants %s, not `%.*s`", wants, SPAN_ARG(seen));
}

/* { "key=value", "{ key = value }" } */
static enum err put_inline(struct maincf *m, struct span body, struct table_text *t)
{
    struct origin from = { .file = m->file, .line = m->line };
    struct span item;
    if (body.n < 2 || body.p[0] != '{' || body.p[body.n - 1] != '}')
        return inline_error(m, "{ key=value, ... }", body);
    body = span_of(body.p + 1, body.n - 2);
    while (maincf_item(&body, &item)) {
        if (item.n >= 2 && item.p[0] == '{' && item.p[item.n - 1] == '}')
            item = span_of(item.p + 1, item.n - 2);
        size_t equals = span_find(item, '=');
        if (equals == item.n)
            return inline_error(m, "key=value", item);
        TRY(put_entry(m, t, span_trim(span_head(item, equals)),
                      span_trim(span_tail(item, equals + 1)), &from));
    }
    return ERR_OK;
}

static bool is_text_type(struct span type)
{
    static const char *const types[] = {
        "hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"
    };
    for (size_t i = 0; i < COUNTOF(types); i++)
        if (span_eq(type, span_z(types[i])))
            return true;
    return false;
}

static enum err put_table(struct maincf *m, struct span table, struct table_text *t,
                          struct draft_list *ret_other)
{
    struct span rest = table;
    if (span_starts(rest, SPAN("proxy:")))
        rest = span_tail(rest, 6);
    size_t colon = span_find(rest, ':');
    if (colon < rest.n && span_eq(span_head(rest, colon), SPAN("inline")))
        return put_inline(m, span_trim(span_tail(rest, colon + 1)), t);
    if (colon < rest.n && is_text_type(span_head(rest, colon)))
        return put_file(m, span_tail(rest, colon + 1), true, t);
    (void)draft_list_add(m->d, ret_other, table);
    return ERR_OK;
}

enum err table_text_add(struct maincf *m, struct span list, struct table_text *t,
                        struct draft_list *ret_other)
{
    struct span table;
    while (maincf_item(&list, &table))
        TRY(put_table(m, table, t, ret_other));
    return ERR_OK;
}
