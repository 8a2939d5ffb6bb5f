#include "gate/http.h"

/* RFC 9110 5.6.2. */
static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') &&
            span_find(SPAN("!#$%&'*+-.^_`|~"), c) == sizeof "!#$%&'*+-.^_`|~" - 1)
            return false;
    }
    return s.n > 0;
}

/* Bytes that may stand in a field's value: visible ones, those over 127, blanks and tabs. */
static bool is_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 32 && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static bool is_target(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] == 127)
            return false;
    return s.n > 0 && s.p[0] == '/';
}

static bool is_field(struct span line)
{
    struct span name = span_cut(&line, ':');
    return is_token(name) && name.p + name.n < line.p && is_value(line);
}

/* "GET /metrics HTTP/1.1" */
static enum http_verdict judge_line(struct span line)
{
    struct span method = span_cut(&line, ' '), target = span_cut(&line, ' ');
    if (!is_token(method) || !is_target(target))
        return HTTP_BAD;
    if (!span_eq(line, SPAN("HTTP/1.1")) && !span_eq(line, SPAN("HTTP/1.0")))
        return HTTP_BAD;
    if (!span_eq(method, SPAN("GET")))
        return HTTP_NOT_METHOD;
    if (span_eq(target, SPAN("/metrics")))
        return HTTP_METRICS;
    return span_eq(target, SPAN("/")) ? HTTP_ROOT : HTTP_NOT_FOUND;
}

/* A line without its CRLF off the front of *in. ERR_AGAIN: it is not whole. */
static enum err take_line(struct span *in, struct span *ret)
{
    size_t n = span_find(*in, '\n');
    struct span line = span_head(*in, n);
    size_t cr = span_find(line, '\r');
    if (cr + 1 < line.n || (n < in->n && cr == line.n))
        return ERR_SYNTAX; /* RFC 9112 2.2: bare ones are not guessed at */
    if (n == in->n)
        return ERR_AGAIN;
    *ret = span_head(line, cr);
    *in = span_tail(*in, n + 1);
    return ERR_OK;
}

enum http_verdict http_judge(struct span in)
{
    bool full = in.n > HTTP_HEAD_MAX;
    struct span line = SPAN_NONE;
    enum err e = take_line(&in, &line);
    enum http_verdict v = HTTP_BAD;
    if (e == ERR_OK)
        v = judge_line(line);
    while (e == ERR_OK && v != HTTP_BAD) {
        e = take_line(&in, &line);
        if (e == ERR_OK && line.n == 0)
            return v;
        if (e == ERR_OK && !is_field(line))
            v = HTTP_BAD;
    }
    return e == ERR_AGAIN && !full ? HTTP_MORE : HTTP_BAD;
}

static const struct {
    const char *status, *type, *body, *more;
} answers[HTTP_VERDICT_COUNT_] = {
    [HTTP_METRICS] = { "200 OK", "text/plain; version=0.0.4; charset=utf-8", NULL, "" },
    [HTTP_ROOT] = { "200 OK", "text/plain; charset=utf-8", "Postern: see /metrics\n", "" },
    [HTTP_BAD] = { "400 Bad Request", "text/plain; charset=utf-8", "bad request\n", "" },
    [HTTP_NOT_FOUND] = { "404 Not Found", "text/plain; charset=utf-8", "see /metrics\n", "" },
    [HTTP_NOT_METHOD] = { "405 Method Not Allowed", "text/plain; charset=utf-8", "only GET\n",
                          "Allow: GET\r\n" },
};

void http_answer(enum http_verdict v, struct span metrics, struct buf *out)
{
    ASSERT(v > HTTP_MORE && v < HTTP_VERDICT_COUNT_);
    struct span body = answers[v].body ? span_z(answers[v].body) : metrics;
    buf_putf(out,
             "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
             "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n%sConnection: close\r\n"
             "\r\n",
             answers[v].status, answers[v].type, body.n, answers[v].more);
    buf_put(out, body);
}
