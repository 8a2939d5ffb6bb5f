#include "cli/enrol.h"

#include "base/when.h"
#include "cli/fact_sheet.h"
#include "gate/config.h"
#include "gate/control_connector.h"
#include "sys/replace.h"

#include <limits.h>

enum { LINE_MAX_BYTES = 4096, DAY_BYTES = sizeof "2026-12-31" - 1 };

/* --- values --- */

static void row_list(struct ctl *to, const char *key, const char *label, const struct span *item,
                     unsigned n)
{
    struct buf text;
    buf_init(&text, SHEET_VALUE_MAX);
    for (unsigned i = 0; i < n && buf_room(&text) > 256 + 2; i++) {
        buf_put(&text, i > 0 ? SPAN(", ") : SPAN_NONE);
        buf_put(&text, span_head(item[i], item[i].n < 256 ? item[i].n : 256));
    }
    sheet_row(to, key, label, buf_span(&text));
    buf_done(&text);
}

static void row_day(struct ctl *to, const char *key, const char *label, int64_t wall_ms)
{
    char day[WHEN_BYTES_MAX];
    sheet_row(to, key, label, span_of(when_rfc3339(wall_ms, day), DAY_BYTES));
}

static void rows_certificate(struct ctl *to, const struct tls_certificate *x)
{
    sheet_row(to, "subject", "Subject", x->subject);
    sheet_row(to, "issuer", "Issuer", x->issuer);
    sheet_row(to, "names", "Names", x->names);
    row_day(to, "from", "Valid from", x->from_ms);
    row_day(to, "until", "Valid until", x->until_ms);
    sheet_row(to, "serial", "Serial", x->serial);
    sheet_row(to, "sha256", "SHA-256 fingerprint", x->sha256);
    sheet_row(to, "spki", "SHA-256 of the key (SPKI)", x->spki);
}

/* The base name: the partner has no use for our folders. */
static struct span base_of(struct span path)
{
    size_t slash = span_rfind(path, '/');
    return slash < path.n ? span_tail(path, slash + 1) : path;
}

/* --- about us --- */

static void rows_ports(struct ctl *to, const struct config *c)
{
    static const char *const words[] = { [LISTEN_STARTTLS] = "STARTTLS",
                                         [LISTEN_IMPLICIT] = "TLS from the first byte",
                                         [LISTEN_NO_TLS] = "no TLS" };
    struct buf text;
    buf_init(&text, LINE_MAX_BYTES);
    for (unsigned i = 0; i < c->n_listen; i++) {
        const struct listen_config *l = &c->listen[i];
        if (ip_is_loopback(&l->ip) && c->n_listen > 1)
            continue;
        bool none = !(l->smtpd.exts & EXT_STARTTLS) && l->tls != LISTEN_IMPLICIT;
        buf_putf(&text, "%s%u, %s", text.n > 0 ? "; " : "", l->ip.port,
                 words[none ? LISTEN_NO_TLS : l->tls]);
    }
    sheet_row(to, "ports", "Ports", buf_span(&text));
    buf_done(&text);
}

static void section_file(struct ctl *sheet, const char *title, const char *text, struct span file)
{
    struct arena a;
    struct buf pem;
    struct tls_certificate x;
    arena_init(&a, SIZE_MAX);
    buf_init(&pem, TLS_MAKE_PEM_MAX);
    const struct config_source disk = config_source_disk(NULL);
    if (disk.read(disk.arg, file, &pem, NULL) == ERR_OK &&
        tls_certificate_read(buf_span(&pem), &a, &x, NULL) == ERR_OK)
        rows_certificate(sheet_section(sheet, title, text), &x);
    if (pem.p)
        explicit_bzero(pem.p, pem.cap); /* some keep the key in the same file */
    buf_done(&pem);
    arena_done(&a);
}

static const struct org *org_of(const struct enrol *e, const struct config *c)
{
    const struct org *org = org_by_name(c->orgs, e->org);
    ASSERT(org);
    return org;
}

static void sections_us(struct ctl *sheet, const struct enrol *e, const struct config *c)
{
    const struct org *org = org_of(e, c);
    struct ctl *us = sheet_section(sheet, "Our side", "");
    sheet_row(us, "organisation", "Organisation", org->name);
    sheet_row(us, "hostname", "Host", c->hostname);
    rows_ports(us, c);
    row_list(us, "domains", "Our domains", org->domain, org->n_domain);
    sheet_row(us, "contact", "Whom to ask", org->owner);
    for (unsigned i = 0; i < c->n_chain_file; i++)
        section_file(sheet, "The certificate of our servers",
                     "What you see when you send to us. Check its names against the host.",
                     c->chain_file[i]);
    for (unsigned i = 0; i < c->n_identity; i++)
        if (c->identity[i].org == org && span_eq(c->identity[i].label, e->certificate))
            section_file(sheet, "The certificate that we show as a client",
                         "What you see when we send to you, if your server asks.",
                         c->identity[i].file);
}

/* --- about the partner --- */

