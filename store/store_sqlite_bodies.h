/* store_sqlite_bodies.h - the file beside the database where the large chunks of bodies lie.
 *
 *     queue.db          rows; a `piece` says where a large chunk lies, and its sum
 *     queue.db-bodies   [ 64 KiB | 64 KiB | ... ]   a chunk takes 2 to 4 blocks in a row
 *
 * A large chunk in a row would be written twice (log, then file) and read once more when it is
 * deleted; here it is written once. The rows decide: a block belongs to the piece that names it,
 * and to nobody before the transaction that named it is durable or after the one that deleted it
 * is. So within a transaction new chunks go to blocks that are free in the last durable state, the
 * file is synced before the rows are, and blocks are free again after.
 *
 * Errors as in store_sqlite_db.h.
 */
#ifndef STORE_STORE_SQLITE_BODIES_H
#define STORE_STORE_SQLITE_BODIES_H

#include "base/span.h"
#include "store/store_sqlite_db.h"

enum {
    BODIES_BLOCK = 64 * 1024,
    BODIES_CHUNK_MIN = 2 * BODIES_BLOCK, /* smaller ones are rows */
    BODIES_CHUNK_MAX = 4 * BODIES_BLOCK,
};

/* What a row of the table piece says. */
struct piece {
    int64_t place; /* in blocks */
    int64_t bytes;
    int64_t sum;
};

struct bodies;

/* Opens the file of that database, makes it when missing. */
MUST_USE enum err bodies_open(struct db *d, struct bodies **ret, struct why *why);
/* NULL is fine. */
void bodies_close(struct bodies *b);

/* While opening: the rows know this piece. ERR_IO: it overlaps another or lies outside the file. */
MUST_USE enum err bodies_claim(struct bodies *b, const struct piece *p);
bool bodies_is_empty(const struct bodies *b);
uint64_t bodies_bytes(const struct bodies *b);

/* Writes a chunk of BODIES_CHUNK_MIN to BODIES_CHUNK_MAX bytes. */
MUST_USE enum err bodies_put(struct bodies *b, struct span chunk, struct piece *ret);
/* Reads it into memory of p->bytes. ERR_IO also when the sum is not what it was. */
MUST_USE enum err bodies_get(struct bodies *b, const struct piece *p, char *memory);
/* Its row is deleted in this transaction. */
void bodies_drop(struct bodies *b, const struct piece *p);

/* Before the commit of the rows: what was put is on disk when ERR_OK. */
MUST_USE enum err bodies_sync(struct bodies *b);
/* The rows are durable. */
void bodies_committed(struct bodies *b);
/* The rows are as they were before the transaction. */
void bodies_rolled_back(struct bodies *b);

#endif
