#include "store/schema.h"

static const char *const steps[] = {
    /* 0 -> 1 */
    "CREATE TABLE meta("
    " one INTEGER PRIMARY KEY CHECK(one = 1),"
    " shard INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL," /* how often the file was opened; the top of a lease's token */
    " last INTEGER NOT NULL,"  /* the greatest id ever stored */
    " messages INTEGER NOT NULL,"
    " recipients INTEGER NOT NULL,"
    " held INTEGER NOT NULL) STRICT;"
    "CREATE TABLE message("
    " id INTEGER PRIMARY KEY,"
    " accepted INTEGER NOT NULL,"
    " line TEXT NOT NULL) STRICT;"                        /* envelope_print */
    "CREATE TABLE staged(id INTEGER PRIMARY KEY) STRICT;" /* has chunks, is no message yet */
    "CREATE TABLE chunk("
    " key INTEGER PRIMARY KEY,"
    " data BLOB NOT NULL) STRICT;"
    "CREATE TABLE rcpt("
    " key INTEGER PRIMARY KEY,"
    " wake INTEGER NOT NULL,"
    " token INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " flags INTEGER NOT NULL,"
    " domain TEXT NOT NULL,"
    " line TEXT NOT NULL," /* rcpt_print */
    " route TEXT NOT NULL,"
    " last TEXT NOT NULL) STRICT;"
    "CREATE INDEX rcpt_wake ON rcpt(wake);"
    "CREATE TABLE trace("
    " key INTEGER PRIMARY KEY,"
    " text TEXT NOT NULL) STRICT;"
    "CREATE TABLE kv("
    " key BLOB PRIMARY KEY,"
    " value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    /* 1 -> 2: large chunks lie beside the database (store_sqlite_bodies.h) */
    "CREATE TABLE piece("
    " key INTEGER PRIMARY KEY,"
    " place INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " sum INTEGER NOT NULL) STRICT;",
};
STATIC_ASSERT(COUNTOF(steps) == SCHEMA_VERSION);

const char *schema_step(unsigned from)
{
    ASSERT(from < SCHEMA_VERSION);
    return steps[from];
}
