#include "base/why.h"
#include "test/test.h"

TEST(why_may_be_missing)
{
    why_set(NULL, "%d", 1);
    why_prefix(NULL, "%d", 1);
}

TEST(t15_why_holds_no_control_bytes)
{
    struct why w;
    why_set(&w, "name \"%s\"", "a\r\n250 ok\x1b[2J\x7f\t.");
    CHECK_Z(span_z(w.text), "name \"a??250 ok?[2J??.\"");
    why_set(&w, "%s", "gr\xc3\xbc\xc3\x9f");
    CHECK_Z(span_z(w.text), "gr\xc3\xbc\xc3\x9f");
}

TEST(why_is_cut_with_three_dots)
{
    struct why w;
    char text[2 * WHY_BYTES_MAX];
    memset(text, 'x', sizeof text);
    text[WHY_BYTES_MAX - 1] = '\0';
    why_set(&w, "%s", text);
    CHECK_NUM(strlen(w.text), WHY_BYTES_MAX - 1);
    CHECK(w.text[WHY_BYTES_MAX - 2] == 'x');
    text[WHY_BYTES_MAX - 1] = 'x';
    text[sizeof text - 1] = '\0';
    why_set(&w, "%s", text);
    CHECK_NUM(strlen(w.text), WHY_BYTES_MAX - 1);
    CHECK_Z(span_tail(span_z(w.text), WHY_BYTES_MAX - 5), "x...");
}

TEST(why_is_never_cut_inside_a_character)
{
    for (size_t shift = 0; shift < 3; shift++) {
        struct why w;
        char text[WHY_BYTES_MAX + 10];
        memset(text, 'x', sizeof text);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 3);
        text[sizeof text - 1] = '\0';
        why_set(&w, "%s", text);
        struct span s = span_z(w.text);
        CHECK(span_ends_nocase(s, SPAN("\xac...")));
        CHECK((s.n - shift - 3) % 3 == 0);
    }
}

TEST(why_prefix_stands_before)
{
    struct why w;
    why_set(&w, "%s", "no such file");
    why_prefix(&w, "%s:%d", "mx.conf", 3);
    CHECK_Z(span_z(w.text), "mx.conf:3: no such file");
    why_set(&w, "[%s]", w.text);
    CHECK_Z(span_z(w.text), "[mx.conf:3: no such file]");
}
