#include "base/rng.h"
#include "proto/dot.h"
#include "test/test.h"

enum { OUT_MAX = 1 << 20 };

/* Decodes in pieces cut at a and b; what is decoded goes to out. *ret_left: bytes behind the end.
 */
static enum err decode(struct span in, size_t a, size_t b, uint64_t line_max, struct buf *out,
                       size_t *ret_left)
{
    struct dot d;
    dot_init(&d, line_max);
    size_t at[] = { 0, a, b, in.n };
    for (int i = 0; i < 3; i++) {
        struct span part = span_of(in.p + at[i], at[i + 1] - at[i]);
        struct span piece;
        enum err e;
        while ((e = dot_next(&d, &part, &piece)) == ERR_OK) {
            CHECK(piece.n > 0);
            buf_put(out, piece);
        }
        if (e == ERR_AGAIN) {
            CHECK(part.n == 0);
            continue;
        }
        *ret_left = (size_t)(in.p + in.n - part.p);
        return e;
    }
    return ERR_AGAIN;
}

struct dot_case {
    const char *name;
    struct span in;
    enum err want;
    struct span text;
    size_t left; /* bytes that are not the mail's */
};

static const struct dot_case dot_cases[] = {
    { "empty mail", { ".\r\n", 3 }, ERR_CLOSED, { "", 0 }, 0 },
    { "one line", { "a\r\n.\r\n", 6 }, ERR_CLOSED, { "a\r\n", 3 }, 0 },
    { "empty lines", { "\r\n\r\n.\r\n", 7 }, ERR_CLOSED, { "\r\n\r\n", 4 }, 0 },
    { "rest is left", { "a\r\n.\r\nQUIT\r\n", 12 }, ERR_CLOSED, { "a\r\n", 3 }, 6 },
    { "stuffed dot", { "..\r\n.\r\n", 7 }, ERR_CLOSED, { ".\r\n", 3 }, 0 },
    { "three dots", { "...a\r\n.\r\n", 9 }, ERR_CLOSED, { "..a\r\n", 5 }, 0 },
    { "dot and text", { ".a\r\n.\r\n", 7 }, ERR_CLOSED, { "a\r\n", 3 }, 0 },
    { "dot inside", { "a.b.\r\n.\r\n", 9 }, ERR_CLOSED, { "a.b.\r\n", 6 }, 0 },
    { "dots and line",
      { "..\r\na\r\n..b\r\n.\r\n", 15 },
      ERR_CLOSED,
      { ".\r\na\r\n.b\r\n", 10 },
      0 },
    { "no end", { "a\r\nb", 4 }, ERR_AGAIN, { "a\r\nb", 4 }, 0 },
    { "nul", { "\0\r\n.\0\r\n.\r\n", 10 }, ERR_CLOSED, { "\0\r\n\0\r\n", 6 }, 0 },
    { "t10 LF.LF", { "a\n.\nb", 5 }, ERR_SYNTAX, { "a", 1 }, 4 },
    { "t10 LF.CRLF", { "a\n.\r\n", 5 }, ERR_SYNTAX, { "a", 1 }, 4 },
    { "t10 CRLF.LF", { "a\r\n.\nb", 6 }, ERR_SYNTAX, { "a\r\n", 3 }, 2 },
    { "t10 CRLF.CR", { "a\r\n.\rb", 6 }, ERR_SYNTAX, { "a\r\n", 3 }, 1 },
    { "t10 CR.CRLF", { "a\r.\r\n", 5 }, ERR_SYNTAX, { "a", 1 }, 3 },
    { "t10 CRCRLF", { "a\r\r\n.\r\n", 7 }, ERR_SYNTAX, { "a", 1 }, 5 },
    { "t10 CRLF.CRCRLF", { "a\r\n.\r\r\n", 7 }, ERR_SYNTAX, { "a\r\n", 3 }, 2 },
    { "line fits", { "12345\r\n12345\r\n.\r\n", 17 }, ERR_CLOSED, { "12345\r\n12345\r\n", 14 }, 0 },
    { "line too long", { "12345\r\n123456\r\n", 15 }, ERR_TOO_BIG, { "12345\r\n12345", 12 }, 3 },
    { "stuffed dot is not counted", { ".12345\r\n.\r\n", 11 }, ERR_CLOSED, { "12345\r\n", 7 }, 0 },
    { "too long, a dot", { "12345.\r\n", 8 }, ERR_TOO_BIG, { "12345", 5 }, 3 },
};

