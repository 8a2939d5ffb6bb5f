/* dot.h - takes the dots out of an SMTP DATA stream and puts them in (RFC 5321 section 4.5.2).
 *
 * Pure: no I/O, no allocation, no clock, and no copy: decoded pieces are borrowed from the input.
 * Feed it bytes in any chunking; the concatenated result does not depend on where the chunks were
 * cut (test_dot.c proves it by trying every cut).
 *
 * Only CRLF ends a line. A bare CR or bare LF is a syntax error, so that "LF . CRLF" can never be
 * read as an end of mail by one server and not by the next (SMTP smuggling).
 */
#ifndef PROTO_DOT_H
#define PROTO_DOT_H

#include "base/buf.h"

enum dot_state { DOT_LINE_START, DOT_LINE, DOT_CR, DOT_DOT, DOT_DOT_CR, DOT_END };

struct dot {
    enum dot_state state;
    uint64_t line_bytes; /* of the line being read, without its end */
    uint64_t line_bytes_max;
};

/* line_bytes_max: longest line of text accepted, without CRLF; 0: any. */
void dot_init(struct dot *d, uint64_t line_bytes_max);

/* Takes the next decoded piece off the front of *in.
 *
 * Returns ERR_OK      *ret_piece holds decoded bytes, never empty, borrowed from *in or static
 *         ERR_CLOSED  the end of mail was seen; bytes behind it are left in *in
 *         ERR_AGAIN   *in is all eaten, more to come
 *         ERR_SYNTAX  bare CR or LF; the session must be closed
 *         ERR_TOO_BIG a line over line_bytes_max
 * *ret_piece is untouched on all but ERR_OK. */
MUST_USE enum err dot_next(struct dot *d, struct span *in, struct span *ret_piece);

/* The other direction: dots are doubled at line starts. Its input must have CRLF line ends only
 * where a strict next hop is to read it; a bare CR or LF is written as CRLF (counted in `mended`),
 * so that nothing we emit can be read as two messages (T-11). */
struct dot_encoder {
    bool line_start, cr;
    uint64_t mended;
};
void dot_encoder_init(struct dot_encoder *d);
/* Appends the encoded piece; ERR_TOO_BIG when out is full (then nothing was appended). */
MUST_USE enum err dot_encode(struct dot_encoder *d, struct span piece, struct buf *out);
/* Appends what ends the mail: a missing CRLF, then ".CRLF". */
MUST_USE enum err dot_encode_end(struct dot_encoder *d, struct buf *out);

#endif
