#include "cert/fetch.h"

#include "mail/ip.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { URL_MAX = 2048, PORT_HTTPS = 443, PORT_SUBMISSIONS = 465 };

/* --- which addresses --- */

static const char *const special[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
    "::/128",        "::1/128",         "64:ff9b::/96",   "64:ff9b:1::/48", "100::/64",
    "2001::/23",     "2001:db8::/32",   "2002::/16",      "fc00::/7",       "fe80::/10",
    "fec0::/10",     "ff00::/8",
};

bool fetch_is_public(const struct ip *ip)
{
    struct ip folded = *ip;
    ip_fold(&folded);
    if (folded.family != IP_V4 && folded.family != IP_V6)
        return false;
    for (size_t i = 0; i < COUNTOF(special); i++) {
        struct ip_net net;
        enum err e = ip_net_parse(span_z(special[i]), &net);
        ASSERT(e == ERR_OK);
        if (ip_net_has(&net, &folded))
            return false;
    }
    return true;
}

/* --- URLs --- */

static bool scheme_of(struct span url, struct span *ret_rest, bool *ret_https)
{
    *ret_https = span_starts_nocase(url, SPAN("https://"));
    if (!*ret_https && !span_starts_nocase(url, SPAN("http://")))
        return false;
    *ret_rest = span_tail(url, *ret_https ? 8 : 7);
    return true;
}

/* "host:port" of "http://host:port/path". */
static struct span authority_of(struct span rest)
{
    size_t n = 0;
    while (n < rest.n && !strchr("/?#", rest.p[n]))
        n++;
    return span_head(rest, n);
}

/* What curl and we could read differently is refused: user names, backslashes, blanks. */
bool fetch_url_ok(struct span url)
{
    struct span rest;
    bool https;
    if (url.n > URL_MAX || !scheme_of(url, &rest, &https))
        return false;
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 127 || strchr("\\\"<>^`{|}", url.p[i]))
            return false;
    struct span authority = authority_of(rest);
    return span_find(authority, '@') == authority.n && fetch_url_host(url).n > 0;
}

/* Where the port's colon stands in an authority, or its end. */
static size_t colon_of(struct span authority)
{
    size_t bracket = authority.n > 0 && authority.p[0] == '[' ? span_find(authority, ']') : 0;
    struct span left = span_tail(authority, bracket);
    return bracket + span_find(left, ':');
}

struct span fetch_url_host(struct span url)
{
    struct span rest;
    bool https;
    if (!scheme_of(url, &rest, &https))
        return SPAN_NONE;
    struct span authority = authority_of(rest);
    return span_head(authority, colon_of(authority));
}

struct span fetch_url_port(struct span url)
{
    struct span rest;
    bool https;
    if (!scheme_of(url, &rest, &https))
        return SPAN_NONE;
    struct span authority = authority_of(rest);
    size_t colon = colon_of(authority);
    if (colon + 1 < authority.n)
        return span_tail(authority, colon + 1);
    return https ? SPAN("443") : SPAN("80");
}

/* --- one exchange --- */

struct exchange {
    CURL *curl;
    const struct fetch_rules *rules;
    struct buf *body;
    bool too_big, refused;
    char error[CURL_ERROR_SIZE];
};

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    if (!x->body || buf_append(x->body, span_of(p, size * n)) == ERR_OK)
        return size * n;
    x->too_big = true;
    return 0;
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
    buf_init(&z, URL_MAX + 1);
    buf_put(&z, span_head(s, s.n < URL_MAX ? s.n : URL_MAX));
    CURLcode code = curl_easy_setopt(curl, option, buf_z(&z)); /* it copies */
    ASSERT(code == CURLE_OK);
    buf_done(&z);
}

