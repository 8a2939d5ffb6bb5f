#include "test/unit/store/disk.h"

#include "base/list.h"
#include <errno.h>
#include <sqlite3.h>

enum { SECTOR = 512, FILES_MAX = 32 };

/* A change that is not synced: n bytes from p at offset, or (p NULL) a cut to that length. */
struct change {
    struct list in;
    size_t offset, n;
    char *p;
};

struct image {
    char *p;
    size_t n, cap;
};

struct file {
    char name[64];
    bool there, safe; /* safe: the directory entry is on disk */
    struct image live, durable;
    struct list changes;
};

struct handle {
    sqlite3_file base; /* first */
    struct list in;
    struct file *file;
    int level;   /* SQLITE_LOCK_ */
    bool remove; /* on close */
};

static struct {
    struct file file[FILES_MAX];
    struct list handles;
    enum disk_fault fault;
    uint64_t changes, off_at;
    int system_errno;
    sqlite3_vfs vfs;
} disk;

/* --- images */

static void image_write(struct image *i, size_t offset, const char *p, size_t n)
{
    if (offset + n > i->cap) {
        i->cap = (offset + n) * 2;
        i->p = mem_realloc(i->p, i->cap);
    }
    if (offset > i->n)
        memset(i->p + i->n, 0, offset - i->n);
    memcpy(i->p + offset, p, n);
    if (offset + n > i->n)
        i->n = offset + n;
}

static void image_cut(struct image *i, size_t n)
{
    if (n < i->n)
        i->n = n;
}

static void image_copy(struct image *to, const struct image *from)
{
    to->n = 0;
    if (from->n > 0)
        image_write(to, 0, from->p, from->n);
}

static void changes_drop(struct file *f)
{
    for (struct list *m; (m = list_pop(&f->changes)) != NULL;) {
        struct change *c = LIST_ENTRY(m, struct change, in);
        mem_free(c->p);
        mem_free(c);
    }
}

static struct file *file_find(const char *name)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (disk.file[i].there && strcmp(disk.file[i].name, name) == 0)
            return &disk.file[i];
    return NULL;
}

static struct file *file_make(const char *name)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct file *f = &disk.file[i];
        if (f->there)
            continue;
        ASSERT(strlen(name) < sizeof f->name);
        memcpy(f->name, name, strlen(name) + 1);
        f->there = true;
        f->safe = false;
        f->live.n = f->durable.n = 0;
        changes_drop(f);
        return f;
    }
    ASSERT(false); /* too many files */
    return NULL;
}

/* --- faults */

/* Counts a change. false: the power is off. */
static bool powered(void)
{
    if (disk.changes >= disk.off_at)
        return false;
    disk.changes++;
    return true;
}

bool disk_is_off(void)
{
    return disk.changes >= disk.off_at;
}

static int failed(int code, int system)
{
    disk.system_errno = system;
    return code;
}

/* --- the methods of files */

static struct handle *handle_of(sqlite3_file *f)
{
    return (struct handle *)(void *)f;
}

static int on_close(sqlite3_file *f)
{
    struct handle *h = handle_of(f);
    if (h->remove)
        h->file->there = false;
    list_remove(&h->in);
    return SQLITE_OK;
}

