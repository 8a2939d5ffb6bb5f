/* spawn.h - starts a process of ours: this program again, in a role, at the end of a channel. */
#ifndef GATE_SPAWN_H
#define GATE_SPAWN_H

#include "base/base.h"

#include <sys/types.h>

/* Where a child finds its end of the channel. */
enum { SPAWN_CHANNEL_FD = 3 };

/* role: "--worker" and the like. *ret_channel, which never blocks, is the caller's. ERR_IO: it
 * could not be started. */
MUST_USE enum err spawn(const char *role, pid_t *ret_pid, int *ret_channel);

#endif
