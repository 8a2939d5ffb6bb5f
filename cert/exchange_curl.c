/* libcurl, prepared and judged. Start at exchange_begin, and at note_end. */
#include "cert/exchange.h"

#include "mail/ip.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

STATIC_ASSERT(EXCHANGE_ERROR_MAX >= CURL_ERROR_SIZE);

/* --- one exchange --- */

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    if (!x->body)
        return size * n;
    x->full = x->left && *x->left < size * n;
    x->too_big = !x->full && buf_append(x->body, span_of(p, size * n)) != ERR_OK;
    if (x->full || x->too_big)
        return 0;
    if (x->left)
        *x->left -= size * n;
    return size * n;
}

static bool address_of(const struct sockaddr *sa, struct ip *ret)
{
    struct ip ip = { .family = IP_NONE };
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        ip.family = IP_V4;
        memcpy(ip.a, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;
        ip.family = IP_V6;
        memcpy(ip.a, &in6->sin6_addr, 16);
    }
    *ret = ip;
    return ip.family != IP_NONE;
}

/* After the name was resolved, for each address: what is asked is what was looked at (T-45). */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct exchange *x = arg;
    struct ip ip;
    (void)purpose;
    bool proxy = x->rules->proxy.n > 0; /* the operator's; it sees to the addresses */
    if (!address_of(&to->addr, &ip) ||
        (!x->rules->allow_private && !proxy && !fetch_is_public(&ip))) {
        x->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_text(CURL *curl, CURLoption option, struct span s)
{
    struct buf z;
    buf_init(&z, FETCH_URL_MAX + 1);
    buf_put(&z, span_head(s, s.n < FETCH_URL_MAX ? s.n : FETCH_URL_MAX));
    CURLcode code = curl_easy_setopt(curl, option, buf_z(&z)); /* it copies */
    ASSERT(code == CURLE_OK);
    buf_done(&z);
}

void exchange_library(void)
{
    static bool ready;
    if (!ready)
        ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    ASSERT(ready);
}

static void set_anchors(CURL *curl, struct span pem)
{
    struct curl_blob blob = { .data = (void *)(uintptr_t)pem.p, .len = pem.n, CURL_BLOB_NOCOPY };
    if (pem.n == 0)
        return;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    ASSERT(code == CURLE_OK);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* these alone */
}

void exchange_open(struct exchange *x, const struct fetch_rules *rules, struct span url,
                   const char *protocols)
{
    *x = (struct exchange){ .rules = rules };
    exchange_library();
    x->curl = curl_easy_init();
    ASSERT(x->curl);
    CURL *c = x->curl;
    set_text(c, CURLOPT_URL, url);
    set_text(c, CURLOPT_PROTOCOLS_STR, span_z(protocols));
    set_text(c, CURLOPT_PROXY, x->rules->proxy); /* "": the environment has no say */
    set_text(c, CURLOPT_NOPROXY, SPAN_NONE);
    set_anchors(c, rules->ca_pem);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a name server that is silent does not hold us */
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)x->rules->timeout_ms);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)x->rules->timeout_ms);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->error);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

/* --- what went wrong, and where --- */

static const char refused_words[] =
    "not asked: an address of this host, of a private network or for special uses; "
    "--allow-private, or `allow_private` in `fetch`, allows it";
STATIC_ASSERT(sizeof refused_words <= FETCH_WHY_MAX);

struct cause {
    enum fetch_phase phase;
    const char *why;
};

static struct cause cause_of_connect(const struct exchange *x)
{
    long code = 0;
    curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &code);
    if (x->refused)
        return (struct cause){ FETCH_TCP, refused_words };
    if (code == ECONNREFUSED)
        return (struct cause){ FETCH_TCP,
                               "connection refused: nothing listens there, or a firewall "
                               "rejects it" };
    if (code == ENETUNREACH || code == EHOSTUNREACH)
        return (struct cause){ FETCH_TCP,
                               "no route to it: the network, or a firewall that says so" };
    if (code == ECONNRESET)
        return (struct cause){ FETCH_TCP, "the connection was reset: a firewall?" };
    return (struct cause){ FETCH_TCP, "it cannot be connected to" };
}

