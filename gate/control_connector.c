/* connector-list: all connectors of all organisations, page by page, in words. Start reading at
 * control_connectors. */
#include "gate/control_connector.h"

#include "gate/control_request.h"
#include "mail/text.h"
#include "policy/select.h"

#include <stdio.h>

enum { WORDS_MAX = 2000, ITEM_MAX = 300, ITEMS_MAX = 8 };

/* --- words --- */

static void put_cut(struct span s, struct buf *out)
{
    size_t room = buf_room(out) < ITEM_MAX ? buf_room(out) : ITEM_MAX;
    text_put(text_cut(s, room), "", true, out);
}

static void put_z(const char *text, struct buf *out)
{
    put_cut(span_z(text), out);
}

/* "a, b and 5 more" */
static void put_list(const struct span *item, unsigned n, struct buf *out)
{
    char more[40];
    for (unsigned i = 0; i < n && i < ITEMS_MAX; i++) {
        put_z(i > 0 ? ", " : "", out);
        put_cut(item[i], out);
    }
    if (n > ITEMS_MAX) {
        (void)snprintf(more, sizeof more, " and %u more", n - ITEMS_MAX);
        put_z(more, out);
    }
}

static void put_networks(const struct in_connector *c, struct buf *out)
{
    char text[IP_TEXT_MAX + 8], ip[IP_TEXT_MAX];
    for (unsigned i = 0; i < c->n_network && i < ITEMS_MAX; i++) {
        (void)snprintf(text, sizeof text, "%s%s/%u", i > 0 ? ", " : "",
                       ip_text(&c->network[i].ip, ip), c->network[i].bits);
        put_z(text, out);
    }
    if (c->n_network > ITEMS_MAX)
        put_z(" and more", out);
}

/* Begins the next of several demands. */
static void put_next(struct buf *out)
{
    put_z(out->n > 0 ? "; " : "", out);
}

static void put_floor(int floor, struct buf *out)
{
    put_z(floor > CONTRACT_FLOOR_MIN ? "TLS 1.3" : "TLS 1.2 or later", out);
}

static const char *revocation_words(enum revocation r)
{
    static const char *const words[] = {
        [REVOCATION_OFF] = "",
        [REVOCATION_SOFT] = ", not known to be revoked",
        [REVOCATION_HARD] = ", known not to be revoked",
    };
    return words[r];
}

/* Whom it knows, whether that is demanded or not. */
static void put_identities(const struct in_connector *c, struct buf *out)
{
    const struct {
        const char *words;
        const struct span *item;
        unsigned n;
    } lists[] = { { "certificate names ", c->names.name, c->names.n },
                  { "public keys ", c->pin, c->n_pin },
                  { "own CAs ", c->anchor, c->n_anchor } };
    for (size_t i = 0; i < COUNTOF(lists); i++) {
        if (lists[i].n == 0)
            continue;
        put_next(out);
        put_z(lists[i].words, out);
        put_list(lists[i].item, lists[i].n, out);
    }
    if (c->n_network == 0)
        return;
    put_next(out);
    put_z("addresses ", out);
    put_networks(c, out);
}

static void put_certificate(const struct in_connector *c, struct buf *out)
{
    put_z("a certificate", out);
    if (c->names.n > 0) {
        put_z(" for ", out);
        put_list(c->names.name, c->names.n, out);
    }
    if (c->n_pin > 0)
        put_z(c->names.n > 0 ? ", or with a listed key" : " with a listed key", out);
    if (c->n_anchor > 0)
        put_z(" of its own authority", out);
    put_z(c->eku_client ? ", meant for clients" : "", out);
    put_z(revocation_words(c->revocation), out);
}

