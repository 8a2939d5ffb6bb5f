/* race.h - connects to the first of several addresses that answers: one attempt after the other, a
 * quarter of a second apart, a failed one making room at once (RFC 8305 in small). */
#ifndef IO_RACE_H
#define IO_RACE_H

#include "io/loop.h"

enum { RACE_MAX = 8 };

struct race;

/* Called once, never from inside race_new; the race is over then and frees itself.
 * s: connected to *to, and the callee's from now on. NULL: none answered, why has the words. */
typedef void race_fn(void *arg, struct sock *s, const struct ip *to, const char *why);

/* n <= RACE_MAX. local: the address to bind for attempts of its family, or NULL. */
struct race *race_new(struct loop *l, const struct ip *to, unsigned n, const struct ip *local,
                      race_fn *fn, void *arg);
/* One attempt, to a socket in the file system. */
struct race *race_new_unix(struct loop *l, struct span path, race_fn *fn, void *arg);
/* Ends it without a call. NULL is fine. */
void race_free(struct race *r);

#endif
