/* smtpd_body.h - how one message comes in: after DATA up to the dot, or in BDAT chunks (RFC 3030).
 *
 * Private to smtpd.c. It decodes, counts, and judges; what is answered is smtpd.c's business. A
 * body that cannot be taken is still read to its end, so that no byte of it can become a command,
 * but what is read in vain is bounded: wasted_bytes_max for the whole session.
 */
#ifndef PROTO_SMTPD_BODY_H
#define PROTO_SMTPD_BODY_H

#include "mail/envelope.h"
#include "proto/dot.h"

/* Why the body that is being read is discarded. */
enum smtpd_fault {
    FAULT_NONE,
    FAULT_REFUSED,  /* it was not wanted from the start, and that is answered already */
    FAULT_SIZE,     /* over message_bytes_max */
    FAULT_LINE,     /* a line over line_bytes_max */
    FAULT_LINE_END, /* a bare CR or LF in a chunk without BODY=BINARYMIME */
    FAULT_COUNT_
};

enum smtpd_step {
    STEP_MORE,    /* all eaten */
    STEP_PIECE,   /* *ret_piece */
    STEP_FAULT,   /* from here on it is discarded; said once */
    STEP_END,     /* of the message, or of the last chunk */
    STEP_CHUNK,   /* of a chunk, not the last */
    STEP_FRAMING, /* bare CR or LF after DATA: where it ends is anybody's guess. Close */
    STEP_FLOOD,   /* too much was read in vain. Close */
};

struct smtpd_body {
    uint64_t message_bytes_max, line_bytes_max, wasted_bytes_max; /* the first two: 0: any */
    uint64_t message_bytes;
    uint64_t wasted_bytes; /* in the whole session */
    struct dot dot;
    uint64_t chunk_bytes, chunk_left, line_bytes;
    enum smtpd_fault fault;
    bool chunked, last, binary, cr;
};

void smtpd_body_init(struct smtpd_body *b, uint64_t message_bytes_max, uint64_t line_bytes_max);
/* Starts a message, before its dot form or its first chunk. */
void smtpd_body_start(struct smtpd_body *b, enum body_kind kind);
void smtpd_body_dot(struct smtpd_body *b);
/* One more chunk. ERR_TOO_BIG: the message is too big with it; the fault is set. */
MUST_USE enum err smtpd_body_chunk(struct smtpd_body *b, uint64_t n, bool last);
/* A chunk that nobody wants. */
void smtpd_body_refuse(struct smtpd_body *b, uint64_t n);
/* The session proved itself: what was wasted is forgiven. */
void smtpd_body_forgive(struct smtpd_body *b);

/* Eats from *in. The piece is borrowed from *in or static, never empty. */
enum smtpd_step smtpd_body_next(struct smtpd_body *b, struct span *in, struct span *ret_piece);

#endif
