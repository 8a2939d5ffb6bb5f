/* What every back end must do, case by case. Each case runs against the model and against SQLite;
 * test_random.c compares the two over random histories. */
#include "base/when.h"
#include "store/parts.h"
#include "test/unit/store/rig.h"

static struct store_result result(unsigned i, uint64_t token, enum store_outcome outcome)
{
    return (struct store_result){
        .i = i, .token = token, .outcome = outcome, .due_ms = RIG_NOW + 1000
    };
}

static unsigned count_items(struct rig *r)
{
    struct store_op op;
    rig_list(r, &op);
    unsigned n = op.n;
    store_op_done(&op);
    return n;
}

/* The only or first recipient in the list. The envelope is not kept. */
static struct store_item first_item(struct rig *r)
{
    struct store_op op;
    rig_list(r, &op);
    CHECK(op.n > 0);
    struct store_item item = op.items[0];
    item.envelope = NULL;
    store_op_done(&op);
    return item;
}

static unsigned take_count(struct rig *r, unsigned limit)
{
    struct store_op op;
    rig_take(r, limit, &op);
    unsigned n = op.n;
    store_op_done(&op);
    return n;
}

/* --- the life of a message */

static void case_put_finish(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 1);
    CHECK_NUM(count_items(r), 1);
    CHECK_NUM(rig_chunk(r, id, 0), 300 + 13);
    CHECK_NUM(rig_chunk(r, id, 1), -1);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_DONE)), ERR_OK);
    CHECK_NUM(count_items(r), 0);
    CHECK_NUM(rig_chunk(r, id, 0), -1);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_DONE)), ERR_STALE);
}

static void case_born_leased(struct rig *r)
{
    rig_put(r, rig_id(r), 2);
    CHECK_NUM(take_count(r, 10), 0);
    r->now_ms += RIG_LEASE_MS - 1;
    CHECK_NUM(take_count(r, 10), 0);
    r->now_ms += 1;
    CHECK_NUM(take_count(r, 10), 2);
    CHECK_NUM(take_count(r, 10), 0);
}

static void case_take_groups_and_limits(struct rig *r)
{
    for (unsigned i = 0; i < 3; i++)
        rig_put(r, rig_id(r), 3);
    r->now_ms += RIG_LEASE_MS;
    struct store_op op;
    rig_take(r, 5, &op);
    CHECK_NUM(op.n, 5);
    for (unsigned i = 1; i < op.n; i++) {
        CHECK(op.items[i].token == op.items[0].token && op.items[i].token != 0);
        CHECK(op.items[i].due_ms == r->now_ms + RIG_LEASE_MS);
        bool same = op.items[i].id == op.items[i - 1].id;
        CHECK(same == (op.items[i].envelope == op.items[i - 1].envelope));
        CHECK(op.items[i].id >= op.items[i - 1].id);
    }
    CHECK_SPAN(op.items[1].rcpt.addr, SPAN("r1@d.example"));
    CHECK_SPAN(op.items[1].rcpt.domain, SPAN("d1.example"));
    CHECK_NUM(op.items[0].envelope->n_rcpt, 0);
    CHECK_SPAN(op.items[0].envelope->helo, SPAN("mail.x.example"));
    store_op_done(&op);
    CHECK_NUM(take_count(r, 10), 4);
}

static void case_take_longest_due_first(struct rig *r)
{
    uint64_t id[4];
    for (unsigned i = 0; i < 4; i++) {
        id[i] = rig_id(r);
        struct store_result back = result(0, rig_put(r, id[i], 1), STORE_BACK);
        back.due_ms = RIG_NOW + 100 - (int64_t)i;
        CHECK_NUM(rig_finish(r, id[i], back), ERR_OK);
    }
    r->now_ms += 100;
    for (unsigned i = 4; i-- > 0;) {
        struct store_op op;
        rig_take(r, 1, &op);
        CHECK_NUM(op.n, 1);
        CHECK(op.items[0].id == id[i]);
        store_op_done(&op);
    }
}

static void case_stale_changes_nothing(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 2), note = rig_id(r);
    struct rig_mail m;
    rig_mail_init(&m, r, note, 1, 10);
    struct store_result results[2] = { result(0, token, STORE_DONE),
                                       result(1, token + 1, STORE_DONE) };
    struct store_op op;
    rig_op(&op, STORE_FINISH);
    op.id = id;
    op.results = results;
    op.n = 2;
    op.message = &m.message;
    CHECK_NUM(rig_do(r, &op), ERR_STALE);
    CHECK_NUM(count_items(r), 2);
    results[1].token = 0;
    CHECK_NUM(rig_do(r, &op), ERR_STALE);
    results[1].token = token;
    results[1].i = 2; /* there is no such recipient */
    CHECK_NUM(rig_do(r, &op), ERR_STALE);
    CHECK_NUM(rig_chunk(r, note, 0), -1);
    results[1].i = 1;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(count_items(r), 1);
    CHECK(first_item(r).id == note);
    CHECK(first_item(r).token == m.message.ret_token);
    store_op_done(&op);
    rig_mail_done(&m);
}