TEST(t10_dot_every_cut)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < COUNTOF(dot_cases); i++) {
        const struct dot_case *c = &dot_cases[i];
        test_case(c->name);
        for (size_t a = 0; a <= c->in.n; a++) {
            for (size_t b = a; b <= c->in.n; b++) {
                size_t left = 0;
                buf_clear(&out);
                CHECK_NUM(decode(c->in, a, b, 5, &out, &left), c->want);
                CHECK_SPAN(buf_span(&out), c->text);
                CHECK_NUM(left, c->left);
            }
        }
    }
    buf_done(&out);
}

/* All 27 line ends of {CR, LF, CRLF} before, {".", "", ".."} and after, and NUL: only one of them
 * ends a mail, and none with a bare byte passes. */
TEST(t10_dot_all_combinations)
{
    const struct span ends[] = { SPAN("\r"), SPAN("\n"), SPAN("\r\n"), SPAN(""), SPAN("\0") };
    const struct span dots[] = { SPAN("."), SPAN(""), SPAN("..") };
    struct buf in, out;
    buf_init(&in, 100);
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < COUNTOF(ends) * COUNTOF(ends) * COUNTOF(dots); i++) {
        size_t before = i % 5, after = i / 5 % 5, dot = i / 25;
        buf_clear(&in);
        buf_put(&in, SPAN("text"));
        buf_put(&in, ends[before]);
        buf_put(&in, dots[dot]);
        buf_put(&in, ends[after]);
        buf_put(&in, SPAN("MAIL FROM:<second@x>\r\n.\r\n"));
        bool bare = before < 2 || after < 2;
        if (before == 0 && after == 1 && dot == 1)
            bare = false; /* CR and LF met */
        bool ends_here = before == 2 && dot == 0 && after == 2;
        for (size_t cut = 0; cut <= in.n; cut++) {
            size_t left = 0;
            buf_clear(&out);
            enum err e = decode(buf_span(&in), cut, cut, 0, &out, &left);
            CHECK_NUM(e, bare ? ERR_SYNTAX : ERR_CLOSED);
            CHECK_NUM(!bare && left > 0, ends_here);
        }
    }
    buf_done(&in);
    buf_done(&out);
}

/* A line that was too long can be read on with the limit lifted, to find the end of the mail. */
TEST(dot_goes_on_after_too_big)
{
    struct span in = SPAN("1234567\r\n.\r\nQ"), piece;
    struct dot d;
    dot_init(&d, 5);
    CHECK(dot_next(&d, &in, &piece) == ERR_OK);
    CHECK(dot_next(&d, &in, &piece) == ERR_TOO_BIG);
    d.line_bytes_max = 0;
    CHECK(dot_next(&d, &in, &piece) == ERR_OK);
    CHECK_Z(piece, "67\r\n");
    CHECK(dot_next(&d, &in, &piece) == ERR_CLOSED);
    CHECK_Z(in, "Q");
}

TEST(dot_pieces_are_borrowed)
{
    struct span in = SPAN("a\r\nb\r\nc"), whole = in, piece;
    struct dot d;
    dot_init(&d, 0);
    CHECK(dot_next(&d, &in, &piece) == ERR_OK);
    CHECK(piece.p == whole.p && piece.n == whole.n);
}

struct encode_case {
    const char *name;
    struct span in, want;
    uint64_t mended;
};

