/* postern connector add, set, remove: the operator's file is changed and stays the operator's. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/config_diff.h"
#include "cli/edit.h"

enum { DAY_BYTES = sizeof "2026-12-31" - 1 };

static enum cli_exit exit_of(enum err e)
{
    return e == ERR_SYNTAX ? CLI_USAGE : e == ERR_OK ? CLI_OK : CLI_FAILED;
}

/* --- showing --- */

static enum cli_exit complain(const struct cli *c, const char *why, enum cli_exit code)
{
    if (!c->args->json) {
        out_complain("%s", why);
        return code;
    }
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", false);
    ctl_set(out, "error", span_z(why));
    code = cli_json(out, code);
    ctl_free(out);
    return code;
}

static void put_end(const struct cli *c, struct span file, const char *what, struct buf *out)
{
    out_clean(file, out);
    buf_putf(out, ": %s\n", what);
    if (!c->args->dry_run && !c->args->reload)
        buf_put(out, SPAN("`postern reload` lets the daemon take it over\n"));
}

enum cli_exit edit_show(const struct cli *c, const struct edit *e)
{
    struct ctl *diff = ctl_new();
    struct buf text;
    bool written = !c->args->dry_run;
    enum cli_exit code = CLI_OK;
    ctl_set_bool(diff, "ok", true);
    ctl_set(diff, "file", e->file);
    ctl_set_bool(diff, "written", written);
    config_diff(e->was, e->now, c->now_ms, diff);
    buf_init(&text, OUT_BYTES_MAX);
    config_diff_text(diff, &text);
    put_end(c, e->file, written ? "written" : "would be written; nothing was changed", &text);
    code = c->args->json ? cli_json(diff, code) : cli_print(&text, code);
    buf_done(&text);
    ctl_free(diff);
    return code;
}

static enum cli_exit show_same(const struct cli *c)
{
    struct ctl *out = ctl_new();
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    ctl_set_bool(out, "ok", true);
    ctl_set_bool(out, "written", false);
    buf_put(&text, SPAN("it says so already: nothing was changed\n"));
    enum cli_exit code = c->args->json ? cli_json(out, CLI_OK) : cli_print(&text, CLI_OK);
    buf_done(&text);
    ctl_free(out);
    return code;
}

static enum cli_exit edit_finish(const struct cli *c, struct edit *e)
{
    struct why why = { "" };
    enum err bad = edit_check(e, &why);
    if (bad != ERR_OK) {
        enum cli_exit code = complain(c, why.text, CLI_CONFIG);
        if (!c->args->json)
            out_complain("nothing was changed");
        return code;
    }
    bad = c->args->dry_run ? ERR_OK : edit_write(e, &why);
    return bad == ERR_OK ? edit_show(c, e) : complain(c, why.text, exit_of(bad));
}

/* With --reload the daemon takes over what was written. */
enum cli_exit edit_reload(const struct cli *c, enum cli_exit code)
{
    struct args none = *c->args;
    struct cli again = { .args = &none, .now_ms = c->now_ms };
    none.n_word = 0;
    return code == CLI_OK && c->args->reload && !c->args->dry_run ? cmd_reload(&again) : code;
}

/* Is a connector that mail is refused by now to go without more ado? */
static bool is_enforced(const struct config *c, const struct connector_edit *k)
{
    const struct org *org = org_by_name(c->orgs, k->org);
    enum connector_mode mode = CONNECTOR_OFF;
    for (unsigned i = 0; org && !k->outbound && i < org->n_in; i++)
        if (span_eq_nocase(org->in[i].c.name, k->name))
            mode = org->in[i].c.mode;
    for (unsigned i = 0; org && k->outbound && i < org->n_out; i++)
        if (span_eq_nocase(org->out[i].c.name, k->name))
            mode = org->out[i].c.mode;
    return mode == CONNECTOR_ENFORCE;
}

static enum cli_exit apply(const struct cli *c, const struct connector_edit *k, struct edit *e)
{
    struct why why = { "" };
    if (k->verb == EDIT_REMOVE && !c->args->yes && !c->args->dry_run && is_enforced(e->was, k))
        return complain(c,
                        "it is enforced: without it mail of this partner is no longer secured; say "
                        "--yes if that is meant",
                        CLI_USAGE);
    enum err bad = edit_connector(e, k, &why);
    if (bad != ERR_OK)
        return complain(c, why.text, exit_of(bad));
    return edit_changes(e) ? edit_finish(c, e) : show_same(c);
}

