#include "proto/smtpd_line.h"

enum { HTTP_PREFIX_MAX = 8 };

void smtpd_line_init(struct smtpd_line *l, size_t line_bytes_max)
{
    ASSERT(line_bytes_max >= 2);
    *l = (struct smtpd_line){ .state = LINE_PART };
    buf_init(&l->held, line_bytes_max);
}

void smtpd_line_done(struct smtpd_line *l)
{
    buf_done(&l->held);
    l->state = LINE_PART;
    l->cr = false;
}

bool smtpd_line_empty(const struct smtpd_line *l)
{
    return l->state == LINE_PART && l->held.n == 0;
}

void smtpd_line_used(struct smtpd_line *l)
{
    if (l->state == LINE_USED)
        smtpd_line_done(l);
}

void smtpd_line_back(struct smtpd_line *l, struct span before, struct span *in)
{
    ASSERT(l->state == LINE_USED || l->state == LINE_PART);
    if (l->state == LINE_USED)
        l->state = LINE_WHOLE;
    else
        *in = before;
}

/* Does the line that begins with held and goes on with part begin as HTTP does? */
static bool smtpd_line_is_http(struct span held, struct span part)
{
    static const char *const starts[] = { "GET ",     "HEAD ",    "POST /", "PUT /",   "DELETE /",
                                          "CONNECT ", "OPTIONS ", "TRACE ", "PATCH /", "PRI *" };
    char text[HTTP_PREFIX_MAX];
    size_t n = held.n < sizeof(text) ? held.n : sizeof(text);
    size_t more = part.n < sizeof(text) - n ? part.n : sizeof(text) - n;
    if (n > 0)
        memcpy(text, held.p, n);
    if (more > 0)
        memcpy(text + n, part.p, more);
    for (size_t i = 0; i < COUNTOF(starts); i++) {
        if (span_starts(span_of(text, n + more), span_z(starts[i])))
            return true;
    }
    return false;
}

/* Adds what *in has of the line, up to its LF. ERR_OK: the line is whole; it lies in *ret_part
 * alone when nothing was held before. */
static enum err smtpd_line_add(struct smtpd_line *l, struct span *in, struct span *ret_part)
{
    if (in->n == 0)
        return ERR_AGAIN;
    const char *lf = memchr(in->p, '\n', in->n);
    struct span part = span_head(*in, lf ? (size_t)(lf - in->p) + 1 : in->n);
    *in = span_tail(*in, part.n);
    if (l->state == LINE_PART && smtpd_line_is_http(buf_span(&l->held), part))
        return ERR_REFUSED;

    bool cr = part.n >= 2 ? part.p[part.n - 2] == '\r' : l->cr;
    if (lf && !cr)
        return ERR_SYNTAX;
    l->cr = !lf && part.p[part.n - 1] == '\r';
    if (l->state == LINE_LONG || part.n + !lf > buf_room(&l->held)) {
        buf_release(&l->held);
        l->state = lf ? LINE_PART : LINE_LONG;
        return lf ? ERR_TOO_BIG : ERR_AGAIN;
    }
    if (!lf || l->held.n > 0)
        buf_put(&l->held, part);
    *ret_part = part;
    return lf ? ERR_OK : ERR_AGAIN;
}

enum err smtpd_line_take(struct smtpd_line *l, struct span *in, struct span *ret)
{
    ASSERT(l->state != LINE_USED);

    struct span line = SPAN_NONE;
    if (l->state == LINE_PART || l->state == LINE_LONG)
        TRY(smtpd_line_add(l, in, &line));
    if (l->held.n > 0) {
        l->state = LINE_USED;
        line = buf_span(&l->held);
    }
    *ret = span_head(line, line.n - 2);
    return ERR_OK;
}
