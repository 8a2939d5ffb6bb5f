#include "mail/clean.h"

#include "test/test.h"

TEST(t15_clean_text_is_one_line_and_readable)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "m\xc3\xbcnchen", "m\xc3\xbcnchen" },
        { "a\nb\r", "a\\x0ab\\x0d" },
        { "\x1b[2J", "\\x1b[2J" },
        { "\xe2\x80\xae", "\\xe2\\x80\\xae" }, /* turns the direction */
        { "\xc3", "\\xc3" },                   /* half a character */
        { "\xff\xfe", "\\xff\\xfe" },
    };
    struct buf b;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        buf_init(&b, CLEAN_GROWTH * strlen(rows[i][0]));
        clean_text(span_z(rows[i][0]), &b);
        CHECK_Z(buf_span(&b), rows[i][1]);
        buf_done(&b);
    }
    buf_init(&b, 100);
    clean_lines(SPAN("a\nb\x07"), &b);
    CHECK_Z(buf_span(&b), "a\nb\\x07");
    buf_done(&b);
}
