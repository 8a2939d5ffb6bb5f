/* postern status: every worker and their sum, on one page. Ends with 1 when there is an alarm. */
#include "cli/cli.h"

#include "base/when.h"

struct status {
    struct ask ask;
    struct ctl *all; /* what is printed as JSON */
};

enum { LINE_MAX_BYTES = 1024 };

/* --- gathering --- */

static void PRINTF_LIKE(2, 3) alarm_add(struct status *s, const char *fmt, ...)
{
    struct buf text;
    va_list ap;
    buf_init(&text, LINE_MAX_BYTES);
    va_start(ap, fmt);
    enum err e = buf_addv(&text, fmt, ap);
    va_end(ap);
    ctl_set(ctl_add(s->all, "alarms"), "text", e == ERR_OK ? buf_span(&text) : span_z(fmt));
    buf_done(&text);
}

static enum err count_shard(struct ask_worker *w, int64_t shard, struct ctl **ret, struct why *why)
{
    struct ctl *request = ctl_new();
    ctl_set(request, "verb", SPAN("queue-count"));
    ctl_set_num(request, "shard", shard);
    enum err e = ask_one(w, request, ret, why);
    ctl_free(request);
    return e;
}

static void sum_counts(struct ctl *queue, const struct ctl *count)
{
    static const char *const keys[] = { "messages", "recipients", "held",
                                        "leased",   "due",        "bytes_file" };
    int64_t oldest = ctl_get_num(count, "oldest"), before = ctl_get_num(queue, "oldest");
    for (size_t i = 0; i < COUNTOF(keys); i++)
        ctl_set_num(queue, keys[i], ctl_get_num(queue, keys[i]) + ctl_get_num(count, keys[i]));
    if (oldest > 0 && (before == 0 || oldest < before))
        before = oldest;
    ctl_set_num(queue, "oldest", before);
}

/* The totals of a worker's shards, and the alarms that lie in them. */
/* The answer is one for the administrator of an organisation. */
static bool is_own(const struct ctl *worker)
{
    return ctl_has(worker, "organisations");
}

static void gather_shards(struct status *s, struct ask_worker *w, const struct ctl *worker)
{
    struct ctl *queue = ctl_get_object(s->all, "queue");
    for (size_t i = 0; i < ctl_count(worker, "shards"); i++) {
        const struct ctl *row = ctl_at(worker, "shards", i);
        struct span health = ctl_get(row, "health");
        int64_t shard = ctl_get_num(row, "shard");
        struct ctl *count = NULL;
        struct why why;
        if (span_eq(health, SPAN("full")))
            alarm_add(s, "shard %lld: the disk is full: mail is refused for now", (long long)shard);
        else if (!span_eq(health, SPAN("ok")))
            alarm_add(s,
                      "shard %lld is not trusted after a disk error: mend the disk, then restart",
                      (long long)shard);
        if (is_own(worker)) /* the queue of all is not for an administrator */
            continue;
        if (count_shard(w, shard, &count, &why) != ERR_OK) {
            alarm_add(s, "shard %lld cannot be counted: %s", (long long)shard, why.text);
            continue;
        }
        sum_counts(queue, count);
        ctl_free(count);
    }
}

static void gather_worker(struct status *s, struct ask_worker *w, struct ctl *worker)
{
    const struct ctl *first = ctl_at(s->all, "workers", 0);
    ctl_add_copy(s->all, "workers", worker);
    if (first && !span_eq(ctl_get(ctl_get_object(first, "config"), "digest"),
                          ctl_get(ctl_get_object(worker, "config"), "digest")))
        alarm_add(s, "worker %u runs another configuration than worker %lld", w->index,
                  (long long)ctl_get_num(first, "worker"));
    gather_shards(s, w, worker);
}

static void gather(struct status *s)
{
    struct ctl *request = ctl_new();
    ctl_set(request, "verb", SPAN("status"));
    (void)ctl_object(s->all, "queue");
    ctl_array(s->all, "workers");
    ctl_array(s->all, "alarms");
    for (unsigned i = 0; i < s->ask.n_worker; i++) {
        struct ctl *worker;
        struct why why;
        if (ask_one(&s->ask.worker[i], request, &worker, &why) != ERR_OK) {
            alarm_add(s, "%s", why.text);
            continue;
        }
        gather_worker(s, &s->ask.worker[i], worker);
        ctl_free(worker);
    }
    for (unsigned i = 0; i < s->ask.n_missing; i++)
        if (s->ask.missing[i] < s->ask.n_configured)
            alarm_add(s, "worker %u does not answer", s->ask.missing[i]);
    ctl_free(request);
}

/* --- showing --- */

static const struct ctl *first_worker(const struct status *s)
{
    return ctl_at(s->all, "workers", 0);
}

static int64_t sum(const struct status *s, const char *name)
{
    return ctl_get_num(ctl_get_object(first_worker(s), "sums"), name);
}

