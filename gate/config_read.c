#include "gate/config_read.h"
#include "base/when.h"
#include "io/idn.h"
#include "mail/addr.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Messages, then single values, then lists, then the walk over the rows. */

enum { SHOWN_BYTES_MAX = 60, NAME_BYTES_MAX = 32, WANT_BYTES_MAX = 160 };

/* --- messages --- */

struct span shown(struct span s)
{
    return s.n > SHOWN_BYTES_MAX ? span_head(s, SHOWN_BYTES_MAX) : s;
}

enum err read_fail(struct reader *r, const struct tree *t, const struct tree_value *v,
                   const char *fmt, ...)
{
    struct why text;
    va_list ap;
    va_start(ap, fmt);
    why_setv(&text, fmt, ap);
    va_end(ap);
    struct tree at = *t;
    if (v) {
        at.line = v->line;
        at.column = v->column;
    }
    return tree_error(&at, r->why, "%s", text.text);
}

enum err read_wants(struct reader *r, const struct setting *s, const struct tree *t,
                    const struct tree_value *v, const char *what)
{
    if (!v)
        return read_fail(r, t, NULL, "`%s` wants %s; for example: %s", s->name, what, s->example);
    return read_fail(r, t, v, "`%s` wants %s, not `%.*s`; for example: %s", s->name, what,
                     SPAN_ARG(shown(v->text)), s->example);
}

enum err read_twice(struct reader *r, const struct tree *t, const struct tree *first)
{
    return read_fail(r, t, NULL, "`%.*s` is set twice: at %.*s:%d and here; keep one of them",
                     SPAN_ARG(shown(t->name)), SPAN_ARG(first->file), first->line);
}

/* --- the nearest name --- */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be put in, left out, changed, or swapped with their neighbour. */
static size_t edits(struct span a, struct span b)
{
    size_t row[3][NAME_BYTES_MAX + 1];
    ASSERT(a.n <= NAME_BYTES_MAX && b.n <= NAME_BYTES_MAX);
    for (size_t i = 0; i <= b.n; i++)
        row[0][i] = i;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            bool same = a.p[i - 1] == b.p[k - 1];
            now[k] = min_size(up[k - 1] + !same, min_size(up[k], now[k - 1]) + 1);
            if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1])
                now[k] = min_size(now[k], up2[k - 2] + 1);
        }
    }
    return row[a.n % 3][b.n];
}

struct guess guess_start(struct span name)
{
    return (struct guess){ .name = name, .distance = name.n / 3 + 2 };
}

void guess_try(struct guess *g, const char *known)
{
    if (g->name.n > NAME_BYTES_MAX)
        return;
    size_t distance = edits(g->name, span_z(known));
    if (distance >= g->distance)
        return;
    g->distance = distance;
    g->best = known;
}

enum err read_unknown(struct reader *r, const struct tree *t, const char *where,
                      const struct guess *g)
{
    if (g->best)
        return read_fail(r, t, NULL, "unknown setting `%.*s`%s - did you mean `%s`?",
                         SPAN_ARG(shown(t->name)), where, g->best);
    return read_fail(r, t, NULL, "unknown setting `%.*s`%s; docs/configuration.md has them all",
                     SPAN_ARG(shown(t->name)), where);
}

/* --- single values --- */

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return true;
    return false;
}

static enum err take_string(struct reader *r, const struct setting *s, const struct tree *t,
                            const struct tree_value *v, struct span *ret)
{
    if (v->text.n == 0 || has_control(v->text))
        return read_wants(r, s, t, v, "a text without control bytes, not empty");
    *ret = arena_span(r->arena, v->text);
    return ERR_OK;
}

enum err read_string(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return take_string(r, s, t, t->values, to);
}

struct span path_beside(struct arena *a, struct span file, struct span path)
{
    size_t slash = span_rfind(file, '/');
    if ((path.n > 0 && path.p[0] == '/') || slash == file.n)
        return arena_span(a, path);
    size_t n = slash + 1;
    char *p = arena_alloc(a, n + path.n + 1);
    memcpy(p, file.p, n);
    if (path.n > 0)
        memcpy(p + n, path.p, path.n);
    return span_of(p, n + path.n);
}