static void case_token_zero_is_no_lease(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 1);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_BACK)), ERR_OK);
    CHECK_NUM(first_item(r).token, 0);
    CHECK_NUM(rig_finish(r, id, result(0, 0, STORE_DONE)), ERR_STALE);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_DONE)), ERR_STALE);
}

static void case_late_finish_counts_until_taken_again(struct rig *r)
{
    uint64_t a = rig_id(r), at = rig_put(r, a, 1), b = rig_id(r), bt = rig_put(r, b, 1);
    r->now_ms += 2 * RIG_LEASE_MS;
    CHECK_NUM(rig_finish(r, a, result(0, at, STORE_DONE)), ERR_OK);
    CHECK_NUM(take_count(r, 10), 1);
    CHECK_NUM(rig_finish(r, b, result(0, bt, STORE_DONE)), ERR_STALE);
    CHECK_NUM(count_items(r), 1);
}

static void case_defer_and_back(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 1);
    struct store_result defer = result(0, token, STORE_DEFER);
    defer.last = SPAN("450 4.2.0 later");
    defer.warned = true;
    CHECK_NUM(rig_finish(r, id, defer), ERR_OK);
    struct store_item item = first_item(r);
    CHECK_NUM(item.attempts, 1);
    CHECK(item.warned && item.token == 0);
    CHECK_NUM(item.due_ms, RIG_NOW + 1000);

    CHECK_NUM(take_count(r, 10), 0);
    r->now_ms += 1000;
    struct store_op op;
    rig_take(r, 10, &op);
    CHECK_NUM(op.n, 1);
    CHECK_SPAN(op.items[0].last, SPAN("450 4.2.0 later"));
    struct store_result back = result(0, op.items[0].token, STORE_BACK);
    back.due_ms = -5; /* a wall clock before 1970 */
    CHECK_NUM(rig_finish(r, id, back), ERR_OK);
    item = first_item(r);
    CHECK_NUM(item.attempts, 1);
    CHECK_NUM(item.due_ms, 0);
    CHECK(item.warned);
    store_op_done(&op);
}

static void case_renew(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 2);
    struct store_item items[2] = { { .id = id, .i = 0, .token = token },
                                   { .id = id, .i = 1, .token = token + 7 } };
    items[0].due_ms = items[1].due_ms = RIG_NOW + 5 * RIG_LEASE_MS;
    struct store_op op;
    rig_op(&op, STORE_RENEW);
    op.items = items;
    op.n = 2;
    CHECK_NUM(rig_do(r, &op), ERR_STALE);
    CHECK_NUM(first_item(r).due_ms, RIG_NOW + RIG_LEASE_MS);
    items[1].token = token;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(first_item(r).due_ms, RIG_NOW + 5 * RIG_LEASE_MS);
    CHECK(first_item(r).token == token);
    op.until_ms = RIG_NOW + 6 * RIG_LEASE_MS;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(first_item(r).due_ms, RIG_NOW + 6 * RIG_LEASE_MS);
    store_op_done(&op);
}

static void case_trace_outlives_the_message(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 1);
    CHECK_NUM(rig_trace(r, id, "event=sent"), ERR_OK);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_DONE)), ERR_OK);
    struct store_op op;
    rig_op(&op, STORE_FIND);
    op.id = id;
    op.limit = 10;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.n, 2);
    CHECK_SPAN(op.lines[0].text, SPAN("event=in"));
    CHECK_SPAN(op.lines[1].text, SPAN("event=sent"));
    store_op_done(&op);
}

/* The lines of an attempt are kept with its results, or not at all. */
static void case_finish_with_trace(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 2);
    struct store_result results[2] = { result(0, token, STORE_DONE),
                                       result(1, token + 1, STORE_DEFER) };
    struct store_op op;
    rig_op(&op, STORE_FINISH);
    op.id = id;
    op.results = results;
    op.n = 2;
    op.bytes = SPAN("event=sent\nevent=deferred\n");
    CHECK_NUM(rig_do(r, &op), ERR_STALE);
    results[1].token = token;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    store_op_done(&op);
    rig_op(&op, STORE_FIND);
    op.id = id;
    op.limit = 10;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.n, 3);
    CHECK_SPAN(op.lines[2].text, SPAN("event=deferred"));
    store_op_done(&op);
}

