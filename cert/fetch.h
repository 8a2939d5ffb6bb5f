/* fetch.h - one HTTP exchange under bounds, and the certificates that a server shows: the interface
 * of whoever fetches. fetch_curl.c does it in this process and blocks; the fetcher (fetcher/) does
 * many at once for workers, who ask it through gate/fetching.h. Both are exchange.h underneath.
 *
 * A redirect is not followed; it is an answer like others. Only http and https. Every exchange has
 * a deadline and a bound on the body. Addresses of this host, of private networks and of other
 * special uses are refused after the name was resolved (T-45), unless private ones are allowed.
 * TLS of https is checked against the system's anchors, or those of the rules, and for the host of
 * the URL.
 */
#ifndef CERT_FETCH_H
#define CERT_FETCH_H

#include "base/buf.h"

enum fetch_phase { FETCH_URL, FETCH_DNS, FETCH_TCP, FETCH_TLS, FETCH_HTTP, FETCH_DONE };

/* Of https: why the server's certificate was not accepted. */
enum fetch_tls {
    FETCH_TLS_NONE, /* no https, or it did not come to a certificate */
    FETCH_TLS_OK,
    FETCH_TLS_EXPIRED, /* or not yet valid */
    FETCH_TLS_NAME,    /* valid, but not for this host */
    FETCH_TLS_UNTRUSTED,
    FETCH_TLS_FAILED, /* otherwise: no common version, revoked ... */
    FETCH_TLS_COUNT_
};

enum {
    FETCH_URL_MAX = 2048,
    FETCH_TYPE_MAX = 128,
    FETCH_WHY_MAX = 200,
    FETCH_ADDRESS_MAX = 64,
};

struct fetch_rules {
    int64_t timeout_ms; /* of the whole exchange */
    struct span proxy; /* "http://proxy.example:3128"; empty: none, whatever the environment says */
    bool allow_private; /* loopback, private networks ... */
    struct span ca_pem; /* anchors of https; empty: the system's */
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
    bool not_tried;  /* nobody could be asked to do it: nothing is known of the server */
    bool too_big;    /* the answer is larger than body_max */
    unsigned status; /* of HTTP; 0: none came */
    enum fetch_tls tls;
    char content_type[FETCH_TYPE_MAX]; /* as the server says it, cut; printable ASCII */
    char address[FETCH_ADDRESS_MAX];
    char why[FETCH_WHY_MAX]; /* what failed, with a hint; empty when done */
    int64_t took_ms;
};

/* Blocks; for one thread: not for a loop. The body is appended to *body, which has room for
 * body_max bytes. */
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
