/* Start at attribution_rcpt. Above it stands the question (attribution_judge) and what is told of
 * an answer; below it, the connectors that a header names. */
#include "gate/attribution.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/report.h"
#include "io/idn.h"

STATIC_ASSERT((int)CONFIG_LABEL_MAX <= (int)ENVELOPE_ORG_MAX);
STATIC_ASSERT(2 * (int)CONFIG_LABEL_MAX + 1 <= (int)ENVELOPE_CONNECTOR_MAX);

const struct tls_facts attribution_plaintext;

struct span attribution_domain(const struct config *c, const struct addr *from, struct arena *a)
{
    struct buf b;
    if (from->text.n == 0)
        return SPAN_NONE;
    if (from->domain.n == 0)
        return c->hostname;
    buf_init(&b, DOMAIN_BYTES_MAX);
    bool is_name = !domain_is_literal(from->domain) && idn_to_ascii(from->domain, &b) == ERR_OK;
    struct span ret = arena_span(a, is_name ? buf_span(&b) : from->domain);
    buf_done(&b);
    return ret;
}

enum err attribution_rcpt_domain(const struct config *c, const struct addr *to, struct buf *out)
{
    if (to->domain.n == 0)
        return buf_append(out, c->hostname);
    if (domain_is_literal(to->domain))
        return buf_append(out, to->domain);
    return idn_to_ascii(to->domain, out);
}

/* --- the question */

/* Our own name is ours, but mail for it needs a route: without `domain` for it, it would come back.
 * And a mailbox of ours is none that says where else to go. */
static bool never_taken(const struct config *c, const struct inbound_facts *f, struct span local)
{
    bool is_local = domain_map_get(&c->local, f->to_domain) != NULL;
    if (!is_local)
        return f->to_domain.n == 0 || domain_eq(f->to_domain, c->hostname);
    return relay_local_part_routed(local);
}

static bool relay_allowed(const struct config *c, const struct inbound_facts *f)
{
    return relay_decide(&c->relay, &f->client, f->to_domain) != RELAY_DENIED;
}

static struct inbound_verdict plain_verdict(bool admitted)
{
    return (struct inbound_verdict){
        .admitted = admitted,
        .test_admitted = admitted,
        .failed = admitted ? CHECK_NONE : CHECK_RELAY,
        .test_failed = admitted ? CHECK_NONE : CHECK_RELAY,
        .reply = admitted ? (struct reply){ 0 } : REPLY(550, 5, 7, 1, "Relaying denied"),
    };
}

/* A node that is set up wrong keeps its mail. */
static struct inbound_verdict doubt_verdict(void)
{
    struct inbound_verdict v = plain_verdict(false);
    v.reply = REPLY(451, 4, 7, 7,
                    "The certificate is of the nodes' authority, and proves none of the nodes");
    return v;
}

struct inbound_verdict attribution_judge(const struct config *c, const struct inbound_facts *f,
                                         struct span local)
{
    if (never_taken(c, f, local))
        return plain_verdict(false);
    if (node_in_doubt(&c->nodes, f->tls))
        return doubt_verdict();
    if (node_of_client(&c->nodes, f->tls))
        return plain_verdict(true); /* it has judged whom the mail is from */
    bool allowed = relay_allowed(c, f);
    return c->n_org > 0 ? attribute(c->orgs, f, allowed) : plain_verdict(allowed);
}

void attribution_explain(const struct config *c, const struct inbound_facts *f, struct span local,
                         struct buf *out)
{
    if (never_taken(c, f, local))
        buf_put(out, SPAN("  verdict   refused: 550 5.7.1 Relaying denied, whoever sends it: the "
                          "address is none of ours\n"));
    else if (node_in_doubt(&c->nodes, f->tls))
        buf_put(out, SPAN("  verdict   refused: 451 4.7.7 The certificate is of the nodes' "
                          "authority, and proves none of the nodes\n"));
    else if (node_of_client(&c->nodes, f->tls))
        buf_putf(out,
                 "  verdict   taken: the client is our node %.*s; whose mail it is stands in what "
                 "that node signs\n",
                 SPAN_ARG(node_of_client(&c->nodes, f->tls)->name));
    else
        attribute_explain(c->orgs, f, relay_allowed(c, f), out);
}

/* --- what an admitted recipient says of the message */

struct attributed attribution_of(const struct config *c, const struct inbound_facts *f,
                                 const struct inbound_verdict *v)
{
    ASSERT(v->admitted);
    struct attributed a = { .server_of = v->from_org, .by = v->by };
    if (node_of_client(&c->nodes, f->tls))
        return a; /* what it has signed will say */
    if (v->originating)
        a.org = v->from_org;
    else if (c->n_org > 0 && f->from_domain.n > 0 && relay_listed(&c->relay, &f->client))
        a.org = org_of_domain(c->orgs, f->from_domain);
    return a;
}