static void case_put_without_lease(struct rig *r)
{
    struct rig_mail m;
    struct store_op op;
    uint64_t id = rig_id(r);
    rig_mail_init(&m, r, id, 2, 10);
    m.message.lease_until_ms = 0;
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    store_op_done(&op);
    rig_mail_done(&m);
    CHECK_NUM(m.message.ret_token, 0);
    CHECK_NUM(first_item(r).token, 0);
    CHECK_NUM(first_item(r).due_ms, r->now_ms);
    CHECK_NUM(take_count(r, 10), 2);
}

/* --- bodies */

static enum err append(struct rig *r, uint64_t id, unsigned seq, size_t n)
{
    static char bytes[BODY_CHUNK + 1];
    struct store_op op;
    rig_op(&op, STORE_APPEND);
    op.id = id;
    op.seq = seq;
    op.bytes = span_of(bytes, n);
    enum err e = rig_do(r, &op);
    store_op_done(&op);
    return e;
}

static enum err put_rest(struct rig *r, uint64_t id, unsigned chunks_before, size_t body_n)
{
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, r, id, 1, body_n);
    m.message.chunks_before = chunks_before;
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    enum err e = rig_do(r, &op);
    store_op_done(&op);
    rig_mail_done(&m);
    return e;
}

static enum err abort_id(struct rig *r, uint64_t id)
{
    struct store_op op;
    rig_op(&op, STORE_ABORT);
    op.id = id;
    enum err e = rig_do(r, &op);
    store_op_done(&op);
    return e;
}

static void case_appended_chunks(struct rig *r)
{
    uint64_t id = rig_id(r);
    CHECK_NUM(append(r, id, 0, BODY_CHUNK), ERR_OK);
    CHECK_NUM(append(r, id, 0, 5), ERR_EXISTS);
    CHECK_NUM(append(r, id, 2, 5), ERR_NOT_FOUND);
    CHECK_NUM(append(r, id, 1, 77), ERR_OK);
    CHECK_NUM(append(r, id, 2, BODY_CHUNK + 1), ERR_TOO_BIG);
    CHECK_NUM(append(r, id, STORE_CHUNKS_MAX, 1), ERR_TOO_BIG);
    CHECK_NUM(put_rest(r, id, 1, 10), ERR_NOT_FOUND);
    CHECK_NUM(put_rest(r, id, 3, 10), ERR_NOT_FOUND);
    CHECK_NUM(put_rest(r, id, 0, 10), ERR_NOT_FOUND);
    CHECK_NUM(put_rest(r, id, 2, BODY_CHUNK + 10), ERR_OK);
    CHECK_NUM(rig_chunk(r, id, 0), BODY_CHUNK);
    CHECK_NUM(rig_chunk(r, id, 1), 77);
    CHECK_NUM(rig_chunk(r, id, 2), BODY_CHUNK);
    CHECK_NUM(rig_chunk(r, id, 3), 23);
    CHECK_NUM(rig_chunk(r, id, 4), -1);
    CHECK_NUM(append(r, id, 4, 1), ERR_EXISTS);
    CHECK_NUM(abort_id(r, id), ERR_EXISTS);
    CHECK_NUM(rig_chunk(r, id, 0), BODY_CHUNK);
}

static void case_abort(struct rig *r)
{
    uint64_t id = rig_id(r);
    CHECK_NUM(append(r, id, 0, 100), ERR_OK);
    CHECK_NUM(abort_id(r, id), ERR_OK);
    CHECK_NUM(rig_chunk(r, id, 0), -1);
    CHECK_NUM(abort_id(r, id), ERR_OK);
    CHECK_NUM(put_rest(r, id, 1, 10), ERR_NOT_FOUND);
    CHECK_NUM(put_rest(r, id, 0, 10), ERR_OK);
}

static void case_no_body(struct rig *r)
{
    uint64_t id = rig_id(r);
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, r, id, 1, 0);
    m.message.body = NULL;
    m.message.trace = SPAN_NONE;
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(rig_do(r, &op), ERR_EXISTS);
    CHECK_NUM(rig_chunk(r, id, 0), -1);
    store_op_done(&op);
    rig_mail_done(&m);
}

static void case_limits_of_new_mail(struct rig *r)
{
    static char long_line[STORE_TRACE_MAX + 1];
    static struct rcpt many[RCPTS_MAX + 1];
    for (unsigned i = 0; i < COUNTOF(many); i++)
        many[i] = (struct rcpt){ .addr = SPAN("x@d.example"), .domain = SPAN("d.example") };
    memset(long_line, 'x', sizeof long_line);
    struct rig_mail m;
    struct store_op op;
    rig_mail_init(&m, r, rig_id(r), 1, 10);
    rig_op(&op, STORE_PUT);
    op.message = &m.message;
    m.message.trace = span_of(long_line, sizeof long_line);
    CHECK_NUM(rig_do(r, &op), ERR_TOO_BIG);
    m.message.trace = SPAN_NONE;
    m.message.chunks_before = STORE_CHUNKS_MAX;
    CHECK_NUM(rig_do(r, &op), ERR_TOO_BIG);
    m.message.chunks_before = 0;
    m.envelope.rcpt = many;
    m.envelope.n_rcpt = RCPTS_MAX + 1;
    CHECK_NUM(rig_do(r, &op), ERR_TOO_BIG);
    CHECK_NUM(count_items(r), 0);
    m.envelope.n_rcpt = RIG_RCPTS_MAX;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    store_op_done(&op);
    rig_mail_done(&m);
}

