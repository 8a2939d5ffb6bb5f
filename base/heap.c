#include "base/heap.h"

/* A binary heap; node->i is the place + 1, so that a node knows where it stands. */

enum { HEAP_CAP_FIRST = 16 };

void heap_init(struct heap *h)
{
    *h = (struct heap){ 0 };
}

void heap_done(struct heap *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->n; i++)
        h->node[i]->i = 0;
    mem_free(h->node);
    heap_init(h);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->n ? h->node[0] : NULL;
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void heap_place(struct heap *h, size_t i, struct heap_node *node)
{
    h->node[i] = node;
    node->i = i + 1;
}

/* Lets the node rise from the free place i. */
static void heap_rise(struct heap *h, size_t i, struct heap_node *node)
{
    while (i > 0 && before(node, h->node[(i - 1) / 2])) {
        heap_place(h, i, h->node[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_place(h, i, node);
}

/* Lets the node sink from the free place i. */
static void heap_sink(struct heap *h, size_t i, struct heap_node *node)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && before(h->node[child + 1], h->node[child]))
            child++;
        if (!before(h->node[child], node))
            break;
        heap_place(h, i, h->node[child]);
        i = child;
    }
    heap_place(h, i, node);
}

/* Puts the node at the free place i, then where it belongs. */
static void heap_settle(struct heap *h, size_t i, struct heap_node *node)
{
    if (i > 0 && before(node, h->node[(i - 1) / 2]))
        heap_rise(h, i, node);
    else
        heap_sink(h, i, node);
}

static void heap_resize(struct heap *h, size_t cap)
{
    ASSERT(cap >= h->n);
    h->node = mem_realloc(h->node, cap * sizeof *h->node);
    h->cap = cap;
}

void heap_set(struct heap *h, struct heap_node *node, int64_t at)
{
    size_t i = h->n;
    if (node->i) {
        i = node->i - 1;
        ASSERT(i < h->n && h->node[i] == node);
    } else {
        if (h->n == h->cap)
            heap_resize(h, h->cap ? h->cap * 2 : HEAP_CAP_FIRST);
        h->n++;
    }
    node->at = at;
    node->seq = h->seq++;
    heap_settle(h, i, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (!node->i)
        return;
    size_t i = node->i - 1;
    ASSERT(i < h->n && h->node[i] == node);
    node->i = 0;
    struct heap_node *last = h->node[--h->n];
    if (last != node)
        heap_settle(h, i, last);
    if (h->cap > HEAP_CAP_FIRST && h->n < h->cap / 4)
        heap_resize(h, h->cap / 2);
}
