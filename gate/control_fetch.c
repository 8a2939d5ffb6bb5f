/* fetch: one exchange by the fetcher, for `postern cert endpoints`: whom this daemon can reach, as
 * its user, in its sandbox, by its proxy. What may be asked are the fetcher's rules (`fetch` in the
 * configuration); here stand bounds of number and size, so that the verb is no tool for attacks. */
#include "gate/control_request.h"

#include "base/enc.h"
#include "gate/fetching.h"

enum {
    BODY_MAX = 5 * 1024 * 1024, /* in base 64 it fits a line of an answer */
    POST_MAX = 32 * 1024,
    AT_ONCE = 4,
    A_MINUTE = 600,
    MINUTE_MS = 60 * 1000,
};

static const char *const phases[] = { "url", "dns", "tcp", "tls", "http", "done" };
STATIC_ASSERT(COUNTOF(phases) == FETCH_DONE + 1);
static const char *const tls_words[FETCH_TLS_COUNT_] = { "none", "ok",        "expired",
                                                         "name", "untrusted", "failed" };

static void put_body(struct ctl *out, struct span body)
{
    struct buf text;
    buf_init(&text, (size_t)BODY_MAX / 3 * 4 + 8);
    enum err e = enc_base64(body, &text);
    ASSERT(e == ERR_OK);
    ctl_set(out, "body", buf_span(&text));
    buf_done(&text);
}

static void fetched(void *arg, const struct fetch_result *f, struct span body)
{
    struct request *r = arg;
    struct ctl *out = r->out;
    r->w->operator_fetches.under_way--;
    r->cancel = NULL;
    ctl_set_bool(out, "ok", true);
    ctl_set(out, "reached", span_z(phases[f->reached]));
    ctl_set(out, "tls", span_z(tls_words[f->tls]));
    ctl_set_bool(out, "not-tried", f->not_tried);
    ctl_set_bool(out, "timed-out", f->timed_out);
    ctl_set_bool(out, "refused", f->refused_by_us);
    ctl_set_bool(out, "too-big", f->too_big);
    ctl_set_num(out, "status", f->status);
    ctl_set_num(out, "took", f->took_ms);
    ctl_set(out, "address", span_z(f->address));
    ctl_set(out, "content-type", span_z(f->content_type));
    ctl_set(out, "why", span_z(f->why));
    put_body(out, body);
    request_done(r);
}

static void cancelled(struct request *r)
{
    fetching_cancel(r->work);
    r->w->operator_fetches.under_way--;
    request_done(r);
}

/* One of the next minute, or of those under way, is not granted. */
static bool may_begin(struct worker *w)
{
    struct fetch_bound *b = &w->operator_fetches;
    int64_t minute = loop_now_ms(w->loop) / MINUTE_MS;
    if (b->minute != minute)
        *b = (struct fetch_bound){ .minute = minute, .under_way = b->under_way };
    if (b->under_way >= AT_ONCE || b->begun >= A_MINUTE)
        return false;
    b->under_way++;
    b->begun++;
    return true;
}

static enum err read_request(struct request *r, struct buf *body, struct fetch_request *ret,
                             struct why *why)
{
    int64_t max = ctl_get_num(r->in, "body-max"), timeout = ctl_get_num(r->in, "timeout");
    *ret = (struct fetch_request){ .url = ctl_get(r->in, "url"),
                                   .content_type = ctl_get(r->in, "content-type"),
                                   .body_max = max > 0 && max < BODY_MAX ? (uint64_t)max : BODY_MAX,
                                   .rules.timeout_ms = timeout };
    if (!fetch_url_ok(ret->url) || ret->content_type.n > FETCH_TYPE_MAX || timeout < 0 ||
        timeout > FETCHING_TIMEOUT_MS) {
        why_set(why, "`url` wants a URL of http or https; `timeout` is %d at most",
                FETCHING_TIMEOUT_MS);
        return ERR_SYNTAX;
    }
    if (dec_base64(ctl_get(r->in, "body"), body) != ERR_OK) {
        why_set(why, "`body` wants base 64, of %d bytes at most", POST_MAX);
        return ERR_SYNTAX;
    }
    ret->body = buf_span(body);
    return ERR_OK;
}

void control_fetch(struct request *r)
{
    struct fetch_request ask;
    struct buf body;
    struct why why;
    buf_init(&body, POST_MAX);
    if (read_request(r, &body, &ask, &why) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "%s", why.text);
    } else if (!may_begin(r->w)) {
        request_fail(r, REQUEST_TOO_BIG, "%d at once and %d a minute are fetched for operators",
                     AT_ONCE, A_MINUTE);
    } else {
        r->work = fetching_ask(r->w, &ask, fetched, r);
        r->cancel = cancelled;
    }
    buf_done(&body);
}