static enum err take_path(struct reader *r, const struct setting *s, const struct tree *t,
                          const struct tree_value *v, struct span *ret)
{
    if (v->text.n == 0 || has_control(v->text))
        return read_wants(r, s, t, v, "a path");
    *ret = path_beside(r->arena, t->file, v->text);
    return ERR_OK;
}

enum err read_path(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return take_path(r, s, t, t->values, to);
}

enum err read_unsigned(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    uint64_t value;
    char want[WANT_BYTES_MAX];
    ASSERT(s->most <= UINT32_MAX);
    if (span_u64(t->values->text, s->most, &value) == ERR_OK && value >= s->least) {
        *(unsigned *)to = (unsigned)value;
        return ERR_OK;
    }
    snprintf(want, sizeof want, "a number from %" PRIu64 " to %" PRIu64, s->least, s->most);
    return read_wants(r, s, t, t->values, want);
}

enum err read_port(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    uint64_t value;
    if (span_u64(t->values->text, UINT16_MAX, &value) != ERR_OK || value == 0)
        return read_wants(r, s, t, t->values, "a port from 1 to 65535");
    *(uint16_t *)to = (uint16_t)value;
    return ERR_OK;
}

enum err size_parse(struct span s, uint64_t *ret)
{
    static const char units[] = "KMG";
    unsigned shift = 0;
    const char *unit = s.n > 0 ? memchr(units, s.p[s.n - 1], sizeof units - 1) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        s.n--;
    }
    uint64_t value;
    TRY(span_u64(s, UINT64_MAX >> shift, &value));
    *ret = value << shift;
    return ERR_OK;
}

enum err read_duration(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    int64_t ms;
    char want[WANT_BYTES_MAX], least[WHEN_BYTES_MAX], most[WHEN_BYTES_MAX];
    if (when_duration(t->values->text, &ms) == ERR_OK && (uint64_t)ms >= s->least &&
        (uint64_t)ms <= s->most) {
        *(int64_t *)to = ms;
        return ERR_OK;
    }
    snprintf(want, sizeof want, "a time from %s to %s with its unit (ms, s, m, h, d)",
             when_span((int64_t)s->least, least), when_span((int64_t)s->most, most));
    return read_wants(r, s, t, t->values, want);
}

enum err read_flag(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    bool yes = span_eq(t->values->text, SPAN("yes"));
    if (!yes && !span_eq(t->values->text, SPAN("no")))
        return read_wants(r, s, t, t->values, "yes or no");
    *(bool *)to = yes;
    return ERR_OK;
}

enum err read_choice(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    char want[WANT_BYTES_MAX];
    size_t n = 0;
    for (int i = 0; s->names[i]; i++) {
        if (span_eq(t->values->text, span_z(s->names[i]))) {
            memcpy(to, &i, sizeof i);
            return ERR_OK;
        }
        const char *between = i == 0 ? "" : s->names[i + 1] ? ", " : " or ";
        n += (size_t)snprintf(want + n, sizeof want - n, "%s%s", between, s->names[i]);
        ASSERT(n < sizeof want);
    }
    return read_wants(r, s, t, t->values, want);
}

