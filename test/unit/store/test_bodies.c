/* Large chunks of bodies, in the file beside the database; and which of its blocks are in use. */
#include "base/rng.h"
#include "store/blocks.h"
#include "store/parts.h"
#include "store/store_sqlite_bodies.h"
#include "test/unit/store/rig.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char mark[] = "queue.db-untrusted", bodies[] = "queue.db-bodies";

/* --- blocks */

TEST(blocks_lowest_first)
{
    struct blocks b = { 0 };
    CHECK_NUM(blocks_take(&b, 4), 0);
    CHECK_NUM(blocks_take(&b, 2), 4);
    CHECK_NUM(blocks_take(&b, 3), 6);
    CHECK_NUM(b.end, 9);
    blocks_give(&b, 4, 2);
    CHECK_NUM(blocks_take(&b, 4), 9); /* has no room in the gap of two */
    CHECK_NUM(blocks_take(&b, 2), 4);
    CHECK(blocks_claim(&b, 300, 2));
    CHECK(!blocks_claim(&b, 298, 3));
    CHECK(!blocks_claim(&b, BLOCKS_PLACE_MAX + 1, 1));
    CHECK_NUM(b.end, 302);
    blocks_give(&b, 300, 2);
    CHECK_NUM(b.end, 13);
    CHECK_NUM(b.used, 13);
    blocks_done(&b);
}

/* The first free run, found by looking at every place. */
static uint64_t naive_take(bool used[], unsigned n)
{
    for (uint64_t at = 0, i = 0;; i++) {
        if (used[i])
            at = i + 1;
        else if (i + 1 - at == n)
            return at;
    }
}

TEST(blocks_like_a_list_of_flags)
{
    enum { PLACES = 4000, RUNS = 500 };
    static bool used[PLACES];
    struct {
        uint64_t at;
        unsigned n;
    } run[RUNS] = { 0 };
    struct blocks b = { 0 };
    struct rng rng;
    rng_init(&rng, 7);
    for (unsigned step = 0; step < 100000; step++) {
        unsigned k = (unsigned)rng_below(&rng, RUNS);
        if (run[k].n > 0) {
            blocks_give(&b, run[k].at, run[k].n);
            memset(used + run[k].at, 0, run[k].n);
            run[k].n = 0;
        } else if (rng_chance(&rng, step / 10000 % 2 ? 1 : 4, 5)) { /* fills, then empties */
            run[k].n = 1 + (unsigned)rng_below(&rng, BLOCKS_RUN_MAX);
            run[k].at = blocks_take(&b, run[k].n);
            CHECK_NUM(run[k].at, naive_take(used, run[k].n));
            memset(used + run[k].at, 1, run[k].n);
        }
        uint64_t end = PLACES;
        while (step % 100 == 0 && end > 0 && !used[end - 1])
            end--;
        CHECK(step % 100 != 0 || b.end == end);
    }
    blocks_done(&b);
}

/* --- bodies */

static void put(struct rig *r, uint64_t id, size_t body_n, enum err want)
{
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, r, id, 1, body_n);
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    CHECK_NUM(rig_do(r, &op), want);
    store_op_done(&op);
    rig_mail_done(&m);
}

static void drop(struct rig *r, uint64_t id)
{
    uint64_t changed = 0;
    CHECK_NUM(rig_change(r, STORE_DROP, id, &changed), ERR_OK);
    CHECK_NUM(changed, 1);
}

static void start(struct rig *r)
{
    disk_new();
    rig_open(r, true);
}

static void stop(struct rig *r)
{
    disk_fail(DISK_WELL);
    rig_close(r);
    disk_free();
}

/* Small ones leave the file alone. */
TEST(bodies_by_size)
{
    struct rig r;
    start(&r);
    put(&r, rig_id(&r), BODIES_CHUNK_MIN - 100, ERR_OK);
    CHECK_NUM(disk_size(bodies), 0);
    uint64_t id = rig_id(&r);
    put(&r, id, BODY_CHUNK + BODIES_CHUNK_MIN, ERR_OK);
    int64_t rest = rig_chunk(&r, id, 1);
    CHECK(rest >= BODIES_CHUNK_MIN);
    CHECK_NUM(disk_size(bodies), BODY_CHUNK + rest);
    CHECK_NUM(rig_chunk(&r, id, 0), BODY_CHUNK);
    CHECK_NUM(rig_chunk(&r, id, 2), -1);
    rig_kill(&r);
    CHECK_NUM(rig_chunk(&r, id, 1), rest);
    stop(&r);
}

