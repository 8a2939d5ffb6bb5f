#include "policy/select.h"
#include "mail/addr.h"
#include "mail/text.h"
#include "policy/org_index.h"

enum { CANDIDATES_SHOWN_MAX = 50, ID_SHOWN_MAX = 160, INDENT = 12 };

/* In order of precedence; of two wildcards the longer one counts. */
enum rank_kind {
    RANK_NONE,
    RANK_ANY,
    RANK_ACCEPTED,
    RANK_WILDCARD,
    RANK_EXACT,
    RANK_EVERYTHING,
    RANK_HEADER,
    RANK_COUNT_
};

static const char *const rank_sentences[RANK_COUNT_] = {
    [RANK_NONE] = "it is for other recipients",
    [RANK_ANY] = "it is for all domains",
    [RANK_ACCEPTED] = "it is for all accepted domains of the organisation",
    [RANK_WILDCARD] = "it has the longest wildcard for the domain",
    [RANK_EXACT] = "it is for this very domain",
    [RANK_EVERYTHING] = "all that the organisation sends leaves by it",
    [RANK_HEADER] = "a header of the message names it",
};

struct rank {
    enum rank_kind kind;
    size_t length;
};

/* One recipient before one organisation's connectors. */
struct ask {
    const struct outbound_message *m;
    const struct org *org; /* NULL: none is concerned */
    bool accepts;          /* the recipient's domain is its own */
    bool firm;             /* and authoritative: only what names it, or its own route, is for it */
    bool sends;            /* the message is its own */
};

/* R26: mail for an organisation of this installation is at the recipient's provider. What the
 * sender's organisation asks of the way there has been fulfilled. */
static struct ask ask_of(const struct org_table *t, const struct outbound_message *m)
{
    const struct org *to = org_of_domain(t, m->to_domain);
    const struct org *from = m->org.n > 0 ? org_by_name(t, m->org) : NULL;
    return (struct ask){
        .m = m,
        .org = to ? to : from,
        .accepts = to != NULL,
        .firm = org_authoritative(t, m->to_domain),
        .sends = from && (!to || to == from),
    };
}

/* --- precedence */

static bool rank_above(struct rank a, struct rank b)
{
    return a.kind != b.kind ? a.kind > b.kind : a.length > b.length;
}

static struct rank pattern_rank(struct span pattern, struct span domain)
{
    if (span_eq(pattern, SPAN("*")))
        return (struct rank){ RANK_ANY, 0 };
    if (!domain_match(pattern, domain))
        return (struct rank){ RANK_NONE, 0 };
    if (span_starts(pattern, SPAN("*.")))
        return (struct rank){ RANK_WILDCARD, pattern.n };
    return (struct rank){ RANK_EXACT, 0 };
}

/* By what the connector says of recipients. */
static struct rank recipient_rank(const struct out_connector *c, const struct ask *a)
{
    struct rank best = { c->accepted && a->accepts ? RANK_ACCEPTED : RANK_NONE, 0 };
    for (unsigned i = 0; i < c->n_recipient; i++) {
        struct rank r = pattern_rank(c->recipient[i], a->m->to_domain);
        if (rank_above(r, best) && !(a->firm && r.kind == RANK_ANY))
            best = r;
    }
    if (c->everything && a->sends && !a->m->from_on_premises)
        best = (struct rank){ RANK_EVERYTHING, 0 };
    return best;
}

/* A connector with a header rule is for mail that names it, and for nothing else. */
static struct rank connector_rank(const struct out_connector *c, const struct ask *a)
{
    struct rank none = { RANK_NONE, 0 }, header = { RANK_HEADER, 0 };
    struct rank r = recipient_rank(c, a);
    bool anywhere = c->n_recipient == 0 && !c->accepted && !c->everything && !a->firm;
    if (c->rule_header.n == 0)
        return r;
    if (a->m->rule.n == 0 || !span_eq(a->m->rule, c->c.id))
        return none;
    return anywhere || r.kind != RANK_NONE ? header : none;
}

/* --- finding the best of very many */

static const enum rank_kind way_ranks[] = {
    [WAY_EVERYTHING] = RANK_EVERYTHING, [WAY_EXACT] = RANK_EXACT, [WAY_WILDCARD] = RANK_WILDCARD,
    [WAY_ACCEPTED] = RANK_ACCEPTED,     [WAY_ALL] = RANK_ANY,     [WAY_ANYWHERE] = RANK_HEADER,
};

