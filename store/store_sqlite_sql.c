/* store_sqlite_sql.c - all SQL but the tables themselves (schema.c). Each walks by a rowid or by
 * rcpt_wake, and touches only the rows that it is about. */
#include "store/store_sqlite.h"

const char *const store_sqlite_statements[Q_COUNT_] = {
    [Q_META_GET] = "SELECT shard, epoch, last, messages, recipients, held FROM meta",
    [Q_META_NEW] = "INSERT INTO meta VALUES(1, ?1, ?2, 0, 0, 0, 0)"
                   " ON CONFLICT(one) DO UPDATE SET epoch = ?2",
    [Q_META_PUT] = "UPDATE meta SET last = ?1, messages = ?2, recipients = ?3, held = ?4",

    [Q_MESSAGE_PUT] = "INSERT INTO message VALUES(?1, ?2, ?3)",
    [Q_MESSAGE_GET] = "SELECT line FROM message WHERE id = ?1",
    [Q_MESSAGE_HAS] = "SELECT 1 FROM message WHERE id = ?1",
    [Q_MESSAGE_DEL] = "DELETE FROM message WHERE id = ?1",
    [Q_MESSAGE_FIRST] = "SELECT accepted FROM message ORDER BY id LIMIT 1",

    [Q_STAGED_PUT] = "INSERT OR IGNORE INTO staged VALUES(?1)",
    [Q_STAGED_DEL] = "DELETE FROM staged WHERE id = ?1",
    [Q_STAGED_NEXT] = "SELECT id FROM staged LIMIT 1",
    [Q_CHUNK_PUT] = "INSERT INTO chunk VALUES(?1, ?2)",
    [Q_CHUNK_GET] = "SELECT data FROM chunk WHERE key = ?1",
    [Q_CHUNK_LAST] = "SELECT key FROM chunk WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1",
    [Q_CHUNK_DEL] = "DELETE FROM chunk WHERE key BETWEEN ?1 AND ?2",

    [Q_PIECE_PUT] = "INSERT INTO piece VALUES(?1, ?2, ?3, ?4)",
    [Q_PIECE_GET] = "SELECT place, bytes, sum FROM piece WHERE key = ?1",
    [Q_PIECE_LAST] = "SELECT key FROM piece WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1",
    [Q_PIECE_DEL] = "DELETE FROM piece WHERE key BETWEEN ?1 AND ?2 RETURNING place, bytes, sum",
    [Q_PIECE_ALL] = "SELECT place, bytes, sum, key FROM piece",

    [Q_RCPT_PUT] = "INSERT INTO rcpt VALUES(?1, ?2, ?3, 0, 0, ?4, ?5, '', '')",
    [Q_RCPT_STATE] = "SELECT token, flags FROM rcpt WHERE key = ?1",
    [Q_RCPT_ITEM] = "SELECT key, wake, token, attempts, flags, line, route, last, domain"
                    " FROM rcpt WHERE key = ?1",
    [Q_RCPT_LIST] = "SELECT key, wake, token, attempts, flags, line, route, last, domain"
                    " FROM rcpt WHERE key > ?1 AND key <= ?2 ORDER BY key",
    [Q_RCPT_ANY] = "SELECT 1 FROM rcpt WHERE key BETWEEN ?1 AND ?2 LIMIT 1",
    [Q_RCPT_DEL] = "DELETE FROM rcpt WHERE key = ?1",
    [Q_RCPT_WAKE] = "UPDATE rcpt SET wake = ?2, token = ?3 WHERE key = ?1",
    [Q_RCPT_DEFER] = "UPDATE rcpt SET wake = ?2, token = 0, attempts = attempts + 1,"
                     " flags = flags | ?3, last = ?4 WHERE key = ?1",
    [Q_RCPT_FLAGS] = "UPDATE rcpt SET wake = ?2, token = ?3, flags = ?4 WHERE key = ?1",
    [Q_RCPT_ROUTE] = "UPDATE rcpt SET route = ?2 WHERE key = ?1",

    [Q_WAKE_NEXT] = "SELECT key FROM rcpt WHERE wake BETWEEN ?1 AND ?2 ORDER BY wake, key LIMIT ?3",
    [Q_WAKE_COUNT] = "SELECT count(*) FROM rcpt WHERE wake BETWEEN ?1 AND ?2",
    [Q_WAKE_COUNT_FREE] = "SELECT count(*) FROM rcpt WHERE wake BETWEEN ?1 AND ?2"
                          " AND flags & 1 = 0", /* RCPT_HELD */
    [Q_WAKE_SETTLE] = "UPDATE rcpt SET wake = ?3, token = 0 WHERE wake BETWEEN ?1 AND ?2"
                      " AND flags & 1",
    [Q_WAKE_VOID] = "UPDATE rcpt SET wake = iif(flags & 1, ?2, ?3), token = 0"
                    " WHERE wake >= ?1 AND wake < ?2",
    [Q_WAKE_CLAMP] = "UPDATE rcpt SET wake = ?1 WHERE key IN"
                     " (SELECT key FROM rcpt WHERE wake > ?1 AND wake < ?2 LIMIT ?3)",

    [Q_TRACE_PUT] = "INSERT INTO trace VALUES(?1, ?2)",
    [Q_TRACE_LAST] = "SELECT key FROM trace WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1",
    [Q_TRACE_LINES] = "SELECT text, key FROM trace WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC",
    [Q_TRACE_STEP] = "SELECT key FROM trace WHERE key < ?1 ORDER BY key LIMIT 1 OFFSET ?2",
    [Q_TRACE_DEL] = "DELETE FROM trace WHERE key < ?1",

    [Q_KV_PUT] = "INSERT OR REPLACE INTO kv VALUES(?1, ?2)",
    [Q_KV_GET] = "SELECT value FROM kv WHERE key = ?1",
    [Q_KV_DEL] = "DELETE FROM kv WHERE key = ?1",
};
