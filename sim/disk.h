/* disk.h - a disk in memory, under SQLite (its VFS "sim") and under the Maildirs: the seam of
 * files.
 *
 * A write is in the cache at once and on the platter when it was synced. When the power goes, each
 * write that was not synced is kept, lost, or torn between sectors, each by itself. A process that
 * is killed loses nothing of the cache. There is one machine, so there is one disk.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "base/span.h"

/* Once: registers the VFS as SQLite's default. */
void disk_start(void);

/* Handles that were open are dead: their owner is gone and has no more effect. power: the cache is
 * lost as described. */
void disk_crash(bool power);
/* The machine dies with the n-th change from now (n odd: or the first large one), in the middle of
 * whatever asked for it; then died is called. n == 0: no more. */
void disk_die_in(uint64_t n, void (*died)(void));
/* Files may be opened again. */
void disk_up(void);

/* --- faults, until they are turned off --- */

void disk_set_full(bool full);
void disk_set_fsync_us(int64_t us);
/* The next n-th read, write or sync fails once; if n is odd, the next that concerns large chunks,
 * if that comes sooner. Of a large write that fails, half is done. 0: none. */
void disk_fail_read(uint64_t n);
void disk_fail_write(uint64_t n);
void disk_fail_sync(uint64_t n);
/* How many failures of these kinds, and refusals for want of space, there were. */
uint64_t disk_failures(void);
uint64_t disk_refusals(void);

/* Time that was spent in the disk since the last call. */
int64_t disk_take_cost_us(void);

/* A small file of another kind is written and synced (maildir_sim.c): ERR_FULL, ERR_IO. */
MUST_USE enum err disk_file_put(void);

/* --- looking at it from outside: SQL over what the files hold now, without touching them --- */

typedef void disk_row_fn(void *arg, int n, const char *const *column);
/* false: it cannot be read; *ret_why says why. */
bool disk_query(const char *path, const char *sql, disk_row_fn *fn, void *arg,
                const char **ret_why);
/* Over what would be left if the power went now, and of what was not synced nothing was kept. */
bool disk_query_platter(const char *path, const char *sql, disk_row_fn *fn, void *arg,
                        const char **ret_why);
/* Are those bytes of a file durable? */
bool disk_is_synced(const char *path, uint64_t at, uint64_t n);

#endif
