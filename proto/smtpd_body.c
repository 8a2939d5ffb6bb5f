/* smtpd_body.c - start reading at smtpd_body_next. */
#include "proto/smtpd_body.h"

/* Beyond twice the largest message, so that a client that just misses the limit, or pipelines a
 * few refused ones, is answered and not cut off. */
enum { WASTED_BYTES_MIN = 1 << 20 };

void smtpd_body_init(struct smtpd_body *b, uint64_t message_bytes_max, uint64_t line_bytes_max)
{
    *b = (struct smtpd_body){ .message_bytes_max = message_bytes_max,
                              .line_bytes_max = line_bytes_max,
                              .wasted_bytes_max = WASTED_BYTES_MIN };
    if (message_bytes_max < (UINT64_MAX - WASTED_BYTES_MIN) / 2)
        b->wasted_bytes_max += 2 * message_bytes_max;
}

void smtpd_body_start(struct smtpd_body *b, enum body_kind kind)
{
    b->message_bytes = b->chunk_left = b->line_bytes = 0;
    b->fault = FAULT_NONE;
    b->chunked = b->last = b->cr = false;
    b->binary = kind == BODY_BINARYMIME;
}

void smtpd_body_dot(struct smtpd_body *b)
{
    ASSERT(!b->binary);
    dot_init(&b->dot, b->line_bytes_max);
}

static bool smtpd_body_fits(const struct smtpd_body *b, uint64_t n)
{
    ASSERT(b->message_bytes_max == 0 || b->message_bytes <= b->message_bytes_max);
    return b->message_bytes_max == 0 || n <= b->message_bytes_max - b->message_bytes;
}

/* A chunk counts as announced, in the dot form each byte as it comes: so the cutting of the input
 * never decides. */
static void smtpd_body_waste(struct smtpd_body *b, uint64_t n)
{
    b->wasted_bytes = n > UINT64_MAX - b->wasted_bytes ? UINT64_MAX : b->wasted_bytes + n;
}

enum err smtpd_body_chunk(struct smtpd_body *b, uint64_t n, bool last)
{
    ASSERT(b->chunk_left == 0 && b->fault == FAULT_NONE);

    b->chunked = true;
    b->chunk_left = b->chunk_bytes = n;
    b->last = last;
    if (smtpd_body_fits(b, n))
        return ERR_OK;
    b->fault = FAULT_SIZE;
    smtpd_body_waste(b, n);
    return ERR_TOO_BIG;
}

void smtpd_body_refuse(struct smtpd_body *b, uint64_t n)
{
    ASSERT(b->chunk_left == 0);
    b->chunked = true;
    b->chunk_left = b->chunk_bytes = n;
    b->fault = FAULT_REFUSED;
    smtpd_body_waste(b, n);
}

void smtpd_body_forgive(struct smtpd_body *b)
{
    b->wasted_bytes = 0;
}

/* Checks the line ends and lengths of text that came without dots, in any cutting. */
static enum smtpd_fault smtpd_body_text(struct smtpd_body *b, struct span s)
{
    size_t i = 0;
    if (b->cr && s.n > 0) {
        if (s.p[0] != '\n')
            return FAULT_LINE_END;
        b->cr = false;
        b->line_bytes = 0;
        i = 1;
    }
    while (i < s.n) {
        const char *lf = memchr(s.p + i, '\n', s.n - i);
        size_t end = lf ? (size_t)(lf - s.p) : s.n;
        const char *cr = memchr(s.p + i, '\r', end - i);
        size_t text = (cr ? (size_t)(cr - s.p) : end) - i;
        b->line_bytes += text;
        if (b->line_bytes_max != 0 && b->line_bytes > b->line_bytes_max)
            return FAULT_LINE;
        b->cr = cr && i + text + 1 == s.n;
        if (b->cr || (!cr && !lf))
            return FAULT_NONE;
        if (!cr || cr + 1 != lf)
            return FAULT_LINE_END;
        b->line_bytes = 0;
        i = end + 1;
    }
    return FAULT_NONE;
}

static enum smtpd_step smtpd_body_fail(struct smtpd_body *b, enum smtpd_fault fault)
{
    ASSERT(b->fault == FAULT_NONE && fault != FAULT_NONE);
    b->fault = fault;
    return STEP_FAULT;
}

/* The end of a chunk; a message that ends in half a line end is one with a bare CR. */
static enum smtpd_step smtpd_body_chunk_end(struct smtpd_body *b)
{
    if (b->fault == FAULT_NONE && b->last && b->cr)
        return smtpd_body_fail(b, FAULT_LINE_END);
    return b->last ? STEP_END : STEP_CHUNK;
}

static enum smtpd_step smtpd_body_next_chunk(struct smtpd_body *b, struct span *in,
                                             struct span *ret_piece)
{
    if (b->chunk_left == 0)
        return smtpd_body_chunk_end(b);
    if (in->n == 0)
        return STEP_MORE;

    size_t n = in->n < b->chunk_left ? in->n : (size_t)b->chunk_left;
    struct span piece = span_head(*in, n);
    *in = span_tail(*in, n);
    b->chunk_left -= n;
    if (b->fault != FAULT_NONE)
        return b->chunk_left == 0 ? smtpd_body_chunk_end(b) : STEP_MORE;

    enum smtpd_fault fault = b->binary ? FAULT_NONE : smtpd_body_text(b, piece);
    if (fault != FAULT_NONE) {
        smtpd_body_waste(b, b->chunk_bytes);
        return smtpd_body_fail(b, fault);
    }
    b->message_bytes += n;
    *ret_piece = piece;
    return STEP_PIECE;
}

static enum smtpd_step smtpd_body_next_dot(struct smtpd_body *b, struct span *in,
                                           struct span *ret_piece)
{
    struct span piece;
    enum err e = dot_next(&b->dot, in, &piece);
    if (e == ERR_CLOSED)
        return STEP_END;
    if (e == ERR_SYNTAX)
        return STEP_FRAMING;
    if (e == ERR_AGAIN)
        return STEP_MORE;
    if (e == ERR_TOO_BIG) {
        b->dot.line_bytes_max = 0;
        return smtpd_body_fail(b, FAULT_LINE);
    }
    if (b->fault != FAULT_NONE) {
        smtpd_body_waste(b, piece.n);
        return STEP_MORE;
    }
    if (!smtpd_body_fits(b, piece.n)) {
        smtpd_body_waste(b, piece.n - (b->message_bytes_max - b->message_bytes));
        b->dot.line_bytes_max = 0;
        return smtpd_body_fail(b, FAULT_SIZE);
    }
    b->message_bytes += piece.n;
    *ret_piece = piece;
    return STEP_PIECE;
}

enum smtpd_step smtpd_body_next(struct smtpd_body *b, struct span *in, struct span *ret_piece)
{
    enum smtpd_step step;
    do {
        if (b->wasted_bytes > b->wasted_bytes_max)
            return STEP_FLOOD;
        step = b->chunked ? smtpd_body_next_chunk(b, in, ret_piece)
                          : smtpd_body_next_dot(b, in, ret_piece);
    } while (step == STEP_MORE && in->n > 0);
    return step;
}
