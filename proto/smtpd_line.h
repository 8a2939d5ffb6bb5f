/* smtpd_line.h - command lines out of a stream (RFC 5321 2.3.8), in any cutting.
 *
 * Private to smtpd. A line that lies in the input in one piece is borrowed from there; only one
 * that is cut is copied. Only CRLF ends a line. A line that is too long is thrown away as it comes.
 */
#ifndef PROTO_SMTPD_LINE_H
#define PROTO_SMTPD_LINE_H

#include "base/buf.h"

enum smtpd_line_state {
    LINE_PART,  /* `held` is the beginning of one, or empty */
    LINE_LONG,  /* it was longer than allowed: discarded up to its end */
    LINE_WHOLE, /* `held` is one that is to be looked at */
    LINE_USED,  /* ... that was returned and is borrowed from */
};

struct smtpd_line {
    struct buf held;
    enum smtpd_line_state state;
    bool cr; /* what was held or discarded ends in CR */
};

/* line_bytes_max: CRLF included, at least 2. No memory is taken before it is needed. */
void smtpd_line_init(struct smtpd_line *l, size_t line_bytes_max);
/* Forgets all and gives the memory back. */
void smtpd_line_done(struct smtpd_line *l);
/* Nothing held, nothing being discarded? */
bool smtpd_line_empty(const struct smtpd_line *l);

/* Takes the next line off *in, without its CRLF; it lives as long as *in and until
 * smtpd_line_used.
 * ERR_AGAIN: all eaten. ERR_TOO_BIG: the line was discarded. ERR_SYNTAX: a bare LF, close.
 * ERR_REFUSED: it begins as HTTP does, close. */
MUST_USE enum err smtpd_line_take(struct smtpd_line *l, struct span *in, struct span *ret);
/* The line that was taken is done with; or is to be taken again, `before` being what *in was. */
void smtpd_line_used(struct smtpd_line *l);
void smtpd_line_back(struct smtpd_line *l, struct span before, struct span *in);

#endif
