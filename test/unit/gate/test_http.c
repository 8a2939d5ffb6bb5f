#include "gate/http.h"

#include "test/test.h"

#define END "\r\n\r\n"

TEST(only_get_of_two_paths_is_answered)
{
    static const struct {
        const char *in;
        enum http_verdict want;
    } rows[] = {
        { "GET /metrics HTTP/1.1\r\nHost: localhost:9100" END, HTTP_METRICS },
        { "GET /metrics HTTP/1.0" END, HTTP_METRICS },
        { "GET / HTTP/1.1\r\nHost: x\r\nAccept:*/*\r\nX:" END, HTTP_ROOT },
        { "GET /metrics/ HTTP/1.1" END, HTTP_NOT_FOUND },
        { "GET /metrics?x=1 HTTP/1.1" END, HTTP_NOT_FOUND },
        { "GET /../etc/passwd HTTP/1.1" END, HTTP_NOT_FOUND },
        { "HEAD /metrics HTTP/1.1" END, HTTP_NOT_METHOD },
        { "POST / HTTP/1.1\r\nContent-Length: 3" END "abc", HTTP_NOT_METHOD },
        { "get /metrics HTTP/1.1" END, HTTP_NOT_METHOD },
        { "GET /metrics HTTP/2.0" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1 " END, HTTP_BAD },
        { "GET  /metrics HTTP/1.1" END, HTTP_BAD },
        { "GET http://x/metrics HTTP/1.1" END, HTTP_BAD },
        { "GET metrics HTTP/1.1" END, HTTP_BAD },
        { "GET /metrics" END, HTTP_BAD },
        { " GET /metrics HTTP/1.1" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1\n\n", HTTP_BAD },
        { "GET /metrics HTTP/1.1\r\nHost: x\n" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1\r\nHo\rst: x" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1\r\n: x" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1\r\nHost" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1\r\nHost : x" END, HTTP_BAD },
        { "GET /metrics HTTP/1.1\r\nA: b\r\n c" END, HTTP_BAD }, /* obs-fold */
        { "GET /metrics HTTP/1.1\r\nA: \x01" END, HTTP_BAD },
        { "GET /\x1b[2J HTTP/1.1" END, HTTP_BAD },
        { "EHLO mx.example.org\r\n", HTTP_BAD },
        { "\r\n", HTTP_BAD },
        { "\x16\x03\x01\n", HTTP_BAD },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].in);
        CHECK_NUM(http_judge(span_z(rows[i].in)), rows[i].want);
    }
    test_case(NULL);
}

TEST(a_head_may_come_in_any_pieces)
{
    struct span whole = SPAN("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n");
    for (size_t n = 0; n < whole.n; n++)
        CHECK_NUM(http_judge(span_head(whole, n)), HTTP_MORE);
    CHECK_NUM(http_judge(whole), HTTP_METRICS);
}

TEST(t14_an_endless_head_is_refused)
{
    struct buf b;
    buf_init(&b, 2 * HTTP_HEAD_MAX);
    buf_put(&b, SPAN("GET /metrics HTTP/1.1\r\nA: "));
    while (b.n < HTTP_HEAD_MAX) {
        CHECK_NUM(http_judge(buf_span(&b)), HTTP_MORE);
        buf_put(&b, SPAN("aaaaaaaa"));
    }
    buf_put(&b, SPAN("aaaaaaaa"));
    CHECK_NUM(http_judge(buf_span(&b)), HTTP_BAD);
    buf_done(&b);
}

TEST(an_answer_closes_the_connection_and_counts_its_bytes)
{
    struct buf b;
    buf_init(&b, 4096);
    http_answer(HTTP_METRICS, SPAN("postern_x 1\n"), &b);
    CHECK_SPAN(buf_span(&b), SPAN("HTTP/1.1 200 OK\r\n"
                                  "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                                  "Content-Length: 12\r\n"
                                  "X-Content-Type-Options: nosniff\r\n"
                                  "Cache-Control: no-store\r\n"
                                  "Connection: close\r\n\r\npostern_x 1\n"));
    buf_clear(&b);
    http_answer(HTTP_NOT_METHOD, SPAN_NONE, &b);
    CHECK(span_starts(buf_span(&b), SPAN("HTTP/1.1 405 Method Not Allowed\r\n")));
    CHECK(memmem(buf_span(&b).p, b.n, "\r\nAllow: GET\r\n", 14) != NULL);
    buf_done(&b);
}