void attribution_fill(struct envelope *e, const struct attributed *a)
{
    bool new_org = a->org && e->org.n == 0;
    if (new_org) {
        e->org = a->org->name;
        e->from_on_premises = a->server_of == a->org;
    }
    if (a->by && (e->connector.n == 0 || (new_org && a->by->c.org == a->org)))
        e->connector = a->by->c.id;
}

/* --- telling */

/* One that was refused, or would be by connectors in test mode. */
struct telling {
    const struct attribution_client *client;
    struct incoming *m;
    struct span to; /* address */
    const struct inbound_facts *facts;
    const struct in_connector *by;
    enum check check;
};

/* Of one transaction so many are logged and traced; the counters count all. */
enum { TOLD_MAX = 10 };

static bool tells(struct telling *t)
{
    return t->m->n_told++ < TOLD_MAX;
}

static void tell_log(const struct telling *t, const char *event)
{
    char id[ID_BYTES_MAX], ip[IP_TEXT_MAX];
    log_begin(LOG_WARN, event);
    log_num("conn", (int64_t)t->client->conn);
    if (t->m->refusal)
        log_z("id", id_text(t->m->refusal, id));
    log_str("connector", t->by ? t->by->c.id : SPAN_NONE);
    log_z("check", check_name(t->check));
    log_z("client", ip_port_text(t->client->ip, ip));
    log_str("tls", t->facts->tls->on ? t->facts->tls->version : SPAN("none"));
    log_str("names", t->facts->tls->names);
    log_str("from", t->m->envelope.from);
    log_str("to", t->to);
    log_end();
}

static void count(const struct telling *t, enum counter which)
{
    stats_add(&t->client->w->stats, which, 1);
}

static void count_refused(const struct telling *t)
{
    switch (t->check) {
    case CHECK_TLS:
    case CHECK_FLOOR:
        count(t, STAT_CONNECTOR_REFUSED_TLS);
        return;
    case CHECK_ADDRESS:
        count(t, STAT_CONNECTOR_REFUSED_ADDRESS);
        return;
    case CHECK_RELAY:
        count(t, STAT_CONNECTOR_REFUSED_RELAY);
        return;
    case CHECK_NO_CERT:
    case CHECK_CHAIN:
    case CHECK_EXPIRED:
    case CHECK_USAGE:
    case CHECK_REVOCATION:
    case CHECK_NAME:
    case CHECK_NONE:
    case CHECK_COUNT_:
        count(t, STAT_CONNECTOR_REFUSED_CERTIFICATE);
        return;
    }
}

/* "Sentence [connector acme/bank: ...] [id of the trace]" */
static void put_refusal(const struct telling *t, const struct inbound_verdict *v, struct buf *text)
{
    char id[ID_BYTES_MAX];
    buf_put(text, v->reply.text);
    buf_put(text, SPAN(" ["));
    attribute_detail(v, t->facts, text);
    buf_putf(text, "] [%s]", id_text(t->m->refusal, id));
}

static bool unasked(const struct telling *t)
{
    const struct tls_facts *tls = t->facts->tls;
    return tls->on && !tls->peer_cert && !t->m->config->asks_client_certificate;
}

static struct reply tell_refused(struct telling *t, const struct inbound_verdict *v,
                                 struct buf *text)
{
    struct worker *w = t->client->w;
    struct reply r = v->reply;
    if (!t->m->refusal)
        t->m->refusal = store_new_id(w->store[0], t->facts->now_ms);
    put_refusal(t, v, text);
    r.text = buf_span(text);
    count_refused(t);
    if (!tells(t))
        return r;
    tell_log(t, "connector.refused");
    report_refused(w, &(struct report_refusal){ .id = t->m->refusal,
                                                .conn = t->client->conn,
                                                .client = t->client->ip,
                                                .helo = t->client->helo,
                                                .from = t->m->envelope.from,
                                                .to = t->to,
                                                .connector = v->by->c.id,
                                                .check = check_name(v->failed),
                                                .unasked = unasked(t),
                                                .reply = &r,
                                                .tls = t->facts->tls });
    return r;
}