static void put_head(const struct status *s, struct buf *out)
{
    const struct ctl *w = first_worker(s), *config = ctl_get_object(w, "config");
    char workers[OUT_TEXT_MAX];
    buf_put(out, SPAN("Postern "));
    out_clean(ctl_get(w, "version"), out);
    buf_put(out, SPAN(" on "));
    out_clean(ctl_get(config, "hostname"), out);
    buf_putf(out, ", %s\n", out_count((int64_t)ctl_count(s->all, "workers"), "worker", workers));
    buf_put(out, SPAN("config   "));
    out_clean(ctl_get(config, "file"), out);
    struct span digest = ctl_get(config, "digest");
    buf_putf(out, ", generation %lld, digest ", (long long)ctl_get_num(config, "generation"));
    out_clean(span_head(digest, digest.n < 16 ? digest.n : 16), out);
    buf_put(out, SPAN("\n"));
}

static void put_queue(const struct status *s, int64_t now, struct buf *out)
{
    const struct ctl *q = ctl_get_object(s->all, "queue");
    char a[OUT_TEXT_MAX], b[OUT_TEXT_MAX], size[OUT_TEXT_MAX], age[OUT_TEXT_MAX];
    buf_putf(out,
             "queue    %s of %s: %lld due, %lld being sent, %lld held; oldest %s; %s on disk\n",
             out_count(ctl_get_num(q, "recipients"), "recipient", a),
             out_count(ctl_get_num(q, "messages"), "message", b), (long long)ctl_get_num(q, "due"),
             (long long)ctl_get_num(q, "leased"), (long long)ctl_get_num(q, "held"),
             out_when(ctl_get_num(q, "oldest"), now, age),
             out_size((uint64_t)ctl_get_num(q, "bytes_file"), size));
}

static void put_mail(const struct status *s, struct buf *out)
{
    char share[OUT_TEXT_MAX], size[OUT_TEXT_MAX], clear[OUT_TEXT_MAX];
    int64_t in = sum(s, "postern_mail_in_total"), delivered = sum(s, "postern_delivered_total");
    int64_t local = sum(s, "postern_delivered_local_total");
    buf_putf(out, "mail in  %lld messages, %s; in clear %s; refused %lld, for now %lld\n",
             (long long)in, out_size((uint64_t)sum(s, "postern_mail_in_bytes_total"), size),
             out_share(sum(s, "postern_mail_in_plaintext_total"), in, share),
             (long long)sum(s, "postern_mail_refused_total"),
             (long long)sum(s, "postern_mail_tempfail_total"));
    buf_putf(out,
             "mail out %lld recipients, %lld of them here; in clear %s; deferred %lld, bounced "
             "%lld, expired %lld\n",
             (long long)delivered, (long long)local,
             out_share(sum(s, "postern_delivered_plaintext_total"), delivered - local, clear),
             (long long)sum(s, "postern_deferred_total"),
             (long long)sum(s, "postern_bounced_total"),
             (long long)sum(s, "postern_expired_total"));
}

static void put_tls(const struct status *s, struct buf *out)
{
    char a[OUT_TEXT_MAX], b[OUT_TEXT_MAX];
    int64_t in = sum(s, "postern_tls_in_total"), tls = sum(s, "postern_tls_out_total");
    int64_t clear = sum(s, "postern_plaintext_out_total");
    buf_putf(out, "tls in   %s of connections, resumed %lld, failed %lld\n",
             out_share(in, sum(s, "postern_connections_total"), a),
             (long long)sum(s, "postern_tls_in_resumed_total"),
             (long long)sum(s, "postern_tls_in_failed_total"));
    buf_putf(out,
             "tls out  %s of sessions, resumed %lld, failed %lld; in clear %s, %lld of them "
             "because TLS failed\n",
             out_share(tls, tls + clear, a), (long long)sum(s, "postern_tls_out_resumed_total"),
             (long long)sum(s, "postern_tls_out_failed_total"), out_share(clear, tls + clear, b),
             (long long)sum(s, "postern_plaintext_after_tls_failed_total"));
}

static void put_worker(struct table *t, const struct ctl *w)
{
    static const char *const counters[] = {
        "postern_connections_open", "postern_sessions_out_open", "postern_mail_in_total",
        "postern_delivered_total",  "postern_active_recipients",
    };
    const struct ctl *own = ctl_get_object(w, "counters");
    char text[WHEN_BYTES_MAX];
    struct buf shards;
    buf_init(&shards, LINE_MAX_BYTES);
    for (size_t i = 0; i < ctl_count(w, "shards") && buf_room(&shards) > 64; i++) {
        const struct ctl *s = ctl_at(w, "shards", i);
        struct span health = ctl_get(s, "health");
        buf_putf(&shards, "%s%lld %.*s", i ? ", " : "", (long long)ctl_get_num(s, "shard"),
                 SPAN_ARG(span_head(health, health.n < 16 ? health.n : 16)));
    }
    table_addf(t, "%lld", (long long)ctl_get_num(w, "worker"));
    table_addf(t, "%s", when_span(ctl_get_num(w, "uptime_ms") / SECOND_MS * SECOND_MS, text));
    for (size_t i = 0; i < COUNTOF(counters); i++)
        table_addf(t, "%lld", (long long)ctl_get_num(own, counters[i]));
    table_add(t, buf_span(&shards));
    buf_done(&shards);
}

