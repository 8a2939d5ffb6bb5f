/* ask.h - asks the workers over <run>/gate-N.sock, one line each way, and shows their shards as
 * one.
 *
 * Blocking; every wait has its limit. A worker that does not answer is named in `missing`: what the
 * others say is shown all the same. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "base/buf.h"
#include "base/why.h"
#include "ctl/ctl.h"

enum { ASK_WORKERS_MAX = 256, ASK_SHARDS_MAX = 4096 };

struct ask_worker {
    unsigned index;
    int fd;
    struct buf in; /* behind the last answer */
};
struct ask_shard {
    struct ask_worker *worker;
    unsigned shard;
};
struct ask {
    struct ask_worker worker[ASK_WORKERS_MAX];
    unsigned n_worker;
    unsigned missing[ASK_WORKERS_MAX]; /* a socket is there, nobody answers (in time) */
    unsigned n_missing;
    struct why denied;                      /* a worker does not answer this user; else empty */
    unsigned n_configured;                  /* workers there should be */
    struct ask_shard shard[ASK_SHARDS_MAX]; /* who has which */
    unsigned n_shard;
};

/* Finds the workers, and asks each which shards it has. ERR_NOT_FOUND: nobody answers at all; why
 * has the remedy. ERR_REFUSED: this user may not ask. */
MUST_USE enum err ask_open(struct ask *a, const char *run, struct why *why);
void ask_close(struct ask *a);

/* Sends a request, waits for its answer (the caller's to free). ERR_SYNTAX, ERR_NOT_FOUND,
 * ERR_TOO_BIG, ERR_REFUSED: it is an error of that kind, why has its words. ERR_IO, ERR_TIMEOUT:
 * the worker is gone or silent. */
MUST_USE enum err ask_one(struct ask_worker *w, const struct ctl *request, struct ctl **ret,
                          struct why *why);

/* Asks every shard (shard >= 0: that one) page after page, with the `shard`, `limit` and `after_`
 * keys of the request set here, until its end or until fn says that it has enough of this shard.
 * The answer is fn's to borrow. */
typedef bool ask_page_fn(void *arg, const struct ctl *answer);
MUST_USE enum err ask_pages(struct ask *a, int64_t shard, struct ctl *request, ask_page_fn *fn,
                            void *arg, struct why *why);

#endif
