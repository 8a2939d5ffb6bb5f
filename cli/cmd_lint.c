/* postern lint: what in a configuration that loads is weaker, or other, than it was meant. */
#include "cli/cli.h"

#include "cli/lint_more.h"
#include "cli/lint_text.h"
#include "cli/validated.h"
#include "gate/control_connector.h"

struct top {
    struct span file;
    struct ctl *out;
};

static void note_top(void *arg, const char *text)
{
    struct top *t = arg;
    lint_put_top(t->file, text, t->out);
}

static void lint_sum(struct ctl *all)
{
    ctl_set_bool(all, "ok", ctl_get_num(all, "errors") + ctl_get_num(all, "warnings") == 0);
}

void lint_config(const struct config *config, int64_t now_ms, struct ctl *ret)
{
    struct lint lint;
    struct top top = { config->file, ret };
    ctl_set(ret, "file", config->file);
    ctl_array(ret, "findings");
    config_warnings_top(config, note_top, &top);
    lint_certificates(config, now_ms, ret);
    config_lint(config, now_ms, &lint);
    lint_put(&lint, ret);
    lint_done(&lint);
    lint_sum(ret);
}

/* What was found when connectors were tried, where that was not well or is about another one. */
static void lint_validated(const struct config *config, int64_t now_ms, struct ctl *ret)
{
    const struct connectors_ask ask = { .now_ms = now_ms,
                                        .limit = UINT32_MAX,
                                        .asker = { .all = true } };
    struct ctl *all = ctl_new();
    struct buf text;
    enum err e = connectors_put(config, &ask, all);
    ASSERT(e == ERR_OK); /* nobody asked for an organisation */
    validated_attach(config, all);
    buf_init(&text, VALIDATED_TEXT_MAX);
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++) {
        const struct ctl *row = ctl_at(all, "connectors", i);
        const struct ctl *v = ctl_get_object(row, "validated");
        bool off = span_eq(ctl_get(row, "mode"), SPAN("off"));
        if (!v || off || (ctl_get_bool(v, "fulfilled") && !ctl_get_bool(v, "changed")))
            continue;
        bool failed = !ctl_get_bool(v, "fulfilled");
        buf_clear(&text);
        buf_put(&text, SPAN("validated "));
        validated_text(v, now_ms, &text);
        lint_put_row(row, failed ? LINT_WARNING : LINT_NOTE,
                     failed ? "validation-failed" : "validation-old", buf_span(&text), ret);
    }
    buf_done(&text);
    ctl_free(all);
}

/* Notes are no offence. */
static enum cli_exit code_of(const struct ctl *all)
{
    if (ctl_get_num(all, "errors") > 0)
        return CLI_LINT_ERRORS;
    return ctl_get_num(all, "warnings") > 0 ? CLI_FAILED : CLI_OK;
}

static enum cli_exit show(const struct cli *c, const struct ctl *all)
{
    struct buf text;
    if (c->args->json)
        return cli_json(all, code_of(all));
    buf_init(&text, OUT_BYTES_MAX);
    lint_text(all, &text);
    enum cli_exit code = cli_print(&text, code_of(all));
    buf_done(&text);
    return code;
}

enum cli_exit cmd_lint(const struct cli *c)
{
    struct config *config;
    struct why why = { "" };
    if (c->args->n_word > 0)
        return cli_usage("lint takes no words: say which file with --config FILE");
    if (cli_load(cli_config(c), &config, &why) != ERR_OK) {
        out_complain("%s", why.text);
        return CLI_CONFIG;
    }
    struct ctl *all = ctl_new();
    lint_config(config, c->now_ms, all);
    lint_validated(config, c->now_ms, all);
    enum err e = c->args->dns ? lint_dns(config, all, &why) : ERR_OK;
    lint_sum(all);
    config_unref(config);
    enum cli_exit code = show(c, all);
    if (e != ERR_OK)
        out_complain("%s", why.text);
    if (e != ERR_OK && code == CLI_OK)
        code = CLI_FAILED;
    ctl_free(all);
    return code;
}
