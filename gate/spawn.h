/* spawn.h - starts a process of ours, in a role, at the end of a channel: this program again, or
 * one that stands beside it. */
#ifndef GATE_SPAWN_H
#define GATE_SPAWN_H

#include "base/why.h"

#include <sys/types.h>

/* Where a child finds its end of the channel. */
enum { SPAWN_CHANNEL_FD = 3 };

/* The program `name` beside this one, as it is now: what is started later is of the same build,
 * whatever stands there by then. ERR_IO: why. */
MUST_USE enum err spawn_program(const char *name, int *ret_fd, struct why *why);
/* role: "--worker" and the like. program: of spawn_program; -1: this one. *ret_channel, which never
 * blocks, is the caller's. ERR_IO: it could not be started. */
MUST_USE enum err spawn(const char *role, int program, pid_t *ret_pid, int *ret_channel);

#endif
