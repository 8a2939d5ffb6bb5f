/* tlsa.h - looks up the TLSA records of one host: which name they are found under, and what DNSSEC
 * says of them (RFC 7672 2.1.3, 2.2.2, 2.2.3). Nothing is judged here.
 *
 * Base domains are tried in this order, the first that has secure records wins:
 *
 *   the host's addresses are secure    what its CNAMEs lead to, then its name as it stands
 *   they are not, it has no CNAME      none: the host is not in a signed zone, nothing is asked
 *   they are not, its CNAME is secure  its name as it stands
 */
#ifndef GATE_TLSA_H
#define GATE_TLSA_H

#include "io/dns.h"
#include "io/tls.h"
#include "policy/facts.h"

enum { TLSA_BASES_MAX = 2 };

struct tlsa_lookup;
typedef void tlsa_found_fn(void *arg, int64_t ttl_ms); /* ttl_ms 0: nothing that lives */

/* What is known of the host's addresses. */
struct tlsa_ask {
    struct dns *dns;
    struct arena *arena;     /* for records and names */
    struct host_facts *host; /* has an address; name, tlsa_state, tlsa and tlsa_base are touched */
    uint16_t port;
    bool secure;           /* an address answer is */
    struct span canonical; /* of that answer: after its CNAMEs; empty: there are none */
    tlsa_found_fn *fn;
    void *arg;
};

/* The members are the lookup's own. */
struct tlsa_lookup {
    struct tlsa_ask ask;
    struct span base[TLSA_BASES_MAX];
    unsigned n_base, at;
    struct dns_query *dns; /* NULL: nothing is asked now */
    int64_t ttl_ms;
};

/* True: host->tlsa_state is set and fn will not run. False: fn runs once, later, when it is. Each
 * question has the resolver's deadline; there are three at most, one after another. */
bool tlsa_lookup_begin(struct tlsa_lookup *l, const struct tlsa_ask *ask);
/* fn will not run. A lookup that is over, or all zero, is fine. */
void tlsa_lookup_cancel(struct tlsa_lookup *l);

/* What the TLS layer is to know of host i, whose records must match: they, the names that DANE-TA
 * looks for, and the TLSA base domain for SNI (RFC 7672 8.1); whether the certificate names the
 * host itself is told beside that. *mean borrows from the facts. */
void tlsa_mean(const struct facts *f, unsigned i, struct tls_peer *mean);

#endif
