#include "base/map.h"
#include "base/rng.h"
#include "test/test.h"
#include <stdio.h>

static const struct hash_key key = { { 7, 11 } };

TEST(map_that_is_empty)
{
    struct map m;
    struct span k;
    void *v;
    size_t pos = 0;
    map_init(&m, &key);
    CHECK(map_get(&m, SPAN("a")) == NULL);
    CHECK(map_del(&m, SPAN("a")) == NULL);
    CHECK(!map_next(&m, &pos, &k, &v));
    map_done(&m);
    map_done(&m);
    map_done(NULL);
}

TEST(map_owns_its_keys_and_any_bytes_are_one)
{
    struct map m;
    int one, two;
    char name[] = "name";
    map_init(&m, &key);
    CHECK(map_put(&m, span_z(name), &one) == NULL);
    name[0] = 'X';
    CHECK(map_get(&m, SPAN("name")) == &one);
    CHECK(map_get(&m, SPAN("Name")) == NULL);
    CHECK(map_put(&m, SPAN("name"), &two) == &one);
    CHECK_NUM(m.n, 1);
    CHECK(map_put(&m, SPAN_NONE, &one) == NULL);
    CHECK(map_put(&m, span_of("\0", 1), &two) == NULL);
    CHECK(map_get(&m, SPAN("")) == &one);
    CHECK(map_del(&m, SPAN("")) == &one);
    CHECK(map_get(&m, SPAN("")) == NULL);
    CHECK_NUM(m.n, 2);
    map_done(&m);
}

/* Keys "0".."299" against an array: values[i] is what the map should hold, or NULL. */
enum { KEYS = 300 };

static struct span key_text(size_t i, char memory[static 8])
{
    int n = snprintf(memory, 8, "%zu", i);
    return span_of(memory, (size_t)n);
}

static void check_walk(const struct map *m, void *const values[static KEYS])
{
    size_t n = 0, pos = 0;
    struct span k;
    void *v;
    bool seen[KEYS] = { false };
    while (map_next(m, &pos, &k, &v)) {
        uint64_t i;
        CHECK_NUM(span_u64(k, KEYS - 1, &i), ERR_OK);
        CHECK(values[i] == v && !seen[i]);
        seen[i] = true;
        n++;
    }
    CHECK_NUM(n, m->n);
}

TEST(map_equals_its_model)
{
    static int things[4];
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct rng rng;
        struct map m;
        void *values[KEYS] = { NULL };
        size_t n = 0;
        rng_init(&rng, seed);
        map_init(&m, &(struct hash_key){ { seed, 1 } });
        for (int step = 0; step < 2000; step++) {
            char memory[8];
            size_t i = rng_below(&rng, KEYS);
            struct span k = key_text(i, memory);
            bool growing = step / 500 % 2 == 0;
            if (rng_chance(&rng, growing ? 4 : 1, 5)) {
                void *v = &things[rng_below(&rng, 4)];
                n += !values[i];
                CHECK(map_put(&m, k, v) == values[i]);
                values[i] = v;
            } else {
                n -= values[i] != NULL;
                CHECK(map_del(&m, k) == values[i]);
                values[i] = NULL;
            }
            CHECK_NUM(m.n, n);
            CHECK(map_get(&m, k) == values[i]);
            if (step % 100 == 0)
                check_walk(&m, values);
        }
        for (size_t i = 0; i < KEYS; i++) {
            char memory[8];
            CHECK(map_get(&m, key_text(i, memory)) == values[i]);
        }
        map_done(&m);
    }
}

TEST(map_gives_memory_back)
{
    struct map m;
    int thing;
    char memory[8];
    map_init(&m, &key);
    for (size_t i = 0; i < 10000; i++)
        map_put(&m, key_text(i, memory), &thing);
    for (size_t i = 0; i < 10000; i++)
        CHECK(map_del(&m, key_text(i, memory)) == &thing);
    CHECK_NUM(m.n, 0);
    CHECK(m.cap <= 16);
    map_done(&m);
}
