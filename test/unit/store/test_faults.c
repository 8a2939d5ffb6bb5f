/* Disks that fail, files that are not what they should be, and power that goes at every moment. */
#include "store/parts.h"
#include "store/store_sqlite_db.h"
#include "test/unit/store/rig.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char mark[] = "queue.db-untrusted";

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

static enum err try_put(struct rig *r, uint64_t id, size_t body_n)
{
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, r, id, 1, body_n);
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    enum err e = rig_do(r, &op);
    store_op_done(&op);
    rig_mail_done(&m);
    return e;
}

static unsigned count_items(struct rig *r)
{
    struct store_op op;
    rig_list(r, &op);
    unsigned n = op.n;
    store_op_done(&op);
    return n;
}

/* --- T-54 */

/* What fits goes on, what does not is refused whole, and it heals by itself. */
static void full(enum disk_fault fault)
{
    struct rig r;
    start(&r);
    rig_put(&r, rig_id(&r), 1);
    disk_fail(fault);
    unsigned kept = 1, refused = 0;
    for (unsigned i = 0; i < 20; i++) {
        enum err e = try_put(&r, rig_id(&r), 20000);
        CHECK(e == ERR_OK || e == ERR_FULL);
        kept += e == ERR_OK;
        refused += e == ERR_FULL;
    }
    CHECK(refused > 0);
    CHECK_NUM(count_items(&r), kept);
    CHECK(!disk_has(mark));
    disk_fail(DISK_WELL);
    CHECK_NUM(try_put(&r, rig_id(&r), 20000), ERR_OK);
    rig_kill(&r);
    CHECK_NUM(count_items(&r), kept + 1);
    stop(&r);
}

TEST(t54_disk_full)
{
    full(DISK_FULL);
    full(DISK_QUOTA);
}

/* A queue that fills the disk can still be emptied. */
TEST(t54_disk_full_finish_works)
{
    struct rig r;
    start(&r);
    enum { MAILS = 40 };
    for (unsigned i = 0; i < MAILS; i++)
        rig_put(&r, rig_id(&r), 1);
    rig_close(&r); /* empties the log; its file is gone */
    CHECK_NUM(rig_try(&r, NULL), ERR_OK);
    struct store_op op;
    rig_take(&r, 200, &op);
    CHECK_NUM(op.n, MAILS);
    disk_fail(DISK_FULL);
    unsigned done = 0;
    for (unsigned i = 0; i < op.n; i++) {
        struct store_result result = { .i = 0, .token = op.items[i].token };
        enum err e = rig_finish(&r, op.items[i].id, result);
        CHECK(e == ERR_OK || e == ERR_FULL);
        done += e == ERR_OK;
    }
    CHECK_NUM(count_items(&r), MAILS - done);
    disk_fail(DISK_WELL);
    for (unsigned i = 0; i < op.n; i++) {
        struct store_result result = { .i = 0, .token = op.items[i].token };
        enum err e = rig_finish(&r, op.items[i].id, result);
        CHECK(e == ERR_OK || e == ERR_STALE);
    }
    CHECK_NUM(count_items(&r), 0);
    store_op_done(&op);
    stop(&r);
}

struct sick_case {
    const char *name;
    enum disk_fault fault;
    bool marked; /* such a disk can still take the mark */
};

/* After an error of the disk nothing is believed until the file was opened anew and checked; what
 * was reported as stored before is there then. */
static void sick(const struct sick_case *c)
{
    struct rig r;
    start(&r);
    rig_put(&r, rig_id(&r), 1);
    disk_fail(c->fault);
    CHECK_NUM(try_put(&r, rig_id(&r), 5000), ERR_IO);
    disk_fail(DISK_WELL);
    CHECK_NUM(r.b->ops->begin(r.b), ERR_IO);
    CHECK_NUM(try_put(&r, rig_id(&r), 5000), ERR_IO);
    CHECK_NUM(disk_has(mark), c->marked);
    rig_reopen(&r);
    CHECK(!disk_has(mark));
    unsigned n = count_items(&r);
    CHECK(n == 1 || n == 2);
    CHECK_NUM(try_put(&r, rig_id(&r), 5000), ERR_OK);
    CHECK_NUM(count_items(&r), n + 1);
    stop(&r);
}

TEST(t54_failing_disk_is_not_trusted_again)
{
    static const struct sick_case cases[] = {
        { "write", DISK_WRITE_EIO, true },
        { "fsync", DISK_SYNC_EIO, true },
        { "read only", DISK_READ_ONLY, false },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        test_case(cases[i].name);
        sick(&cases[i]);
    }
    test_case(NULL);
}