static const struct encode_case encode_cases[] = {
    { "empty", { "", 0 }, { ".\r\n", 3 }, 0 },
    { "line", { "a\r\n", 3 }, { "a\r\n.\r\n", 6 }, 0 },
    { "no line end", { "a", 1 }, { "a\r\n.\r\n", 6 }, 0 },
    { "dot", { ".", 1 }, { "..\r\n.\r\n", 7 }, 0 },
    { "dots", { ".\r\n..\r\na.\r\n", 11 }, { "..\r\n...\r\na.\r\n.\r\n", 16 }, 0 },
    { "t11 bare LF", { "a\n.\nb\r\n", 7 }, { "a\r\n..\r\nb\r\n.\r\n", 13 }, 2 },
    { "t11 bare CR", { "a\r.\rb", 5 }, { "a\r\n..\r\nb\r\n.\r\n", 13 }, 2 },
    { "t11 LF.CRLF", { "a\n.\r\n", 5 }, { "a\r\n..\r\n.\r\n", 10 }, 1 },
    { "t11 CRLF.LF", { "a\r\n.\nb", 6 }, { "a\r\n..\r\nb\r\n.\r\n", 13 }, 1 },
    { "t11 CRCRLF", { "a\r\r\n", 4 }, { "a\r\n\r\n.\r\n", 8 }, 1 },
    { "t11 LFCR", { "a\n\r", 3 }, { "a\r\n\r\n.\r\n", 8 }, 2 },
    { "t11 CR at the end", { "a\r", 2 }, { "a\r\n.\r\n", 6 }, 1 },
    { "t11 many", { "\r\r\n\n\r.\n", 7 }, { "\r\n\r\n\r\n\r\n..\r\n.\r\n", 15 }, 4 },
};

TEST(t11_encode_every_cut)
{
    struct buf out;
    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < COUNTOF(encode_cases); i++) {
        const struct encode_case *c = &encode_cases[i];
        test_case(c->name);
        for (size_t a = 0; a <= c->in.n; a++) {
            for (size_t b = a; b <= c->in.n; b++) {
                struct dot_encoder d;
                dot_encoder_init(&d);
                buf_clear(&out);
                CHECK(dot_encode(&d, span_head(c->in, a), &out) == ERR_OK);
                CHECK(dot_encode(&d, span_of(c->in.p + a, b - a), &out) == ERR_OK);
                CHECK(dot_encode(&d, span_tail(c->in, b), &out) == ERR_OK);
                CHECK(dot_encode_end(&d, &out) == ERR_OK);
                CHECK_SPAN(buf_span(&out), c->want);
                CHECK_NUM(d.mended, c->mended);
            }
        }
    }
    buf_done(&out);
}

TEST(encode_into_a_full_buffer_changes_nothing)
{
    struct span in = SPAN("..a\n.\rb\r\n\n");
    struct buf out;
    for (size_t max = 0; max < 21; max++) {
        struct dot_encoder d, before;
        dot_encoder_init(&d);
        buf_init(&out, max);
        before = d;
        enum err e = dot_encode(&d, in, &out);
        CHECK_NUM(e, max >= 15 ? ERR_OK : ERR_TOO_BIG);
        CHECK(e == ERR_OK || (out.n == 0 && memcmp(&before, &d, sizeof(d)) == 0));
        buf_done(&out);
    }
}

/* What was encoded decodes to what it was, with the line ends mended. */
TEST(dot_round_trip)
{
    static const char letters[] = { '.', '\r', '\n', 'a', '.' };
    struct rng rng;
    struct buf text, wire, back;
    buf_init(&text, OUT_MAX);
    buf_init(&wire, OUT_MAX);
    buf_init(&back, OUT_MAX);
    rng_init(&rng, 1);
    for (int round = 0; round < 2000; round++) {
        buf_clear(&text), buf_clear(&wire), buf_clear(&back);
        size_t n = rng_below(&rng, 30);
        for (size_t i = 0; i < n; i++)
            buf_put(&text, rng_chance(&rng, 1, 4) ? SPAN("\r\n")
                                                  : span_of(&letters[rng_below(&rng, 5)], 1));
        struct dot_encoder d;
        dot_encoder_init(&d);
        CHECK(dot_encode(&d, buf_span(&text), &wire) == ERR_OK);
        CHECK(dot_encode_end(&d, &wire) == ERR_OK);
        size_t left = 1, cut = rng_below(&rng, wire.n);
        CHECK_NUM(decode(buf_span(&wire), cut, cut, 0, &back, &left), ERR_CLOSED);
        CHECK_NUM(left, 0);
        if (d.mended == 0)
            CHECK(span_starts(buf_span(&back), buf_span(&text)));
    }
    buf_done(&text);
    buf_done(&wire);
    buf_done(&back);
}
