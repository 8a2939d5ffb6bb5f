#include "cli/fetch_daemon.h"

#include "base/enc.h"

#include <stdio.h>

enum { POST_TEXT_MAX = 48 * 1024 };

static void put_request(const struct fetch_request *q, struct ctl *to)
{
    struct buf text;
    buf_init(&text, POST_TEXT_MAX);
    enum err e = enc_base64(q->body, &text); /* requests of OCSP are a hundred bytes or two */
    ASSERT(e == ERR_OK);
    ctl_set(to, "verb", SPAN("fetch"));
    ctl_set(to, "url", q->url);
    ctl_set(to, "body", buf_span(&text));
    ctl_set(to, "content-type", q->content_type);
    ctl_set_num(to, "body-max", (int64_t)q->body_max);
    ctl_set_num(to, "timeout", q->rules.timeout_ms);
    buf_done(&text);
}

static void put_text(struct span from, char *to, size_t cap)
{
    (void)snprintf(to, cap, "%.*s", (int)(from.n < cap ? from.n : cap - 1), from.p ? from.p : "");
}

static void get_result(const struct ctl *a, struct buf *body, struct fetch_result *r)
{
    static const char *const phases[] = { "url", "dns", "tcp", "tls", "http", "done" };
    struct span reached = ctl_get(a, "reached");
    *r = (struct fetch_result){ .not_tried = ctl_get_bool(a, "not-tried"),
                                .timed_out = ctl_get_bool(a, "timed-out"),
                                .refused_by_us = ctl_get_bool(a, "refused"),
                                .too_big = ctl_get_bool(a, "too-big"),
                                .status = (unsigned)ctl_get_num(a, "status"),
                                .took_ms = ctl_get_num(a, "took") };
    for (unsigned i = 0; i < COUNTOF(phases); i++)
        if (span_eq(reached, span_z(phases[i])))
            r->reached = (enum fetch_phase)i;
    put_text(ctl_get(a, "address"), r->address, sizeof r->address);
    put_text(ctl_get(a, "content-type"), r->content_type, sizeof r->content_type);
    put_text(ctl_get(a, "why"), r->why, sizeof r->why);
    if (r->too_big)
        put_text(SPAN("the answer is larger than it may be (the daemon hands over 5 MiB; --here "
                      "takes more)"),
                 r->why, sizeof r->why);
    if (dec_base64(ctl_get(a, "body"), body) == ERR_OK)
        return;
    r->reached = FETCH_HTTP;
    put_text(SPAN("the daemon's answer cannot be read"), r->why, sizeof r->why);
}

void fetch_daemon(void *arg, const struct fetch_request *request, struct buf *body,
                  struct fetch_result *ret)
{
    struct ctl *ask = ctl_new(), *answer;
    struct why why;
    put_request(request, ask);
    enum err e = ask_one(arg, ask, &answer, &why);
    ctl_free(ask);
    if (e == ERR_OK) {
        get_result(answer, body, ret);
        ctl_free(answer);
        return;
    }
    *ret = (struct fetch_result){ .not_tried = true };
    (void)snprintf(ret->why, sizeof ret->why, "not asked: %.150s", why.text);
}
