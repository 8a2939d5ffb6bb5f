#include "store/store_sqlite_bodies.h"

#include "store/blocks.h"
#include <inttypes.h>
#include <sqlite3.h>

enum { SPARE_BYTES = 64 << 20 }; /* free space at the end that the file keeps */

static const char suffix[] = "-bodies";

STATIC_ASSERT(BODIES_CHUNK_MAX == BLOCKS_RUN_MAX * BODIES_BLOCK);

/* What a transaction has done, until it is known how it ends. */
struct change {
    uint64_t place;
    unsigned n;
    bool is_put;
};

struct bodies {
    struct db *db;
    char *path;
    sqlite3_file *file;
    struct blocks blocks;
    uint64_t bytes; /* of the file */
    bool unsynced;
    struct change *changes;
    size_t n_changes, cap_changes;
};

static unsigned blocks_of(int64_t bytes)
{
    return (unsigned)((bytes + BODIES_BLOCK - 1) / BODIES_BLOCK);
}

enum { SUM_LANES = 4 }; /* because a multiplication waits for the one before it */

static inline uint64_t sum_step(uint64_t sum, uint64_t word)
{
    return (sum ^ word ^ sum >> 29) * 0x9e3779b97f4a7c15u;
}

/* Tells what a disk or a mixed-up backup does to a chunk; nobody who could write the file is kept
 * from forging it. */
static int64_t sum_of(struct span s)
{
    uint64_t lane[SUM_LANES] = { 1, 2, 3, 4 }, word[SUM_LANES], sum = s.n;
    for (; s.n >= sizeof word; s = span_tail(s, sizeof word)) {
        memcpy(word, s.p, sizeof word);
        for (unsigned i = 0; i < SUM_LANES; i++)
            lane[i] = sum_step(lane[i], word[i]);
    }
    memset(word, 0, sizeof word);
    if (s.n > 0)
        memcpy(word, s.p, s.n);
    for (unsigned i = 0; i < SUM_LANES; i++)
        sum = sum_step(sum_step(sum, lane[i]), word[i]);
    return (int64_t)(sum >> 1);
}

static enum err open_failed(const struct bodies *b, const char *step, struct why *why)
{
    why_set(why, "%s: %s failed: check the disk and the rights of the file and its directory",
            b->path, step);
    return ERR_IO;
}

