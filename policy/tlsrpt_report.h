/* tlsrpt_report.h - composes what is sent for TLS reporting: the JSON report of one domain's day,
 * the name of its file, and the mail that carries it (RFC 8460 4.4, 5.1, 5.3). Pure: compressing is
 * io/gzip.h's business, signing io/tls_dkim.h's, and both know nothing of reports.
 *
 *   sums --tlsrpt_report_json--> text --gzip--> bytes --tlsrpt_report_mail--> message --sign-->
 * queue
 *                                                 `---- POST to a https: address (5.4)
 */
#ifndef POLICY_TLSRPT_REPORT_H
#define POLICY_TLSRPT_REPORT_H

#include "policy/tlsrpt_day.h"

enum {
    TLSRPT_ID_MAX = 64,
    TLSRPT_JSON_MAX = 10 * 1024 * 1024, /* any domain's sums fit, with names of 1 KiB */
    TLSRPT_FILE_NAME_MAX = 2 * 255 + 2 * 20 + TLSRPT_ID_MAX + 20,
    TLSRPT_MAIL_HEAD_MAX = 8 * 1024, /* of a mail, what is not the attachment */
};
/* Media types of a report that is posted or attached. */
#define TLSRPT_TYPE_JSON "application/tlsrpt+json"
#define TLSRPT_TYPE_GZIP "application/tlsrpt+gzip"

/* Who reports. */
struct tlsrpt_reporter {
    struct span organization; /* a name for people */
    struct span contact;      /* a mail address */
    struct span submitter;    /* our domain: the one that signs */
    struct span id;           /* of the report: unique, letters and digits, at most TLSRPT_ID_MAX */
    int64_t day_ms;           /* as tlsrpt_day_of gives it */
};

/* Appends the report. Bytes that are no UTF-8 become U+FFFD. ERR_TOO_BIG: out is full, and holds
 * what it held before. */
MUST_USE enum err tlsrpt_report_json(const struct tlsrpt_reporter *r, const struct tlsrpt_domain *d,
                                     struct buf *out);

/* "mx.sender.example!example.net!1470013200!1470099599!id.json.gz"; room for TLSRPT_FILE_NAME_MAX.
 */
void tlsrpt_report_file_name(const struct tlsrpt_reporter *r, struct span domain, struct buf *out);

struct tlsrpt_mail {
    struct span from;   /* mailbox of ours: in the submitter's domain, for DKIM to align */
    struct span to;     /* as tlsrpt_mailbox gave it */
    struct span domain; /* the report's */
    struct span gz;     /* the report, compressed */
    int64_t now_ms;
};

/* How many bytes the mail will have at most. */
size_t tlsrpt_report_mail_max(const struct tlsrpt_mail *m);
/* Appends the message, unsigned: CRLF line ends, 7-bit, lines of at most 998 bytes. out has room
 * for tlsrpt_report_mail_max. It says that TLS is not to be required of it (TLS-Required: No,
 * RFC 8689 3), for a report must arrive just when TLS fails (RFC 8460 5.3.1). */
void tlsrpt_report_mail(const struct tlsrpt_reporter *r, const struct tlsrpt_mail *m,
                        struct buf *out);

/* What the mail's DKIM signature covers, for struct dkim: not TLS-Required, which relays may take
 * away; those that readers judge by are listed once more, so that nobody adds a second one. */
enum { TLSRPT_SIGNED_FIELDS = 14 };
extern const struct span tlsrpt_signed_fields[TLSRPT_SIGNED_FIELDS];

#endif
