#include "base/rng.h"
#include "test/test.h"

/* The first numbers of seed 0, so that an old seed means the same for ever. */
TEST(rng_repeats)
{
    struct rng r;
    rng_init(&r, 0);
    CHECK(rng_u64(&r) == 0x99ec5f36cb75f2b4u);
    CHECK(rng_u64(&r) == 0xbf6e1f784956452au);
    CHECK(rng_u64(&r) == 0x1a5f849d4933e6e0u);
}

TEST(rng_below_reaches_all_and_no_more)
{
    struct rng r;
    rng_init(&r, 3);
    int seen[7] = { 0 };
    for (int i = 0; i < 7000; i++) {
        uint64_t got = rng_below(&r, 7);
        CHECK(got < 7);
        seen[got]++;
    }
    for (size_t i = 0; i < COUNTOF(seen); i++)
        CHECK(seen[i] > 800 && seen[i] < 1200);
    for (int i = 0; i < 100; i++)
        CHECK_NUM(rng_below(&r, 1), 0);
}

TEST(rng_chance_keeps_its_share)
{
    struct rng r;
    rng_init(&r, 4);
    int hits = 0;
    for (int i = 0; i < 10000; i++) {
        hits += rng_chance(&r, 1, 4);
        CHECK(!rng_chance(&r, 0, 4));
        CHECK(rng_chance(&r, 4, 4));
    }
    CHECK(hits > 2300 && hits < 2700);
}

TEST(rng_jitter_stays_in_its_band)
{
    struct rng r;
    int64_t low = INT64_MAX, high = INT64_MIN;
    rng_init(&r, 5);
    for (int i = 0; i < 10000; i++) {
        int64_t got = rng_jitter(&r, 1000, 10);
        low = got < low ? got : low;
        high = got > high ? got : high;
        CHECK(rng_jitter(&r, -1000, 100) <= 0);
        CHECK_NUM(rng_jitter(&r, 1000, 0), 1000);
        CHECK_NUM(rng_jitter(&r, 0, 100), 0);
        CHECK_NUM(rng_jitter(&r, 9, 10), 9);
    }
    CHECK_NUM(low, 900);
    CHECK_NUM(high, 1100);
}
