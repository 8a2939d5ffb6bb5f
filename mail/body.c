#include "mail/body.h"

enum { CHUNK_FIRST = 4 * 1024, CHUNK_NEXT = 64 * 1024 };

struct body *body_new(void)
{
    struct body *b = NEW(struct body);
    b->refs = 1;
    return b;
}

struct body *body_ref(struct body *b)
{
    ASSERT(b->refs > 0);
    b->refs++;
    return b;
}

void body_unref(struct body *b)
{
    if (!b)
        return;
    ASSERT(b->refs > 0);
    if (--b->refs > 0)
        return;
    for (struct body_chunk *c = b->first; c;) {
        struct body_chunk *next = c->next;
        mem_free(c);
        c = next;
    }
    mem_free(b);
}

static struct body_chunk *chunk_new(size_t cap)
{
    struct body_chunk *c = mem_alloc(sizeof *c + cap);
    c->next = NULL;
    c->n = 0;
    c->cap = cap;
    return c;
}

/* Eight words at a time: compilers make vectors of it, and every byte of mail passes here. */
static bool has_eight_bit(struct span s)
{
    enum { WORDS = 8 };
    uint64_t word[WORDS], seen[WORDS] = { 0 }, any = 0;
    for (; s.n >= sizeof word; s = span_tail(s, sizeof word)) {
        memcpy(word, s.p, sizeof word);
        for (unsigned i = 0; i < WORDS; i++)
            seen[i] |= word[i];
    }
    for (unsigned i = 0; i < WORDS; i++)
        any |= seen[i];
    for (size_t i = 0; i < s.n; i++)
        any |= (unsigned char)s.p[i];
    return (any & 0x8080808080808080u) != 0;
}

/* What points to the last chunk. */
static struct body_chunk **last_link(struct body *b)
{
    struct body_chunk **link = &b->first;
    while (*link != b->last)
        link = &(*link)->next;
    return link;
}

/* Doubles the last chunk until n more bytes fit, or until it has its full size. */
static void last_grow(struct body *b, size_t n)
{
    size_t cap = b->last->cap;
    while (cap < BODY_CHUNK && cap - b->last->n < n)
        cap = cap < BODY_CHUNK / 2 ? cap * 2 : BODY_CHUNK;
    if (cap == b->last->cap)
        return;
    struct body_chunk **link = last_link(b);
    *link = b->last = mem_realloc(b->last, sizeof *b->last + cap);
    b->last->cap = cap;
}

static void last_new(struct body *b)
{
    struct body_chunk *c = chunk_new(b->last ? CHUNK_NEXT : CHUNK_FIRST);
    *(b->last ? &b->last->next : &b->first) = c;
    b->last = c;
}

void body_append(struct body *b, struct span s)
{
    ASSERT(b->refs == 1);
    b->eight_bit = b->eight_bit || has_eight_bit(s);
    while (s.n > 0) {
        if (!b->last || b->last->n == BODY_CHUNK)
            last_new(b);
        last_grow(b, s.n);
        size_t room = b->last->cap - b->last->n;
        size_t n = s.n < room ? s.n : room;
        ASSERT(n > 0);
        memcpy(b->last->p + b->last->n, s.p, n);
        b->last->n += n;
        b->n += n;
        s = span_tail(s, n);
    }
}

void body_prepend(struct body *b, struct span s)
{
    ASSERT(b->refs == 1);
    ASSERT(s.n <= BODY_CHUNK);
    if (s.n == 0)
        return;
    struct body_chunk *c = chunk_new(s.n);
    memcpy(c->p, s.p, s.n);
    c->n = s.n;
    c->next = b->first;
    b->first = c;
    if (!b->last)
        b->last = c;
    b->n += s.n;
    b->eight_bit = b->eight_bit || has_eight_bit(s);
}

struct span body_at(const struct body *b, uint64_t offset)
{
    for (const struct body_chunk *c = b->first; c; c = c->next) {
        if (offset < c->n)
            return span_of(c->p + offset, c->n - (size_t)offset);
        offset -= c->n;
    }
    return SPAN_NONE;
}

size_t body_memory(const struct body *b)
{
    size_t n = sizeof *b;
    for (const struct body_chunk *c = b->first; c; c = c->next)
        n += sizeof *c + c->cap;
    return n;
}

struct body *body_cut_first(struct body *b)
{
    ASSERT(b->refs == 1 && b->first && b->first->n == BODY_CHUNK);
    struct body *ret = body_new();
    struct body_chunk *c = b->first;
    b->first = c->next;
    b->last = b->first ? b->last : NULL;
    b->n -= c->n;
    c->next = NULL;
    ret->first = ret->last = c;
    ret->n = c->n;
    ret->eight_bit = b->eight_bit;
    return ret;
}
