/* reload.h - snapshots are loaded and freed on a thread of their own, because that of a large
 * configuration takes a second and the loop must not stand still so long.
 *
 *   reload_start (loop) -> config_load (thread) -> done (loop)
 *   last config_unref (loop) -> config_free (thread)
 *
 * One load at a time: of what comes meanwhile only the newest is loaded next. */
#ifndef GATE_RELOAD_H
#define GATE_RELOAD_H

#include "gate/config.h"
#include "io/loop.h"

struct reload;

/* On the loop. c: one reference, the receiver's. NULL: it was refused, *why says what is wrong, and
 * what ran before goes on. */
typedef void reload_done_fn(void *arg, struct config *c, const struct why *why);

struct reload *reload_new(struct loop *loop, reload_done_fn *done, void *arg);
/* A load that runs is waited for; its snapshot and what waits behind it are given up unsaid. Of the
 * snapshots that are freed here none may be referred to any more. */
void reload_free(struct reload *r);
/* c, which came from elsewhere, is freed as those that come from here: on the thread. */
void reload_adopt(struct reload *r, struct config *c);
/* Loads `path` out of the bundle behind fd, which is closed. */
void reload_start(struct reload *r, int fd, struct span path, const struct config_boot *boot);

/* The same at once, for who has no loop yet. fd is closed. As config_load; ERR_IO: the bundle
 * cannot be mapped. */
MUST_USE enum err reload_now(int fd, struct span path, const struct config_boot *boot,
                             struct config **ret, struct why *why);

#endif
