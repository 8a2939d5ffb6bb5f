/* reply.h - SMTP replies: a code, an enhanced status code (RFC 3463) and text.
 *
 * Written to peers by smtpd, read from peers by smtpc. A reply's text may have several lines,
 * separated by '\n' in memory, never by CR.
 */
#ifndef MAIL_REPLY_H
#define MAIL_REPLY_H

#include "base/buf.h"

enum { REPLY_LINE_MAX = 1000, REPLY_TEXT_MAX = 2000, REPLY_LINES_MAX = 100 };
/* What reply_write may need, and reply_print at least. */
enum { REPLY_WIRE_MAX = 4096, REPLY_PRINT_MIN = 16 };

/* RFC 3463 "class.subject.detail"; all zero: none given. */
struct status {
    uint8_t class; /* 2, 4, 5 */
    uint16_t subject, detail;
};

struct reply {
    int code; /* 200..599 */
    struct status status;
    struct span text; /* without code and status; borrowed */
};

#define REPLY(code_, c, s, d, literal) ((struct reply){ (code_), { (c), (s), (d) }, SPAN(literal) })

static inline bool reply_ok(const struct reply *r)
{
    return r->code >= 200 && r->code < 300;
}
static inline bool reply_transient(const struct reply *r)
{
    return r->code >= 400 && r->code < 500;
}
static inline bool reply_permanent(const struct reply *r)
{
    return r->code >= 500;
}

/* Appends the wire form with CRLFs, long texts folded into lines of at most 500 bytes; bytes that
 * could break a line or a terminal, and 8-bit ones, become '?'. enhanced: write the status as well.
 * Text over REPLY_TEXT_MAX bytes or REPLY_LINES_MAX lines is cut. */
void reply_write(const struct reply *r, bool enhanced, struct buf *out);
/* "250 2.1.5 text" on one line (further lines joined by " / "), for logs, traces and DSNs.
 * Control bytes become '?'; well-formed UTF-8 stays. The text is cut where out is full. */
void reply_print(const struct reply *r, struct buf *out);
/* The inverse of reply_print: reads "code [status] text". ERR_SYNTAX. */
MUST_USE enum err reply_read(struct span s, struct reply *ret);

/* Takes whole replies out of a stream, line by line, in any chunking. Keeps its own bounded copy.
 * A missing text is tolerated. A bare CR or LF, differing codes in one reply and codes outside
 * 200..599 are errors: a peer that is unsure where its lines end is not to be guessed at. */
struct reply_parser {
    struct buf line;      /* the line being read */
    struct buf text;      /* lines gathered, '\n' between */
    struct status status; /* of the first line */
    int code;
    unsigned lines;
    bool cut; /* the reply that was returned last had more text */
};
void reply_parser_init(struct reply_parser *p);
void reply_parser_done(struct reply_parser *p);
/* Eats from *in. ERR_OK: *ret is a whole reply, its text valid until the next call; the rest of
 * *in is untouched. ERR_AGAIN: all eaten. ERR_SYNTAX, ERR_TOO_BIG: not SMTP; give up.
 * Text over REPLY_TEXT_MAX is cut, for the code says what matters: p->cut tells whoever reads
 * meaning in the lines. */
MUST_USE enum err reply_next(struct reply_parser *p, struct span *in, struct reply *ret);

#endif
