/* postern connector list, connector show: what the workers run, or with --config what a file says.
 */
#include "cli/cli.h"

#include "cli/connector_text.h"
#include "cli/validated.h"
#include "gate/control_connector.h"

enum { PAGE_ROWS = 1000 };

/* --- from a worker --- */

/* Fewer rows when they are too many for a line. */
static enum err ask_page(struct ask_worker *w, struct ctl *request, struct ctl **ret,
                         struct why *why)
{
    enum err e = ERR_TOO_BIG;
    for (int64_t limit = PAGE_ROWS; e == ERR_TOO_BIG && limit > 0; limit /= 4) {
        ctl_set_num(request, "limit", limit);
        e = ask_one(w, request, ret, why);
    }
    return e;
}

enum err connector_fetch(struct ask_worker *w, struct span org, struct ctl *ret, struct why *why)
{
    struct ctl *request = ctl_new(), *answer = NULL;
    bool more = true;
    enum err e = ERR_OK;
    ctl_set(request, "verb", SPAN("connector-list"));
    ctl_set(request, "org", org);
    ctl_array(ret, "connectors");
    while (more) {
        e = ask_page(w, request, &answer, why);
        if (e != ERR_OK)
            break;
        size_t n = ctl_count(answer, "connectors");
        for (size_t i = 0; i < n; i++)
            ctl_add_copy(ret, "connectors", ctl_at(answer, "connectors", i));
        more = ctl_get_bool(answer, "more") && n > 0;
        ctl_set_num(request, "after", ctl_get_num(answer, "after"));
        ctl_free(answer);
    }
    ctl_free(request);
    return e;
}

static enum cli_exit from_worker(const struct cli *c, struct span org, struct ctl *ret)
{
    struct ask a;
    struct why why;
    enum cli_exit code = cli_open(c, &a);
    if (code != CLI_OK)
        return code;
    enum err e = connector_fetch(&a.worker[0], org, ret, &why);
    ask_close(&a);
    return e == ERR_OK ? CLI_OK : cli_ask_failed(e == ERR_SYNTAX ? ERR_NOT_FOUND : e, &why);
}

/* --- from a file --- */

static enum cli_exit from_file(const struct cli *c, struct span org, struct ctl *ret)
{
    struct config *config;
    struct why why = { "" };
    struct connectors_ask ask = {
        .org = org, .now_ms = c->now_ms, .limit = UINT32_MAX, .asker = { .all = true }
    };
    if (cli_load(cli_config(c), &config, &why) != ERR_OK) {
        out_complain("%s", why.text);
        return CLI_CONFIG;
    }
    enum err e = connectors_put(config, &ask, ret);
    if (e != ERR_OK)
        out_complain("there is no organisation `%.*s`", SPAN_ARG(org));
    config_unref(config);
    return e == ERR_OK ? CLI_OK : CLI_FAILED;
}

/* --- showing --- */

static enum cli_exit show(const struct cli *c, const struct ctl *all, bool table)
{
    struct buf text;
    size_t n = ctl_count(all, "connectors");
    if (c->args->json)
        return cli_json(all, n > 0 ? CLI_OK : CLI_FAILED);
    if (n == 0) {
        out_complain("there is no such connector");
        return CLI_FAILED;
    }
    buf_init(&text, OUT_BYTES_MAX);
    if (table)
        connector_table(all, &text);
    for (size_t i = 0; !table && i < n && buf_room(&text) > CONNECTOR_BLOCK_MAX; i++) {
        buf_put(&text, i > 0 ? SPAN("\n") : SPAN_NONE);
        connector_block(ctl_at(all, "connectors", i), &text);
    }
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

/* Those of `all` with the id: an inbound and an outbound one may share it. */
static void pick(const struct ctl *all, struct span id, struct ctl *ret)
{
    ctl_set_bool(ret, "ok", true);
    ctl_array(ret, "connectors");
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++)
        if (span_eq_nocase(ctl_get(ctl_at(all, "connectors", i), "id"), id))
            ctl_add_copy(ret, "connectors", ctl_at(all, "connectors", i));
}

/* What was found when they were tried; the daemon does not know it. Without a configuration that
 * can be read it is left out. */
static void attach_validated(const struct cli *c, struct ctl *all)
{
    struct config *config;
    struct why why;
    if (ctl_count(all, "connectors") == 0 || cli_load(cli_config(c), &config, &why) != ERR_OK)
        return;
    validated_attach(config, all);
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++) {
        struct ctl *row = ctl_at(all, "connectors", i);
        struct buf text;
        buf_init(&text, VALIDATED_TEXT_MAX);
        if (ctl_has(row, "validated")) {
            validated_text(ctl_get_object(row, "validated"), c->now_ms, &text);
            ctl_set(ctl_get_object(row, "validated"), "words", buf_span(&text));
        }
        buf_done(&text);
    }
    config_unref(config);
}

static enum cli_exit connectors(const struct cli *c, struct span org, struct span id)
{
    struct ctl *all = ctl_new(), *picked = ctl_new();
    ctl_set_bool(all, "ok", true);
    enum cli_exit code = cli_wants_file(c) ? from_file(c, org, all) : from_worker(c, org, all);
    if (id.n > 0)
        pick(all, id, picked);
    if (code == CLI_OK)
        attach_validated(c, id.n > 0 ? picked : all);
    if (code == CLI_OK)
        code = show(c, id.n > 0 ? picked : all, id.n == 0);
    ctl_free(all);
    ctl_free(picked);
    return code;
}

enum cli_exit cmd_connector_list(const struct cli *c)
{
    if (c->args->n_word > 0)
        return cli_usage("connector list takes no words");
    return connectors(c, c->args->org, SPAN_NONE);
}

enum cli_exit cmd_connector_show(const struct cli *c)
{
    struct span id = c->args->n_word == 1 ? c->args->word[0] : SPAN_NONE;
    size_t slash = span_find(id, '/');
    if (slash == id.n || slash == 0)
        return cli_usage("connector show wants one connector: ORGANISATION/CONNECTOR");
    return connectors(c, span_head(id, slash), id);
}