/* --- people */

static void case_hold_and_release(struct rig *r)
{
    uint64_t changed = 0, id = rig_id(r);
    CHECK_NUM(rig_finish(r, id, result(0, rig_put(r, id, 1), STORE_BACK)), ERR_OK);
    CHECK_NUM(rig_change(r, STORE_HOLD, id, &changed), ERR_OK);
    CHECK_NUM(changed, 1);
    CHECK_NUM(rig_change(r, STORE_HOLD, id, &changed), ERR_OK);
    CHECK_NUM(changed, 0);
    CHECK(first_item(r).held && first_item(r).due_ms == INT64_MAX);
    r->now_ms += DAY_MS;
    CHECK_NUM(take_count(r, 10), 0);
    CHECK_NUM(rig_change(r, STORE_RETRY, id, &changed), ERR_OK);
    CHECK_NUM(changed, 0);
    CHECK_NUM(rig_change(r, STORE_RELEASE, id, &changed), ERR_OK);
    CHECK_NUM(changed, 1);
    CHECK(first_item(r).due_ms == r->now_ms);
    CHECK_NUM(take_count(r, 10), 1);
}

/* A running attempt goes on, and what it reports counts. */
static void case_hold_while_leased(struct rig *r)
{
    uint64_t changed = 0, a = rig_id(r), at = rig_put(r, a, 1), b = rig_id(r),
             bt = rig_put(r, b, 1), c = rig_id(r), ct = rig_put(r, c, 1);
    CHECK_NUM(rig_change(r, STORE_HOLD, 0, &changed), ERR_OK);
    CHECK_NUM(changed, 3);
    CHECK(first_item(r).held && first_item(r).token == at);
    CHECK_NUM(rig_finish(r, a, result(0, at, STORE_DONE)), ERR_OK);
    CHECK_NUM(rig_finish(r, b, result(0, bt, STORE_DEFER)), ERR_OK);
    CHECK(first_item(r).due_ms == INT64_MAX && first_item(r).attempts == 1);
    r->now_ms += RIG_LEASE_MS;
    CHECK_NUM(take_count(r, 10), 0); /* sees that c's lease is over */
    CHECK_NUM(rig_finish(r, c, result(0, ct, STORE_DONE)), ERR_STALE);
    CHECK_NUM(rig_change(r, STORE_RELEASE, c, &changed), ERR_OK);
    CHECK_NUM(take_count(r, 10), 1);
}

static void case_release_while_leased(struct rig *r)
{
    uint64_t changed = 0, id = rig_id(r), token = rig_put(r, id, 1);
    CHECK_NUM(rig_change(r, STORE_HOLD, id, &changed), ERR_OK);
    CHECK_NUM(rig_change(r, STORE_RELEASE, id, &changed), ERR_OK);
    CHECK(!first_item(r).held && first_item(r).token == token);
    CHECK_NUM(take_count(r, 10), 0);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_DEFER)), ERR_OK);
    CHECK_NUM(first_item(r).due_ms, RIG_NOW + 1000);
}

static void case_drop(struct rig *r)
{
    uint64_t changed = 0, a = rig_id(r), at = rig_put(r, a, 2), b = rig_id(r);
    rig_put(r, b, 1);
    CHECK_NUM(rig_change(r, STORE_DROP, a, &changed), ERR_OK);
    CHECK_NUM(changed, 2);
    CHECK_NUM(rig_finish(r, a, result(0, at, STORE_DONE)), ERR_STALE);
    CHECK_NUM(rig_chunk(r, a, 0), -1);
    CHECK_NUM(rig_chunk(r, b, 0), 313);
    CHECK_NUM(count_items(r), 1);
}

static void case_retry_and_reroute(struct rig *r)
{
    uint64_t changed = 0, a = rig_id(r), at = rig_put(r, a, 1), b = rig_id(r);
    rig_put(r, b, 1);
    CHECK_NUM(rig_finish(r, a, result(0, at, STORE_DEFER)), ERR_OK);
    CHECK_NUM(rig_change(r, STORE_RETRY, 0, &changed), ERR_OK);
    CHECK_NUM(changed, 1); /* b is leased */
    CHECK_NUM(first_item(r).due_ms, r->now_ms);

    struct store_op op;
    rig_op(&op, STORE_CHANGE);
    op.change = STORE_REROUTE;
    op.bytes = SPAN("[192.0.2.7]:25");
    op.now_ms = r->now_ms;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.changed, 2);
    store_op_done(&op);
    rig_take(r, 10, &op);
    CHECK_NUM(op.n, 1);
    CHECK(op.items[0].id == a);
    CHECK_SPAN(op.items[0].route, SPAN("[192.0.2.7]:25"));
    store_op_done(&op);
}

