/* What the fetcher and a worker say to each other (fetcher/wire.h), when the other one was taken
 * over: whatever passes is within its bounds, and texts end. The first byte chooses. */
#include "fetcher/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void request(struct span in, unsigned n_fd)
{
    struct fetcher_request m = { 0 };
    struct fetch_request r;
    size_t n = in.n < sizeof m ? in.n : sizeof m;
    if (n > 0)
        memcpy(&m, in.p, n);
    if (fetcher_request_read(&m, sizeof m, n_fd, &r) != ERR_OK)
        return;
    ASSERT(fetch_url_ok(r.url) && fetch_url_host(r.url).n > 0);
    ASSERT(r.url.n <= FETCH_URL_MAX && r.content_type.n <= FETCH_TYPE_MAX);
    ASSERT(r.body_max <= FETCHER_BODY_MAX && r.rules.timeout_ms <= FETCHER_TIMEOUT_MAX_MS);
}

static void answer(struct span in, unsigned n_fd)
{
    static struct fetcher_answer m;
    struct fetch_result r;
    struct span body;
    memset(&m, 0, sizeof m);
    size_t n = in.n < sizeof m ? in.n : sizeof m;
    if (n > 0)
        memcpy(&m, in.p, n);
    if (fetcher_answer_read(&m, n, n_fd, 1 << 20, &r, &body) != ERR_OK)
        return;
    ASSERT(body.n <= FETCHER_INLINE_MAX && FETCHER_ANSWER_BYTES(body.n) <= n);
    ASSERT(strlen(r.why) < sizeof r.why && strlen(r.address) < sizeof r.address);
    ASSERT(strlen(r.content_type) < sizeof r.content_type);
    ASSERT(r.reached == FETCH_DONE || (body.n == 0 && m.n_body == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fetch_rules rules;
    if (n == 0)
        return 0;
    struct span in = span_of((const char *)data + 1, n - 1);
    unsigned n_fd = data[0] >> 7;
    switch (data[0] % 3) {
    case 0:
        request(in, n_fd);
        break;
    case 1:
        answer(in, n_fd);
        break;
    default: {
        char *copy = mem_alloc(in.n); /* settings are mapped: at the start of a page */
        if (in.n > 0)
            memcpy(copy, in.p, in.n);
        if (fetcher_settings_read(span_of(copy, in.n), &rules) == ERR_OK)
            ASSERT(rules.proxy.n <= FETCHER_PROXY_MAX && rules.ca_pem.n < in.n);
        mem_free(copy);
    }
    }
    return 0;
}
