/* dns.h - questions to the DNS with the DNSSEC state of every answer.
 *
 * A seam: dns_unbound.c (libunbound) or sim/dns_sim.c. Three-valued: an answer is there, is proven
 * or said not to be there, or cannot be had; "cannot" is never read as "none".
 */
#ifndef IO_DNS_H
#define IO_DNS_H

#include "base/arena.h"
#include "base/why.h"
#include "io/loop.h"

enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52
};

enum dns_status {
    DNS_OK,       /* records are there */
    DNS_NODATA,   /* the name exists, without this type */
    DNS_NXDOMAIN, /* the name does not exist */
    DNS_FAIL,     /* cannot tell: no answer in time, SERVFAIL, bogus; `text` says which */
};

/* Of the whole answer: one that came by a CNAME that is not secure is not secure. */
enum dns_security { DNS_INSECURE, DNS_SECURE, DNS_BOGUS };

struct dns_answer {
    enum dns_status status;
    enum dns_security security;
    int64_t ttl_ms;
    struct span canonical; /* OK: after CNAMEs, without trailing dot; empty: as asked */
    unsigned n;
    struct span *rdata; /* wire format */
    const char *text;   /* why DNS_FAIL, static or the answer's */
};

struct dns_config {
    struct span resolver[4]; /* "127.0.0.1", "127.0.0.1@5353": empty: /etc/resolv.conf */
    unsigned n_resolver;
    struct span trust_anchor_file;   /* empty: Debian's root key, when there */
    struct span unbound_config_file; /* extra options for libunbound, or empty */
    int64_t timeout_ms;
    struct span probe; /* a name whose SOA must be secure where the resolver validates */
};

struct dns;
struct dns_query;
/* Runs once, on the loop; the answer is borrowed for the call. */
typedef void dns_fn(void *arg, const struct dns_answer *a);

/* Reads all files it needs before it returns (a sandbox may follow). */
MUST_USE enum err dns_new(struct loop *l, const struct dns_config *config, struct dns **ret,
                          struct why *why);
void dns_free(struct dns *d);
/* name: A-labels. Answers within the configured time-out, from the cache in the next turn. */
struct dns_query *dns_ask(struct dns *d, struct span name, enum dns_type type, dns_fn *fn,
                          void *arg);
/* fn will not run. */
void dns_cancel(struct dns_query *q);

/* Record data. ERR_SYNTAX: not such a record. Names come out lower case, without the final dot. */
enum { DNS_NAME_MAX = 256 };
MUST_USE enum err dns_read_mx(struct span rdata, uint16_t *ret_preference,
                              char ret_name[static DNS_NAME_MAX]);
MUST_USE enum err dns_read_ip(struct span rdata, enum dns_type type, struct ip *ret);

#endif
