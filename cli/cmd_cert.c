/* postern cert list, cert show: the certificates that the configuration names. */
#include "cli/cert_file.h"
#include "cli/cert_places.h"
#include "cli/cert_text.h"

#include "gate/config.h"

enum { SHORT_DIGEST = 16 };

/* One run of a command. */
struct run {
    const struct cli *c;
    struct arena arena;
    struct cert_chain store;
    struct cert_places places;
    struct cert_verdict **verdict; /* of each place; NULL: not judged yet */
};

typedef enum cli_exit run_fn(struct run *r);

/* files_too: a file can be shown where there is no configuration at all. */
static enum err read_places(struct run *r, bool files_too, struct why *why)
{
    struct why missing = { "" };
    enum err e = cert_places_read(cli_config(r->c), &r->arena, &r->places, &missing);
    if (e == ERR_NOT_FOUND && files_too && r->c->args->config.n == 0)
        return ERR_OK;
    if (e != ERR_OK)
        *why = missing;
    return e;
}

static enum cli_exit with_places(const struct cli *c, run_fn *fn)
{
    struct run r = { .c = c };
    struct why why = { "" };
    enum cli_exit code = CLI_FAILED;
    arena_init(&r.arena, SIZE_MAX); /* all of it comes from files of the operator's */
    if (read_places(&r, c->args->n_word == 1, &why) != ERR_OK) {
        code = CLI_CONFIG;
    } else if (cert_file_store(c->args, &r.arena, &r.store, &why) == ERR_OK) {
        if (c->args->store.n == 0)
            cert_places_trust(&r.places, &r.arena, &r.store);
        code = fn(&r);
    }
    if (why.text[0] != '\0')
        out_complain("%s", why.text);
    arena_done(&r.arena);
    return code;
}

/* Of anchors: the one that ends first. */
static const struct cert_info *first_to_end(const struct cert_place *p)
{
    const struct cert_info *c = &p->chain.item[0];
    for (unsigned i = 1; p->kind == PLACE_ANCHORS && i < p->chain.n; i++)
        if (p->chain.item[i].until_ms < c->until_ms)
            c = &p->chain.item[i];
    return c;
}

/* Judged once: it is dear. NULL: anchors, or nothing to judge. */
static const struct cert_verdict *judge(struct run *r, const struct cert_place *p)
{
    size_t i = (size_t)(p - r->places.item);
    if (p->kind == PLACE_ANCHORS || p->chain.n == 0)
        return NULL;
    if (!r->verdict)
        r->verdict = ARENA_ARRAY(&r->arena, struct cert_verdict *, r->places.n);
    if (!r->verdict[i]) {
        r->verdict[i] = ARENA_NEW(&r->arena, struct cert_verdict);
        cert_judge(&p->chain, &r->store, r->c->now_ms, &r->arena, r->verdict[i]);
    }
    return r->verdict[i];
}

/* What it is used for and does not allow; empty: nothing. */
static struct span usage_note(const struct cert_place *p)
{
    const unsigned any = CERT_USAGE_ANY | CERT_USAGE_ABSENT;
    if (p->chain.n == 0 || p->kind == PLACE_ANCHORS)
        return SPAN_NONE;
    if (p->kind == PLACE_SERVED && !(p->chain.item[0].usage & (any | CERT_USAGE_SERVER)))
        return SPAN("is not for servers (extended key usage): clients that check will refuse it");
    if (p->kind == PLACE_SHOWN && !(p->chain.item[0].usage & (any | CERT_USAGE_CLIENT)))
        return SPAN("is not for clients (extended key usage): partners that check will refuse it");
    return SPAN_NONE;
}

/* What an operator has to do something about now. A root that our own store lacks is no fault of a
 * certificate: partners may have it. */
static bool is_bad(struct run *r, const struct cert_place *p)
{
    if (p->chain.n == 0)
        return true;
    if (p->state != SHEET_CURRENT)
        return false;
    if (p->kind == PLACE_ANCHORS)
        return first_to_end(p)->until_ms <= r->c->now_ms && p->chain.n == 1;
    const struct cert_verdict *v = judge(r, p);
    return v->trust == CERT_BAD || v->trust == CERT_MISSING || v->until_ms <= r->c->now_ms ||
           v->weak.n > 0 || !v->ordered || (p->kind == PLACE_SERVED && usage_note(p).n > 0);
}

/* --- list --- */

static bool is_of_org(const struct run *r, const struct cert_place *p)
{
    return r->c->args->org.n == 0 || span_eq_nocase(r->c->args->org, p->org);
}

