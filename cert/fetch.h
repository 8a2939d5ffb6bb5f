/* fetch.h - one HTTP exchange under bounds, and the certificates that a server shows: the interface
 * of whoever fetches, and fetch_curl.c, which does it with libcurl in this process.
 *
 * A redirect is not followed; it is an answer like others. Only http and https. Every exchange has
 * a deadline and a bound on the body. Addresses of this host, of private networks and of other
 * special uses are refused after the name was resolved (T-45), unless private ones are allowed.
 * TLS of https is checked against the system's anchors. Blocking, and of one thread: not for a
 * loop.
 */
#ifndef CERT_FETCH_H
#define CERT_FETCH_H

#include "base/buf.h"

enum fetch_phase { FETCH_URL, FETCH_DNS, FETCH_TCP, FETCH_TLS, FETCH_HTTP, FETCH_DONE };

enum { FETCH_WHY_MAX = 200, FETCH_ADDRESS_MAX = 64 };

struct fetch_rules {
    int64_t timeout_ms; /* of the whole exchange */
    struct span proxy; /* "http://proxy.example:3128"; empty: none, whatever the environment says */
    bool allow_private; /* loopback, private networks ... */
};

struct fetch_request {
    struct span url;
    struct span body, content_type; /* body not empty: POST */
    uint64_t body_max;              /* of the answer, in bytes */
    struct fetch_rules rules;
};

struct fetch_result {
    enum fetch_phase reached; /* FETCH_DONE: a whole answer with status 200; else what failed */
    bool timed_out, refused_by_us;
    unsigned status; /* of HTTP; 0: none came */
    char address[FETCH_ADDRESS_MAX];
    char why[FETCH_WHY_MAX]; /* what failed, with a hint; empty when done */
    int64_t took_ms;
};

/* The body is appended to *body, which has room for body_max bytes. */
void fetch(const struct fetch_request *request, struct buf *body, struct fetch_result *ret);

/* May this address be asked? Not: this host, networks that are private or for special uses. */
struct ip;
bool fetch_is_public(const struct ip *ip);
/* Whether an URL may be asked at all: http or https, a host, only printable ASCII. */
bool fetch_url_ok(struct span url);
/* The host in it, without port; empty: none. Borrowed from url. */
struct span fetch_url_host(struct span url);
/* 443 for https, 80 for http, or what it says. */
struct span fetch_url_port(struct span url);

/* The chain that a server shows, PEM, the leaf first: with STARTTLS of SMTP, or, at the ports 465
 * and 443, TLS from the first byte. The chain is not judged. *ret->reached FETCH_DONE: well. */
struct fetch_peer {
    struct span host;
    uint16_t port;
    struct fetch_rules rules;
};
void fetch_chain(const struct fetch_peer *peer, struct buf *pem, struct fetch_result *ret);

#endif
