/* plan.h - what the load generator is to send, who takes which message, and what became of it.
 *
 * One plan, many sessions. A session claims a message, then reports it accepted or failed; the
 * plan never calls a session. Without a rate a message is always due until all are claimed; with
 * one, message i is due at start + i / rate. */
#ifndef BENCH_LIB_PLAN_H
#define BENCH_LIB_PLAN_H

#include "base/list.h"
#include "bench/lib/draft.h"
#include "bench/lib/tally.h"
#include "bench/lib/wire.h"

#include <stdio.h>

struct plan {
    /* what is asked */
    struct sockaddr_in to;
    SSL_CTX *tls; /* NULL: in clear */
    bool pipelining, resume, idle;
    const char *from, *rcpt, *helo;
    uint64_t n_messages, n_per_connection, n_domains, rate;
    uint64_t seq_first; /* of this phase: the warm-up counts from 0, the rest goes on */
    struct draft draft;
    FILE *stamp; /* one line for each accepted message, or NULL */

    /* what happened */
    int epoll_fd;
    struct list waiting; /* sessions that want a message: open ones in front */
    int64_t start_ns, last_ns;
    uint64_t n_claimed, n_accepted, n_failed;
    uint64_t n_connections, n_handshakes, n_resumed, n_opening, n_held;
    struct tally first, next; /* connect -> 250, and MAIL -> 250 of the later ones */
    char failure[160];        /* the first one, in words */
};

/* Fields of the first group but the draft are the caller's to fill in afterwards. */
void plan_init(struct plan *p);
void plan_done(struct plan *p);
/* Starts to count anew, with n messages. */
void plan_start(struct plan *p, uint64_t n, int64_t now_ns);

/* ERR_AGAIN: not yet due. ERR_NOT_FOUND: all are taken. */
MUST_USE enum err plan_claim(struct plan *p, int64_t now_ns, uint64_t *ret_seq);
/* When the next message is due; INT64_MAX when no time has to pass for it. */
int64_t plan_due_ns(const struct plan *p);
/* `first`: it was the first of its connection, so that start_ns is when that was opened. */
void plan_accepted(struct plan *p, uint64_t seq, bool first, int64_t start_ns, int64_t now_ns);
void plan_failed(struct plan *p, const char *stage, const char *reply);
/* Every message has its verdict. */
bool plan_over(const struct plan *p);

#endif
