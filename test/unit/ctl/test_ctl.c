#include "ctl/ctl.h"

#include "test/test.h"

static struct ctl *parsed(struct span line)
{
    struct ctl *c = NULL;
    struct why why = { "" };
    if (ctl_parse(line, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return c;
}

static void check_prints(const struct ctl *c, const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    CHECK(ctl_print(c, &out) == ERR_OK);
    CHECK_Z(buf_span(&out), want);
    buf_done(&out);
}

TEST(what_is_set_is_printed_in_order)
{
    struct ctl *c = ctl_new();
    ctl_set_bool(c, "ok", true);
    ctl_set(c, "verb", SPAN("queue-list"));
    ctl_set_num(c, "n", INT64_MIN);
    ctl_set_num(ctl_object(c, "in"), "x", 1);
    ctl_set(ctl_add(c, "rows"), "a", SPAN("1"));
    ctl_set(ctl_add(c, "rows"), "a", SPAN("2"));
    check_prints(c, "{\"ok\":true,\"verb\":\"queue-list\",\"n\":-9223372036854775808,"
                    "\"in\":{\"x\":1},\"rows\":[{\"a\":\"1\"},{\"a\":\"2\"}]}\n");
    ctl_set(c, "verb", SPAN("trace")); /* the last one counts */
    CHECK_SPAN(ctl_get(c, "verb"), SPAN("trace"));
    ctl_free(c);
}

TEST(what_is_printed_is_read_back)
{
    struct ctl *c =
        parsed(SPAN("{\"s\":\"a\\u0000b\",\"n\":-7,\"t\":true,\"f\":false,\"o\":{\"k\":\"v\"},"
                    "\"l\":[{\"i\":1},{\"i\":2},3],\"z\":null}"));
    CHECK_SPAN(ctl_get(c, "s"), span_of("a\0b", 3));
    CHECK_NUM(ctl_get_num(c, "n"), -7);
    CHECK(ctl_get_bool(c, "t") && !ctl_get_bool(c, "f"));
    CHECK(ctl_has(c, "z") && !ctl_has(c, "none"));
    CHECK_SPAN(ctl_get(ctl_get_object(c, "o"), "k"), SPAN("v"));
    CHECK_NUM(ctl_count(c, "l"), 3);
    CHECK_NUM(ctl_get_num(ctl_at(c, "l", 1), "i"), 2);
    CHECK(ctl_at(c, "l", 2) == NULL && ctl_at(c, "l", 3) == NULL);
    ctl_free(c);
}

TEST(another_type_reads_as_nothing)
{
    struct ctl *c = parsed(SPAN("{\"s\":\"7\",\"n\":7,\"r\":1.5,\"l\":[],\"o\":{}}"));
    CHECK_NUM(ctl_get_num(c, "s"), 0);
    CHECK_NUM(ctl_get_num(c, "r"), 0);
    CHECK_NUM(ctl_get(c, "n").n, 0);
    CHECK(!ctl_get_bool(c, "n"));
    CHECK_NUM(ctl_count(c, "o"), 0);
    CHECK(ctl_at(c, "s", 0) == NULL && ctl_get_object(c, "l") == NULL);
    ctl_free(c);
}

TEST(what_is_no_object_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[]",
        "1",
        "\"x\"",
        "{}{}",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":NaN}",
        "{a:1}",
        "{\"a\":\"\x80\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":18446744073709551616}",
    };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        struct ctl *c = NULL;
        struct why why = { "" };
        test_case(bad[i]);
        CHECK(ctl_parse(span_z(bad[i]), &c, &why) == ERR_SYNTAX);
        CHECK(c == NULL && why.text[0] != '\0');
    }
    test_case(NULL);
}

