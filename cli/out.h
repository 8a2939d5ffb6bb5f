/* out.h - what is shown: text that no mail can disturb, tables, times and sizes for people.
 *
 * Everything that came from outside goes through out_clean: control bytes, what is not UTF-8, and
 * the characters that turn the direction of writing are shown as \x1b, so that nobody moves the
 * cursor of the terminal or forges a line (T-15). JSON is ctl.h's and pure ASCII. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl.h"

enum { OUT_BYTES_MAX = 256 * 1024 * 1024, OUT_TEXT_MAX = 64 };

void out_clean(struct span s, struct buf *out);
/* The same, but lines stay lines. */
void out_clean_lines(struct span s, struct buf *out);
/* Columns that clean text takes on a terminal: one a character. */
size_t out_width(struct span s);

/* "512", "1.5K", "12M". Returns ret. */
const char *out_size(uint64_t bytes, char ret[static OUT_TEXT_MAX]);
/* "2026-11-23 21:50:00" (UTC), "-" for 0. Returns ret. */
const char *out_time(int64_t wall_ms, char ret[static OUT_TEXT_MAX]);
/* "4h 10m ago", "in 5m", "now". Returns ret. */
const char *out_when(int64_t wall_ms, int64_t now_ms, char ret[static OUT_TEXT_MAX]);
/* "12 (3.4 %)", "12" when there is no whole. Returns ret. */
const char *out_share(int64_t part, int64_t whole, char ret[static OUT_TEXT_MAX]);
/* "1 message", "2 messages". Returns ret. */
const char *out_count(int64_t n, const char *noun, char ret[static OUT_TEXT_MAX]);

/* --- tables: cells row by row; columns are as wide as their widest cell --- */

enum { TABLE_COLUMNS_MAX = 12 };

struct table {
    struct arena arena;
    const char *const *head; /* a '>' in front: numbers, set to the right; the '>' is not shown */
    unsigned n_column;
    struct span *cell;
    size_t n, cap;
};
void table_init(struct table *t, const char *const *head, unsigned n_column);
void table_done(struct table *t);
/* The next cell; cleaned here. */
void table_add(struct table *t, struct span text);
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* All rows, each behind `indent`; nothing when there are none. */
void table_print(const struct table *t, const char *indent, struct buf *out);

/* --- to the terminal --- */

/* To standard output. ERR_IO: it is closed or full. */
MUST_USE enum err out_write(struct span s);
MUST_USE enum err out_json(const struct ctl *c);
/* "postern: ..." to standard error; cleaned. */
void out_complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* How far a long job is, on standard error when that is a terminal; NULL wipes it. */
void out_progress(const char *what, int64_t n);

#endif
