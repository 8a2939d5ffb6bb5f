/* session.h - one slot of the load generator: it opens a connection, sends so many messages,
 * closes, and begins again as long as the plan has messages.
 *
 *   CLOSED -> GREETING -> EHLO -> STARTTLS -> SHAKE -> EHLO_TLS -> READY -> QUIT -> CLOSED
 *                           |                                     ^   |        ^
 *                           +---------- in clear -----------------+   v        |
 *                                           BODY <- DATA <- RCPT <- MAIL       |
 *                                             +---> READY, or after the last --+
 *
 * With a plan of idle connections READY is HELD: nothing more is sent. Any unexpected reply fails
 * the message in hand and closes the connection. */
#ifndef BENCH_LIB_SESSION_H
#define BENCH_LIB_SESSION_H

#include "bench/lib/plan.h"

enum stage {
    STAGE_CLOSED,
    STAGE_GREETING,
    STAGE_EHLO,
    STAGE_STARTTLS,
    STAGE_SHAKE,
    STAGE_EHLO_TLS,
    STAGE_READY,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,
    STAGE_BODY,
    STAGE_QUIT,
    STAGE_HELD,
    STAGE_COUNT_
};

struct session {
    struct plan *plan;
    struct wire wire;
    struct list link; /* in plan->waiting, or in none */
    enum stage stage;
    bool has_message, can_pipeline, can_tls;
    uint64_t seq, n_sent; /* the message in hand; how many this connection took */
    int64_t opened_ns, start_ns;
    struct buf in, rcpt;
};

/* In the list of those that want a message. */
void session_init(struct session *s, struct plan *plan);
void session_done(struct session *s);
/* Takes a session out of the list of the waiting: it claims a message and goes on with it.
 * Does nothing but wait on when no message is due. */
void session_kick(struct session *s, int64_t now_ns);
/* After an event of the socket: reads, answers, writes, until nothing moves any more. */
void session_run(struct session *s);

#endif
