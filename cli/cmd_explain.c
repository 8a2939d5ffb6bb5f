/* postern explain: what would be done with a mail, and why. A worker looks the facts up; with
 * --facts, or with --config and a file that does not run, nobody is asked. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/client_cert.h"
#include "gate/control_explain.h"

enum { ARENA_MAX = 4 * 1024 * 1024 };

/* --- the question --- */

/* The certificates of a file, and nothing else of it. */
static enum err explain_certificate(struct span path, struct ctl *ret, struct why *why)
{
    struct config_source disk = config_source_disk(NULL);
    struct buf text, pem;
    bool key = false;
    buf_init(&text, CONFIG_FILE_MAX);
    buf_init(&pem, CLIENT_CERT_MAX);
    enum err e = disk.read(disk.arg, path, &text, why);
    if (e == ERR_OK)
        e = client_cert_pick(buf_span(&text), &pem, &key, why);
    if (e == ERR_OK)
        ctl_set(ret, "client-cert", buf_span(&pem));
    if (text.p)
        explicit_bzero(text.p, text.cap);
    if (key)
        out_complain("%.*s holds a private key: it is not needed here, and was left alone",
                     SPAN_ARG(path));
    buf_done(&text);
    buf_done(&pem);
    return e;
}

enum err explain_request(const struct args *a, struct ctl *ret, struct why *why)
{
    int64_t at = 0;
    if (a->at.n > 0 && (when_parse(a->at, &at) != ERR_OK || at <= 0)) {
        why_set(why, "--at wants a time: 2026-12-31, or 2026-12-31T12:00:00Z");
        return ERR_SYNTAX;
    }
    ctl_set(ret, "verb", SPAN("explain"));
    ctl_set(ret, "from", a->from);
    ctl_set(ret, "to", a->to);
    ctl_set(ret, "org", a->org);
    ctl_set(ret, "client-addr", a->client_addr);
    ctl_set(ret, "client-cert-names", a->client_names);
    ctl_set(ret, "client-chain", a->client_chain);
    ctl_set(ret, "client-cert-ca", a->client_ca);
    ctl_set_bool(ret, "client-plaintext", a->client_plaintext);
    ctl_set_bool(ret, "requiretls", a->requiretls);
    ctl_set_bool(ret, "tls-required-no", a->tls_required_no);
    ctl_set_num(ret, "at", at);
    for (unsigned i = 0; i < a->n_if; i++)
        ctl_set(ctl_add(ret, "if"), "fact", a->supposed[i]);
    return a->client_cert.n > 0 ? explain_certificate(a->client_cert, ret, why) : ERR_OK;
}

/* --- the answer --- */

static const char *relay_sentence(const struct ctl *answer)
{
    if (ctl_get_bool(answer, "ours"))
        return "the domain is ours: anybody may send to it, unless a connector says no";
    return "the domain is not ours: only listed networks and an organisation's own servers may "
           "send to it";
}

void explain_text(const struct ctl *answer, struct buf *out)
{
    struct span facts = ctl_get(answer, "facts"), file = ctl_get(answer, "file");
    if (file.n > 0) {
        buf_put(out, SPAN("As "));
        out_clean(file, out);
        buf_put(out, SPAN(" says, whatever runs:\n\n"));
    }
    out_clean_lines(ctl_get(answer, "explanation"), out);
    if (!ctl_get_object(answer, "inbound"))
        buf_putf(out, "  %-10s%s\n", "relay", relay_sentence(answer));
    if (ctl_get(answer, "ladder").n > 0)
        buf_put(out, SPAN("\n"));
    out_clean_lines(ctl_get(answer, "ladder"), out);
    if (facts.n > 0)
        buf_put(out, SPAN("\nfacts, for --facts:\n"));
    out_clean_lines(facts, out);
}

