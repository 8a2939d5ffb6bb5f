#include "base/enc.h"
#include "base/rng.h"
#include "test/test.h"

typedef enum err code_fn(struct span in, struct buf *out);

/* Neither error may leave anything behind. */
static void check_refused(code_fn *decode, const char *text, enum err want)
{
    struct buf out;
    buf_init(&out, 30);
    buf_put(&out, SPAN("kept"));
    test_case(text);
    CHECK_NUM(decode(span_z(text), &out), want);
    CHECK_Z(buf_span(&out), "kept");
    buf_done(&out);
}

static void check_code(code_fn *code, struct span in, const char *want)
{
    struct buf out;
    buf_init(&out, 200);
    buf_put(&out, SPAN("> "));
    test_case(want);
    CHECK_NUM(code(in, &out), ERR_OK);
    CHECK_Z(span_tail(buf_span(&out), 2), want);
    buf_done(&out);
}

TEST(base64_refuses)
{
    static const char *const wrong[] = {
        "A",    "AA",     "AAA",  "====", "A===",       "=AAA",  "AA=A",     "AAA=AAAA", "AB==",
        "AAB=", "AA==\n", "A A=", "AA-_", "\xff\xff==", "AAAAA", "AA==AA==", "AA= ",     "AAAA====",
    };
    for (size_t i = 0; i < COUNTOF(wrong); i++)
        check_refused(dec_base64, wrong[i], ERR_SYNTAX);
    check_refused(dec_base64, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", ERR_TOO_BIG);
}

/* = RFC 4648 10: the test vectors */
static const struct {
    const char *plain, *base64;
} rfc4648[] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
};

TEST(base64_vectors)
{
    for (size_t i = 0; i < COUNTOF(rfc4648); i++) {
        check_code(enc_base64, span_z(rfc4648[i].plain), rfc4648[i].base64);
        check_code(dec_base64, span_z(rfc4648[i].base64), rfc4648[i].plain);
    }
    check_code(enc_base64, span_of("\xfb\xff\xfe", 3), "+//+");
}

TEST(hex_refuses_and_decodes)
{
    static const char *const wrong[] = { "0", "000", "0g", "g0", "0x00", " 00 ", "0:", "0@", "0`" };
    for (size_t i = 0; i < COUNTOF(wrong); i++)
        check_refused(dec_hex, wrong[i], ERR_SYNTAX);
    check_code(dec_hex, SPAN("6a6B"), "jk");
    check_code(dec_hex, SPAN(""), "");
    check_code(enc_hex, span_of("\x00\xab\xff", 3), "00abff");
}

TEST(xtext_refuses_and_decodes)
{
    static const char *const wrong[] = {
        "=",   "a=b", "+",   "+4",   "a+",       "+4G", "+G4",  "+4a",
        "+ 4", " ",   "a b", "\x7f", "\xc3\xa4", "\r",  "++41",
    };
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        check_refused(dec_xtext, wrong[i], ERR_SYNTAX);
        CHECK(!xtext_valid(span_z(wrong[i])));
    }
    CHECK(!xtext_valid(span_of("a\0", 2)));
    CHECK(xtext_valid(SPAN("")));
    CHECK(xtext_valid(SPAN("a+2Bb")));
    check_code(dec_xtext, SPAN("a+2Bb+3D!~"), "a+b=!~");
    check_code(enc_xtext, SPAN("a+b=c d\xff"), "a+2Bb+3Dc+20d+FF");
}

TEST(codes_turn_round)
{
    static code_fn *const pairs[][2] = { { enc_base64, dec_base64 },
                                         { enc_hex, dec_hex },
                                         { enc_xtext, dec_xtext } };
    struct rng rng;
    struct buf text, back;
    rng_init(&rng, 1);
    buf_init(&text, 300);
    buf_init(&back, 100);
    for (int round = 0; round < 3000; round++) {
        char in[90];
        size_t n = rng_below(&rng, sizeof in + 1);
        for (size_t i = 0; i < n; i++)
            in[i] = (char)rng_below(&rng, 256);
        code_fn *const *pair = pairs[(size_t)round % COUNTOF(pairs)];
        buf_clear(&text);
        buf_clear(&back);
        CHECK_NUM(pair[0](span_of(in, n), &text), ERR_OK);
        CHECK_NUM(pair[1](buf_span(&text), &back), ERR_OK);
        CHECK_SPAN(buf_span(&back), span_of(in, n));
    }
    buf_done(&text);
    buf_done(&back);
}

TEST(id_refuses)
{
    static const char *const wrong[] = {
        "",
        "0",
        "000000000000",
        "00000000000000",
        "G000000000000",
        "Z000000000000",
        "000000000000U",
        "00000000000-0",
        "000000000000 ",
        "000000000000\xff",
    };
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        uint64_t id = 4711;
        test_case(wrong[i]);
        CHECK_NUM(id_parse(span_z(wrong[i]), &id), ERR_SYNTAX);
        CHECK_NUM(id, 4711);
    }
    uint64_t id = 4711;
    CHECK_NUM(id_parse(span_of("000000000000\0", 13), &id), ERR_SYNTAX);
}

TEST(id_turns_round_and_sorts_as_the_number)
{
    char a[ID_BYTES_MAX], b[ID_BYTES_MAX];
    CHECK_Z(span_z(id_text(0, a)), "0000000000000");
    CHECK_Z(span_z(id_text(31, a)), "000000000000Z");
    CHECK_Z(span_z(id_text(UINT64_MAX, a)), "FZZZZZZZZZZZZ");

    uint64_t id;
    CHECK_NUM(id_parse(SPAN("oOiIlL00000zZ"), &id), ERR_OK);
    CHECK_Z(span_z(id_text(id, a)), "00111100000ZZ");

    struct rng rng;
    rng_init(&rng, 2);
    for (int i = 0; i < 2000; i++) {
        uint64_t x = rng_u64(&rng) >> rng_below(&rng, 64), y = rng_u64(&rng) >> rng_below(&rng, 64);
        struct span sx = span_z(id_text(x, a)), sy = span_z(id_text(y, b));
        CHECK((x < y) == (span_cmp(sx, sy) < 0));
        CHECK_NUM(id_parse(sx, &id), ERR_OK);
        CHECK(id == x);
    }
}