enum err name_parse(struct span s, struct arena *a, struct span *ret)
{
    char memory[DOMAIN_BYTES_MAX + 2];
    struct ip ip;
    bool wild = span_starts(s, SPAN("*."));
    struct buf name;
    if (domain_is_literal(s)) {
        TRY(ip_literal_parse(s, &ip));
        *ret = arena_span(a, span_z(ip_literal(&ip, memory)));
        return ERR_OK;
    }
    buf_init(&name, sizeof memory);
    if (wild)
        buf_put(&name, SPAN("*."));
    enum err e = idn_to_ascii(wild ? span_tail(s, 2) : s, &name);
    if (e == ERR_OK)
        *ret = arena_span(a, buf_span(&name));
    buf_done(&name);
    return e == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

static enum err take_name(struct reader *r, const struct setting *s, const struct tree *t,
                          const struct tree_value *v, struct span *ret)
{
    bool plain = v->text.n > 0 && v->text.p[0] != '*' && !domain_is_literal(v->text);
    if (!plain || name_parse(v->text, r->arena, ret) != ERR_OK)
        return read_wants(r, s, t, v, "a domain name");
    return ERR_OK;
}

enum err read_name(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return take_name(r, s, t, t->values, to);
}

static enum err take_network(struct reader *r, const struct setting *s, const struct tree *t,
                             const struct tree_value *v, struct ip_net *ret)
{
    struct span host = v->text;
    struct ip ip;
    if (ip_net_parse(v->text, ret) == ERR_OK)
        return ERR_OK;
    host = span_cut(&host, '/');
    if (ip_parse(host, &ip) == ERR_OK)
        return read_wants(r, s, t, v, "a network whose address has no bits behind its prefix");
    return read_wants(r, s, t, v, "addresses or networks");
}

/* --- lists --- */

static unsigned count_values(const struct tree *t)
{
    unsigned n = 0;
    for (const struct tree_value *v = t->values; v; v = v->next)
        n++;
    return n;
}

/* How one value of a list of spans is taken. */
typedef enum err take_fn(struct reader *r, const struct setting *s, const struct tree *t,
                         const struct tree_value *v, struct span *ret);

static enum err take_list(struct reader *r, const struct setting *s, const struct tree *t,
                          take_fn *take, struct span_list *to)
{
    struct span_list list = { .item = ARENA_ARRAY(r->arena, struct span, count_values(t)) };
    for (const struct tree_value *v = t->values; v; v = v->next)
        TRY(take(r, s, t, v, &list.item[list.n++]));
    *to = list;
    return ERR_OK;
}

enum err read_strings(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return take_list(r, s, t, take_string, to);
}

enum err read_paths(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return take_list(r, s, t, take_path, to);
}

enum err read_names(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return take_list(r, s, t, take_name, to);
}

enum err read_networks(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct net_list list = { .item = ARENA_ARRAY(r->arena, struct ip_net, count_values(t)) };
    for (const struct tree_value *v = t->values; v; v = v->next)
        TRY(take_network(r, s, t, v, &list.item[list.n++]));
    *(struct net_list *)to = list;
    return ERR_OK;
}

/* --- the walk --- */

static enum err check_shape(struct reader *r, const struct setting *s, const struct tree *t)
{
    static const char *const wants[] = {
        [SETTING_VALUE] = "one value",
        [SETTING_LIST] = "a value or a list of values",
        [SETTING_BLOCK] = "a block and nothing before it",
        [SETTING_NAMED] = "one name and a block",
    };
    bool value = !t->args && !t->is_block && (t->values || t->is_list);
    bool right = false;
    switch (s->shape) {
    case SETTING_VALUE:
        right = value && !t->is_list;
        break;
    case SETTING_LIST:
        right = value;
        break;
    case SETTING_BLOCK:
        right = t->is_block && !t->args;
        break;
    case SETTING_NAMED:
        right = t->is_block && t->args && !t->args->next;
        break;
    }
    return right ? ERR_OK : read_wants(r, s, t, NULL, wants[s->shape]);
}

static enum err unknown(struct reader *r, const struct tree *t, const struct settings *s)
{
    struct guess g = guess_start(t->name);
    for (size_t i = 0; i < s->n; i++)
        guess_try(&g, s->row[i].name);
    char where[WANT_BYTES_MAX] = "";
    if (s->block)
        snprintf(where, sizeof where, " in `%s`", s->block);
    return read_unknown(r, t, where, &g);
}

enum err setting_read(struct reader *r, const struct tree *t, const struct settings *s,
                      const struct tree **seen, void *base)
{
    size_t i = 0;
    while (i < s->n && !span_eq(t->name, span_z(s->row[i].name)))
        i++;
    if (i == s->n)
        return unknown(r, t, s);
    const struct setting *row = &s->row[i];
    TRY(check_shape(r, row, t));
    if (seen[i] && !row->many)
        return read_twice(r, t, seen[i]);
    seen[i] = t;
    return row->read(r, row, t, (char *)base + row->offset);
}

enum err settings_read(struct reader *r, const struct tree *first, const struct settings *s,
                       void *base)
{
    const struct tree *seen[SETTINGS_MAX] = { 0 };
    ASSERT(s->n <= SETTINGS_MAX);
    for (const struct tree *t = first; t; t = t->next)
        TRY(setting_read(r, t, s, seen, base));
    return ERR_OK;
}
