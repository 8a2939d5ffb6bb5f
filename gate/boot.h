/* boot.h - what the supervisor hands to a worker, and says to it later: fixed layouts over
 * sys/channel.h.
 *
 *   BOOT    descriptors: bundle, shared memory, control, metrics (or the bundle again), a link to
 *           the keeper, a link to the fetcher, listeners...
 *   RELOAD  descriptor: bundle
 *   KEEPER  descriptor: a link to the keeper, in the place of the one before
 *   FETCHER descriptor: the same, to the fetcher
 *   STOP    none
 *
 * A worker answers READY once it accepts mail; its end of the channel closing is its death. */
#ifndef GATE_BOOT_H
#define GATE_BOOT_H

#include "gate/spawn.h"
#include "gate/worker.h"

enum boot_kind { BOOT_START = 1, BOOT_RELOAD, BOOT_STOP, BOOT_READY, BOOT_KEEPER, BOOT_FETCHER };

/* Shared by all processes: one row or part a worker. */
struct boot_shared {
    struct stats_row row[STATS_WORKERS_MAX];
    struct clients_part part[]; /* n_workers */
};

struct boot_message {
    uint32_t kind;
    uint32_t index, n_workers, n_listen;
    uint32_t uid, gid;
    uint32_t n_shard;
    uint32_t shard[WORKER_SHARDS_MAX];
    uint8_t has_metrics;
    int64_t stop_within_ms;
    struct config_boot config;
    char config_path[512];
};

/* The descriptors of BOOT_START, in order. */
enum {
    BOOT_FD_BUNDLE,
    BOOT_FD_SHARED,
    BOOT_FD_CONTROL,
    BOOT_FD_METRICS,
    BOOT_FD_KEEPER,
    BOOT_FD_FETCHER,
    BOOT_FD_LISTEN
};

/* Where a worker finds its channel: spawn.h. */
enum { BOOT_CHANNEL_FD = SPAWN_CHANNEL_FD };

/* The file of a shard, in `data`. Returns ret. */
enum { SHARD_PATH_MAX = 600 };
const char *boot_shard_path(struct span data, unsigned shard, char ret[static SHARD_PATH_MAX]);

/* A worker's whole life; the process exits with what it returns. */
int child_main(void);
/* The supervisor's whole life. log_fd: where the lines go. */
int supervisor_main(struct span config_path);

#endif
