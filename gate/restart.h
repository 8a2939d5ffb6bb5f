/* restart.h - the settings that a running gateway cannot change: its sockets, folders, users and
 * processes are what it was started with. docs/configuration.md has the same list. */
#ifndef GATE_RESTART_H
#define GATE_RESTART_H

#include "gate/config.h"

/* May `next` take the place of `running`? ERR_REFUSED: why names the setting and the remedy. */
MUST_USE enum err restart_check(const struct config *running, const struct config *next,
                                struct why *why);
/* The i-th of the settings, NULL behind the last. */
const char *restart_setting(unsigned i);

/* The folder of a Maildir pattern that must exist, and below which a worker may write from its
 * start to its end. Empty: none. */
struct span maildir_root(struct span pattern);

#endif
