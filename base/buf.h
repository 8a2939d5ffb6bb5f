/* buf.h - a growing buffer that is born with its maximum.
 *
 *      p                head              head+n           cap        max
 *      |  consumed      |  live bytes     |  free          |          |
 *
 * Bytes are appended at the end and consumed at the front; memory moves only inside the buf_
 * calls that append, so a span taken from buf_span() lives until the next one of those.
 * A failed append changes nothing. Owner: whoever called buf_init; buf_done frees.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"
#include <stdarg.h>

struct buf {
    char *p;
    size_t head, n, cap, max;
};

/* No memory is taken before the first byte. max: the most live bytes it will ever hold. */
void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer may be used again, with the same maximum. NULL is fine. */
void buf_done(struct buf *b);
/* Forgets the bytes, keeps the memory. */
void buf_clear(struct buf *b);
/* Forgets the bytes and gives the memory back: for idle connections. */
void buf_release(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){ b->p ? b->p + b->head : NULL, b->n };
}
static inline size_t buf_room(const struct buf *b)
{
    return b->max - b->n;
}

/* All of them: ERR_TOO_BIG when max would be passed. */
MUST_USE enum err buf_append(struct buf *b, struct span s);
MUST_USE enum err buf_addc(struct buf *b, char c);
MUST_USE enum err buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_USE enum err buf_addv(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* Makes room for n more bytes and returns where to write them; buf_added says how many were. */
MUST_USE enum err buf_reserve(struct buf *b, size_t n, char **ret);
void buf_added(struct buf *b, size_t n);

/* For buffers whose maximum covers every possible use: a failure is a bug and asserts. */
void buf_put(struct buf *b, struct span s);
void buf_putf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Drops n (<= b->n) bytes at the front, or at the end. */
void buf_consume(struct buf *b, size_t n);
void buf_truncate(struct buf *b, size_t n_left);

/* The bytes with a NUL after them, for libc: valid until the next append. */
const char *buf_z(struct buf *b);

#endif
