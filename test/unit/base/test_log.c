#include "base/log.h"
#include "base/rng.h"
#include "test/test.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* --- key=value */

static const struct {
    const char *name;
    struct span value;
    const char *want;
} quoting[] = {
    { "empty", { "", 0 }, "k=\"\"" },
    { "t15 newline and a forged key", { "a\n1970 info x k=v", 17 }, "k=\"a\\n1970 info x k=v\"" },
    { "t15 quote", { "a\" k2=\"b", 8 }, "k=\"a\\\" k2=\\\"b\"" },
    { "t15 backslash at the end", { "a\\", 2 }, "k=\"a\\\\\"" },
    { "t15 carriage return, tab", { "\r\t", 2 }, "k=\"\\r\\t\"" },
    { "t15 NUL, escape, delete", { "\0\x1b\x7f", 3 }, "k=\"\\x00\\x1b\\x7f\"" },
    { "t15 bytes over 127", { "\x9b\xff", 2 }, "k=\"\\x9b\\xff\"" },
    { "blank", { " ", 1 }, "k=\" \"" },
    { "equals sign", { "a=b", 3 }, "k=\"a=b\"" },
    { "address", { "a_b-c+d@mx.example.org", 22 }, "k=a_b-c+d@mx.example.org" },
    { "address and port", { "[2001:db8::1]:25", 16 }, "k=[2001:db8::1]:25" },
    { "path and list", { "/etc/x,y", 8 }, "k=/etc/x,y" },
};

TEST(kv_quotes)
{
    struct buf b;
    buf_init(&b, 200);
    for (size_t i = 0; i < COUNTOF(quoting); i++) {
        test_case(quoting[i].name);
        buf_clear(&b);
        kv_str(&b, "k", quoting[i].value);
        CHECK_Z(buf_span(&b), quoting[i].want);
    }
    buf_done(&b);
}

TEST(kv_numbers)
{
    struct buf b;
    buf_init(&b, 200);
    kv_num(&b, "a", 0);
    kv_num(&b, "b", -7);
    kv_num(&b, "min", INT64_MIN);
    kv_num(&b, "max", INT64_MAX);
    CHECK_Z(buf_span(&b), "a=0 b=-7 min=-9223372036854775808 max=9223372036854775807");
    buf_done(&b);
}

TEST(kv_next_refuses)
{
    static const char *const wrong[] = {
        "a",         "=",          "=v",          "a =b",        "a=",       "a= b=1",
        "a=\"",      "a=\"x",      "a=\"\\",      "a=\"\\\"",    "a=\"x\"y", "a=x\"y",
        "a=\"\\q\"", "a=\"\\x1\"", "a=\"\\xZZ\"", "a=\"\\x0A\"", "a=\"\n\"", "a=\t",
        "a=x\ny",    "a\"b=c",     "\ta=b",       "a=\"\xff\"",  "a=\"\\x",  "a=b\\n",
    };
    struct buf value;
    buf_init(&value, 100);
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        test_case(wrong[i]);
        struct span line = span_z(wrong[i]), key = SPAN("untouched");
        CHECK_NUM(kv_next(&line, &key, &value), ERR_SYNTAX);
        CHECK_Z(line, wrong[i]);
        CHECK_Z(key, "untouched");
    }
    buf_done(&value);
}

TEST(kv_next_walks)
{
    struct buf value;
    buf_init(&value, 100);
    struct span line = SPAN("  a=1 b=\"x y\"  c.d-e_f=\"\\\"\\x00\\n\" "), key;
    CHECK_NUM(kv_next(&line, &key, &value), ERR_OK);
    CHECK_Z(key, "a");
    CHECK_Z(buf_span(&value), "1");
    CHECK_NUM(kv_next(&line, &key, &value), ERR_OK);
    CHECK_Z(buf_span(&value), "x y");
    CHECK_NUM(kv_next(&line, &key, &value), ERR_OK);
    CHECK_Z(key, "c.d-e_f");
    CHECK_SPAN(buf_span(&value), span_of("\"\0\n", 3));
    CHECK_NUM(kv_next(&line, &key, &value), ERR_NOT_FOUND);
    CHECK_NUM(value.n, 0);
    buf_done(&value);
}

TEST(kv_get_finds_the_whole_key_only)
{
    struct buf value;
    buf_init(&value, 3);
    CHECK_NUM(kv_get(SPAN("ab=1 b=2"), SPAN("a"), &value), ERR_NOT_FOUND);
    CHECK_NUM(kv_get(SPAN_NONE, SPAN("a"), &value), ERR_NOT_FOUND);
    CHECK_NUM(kv_get(SPAN("x=\"a=1\" y"), SPAN("a"), &value), ERR_SYNTAX);
    CHECK_NUM(kv_get(SPAN("a=1234"), SPAN("a"), &value), ERR_TOO_BIG);
    buf_release(&value);
    buf_init(&value, 10);
    CHECK_NUM(kv_get(SPAN("x=\"a=1\" b=2 a=3"), SPAN("a"), &value), ERR_OK);
    CHECK_Z(buf_span(&value), "3");
    buf_done(&value);
}

/* Whatever the value and however little room there is: what was written reads back as the start
 * of the value, and numbers come whole or not at all. */
