/* exchange.h - one HTTP exchange of cert/fetch.h in libcurl's hands: prepared, and judged when it
 * has ended. fetch_curl.c performs one and waits; the fetcher has many of them run at once
 * (exchanges_ below: libcurl's multi interface). One thread; libcurl resolves in threads of its
 * own.
 *
 * The library is initialised by the first that needs it.
 */
#ifndef CERT_EXCHANGE_H
#define CERT_EXCHANGE_H

#include "cert/fetch.h"

enum { EXCHANGE_ERROR_MAX = 256 };

struct exchange {
    void *curl, *fields; /* libcurl's */
    const struct fetch_rules *rules;
    struct buf *body; /* NULL: what comes is dropped */
    uint64_t *left;   /* bytes that all exchanges together may still take; NULL: no such bound */
    bool too_big, full, refused;
    char error[EXCHANGE_ERROR_MAX];
};

/* Initialises the library now: before a sandbox forbids what that takes. */
void exchange_library(void);
/* What needs no connection to be refused; *ret says so then. */
bool exchange_refused(const struct fetch_request *request, struct fetch_result *ret);
/* Everything but performing it. The request and the body stay the caller's, and must live until
 * exchange_end. */
void exchange_begin(struct exchange *x, const struct fetch_request *request, struct buf *body);
/* The first half of it, for other protocols. */
void exchange_open(struct exchange *x, const struct fetch_rules *rules, struct span url,
                   const char *protocols);
/* code: libcurl's. Judges and frees. */
void exchange_end(struct exchange *x, int code, struct fetch_result *ret);
/* The half of it that judges, but for the status. */
void exchange_note(struct exchange *x, int code, struct fetch_result *ret);

/* --- many at once --- */

struct exchanges;
struct exchanges *exchanges_new(void);
/* x must not move until it has ended. */
void exchanges_add(struct exchanges *m, struct exchange *x);
/* Waits at most wait_ms for something to happen to them, or to be read from one of fds, and does
 * what can be done. */
void exchanges_turn(struct exchanges *m, const int *fds, unsigned n, int wait_ms);
/* One that has ended, out of the set, and libcurl's code for exchange_end; NULL: none. */
struct exchange *exchanges_ended(struct exchanges *m, int *ret_code);

#endif
