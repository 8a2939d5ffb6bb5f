/* postern config check, config limits, reload. */
#include "cli/cli.h"

#include "gate/config.h"
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

enum { TEXT_MAX = 64 * 1024, PATH_MAX_BYTES = 512, RELOAD_WITHIN_MS = 5 * 1000, POLL_MS = 50 };

/* --- config check --- */

struct checked {
    struct ctl *out;
    struct buf *text;
    int64_t now_ms; /* wall */
};

static void warning(void *arg, const char *text)
{
    struct checked *k = arg;
    ctl_set(ctl_add(k->out, "warnings"), "text", span_z(text));
    buf_put(k->text, SPAN("warning: "));
    out_clean(span_z(text), k->text);
    buf_put(k->text, SPAN("\n"));
}

static void check(struct span file, struct checked *k, struct why *why, bool *ret_well)
{
    struct config *config;
    *ret_well = cli_load(file, &config, why) == ERR_OK;
    ctl_set_bool(k->out, "ok", *ret_well);
    ctl_set(k->out, "file", file);
    if (!*ret_well) {
        ctl_set(k->out, "error", span_z(why->text));
        return;
    }
    ctl_set(k->out, "digest", span_z(config->digest));
    ctl_array(k->out, "warnings");
    config_warnings(config, warning, k);
    config_lapsed(config, k->now_ms, warning, k);
    config_unref(config);
}

enum cli_exit cmd_config_check(const struct cli *c)
{
    struct span file = c->args->n_word > 0 ? c->args->word[0] : cli_config(c);
    struct why why = { "" };
    struct buf text;
    bool well;
    if (c->args->n_word > 1)
        return cli_usage("config check wants one file, or none");
    buf_init(&text, OUT_BYTES_MAX);
    struct checked k = { ctl_new(), &text, c->now_ms };
    check(file, &k, &why, &well);
    enum cli_exit code = well ? CLI_OK : CLI_CONFIG;
    if (c->args->json) {
        code = cli_json(k.out, code);
    } else if (well) {
        out_clean(file, &text);
        buf_put(&text, SPAN(": ok\n"));
        code = cli_print(&text, code);
    } else {
        out_complain("%s", why.text);
    }
    ctl_free(k.out);
    buf_done(&text);
    return code;
}

/* --- config limits --- */

static enum cli_exit limits_json(const struct limit_row *row, size_t n)
{
    static const char *const units[] = {
        [LIMIT_COUNT] = "count", [LIMIT_BYTES] = "bytes", [LIMIT_MS] = "ms"
    };
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", true);
    for (size_t i = 0; i < n; i++) {
        struct ctl *to = ctl_add(out, "limits");
        ctl_set(to, "name", span_z(row[i].name));
        ctl_set(to, "unit", span_z(units[row[i].unit]));
        ctl_set_num(to, "default", (int64_t)row[i].fallback);
        ctl_set_num(to, "least", (int64_t)row[i].least);
        ctl_set_num(to, "most", (int64_t)row[i].most);
        ctl_set(to, "reason", span_z(row[i].reason));
    }
    enum cli_exit code = cli_json(out, CLI_OK);
    ctl_free(out);
    return code;
}

enum cli_exit cmd_config_limits(const struct cli *c)
{
    static const char *const head[] = { "LIMIT", ">DEFAULT", ">LEAST", ">MOST", "REASON" };
    size_t n;
    const struct limit_row *row = limits_table(&n);
    if (c->args->n_word > 0)
        return cli_usage("config limits takes no words");
    if (c->args->json)
        return limits_json(row, n);
    struct table t;
    struct buf text;
    table_init(&t, head, COUNTOF(head));
    for (size_t i = 0; i < n; i++) {
        char value[LIMIT_TEXT_MAX];
        table_add(&t, span_z(row[i].name));
        table_add(&t, span_z(limit_text(&row[i], row[i].fallback, value)));
        table_add(&t, span_z(limit_text(&row[i], row[i].least, value)));
        table_add(&t, span_z(limit_text(&row[i], row[i].most, value)));
        table_add(&t, span_z(row[i].reason));
    }
    buf_init(&text, OUT_BYTES_MAX);
    table_print(&t, "", &text);
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    table_done(&t);
    return code;
}

/* --- reload --- */

static bool read_small(const char *path, struct buf *ret)
{
    char line[64];
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(line, 1, sizeof line, f);
    (void)fclose(f);
    buf_put(ret, span_of(line, n));
    return n > 0;
}

/* The process in the file, if it is posternd: the file may be older than the last start of the
 * machine, and the number somebody else's by now. */
