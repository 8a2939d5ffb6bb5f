#include "base/arena.h"
#include "base/rng.h"
#include "test/test.h"

TEST(arena_refuses_what_passes_its_maximum)
{
    struct arena a;
    struct span copy = SPAN("untouched");
    void *p = &a;
    arena_init(&a, 100);
    CHECK_NUM(arena_try(&a, 101, &p), ERR_TOO_BIG);
    CHECK_NUM(arena_try(&a, SIZE_MAX, &p), ERR_TOO_BIG);
    CHECK_NUM(arena_try(&a, SIZE_MAX - 15, &p), ERR_TOO_BIG);
    CHECK(p == &a);
    CHECK(a.block == NULL);
    CHECK_NUM(arena_try(&a, 99, &p), ERR_OK);
    CHECK_NUM(arena_try_span(&a, SPAN("x"), &copy), ERR_TOO_BIG); /* its NUL does not fit */
    CHECK_Z(copy, "untouched");
    CHECK_NUM(arena_try_span(&a, SPAN_NONE, &copy), ERR_OK);
    CHECK_NUM(a.used, 100);
    CHECK_NUM(arena_try(&a, 0, &p), ERR_TOO_BIG);
    arena_done(&a);
    arena_done(NULL);
}

TEST(arena_alignment_counts_against_the_maximum)
{
    struct arena a;
    void *p;
    arena_init(&a, 32);
    CHECK_NUM(arena_try(&a, 1, &p), ERR_OK);
    CHECK_NUM(arena_try(&a, 17, &p), ERR_TOO_BIG);
    CHECK_NUM(arena_try(&a, 16, &p), ERR_OK);
    CHECK_NUM(a.used, 32);
    arena_done(&a);
}

TEST(arena_copies_end_with_a_nul)
{
    struct arena a;
    arena_init(&a, 1000);
    struct span copy = arena_span(&a, SPAN("abc"));
    CHECK_Z(copy, "abc");
    CHECK_NUM(copy.p[3], 0);
    CHECK_Z(span_z(arena_z(&a, SPAN("xyz"))), "xyz");
    CHECK_Z(span_z(arena_z(&a, SPAN_NONE)), "");
    CHECK_Z(copy, "abc");
    arena_done(&a);
    CHECK_NUM(a.used, 0);
    CHECK_NUM(a.max, 1000);
    CHECK_Z(arena_span(&a, SPAN("again")), "again");
    arena_done(&a);
}

TEST(arena_pieces_are_zero_aligned_and_apart)
{
    enum { PIECES = 300 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rng rng;
        struct arena a;
        struct span piece[PIECES];
        rng_init(&rng, seed);
        arena_init(&a, 64 << 20);
        for (size_t i = 0; i < PIECES; i++) {
            size_t n = rng_below(&rng, rng_chance(&rng, 1, 20) ? 200000 : 300);
            char *p = arena_alloc(&a, n);
            CHECK((uintptr_t)p % 16 == 0);
            for (size_t k = 0; k < n; k++)
                CHECK(p[k] == 0);
            memset(p, (int)i & 0xff, n);
            piece[i] = span_of(p, n);
        }
        for (size_t i = 0; i < PIECES; i++) {
            for (size_t k = 0; k < piece[i].n; k++)
                CHECK(piece[i].p[k] == (char)(i & 0xff));
        }
        arena_done(&a);
    }
}
