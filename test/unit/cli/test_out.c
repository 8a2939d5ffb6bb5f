#include "cli/out.h"

#include "base/when.h"
#include "test/test.h"

static void check_clean(const char *in, const char *want, bool lines)
{
    struct buf b;
    buf_init(&b, 4096);
    test_case(want);
    if (lines)
        out_clean_lines(span_z(in), &b);
    else
        out_clean(span_z(in), &b);
    CHECK_Z(buf_span(&b), want);
    test_case(NULL);
    buf_done(&b);
}

TEST(t15_nothing_from_mail_moves_the_terminal)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "plain", "plain" },
        { "a\r\nb\tc", "a\\x0d\\x0ab\\x09c" },
        { "\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07" },
        { "del\x7f", "del\\x7f" },
        { "\xc2\x9b"
          "31m",
          "\\xc2\\x9b31m" }, /* CSI as C1 */
        { "\x9b"
          "31m",
          "\\x9b31m" }, /* the same as a bare byte */
        { "caf\xc3\xa9", "caf\xc3\xa9" },
        { "caf\xe9", "caf\\xe9" },
        { "\xe2\x80\xaegpj.exe", "\\xe2\\x80\\xaegpj.exe" }, /* right-to-left override */
        { "\xe2\x81\xa6x\xe2\x81\xa9", "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9" },
        { "a\xe2\x80\xa8"
          "b",
          "a\\xe2\\x80\\xa8b" }, /* line separator */
        { "a\xe2\x80\x8b"
          "b",
          "a\\xe2\\x80\\x8bb" },                 /* zero width */
        { "\xef\xbb\xbfx", "\\xef\\xbb\\xbfx" }, /* byte order mark */
        { "\xe2\x82\xac \xf0\x9f\x93\xa7", "\xe2\x82\xac \xf0\x9f\x93\xa7" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
        { "\xc0\x8a", "\\xc0\\x8a" },          /* an overlong line end */
        { "\xf0\x9f", "\\xf0\\x9f" },          /* cut off */
        { "\xff\xfe", "\\xff\\xfe" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        check_clean(rows[i].in, rows[i].want, false);
    check_clean("a\nb\x1b\n", "a\nb\\x1b\n", true);
}

TEST(t15_every_byte_comes_out_harmless)
{
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b += 5) {
            char in[2] = { (char)a, (char)b };
            struct buf out;
            buf_init(&out, 64);
            out_clean(span_of(in, 2), &out);
            for (size_t i = 0; i < out.n; i++)
                CHECK((unsigned char)buf_span(&out).p[i] >= 32 && buf_span(&out).p[i] != 127);
            buf_done(&out);
        }
    }
}

TEST(sizes_are_short)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } rows[] = {
        { 0, "0 B" },           { 1023, "1023 B" },     { 1024, "1.0 KiB" },
        { 1535, "1.4 KiB" },    { 1536, "1.5 KiB" },    { 2047, "1.9 KiB" },
        { 10239, "9.9 KiB" },   { 10240, "10 KiB" },    { 1048575, "1023 KiB" },
        { 1048576, "1.0 MiB" }, { 52428800, "50 MiB" }, { UINT64_MAX, "15 EiB" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char text[OUT_TEXT_MAX];
        CHECK_Z(span_z(out_size(rows[i].bytes, text)), rows[i].want);
    }
}

TEST(times_are_said_for_people)
{
    char text[OUT_TEXT_MAX];
    int64_t now = 1795474846102;
    CHECK_Z(span_z(out_time(now, text)), "2026-11-23 23:00:46");
    CHECK_Z(span_z(out_time(0, text)), "-");
    CHECK_Z(span_z(out_when(now, now, text)), "now");
    CHECK_Z(span_z(out_when(now + 999, now, text)), "now");
    CHECK_Z(span_z(out_when(now - 250 * MINUTE_MS, now, text)), "4h 10m ago");
    CHECK_Z(span_z(out_when(now + 5 * MINUTE_MS, now, text)), "in 5m");
    CHECK_Z(span_z(out_when(0, now, text)), "-");
    CHECK_Z(span_z(out_share(1, 3, text)), "1 (33.3 %)");
    CHECK_Z(span_z(out_share(1, 0, text)), "1");
    CHECK_Z(span_z(out_count(1, "message", text)), "1 message");
    CHECK_Z(span_z(out_count(0, "message", text)), "0 messages");
}

TEST(a_table_lines_up)
{
    static const char *const head[] = { "ID", ">N", "NAME" };
    struct table t;
    struct buf out;
    buf_init(&out, 4096);
    table_init(&t, head, COUNTOF(head));
    table_print(&t, "  ", &out);
    CHECK_NUM(out.n, 0); /* no rows, no head */
    table_add(&t, SPAN("a"));
    table_addf(&t, "%d", 7);
    table_add(&t, SPAN("x"));
    table_add(&t, SPAN("longer"));
    table_addf(&t, "%d", 1234);
    table_add(&t, SPAN("\x1b[0m"));
    table_add(&t, SPAN("\xc3\xa9\xc3\xa9"));
    table_addf(&t, "%d", 8);
    table_add(&t, SPAN(""));
    table_print(&t, "  ", &out);
    CHECK_Z(buf_span(&out), "  ID         N  NAME\n"
                            "  a          7  x\n"
                            "  longer  1234  \\x1b[0m\n"
                            "  \xc3\xa9\xc3\xa9         8  \n");
    table_done(&t);
    table_done(NULL);
    buf_done(&out);
}