/* As a super-journal: SQLite's VFS then takes no locks on it and syncs its directory, too. */
static enum err file_open(struct bodies *b, struct why *why)
{
    sqlite3_vfs *vfs = db_vfs(b->db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL;
    int ret_flags = 0;
    sqlite3_int64 bytes = 0;
    b->file = mem_zalloc((size_t)vfs->szOsFile);
    if (vfs->xOpen(vfs, b->path, b->file, flags, &ret_flags) != SQLITE_OK)
        return open_failed(b, "open", why);
    if (ret_flags & SQLITE_OPEN_READONLY)
        return open_failed(b, "opening it for writing", why);
    if (b->file->pMethods->xFileSize(b->file, &bytes) != SQLITE_OK)
        return open_failed(b, "asking for its size", why);
    b->bytes = (uint64_t)bytes;
    return ERR_OK;
}

enum err bodies_open(struct db *d, struct bodies **ret, struct why *why)
{
    struct bodies *b = NEW(struct bodies);
    b->db = d;
    b->path = db_path_beside(d, suffix);
    enum err e = file_open(b, why);
    if (e != ERR_OK) {
        bodies_close(b);
        return e;
    }
    *ret = b;
    return ERR_OK;
}

void bodies_close(struct bodies *b)
{
    if (!b)
        return;
    if (b->file && b->file->pMethods)
        b->file->pMethods->xClose(b->file);
    blocks_done(&b->blocks);
    mem_free(b->changes);
    mem_free(b->file);
    mem_free(b->path);
    mem_free(b);
}

static bool is_sane(const struct piece *p)
{
    return p->bytes >= BODIES_CHUNK_MIN && p->bytes <= BODIES_CHUNK_MAX && p->place >= 0 &&
           (uint64_t)p->place <= BLOCKS_PLACE_MAX;
}

enum err bodies_claim(struct bodies *b, const struct piece *p)
{
    bool well = is_sane(p) && (uint64_t)(p->place * BODIES_BLOCK + p->bytes) <= b->bytes &&
                blocks_claim(&b->blocks, (uint64_t)p->place, blocks_of(p->bytes));
    return well ? ERR_OK : db_distrust(b->db);
}

bool bodies_is_empty(const struct bodies *b)
{
    return b->blocks.used == 0;
}

uint64_t bodies_bytes(const struct bodies *b)
{
    return b->bytes;
}

/* Block by block: SQLite's VFS for Unix takes less than 128 KiB at once. */
static int file_write(sqlite3_file *f, struct span s, uint64_t offset)
{
    int rc = SQLITE_OK;
    for (size_t n; s.n > 0 && rc == SQLITE_OK; s = span_tail(s, n), offset += n) {
        n = s.n < BODIES_BLOCK ? s.n : BODIES_BLOCK;
        rc = f->pMethods->xWrite(f, s.p, (int)n, (sqlite3_int64)offset);
    }
    return rc;
}

static int file_read(sqlite3_file *f, char *memory, size_t want, uint64_t offset)
{
    int rc = SQLITE_OK;
    for (size_t n; want > 0 && rc == SQLITE_OK; want -= n, memory += n, offset += n) {
        n = want < BODIES_BLOCK ? want : BODIES_BLOCK;
        rc = f->pMethods->xRead(f, memory, (int)n, (sqlite3_int64)offset);
    }
    return rc;
}

static void change_note(struct bodies *b, uint64_t place, unsigned n, bool is_put)
{
    if (b->n_changes == b->cap_changes) {
        b->cap_changes = b->cap_changes > 0 ? b->cap_changes * 2 : 16;
        b->changes = mem_realloc(b->changes, b->cap_changes * sizeof b->changes[0]);
    }
    b->changes[b->n_changes++] = (struct change){ place, n, is_put };
}

enum err bodies_put(struct bodies *b, struct span chunk, struct piece *ret)
{
    ASSERT(chunk.n >= BODIES_CHUNK_MIN && chunk.n <= BODIES_CHUNK_MAX);
    unsigned n = blocks_of((int64_t)chunk.n);
    uint64_t place = blocks_take(&b->blocks, n), offset = place * BODIES_BLOCK;
    change_note(b, place, n, true);
    int rc = file_write(b->file, chunk, offset);
    if (rc != SQLITE_OK)
        return db_result(b->db, rc);
    b->unsynced = true;
    b->bytes = offset + chunk.n > b->bytes ? offset + chunk.n : b->bytes;
    *ret = (struct piece){ (int64_t)place, (int64_t)chunk.n, sum_of(chunk) };
    return ERR_OK;
}

enum err bodies_get(struct bodies *b, const struct piece *p, char *memory)
{
    if (!is_sane(p))
        return db_distrust(b->db);
    uint64_t offset = (uint64_t)p->place * BODIES_BLOCK;
    int rc = file_read(b->file, memory, (size_t)p->bytes, offset);
    if (rc != SQLITE_OK)
        return db_result(b->db, rc);
    return sum_of(span_of(memory, (size_t)p->bytes)) == p->sum ? ERR_OK : db_distrust(b->db);
}

void bodies_drop(struct bodies *b, const struct piece *p)
{
    change_note(b, (uint64_t)p->place, blocks_of(p->bytes), false);
}

enum err bodies_sync(struct bodies *b)
{
    if (!b->unsynced)
        return ERR_OK;
    int rc = b->file->pMethods->xSync(b->file, SQLITE_SYNC_NORMAL);
    if (rc != SQLITE_OK)
        return db_result(b->db, rc);
    b->unsynced = false;
    return ERR_OK;
}

/* Frees what the end of the transaction has left without a row. */
static void changes_end(struct bodies *b, bool committed)
{
    for (size_t i = 0; i < b->n_changes; i++)
        if (b->changes[i].is_put != committed)
            blocks_give(&b->blocks, b->changes[i].place, b->changes[i].n);
    b->n_changes = 0;
}

/* A file that stays too long is no harm. */
void bodies_committed(struct bodies *b)
{
    changes_end(b, true);
    uint64_t needed = b->blocks.end * BODIES_BLOCK;
    if (b->bytes <= needed + SPARE_BYTES)
        return;
    if (b->file->pMethods->xTruncate(b->file, (sqlite3_int64)needed) == SQLITE_OK)
        b->bytes = needed;
}

void bodies_rolled_back(struct bodies *b)
{
    changes_end(b, false);
    b->unsynced = false; /* what was written has no row */
}