struct list_case {
    const char *name;
    struct store_filter filter;
    unsigned want;
};

static void case_list_filters(struct rig *r)
{
    uint64_t changed = 0, id[3];
    for (unsigned i = 0; i < 3; i++) /* reverse paths: one of each kind */
        rig_put(r, id[i] = rig_id(r), 2);
    CHECK_NUM(rig_change(r, STORE_HOLD, id[1], &changed), ERR_OK);
    const struct list_case cases[] = {
        { "all", { 0 }, 6 },
        { "id", { .id = id[2] }, 2 },
        { "id of another shard", { .id = id[2] ^ (uint64_t)1 << 50 }, 0 },
        { "unknown id", { .id = id[2] + 1 }, 0 },
        { "domain", { .domain = SPAN("D1.example") }, 3 },
        { "from", { .from = SPAN("A@x.example") }, 2 },
        { "from nobody", { .from = SPAN("<>") }, 2 },
        { "to", { .to = SPAN("r0@d.example") }, 3 },
        { "held", { .held_only = true }, 2 },
        { "held and domain", { .held_only = true, .domain = SPAN("d0.example") }, 1 },
        { "nothing", { .to = SPAN("r0@d.example"), .domain = SPAN("d1.example") }, 0 },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        test_case(cases[i].name);
        struct store_op op;
        rig_op(&op, STORE_LIST);
        op.limit = 100;
        op.filter = cases[i].filter;
        CHECK_NUM(rig_do(r, &op), ERR_OK);
        CHECK_NUM(op.n, cases[i].want);
        store_op_done(&op);
    }
}

static void case_list_pages(struct rig *r)
{
    for (unsigned i = 0; i < 5; i++)
        rig_put(r, rig_id(r), 3);
    uint64_t after_id = 0;
    unsigned after_i = 0, n = 0;
    for (;;) {
        struct store_op op;
        rig_op(&op, STORE_LIST);
        op.limit = 4;
        op.after_id = after_id;
        op.after_i = after_i;
        CHECK_NUM(rig_do(r, &op), ERR_OK);
        unsigned got = op.n;
        for (unsigned i = 0; i < got; i++) {
            CHECK(op.items[i].id > after_id ||
                  (op.items[i].id == after_id && op.items[i].i > after_i));
            after_id = op.items[i].id;
            after_i = op.items[i].i;
        }
        store_op_done(&op);
        n += got;
        if (got < 4)
            break;
    }
    CHECK_NUM(n, 15);
}

static void check_pages_of_shard(struct rig *r, uint64_t after_id, unsigned want)
{
    struct store_op op;
    rig_op(&op, STORE_LIST);
    op.limit = 4;
    op.after_id = after_id;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.n, want);
    store_op_done(&op);
    rig_op(&op, STORE_FIND); /* the other way round */
    op.limit = 4;
    op.after_id = after_id;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.n, 1 - want);
    store_op_done(&op);
}

static void case_pages_across_shards(struct rig *r)
{
    rig_put(r, rig_id(r), 1);
    check_pages_of_shard(r, (uint64_t)(RIG_SHARD - 1) << 50 | 1, 1);
    check_pages_of_shard(r, (uint64_t)(RIG_SHARD + 1) << 50 | 1, 0);
    CHECK_NUM(rig_chunk(r, r->last_id ^ (uint64_t)1 << 50, 0), -1);
    CHECK_NUM(rig_trace(r, r->last_id ^ (uint64_t)1 << 50, "x"), ERR_NOT_FOUND);
    CHECK_NUM(rig_finish(r, r->last_id ^ (uint64_t)1 << 50, result(0, 1, STORE_DONE)), ERR_STALE);
}

static void check_totals(struct rig *r, struct store_totals want)
{
    struct store_op op;
    rig_op(&op, STORE_COUNT);
    op.now_ms = r->now_ms;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.totals.messages, want.messages);
    CHECK_NUM(op.totals.recipients, want.recipients);
    CHECK_NUM(op.totals.held, want.held);
    CHECK_NUM(op.totals.leased, want.leased);
    CHECK_NUM(op.totals.due, want.due);
    CHECK_NUM(op.totals.oldest_ms, want.oldest_ms);
    store_op_done(&op);
}

