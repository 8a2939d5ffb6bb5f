/* tlsreport.h - reads TLS reports that others sent (RFC 8460 4): the JSON text, already unpacked,
 * into plain structs. The text is foreign: its size, depth, number of values, number of each thing
 * and length of each string are bounded before or while it is read.
 *
 * It is lenient where senders deviate: unknown members are passed over; what is optional or often
 * left out may be missing or null; one thing may stand where an array of it should; "mx-host" may
 * be called "mx-host-pattern", "failure-reason-code" "failure-error-code"; counts may be strings; a
 * byte order mark may stand in front. Strings are kept as they came: UTF-8, perhaps with control
 * characters; who shows them makes them fit.
 */
#ifndef CTL_TLSREPORT_H
#define CTL_TLSREPORT_H

#include "base/arena.h"
#include "base/why.h"

enum {
    TLSREPORT_BYTES_MAX = 16 * 1024 * 1024,
    TLSREPORT_DEPTH_MAX = 12,
    TLSREPORT_VALUES_MAX = 200000, /* members and elements of the whole text, about */
    TLSREPORT_POLICIES_MAX = 500,
    TLSREPORT_FAILURES_MAX = 20000, /* of the whole report */
    TLSREPORT_LINES_MAX = 200,      /* of a policy, and as many MX patterns */
    TLSREPORT_STRING_MAX = 2048,
    TLSREPORT_ARENA_MAX = 64 * 1024 * 1024,
};

/* An absent string is empty. */
struct tlsreport_failure {
    struct span result; /* result-type: "certificate-expired", or what they call it */
    struct span sending_ip, receiving_ip;
    struct span mx, helo;     /* receiving-mx-hostname, receiving-mx-helo */
    struct span reason, info; /* failure-reason-code, additional-information */
    uint64_t n;
};

struct tlsreport_policy {
    struct span type; /* "sts", "tlsa", "no-policy-found", or what they call it */
    struct span domain;
    struct span *line; /* policy-string */
    unsigned n_line;
    struct span *mx; /* mx-host: patterns */
    unsigned n_mx;
    uint64_t well, failed;
    struct tlsreport_failure *failure;
    unsigned n_failure;
};

struct tlsreport {
    struct span organization, contact, id;
    int64_t begin_ms, end_ms; /* wall */
    struct tlsreport_policy *policy;
    unsigned n_policy;
};

/* Reads one report. All that *ret points to is the arena's, whose maximum is TLSREPORT_ARENA_MAX or
 * less. ERR_SYNTAX: no JSON, or no report: an object with report-id, date-range and policies, each
 * with a policy-domain. ERR_TOO_BIG: over a limit. why says what; *ret is untouched. */
MUST_USE enum err tlsreport_read(struct span text, struct arena *a, struct tlsreport *ret,
                                 struct why *why);

#endif
