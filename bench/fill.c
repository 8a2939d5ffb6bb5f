/* bench-fill: a backlog for the benchmark. Writes COUNT messages, one recipient each, deferred for
 * ten days, into a shard file that no worker has open:
 *
 *     bench-fill data/queue/shard-0000.db 0 500000
 */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000, BODY_BYTES = 1024, DEFER_DAYS = 10 };

static void fail(const char *what, const struct why *why)
{
    (void)fprintf(stderr, "bench-fill: %s: %s\n", what, why ? why->text : "");
    exit(1);
}

static void apply(struct store_backend *b, struct store_op *op)
{
    if (b->ops->apply(b, op) != ERR_OK || op->result != ERR_OK)
        fail("an operation was refused", NULL);
}

/* One message comes in and is deferred. */
static void put(struct store_backend *b, uint64_t id, uint64_t number, struct body *body,
                int64_t now_ms)
{
    char to[64], domain[32];
    (void)snprintf(domain, sizeof domain, "d%u.example", (unsigned)(number % 1000));
    (void)snprintf(to, sizeof to, "user%llu@%s", (unsigned long long)number, domain);
    struct rcpt rcpt = { .addr = span_z(to), .domain = span_z(domain) };
    struct envelope e = { .id = id,
                          .accepted_ms = now_ms,
                          .size = body->n,
                          .from = SPAN("sender@example.net"),
                          .rcpt = &rcpt,
                          .n_rcpt = 1 };
    struct store_new new = { .envelope = &e, .body = body, .lease_until_ms = now_ms + 1000 };
    struct store_op op;
    store_op_init(&op, STORE_PUT, NULL, NULL);
    op.id = id;
    op.message = &new;
    op.now_ms = now_ms;
    apply(b, &op);
    store_op_done(&op);

    struct store_result result = { .token = new.ret_token,
                                   .outcome = STORE_DEFER,
                                   .due_ms = now_ms + (int64_t)DEFER_DAYS * 86400 * 1000,
                                   .last = SPAN("451 4.4.1 backlog of the benchmark") };
    store_op_init(&op, STORE_FINISH, NULL, NULL);
    op.id = id;
    op.results = &result;
    op.n = 1;
    op.now_ms = now_ms;
    apply(b, &op);
    store_op_done(&op);
}

int main(int argc, char **argv)
{
    uint64_t shard, count;
    if (argc != 4 || span_u64(span_z(argv[2]), STORE_SHARDS_MAX - 1, &shard) != ERR_OK ||
        span_u64(span_z(argv[3]), 100 * 1000 * 1000, &count) != ERR_OK) {
        (void)fprintf(stderr, "usage: bench-fill FILE SHARD COUNT\n");
        return 64;
    }
    struct store_backend *b;
    struct why why;
    int64_t now_ms = wall_ms_now();
    if (store_sqlite_open(argv[1], (unsigned)shard, NULL, now_ms, &b, &why) != ERR_OK)
        fail("open", &why);
    struct body *body = body_new();
    for (unsigned i = 0; i < BODY_BYTES / 32; i++)
        body_append(body, SPAN("a line of the backlog's message\n"));
    uint64_t id =
        (shard << 50) | (((uint64_t)(now_ms - 365LL * 86400 * 1000) << 10) & ((1ull << 50) - 1));
    if (b->ops->last_id(b) >= id)
        id = b->ops->last_id(b) + 1;
    for (uint64_t i = 0; i < count; i++) {
        if (i % BATCH == 0 && b->ops->begin(b) != ERR_OK)
            fail("begin", NULL);
        put(b, id + i, i, body, now_ms);
        if ((i % BATCH == BATCH - 1 || i + 1 == count) && b->ops->commit(b) != ERR_OK)
            fail("commit", NULL);
    }
    body_unref(body);
    b->ops->close(b);
    return 0;
}
