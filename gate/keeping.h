/* keeping.h - the supervisor's care for the keeper: it is started while there are keys, restarted
 * when it dies or hangs, and given keys and a link for each worker (keeper/keeper.h). */
#ifndef GATE_KEEPING_H
#define GATE_KEEPING_H

#include "base/span.h"

#include <sys/types.h>

struct keeping {
    pid_t pid; /* 0: not running */
    int channel, keys_fd;
    bool wanted; /* there are keys */
    unsigned uid, gid;
    struct hash_key hash_key;
    bool ready;       /* it has answered since it was started */
    int64_t heard_ms; /* when it was well, or was started */
    int64_t started_ms, start_at_ms, ping_at_ms;
    int64_t backoff_ms;
};

/* keys_fd: a sealed memory file with the keys of a configuration, which becomes its own; n_keys:
 * bytes in it. Tells the keeper, before any worker is told of that configuration. */
void keeping_keys(struct keeping *k, int keys_fd, size_t n_keys);
/* A worker's end of a new link, for the caller to hand on and close. It is dead when there is no
 * keeper. ERR_FULL: no descriptors. */
MUST_USE enum err keeping_link(struct keeping *k, unsigned worker, int *ret_fd);
/* Does what is due; true: the keeper was started, so all workers need new links. */
bool keeping_tick(struct keeping *k, int64_t now_ms);
/* When keeping_tick is to be called at the latest. */
int64_t keeping_next_ms(const struct keeping *k);
/* Its process has ended, with this status of wait(2). */
void keeping_died(struct keeping *k, int status, int64_t now_ms);
/* All workers have gone: it goes, too. */
void keeping_stop(struct keeping *k);

#endif