/* The log is synced, the file that it is moved to is not: SQLite itself would keep silent. */
TEST(t54_fsync_error_of_a_checkpoint)
{
    struct rig r;
    start(&r);
    disk_fail(DISK_MOVE_EIO);
    unsigned n = 0;
    enum err e = ERR_OK;
    for (; e == ERR_OK && n < 400; n++)
        e = try_put(&r, rig_id(&r), 100000);
    CHECK_NUM(e, ERR_IO);
    CHECK(disk_has(mark));
    disk_fail(DISK_WELL);
    rig_reopen(&r);
    CHECK_NUM(count_items(&r), n - 1); /* all but the one that was refused */
    stop(&r);
}

TEST(t54_full_disk_during_a_checkpoint)
{
    struct rig r;
    start(&r);
    unsigned n = 0;
    for (; n < 60; n++) /* a log that is nearly ready to be moved */
        CHECK_NUM(try_put(&r, rig_id(&r), 100000), ERR_OK);
    CHECK(disk_size("queue.db-wal") > 6000000);
    disk_fail(DISK_FULL);
    for (unsigned i = 0; i < 30; i++) {
        enum err e = try_put(&r, rig_id(&r), 100);
        CHECK(e == ERR_OK || e == ERR_FULL);
        n += e == ERR_OK;
    }
    disk_fail(DISK_WELL);
    for (unsigned i = 0; i < 60; i++, n++)
        CHECK_NUM(try_put(&r, rig_id(&r), 100000), ERR_OK);
    CHECK_NUM(count_items(&r), n);
    CHECK(disk_size("queue.db-wal") < 30000000);
    stop(&r);
}

TEST(t54_read_error)
{
    struct rig r;
    start(&r);
    for (unsigned i = 0; i < 240; i++) /* more than the cache holds */
        CHECK_NUM(try_put(&r, rig_id(&r), 100000), ERR_OK);
    disk_fail(DISK_READ_EIO);
    struct store_op op;
    rig_op(&op, STORE_READ);
    op.id = ((uint64_t)RIG_SHARD << 50) + ((uint64_t)RIG_NOW << 8) + 1;
    CHECK_NUM(rig_do(&r, &op), ERR_IO);
    CHECK(!op.body);
    store_op_done(&op);
    stop(&r);
}

/* --- files that are not what they should be */

static void check_refused(struct rig *r, enum err want, const char *word)
{
    struct why why = { "" };
    CHECK_NUM(rig_try(r, &why), want);
    if (!strstr(why.text, word) || !strstr(why.text, "queue.db"))
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", why.text, word);
    CHECK(!r->b);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2("queue.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "disk");
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        printf("%s: %s\n", text, sqlite3_errmsg(db));
    sqlite3_close(db);
    CHECK_NUM(rc, SQLITE_OK);
}

TEST(one_owner)
{
    struct rig r, second = { .sqlite = true, .path = "queue.db", .now_ms = RIG_NOW };
    start(&r);
    check_refused(&second, ERR_EXISTS, "another process");
    CHECK_NUM(try_put(&r, rig_id(&r), 100), ERR_OK);
    rig_close(&r);
    CHECK_NUM(rig_try(&second, NULL), ERR_OK);
    stop(&second);
}

TEST(refuses_other_files)
{
    struct rig r;
    start(&r);
    rig_close(&r);
    sql("PRAGMA user_version=9");
    check_refused(&r, ERR_IO, "newer program");
    sql("PRAGMA user_version=2; PRAGMA application_id=77");
    check_refused(&r, ERR_IO, "not a queue");
    sql("PRAGMA application_id=1347638353; UPDATE meta SET shard=6");
    check_refused(&r, ERR_IO, "shard 6");
    sql("UPDATE meta SET shard=5");
    CHECK_NUM(rig_try(&r, NULL), ERR_OK);
    stop(&r);
}

TEST(refuses_a_foreign_database)
{
    struct rig r = { .sqlite = true, .path = "queue.db", .now_ms = RIG_NOW };
    disk_new();
    sql("CREATE TABLE bookmarks(url)");
    check_refused(&r, ERR_IO, "not a queue");
    stop(&r);
}

TEST(refuses_what_is_no_database)
{
    struct rig r = { .sqlite = true, .path = "queue.db", .now_ms = RIG_NOW };
    disk_new();
    sql("CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000)); DELETE FROM t");
    disk_overwrite("queue.db", 0, 4096);
    check_refused(&r, ERR_IO, "start anew");
    stop(&r);
}

/* Damage is found only where somebody looks: after a failed write all of it is. */
TEST(t54_damage_is_found_after_a_failed_write)
{
    struct rig r;
    start(&r);
    for (unsigned i = 0; i < 30; i++)
        rig_put(&r, rig_id(&r), 4);
    disk_fail(DISK_SYNC_EIO);
    CHECK_NUM(try_put(&r, rig_id(&r), 5000), ERR_IO);
    disk_fail(DISK_WELL);
    rig_close(&r);
    CHECK(disk_has(mark));
    sql("PRAGMA wal_checkpoint(TRUNCATE)");
    disk_overwrite("queue.db", disk_size("queue.db") / 2 / 8192 * 8192, 8192);
    check_refused(&r, ERR_IO, "restore it");
    CHECK(disk_has(mark));
    stop(&r);
}

TEST(damage_at_run_time)
{
    struct rig r;
    start(&r);
    uint64_t id = rig_id(&r);
    rig_put(&r, id, 1);
    rig_close(&r);
    sql("UPDATE rcpt SET line='=='");
    CHECK_NUM(rig_try(&r, NULL), ERR_OK);
    struct store_op op;
    rig_op(&op, STORE_TAKE);
    op.limit = 1;
    op.now_ms = op.until_ms = r.now_ms;
    CHECK_NUM(rig_do(&r, &op), ERR_IO);
    store_op_done(&op);
    CHECK(disk_has(mark));
    stop(&r);
}

/* --- T-56: the power goes */

enum { SCRIPT_STEPS = 14 };

struct script {
    struct rig *r;
    uint64_t id[4], token[4];
    size_t body_n;
};

static enum err script_put(struct script *s, unsigned k, unsigned chunks_before)
{
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, s->r, s->id[k], 2, s->body_n);
    m.message.chunks_before = chunks_before;
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    enum err e = rig_do(s->r, &op);
    s->token[k] = m.message.ret_token;
    store_op_done(&op);
    rig_mail_done(&m);
    return e;
}

