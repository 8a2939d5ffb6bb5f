#include "mail/tlsa.h"
#include "test/test.h"

enum { ARENA_BYTES = 64 * 1024 };

static const char digest32[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
                               "\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20";

/* A record whose data is n bytes of one kind. */
static struct tlsa record(unsigned usage, unsigned selector, unsigned matching, size_t n, char byte)
{
    static char bytes[32][TLSA_DATA_MAX + 16];
    static unsigned next;
    char *p = bytes[next++ % 32];
    ASSERT(n <= sizeof bytes[0]);
    memset(p, byte, n);
    return (struct tlsa){ (uint8_t)usage, (uint8_t)selector, (uint8_t)matching, span_of(p, n) };
}

static struct tlsa certificate(unsigned usage, size_t n, char byte)
{
    static char bytes[8][TLSA_DATA_MAX + 16];
    static unsigned next;
    char *p = bytes[next++ % 8];
    ASSERT(n >= 4 && n <= sizeof bytes[0]);
    memset(p, byte, n);
    p[0] = 0x30;
    p[1] = (char)0x82;
    p[2] = (char)((n - 4) >> 8);
    p[3] = (char)((n - 4) & 0xff);
    return (struct tlsa){ (uint8_t)usage, TLSA_CERT, TLSA_FULL, span_of(p, n) };
}

TEST(tlsa_wire)
{
    struct tlsa t = { .usage = 9 };
    CHECK(tlsa_parse(SPAN(""), &t) == ERR_SYNTAX);
    CHECK(tlsa_parse(SPAN("\x03"), &t) == ERR_SYNTAX);
    CHECK(tlsa_parse(SPAN("\x03\x01"), &t) == ERR_SYNTAX);
    CHECK(tlsa_parse(SPAN("\x03\x01\x01"), &t) == ERR_SYNTAX);
    CHECK_NUM(t.usage, 9);
    CHECK(tlsa_parse(SPAN("\x03\x01\x02xyz"), &t) == ERR_OK);
    CHECK_NUM(t.usage, 3);
    CHECK_NUM(t.selector, 1);
    CHECK_NUM(t.matching, 2);
    CHECK_Z(t.data, "xyz");
    CHECK(tlsa_parse(SPAN("\xff\xfe\xfd\x01"), &t) == ERR_OK);
    CHECK_NUM(t.usage, 255);
}

/* RFC 7672 3.1: usages 2 and 3 count; 3.1.3: 0 and 1 may be taken for unusable. */
TEST(tlsa_usability_rfc7672_3_1)
{
    static const struct {
        unsigned usage, selector, matching;
        size_t n;
        bool usable;
    } rows[] = {
        { 0, 0, 1, 32, false }, { 0, 1, 1, 32, false },   { 1, 0, 1, 32, false },
        { 1, 1, 2, 64, false }, { 2, 0, 1, 32, true },    { 2, 1, 1, 32, true },
        { 2, 1, 2, 64, true },  { 3, 0, 1, 32, true },    { 3, 1, 1, 32, true },
        { 3, 0, 2, 64, true },  { 3, 1, 2, 64, true },    { 3, 2, 1, 32, false },
        { 3, 1, 3, 32, false }, { 4, 1, 1, 32, false },   { 255, 255, 255, 32, false },
        { 3, 1, 1, 31, false }, { 3, 1, 1, 33, false },   { 3, 1, 1, 64, false },
        { 3, 1, 2, 32, false }, { 3, 1, 2, 65, false },   { 3, 1, 1, 20, false },
        { 3, 0, 0, 32, false }, { 3, 1, 255, 32, false },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tlsa t = record(rows[i].usage, rows[i].selector, rows[i].matching, rows[i].n, 'x');
        CHECK(tlsa_usable(&t) == rows[i].usable);
    }
}

TEST(tlsa_full_data_is_one_der_sequence)
{
    static const struct {
        const char *data;
        size_t n;
        bool usable;
    } rows[] = {
        { "", 0, false },
        { "\x30", 1, false },
        { "\x30\x00", 2, true },
        { "\x30\x01x", 3, true },
        { "\x30\x01xy", 4, false },
        { "\x30\x02x", 3, false },
        { "\x31\x01x", 3, false },
        { "\x30\x80x", 3, false },
        { "\x30\x81\x01x", 4, true },
        { "\x30\x81", 2, false },
        { "\x30\x82\x00\x01x", 5, true },
        { "\x30\x82\x00\x02x", 5, false },
        { "\x30\x82\x00", 3, false },
        { "\x30\x83\x00\x00\x01x", 6, false },
        { "\x30\xff\x00\x00\x01x", 6, false },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tlsa t = { 3, 0, 0, span_of(rows[i].data, rows[i].n) };
        CHECK(tlsa_usable(&t) == rows[i].usable);
    }
}

TEST(tlsa_set_keeps_what_can_be_used)
{
    struct arena a;
    struct tlsa_set set = { 0 }, other = { 0 };
    struct tlsa one = record(3, 1, 1, 32, 'a'), two = record(2, 0, 2, 64, 'b');
    struct tlsa bad = record(1, 1, 1, 32, 'c');
    char x[TLSA_DIGEST_MAX], y[TLSA_DIGEST_MAX];
    arena_init(&a, ARENA_BYTES);
    CHECK(!tlsa_set_any(&set) && !tlsa_set_usable(&set));
    tlsa_set_add(&set, &bad, &a);
    tlsa_set_add_broken(&set);
    CHECK(tlsa_set_any(&set) && !tlsa_set_usable(&set));
    CHECK_NUM(set.n_unusable, 2);
    tlsa_set_add(&set, &one, &a);
    tlsa_set_add(&set, &two, &a);
    tlsa_set_add(&set, &one, &a); /* twice is once */
    CHECK(tlsa_set_usable(&set));
    CHECK_NUM(set.n, 2);
    CHECK_NUM(set.record[0].usage, 2); /* sorted */
    CHECK_NUM(set.record[1].usage, 3);
    CHECK(set.record[1].data.p != one.data.p);

    tlsa_set_add(&other, &one, &a);
    CHECK(!tlsa_set_eq(&set, &other));
    CHECK(strcmp(tlsa_set_digest(&set, x), tlsa_set_digest(&other, y)) != 0);
    tlsa_set_add(&other, &two, &a); /* the other way round, and without the useless ones */
    CHECK(tlsa_set_eq(&set, &other));
    CHECK(strcmp(tlsa_set_digest(&set, x), tlsa_set_digest(&other, y)) == 0);
    CHECK_NUM(strlen(x), TLSA_DIGEST_MAX - 1);
    arena_done(&a);
}

/* What has no room is dropped, and the set stays one that must match. */
TEST(tlsa_set_is_bounded)
{
    struct arena a, tiny;
    struct tlsa_set many = { 0 }, fat = { 0 }, poor = { 0 };
    struct tlsa big = certificate(3, TLSA_DATA_MAX + 1, 'z'), most = certificate(3, 4000, 'y');
    arena_init(&a, ARENA_BYTES);
    arena_init(&tiny, 8);
    for (unsigned i = 0; i < 40; i++) {
        struct tlsa t = record(3, 1, 1, 32, (char)i);
        tlsa_set_add(&many, &t, &a);
    }
    CHECK_NUM(many.n, TLSA_RECORDS_MAX);
    CHECK_NUM(many.n_dropped, 40 - TLSA_RECORDS_MAX);

    tlsa_set_add(&fat, &big, &a);
    CHECK_NUM(fat.n, 0);
    CHECK(tlsa_set_usable(&fat) && fat.n_dropped == 1);
    tlsa_set_add(&fat, &most, &a);
    CHECK_NUM(fat.n, 1);
    struct tlsa second = certificate(2, 200, 'x');
    tlsa_set_add(&fat, &second, &a);
    CHECK_NUM(fat.n, 1);
    CHECK_NUM(fat.n_dropped, 2);

    struct tlsa t = record(3, 1, 1, 32, 'q');
    tlsa_set_add(&poor, &t, &tiny);
    CHECK(poor.n == 0 && poor.n_dropped == 1 && tlsa_set_usable(&poor));
    arena_done(&a);
    arena_done(&tiny);
}

/* RFC 7671 9: of one usage and selector the strongest digest, and all full data. */
TEST(tlsa_digest_agility_rfc7671_9)
{
    static const struct {
        unsigned usage, selector, matching;
        bool kept;
    } rows[] = {
        { 3, 1, 1, false }, { 3, 1, 2, true }, { 3, 0, 1, true }, { 2, 1, 1, true },
        { 2, 0, 1, false }, { 2, 0, 2, true }, { 2, 0, 0, true },
    };
    struct arena a;
    struct tlsa_set set = { 0 };
    arena_init(&a, ARENA_BYTES);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tlsa t = record(rows[i].usage, rows[i].selector, rows[i].matching,
                               rows[i].matching == 2 ? 64 : 32, 'd');
        if (rows[i].matching == 0)
            t = certificate(rows[i].usage, 100, 'c');
        tlsa_set_add(&set, &t, &a);
    }
    CHECK_NUM(set.n, COUNTOF(rows));
    struct tlsa_set agile = tlsa_agile(&set), again = tlsa_agile(&agile);
    CHECK(tlsa_set_eq(&agile, &again));
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        bool found = false;
        for (unsigned k = 0; k < agile.n; k++)
            found = found || (agile.record[k].usage == rows[i].usage &&
                              agile.record[k].selector == rows[i].selector &&
                              agile.record[k].matching == rows[i].matching);
        CHECK(found == rows[i].kept);
    }
    CHECK(tlsa_set_usable(&agile));
    arena_done(&a);
}

