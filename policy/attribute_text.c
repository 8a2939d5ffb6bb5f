/* The verdict in words: one line for the peer and the trace, many for explain. What a peer
 * presented is cleaned and cut before it stands in either. */
#include "policy/attribute.h"

#include "mail/addr.h"
#include "mail/text.h"
#include "policy/org_index.h"
#include "policy/shown.h"

enum {
    DETAIL_BYTES_MAX = 400,
    CONNECTOR_BYTES_MAX = 100,
    LIST_BYTES_MAX = 110,
    WORD_BYTES_MAX = 60,
    EXPLAIN_CONNECTORS_MAX = 50, /* of one organisation and kind */
    INDENT = 12,
};

/* --- pieces: what does not fit is left out */

static void put(struct buf *out, struct span s, size_t n_max)
{
    size_t room = buf_room(out) < n_max ? buf_room(out) : n_max;
    text_put(text_cut(s, room), "", false, out);
}

static void put_z(struct buf *out, const char *text)
{
    struct span s = span_z(text);
    enum err e = buf_append(out, text_cut(s, buf_room(out)));
    ASSERT(e == ERR_OK);
}

/* "[a,b,...]" */
static void put_names(struct buf *out, struct span names)
{
    put_z(out, "[");
    size_t room = buf_room(out) < LIST_BYTES_MAX ? buf_room(out) : LIST_BYTES_MAX;
    text_put(text_cut(names, room), "[]", false, out);
    put_z(out, names.n > LIST_BYTES_MAX ? "...]" : "]");
}

static void put_expected(struct buf *out, const struct in_connector *c)
{
    struct buf list;
    buf_init(&list, LIST_BYTES_MAX + 1); /* one more than is shown: then it was cut */
    for (unsigned i = 0; i < c->names.n && buf_room(&list) > 0; i++) {
        if (i > 0)
            buf_put(&list, SPAN(","));
        buf_put(&list, text_cut(c->names.name[i], buf_room(&list)));
    }
    if (c->names.n > 0)
        put_names(out, buf_span(&list));
    buf_done(&list);
    if (c->n_pin > 0)
        put_z(out, c->names.n > 0 ? " or a listed key" : "with a listed key");
    else if (c->names.n == 0)
        put_z(out, c->n_anchor > 0 ? "of its own authority" : "of nobody");
}

static void put_presented(struct buf *out, const struct tls_facts *tls)
{
    put_z(out, ", presented ");
    put_names(out, tls->names);
}

static void put_verify(struct buf *out, const struct tls_facts *tls)
{
    put_presented(out, tls);
    if (tls->verify.n == 0)
        return;
    put_z(out, " (");
    put(out, tls->verify, WORD_BYTES_MAX);
    put_z(out, ")");
}

static void put_relay(struct buf *out, const struct in_connector *c, const struct inbound_facts *f)
{
    put_z(out, "a domain of ");
    put(out, c->c.org->name, WORD_BYTES_MAX);
    put_z(out, " demanded, presented MAIL FROM ");
    put_names(out, f->from_domain);
    put_z(out, " and certificate ");
    put_names(out, f->tls->names);
}

/* "certificate demanded [bank.example], presented [mail.other.example]" */
static void put_check(struct buf *out, const struct in_connector *c, enum check check,
                      const struct inbound_facts *f)
{
    char ip[IP_TEXT_MAX];
    switch (check) {
    case CHECK_TLS:
        put_z(out, "TLS demanded, presented plaintext");
        return;
    case CHECK_FLOOR:
        put_z(out, c->floor > CONTRACT_FLOOR_MIN ? "TLS 1.3" : "TLS 1.2");
        put_z(out, " demanded, presented ");
        put(out, f->tls->version, WORD_BYTES_MAX);
        return;
    case CHECK_NO_CERT:
        put_z(out, "certificate demanded ");
        put_expected(out, c);
        put_z(out, ", presented none");
        return;
    case CHECK_CHAIN:
        put_z(out, c->n_anchor > 0 ? "certificate of its own authority demanded"
                                   : "certificate of a public authority demanded");
        put_verify(out, f->tls);
        return;
    case CHECK_EXPIRED:
        put_z(out, "certificate in its time demanded");
        put_verify(out, f->tls);
        return;
    case CHECK_USAGE:
        put_z(out, "certificate for clients demanded");
        put_presented(out, f->tls);
        put_z(out, " for other use");
        return;
    case CHECK_REVOCATION:
        put_z(out, "certificate that is not revoked demanded");
        put_presented(out, f->tls);
        put_z(out, f->revoked == TRI_YES ? ", which is" : ", of which nobody could tell");
        return;
    case CHECK_NAME:
        put_z(out, "certificate demanded ");
        put_expected(out, c);
        put_presented(out, f->tls);
        return;
    case CHECK_ADDRESS:
        put_z(out, "a listed address demanded, presented ");
        put_z(out, ip_text(&f->client, ip));
        return;
    case CHECK_RELAY:
        put_relay(out, c, f);
        return;
    case CHECK_NONE:
    case CHECK_COUNT_:
        break;
    }
    put_z(out, "all that it asks holds");
}

