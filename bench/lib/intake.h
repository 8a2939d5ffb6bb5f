/* intake.h - the sink's half of an SMTP conversation: bytes in, replies out, no sockets.
 *
 * It takes everything that looks like SMTP, keeps nothing of a message but its bench id and its
 * size, and believes that its peer is a mail server under test, not an attacker. With DATA the
 * size is counted as sent: stuffed dots are not taken out.
 */
#ifndef BENCH_LIB_INTAKE_H
#define BENCH_LIB_INTAKE_H

#include "base/rng.h"
#include "bench/lib/ledger.h"

struct buf;

/* What all conversations of a sink share. */
struct intake_rules {
    bool tls, chunking;      /* what EHLO offers */
    unsigned reject_percent; /* of RCPTs, with 450 */
    struct rng rng;
    struct ledger ledger;
    int64_t (*now_ns)(void);
};

enum intake_state { INTAKE_COMMAND, INTAKE_DATA, INTAKE_CHUNK };
enum { INTAKE_LINE_MAX = 1024, INTAKE_HEAD_MAX = 4096, INTAKE_TAIL = 4 };

struct intake {
    struct intake_rules *rules;
    enum intake_state state;
    bool in_tls, has_mail, last_chunk, wants_tls, wants_close;
    uint64_t n_rcpt, n_taken; /* recipients; messages taken since the caller last cleared it */
    uint64_t bytes, chunk_left;
    size_t n_line, n_head, n_tail;
    char line[INTAKE_LINE_MAX]; /* a command that has not ended */
    char head[INTAKE_HEAD_MAX]; /* where the bench id stands */
    char tail[INTAKE_TAIL];     /* the last bytes of DATA: the dot may be cut anywhere */
};

void intake_init(struct intake *in, struct intake_rules *rules);
void intake_greet(struct intake *in, struct buf *out);
/* The handshake is through: begin again (RFC 3207 4.2). */
void intake_secured(struct intake *in);
/* Takes all of the bytes; replies are appended to `out`. Afterwards wants_tls and wants_close say
 * what is to follow once `out` is sent; bytes that came behind STARTTLS or QUIT are dropped.
 * ERR_TOO_BIG: a line or the replies grew beyond measure, close the connection. */
MUST_USE enum err intake_feed(struct intake *in, struct span bytes, struct buf *out);

#endif