TEST(tlsa_text)
{
    static const char *const bad[] = {
        "",         "3",          "3 1",        "3 1 1",     "3 1 1 ",     "3 1 1 0",
        "3 1 1 0g", "256 1 1 00", "3 -1 1 00",  "3 1 1 00 ", " 3 1 1 00",  "3  1 1 00",
        "3-1-1-00", "3 1 x 00",   "3 1 1 0 00", "a 1 1 00",  "3 1 1 00\n",
    };
    struct arena a;
    struct tlsa t = { 3, 1, 1, span_of(digest32, 32) }, back;
    struct buf text;
    arena_init(&a, ARENA_BYTES);
    buf_init(&text, TLSA_TEXT_MAX);
    tlsa_print(&t, ' ', &text);
    CHECK_Z(buf_span(&text),
            "3 1 1 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
    CHECK(tlsa_read(buf_span(&text), ' ', &a, &back) == ERR_OK);
    CHECK_NUM(back.usage, 3);
    CHECK_SPAN(back.data, t.data);
    buf_clear(&text);
    tlsa_print(&t, '-', &text);
    CHECK(span_starts(buf_span(&text), SPAN("3-1-1-0102")));
    CHECK(tlsa_read(buf_span(&text), '-', &a, &back) == ERR_OK);
    CHECK(tlsa_read(SPAN("255 254 253 FF"), ' ', &a, &back) == ERR_OK);
    CHECK_NUM(back.matching, 253);
    for (size_t i = 0; i < COUNTOF(bad); i++)
        CHECK(tlsa_read(span_z(bad[i]), ' ', &a, &back) == ERR_SYNTAX);
    CHECK_NUM(back.matching, 253);

    buf_clear(&text);
    t = record(3, 0, 0, TLSA_DATA_MAX, 'm');
    tlsa_print(&t, ' ', &text);
    CHECK(text.n <= TLSA_TEXT_MAX);
    CHECK(tlsa_read(buf_span(&text), ' ', &a, &back) == ERR_OK);
    buf_done(&text);
    buf_init(&text, TLSA_TEXT_MAX + 2);
    tlsa_print(&t, ' ', &text);
    buf_put(&text, SPAN("00"));
    CHECK(tlsa_read(buf_span(&text), ' ', &a, &back) == ERR_TOO_BIG);
    buf_done(&text);
    arena_done(&a);
}