void attribute_detail(const struct inbound_verdict *v, const struct inbound_facts *f,
                      struct buf *out)
{
    struct buf text;
    if (!v->by)
        return;
    buf_init(&text, DETAIL_BYTES_MAX);
    put_z(&text, "connector ");
    put(&text, v->by->c.id, CONNECTOR_BYTES_MAX);
    put_z(&text, ": ");
    put_check(&text, v->by, v->failed, f);
    enum err e = buf_append(out, text_cut(buf_span(&text), buf_room(out)));
    ASSERT(e == ERR_OK);
    buf_done(&text);
}

/* --- explain */

struct teller {
    const struct org_table *t;
    const struct inbound_facts *f;
    const struct inbound_verdict *v;
    struct buf *out;
};

static void line(const struct teller *w, const char *label)
{
    struct span s = span_z(label), blanks = SPAN("            ");
    STATIC_ASSERT(sizeof "            " - 1 == INDENT);
    ASSERT(s.n + 2 < INDENT);
    put_z(w->out, "  ");
    put_z(w->out, label);
    put(w->out, span_head(blanks, INDENT - 2 - s.n), INDENT);
}

static void put_connector(const struct teller *w, const struct in_connector *c)
{
    line(w, "");
    put(w->out, c->c.id, CONNECTOR_BYTES_MAX);
    if (c->c.mode != CONNECTOR_ENFORCE) {
        put_z(w->out, " (");
        put_z(w->out, connector_mode_name(c->c.mode));
        put_z(w->out, ")");
    }
    put_z(w->out, ": ");
}

static void put_domain(const struct teller *w, const char *label, struct span domain,
                       const struct org *org)
{
    line(w, label);
    if (domain.n > 0)
        put(w->out, domain, DOMAIN_BYTES_MAX);
    else
        put_z(w->out, "<>");
    put_z(w->out, org ? ", of organisation " : ", of no organisation here");
    put(w->out, org ? org->name : SPAN_NONE, CONNECTOR_BYTES_MAX);
    put_z(w->out, "\n");
}

/* How closely a pattern of the connector takes MAIL FROM in; 0: none does. */
static size_t closeness(const struct in_connector *c, struct span from)
{
    size_t best = 0;
    for (unsigned i = 0; i < c->n_sender; i++) {
        struct span p = c->sender[i];
        if (!shown_pattern(p, from))
            continue;
        size_t close = span_eq(p, SPAN("*"))        ? 1
                       : span_starts(p, SPAN("*.")) ? p.n
                                                    : 2 * DOMAIN_BYTES_MAX;
        best = close > best ? close : best;
    }
    return best;
}

static bool is_of(const struct in_connector *c, enum connector_kind kind)
{
    return c->c.kind == kind;
}

/* --- rule 1 */

static void explain_own(const struct teller *w, const struct in_connector *c)
{
    put_connector(w, c);
    unsigned identity = connector_identity(c, w->f);
    bool certificate = identity >= IDENTITY_CERTIFICATE;
    enum check check = connector_check(c, w->f);
    if (c->c.mode == CONNECTOR_OFF) {
        put_z(w->out, "not looked at");
    } else if (identity == 0) {
        put_z(w->out, "the client is not this server: ");
        put_check(w->out, c, check, w->f);
    } else if (!shown_sender(c, w->f, certificate)) {
        put_z(w->out, w->f->from_domain.n > 0 ? "it does not send for this MAIL FROM"
                                              : "an empty MAIL FROM needs a certificate");
    } else {
        bool relay = check != CHECK_NONE || shown_domain(w->t, c, w->f);
        put_z(w->out, certificate ? "identified by certificate: " : "identified by address: ");
        put_check(w->out, c, relay ? check : CHECK_RELAY, w->f);
    }
    put_z(w->out, "\n");
}

static void explain_own_org(const struct teller *w, const struct org *org)
{
    unsigned told = 0;
    for (unsigned i = 0; i < org->n_in && told < EXPLAIN_CONNECTORS_MAX; i++) {
        if (!is_of(&org->in[i], CONNECTOR_ON_PREMISES))
            continue;
        explain_own(w, &org->in[i]);
        told++;
    }
}

