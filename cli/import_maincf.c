#include "cli/import_maincf.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    SHOWN_MAX = 100,
    VALUE_BYTES_MAX = 256 * 1024,
    EXPANSIONS_MAX = 1000,
    MAIN_CF_PARAMS_MAX = 4096,
};

static struct span seen(struct span s)
{
    return span_head(s, s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
}

enum err maincf_error(struct maincf *m, const struct maincf_param *p, const char *fmt, ...)
{
    char text[WHY_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    if (p)
        why_set(m->why, "%.*s:%d: %s", SPAN_ARG(m->file), p->line, text);
    else
        why_set(m->why, "%.*s: %s", SPAN_ARG(m->file), text);
    return ERR_SYNTAX;
}

struct span maincf_lower(struct maincf *m, struct span s)
{
    struct span copy = arena_span(&m->d->arena, s);
    char *p = arena_alloc(&m->d->arena, s.n + 1);
    for (size_t i = 0; i < copy.n; i++)
        p[i] = ascii_lower(copy.p[i]);
    return span_of(p, copy.n);
}

/* --- lines --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span take_line(struct logical *l)
{
    struct span line = span_cut(&l->left, '\n');
    l->line++;
    return line.n > 0 && line.p[line.n - 1] == '\r' ? span_head(line, line.n - 1) : line;
}

static bool says_nothing(struct span line)
{
    struct span s = span_trim(line);
    return s.n == 0 || s.p[0] == '#';
}

/* The last byte of what belongs to the line that begins at `first`. */
static size_t logical_bytes(const struct logical *at)
{
    struct logical l = *at;
    size_t n = 0;
    while (l.left.n > 0) {
        struct span before = l.left, line = take_line(&l);
        if (!says_nothing(line) && !is_blank(line.p[0]))
            break;
        n += before.n - l.left.n;
    }
    return n;
}

bool logical_next(struct logical *l, struct arena *a, struct span *ret_text, int *ret_line)
{
    struct span line = SPAN_NONE;
    while (l->left.n > 0 && says_nothing(line))
        line = take_line(l);
    if (says_nothing(line))
        return false;
    *ret_line = l->line;
    size_t more = logical_bytes(l);
    char *text = arena_alloc(a, line.n + more + 1);
    memcpy(text, line.p, line.n);
    size_t n = line.n;
    const char *end = l->left.p ? l->left.p + more : NULL;
    while (l->left.n > 0 && l->left.p < end) {
        line = take_line(l);
        if (says_nothing(line))
            continue;
        memcpy(text + n, line.p, line.n);
        n += line.n;
    }
    *ret_text = span_trim(span_of(text, n));
    return true;
}

/* --- files --- */

/* Where a file that main.cf names stands beside this main.cf: the folder may be a copy. */
static struct span path_here(struct maincf *m, struct span path)
{
    if (span_starts(path, m->dir))
        return path;
    const struct span usual = SPAN("/etc/postfix/");
    if (span_starts(path, usual))
        path = span_tail(path, usual.n);
    else if (path.n > 0 && path.p[0] == '/')
        path = span_tail(path, span_rfind(path, '/') + 1);
    return draft_text(m->d, "%.*s/%.*s", SPAN_ARG(m->dir), SPAN_ARG(path));
}

enum err maincf_file(struct maincf *m, struct span path, struct buf *ret, struct span *ret_path)
{
    struct span here = path_here(m, path);
    enum err e = m->source->read(m->source->arg, here, ret, m->why);
    if (e == ERR_OK)
        *ret_path = here;
    return e;
}

/* --- main.cf --- */

struct maincf_param *maincf_find(struct maincf *m, const char *name)
{
    for (struct maincf_param *p = m->first; p; p = p->next) {
        if (!span_eq(p->name, span_z(name)))
            continue;
        p->used = true;
        m->line = p->line;
        return p;
    }
    return NULL;
}

static struct maincf_param *find_span(const struct maincf *m, struct span name)
{
    for (struct maincf_param *p = m->first; p; p = p->next)
        if (span_eq(p->name, name))
            return p;
    return NULL;
}

/* The last setting of a name counts. */
static enum err put_param(struct maincf *m, struct span text, int line, unsigned *n)
{
    struct maincf_param at = { .line = line };
    size_t equals = span_find(text, '=');
    if (equals == text.n)
        return maincf_error(m, &at, "`%.*s` is no `name = value`", SPAN_ARG(seen(text)));
    struct span name = span_trim(span_head(text, equals));
    struct span raw = span_trim(span_tail(text, equals + 1));
    struct maincf_param *p = find_span(m, name);
    if (!p && (*n)++ == MAIN_CF_PARAMS_MAX)
        return maincf_error(m, &at, "more than %d parameters", MAIN_CF_PARAMS_MAX);
    if (!p) {
        TRY(draft_count(m->d, m->why));
        p = ARENA_NEW(&m->d->arena, struct maincf_param);
        *m->tail = p;
        m->tail = &p->next;
    }
    p->name = name;
    p->raw = raw;
    p->line = line;
    return ERR_OK;
}

static enum err parse_main(struct maincf *m, struct span text)
{
    struct logical l = { .left = text };
    struct span line;
    int number;
    unsigned n = 0;
    while (logical_next(&l, &m->d->arena, &line, &number))
        TRY(put_param(m, line, number, &n));
    return ERR_OK;
}

enum err maincf_read(struct maincf *m, struct draft *d, struct span dir,
                     const struct config_source *source, struct why *why)
{
    while (dir.n > 1 && dir.p[dir.n - 1] == '/')
        dir = span_head(dir, dir.n - 1);
    *m = (struct maincf){ .d = d, .dir = dir, .source = source, .why = why };
    m->file = draft_text(d, "%.*s/main.cf", SPAN_ARG(dir));
    m->tail = &m->first;
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = source->read(source->arg, m->file, &text, why);
    if (e == ERR_OK)
        e = parse_main(m, buf_span(&text));
    buf_done(&text);
    return e;
}

/* --- $name --- */

static bool is_name_byte(char c)
{
    c = ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* s begins with '$': the name behind it, and how many bytes all of it has; 0: it is no name. */
static size_t variable(struct span s, struct span *ret_name)
{
    bool braces = s.n > 1 && (s.p[1] == '{' || s.p[1] == '(');
    size_t start = braces ? 2 : 1, n = start;
    while (n < s.n && is_name_byte(s.p[n]))
        n++;
    *ret_name = span_of(s.p + start, n - start);
    if (!braces)
        return n > start ? n : 0;
    char close = s.p[1] == '{' ? '}' : ')';
    return n < s.n && s.p[n] == close ? n + 1 : 0;
}

/* What Postfix knows without main.cf, as far as tables and lists name it. */
static struct span built_in(struct maincf *m, struct span name)
{
    static const char *const values[][2] = { { "config_directory", "/etc/postfix" },
                                             { "default_database_type", "hash" },
                                             { "queue_directory", "/var/spool/postfix" },
                                             { "meta_directory", "/etc/postfix" },
                                             { "relay_domains", "" },
                                             { "virtual_mailbox_domains", "" },
                                             { "virtual_alias_domains", "" } };
    for (size_t i = 0; i < COUNTOF(values); i++)
        if (span_eq(name, span_z(values[i][0])))
            return span_z(values[i][1]);
    const struct maincf_param *host = find_span(m, SPAN("myhostname"));
    if (!span_eq(name, SPAN("mydomain")) || !host)
        return SPAN_NONE;
    return span_tail(host->raw,
                     span_find(host->raw, '.') + (span_find(host->raw, '.') < host->raw.n));
}

struct expansion {
    struct maincf *m;
    const struct maincf_param *p;
    struct buf text; /* done up to `done`, raw behind it */
    size_t done;
    unsigned n;
};

/* The $ at x->done becomes what it stands for, which is looked at again. */
static enum err expand_one(struct expansion *x)
{
    struct span all = buf_span(&x->text), name, value;
    struct span rest = span_tail(all, x->done);
    size_t n = variable(rest, &name);
    if (n == 0)
        return maincf_error(x->m, x->p,
                            "`%.*s` of `%.*s` is not understood: write out what it means (postconf "
                            "-x %.*s shows it)",
                            SPAN_ARG(seen(rest)), SPAN_ARG(x->p->name), SPAN_ARG(x->p->name));
    if (++x->n > EXPANSIONS_MAX)
        return maincf_error(x->m, x->p, "`%.*s` has too many $names, or they go in a circle",
                            SPAN_ARG(x->p->name));
    const struct maincf_param *p = find_span(x->m, name);
    value = p ? p->raw : built_in(x->m, name);
    if (!p && !value.p)
        return maincf_error(x->m, x->p,
                            "$%.*s is set nowhere in main.cf: write it there (postconf %.*s shows "
                            "its value)",
                            SPAN_ARG(seen(name)), SPAN_ARG(seen(name)));
    struct buf new;
    buf_init(&new, VALUE_BYTES_MAX);
    enum err e = buf_append(&new, span_head(all, x->done));
    if (e == ERR_OK)
        e = buf_append(&new, value);
    if (e == ERR_OK)
        e = buf_append(&new, span_tail(rest, n));
    buf_done(&x->text);
    x->text = new;
    if (e != ERR_OK)
        return maincf_error(x->m, x->p, "`%.*s` is longer than %d bytes", SPAN_ARG(x->p->name),
                            VALUE_BYTES_MAX);
    return ERR_OK;
}

static enum err expand(struct expansion *x)
{
    while (x->done < x->text.n) {
        struct span rest = span_tail(buf_span(&x->text), x->done);
        if (rest.p[0] != '$' || (rest.n > 1 && rest.p[1] == '$'))
            x->done += rest.p[0] == '$' ? 2 : 1;
        else
            TRY(expand_one(x));
    }
    return ERR_OK;
}

enum err maincf_get(struct maincf *m, const char *name, const char *by_default, struct span *ret)
{
    const struct maincf_param *p = maincf_find(m, name);
    if (!p) {
        *ret = span_z(by_default);
        return ERR_OK;
    }
    if (span_find(p->raw, '$') == p->raw.n) {
        *ret = p->raw;
        return ERR_OK;
    }
    struct expansion x = { .m = m, .p = p };
    buf_init(&x.text, VALUE_BYTES_MAX);
    enum err e = buf_append(&x.text, p->raw);
    if (e != ERR_OK)
        e = maincf_error(m, p, "`%s` is longer than %d bytes", name, VALUE_BYTES_MAX);
    else
        e = expand(&x);
    if (e == ERR_OK)
        *ret = span_trim(arena_span(&m->d->arena, buf_span(&x.text)));
    buf_done(&x.text);
    return e;
}

bool maincf_item(struct span *left, struct span *ret)
{
    size_t start = 0, n;
    int depth = 0;
    while (start < left->n && (strchr(" \t,", left->p[start]) && left->p[start]))
        start++;
    for (n = start; n < left->n; n++) {
        char c = left->p[n];
        depth += c == '{';
        depth -= c == '}' && depth > 0;
        if (depth == 0 && c && strchr(" \t,", c))
            break;
    }
    *ret = span_of(left->p + start, n - start);
    *left = span_tail(*left, n);
    return ret->n > 0;
}
