/* contract.h - the channel contract: what a connection must be before the first byte of mail may
 * cross it. A plain value. Strength combines by join: a source can only raise it.
 *
 * Everything that shares or resumes connections is keyed by contract_digest: two messages may use
 * one connection, one session ticket or one cached verdict only if their contracts are equal.
 */
#ifndef POLICY_CONTRACT_H
#define POLICY_CONTRACT_H

#include "base/buf.h"
#include "mail/names.h"
#include "mail/tls_facts.h"
#include "mail/tlsa.h"
#include "policy/bar.h"

/* In order of strength. */
enum tls_need {
    TLS_NEED_TRY,     /* opportunistic: TLS first, plaintext where the other side has none */
    TLS_NEED_ENCRYPT, /* any TLS >= floor; any certificate */
    TLS_NEED_CHAIN,   /* and the chain is valid */
    TLS_NEED_NAME,    /* and it names the host */
    TLS_NEED_COUNT_
};

/* Is a certificate looked up among the revoked? soft: passes when that cannot be told. */
enum revocation { REVOCATION_OFF, REVOCATION_SOFT, REVOCATION_HARD };

/* What destinations publish of themselves is obeyed: TLSA records (RFC 7672), MTA-STS policies (RFC
 * 8461). Mandatory: a host without usable TLSA records will not do. */
enum dane_mode { DANE_OFF, DANE_OPPORTUNISTIC, DANE_MANDATORY, DANE_MODE_COUNT_ };
enum sts_mode { STS_OFF, STS_OPPORTUNISTIC, STS_MODE_COUNT_ };
const char *dane_mode_name(enum dane_mode m); /* "off", "opportunistic", "mandatory" */
const char *sts_mode_name(enum sts_mode m);   /* "off", "opportunistic" */

/* Who asked: bits, kept by join. One sentence each in explain.c. */
enum contract_rule {
    RULE_DEFAULT = 1 << 0,    /* nobody asked: opportunistic */
    RULE_ROUTE = 1 << 1,      /* the route's tls = ... */
    RULE_LOCAL = 1 << 2,      /* delivery without a network: Maildir, unix socket */
    RULE_REQUIRETLS = 1 << 3, /* the message itself (RFC 8689) */
    RULE_CONNECTOR = 1 << 4,  /* a connector of the organisation */
    RULE_WEAKENED = 1 << 5,   /* and one of its weakenings holds */
    RULE_DANE = 1 << 6,       /* the host's TLSA records; or DANE is mandatory */
    RULE_STS = 1 << 7,        /* the MTA-STS policy of the destination */
    RULE_NODE = 1 << 8,       /* it goes to one of our own nodes: policy/node.h */
    RULE_TENANT = 1 << 9,     /* sender and recipient are organisations of this installation */
};

/* R13: below this there is no TLS for us, whatever a contract says. */
enum { CONTRACT_FLOOR_MIN = 12 };

/* Where plaintext is allowed (TRY), forward_secret and floor refuse nothing: the weakest TLS is
 * better than plaintext, and nothing is refused that is better than what is allowed. In the same
 * way revocation is judged from CHAIN on, and names with NAME. Join keeps them nevertheless: they
 * count as soon as another source raises the need. */
enum { CONTRACT_NAMES_MAX = 3 };

struct contract {
    enum tls_need need;
    bool forward_secret; /* demanded */
    bool allow_expired;  /* from CHAIN on: a chain that is only out of its time passes; joined,
                            when all who ask for a chain allow it */
    int floor;           /* least version: 12, 13 */
    enum revocation revocation;
    /* NAME: each of these sets must match; none: the host's own name */
    const struct name_set *names[CONTRACT_NAMES_MAX];
    unsigned n_names;
    bool host_name; /* NAME: the host's own name must match beside the sets */
    /* CHAIN: only these CAs vouch (SHA-256 of their certificates, hex); NULL: the public ones */
    const struct name_set *anchors;
    unsigned
        identity;   /* our certificate that is shown when asked: a number of the snapshot, 0: none.
                       No demand: it comes from the connector, and keeps contracts apart (T-26) */
    unsigned rules; /* RULE_ bits */