/* How far it came before the time was over. */
static struct cause cause_of_timeout(const struct exchange *x)
{
    double named = 0, connected = 0, secure = 0;
    curl_easy_getinfo(x->curl, CURLINFO_NAMELOOKUP_TIME, &named);
    curl_easy_getinfo(x->curl, CURLINFO_CONNECT_TIME, &connected);
    curl_easy_getinfo(x->curl, CURLINFO_APPCONNECT_TIME, &secure);
    const char *scheme = NULL;
    curl_easy_getinfo(x->curl, CURLINFO_SCHEME, &scheme);
    bool https = scheme && strcasecmp(scheme, "https") == 0;
    if (named <= 0)
        return (struct cause){ FETCH_DNS, "the DNS gave no answer in time" };
    if (connected <= 0)
        return (struct cause){ FETCH_TCP, "no answer to the connection in time: most likely a "
                                          "firewall drops it; allow this host and port" };
    if (https && secure <= 0)
        return (struct cause){ FETCH_TLS, "the handshake did not end in time" };
    return (struct cause){ FETCH_HTTP,
                           "connected, but no whole answer in time: a proxy or firewall "
                           "in between, or a slow server" };
}

static struct cause cause_of(const struct exchange *x, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return (struct cause){ FETCH_DONE, "" };
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return (struct cause){ FETCH_URL, "this is no URL of http or https" };
    case CURLE_COULDNT_RESOLVE_HOST:
        return (struct cause){ FETCH_DNS, "the name cannot be resolved" };
    case CURLE_COULDNT_RESOLVE_PROXY:
        return (struct cause){ FETCH_DNS, "the proxy's name cannot be resolved" };
    case CURLE_COULDNT_CONNECT:
        return cause_of_connect(x);
    case CURLE_OPERATION_TIMEDOUT:
        return cause_of_timeout(x);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_USE_SSL_FAILED:
        return (struct cause){ FETCH_TLS, NULL };
    case CURLE_FILESIZE_EXCEEDED:
        return (struct cause){ FETCH_HTTP, "the answer is larger than it may be" };
    case CURLE_WRITE_ERROR:
        return (struct cause){ FETCH_HTTP, x->full      ? "all answers together are too large now"
                                           : x->too_big ? "the answer is larger than it may be"
                                                        : "the answer cannot be taken" };
    default:
        return (struct cause){ FETCH_HTTP, NULL };
    }
}

/* What OpenSSL says of a certificate: the values of X509_V_ERR_*, which do not change. */
static enum fetch_tls tls_of_verify(long verify)
{
    switch (verify) {
    case 9: /* not yet valid */
    case 10:
        return FETCH_TLS_EXPIRED;
    case 62: /* the host's name */
    case 64: /* its address */
        return FETCH_TLS_NAME;
    case 2:  /* an issuer is missing */
    case 18: /* signed by itself */
    case 19: /* an unknown root */
    case 20: /* an issuer that is not known here */
    case 21: /* a leaf alone */
    case 27:
        return FETCH_TLS_UNTRUSTED;
    default:
        return FETCH_TLS_FAILED;
    }
}

/* libcurl compares the name itself, after OpenSSL has found the chain to be well, and has set the
 * verdict to X509_V_ERR_UNSPECIFIED before. */
enum { UNJUDGED = 1 };

static enum fetch_tls tls_of(const struct exchange *x, CURLcode code, enum fetch_phase phase)
{
    long verify = 0;
    double secure = 0;
    curl_easy_getinfo(x->curl, CURLINFO_SSL_VERIFYRESULT, &verify);
    curl_easy_getinfo(x->curl, CURLINFO_APPCONNECT_TIME, &secure);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return verify <= UNJUDGED ? FETCH_TLS_NAME : tls_of_verify(verify);
    if (phase == FETCH_TLS)
        return FETCH_TLS_FAILED;
    return secure > 0 ? FETCH_TLS_OK : FETCH_TLS_NONE;
}

/* Printable ASCII of what a server says, cut. */
static void take_text(const char *z, char *ret, size_t cap)
{
    size_t n = 0;
    for (; z && *z && n + 1 < cap; z++)
        ret[n++] = *z >= ' ' && *z < 127 ? *z : '?';
    ret[n] = 0;
}

