/* suppose.h - "what if": single facts set before anything is decided. Pure.
 *
 *   starttls=no                     of all hosts
 *   mx.example.org/handshake=no     of one of them; mx.example.org:handshake=no is the same
 *   mx=unknown                      of the domain, where the key is one of the domain's line
 *   mx.example.org/chain=no         of the channel there: as if a handshake had shown this
 *   client/names=mx.lab.example     of the client's handshake (the way in)
 *
 * The keys are those that facts_print and tls_facts_print write: their tables are asked. What
 * follows from a channel that is supposed (handshake, channel, breach) is worked out by decide.h;
 * what of it is not said is a channel that every contract takes.
 */
#ifndef POLICY_SUPPOSE_H
#define POLICY_SUPPOSE_H

#include "policy/decide.h"

enum {
    SUPPOSE_MAX = 32,        /* facts in one question */
    SUPPOSE_TEXT_MAX = 1200, /* bytes of one */
    SUPPOSE_DOMAIN = -1,     /* for suppose_has */
};

/* "FACT=VALUE", n of them, SUPPOSE_MAX at most. */
struct suppose_ask {
    const struct span *text;
    unsigned n;
};

struct suppose_item {
    int host; /* index, or SUPPOSE_DOMAIN */
    struct span key;
};

struct suppose {
    struct suppose_item *item; /* what was set, for whoever tells where a fact comes from */
    unsigned n, cap;
    struct tls_facts tls[FACTS_HOSTS_MAX]; /* channels that are supposed */
    bool has_tls[FACTS_HOSTS_MAX];
    bool name_told[FACTS_HOSTS_MAX]; /* "name" was said; else it follows from the names */
};

/* Sets them in *f, one after the other, then works out what follows under the contract. Those of
 * the client are passed over. Strings are the arena's. ERR_SYNTAX: there is no such fact, host or
 * value: why names it and says what there is; *f is then of no use. ERR_TOO_BIG: the arena. */
MUST_USE enum err suppose_hosts(const struct suppose_ask *ask, const struct contract *c,
                                struct facts *f, struct arena *a, struct suppose *ret,
                                struct why *why);
/* Those of the client, in *tls; the others are passed over. *ret_any: there are some. */
MUST_USE enum err suppose_client(const struct suppose_ask *ask, struct tls_facts *tls,
                                 struct arena *a, bool *ret_any, struct why *why);
/* This fact was supposed. */
bool suppose_has(const struct suppose *s, int host, const char *key);

#endif