static void put_in_demands(const struct in_connector *c, struct buf *out)
{
    bool own = c->c.kind == CONNECTOR_ON_PREMISES;
    bool shows = c->names.n > 0 || c->n_pin > 0 || c->n_anchor > 0;
    if (c->require_tls)
        put_floor(c->floor, out);
    if (own ? shows : c->restrict_certificate) {
        put_next(out);
        put_certificate(c, out);
    }
    if (own ? c->n_network > 0 : c->restrict_addresses) {
        put_z(own && shows ? ", or " : out->n > 0 ? "; " : "", out);
        put_z("an address in ", out);
        put_networks(c, out);
    }
    if (c->trust_headers) {
        put_next(out);
        put_z("its attribution headers are carried", out);
    }
}

static void put_out_demands(const struct out_connector *c, struct buf *out)
{
    const struct contract *k = &c->route.contract;
    if (contract_allows_plaintext(k)) {
        put_z("TLS where the other side has it", out);
        return;
    }
    put_floor(k->floor, out);
    if (k->dane == DANE_MANDATORY)
        put_z(" with TLSA records that match", out);
    put_z(k->dane == DANE_MANDATORY && k->need >= TLS_NEED_CHAIN ? ", and" : "", out);
    if (k->need == TLS_NEED_CHAIN)
        put_z(" with a valid certificate", out);
    if (k->need == TLS_NEED_NAME)
        put_z(" with a valid certificate for ", out);
    for (unsigned i = 0; k->need == TLS_NEED_NAME && i < k->n_names; i++) {
        put_z(i > 0 ? ", and for " : "", out);
        put_list(k->names[i]->name, k->names[i]->n, out);
    }
    if (k->need == TLS_NEED_NAME && k->n_names == 0)
        put_z("the host that was meant", out);
    put_z(k->need >= TLS_NEED_CHAIN ? revocation_words(k->revocation) : "", out);
}

/* Which mail an outbound connector is for. */
static void put_out_about(const struct out_connector *c, struct buf *out)
{
    put_list(c->recipient, c->n_recipient, out);
    if (c->accepted) {
        put_next(out);
        put_z("accepted domains of the organisation", out);
    }
    if (c->everything) {
        put_next(out);
        put_z("everything that the organisation sends", out);
    }
    if (c->rule_header.n == 0)
        return;
    put_z(out->n > 0 ? ", with " : "mail with ", out);
    put_cut(c->rule_header, out);
    put_z(": ", out);
    put_cut(c->rule_value, out);
}

static void put_out_by(const struct out_connector *c, struct buf *out)
{
    put_z(route_kind_name(c->route.kind), out);
    for (unsigned i = 0; i < c->route.n_host && i < ITEMS_MAX; i++) {
        put_z(i > 0 ? ", " : " ", out);
        put_cut(c->route.host[i].name, out);
    }
}

/* --- rows --- */

static void row_weakenings(struct ctl *row, const struct connector *c, int64_t now_ms)
{
    ctl_array(row, "weakenings");
    for (unsigned k = 0; k < WEAKEN_COUNT_; k++) {
        const struct weakening *w = &c->weakening[k];
        if (w->until_ms == 0)
            continue;
        struct ctl *one = ctl_add(row, "weakenings");
        ctl_set(one, "allows", span_z(weakening_name((enum weakening_kind)k)));
        ctl_set(one, "owner", w->owner);
        ctl_set(one, "reason", w->reason);
        ctl_set_num(one, "until", w->until_ms);
        ctl_set_bool(one, "holds", connector_weakened(c, (enum weakening_kind)k, now_ms));
    }
}

static void row_common(struct ctl *row, const struct connector *c, const char *direction,
                       int64_t now_ms)
{
    ctl_set(row, "id", c->id);
    ctl_set(row, "organisation", c->org->name);
    ctl_set(row, "name", c->name);
    ctl_set(row, "direction", span_z(direction));
    ctl_set(row, "kind", span_z(connector_kind_name(c->kind)));
    ctl_set(row, "mode", span_z(connector_mode_name(c->mode)));
    ctl_set(row, "owner", c->owner.n > 0 ? c->owner : c->org->owner);
    ctl_set(row, "comment", c->comment);
    ctl_set(row, "created", c->created);
    ctl_set(row, "changed", c->changed);
    ctl_set(row, "file", c->file);
    ctl_set_num(row, "line", c->line);
    row_weakenings(row, c, now_ms);
}