TEST(kv_survives_every_cut)
{
    struct rng rng;
    rng_init(&rng, 15);
    struct buf value;
    buf_init(&value, 100);
    for (int round = 0; round < 3000; round++) {
        char bytes[30];
        size_t n = rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = rng_chance(&rng, 1, 2) ? 'x' : (char)rng_below(&rng, 256);
        struct buf b;
        buf_init(&b, rng_below(&rng, 80));
        kv_str(&b, "first", span_of(bytes, n));
        size_t first_n = b.n;
        kv_num(&b, "second", -1234567);

        struct span line = buf_span(&b), key;
        if (first_n > 0) {
            CHECK_NUM(kv_next(&line, &key, &value), ERR_OK);
            CHECK_Z(key, "first");
            CHECK(span_starts(span_of(bytes, n), buf_span(&value)));
        }
        if (b.n > first_n) {
            CHECK_NUM(kv_next(&line, &key, &value), ERR_OK);
            CHECK_Z(buf_span(&value), "-1234567");
        }
        CHECK_NUM(kv_next(&line, &key, &value), ERR_NOT_FOUND);
        if (b.max >= 6 + 2 + 4 * n)
            CHECK(first_n > 0);
        buf_done(&b);
    }
    buf_done(&value);
}

/* --- the log */

static int64_t noon(void)
{
    return 1795435200123; /* 2026-11-23T12:00:00.123Z */
}

static struct {
    int read_end, write_end;
} tube;

static void tube_open(void)
{
    int ends[2];
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    tube.read_end = ends[0];
    tube.write_end = ends[1];
}

static void tube_close(void)
{
    log_setup(-1, LOG_ALARM, "", noon);
    close(tube.read_end);
    close(tube.write_end);
}

static struct span tube_read(char *to, size_t cap)
{
    ssize_t n = read(tube.read_end, to, cap);
    return span_of(to, n > 0 ? (size_t)n : 0);
}

TEST(log_is_silent_before_its_setup)
{
    CHECK(!log_on(LOG_ALARM));
    log_begin(LOG_ALARM, "test.event");
    log_str("a", SPAN("b"));
    log_end();
    log_flush();
}

TEST(log_one_event_is_one_line)
{
    char text[1000];
    tube_open();
    log_setup(tube.write_end, LOG_INFO, "gate0", noon);
    CHECK(log_on(LOG_INFO) && log_on(LOG_ALARM) && !log_on(LOG_DEBUG));
    log_begin(LOG_DEBUG, "test.hidden");
    log_num("n", 1);
    log_end();
    log_begin(LOG_WARN, "test.event");
    log_str("peer", SPAN("mx.example\r\nx"));
    log_z("z", "plain");
    log_z("none", NULL);
    log_num("n", -5);
    log_flush(); /* in the middle: only whole lines leave */
    CHECK_NUM(tube_read(text, sizeof text).n, 0);
    log_end();
    log_flush();
    CHECK_Z(tube_read(text, sizeof text),
            "2026-11-23T12:00:00.123Z warn test.event who=gate0 peer=\"mx.example\\r\\nx\" z=plain "
            "none=\"\" n=-5\n");
    tube_close();
}

TEST(t15_log_cuts_long_lines_and_still_ends_them)
{
    char big[20000], text[20000];
    memset(big, '"', sizeof big);
    tube_open();
    log_setup(tube.write_end, LOG_INFO, "gate0", noon);
    log_begin(LOG_INFO, "test.big");
    log_str("v", span_of(big, sizeof big));
    log_num("n", 1);
    log_str("w", span_of(big, sizeof big));
    log_end();
    log_flush();
    struct span got = tube_read(text, sizeof text);
    CHECK(got.n <= 8 * 1024);
    CHECK_NUM(span_find(got, '\n'), got.n - 1);
    CHECK_Z(span_tail(got, got.n - 4), "\\\"\"\n");
    tube_close();
}

TEST(log_counts_what_a_full_descriptor_lost)
{
    enum { LINES = 20000 };
    static char text[1 << 20];
    tube_open();
    log_setup(tube.write_end, LOG_INFO, "gate0", noon);
    for (int i = 0; i < LINES; i++) {
        log_begin(LOG_INFO, "test.many");
        log_num("i", i);
        log_end();
    }
    size_t n = 0;
    for (struct span part; (part = tube_read(text + n, sizeof text - n)).n > 0; log_flush())
        n += part.n;
    log_begin(LOG_INFO, "test.last");
    log_end();
    log_flush();
    n += tube_read(text + n, sizeof text - n).n;

    int lines = 0;
    struct span rest = span_of(text, n), line = SPAN_NONE, before = SPAN_NONE;
    while (rest.n > 0) {
        before = line;
        line = span_cut(&rest, '\n');
        lines++;
    }
    CHECK_Z(line, "2026-11-23T12:00:00.123Z info test.last who=gate0");
    struct span head = SPAN("2026-11-23T12:00:00.123Z warn log.lost who=gate0 lines=");
    uint64_t lost;
    CHECK(span_starts(before, head));
    CHECK_NUM(span_u64(span_tail(before, head.n), LINES, &lost), ERR_OK);
    CHECK_NUM(lines - 2 + (int)lost, LINES);
    tube_close();
}
