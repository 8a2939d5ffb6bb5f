/* helper.h - the supervisor's care for a helper process, the keeper or the fetcher: it is started
 * while it is wanted, restarted when it dies or hangs, and given its material and a link for each
 * worker (sys/helper.h). */
#ifndef GATE_HELPER_H
#define GATE_HELPER_H

#include "base/span.h"

#include <sys/types.h>

/* What it is: its option, and the events about it (docs/events.md). */
struct helper_role {
    const char *option;
    const char *started, *hangs, *died;
    const char *effect; /* of its death */
};
extern const struct helper_role helper_keeper, helper_fetcher;

struct helper {
    const struct helper_role *role;
    pid_t pid;   /* 0: not running */
    int program; /* of spawn_program; -1: this one */
    int channel, material_fd;
    bool wanted;
    unsigned uid, gid;
    int log_level;
    struct hash_key hash_key;
    bool ready;       /* it has answered since it was started */
    int64_t heard_ms; /* when it was well, or was started */
    int64_t started_ms, start_at_ms, ping_at_ms;
    int64_t backoff_ms;
};

/* fd: a sealed memory file, which becomes its own; wanted: there is anything for it to do. Tells
 * it, before any worker is told of that configuration. */
void helper_material(struct helper *h, int fd, bool wanted);
/* A worker's end of a new link, for the caller to hand on and close. It is dead when the helper
 * does not run. ERR_FULL: no descriptors. */
MUST_USE enum err helper_link(struct helper *h, unsigned worker, int *ret_fd);
/* Does what is due; true: it was started, so all workers need new links. */
bool helper_tick(struct helper *h, int64_t now_ms);
/* When helper_tick is to be called at the latest. */
int64_t helper_next_ms(const struct helper *h);
/* Its process has ended, with this status of wait(2). */
void helper_died(struct helper *h, int status, int64_t now_ms);
/* All workers have gone: it goes, too. */
void helper_stop(struct helper *h);

#endif