static void case_totals(struct rig *r)
{
    check_totals(r, (struct store_totals){ 0 });
    uint64_t changed = 0, a = rig_id(r), at = rig_put(r, a, 2);
    r->now_ms += 10;
    uint64_t b = rig_id(r);
    rig_put(r, b, 3);
    check_totals(r, (struct store_totals){ 2, 5, 0, 5, 0, 0, RIG_NOW });
    CHECK_NUM(rig_finish(r, a, result(0, at, STORE_DONE)), ERR_OK);
    CHECK_NUM(rig_finish(r, a, result(1, at, STORE_DEFER)), ERR_OK);
    check_totals(r, (struct store_totals){ 2, 4, 0, 3, 0, 0, RIG_NOW });
    r->now_ms += 1000;
    CHECK_NUM(rig_change(r, STORE_HOLD, b, &changed), ERR_OK);
    check_totals(r, (struct store_totals){ 2, 4, 3, 3, 1, 0, RIG_NOW });
    r->now_ms += RIG_LEASE_MS; /* the leases of those held are over, too */
    check_totals(r, (struct store_totals){ 2, 4, 3, 0, 1, 0, RIG_NOW });
    CHECK_NUM(rig_change(r, STORE_DROP, a, &changed), ERR_OK);
    check_totals(r, (struct store_totals){ 1, 3, 3, 0, 0, 0, RIG_NOW + 10 });
    rig_reopen(r);
    check_totals(r, (struct store_totals){ 1, 3, 3, 0, 0, 0, RIG_NOW + 10 });
}

static void case_t57_clamp(struct rig *r)
{
    uint64_t changed = 0, a = rig_id(r), at = rig_put(r, a, 2), b = rig_id(r);
    rig_put(r, b, 1);
    CHECK_NUM(rig_change(r, STORE_HOLD, b, &changed), ERR_OK);
    struct store_result defer = result(0, at, STORE_DEFER);
    defer.due_ms = RIG_NOW + 365 * (int64_t)DAY_MS;
    CHECK_NUM(rig_finish(r, a, defer), ERR_OK);
    struct store_op op;
    rig_op(&op, STORE_CLAMP);
    op.before_ms = RIG_NOW + 5;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.changed, 3);
    store_op_done(&op);
    rig_list(r, &op);
    CHECK_NUM(op.n, 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK_NUM(op.items[i].due_ms, RIG_NOW + 5);
    CHECK(op.items[1].token == at);
    store_op_done(&op);
    r->now_ms += 5;
    CHECK_NUM(take_count(r, 10), 2); /* not what is held */
    CHECK(first_item(r).due_ms == r->now_ms + RIG_LEASE_MS);
}

/* --- the trace */

static void check_find(struct rig *r, struct store_op want, const char *lines)
{
    struct store_op op;
    struct buf got;
    buf_init(&got, 4096);
    rig_op(&op, STORE_FIND);
    op.id = want.id;
    op.since_ms = want.since_ms;
    op.after_id = want.after_id;
    op.after_i = want.after_i;
    op.limit = want.limit;
    memcpy(op.match, want.match, sizeof op.match);
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    for (unsigned i = 0; i < op.n; i++)
        buf_putf(&got, "%.*s ", SPAN_ARG(op.lines[i].text));
    CHECK_SPAN(buf_span(&got), span_z(lines));
    store_op_done(&op);
    buf_done(&got);
}

static void case_find(struct rig *r)
{
    uint64_t base = (uint64_t)RIG_SHARD << 50, id[3];
    for (unsigned i = 0; i < 3; i++)
        id[i] = base | (uint64_t)(RIG_NOW + i * 10) << 8;
    CHECK_NUM(rig_trace(r, id[0], "a1\n\na2"), ERR_OK);
    CHECK_NUM(rig_trace(r, id[2], "c1 x"), ERR_OK);
    CHECK_NUM(rig_trace(r, id[1], "b1 x"), ERR_OK);
    CHECK_NUM(rig_trace(r, id[0], "a3 x"), ERR_OK);
    check_find(r, (struct store_op){ .limit = 9 }, "a1 a2 a3 x b1 x c1 x ");
    check_find(r, (struct store_op){ .limit = 3 }, "a3 x b1 x c1 x ");
    check_find(r, (struct store_op){ .limit = 2, .id = id[0] }, "a2 a3 x ");
    check_find(r, (struct store_op){ .limit = 9, .id = id[0] + 1 }, "");
    check_find(r, (struct store_op){ .limit = 9, .since_ms = RIG_NOW + 1 }, "b1 x c1 x ");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[1] }, "a1 a2 a3 x ");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[0] }, "");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[0], .after_i = 2 }, "a1 a2 ");
    check_find(r, (struct store_op){ .limit = 1, .after_id = id[0], .after_i = 2 }, "a2 ");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[0], .after_i = 99999 },
               "a1 a2 a3 x ");
    check_find(r, (struct store_op){ .limit = 2, .after_id = id[2], .after_i = 1 }, "b1 x c1 x ");
    check_find(r, (struct store_op){ .limit = 2, .after_id = id[2] }, "a3 x b1 x ");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[1] - 1 }, "a1 a2 a3 x ");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[2], .id = id[0] }, "a1 a2 a3 x ");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[0], .id = id[1] }, "");
    check_find(r, (struct store_op){ .limit = 9, .after_id = id[2], .since_ms = RIG_NOW + 1 },
               "b1 x ");
    check_find(
        r, (struct store_op){ .limit = 9, .after_id = id[0], .after_i = 1, .match[0] = SPAN("x") },
        "a1 ");
    check_find(r, (struct store_op){ .limit = 9, .match = { SPAN("x"), SPAN("a2") } },
               "a1 a2 a3 x ");
    check_find(r, (struct store_op){ .limit = 9, .match = { SPAN("b1"), SPAN("a2") } }, "");
    check_find(r, (struct store_op){ .limit = 0 }, "");
}

