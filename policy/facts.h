/* facts.h - all that decide() looks at, as a plain value. Three-valued: yes, no, cannot tell, and
 * "cannot tell" never weakens a channel.
 *
 * Facts print themselves as text, one key=value line a host, and read that text back: a debug log,
 * a bug report, `postern explain --facts FILE` and a unit test are the same file.
 */
#ifndef POLICY_FACTS_H
#define POLICY_FACTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/ip.h"
#include "policy/contract.h"

enum tri { TRI_UNKNOWN, TRI_NO, TRI_YES };
const char *tri_name(enum tri t);

/* DNSSEC state of an answer; gathered now, judged by DANE. */
enum security { SECURITY_UNKNOWN, SECURITY_INSECURE, SECURITY_SECURE, SECURITY_BOGUS };

enum {
    FACTS_HOSTS_MAX = 10,
    FACTS_IPS_MAX = 8,
    FACTS_STRING_MAX = 512,     /* of a name or failure; facts_print cuts what is longer */
    FACTS_TEXT_MAX = 64 * 1024, /* whatever the facts, facts_print needs no more */
};

struct host_facts {
    struct span name;
    uint16_t preference;
    struct ip ip[FACTS_IPS_MAX];
    unsigned n_ip;
    enum tri has_ip;           /* unknown: the lookup failed */
    enum security mx_security; /* of the MX answer that named it */
    enum security ip_security;
    bool is_us;   /* one of our names or addresses */
    bool is_path; /* unix socket: name is the path */
    /* learnt by trying, in this attempt */
    enum tri connected;
    enum tri starttls_offered;
    enum tri handshake;  /* NO: it was tried and failed, or STARTTLS was refused */
    enum tri channel;    /* NO: the handshake was well, but broke the contract */
    enum breach breach;  /* channel NO: what it broke; NONE: that was not kept */
    struct span failure; /* in words */
};

struct facts {
    int64_t now_ms;     /* wall */
    struct span domain; /* what was looked up */
    enum tri has_mx;    /* NO: proven absent (implicit MX); UNKNOWN: lookup failed */
    bool configured;    /* the hosts are the route's, in its order: no MX, no loop to look for */
    bool null_mx;       /* RFC 7505 */
    enum tri domain_exists;  /* NO: NXDOMAIN */
    struct span dns_failure; /* in words, when something is unknown */
    struct host_facts host[FACTS_HOSTS_MAX];
    unsigned n_host;
    int64_t expires_ms; /* wall: the least TTL */
};

/* One line for the domain and one for each host, values in xtext (RFC 3461):
 *
 *   domain=example.org now=1700000000000 configured=no mx=yes null-mx=no exists=yes failure=
 * expires=0 host=mx.example.org preference=10 ip=192.0.2.1,[2001:db8::1]:25 has-ip=yes
 * mx-security=secure ...
 */
void facts_print(const struct facts *f, struct buf *out);
/* Reads that text: one domain line, host lines, empty lines and lines that start with '#', in any
 * order. domain= or host= comes first in its line; other keys may be absent: unknown, no, zero.
 * ERR_SYNTAX, ERR_TOO_BIG (too many hosts, or the arena is full): why names the line, ret is
 * untouched. Strings are the arena's. */
struct why;
MUST_USE enum err facts_read(struct span text, struct arena *a, struct facts *ret, struct why *why);

#endif
