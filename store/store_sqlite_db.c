/* store_sqlite_db.c - start reading at db_open; db_result decides what an SQLite result means to
 * us.
 */
#include "store/store_sqlite_db.h"

#include "store/schema.h"
#include <errno.h>
#include <sqlite3.h>

enum {
    CHECKPOINT_PAGES = 4000, /* of the WAL: pages that are used again are written once; more would
                                make one commit in a while much slower */
    PATH_PAD = 8,            /* SQLite wants several NULs behind a file name */
};

static const char mark_suffix[] = "-untrusted";

struct db {
    sqlite3 *sqlite;
    sqlite3_vfs *vfs;
    sqlite3_stmt **stmt;
    unsigned n_stmt;
    char *path, *mark;
    int wal_pages;     /* in the WAL after the last commit */
    int checkpoint_at; /* how many there must be */
    bool distrusted, was_distrusted;
};

/* --- the mark: through the VFS, so that it stands beside the file on a simulated disk, too */

/* Best effort: on a disk that fails it may not come to be, and then the next owner sees a file
 * that SQLite's own recovery must judge. */
static void mark_make(struct db *d)
{
    sqlite3_file *f = mem_zalloc((size_t)d->vfs->szOsFile);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL;
    int ret_flags = 0;
    int rc = d->vfs->xOpen(d->vfs, d->mark, f, flags, &ret_flags);
    if (rc == SQLITE_OK) {
        static const char text[] = "a write failed; the file is checked when it is opened again\n";
        rc = f->pMethods->xWrite(f, text, (int)sizeof text - 1, 0);
        if (rc == SQLITE_OK)
            rc = f->pMethods->xSync(f, SQLITE_SYNC_NORMAL);
    }
    if (f->pMethods)
        f->pMethods->xClose(f);
    mem_free(f);
}

static bool mark_is_there(struct db *d)
{
    int there = 0;
    return d->vfs->xAccess(d->vfs, d->mark, SQLITE_ACCESS_EXISTS, &there) == SQLITE_OK && there;
}

enum err db_distrust(struct db *d)
{
    if (!d->distrusted)
        mark_make(d);
    d->distrusted = true;
    return ERR_IO;
}

/* --- results */

/* A write over a quota is reported as a plain I/O error; it is lack of space all the same. (What
 * sqlite3_system_errno says is not kept up to date by COMMIT, so the VFS is asked.) An fsync that
 * fails is never only that: what it was to make durable may be gone. */
static bool is_full(struct db *d, int rc)
{
    if (rc == SQLITE_FULL || rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        return true;
    if (rc != SQLITE_IOERR_WRITE || !d->vfs->xGetLastError)
        return false;
    int system = d->vfs->xGetLastError(d->vfs, 0, NULL);
    return system == ENOSPC || system == EDQUOT;
}

enum err db_result(struct db *d, int rc)
{
    ASSERT(rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE);
    ASSERT(rc != SQLITE_MISUSE && rc != SQLITE_RANGE);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)
        return ERR_EXISTS;
    if (is_full(d, rc))
        return ERR_FULL;
    return db_distrust(d);
}

/* --- statements */

static sqlite3_stmt *db_stmt(struct db *d, unsigned s)
{
    ASSERT(s < d->n_stmt);
    return d->stmt[s];
}

void db_num(struct db *d, unsigned s, int i, int64_t value)
{
    int rc = sqlite3_bind_int64(db_stmt(d, s), i, value);
    ASSERT(rc == SQLITE_OK);
}

void db_text(struct db *d, unsigned s, int i, struct span value)
{
    const char *p = value.n > 0 ? value.p : "";
    int rc = sqlite3_bind_text64(db_stmt(d, s), i, p, value.n, SQLITE_STATIC, SQLITE_UTF8);
    ASSERT(rc == SQLITE_OK);
}

void db_blob(struct db *d, unsigned s, int i, struct span value)
{
    const char *p = value.n > 0 ? value.p : "";
    int rc = sqlite3_bind_blob64(db_stmt(d, s), i, p, value.n, SQLITE_STATIC);
    ASSERT(rc == SQLITE_OK);
}

