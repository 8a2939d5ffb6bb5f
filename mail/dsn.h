/* dsn.h - composes delivery status notifications (RFC 3461, 3464, 6522, 6533).
 *
 * Pure: the caller brings ids, dates and names. The notification is multipart/report with a part
 * for people, a message/delivery-status part, and the original's header or whole (RET), bounded.
 */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "mail/body.h"
#include "mail/envelope.h"
#include "mail/reply.h"

enum dsn_kind { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED };

struct dsn_rcpt {
    const struct rcpt *rcpt;
    enum dsn_kind kind;
    struct span reply;  /* as reply_print wrote it: "550 5.1.1 no such user" */
    struct span remote; /* name of the host that said so, or empty when it was us */
    int64_t last_attempt_ms;
    int64_t will_retry_until_ms; /* DSN_DELAYED */
};

struct dsn {
    struct span hostname; /* ours: Reporting-MTA, and postmaster's domain */
    const struct envelope *original;
    const struct body *body; /* the original, or as much of its start as is at hand; may be NULL */
    uint64_t id;
    int64_t now_ms;
    const struct dsn_rcpt *rcpt;
    unsigned n_rcpt;
};

/* Is a notification of this kind owed for this recipient? Never to a null sender; RFC 3461 5.2. */
bool dsn_wanted(const struct envelope *original, const struct rcpt *r, enum dsn_kind kind);
/* The whole message. The caller owns the body (one reference). */
struct body *dsn_compose(const struct dsn *d);

#endif