    /* What facts about a host are weighed by: they raise the demand host by host and refuse nothing
     * themselves. decide_host_contract reads them. */
    enum dane_mode dane; /* DANE_MANDATORY implies TLS_NEED_ENCRYPT */
    enum sts_mode sts;
    bool authenticated; /* REQUIRETLS: who the host is must be proven (RFC 8689 4.2.1) */
    bool keyword;       /* and, but for notifications, it must announce REQUIRETLS as well. Not a
                           matter of TLS: decide_announced asks for it after EHLO */

    /* Of one host, and set by decide_host_contract alone. The two judge beside the chain and name
     * that a connector demands, never instead of them. */
    const struct tlsa_set *tlsa; /* one of these must match, RFC 7672 3; NULL: no DANE. Borrowed
                                    from the facts. It implies TLS_NEED_ENCRYPT */
    enum bar bar;                /* no channel will do */
};

/* Nothing demanded: the identity of join. */
struct contract contract_none(void);
/* The least contract that asks what both ask. Never of two with different identities or anchors,
 * nor of more than CONTRACT_NAMES_MAX sets, nor of two with different TLSA records (they are of two
 * hosts): ASSERT. */
struct contract contract_join(struct contract a, struct contract b);
/* a asks at least what b asks: no channel that a accepts is refused by b. */
bool contract_at_least(const struct contract *a, const struct contract *b);
/* Equal in what they demand and show (who asked does not count). */
bool contract_eq(const struct contract *a, const struct contract *b);
/* Mail may go without TLS. Nobody may who does not ask this. */
bool contract_allows_plaintext(const struct contract *c);
enum { CONTRACT_DIGEST_MAX = 160 };
/* A short text that is equal exactly when contract_eq is (TLSA records: as far as tlsa_set_digest
 * tells). Returns ret. */
const char *contract_digest(const struct contract *c, char ret[static CONTRACT_DIGEST_MAX]);
const char *tls_need_name(enum tls_need n);
MUST_USE enum err tls_need_read(struct span s, enum tls_need *ret);
/* "tls=encrypt floor=1.2 fs=yes asked-by=route"; between fs and asked-by what else is demanded:
 * "expired=allowed revocation=hard names=mx.lab.example+2;host ca=nodes identity=1". Of a set its
 * first name, cut, and how many more. Then what of a host is demanded: "dane=mandatory tlsa=2
 * authenticated=yes keyword=yes bar=sts-host", of the records their number. At most
 * CONTRACT_TEXT_MAX bytes. */
enum { CONTRACT_TEXT_MAX = 500 };
void contract_print(const struct contract *c, struct buf *out);

/* What of a contract a channel can break. Judged in the order barred, old, plain, floor, secrecy,
 * TLSA, chain, name. */
enum breach {
    BREACH_NONE,
    BREACH_PLAIN,        /* no TLS at all */
    BREACH_OLD,          /* below CONTRACT_FLOOR_MIN, or a version we do not know */
    BREACH_FLOOR,        /* below the contract's floor */
    BREACH_SECRECY,      /* no forward secrecy */
    BREACH_CHAIN,        /* no certificate that a trust anchor vouches for */
    BREACH_EXPIRED,      /* one that is only out of its time */
    BREACH_REVOKED,      /* it is revoked */
    BREACH_UNTOLD,       /* hard mode: whether it is revoked cannot be told */
    BREACH_NAME,         /* it names another host */
    BREACH_BARRED,       /* no channel to this host will do (enum bar) */
    BREACH_TLSA,         /* DANE: no TLSA record matches, or whether one does cannot be told */
    BREACH_TLSA_EXPIRED, /* DANE-TA: a certificate is out of its time */
    BREACH_TLSA_NAME,    /* DANE-TA: it names another host */
    BREACH_COUNT_
};
/* A word for texts that are read back: "plain", "old", ... "none". */
const char *breach_name(enum breach b);
MUST_USE enum err breach_read(struct span s, enum breach *ret);
/* The one judge of channels. */
enum breach contract_judge(const struct contract *c, const struct tls_facts *tls);
/* One sentence; NULL of BREACH_NONE. */
const char *breach_words(enum breach b);
/* Both: what is wrong, in words; NULL: the contract holds. */
const char *contract_breach(const struct contract *c, const struct tls_facts *tls);

#endif