static enum cli_exit change(const struct cli *c, const struct connector_edit *k)
{
    struct edit e;
    struct why why = { "" };
    enum err bad = edit_begin(&e, cli_config(c), &why);
    enum cli_exit code = bad == ERR_OK ? apply(c, k, &e) : CLI_CONFIG;
    if (bad != ERR_OK)
        code = complain(c, why.text, bad == ERR_REFUSED ? CLI_FAILED : CLI_CONFIG);
    edit_done(&e);
    return edit_reload(c, code);
}

/* --- the words --- */

static bool split_id(struct span id, struct connector_edit *k)
{
    size_t slash = span_find(id, '/');
    if (slash == 0 || slash + 1 >= id.n)
        return false;
    k->org = span_head(id, slash);
    k->name = span_tail(id, slash + 1);
    return true;
}

static bool take_way(struct span word, bool *ret_outbound)
{
    bool out = span_eq(word, SPAN("outbound"));
    if (out || span_eq(word, SPAN("inbound")))
        *ret_outbound = out;
    return out || span_eq(word, SPAN("inbound"));
}

/* Which of the two is meant, when nothing says it: the one that there is. */
static enum cli_exit find_way(const struct cli *c, struct connector_edit *k)
{
    struct config *config;
    struct why why = { "" };
    bool in = false, out = false;
    if (cli_load(cli_config(c), &config, &why) != ERR_OK)
        return complain(c, why.text, CLI_CONFIG);
    const struct org *org = org_by_name(config->orgs, k->org);
    for (unsigned i = 0; org && i < org->n_in; i++)
        in = in || span_eq_nocase(org->in[i].c.name, k->name);
    for (unsigned i = 0; org && i < org->n_out; i++)
        out = out || span_eq_nocase(org->out[i].c.name, k->name);
    config_unref(config);
    k->outbound = out;
    if (in && out)
        return cli_usage("there is an inbound and an outbound connector of this name: say which, "
                         "behind the name");
    return in || out ? CLI_OK : complain(c, "there is no such connector", CLI_FAILED);
}

static enum cli_exit read_words(const struct cli *c, struct connector_edit *k)
{
    static const char *const verbs[] = {
        [EDIT_ADD] = "add", [EDIT_SET] = "set", [EDIT_REMOVE] = "remove"
    };
    const struct args *a = c->args;
    struct why why = { "" };
    if (a->n_word == 0 || !split_id(a->word[0], k))
        return cli_usage("connector %s wants a connector: ORGANISATION/CONNECTOR", verbs[k->verb]);
    bool said = a->n_word > 1 && take_way(a->word[1], &k->outbound);
    if (!said && k->verb == EDIT_ADD)
        return cli_usage("connector add wants to know the direction behind the name: inbound "
                         "(they send to us) or outbound (we send to them)");
    enum err e = ERR_OK;
    for (unsigned i = said ? 2 : 1; i < a->n_word && e == ERR_OK; i++)
        e = edit_assign(k, a->word[i], &why);
    if (e == ERR_OK)
        e = edit_unset(k, a->unset, &why);
    if (e != ERR_OK)
        return cli_usage("%s", why.text);
    if (k->verb == EDIT_REMOVE && k->n_change > 0)
        return cli_usage("connector remove takes no settings");
    if (k->verb == EDIT_SET && k->n_change == 0)
        return cli_usage("connector set wants settings: setting=value, or --unset SETTINGS");
    return said ? CLI_OK : find_way(c, k);
}

static enum cli_exit edit(const struct cli *c, enum edit_verb verb)
{
    char day[WHEN_BYTES_MAX];
    struct connector_edit *k = NEW(struct connector_edit);
    k->verb = verb;
    k->today = span_of(when_rfc3339(c->now_ms, day), DAY_BYTES);
    enum cli_exit code = read_words(c, k);
    if (code == CLI_OK)
        code = change(c, k);
    mem_free(k);
    return code;
}

enum cli_exit cmd_connector_add(const struct cli *c)
{
    return edit(c, EDIT_ADD);
}

enum cli_exit cmd_connector_set(const struct cli *c)
{
    return edit(c, EDIT_SET);
}

enum cli_exit cmd_connector_remove(const struct cli *c)
{
    return edit(c, EDIT_REMOVE);
}
