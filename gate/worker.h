/* worker.h - what one worker process is made of. The story files take it as their first argument.
 *
 *   listeners -> inbound.c -> store -> sched.c -> outbound.c -> the next hop
 *                                 \-> trace     \-> report.c: results, bounces
 *
 * One thread, one loop. A snapshot of the configuration is current; everything that began under an
 * older one holds that one.
 */
#ifndef GATE_WORKER_H
#define GATE_WORKER_H

#include "base/rng.h"
#include "gate/config.h"
#include "gate/stats.h"
#include "io/loop.h"
#include "io/work.h"
#include "store/store.h"

enum { WORKER_SHARDS_MAX = 64, WORKER_LISTENERS_MAX = 32 };

/* What operators had fetched (gate/control_fetch.c). */
struct fetch_bound {
    int64_t minute;
    unsigned begun, under_way;
};

struct worker {
    struct loop *loop;
    struct config *config;
    unsigned index, n_workers;
    unsigned uid; /* that it runs as: its control socket is for that one, and for root */
    struct store *store[WORKER_SHARDS_MAX]; /* [0] is ours; the others were adopted */
    unsigned n_store;
    struct dns *dns;
    struct dnssec *dnssec;
    struct work *files; /* Maildir */
    struct stats stats;
    struct clients clients;
    struct inbound *inbound;
    struct sched *sched;
    struct control *control;
    struct fetching *fetching;
    struct fetch_bound operator_fetches;
    struct chores *chores;
    struct rng rng;
    uint64_t body_memory; /* bytes of bodies in memory, incoming and waiting */
    bool stopping;
};

struct worker_boot {
    unsigned index, n_workers;
    unsigned uid; /* that it runs as */
    struct loop *loop;
    struct config *config;                          /* one reference, the worker's from now on */
    struct store_backend *shard[WORKER_SHARDS_MAX]; /* opened, ours first */
    unsigned shard_number[WORKER_SHARDS_MAX];
    unsigned n_shard;
    struct dns *dns;
    int listen_fd[WORKER_LISTENERS_MAX]; /* in the order of config->listen; -1: none */
    int control_fd, metrics_fd;          /* -1: none */
    int fetcher_fd;                      /* a link to the fetcher; -1: none */
    struct stats stats;
    struct clients clients;
};

/* Starts everything; nothing happens before the loop runs. */
struct worker *worker_new(const struct worker_boot *boot);
/* No new mail and no new attempts; sessions come to their next clean point; the loop stops when all
 * is quiet or at the deadline. */
void worker_stop(struct worker *w, int64_t within_ms);
/* Swaps the snapshot (one reference, taken over). */
void worker_reload(struct worker *w, struct config *c);
void worker_free(struct worker *w);

/* The store that holds an id, or NULL. */
struct store *worker_store_of(struct worker *w, uint64_t id);

#endif
