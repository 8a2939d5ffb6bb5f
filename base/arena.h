/* arena.h - a region of memory that dies at once.
 *
 * One conversation, one snapshot or one job owns one arena; nothing in it is freed singly.
 * A limit given at birth turns a runaway use into ERR_TOO_BIG-free code: passing it asserts only
 * when the caller could not be led there by a peer; use arena_try where a peer decides the size.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

struct arena {
    struct arena_block *block; /* newest first */
    size_t used, max;
};

/* No memory is taken before the first use. */
void arena_init(struct arena *a, size_t max);
/* Frees all; the arena may be used again. NULL is fine. */
void arena_done(struct arena *a);

/* Zeroed, aligned for any type. Passing max is our bug: ASSERT. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
/* ERR_TOO_BIG when max would be passed. */
MUST_USE enum err arena_try(struct arena *a, size_t n, void **ret);

/* Copies of bytes; the copy has a NUL after it. arena_span asserts, arena_try_span reports. */
struct span arena_span(struct arena *a, struct span s);
const char *arena_z(struct arena *a, struct span s);
MUST_USE enum err arena_try_span(struct arena *a, struct span s, struct span *ret);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

#endif