static enum err script_finish(struct script *s, unsigned k, bool note)
{
    struct rig_mail m;
    struct store_op op;
    struct store_result results[2] = {
        { .i = 0, .token = s->token[k], .outcome = STORE_DONE },
        { .i = 1,
          .token = s->token[k],
          .outcome = note ? STORE_DONE : STORE_DEFER,
          .due_ms = RIG_NOW + 5,
          .last = SPAN("450 later") },
    };
    rig_mail_init(&m, s->r, s->id[3], 1, 1000);
    rig_op(&op, STORE_FINISH);
    op.id = s->id[k];
    op.results = results;
    op.n = 2;
    op.message = note ? &m.message : NULL;
    enum err e = rig_do(s->r, &op);
    store_op_done(&op);
    rig_mail_done(&m);
    return e;
}

static enum err script_op(struct script *s, enum store_kind kind, unsigned k)
{
    struct store_op op;
    rig_op(&op, kind);
    op.id = op.filter.id = s->id[k];
    op.key = SPAN("b");
    op.bytes = SPAN("some bytes");
    op.now_ms = s->r->now_ms;
    op.until_ms = op.before_ms = s->r->now_ms + 1000;
    op.limit = 10;
    op.change = STORE_HOLD;
    enum err e = rig_do(s->r, &op);
    store_op_done(&op);
    return e;
}

static enum err script_step(struct script *s, unsigned step)
{
    switch (step) {
    case 0:
        return script_put(s, 0, 0);
    case 1:
        return script_op(s, STORE_KV_PUT, 0);
    case 2:
        return script_put(s, 1, 0);
    case 3:
        return script_finish(s, 0, false);
    case 4:
        return script_op(s, STORE_APPEND, 2);
    case 5:
        return script_op(s, STORE_TRACE, 0);
    case 6:
        return script_put(s, 2, 1);
    case 7:
        return script_op(s, STORE_TAKE, 0);
    case 8:
        return script_finish(s, 1, true);
    case 9:
        return script_op(s, STORE_CHANGE, 2);
    case 10:
        return script_op(s, STORE_CLAMP, 2);
    case 11:
        return script_op(s, STORE_EXPIRE, 2);
    case 12:
        return script_op(s, STORE_KV_DEL, 2);
    default:
        ASSERT(step == SCRIPT_STEPS - 1);
        return script_finish(s, 2, false);
    }
}

static void script_init(struct script *s, struct rig *r, size_t body_n)
{
    *s = (struct script){ .r = r, .body_n = body_n };
    for (unsigned k = 0; k < COUNTOF(s->id); k++)
        s->id[k] = rig_id(r);
}

/* Steps done before the power went. */
static unsigned script_run(struct script *s)
{
    unsigned step = 0;
    while (step < SCRIPT_STEPS && script_step(s, step) == ERR_OK)
        step++;
    return step;
}

/* What the model has after that many steps and a new start. */
static void expected(unsigned steps, size_t body_n, struct buf *ret)
{
    struct rig r;
    struct script s;
    rig_open(&r, false);
    script_init(&s, &r, body_n);
    for (unsigned i = 0; i < steps; i++)
        CHECK_NUM(script_step(&s, i), ERR_OK);
    rig_reopen(&r);
    buf_clear(ret);
    rig_dump(&r, ret);
    rig_close(&r);
}

