/* replace.h - a file that is rewritten as a whole: whoever opens it finds the old bytes or the new
 * ones, also after a power cut. Names that are links are followed first: the file that they lead to
 * is the one that is replaced. Blocking.
 *
 *     lock          one writer at a time; the lock is a folder's and leaves no file behind
 *     replace_read  its bytes, and what tells whether somebody changes it meanwhile
 *     replace_with  a new file beside it with its owner and mode, synced, renamed over it
 */
#ifndef SYS_REPLACE_H
#define SYS_REPLACE_H

#include "base/buf.h"
#include "base/why.h"

#include <sys/stat.h>

/* Takes the lock of the folder that the file is in; closing *ret_fd gives it back. ERR_REFUSED:
 * somebody has it. ERR_NOT_FOUND, ERR_IO. why. */
MUST_USE enum err replace_lock(const char *path, int *ret_fd, struct why *why);

struct replace {
    char *path; /* without links */
    struct stat before;
};

/* Reads the file into ret. replace_done also after an error. ERR_NOT_FOUND, ERR_REFUSED (no
 * permission), ERR_TOO_BIG, ERR_IO: why names the file. */
MUST_USE enum err replace_read(struct replace *r, const char *path, struct buf *ret,
                               struct why *why);
/* ERR_STALE: it is not the file that was read, or was written to: nothing was changed. Others: as
 * replace_read, and nothing was changed unless the folder could not be synced (ERR_IO). */
MUST_USE enum err replace_with(struct replace *r, struct span bytes, struct why *why);
void replace_done(struct replace *r);

/* Makes a new file, synced, with exactly this mode. ERR_EXISTS: something is there; nothing else
 * was changed. */
MUST_USE enum err file_create(const char *path, unsigned mode, struct span bytes, struct why *why);
/* The same, whether a file is there or not: what is there is replaced. Links are not followed. */
MUST_USE enum err file_put(const char *path, unsigned mode, struct span bytes, struct why *why);
/* The whole of a regular file of `ret->max` bytes at most; a link as the last part of the path is
 * not followed. */
MUST_USE enum err file_get(const char *path, struct buf *ret, struct why *why);

#endif