/* Page after page from the newest back, every line once, whatever the pages cut. */
static void case_find_pages(struct rig *r)
{
    enum { MESSAGES = 4, LINES = 10 };
    for (unsigned i = 0; i < MESSAGES; i++)
        CHECK_NUM(rig_trace(r, rig_id(r), i % 2 ? "a\nb\nc\nd" : "a"), ERR_OK);
    for (unsigned limit = 1; limit <= LINES + 1; limit++) {
        struct store_op op = { .n = limit };
        uint64_t after_id = 0;
        unsigned after_i = 0, found = 0;
        while (op.n == limit) {
            rig_op(&op, STORE_FIND);
            op.limit = limit;
            op.after_id = after_id;
            op.after_i = after_i;
            CHECK_NUM(rig_do(r, &op), ERR_OK);
            for (unsigned i = 0; i < op.n; i++)
                CHECK_NUM(op.lines[i].text.p[0], 'a' + (int)op.lines[i].i);
            found += op.n;
            after_id = op.n > 0 ? op.lines[0].id : 0;
            after_i = op.n > 0 ? op.lines[0].i : 0;
            store_op_done(&op);
        }
        CHECK_NUM(found, LINES);
    }
}

static void case_trace_limits(struct rig *r)
{
    static char text[STORE_TRACE_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    uint64_t id = rig_id(r);
    CHECK_NUM(rig_trace(r, id, text), ERR_TOO_BIG);
    CHECK_NUM(rig_trace(r, id, text + 1), ERR_OK);
    struct buf lines;
    buf_init(&lines, 64 * 1024);
    for (unsigned i = 0; i < STORE_CHUNKS_MAX; i++)
        buf_putf(&lines, "%u\n", i % 10);
    CHECK_NUM(rig_trace(r, id, buf_z(&lines)), ERR_TOO_BIG);
    buf_consume(&lines, 2);
    CHECK_NUM(rig_trace(r, id, buf_z(&lines)), ERR_OK);
    CHECK_NUM(rig_trace(r, id, "one more"), ERR_TOO_BIG);
    buf_done(&lines);
    rig_put(r, id, 1); /* its line finds no place; the mail does */

    struct store_op op;
    rig_op(&op, STORE_EXPIRE);
    op.before_ms = RIG_NOW + 1;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.changed, STORE_CHUNKS_MAX);
    store_op_done(&op);
}

static void case_expire(struct rig *r)
{
    uint64_t base = (uint64_t)RIG_SHARD << 50;
    for (unsigned i = 0; i < 10; i++)
        CHECK_NUM(rig_trace(r, base | (uint64_t)(RIG_NOW + i) << 8, "x\ny"), ERR_OK);
    struct store_op op;
    rig_op(&op, STORE_EXPIRE);
    op.before_ms = RIG_NOW + 7;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.changed, 14);
    store_op_done(&op);
    check_find(r, (struct store_op){ .limit = 9 }, "x y x y x y ");
}

/* --- small things */

static enum err kv(struct rig *r, enum store_kind kind, struct span key, struct span *value)
{
    struct store_op op;
    rig_op(&op, kind);
    op.key = key;
    op.bytes = *value;
    enum err e = rig_do(r, &op);
    static char memory[64];
    if (kind == STORE_KV_GET && e == ERR_OK) {
        ASSERT(op.value.n <= sizeof memory);
        memcpy(memory, op.value.p, op.value.n);
        *value = span_of(memory, op.value.n);
    }
    store_op_done(&op);
    return e;
}

