/* DKIM's canonical forms: they are their own canonical form, and changing blanks at the ends of
 * lines does not change them; no header makes the signed text hold a line that is not a field. */
#include "mail/dkim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_body(struct span body)
{
    struct buf once, twice;
    buf_init(&once, body.n + 2);
    dkim_body(body, &once);
    struct span s = buf_span(&once);
    buf_init(&twice, s.n + 2);
    dkim_body(s, &twice);
    ASSERT(span_eq(buf_span(&twice), s));
    ASSERT(s.n == 0 || (s.n > 2 && s.p[s.n - 1] == '\n' && s.p[s.n - 2] == '\r'));
    ASSERT(s.n < 4 || s.p[s.n - 3] != '\n' || s.p[s.n - 4] != '\r');
    buf_done(&once);
    buf_done(&twice);
}

static void check_header(struct span header)
{
    static const struct span names[] = { SPAN("from"), SPAN("from"), SPAN("to"), SPAN("x") };
    struct dkim d = { .field = names, .n_field = COUNTOF(names), .now_ms = 1 };
    struct buf out, field;
    buf_init(&out, header.n + 100);
    buf_init(&field, header.n + 100);
    if (dkim_text(&d, header, SPAN("DKIM-Signature: b="), &out) == ERR_OK) {
        ASSERT(out.n >= 17);
        ASSERT(span_ends_nocase(buf_span(&out), SPAN("dkim-signature:b=")));
    } else {
        ASSERT(out.n == 0);
    }
    buf_clear(&out);
    if (dkim_field(header, &out) == ERR_OK) {
        ASSERT(dkim_field(buf_span(&out), &field) == ERR_OK);
        ASSERT(span_eq(buf_span(&field), buf_span(&out)));
    }
    buf_done(&out);
    buf_done(&field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span message = span_of((const char *)data, n), header, body;
    dkim_split(message, &header, &body);
    ASSERT(header.n + body.n <= n);
    check_body(message);
    check_body(body);
    check_header(header);
    return 0;
}
