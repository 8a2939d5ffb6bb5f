/* span.h - borrowed bytes: a pointer and a length, no owner, no NUL.
 *
 * Whoever hands out a span says how long it lives. The empty span is {NULL or anything, 0}.
 * Case folding is ASCII only: locale never plays a part.
 */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include "base/base.h"
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
#define SPAN_NONE ((struct span){ 0 })
/* For "%.*s" of buf_addf: SPAN_ARG(s) fills both arguments. */
#define SPAN_ARG(s) (int)(s).n, (s).p

static inline struct span span_of(const char *p, size_t n)
{
    return (struct span){ p, n };
}

/* A NUL-terminated string as a span; NULL is the empty span. */
struct span span_z(const char *z);

bool span_eq(struct span a, struct span b);
bool span_eq_nocase(struct span a, struct span b);
/* Orders as memcmp, the shorter first. */
int span_cmp(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends_nocase(struct span s, struct span suffix);

/* Index of the first c, or s.n when there is none. */
size_t span_find(struct span s, char c);
/* Index of the last c, or s.n when there is none. */
size_t span_rfind(struct span s, char c);

/* The first `n` bytes (n <= s.n), and what is left after them. */
static inline struct span span_head(struct span s, size_t n)
{
    ASSERT(n <= s.n);
    return span_of(s.p, n);
}
static inline struct span span_tail(struct span s, size_t n)
{
    ASSERT(n <= s.n);
    return n > 0 ? span_of(s.p + n, s.n - n) : s;
}

/* Cuts *s at the first c: returns what stood before it, *s becomes what stands after it.
 * Without a c the whole of *s is returned and *s becomes empty. */
struct span span_cut(struct span *s, char c);

/* Without blanks and tabs at both ends. */
struct span span_trim(struct span s);

/* A decimal number of digits only. ERR_SYNTAX: empty or not digits. ERR_TOO_BIG: over max. */
MUST_USE enum err span_u64(struct span s, uint64_t max, uint64_t *ret);

/* ASCII lower case of one byte. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Keyed hash (SipHash-2-4) of the bytes; span_hash_nocase folds ASCII case first. */
struct hash_key {
    uint64_t k[2];
};
uint64_t span_hash(const struct hash_key *key, struct span s);
uint64_t span_hash_nocase(const struct hash_key *key, struct span s);

#endif