TEST(t15_json_stays_valid_and_plain_ascii)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "a\"b\\c", "{\"s\":\"a\\\"b\\\\c\"}\n" },
        { "line\r\nline", "{\"s\":\"line\\r\\nline\"}\n" },
        { "\x1b[2J\x07", "{\"s\":\"\\u001B[2J\\u0007\"}\n" },
        { "del\x7f!", "{\"s\":\"del\\u007f!\"}\n" },
        { "\xc2\x9b"
          "2J",
          "{\"s\":\"\\u009B2J\"}\n" }, /* C1: CSI */
        { "\xe2\x80\xae"
          "x",
          "{\"s\":\"\\u202Ex\"}\n" }, /* right-to-left override */
        { "caf\xc3\xa9", "{\"s\":\"caf\\u00E9\"}\n" },
        { "\xf0\x9f\x93\xa7", "{\"s\":\"\\uD83D\\uDCE7\"}\n" },
        { "caf\xe9", "{\"s\":\"caf\\uFFFD\"}\n" },
        { "\xc0\xaf", "{\"s\":\"\\uFFFD\\uFFFD\"}\n" },            /* overlong */
        { "\xed\xa0\x80", "{\"s\":\"\\uFFFD\\uFFFD\\uFFFD\"}\n" }, /* a surrogate */
        { "\xf4\x90\x80\x80", "{\"s\":\"\\uFFFD\\uFFFD\\uFFFD\\uFFFD\"}\n" },
        { "\xe2\x82", "{\"s\":\"\\uFFFD\\uFFFD\"}\n" }, /* cut off */
        { "", "{\"s\":\"\"}\n" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct ctl *c = ctl_new();
        test_case(rows[i].in);
        ctl_set(c, "s", span_z(rows[i].in));
        check_prints(c, rows[i].out);
        ctl_free(c);
    }
    test_case(NULL);
}

TEST(every_byte_survives_as_json)
{
    for (unsigned a = 0; a < 256; a++) {
        char bytes[3] = { 'x', (char)a, 'y' };
        struct ctl *c = ctl_new();
        struct buf out;
        buf_init(&out, 256);
        ctl_set(c, "s", span_of(bytes, sizeof bytes));
        CHECK(ctl_print(c, &out) == ERR_OK);
        struct ctl *back = parsed(span_head(buf_span(&out), out.n - 1));
        CHECK(ctl_get(back, "s").p[0] == 'x');
        if (a < 128)
            CHECK_SPAN(ctl_get(back, "s"), span_of(bytes, sizeof bytes));
        ctl_free(back);
        ctl_free(c);
        buf_done(&out);
    }
}

TEST(too_long_a_line_leaves_the_buffer_as_it_was)
{
    struct ctl *c = ctl_new();
    struct buf out;
    buf_init(&out, 16);
    buf_put(&out, SPAN("before"));
    ctl_set(c, "key", SPAN("0123456789"));
    CHECK(ctl_print(c, &out) == ERR_TOO_BIG);
    CHECK_SPAN(buf_span(&out), SPAN("before"));
    buf_done(&out);
    ctl_free(c);
}

TEST(pretty_is_the_same_value)
{
    struct ctl *c = parsed(SPAN("{\"a\":[{\"b\":1}]}"));
    struct buf out;
    buf_init(&out, 256);
    CHECK(ctl_print_pretty(c, &out) == ERR_OK);
    CHECK_Z(buf_span(&out), "{\n  \"a\": [\n    {\n      \"b\": 1\n    }\n  ]\n}\n");
    ctl_free(c);
    buf_done(&out);
}

TEST(a_walk_sees_keys_in_order_and_values_as_text)
{
    struct ctl *c =
        parsed(SPAN("{\"s\":\"x\",\"n\":-3,\"b\":true,\"l\":[],\"long\":\"0123456789\"}"));
    static const char *const want[] = { "s=x", "n=-3", "b=yes", "l=", "long=" };
    struct buf value, pair;
    void *it = NULL;
    const char *key;
    size_t n = 0;
    buf_init(&value, 5);
    buf_init(&pair, 32);
    while (ctl_each(c, &it, &key, &value)) {
        buf_clear(&pair);
        buf_putf(&pair, "%s=%.*s", key, SPAN_ARG(buf_span(&value)));
        CHECK(n < COUNTOF(want));
        CHECK_Z(buf_span(&pair), want[n]);
        n++;
    }
    CHECK_NUM(n, COUNTOF(want));
    buf_done(&value);
    buf_done(&pair);
    ctl_free(c);
}

TEST(an_element_of_another_line_outlives_it)
{
    struct ctl *a = parsed(SPAN("{\"rows\":[{\"id\":\"1\"}]}")), *b = ctl_new();
    ctl_add_copy(b, "all", ctl_at(a, "rows", 0));
    ctl_free(a);
    CHECK_SPAN(ctl_get(ctl_at(b, "all", 0), "id"), SPAN("1"));
    ctl_free(b);
    ctl_free(NULL);
}

TEST(an_empty_array_is_printed_and_filled)
{
    struct ctl *c = ctl_new();
    ctl_array(c, "rows");
    check_prints(c, "{\"rows\":[]}\n");
    ctl_set_num(ctl_add(c, "rows"), "n", 1);
    check_prints(c, "{\"rows\":[{\"n\":1}]}\n");
    CHECK(!ctl_is_num(c, "rows") && ctl_is_num(ctl_at(c, "rows", 0), "n"));
    ctl_free(c);
}
