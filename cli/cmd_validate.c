/* postern connector validate: is the channel that an outbound connector demands there to be had?
 * Hosts are found as delivery finds them, each of their addresses is probed, no mail is sent. */
#include "cli/cli.h"

#include "cli/probe.h"
#include "cli/validate_chain.h"
#include "cli/validated.h"
#include "gate/resolve.h"
#include "io/idn.h"
#include "policy/select.h"

enum {
    ROWS_MAX = (int)FACTS_HOSTS_MAX * (int)FACTS_IPS_MAX,
    WORDS_ARENA_MAX = 4 * 1024 * 1024 + ROWS_MAX * TLS_LOOK_ARENA_MAX,
    TIMEOUT_MS = 30 * 1000,
    FIELD_CUT = 4000,
    FIELD_MAX = 4 * FIELD_CUT, /* cleaned */
    COLUMN = 12,
};

struct row {
    struct span host;
    struct ip ip;             /* IP_NONE: none was found */
    struct contract contract; /* of the host */
    struct probe_result result;
};

/* All addresses of one destination, at once. */
struct round {
    const struct validate_by *by;
    const struct out_connector *connector;
    struct contract contract;
    struct worker *worker; /* what of it resolve_facts looks at */
    struct arena words;
    struct row row[ROWS_MAX];
    unsigned n_row, n_open;
};

/* --- trying --- */

static void on_probed(void *arg, struct probe_result *r)
{
    struct round *o = arg;
    (void)r;
    if (--o->n_open == 0)
        loop_stop(o->worker->loop);
}

static struct row *new_row(struct round *o, struct span host)
{
    ASSERT(o->n_row < ROWS_MAX);
    struct row *row = &o->row[o->n_row++];
    *row = (struct row){ .host = host };
    return row;
}

/* k: the host's own contract; its TLSA records are those of h, which outlives the round. */
static void try_host(struct round *o, const struct host_facts *h, const struct contract *k)
{
    for (unsigned i = 0; i < h->n_ip; i++) {
        struct row *row = new_row(o, h->name);
        row->contract = *k;
        struct probe_ask ask = {
            .loop = o->worker->loop,
            .config = o->by->config,
            .contract = &row->contract,
            .host = h->name,
            .ip = h->ip[i],
            .timeout_ms = o->by->timeout_ms,
            .words = &o->words,
        };
        row->ip = h->ip[i];
        o->n_open++;
        probe_start(&ask, &row->result, on_probed, o);
    }
}

static void on_facts(void *arg, const struct facts *f)
{
    struct round *o = arg;
    enum step step = STEP_CONNECT;
    for (unsigned i = 0; i == 0 || (i < f->n_host && step != STEP_BOUNCE && step != STEP_DEFER);
         i++) {
        struct verdict v = decide_plan(&o->contract, f, i);
        step = v.step;
        if (step == STEP_CONNECT) {
            try_host(o, &f->host[i], &v.contract);
            continue;
        }
        bool of_host = step == STEP_NEXT_HOST;
        struct row *row = new_row(o, of_host ? f->host[i].name : f->domain);
        probe_unresolved(&v, of_host ? f->host[i].failure : f->dns_failure, &row->result);
    }
    if (o->n_open == 0)
        loop_stop(o->worker->loop);
}

/* --- the answer --- */

static void put_steps(const struct probe_result *r, struct ctl *out)
{
    for (unsigned p = 0; p < PROBE_PHASE_COUNT_; p++) {
        struct ctl *step = ctl_add(out, "phases");
        ctl_set(step, "phase", span_z(probe_phase_name(p)));
        ctl_set(step, "outcome", span_z(probe_outcome_name(r->step[p].outcome)));
        ctl_set(step, "words", r->step[p].words);
    }
}

static void put_tls(const struct probe_result *r, struct ctl *out)
{
    const struct tls_facts *f = &r->tls;
    struct ctl *tls = ctl_object(out, "tls");
    ctl_set(tls, "version", f->version);
    ctl_set(tls, "suite", f->suite);
    ctl_set(tls, "group", f->group);
    ctl_set_bool(tls, "forward_secret", f->forward_secret);
    ctl_set(tls, "names", f->names);
    ctl_set(tls, "issuer", f->issuer);
    ctl_set(tls, "chain", f->verify);
    ctl_set_bool(tls, "chain_ok", f->chain_ok);
    ctl_set_bool(tls, "expired", f->expired);
    ctl_set_bool(tls, "name_ok", f->name_ok);
    chain_put(r, tls);
}