static void exchange_init(struct exchange *x, struct span url, const char *protocols)
{
    static bool ready;
    if (!ready)
        ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    ASSERT(ready);
    x->curl = curl_easy_init();
    ASSERT(x->curl);
    CURL *c = x->curl;
    set_text(c, CURLOPT_URL, url);
    set_text(c, CURLOPT_PROTOCOLS_STR, span_z(protocols));
    set_text(c, CURLOPT_PROXY, x->rules->proxy); /* "": the environment has no say */
    set_text(c, CURLOPT_NOPROXY, SPAN_NONE);
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
    "not asked: an address of this host, of a private network or for "
    "special uses; --allow-private allows it";

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
        return (struct cause){ FETCH_HTTP, x->too_big ? "the answer is larger than it may be"
                                                      : "the answer cannot be taken" };
    default:
        return (struct cause){ FETCH_HTTP, NULL };
    }
}

static void note_end(struct exchange *x, CURLcode code, struct fetch_result *r)
{
    struct cause cause = cause_of(x, code);
    const char *address = NULL;
    curl_off_t took = 0;
    long status = 0;
    curl_easy_getinfo(x->curl, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(x->curl, CURLINFO_TOTAL_TIME_T, &took);
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    *r = (struct fetch_result){ .reached = cause.phase, .refused_by_us = x->refused };
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
static bool refused_at_once(const struct fetch_request *request, struct fetch_result *ret)
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

void fetch(const struct fetch_request *request, struct buf *body, struct fetch_result *ret)
{
    struct exchange x = { .rules = &request->rules, .body = body };
    struct curl_slist *fields = NULL;
    ASSERT(request->rules.timeout_ms > 0 && body->max >= request->body_max);
    if (refused_at_once(request, ret))
        return;
    exchange_init(&x, request->url, "http,https");
    curl_easy_setopt(x.curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->body_max);
    if (request->body.n > 0) {
        char field[120];
        (void)snprintf(field, sizeof field, "Content-Type: %.*s", SPAN_ARG(request->content_type));
        fields = curl_slist_append(NULL, field);
        ASSERT(fields);
        curl_easy_setopt(x.curl, CURLOPT_HTTPHEADER, fields);
        curl_easy_setopt(x.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
        curl_easy_setopt(x.curl, CURLOPT_POSTFIELDS, request->body.p);
    }
    CURLcode code = curl_easy_perform(x.curl);
    note_end(&x, code, ret);
    judge_status(ret);
    curl_easy_cleanup(x.curl);
    curl_slist_free_all(fields);
}

/* --- the chain of a server --- */

/* "Cert:-----BEGIN CERTIFICATE..." among other lines; what is too much is left out. */
static void put_certificate(const char *line, struct buf *pem)
{
    if (strncmp(line, "Cert:", 5) != 0 || buf_room(pem) <= strlen(line))
        return;
    buf_put(pem, span_z(line + 5));
    buf_put(pem, SPAN("\n"));
}

static void put_chain(CURL *curl, struct buf *pem, struct fetch_result *r)
{
    struct curl_certinfo *info = NULL;
    curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info);
    for (int i = 0; info && i < info->num_of_certs; i++)
        for (const struct curl_slist *s = info->certinfo[i]; s; s = s->next)
            put_certificate(s->data, pem);
    if (pem->n > 0)
        return;
    r->reached = FETCH_TLS;
    (void)snprintf(r->why, sizeof r->why, "the server showed no certificate");
}

void fetch_chain(const struct fetch_peer *peer, struct buf *pem, struct fetch_result *ret)
{
    struct exchange x = { .rules = &peer->rules };
    bool is_v6 = span_find(peer->host, ':') < peer->host.n;
    const char *scheme = peer->port == PORT_HTTPS         ? "https"
                         : peer->port == PORT_SUBMISSIONS ? "smtps"
                                                          : "smtp";
    char url[URL_MAX];
    (void)snprintf(url, sizeof url, is_v6 ? "%s://[%.*s]:%u" : "%s://%.*s:%u", scheme,
                   SPAN_ARG(peer->host), peer->port);
    exchange_init(&x, span_z(url), "https,smtp,smtps");
    curl_easy_setopt(x.curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    curl_easy_setopt(x.curl, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(x.curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(x.curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(x.curl, CURLOPT_SSL_VERIFYHOST, 0L);
    CURLcode code = curl_easy_perform(x.curl);
    note_end(&x, code, ret);
    ret->status = 0;
    if (code == CURLE_OK)
        put_chain(x.curl, pem, ret);
    curl_easy_cleanup(x.curl);
}
