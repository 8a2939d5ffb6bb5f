/* decide.h - the heart: what may be done, from configuration, facts and message. Pure.
 *
 * Delivery obeys it, `postern explain` prints it before anything is sent, the simulator checks it
 * against an oracle of its own. Nothing else in the program decides about channels.
 *
 *   decide_contract -> [lookups] -> decide_plan -> [connect, EHLO] -> decide_greeted ->
 *   [handshake] -> decide_secured
 *
 * decide_contract is what all hosts of a recipient must fulfil: it keys destinations. What one host
 * must fulfil, decide_host_contract, is that and what its TLSA records and MTA-STS policy add: it
 * is in the verdict of decide_plan, keys connections and tickets, and is handed to the two after
 * it.
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "mail/reply.h"
#include "policy/facts.h"
#include "policy/route.h"

/* What a message brings to the decision. */
struct message_facts {
    struct span from;
    bool requiretls, tls_required_no;
};

enum step {
    STEP_CONNECT,   /* try this host */
    STEP_STARTTLS,  /* ask for TLS now */
    STEP_SEND,      /* the channel is what the contract asks: mail may pass */
    STEP_PLAINTEXT, /* connect anew to the same host and do not ask for TLS */
    STEP_NEXT_HOST, /* this host will not do */
    STEP_DEFER,     /* no host will do now; reply says why (4xx) */
    STEP_BOUNCE,    /* never (5xx) */
};
const char *step_name(enum step s);

struct verdict {
    enum step step;
    struct contract contract;
    struct reply reply; /* DEFER, BOUNCE: what the sender will read; NEXT_HOST: what they will read
                         * if no host does better; static text */
    const char *why;    /* one sentence, static: the rule that spoke */
    enum breach breach; /* what the channel broke; facts keep it in host_facts.breach */
};

/* Replies. 450 X.4.317 and X.7.320 are the codes that Exchange Online documents for an outbound
 * channel that does not reach the level of TLS that is forced, and for its certificate; 4 while it
 * is tried again, 5 with the same digits when it bounces (retry_final_reply).
 *
 *   450 4.4.317  no STARTTLS, handshake failed, version too old, no forward secrecy
 *   450 4.7.320  the certificate: its chain, time, revocation or name, which the text tells apart
 *   450 4.7.321  DANE or MTA-STS asks for TLS, and STARTTLS is missing or the handshake fails
 *   450 4.7.322  DANE-TA: the certificate is out of its time
 *   450 4.7.323  DANE: no TLSA record matches, or it is mandatory and there are none to use
 *   450 4.7.324  DNSSEC says forged; or DANE is mandatory and the way is not secure
 *   450 4.7.325  DANE-TA: the certificate names another host
 *   451 4.4.312  DANE: TLSA records cannot be looked up; or it is mandatory and whether the way is
 *                secure cannot be told
 *   450 4.4.8    the MTA-STS policy does not list the host
 *   450 4.7.5    the certificate fails MTA-STS, which the text tells apart as above
 *   450 4.7.30   REQUIRETLS: who the host is rests on neither DNSSEC nor MTA-STS (RFC 8689)
 *   450 4.7.30   REQUIRETLS: this host does not announce it
 *   550 5.7.30   REQUIRETLS: all hosts were reached, and none announces it
 *   450 4.7.10   REQUIRETLS, and nobody else asks for TLS: no STARTTLS, handshake failed
 *   451 4.4.1    no connection, or it was lost       451 4.4.3  DNS cannot tell
 *   550 5.1.2    no such domain (NXDOMAIN)           556 5.1.10 null MX (RFC 7505)
 *   550 5.4.4    no host has an address              554 5.4.6  mail would loop
 */

/* Delivery by this route crosses no network: Maildir, or sockets of this machine only. */
bool decide_local(const struct route *r);

