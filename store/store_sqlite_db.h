/* store_sqlite_db.h - one SQLite connection as the store wants it: the only file that knows SQLite.
 *
 * WAL, synchronous=FULL, an exclusive lock from open to close, one connection that writes and
 * checkpoints (several that do may corrupt the file: SQLite's WAL-reset bug), statements prepared
 * once. Results of SQLite become values of enum err:
 *
 *   ERR_FULL    no space: roll back, try again later
 *   ERR_EXISTS  a key is there already; the statement changed nothing
 *   ERR_IO      anything else. The file is not trusted again: a mark is left beside it, so that
 *               the next db_open checks all of it first, and every later call fails
 *
 * Not thread-safe; may be handed from one thread to another.
 */
#ifndef STORE_STORE_SQLITE_DB_H
#define STORE_STORE_SQLITE_DB_H

#include "base/why.h"

struct db;
struct sqlite3_vfs;

/* Opens path, makes it when missing, brings its tables up to date (schema.h). statements: n texts
 * that the other calls name by their index; borrowed for the call. vfs: NULL or a name.
 * ERR_EXISTS: another process owns it. ERR_IO, ERR_FULL: why says what and what to do. */
MUST_USE enum err db_open(const char *path, const char *vfs, const char *const *statements,
                          unsigned n, struct db **ret, struct why *why);
/* Rolls back what is open. NULL is fine. */
void db_close(struct db *d);

MUST_USE enum err db_begin(struct db *d);
/* Durable when ERR_OK. */
MUST_USE enum err db_commit(struct db *d);
void db_rollback(struct db *d);

/* Parameters of statement s, counted from 1. Bytes are borrowed until the statement has run. */
void db_num(struct db *d, unsigned s, int i, int64_t value);
void db_text(struct db *d, unsigned s, int i, struct span value);
void db_blob(struct db *d, unsigned s, int i, struct span value);

/* Runs to the end. ERR_EXISTS: a key is taken. */
MUST_USE enum err db_run(struct db *d, unsigned s);
/* Rows that the last db_run inserted, updated or deleted. */
uint64_t db_changes(struct db *d);

/* The next row. ERR_NOT_FOUND: no more, the statement may be used anew. After ERR_OK call it again
 * or call db_end. */
MUST_USE enum err db_row(struct db *d, unsigned s);
void db_end(struct db *d, unsigned s);
/* Columns of the row, counted from 0. Bytes live until the next db_row or db_end. */
int64_t db_row_num(struct db *d, unsigned s, int i);
struct span db_row_span(struct db *d, unsigned s, int i);
/* The first row's first column, and done. ERR_NOT_FOUND: no row. */
MUST_USE enum err db_get(struct db *d, unsigned s, int64_t *ret);

/* For the caller that found damage itself: marks the file, returns ERR_IO. */
MUST_USE enum err db_distrust(struct db *d);
/* The words of the library about what failed last. */
void db_explain(struct db *d, struct why *why);
/* For files beside the database, which go through the same VFS: a path that the VFS takes, which
 * the caller frees; and what a result of the VFS, not SQLITE_OK, means for the whole shard. */
struct sqlite3_vfs *db_vfs(struct db *d);
char *db_path_beside(const struct db *d, const char *suffix);
MUST_USE enum err db_result(struct db *d, int rc);
/* A write had failed before this opening: all that was kept is to be checked. */
bool db_was_distrusted(const struct db *d);
/* Bytes of the database file. */
MUST_USE enum err db_bytes(struct db *d, uint64_t *ret);

#endif
