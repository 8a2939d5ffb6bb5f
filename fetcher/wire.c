#include "fetcher/wire.h"

/* --- requests --- */

static bool type_ok(struct span type)
{
    for (size_t i = 0; i < type.n; i++)
        if (type.p[i] < ' ' || type.p[i] >= 127)
            return false;
    return true;
}

enum err fetcher_request_make(const struct fetch_request *r, uint32_t serial,
                              struct fetcher_request *ret)
{
    if (!fetch_url_ok(r->url) || !type_ok(r->content_type))
        return ERR_SYNTAX;
    if (r->content_type.n > FETCH_TYPE_MAX || r->body.n > FETCHER_POST_MAX ||
        r->body_max > FETCHER_BODY_MAX || r->rules.timeout_ms > FETCHER_TIMEOUT_MAX_MS)
        return ERR_TOO_BIG;
    *ret = (struct fetcher_request){ .serial = serial,
                                     .n_url = (uint32_t)r->url.n,
                                     .n_type = (uint32_t)r->content_type.n,
                                     .n_post = (uint32_t)r->body.n,
                                     .body_max = r->body_max,
                                     .timeout_ms = r->rules.timeout_ms };
    memcpy(ret->url, r->url.p, r->url.n);
    if (r->content_type.n > 0)
        memcpy(ret->type, r->content_type.p, r->content_type.n);
    return ERR_OK;
}

enum err fetcher_request_read(const struct fetcher_request *m, size_t n, unsigned n_fd,
                              struct fetch_request *ret)
{
    if (n != sizeof *m || m->n_url > sizeof m->url || m->n_type > sizeof m->type ||
        m->n_post > FETCHER_POST_MAX || m->body_max > FETCHER_BODY_MAX || m->timeout_ms < 0 ||
        m->timeout_ms > FETCHER_TIMEOUT_MAX_MS || n_fd != (m->n_post > 0 ? 1 : 0))
        return ERR_SYNTAX;
    struct fetch_request r = { .url = span_of(m->url, m->n_url),
                               .content_type = span_of(m->type, m->n_type),
                               .body_max = m->body_max,
                               .rules.timeout_ms = m->timeout_ms };
    if (!fetch_url_ok(r.url) || !type_ok(r.content_type))
        return ERR_SYNTAX;
    *ret = r;
    return ERR_OK;
}

/* --- answers --- */

/* NUL at its end, printable ASCII before. */
static void clean(const char *from, char *to, size_t cap)
{
    size_t n = 0;
    for (; n + 1 < cap && from[n]; n++)
        to[n] = from[n] >= ' ' && from[n] < 127 ? from[n] : '?';
    memset(to + n, 0, cap - n);
}

void fetcher_answer_make(const struct fetch_result *r, uint64_t n_body, struct fetcher_answer *ret)
{
    memset(ret, 0, FETCHER_ANSWER_BYTES(0));
    ret->status = r->status;
    ret->reached = (uint8_t)r->reached;
    ret->tls = (uint8_t)r->tls;
    ret->timed_out = r->timed_out;
    ret->refused = r->refused_by_us;
    ret->not_tried = r->not_tried;
    ret->too_big = r->too_big;
    ret->n_body = n_body;
    ret->took_ms = r->took_ms;
    clean(r->address, ret->address, sizeof ret->address);
    clean(r->why, ret->why, sizeof ret->why);
    clean(r->content_type, ret->content_type, sizeof ret->content_type);
}

static bool answer_is_sound(const struct fetcher_answer *m, size_t n, unsigned n_fd,
                            uint64_t body_max)
{
    bool flags = m->timed_out <= 1 && m->refused <= 1 && m->not_tried <= 1 && m->too_big <= 1;
    bool enums = m->reached <= FETCH_DONE && m->tls < FETCH_TLS_COUNT_ && m->status < 1000;
    size_t in = m->n_body <= FETCHER_INLINE_MAX ? (size_t)m->n_body : 0;
    return flags && enums && m->n_body <= body_max && n == FETCHER_ANSWER_BYTES(in) &&
           n_fd == (m->n_body > FETCHER_INLINE_MAX ? 1 : 0) && m->took_ms >= 0 &&
           (m->reached == FETCH_DONE || m->n_body == 0) &&
           (m->reached != FETCH_DONE || (m->status == 200 && !m->not_tried));
}

enum err fetcher_answer_read(const struct fetcher_answer *m, size_t n, unsigned n_fd,
                             uint64_t body_max, struct fetch_result *ret, struct span *ret_inline)
{
    if (n < FETCHER_ANSWER_BYTES(0) || !answer_is_sound(m, n, n_fd, body_max))
        return ERR_SYNTAX;
    *ret = (struct fetch_result){ .reached = (enum fetch_phase)m->reached,
                                  .timed_out = m->timed_out,
                                  .refused_by_us = m->refused,
                                  .not_tried = m->not_tried,
                                  .too_big = m->too_big,
                                  .status = m->status,
                                  .tls = (enum fetch_tls)m->tls,
                                  .took_ms = m->took_ms };
    clean(m->address, ret->address, sizeof ret->address);
    clean(m->why, ret->why, sizeof ret->why);
    clean(m->content_type, ret->content_type, sizeof ret->content_type);
    *ret_inline = span_of(m->body, n_fd > 0 ? 0 : (size_t)m->n_body);
    return ERR_OK;
}

/* --- settings --- */

void fetcher_settings_make(const struct fetch_rules *r, struct buf *ret)
{
    struct fetcher_settings s = { .timeout_ms = r->timeout_ms,
                                  .n_proxy = (uint32_t)r->proxy.n,
                                  .n_ca = (uint32_t)r->ca_pem.n,
                                  .allow_private = r->allow_private };
    ASSERT(r->proxy.n <= FETCHER_PROXY_MAX && r->ca_pem.n <= FETCHER_CA_MAX);
    if (r->proxy.n > 0)
        memcpy(s.proxy, r->proxy.p, r->proxy.n);
    buf_put(ret, span_of((const char *)&s, sizeof s));
    buf_put(ret, r->ca_pem);
}

enum err fetcher_settings_read(struct span bytes, struct fetch_rules *ret)
{
    const struct fetcher_settings *s = (const void *)bytes.p;
    if (bytes.n < sizeof *s || s->n_proxy > FETCHER_PROXY_MAX || s->n_ca > FETCHER_CA_MAX ||
        bytes.n != sizeof *s + s->n_ca || s->timeout_ms <= 0 ||
        s->timeout_ms > FETCHER_TIMEOUT_MAX_MS)
        return ERR_SYNTAX;
    *ret = (struct fetch_rules){ .timeout_ms = s->timeout_ms,
                                 .proxy = span_of(s->proxy, s->n_proxy),
                                 .allow_private = s->allow_private != 0,
                                 .ca_pem = span_tail(bytes, sizeof *s) };
    return ERR_OK;
}
