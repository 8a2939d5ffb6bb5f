#include "gate/control_explain.h"

#include "gate/attribution.h"
#include "gate/control_request.h"
#include "gate/resolve.h"
#include "gate/way.h"
#include "io/idn.h"
#include "mail/addr.h"
#include "mail/text.h"
#include "policy/ladder.h"

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

/* The client's own certificate, as the handshake would judge it. */
static enum err judge_certificate(struct explained *e, struct arena *a, struct why *why)
{
    struct tls_server *server = e->config->tls_server;
    if (!server) {
        why_set(why, "listeners have no certificate: no client can use TLS, nor show one");
        return ERR_SYNTAX;
    }
    TRY(tls_judge_client(server, e->ask.client_cert, e->ask.now_ms, a, &e->tls, why));
    e->tls.forward_secret = true;
    e->tls.version = SPAN("TLSv1.3");
    if (e->config->asks_client_certificate)
        return ERR_OK;
    e->tls = (struct tls_facts){ .on = true, .forward_secret = true, .version = SPAN("TLSv1.3") };
    e->unasked = true;
    return ERR_OK;
}

/* What is told of a certificate that nobody has. */
static void tell_certificate(struct explained *e)
{
    const struct explain_ask *ask = &e->ask;
    bool on = !ask->client_plaintext;
    bool cert = on && ask->client_names.n > 0;
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
}

/* A client that is told of in the question. */
static enum err find_way_in(struct explained *e, struct arena *a, struct why *why)
{
    const struct explain_ask *ask = &e->ask;
    e->came_in = true;
    if (ask->client_cert.n > 0)
        TRY(judge_certificate(e, a, why));
    else
        tell_certificate(e);
    bool supposed;
    TRY(suppose_client(&(struct suppose_ask){ ask->supposed, ask->n_supposed }, &e->tls, a,
                       &supposed, why));
    e->facts.now_ms = ask->now_ms;
    e->facts.client = ask->client;
    e->facts.tls = &e->tls;
    e->facts.to_domain = e->domain;
    e->facts.revoked = attribution_revoked(&e->tls);
    e->verdict = attribution_judge(e->config, &e->facts, e->local);
    if (e->verdict.admitted) {
        struct attributed attributed = attribution_of(e->config, &e->facts, &e->verdict);
        attribution_fill(&e->envelope, &attributed);
    }
    return ERR_OK;
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
        TRY(find_way_in(e, a, why));
    TRY(find_org(e, why));
    e->way = way_out(c, &e->envelope, e->domain, ask->now_ms);
    return ERR_OK;
}

static bool is_of_client(struct span text)
{
    return span_starts(text, SPAN("client/")) || span_starts(text, SPAN("client:"));
}