/* Places are used again, after a new start as well, and a file that emptied is cut. */
TEST(bodies_places_are_used_again)
{
    enum { BODY = 1 << 20, MAILS = 80 };
    struct rig r;
    start(&r);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t id = rig_id(&r);
        put(&r, id, BODY, ERR_OK);
        drop(&r, id);
    }
    CHECK_NUM(disk_size(bodies), BODY);

    uint64_t id[MAILS];
    for (unsigned i = 0; i < MAILS; i++)
        put(&r, id[i] = rig_id(&r), BODY, ERR_OK);
    CHECK_NUM(disk_size(bodies), (uint64_t)MAILS * BODY);
    for (unsigned i = 0; i < MAILS; i += 2)
        drop(&r, id[i]);
    rig_reopen(&r);
    for (unsigned i = 0; i < MAILS; i += 2)
        put(&r, id[i] = rig_id(&r), BODY, ERR_OK);
    CHECK_NUM(disk_size(bodies), (uint64_t)MAILS * BODY);
    for (unsigned i = 0; i < MAILS; i++)
        CHECK_NUM(rig_chunk(&r, id[i], 3), BODY_CHUNK);
    for (unsigned i = 0; i < MAILS; i++)
        drop(&r, id[i]);
    CHECK(disk_size(bodies) <= 64 << 20);
    stop(&r);
}

/* What a transaction wrote is free again when it fails, and what it would have freed is not. */
TEST(bodies_after_a_rollback)
{
    struct rig r;
    struct store_op op;
    start(&r);
    uint64_t old = rig_id(&r);
    put(&r, old, BODY_CHUNK, ERR_OK);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_NUM(r.b->ops->begin(r.b), ERR_OK);
        rig_op(&op, STORE_CHANGE);
        op.change = STORE_DROP;
        op.filter.id = old;
        CHECK_NUM(rig_apply(&r, &op), ERR_OK);
        store_op_done(&op);
        struct rig_mail m;
        rig_mail_init(&m, &r, rig_id(&r), 1, BODY_CHUNK);
        rig_op(&op, STORE_PUT);
        op.message = &m.message;
        CHECK_NUM(rig_apply(&r, &op), ERR_OK);
        store_op_done(&op);
        rig_mail_done(&m);
        r.b->ops->rollback(r.b);
    }
    CHECK_NUM(disk_size(bodies), 2 * BODY_CHUNK); /* never over the old one */
    CHECK_NUM(rig_chunk(&r, old, 0), BODY_CHUNK);
    stop(&r);
}

TEST(t54_bodies_full_disk)
{
    struct rig r;
    start(&r);
    uint64_t id = rig_id(&r);
    put(&r, id, BODY_CHUNK, ERR_OK);
    disk_fail(DISK_FULL);
    put(&r, rig_id(&r), BODY_CHUNK, ERR_FULL);
    CHECK(!disk_has(mark));
    disk_fail(DISK_WELL);
    put(&r, rig_id(&r), BODY_CHUNK, ERR_OK);
    CHECK_NUM(disk_size(bodies), 2 * BODY_CHUNK);
    CHECK_NUM(rig_chunk(&r, id, 0), BODY_CHUNK);
    stop(&r);
}

/* The log would be well, but what its rows are about is not on disk. */
TEST(t54_bodies_fsync_error)
{
    struct rig r;
    start(&r);
    uint64_t id = rig_id(&r);
    put(&r, id, BODY_CHUNK, ERR_OK);
    disk_fail(DISK_MOVE_EIO);
    put(&r, rig_id(&r), BODY_CHUNK, ERR_IO);
    disk_fail(DISK_WELL);
    put(&r, rig_id(&r), 100, ERR_IO);
    CHECK(disk_has(mark));
    rig_reopen(&r);
    CHECK(!disk_has(mark));
    CHECK_NUM(rig_chunk(&r, id, 0), BODY_CHUNK);
    stop(&r);
}

