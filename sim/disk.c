/* A file is what is in the cache; what was not synced is listed beside it, oldest first, with what
 * it takes to make the platter's state of it. Read disk_crash and file_sync. */
#include "sim/disk.h"

#include "base/buf.h"
#include "base/list.h"
#include "sim/swarm.h"
#include "sim/world.h"
#include <sqlite3.h>
#include <stdio.h>

enum { FILES_MAX = 64, NAME_MAX_BYTES = 128, SECTOR = 512, WRITE_US = 4 };
enum { LARGE_BYTES = 64 * 1024, LARGE_WRITE_US = 100 }; /* no page of SQLite's: a chunk of a body */

/* A change that is in the cache only. */
struct change {
    struct list in;
    bool truncate;
    uint64_t at; /* offset, or the new size */
    struct span bytes;
};

struct bytes {
    char *p;
    uint64_t n, cap;
};

struct file {
    char name[NAME_MAX_BYTES];
    bool there, durable; /* exists; would still exist after a power cut */
    bool large;          /* holds large chunks */
    struct bytes cache, platter;
    struct list changes;
    int lock; /* of the one handle that has more than a shared lock, or shared ones' number */
};

struct handle {
    sqlite3_file base; /* first */
    struct file *file;
    uint64_t epoch;
    int lock;
    bool delete_on_close, observer, syncs_directory;
    struct bytes *observed;
};

/* The n-th operation of a kind. eager: the first that concerns large chunks, if that comes sooner;
 * they are few. */
struct countdown {
    uint64_t n; /* 0: none */
    bool eager;
};

static struct {
    struct file file[FILES_MAX];
    unsigned n;
    uint64_t epoch;
    bool down, full;
    enum { NOBODY_LOOKS, LOOK_AT_CACHE, LOOK_AT_PLATTER } look; /* SQL from outside */
    uint64_t failures, refusals;
    struct countdown die, fail_read, fail_write, fail_sync;
    void (*died)(void);
    int64_t fsync_us, cost_us;
} disk;

/* --- bytes */

