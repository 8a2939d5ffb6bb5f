/* gzip: whatever comes in, no more comes out than the bounds allow; what we pack unpacks to itself,
 * in pieces of any size. */
#include "io/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { OUT_MAX = 256 * 1024 };

static enum err unpack(struct span in, size_t piece_n, struct buf *out)
{
    struct gunzip *g = gunzip_new(out);
    struct why why = { "" };
    enum err e = ERR_OK;
    while (in.n > 0 && e == ERR_OK) {
        struct span piece = span_head(in, piece_n < in.n ? piece_n : in.n);
        in = span_tail(in, piece.n);
        e = gunzip_input(g, piece, &why);
    }
    if (e == ERR_OK)
        e = gunzip_end(g, &why);
    ASSERT((e == ERR_OK) == (why.text[0] == 0));
    gunzip_free(g);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    struct buf a, b, packed;
    size_t piece_n = n > 0 ? 1 + data[0] % 97 : 1;
    buf_init(&a, OUT_MAX);
    buf_init(&b, OUT_MAX);
    buf_init(&packed, OUT_MAX + n + n / 2);
    enum err whole = unpack(in, n > 0 ? n : 1, &a), pieces = unpack(in, piece_n, &b);
    ASSERT(a.n <= GUNZIP_FREE_MAX || a.n <= n * GUNZIP_RATIO_MAX);
    /* the ratio may stop pieces earlier than the whole, never later */
    ASSERT(pieces != ERR_OK || (whole == ERR_OK && span_eq(buf_span(&a), buf_span(&b))));
    if (n <= OUT_MAX) {
        ASSERT(gzip(in, &packed) == ERR_OK);
        buf_clear(&b);
        enum err e = unpack(buf_span(&packed), piece_n, &b);
        ASSERT(e == ERR_TOO_BIG || (e == ERR_OK && span_eq(buf_span(&b), in)));
    }
    buf_done(&a);
    buf_done(&b);
    buf_done(&packed);
    return 0;
}