/* Our own nodes are ours to mend. */
static void tell_doubt(struct telling *t)
{
    char ip[IP_TEXT_MAX];
    count(t, STAT_NODE_REFUSED);
    if (!tells(t))
        return;
    log_begin(LOG_ALARM, "node.refused");
    log_num("conn", (int64_t)t->client->conn);
    log_z("check", "certificate");
    log_z("client", ip_port_text(t->client->ip, ip));
    log_str("names", t->facts->tls->names);
    log_str("verify", t->facts->tls->verify);
    log_str("from", t->m->envelope.from);
    log_end();
}

/* The first of a message stands in its trace: "acme/bank:name". */
static void tell_would_refuse(struct telling *t)
{
    struct buf b;
    count(t, STAT_CONNECTOR_WOULD_REFUSE);
    if (tells(t))
        tell_log(t, "connector.would_refuse");
    if (t->m->would_refuse.n > 0)
        return;
    buf_init(&b, ATTRIBUTION_REPLY_MAX);
    buf_put(&b, t->by ? t->by->c.id : SPAN("installation"));
    buf_putf(&b, ":%s", check_name(t->check));
    t->m->would_refuse = arena_span(&t->m->arena, buf_span(&b));
    buf_done(&b);
}

/* --- at RCPT */

enum tri attribution_revoked(const struct tls_facts *tls)
{
    static const enum tri is[] = {
        [TLS_REVOKED_UNKNOWN] = TRI_UNKNOWN, [TLS_REVOKED_NO] = TRI_NO, [TLS_REVOKED_YES] = TRI_YES
    };
    return is[tls->revoked];
}

static void admitted(const struct telling *t, const struct inbound_verdict *v)
{
    struct incoming *m = t->m;
    struct attributed a = attribution_of(m->config, t->facts, v);
    attribution_fill(&m->envelope, &a);
    bool own =
        a.by && a.server_of && a.by->c.org == a.server_of && a.by->c.kind == CONNECTOR_ON_PREMISES;
    if (own && a.by->trust_headers && !m->trusted) {
        m->trusted = true;
        m->org = a.server_of;
    }
}

struct inbound_facts attribution_facts(const struct attribution_client *client,
                                       const struct incoming *m, struct span to_domain)
{
    const struct tls_facts *tls = client->tls ? client->tls : &attribution_plaintext;
    return (struct inbound_facts){
        .now_ms = loop_wall_ms(client->w->loop),
        .client = *client->ip,
        .tls = tls,
        .from_domain = m->from_domain,
        .to_domain = to_domain,
        .revoked = attribution_revoked(tls),
    };
}

bool attribution_rcpt(const struct attribution_client *client, struct incoming *m,
                      const struct addr *to, struct span domain, struct buf *text,
                      struct reply *ret)
{
    m->conn = client->conn;
    struct inbound_facts facts = attribution_facts(client, m, domain);
    struct inbound_verdict v = attribution_judge(m->config, &facts, to->local);
    struct telling t = {
        .client = client, .m = m, .to = to->text, .facts = &facts, .by = v.by, .check = v.failed
    };
    if (v.admitted) {
        admitted(&t, &v);
        t.by = v.test_by;
        t.check = v.test_failed;
        if (!v.test_admitted)
            tell_would_refuse(&t);
        return true;
    }
    if (v.by) {
        *ret = tell_refused(&t, &v, text);
        return false;
    }
    if (node_in_doubt(&m->config->nodes, facts.tls))
        tell_doubt(&t);
    else
        stats_add(&client->w->stats, STAT_RELAY_DENIED, 1);
    *ret = v.reply;
    return false;
}

/* --- connectors that a header names */

static bool is_watched(const struct out_connector *c)
{
    return c->rule_header.n > 0 && c->c.mode != CONNECTOR_OFF;
}

void attribution_watch(struct incoming *m)
{
    const struct org *org =
        m->envelope.org.n > 0 ? org_by_name(m->config->orgs, m->envelope.org) : NULL;
    unsigned n = 0;
    for (unsigned i = 0; org && i < org->n_out; i++)
        n += is_watched(&org->out[i]);
    if (n == 0)
        return;
    struct header_watch *watch = ARENA_ARRAY(&m->arena, struct header_watch, n);
    m->rule = ARENA_ARRAY(&m->arena, const struct out_connector *, n);
    n = 0;
    for (unsigned i = 0; i < org->n_out; i++) {
        const struct out_connector *c = &org->out[i];
        if (!is_watched(c))
            continue;
        m->rule[n] = c;
        watch[n++] = (struct header_watch){ c->rule_header, c->rule_value };
    }
    header_scan_watch(&m->scan, watch, n);
}

struct span attribution_rule(const struct incoming *m)
{
    bool named = m->scan.watched < m->scan.n_watch;
    return named ? m->rule[m->scan.watched]->c.id : SPAN_NONE;
}