static void bytes_size(struct bytes *b, uint64_t n)
{
    if (n > b->cap) {
        b->cap = n * 2 < 65536 ? 65536 : n * 2;
        b->p = mem_realloc(b->p, b->cap);
    }
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void bytes_write(struct bytes *b, uint64_t at, struct span s)
{
    if (at + s.n > b->n)
        bytes_size(b, at + s.n);
    if (s.n > 0)
        memcpy(b->p + at, s.p, s.n);
}

/* --- files */

static struct file *file_find(const char *name)
{
    for (unsigned i = 0; i < disk.n; i++)
        if (strcmp(disk.file[i].name, name) == 0)
            return &disk.file[i];
    return NULL;
}

static struct file *file_make(const char *name)
{
    struct file *f = file_find(name);
    if (!f) {
        ASSERT(disk.n < FILES_MAX && strlen(name) < NAME_MAX_BYTES);
        f = &disk.file[disk.n++];
        (void)snprintf(f->name, sizeof f->name, "%s", name);
        list_init(&f->changes);
    }
    return f;
}

static void changes_forget(struct file *f)
{
    struct list *m;
    while ((m = list_pop(&f->changes))) {
        struct change *c = LIST_ENTRY(m, struct change, in);
        mem_free((char *)(uintptr_t)c->bytes.p);
        mem_free(c);
    }
}

static void change_note(struct file *f, bool truncate, uint64_t at, struct span bytes)
{
    struct change *c = NEW(struct change);
    char *copy = mem_alloc(bytes.n);
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    *c = (struct change){ .truncate = truncate, .at = at, .bytes = span_of(copy, bytes.n) };
    list_init(&c->in);
    list_push(&f->changes, &c->in);
}

static void platter_apply(struct file *f, const struct change *c)
{
    if (c->truncate)
        bytes_size(&f->platter, c->at);
    else
        bytes_write(&f->platter, c->at, c->bytes);
}

static void file_sync(struct file *f)
{
    LIST_EACH (it, &f->changes)
        platter_apply(f, LIST_ENTRY(it, struct change, in));
    changes_forget(f);
    f->durable = f->there;
}

/* Sector by sector, each by itself. */
static void platter_tear(struct file *f, const struct change *c)
{
    struct span left = c->bytes;
    uint64_t at = c->at;
    while (left.n > 0) {
        size_t n = SECTOR - (size_t)(at % SECTOR);
        struct span piece = span_head(left, left.n < n ? left.n : n);
        if (draw(2))
            bytes_write(&f->platter, at, piece);
        at += piece.n;
        left = span_tail(left, piece.n);
    }
}

static void file_lose_power(struct file *f)
{
    enum { ALL, NOTHING, SOME, PREFIX, MODES };
    unsigned mode = (unsigned)draw(MODES);
    bool cut = false;
    LIST_EACH (it, &f->changes) {
        const struct change *c = LIST_ENTRY(it, struct change, in);
        cut = cut || draw(4) == 0;
        bool keep = mode == ALL || (mode == SOME && draw(2)) || (mode == PREFIX && !cut);
        if (keep)
            platter_apply(f, c);
        else if (mode == SOME && !c->truncate && draw(2))
            platter_tear(f, c);
    }
    changes_forget(f);
    if (f->there != f->durable && draw(2))
        f->there = f->durable; /* its directory was not synced */
    if (!f->there)
        bytes_size(&f->platter, 0);
    bytes_size(&f->cache, 0);
    bytes_write(&f->cache, 0, span_of(f->platter.p, (size_t)f->platter.n));
    f->durable = f->there;
}

void disk_crash(bool power)
{
    disk.epoch++;
    disk.down = true;
    disk.die = (struct countdown){ 0 };
    for (unsigned i = 0; i < disk.n; i++) {
        disk.file[i].lock = 0;
        if (power)
            file_lose_power(&disk.file[i]);
    }
}

void disk_up(void)
{
    disk.down = false;
}

static struct countdown countdown(uint64_t n)
{
    return (struct countdown){ n, n % 2 };
}

/* true: it is over with this one. */
static bool counted_down(struct countdown *c, bool large)
{
    if (c->n == 0)
        return false;
    c->n = large && c->eager ? 0 : c->n - 1;
    return c->n == 0;
}

void disk_die_in(uint64_t n, void (*died)(void))
{
    disk.die = countdown(n);
    disk.died = died;
}

void disk_set_full(bool full)
{
    disk.full = full;
}

void disk_set_fsync_us(int64_t us)
{
    disk.fsync_us = us;
}

void disk_fail_read(uint64_t n)
{
    disk.fail_read = countdown(n);
}

void disk_fail_write(uint64_t n)
{
    disk.fail_write = countdown(n);
}

void disk_fail_sync(uint64_t n)
{
    disk.fail_sync = countdown(n);
}

uint64_t disk_failures(void)
{
    return disk.failures;
}

uint64_t disk_refusals(void)
{
    return disk.refusals;
}

int64_t disk_take_cost_us(void)
{
    int64_t cost = disk.cost_us;
    disk.cost_us = 0;
    return cost;
}

/* --- the VFS */

static struct handle *handle(sqlite3_file *f)
{
    return (struct handle *)(void *)f;
}

/* Is the owner of this handle still alive? */
static bool alive(const struct handle *h)
{
    return h->observer || (h->epoch == disk.epoch && !disk.down);
}

/* Counts down to a fault; true: now. */
static bool strikes(struct countdown *c, const char *what, const struct file *f, bool large)
{
    if (!counted_down(c, large))
        return false;
    disk.failures++;
    tell("the disk fails to %s %s", what, f ? f->name : "a file");
    return true;
}

/* Before a change: the machine may die right here. */
static bool survives(bool large)
{
    if (!counted_down(&disk.die, large))
        return true;
    disk.died();
    return false;
}

static int vfs_close(sqlite3_file *base)
{
    struct handle *h = handle(base);
    if (h->observer)
        mem_free(h->observed->p), mem_free(h->observed);
    else if (alive(h) && h->lock > 0)
        h->file->lock = 0;
    if (h->delete_on_close && alive(h))
        h->file->there = h->file->durable = false;
    return SQLITE_OK;
}

static struct bytes *content(struct handle *h)
{
    return h->observer ? h->observed : &h->file->cache;
}

static int vfs_read(sqlite3_file *base, void *p, int n, sqlite3_int64 at)
{
    struct handle *h = handle(base);
    const struct bytes *b = content(h);
    if (!alive(h))
        return SQLITE_IOERR_READ;
    if (!h->observer && strikes(&disk.fail_read, "read", h->file, n >= LARGE_BYTES))
        return SQLITE_IOERR_READ;
    uint64_t have = (uint64_t)at < b->n ? b->n - (uint64_t)at : 0;
    if (have >= (uint64_t)n) {
        memcpy(p, b->p + at, (size_t)n);
        return SQLITE_OK;
    }
    memset(p, 0, (size_t)n);
    if (have > 0)
        memcpy(p, b->p + at, (size_t)have);
    return SQLITE_IOERR_SHORT_READ;
}

static void file_write(struct file *f, uint64_t at, struct span s)
{
    if (s.n == 0)
        return;
    change_note(f, false, at, s);
    bytes_write(&f->cache, at, s);
}

static int vfs_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 at)
{
    struct handle *h = handle(base);
    struct span s = span_of(p, (size_t)n);
    if (h->observer) {
        bytes_write(h->observed, (uint64_t)at, s);
        return SQLITE_OK;
    }
    bool large = s.n >= LARGE_BYTES;
    h->file->large = h->file->large || large;
    if (!alive(h) || !survives(large))
        return SQLITE_IOERR_WRITE;
    if (strikes(&disk.fail_write, "write", h->file, large)) {
        file_write(h->file, (uint64_t)at, large ? span_head(s, s.n / 2) : SPAN_NONE);
        return SQLITE_IOERR_WRITE;
    }
    if (disk.full && (uint64_t)at + s.n > h->file->cache.n) {
        file_write(h->file, (uint64_t)at, large ? span_head(s, s.n / 2) : SPAN_NONE);
        disk.refusals++;
        return SQLITE_FULL;
    }
    disk.cost_us += large ? LARGE_WRITE_US : WRITE_US;
    file_write(h->file, (uint64_t)at, s);
    return SQLITE_OK;
}

