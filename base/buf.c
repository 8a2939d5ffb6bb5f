#include "base/buf.h"
#include <stdio.h>

/* The first memory a buffer takes; most command lines fit. */
enum { BUF_FIRST_BYTES = 128 };

void buf_init(struct buf *b, size_t max)
{
    ASSERT(max < SIZE_MAX / 2);
    *b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
    if (!b)
        return;
    mem_free(b->p);
    *b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
    b->head = b->n = 0;
}

void buf_release(struct buf *b)
{
    buf_done(b);
}

/* Moves the live bytes into memory of `cap` bytes. */
static void buf_move(struct buf *b, size_t cap)
{
    ASSERT(cap >= b->n);
    char *p = mem_alloc(cap);
    if (b->n)
        memcpy(p, b->p + b->head, b->n);
    mem_free(b->p);
    b->p = p;
    b->head = 0;
    b->cap = cap;
}

/* Makes sure that `extra` bytes can be written after the live ones. The memory never exceeds
 * max + 1: the one more is for the NUL of buf_z and vsnprintf. */
static void buf_make_room(struct buf *b, size_t extra)
{
    ASSERT(extra <= b->max + 1 - b->n);
    if (b->p && extra <= b->cap - b->head - b->n)
        return;

    size_t need = b->n + extra;
    /* Moving down costs n and frees head: worth it when it frees as much as it moves, and the
     * only way when the memory is at its maximum. */
    if (b->p && need <= b->cap && (b->head >= b->n || b->cap == b->max + 1)) {
        memmove(b->p, b->p + b->head, b->n);
        b->head = 0;
        return;
    }
    size_t cap = b->cap ? b->cap * 2 : BUF_FIRST_BYTES;
    if (cap < need)
        cap = need;
    if (cap > b->max + 1)
        cap = b->max + 1;
    buf_move(b, cap);
}

/* Our own bytes could move away while they are read. */
static bool buf_holds(const struct buf *b, struct span s)
{
    uintptr_t from = (uintptr_t)b->p, at = (uintptr_t)s.p;
    return b->p && at >= from && at < from + b->cap;
}

enum err buf_append(struct buf *b, struct span s)
{
    if (s.n > buf_room(b))
        return ERR_TOO_BIG;
    if (s.n == 0)
        return ERR_OK;
    ASSERT(!buf_holds(b, s));
    buf_make_room(b, s.n);
    memcpy(b->p + b->head + b->n, s.p, s.n);
    b->n += s.n;
    return ERR_OK;
}

enum err buf_addc(struct buf *b, char c)
{
    if (buf_room(b) == 0)
        return ERR_TOO_BIG;
    buf_make_room(b, 1);
    b->p[b->head + b->n++] = c;
    return ERR_OK;
}

enum err buf_addv(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    size_t room = b->p ? b->cap - b->head - b->n : 0;
    int got = vsnprintf(room ? b->p + b->head + b->n : NULL, room, fmt, ap);
    ASSERT(got >= 0);

    size_t n = (size_t)got;
    enum err e = n > buf_room(b) ? ERR_TOO_BIG : ERR_OK;
    if (e == ERR_OK && n >= room) {
        buf_make_room(b, n + 1);
        got = vsnprintf(b->p + b->head + b->n, n + 1, fmt, again);
        ASSERT((size_t)got == n);
    }
    va_end(again);
    if (e == ERR_OK)
        b->n += n;
    return e;
}

enum err buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    enum err e = buf_addv(b, fmt, ap);
    va_end(ap);
    return e;
}

enum err buf_reserve(struct buf *b, size_t n, char **ret)
{
    if (n > buf_room(b))
        return ERR_TOO_BIG;
    buf_make_room(b, n);
    *ret = b->p + b->head + b->n;
    return ERR_OK;
}

void buf_added(struct buf *b, size_t n)
{
    ASSERT(n <= b->cap - b->head - b->n);
    ASSERT(n <= buf_room(b));
    b->n += n;
}

void buf_put(struct buf *b, struct span s)
{
    enum err e = buf_append(b, s);
    ASSERT(e == ERR_OK);
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    enum err e = buf_addv(b, fmt, ap);
    va_end(ap);
    ASSERT(e == ERR_OK);
}

void buf_consume(struct buf *b, size_t n)
{
    ASSERT(n <= b->n);
    b->n -= n;
    b->head = b->n ? b->head + n : 0;
}

void buf_truncate(struct buf *b, size_t n_left)
{
    ASSERT(n_left <= b->n);
    b->n = n_left;
}

const char *buf_z(struct buf *b)
{
    buf_make_room(b, 1);
    b->p[b->head + b->n] = '\0';
    return b->p + b->head;
}
