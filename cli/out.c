#include "cli/out.h"

#include "base/when.h"
#include "mail/clean.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { CELL_MAX = 16 * 1024, TABLE_ARENA_MAX = OUT_BYTES_MAX, COMPLAINT_MAX = 4096 };

/* --- clean text --- */

void out_clean(struct span s, struct buf *out)
{
    clean_text(s, out);
}

void out_clean_lines(struct span s, struct buf *out)
{
    clean_lines(s, out);
}

size_t out_width(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* --- numbers and times --- */

const char *out_size(uint64_t bytes, char ret[static OUT_TEXT_MAX])
{
    static const char units[] = "KMGTPE";
    uint64_t unit = 1024;
    size_t i = 0;
    if (bytes < 1024) {
        (void)snprintf(ret, OUT_TEXT_MAX, "%" PRIu64 " B", bytes);
        return ret;
    }
    while (bytes / unit >= 1024) {
        unit *= 1024;
        i++;
    }
    uint64_t whole = bytes / unit, tenth = bytes % unit * 10 / unit;
    if (whole < 10)
        (void)snprintf(ret, OUT_TEXT_MAX, "%" PRIu64 ".%" PRIu64 " %ciB", whole, tenth, units[i]);
    else
        (void)snprintf(ret, OUT_TEXT_MAX, "%" PRIu64 " %ciB", whole, units[i]);
    return ret;
}

const char *out_time(int64_t wall_ms, char ret[static OUT_TEXT_MAX])
{
    char text[WHEN_BYTES_MAX];
    if (wall_ms <= 0)
        return memcpy(ret, "-", 2);
    (void)when_rfc3339(wall_ms, text);
    text[10] = ' ';
    text[19] = '\0'; /* seconds are exact enough */
    return memcpy(ret, text, 20);
}

const char *out_when(int64_t wall_ms, int64_t now_ms, char ret[static OUT_TEXT_MAX])
{
    char text[WHEN_BYTES_MAX];
    int64_t away = wall_ms - now_ms;
    bool past = away < 0;
    away = (past ? -away : away) / SECOND_MS * SECOND_MS;
    if (wall_ms <= 0)
        (void)snprintf(ret, OUT_TEXT_MAX, "-");
    else if (away == 0)
        (void)snprintf(ret, OUT_TEXT_MAX, "now");
    else
        (void)snprintf(ret, OUT_TEXT_MAX, "%s%s%s", past ? "" : "in ", when_span(away, text),
                       past ? " ago" : "");
    return ret;
}

const char *out_share(int64_t part, int64_t whole, char ret[static OUT_TEXT_MAX])
{
    if (whole <= 0)
        (void)snprintf(ret, OUT_TEXT_MAX, "%" PRId64, part);
    else
        (void)snprintf(ret, OUT_TEXT_MAX, "%" PRId64 " (%.1f %%)", part,
                       100.0 * (double)part / (double)whole);
    return ret;
}

const char *out_count(int64_t n, const char *noun, char ret[static OUT_TEXT_MAX])
{
    (void)snprintf(ret, OUT_TEXT_MAX, "%" PRId64 " %s%s", n, noun, n == 1 ? "" : "s");
    return ret;
}

/* --- tables --- */

void table_init(struct table *t, const char *const *head, unsigned n_column)
{
    ASSERT(n_column > 0 && n_column <= TABLE_COLUMNS_MAX);
    *t = (struct table){ .head = head, .n_column = n_column };
    arena_init(&t->arena, TABLE_ARENA_MAX);
}

void table_done(struct table *t)
{
    if (!t)
        return;
    arena_done(&t->arena);
    mem_free(t->cell);
    *t = (struct table){ 0 };
}

void table_add(struct table *t, struct span text)
{
    struct buf b;
    buf_init(&b, CELL_MAX);
    out_clean(span_head(text, text.n < CELL_MAX / 4 ? text.n : CELL_MAX / 4), &b);
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cell = mem_realloc(t->cell, t->cap * sizeof *t->cell);
    }
    t->cell[t->n++] = arena_span(&t->arena, buf_span(&b));
    buf_done(&b);
}

void table_addf(struct table *t, const char *fmt, ...)
{
    struct buf b;
    va_list ap;
    buf_init(&b, CELL_MAX);
    va_start(ap, fmt);
    enum err e = buf_addv(&b, fmt, ap);
    va_end(ap);
    ASSERT(e == ERR_OK); /* short texts of ours */
    table_add(t, buf_span(&b));
    buf_done(&b);
}

static bool is_right(const struct table *t, unsigned column)
{
    return t->head[column][0] == '>';
}

static struct span head_of(const struct table *t, unsigned column)
{
    return span_z(t->head[column] + is_right(t, column));
}

static void put_cell(const struct table *t, unsigned column, struct span text, size_t width,
                     struct buf *out)
{
    size_t pad = width - out_width(text);
    bool last = column + 1 == t->n_column;
    for (size_t i = 0; is_right(t, column) && i < pad; i++)
        buf_put(out, SPAN(" "));
    buf_put(out, text);
    for (size_t i = 0; !last && !is_right(t, column) && i < pad; i++)
        buf_put(out, SPAN(" "));
    buf_put(out, last ? SPAN("\n") : SPAN("  "));
}

void table_print(const struct table *t, const char *indent, struct buf *out)
{
    size_t width[TABLE_COLUMNS_MAX];
    ASSERT(t->n % t->n_column == 0);
    if (t->n == 0)
        return;
    for (unsigned c = 0; c < t->n_column; c++) {
        width[c] = out_width(head_of(t, c));
        for (size_t i = c; i < t->n; i += t->n_column)
            if (out_width(t->cell[i]) > width[c])
                width[c] = out_width(t->cell[i]);
    }
    buf_put(out, span_z(indent));
    for (unsigned c = 0; c < t->n_column; c++)
        put_cell(t, c, head_of(t, c), width[c], out);
    for (size_t i = 0; i < t->n; i++) {
        unsigned c = (unsigned)(i % t->n_column);
        if (c == 0)
            buf_put(out, span_z(indent));
        put_cell(t, c, t->cell[i], width[c], out);
    }
}

/* --- to the terminal --- */

enum err out_write(struct span s)
{
    bool well = fwrite(s.n > 0 ? s.p : "", 1, s.n, stdout) == s.n && fflush(stdout) == 0;
    return well ? ERR_OK : ERR_IO;
}

enum err out_json(const struct ctl *c)
{
    struct buf b;
    buf_init(&b, OUT_BYTES_MAX);
    enum err e = ctl_print_pretty(c, &b);
    if (e == ERR_OK)
        e = out_write(buf_span(&b));
    buf_done(&b);
    return e;
}

void out_complain(const char *fmt, ...)
{
    struct buf text, shown;
    va_list ap;
    buf_init(&text, COMPLAINT_MAX);
    buf_init(&shown, (size_t)4 * COMPLAINT_MAX);
    va_start(ap, fmt);
    if (buf_addv(&text, fmt, ap) != ERR_OK)
        buf_put(&text, span_z(fmt));
    va_end(ap);
    out_clean_lines(buf_span(&text), &shown);
    (void)fprintf(stderr, "postern: %s\n", buf_z(&shown));
    buf_done(&text);
    buf_done(&shown);
}

void out_progress(const char *what, int64_t n)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (what)
        (void)fprintf(stderr, "\r%s: %" PRId64 "\x1b[K", what, n);
    else
        (void)fprintf(stderr, "\r\x1b[K");
    (void)fflush(stderr);
}
