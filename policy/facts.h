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

/* What is known of the TLSA records of one host, RFC 7672 2.2. FAILED and BOGUS are "cannot tell".
 */
enum tlsa_state {
    TLSA_NOT_ASKED, /* nobody looked: DANE is off, or the host is an address or a path */
    TLSA_NONE,      /* proven: the host's addresses are not secure, so that nothing is to be looked
                       up (RFC 7672 2.2.2), or there are no records, or they are not secure */
    TLSA_FOUND,  /* secure records: host_facts.tlsa has them, those that cannot be used counted */
    TLSA_FAILED, /* the lookup failed: SERVFAIL, no answer in time */
    TLSA_BOGUS,  /* DNSSEC says that the answer is forged */
    TLSA_STATE_COUNT_
};

/* What is known of the MTA-STS policy that counts for one host: RFC 8461 3.4: of the recipient's
 * domain; of a host that configuration names, of that name. */
enum sts_state {
    STS_NOT_ASKED, /* nobody looked: MTA-STS is off, or the host is an address or a path */
    STS_NONE,      /* no record and no policy in the cache; or the policy's mode is none */
    STS_TESTING,
    STS_ENFORCE,
    STS_FAILED, /* cannot tell: DNS, HTTPS or the policy's text failed and none alive is cached */
    STS_STATE_COUNT_
};

enum {
    FACTS_HOSTS_MAX = 10,
    FACTS_IPS_MAX = 8,
    FACTS_STRING_MAX = 512,      /* of a name or failure; facts_print cuts what is longer */
    FACTS_TEXT_MAX = 192 * 1024, /* whatever the facts, facts_print needs no more */
};

struct host_facts {
    struct span name;
    uint16_t preference;
    struct ip ip[FACTS_IPS_MAX];
    unsigned n_ip;
    enum tri has_ip;           /* unknown: the lookup failed */
    enum security mx_security; /* of the MX answer that named it */
    enum security ip_security;
    enum tlsa_state tlsa_state;
    struct tlsa_set tlsa;  /* FOUND: at least one record, usable or not */
    struct span tlsa_base; /* where they were found: the host's name as it stands in the MX, or what
                              its secure CNAMEs lead to (RFC 7672 2.1.3, 2.2.2): also the name in
                              SNI, and the first of those that DANE-TA looks for */
    enum sts_state sts;
    enum tri sts_match;     /* TESTING, ENFORCE: a pattern of the policy names this host */
    struct span sts_domain; /* whose policy it is */
    struct span sts_id;     /* its id, RFC 8461 3.1 */
    int64_t sts_fetched_ms; /* wall: when it was last fetched, or found unchanged */
    bool is_us;             /* one of our names or addresses */
    bool is_path;           /* unix socket: name is the path */
    /* learnt by trying, in this attempt */
    enum tri connected;
    enum tri starttls_offered;
    enum tri handshake;  /* NO: it was tried and failed, or STARTTLS was refused */
    enum tri channel;    /* NO: the handshake was well, but broke the contract */
    enum breach breach;  /* channel NO: what it broke; NONE: that was not kept */
    enum tri requiretls; /* the channel is what it must be, and under it REQUIRETLS is announced */
    struct span failure; /* in words */
};

struct facts {
    int64_t now_ms;     /* wall */
    struct span domain; /* what was looked up */
    enum tri has_mx;    /* NO: proven absent (implicit MX); UNKNOWN: lookup failed */
    bool configured;    /* the hosts are the route's, in its order: no MX, no loop to look for */
    bool null_mx;       /* RFC 7505 */
    enum security mx_security; /* BOGUS: has_mx is unknown because DNSSEC says that the answer is
                                  forged; of others host_facts.mx_security tells */
    enum tri domain_exists;    /* NO: NXDOMAIN */
    struct span dns_failure;   /* in words, when something is unknown */
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

/* One key of a host's line (host: of *f), or of the domain's (host NULL), set as facts_read does.
 * ERR_NOT_FOUND: there is no such key in such a line. ERR_SYNTAX, ERR_TOO_BIG: *f is untouched, why
 * says which values there are. */
MUST_USE enum err facts_set(struct facts *f, struct host_facts *host, struct span key,
                            struct span value, struct arena *a, struct why *why);
/* "starttls ": the keys of a line, a blank behind each. */
void facts_keys(bool host, struct buf *out);

#endif
