/* dot.c - start reading at dot_next and at dot_encode. Both walk whole lines with memchr; a byte is
 * looked at alone only where a piece of input ends in the middle of something. */
#include "proto/dot.h"

void dot_init(struct dot *d, uint64_t line_bytes_max)
{
    *d = (struct dot){ .state = DOT_LINE_START, .line_bytes_max = line_bytes_max };
}

/* Counts n more bytes of the line; returns how many of them it may have. */
static size_t dot_line_add(struct dot *d, size_t n)
{
    ASSERT(d->line_bytes_max == 0 || d->line_bytes <= d->line_bytes_max);

    if (d->line_bytes_max != 0 && n > d->line_bytes_max - d->line_bytes)
        n = (size_t)(d->line_bytes_max - d->line_bytes);
    d->line_bytes += n;
    if (n > 0)
        d->state = DOT_LINE;
    return n;
}

/* How many bytes at the front of s go out as they are: lines, and a part of one, up to the first
 * byte that dot_odd must look at. */
static size_t dot_run(struct dot *d, struct span s)
{
    size_t i = 0;
    while (i < s.n && !(d->state == DOT_LINE_START && s.p[i] == '.')) {
        const char *lf = memchr(s.p + i, '\n', s.n - i);
        size_t end = lf ? (size_t)(lf - s.p) : s.n;
        const char *cr = memchr(s.p + i, '\r', end - i);
        size_t text = (cr ? (size_t)(cr - s.p) : end) - i;

        size_t fits = dot_line_add(d, text);
        if (fits < text || !cr || !lf || cr + 1 != lf)
            return i + fits;
        i = end + 1;
        d->state = DOT_LINE_START;
        d->line_bytes = 0;
    }
    return i;
}

/* The byte before which dot_run stopped at once: half a line end, a dot, or an error. */
static enum err dot_odd(struct dot *d, struct span *in)
{
    switch (in->p[0]) {
    case '\n':
        return ERR_SYNTAX;
    case '\r':
        d->state = DOT_CR;
        break;
    case '.':
        if (d->state == DOT_LINE_START) {
            d->state = DOT_DOT;
            break;
        }
        return ERR_TOO_BIG;
    default:
        ASSERT(d->line_bytes_max != 0 && d->line_bytes == d->line_bytes_max);
        return ERR_TOO_BIG;
    }
    *in = span_tail(*in, 1);
    return ERR_OK;
}

/* The byte after a dot at a line's start. A dot before text was stuffed, and is dropped. */
static enum err dot_after_dot(struct dot *d, struct span *in)
{
    if (in->p[0] == '\n')
        return ERR_SYNTAX;
    d->state = DOT_LINE;
    if (in->p[0] == '\r') {
        d->state = DOT_DOT_CR;
        *in = span_tail(*in, 1);
    }
    return ERR_OK;
}

enum err dot_next(struct dot *d, struct span *in, struct span *ret_piece)
{
    ASSERT(d->state != DOT_END);

    while (in->n > 0) {
        bool half_end = d->state == DOT_CR || d->state == DOT_DOT_CR;
        if (half_end && in->p[0] != '\n')
            return ERR_SYNTAX;
        if (half_end) {
            *in = span_tail(*in, 1);
            d->state = d->state == DOT_CR ? DOT_LINE_START : DOT_END;
            d->line_bytes = 0;
            if (d->state == DOT_END)
                return ERR_CLOSED;
            *ret_piece = SPAN("\r\n");
            return ERR_OK;
        }
        if (d->state == DOT_DOT) {
            TRY(dot_after_dot(d, in));
            continue;
        }
        size_t n = dot_run(d, *in);
        if (n > 0) {
            *ret_piece = span_head(*in, n);
            *in = span_tail(*in, n);
            return ERR_OK;
        }
        TRY(dot_odd(d, in));
    }
    return ERR_AGAIN;
}

void dot_encoder_init(struct dot_encoder *d)
{
    *d = (struct dot_encoder){ .line_start = true };
}

/* A CR that ended the last piece went out as CRLF already: its LF is dropped, and anything else
 * shows that it was bare. Returns how many bytes of s are done with. */
static size_t dot_encode_cr(struct dot_encoder *d, struct span s)
{
    bool whole = s.p[0] == '\n';
    d->mended += !whole;
    d->cr = false;
    return whole ? 1 : 0;
}

/* dot_encode without its promise: on failure d and out are left half done. */
static enum err dot_encode_run(struct dot_encoder *d, struct span s, struct buf *out)
{
    size_t i = d->cr ? dot_encode_cr(d, s) : 0;
    size_t from = i;          /* what stands between here and i is yet to be copied */
    const char *lf = s.p + i; /* the LF after i; looked for again only once it is passed */
    bool seek = true;

    while (i < s.n) {
        if (d->line_start && s.p[i] == '.') {
            TRY(buf_append(out, span_of(s.p + from, i - from)));
            TRY(buf_addc(out, '.'));
            from = i;
        }
        if (seek)
            lf = memchr(s.p + i, '\n', s.n - i);
        size_t end = lf ? (size_t)(lf - s.p) : s.n;
        const char *cr = memchr(s.p + i, '\r', end - i);
        bool crlf = cr && lf && cr + 1 == lf;
        d->line_start = cr || lf;
        if (crlf || !d->line_start) {
            i = crlf ? end + 1 : s.n;
            seek = true;
            continue;
        }
        size_t bare = cr ? (size_t)(cr - s.p) : end;
        TRY(buf_append(out, span_of(s.p + from, bare - from)));
        TRY(buf_append(out, SPAN("\r\n")));
        i = from = bare + 1;
        d->cr = cr && i == s.n;
        d->mended += !d->cr;
        seek = !cr;
    }
    return buf_append(out, span_of(s.p + from, s.n - from));
}

enum err dot_encode(struct dot_encoder *d, struct span piece, struct buf *out)
{
    if (piece.n == 0)
        return ERR_OK;

    struct dot_encoder before = *d;
    size_t n = out->n;
    enum err e = dot_encode_run(d, piece, out);
    if (e != ERR_OK) {
        *d = before;
        buf_truncate(out, n);
    }
    return e;
}

enum err dot_encode_end(struct dot_encoder *d, struct buf *out)
{
    struct span end = d->line_start ? SPAN(".\r\n") : SPAN("\r\n.\r\n");
    TRY(buf_append(out, end));
    d->mended += d->cr;
    d->cr = false;
    return ERR_OK;
}
