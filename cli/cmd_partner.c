/* postern partner enrol: a private authority for one partner, a certificate, two connectors in mode
 * test, and a sheet for the partner. Start reading at enrol_all. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/edit.h"
#include "cli/enrol.h"
#include "io/idn.h"

enum { LIST_MAX_BYTES = 64 * 1024, DAY_BYTES = sizeof "2026-12-31" - 1, DOMAIN_MAX = 255 };

/* --- the words --- */

/* Domains or hosts with commas (or lines) between, as A-labels. */
static enum cli_exit read_names(struct enrol *e, struct span list, const char *option,
                                struct span *ret, unsigned *ret_n)
{
    while (list.n > 0) {
        size_t comma = span_find(list, ','), line = span_find(list, '\n');
        struct span one = span_trim(span_cut(&list, comma < line ? ',' : '\n'));
        struct buf name;
        if (one.n == 0)
            continue;
        if (*ret_n == ENROL_NAMES_MAX)
            return cli_usage("--%s: more than %d names", option, ENROL_NAMES_MAX);
        buf_init(&name, DOMAIN_MAX);
        enum err bad = idn_to_ascii(one, &name);
        if (bad == ERR_OK)
            ret[(*ret_n)++] = arena_span(&e->arena, buf_span(&name));
        buf_done(&name);
        if (bad != ERR_OK)
            return cli_usage("--%s: `%.*s` is no domain", option,
                             SPAN_ARG(span_head(one, one.n < DOMAIN_MAX ? one.n : DOMAIN_MAX)));
    }
    return CLI_OK;
}

static enum cli_exit read_request(const struct cli *c, struct enrol *e)
{
    const struct config_source disk = config_source_disk(NULL);
    struct why why = { "" };
    struct buf pem, names;
    enum cli_exit code = CLI_OK;
    buf_init(&pem, TLS_MAKE_PEM_MAX);
    buf_init(&names, LIST_MAX_BYTES);
    enum err bad = disk.read(disk.arg, c->args->csr, &pem, &why);
    if (bad == ERR_OK)
        bad = tls_request_names(buf_span(&pem), &names, &why);
    if (bad == ERR_OK) {
        e->request = arena_span(&e->arena, buf_span(&pem));
        if (e->n_host == 0)
            code = read_names(e, buf_span(&names), "csr", e->host, &e->n_host);
    } else {
        out_complain("--csr: %s", why.text);
        code = CLI_USAGE;
    }
    buf_done(&pem);
    buf_done(&names);
    return code;
}

static enum cli_exit read_args(const struct cli *c, struct enrol *e)
{
    const struct args *a = c->args;
    enum cli_exit code;
    if (a->n_word != 1)
        return cli_usage("partner enrol wants the partner's name: what its connectors are called");
    if (a->org.n == 0 || a->domain.n == 0)
        return cli_usage("partner enrol wants --org (which organisation of ours) and --domain (the "
                         "partner's)");
    if ((a->csr.n > 0) == a->make_key)
        return cli_usage("partner enrol wants one of: --csr FILE, the partner's request for a "
                         "certificate, which is better as its key never leaves it; --make-key");
    e->name = a->word[0];
    e->org = a->org;
    e->certificate = a->certificate;
    e->days = a->days > 0 ? (int64_t)a->days : ENROL_DAYS;
    e->days = e->days < ENROL_CA_DAYS ? e->days : ENROL_CA_DAYS;
    if ((code = read_names(e, a->domain, "domain", e->domain, &e->n_domain)) != CLI_OK ||
        (code = read_names(e, a->host, "host", e->host, &e->n_host)) != CLI_OK)
        return code;
    if (a->csr.n > 0 && (code = read_request(c, e)) != CLI_OK)
        return code;
    return e->n_host > 0 && e->n_domain > 0
               ? CLI_OK
               : cli_usage("partner enrol wants --host: the partner's servers that send to us");
}

/* Letters, digits, - and _: it becomes part of paths before the loader has seen it. */
static bool is_label(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return s.n > 0 && s.n <= CONFIG_LABEL_MAX;
}

