/* heap.h - a priority queue of intrusive nodes: the smallest `at` first, then the order of
 * insertion, so that equal times run in the order they were set. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

struct heap_node {
    int64_t at;   /* what orders: usually milliseconds */
    uint64_t seq; /* set by the heap */
    size_t i;     /* place in the heap + 1; 0: in no heap */
};

struct heap {
    struct heap_node **node;
    size_t n, cap;
    uint64_t seq;
};

void heap_init(struct heap *h);
/* Frees the heap's own memory, never the nodes. */
void heap_done(struct heap *h);
/* The node with the smallest `at`, or NULL. */
struct heap_node *heap_first(const struct heap *h);
/* Inserts, or moves a node that is already in. */
void heap_set(struct heap *h, struct heap_node *node, int64_t at);
/* Takes the node out; does nothing when it is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);

#endif
