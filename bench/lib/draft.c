/* draft.c - see draft.h. */
#include "bench/lib/draft.h"

#include "base/rng.h"
#include "base/when.h"

#include <inttypes.h>
#include <stdio.h>

enum { LINE_BYTES = 76 };

void draft_init(struct draft *d, size_t bytes, const char *tag)
{
    ASSERT(bytes >= DRAFT_BYTES_MIN);
    static const char LETTERS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct rng r;
    rng_init(&r, 1);
    *d = (struct draft){ .bytes = bytes, .tag = tag };
    buf_init(&d->text, bytes + 8);

    size_t text_bytes = bytes - DRAFT_HEADER_BYTES;
    for (size_t at = 0; at + 2 < text_bytes; at++) {
        size_t column = at % (LINE_BYTES + 2);
        char c = LETTERS[rng_below(&r, 64)];
        if (column >= LINE_BYTES)
            c = column == LINE_BYTES ? '\r' : '\n';
        buf_put(&d->text, span_of(&c, 1));
    }
    /* A CR at the very end would meet the CRLF below. */
    if (d->text.p[d->text.n - 1] == '\r')
        d->text.p[d->text.n - 1] = '=';
    buf_put(&d->text, SPAN("\r\n.\r\n"));
}

void draft_done(struct draft *d)
{
    if (d)
        buf_done(&d->text);
}

const char *draft_id(const struct draft *d, uint64_t seq, char ret[static DRAFT_ID_BYTES_MAX])
{
    snprintf(ret, DRAFT_ID_BYTES_MAX, "%s-%" PRIu64, d->tag, seq);
    return ret;
}

void draft_header(const struct draft *d, const struct draft_head *h, struct buf *out)
{
    char id[DRAFT_ID_BYTES_MAX], date[WHEN_BYTES_MAX];
    size_t before = out->n;
    draft_id(d, h->seq, id);
    buf_putf(out,
             "X-Bench-Id: %s %" PRId64 "\r\nFrom: <%.*s>\r\nTo: <%.*s>\r\nDate: %s\r\n"
             "Message-ID: <%s@bench.example>\r\nSubject: bench\r\nX-Fill: ",
             id, h->start_ns, SPAN_ARG(h->from), SPAN_ARG(h->rcpt), when_rfc5322(h->wall_ms, date),
             id);
    size_t used = out->n - before;
    ASSERT(used + 4 < DRAFT_HEADER_BYTES);
    for (size_t i = used; i + 4 < DRAFT_HEADER_BYTES; i++)
        buf_put(out, SPAN("-"));
    buf_put(out, SPAN("\r\n\r\n"));
}

void draft_rcpt(const char *pattern, uint64_t seq, uint64_t n_domains, struct buf *out)
{
    ASSERT(n_domains > 0);
    buf_clear(out);
    struct span rest = span_z(pattern);
    while (rest.n > 0) {
        bool number = span_starts(rest, SPAN("%d")), domain = span_starts(rest, SPAN("%D"));
        if (number || domain) {
            buf_putf(out, "%" PRIu64, number ? seq : seq % n_domains);
            rest = span_tail(rest, 2);
            continue;
        }
        buf_put(out, span_head(rest, 1));
        rest = span_tail(rest, 1);
    }
}
