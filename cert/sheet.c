#include "cert/sheet.h"

#include "base/when.h"
#include "cert/fetch.h"

#include <stdio.h>

enum { HOSTS_MAX = 64, CELL_MAX = 256 * 1024, DAY_BYTES = 10 };

const char *sheet_state_name(enum sheet_state s)
{
    static const char *const names[] = { "current", "next", "deprecated" };
    ASSERT((size_t)s < COUNTOF(names));
    return names[s];
}

struct span sheet_root(const struct sheet_entry *e)
{
    const struct cert_info *top = &e->chain.item[e->verdict.path[e->verdict.n_path - 1]];
    if (e->verdict.anchor)
        return e->verdict.anchor->cn.n > 0 ? e->verdict.anchor->cn : e->verdict.anchor->subject;
    if (top->self_signed)
        return top->cn.n > 0 ? top->cn : top->subject;
    return top->issuer_cn.n > 0 ? top->issuer_cn : top->issuer;
}

/* --- hosts --- */

static void add_host(struct span url, struct arena *a, struct cert_list *to)
{
    struct buf text;
    if (to->n == HOSTS_MAX || !fetch_url_ok(url))
        return;
    buf_init(&text, (size_t)2 * CERT_URL_BYTES_MAX);
    buf_put(&text, fetch_url_host(url));
    buf_put(&text, SPAN(":"));
    buf_put(&text, fetch_url_port(url));
    for (unsigned i = 0; i < to->n; i++)
        if (span_eq_nocase(to->item[i], buf_span(&text)))
            buf_clear(&text);
    if (text.n > 0)
        to->item[to->n++] = arena_span(a, buf_span(&text));
    buf_done(&text);
}

static void add_hosts(const struct cert_list *urls, struct arena *a, struct cert_list *to)
{
    for (unsigned i = 0; i < urls->n; i++)
        add_host(urls->item[i], a, to);
}

struct cert_list sheet_hosts(const struct sheet_entry *e, struct arena *a)
{
    struct cert_list ret = { .item = ARENA_ARRAY(a, struct span, HOSTS_MAX) };
    for (unsigned i = 0; i < e->chain.n; i++) {
        const struct cert_info *c = &e->chain.item[i];
        if (c->self_signed)
            continue;
        add_hosts(&c->ocsp, a, &ret);
        add_hosts(&c->crl, a, &ret);
        add_hosts(&c->ca_issuers, a, &ret);
    }
    return ret;
}

/* --- cells --- */

static void put_day(int64_t ms, struct buf *out)
{
    char text[WHEN_BYTES_MAX];
    if (ms <= 0)
        buf_put(out, SPAN("-"));
    else
        buf_put(out, span_head(span_z(when_rfc3339(ms, text)), DAY_BYTES));
}

static void put_list(const struct cert_list *l, struct buf *out)
{
    for (unsigned i = 0; i < l->n; i++) {
        buf_put(out, i > 0 ? SPAN(", ") : SPAN_NONE);
        if (buf_append(out, l->item[i]) != ERR_OK || buf_room(out) < CERT_TEXT_MAX)
            return;
    }
}

static void put_span_of_days(int64_t from_ms, int64_t until_ms, struct buf *out)
{
    put_day(from_ms, out);
    buf_put(out, SPAN(" to "));
    put_day(until_ms, out);
}

enum row {
    ROW_STATE,
    ROW_USED_FOR,
    ROW_USED,
    ROW_ROOT,
    ROW_NAME,
    ROW_ORGANISATION,
    ROW_UNIT,
    ROW_KEY,
    ROW_NAMES,
    ROW_ISSUER,
    ROW_VALID,
    ROW_SERIAL,
    ROW_SPKI,
    ROW_SHA256,
    ROW_SHA1,
    ROW_ROOT_SHA256,
    ROW_USAGE,
    ROW_HOSTS,
    ROW_COUNT_
};

static const char *const row_names[ROW_COUNT_] = {
    [ROW_STATE] = "State",
    [ROW_USED_FOR] = "Used for",
    [ROW_USED] = "In use",
    [ROW_ROOT] = "Certificate authority root issuer",
    [ROW_NAME] = "Certificate name",
    [ROW_ORGANISATION] = "Organisation",
    [ROW_UNIT] = "Organisational unit",
    [ROW_KEY] = "Key strength",
    [ROW_NAMES] = "Names",
    [ROW_ISSUER] = "Issuer",
    [ROW_VALID] = "Valid",
    [ROW_SERIAL] = "Serial number",
    [ROW_SPKI] = "SHA-256 of the public key (SPKI)",
    [ROW_SHA256] = "SHA-256 fingerprint",
    [ROW_SHA1] = "SHA-1 fingerprint",
    [ROW_ROOT_SHA256] = "SHA-256 fingerprint of the root",
    [ROW_USAGE] = "Extended key usage",
    [ROW_HOSTS] = "Hosts that a firewall has to allow",
};

static void put_hosts(const struct sheet_entry *e, struct buf *out)
{
    struct arena a;
    arena_init(&a, (size_t)HOSTS_MAX * 4 * CERT_URL_BYTES_MAX);
    struct cert_list hosts = sheet_hosts(e, &a);
    put_list(&hosts, out);
    arena_done(&a);
}