static void rows_demands(struct ctl *to, const struct enrol *e, const struct config *c)
{
    struct ctl *all = ctl_new();
    const struct connectors_ask ask = {
        .org = e->org, .now_ms = e->now_ms, .limit = UINT32_MAX, .asker = { .all = true }
    };
    enum err bad = connectors_put(c, &ask, all);
    for (size_t i = 0; bad == ERR_OK && i < ctl_count(all, "connectors"); i++) {
        const struct ctl *k = ctl_at(all, "connectors", i);
        bool in = span_eq(ctl_get(k, "direction"), SPAN("inbound"));
        if (!span_eq_nocase(ctl_get(k, "name"), e->name))
            continue;
        sheet_row(to, in ? "inbound" : "outbound",
                  in ? "When you send to us" : "When we send to you", ctl_get(k, "demands"));
        sheet_row(to, in ? "inbound_mode" : "outbound_mode", "  at present", ctl_get(k, "mode"));
    }
    ctl_free(all);
}

static void sections_you(struct ctl *sheet, const struct enrol *e, const struct config *c)
{
    struct ctl *you = sheet_section(
        sheet, "What we demand",
        "In mode test mail passes either way and we see what would be refused; in mode enforce it "
        "is refused. We say beforehand when we change to enforce.");
    row_list(you, "domains", "Your domains", e->domain, e->n_domain);
    row_list(you, "hosts", "Your servers", e->host, e->n_host);
    rows_demands(you, e, c);
    struct ctl *shown = sheet_section(
        sheet, "The certificate that you show",
        "We issued it. Show it as a client whenever you send to us. Our authority may sign for "
        "your domains and no others, and nobody but us has to trust it.");
    sheet_row(shown, "file", "File", base_of(e->certificate_path));
    sheet_row(shown, "key_file", "Its key", base_of(e->key_path));
    rows_certificate(shown, &e->issued);
    sheet_row(shown, "ca_sha256", "Authority, SHA-256", e->ca.sha256);
    row_day(shown, "ca_until", "Authority, valid until", e->ca.until_ms);
}

/* Where others come in: the first listener with STARTTLS that is not for this machine alone. */
static uint16_t door_of(const struct config *c)
{
    for (unsigned i = 0; i < c->n_listen; i++)
        if ((c->listen[i].smtpd.exts & EXT_STARTTLS) && !ip_is_loopback(&c->listen[i].ip))
            return c->listen[i].ip.port;
    return 25;
}

static void section_test(struct ctl *sheet, const struct enrol *e, const struct config *c)
{
    const struct org *org = org_of(e, c);
    struct ctl *test = sheet_section(sheet, "How to test", "");
    struct buf text;
    struct span host = c->hostname, pem = base_of(e->certificate_path), key = base_of(e->key_path);
    buf_init(&text, LINE_MAX_BYTES);
    buf_putf(&text,
             "openssl s_client -starttls smtp -connect %.*s:%u -cert %.*s -key %.*s "
             "-verify_hostname %.*s -verify_return_error",
             SPAN_ARG(host), door_of(c), SPAN_ARG(pem),
             SPAN_ARG(key.n > 0 ? key : SPAN("YOUR.key")), SPAN_ARG(host));
    sheet_row(test, "channel", "The channel", buf_span(&text));
    buf_clear(&text);
    if (org->n_domain > 0 && org->domain[0].n < 256)
        buf_putf(&text, "a message to postmaster@%.*s",
                 SPAN_ARG(span_starts(org->domain[0], SPAN("*.")) ? span_tail(org->domain[0], 2)
                                                                  : org->domain[0]));
    sheet_row(test, "mail", "Mail", buf_span(&text));
    sheet_row(test, "reply_454", "454 4.7.0",
              SPAN("no TLS, too old a version, or a certificate that does not chain or is over"));
    sheet_row(test, "reply_550", "550 5.7.51",
              SPAN("no certificate, or one that is not the one above; the reply says which"));
    buf_done(&text);
}

/* --- the whole --- */

struct ctl *enrol_sheet(const struct enrol *e, const struct config *config)
{
    struct ctl *sheet = ctl_new();
    struct buf title;
    char now[WHEN_BYTES_MAX];
    buf_init(&title, LINE_MAX_BYTES);
    buf_putf(&title, "Secure mail between %.*s and %.*s", SPAN_ARG(config->hostname),
             SPAN_ARG(e->domain[0]));
    ctl_set(sheet, "title", buf_span(&title));
    ctl_set(sheet, "made", span_z(when_rfc3339(e->now_ms, now)));
    buf_done(&title);
    sections_us(sheet, e, config);
    sections_you(sheet, e, config);
    section_test(sheet, e, config);
    return sheet;
}

static enum err write_as(const struct enrol *e, const char *name, const struct ctl *sheet,
                         enum err (*print)(const struct ctl *c, struct buf *out), struct why *why)
{
    struct buf path, text;
    buf_init(&path, PATH_MAX);
    buf_init(&text, SHEET_TEXT_MAX);
    enum err bad = buf_addf(&path, "%.*s/%s", SPAN_ARG(e->folder), name);
    if (bad == ERR_OK)
        bad = print(sheet, &text);
    if (bad == ERR_OK)
        bad = file_put(buf_z(&path), 0644, buf_span(&text), why);
    else
        why_set(why, "%s: too long", name);
    buf_done(&path);
    buf_done(&text);
    return bad;
}

enum err enrol_sheet_write(const struct enrol *e, const struct ctl *sheet, struct why *why)
{
    TRY(write_as(e, "sheet.txt", sheet, fact_sheet_text, why));
    TRY(write_as(e, "sheet.html", sheet, fact_sheet_html, why));
    return write_as(e, "sheet.json", sheet, ctl_print_pretty, why);
}
