#include "gate/limits.h"
#include "base/when.h"
#include "test/test.h"

/* --- the table --- */

TEST(limits_every_row_is_sound)
{
    size_t n;
    const struct limit_row *row = limits_table(&n);
    for (size_t i = 0; i < n; i++) {
        test_case(row[i].name);
        CHECK(row[i].least <= row[i].fallback && row[i].fallback <= row[i].most);
        CHECK(row[i].offset < sizeof(struct limits));
        CHECK(strlen(row[i].reason) > 20);
        CHECK(!row[i].is_unsigned || row[i].most <= UINT32_MAX);
        CHECK((row[i].unit == LIMIT_MS) == row[i].is_int64);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(row[i].name, row[k].name) != 0 && row[i].offset != row[k].offset);
    }
}

/* Every member has its row: with all rows at 1 no byte of a member stays as it was. */
TEST(limits_every_member_has_a_row)
{
    struct limits l;
    limits_defaults(&l);
    CHECK_NUM(l.in.message_bytes, 50 * 1024 * 1024);
    CHECK_NUM(l.in.rcpts, 1000);
    CHECK_NUM(l.in.session_ms, 2 * HOUR_MS);
    CHECK_NUM(l.out.end_ms, 10 * MINUTE_MS);
    CHECK_NUM(l.idle_session_ms, 5 * SECOND_MS);
    CHECK(l.exempt == NULL);

    size_t n, bytes = 0;
    const struct limit_row *row = limits_table(&n);
    for (size_t i = 0; i < n; i++)
        bytes += row[i].is_unsigned ? sizeof(unsigned) : sizeof(uint64_t);
    size_t padding = sizeof(struct smtpd_limits) % 8 + 4; /* after the unsigned ones, n_exempt */
    CHECK(sizeof(struct limits) - bytes <= padding + 2 * sizeof(void *));
}

TEST(limits_set_keeps_the_bounds)
{
    struct limits l;
    const struct limit_row *row = NULL;
    limits_defaults(&l);
    CHECK_NUM(limits_set(&l, SPAN("recipients"), 100, &row), ERR_OK);
    CHECK_NUM(l.in.rcpts, 100);
    CHECK_NUM(limits_set(&l, SPAN("recipients"), 99, &row), ERR_TOO_BIG);
    CHECK_NUM(limits_set(&l, SPAN("recipients"), 8001, &row), ERR_TOO_BIG);
    CHECK_NUM(l.in.rcpts, 100);
    CHECK_Z(span_z(row->name), "recipients");
    CHECK_NUM(limits_set(&l, SPAN("out_idle"), 0, &row), ERR_OK);
    CHECK_NUM(l.idle_session_ms, 0);
    CHECK_NUM(limits_set(&l, SPAN("body_memory"), (uint64_t)64 << 30, &row), ERR_OK);
    CHECK_NUM(l.body_memory_bytes, (int64_t)64 << 30);
    row = NULL;
    CHECK_NUM(limits_set(&l, SPAN("recipient"), 100, &row), ERR_NOT_FOUND);
    CHECK_NUM(limits_set(&l, SPAN_NONE, 100, &row), ERR_NOT_FOUND);
    CHECK(row == NULL);
}

TEST(limits_as_text)
{
    static const struct {
        enum limit_unit unit;
        uint64_t value;
        const char *want;
    } cases[] = {
        { LIMIT_COUNT, 0, "0" },           { LIMIT_COUNT, 4096, "4096" },
        { LIMIT_BYTES, 0, "0" },           { LIMIT_BYTES, 1000, "1000" },
        { LIMIT_BYTES, 4096, "4K" },       { LIMIT_BYTES, 52428800, "50M" },
        { LIMIT_BYTES, 1073741824, "1G" }, { LIMIT_MS, 0, "0s" },
        { LIMIT_MS, 100, "100ms" },        { LIMIT_MS, 1500, "1500ms" },
        { LIMIT_MS, 90000, "90s" },        { LIMIT_MS, 300000, "5m" },
        { LIMIT_MS, 7200000, "2h" },       { LIMIT_MS, 172800000, "2d" },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct limit_row row = { .unit = cases[i].unit };
        char text[LIMIT_TEXT_MAX];
        test_case(cases[i].want);
        CHECK_Z(span_z(limit_text(&row, cases[i].value, text)), cases[i].want);
    }
}

TEST(limits_doc_says_what_the_table_says)
{
    struct buf doc, want;
    test_read_file("docs/limits.md", &doc);
    buf_init(&want, LIMITS_TEXT_MAX);
    limits_print(&want);
    struct span got = buf_span(&doc);
    while (got.n > 0 && got.p[0] != '|')
        span_cut(&got, '\n');
    CHECK_SPAN(got, buf_span(&want));
    buf_done(&doc);
    buf_done(&want);
}

/* --- clients --- */

enum { WORKERS = 3 };

struct shared {
    struct clients_part *part;
    struct clients worker[WORKERS];
    struct limits limits;
};

static void shared_init(struct shared *s)
{
    *s = (struct shared){ .part = mem_zalloc(WORKERS * sizeof *s->part) };
    for (unsigned i = 0; i < WORKERS; i++)
        s->worker[i] = (struct clients){ s->part, WORKERS, i, { { 7, 9 } } };
    limits_defaults(&s->limits);
    s->limits.connections_per_address = 5;
    s->limits.connection_rate = 10;
    s->limits.message_rate = 4;
}

