#include "base/arena.h"

enum {
    ARENA_ALIGN = 16,
    ARENA_BLOCK_FIRST = 1024 - 32, /* with the header of the block and of malloc: 1 KiB */
    ARENA_BLOCK_LAST = 64 * 1024 - 32,
    /* A large arena takes blocks that malloc gets from the system and gives back to it, and that
     * leave no holes among what lives longer. */
    ARENA_LARGE_FROM = 1024 * 1024,
    ARENA_BLOCK_LARGE = 4 * 1024 * 1024,
};

struct arena_block {
    struct arena_block *older;
    size_t n, cap;
    _Alignas(ARENA_ALIGN) char data[];
};
STATIC_ASSERT(_Alignof(max_align_t) <= ARENA_ALIGN);

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){ .max = max };
}

void arena_done(struct arena *a)
{
    if (!a)
        return;
    for (struct arena_block *block = a->block, *older; block; block = older) {
        older = block->older;
        mem_free(block);
    }
    arena_init(a, a->max);
}

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *block = mem_zalloc(sizeof *block + cap);
    block->cap = cap;
    return block;
}

/* n bytes from a new block. A big piece gets a block of its own behind the newest, which goes on
 * being filled. */
static void *arena_take_new(struct arena *a, size_t n)
{
    size_t cap = ARENA_BLOCK_FIRST;
    if (a->used >= ARENA_LARGE_FROM)
        cap = ARENA_BLOCK_LARGE;
    else if (a->block)
        cap = a->block->cap * 2 < ARENA_BLOCK_LAST ? a->block->cap * 2 : ARENA_BLOCK_LAST;
    bool alone = a->block && n > cap / 4;
    struct arena_block *block = block_new(alone || n > cap ? n : cap);
    struct arena_block **place = alone ? &a->block->older : &a->block;
    block->older = *place;
    *place = block;
    block->n = n;
    a->used += n;
    return block->data;
}

/* n bytes whose place is a multiple of align. NULL when max would be passed. */
static void *arena_take(struct arena *a, size_t n, size_t align)
{
    ASSERT(a->used <= a->max);
    struct arena_block *block = a->block;
    size_t pad = block ? (align - block->n % align) % align : 0;
    bool fits = block && pad <= block->cap - block->n && n <= block->cap - block->n - pad;
    size_t left = a->max - a->used;
    if (n > left || (fits && pad > left - n))
        return NULL;
    if (!fits)
        return arena_take_new(a, n);
    void *p = block->data + block->n + pad;
    block->n += pad + n;
    a->used += pad + n;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = arena_take(a, n ? n : 1, ARENA_ALIGN);
    ASSERT(p != NULL);
    return p;
}

enum err arena_try(struct arena *a, size_t n, void **ret)
{
    void *p = arena_take(a, n ? n : 1, ARENA_ALIGN);
    if (!p)
        return ERR_TOO_BIG;
    *ret = p;
    return ERR_OK;
}

enum err arena_try_span(struct arena *a, struct span s, struct span *ret)
{
    ASSERT(s.n < SIZE_MAX);
    char *p = arena_take(a, s.n + 1, 1);
    if (!p)
        return ERR_TOO_BIG;
    if (s.n)
        memcpy(p, s.p, s.n);
    *ret = (struct span){ p, s.n };
    return ERR_OK;
}

struct span arena_span(struct arena *a, struct span s)
{
    struct span copy = SPAN_NONE;
    enum err e = arena_try_span(a, s, &copy);
    ASSERT(e == ERR_OK);
    return copy;
}

const char *arena_z(struct arena *a, struct span s)
{
    return arena_span(a, s).p;
}
