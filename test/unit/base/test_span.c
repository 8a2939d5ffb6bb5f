#include "base/rng.h"
#include "test/test.h"

static const struct {
    const char *name, *text;
    uint64_t max;
    enum err want;
    uint64_t value;
} numbers[] = {
    { "empty", "", 10, ERR_SYNTAX, 0 },
    { "sign", "+1", 10, ERR_SYNTAX, 0 },
    { "minus", "-1", 10, ERR_SYNTAX, 0 },
    { "blank before", " 1", 10, ERR_SYNTAX, 0 },
    { "blank after", "1 ", 10, ERR_SYNTAX, 0 },
    { "hex", "0x1", 10, ERR_SYNTAX, 0 },
    { "letter after overflow", "99999999999999999999999x", UINT64_MAX, ERR_SYNTAX, 0 },
    { "over max", "11", 10, ERR_TOO_BIG, 0 },
    { "over 64 bits by one", "18446744073709551616", UINT64_MAX, ERR_TOO_BIG, 0 },
    { "over 64 bits, wraps to 0", "36893488147419103232", UINT64_MAX, ERR_TOO_BIG, 0 },
    { "far over", "100000000000000000000000001", 10, ERR_TOO_BIG, 0 },
    { "largest", "18446744073709551615", UINT64_MAX, ERR_OK, UINT64_MAX },
    { "at max", "10", 10, ERR_OK, 10 },
    { "zero", "0", 0, ERR_OK, 0 },
    { "leading zeros", "0000000000000000000000000000007", 10, ERR_OK, 7 },
};

TEST(span_u64_table)
{
    for (size_t i = 0; i < COUNTOF(numbers); i++) {
        test_case(numbers[i].name);
        uint64_t got = 4711;
        CHECK_NUM(span_u64(span_z(numbers[i].text), numbers[i].max, &got), numbers[i].want);
        CHECK(got == (numbers[i].want == ERR_OK ? numbers[i].value : 4711));
    }
}

TEST(span_compares)
{
    CHECK(span_eq(SPAN_NONE, SPAN("")));
    CHECK(!span_eq(SPAN("a"), SPAN("")));
    CHECK(!span_eq(SPAN("a"), SPAN("A")));
    CHECK(!span_eq(span_of("a\0b", 3), span_of("a\0c", 3)));
    CHECK(span_eq_nocase(SPAN("StartTLS"), SPAN("STARTTLS")));
    CHECK(!span_eq_nocase(SPAN("@[`{"), SPAN("`{@["))); /* 0x20 apart, yet no letters */
    CHECK(!span_eq_nocase(SPAN("\xc3\xa4"), SPAN("\xc3\x84")));
    CHECK(span_cmp(SPAN("a"), SPAN("b")) < 0);
    CHECK(span_cmp(SPAN("a"), SPAN("")) > 0);
    CHECK(span_cmp(SPAN("a"), SPAN("ab")) < 0);
    CHECK(span_cmp(SPAN("\xff"), SPAN("a")) > 0);
    CHECK(span_cmp(SPAN_NONE, SPAN_NONE) == 0);
}

TEST(span_starts_and_ends)
{
    CHECK(!span_starts(SPAN("ab"), SPAN("abc")));
    CHECK(!span_starts(SPAN("ab"), SPAN("A")));
    CHECK(span_starts(SPAN("ab"), SPAN("a")));
    CHECK(span_starts(SPAN_NONE, SPAN_NONE));
    CHECK(!span_starts_nocase(SPAN("MAIL"), SPAN("mail ")));
    CHECK(span_starts_nocase(SPAN("MAIL FROM:<>"), SPAN("mail from:")));
    CHECK(!span_ends_nocase(SPAN("org"), SPAN(".org")));
    CHECK(!span_ends_nocase(SPAN("example.orga"), SPAN(".org")));
    CHECK(span_ends_nocase(SPAN("mx.Example.ORG"), SPAN(".example.org")));
    CHECK(span_ends_nocase(SPAN("x"), SPAN_NONE));
}

TEST(span_finds)
{
    CHECK_NUM(span_find(SPAN_NONE, 'a'), 0);
    CHECK_NUM(span_find(SPAN("bcd"), 'a'), 3);
    CHECK_NUM(span_find(SPAN("a@b@c"), '@'), 1);
    CHECK_NUM(span_rfind(SPAN("a@b@c"), '@'), 3);
    CHECK_NUM(span_rfind(SPAN("abc"), '@'), 3);
    CHECK_NUM(span_rfind(SPAN_NONE, '@'), 0);
    CHECK_NUM(span_find(span_of("a\0b", 3), '\0'), 1);
}

TEST(span_cuts)
{
    struct span s = SPAN("a,,b");
    CHECK_Z(span_cut(&s, ','), "a");
    CHECK_Z(s, ",b");
    CHECK_Z(span_cut(&s, ','), "");
    CHECK_Z(span_cut(&s, ','), "b");
    CHECK_NUM(s.n, 0);
    CHECK_Z(span_cut(&s, ','), "");
    s = SPAN("end,");
    CHECK_Z(span_cut(&s, ','), "end");
    CHECK_NUM(s.n, 0);
    CHECK_Z(span_head(SPAN("abc"), 2), "ab");
    CHECK_Z(span_tail(SPAN("abc"), 2), "c");
    CHECK_NUM(span_tail(SPAN_NONE, 0).n, 0);
}

TEST(span_trims)
{
    CHECK_Z(span_trim(SPAN(" \t a b\t ")), "a b");
    CHECK_Z(span_trim(SPAN(" \t ")), "");
    CHECK_Z(span_trim(SPAN_NONE), "");
    CHECK_Z(span_trim(SPAN("\na\r")), "\na\r"); /* only blanks and tabs */
    CHECK_Z(span_z(NULL), "");
}

/* The vectors that the authors of SipHash publish: key 00..0f, input 00, 00 01, ... */
static const struct {
    size_t n;
    uint64_t want;
} sip_vectors[] = {
    { 0, 0x726fdb47dd0e0e31u }, { 1, 0x74f839c593dc67fdu },  { 2, 0x0d6c8009d9a94f5au },
    { 3, 0x85676696d7fb7e2du }, { 7, 0xab0200f58b01d137u },  { 8, 0x93f5f5799a932462u },
    { 9, 0x9e0082df0ba9e4b0u }, { 15, 0xa129ca6149be45e5u }, { 63, 0x958a324ceb064572u },
};

TEST(span_hash_is_siphash_2_4)
{
    const struct hash_key key = { { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u } };
    char in[64];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (char)i;
    for (size_t i = 0; i < COUNTOF(sip_vectors); i++)
        CHECK(span_hash(&key, span_of(in, sip_vectors[i].n)) == sip_vectors[i].want);
}

TEST(span_hash_nocase_is_the_hash_of_lower_case)
{
    const struct hash_key key = { { 1, 2 } };
    struct rng rng;
    rng_init(&rng, 5);
    for (int round = 0; round < 2000; round++) {
        char in[40], lower[40];
        size_t n = rng_below(&rng, sizeof in + 1);
        for (size_t i = 0; i < n; i++) {
            in[i] = (char)rng_below(&rng, 256);
            lower[i] = ascii_lower(in[i]);
        }
        CHECK(span_hash_nocase(&key, span_of(in, n)) == span_hash(&key, span_of(lower, n)));
    }
    CHECK(span_hash(&key, SPAN("a")) != span_hash(&(struct hash_key){ { 1, 3 } }, SPAN("a")));
}
