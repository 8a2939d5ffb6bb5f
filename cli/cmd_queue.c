/* postern queue: all shards of all workers, shown and changed as one queue. */
#include "cli/cli.h"

#include "cli/story.h"

#include <stdlib.h>

enum { ROWS = 100 };

/* --- what is asked for --- */

/* The filter of the command line. words: how many words may stand before it, an id among them. */
static enum cli_exit read_filter(const struct cli *c, struct ctl *request, unsigned id_word,
                                 int64_t *ret_shard)
{
    const struct args *a = c->args;
    *ret_shard = -1;
    if (a->n_word > id_word + 1)
        return cli_usage("too many words");
    if (a->n_word == id_word + 1) {
        if (!cli_id(a->word[id_word], ret_shard))
            return cli_usage("`%.*s` is no queue id: `postern queue list` shows them",
                             SPAN_ARG(a->word[id_word]));
        ctl_set(request, "id", a->word[id_word]);
    }
    ctl_set(request, "domain", a->domain);
    ctl_set(request, "from", a->from);
    ctl_set(request, "to", a->to);
    ctl_set_bool(request, "held", a->held);
    return CLI_OK;
}

/* --- list --- */

struct list_row {
    const struct ctl *message, *rcpt;
};

struct listing {
    struct ctl *all; /* "messages", as they came */
    size_t enough;   /* rows of one shard */
    size_t rows;     /* of the shard that is asked */
    bool more;
};

/* A message whose recipients went over the end of a page goes on with the next one. */
static void list_keep(struct listing *l, const struct ctl *message)
{
    size_t n = ctl_count(l->all, "messages");
    struct ctl *before = n > 0 ? ctl_at(l->all, "messages", n - 1) : NULL;
    if (!before || !span_eq(ctl_get(before, "id"), ctl_get(message, "id"))) {
        ctl_add_copy(l->all, "messages", message);
        return;
    }
    for (size_t i = 0; i < ctl_count(message, "rcpts"); i++)
        ctl_add_copy(before, "rcpts", ctl_at(message, "rcpts", i));
}

static bool list_page(void *arg, const struct ctl *answer)
{
    struct listing *l = arg;
    for (size_t i = 0; i < ctl_count(answer, "messages"); i++)
        list_keep(l, ctl_at(answer, "messages", i));
    l->rows += (size_t)ctl_get_num(answer, "rows");
    if (l->rows < l->enough)
        return true;
    l->more = l->more || ctl_get_bool(answer, "more");
    return false;
}

/* Every shard's oldest, so that the oldest of all are among them. */
static enum err list_fetch(struct ask *a, int64_t shard, struct ctl *request, struct listing *l,
                           struct why *why)
{
    ctl_set(request, "verb", SPAN("queue-list"));
    for (unsigned i = 0; i < a->n_shard; i++) {
        if (shard >= 0 && a->shard[i].shard != shard)
            continue;
        l->rows = 0;
        TRY(ask_pages(a, a->shard[i].shard, request, list_page, l, why));
    }
    return ERR_OK;
}

static int by_age(const void *a, const void *b)
{
    const struct list_row *x = a, *y = b;
    int64_t s = ctl_get_num(x->message, "accepted"), t = ctl_get_num(y->message, "accepted");
    if (s != t)
        return s < t ? -1 : 1;
    int id = span_cmp(ctl_get(x->message, "id"), ctl_get(y->message, "id"));
    s = ctl_get_num(x->rcpt, "i"), t = ctl_get_num(y->rcpt, "i");
    return id ? id : s < t ? -1 : s > t;
}

static struct list_row *rows_of(const struct ctl *all, size_t *ret_n)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < ctl_count(all, "messages"); i++)
        n += ctl_count(ctl_at(all, "messages", i), "rcpts");
    struct list_row *rows = mem_alloc((n + 1) * sizeof *rows);
    for (size_t i = 0; i < ctl_count(all, "messages"); i++) {
        const struct ctl *m = ctl_at(all, "messages", i);
        for (size_t k = 0; k < ctl_count(m, "rcpts"); k++)
            rows[at++] = (struct list_row){ m, ctl_at(m, "rcpts", k) };
    }
    qsort(rows, n, sizeof *rows, by_age);
    *ret_n = n;
    return rows;
}

