#include "fetcher/wire.h"

#include "test/test.h"

static struct fetch_request plain(void)
{
    return (struct fetch_request){ .url = SPAN("https://mta-sts.example/.well-known/mta-sts.txt"),
                                   .body_max = 65536,
                                   .rules.timeout_ms = 60000 };
}

TEST(a_request_comes_back_as_it_was)
{
    struct fetch_request q = plain(), r;
    struct fetcher_request m;
    q.content_type = SPAN("application/ocsp-request");
    q.body = SPAN("abc");
    CHECK_NUM(fetcher_request_make(&q, 7, &m), ERR_OK);
    CHECK_NUM(m.serial, 7);
    CHECK_NUM(m.n_post, 3);
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 1, &r), ERR_OK);
    CHECK(span_eq(r.url, q.url) && span_eq(r.content_type, q.content_type));
    CHECK_NUM(r.body_max, q.body_max);
    CHECK_NUM(r.rules.timeout_ms, 60000);
}

TEST(t45_what_cannot_be_asked_is_not_sent)
{
    struct fetcher_request m;
    struct fetch_request q = plain();
    q.url = SPAN("ftp://example/");
    CHECK_NUM(fetcher_request_make(&q, 1, &m), ERR_SYNTAX);
    q = plain();
    q.content_type = SPAN("a\r\nHost: other");
    CHECK_NUM(fetcher_request_make(&q, 1, &m), ERR_SYNTAX);
    q = plain();
    q.body_max = FETCHER_BODY_MAX + 1ull;
    CHECK_NUM(fetcher_request_make(&q, 1, &m), ERR_TOO_BIG);
    q = plain();
    q.rules.timeout_ms = FETCHER_TIMEOUT_MAX_MS + 1;
    CHECK_NUM(fetcher_request_make(&q, 1, &m), ERR_TOO_BIG);
}

TEST(t45_a_worker_that_was_taken_over_is_not_believed)
{
    struct fetcher_request good, m;
    struct fetch_request q = plain(), r;
    CHECK_NUM(fetcher_request_make(&q, 1, &good), ERR_OK);
    CHECK_NUM(fetcher_request_read(&good, sizeof good, 0, &r), ERR_OK);
    CHECK_NUM(fetcher_request_read(&good, sizeof good - 1, 0, &r), ERR_SYNTAX);
    CHECK_NUM(fetcher_request_read(&good, sizeof good, 1, &r), ERR_SYNTAX);
    m = good, m.n_url = FETCH_URL_MAX + 1;
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 0, &r), ERR_SYNTAX);
    m = good, m.n_type = UINT32_MAX;
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 0, &r), ERR_SYNTAX);
    m = good, m.n_post = 1;
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 0, &r), ERR_SYNTAX);
    m = good, m.n_post = FETCHER_POST_MAX + 1;
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 1, &r), ERR_SYNTAX);
    m = good, m.body_max = UINT64_MAX;
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 0, &r), ERR_SYNTAX);
    m = good, m.timeout_ms = -1;
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 0, &r), ERR_SYNTAX);
    m = good, m.url[8] = '\n';
    CHECK_NUM(fetcher_request_read(&m, sizeof m, 0, &r), ERR_SYNTAX);
}

static const struct fetch_result done = { .reached = FETCH_DONE,
                                          .status = 200,
                                          .tls = FETCH_TLS_OK,
                                          .content_type = "text/plain",
                                          .address = "192.0.2.1",
                                          .took_ms = 12 };

TEST(an_answer_comes_back_as_it_was)
{
    static struct fetcher_answer m;
    struct fetch_result r;
    struct span body;
    fetcher_answer_make(&done, 5, &m);
    memcpy(m.body, "hello", 5);
    CHECK_NUM(fetcher_answer_read(&m, FETCHER_ANSWER_BYTES(5), 0, 100, &r, &body), ERR_OK);
    CHECK_Z(body, "hello");
    CHECK(r.reached == FETCH_DONE && r.status == 200 && r.tls == FETCH_TLS_OK && r.took_ms == 12);
    CHECK(strcmp(r.content_type, "text/plain") == 0 && strcmp(r.address, "192.0.2.1") == 0);
    fetcher_answer_make(&done, FETCHER_INLINE_MAX + 1, &m);
    CHECK_NUM(fetcher_answer_read(&m, FETCHER_ANSWER_BYTES(0), 1, 1 << 20, &r, &body), ERR_OK);
    CHECK_NUM(body.n, 0);
}

TEST(a_fetcher_that_was_taken_over_is_not_believed)
{
    static struct fetcher_answer good, m;
    struct fetch_result r;
    struct span body;
    const size_t n = FETCHER_ANSWER_BYTES(5);
    fetcher_answer_make(&done, 5, &good);
#define REFUSED(change)                                                                            \
    m = good, change;                                                                              \
    CHECK_NUM(fetcher_answer_read(&m, n, 0, 100, &r, &body), ERR_SYNTAX)
    REFUSED(m.n_body = 6);
    REFUSED(m.n_body = UINT64_MAX);
    REFUSED(m.reached = FETCH_DONE + 1);
    REFUSED(m.reached = FETCH_HTTP);
    REFUSED(m.tls = FETCH_TLS_COUNT_);
    REFUSED(m.timed_out = 2);
    REFUSED(m.status = 404);
    REFUSED(m.not_tried = 1);
    REFUSED(m.took_ms = -1);
#undef REFUSED
    m = good;
    CHECK_NUM(fetcher_answer_read(&m, n, 1, 100, &r, &body), ERR_SYNTAX);
    CHECK_NUM(fetcher_answer_read(&m, n, 0, 4, &r, &body), ERR_SYNTAX);
    CHECK_NUM(fetcher_answer_read(&m, 3, 0, 100, &r, &body), ERR_SYNTAX);
    memset(m.why, '\n', sizeof m.why); /* without an end */
    CHECK_NUM(fetcher_answer_read(&m, n, 0, 100, &r, &body), ERR_OK);
    CHECK(strlen(r.why) == FETCH_WHY_MAX - 1 && r.why[0] == '?');
}

TEST(settings_come_back_as_they_were)
{
    struct fetch_rules r;
    const struct fetch_rules q = { .timeout_ms = 30000,
                                   .proxy = SPAN("http://proxy.example:3128"),
                                   .allow_private = true,
                                   .ca_pem = SPAN("-----BEGIN CERTIFICATE-----") };
    struct buf b;
    buf_init(&b, FETCHER_SETTINGS_MAX);
    fetcher_settings_make(&q, &b);
    CHECK_NUM(fetcher_settings_read(buf_span(&b), &r), ERR_OK);
    CHECK(r.timeout_ms == 30000 && r.allow_private);
    CHECK(span_eq(r.proxy, q.proxy) && span_eq(r.ca_pem, q.ca_pem));
    CHECK_NUM(fetcher_settings_read(span_head(buf_span(&b), b.n - 1), &r), ERR_SYNTAX);
    CHECK_NUM(fetcher_settings_read(SPAN_NONE, &r), ERR_SYNTAX);
    buf_done(&b);
}
