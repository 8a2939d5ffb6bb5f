/* rng.h - a seeded generator (xoshiro256**) for jitter and simulation. Not for secrets: those
 * come from the kernel through io/loop.h. Same seed, same numbers, on every machine. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/base.h"

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* 0 .. n-1, n > 0, without bias that matters. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* true in `num` of `den` draws. */
bool rng_chance(struct rng *r, uint32_t num, uint32_t den);
/* value +- percent (0..100). */
int64_t rng_jitter(struct rng *r, int64_t value, unsigned percent);

#endif