void exchange_note(struct exchange *x, int ended, struct fetch_result *r)
{
    CURLcode code = (CURLcode)ended;
    struct cause cause = cause_of(x, code);
    const char *type = NULL;
    const char *address = NULL;
    curl_off_t took = 0;
    long status = 0;
    curl_easy_getinfo(x->curl, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(x->curl, CURLINFO_TOTAL_TIME_T, &took);
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(x->curl, CURLINFO_CONTENT_TYPE, &type);
    *r = (struct fetch_result){ .reached = cause.phase, .refused_by_us = x->refused };
    r->too_big = x->too_big || code == CURLE_FILESIZE_EXCEEDED;
    r->not_tried = x->full;
    r->tls = tls_of(x, code, cause.phase);
    take_text(type, r->content_type, sizeof r->content_type);
    r->timed_out = code == CURLE_OPERATION_TIMEDOUT;
    r->took_ms = (int64_t)took / 1000;
    r->status = status > 0 ? (unsigned)status : 0;
    (void)snprintf(r->address, sizeof r->address, "%s", address ? address : "");
    const char *said = x->error[0] ? x->error : curl_easy_strerror(code);
    (void)snprintf(r->why, sizeof r->why, "%.*s", FETCH_WHY_MAX - 1, cause.why ? cause.why : said);
}

static void judge_status(struct fetch_result *r)
{
    if (r->reached != FETCH_DONE || r->status == 200)
        return;
    r->reached = FETCH_HTTP;
    if (r->status >= 300 && r->status < 400)
        (void)snprintf(r->why, sizeof r->why, "status %u: a redirect, which is not followed",
                       r->status);
    else
        (void)snprintf(r->why, sizeof r->why, "status %u instead of 200", r->status);
}

/* Behind a proxy nobody sees the address; one that stands in the URL itself is seen. */
static bool is_literal_private(struct span host)
{
    struct ip ip;
    if (host.n > 2 && host.p[0] == '[')
        host = span_of(host.p + 1, host.n - 2);
    return ip_parse(host, &ip) == ERR_OK && !fetch_is_public(&ip);
}

/* What needs no connection to be refused. */
bool exchange_refused(const struct fetch_request *request, struct fetch_result *ret)
{
    struct fetch_result r = { .reached = FETCH_URL, .why = "this is no URL of http or https" };
    if (fetch_url_ok(request->url)) {
        if (request->rules.allow_private || !is_literal_private(fetch_url_host(request->url)))
            return false;
        r = (struct fetch_result){ .reached = FETCH_TCP, .refused_by_us = true };
        (void)snprintf(r.why, sizeof r.why, "%s", refused_words);
    }
    *ret = r;
    return true;
}

void exchange_begin(struct exchange *x, const struct fetch_request *request, struct buf *body)
{
    ASSERT(request->rules.timeout_ms > 0 && body->max >= request->body_max);
    exchange_open(x, &request->rules, request->url, "http,https");
    x->body = body;
    curl_easy_setopt(x->curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->body_max);
    if (request->body.n == 0)
        return;
    char field[FETCH_TYPE_MAX + 20];
    (void)snprintf(field, sizeof field, "Content-Type: %.*s", SPAN_ARG(request->content_type));
    x->fields = curl_slist_append(NULL, field);
    ASSERT(x->fields);
    curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->fields);
    curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, request->body.p);
}

void exchange_end(struct exchange *x, int code, struct fetch_result *ret)
{
    exchange_note(x, code, ret);
    judge_status(ret);
    curl_easy_cleanup(x->curl);
    curl_slist_free_all(x->fields);
}

/* --- many at once --- */

enum { FDS_MAX = 128 };

struct exchanges {
    CURLM *multi;
    int n; /* in it, ended ones that were not taken out as well */
};

struct exchanges *exchanges_new(void)
{
    struct exchanges *m = NEW(struct exchanges);
    exchange_library();
    m->multi = curl_multi_init();
    ASSERT(m->multi);
    return m;
}

/* Each has a connection of its own: one that was made under other rules is not used again. */
void exchanges_add(struct exchanges *m, struct exchange *x)
{
    curl_easy_setopt(x->curl, CURLOPT_PRIVATE, x);
    curl_easy_setopt(x->curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(x->curl, CURLOPT_FORBID_REUSE, 1L);
    CURLMcode code = curl_multi_add_handle(m->multi, x->curl);
    ASSERT(code == CURLM_OK);
    m->n++;
}

void exchanges_turn(struct exchanges *m, const int *fds, unsigned n, int wait_ms)
{
    struct curl_waitfd wait[FDS_MAX];
    int running;
    ASSERT(n <= FDS_MAX);
    for (unsigned i = 0; i < n; i++)
        wait[i] = (struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
    (void)curl_multi_perform(m->multi, &running); /* what was added begins */
    (void)curl_multi_poll(m->multi, wait, n, running < m->n ? 0 : wait_ms, NULL);
    (void)curl_multi_perform(m->multi, &running);
}

struct exchange *exchanges_ended(struct exchanges *m, int *ret_code)
{
    int left;
    const CURLMsg *said;
    while ((said = curl_multi_info_read(m->multi, &left))) {
        if (said->msg != CURLMSG_DONE)
            continue;
        struct exchange *x = NULL;
        CURL *curl = said->easy_handle; /* what said points to goes with the handle */
        *ret_code = (int)said->data.result;
        curl_easy_getinfo(curl, CURLINFO_PRIVATE, &x);
        curl_multi_remove_handle(m->multi, curl);
        m->n--;
        return x;
    }
    return NULL;
}
