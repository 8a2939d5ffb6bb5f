#include "base/rng.h"

/* xoshiro256** 1.0 (Blackman and Vigna), seeded by splitmix64 as its authors advise. */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (size_t i = 0; i < COUNTOF(r->s); i++)
        r->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

uint64_t rng_u64(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t ret = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return ret;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    ASSERT(n > 0);
    return (uint64_t)((unsigned __int128)rng_u64(r) * n >> 64);
}

bool rng_chance(struct rng *r, uint32_t num, uint32_t den)
{
    ASSERT(den > 0);
    return rng_below(r, den) < num;
}

int64_t rng_jitter(struct rng *r, int64_t value, unsigned percent)
{
    ASSERT(percent <= 100);
    ASSERT(value > INT64_MIN / 4 && value < INT64_MAX / 4);
    int64_t size = value < 0 ? -value : value;
    int64_t most = size / 100 * percent + size % 100 * percent / 100;
    return value - most + (int64_t)rng_below(r, 2 * (uint64_t)most + 1);
}