static void put_row(const struct row *row, struct span domain, struct ctl *out)
{
    const struct probe_result *r = &row->result;
    struct ctl *a = ctl_add(out, "addresses");
    char ip[IP_TEXT_MAX];
    ctl_set(a, "domain", domain);
    ctl_set(a, "host", row->host);
    if (row->ip.family != IP_NONE)
        ctl_set(a, "address", span_z(ip_port_text(&row->ip, ip)));
    ctl_set_bool(a, "fulfilled", r->fulfilled);
    ctl_set(a, "why", r->why);
    if (!r->fulfilled)
        ctl_set(a, "failed", span_z(probe_phase_name(r->at)));
    if (!r->fulfilled && r->reply.code > 0) {
        struct buf reply;
        buf_init(&reply, FIELD_MAX);
        reply_print(&r->reply, &reply);
        ctl_set(a, "reply", buf_span(&reply));
        buf_done(&reply);
    }
    put_steps(r, a);
    if (r->tls.on)
        put_tls(r, a);
}

/* One destination. Returns whether all of it fulfils the contract. */
static bool validate_round(struct round *o, struct span domain, struct ctl *ret)
{
    bool well = true;
    arena_init(&o->words, WORDS_ARENA_MAX);
    o->n_row = 0;
    struct resolve_query *q =
        resolve_facts(o->worker, o->by->config, &o->connector->route, domain, on_facts, o);
    loop_run(o->worker->loop);
    for (unsigned i = 0; i < o->n_row; i++) {
        put_row(&o->row[i], domain, ret);
        well = well && o->row[i].result.fulfilled;
    }
    resolve_done(q);
    arena_done(&o->words);
    return well && o->n_row > 0;
}

static void put_contract(const struct round *o, struct ctl *ret)
{
    const struct config *c = o->by->config;
    struct buf text;
    buf_init(&text, CONTRACT_TEXT_MAX);
    contract_print(&o->contract, &text);
    ctl_set_bool(ret, "ok", true);
    ctl_set(ret, "connector", o->connector->c.id);
    ctl_set(ret, "mode", span_z(connector_mode_name(o->connector->c.mode)));
    ctl_set(ret, "contract", buf_span(&text));
    if (o->contract.identity > 0)
        ctl_set(ret, "certificate", c->identity[o->contract.identity - 1].label);
    ctl_set(ret, "revocation", span_z(revocation_said(o->contract.revocation)));
    ctl_array(ret, "addresses");
    buf_done(&text);
}

static bool is_exact(struct span pattern)
{
    return span_find(pattern, '*') == pattern.n;
}

static bool validate_all(struct round *o, struct ctl *ret)
{
    const struct out_connector *k = o->connector;
    bool well = true;
    if (o->by->domain.n > 0 || k->route.kind != ROUTE_MX)
        return validate_round(o, o->by->domain, ret);
    for (unsigned i = 0; i < k->n_recipient; i++)
        if (is_exact(k->recipient[i]))
            well = validate_round(o, k->recipient[i], ret) && well;
    return well;
}

/* --- which --- */

static const struct out_connector *find(const struct config *c, struct span id)
{
    const struct org *org = org_by_name(c->orgs, span_head(id, span_find(id, '/')));
    for (unsigned i = 0; org && i < org->n_out; i++)
        if (span_eq_nocase(org->out[i].c.id, id))
            return &org->out[i];
    return NULL;
}

