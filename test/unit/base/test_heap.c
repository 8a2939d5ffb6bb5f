#include "base/heap.h"
#include "base/rng.h"
#include "test/test.h"

TEST(heap_that_is_empty)
{
    struct heap h;
    struct heap_node node = { 0 };
    heap_init(&h);
    CHECK(heap_first(&h) == NULL);
    heap_remove(&h, &node);
    heap_done(&h);
    heap_done(&h);
    heap_done(NULL);
}

TEST(heap_equal_times_come_in_the_order_they_were_set)
{
    struct heap h;
    struct heap_node node[20] = { { 0 } };
    heap_init(&h);
    for (size_t i = 0; i < COUNTOF(node); i++)
        heap_set(&h, &node[i], 5);
    heap_set(&h, &node[3], 5); /* set again: last now */
    for (size_t i = 0; i < COUNTOF(node); i++) {
        if (i == 3)
            continue;
        CHECK(heap_first(&h) == &node[i]);
        heap_remove(&h, &node[i]);
        CHECK_NUM(node[i].i, 0);
    }
    CHECK(heap_first(&h) == &node[3]);
    heap_done(&h);
    CHECK_NUM(node[3].i, 0);
}

TEST(heap_orders_the_extremes)
{
    struct heap h;
    struct heap_node a = { 0 }, b = { 0 }, c = { 0 };
    heap_init(&h);
    heap_set(&h, &a, INT64_MAX);
    heap_set(&h, &b, INT64_MIN);
    heap_set(&h, &c, -1);
    CHECK(heap_first(&h) == &b);
    heap_set(&h, &b, INT64_MAX);
    CHECK(heap_first(&h) == &c);
    heap_remove(&h, &c);
    CHECK(heap_first(&h) == &a);
    heap_done(&h);
}

/* The first by reading all of them. */
static struct heap_node *naive_first(struct heap_node *node, size_t n)
{
    struct heap_node *first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!node[i].i)
            continue;
        if (!first || node[i].at < first->at ||
            (node[i].at == first->at && node[i].seq < first->seq))
            first = &node[i];
    }
    return first;
}

TEST(heap_equals_its_model)
{
    enum { NODES = 120 };
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct heap_node node[NODES] = { { 0 } };
        struct rng rng;
        struct heap h;
        rng_init(&rng, seed);
        heap_init(&h);
        for (int step = 0; step < 1500; step++) {
            struct heap_node *one = &node[rng_below(&rng, NODES)];
            if (rng_chance(&rng, step / 300 % 2 ? 1 : 3, 4))
                heap_set(&h, one, (int64_t)rng_below(&rng, 50) - 25);
            else
                heap_remove(&h, one);
            CHECK(heap_first(&h) == naive_first(node, NODES));
        }
        while (h.n > 0) {
            struct heap_node *first = heap_first(&h);
            CHECK(first == naive_first(node, NODES));
            heap_remove(&h, first);
        }
        CHECK(naive_first(node, NODES) == NULL);
        heap_done(&h);
    }
}
