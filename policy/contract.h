/* contract.h - the channel contract: what a connection must be before the first byte of mail may
 * cross it. A plain value. Strength combines by join: a source can only raise it.
 *
 * Everything that shares or resumes connections is keyed by contract_digest: two messages may use
 * one connection, one session ticket or one cached verdict only if their contracts are equal.
 */
#ifndef POLICY_CONTRACT_H
#define POLICY_CONTRACT_H

#include "base/buf.h"
#include "mail/tls_facts.h"

/* In order of strength. */
enum tls_need {
    TLS_NEED_TRY,     /* opportunistic: TLS first, plaintext where the other side has none */
    TLS_NEED_ENCRYPT, /* any TLS >= floor; any certificate */
    TLS_NEED_CHAIN,   /* and the chain is valid */
    TLS_NEED_NAME,    /* and it names the host */
    TLS_NEED_COUNT_
};

/* Who asked: bits, kept by join. One sentence each in explain.c. */
enum contract_rule {
    RULE_DEFAULT = 1 << 0,    /* nobody asked: opportunistic */
    RULE_ROUTE = 1 << 1,      /* the route's tls = ... */
    RULE_LOCAL = 1 << 2,      /* delivery without a network: Maildir, unix socket */
    RULE_REQUIRETLS = 1 << 3, /* the message itself (RFC 8689) */
};

/* R13: below this there is no TLS for us, whatever a contract says. */
enum { CONTRACT_FLOOR_MIN = 12 };

/* Where plaintext is allowed (TRY), forward_secret and floor refuse nothing: the weakest TLS is
 * better than plaintext, and nothing is refused that is better than what is allowed. */
struct contract {
    enum tls_need need;
    bool forward_secret; /* demanded */
    int floor;           /* least version: 12, 13 */
    unsigned rules;      /* RULE_ bits */
};

/* Nothing demanded: the identity of join. */
struct contract contract_none(void);
struct contract contract_join(struct contract a, struct contract b);
/* a asks at least what b asks. */
bool contract_at_least(const struct contract *a, const struct contract *b);
/* Equal in what they demand (who asked does not count). */
bool contract_eq(const struct contract *a, const struct contract *b);
enum { CONTRACT_DIGEST_MAX = 24 };
/* A short text that is equal exactly when contract_eq is. Returns ret. */
const char *contract_digest(const struct contract *c, char ret[static CONTRACT_DIGEST_MAX]);
const char *tls_need_name(enum tls_need n);
MUST_USE enum err tls_need_read(struct span s, enum tls_need *ret);
/* "tls=encrypt floor=1.2 fs=yes asked-by=route" */
void contract_print(const struct contract *c, struct buf *out);

/* What of a contract a channel can break, in the order of judging. */
enum breach {
    BREACH_NONE,
    BREACH_PLAIN,   /* no TLS at all */
    BREACH_OLD,     /* below CONTRACT_FLOOR_MIN, or a version we do not know */
    BREACH_FLOOR,   /* below the contract's floor */
    BREACH_SECRECY, /* no forward secrecy */
    BREACH_CHAIN,   /* no certificate that a trust anchor vouches for */
    BREACH_NAME,    /* it names another host */
    BREACH_COUNT_
};
/* The one judge of channels. */
enum breach contract_judge(const struct contract *c, const struct tls_facts *tls);
/* The same in words; NULL: the contract holds. */
const char *contract_breach(const struct contract *c, const struct tls_facts *tls);

#endif
