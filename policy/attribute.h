/* attribute.h - who is sending, and may they? The inbound half of the decision, pure: delivery,
 * `explain --client-addr`, tests and proofs ask the same function.
 *
 * For one recipient of one transaction:
 *
 *   1 on-premises   Of an organisation's connectors whose identity the client has shown and whose
 *                   senders cover MAIL FROM, the surest is the client's: a certificate before the
 *                   longest address prefix. It grants relay when the certificate's domain or MAIL
 *                   FROM's is an accepted domain of the organisation. An empty MAIL FROM is covered
 *                   when the identity is a certificate. Each organisation is judged by itself; if
 *                   several grant, the surest identity, then MAIL FROM says whose mail it is.
 *   2 the recipient's organisation. Its partner connectors with the most specific pattern for MAIL
 *                   FROM (exact, longest wildcard, "*") apply together: the client must be one of
 *                   them. Identity first: certificate, then longest prefix. Nobody matches: refused
 *                   by the one with the least to fail. A client that on-premises identity proves to
 *                   be the organisation's own is not asked. An empty MAIL FROM has "*" only.
 *   3 relay         A recipient of no organisation needs rule 1, or the installation's own rules
 *                   (relay.h).
 *
 * What holds (test_attribute_laws.c): a restriction added to any connector never admits more. A
 * partner connector more admits no sender whom none was about before; it adds a way in beside
 * those with its pattern, and decides alone where its pattern is closer. An organisation's
 * connectors never change what another's recipients get. Connectors in test mode are left out of
 * the verdict and judged beside it.
 */
#ifndef POLICY_ATTRIBUTE_H
#define POLICY_ATTRIBUTE_H

#include "mail/reply.h"
#include "policy/facts.h"
#include "policy/org.h"

struct inbound_facts {
    int64_t now_ms;
    struct ip client;
    const struct tls_facts *tls; /* on == false: plaintext */
    struct span from_domain;     /* of MAIL FROM, A-labels, lower case; empty: null sender */
    struct span to_domain;       /* of this RCPT TO */
    enum tri revoked;            /* the client's certificate; unknown: nobody could tell */
};

/* What of a connector did not hold, in the order of judging. */
enum check {
    CHECK_NONE,       /* all held */
    CHECK_TLS,        /* no TLS where it is required */
    CHECK_FLOOR,      /* a TLS version below the connector's */
    CHECK_NO_CERT,    /* no certificate was shown */
    CHECK_CHAIN,      /* it does not chain to a root that counts for this connector */
    CHECK_EXPIRED,    /* it is out of its time */
    CHECK_USAGE,      /* its usages do not allow a client */
    CHECK_REVOCATION, /* it is revoked, or in hard mode that cannot be told */
    CHECK_NAME,       /* it names nobody who is expected, and no key is pinned */
    CHECK_ADDRESS,    /* the address is in no listed range */
    CHECK_RELAY,      /* neither the certificate's domain nor MAIL FROM's is the organisation's */
    CHECK_COUNT_
};
const char *check_name(enum check c);
/* What a client is told that a connector refuses for it; static text. Not for CHECK_NONE. */
struct reply check_reply(enum check c);

struct inbound_verdict {
    bool admitted;
    bool originating;              /* rule 1 grants: mail of `from_org`, to anywhere */
    const struct org *from_org;    /* whose server the client is; NULL: a stranger */
    const struct org *to_org;      /* whose recipient it is; NULL: none of ours */
    const struct in_connector *by; /* the connector that the transaction belongs to, or NULL */
    enum check failed;             /* of `by`, when it is not admitted by it */
    struct reply reply;            /* when not admitted; static text */
    /* the same question with those in test mode counted as well */
    bool test_admitted;
    const struct in_connector *test_by;
    enum check test_failed;
};

/* relay: what the installation's own rules say (relay_decide). reply.text is a static sentence;
 * attribute_detail has the particulars. */
struct inbound_verdict attribute(const struct org_table *t, const struct inbound_facts *f,
                                 bool relay_allowed);

/* One connector against a client: CHECK_NONE when everything it asks holds (CHECK_RELAY is not
 * asked here). */
enum check connector_check(const struct in_connector *c, const struct inbound_facts *f);
/* How sure the identity is: 0 none, 1 + prefix length for an address. From IDENTITY_CERTIFICATE on
 * a certificate: by its CA alone, then by the longest wildcard, by a whole name, by its key. What
 * is demanded besides (usage, revocation, version) makes no difference to whose it is. */
enum { IDENTITY_CERTIFICATE = 1000, IDENTITY_NAME = 2000, IDENTITY_PIN = 3000 };
unsigned connector_identity(const struct in_connector *c, const struct inbound_facts *f);

/* "connector acme/bank: certificate demanded [bank.example], presented [mail.other.example]": what
 * the peer reads behind the reply's sentence, and the trace. Cleaned, at most 400 bytes. */
void attribute_detail(const struct inbound_verdict *v, const struct inbound_facts *f,
                      struct buf *out);
/* Rule by rule, in sentences, for explain: which connectors were looked at and why not the others.
 * What does not fit into out is left out. */
void attribute_explain(const struct org_table *t, const struct inbound_facts *f, bool relay_allowed,
                       struct buf *out);

#endif
