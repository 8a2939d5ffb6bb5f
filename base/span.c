#include "base/span.h"

struct span span_z(const char *z)
{
    return (struct span){ z, z ? strlen(z) : 0 };
}

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_eq_nocase(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] != b.p[i] && ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

int span_cmp(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool span_starts(struct span s, struct span prefix)
{
    return s.n >= prefix.n && span_eq(span_head(s, prefix.n), prefix);
}

bool span_starts_nocase(struct span s, struct span prefix)
{
    return s.n >= prefix.n && span_eq_nocase(span_head(s, prefix.n), prefix);
}

bool span_ends_nocase(struct span s, struct span suffix)
{
    return s.n >= suffix.n && span_eq_nocase(span_tail(s, s.n - suffix.n), suffix);
}

size_t span_find(struct span s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t span_rfind(struct span s, char c)
{
    const char *at = s.n ? memrchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

struct span span_cut(struct span *s, char c)
{
    size_t i = span_find(*s, c);
    struct span before = span_head(*s, i);
    *s = span_tail(*s, i < s->n ? i + 1 : i);
    return before;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = span_tail(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

enum err span_u64(struct span s, uint64_t max, uint64_t *ret)
{
    if (s.n == 0)
        return ERR_SYNTAX;
    uint64_t value = 0;
    bool over = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return ERR_SYNTAX;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        over = over || value > (UINT64_MAX - digit) / 10;
        value = over ? 0 : value * 10 + digit;
    }
    if (over || value > max)
        return ERR_TOO_BIG;
    *ret = value;
    return ERR_OK;
}

/* --- SipHash-2-4 (Aumasson and Bernstein, 2012) */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

/* Up to eight bytes, the first lowest, on every machine. */
static inline uint64_t sip_load(const char *p, size_t n, bool fold)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        char c = fold ? ascii_lower(p[i]) : p[i];
        word |= (uint64_t)(unsigned char)c << (8 * i);
    }
    return word;
}

static inline uint64_t sip_hash(const struct hash_key *key, struct span in, bool fold)
{
    struct sip s = {
        key->k[0] ^ 0x736f6d6570736575u,
        key->k[1] ^ 0x646f72616e646f6du,
        key->k[0] ^ 0x6c7967656e657261u,
        key->k[1] ^ 0x7465646279746573u,
    };
    size_t whole = in.n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(&s, sip_load(in.p + i, 8, fold));

    uint64_t last = (uint64_t)in.n << 56;
    if (whole < in.n)
        last |= sip_load(in.p + whole, in.n - whole, fold);
    sip_word(&s, last);

    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t span_hash(const struct hash_key *key, struct span s)
{
    return sip_hash(key, s, false);
}

uint64_t span_hash_nocase(const struct hash_key *key, struct span s)
{
    return sip_hash(key, s, true);
}
