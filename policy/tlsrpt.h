/* tlsrpt.h - what SMTP TLS Reporting (RFC 8460) writes into DNS and calls things: the TXT record,
 * its addresses, the kinds of policy and of failure. Counting is tlsrpt_day.h's business, the
 * report and its mail are tlsrpt_report.h's.
 *
 *   _smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:tls@example.org,https://r.example.org/v1"
 */
#ifndef POLICY_TLSRPT_H
#define POLICY_TLSRPT_H

#include "base/buf.h"
#include "base/why.h"

enum {
    TLSRPT_RUA_MAX = 8, /* addresses of one record that are used; the others are passed over */
    TLSRPT_URI_MAX = 1024,
    TLSRPT_TXT_STRINGS_MAX = 64, /* strings of one TXT record that are looked at */
};

/* RFC 8460 4.3, in its order. The last three are of the policy, not of an MX host. */
enum tlsrpt_result {
    TLSRPT_STARTTLS_NOT_SUPPORTED,
    TLSRPT_CERTIFICATE_HOST_MISMATCH,
    TLSRPT_CERTIFICATE_EXPIRED,
    TLSRPT_CERTIFICATE_NOT_TRUSTED,
    TLSRPT_VALIDATION_FAILURE,     /* anything else that failed: the reason says what */
    TLSRPT_TLSA_INVALID,           /* no usable record, or none that fits the chain */
    TLSRPT_DNSSEC_INVALID,         /* no valid records from the resolver */
    TLSRPT_DANE_REQUIRED,          /* we require DANE there, and the domain has none */
    TLSRPT_STS_POLICY_FETCH_ERROR, /* not connected, timeout, or sts_answer_check said no */
    TLSRPT_STS_POLICY_INVALID,     /* sts_policy_read said no */
    TLSRPT_STS_WEBPKI_INVALID,     /* the policy host's certificate is no good */
    TLSRPT_RESULT_COUNT_,
};

enum tlsrpt_type { TLSRPT_TLSA, TLSRPT_STS, TLSRPT_NO_POLICY, TLSRPT_TYPE_COUNT_ };

/* "certificate-expired"; "tlsa", "sts", "no-policy-found". */
const char *tlsrpt_result_name(enum tlsrpt_result r);
const char *tlsrpt_type_name(enum tlsrpt_type t);
/* ERR_SYNTAX: no such name. */
MUST_USE enum err tlsrpt_result_read(struct span s, enum tlsrpt_result *ret);
MUST_USE enum err tlsrpt_type_read(struct span s, enum tlsrpt_type *ret);

enum tlsrpt_scheme { TLSRPT_MAILTO, TLSRPT_HTTPS };

/* Where reports are wanted. uri is as it stands in the record; its bytes are printable ASCII. */
struct tlsrpt_rua {
    enum tlsrpt_scheme scheme;
    struct span uri;
};

struct tlsrpt_record {
    struct tlsrpt_rua rua[TLSRPT_RUA_MAX];
    unsigned n_rua; /* from 1 on */
    struct buf text;
};

/* One TXT record as DNS has it: one or more strings. */
struct tlsrpt_txt {
    const struct span *string;
    unsigned n;
};

/* No memory is taken. */
void tlsrpt_record_init(struct tlsrpt_record *r);
void tlsrpt_record_done(struct tlsrpt_record *r);
/* The one record among n that begins with "v=TLSRPTv1" and a semicolon; others are passed over, and
 * so are unknown fields, addresses of other schemes and addresses that are malformed. The strings
 * of a record are joined with nothing between them; spans of r->rua are borrowed from r.
 * ERR_NOT_FOUND: no such record. ERR_REFUSED: several, or one without an address that is of use.
 * Both mean: no reports (RFC 8460 3). After an error n_rua is 0. */
MUST_USE enum err tlsrpt_txt_read(const struct tlsrpt_txt *txt, unsigned n, struct tlsrpt_record *r,
                                  struct why *why);

/* Appends the mailbox of a mailto: URI, percent-decoded, without what follows a '?'. ERR_SYNTAX: it
 * is no mailbox that mail could be sent to. ASCII only. */
MUST_USE enum err tlsrpt_mailbox(struct span uri, struct buf *out);

/* The parts of a https: URI; spans are borrowed from it. */
struct tlsrpt_https {
    struct span host; /* a name of two labels at least, never an address */
    uint16_t port;
    struct span target; /* "/v1?x", as an HTTP request has it; empty: "/" */
};
/* ERR_SYNTAX: not such a URI, or with a user, or with an address for a host (T-44). What addresses
 * the host has is to be judged by who connects. */
MUST_USE enum err tlsrpt_https(struct span uri, struct tlsrpt_https *ret);

#endif