enum err disk_file_put(void)
{
    if (disk.down || !survives(false) || strikes(&disk.fail_write, "write", NULL, false))
        return ERR_IO;
    disk.cost_us += 2 * disk.fsync_us;
    return disk.full ? ERR_FULL : ERR_OK;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 n)
{
    struct handle *h = handle(base);
    if (h->observer) {
        bytes_size(h->observed, (uint64_t)n);
        return SQLITE_OK;
    }
    if (!alive(h) || !survives(h->file->large))
        return SQLITE_IOERR_TRUNCATE;
    change_note(h->file, true, (uint64_t)n, SPAN_NONE);
    bytes_size(&h->file->cache, (uint64_t)n);
    return SQLITE_OK;
}

/* What a sync that failed has made durable, nobody knows; and the kernel will not write it again.
 */
static void file_sync_failed(struct file *f)
{
    LIST_EACH (it, &f->changes) {
        struct change *c = LIST_ENTRY(it, struct change, in);
        if (draw(2))
            platter_apply(f, c);
        else if (!c->truncate)
            platter_tear(f, c);
    }
    changes_forget(f);
}

/* The first sync of a journal is its directory's as well, as in SQLite's own VFS. */
static void directory_sync(void)
{
    for (unsigned i = 0; i < disk.n; i++)
        disk.file[i].durable = disk.file[i].there;
}

static int vfs_sync(sqlite3_file *base, int flags)
{
    struct handle *h = handle(base);
    (void)flags;
    if (h->observer)
        return SQLITE_OK;
    if (!alive(h) || !survives(h->file->large))
        return SQLITE_IOERR_FSYNC;
    disk.cost_us += disk.fsync_us;
    if (strikes(&disk.fail_sync, "sync", h->file, h->file->large)) {
        file_sync_failed(h->file);
        return SQLITE_IOERR_FSYNC;
    }
    file_sync(h->file);
    if (h->syncs_directory)
        directory_sync();
    h->syncs_directory = false;
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)content(handle(base))->n;
    return SQLITE_OK;
}

/* One process owns the file, or none: shared locks are not shared. */
static int vfs_lock(sqlite3_file *base, int level)
{
    struct handle *h = handle(base);
    if (h->observer)
        return SQLITE_OK;
    if (!alive(h))
        return SQLITE_IOERR_LOCK;
    if (h->lock == 0 && h->file->lock > 0)
        return SQLITE_BUSY;
    if (level > h->lock)
        h->lock = h->file->lock = level;
    return SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
    struct handle *h = handle(base);
    if (h->observer || !alive(h))
        return SQLITE_OK;
    if (level < h->lock)
        h->lock = h->file->lock = level;
    return SQLITE_OK;
}