/* Under the configuration: partners/ORGANISATION-NAME. */
static struct span default_folder(const struct cli *c, struct enrol *e)
{
    struct span config = cli_config(c);
    size_t slash = span_rfind(config, '/');
    struct buf path;
    buf_init(&path, config.n + 2 * (size_t)CONFIG_LABEL_MAX + 32);
    buf_put(&path, slash < config.n ? span_head(config, slash + 1) : SPAN("./"));
    buf_putf(&path, "partners/%.*s-%.*s", SPAN_ARG(e->org), SPAN_ARG(e->name));
    struct span s = arena_span(&e->arena, buf_span(&path));
    buf_done(&path);
    return s;
}

/* --- the connectors --- */

static const struct in_connector *find_in(const struct config *c, const struct enrol *e)
{
    const struct org *org = org_by_name(c->orgs, e->org);
    for (unsigned i = 0; org && i < org->n_in; i++)
        if (span_eq_nocase(org->in[i].c.name, e->name))
            return &org->in[i];
    return NULL;
}

static bool has_out(const struct config *c, const struct enrol *e)
{
    const struct org *org = org_by_name(c->orgs, e->org);
    for (unsigned i = 0; org && i < org->n_out; i++)
        if (span_eq_nocase(org->out[i].c.name, e->name))
            return true;
    return false;
}

static void put_item(struct span item, struct buf *out)
{
    buf_put(out, out->n > 0 ? SPAN(",") : SPAN_NONE);
    buf_put(out, item);
}

/* "a.example,*.a.example" */
static struct span domain_list(struct enrol *e)
{
    struct buf list;
    buf_init(&list, LIST_MAX_BYTES);
    for (unsigned i = 0; i < e->n_domain; i++) {
        put_item(e->domain[i], &list);
        put_item(SPAN("*."), &list);
        buf_put(&list, e->domain[i]);
    }
    struct span s = arena_span(&e->arena, buf_span(&list));
    buf_done(&list);
    return s;
}

/* The servers, behind those that the connector knows already. */
static struct span host_list(struct enrol *e, const struct in_connector *old)
{
    struct buf list;
    buf_init(&list, 4 * (size_t)LIST_MAX_BYTES);
    for (unsigned i = 0; old && i < old->names.n; i++)
        put_item(old->names.name[i], &list);
    for (unsigned i = 0; i < e->n_host; i++) {
        bool known = false;
        for (unsigned k = 0; old && k < old->names.n; k++)
            known = known || span_eq_nocase(old->names.name[k], e->host[i]);
        if (!known)
            put_item(e->host[i], &list);
    }
    struct span s = arena_span(&e->arena, buf_span(&list));
    buf_done(&list);
    return s;
}

static void put_change(struct connector_edit *k, struct span name, struct span value)
{
    ASSERT(k->n_change < EDIT_CHANGES_MAX);
    k->change[k->n_change++] = (struct edit_change){ .name = name, .value = value };
}

static void inbound(struct enrol *e, const struct in_connector *old, struct connector_edit *k)
{
    k->verb = old ? EDIT_SET : EDIT_ADD;
    put_change(k, SPAN("certificate_names"), host_list(e, old));
    put_change(k, SPAN("ca"), e->ca_path);
    if (old)
        return;
    put_change(k, SPAN("kind"), SPAN("partner"));
    put_change(k, SPAN("from"), domain_list(e));
    put_change(k, SPAN("require_tls"), SPAN("yes"));
    put_change(k, SPAN("restrict_to_certificate"), SPAN("yes"));
}

static void outbound(struct enrol *e, struct connector_edit *k)
{
    k->verb = EDIT_ADD;
    k->outbound = true;
    put_change(k, SPAN("kind"), SPAN("partner"));
    put_change(k, SPAN("to"), domain_list(e));
    put_change(k, SPAN("mx"), SPAN("yes"));
    put_change(k, SPAN("tls"), SPAN("domain"));
    put_change(k, SPAN("names"), domain_list(e));
    if (e->certificate.n > 0)
        put_change(k, SPAN("certificate"), e->certificate);
}

static enum err write_connectors(struct enrol *e, struct edit *edit, struct why *why)
{
    char day[WHEN_BYTES_MAX];
    const struct connector_edit none = {
        .org = e->org,
        .name = e->name,
        .today = span_of(when_rfc3339(e->now_ms, day), DAY_BYTES),
    };
    struct connector_edit in = none, out = none;
    inbound(e, find_in(edit->was, e), &in);
    TRY(edit_connector(edit, &in, why));
    if (has_out(edit->was, e))
        return ERR_OK;
    outbound(e, &out);
    return edit_connector(edit, &out, why);
}

