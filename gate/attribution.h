/* attribution.h - who is sending, and may they? What receiving asks of policy/attribute.h for each
 * recipient, and what the verdict leaves behind: words for the client, the envelope, counters, log
 * and trace. `explain` asks the same attribution_judge and attribution_of.
 *
 * One transaction may have recipients of several organisations: each has a verdict of its own, and
 * who is refused is refused alone. What the envelope says is the sender's side: whose mail it is,
 * and the connector of that organisation; else the connector of the first who has one. */
#ifndef GATE_ATTRIBUTION_H
#define GATE_ATTRIBUTION_H

#include "gate/incoming.h"
#include "policy/attribute.h"

/* Plaintext, for facts. */
extern const struct tls_facts attribution_plaintext;

/* The domain of MAIL FROM as facts want it; empty: the null sender. What is no domain is left as it
 * stands, so that no pattern but "*" takes it in. */
struct span attribution_domain(const struct config *c, const struct addr *from, struct arena *a);

/* The recipient's as routing wants it. "postmaster" alone is ours (RFC 5321 4.5.1). ERR_SYNTAX and
 * others: it is none. */
MUST_USE enum err attribution_rcpt_domain(const struct config *c, const struct addr *to,
                                          struct buf *out);

/* What the handshake told of the client's certificate, as facts want it. */
enum tri attribution_revoked(const struct tls_facts *tls);
/* The verdict for one recipient, the installation's own rules included. to: its local part. */
struct inbound_verdict attribution_judge(const struct config *c, const struct inbound_facts *f,
                                         struct span local);
/* Rule by rule, for explain; at most ATTRIBUTION_TEXT_MAX bytes. */
enum { ATTRIBUTION_TEXT_MAX = 64 * 1024 };
void attribution_explain(const struct config *c, const struct inbound_facts *f, struct span local,
                         struct buf *out);

/* What an admitted recipient says of the whole message. */
struct attributed {
    /* Whose mail it is: of the organisation whose own server has sent it, or whose address a client
     * in one of the installation's `networks` gives as MAIL FROM. NULL: nobody's here. */
    const struct org *org;
    const struct org *server_of; /* the client is this organisation's own server, or NULL */
    const struct in_connector *by;
};
struct attributed attribution_of(const struct config *c, const struct inbound_facts *f,
                                 const struct inbound_verdict *v);
/* Its share of the envelope; strings are the snapshot's. Where two recipients differ, see above. */
void attribution_fill(struct envelope *e, const struct attributed *a);

/* A client at RCPT. */
struct attribution_client {
    struct worker *w;
    const struct ip *ip;
    const struct tls_facts *tls; /* NULL: plaintext */
    uint64_t conn;
    struct span helo;
};
/* What policy/attribute.h is told of it, for a recipient in that domain (A-labels). */
struct inbound_facts attribution_facts(const struct attribution_client *client,
                                       const struct incoming *m, struct span to_domain);
/* May it send this to him? domain: A-labels. false: *ret says why not; its text is static, or in
 * *text. */
enum { ATTRIBUTION_REPLY_MAX = 600 };
bool attribution_rcpt(const struct attribution_client *client, struct incoming *m,
                      const struct addr *to, struct span domain, struct buf *text,
                      struct reply *ret);

/* Before the first byte of the message: looks out for the header fields that a connector of the
 * organisation that sends is for. Nothing that a stranger writes chooses a way. */
void attribution_watch(struct incoming *m);
/* The header section is over: the connector's id, or empty. */
struct span attribution_rule(const struct incoming *m);

#endif