/* What the disk in memory takes, SQLite's own VFS may not. */
TEST(bodies_real_file)
{
    char dir[] = "/tmp/postern-bodies-XXXXXX", path[64];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/q.db", dir);
    struct rig r = { .sqlite = true, .now_ms = RIG_NOW };
    struct why why = { "" };
    CHECK_NUM(store_sqlite_open(path, RIG_SHARD, NULL, RIG_NOW, &r.b, &why), ERR_OK);
    r.last_id = r.b->ops->last_id(r.b);
    uint64_t id = rig_id(&r);
    put(&r, id, (1 << 20) + BODIES_CHUNK_MIN + 77, ERR_OK);
    r.b->ops->close(r.b);
    CHECK_NUM(store_sqlite_open(path, RIG_SHARD, NULL, RIG_NOW, &r.b, &why), ERR_OK);
    for (unsigned i = 0; i < 4; i++)
        CHECK_NUM(rig_chunk(&r, id, i), BODY_CHUNK);
    CHECK(rig_chunk(&r, id, 4) > BODIES_CHUNK_MIN);
    r.b->ops->close(r.b);
    CHECK_NUM(unlink(path), 0);
    snprintf(path, sizeof path, "%s/q.db-bodies", dir);
    CHECK_NUM(unlink(path), 0);
    CHECK_NUM(rmdir(dir), 0);
}

/* --- files that are not what they should be */

static void check_refused(struct rig *r, const char *word)
{
    struct why why = { "" };
    CHECK_NUM(rig_try(r, &why), ERR_IO);
    if (!strstr(why.text, word) || !strstr(why.text, "queue.db"))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", why.text, word);
    CHECK(disk_has(mark));
}

/* A damaged body is never delivered, and the next owner says which it is. */
TEST(bodies_damage)
{
    struct rig r;
    start(&r);
    uint64_t id = rig_id(&r);
    put(&r, id, BODY_CHUNK, ERR_OK);
    disk_overwrite(bodies, 100000, 1);
    CHECK_NUM(rig_chunk(&r, id, 0), -1);
    CHECK(disk_has(mark));
    rig_close(&r);
    check_refused(&r, "is damaged");
    check_refused(&r, "is damaged");
    stop(&r);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    CHECK_NUM(sqlite3_open_v2("queue.db", &db, SQLITE_OPEN_READWRITE, "disk"), SQLITE_OK);
    CHECK_NUM(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    CHECK_NUM(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

TEST(bodies_rows_that_cannot_be)
{
    static const char *const rows[] = {
        "UPDATE piece SET place = 3",                                     /* behind the end */
        "UPDATE piece SET place = -1",                                    /**/
        "UPDATE piece SET place = 1 << 50",                               /**/
        "UPDATE piece SET bytes = 5",                                     /**/
        "UPDATE piece SET bytes = 99999999",                              /**/
        "INSERT INTO piece SELECT key + 1, place, bytes, sum FROM piece", /* two in one place */
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct rig r;
        test_case(rows[i]);
        start(&r);
        put(&r, rig_id(&r), BODY_CHUNK, ERR_OK);
        rig_close(&r);
        sql(rows[i]);
        check_refused(&r, "restore both files together");
        stop(&r);
    }
    test_case(NULL);
}

/* A file of the version before is brought up to date. */
TEST(bodies_old_schema)
{
    struct rig r;
    start(&r);
    put(&r, rig_id(&r), 1000, ERR_OK);
    rig_close(&r);
    sql("DROP TABLE piece; PRAGMA user_version=1");
    CHECK_NUM(rig_try(&r, NULL), ERR_OK);
    uint64_t id = rig_id(&r);
    put(&r, id, BODY_CHUNK, ERR_OK);
    CHECK_NUM(rig_chunk(&r, id, 0), BODY_CHUNK);
    stop(&r);
}
