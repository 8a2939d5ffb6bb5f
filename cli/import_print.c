#include "cli/import_draft.h"

#include "cli/out.h"
#include "mail/text.h"

/* A draft in the grammar of docs/connectors.md. Everything from outside is cleaned: a comment of
 * the original must not end a line, a string or a block of ours. */

enum { WIDTH = 96, COMMENT_BYTES_MAX = 250 }; /* cleaned, a byte may become four */

static const char *const weight_names[] = { "remark", "not represented", "off" };

const char *note_weight_name(enum note_weight w)
{
    ASSERT((size_t)w < COUNTOF(weight_names));
    return weight_names[w];
}

/* --- values --- */

/* Of what stands for a blank, a blank; the rest as out_clean shows it; " and \ escaped. */
static void put_string(struct span s, struct buf *out)
{
    struct buf clean;
    buf_init(&clean, DRAFT_TEXT_MAX);
    for (size_t i = 0; i < s.n; i++)
        buf_put(&clean, strchr("\r\n\t", s.p[i]) && s.p[i] ? SPAN(" ") : span_of(s.p + i, 1));
    struct buf shown;
    buf_init(&shown, DRAFT_TEXT_MAX);
    out_clean(span_trim(buf_span(&clean)), &shown);
    buf_put(out, SPAN("\""));
    for (size_t i = 0; i < shown.n; i++) {
        const char *p = buf_span(&shown).p + i;
        if (*p == '"' || *p == '\\')
            buf_put(out, SPAN("\\"));
        buf_put(out, span_of(p, 1));
    }
    buf_put(out, SPAN("\""));
    buf_done(&clean);
    buf_done(&shown);
}

static void put_text(const char *name, struct span value, struct buf *out)
{
    value = text_cut(value, COMMENT_BYTES_MAX);
    for (size_t i = 0; i < value.n; i++) {
        if (strchr(" \r\n\t", value.p[i]) && value.p[i])
            continue;
        buf_putf(out, "        %s = ", name);
        put_string(value, out);
        buf_put(out, SPAN("\n"));
        return;
    }
}

static void put_items(const struct draft_list *l, const char *indent, struct buf *out)
{
    size_t start = out->n;
    buf_put(out, SPAN("["));
    for (unsigned i = 0; i < l->n; i++) {
        bool full = out->n - start > WIDTH - 40;
        if (i > 0)
            buf_put(out, full ? SPAN(",") : SPAN(", "));
        if (full) {
            buf_putf(out, "\n%s    ", indent);
            start = out->n;
        }
        put_string(l->item[i], out);
    }
    buf_put(out, SPAN("]"));
}

static void put_list(const char *name, const struct draft_list *l, struct buf *out)
{
    if (l->n == 0)
        return;
    buf_putf(out, "        %s = ", name);
    put_items(l, "        ", out);
    buf_put(out, SPAN("\n"));
}

static void put_flag(const char *name, bool value, struct buf *out)
{
    if (value)
        buf_putf(out, "        %s = yes\n", name);
}

/* --- connectors --- */

static const char *const tls_names[] = { "opportunistic", "encrypt", "certificate", "domain" };
STATIC_ASSERT(COUNTOF(tls_names) == TLS_NEED_COUNT_);

static void put_inbound(const struct draft_connector *c, struct buf *out)
{
    put_list("from", &c->domain, out);
    put_list("certificate_names", &c->names, out);
    put_flag("wildcards", c->wildcards, out);
    put_list("public_keys", &c->keys, out);
    put_list("addresses", &c->addresses, out);
    put_flag("require_tls", c->require_tls, out);
    put_flag("restrict_to_certificate", c->restrict_certificate, out);
    put_flag("restrict_to_addresses", c->restrict_addresses, out);
    put_flag("trust_headers", c->trust_headers, out);
}

static void put_outbound(const struct draft_connector *c, struct buf *out)
{
    put_list("to", &c->domain, out);
    put_flag("accepted", c->accepted, out);
    put_flag("everything", c->everything, out);
    if (c->by_header)
        buf_putf(out, "        header = [\"X-Route-Via\", \"%.*s\"]\n", SPAN_ARG(c->name));
    put_flag("mx", c->mx, out);
    put_list("smtp", &c->hosts, out);
    buf_putf(out, "        tls = %s\n", tls_names[c->tls]);
    put_list("names", &c->names, out);
    if (c->revocation)
        buf_put(out, SPAN("        revocation = soft\n"));
}

static void put_reasons(const struct draft_connector *c, struct buf *out)
{
    for (const struct draft_note *n = c->note; n; n = n->next_on) {
        if (n->weight != NOTE_OFF)
            continue;
        buf_put(out, SPAN("        # off: "));
        out_clean(n->text, out);
        buf_put(out, SPAN("\n"));
    }
}

static const char *mode_of(const struct draft_connector *c)
{
    return c->off ? "off" : c->test ? "test" : "enforce";
}