static bool find_supervisor(const char *run, pid_t *ret)
{
    char path[PATH_MAX_BYTES];
    struct buf text;
    uint64_t pid = 0;
    buf_init(&text, 256);
    (void)snprintf(path, sizeof path, "%s/posternd.pid", run);
    struct span number = SPAN_NONE;
    bool well = read_small(path, &text);
    if (well) {
        struct span s = buf_span(&text);
        number = span_cut(&s, '\n');
    }
    well = well && span_u64(number, INT32_MAX, &pid) == ERR_OK && pid > 1;
    (void)snprintf(path, sizeof path, "/proc/%llu/comm", (unsigned long long)pid);
    buf_clear(&text);
    well = well && read_small(path, &text) && span_eq(buf_span(&text), SPAN("posternd\n"));
    buf_done(&text);
    *ret = (pid_t)pid;
    return well;
}

/* The least generation that a worker runs, -1: somebody did not answer. */
static int64_t generation(struct ask *a, struct buf *ret_digest)
{
    struct ctl *request = ctl_new(), *answer;
    struct why why;
    int64_t least = INT64_MAX;
    ctl_set(request, "verb", SPAN("status"));
    for (unsigned i = 0; i < a->n_worker && least >= 0; i++) {
        if (ask_one(&a->worker[i], request, &answer, &why) != ERR_OK) {
            least = -1;
            break;
        }
        const struct ctl *config = ctl_get_object(answer, "config");
        int64_t g = config ? ctl_get_num(config, "generation") : -1;
        least = g < least ? g : least;
        buf_clear(ret_digest);
        if (config)
            buf_put(ret_digest, ctl_get(config, "digest"));
        ctl_free(answer);
    }
    ctl_free(request);
    return least;
}

static enum cli_exit reload_show(const struct cli *c, int64_t now, struct span digest)
{
    struct buf text;
    if (c->args->json) {
        struct ctl *out = ctl_new();
        ctl_set_bool(out, "ok", true);
        ctl_set_num(out, "generation", now);
        ctl_set(out, "digest", digest);
        enum cli_exit code = cli_json(out, CLI_OK);
        ctl_free(out);
        return code;
    }
    buf_init(&text, TEXT_MAX);
    buf_putf(&text, "reloaded: generation %lld, digest ", (long long)now);
    out_clean(span_head(digest, digest.n < 16 ? digest.n : 16), &text);
    buf_put(&text, SPAN("\n"));
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

/* Asks, then looks until every worker runs what came of it. */
static enum cli_exit reload_and_see(const struct cli *c, struct ask *a, pid_t pid)
{
    static const struct timespec step = { .tv_nsec = POLL_MS * 1000 * 1000 };
    struct buf digest;
    buf_init(&digest, TEXT_MAX);
    int64_t before = generation(a, &digest), now = before;
    if (before >= 0 && kill(pid, SIGHUP) != 0) {
        out_complain("posternd (process %d) cannot be signalled: %s", (int)pid,
                     err_name(errno == EPERM ? ERR_REFUSED : ERR_NOT_FOUND));
        buf_done(&digest);
        return CLI_FAILED;
    }
    int64_t until = monotonic_ms_now() + RELOAD_WITHIN_MS;
    while (before >= 0 && now >= 0 && now <= before && monotonic_ms_now() < until) {
        (void)nanosleep(&step, NULL);
        now = generation(a, &digest);
    }
    enum cli_exit code = CLI_FAILED;
    if (now > before && before >= 0)
        code = reload_show(c, now, buf_span(&digest));
    else
        out_complain("the configuration was not taken over: the log of posternd says why");
    buf_done(&digest);
    return code;
}

static enum cli_exit reload_with(const struct cli *c, const char *run)
{
    struct ask a;
    pid_t pid;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    if (find_supervisor(run, &pid)) {
        code = reload_and_see(c, &a, pid);
    } else {
        out_complain("%s/posternd.pid names no running posternd: is this its folder (--run)?", run);
        code = CLI_UNREACHABLE;
    }
    ask_close(&a);
    return code;
}

/* A file that does not load is not even offered: the running configuration would stay, and only the
 * log would say why. */
enum cli_exit cmd_reload(const struct cli *c)
{
    struct why why = { "" };
    struct config *config;
    if (c->args->n_word > 0)
        return cli_usage("reload takes no words");
    if (c->args->run.n == 0 || c->args->config.n > 0) {
        if (cli_load(cli_config(c), &config, &why) != ERR_OK) {
            out_complain("%s", why.text);
            return CLI_CONFIG;
        }
        config_unref(config);
    }
    char *run = cli_run(c);
    enum cli_exit code = reload_with(c, run);
    mem_free(run);
    return code;
}
