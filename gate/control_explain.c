#include "gate/control_explain.h"

#include "gate/attribution.h"
#include "gate/control_request.h"
#include "gate/resolve.h"
#include "gate/way.h"
#include "io/idn.h"
#include "mail/addr.h"
#include "mail/text.h"

enum { NAMES_SHOWN_MAX = 200, HEX_MAX = 64 };

/* Stands for a root of the public: no certificate has this digest. */
static const char some_root[] = "0000000000000000000000000000000000000000000000000000000000000000";
STATIC_ASSERT(sizeof some_root - 1 == HEX_MAX);

/* --- finding out */

static enum err find_recipient(struct explained *e, struct arena *a, struct why *why)
{
    struct span to = e->ask.to;
    struct addr addr;
    struct buf domain;
    if (addr_parse(to, true, &addr) != ERR_OK || addr.domain.n == 0) {
        why_set(why, "`%.*s` is no mailbox: write local@domain",
                SPAN_ARG(text_cut(to, ADDR_BYTES_MAX / 2)));
        return ERR_SYNTAX;
    }
    buf_init(&domain, DOMAIN_BYTES_MAX);
    enum err err = domain_is_literal(addr.domain) ? buf_append(&domain, addr.domain)
                                                  : idn_to_ascii(addr.domain, &domain);
    if (err != ERR_OK)
        why_set(why, "the domain is none that a mail can go to");
    e->domain = arena_span(a, buf_span(&domain));
    e->local = addr.local;
    e->ours = domain_map_get(&e->config->local, e->domain) != NULL;
    buf_done(&domain);
    return err == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

static enum err find_sender(struct explained *e, struct arena *a, struct why *why)
{
    struct span from = e->ask.from;
    struct addr addr;
    e->envelope.from = from;
    if (from.n == 0)
        return ERR_OK;
    if (addr_parse(from, true, &addr) != ERR_OK) {
        why_set(why, "`%.*s` is no mailbox: write local@domain, or <> for the null sender",
                SPAN_ARG(text_cut(from, ADDR_BYTES_MAX / 2)));
        return ERR_SYNTAX;
    }
    e->facts.from_domain = attribution_domain(e->config, &addr, a);
    return ERR_OK;
}

static const struct {
    const char *name, *words;
    struct span verify;
} chains[EXPLAIN_CHAIN_COUNT_] = {
    [EXPLAIN_CHAIN_OK] = { "ok", "with a valid certificate for ", { "ok", 2 } },
    [EXPLAIN_CHAIN_EXPIRED] = { "expired", "with an expired certificate for ", { "expired", 7 } },
    [EXPLAIN_CHAIN_UNTRUSTED] = { "untrusted",
                                  "with a certificate that nobody vouches for, for ",
                                  { "untrusted", 9 } },
    [EXPLAIN_CHAIN_NONE] = { "none", "with TLS and no certificate", { NULL, 0 } },
};

static enum err chain_read(struct span s, enum explain_chain *ret)
{
    for (unsigned i = 0; i < EXPLAIN_CHAIN_COUNT_; i++) {
        if (s.n > 0 && !span_eq(s, span_z(chains[i].name)))
            continue;
        *ret = (enum explain_chain)i;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

/* The root that its certificate chains to. */
static struct span anchor_of(const struct explain_ask *ask)
{
    if (ask->client_chain == EXPLAIN_CHAIN_UNTRUSTED)
        return SPAN_NONE;
    struct span root = ask->client_ca.n > 0 ? ask->client_ca : span_z(some_root);
    return text_cut(root, HEX_MAX);
}

/* A client that is told of in the question. */
static void find_way_in(struct explained *e)
{
    const struct explain_ask *ask = &e->ask;
    bool on = !ask->client_plaintext;
    bool cert = on && ask->client_names.n > 0;
    e->came_in = true;
    e->tls = (struct tls_facts){
        .on = on,
        .forward_secret = on,
        .peer_cert = cert,
        .chain_ok = cert && ask->client_chain == EXPLAIN_CHAIN_OK,
        .expired = cert && ask->client_chain == EXPLAIN_CHAIN_EXPIRED,
        .client_usage = cert,
        .revoked = cert ? TLS_REVOKED_NO : TLS_REVOKED_UNKNOWN,
        .version = on ? SPAN("TLSv1.3") : SPAN_NONE,
        .names = cert ? text_cut(ask->client_names, TLS_FACTS_NAMES_MAX) : SPAN_NONE,
        .anchor = cert ? anchor_of(ask) : SPAN_NONE,
        .verify = cert ? chains[ask->client_chain].verify : SPAN_NONE,
    };
    e->facts.now_ms = ask->now_ms;
    e->facts.client = ask->client;
    e->facts.tls = &e->tls;
    e->facts.to_domain = e->domain;
    e->facts.revoked = cert ? TRI_NO : TRI_UNKNOWN;
    e->verdict = attribution_judge(e->config, &e->facts, e->local);
    if (e->verdict.admitted) {
        struct attributed a = attribution_of(e->config, &e->facts, &e->verdict);
        attribution_fill(&e->envelope, &a);
    }
}

static enum err find_org(struct explained *e, struct why *why)
{
    const struct org *org = NULL;
    struct span name = e->ask.org;
    if (name.n == 0 && e->came_in)
        return ERR_OK;
    org = name.n > 0 ? org_by_name(e->config->orgs, name)
                     : org_of_domain(e->config->orgs, e->facts.from_domain);
    if (!org && name.n > 0) {
        why_set(why, "there is no organisation `%.*s`", SPAN_ARG(text_cut(name, CONFIG_LABEL_MAX)));
        return ERR_SYNTAX;
    }
    if (org)
        e->envelope.org = org->name;
    return ERR_OK;
}

enum err explain_find(const struct config *c, const struct explain_ask *ask, struct arena *a,
                      struct explained *ret, struct why *why)
{
    struct explained *e = ret;
    *e = (struct explained){ .ask = *ask, .config = c };
    TRY(find_recipient(e, a, why));
    TRY(find_sender(e, a, why));
    e->envelope.requiretls = ask->requiretls;
    e->envelope.tls_required_no = ask->tls_required_no;
    if (ask->client.family != IP_NONE)
        find_way_in(e);
    TRY(find_org(e, why));
    e->way = way_out(c, &e->envelope, e->domain, ask->now_ms);
    return ERR_OK;
}

/* --- the answer */

static void put_route(const struct route *route, struct ctl *out)
{
    struct ctl *row = ctl_object(out, "route");
    ctl_set(row, "kind", span_z(route_kind_name(route->kind)));
    ctl_set(row, "pattern", route->pattern);
    ctl_set(row, "file", route->file);
    ctl_set_num(row, "line", route->line);
}

static void put_contract(const char *key, const struct contract *c, struct ctl *out)
{
    struct ctl *row = ctl_object(out, key);
    struct buf text;
    buf_init(&text, CONTRACT_TEXT_MAX);
    contract_print(c, &text);
    ctl_set(row, "tls", span_z(tls_need_name(c->need)));
    ctl_set_num(row, "floor", c->floor);
    ctl_set_bool(row, "forward_secret", c->forward_secret);
    ctl_set(row, "text", buf_span(&text));
    buf_done(&text);
}

static struct span id_of(const struct connector *c)
{
    return c ? c->id : SPAN_NONE;
}

static struct span name_of(const struct org *o)
{
    return o ? o->name : SPAN_NONE;
}

static void put_way_in(const struct explained *e, struct ctl *out)
{
    const struct inbound_verdict *v = &e->verdict;
    struct ctl *row = ctl_object(out, "inbound");
    struct buf text;
    buf_init(&text, REPLY_TEXT_MAX);
    ctl_set_bool(row, "admitted", v->admitted);
    ctl_set_bool(row, "originating", v->originating);
    ctl_set(row, "from-org", name_of(v->from_org));
    ctl_set(row, "to-org", name_of(v->to_org));
    ctl_set(row, "connector", id_of(v->by ? &v->by->c : NULL));
    ctl_set(row, "failed", span_z(check_name(v->failed)));
    if (!v->admitted)
        reply_print(&v->reply, &text);
    ctl_set(row, "reply", buf_span(&text));
    buf_clear(&text);
    attribute_detail(v, &e->facts, &text);
    ctl_set(row, "detail", buf_span(&text));
    ctl_set_bool(row, "test-admitted", v->test_admitted);
    ctl_set(row, "test-connector", id_of(v->test_by ? &v->test_by->c : NULL));
    ctl_set(row, "test-failed", span_z(check_name(v->test_failed)));
    buf_done(&text);
}

static void put_way_out(const struct explained *e, struct ctl *out)
{
    const struct selection *s = &e->way;
    struct ctl *row = ctl_object(out, "outbound");
    ctl_set(row, "org", e->envelope.org);
    ctl_set_bool(row, "from-on-premises", e->envelope.from_on_premises);
    ctl_set(row, "connector", id_of(s->by ? &s->by->c : NULL));
    ctl_set(row, "why", span_z(s->why));
    ctl_set(row, "test-connector", id_of(s->test ? &s->test->c : NULL));
    if (s->test)
        put_contract("test-contract", &s->test_contract, row);
}

/* --- in sentences */

static void tell_way_in(const struct explained *e, struct buf *out)
{
    char ip[IP_TEXT_MAX];
    buf_putf(out, "Coming in from %s, %s", ip_text(&e->ask.client, ip),
             e->tls.on ? chains[e->tls.peer_cert ? e->ask.client_chain : EXPLAIN_CHAIN_NONE].words
                       : "without TLS");
    text_put(text_cut(e->tls.names, NAMES_SHOWN_MAX), "", true, out);
    buf_put(out, SPAN("\n"));
    attribution_explain(e->config, &e->facts, e->local, out);
    buf_put(out, SPAN("\n"));
}

static void tell_way_out(const struct explained *e, struct buf *out)
{
    struct outbound_message m = way_message(&e->envelope, e->domain, e->ask.now_ms);
    if (e->ask.org.n == 0 && !e->came_in && e->envelope.org.n > 0)
        buf_putf(out,
                 "  sender    taken for mail of organisation %.*s, whose domain MAIL FROM is: say "
                 "the client's address to be sure\n",
                 SPAN_ARG(e->envelope.org));
    select_explain(e->config->orgs, &e->config->routes, &m, out);
}

static void explain_words(const struct explained *e, const struct facts *facts, struct buf *out)
{
    struct explain_input in = {
        .from = e->ask.from,
        .to = e->ask.to,
        .route = e->way.route,
        .facts = facts,
        .message = { e->ask.from, e->ask.requiretls, e->ask.tls_required_no },
        .selection = &e->way,
        .now_ms = e->ask.now_ms,
    };
    if (e->came_in)
        tell_way_in(e, out);
    explain_print(&in, out);
    if (e->config->n_org > 0)
        tell_way_out(e, out);
}

void explain_put(const struct explained *e, const struct facts *facts, struct ctl *out)
{
    enum { REST_MAX = 4096 };
    struct buf text;
    buf_init(&text, (size_t)FACTS_TEXT_MAX + ATTRIBUTION_TEXT_MAX + EXPLAIN_TEXT_MAX +
                        SELECT_TEXT_MAX + REST_MAX);
    ctl_set(out, "from", e->ask.from);
    ctl_set(out, "to", e->ask.to);
    ctl_set_bool(out, "ours", e->ours);
    if (e->came_in)
        put_way_in(e, out);
    put_way_out(e, out);
    put_route(e->way.route, out);
    put_contract("contract", &e->way.contract, out);
    if (facts)
        facts_print(facts, &text);
    ctl_set(out, "facts", buf_span(&text));
    buf_clear(&text);
    explain_words(e, facts, &text);
    ctl_set(out, "explanation", buf_span(&text));
    buf_done(&text);
}

/* --- the question --- */

static enum err check_client(const struct explain_ask *ask, struct why *why)
{
    bool cert = ask->client_names.n > 0;
    const char *wrong = NULL;
    if (ask->client.family == IP_NONE && (cert || ask->client_plaintext))
        wrong = "whose certificate? client-addr is missing";
    else if (cert && ask->client_plaintext)
        wrong = "a client without TLS shows no certificate";
    else if (cert && ask->client_chain == EXPLAIN_CHAIN_NONE)
        wrong = "a client that shows no certificate has no names";
    else if (!cert && (ask->client_chain == EXPLAIN_CHAIN_EXPIRED ||
                       ask->client_chain == EXPLAIN_CHAIN_UNTRUSTED))
        wrong = "which certificate? its names are missing";
    if (wrong)
        why_set(why, "%s", wrong);
    return wrong ? ERR_SYNTAX : ERR_OK;
}

enum err explain_ask_read(const struct ctl *in, int64_t now_ms, struct explain_ask *ret,
                          struct why *why)
{
    struct span from = ctl_get(in, "from"), client = ctl_get(in, "client-addr");
    int64_t at = ctl_get_num(in, "at");
    struct explain_ask ask = {
        .from = span_eq(from, SPAN("<>")) ? SPAN_NONE : from,
        .to = ctl_get(in, "to"),
        .requiretls = ctl_get_bool(in, "requiretls"),
        .tls_required_no = ctl_get_bool(in, "tls-required-no"),
        .org = ctl_get(in, "org"),
        .client_names = ctl_get(in, "client-cert-names"),
        .client_ca = ctl_get(in, "client-cert-ca"),
        .client_plaintext = ctl_get_bool(in, "client-plaintext"),
        .now_ms = at > 0 ? at : now_ms,
    };
    if (client.n > 0 && ip_parse(client, &ask.client) != ERR_OK) {
        why_set(why, "`%.*s` is no address", SPAN_ARG(text_cut(client, IP_TEXT_MAX)));
        return ERR_SYNTAX;
    }
    if (chain_read(ctl_get(in, "client-chain"), &ask.client_chain) != ERR_OK) {
        why_set(why, "client-chain is ok, expired, untrusted or none");
        return ERR_SYNTAX;
    }
    TRY(check_client(&ask, why));
    *ret = ask;
    return ERR_OK;
}

/* --- the verb: facts are gathered now --- */

struct asked {
    struct request *r;
    struct config *config; /* held */
    struct resolve_query *query;
    struct explained found;
};

static void asked_free(struct asked *a)
{
    resolve_done(a->query);
    config_unref(a->config);
    a->config = NULL;
}

static void asked_resolved(void *arg, const struct facts *f)
{
    struct asked *a = arg;
    struct request *r = a->r;
    ctl_set_bool(r->out, "ok", true);
    explain_put(&a->found, f, r->out);
    asked_free(a);
    request_done(r);
}

static void asked_cancel(struct request *r)
{
    asked_free(r->work);
    request_done(r);
}

static bool owns_of(struct asker a, const struct org *org)
{
    return !org || asker_owns(a, org);
}

static bool owns_by(struct asker a, const struct connector *c)
{
    return !c || asker_owns(a, c->org);
}

/* The answer speaks of no other organisation: it looks at the connectors of all of these. */
static bool explain_allowed(struct asker a, const struct explained *e)
{
    const struct org_table *t = e->config->orgs;
    const struct inbound_verdict *v = &e->verdict;
    const struct in_connector *in[] = { v->by, v->test_by };
    const struct out_connector *out[] = { e->way.by, e->way.test };
    bool all = owns_of(a, org_of_domain(t, e->domain)) &&
               owns_of(a, org_of_domain(t, e->facts.from_domain)) && owns_of(a, v->from_org) &&
               owns_of(a, org_by_name(t, e->envelope.org));
    for (size_t i = 0; i < COUNTOF(in); i++)
        all = all && owns_by(a, in[i] ? &in[i]->c : NULL) && owns_by(a, out[i] ? &out[i]->c : NULL);
    return all;
}

void control_explain(struct request *r)
{
    struct why why = { "" };
    struct explain_ask ask;
    struct asked *a = r->work = ARENA_NEW(&r->arena, struct asked);
    a->r = r;
    if (explain_ask_read(r->in, loop_wall_ms(r->w->loop), &ask, &why) != ERR_OK ||
        explain_find(r->w->config, &ask, &r->arena, &a->found, &why) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "%s", why.text);
        return;
    }
    if (!explain_allowed(r->asker, &a->found)) {
        request_fail(r, REQUEST_DENIED, "the answer would speak of another organisation");
        return;
    }
    a->config = config_ref(r->w->config);
    if (a->found.way.route->kind == ROUTE_MAILDIR) {
        asked_resolved(a, NULL);
        return;
    }
    r->cancel = asked_cancel;
    a->query =
        resolve_facts(r->w, a->config, a->found.way.route, a->found.domain, asked_resolved, a);
}
