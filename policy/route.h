/* route.h - where a recipient's mail goes: which route serves a domain. Pure values of a snapshot.
 *
 * Precedence: exact domain, then the longest wildcard, then "*", then MX of the domain itself.
 */
#ifndef POLICY_ROUTE_H
#define POLICY_ROUTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "mail/ip.h"
#include "policy/contract.h"

enum route_kind {
    ROUTE_MX,      /* MX of the recipient's domain (or of `host` when given) */
    ROUTE_SMTP,    /* these hosts, in order */
    ROUTE_LMTP,    /* these hosts, or a unix socket */
    ROUTE_MAILDIR, /* folder by template */
    ROUTE_KIND_COUNT_
};
/* "mx", "smtp", "lmtp", "maildir" */
const char *route_kind_name(enum route_kind kind);

struct node;

struct route_host {
    struct span name; /* "mx.example.org", "192.0.2.1", "/run/lmtp" */
    struct ip ip;     /* family IP_NONE: the name is to be resolved */
    uint16_t port;
    bool is_path;
};

struct route {
    enum route_kind kind;
    struct span pattern; /* "example.org", "*.example.org", "*" */
    struct route_host *host;
    unsigned n_host;
    const struct node *node;  /* ROUTE_SMTP: the hosts are this node's (node.h); else NULL */
    struct span maildir;      /* "/var/mail/{domain}/{local}" */
    struct contract contract; /* what the route demands */
    uint16_t port;            /* of MX hosts: 25 unless a test says else */
    struct span file;         /* where it was written, for explain: "postern.conf" */
    int line;
};

/* A domain we accept mail for. */
struct local_domain {
    struct span name;
    const struct route *route;
};

struct route_table {
    struct route *route;
    unsigned n_route;
    struct map exact;       /* lower-case pattern -> struct route * */
    struct route *fallback; /* pattern "*", or NULL */
    struct route mx_default;
};

/* n routes whose memory outlives the table; route_table_done frees the map. ERR_EXISTS: two routes
 * with one pattern: *ret_twice is the second, and there is nothing to free. */
MUST_USE enum err route_table_init(struct route_table *t, struct route *route, unsigned n,
                                   const struct hash_key *key, const struct route **ret_twice);
void route_table_done(struct route_table *t);
/* Never NULL. domain: A-labels, lower case. */
const struct route *route_find(const struct route_table *t, struct span domain);

/* Appends the key of a destination: everything that two recipients must share to share a session,
 * the contract's digest included: "mx:example.org#try.12.fs0". Of several hosts the key holds the
 * first, their number and a hash of all. At most DEST_KEY_MAX bytes; domain: a valid one. */
enum { DEST_KEY_MAX = 464 };
void route_key(const struct route *r, struct span domain, const struct contract *c,
               struct buf *out);
/* Reads a reroute override "host", "host:port", "[ip]:port" into a route of kind ROUTE_SMTP. Its
 * contract demands nothing: the caller joins what the route demands from which mail is moved.
 * ERR_SYNTAX; ERR_TOO_BIG: the arena is full. */
MUST_USE enum err route_override(struct span text, struct arena *a, struct route *ret);

/* Appends the Maildir of a recipient from a template with {domain}, {local}. local may be quoted.
 * What stands for a word is one name in a path: no '/', no leading dot, no "..", no control bytes,
 * well-formed UTF-8, at most 255 bytes; else ERR_REFUSED. ERR_SYNTAX: another word in braces.
 * ERR_TOO_BIG: out is full. */
MUST_USE enum err route_maildir(struct span pattern, struct span local, struct span domain,
                                struct buf *out);

#endif
