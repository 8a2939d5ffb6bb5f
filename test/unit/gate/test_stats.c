#include "gate/stats.h"
#include "test/test.h"

enum { WORKERS = 2 };

TEST(stats_sums_all_workers)
{
    struct stats_row row[WORKERS] = { { { 0 } } };
    struct stats a = { row, WORKERS, 0 }, b = { row, WORKERS, 1 };
    stats_add(&a, STAT_MAIL_IN, 3);
    stats_add(&b, STAT_MAIL_IN, 4);
    stats_set(&a, STAT_ACTIVE, 10);
    stats_set(&b, STAT_ACTIVE, 5);
    stats_set(&b, STAT_ACTIVE, 6);
    CHECK_NUM(stats_sum(&a, STAT_MAIL_IN), 7);
    CHECK_NUM(stats_sum(&b, STAT_ACTIVE), 16);
}

TEST(stats_oldest_is_the_oldest_of_all_workers)
{
    struct stats_row row[WORKERS] = { { { 0 } } };
    struct stats a = { row, WORKERS, 0 }, b = { row, WORKERS, 1 };
    stats_set(&a, STAT_QUEUE_OLDEST, 70);
    stats_set(&b, STAT_QUEUE_OLDEST, 30);
    stats_set(&a, STAT_QUEUE_MESSAGES, 70);
    stats_set(&b, STAT_QUEUE_MESSAGES, 30);
    CHECK_NUM(stats_sum(&a, STAT_QUEUE_OLDEST), 70);
    CHECK_NUM(stats_sum(&b, STAT_QUEUE_OLDEST), 70);
    CHECK_NUM(stats_sum(&a, STAT_QUEUE_MESSAGES), 100);
}

TEST(stats_wipe_leaves_counters)
{
    struct stats_row row[WORKERS] = { { { 0 } } };
    struct stats a = { row, WORKERS, 0 }, b = { row, WORKERS, 1 };
    for (int i = 0; i < STAT_COUNT_; i++) {
        stats_add(&a, (enum counter)i, 1);
        stats_add(&b, (enum counter)i, 1);
    }
    stats_wipe_gauges(&a);
    CHECK_NUM(stats_sum(&a, STAT_CONNECTIONS_OPEN), 1);
    CHECK_NUM(stats_sum(&a, STAT_BODY_MEMORY), 1);
    CHECK_NUM(stats_sum(&a, STAT_DELIVERED), 2);
    CHECK_NUM(row[1].value[STAT_ACTIVE], 1);
}

/* [a-zA-Z_:][a-zA-Z0-9_:]*, and what `promtool check metrics` wants of names. */
static void check_name(struct span name, bool is_gauge)
{
    CHECK(span_starts(name, SPAN("postern_")));
    for (size_t i = 0; i < name.n; i++)
        CHECK((name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_');
    CHECK(span_ends_nocase(name, SPAN("_total")) != is_gauge);
}

/* Reads the text as Prometheus does: HELP, TYPE and one value a metric, each metric once. */
TEST(stats_print_is_a_valid_exposition)
{
    struct stats_row row[WORKERS] = { { { 0 } } };
    struct stats s = { row, WORKERS, 1 };
    struct buf text;
    buf_init(&text, STATS_TEXT_MAX);
    for (int i = 0; i < STAT_COUNT_; i++)
        stats_add(&s, (enum counter)i, i);
    row[0].value[STAT_MAIL_IN_BYTES] = UINT64_MAX - STAT_MAIL_IN_BYTES;
    stats_print(&s, &text);

    struct span left = buf_span(&text);
    for (int i = 0; i < STAT_COUNT_; i++) {
        test_case(stats_name((enum counter)i));
        struct span name = span_z(stats_name((enum counter)i));
        struct span help = span_cut(&left, '\n'), type = span_cut(&left, '\n');
        struct span value = span_cut(&left, '\n');
        CHECK_SPAN(span_cut(&help, ' '), SPAN("#"));
        CHECK_SPAN(span_cut(&help, ' '), SPAN("HELP"));
        CHECK_SPAN(span_cut(&help, ' '), name);
        CHECK(help.n > 10 && help.p[help.n - 1] == '.' && span_find(help, '\\') == help.n);
        CHECK_SPAN(span_cut(&type, ' '), SPAN("#"));
        CHECK_SPAN(span_cut(&type, ' '), SPAN("TYPE"));
        CHECK_SPAN(span_cut(&type, ' '), name);
        CHECK(span_eq(type, SPAN("counter")) || span_eq(type, SPAN("gauge")));
        check_name(name, span_eq(type, SPAN("gauge")));
        CHECK_SPAN(span_cut(&value, ' '), name);
        uint64_t n;
        CHECK_NUM(span_u64(value, UINT64_MAX, &n), ERR_OK);
        CHECK(n == (i == STAT_MAIL_IN_BYTES ? UINT64_MAX : (uint64_t)i));
        for (int k = 0; k < i; k++)
            CHECK(!span_eq(span_z(stats_name((enum counter)k)), name));
    }
    CHECK_NUM(left.n, 0);
    buf_done(&text);
}

TEST(stats_gauge_below_zero_is_printed)
{
    struct stats_row row = { { 0 } };
    struct stats s = { &row, 1, 0 };
    struct buf text;
    buf_init(&text, STATS_TEXT_MAX);
    stats_add(&s, STAT_CONNECTIONS_OPEN, -1);
    stats_print(&s, &text);
    CHECK(strstr(buf_z(&text), "\npostern_connections_open -1\n") != NULL);
    buf_done(&text);
}