/* The contract of a recipient by route and message; before any network. REQUIRETLS raises it to
 * TLS_NEED_ENCRYPT at least, to `authenticated`, and, but for notifications (the null return-path,
 * RFC 8689 5), to `keyword`; unless the route's last hop crosses no network.
 * TLS-Required: No (RFC 8689 5), without REQUIRETLS, takes DANE_OPPORTUNISTIC and STS_OPPORTUNISTIC
 * out, and nothing else: not what a route or connector demands, DANE_MANDATORY neither. */
struct contract decide_contract(const struct route *r, const struct message_facts *m);

/* What is to be looked up for facts under this contract: TLSA records; MTA-STS policies. What is
 * not looked up stays NOT_ASKED. */
bool decide_wants_tlsa(const struct contract *c);
bool decide_wants_sts(const struct contract *c);

/* What host i must fulfil: c joined with what the host's facts add, as far as c obeys them.
 *
 *   TLSA records that can be used    one must match (RFC 7672 2.2)
 *   none of them can be used         TLS, with any certificate (RFC 7672 2.2)
 *   they cannot be told, are forged  no channel will do: the next host (RFC 7672 2.1.2)
 *   none, not secure, not asked      as c says; with DANE_MANDATORY no channel will do
 *   MTA-STS enforce                  the policy lists the host; chain and name (RFC 8461 5, 4.2)
 *   MTA-STS testing, none            as c says
 *   MTA-STS cannot be told           as c says: RFC 8461 3.3 demands it; nothing is known that
 * could be obeyed, for a policy that was ever fetched is in the cache REQUIRETLS the host is known
 * by configuration, secure MX or MTA-STS enforce; and TLSA records match, or chain and name
 *
 * DANE goes before MTA-STS (RFC 8461 2): where records can be used, and the MX that names the host
 * is secure, MTA-STS is not asked, and where DANE fails it rescues nothing. With an insecure MX
 * records still count (RFC 7672 2.2.1), but prove nothing of the domain: whoever forges the MX
 * signs records of his own. There both must hold.
 *
 * Its TLSA records are the facts': they outlive it. */
struct contract decide_host_contract(const struct contract *c, const struct facts *f, unsigned i);

/* What DANE-TA looks for in the certificate of host i (RFC 7672 3.2.2): the TLSA base domain and,
 * after a secure MX, the domain of the recipient. Returns how many. */
enum { DECIDE_DANE_NAMES_MAX = 2 };
unsigned decide_dane_names(const struct facts *f, unsigned i,
                           struct span ret[static DECIDE_DANE_NAMES_MAX]);

/* Facts are gathered: may host i be tried? Hosts that are us end the list (RFC 5321 5.1: only
 * better preferences count); null MX, no such domain, loops bounce; unknown facts defer. CONNECT:
 * the verdict's contract is the host's own. NEXT_HOST: ask for i + 1. i == n_host: the list is used
 * up: DEFER with the last failure, as far as the facts hold it (connected, starttls_offered,
 * handshake, channel and breach of the hosts). */
struct verdict decide_plan(const struct contract *c, const struct facts *f, unsigned i);

/* The host whose failure the end of the list speaks of; NULL: none was tried. */
const struct host_facts *decide_last_failure(const struct facts *f);

/* From here on c is the host's own contract.
 *
 * EHLO is answered in clear: starttls_offered of host i is known. STEP_STARTTLS where it is
 * offered, unless handshake says that it was tried just now and failed: then it is as if not
 * offered. */
struct verdict decide_greeted(const struct contract *c, const struct host_facts *h);

/* A handshake ended, well (tls) or not (tls NULL: h->handshake == TRI_NO), or STARTTLS was refused.
 */
struct verdict decide_secured(const struct contract *c, const struct host_facts *h,
                              const struct tls_facts *tls);

/* EHLO is answered under TLS: requiretls of the host is known. SEND or NEXT_HOST. What is heard
 * here nobody on the line can have changed; so when all hosts fail in this, decide_plan bounces at
 * once, while what somebody on the line can do (no STARTTLS, a certificate of his) is tried again.
 */
struct verdict decide_announced(const struct contract *c, const struct host_facts *h);

#endif