static int on_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset)
{
    struct file *file = handle_of(f)->file;
    if (disk_is_off() || disk.fault == DISK_READ_EIO)
        return failed(SQLITE_IOERR_READ, EIO);
    size_t from = (size_t)offset, want = (size_t)n;
    size_t have = from < file->live.n ? file->live.n - from : 0;
    size_t got = have < want ? have : want;
    if (got > 0)
        memcpy(p, file->live.p + from, got);
    memset((char *)p + got, 0, want - got);
    return got == want ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void change_add(struct file *file, size_t offset, const void *p, size_t n)
{
    struct change *c = NEW(struct change);
    c->offset = offset;
    c->n = n;
    if (p) {
        c->p = mem_alloc(n);
        memcpy(c->p, p, n);
    }
    list_push(&file->changes, &c->in);
}

static int on_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset)
{
    struct file *file = handle_of(f)->file;
    if (disk.fault == DISK_WRITE_EIO)
        return failed(SQLITE_IOERR_WRITE, EIO);
    if (disk.fault == DISK_READ_ONLY)
        return failed(SQLITE_IOERR_WRITE, EROFS);
    bool longer = (size_t)offset + (size_t)n > file->live.n;
    if (disk.fault == DISK_FULL && longer)
        return failed(SQLITE_FULL, 0);
    if (disk.fault == DISK_QUOTA && longer)
        return failed(SQLITE_IOERR_WRITE, EDQUOT);
    if (!powered())
        return failed(SQLITE_IOERR_WRITE, EIO);
    image_write(&file->live, (size_t)offset, p, (size_t)n);
    change_add(file, (size_t)offset, p, (size_t)n);
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    struct file *file = handle_of(f)->file;
    if (disk.fault == DISK_READ_ONLY || !powered())
        return failed(SQLITE_IOERR_TRUNCATE, EIO);
    image_cut(&file->live, (size_t)n);
    change_add(file, (size_t)n, NULL, 0);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    struct file *file = handle_of(f)->file;
    bool log = strstr(file->name, "-wal") != NULL;
    bool sick = disk.fault == DISK_SYNC_EIO || (disk.fault == DISK_MOVE_EIO && !log);
    if (sick || !powered())
        return failed(SQLITE_IOERR_FSYNC, EIO);
    LIST_EACH (it, &file->changes) {
        struct change *c = LIST_ENTRY(it, struct change, in);
        if (c->p)
            image_write(&file->durable, c->offset, c->p, c->n);
        else
            image_cut(&file->durable, c->offset);
    }
    changes_drop(file);
    file->safe = true;
    return SQLITE_OK;
}

static int on_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)handle_of(f)->file->live.n;
    return SQLITE_OK;
}

static int on_lock(sqlite3_file *f, int level)
{
    struct handle *h = handle_of(f);
    LIST_EACH (it, &disk.handles) {
        struct handle *other = LIST_ENTRY(it, struct handle, in);
        if (other == h || other->file != h->file)
            continue;
        bool alone = level == SQLITE_LOCK_EXCLUSIVE && other->level >= SQLITE_LOCK_SHARED;
        bool writers = level >= SQLITE_LOCK_RESERVED && other->level >= SQLITE_LOCK_RESERVED;
        if (alone || writers || other->level >= SQLITE_LOCK_PENDING)
            return SQLITE_BUSY;
    }
    if (level > h->level)
        h->level = level;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *f, int level)
{
    handle_of(f)->level = level;
    return SQLITE_OK;
}

static int on_reserved(sqlite3_file *f, int *ret)
{
    *ret = handle_of(f)->level >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *f, int what, void *arg)
{
    (void)f;
    (void)what;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}

static int on_traits(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_traits,
};

/* --- the methods of the disk */

static int on_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    (void)v;
    struct handle *h = handle_of(f);
    *h = (struct handle){ 0 };
    struct file *file = name ? file_find(name) : NULL;
    if (!file && (!(flags & SQLITE_OPEN_CREATE) || disk_is_off() || disk.fault == DISK_READ_ONLY))
        return failed(SQLITE_CANTOPEN, ENOENT);
    if (!file)
        file = file_make(name ? name : "(nameless)");
    h->base.pMethods = &methods;
    h->file = file;
    h->remove = flags & SQLITE_OPEN_DELETEONCLOSE;
    list_push(&disk.handles, &h->in);
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    (void)sync;
    struct file *file = file_find(name);
    if (!file)
        return SQLITE_IOERR_DELETE_NOENT;
    if (disk.fault == DISK_READ_ONLY || !powered())
        return failed(SQLITE_IOERR_DELETE, EIO);
    file->there = false;
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *v, const char *name, int flags, int *ret)
{
    (void)v;
    (void)flags;
    *ret = file_find(name) != NULL;
    return SQLITE_OK;
}