/* Does the connector lead somewhere that can be tried? */
static enum err check_destination(const struct out_connector *k, struct span domain,
                                  struct why *why)
{
    bool any = domain.n > 0;
    for (unsigned i = 0; i < k->n_recipient; i++)
        any = any || is_exact(k->recipient[i]);
    if (k->route.kind == ROUTE_MX && !any) {
        why_set(why, "it leads to the MX of many domains: say which with --to DOMAIN");
        return ERR_SYNTAX;
    }
    if (k->route.kind != ROUTE_MX && domain.n > 0) {
        why_set(why, "it leads to hosts of its own, whatever the domain: leave --to out");
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err validate_connector(const struct validate_by *by, struct ctl *ret, bool *ret_well,
                            struct why *why)
{
    const struct out_connector *k = find(by->config, by->id);
    if (!k) {
        why_set(why, "there is no such outbound connector");
        return ERR_SYNTAX;
    }
    TRY(check_destination(k, by->domain, why));
    struct worker *w = NEW(struct worker);
    struct round *o = NEW(struct round);
    uint64_t seed;
    w->loop = loop_new();
    loop_random(w->loop, &seed, sizeof seed);
    rng_init(&w->rng, seed);
    *o = (struct round){ .by = by, .connector = k, .worker = w };
    o->contract = out_connector_contract(k, by->now_ms);
    enum err e = dns_new(w->loop, &by->config->dns, &w->dns, why);
    if (e == ERR_OK) {
        put_contract(o, ret);
        *ret_well = validate_all(o, ret);
        ctl_set_bool(ret, "fulfilled", *ret_well);
        dns_free(w->dns);
    }
    mem_free(o);
    loop_free(w->loop);
    mem_free(w);
    return e;
}

/* --- for people --- */

static void put_field(const char *label, struct span text, struct buf *out)
{
    if (text.n == 0)
        return;
    buf_putf(out, "  %-*s", COLUMN, label);
    out_clean(span_head(text, text.n < FIELD_CUT ? text.n : FIELD_CUT), out);
    buf_put(out, SPAN("\n"));
}

static void put_phase(const struct ctl *step, struct buf *out)
{
    struct buf text;
    struct span words = ctl_get(step, "words"), phase = ctl_get(step, "phase"),
                outcome = ctl_get(step, "outcome");
    buf_init(&text, FIELD_MAX);
    buf_put(&text, outcome);
    buf_put(&text, words.n > 0 ? SPAN(": ") : SPAN_NONE);
    buf_put(&text, span_head(words, words.n < FIELD_CUT ? words.n : FIELD_CUT));
    buf_putf(out, "  %-*.*s", COLUMN, SPAN_ARG(phase));
    out_clean(buf_span(&text), out);
    buf_put(out, SPAN("\n"));
    buf_done(&text);
}

static void put_channel(const struct ctl *tls, struct buf *out)
{
    struct span part[] = { ctl_get(tls, "version"), ctl_get(tls, "suite"), ctl_get(tls, "group") };
    bool secret = ctl_get_bool(tls, "forward_secret");
    struct buf text;
    buf_init(&text, FIELD_MAX);
    for (size_t i = 0; i < COUNTOF(part); i++)
        if (part[i].n > 0)
            buf_putf(&text, "%.*s ", SPAN_ARG(part[i]));
    buf_put(&text, secret ? SPAN("forward-secret") : SPAN("not forward-secret"));
    put_field("TLS", buf_span(&text), out);
    put_field("names", ctl_get(tls, "names"), out);
    put_field("issuer", ctl_get(tls, "issuer"), out);
    put_field("chain", ctl_get(tls, "chain"), out);
    chain_text(tls, out);
    buf_done(&text);
}

static void put_verdict(const struct ctl *a, struct buf *out)
{
    struct span why = ctl_get(a, "why"), failed = ctl_get(a, "failed");
    struct buf text;
    buf_init(&text, FIELD_MAX);
    if (failed.n > 0)
        buf_putf(&text, "NOT FULFILLED, %.*s: ", SPAN_ARG(failed));
    else
        buf_put(&text, SPAN("fulfilled: "));
    buf_put(&text, span_head(why, why.n < FIELD_CUT / 2 ? why.n : FIELD_CUT / 2));
    put_field("contract", buf_span(&text), out);
    put_field("reply", ctl_get(a, "reply"), out);
    buf_done(&text);
}

static void put_address(const struct ctl *a, struct buf *out)
{
    struct span host = ctl_get(a, "host"), address = ctl_get(a, "address");
    buf_put(out, SPAN("\n"));
    out_clean(host, out);
    if (address.n > 0)
        buf_putf(out, " %.*s", SPAN_ARG(address));
    buf_put(out, SPAN("\n"));
    for (size_t i = 0; i < ctl_count(a, "phases"); i++)
        put_phase(ctl_at(a, "phases", i), out);
    if (ctl_has(a, "tls"))
        put_channel(ctl_get_object(a, "tls"), out);
    put_verdict(a, out);
}

void validate_text(const struct ctl *answer, struct buf *out)
{
    out_clean(ctl_get(answer, "connector"), out);
    buf_put(out, SPAN("\n"));
    put_field("mode", ctl_get(answer, "mode"), out);
    put_field("contract", ctl_get(answer, "contract"), out);
    put_field("shows", ctl_get(answer, "certificate"), out);
    put_field("revocation", ctl_get(answer, "revocation"), out);
    for (size_t i = 0; i < ctl_count(answer, "addresses"); i++)
        put_address(ctl_at(answer, "addresses", i), out);
}

/* --- the command --- */

static enum cli_exit show(const struct cli *c, const struct ctl *answer, bool well)
{
    enum cli_exit code = well ? CLI_OK : CLI_FAILED;
    if (c->args->json)
        return cli_json(answer, code);
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    validate_text(answer, &text);
    code = cli_print(&text, code);
    buf_done(&text);
    return code;
}

/* When the channel is well, mail is sent over it if that was asked for. */
static enum cli_exit show_and_send(const struct cli *c, struct ctl *answer, bool well)
{
    bool send = well && c->args->recipient.n > 0;
    enum cli_exit code = CLI_OK;
    if (send && c->args->json) {
        code = connector_send(c, ctl_object(answer, "test"));
        return cli_json(answer, code);
    }
    code = show(c, answer, well);
    return send && code == CLI_OK ? connector_send(c, answer) : code;
}

static enum cli_exit validate(const struct cli *c, const struct validate_by *by)
{
    struct ctl *answer = ctl_new();
    struct why why = { "" };
    bool well;
    enum err e = validate_connector(by, answer, &well, &why);
    enum cli_exit code = CLI_CONFIG;
    if (e == ERR_OK) {
        if (validated_keep(by->config, answer, by->now_ms, &why) != ERR_OK)
            out_complain("the result is not kept: %s", why.text);
        code = show_and_send(c, answer, well);
    } else if (e == ERR_SYNTAX) {
        code = cli_usage("%.*s: %s", SPAN_ARG(by->id), why.text);
    } else {
        out_complain("%s", why.text);
    }
    ctl_free(answer);
    return code;
}

/* With mx the hosts are those of the recipient's domain, if nothing else is said. */
static void recipient_domain(const struct cli *c, const struct out_connector *k, struct buf *ret)
{
    struct span to = c->args->recipient;
    size_t at = span_rfind(to, '@');
    if (k && k->route.kind == ROUTE_MX && at < to.n &&
        idn_to_ascii(span_tail(to, at + 1), ret) != ERR_OK)
        buf_clear(ret); /* the message will not be taken either, and that says why */
}

enum cli_exit cmd_connector_validate(const struct cli *c)
{
    struct span id = c->args->n_word == 1 ? c->args->word[0] : SPAN_NONE, to = c->args->to;
    size_t slash = span_find(id, '/');
    struct why why = { "" };
    struct config *config;
    struct buf domain;
    if (slash == id.n || slash == 0)
        return cli_usage("connector validate wants one connector: ORGANISATION/CONNECTOR");
    if (span_rfind(to, '@') < to.n) /* an address will do */
        to = span_tail(to, span_rfind(to, '@') + 1);
    buf_init(&domain, DNS_NAME_MAX);
    enum cli_exit code = CLI_CONFIG;
    if (c->args->to.n > 0 && idn_to_ascii(to, &domain) != ERR_OK) {
        code = cli_usage("--to wants a domain here: example.org");
    } else if (cli_load(cli_config(c), &config, &why) != ERR_OK) {
        out_complain("%s", why.text);
    } else {
        if (domain.n == 0)
            recipient_domain(c, find(config, id), &domain);
        struct validate_by by = {
            .config = config,
            .id = id,
            .domain = buf_span(&domain),
            .timeout_ms = c->args->timeout > 0 ? (int64_t)c->args->timeout * 1000 : TIMEOUT_MS,
            .now_ms = c->now_ms,
        };
        code = validate(c, &by);
        config_unref(config);
    }
    buf_done(&domain);
    return code;
}