static void row_set(struct ctl *row, const char *key, struct buf *text)
{
    ctl_set(row, key, buf_span(text));
    buf_clear(text);
}

static void row_in(struct ctl *row, const struct in_connector *c, int64_t now_ms)
{
    struct buf text;
    buf_init(&text, WORDS_MAX);
    row_common(row, &c->c, "inbound", now_ms);
    put_list(c->sender, c->n_sender, &text);
    row_set(row, "about", &text);
    put_in_demands(c, &text);
    row_set(row, "demands", &text);
    put_identities(c, &text);
    row_set(row, "identities", &text);
    buf_done(&text);
}

static void row_out(struct ctl *row, const struct out_connector *c, int64_t now_ms)
{
    struct contract now = out_connector_contract(c, now_ms);
    struct buf text;
    buf_init(&text, WORDS_MAX);
    row_common(row, &c->c, "outbound", now_ms);
    put_out_about(c, &text);
    row_set(row, "about", &text);
    put_out_demands(c, &text);
    row_set(row, "demands", &text);
    put_out_by(c, &text);
    row_set(row, "by", &text);
    contract_print(&now, &text);
    row_set(row, "contract", &text);
    buf_done(&text);
}

/* --- pages --- */

struct page {
    struct ctl *out;
    int64_t now_ms, skip;
    unsigned left;
    bool more;
};

/* The row to fill in; NULL: it is on another page. */
static struct ctl *page_row(struct page *p)
{
    if (p->skip > 0) {
        p->skip--;
        return NULL;
    }
    p->more = p->left == 0;
    if (p->more)
        return NULL;
    p->left--;
    return ctl_add(p->out, "connectors");
}

static void page_org(struct page *p, const struct org *o)
{
    for (unsigned i = 0; i < o->n_in && !p->more; i++) {
        struct ctl *row = page_row(p);
        if (row)
            row_in(row, &o->in[i], p->now_ms);
    }
    for (unsigned i = 0; i < o->n_out && !p->more; i++) {
        struct ctl *row = page_row(p);
        if (row)
            row_out(row, &o->out[i], p->now_ms);
    }
}

enum err connectors_put(const struct config *c, const struct connectors_ask *ask, struct ctl *out)
{
    const struct org *only = ask->org.n > 0 ? org_by_name(c->orgs, ask->org) : NULL;
    if (only && !asker_owns(ask->asker, only))
        only = NULL; /* as if it were not there */
    struct page p = { .out = out, .now_ms = ask->now_ms, .skip = ask->skip, .left = ask->limit };
    if (ask->org.n > 0 && !only)
        return ERR_NOT_FOUND;
    ctl_array(out, "connectors");
    for (unsigned i = 0; i < c->n_org && !p.more; i++)
        if (only ? only == &c->org[i] : asker_owns(ask->asker, &c->org[i]))
            page_org(&p, &c->org[i]);
    ctl_set_bool(out, "more", p.more);
    ctl_set_num(out, "after", ask->skip + ask->limit - p.left);
    return ERR_OK;
}

void control_connectors(struct request *r)
{
    int64_t after = ctl_get_num(r->in, "after");
    struct connectors_ask ask = {
        .org = ctl_get(r->in, "org"),
        .now_ms = loop_wall_ms(r->w->loop),
        .skip = after > 0 ? after : 0,
        .limit = request_limit(r),
        .asker = r->asker,
    };
    if (connectors_put(r->w->config, &ask, r->out) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "there is no organisation `%.*s`",
                     SPAN_ARG(text_cut(ask.org, CONFIG_LABEL_MAX)));
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    request_done(r);
}