static void put_block(const struct draft_connector *c, struct buf *out)
{
    buf_putf(out, "    %s \"%.*s\" {\n", c->outbound ? "outbound" : "inbound", SPAN_ARG(c->name));
    buf_putf(out, "        kind = %s\n", c->on_premises ? "on-premises" : "partner");
    put_reasons(c, out);
    buf_putf(out, "        mode = %s\n", mode_of(c));
    put_text("comment", c->comment, out);
    put_text("created", c->created, out);
    put_text("changed", c->changed, out);
    if (c->outbound)
        put_outbound(c, out);
    else
        put_inbound(c, out);
    if (c->floor == 13)
        buf_put(out, SPAN("        minimum_version = 1.3\n"));
    buf_put(out, SPAN("    }\n"));
}

/* Each line of it as a comment. */
static void put_commented(struct span text, struct buf *out)
{
    while (text.n > 0) {
        struct span line = span_cut(&text, '\n');
        buf_put(out, SPAN("    #"));
        buf_put(out, span_tail(line, span_starts(line, SPAN("    ")) ? 3 : 0));
        buf_put(out, SPAN("\n"));
    }
}

static void put_connector(const struct draft *d, const struct draft_connector *c, struct buf *out)
{
    struct buf block;
    buf_init(&block, DRAFT_TEXT_MAX);
    buf_putf(out, "\n    # %s \"", d->source);
    out_clean(c->title, out);
    buf_put(out, SPAN("\", "));
    out_clean(c->place, out);
    buf_put(out, c->unfit ? SPAN(": no connector of ours, as it stands\n") : SPAN("\n"));
    put_block(c, &block);
    if (c->unfit)
        put_commented(buf_span(&block), out);
    else
        buf_put(out, buf_span(&block));
    buf_done(&block);
}

/* `route "*" { ... }`, as configuration.md has it. */
static void put_route(const struct draft *d, const struct draft_connector *c, struct buf *out)
{
    buf_putf(out, "\n# %s \"", d->source);
    out_clean(c->title, out);
    buf_put(out, SPAN("\", "));
    out_clean(c->place, out);
    buf_put(out, SPAN("\nroute \"*\" { "));
    if (c->hosts.n > 0) {
        buf_put(out, SPAN("smtp = "));
        put_items(&c->hosts, "", out);
    } else {
        buf_put(out, SPAN("mx = yes"));
    }
    buf_putf(out, ", tls = %s }\n", tls_names[c->tls]);
}

static void put_domain(const struct draft_domain *domain, struct buf *out)
{
    if (!domain->kind)
        buf_put(out, SPAN("    # where does its mail go?\n    # "));
    else
        buf_put(out, SPAN("    "));
    buf_put(out, SPAN("domain "));
    put_string(domain->name, out);
    if (!domain->kind) {
        buf_put(out, SPAN(" { smtp = \"...\" }\n"));
        return;
    }
    buf_putf(out, " { %s = ", domain->kind);
    if (domain->hosts.n > 0)
        put_items(&domain->hosts, "    ", out);
    else
        buf_put(out, SPAN("yes"));
    buf_put(out, SPAN(" }\n"));
}

/* --- the whole --- */

static void put_note(const struct draft *d, const struct draft_note *n, struct buf *out)
{
    buf_putf(out, "%s: ", note_weight_name(n->weight));
    if (n->on) {
        buf_putf(out, "%.*s/%.*s (", SPAN_ARG(d->org), SPAN_ARG(n->on->name));
        buf_put(out, n->on->outbound ? SPAN("outbound \"") : SPAN("inbound \""));
        out_clean(n->on->title, out);
        buf_put(out, SPAN("\"): "));
    }
    out_clean(n->text, out);
}

void draft_print_notes(const struct draft *d, const char *indent, struct buf *out)
{
    for (int w = NOTE_OFF; w >= NOTE_REMARK; w--) {
        for (const struct draft_note *n = d->note; n; n = n->next) {
            if ((int)n->weight != w)
                continue;
            buf_put(out, span_z(indent));
            put_note(d, n, out);
            buf_put(out, SPAN("\n"));
        }
    }
}

static void put_head(const struct draft *d, struct buf *out)
{
    unsigned n = 0, lost = draft_losses(d);
    for (const struct draft_connector *c = d->connector; c; c = c->next)
        n++;
    buf_putf(out, "# Imported from %s: %u connector%s, ", d->source, n, n == 1 ? "" : "s");
    if (lost > 0)
        buf_putf(out, "%u thing%s not represented.\n", lost, lost == 1 ? "" : "s");
    else
        buf_put(out, SPAN("everything is represented.\n"));
    if (d->note)
        buf_put(out, SPAN("#\n"));
    draft_print_notes(d, "# ", out);
    buf_put(out, SPAN("\n"));
}

void draft_print(const struct draft *d, struct buf *out)
{
    put_head(d, out);
    buf_putf(out, "organisation \"%.*s\" {\n", SPAN_ARG(d->org));
    if (!d->domain)
        buf_put(out, SPAN("    # add a `domain \"...\" { }` for each accepted domain\n"));
    for (const struct draft_domain *domain = d->domain; domain; domain = domain->next)
        put_domain(domain, out);
    for (const struct draft_connector *c = d->connector; c; c = c->next)
        if (!c->as_route || c->unfit)
            put_connector(d, c, out);
    buf_put(out, SPAN("}\n"));
    for (const struct draft_connector *c = d->connector; c; c = c->next)
        if (c->as_route && !c->unfit)
            put_route(d, c, out);
}
