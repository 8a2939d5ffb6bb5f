/* folders.h - the folders of an installation, as root prepares them before anything untrusted runs:
 * made, given to the workers' user, locked, and rid of what earlier runs left.
 *
 * The workers' user owns them, and may be somebody else's by now: so nothing here follows a link
 * within them, writes through one, or takes what a stranger made. */
#ifndef GATE_FOLDERS_H
#define GATE_FOLDERS_H

#include "gate/config.h"

struct owner {
    unsigned uid, gid; /* of the workers */
};

/* `data`, its queue, and `run`. ERR_IO; ERR_REFUSED: one is somebody else's. why says which, and
 * what to do. */
MUST_USE enum err folders_make(const struct config *c, const struct owner *owner, struct why *why);
/* <run>/posternd.pid says for `postern reload` whom to signal. *ret_fd holds its lock as long as
 * the process lives: two that share a folder would take each other's sockets. ERR_IO, ERR_REFUSED:
 * why. */
MUST_USE enum err folders_lock(const struct config *c, int *ret_fd, struct why *why);
/* One shard a worker, and those that more workers left behind. ERR_FULL: some would have no owner,
 * and their mail would wait for ever. */
MUST_USE enum err folders_shards(const struct config *c, unsigned n_workers, unsigned *ret_n,
                                 struct why *why);
/* <run>/gate-N.sock. Returns ret. */
enum { SOCKET_PATH_MAX = 512 };
const char *folders_socket(const struct config *c, unsigned worker,
                           char ret[static SOCKET_PATH_MAX]);
/* Administrators of organisations may reach the sockets (the folder may be read, the sockets
 * opened by everybody) if there are any, else root alone may. Who may ask is the worker's to say.
 * ERR_IO: why. */
MUST_USE enum err folders_admit(const struct config *c, unsigned n_workers, struct why *why);
/* Sockets of workers that an earlier configuration had: nobody answers there any more. */
void folders_tidy(const struct config *c, unsigned n_workers);

#endif