static void add_names(struct table *t, const struct cert_place *p, const struct cert_info *c)
{
    if (p->kind == PLACE_ANCHORS && p->chain.n > 1)
        table_addf(t, "%u anchors", p->chain.n);
    else if (c->dns.n > 1)
        table_addf(t, "%.*s and %u more", (int)(c->dns.item[0].n < 200 ? c->dns.item[0].n : 200),
                   c->dns.item[0].p, c->dns.n - 1);
    else
        table_add(t, c->dns.n == 1 ? c->dns.item[0] : cert_title(c));
}

static void add_row(struct run *r, struct table *t, const struct cert_place *p)
{
    char date[DATE_TEXT_MAX], left[OUT_TEXT_MAX];
    struct buf digest;
    table_add(t, p->label);
    table_add(t, span_z(place_kind_name(p->kind)));
    table_add(t, p->kind == PLACE_ANCHORS ? SPAN("-") : span_z(sheet_state_name(p->state)));
    if (p->chain.n == 0) {
        for (unsigned i = 0; i < 5; i++)
            table_add(t, SPAN("?"));
        table_add(t, p->why);
        return;
    }
    const struct cert_info *c = first_to_end(p);
    buf_init(&digest, (size_t)2 * CERT_SHA256);
    cert_hex(c->spki, CERT_SHA256, &digest);
    add_names(t, p, c);
    table_add(t, c->key);
    table_addf(t, "%s, %s", date_text(c->until_ms, date),
               ends_text(c->until_ms, r->c->now_ms, left));
    const struct cert_verdict *v = judge(r, p);
    table_add(t, v ? span_z(cert_trust_name(v->trust)) : SPAN("-"));
    table_add(t, span_head(buf_span(&digest), SHORT_DIGEST));
    table_add(t, p->path);
    buf_done(&digest);
}

static void put_usage(const struct cert_place *p, struct buf *out)
{
    if (usage_note(p).n == 0)
        return;
    buf_putf(out, "  %-20s ", "usage");
    buf_put(out, usage_note(p));
    buf_put(out, SPAN("\n"));
}

static void put_problem(struct run *r, const struct cert_place *p, struct buf *out)
{
    const struct cert_verdict *v = judge(r, p);
    if (!v)
        return;
    out_clean(p->label, out);
    buf_put(out, SPAN(" ("));
    out_clean(p->path, out);
    buf_put(out, SPAN("):\n"));
    verdict_text(&p->chain, v, r->c->now_ms, out);
    put_usage(p, out);
}

static enum cli_exit list_text(struct run *r)
{
    static const char *const head[] = { "LABEL", "KIND",  "STATE", "NAMES", "KEY",
                                        "UNTIL", "CHAIN", "SPKI",  "FILE" };
    struct table t;
    struct buf text;
    enum cli_exit code = CLI_OK;
    buf_init(&text, OUT_BYTES_MAX);
    table_init(&t, head, COUNTOF(head));
    for (unsigned i = 0; i < r->places.n; i++)
        if (is_of_org(r, &r->places.item[i]))
            add_row(r, &t, &r->places.item[i]);
    table_print(&t, "", &text);
    for (unsigned i = 0; i < r->places.n; i++) {
        const struct cert_place *p = &r->places.item[i];
        bool bad = is_of_org(r, p) && is_bad(r, p);
        if (bad || (is_of_org(r, p) && usage_note(p).n > 0))
            put_problem(r, p, &text);
        code = bad ? CLI_FAILED : code;
    }
    if (t.n == 0) {
        buf_put(&text, SPAN("the configuration names no certificate\n"));
        code = CLI_FAILED;
    }
    code = cli_print(&text, code);
    table_done(&t);
    buf_done(&text);
    return code;
}

static void put_json(struct run *r, const struct cert_place *p, struct ctl *to)
{
    const struct cert_verdict *v = judge(r, p);
    ctl_set(to, "label", p->label);
    ctl_set(to, "kind", span_z(place_kind_name(p->kind)));
    ctl_set(to, "state", span_z(sheet_state_name(p->state)));
    ctl_set(to, "organisation_of", p->org);
    ctl_set(to, "used_by", p->used_by);
    ctl_set(to, "file", p->path);
    ctl_set(to, "at", p->at);
    ctl_set_num(to, "served_from", p->from_ms);
    ctl_set_num(to, "served_until", p->until_ms);
    ctl_set_bool(to, "bad", is_bad(r, p));
    ctl_set(to, "error", p->why);
    ctl_set(to, "usage_note", usage_note(p));
    if (v)
        verdict_json(v, r->c->now_ms, ctl_object(to, "chain"));
    ctl_array(to, "certificates");
    for (unsigned i = 0; i < p->chain.n; i++)
        cert_json(&p->chain.item[i], r->c->now_ms, ctl_add(to, "certificates"));
}

typedef bool select_fn(const struct run *r, const struct cert_place *p);