static void put_row(struct table *t, const struct list_row *row, int64_t now)
{
    char text[OUT_TEXT_MAX];
    struct span last = ctl_get(row->rcpt, "last"), from = ctl_get(row->message, "from");
    table_add(t, ctl_get(row->message, "id"));
    table_addf(t, "%s", out_when(ctl_get_num(row->message, "accepted"), now, text));
    table_addf(t, "%s", out_size((uint64_t)ctl_get_num(row->message, "bytes"), text));
    table_add(t, ctl_get(row->rcpt, "state"));
    table_addf(t, "%lld", (long long)ctl_get_num(row->rcpt, "attempts"));
    table_addf(t, "%s",
               ctl_has(row->rcpt, "next") ? out_when(ctl_get_num(row->rcpt, "next"), now, text)
                                          : "-");
    table_add(t, from.n > 0 ? from : SPAN("<>"));
    table_add(t, ctl_get(row->rcpt, "to"));
    table_add(t, last.n > 0 ? last : SPAN("-"));
}

static void put_rows(const struct list_row *row, size_t n, int64_t now, struct buf *out)
{
    static const char *const head[] = { "ID",    ">ARRIVED", ">SIZE", "STATE",      ">TRIES",
                                        ">NEXT", "FROM",     "TO",    "LAST ANSWER" };
    struct table t;
    table_init(&t, head, COUNTOF(head));
    for (size_t i = 0; i < n; i++)
        put_row(&t, &row[i], now);
    table_print(&t, "", out);
    table_done(&t);
}

/* A row of its own for each recipient: the message's keys are repeated. */
static enum cli_exit list_json(const struct list_row *row, size_t n, bool more)
{
    static const char *const strings[] = { "id", "from", "message-id", "client" };
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", true);
    ctl_set_bool(out, "more", more);
    ctl_array(out, "recipients");
    for (size_t i = 0; i < n; i++) {
        struct ctl *to = ctl_add(out, "recipients");
        for (size_t k = 0; k < COUNTOF(strings); k++)
            ctl_set(to, strings[k], ctl_get(row[i].message, strings[k]));
        ctl_set_num(to, "accepted", ctl_get_num(row[i].message, "accepted"));
        ctl_set_num(to, "bytes", ctl_get_num(row[i].message, "bytes"));
        ctl_set(to, "to", ctl_get(row[i].rcpt, "to"));
        ctl_set(to, "state", ctl_get(row[i].rcpt, "state"));
        ctl_set_bool(to, "held", ctl_get_bool(row[i].rcpt, "held"));
        ctl_set_num(to, "attempts", ctl_get_num(row[i].rcpt, "attempts"));
        if (ctl_has(row[i].rcpt, "next"))
            ctl_set_num(to, "next", ctl_get_num(row[i].rcpt, "next"));
        ctl_set(to, "last", ctl_get(row[i].rcpt, "last"));
        ctl_set(to, "route", ctl_get(row[i].rcpt, "route"));
    }
    enum cli_exit code = cli_json(out, CLI_OK);
    ctl_free(out);
    return code;
}

static enum cli_exit list_show(const struct cli *c, const struct listing *l, size_t limit)
{
    size_t n;
    struct list_row *row = rows_of(l->all, &n);
    bool more = l->more || n > limit;
    enum cli_exit code;
    n = n < limit ? n : limit;
    if (c->args->json) {
        code = list_json(row, n, more);
    } else {
        struct buf text;
        buf_init(&text, OUT_BYTES_MAX);
        put_rows(row, n, c->now_ms, &text);
        if (n == 0)
            buf_put(&text, SPAN("nothing waits that matches\n"));
        code = cli_print(&text, CLI_OK);
        buf_done(&text);
        if (more)
            out_complain("only the oldest %zu are shown: there are more (--limit)", n);
    }
    mem_free(row);
    return code;
}

static enum cli_exit list_with(const struct cli *c, struct ctl *request, int64_t shard)
{
    struct ask a;
    struct why why;
    size_t limit = c->args->limit > 0 ? (size_t)c->args->limit : ROWS;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    struct listing l = { .all = ctl_new(), .enough = limit };
    enum err e = list_fetch(&a, shard, request, &l, &why);
    code = e == ERR_OK ? cli_missing(&a, list_show(c, &l, limit)) : cli_ask_failed(e, &why);
    ctl_free(l.all);
    ask_close(&a);
    return code;
}

enum cli_exit cmd_queue_list(const struct cli *c)
{
    struct ctl *request = ctl_new();
    int64_t shard;
    enum cli_exit code = read_filter(c, request, 0, &shard);
    if (code == CLI_OK)
        code = list_with(c, request, shard);
    ctl_free(request);
    return code;
}

/* --- show --- */

static void put_field(const char *name, struct span value, struct buf *out)
{
    if (value.n == 0)
        return;
    buf_putf(out, "  %-12s", name);
    out_clean(value, out);
    buf_put(out, SPAN("\n"));
}

