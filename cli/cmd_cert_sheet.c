/* postern cert sheet: what partners have to know of our certificates (R31-R34). */
#include "cert/sheet.h"
#include "cli/cert_file.h"
#include "cli/cert_places.h"
#include "cli/cert_text.h"
#include "mail/clean.h"

enum sheet_format { FORMAT_TEXT, FORMAT_HTML, FORMAT_JSON };

/* One run of the command. */
struct run {
    const struct cli *c;
    enum sheet_format format;
    struct arena arena;
    struct cert_chain store;
    struct cert_places places;
    struct sheet_entry entry[SHEET_ENTRIES_MAX];
    struct sheet sheet;
};

/* Listeners' certificates are everybody's; what connectors show is the organisation's. */
static bool is_wanted(const struct run *r, const struct cert_place *p)
{
    if (p->kind == PLACE_SERVED)
        return true;
    return p->kind == PLACE_SHOWN && r->c->args->org.n > 0 &&
           span_eq_nocase(r->c->args->org, p->org);
}

/* ERR_SYNTAX: one cannot be read, and a sheet without it would be wrong. */
static enum err add(struct run *r, const struct cert_place *p, struct why *why)
{
    if (p->chain.n == 0) {
        why_set(why, "%.*s", SPAN_ARG(p->why));
        return ERR_SYNTAX;
    }
    if (r->sheet.n == SHEET_ENTRIES_MAX) {
        why_set(why, "more than %d certificates: too many for one sheet", SHEET_ENTRIES_MAX);
        return ERR_TOO_BIG;
    }
    struct sheet_entry *e = &r->entry[r->sheet.n++];
    *e = (struct sheet_entry){ .state = p->state,
                               .used_for = p->label,
                               .from_ms = p->from_ms,
                               .until_ms = p->until_ms,
                               .chain = p->chain };
    cert_judge(&p->chain, &r->store, r->c->now_ms, &r->arena, &e->verdict);
    return ERR_OK;
}

static struct span clean_org(struct run *r)
{
    struct span org = r->c->args->org;
    struct buf text;
    buf_init(&text, CLEAN_GROWTH * org.n);
    clean_text(org, &text);
    struct span s = arena_span(&r->arena, buf_span(&text));
    buf_done(&text);
    return s;
}

static enum err gather(struct run *r, struct why *why)
{
    for (int state = SHEET_CURRENT; state <= SHEET_DEPRECATED; state++) {
        for (unsigned i = 0; i < r->places.n; i++) {
            const struct cert_place *p = &r->places.item[i];
            if ((int)p->state == state && is_wanted(r, p))
                TRY(add(r, p, why));
        }
    }
    r->sheet.entry = r->entry;
    r->sheet.now_ms = r->c->now_ms;
    r->sheet.title = r->c->args->org.n > 0 ? clean_org(r) : r->places.hostname;
    if (r->sheet.n > 0)
        return ERR_OK;
    why_set(why, "the configuration names no certificate for this sheet");
    return ERR_NOT_FOUND;
}

/* --- JSON --- */

static void put_hosts(struct run *r, const struct sheet_entry *e, struct ctl *to)
{
    struct cert_list hosts = sheet_hosts(e, &r->arena);
    ctl_array(to, "hosts");
    for (unsigned i = 0; i < hosts.n; i++)
        ctl_set(ctl_add(to, "hosts"), "host", hosts.item[i]);
}

static void put_entry(struct run *r, const struct sheet_entry *e, struct ctl *to)
{
    ctl_set(to, "state", span_z(sheet_state_name(e->state)));
    ctl_set(to, "used_for", e->used_for);
    ctl_set_num(to, "used_from", e->from_ms);
    ctl_set_num(to, "used_until", e->until_ms);
    ctl_set(to, "root", sheet_root(e));
    put_hosts(r, e, to);
    verdict_json(&e->verdict, r->c->now_ms, ctl_object(to, "chain"));
    cert_json(&e->chain.item[0], r->c->now_ms, ctl_object(to, "certificate"));
    ctl_array(to, "intermediates");
    for (unsigned i = 1; i < e->chain.n; i++)
        cert_json(&e->chain.item[i], r->c->now_ms, ctl_add(to, "intermediates"));
}

static enum cli_exit show_json(struct run *r)
{
    struct ctl *out = ctl_new();
    ctl_set_bool(out, "ok", true);
    ctl_set_num(out, "sheet_version", 1);
    ctl_set(out, "title", r->sheet.title);
    ctl_set_num(out, "made", r->sheet.now_ms);
    ctl_array(out, "entries");
    for (unsigned i = 0; i < r->sheet.n; i++)
        put_entry(r, &r->entry[i], ctl_add(out, "entries"));
    enum cli_exit code = cli_json(out, CLI_OK);
    ctl_free(out);
    return code;
}

static enum cli_exit show(struct run *r)
{
    struct buf text;
    if (r->format == FORMAT_JSON)
        return show_json(r);
    buf_init(&text, SHEET_BYTES_MAX);
    enum err e =
        r->format == FORMAT_HTML ? sheet_html(&r->sheet, &text) : sheet_text(&r->sheet, &text);
    enum cli_exit code = CLI_FAILED;
    if (e == ERR_OK)
        code = cli_print(&text, CLI_OK);
    else
        out_complain("the sheet is over %d MiB", SHEET_BYTES_MAX >> 20);
    buf_done(&text);
    return code;
}

static enum cli_exit run_sheet(struct run *r)
{
    struct why why = { "" };
    enum cli_exit code = CLI_FAILED;
    if (cert_places_read(cli_config(r->c), &r->arena, &r->places, &why) != ERR_OK) {
        code = CLI_CONFIG;
    } else if (cert_file_store(r->c->args, &r->arena, &r->store, &why) == ERR_OK) {
        if (r->c->args->store.n == 0)
            cert_places_trust(&r->places, &r->arena, &r->store);
        if (gather(r, &why) == ERR_OK)
            return show(r);
    }
    out_complain("%s", why.text);
    return code;
}

static bool read_format(const struct args *a, enum sheet_format *ret)
{
    static const char *const names[] = { "text", "html", "json" };
    *ret = a->json ? FORMAT_JSON : FORMAT_TEXT;
    if (a->format.n == 0)
        return true;
    for (unsigned i = 0; i < COUNTOF(names); i++) {
        if (!span_eq(a->format, span_z(names[i])))
            continue;
        *ret = (enum sheet_format)i;
        return !a->json || *ret == FORMAT_JSON;
    }
    return false;
}

enum cli_exit cmd_cert_sheet(const struct cli *c)
{
    struct run *r = NEW(struct run);
    r->c = c;
    enum cli_exit code;
    arena_init(&r->arena, SIZE_MAX);
    if (c->args->n_word > 0)
        code = cli_usage("cert sheet takes no words");
    else if (!read_format(c->args, &r->format))
        code = cli_usage("--format wants text, html or json");
    else
        code = run_sheet(r);
    arena_done(&r->arena);
    mem_free(r);
    return code;
}
