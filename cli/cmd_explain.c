/* postern explain: what would be done with a mail, and why. A worker looks the facts up; with
 * --facts they are read from a file and nobody is asked. */
#include "cli/cli.h"

#include "gate/control_explain.h"

enum { ARENA_MAX = 4 * 1024 * 1024 };

static enum cli_exit show(const struct cli *c, const struct ctl *answer)
{
    if (c->args->json)
        return cli_json(answer, CLI_OK);
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    out_clean_lines(ctl_get(answer, "explanation"), &text);
    buf_putf(&text, "  %-10s%s\n", "relay",
             ctl_get_bool(answer, "ours") ? "the domain is ours: anybody may send to it"
                                          : "the domain is not ours: only listed networks may "
                                            "send to it");
    if (ctl_get(answer, "facts").n > 0)
        buf_put(&text, SPAN("\nfacts, for --facts:\n"));
    out_clean_lines(ctl_get(answer, "facts"), &text);
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

static enum cli_exit ask_worker(const struct cli *c)
{
    struct ask a;
    struct why why;
    struct ctl *answer = NULL;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    struct ctl *request = ctl_new();
    ctl_set(request, "verb", SPAN("explain"));
    ctl_set(request, "from", c->args->from);
    ctl_set(request, "to", c->args->to);
    ctl_set_bool(request, "requiretls", c->args->requiretls);
    ctl_set_bool(request, "tls-required-no", c->args->tls_required_no);
    enum err e = ask_one(&a.worker[0], request, &answer, &why);
    code = e == ERR_OK ? show(c, answer) : cli_ask_failed(e, &why);
    ctl_free(answer);
    ctl_free(request);
    ask_close(&a);
    return code;
}

/* --- without a daemon --- */

static enum err read_facts(struct span path, struct arena *a, struct facts *ret, struct why *why)
{
    struct config_source disk = config_source_disk(NULL);
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = disk.read(disk.arg, path, &text, why);
    if (e == ERR_OK)
        e = facts_read(buf_span(&text), a, ret, why);
    buf_done(&text);
    return e;
}

static enum err explain_offline(const struct cli *c, const struct config *config, struct arena *a,
                                struct ctl *answer, struct why *why)
{
    struct facts facts = { 0 };
    struct span domain, from = c->args->from;
    struct explain_input in = {
        .from = span_eq(from, SPAN("<>")) ? SPAN_NONE : from,
        .to = c->args->to,
        .facts = &facts,
        .message = { .requiretls = c->args->requiretls,
                     .tls_required_no = c->args->tls_required_no },
    };
    in.message.from = in.from;
    TRY(read_facts(c->args->facts, a, &facts, why));
    TRY(explain_find(config, c->args->to, a, &domain, &in.route, why));
    ctl_set_bool(answer, "ok", true);
    explain_put(&in, explain_is_ours(config, domain), answer);
    return ERR_OK;
}

static enum cli_exit reason(const struct cli *c)
{
    struct config_source disk = config_source_disk(NULL);
    struct config_boot boot = { 0 };
    struct config *config;
    struct why why = { "" };
    struct arena a;
    if (config_load(cli_config(c), &disk, &boot, &config, &why) != ERR_OK) {
        out_complain("%s", why.text);
        return CLI_CONFIG;
    }
    struct ctl *answer = ctl_new();
    arena_init(&a, ARENA_MAX);
    enum cli_exit code = CLI_USAGE;
    if (explain_offline(c, config, &a, answer, &why) == ERR_OK)
        code = show(c, answer);
    else
        out_complain("%s", why.text);
    arena_done(&a);
    ctl_free(answer);
    config_unref(config);
    return code;
}

enum cli_exit cmd_explain(const struct cli *c)
{
    if (c->args->n_word > 0 || c->args->to.n == 0 || !c->args->from.p)
        return cli_usage("explain wants --from ADDRESS (or '<>') and --to ADDRESS");
    return c->args->facts.n > 0 ? reason(c) : ask_worker(c);
}
