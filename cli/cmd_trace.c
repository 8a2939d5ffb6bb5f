/* postern trace: every hop of a message, as a story. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/story.h"

#include <stdlib.h>

/* --limit's default, and what is kept of very long stories. */
enum { MESSAGES = 50, LINES_MAX = 100 * 1000 };

void trace_put_lines(const struct ctl *message, const char *indent, struct buf *out)
{
    char time[OUT_TEXT_MAX];
    struct buf story;
    size_t i = 0, n = ctl_count(message, "lines");
    buf_init(&story, STORY_MAX);
    for (; i < n && buf_room(out) > 2 * (size_t)STORY_MAX; i++) {
        const struct ctl *line = ctl_at(message, "lines", i);
        buf_clear(&story);
        story_print(line, &story);
        buf_putf(out, "%s%s  ", indent, out_time(ctl_get_num(line, "time"), time));
        buf_put(out, buf_span(&story));
        buf_put(out, SPAN("\n"));
    }
    if (i < n)
        buf_putf(out, "%sand %zu lines more\n", indent, n - i);
    buf_done(&story);
}

/* --- fetching: of every shard page after page, from the newest message back --- */

struct found {
    struct ctl **message; /* ours; those of a shard stand together, the newest first */
    size_t n, cap;
    size_t n_line;
    size_t first; /* where the shard at hand begins */
    size_t limit; /* messages of a shard that are enough */
    bool more;
};

static void add_lines(struct ctl *to, const struct ctl *from)
{
    for (size_t i = 0; i < ctl_count(from, "lines"); i++)
        ctl_add_copy(to, "lines", ctl_at(from, "lines", i));
}

/* A page may have cut a message: then the next one begins with what stands before the cut. */
static void found_add(struct found *f, const struct ctl *piece)
{
    struct ctl *m = ctl_new(), *last = f->n > f->first ? f->message[f->n - 1] : NULL;
    ctl_set(m, "id", ctl_get(piece, "id"));
    add_lines(m, piece);
    f->n_line += ctl_count(piece, "lines");
    if (last && span_eq(ctl_get(last, "id"), ctl_get(m, "id"))) {
        add_lines(m, last);
        ctl_free(last);
        f->message[f->n - 1] = m;
        return;
    }
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : MESSAGES;
        f->message = mem_realloc(f->message, f->cap * sizeof(struct ctl *));
    }
    f->message[f->n++] = m;
}

/* One message more than is wanted proves that the last of those is whole. */
static bool found_page(void *arg, const struct ctl *answer)
{
    struct found *f = arg;
    for (size_t i = ctl_count(answer, "messages"); i > 0; i--)
        found_add(f, ctl_at(answer, "messages", i - 1));
    bool enough = f->n - f->first > f->limit || f->n_line >= LINES_MAX;
    bool last = enough || ctl_get(answer, "after_id").n == 0;
    f->more = f->more || (last && ctl_get_bool(answer, "more"));
    return !enough;
}

static enum err found_ask(struct found *f, struct ask *a, int64_t shard, struct ctl *request,
                          struct why *why)
{
    for (unsigned i = 0; i < a->n_shard; i++) {
        f->first = f->n;
        if (shard < 0 || a->shard[i].shard == shard)
            TRY(ask_pages(a, a->shard[i].shard, request, found_page, f, why));
    }
    return ERR_OK;
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

enum err trace_fetch(struct ask *a, int64_t shard, struct ctl *request, size_t limit,
                     struct ctl *ret, struct why *why)
{
    struct found f = { .limit = limit };
    enum err e = found_ask(&f, a, shard, request, why);
    size_t skip = e == ERR_OK && f.n > limit ? f.n - limit : 0;
    if (e == ERR_OK) {
        if (f.n > 0)
            qsort(f.message, f.n, sizeof *f.message, by_time);
        ctl_set_bool(ret, "more", f.more || skip > 0);
        ctl_array(ret, "messages");
        for (size_t i = skip; i < f.n; i++)
            ctl_add_copy(ret, "messages", f.message[i]);
    }
    for (size_t i = 0; i < f.n; i++)
        ctl_free(f.message[i]);
    mem_free(f.message);
    return e;
}

/* --- the command --- */

/* "2h" ago, or a date. */
enum err cli_since(const struct cli *c, int64_t *ret)
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
        TRY(cli_since(c, &since));
    *ret_shard = -1;
    if (a->n_word == 1)
        ctl_set(request, cli_id(a->word[0], ret_shard) ? "id" : "message-id", a->word[0]);
    ctl_set(request, "from", a->from);
    ctl_set(request, "to", a->to);
    ctl_set_num(request, "since", since);
    return ERR_OK;
}

static enum cli_exit show_text(const struct ctl *found)
{
    struct buf text;
    enum cli_exit code = CLI_FAILED;
    buf_init(&text, OUT_BYTES_MAX);
    for (size_t i = 0; i < ctl_count(found, "messages"); i++) {
        const struct ctl *m = ctl_at(found, "messages", i);
        buf_clear(&text);
        out_clean(ctl_get(m, "id"), &text);
        buf_put(&text, SPAN("\n"));
        trace_put_lines(m, "  ", &text);
        code = cli_print(&text, CLI_OK);
        if (code != CLI_OK)
            break;
    }
    buf_done(&text);
    return code;
}

static enum cli_exit show(const struct cli *c, const struct ctl *found)
{
    bool any = ctl_count(found, "messages") > 0;
    if (c->args->json)
        return cli_json(found, any ? CLI_OK : CLI_FAILED);
    if (!any)
        out_complain("no trace of that was found");
    enum cli_exit code = show_text(found);
    if (code == CLI_OK && ctl_get_bool(found, "more"))
        out_complain("there are older ones: ask with --limit, or closer");
    return code;
}

static enum cli_exit trace_with(const struct cli *c, struct ctl *request, int64_t shard)
{
    struct ask a;
    struct why why;
    size_t limit = c->args->limit > 0 ? (size_t)c->args->limit : MESSAGES;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    struct ctl *found = ctl_new();
    ctl_set_bool(found, "ok", true);
    enum err e = trace_fetch(&a, shard, request, limit, found, &why);
    code = e == ERR_OK ? cli_missing(&a, show(c, found)) : cli_ask_failed(e, &why);
    ctl_free(found);
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
