/* sandbox.h - what a child gives up before it reads a hostile byte. In this order:
 *
 *   sandbox_user      supplementary groups, gid, uid; no_new_privs; no core dumps, not dumpable
 *   sandbox_files     landlock: only these paths, before any thread is made
 *   (databases, DNS and threads are opened)
 *   sandbox_syscalls  seccomp: an allow-list; everything else fails with EPERM, exec kills
 *
 * A kernel without landlock degrades to the file permissions of the user; *ret_degraded says so.
 */
#ifndef SYS_SANDBOX_H
#define SYS_SANDBOX_H

#include "base/why.h"

/* user: a name or a number. Does nothing of the identity when not root. ERR_NOT_FOUND: no such user
 * (why has the remedy). *ret_uid, *ret_gid: who it is, or would be. */
MUST_USE enum err sandbox_find_user(const char *user, unsigned *ret_uid, unsigned *ret_gid,
                                    struct why *why);
MUST_USE enum err sandbox_user(unsigned uid, unsigned gid, struct why *why);

struct sandbox_path {
    const char *path; /* one that does not exist is passed over */
    bool write;
};
MUST_USE enum err sandbox_files(const struct sandbox_path *paths, unsigned n, bool *ret_degraded,
                                struct why *why);

/* All threads of the process. */
MUST_USE enum err sandbox_syscalls(struct why *why);
/* The same for the keeper: memory, time, messages on what is open already. */
MUST_USE enum err sandbox_keeper(struct why *why);
/* The same for the fetcher: connections outwards, threads, files that landlock lets it read; no
 * address is bound, nothing is listened on, no file is written. */
MUST_USE enum err sandbox_fetcher(struct why *why);

#endif
