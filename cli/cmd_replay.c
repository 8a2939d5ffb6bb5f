/* The recorded mail of the last days, page by page from the newest back, into a replay. A page may
 * cut a message: what of it stands on the next one belongs in front. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/replay.h"

enum { DAYS_MS = 3 * 24 * 60 * 60 * 1000, MESSAGES = 100 * 1000 };

struct reading {
    struct replay *replay;
    struct ctl *held;  /* the oldest message of the last page, perhaps not whole; or NULL */
    uint64_t n, limit; /* of a shard */
    bool more;
};

static void add_lines(struct ctl *to, const struct ctl *from)
{
    for (size_t i = 0; i < ctl_count(from, "lines"); i++)
        ctl_add_copy(to, "lines", ctl_at(from, "lines", i));
}

static void reading_flush(struct reading *r)
{
    if (r->held && r->n < r->limit) {
        replay_message(r->replay, r->held);
        r->n++;
    } else if (r->held) {
        r->more = true;
    }
    ctl_free(r->held);
    r->held = NULL;
}

static void reading_add(struct reading *r, const struct ctl *piece)
{
    struct ctl *m = ctl_new();
    ctl_set(m, "id", ctl_get(piece, "id"));
    add_lines(m, piece);
    if (r->held && span_eq(ctl_get(r->held, "id"), ctl_get(m, "id"))) {
        add_lines(m, r->held);
        ctl_free(r->held);
    } else {
        reading_flush(r);
    }
    r->held = m;
}

static bool reading_page(void *arg, const struct ctl *answer)
{
    struct reading *r = arg;
    for (size_t i = ctl_count(answer, "messages"); i > 0; i--)
        reading_add(r, ctl_at(answer, "messages", i - 1));
    out_progress("messages are read again", (int64_t)r->n);
    return r->n < r->limit;
}

/* "2h" ago, or a date; else some days, or what is kept, if that is less. */
static enum err since_of(const struct cli *c, const struct config *was, int64_t *ret)
{
    int64_t ms = was->trace_keep_ms < DAYS_MS ? was->trace_keep_ms : DAYS_MS;
    if (c->args->since.n > 0 && when_duration(c->args->since, &ms) != ERR_OK)
        return when_parse(c->args->since, ret);
    *ret = ms < c->now_ms ? c->now_ms - ms : 0;
    return ERR_OK;
}

enum err replay_fetch(struct ask *a, const struct replay_by *by, struct ctl *ret, struct why *why)
{
    struct reading r = { .replay = replay_new(by->was, by->now) };
    struct ctl *request = ctl_new();
    unsigned shards = a->n_shard > 0 ? a->n_shard : 1;
    enum err e = ERR_OK;
    r.limit = (by->limit + shards - 1) / shards;
    ctl_set(request, "verb", SPAN("trace"));
    ctl_set_num(request, "since", by->since_ms);
    for (unsigned i = 0; i < a->n_shard && e == ERR_OK; i++) {
        r.n = 0;
        e = ask_pages(a, a->shard[i].shard, request, reading_page, &r, why);
        reading_flush(&r);
    }
    out_progress(NULL, 0);
    if (e == ERR_OK) {
        replay_put(r.replay, ret);
        ctl_set_num(ret, "since", by->since_ms);
        ctl_set_bool(ret, "more", r.more);
    }
    ctl_free(r.held);
    ctl_free(request);
    replay_free(r.replay);
    return e;
}

enum cli_exit cli_replay(const struct cli *c, const struct config *was, const struct config *now,
                         struct ctl *ret)
{
    struct replay_by by = { was, now, 0, c->args->limit > 0 ? c->args->limit : MESSAGES };
    struct ask a;
    struct why why;
    char *run = cli_run(c);
    if (since_of(c, was, &by.since_ms) != ERR_OK) {
        mem_free(run);
        return cli_usage("--since wants 2h, 3d, or a date: 2026-11-23");
    }
    enum err e = ask_open(&a, run, &why);
    mem_free(run);
    if (e != ERR_OK)
        return CLI_OK; /* nobody has recorded anything */
    e = replay_fetch(&a, &by, ctl_object(ret, "replay"), &why);
    enum cli_exit code = e == ERR_OK ? cli_missing(&a, CLI_OK) : cli_ask_failed(e, &why);
    ask_close(&a);
    return code;
}