static int on_path(sqlite3_vfs *v, const char *name, int n, char *ret)
{
    (void)v;
    sqlite3_snprintf(n, ret, "%s", name);
    return SQLITE_OK;
}

static int on_random(sqlite3_vfs *v, int n, char *ret)
{
    (void)v;
    memset(ret, 7, (size_t)n);
    return n;
}

static int on_sleep(sqlite3_vfs *v, int us)
{
    (void)v;
    return us;
}

static int on_time(sqlite3_vfs *v, double *ret)
{
    (void)v;
    *ret = 2460000.5;
    return SQLITE_OK;
}

static int on_error(sqlite3_vfs *v, int n, char *ret)
{
    (void)v;
    (void)n;
    (void)ret;
    return disk.system_errno;
}

void disk_new(void)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        disk.file[i].there = false;
        list_init(&disk.file[i].changes);
    }
    list_init(&disk.handles);
    disk.fault = DISK_WELL;
    disk.changes = 0;
    disk.off_at = UINT64_MAX;
    disk.vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = 64,
        .zName = "disk",
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_path,
        .xRandomness = on_random,
        .xSleep = on_sleep,
        .xCurrentTime = on_time,
        .xGetLastError = on_error,
    };
    int rc = sqlite3_vfs_register(&disk.vfs, 0);
    ASSERT(rc == SQLITE_OK);
}

void disk_free(void)
{
    ASSERT(list_empty(&disk.handles));
    sqlite3_vfs_unregister(&disk.vfs);
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct file *f = &disk.file[i];
        changes_drop(f);
        mem_free(f->live.p);
        mem_free(f->durable.p);
        *f = (struct file){ 0 };
    }
}

void disk_fail(enum disk_fault fault)
{
    disk.fault = fault;
}

void disk_power(uint64_t changes)
{
    disk.off_at = disk.changes + changes;
}

uint64_t disk_changes(void)
{
    return disk.changes;
}

/* What stands on the platter when the power goes: any of the changes, each whole, torn or not. */
static void settle(struct file *f, struct rng *r)
{
    LIST_EACH (it, &f->changes) {
        struct change *c = LIST_ENTRY(it, struct change, in);
        if (rng_chance(r, 1, 3))
            continue;
        if (!c->p) {
            image_cut(&f->durable, c->offset);
            continue;
        }
        size_t n = c->n;
        if (rng_chance(r, 1, 4))
            n = (size_t)rng_below(r, n / SECTOR + 1) * SECTOR;
        image_write(&f->durable, c->offset, c->p, n);
    }
    changes_drop(f);
    image_copy(&f->live, &f->durable);
}

void disk_crash(struct rng *r)
{
    ASSERT(list_empty(&disk.handles));
    for (unsigned i = 0; i < FILES_MAX; i++) {
        struct file *f = &disk.file[i];
        if (!f->there)
            continue;
        settle(f, r);
        f->there = f->safe || rng_chance(r, 1, 2);
        f->safe = true;
    }
    disk.off_at = UINT64_MAX;
    disk.fault = DISK_WELL;
}

void disk_copy(const char *from, const char *to)
{
    struct file *f = file_find(from);
    if (!f)
        return;
    struct file *copy = file_find(to);
    if (!copy)
        copy = file_make(to);
    image_copy(&copy->live, &f->live);
    image_copy(&copy->durable, &f->live);
    copy->safe = true;
}

bool disk_has(const char *name)
{
    return file_find(name) != NULL;
}

uint64_t disk_size(const char *name)
{
    struct file *f = file_find(name);
    return f ? f->live.n : 0;
}

void disk_overwrite(const char *name, uint64_t offset, size_t n)
{
    struct file *f = file_find(name);
    ASSERT(f && offset + n <= f->live.n && offset + n <= f->durable.n);
    memset(f->live.p + offset, 0x55, n);
    memset(f->durable.p + offset, 0x55, n);
}