enum err db_row(struct db *d, unsigned s)
{
    sqlite3_stmt *stmt = db_stmt(d, s);
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return ERR_OK;
    enum err e = rc == SQLITE_DONE ? ERR_NOT_FOUND : db_result(d, rc);
    sqlite3_reset(stmt);
    return e;
}

void db_end(struct db *d, unsigned s)
{
    sqlite3_reset(db_stmt(d, s)); /* repeats what the last step said */
}

enum err db_run(struct db *d, unsigned s)
{
    enum err e = db_row(d, s);
    ASSERT(e != ERR_OK);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

uint64_t db_changes(struct db *d)
{
    return (uint64_t)sqlite3_changes64(d->sqlite);
}

int64_t db_row_num(struct db *d, unsigned s, int i)
{
    return sqlite3_column_int64(db_stmt(d, s), i);
}

struct span db_row_span(struct db *d, unsigned s, int i)
{
    const char *p = sqlite3_column_blob(db_stmt(d, s), i);
    return span_of(p, (size_t)sqlite3_column_bytes(db_stmt(d, s), i));
}

enum err db_get(struct db *d, unsigned s, int64_t *ret)
{
    TRY(db_row(d, s));
    *ret = db_row_num(d, s, 0);
    db_end(d, s);
    return ERR_OK;
}

void db_explain(struct db *d, struct why *why)
{
    why_set(why, "%s", sqlite3_errmsg(d->sqlite));
}

enum err db_bytes(struct db *d, uint64_t *ret)
{
    sqlite3_file *f = NULL;
    sqlite3_int64 n = 0;
    int rc = sqlite3_file_control(d->sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (rc == SQLITE_OK)
        rc = f->pMethods->xFileSize(f, &n);
    if (rc != SQLITE_OK)
        return db_result(d, rc);
    *ret = (uint64_t)n;
    return ERR_OK;
}

/* --- transactions */

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct db *d = arg;
    d->wal_pages = pages;
    return SQLITE_OK;
}

enum err db_begin(struct db *d)
{
    if (d->distrusted)
        return ERR_IO;
    int rc = sqlite3_exec(d->sqlite, "BEGIN", NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : db_result(d, rc);
}

/* Not SQLite's own, which says nothing when it fails. The commit before it stands; what went
 * wrong here is found by the next db_begin. With no space it is tried again when the WAL has
 * grown by as much once more. */
static void db_checkpoint(struct db *d)
{
    int pages = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(d->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);
    d->checkpoint_at = CHECKPOINT_PAGES;
    if (rc == SQLITE_OK)
        return;
    d->checkpoint_at = d->wal_pages + CHECKPOINT_PAGES;
    enum err e = db_result(d, rc);
    ASSERT(e == ERR_FULL || d->distrusted);
}

enum err db_commit(struct db *d)
{
    int rc = sqlite3_exec(d->sqlite, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return db_result(d, rc);
    if (d->wal_pages >= d->checkpoint_at)
        db_checkpoint(d);
    return ERR_OK;
}

void db_rollback(struct db *d)
{
    for (unsigned s = 0; s < d->n_stmt; s++)
        sqlite3_reset(d->stmt[s]);
    if (!sqlite3_get_autocommit(d->sqlite)) /* some errors roll back by themselves */
        sqlite3_exec(d->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

/* --- open and close */

/* One statement that gives one value, as text into memory or as a number. */
static int ask(sqlite3 *db, const char *sql, char *memory, size_t cap, int64_t *ret_num)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *ret_num = sqlite3_column_int64(stmt, 0);
        sqlite3_snprintf((int)cap, memory, "%s", sqlite3_column_text(stmt, 0));
    }
    return sqlite3_finalize(stmt); /* repeats what the step said */
}

/* What went wrong while opening, with what to do about it. */
static enum err open_error(struct db *d, int rc, const char *step, struct why *why)
{
    const char *text = d->sqlite ? sqlite3_errmsg(d->sqlite) : sqlite3_errstr(rc);
    int kind = rc & 0xff;
    if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED) {
        why_set(why, "%s: another process owns this queue", d->path);
        return ERR_EXISTS;
    }
    if (d->sqlite && is_full(d, rc)) {
        why_set(why, "%s: %s (%s): make room and start again", d->path, text, step);
        return ERR_FULL;
    }
    bool damaged = kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB;
    const char *remedy = damaged ? "restore it, or move it and its -wal file away and start anew"
                                 : "check the disk and the rights of the file and its directory";
    why_set(why, "%s: %s (%s): %s", d->path, text, step, remedy);
    return ERR_IO;
}

static const char open_pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                   "PRAGMA page_size=8192;"
                                   "PRAGMA journal_mode=WAL;"
                                   "PRAGMA synchronous=FULL;"
                                   "PRAGMA wal_autocheckpoint=0;"
                                   "PRAGMA journal_size_limit=67108864;"
                                   "PRAGMA cache_size=-6144;"
                                   "PRAGMA temp_store=MEMORY;"
                                   "PRAGMA mmap_size=0;"
                                   "PRAGMA secure_delete=OFF;"
                                   "PRAGMA trusted_schema=OFF;"
                                   "BEGIN EXCLUSIVE; COMMIT;";

static enum err open_file(struct db *d, const char *vfs, struct why *why)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(d->path, &d->sqlite, flags, vfs);
    if (rc != SQLITE_OK)
        return open_error(d, rc, "open", why);
    sqlite3_extended_result_codes(d->sqlite, 1);
    if (sqlite3_db_readonly(d->sqlite, "main") == 1)
        return open_error(d, SQLITE_READONLY, "the file cannot be written", why);
    rc = sqlite3_exec(d->sqlite, open_pragmas, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return open_error(d, rc, "lock", why);

    char mode[16] = "";
    int64_t num = 0;
    rc = ask(d->sqlite, "PRAGMA journal_mode", mode, sizeof mode, &num);
    if (rc != SQLITE_OK || strcmp(mode, "wal") != 0)
        return open_error(d, rc != SQLITE_OK ? rc : SQLITE_CANTOPEN, "write-ahead log", why);
    sqlite3_wal_hook(d->sqlite, on_commit, d);
    return ERR_OK;
}

/* After a failed write: the whole file is read before a byte of it is believed. */
static enum err open_judge(struct db *d, struct why *why)
{
    char text[200] = "";
    int64_t num = 0;
    int rc = ask(d->sqlite, "PRAGMA integrity_check(1)", text, sizeof text, &num);
    if (rc != SQLITE_OK)
        return open_error(d, rc, "check after a failed write", why);
    if (strcmp(text, "ok") == 0)
        return ERR_OK;
    why_set(why, "%s: damaged by a failed write: %s: restore it, or move it away; then remove %s",
            d->path, text, d->mark);
    return ERR_IO;
}

/* A kernel that has reported a failed sync holds what it was about for written, though it is in
 * the cache alone: later syncs succeed and leave a hole, and a commit behind that hole would not
 * outlive a power cut. So all that the WAL has is written anew, into the file, before anything
 * builds on it; always, because who fails may not live to leave a mark. */
static enum err open_settle(struct db *d, struct why *why)
{
    bool marked = d->was_distrusted = mark_is_there(d);
    if (marked)
        TRY(open_judge(d, why));
    int rc = sqlite3_wal_checkpoint_v2(d->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK && (marked || !is_full(d, rc)))
        return open_error(d, rc, "write-ahead log into the file", why);
    if (!marked)
        return ERR_OK;
    rc = d->vfs->xDelete(d->vfs, d->mark, 1);
    return rc == SQLITE_OK ? ERR_OK : open_error(d, rc, "removing the -untrusted mark", why);
}

/* Is it ours, and which version? */
static enum err open_version(struct db *d, unsigned *ret, struct why *why)
{
    char text[24] = "";
    int64_t version = 0, application = 0, tables = 0;
    int rc = ask(d->sqlite, "PRAGMA user_version", text, sizeof text, &version);
    if (rc == SQLITE_OK)
        rc = ask(d->sqlite, "PRAGMA application_id", text, sizeof text, &application);
    if (rc == SQLITE_OK)
        rc = ask(d->sqlite, "SELECT count(*) FROM sqlite_schema", text, sizeof text, &tables);
    if (rc != SQLITE_OK)
        return open_error(d, rc, "version", why);
    bool fresh = version == 0 && application == 0 && tables == 0;
    if (!fresh && application != SCHEMA_APPLICATION) {
        why_set(why, "%s: a database, but not a queue of ours: name another file", d->path);
        return ERR_IO;
    }
    if (version < 0 || version > SCHEMA_VERSION) {
        why_set(why, "%s: version %d, this program knows up to %d: use the newer program", d->path,
                (int)version, (int)SCHEMA_VERSION);
        return ERR_IO;
    }
    *ret = (unsigned)version;
    return ERR_OK;
}

static enum err open_migrate(struct db *d, struct why *why)
{
    unsigned version = 0;
    TRY(open_version(d, &version, why));
    for (; version < SCHEMA_VERSION; version++) {
        char mark[120];
        sqlite3_snprintf(sizeof mark, mark,
                         "PRAGMA application_id=%d; PRAGMA user_version=%u; COMMIT;",
                         SCHEMA_APPLICATION, version + 1);
        int rc = sqlite3_exec(d->sqlite, "BEGIN", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(d->sqlite, schema_step(version), NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(d->sqlite, mark, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            return open_error(d, rc, "tables", why);
    }
    return ERR_OK;
}

static enum err open_statements(struct db *d, const char *const *statements, unsigned n,
                                struct why *why)
{
    d->stmt = mem_zalloc(n * sizeof *d->stmt);
    for (; d->n_stmt < n; d->n_stmt++) {
        int rc = sqlite3_prepare_v3(d->sqlite, statements[d->n_stmt], -1, SQLITE_PREPARE_PERSISTENT,
                                    &d->stmt[d->n_stmt], NULL);
        if (rc != SQLITE_OK)
            return open_error(d, rc, statements[d->n_stmt], why);
    }
    return ERR_OK;
}

struct sqlite3_vfs *db_vfs(struct db *d)
{
    return d->vfs;
}

bool db_was_distrusted(const struct db *d)
{
    return d->was_distrusted;
}

static char *path_new(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    char *p = mem_zalloc(n + m + PATH_PAD);
    memcpy(p, path, n);
    memcpy(p + n, suffix, m);
    return p;
}

char *db_path_beside(const struct db *d, const char *suffix)
{
    return path_new(d->path, suffix);
}

enum err db_open(const char *path, const char *vfs, const char *const *statements, unsigned n,
                 struct db **ret, struct why *why)
{
    struct db *d = NEW(struct db);
    d->path = path_new(path, "");
    d->mark = path_new(path, mark_suffix);
    d->vfs = sqlite3_vfs_find(vfs);
    d->checkpoint_at = CHECKPOINT_PAGES;
    ASSERT(d->vfs != NULL);

    enum err e = open_file(d, vfs, why);
    if (e == ERR_OK)
        e = open_settle(d, why);
    if (e == ERR_OK)
        e = open_migrate(d, why);
    if (e == ERR_OK)
        e = open_statements(d, statements, n, why);
    if (e != ERR_OK) {
        db_close(d);
        return e;
    }
    *ret = d;
    return ERR_OK;
}

void db_close(struct db *d)
{
    if (!d)
        return;
    for (unsigned s = 0; s < d->n_stmt; s++)
        sqlite3_finalize(d->stmt[s]);
    if (d->sqlite && d->distrusted) /* what may be damaged is left as it is */
        sqlite3_db_config(d->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = sqlite3_close(d->sqlite); /* rolls back; moves the WAL into the file */
    ASSERT(rc == SQLITE_OK);
    mem_free(d->stmt);
    mem_free(d->path);
    mem_free(d->mark);
    mem_free(d);
}