static int vfs_check_lock(sqlite3_file *base, int *ret)
{
    *ret = handle(base)->lock >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int vfs_traits(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_check_lock,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
};

/* What who looks from outside finds of a file. */
static const struct bytes *seen(const struct file *f)
{
    if (!f)
        return NULL;
    if (disk.look == LOOK_AT_PLATTER)
        return f->durable ? &f->platter : NULL;
    return f->there ? &f->cache : NULL;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    struct handle *h = handle(base);
    char temporary[32];
    static unsigned temporaries;
    (void)vfs;
    base->pMethods = NULL;
    *h = (struct handle){ .epoch = disk.epoch };
    if (disk.look) {
        h->observer = true;
        h->observed = NEW(struct bytes);
        const struct bytes *b = name ? seen(file_find(name)) : NULL;
        if (b)
            bytes_write(h->observed, 0, span_of(b->p, (size_t)b->n));
        base->pMethods = &methods;
        if (ret_flags)
            *ret_flags = flags;
        return SQLITE_OK;
    }
    if (disk.down)
        return SQLITE_CANTOPEN;
    if (!name)
        (void)snprintf(temporary, sizeof temporary, "tmp-%u", temporaries++ % 8);
    struct file *f = file_make(name ? name : temporary);
    if (!f->there && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (!f->there && !survives(false))
        return SQLITE_CANTOPEN;
    if (!f->there) {
        f->there = true;
        changes_forget(f);
        bytes_size(&f->cache, 0);
        bytes_size(&f->platter, 0);
    }
    h->file = f;
    h->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    h->syncs_directory =
        flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL);
    base->pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    struct file *f = file_find(name);
    if (disk.look)
        return SQLITE_OK;
    if (disk.down || !survives(false))
        return SQLITE_IOERR_DELETE;
    if (!f || !f->there)
        return SQLITE_IOERR_DELETE_NOENT;
    f->there = false;
    if (sync || draw(2))
        f->durable = false;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs, (void)flags;
    const struct file *f = file_find(name);
    if (disk.down && !disk.look)
        return SQLITE_IOERR_ACCESS;
    *ret = disk.look ? seen(f) != NULL : f && f->there;
    return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int cap, char *ret)
{
    (void)vfs;
    sqlite3_snprintf(cap, ret, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *p)
{
    (void)vfs;
    draw_bytes(p, (size_t)n);
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    disk.cost_us += us;
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    (void)vfs;
    *ret = world_wall_ms() + (sqlite3_int64)210866760000000; /* Julian day of 1970, in ms */
    return SQLITE_OK;
}

static int vfs_time_double(sqlite3_vfs *vfs, double *ret)
{
    sqlite3_int64 ms = 0;
    int rc = vfs_time(vfs, &ms);
    *ret = (double)ms / 86400000.0;
    return rc;
}

static int vfs_error(sqlite3_vfs *vfs, int cap, char *ret)
{
    (void)vfs;
    if (cap > 0)
        ret[0] = '\0';
    return 0;
}

void disk_start(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_MAX_BYTES,
        .zName = "sim",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_name,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time_double,
        .xGetLastError = vfs_error,
        .xCurrentTimeInt64 = vfs_time,
    };
    disk.fsync_us = 200;
    int rc = sqlite3_vfs_register(&vfs, 1);
    ASSERT(rc == SQLITE_OK);
}

/* --- from outside */

static int run_query(sqlite3 *db, const char *sql, disk_row_fn *fn, void *arg)
{
    enum { COLUMNS_MAX = 8 };
    sqlite3_stmt *stmt = NULL;
    const char *column[COLUMNS_MAX];
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    int n = sqlite3_column_count(stmt);
    ASSERT(n <= COLUMNS_MAX);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < n; i++)
            column[i] = (const char *)sqlite3_column_text(stmt, i);
        fn(arg, n, column);
    }
    return sqlite3_finalize(stmt);
}

static bool look(unsigned from, const char *path, const char *sql, disk_row_fn *fn, void *arg,
                 const char **ret_why)
{
    sqlite3 *db = NULL;
    static char why[256];
    disk.look = from;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "sim");
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY", NULL, NULL,
                          NULL);
    if (rc == SQLITE_OK)
        rc = run_query(db, sql, fn, arg);
    if (rc != SQLITE_OK) {
        (void)snprintf(why, sizeof why, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
        *ret_why = why;
    }
    (void)sqlite3_close(db);
    disk.look = NOBODY_LOOKS;
    return rc == SQLITE_OK;
}

bool disk_query(const char *path, const char *sql, disk_row_fn *fn, void *arg, const char **ret_why)
{
    return look(LOOK_AT_CACHE, path, sql, fn, arg, ret_why);
}

bool disk_query_platter(const char *path, const char *sql, disk_row_fn *fn, void *arg,
                        const char **ret_why)
{
    return look(LOOK_AT_PLATTER, path, sql, fn, arg, ret_why);
}

bool disk_is_synced(const char *path, uint64_t at, uint64_t n)
{
    struct file *f = file_find(path);
    if (!f || !f->durable || f->platter.n < at + n)
        return false;
    LIST_EACH (it, &f->changes) {
        const struct change *c = LIST_ENTRY(it, struct change, in);
        if (c->truncate ? c->at < at + n : c->at < at + n && at < c->at + c->bytes.n)
            return false;
    }
    return true;
}
