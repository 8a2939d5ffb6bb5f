/* postern trace: every hop of a message, as a story. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/story.h"

#include <stdlib.h>

enum { MESSAGES = 50, LINES = 1000 };

void trace_put_lines(const struct ctl *message, const char *indent, struct buf *out)
{
    char time[OUT_TEXT_MAX];
    struct buf story;
    buf_init(&story, STORY_MAX);
    for (size_t i = 0; i < ctl_count(message, "lines"); i++) {
        const struct ctl *line = ctl_at(message, "lines", i);
        buf_clear(&story);
        story_print(line, &story);
        buf_putf(out, "%s%s  ", indent, out_time(ctl_get_num(line, "time"), time));
        buf_put(out, buf_span(&story));
        buf_put(out, SPAN("\n"));
    }
    buf_done(&story);
}

/* --- fetching: the newest of every shard --- */

struct found {
    const struct ctl **message; /* borrowed from `all` */
    size_t n;
    struct ctl *all;
    bool more;
};

static void found_keep(struct found *f, struct ctl *answer)
{
    for (size_t i = 0; i < ctl_count(answer, "messages"); i++)
        ctl_add_copy(f->all, "messages", ctl_at(answer, "messages", i));
    f->more = f->more || ctl_get_bool(answer, "more");
}

static int64_t began_ms(const struct ctl *message)
{
    const struct ctl *first = ctl_at(message, "lines", 0);
    return first ? ctl_get_num(first, "time") : 0;
}

static int by_time(const void *a, const void *b)
{
    const struct ctl *const *x = a, *const *y = b;
    int64_t s = began_ms(*x), t = began_ms(*y);
    return s < t ? -1 : s > t;
}

static void found_sort(struct found *f)
{
    f->n = ctl_count(f->all, "messages");
    f->message = mem_alloc((f->n + 1) * sizeof *f->message);
    for (size_t i = 0; i < f->n; i++)
        f->message[i] = ctl_at(f->all, "messages", i);
    qsort(f->message, f->n, sizeof *f->message, by_time);
}

static enum err found_ask(struct found *f, struct ask *a, int64_t shard, struct ctl *request,
                          struct why *why)
{
    for (unsigned i = 0; i < a->n_shard; i++) {
        struct ctl *answer = NULL;
        if (shard >= 0 && a->shard[i].shard != shard)
            continue;
        enum err e = ERR_TOO_BIG;
        ctl_set_num(request, "shard", a->shard[i].shard);
        for (int64_t limit = LINES; e == ERR_TOO_BIG && limit > 0; limit /= 4) {
            ctl_set_num(request, "limit", limit);
            e = ask_one(a->shard[i].worker, request, &answer, why);
        }
        TRY(e);
        found_keep(f, answer);
        ctl_free(answer);
    }
    return ERR_OK;
}

enum err trace_fetch(struct ask *a, int64_t shard, struct ctl *request, struct ctl *ret,
                     bool *ret_more, struct why *why)
{
    struct found f = { .all = ctl_new() };
    enum err e = found_ask(&f, a, shard, request, why);
    if (e == ERR_OK) {
        found_sort(&f);
        for (size_t i = 0; i < f.n; i++)
            ctl_add_copy(ret, "messages", f.message[i]);
        *ret_more = f.more;
        mem_free(f.message);
    }
    ctl_free(f.all);
    return e;
}

/* --- the command --- */

/* "2h" ago, or a date. */
static enum err since_ms(const struct cli *c, int64_t *ret)
{
    int64_t ms;
    if (when_duration(c->args->since, &ms) == ERR_OK) {
        *ret = ms < c->now_ms ? c->now_ms - ms : 0;
        return ERR_OK;
    }
    return when_parse(c->args->since, ret);
}

static enum err read_request(const struct cli *c, struct ctl *request, int64_t *ret_shard)
{
    const struct args *a = c->args;
    int64_t since = 0;
    ctl_set(request, "verb", SPAN("trace"));
    if (a->n_word > 1 || (a->n_word == 0 && !a->from.n && !a->to.n && !a->since.n))
        return ERR_SYNTAX;
    if (a->since.n > 0)
        TRY(since_ms(c, &since));
    *ret_shard = -1;
    if (a->n_word == 1)
        ctl_set(request, cli_id(a->word[0], ret_shard) ? "id" : "message-id", a->word[0]);
    ctl_set(request, "from", a->from);
    ctl_set(request, "to", a->to);
    ctl_set_num(request, "since", since);
    return ERR_OK;
}

static void put_messages(const struct ctl *all, size_t first, struct buf *out)
{
    for (size_t i = first; i < ctl_count(all, "messages"); i++) {
        const struct ctl *m = ctl_at(all, "messages", i);
        out_clean(ctl_get(m, "id"), out);
        buf_put(out, SPAN("\n"));
        trace_put_lines(m, "  ", out);
    }
}

/* The newest of them; first: the index of the oldest that is shown. */
static enum cli_exit show(const struct cli *c, const struct ctl *all, size_t first, bool more)
{
    enum cli_exit well = first < ctl_count(all, "messages") ? CLI_OK : CLI_FAILED;
    if (c->args->json) {
        struct ctl *out = ctl_new();
        ctl_set_bool(out, "ok", true);
        ctl_set_bool(out, "more", more);
        ctl_array(out, "messages");
        for (size_t i = first; i < ctl_count(all, "messages"); i++)
            ctl_add_copy(out, "messages", ctl_at(all, "messages", i));
        well = cli_json(out, well);
        ctl_free(out);
        return well;
    }
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    put_messages(all, first, &text);
    well = cli_print(&text, well);
    buf_done(&text);
    if (well == CLI_FAILED)
        out_complain("no trace of that was found");
    else if (more)
        out_complain("there are older ones: ask with --limit, or closer");
    return well;
}

static enum cli_exit trace_with(const struct cli *c, struct ctl *request, int64_t shard)
{
    struct ask a;
    struct why why;
    bool more = false;
    size_t limit = c->args->limit > 0 ? (size_t)c->args->limit : MESSAGES;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    struct ctl *all = ctl_new();
    enum err e = trace_fetch(&a, shard, request, all, &more, &why);
    size_t n = ctl_count(all, "messages"), first = n > limit ? n - limit : 0;
    code = e == ERR_OK ? cli_missing(&a, show(c, all, first, more || first > 0))
                       : cli_ask_failed(e, &why);
    ctl_free(all);
    ask_close(&a);
    return code;
}

enum cli_exit cmd_trace(const struct cli *c)
{
    struct ctl *request = ctl_new();
    int64_t shard = -1;
    enum err e = read_request(c, request, &shard);
    enum cli_exit code =
        e == ERR_OK ? trace_with(c, request, shard)
                    : cli_usage("trace wants a queue id, a Message-ID, --from, --to or --since "
                                "(2h, or a date)");
    ctl_free(request);
    return code;
}
