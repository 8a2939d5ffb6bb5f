#include "cli/import_record.h"

#include <stdarg.h>
#include <stdio.h>

/* Start at record_read. */

enum { UTF16_PAIR = 0x10000 };

enum err record_error(struct record_reader *r, int line, const char *fmt, ...)
{
    char text[WHY_BYTES_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    why_set(r->why, "%.*s:%d: %s", SPAN_ARG(r->file), line, text);
    return ERR_SYNTAX;
}

enum err record_new(struct record_reader *r, enum record_kind kind, struct span place,
                    struct record **ret)
{
    TRY(draft_count(r->d, r->why));
    struct record *new = ARENA_NEW(&r->d->arena, struct record);
    *new = (struct record){ .kind = kind, .file = r->file, .place = place };
    new->field_tail = &new->field;
    *r->tail = new;
    r->tail = &new->next;
    r->n_record++;
    *ret = new;
    return ERR_OK;
}

enum { FIELDS_MAX = 512, NAME_SHOWN_MAX = 80 };

enum err record_field(struct record_reader *r, struct record *to, struct span name, int line,
                      struct record_field **ret)
{
    unsigned n = 0;
    struct span seen = span_head(name, name.n < NAME_SHOWN_MAX ? name.n : NAME_SHOWN_MAX);
    for (const struct record_field *f = to->field; f; f = f->next, n++)
        if (span_eq_nocase(f->name, name))
            return record_error(r, line, "`%.*s` stands there twice; leave one of them",
                                SPAN_ARG(seen));
    if (n == FIELDS_MAX)
        return record_error(r, line, "a connector with more than %d settings", FIELDS_MAX);
    TRY(draft_count(r->d, r->why));
    struct record_field *f = ARENA_NEW(&r->d->arena, struct record_field);
    f->name = arena_span(&r->d->arena, name);
    f->line = line;
    f->value_tail = &f->value;
    *to->field_tail = f;
    to->field_tail = &f->next;
    *ret = f;
    return ERR_OK;
}

enum err record_value(struct record_reader *r, struct record_field *to, struct span text)
{
    TRY(draft_count(r->d, r->why));
    struct record_value *v = ARENA_NEW(&r->d->arena, struct record_value);
    v->text = arena_span(&r->d->arena, text);
    *to->value_tail = v;
    to->value_tail = &v->next;
    return ERR_OK;
}

struct record_field *record_get(const struct record *r, const char *name)
{
    for (struct record_field *f = r->field; f; f = f->next)
        if (span_eq_nocase(f->name, span_z(name)))
            return f;
    return NULL;
}

struct span record_text(const struct record *r, const char *name)
{
    const struct record_field *f = record_get(r, name);
    return f && f->value ? span_trim(f->value->text) : SPAN_NONE;
}

/* --- forms --- */

static uint32_t unit_at(struct span s, size_t i, bool big)
{
    const unsigned char *p = (const unsigned char *)s.p + i;
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < UTF16_PAIR ? 3 : 4;
    static const unsigned char mark[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(mark[n] | c);
    return n;
}

/* What PowerShell's `>` writes. Half a pair becomes U+FFFD. */
static struct span from_utf16(struct arena *a, struct span s, bool big)
{
    char *to = arena_alloc(a, s.n * 2 + 1);
    size_t n = 0;
    for (size_t i = 0; i + 1 < s.n; i += 2) {
        uint32_t c = unit_at(s, i, big);
        bool pair = c >= 0xd800 && c < 0xdc00 && i + 3 < s.n;
        uint32_t low = pair ? unit_at(s, i + 2, big) : 0;
        if (pair && low >= 0xdc00 && low < 0xe000) {
            c = UTF16_PAIR + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        } else if (c >= 0xd800 && c < 0xe000) {
            c = 0xfffd;
        }
        n += put_utf8(to + n, c);
    }
    return span_of(to, n);
}

static struct span plain(struct arena *a, struct span s)
{
    if (span_starts(s, SPAN("\xff\xfe")))
        return from_utf16(a, span_tail(s, 2), false);
    if (span_starts(s, SPAN("\xfe\xff")))
        return from_utf16(a, span_tail(s, 2), true);
    return span_starts(s, SPAN("\xef\xbb\xbf")) ? span_tail(s, 3) : s;
}

static bool has_nocase(struct span s, struct span what)
{
    for (; s.n >= what.n; s = span_tail(s, 1))
        if (span_starts_nocase(s, what))
            return true;
    return false;
}

static bool is_dsc(struct span s)
{
    return s.p[0] != '"' && !span_starts_nocase(s, SPAN("#TYPE")) && span_find(s, '{') < s.n &&
           (has_nocase(s, SPAN("EXOInboundConnector")) ||
            has_nocase(s, SPAN("EXOOutboundConnector")));
}

enum err record_read(struct draft *d, struct span file, struct span text, struct record **ret,
                     struct why *why)
{
    struct record_reader r = { .d = d, .file = file, .why = why };
    struct span s = plain(&d->arena, text), look = s;
    r.tail = &r.first;
    while (look.n > 0 && strchr(" \t\r\n", look.p[0]) && look.p[0])
        look = span_tail(look, 1);
    if (look.n == 0)
        return record_error(&r, 1,
                            "the file is empty; export with: Get-InboundConnector | "
                            "ConvertTo-Json -Depth 4");
    if (look.p[0] == '[' || look.p[0] == '{')
        TRY(record_json(&r, s));
    else if (is_dsc(look))
        TRY(record_dsc(&r, s));
    else
        TRY(record_csv(&r, s));
    *ret = r.first;
    return ERR_OK;
}