/* Nothing is passed over silently. */
static enum err check_supposed(const struct explained *e, bool known, struct why *why)
{
    for (unsigned i = 0; i < e->ask.n_supposed; i++) {
        bool client = is_of_client(e->ask.supposed[i]);
        if (client ? e->came_in : known)
            continue;
        why_set(why, client ? "client/... is of the way in: client-addr is missing"
                            : "what is supposed is of hosts, and none are known: they were not "
                              "looked up (say facts), or the mail is written into a Maildir");
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err explain_suppose(struct explained *e, const struct facts *known, struct arena *a,
                         const struct facts **ret, struct why *why)
{
    TRY(check_supposed(e, known != NULL, why));
    if (!known || e->ask.n_supposed == 0) {
        *ret = known;
        return ERR_OK;
    }
    struct facts *f = ARENA_NEW(a, struct facts);
    *f = *known;
    TRY(suppose_hosts(&(struct suppose_ask){ e->ask.supposed, e->ask.n_supposed }, &e->way.contract,
                      f, a, &e->suppose, why));
    *ret = f;
    return ERR_OK;
}

/* --- the answer */

static void put_route(const struct route *route, struct ctl *out)
{
    struct ctl *row = ctl_object(out, "route");
    ctl_set(row, "kind", span_z(route_kind_name(route->kind)));
    ctl_set(row, "pattern", route->pattern);
    ctl_set(row, "node", route->node ? route->node->name : SPAN_NONE);
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

/* As it was judged, in the keys of a trace. */
static void put_certificate(const struct explained *e, struct ctl *row)
{
    struct buf text;
    if (e->ask.client_cert.n == 0)
        return;
    buf_init(&text, TLS_FACTS_TEXT_MAX);
    tls_facts_print(&e->tls, &text);
    ctl_set(row, "certificate", buf_span(&text));
    buf_done(&text);
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
    put_certificate(e, row);
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

/* "  certificate spki ..., issued by ..., anchor ...": of one that was shown as a file. */
static void tell_shown(const struct explained *e, struct buf *out)
{
    const struct tls_facts *t = &e->tls;
    if (e->ask.client_cert.n == 0)
        return;
    if (e->unasked) {
        buf_put(out, SPAN("  shown     nothing: no connector looks at certificates, and the "
                          "client is not asked for one\n"));
        return;
    }
    buf_put(out, SPAN("  shown     key "));
    buf_put(out, t->spki);
    buf_put(out, SPAN("\n            issued by "));
    text_put(text_cut(t->issuer, NAMES_SHOWN_MAX), "", true, out);
    buf_putf(out, "; its chain: %s", t->chain_ok ? "well" : "");
    if (!t->chain_ok)
        text_put(text_cut(t->verify, NAMES_SHOWN_MAX), "", true, out);
    if (t->anchor.n > 0)
        buf_putf(out, ", up to %s root %.*s", t->anchor_private ? "a partner's own" : "a trusted",
                 SPAN_ARG(t->anchor));
    buf_putf(out, "\n            %s\n",
             t->client_usage ? "it may be used by clients"
                             : "it is for servers only (client_usage = client refuses it)");
}

/* Which of the table's words its certificate deserves. */
static enum explain_chain chain_of(const struct explained *e)
{
    if (!e->tls.peer_cert)
        return EXPLAIN_CHAIN_NONE;
    if (e->tls.expired)
        return EXPLAIN_CHAIN_EXPIRED;
    return e->tls.chain_ok ? EXPLAIN_CHAIN_OK : EXPLAIN_CHAIN_UNTRUSTED;
}

static void tell_way_in(const struct explained *e, struct buf *out)
{
    char ip[IP_TEXT_MAX];
    buf_putf(out, "Coming in from %s, %s", ip_text(&e->ask.client, ip),
             e->tls.on ? chains[chain_of(e)].words : "without TLS");
    if (e->tls.peer_cert)
        text_put(text_cut(e->tls.names, NAMES_SHOWN_MAX), "", true, out);
    buf_put(out, SPAN("\n"));
    tell_shown(e, out);
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

static void tell_ladder(const struct explained *e, const struct facts *facts, struct buf *out)
{
    const struct ladder_input in = {
        .contract = &e->way.contract,
        .route = e->way.route,
        .facts = facts,
        .suppose = &e->suppose,
        .from_file = e->from_file,
        .now_ms = e->ask.now_ms,
    };
    ladder_print(&in, out);
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
                        SELECT_TEXT_MAX + LADDER_TEXT_MAX + REST_MAX);
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
    buf_clear(&text);
    if (facts && e->way.route->kind != ROUTE_MAILDIR)
        tell_ladder(e, facts, &text);
    ctl_set(out, "ladder", buf_span(&text));
    buf_done(&text);
}

/* --- the question --- */

static enum err check_client(const struct explain_ask *ask, struct why *why)
{
    bool cert = ask->client_names.n > 0, file = ask->client_cert.n > 0;
    const char *wrong = NULL;
    if (file && (cert || ask->client_plaintext || ask->client_ca.n > 0 ||
                 ask->client_chain != EXPLAIN_CHAIN_OK))
        wrong = "client-cert says all of it: nothing else can be said of the certificate beside it";
    else if (file && ask->client.family == IP_NONE)
        wrong = "whose certificate? client-addr is missing";
    else if (ask->client.family == IP_NONE && (cert || ask->client_plaintext))
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

static enum err read_supposed(const struct ctl *in, struct explain_ask *ask, struct why *why)
{
    size_t n = ctl_count(in, "if");
    if (n > SUPPOSE_MAX) {
        why_set(why, "more than %d facts are supposed", SUPPOSE_MAX);
        return ERR_TOO_BIG;
    }
    for (size_t i = 0; i < n; i++)
        ask->supposed[ask->n_supposed++] = ctl_get(ctl_at(in, "if", i), "fact");
    return ERR_OK;
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
        .client_cert = ctl_get(in, "client-cert"),
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
    TRY(read_supposed(in, &ask, why));
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
    struct why why = { "" };
    const struct facts *facts = NULL;
    if (explain_suppose(&a->found, f, &r->arena, &facts, &why) != ERR_OK) {
        asked_free(a);
        request_fail(r, REQUEST_USAGE, "%s", why.text);
        return;
    }
    ctl_set_bool(r->out, "ok", true);
    explain_put(&a->found, facts, r->out);
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
