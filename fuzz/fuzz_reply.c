/* Replies from a stream: the result does not depend on the cut, and what was read can be written
 * and printed within the promised room. */
#include "mail/reply.h"

enum { SEEN_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_forms(const struct reply *r)
{
    struct buf b;
    struct reply again;
    buf_init(&b, REPLY_WIRE_MAX);
    reply_print(r, &b);
    ASSERT(reply_read(buf_span(&b), &again) == ERR_OK);
    ASSERT(again.code == r->code);
    buf_clear(&b);
    reply_write(r, true, &b);
    struct reply_parser p;
    reply_parser_init(&p);
    struct span in = buf_span(&b);
    ASSERT(reply_next(&p, &in, &again) == ERR_OK && in.n == 0);
    ASSERT(again.code == r->code);
    reply_parser_done(&p);
    buf_done(&b);
}

static enum err feed(struct reply_parser *p, struct span in, struct buf *seen)
{
    struct reply r;
    enum err e;
    while ((e = reply_next(p, &in, &r)) == ERR_OK) {
        ASSERT(r.code >= 200 && r.code <= 599);
        ASSERT(r.text.n <= REPLY_TEXT_MAX && span_find(r.text, '\r') == r.text.n);
        check_forms(&r);
        if (buf_room(seen) > 2 * REPLY_TEXT_MAX)
            buf_putf(seen, "%d %u %.*s|", r.code, (unsigned)r.status.detail, SPAN_ARG(r.text));
    }
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct span in = span_of((const char *)data + 2, n - 2);
    size_t cut = (size_t)(data[0] << 8 | data[1]) % (in.n + 1);
    struct reply_parser whole, parts;
    struct buf a, b;
    buf_init(&a, SEEN_BYTES_MAX);
    buf_init(&b, SEEN_BYTES_MAX);
    reply_parser_init(&whole);
    reply_parser_init(&parts);
    enum err end = feed(&whole, in, &a);
    enum err end_parts = feed(&parts, span_head(in, cut), &b);
    if (end_parts == ERR_AGAIN)
        end_parts = feed(&parts, span_tail(in, cut), &b);
    ASSERT(end == end_parts);
    ASSERT(span_eq(buf_span(&a), buf_span(&b)));
    reply_parser_done(&whole);
    reply_parser_done(&parts);
    buf_done(&a);
    buf_done(&b);
    return 0;
}