/* The organisations of sender, recipient, client and verdict; no other could matter. */
static void explain_rule_1(const struct teller *w, const struct org *from_org)
{
    const struct inbound_verdict *v = w->v;
    const struct org *orgs[] = { from_org, v->to_org, v->from_org, v->by ? v->by->c.org : NULL,
                                 v->test_by ? v->test_by->c.org : NULL };
    line(w, "rule 1");
    put_z(w->out, "is the client a server of an organisation?\n");
    for (size_t i = 0; i < COUNTOF(orgs); i++) {
        bool told = !orgs[i];
        for (size_t k = 0; k < i; k++)
            told = told || orgs[k] == orgs[i];
        if (!told)
            explain_own_org(w, orgs[i]);
    }
    line(w, "");
    put_z(w->out, v->from_org ? "yes, of " : "no");
    put(w->out, v->from_org ? v->from_org->name : SPAN_NONE, CONNECTOR_BYTES_MAX);
    if (v->from_org)
        put_z(w->out, v->originating ? ", and it may send anywhere" : ", but it may not relay");
    put_z(w->out, "\n");
}

/* --- rule 2 */

static void explain_partner(const struct teller *w, const struct in_connector *c, size_t closest)
{
    size_t close = closeness(c, w->f->from_domain);
    put_connector(w, c);
    if (c->c.mode == CONNECTOR_OFF)
        put_z(w->out, "not looked at");
    else if (close == 0)
        put_z(w->out, "it is not about this MAIL FROM");
    else if (close < closest)
        put_z(w->out, "another connector is closer to this MAIL FROM");
    else
        put_check(w->out, c, connector_check(c, w->f), w->f);
    put_z(w->out, "\n");
}

/* The closest pattern that an enforced partner connector has. */
static size_t closest_pattern(const struct org *org, struct span from)
{
    size_t closest = 0;
    for (unsigned i = 0; i < org->n_in; i++) {
        const struct in_connector *c = &org->in[i];
        if (!is_of(c, CONNECTOR_PARTNER) || c->c.mode != CONNECTOR_ENFORCE)
            continue;
        size_t close = closeness(c, from);
        closest = close > closest ? close : closest;
    }
    return closest;
}

static void explain_rule_2(const struct teller *w)
{
    const struct org *org = w->v->to_org;
    line(w, "rule 2");
    put_z(w->out, "may it write to the recipient's organisation?\n");
    if (org == w->v->from_org) {
        line(w, "");
        put_z(w->out, "yes, it is the organisation's own server\n");
        return;
    }
    size_t closest = closest_pattern(org, w->f->from_domain);
    unsigned told = 0;
    for (unsigned i = 0; i < org->n_in && told < EXPLAIN_CONNECTORS_MAX; i++) {
        if (!is_of(&org->in[i], CONNECTOR_PARTNER))
            continue;
        explain_partner(w, &org->in[i], closest);
        told++;
    }
    if (closest == 0) {
        line(w, "");
        put_z(w->out, "yes, no partner connector is about this MAIL FROM\n");
    }
}

static void explain_rule_3(const struct teller *w, bool relay_allowed)
{
    line(w, "rule 3");
    put_z(w->out, w->v->originating ? "not asked: rule 1 lets it send anywhere\n"
                  : relay_allowed   ? "the installation's own rules let it pass\n"
                                    : "the installation's own rules do not let it pass\n");
}

static void explain_verdict(const struct teller *w)
{
    const struct inbound_verdict *v = w->v;
    line(w, "verdict");
    if (v->admitted) {
        put_z(w->out, v->by ? "admitted by " : "admitted");
        put(w->out, v->by ? v->by->c.id : SPAN_NONE, CONNECTOR_BYTES_MAX);
        put_z(w->out, "\n");
    } else {
        struct buf text;
        buf_init(&text, REPLY_TEXT_MAX);
        reply_print(&v->reply, &text);
        put_z(w->out, "refused: ");
        put(w->out, buf_span(&text), REPLY_TEXT_MAX);
        put_z(w->out, "\n");
        buf_done(&text);
    }
    if (v->test_admitted == v->admitted && v->test_by == v->by)
        return;
    line(w, "");
    put_z(w->out, v->test_admitted ? "with the connectors in test mode: admitted"
                                   : "with the connectors in test mode: refused");
    put_z(w->out, v->test_by ? " by " : "");
    put(w->out, v->test_by ? v->test_by->c.id : SPAN_NONE, CONNECTOR_BYTES_MAX);
    put_z(w->out, "\n");
}

void attribute_explain(const struct org_table *t, const struct inbound_facts *f, bool relay_allowed,
                       struct buf *out)
{
    struct inbound_verdict v = attribute(t, f, relay_allowed);
    struct teller w = { .t = t, .f = f, .v = &v, .out = out };
    char room[SHOWN_NAME_MAX];
    struct span from;
    const struct org *from_org =
        shown_name(f->from_domain, room, &from) ? org_of_domain(t, from) : NULL;
    put_domain(&w, "sender", f->from_domain, from_org);
    put_domain(&w, "rcpt", f->to_domain, v.to_org);
    explain_rule_1(&w, from_org);
    if (v.to_org)
        explain_rule_2(&w);
    else
        explain_rule_3(&w, relay_allowed);
    explain_verdict(&w);
}