/* Does this kind of mail count for the recipient? */
static bool way_counts(const struct ask *a, enum org_way_kind kind)
{
    if (kind == WAY_EVERYTHING)
        return a->sends && !a->m->from_on_premises;
    if (kind == WAY_ALL || kind == WAY_ANYWHERE)
        return !a->firm;
    return kind != WAY_ACCEPTED || a->accepts;
}

/* The first that is of the mode and is named, or has no rule when none is. */
static const struct out_connector *first_of(const struct org_way *w, enum connector_mode least,
                                            struct span rule)
{
    for (; w; w = w->next) {
        bool ruled = w->c->rule_header.n > 0;
        if (w->c->c.mode >= least && (rule.n > 0 ? ruled && span_eq(w->c->c.id, rule) : !ruled))
            return w->c;
    }
    return NULL;
}

/* The connector that a header names, if it is for this recipient. */
static const struct out_connector *best_by_rule(const struct org_table *t, const struct ask *a,
                                                enum connector_mode least)
{
    const struct out_connector *best = NULL;
    const struct org_way *way;
    struct org_ways w;
    enum org_way_kind kind;
    if (a->m->rule.n == 0)
        return NULL;
    org_ways_start(&w, t, a->org, a->m->rule, a->m->to_domain);
    while ((way = org_ways_next(&w, &kind))) {
        const struct out_connector *c =
            way_counts(a, kind) ? first_of(way, least, a->m->rule) : NULL;
        if (c && (!best || c < best))
            best = c;
    }
    return best;
}

/* The best connector whose mode is at least `least`; NULL: none is for this recipient. */
static const struct out_connector *best_of(const struct org_table *t, const struct ask *a,
                                           enum connector_mode least, enum rank_kind *ret)
{
    const struct org_way *way;
    struct org_ways w;
    enum org_way_kind kind;
    *ret = RANK_NONE;
    if (!a->org)
        return NULL;
    const struct out_connector *best = best_by_rule(t, a, least);
    *ret = best ? RANK_HEADER : RANK_NONE;
    org_ways_start(&w, t, a->org, SPAN_NONE, a->m->to_domain);
    while (!best && (way = org_ways_next(&w, &kind))) {
        best = way_counts(a, kind) ? first_of(way, least, SPAN_NONE) : NULL;
        *ret = best ? way_ranks[kind] : RANK_NONE;
    }
    return best;
}

/* --- contracts */

/* Each weakening gives up what it names and nothing else. */
struct contract out_connector_contract(const struct out_connector *c, int64_t now_ms)
{
    const struct contract said = contract_join(contract_none(), c->route.contract);
    struct contract k = said;
    if (connector_weakened(&c->c, WEAKEN_NAME, now_ms)) {
        k.need = k.need < TLS_NEED_CHAIN ? k.need : TLS_NEED_CHAIN;
        k.n_names = 0;
        k.host_name = false;
    }
    if (connector_weakened(&c->c, WEAKEN_EXPIRED, now_ms))
        k.allow_expired = true;
    if (connector_weakened(&c->c, WEAKEN_PLAINTEXT, now_ms))
        k.need = TLS_NEED_TRY;
    k.rules |= RULE_CONNECTOR | (contract_eq(&k, &said) ? 0u : RULE_WEAKENED);
    return contract_join(contract_none(), k);
}

/* The connector's demand joined with the message's. */
static struct contract contract_by(const struct out_connector *c, const struct outbound_message *m)
{
    struct route r = c->route;
    r.contract = out_connector_contract(c, m->now_ms);
    return decide_contract(&r, &m->message);
}

/* --- the choice */

/* R17, R18: what one organisation of this installation writes to another, or to itself, is never
 * in clear. No weakening lowers it: it is the installation's word, not the connector's. */
static struct contract tenant_contract(const struct org_table *t, const struct outbound_message *m,
                                       const struct route *r, struct contract c)
{
    struct contract asked = contract_none();
    bool tenants =
        m->org.n > 0 && org_by_name(t, m->org) != NULL && org_of_domain(t, m->to_domain) != NULL;
    if (!tenants || decide_local(r))
        return c;
    asked.need = TLS_NEED_ENCRYPT;
    asked.forward_secret = true;
    asked.rules = RULE_TENANT;
    c.rules &= ~(unsigned)RULE_DEFAULT;
    return contract_join(c, asked);
}