static enum cli_exit show_json(struct run *r, select_fn *select)
{
    struct ctl *out = ctl_new();
    bool well = true;
    ctl_array(out, "places");
    for (unsigned i = 0; i < r->places.n; i++) {
        if (!select(r, &r->places.item[i]))
            continue;
        put_json(r, &r->places.item[i], ctl_add(out, "places"));
        well &= !is_bad(r, &r->places.item[i]);
    }
    well &= ctl_count(out, "places") > 0;
    ctl_set_bool(out, "ok", well);
    enum cli_exit code = cli_json(out, well ? CLI_OK : CLI_FAILED);
    ctl_free(out);
    return code;
}

static enum cli_exit run_list(struct run *r)
{
    return r->c->args->json ? show_json(r, is_of_org) : list_text(r);
}

enum cli_exit cmd_cert_list(const struct cli *c)
{
    if (c->args->n_word > 0)
        return cli_usage("cert list takes no words");
    return with_places(c, run_list);
}

/* --- show --- */

/* By label, by file, or by digest: never by issuer and subject, which a renewal has, too (P7). */
static bool is_selected(const struct run *r, const struct cert_place *p)
{
    struct span word = r->c->args->word[0];
    if (span_eq(word, p->label) || span_eq(word, p->path))
        return true;
    return p->kind != PLACE_ANCHORS && p->chain.n > 0 && cert_has_digest(&p->chain.item[0], word);
}

static void put_place(struct run *r, const struct cert_place *p, struct buf *out)
{
    const struct cert_verdict *v = judge(r, p);
    out_clean(p->label, out);
    buf_putf(out, ": %s, %s, used by ", place_kind_name(p->kind), sheet_state_name(p->state));
    out_clean(p->used_by, out);
    buf_put(out, SPAN("\n"));
    if (p->chain.has_key)
        buf_putf(out, "  %-20s holds a private key, too: it was not looked at\n", "file");
    if (p->at.n > 0) {
        buf_putf(out, "  %-20s ", "named at");
        out_clean(p->at, out);
        buf_put(out, SPAN("\n"));
    }
    if (v)
        verdict_text(&p->chain, v, r->c->now_ms, out);
    put_usage(p, out);
    for (unsigned i = 0; i < p->chain.n; i++) {
        buf_putf(out, "certificate %u of %u\n", i + 1, p->chain.n);
        cert_text(&p->chain.item[i], r->c->now_ms, out);
    }
    if (p->chain.n > 0)
        return;
    out_clean(p->why, out);
    buf_put(out, SPAN("\n"));
}

static enum cli_exit show_one(struct run *r, const struct cert_place *p)
{
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    put_place(r, p, &text);
    enum cli_exit code = cli_print(&text, is_bad(r, p) ? CLI_FAILED : CLI_OK);
    buf_done(&text);
    return code;
}

/* A file that the configuration does not name is as good. */
static enum cli_exit show_file(struct run *r)
{
    struct cert_place p = { .kind = PLACE_SERVED,
                            .label = r->c->args->word[0],
                            .path = r->c->args->word[0],
                            .used_by = SPAN("nobody: the configuration does not name it") };
    struct why why = { "" };
    if (cert_file_read(p.path, CERT_CHAIN_MAX, &r->arena, &p.chain, &why) != ERR_OK) {
        out_complain("no certificate of the configuration has this label, file or digest; and as a "
                     "file: %s",
                     why.text);
        return CLI_FAILED;
    }
    r->places = (struct cert_places){ .item = &p, .n = 1 };
    r->verdict = NULL;
    return r->c->args->json ? show_json(r, is_selected) : show_one(r, &p);
}

static enum cli_exit refuse_several(struct run *r)
{
    out_complain("several certificates fit; name the file or the digest of the one you mean:");
    for (unsigned i = 0; i < r->places.n; i++) {
        const struct cert_place *p = &r->places.item[i];
        struct buf digest;
        if (!is_selected(r, p))
            continue;
        buf_init(&digest, (size_t)2 * CERT_SHA256);
        if (p->chain.n > 0)
            cert_hex(p->chain.item[0].spki, CERT_SHA256, &digest);
        out_complain("  %.*s %.*s %.*s", SPAN_ARG(p->label), SPAN_ARG(buf_span(&digest)),
                     SPAN_ARG(p->path));
        buf_done(&digest);
    }
    return CLI_FAILED;
}

static enum cli_exit run_show(struct run *r)
{
    const struct cert_place *found = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < r->places.n; i++) {
        if (!is_selected(r, &r->places.item[i]))
            continue;
        found = &r->places.item[i];
        n++;
    }
    if (n == 0)
        return show_file(r);
    if (n > 1)
        return refuse_several(r);
    return r->c->args->json ? show_json(r, is_selected) : show_one(r, found);
}

enum cli_exit cmd_cert_show(const struct cli *c)
{
    if (c->args->n_word != 1)
        return cli_usage("cert show wants one label, file, or beginning of a digest");
    return with_places(c, run_show);
}