static uint64_t power_cut(uint64_t at, size_t body_n, uint64_t seed)
{
    struct rig r = { .sqlite = true, .path = "queue.db", .now_ms = RIG_NOW };
    struct script s = { 0 };
    struct rng rng;
    struct buf got, want;
    buf_init(&got, 1 << 20);
    buf_init(&want, 1 << 20);
    rng_init(&rng, seed);
    disk_new();
    disk_power(at);
    unsigned steps = 0;
    if (rig_try(&r, NULL) == ERR_OK) {
        r.last_id = ((uint64_t)RIG_SHARD << 50) + ((uint64_t)RIG_NOW << 8);
        script_init(&s, &r, body_n);
        steps = script_run(&s);
        rig_close(&r);
    }
    uint64_t changes = disk_changes();
    disk_crash(&rng);
    disk_power(rng_below(&rng, 60)); /* and again while it recovers */
    (void)rig_try(&r, NULL);
    rig_close(&r);
    disk_crash(&rng);
    if (disk_has("queue.db"))
        disk_copy("queue.db", mark); /* makes it check the whole file */
    struct why why = { "" };
    enum err e = rig_try(&r, &why);
    if (e != ERR_OK)
        test_fail(__FILE__, __LINE__, "power cut at %" PRIu64 ": %s", at, why.text);
    CHECK(!disk_has(mark));
    rig_dump(&r, &got);

    /* All that was reported is there; what was not reported is there whole or not at all. */
    expected(steps, body_n, &want);
    bool same = span_eq(buf_span(&got), buf_span(&want));
    if (!same && steps < SCRIPT_STEPS) {
        expected(steps + 1, body_n, &want);
        same = span_eq(buf_span(&got), buf_span(&want));
    }
    if (!same) {
        printf("got:\n%swant (%u steps):\n%s", buf_z(&got), steps, buf_z(&want));
        test_fail(__FILE__, __LINE__, "power cut at %" PRIu64 ", seed %" PRIu64, at, seed);
    }
    stop(&r);
    buf_done(&got);
    buf_done(&want);
    return changes;
}

TEST(t56_power_cut_after_each_change)
{
    uint64_t all = power_cut(UINT64_MAX / 2, 9000, 1);
    CHECK(all > 100);
    for (uint64_t at = 0; at < all; at++)
        power_cut(at, 9000, at);
}

/* Bodies so large that the log is moved to the file in between. */
TEST(t56_power_cut_around_checkpoints)
{
    enum { BODY = 5 << 20, TRIALS = 40 };
    uint64_t all = power_cut(UINT64_MAX / 2, BODY, 1);
    struct rng rng;
    rng_init(&rng, 56);
    for (unsigned i = 0; i < TRIALS; i++)
        power_cut(rng_below(&rng, all), BODY, i);
}

/* --- a real file */

TEST(real_file)
{
    char dir[] = "/tmp/postern-store-XXXXXX", path[64], other[80];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/q.db", dir);
    struct store_backend *a = NULL, *b = NULL;
    struct why why = { "" };
    CHECK_NUM(store_sqlite_open(path, 1, NULL, RIG_NOW, &a, &why), ERR_OK);
    CHECK_NUM(store_sqlite_open(path, 1, NULL, RIG_NOW, &b, &why), ERR_EXISTS);
    CHECK(a->ops->last_id(a) == (uint64_t)1 << 50);
    a->ops->close(a);
    CHECK_NUM(store_sqlite_open(path, 1, NULL, RIG_NOW, &b, &why), ERR_OK);
    b->ops->close(b);

    struct db *d = NULL;
    snprintf(other, sizeof other, "%s-untrusted", path);
    CHECK_NUM(db_open(path, NULL, NULL, 0, &d, &why), ERR_OK);
    CHECK_NUM(db_distrust(d), ERR_IO);
    CHECK_NUM(db_begin(d), ERR_IO);
    CHECK_NUM(access(other, F_OK), 0);
    db_close(d);
    CHECK_NUM(db_open(path, NULL, NULL, 0, &d, &why), ERR_OK);
    CHECK(access(other, F_OK) != 0);
    db_close(d);

    snprintf(other, sizeof other, "%s/no/such/directory", dir);
    CHECK_NUM(store_sqlite_open(other, 1, NULL, RIG_NOW, &b, &why), ERR_IO);
    CHECK(strstr(why.text, "no/such/directory") != NULL);
    CHECK_NUM(unlink(path), 0);
    snprintf(other, sizeof other, "%s-bodies", path);
    CHECK_NUM(unlink(other), 0);
    CHECK_NUM(rmdir(dir), 0);
}