static struct ip ip_of(const char *text)
{
    struct ip ip;
    CHECK_NUM(ip_parse(span_z(text), &ip), ERR_OK);
    return ip;
}

static unsigned take_all(struct shared *s, unsigned tries, const struct ip *ip, int64_t now_ms)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++)
        n += clients_take(&s->worker[i % WORKERS], ip, &s->limits, now_ms) == ERR_OK;
    return n;
}

TEST(clients_at_once_over_all_workers)
{
    struct shared s;
    struct ip a = ip_of("192.0.2.1"), b = ip_of("192.0.2.2");
    shared_init(&s);
    CHECK_NUM(take_all(&s, 6, &a, 1000), 5);
    CHECK_NUM(take_all(&s, 5, &b, 1000), 5);
    clients_drop(&s.worker[0], &a);
    CHECK_NUM(clients_take(&s.worker[2], &a, &s.limits, 1000), ERR_OK);
    CHECK_NUM(clients_take(&s.worker[0], &a, &s.limits, 1000), ERR_REFUSED);
    mem_free(s.part);
}

TEST(clients_ipv6_is_its_64)
{
    struct shared s;
    struct ip a = ip_of("2001:db8::1"), b = ip_of("2001:db8::ffff:2"), c = ip_of("2001:db8:0:1::1");
    shared_init(&s);
    CHECK_NUM(take_all(&s, 5, &a, 1000), 5);
    CHECK_NUM(take_all(&s, 1, &b, 1000), 0);
    CHECK_NUM(take_all(&s, 1, &c, 1000), 1);
    mem_free(s.part);
}

TEST(clients_rate_slides_over_the_minute)
{
    struct shared s;
    struct ip a = ip_of("192.0.2.1");
    shared_init(&s);
    s.limits.connections_per_address = 1000;
    CHECK_NUM(take_all(&s, 12, &a, 59999), 10); /* 12 counted, refused ones as well */
    CHECK_NUM(take_all(&s, 1, &a, 60000), 0);   /* 1 + 12 */
    CHECK_NUM(take_all(&s, 1, &a, 90000), 1);   /* 2 + 6 */
    CHECK_NUM(take_all(&s, 9, &a, 119999), 8);  /* up to 10 of this minute, 0 of the last */
    CHECK_NUM(take_all(&s, 1, &a, 300000), 1);  /* all forgotten */
    CHECK_NUM(take_all(&s, 11, &a, 1000), 10);  /* the clock was set back: from nothing */
    mem_free(s.part);
}

TEST(clients_mail_rate)
{
    struct shared s;
    struct ip a = ip_of("192.0.2.1");
    shared_init(&s);
    for (unsigned i = 0; i < 4; i++)
        CHECK_NUM(clients_mail(&s.worker[i % WORKERS], &a, &s.limits, 5000), ERR_OK);
    CHECK_NUM(clients_mail(&s.worker[0], &a, &s.limits, 5000), ERR_REFUSED);
    CHECK_NUM(clients_mail(&s.worker[0], &a, &s.limits, 200000), ERR_OK);
    mem_free(s.part);
}

TEST(clients_exempt_are_counted_and_not_refused)
{
    struct shared s;
    struct ip_net net;
    struct ip a = ip_of("10.1.2.3"), mapped = ip_of("10.1.2.3");
    shared_init(&s);
    CHECK_NUM(ip_net_parse(SPAN("10.0.0.0/8"), &net), ERR_OK);
    s.limits.exempt = &net;
    s.limits.n_exempt = 1;
    mapped.family = IP_V6;
    memcpy(mapped.a, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03", 16);
    CHECK_NUM(take_all(&s, 40, &a, 1000), 40);
    CHECK_NUM(take_all(&s, 3, &mapped, 1000), 3);
    for (unsigned i = 0; i < 40; i++)
        CHECK_NUM(clients_mail(&s.worker[0], &a, &s.limits, 1000), ERR_OK);
    s.limits.n_exempt = 0;
    CHECK_NUM(take_all(&s, 1, &a, 1000), 0);
    for (unsigned i = 0; i < 43; i++)
        clients_drop(&s.worker[i < 40 ? i % WORKERS : (i - 40) % WORKERS], &a);
    CHECK_NUM(take_all(&s, 1, &a, 1000 + 3 * MINUTE_MS), 1);
    mem_free(s.part);
}

TEST(clients_of_a_dead_worker_are_wiped)
{
    struct shared s;
    struct ip a = ip_of("192.0.2.1");
    shared_init(&s);
    for (unsigned i = 0; i < 5; i++)
        CHECK_NUM(clients_take(&s.worker[1], &a, &s.limits, 1000), ERR_OK);
    CHECK_NUM(clients_take(&s.worker[0], &a, &s.limits, 1000), ERR_REFUSED);
    s.part[1] = (struct clients_part){ 0 };
    CHECK_NUM(clients_take(&s.worker[0], &a, &s.limits, 1000), ERR_OK);
    mem_free(s.part);
}