static struct selection by_route(const struct route_table *routes, const struct outbound_message *m)
{
    const struct route *r = route_find(routes, m->to_domain);
    return (struct selection){
        .route = r,
        .contract = decide_contract(r, &m->message),
        .why = r == &routes->mx_default ? "no connector and no route is for the recipient"
                                        : "no connector is for the recipient, but a route is",
    };
}

struct selection select_out(const struct org_table *t, const struct route_table *routes,
                            const struct outbound_message *m)
{
    struct ask a = ask_of(t, m);
    enum rank_kind rank;
    const struct out_connector *test = best_of(t, &a, CONNECTOR_TEST, &rank), *by = test;
    if (test && test->c.mode == CONNECTOR_TEST)
        by = best_of(t, &a, CONNECTOR_ENFORCE, &rank);
    struct selection s = by_route(routes, m);
    if (by) {
        s.by = by;
        s.route = &by->route;
        s.contract = contract_by(by, m);
        s.why = rank_sentences[rank];
    }
    s.contract = tenant_contract(t, m, s.route, s.contract);
    if (test && test->c.mode == CONNECTOR_TEST) {
        s.test = test;
        s.test_contract = tenant_contract(t, m, &test->route, contract_by(test, m));
    }
    return s;
}

/* --- in words */

/* It would be for the recipient if the domain were not authoritative. */
static bool is_kept_off(const struct out_connector *c, const struct ask *a)
{
    struct ask loose = *a;
    loose.firm = false;
    return a->firm && connector_rank(c, &loose).kind != RANK_NONE;
}

/* Why a connector that was not chosen was not. */
static const char *candidate_sentence(const struct out_connector *c, const struct ask *a)
{
    bool named = a->m->rule.n > 0 && span_eq(a->m->rule, c->c.id);
    if (c->c.mode == CONNECTOR_OFF)
        return "it is off";
    if (connector_rank(c, a).kind != RANK_NONE)
        return "another one is closer";
    if (is_kept_off(c, a))
        return "the domain is authoritative, and it does not name it";
    if (c->rule_header.n > 0 && !named)
        return "no header of the message names it";
    if (c->everything && !a->sends)
        return "it is for what the organisation sends";
    if (c->everything)
        return "the mail came from the organisation's own servers";
    return rank_sentences[RANK_NONE];
}

static void put_candidate(const struct out_connector *c, const struct ask *a,
                          const struct selection *s, struct buf *out)
{
    buf_putf(out, "%*s", INDENT, "");
    text_put(text_cut(c->c.id, ID_SHOWN_MAX), "", true, out);
    buf_putf(out, ", %s, %s: ", connector_kind_name(c->c.kind), connector_mode_name(c->c.mode));
    if (c == s->by)
        buf_putf(out, "taken (%s)\n", s->why);
    else if (c == s->test)
        buf_putf(out, "would be taken (%s)\n", rank_sentences[connector_rank(c, a).kind]);
    else
        buf_putf(out, "not taken (%s)\n", candidate_sentence(c, a));
}

static void put_org(const struct ask *a, struct buf *out)
{
    buf_put(out, SPAN("  candidates of organisation "));
    text_put(text_cut(a->org->name, ID_SHOWN_MAX), "", true, out);
    buf_putf(out, "%s\n", a->accepts ? ", whose domain it is" : ", which sends it");
}

void select_explain(const struct org_table *t, const struct route_table *routes,
                    const struct outbound_message *m, struct buf *out)
{
    struct ask a = ask_of(t, m);
    struct selection s = select_out(t, routes, m);
    if (!a.org) {
        buf_put(out, SPAN("  candidates none: no organisation here sends it or accepts it\n"));
        return;
    }
    put_org(&a, out);
    for (unsigned i = 0; i < a.org->n_out && i < CANDIDATES_SHOWN_MAX; i++)
        put_candidate(&a.org->out[i], &a, &s, out);
    if (a.org->n_out > CANDIDATES_SHOWN_MAX)
        buf_putf(out, "%*sand %u more\n", INDENT, "", a.org->n_out - CANDIDATES_SHOWN_MAX);
    if (!s.by)
        buf_putf(out, "%*s%s\n", INDENT, "", s.why);
}