static void put_envelope(const struct ctl *m, int64_t now, struct buf *out)
{
    char when[OUT_TEXT_MAX], ago[OUT_TEXT_MAX], size[OUT_TEXT_MAX];
    struct span from = ctl_get(m, "from");
    int64_t accepted = ctl_get_num(m, "accepted");
    put_field("from", from.n > 0 ? from : SPAN("<>"), out);
    buf_putf(out, "  %-12s%s (%s)\n", "arrived", out_time(accepted, when),
             out_when(accepted, now, ago));
    buf_putf(out, "  %-12s%s\n", "size", out_size((uint64_t)ctl_get_num(m, "bytes"), size));
    put_field("message-id", ctl_get(m, "message-id"), out);
    put_field("client", ctl_get(m, "client"), out);
    put_field("helo", ctl_get(m, "helo"), out);
    put_field("envid", ctl_get(m, "envid"), out);
    const struct ctl *tls = ctl_get_object(m, "tls");
    buf_putf(out, "  %-12s", "tls");
    if (tls)
        story_tls(tls, out);
    buf_put(out, SPAN("\n"));
    if (ctl_get_bool(m, "requiretls"))
        put_field("asks for", SPAN("REQUIRETLS"), out);
    if (ctl_get_bool(m, "tls-required-no"))
        put_field("asks for", SPAN("TLS-Required: No"), out);
}

static void put_rcpts(const struct ctl *m, int64_t now, struct buf *out)
{
    char text[OUT_TEXT_MAX];
    for (size_t i = 0; i < ctl_count(m, "rcpts"); i++) {
        const struct ctl *r = ctl_at(m, "rcpts", i);
        buf_put(out, SPAN("  to <"));
        out_clean(ctl_get(r, "to"), out);
        buf_put(out, SPAN(">: "));
        out_clean(ctl_get(r, "state"), out);
        buf_putf(out, ", %s", out_count(ctl_get_num(r, "attempts"), "attempt", text));
        if (ctl_has(r, "next"))
            buf_putf(out, ", next %s", out_when(ctl_get_num(r, "next"), now, text));
        buf_put(out, SPAN("\n"));
        put_field("  last", ctl_get(r, "last"), out);
        put_field("  reroute", ctl_get(r, "route"), out);
    }
}

static void show_text(const struct cli *c, const struct ctl *all, const struct ctl *traces,
                      struct buf *out)
{
    size_t n = ctl_count(all, "messages");
    buf_put(out, c->args->word[0]);
    buf_put(out, n > 0 ? SPAN("\n") : SPAN("  is not in the queue any more\n"));
    if (n > 0)
        put_envelope(ctl_at(all, "messages", 0), c->now_ms, out);
    for (size_t i = 0; i < n; i++)
        put_rcpts(ctl_at(all, "messages", i), c->now_ms, out);
    for (size_t i = 0; i < ctl_count(traces, "messages"); i++) {
        buf_put(out, SPAN("  trace\n"));
        trace_put_lines(ctl_at(traces, "messages", i), "    ", out);
    }
}

static void show_json(const struct ctl *all, const struct ctl *traces, struct ctl *out)
{
    const struct ctl *trace = ctl_at(traces, "messages", 0);
    ctl_set_bool(out, "ok", true);
    ctl_array(out, "messages");
    for (size_t i = 0; i < ctl_count(all, "messages"); i++)
        ctl_add_copy(out, "messages", ctl_at(all, "messages", i));
    ctl_array(out, "trace");
    for (size_t i = 0; trace && i < ctl_count(trace, "lines"); i++)
        ctl_add_copy(out, "trace", ctl_at(trace, "lines", i));
}

