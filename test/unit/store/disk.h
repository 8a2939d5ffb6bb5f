/* disk.h - a disk in memory, as an SQLite VFS named "disk", that fails and loses power on demand.
 *
 * What was written and not synced is lost, kept or torn when the power goes; what was synced
 * stays. One disk at a time; files are named by any string.
 */
#ifndef TEST_UNIT_STORE_DISK_H
#define TEST_UNIT_STORE_DISK_H

#include "base/rng.h"
#include "base/span.h"

enum disk_fault {
    DISK_WELL,
    DISK_FULL,  /* no write may make a file longer */
    DISK_QUOTA, /* the same, in the words of a quota */
    DISK_WRITE_EIO,
    DISK_SYNC_EIO,
    DISK_MOVE_EIO, /* as DISK_SYNC_EIO, but the log (a name with "-wal") is well */
    DISK_READ_EIO,
    DISK_READ_ONLY, /* remounted: writes, truncations and new files fail */
    DISK_FAULT_COUNT_
};

/* Registers the VFS, with no files. */
void disk_new(void);
void disk_free(void);

/* From now on; DISK_WELL heals. */
void disk_fail(enum disk_fault fault);
/* The power goes after that many more changes (writes, truncations, syncs, removals): from then on
 * everything fails, until disk_crash. */
void disk_power(uint64_t changes);
bool disk_is_off(void);
/* How many changes there were. */
uint64_t disk_changes(void);
/* The power comes back. No file may be open. */
void disk_crash(struct rng *r);
/* The file as a process that dies now leaves it: all that was written, synced or not. Open files
 * go on. Nothing happens when `from` is not there. */
void disk_copy(const char *from, const char *to);

bool disk_has(const char *name);
uint64_t disk_size(const char *name);
/* Damages n bytes of the file. */
void disk_overwrite(const char *name, uint64_t offset, size_t n);

#endif