static void put_cell(const struct sheet_entry *e, enum row row, struct buf *out)
{
    const struct cert_info *c = &e->chain.item[0];
    switch (row) {
    case ROW_STATE:
        buf_put(out, span_z(sheet_state_name(e->state)));
        return;
    case ROW_USED_FOR:
        buf_put(out, e->used_for);
        return;
    case ROW_USED:
        put_span_of_days(e->from_ms, e->until_ms, out);
        return;
    case ROW_ROOT:
        buf_put(out, sheet_root(e));
        return;
    case ROW_NAME:
        buf_put(out, c->cn);
        return;
    case ROW_ORGANISATION:
        buf_put(out, c->o);
        return;
    case ROW_UNIT:
        buf_put(out, c->ou);
        return;
    case ROW_KEY:
        buf_put(out, c->key);
        return;
    case ROW_NAMES:
        put_list(&c->dns, out);
        return;
    case ROW_ISSUER:
        buf_put(out, c->issuer);
        return;
    case ROW_VALID:
        put_span_of_days(c->from_ms, c->until_ms, out);
        return;
    case ROW_SERIAL:
        buf_put(out, c->serial);
        return;
    case ROW_SPKI:
        cert_hex(c->spki, sizeof c->spki, out);
        return;
    case ROW_SHA256:
        cert_hex(c->sha256, sizeof c->sha256, out);
        return;
    case ROW_SHA1:
        cert_hex(c->sha1, sizeof c->sha1, out);
        return;
    case ROW_ROOT_SHA256:
        if (e->verdict.anchor)
            cert_hex(e->verdict.anchor->sha256, CERT_SHA256, out);
        return;
    case ROW_USAGE:
        buf_put(out, c->usage == CERT_USAGE_ABSENT ? SPAN("unrestricted") : c->usage_text);
        return;
    case ROW_HOSTS:
        put_hosts(e, out);
        return;
    case ROW_COUNT_:
        break;
    }
    ASSERT(!"a row that is none");
}

/* --- text --- */

enum err sheet_text(const struct sheet *s, struct buf *out)
{
    char date[WHEN_BYTES_MAX];
    struct buf cell;
    enum err e = buf_addf(out, "Certificates of %.*s\nmade %.10s from the certificates in use\n",
                          SPAN_ARG(s->title), when_rfc3339(s->now_ms, date));
    buf_init(&cell, CELL_MAX);
    for (unsigned i = 0; i < s->n && e == ERR_OK; i++) {
        e = buf_addc(out, '\n');
        for (unsigned row = 0; row < ROW_COUNT_ && e == ERR_OK; row++) {
            buf_clear(&cell);
            put_cell(&s->entry[i], (enum row)row, &cell);
            e = buf_addf(out, "%-34s %s\n", row_names[row], cell.n > 0 ? buf_z(&cell) : "(empty)");
        }
    }
    buf_done(&cell);
    return e;
}

/* --- HTML --- */

/* A page that is being written: markup only by page_tag, from literals of ours; all else by
 * page_text, which escapes. Once out of room, nothing more is written. */
struct page {
    struct buf *out;
    enum err e;
};

static void page_tag(struct page *p, const char *literal)
{
    if (p->e == ERR_OK)
        p->e = buf_append(p->out, span_z(literal));
}

static void page_text(struct page *p, struct span text)
{
    static const char *const escapes[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"
    };
    for (size_t i = 0; i < text.n && p->e == ERR_OK; i++) {
        const char *escape = escapes[(unsigned char)text.p[i]];
        p->e = escape ? buf_append(p->out, span_z(escape)) : buf_addc(p->out, text.p[i]);
    }
}

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
    "body { font: 1rem/1.45 sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }\n"
    "table { border-collapse: collapse; width: 100%; }\n"
    "th, td { border: 1px solid #999; padding: .4rem .6rem; text-align: left; "
    "vertical-align: top; overflow-wrap: anywhere; }\n"
    "tbody th { width: 16rem; font-weight: 600; }\n"
    ".deprecated { color: #555; background: #f2f2f2; }\n"
    ".next { background: #eef5ff; }\n"
    "@media print { body { margin: 0; max-width: none; font-size: 9pt; } }\n"
    "</style>\n<title>";

static void page_row(struct page *p, const struct sheet *s, enum row row, struct buf *cell)
{
    static const char *const open[] = { [SHEET_CURRENT] = "<td class=\"current\">",
                                        [SHEET_NEXT] = "<td class=\"next\">",
                                        [SHEET_DEPRECATED] = "<td class=\"deprecated\">" };
    page_tag(p, "<tr><th scope=\"row\">");
    page_text(p, span_z(row_names[row]));
    page_tag(p, "</th>");
    for (unsigned i = 0; i < s->n; i++) {
        buf_clear(cell);
        put_cell(&s->entry[i], row, cell);
        page_tag(p, open[s->entry[i].state]);
        page_text(p, buf_span(cell));
        page_tag(p, "</td>");
    }
    page_tag(p, "</tr>\n");
}

enum err sheet_html(const struct sheet *s, struct buf *out)
{
    char date[WHEN_BYTES_MAX];
    struct page p = { out, ERR_OK };
    struct buf cell;
    buf_init(&cell, CELL_MAX);
    page_tag(&p, page_head);
    page_tag(&p, "Certificates of ");
    page_text(&p, s->title);
    page_tag(&p, "</title>\n</head>\n<body>\n<h1>Certificates of ");
    page_text(&p, s->title);
    page_tag(&p, "</h1>\n<p>Made ");
    page_text(&p, span_head(span_z(when_rfc3339(s->now_ms, date)), DAY_BYTES));
    page_tag(&p, " from the certificates in use. Refer to the certificate's name, not to its "
                 "issuer, subject or fingerprint, where you can: those change.</p>\n"
                 "<table>\n<tbody>\n");
    for (unsigned row = 0; row < ROW_COUNT_; row++)
        page_row(&p, s, (enum row)row, &cell);
    page_tag(&p, "</tbody>\n</table>\n</body>\n</html>\n");
    buf_done(&cell);
    return p.e;
}
