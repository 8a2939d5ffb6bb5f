/* Decoding does not depend on the cutting; encoding does neither, and what it emits is one mail to
 * a strict reader and to a lenient one (T-11). */
#include "proto/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct result {
    enum err e;
    struct buf text;
    size_t used;
};

static void decode(struct span in, size_t step, uint64_t line_max, struct result *ret)
{
    struct dot d;
    dot_init(&d, line_max);
    buf_init(&ret->text, in.n + 2);
    ret->e = ERR_AGAIN;
    for (size_t i = 0; i < in.n && ret->e == ERR_AGAIN; i += step) {
        struct span part = span_of(in.p + i, step < in.n - i ? step : in.n - i), piece;
        const char *end = part.p + part.n;
        while ((ret->e = dot_next(&d, &part, &piece)) == ERR_OK) {
            ASSERT(piece.n > 0);
            buf_put(&ret->text, piece);
        }
        ASSERT(ret->e != ERR_AGAIN || part.n == 0);
        ASSERT(part.p + part.n == end);
        ret->used = (size_t)(part.p - in.p);
    }
}

static void check_decode(struct span in, size_t step, uint64_t line_max)
{
    struct result whole = { 0 }, cut = { 0 };
    decode(in, in.n + 1, line_max, &whole);
    decode(in, step, line_max, &cut);
    ASSERT(whole.e == cut.e && whole.used == cut.used);
    ASSERT(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
    buf_done(&whole.text);
    buf_done(&cut.text);
}

/* No line end but CRLF, and a dot alone on its line only at the end. */
static void check_wire(struct span wire)
{
    ASSERT(wire.n >= 3 && span_eq(span_tail(wire, wire.n - 3), SPAN(".\r\n")));
    for (size_t i = 0; i < wire.n; i++) {
        ASSERT(wire.p[i] != '\r' || (i + 1 < wire.n && wire.p[i + 1] == '\n'));
        ASSERT(wire.p[i] != '\n' || (i > 0 && wire.p[i - 1] == '\r'));
        bool dot = wire.p[i] == '.' && (i == 0 || wire.p[i - 1] == '\n');
        ASSERT(!dot || i == wire.n - 3 || wire.p[i + 1] == '.');
    }
}

static void check_encode(struct span in, size_t step)
{
    struct buf one, many;
    struct dot_encoder a, b;
    buf_init(&one, 2 * in.n + 5);
    buf_init(&many, 2 * in.n + 5);
    dot_encoder_init(&a);
    dot_encoder_init(&b);
    ASSERT(dot_encode(&a, in, &one) == ERR_OK && dot_encode_end(&a, &one) == ERR_OK);
    for (size_t i = 0; i < in.n; i += step)
        ASSERT(dot_encode(&b, span_of(in.p + i, step < in.n - i ? step : in.n - i), &many) ==
               ERR_OK);
    ASSERT(dot_encode_end(&b, &many) == ERR_OK);
    ASSERT(a.mended == b.mended && span_eq(buf_span(&one), buf_span(&many)));
    check_wire(buf_span(&one));

    struct result back = { 0 };
    decode(buf_span(&one), one.n, 0, &back);
    ASSERT(back.e == ERR_CLOSED && back.used == one.n);
    ASSERT(a.mended > 0 || span_starts(buf_span(&back.text), in));
    buf_done(&back.text);
    buf_done(&one);
    buf_done(&many);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    size_t step = (size_t)data[0] % 8 + 1;
    struct span in = span_of((const char *)data + 2, n - 2);
    check_decode(in, step, data[1] % 32);
    check_encode(in, step);
    return 0;
}
