/* tlsrpt_day.h - the sums of one day for TLS reports (RFC 8460 4.4): for each policy domain and
 * each policy that was applied, how many sessions went well, and how many failed of what.
 *
 *   tlsrpt_day -- domain -- policy (type, strings): well, failed
 *                             +-- failure (result, MX, addresses, reason): n
 *
 * Each worker counts into one of these; sums are merged, and printed and read as text for the
 * store. Memory is bounded at birth, and nobody's names can use up the others': a domain has a
 * bounded number of policies, a policy of failures. What finds no place is counted, too (lost, and
 * a policy's `failed`). Days are those of UTC.
 */
#ifndef POLICY_TLSRPT_DAY_H
#define POLICY_TLSRPT_DAY_H

#include "base/arena.h"
#include "base/map.h"
#include "mail/ip.h"
#include "policy/tlsrpt.h"

enum {
    TLSRPT_POLICIES_MAX = 16,  /* of a domain */
    TLSRPT_FAILURES_MAX = 100, /* of a policy */
    TLSRPT_STRINGS_MAX = 20 * 1024,
    TLSRPT_REASON_MAX = 200,
};

struct tlsrpt_failure {
    enum tlsrpt_result result;
    struct ip sending, receiving; /* IP_NONE: not known; ports do not count */
    struct span mx;               /* host name; empty: the failure is of no host */
    struct span reason;           /* failure-reason-code, plain text; may be empty */
    uint64_t n;
    struct tlsrpt_failure *next;
};

struct tlsrpt_policy {
    enum tlsrpt_type type;
    struct span strings; /* lines that end in LF: what sts_policy_print wrote, or TLSA data */
    uint64_t well, failed;
    unsigned n_failure;
    struct tlsrpt_failure *failure; /* their sum may be less than failed */
    struct tlsrpt_policy *next;
};

struct tlsrpt_domain {
    struct span name; /* lower case, without a trailing dot */
    unsigned n_policy;
    struct tlsrpt_policy *policy;
    struct tlsrpt_domain *next;
};

struct tlsrpt_day {
    int64_t day_ms; /* its 00:00 UTC */
    struct arena arena;
    struct map by_name;
    struct tlsrpt_domain *first, **last; /* in the order of their coming */
    unsigned n_domain;
    uint64_t lost; /* sessions that found no place */
};

/* One session, or n alike. */
struct tlsrpt_session {
    struct span domain; /* of the policy: the recipient's */
    enum tlsrpt_type type;
    struct span strings; /* as above; what is over TLSRPT_STRINGS_MAX is left out, by lines */
    uint64_t n;
    bool failed;
    struct tlsrpt_failure failure; /* when it failed; n and next are not looked at */
};

/* The start of the day that the time is in. */
int64_t tlsrpt_day_of(int64_t wall_ms);

/* day_ms: as tlsrpt_day_of gives it. bytes_max: about what it may take. */
void tlsrpt_day_init(struct tlsrpt_day *d, int64_t day_ms, size_t bytes_max,
                     const struct hash_key *key);
void tlsrpt_day_done(struct tlsrpt_day *d);
/* The domain is a host name; strings and reason may be anything. Everything is copied. */
void tlsrpt_day_add(struct tlsrpt_day *d, const struct tlsrpt_session *s);
/* Adds the sums of `from`, which is of the same day. */
void tlsrpt_day_merge(struct tlsrpt_day *d, const struct tlsrpt_day *from);
/* NULL: nothing was counted. */
const struct tlsrpt_domain *tlsrpt_day_get(const struct tlsrpt_day *d, struct span domain);

/* The sums as text, one line each:
 *
 *   tlsrpt1 <day_ms> <lost>
 *   domain example.org
 *   policy sts <well> <failed> <strings>
 *   failure certificate-expired <n> <sending> <receiving> <mx> <reason>
 *   end <lines before this>
 *
 * with "-" for what is empty; strings and reason are xtext (RFC 3461). ERR_TOO_BIG: out is full. */
MUST_USE enum err tlsrpt_day_print(const struct tlsrpt_day *d, struct buf *out);
/* Adds the sums of a text to d. ERR_SYNTAX: not such a text, or not whole: why names the line;
 * ERR_REFUSED: of another day. Nothing was added then. */
MUST_USE enum err tlsrpt_day_read(struct tlsrpt_day *d, struct span text, struct why *why);

#endif
