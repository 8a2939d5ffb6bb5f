#include "mail/text.h"
#include "test/test.h"

TEST(t15_text_put)
{
    static const struct {
        struct span in;
        const char *bad;
        bool utf8;
        const char *want;
    } rows[] = {
        { SPAN("a\r\nBcc: x\0y"), "", true, "a??Bcc: x?y" },
        { SPAN("a\x1b[2J\x7f\tb"), "", false, "a?[2J? b" },
        { SPAN("a) by (evil\\"), "()\\", false, "a? by ?evil?" },
        { SPAN("gr\xc3\xbc"), "", true, "gr\xc3\xbc" },
        { SPAN("gr\xc3\xbc"), "", false, "gr??" },
        { SPAN("gr\xc3\xbc\xff"), "", true, "gr???" },
        { SPAN("a\xc2\x9b"
               "2J"),
          "", true, "a??2J" },
        { SPAN(""), "", true, "" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].want);
        struct buf b;
        buf_init(&b, 100);
        text_put(rows[i].in, rows[i].bad, rows[i].utf8, &b);
        CHECK_Z(buf_span(&b), rows[i].want);
        buf_done(&b);
    }
    test_case(NULL);
}

TEST(text_cut_keeps_sequences_whole)
{
    struct span s = SPAN("a\xc3\xbc\xf0\x9f\x93\xa7z");
    static const size_t want[] = { 0, 1, 1, 3, 3, 3, 3, 7, 8, 8 };
    for (size_t n = 0; n < COUNTOF(want); n++)
        CHECK_NUM(text_cut(s, n).n, want[n]);
}
