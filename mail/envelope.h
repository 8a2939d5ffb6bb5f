/* envelope.h - what is stored of a message beside its bytes.
 *
 * A plain value with an arena behind it. It prints itself as key=value text and reads that text
 * back (one line for the message, one a recipient): the store keeps exactly these lines.
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/ip.h"
#include "mail/tls_facts.h"

enum body_kind { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };
enum dsn_ret { DSN_RET_NONE, DSN_RET_FULL, DSN_RET_HDRS };
/* RFC 3461 4.1 NOTIFY, bits; 0: not given. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum { NOTIFY_WORDS = 4 };
extern const struct notify_word {
    unsigned bit;
    const char *word;
} notify_words[NOTIFY_WORDS];

/* The most that either line may need, if every byte of it must be escaped. */
enum { ENVELOPE_TEXT_MAX = 18432, RCPTS_MAX = 8000 };
/* Bytes of an organisation's name, and of a connector's id "organisation/connector". */
enum { ENVELOPE_ORG_MAX = 64, ENVELOPE_CONNECTOR_MAX = 129 };

struct rcpt {
    struct span addr;   /* local@domain as given */
    struct span domain; /* A-label form, lower case: what routing looks at */
    struct span orcpt;  /* RFC 3461 4.2, xtext as given ("rfc822;..."), or empty */
    unsigned notify;    /* NOTIFY_ bits */
};

struct envelope {
    uint64_t id; /* the queue id, unique in the installation; 0: not stored yet */
    int64_t accepted_ms;
    uint64_t size;     /* bytes of the message as stored, with our Received */
    struct span from;  /* reverse path without brackets; empty: a bounce */
    struct span envid; /* RFC 3461 4.4, xtext as given, or empty */
    enum dsn_ret ret;
    enum body_kind body_kind;
    bool smtputf8, eight_bit;
    bool requiretls, tls_required_no; /* kept from the start; judged by a contract */
    unsigned hops;                    /* Received fields when it came, ours included */
    struct span helo, client;         /* "[192.0.2.1]:port" of who sent it; empty: we did */
    struct span message_id;
    /* Names of the configuration when it came; whoever reads them later may not find them. */
    struct span org;       /* whose mail it is: set when it originates here, else empty */
    struct span connector; /* inbound, that it belonged to: "organisation/connector", or empty */
    struct span rule;      /* outbound, that a header field of the message named, or empty */
    bool from_on_premises; /* it came from the organisation's own server */
    struct span promoted;  /* the organisation whose attribution fields it has, or empty */
    struct tls_facts tls;  /* of the connection it came by */
    struct rcpt *rcpt;
    unsigned n_rcpt;
};

/* The message's line, without recipients. Never fails: a part over its limit, which no caller lets
 * in, is cut, and the limits add up to less than the room that out must have: ENVELOPE_TEXT_MAX. */
void envelope_print(const struct envelope *e, struct buf *out);
/* Reads such a line; recipients are left alone. Unknown keys are passed over. ERR_SYNTAX: a key
 * that must be there is not, or comes twice, or its value is none of ours. ERR_TOO_BIG. */
MUST_USE enum err envelope_read(struct span line, struct arena *a, struct envelope *ret);
void rcpt_print(const struct rcpt *r, struct buf *out);
MUST_USE enum err rcpt_read(struct span line, struct arena *a, struct rcpt *ret);

#endif