static enum cli_exit show(const struct cli *c, const struct ctl *answer)
{
    if (c->args->json)
        return cli_json(answer, CLI_OK);
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    explain_text(answer, &text);
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

static enum cli_exit ask_worker(const struct cli *c, const struct ctl *request)
{
    struct ask a;
    struct why why;
    struct ctl *answer = NULL;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    enum err e = ask_one(&a.worker[0], request, &answer, &why);
    code = e == ERR_OK ? show(c, answer) : cli_ask_failed(e, &why);
    ctl_free(answer);
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

static enum err answer_in(struct arena *a, const struct explain_by *by, const struct ctl *request,
                          struct ctl *ret, struct why *why)
{
    struct facts facts = { 0 };
    const struct facts *known = NULL;
    struct explain_ask ask;
    struct explained found;
    if (by->facts.n > 0)
        TRY(read_facts(by->facts, a, &facts, why));
    TRY(explain_ask_read(request, facts.now_ms > 0 ? facts.now_ms : by->now_ms, &ask, why));
    TRY(explain_find(by->config, &ask, a, &found, why));
    found.from_file = by->facts.n > 0;
    TRY(explain_suppose(&found, found.from_file ? &facts : NULL, a, &known, why));
    ctl_set_bool(ret, "ok", true);
    ctl_set(ret, "file", by->config->file);
    explain_put(&found, known, ret);
    return ERR_OK;
}

enum err explain_answer(const struct explain_by *by, const struct ctl *request, struct ctl *ret,
                        struct why *why)
{
    struct arena a;
    arena_init(&a, ARENA_MAX);
    enum err e = answer_in(&a, by, request, ret, why);
    arena_done(&a);
    return e;
}

static enum cli_exit reason(const struct cli *c, const struct config *config,
                            const struct ctl *request)
{
    struct why why = { "" };
    struct explain_by by = { config, c->args->facts, c->now_ms };
    struct ctl *answer = ctl_new();
    enum cli_exit code = CLI_USAGE;
    if (explain_answer(&by, request, answer, &why) == ERR_OK)
        code = show(c, answer);
    else
        out_complain("%s", why.text);
    ctl_free(answer);
    return code;
}

/* The daemon behind the file's sockets runs this very configuration: it can look at the DNS. */
static bool is_running(const struct cli *c, const struct config *config)
{
    struct ask a;
    struct why why;
    struct ctl *request = ctl_new(), *answer = NULL;
    char *run = cli_run(c);
    bool same = false;
    ctl_set(request, "verb", SPAN("status"));
    if (ask_open(&a, run, &why) == ERR_OK) {
        if (ask_one(&a.worker[0], request, &answer, &why) == ERR_OK) {
            const struct ctl *runs = ctl_get_object(answer, "config");
            same = runs && span_eq(ctl_get(runs, "digest"), span_z(config->digest));
        }
        ask_close(&a);
    }
    ctl_free(answer);
    ctl_free(request);
    mem_free(run);
    return same;
}

static enum cli_exit by_file(const struct cli *c, const struct ctl *request)
{
    struct config *config;
    struct why why = { "" };
    if (cli_load(cli_config(c), &config, &why) != ERR_OK) {
        out_complain("%s", why.text);
        return CLI_CONFIG;
    }
    bool ask = c->args->facts.n == 0 && is_running(c, config);
    enum cli_exit code = ask ? ask_worker(c, request) : reason(c, config, request);
    config_unref(config);
    return code;
}

enum cli_exit cmd_explain(const struct cli *c)
{
    struct why why;
    if (c->args->n_word > 0 || c->args->to.n == 0 || !c->args->from.p)
        return cli_usage("explain wants --from ADDRESS (or '<>') and --to ADDRESS");
    struct ctl *request = ctl_new();
    enum cli_exit code = CLI_OK;
    if (explain_request(c->args, request, &why) != ERR_OK)
        code = cli_usage("%s", why.text);
    else if (c->args->facts.n > 0 || cli_wants_file(c))
        code = by_file(c, request);
    else
        code = ask_worker(c, request);
    ctl_free(request);
    return code;
}
