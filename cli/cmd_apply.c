/* postern apply FILE --dry-run: what would change if FILE were the configuration. */
#include "cli/cli.h"

#include "cli/config_diff.h"
#include "cli/replay.h"

/* What the daemon behind the configuration's sockets says of it. */
static const char *daemon_word(const struct cli *c, const struct config *config)
{
    struct ask a;
    struct why why;
    struct ctl *request = ctl_new(), *answer = NULL;
    char *run = cli_run(c);
    const char *word = "none";
    ctl_set(request, "verb", SPAN("status"));
    if (ask_open(&a, run, &why) == ERR_OK) {
        if (ask_one(&a.worker[0], request, &answer, &why) == ERR_OK) {
            const struct ctl *runs = ctl_get_object(answer, "config");
            bool same = runs && span_eq(ctl_get(runs, "digest"), span_z(config->digest));
            word = same ? "same" : "other";
        }
        ask_close(&a);
    }
    ctl_free(answer);
    ctl_free(request);
    mem_free(run);
    return word;
}

static void put_daemon(struct span word, struct span file, struct buf *out)
{
    if (span_eq(word, SPAN("none"))) {
        buf_put(out, SPAN("no daemon answers; compared with "));
        out_clean(file, out);
    } else {
        buf_put(out, SPAN("compared with "));
        out_clean(file, out);
        buf_put(out, span_eq(word, SPAN("same"))
                         ? SPAN(", which the daemon runs")
                         : SPAN(", which is not what the daemon runs: it has not been reloaded"));
    }
    buf_put(out, SPAN("\n"));
}

static enum cli_exit show(const struct cli *c, const struct ctl *diff)
{
    enum cli_exit code = ctl_count(diff, "differences") > 0 ? CLI_FAILED : CLI_OK;
    struct buf text;
    if (c->args->json)
        return cli_json(diff, code);
    buf_init(&text, OUT_BYTES_MAX);
    put_daemon(ctl_get(diff, "daemon"), ctl_get(diff, "file"), &text);
    config_diff_text(diff, &text);
    if (ctl_get_object(diff, "replay")) {
        buf_put(&text, SPAN("\n"));
        replay_text(ctl_get_object(diff, "replay"), &text);
    }
    code = cli_print(&text, code);
    buf_done(&text);
    return code;
}

static enum cli_exit compare(const struct cli *c, const struct config *was,
                             const struct config *now)
{
    struct ctl *diff = ctl_new();
    ctl_set_bool(diff, "ok", true);
    ctl_set(diff, "file", was->file);
    ctl_set(diff, "with", now->file);
    ctl_set(diff, "daemon", span_z(daemon_word(c, was)));
    config_diff(was, now, c->now_ms, diff);
    enum cli_exit asked = cli_replay(c, was, now, diff);
    enum cli_exit code = show(c, diff);
    if (asked != CLI_OK)
        code = asked;
    ctl_free(diff);
    return code;
}

static enum err load(const struct cli *c, struct span file, struct config **ret)
{
    struct why why = { "" };
    enum err e = cli_load(file, ret, &why);
    if (e == ERR_OK)
        return e;
    if (c->args->json) {
        struct ctl *out = ctl_new();
        ctl_set_bool(out, "ok", false);
        ctl_set(out, "file", file);
        ctl_set(out, "error", span_z(why.text));
        (void)cli_json(out, CLI_CONFIG);
        ctl_free(out);
    } else {
        out_complain("%s", why.text);
    }
    return e;
}

enum cli_exit cmd_apply(const struct cli *c)
{
    struct config *was = NULL, *now = NULL;
    if (c->args->n_word != 1)
        return cli_usage("apply wants one file: apply FILE --dry-run");
    if (!c->args->dry_run)
        return cli_usage("apply only shows what would change, with --dry-run; a configuration is "
                         "applied by replacing its file and `postern reload`");
    if (load(c, cli_config(c), &was) != ERR_OK)
        return CLI_CONFIG;
    enum cli_exit code = CLI_CONFIG;
    if (load(c, c->args->word[0], &now) == ERR_OK)
        code = compare(c, was, now);
    config_unref(now);
    config_unref(was);
    return code;
}