/* --- saying what was done --- */

static enum cli_exit show(const struct cli *c, const struct enrol *e, const struct ctl *sheet)
{
    if (c->args->json)
        return cli_json(sheet, CLI_OK);
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    buf_putf(&text, "%s, for", e->new_ca ? "a new authority" : "the authority that was there");
    for (unsigned i = 0; i < e->n_domain; i++)
        buf_putf(&text, " %.*s", SPAN_ARG(e->domain[i]));
    buf_put(&text, SPAN("; the partner gets of "));
    out_clean(e->folder, &text);
    buf_put(&text, SPAN(":\n  sheet.txt or sheet.html\n  "));
    out_clean(span_tail(e->certificate_path, e->folder.n + 1), &text);
    if (e->key_path.n > 0) {
        buf_put(&text, SPAN("\n  "));
        out_clean(span_tail(e->key_path, e->folder.n + 1), &text);
        buf_put(&text, SPAN(", by a way that nobody else reads; then remove it here"));
    }
    buf_put(&text, SPAN("\nca.key stays here and is shown to nobody\n"));
    enum cli_exit code = cli_print(&text, CLI_OK);
    buf_done(&text);
    return code;
}

/* --- all of it --- */

static enum cli_exit fail(const char *why, enum cli_exit code)
{
    out_complain("%s", why);
    return code;
}

/* Until the connectors are written, nothing stays of what went wrong. */
static enum cli_exit back_out(struct enrol *e, const char *why, enum cli_exit code)
{
    enrol_undo(e);
    return fail(why, code);
}

static enum cli_exit enrol_connectors(const struct cli *c, struct enrol *e, struct edit *edit)
{
    struct why why = { "" };
    if (write_connectors(e, edit, &why) != ERR_OK)
        return back_out(e, why.text, CLI_FAILED);
    if (edit_check(edit, &why) != ERR_OK)
        return back_out(e, why.text, CLI_CONFIG);
    if (edit_changes(edit) && edit_write(edit, &why) != ERR_OK)
        return back_out(e, why.text, CLI_FAILED);
    struct ctl *sheet = enrol_sheet(e, edit->now);
    enum cli_exit code =
        enrol_sheet_write(e, sheet, &why) == ERR_OK ? CLI_OK : fail(why.text, CLI_FAILED);
    if (code == CLI_OK)
        code = show(c, e, sheet);
    if (code == CLI_OK && !c->args->json && edit_changes(edit))
        code = edit_show(c, edit);
    ctl_free(sheet);
    return code;
}

static enum cli_exit enrol_all(const struct cli *c, struct enrol *e)
{
    struct edit edit;
    struct why why = { "" };
    enum cli_exit code = read_args(c, e);
    if (code != CLI_OK)
        return code;
    if (!is_label(e->name) || !is_label(e->org))
        return cli_usage("names are letters, digits, - and _, %d at most", CONFIG_LABEL_MAX);
    enum err bad = edit_begin(&edit, cli_config(c), &why);
    if (bad != ERR_OK) {
        code = fail(why.text, bad == ERR_REFUSED ? CLI_FAILED : CLI_CONFIG);
    } else if (!org_by_name(edit.was->orgs, e->org)) {
        code = fail("there is no such organisation (--org)", CLI_FAILED);
    } else {
        bad = enrol_folder(e, c->args->out.n > 0 ? c->args->out : default_folder(c, e), &why);
        if (bad == ERR_OK)
            bad = enrol_issue(e, &why);
        code = bad == ERR_OK ? enrol_connectors(c, e, &edit) : back_out(e, why.text, CLI_FAILED);
    }
    edit_done(&edit);
    return edit_reload(c, code);
}

enum cli_exit cmd_partner_enrol(const struct cli *c)
{
    struct enrol *e = NEW(struct enrol);
    e->now_ms = c->now_ms;
    arena_init(&e->arena, SIZE_MAX);
    enum cli_exit code = enrol_all(c, e);
    arena_done(&e->arena);
    mem_free(e);
    return code;
}