static enum cli_exit show_print(const struct cli *c, const struct ctl *all,
                                const struct ctl *traces)
{
    enum cli_exit code;
    if (ctl_count(all, "messages") + ctl_count(traces, "messages") == 0) {
        out_complain("there is no such message, and no trace of one");
        return CLI_FAILED;
    }
    if (c->args->json) {
        struct ctl *out = ctl_new();
        show_json(all, traces, out);
        code = cli_json(out, CLI_OK);
        ctl_free(out);
        return code;
    }
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    show_text(c, all, traces, &text);
    code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

static enum cli_exit show_with(const struct cli *c, struct ctl *request, int64_t shard)
{
    struct ask a;
    struct why why;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    struct listing l = { .all = ctl_new(), .enough = SIZE_MAX };
    struct ctl *traces = ctl_new();
    enum err e = list_fetch(&a, shard, request, &l, &why);
    ctl_set(request, "verb", SPAN("trace"));
    if (e == ERR_OK)
        e = trace_fetch(&a, shard, request, 1, traces, &why);
    code = e == ERR_OK ? show_print(c, l.all, traces) : cli_ask_failed(e, &why);
    if (code == CLI_FAILED)
        code = cli_missing(&a, code);
    ctl_free(traces);
    ctl_free(l.all);
    ask_close(&a);
    return code;
}

enum cli_exit cmd_queue_show(const struct cli *c)
{
    int64_t shard;
    if (c->args->n_word != 1)
        return cli_usage("queue show wants one queue id");
    struct ctl *request = ctl_new();
    enum cli_exit code = read_filter(c, request, 0, &shard);
    if (code == CLI_OK)
        code = show_with(c, request, shard);
    ctl_free(request);
    return code;
}

/* --- retry, hold, release, drop, reroute --- */

struct change {
    const char *done; /* "held" */
    int64_t changed, messages;
};

static bool change_page(void *arg, const struct ctl *answer)
{
    struct change *ch = arg;
    ch->changed += ctl_get_num(answer, "changed");
    ch->messages += ctl_get_num(answer, "messages");
    out_progress(ch->done, ch->changed);
    return true;
}

static enum cli_exit change_show(const struct cli *c, const struct change *ch)
{
    char rcpts[OUT_TEXT_MAX], messages[OUT_TEXT_MAX];
    enum cli_exit well = ch->changed > 0 ? CLI_OK : CLI_FAILED;
    out_progress(NULL, 0);
    if (c->args->json) {
        struct ctl *out = ctl_new();
        ctl_set_bool(out, "ok", true);
        ctl_set_num(out, "changed", ch->changed);
        ctl_set_num(out, "messages", ch->messages);
        well = cli_json(out, well);
        ctl_free(out);
        return well;
    }
    if (ch->changed == 0) {
        out_complain(ch->messages > 0 ? "nothing of what matches could be %s"
                                      : "nothing that matches is there to be %s",
                     ch->done);
        return CLI_FAILED;
    }
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    buf_putf(&text, "%s: %s of %s\n", ch->done, out_count(ch->changed, "recipient", rcpts),
             out_count(ch->messages, "message", messages));
    well = cli_print(&text, well);
    buf_done(&text);
    return well;
}

static enum cli_exit change_with(const struct cli *c, struct ctl *request, int64_t shard,
                                 const char *done)
{
    struct ask a;
    struct why why;
    struct change ch = { .done = done };
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    enum err e = ask_pages(&a, shard, request, change_page, &ch, &why);
    if (e != ERR_OK && ch.changed > 0)
        out_complain("%lld recipients were %s before this:", (long long)ch.changed, done);
    code = e == ERR_OK ? cli_missing(&a, change_show(c, &ch)) : cli_ask_failed(e, &why);
    ask_close(&a);
    return code;
}

/* A change without a filter must be meant. */
static enum cli_exit change_is_meant(const struct args *a, bool has_id, bool drop)
{
    bool filtered = has_id || a->domain.n || a->from.n || a->to.n || a->held;
    if (!filtered && !a->all)
        return cli_usage("which? Give a queue id, --domain, --from, --to, --held, or --all");
    if (filtered && a->all)
        return cli_usage("--all and a filter contradict each other");
    if (drop && a->all && !a->yes)
        return cli_usage("this would drop the whole queue without telling anybody: say --yes too");
    return CLI_OK;
}

static enum cli_exit change(const struct cli *c, const char *kind, const char *done,
                            struct span route)
{
    struct ctl *request = ctl_new();
    int64_t shard;
    unsigned id_word = route.n > 0 ? 1 : 0;
    ctl_set(request, "verb", SPAN("queue-change"));
    ctl_set(request, "change", span_z(kind));
    ctl_set(request, "route", route);
    ctl_set_bool(request, "all", c->args->all);
    enum cli_exit code = read_filter(c, request, id_word, &shard);
    if (code == CLI_OK)
        code = change_is_meant(c->args, shard >= 0, strcmp(kind, "drop") == 0);
    if (code == CLI_OK)
        code = change_with(c, request, shard, done);
    ctl_free(request);
    return code;
}

enum cli_exit cmd_queue_retry(const struct cli *c)
{
    return change(c, "retry", "retried", SPAN_NONE);
}

enum cli_exit cmd_queue_hold(const struct cli *c)
{
    return change(c, "hold", "held", SPAN_NONE);
}

enum cli_exit cmd_queue_release(const struct cli *c)
{
    return change(c, "release", "released", SPAN_NONE);
}

enum cli_exit cmd_queue_drop(const struct cli *c)
{
    return change(c, "drop", "dropped", SPAN_NONE);
}

enum cli_exit cmd_queue_reroute(const struct cli *c)
{
    if (c->args->n_word == 0 || c->args->word[0].n == 0)
        return cli_usage("queue reroute wants a host first: HOST, HOST:PORT or [IP]:PORT");
    return change(c, "reroute", "rerouted", c->args->word[0]);
}
