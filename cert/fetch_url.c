/* What may be asked: addresses and URLs. No libcurl, so that workers have it. */
#include "cert/fetch.h"

#include "mail/ip.h"

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
    if (url.n > FETCH_URL_MAX || !scheme_of(url, &rest, &https))
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