static void case_kv(struct rig *r)
{
    static char big[STORE_VALUE_MAX + 1];
    struct span v = SPAN("one");
    CHECK_NUM(kv(r, STORE_KV_GET, SPAN("k"), &v), ERR_NOT_FOUND);
    CHECK_NUM(kv(r, STORE_KV_PUT, SPAN("k"), &v), ERR_OK);
    CHECK_NUM(kv(r, STORE_KV_PUT, SPAN("k\0x"), &v), ERR_OK);
    v = SPAN("two\0");
    CHECK_NUM(kv(r, STORE_KV_PUT, SPAN("k"), &v), ERR_OK);
    rig_reopen(r);
    v = SPAN_NONE;
    CHECK_NUM(kv(r, STORE_KV_GET, SPAN("k"), &v), ERR_OK);
    CHECK_SPAN(v, SPAN("two\0"));
    CHECK_NUM(kv(r, STORE_KV_DEL, SPAN("k"), &v), ERR_OK);
    CHECK_NUM(kv(r, STORE_KV_DEL, SPAN("k"), &v), ERR_NOT_FOUND);
    CHECK_NUM(kv(r, STORE_KV_GET, SPAN("k\0x"), &v), ERR_OK);
    CHECK_SPAN(v, SPAN("one"));
    CHECK_NUM(kv(r, STORE_KV_PUT, span_of(big, STORE_KEY_MAX + 1), &v), ERR_TOO_BIG);
    v = span_of(big, sizeof big);
    CHECK_NUM(kv(r, STORE_KV_PUT, SPAN("k"), &v), ERR_TOO_BIG);
}

/* --- a new owner */

static void case_reopen_voids_leases(struct rig *r)
{
    uint64_t changed = 0, a = rig_id(r), at = rig_put(r, a, 1), b = rig_id(r);
    rig_put(r, b, 1);
    CHECK_NUM(rig_change(r, STORE_HOLD, b, &changed), ERR_OK);
    CHECK_NUM(append(r, rig_id(r), 0, 1000), ERR_OK);
    uint64_t orphan = r->last_id;
    rig_reopen(r);
    CHECK(r->b->ops->last_id(r->b) == orphan);
    CHECK_NUM(rig_chunk(r, orphan, 0), -1);
    CHECK_NUM(rig_finish(r, a, result(0, at, STORE_DONE)), ERR_STALE);
    struct store_op op;
    rig_take(r, 10, &op);
    CHECK_NUM(op.n, 1);
    CHECK(op.items[0].id == a && op.items[0].token != at);
    store_op_done(&op);
    CHECK_NUM(count_items(r), 2);
}

static void case_last_id_outlives_all(struct rig *r)
{
    uint64_t id = rig_id(r), token = rig_put(r, id, 1);
    CHECK_NUM(rig_finish(r, id, result(0, token, STORE_DONE)), ERR_OK);
    struct store_op op;
    rig_op(&op, STORE_EXPIRE);
    op.before_ms = RIG_NOW + 1000;
    CHECK_NUM(rig_do(r, &op), ERR_OK);
    CHECK_NUM(op.changed, 1);
    store_op_done(&op);
    rig_reopen(r);
    CHECK(r->b->ops->last_id(r->b) == id);
}

static const struct {
    const char *name;
    void (*run)(struct rig *r);
} cases[] = {
    { "put, read, finish", case_put_finish },
    { "born leased", case_born_leased },
    { "take groups and limits", case_take_groups_and_limits },
    { "take: longest due first", case_take_longest_due_first },
    { "stale changes nothing", case_stale_changes_nothing },
    { "token 0 is no lease", case_token_zero_is_no_lease },
    { "a late finish counts until taken again", case_late_finish_counts_until_taken_again },
    { "defer and back", case_defer_and_back },
    { "renew", case_renew },
    { "the trace outlives the message", case_trace_outlives_the_message },
    { "finish with trace", case_finish_with_trace },
    { "put without a lease", case_put_without_lease },
    { "appended chunks", case_appended_chunks },
    { "abort", case_abort },
    { "no body", case_no_body },
    { "limits of new mail", case_limits_of_new_mail },
    { "hold and release", case_hold_and_release },
    { "hold while leased", case_hold_while_leased },
    { "release while leased", case_release_while_leased },
    { "drop", case_drop },
    { "retry and reroute", case_retry_and_reroute },
    { "list: filters", case_list_filters },
    { "list: pages", case_list_pages },
    { "pages across shards", case_pages_across_shards },
    { "totals", case_totals },
    { "clamp", case_t57_clamp },
    { "find", case_find },
    { "find page after page", case_find_pages },
    { "limits of the trace", case_trace_limits },
    { "expire", case_expire },
    { "kv", case_kv },
    { "reopen voids leases", case_reopen_voids_leases },
    { "the last id outlives all", case_last_id_outlives_all },
};

static void run_all(bool sqlite)
{
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct rig r;
        test_case(cases[i].name);
        disk_new();
        rig_open(&r, sqlite);
        cases[i].run(&r);
        rig_close(&r);
        disk_free();
    }
    test_case(NULL);
}

TEST(conformance_model)
{
    run_all(false);
}

TEST(conformance_sqlite)
{
    run_all(true);
}
