/* gzip: what is packed unpacks to itself in any pieces; bombs stay small (T-44). */
#include "base/rng.h"
#include "io/gzip.h"
#include "test/test.h"

enum { OUT_MAX = 1 << 20 };

/* "hello\n" by another program. */
static const char hello[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00"
    "\x20\x30\x3a\x36\x06\x00\x00\x00";
static const struct span hello_gz = { hello, sizeof(hello) - 1 };

/* Unpacks in pieces of n bytes. */
static enum err unpack(struct span in, size_t n, struct buf *out, struct why *why)
{
    struct gunzip *g = gunzip_new(out);
    enum err e = ERR_OK;
    while (in.n > 0 && e == ERR_OK) {
        size_t part = in.n < n ? in.n : n;
        e = gunzip_input(g, span_head(in, part), why);
        in = span_tail(in, part);
    }
    if (e == ERR_OK)
        e = gunzip_end(g, why);
    gunzip_free(g);
    return e;
}

static void pack(struct span in, struct buf *out)
{
    buf_clear(out);
    CHECK_NUM(gzip(in, out), ERR_OK);
    CHECK(gzip_looks(buf_span(out)));
}

TEST(gzip_known_answer)
{
    struct buf out;
    struct why why;
    buf_init(&out, 100);
    for (size_t n = 1; n <= hello_gz.n; n++) {
        buf_clear(&out);
        CHECK_NUM(unpack(hello_gz, n, &out, &why), ERR_OK);
        CHECK_Z(buf_span(&out), "hello\n");
    }
    buf_done(&out);
    /* a bound that is just right, and one that is not */
    buf_init(&out, 6);
    CHECK_NUM(unpack(hello_gz, 100, &out, &why), ERR_OK);
    buf_done(&out);
    buf_init(&out, 5);
    CHECK_NUM(unpack(hello_gz, 100, &out, &why), ERR_TOO_BIG);
    CHECK_NUM(out.n, 5);
    buf_done(&out);
}

TEST(t44_gzip_damage)
{
    struct buf out;
    struct why why;
    char bad[sizeof(hello)];
    buf_init(&out, 100);
    for (size_t i = 0; i < hello_gz.n; i++) {
        buf_clear(&out);
        CHECK_NUM(unpack(span_head(hello_gz, i), 3, &out, &why), ERR_SYNTAX);
        memcpy(bad, hello, sizeof(bad));
        bad[i] = (char)(bad[i] ^ 0x41);
        buf_clear(&out);
        enum err e = unpack(span_of(bad, hello_gz.n), 100, &out, &why);
        /* time, and the system it was packed on, are nobody's business */
        CHECK((i >= 4 && i <= 9) ? e == ERR_OK : e != ERR_OK);
    }
    memcpy(bad, hello, sizeof(bad)); /* with the NUL behind it */
    CHECK_NUM(unpack(span_of(bad, sizeof(bad)), 100, &out, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "gzip: bytes behind its end");
    CHECK_NUM(unpack(SPAN("{\"report-id\""), 100, &out, &why), ERR_SYNTAX);
    CHECK_NUM(unpack(SPAN_NONE, 100, &out, &why), ERR_SYNTAX);
    buf_done(&out);
}

TEST(gzip_round_trips)
{
    struct buf in, packed, out;
    struct rng rng;
    struct why why = { "" };
    rng_init(&rng, 1952);
    buf_init(&in, OUT_MAX);
    buf_init(&packed, OUT_MAX);
    buf_init(&out, OUT_MAX);
    for (size_t n = 0; n < 200000; n = n * 3 + 1) {
        while (in.n < n)
            buf_put(&in, rng_chance(&rng, 1, 3) ? SPAN("certificate-expired")
                                                : span_of((char[]){ (char)rng_u64(&rng) }, 1));
        pack(buf_span(&in), &packed);
        for (size_t piece = 1; piece < 100000; piece = piece * 7 + 2) {
            buf_clear(&out);
            CHECK_NUM(unpack(buf_span(&packed), piece, &out, &why), ERR_OK);
            CHECK_SPAN(buf_span(&out), buf_span(&in));
        }
    }
    buf_done(&in);
    buf_done(&packed);
    buf_done(&out);
}

TEST(t44_gzip_bombs)
{
    struct buf zeros, packed, out;
    struct why why;
    char *p;
    buf_init(&zeros, 64 << 20);
    buf_init(&packed, OUT_MAX);
    CHECK_NUM(buf_reserve(&zeros, zeros.max, &p), ERR_OK);
    memset(p, 0, zeros.max);
    buf_added(&zeros, zeros.max);
    pack(buf_span(&zeros), &packed);
    CHECK(packed.n < 100000);
    /* by the ratio: the bound itself would let it pass */
    buf_init(&out, 100 << 20);
    CHECK_NUM(unpack(buf_span(&packed), 4096, &out, &why), ERR_TOO_BIG);
    CHECK(out.n <= (size_t)GUNZIP_RATIO_MAX * packed.n);
    buf_done(&out);
    /* by the bound */
    buf_init(&out, OUT_MAX);
    CHECK_NUM(unpack(buf_span(&packed), 1 << 20, &out, &why), ERR_TOO_BIG);
    CHECK_NUM(out.n, OUT_MAX);
    buf_done(&out);
    /* little may come of little */
    pack(span_head(buf_span(&zeros), GUNZIP_FREE_MAX), &packed);
    CHECK(packed.n < 200);
    buf_init(&out, OUT_MAX);
    CHECK_NUM(unpack(buf_span(&packed), 10, &out, &why), ERR_OK);
    buf_done(&out);
    buf_done(&zeros);
    buf_done(&packed);
}

TEST(gzip_out_full)
{
    struct buf out;
    struct span in = SPAN("0123456789abcdefghijklmnopqrstuvwxyz");
    for (size_t max = 0; max < 30; max++) {
        buf_init(&out, max);
        CHECK_NUM(gzip(in, &out), ERR_TOO_BIG);
        CHECK_NUM(out.n, 0);
        buf_done(&out);
    }
}