static void put_workers(const struct status *s, struct buf *out)
{
    static const char *const head[] = { ">WORKER", ">UP",  ">CLIENTS", ">SESSIONS",
                                        ">IN",     ">OUT", ">ACTIVE",  "SHARDS" };
    struct table t;
    table_init(&t, head, COUNTOF(head));
    for (size_t i = 0; i < ctl_count(s->all, "workers"); i++)
        put_worker(&t, ctl_at(s->all, "workers", i));
    buf_put(out, SPAN("\n"));
    table_print(&t, "", out);
    table_done(&t);
}

static void put_resting(const struct status *s, int64_t now, struct buf *out)
{
    static const char *const head[] = { "RESTING", ">WAITING", ">TRIED", "LAST ANSWER" };
    struct table t;
    int64_t n = 0, shown = 0;
    table_init(&t, head, COUNTOF(head));
    for (size_t i = 0; i < ctl_count(s->all, "workers"); i++) {
        const struct ctl *w = ctl_at(s->all, "workers", i);
        n += ctl_get_num(w, "resting_n");
        for (size_t k = 0; k < ctl_count(w, "resting"); k++, shown++) {
            const struct ctl *row = ctl_at(w, "resting", k);
            char when[OUT_TEXT_MAX];
            table_add(&t, ctl_get(row, "destination"));
            table_addf(&t, "%lld", (long long)ctl_get_num(row, "waiting"));
            table_addf(&t, "%s", out_when(ctl_get_num(row, "until"), now, when));
            table_add(&t, ctl_get(row, "last"));
        }
    }
    if (n > 0)
        buf_put(out, SPAN("\n"));
    table_print(&t, "", out);
    if (shown < n)
        buf_putf(out, "and %lld more\n", (long long)(n - shown));
    table_done(&t);
}

static void put_texts(const char *label, const struct ctl *from, const char *key, struct buf *out)
{
    for (size_t i = 0; from && i < ctl_count(from, key); i++) {
        buf_putf(out, "%s%-9s", i == 0 ? "\n" : "", label);
        out_clean(ctl_get(ctl_at(from, key, i), "text"), out);
        buf_put(out, SPAN("\n"));
    }
}

static void put_own(const struct status *s, struct buf *out)
{
    const struct ctl *w = first_worker(s);
    char workers[OUT_TEXT_MAX];
    buf_put(out, SPAN("Postern "));
    out_clean(ctl_get(w, "version"), out);
    buf_put(out, SPAN(" on "));
    out_clean(ctl_get(ctl_get_object(w, "config"), "hostname"), out);
    buf_putf(out, ", %s\n", out_count((int64_t)ctl_count(s->all, "workers"), "worker", workers));
    for (size_t i = 0; i < ctl_count(w, "organisations"); i++) {
        const struct ctl *o = ctl_at(w, "organisations", i);
        buf_put(out, SPAN("organisation "));
        out_clean(ctl_get(o, "organisation"), out);
        buf_putf(out, ": %lld domains, connectors: %lld inbound, %lld outbound\n",
                 (long long)ctl_get_num(o, "domains"), (long long)ctl_get_num(o, "inbound"),
                 (long long)ctl_get_num(o, "outbound"));
    }
}

static enum cli_exit show(const struct cli *c, const struct status *s)
{
    enum cli_exit well = ctl_count(s->all, "alarms") > 0 ? CLI_FAILED : CLI_OK;
    if (c->args->json)
        return cli_json(s->all, well);
    struct buf out;
    buf_init(&out, OUT_BYTES_MAX);
    if (first_worker(s) && is_own(first_worker(s))) {
        put_own(s, &out);
    } else if (first_worker(s)) {
        put_head(s, &out);
        put_queue(s, c->now_ms, &out);
        put_mail(s, &out);
        put_tls(s, &out);
        put_workers(s, &out);
        put_resting(s, c->now_ms, &out);
        put_texts("warning", first_worker(s), "warnings", &out);
    }
    put_texts("ALARM", s->all, "alarms", &out);
    well = cli_print(&out, well);
    buf_done(&out);
    return well;
}

enum cli_exit cmd_status(const struct cli *c)
{
    struct status *s = NEW(struct status);
    enum cli_exit code =
        c->args->n_word > 0 ? cli_usage("status takes no words") : cli_open(c, &s->ask);
    if (code == CLI_OK) {
        s->all = ctl_new();
        gather(s);
        ctl_set_bool(s->all, "ok", ctl_count(s->all, "alarms") == 0);
        code = first_worker(s) ? show(c, s) : CLI_UNREACHABLE;
        if (code == CLI_UNREACHABLE)
            out_complain("no worker answers");
        ctl_free(s->all);
        ask_close(&s->ask);
    }
    mem_free(s);
    return code;
}
