/* Which connector, and what it then asks for. */
#include "policy/select.h"
#include "base/rng.h"
#include "base/why.h"
#include "mail/addr.h"
#include "test/test.h"

enum { UNTIL_MS = 1000000, OUT_MAX = 8, SETS = 2 };

static const struct hash_key hash_key = { { 7, 9 } };
static struct span lab_names[] = { { "*.lab.example", 13 } };
static const struct name_set lab_set = { .id = 1, .n = 1, .name = lab_names };
static struct span hospital_domains[] = { { "hospital.example", 16 },
                                          { "*.hospital.example", 18 } };
static struct span clinic_domains[] = { { "clinic.example", 14 } };

/* Two organisations; the hospital's connectors are the test's. */
struct world {
    struct org org[2];
    struct out_connector out[OUT_MAX];
    struct span pattern[OUT_MAX];
    struct out_connector clinic;
    struct org_table *table;
    struct route_table routes;
    struct route route;
};

/* "name mode what": what is a pattern, or accepted, everything, header. */
static void connector_read(struct world *w, const char *text)
{
    struct span s = span_z(text), id = span_cut(&s, ' '), mode = span_cut(&s, ' ');
    struct out_connector *c = &w->out[w->org[0].n_out];
    ASSERT(w->org[0].n_out < OUT_MAX);
    *c = (struct out_connector){
        .c = { .id = id, .name = id, .org = &w->org[0], .mode = CONNECTOR_OFF },
        .route = { .kind = ROUTE_MX, .contract = { .need = TLS_NEED_ENCRYPT, .floor = 12 } },
    };
    c->c.mode = span_eq(mode, SPAN("test"))  ? CONNECTOR_TEST
                : span_eq(mode, SPAN("off")) ? CONNECTOR_OFF
                                             : CONNECTOR_ENFORCE;
    c->c.kind = CONNECTOR_ON_PREMISES;
    if (span_eq(s, SPAN("accepted"))) {
        c->accepted = true;
    } else if (span_eq(s, SPAN("everything"))) {
        c->everything = true;
    } else if (span_eq(s, SPAN("header"))) {
        c->rule_header = SPAN("X-Route-Via");
        c->rule_value = SPAN("secure");
    } else {
        w->pattern[w->org[0].n_out] = s;
        c->recipient = &w->pattern[w->org[0].n_out];
        c->n_recipient = 1;
    }
    w->org[0].n_out++;
}

static void world_start(struct world *w)
{
    *w = (struct world){
        .route = { .kind = ROUTE_SMTP,
                   .pattern = SPAN("routed.example"),
                   .contract = { .need = TLS_NEED_CHAIN, .floor = 12, .rules = RULE_ROUTE } }
    };
    w->org[0] = (struct org){ .name = SPAN("hospital"),
                              .domain = hospital_domains,
                              .n_domain = COUNTOF(hospital_domains),
                              .out = w->out };
    w->org[1] = (struct org){ .name = SPAN("clinic"),
                              .domain = clinic_domains,
                              .n_domain = COUNTOF(clinic_domains),
                              .out = &w->clinic,
                              .n_out = 1 };
    w->clinic = (struct out_connector){
        .c = { .id = SPAN("clinic/out"), .org = &w->org[1], .mode = CONNECTOR_ENFORCE },
        .rule_header = SPAN("X-Route-Via"),
        .route = { .kind = ROUTE_MX, .contract = { .floor = 12 } },
    };
}

static void world_end(struct world *w)
{
    org_table_free(w->table);
    route_table_done(&w->routes);
}

/* The connectors are there: builds the tables. */
static void world_built(struct world *w)
{
    const struct route *twice;
    struct org_conflict conflict;
    struct buf witness;
    buf_init(&witness, 4096);
    CHECK(route_table_init(&w->routes, &w->route, 1, &hash_key, &twice) == ERR_OK);
    enum err e = org_table_new(w->org, 2, &hash_key, &w->table, &conflict, &witness);
    CHECK_SPAN(buf_span(&witness), SPAN_NONE);
    CHECK(e == ERR_OK);
    buf_done(&witness);
}

static void world_of(struct world *w, const char *const *connectors)
{
    world_start(w);
    for (unsigned i = 0; i < OUT_MAX && connectors[i]; i++)
        connector_read(w, connectors[i]);
    world_built(w);
}

static struct outbound_message message(const char *org, const char *to, const char *rule)
{
    return (struct outbound_message){ .org = span_z(org),
                                      .to_domain = span_z(to),
                                      .rule = span_z(rule) };
}

static struct span by_id(const struct out_connector *c)
{
    return c ? c->c.id : SPAN("-");
}

/* --- precedence */

static const char *const all_kinds[OUT_MAX + 1] = {
    "hospital/any enforce *",
    "hospital/own enforce accepted",
    "hospital/wide enforce *.example",
    "hospital/wider enforce *.lab.example",
    "hospital/exact enforce mx.lab.example",
    "hospital/rule enforce header",
};

TEST(select_precedence)
{
    static const struct {
        const char *name, *org, *to, *rule, *by;
    } rows[] = {
        { "exact", "hospital", "mx.lab.example", "", "hospital/exact" },
        { "longest wildcard", "hospital", "a.b.lab.example", "", "hospital/wider" },
        { "shorter wildcard", "hospital", "lab.example", "", "hospital/wide" },
        { "any", "hospital", "else.where", "", "hospital/any" },
        { "address literal", "hospital", "[192.0.2.1]", "", "hospital/any" },
        { "a header before all", "hospital", "mx.lab.example", "hospital/rule", "hospital/rule" },
        { "a header that names what has no rule", "hospital", "else.where", "hospital/exact",
          "hospital/any" },
        { "another organisation's rule is nothing", "hospital", "else.where", "clinic/out",
          "hospital/any" },
        { "own recipients: a wildcard is closer than accepted", "", "hospital.example", "",
          "hospital/wide" },
        { "nobody's mail", "", "else.where", "", "-" },
        { "an organisation that is gone", "bankrupt", "else.where", "", "-" },
        { "accepted is for accepted ones", "hospital", "org", "", "hospital/any" },
    };
    struct world w;
    world_of(&w, all_kinds);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct outbound_message m = message(rows[i].org, rows[i].to, rows[i].rule);
        struct selection s = select_out(w.table, &w.routes, &m);
        CHECK_Z(by_id(s.by), rows[i].by);
        CHECK(s.route && s.why && !s.test);
        CHECK((s.by != NULL) == (s.contract.need == TLS_NEED_ENCRYPT));
        CHECK((s.by != NULL) == (s.contract.rules == RULE_CONNECTOR));
        CHECK(!s.by || s.route == &s.by->route);
    }
    world_end(&w);
}

TEST(select_other_tenant)
{
    struct world w;
    world_of(&w, all_kinds);
    test_case("the sender's connectors do not count for another's recipient (R26)");
    struct outbound_message m = message("hospital", "clinic.example", "");
    struct selection s = select_out(w.table, &w.routes, &m);
    CHECK(!s.by && s.route == &w.routes.mx_default);
    CHECK_NUM(s.contract.need, TLS_NEED_ENCRYPT);
    CHECK(s.contract.forward_secret);
    CHECK_NUM(s.contract.rules, RULE_TENANT);
    world_end(&w);
}

/* R17, R18: whose mail it is must be known, both must be here, and a network between. */
TEST(r17_r18_select_tenants_never_in_clear)
{
    static const char *const connectors[OUT_MAX] = { "hospital/own enforce accepted" };
    static const struct {
        const char *name, *org, *to;
        bool asked;
    } rows[] = {
        { "from one to another", "hospital", "clinic.example", true },
        { "within one", "hospital", "a.hospital.example", true },
        { "the other way", "clinic", "hospital.example", true },
        { "to somebody else", "hospital", "else.where", false },
        { "nobody's mail", "", "hospital.example", false },
        { "of one that is gone", "bankrupt", "hospital.example", false },
    };
    struct world w;
    world_of(&w, connectors);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        w.out[0].c.weakening[WEAKEN_PLAINTEXT] =
            (struct weakening){ SPAN("o"), SPAN("r"), UNTIL_MS };
        struct outbound_message m = message(rows[i].org, rows[i].to, "");
        struct selection s = select_out(w.table, &w.routes, &m);
        CHECK(((s.contract.rules & RULE_TENANT) != 0) == rows[i].asked);
        CHECK(rows[i].asked == (s.contract.need >= TLS_NEED_ENCRYPT));
        CHECK(rows[i].asked == s.contract.forward_secret);
        CHECK(!rows[i].asked || contract_breach(&s.contract, &(struct tls_facts){ .on = false }));
    }
    world_end(&w);
}

TEST(r17_select_tenants_on_this_machine)
{
    static const char *const connectors[OUT_MAX] = { "hospital/off off *" };
    static struct route_host path = { .name = { "/run/lmtp", 9 }, .is_path = true };
    static struct route_host loopback = { .name = { "127.0.0.1", 9 }, .port = 24 };
    struct world w;
    world_start(&w);
    connector_read(&w, connectors[0]);
    w.route = (struct route){ .kind = ROUTE_MAILDIR,
                              .pattern = SPAN("clinic.example"),
                              .contract = contract_none() };
    world_built(&w);
    struct outbound_message m = message("hospital", "clinic.example", "");
    struct selection s = select_out(w.table, &w.routes, &m);
    CHECK_NUM(s.contract.rules, RULE_LOCAL);
    w.route.kind = ROUTE_LMTP;
    w.route.host = &path;
    w.route.n_host = 1;
    s = select_out(w.table, &w.routes, &m);
    CHECK(s.contract.rules == RULE_LOCAL && s.contract.need == TLS_NEED_TRY);
    w.route.host = &loopback; /* TCP is a network, as for REQUIRETLS */
    s = select_out(w.table, &w.routes, &m);
    CHECK(s.contract.rules == RULE_TENANT && s.contract.need == TLS_NEED_ENCRYPT);
    world_end(&w);
}

TEST(select_accepted_before_any)
{
    static const char *const connectors[OUT_MAX] = { "hospital/any enforce *",
                                                     "hospital/own enforce accepted" };
    struct world w;
    world_of(&w, connectors);
    struct outbound_message m = message("", "hospital.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/own");
    m = message("hospital", "a.b.hospital.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/own");
    m = message("hospital", "clinic.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "-");
    world_end(&w);
}

TEST(select_everything_and_no_loop)
{
    static const char *const connectors[OUT_MAX] = { "hospital/all enforce everything",
                                                     "hospital/lab enforce lab.example",
                                                     "hospital/rule enforce header" };
    struct world w;
    world_of(&w, connectors);
    struct outbound_message m = message("hospital", "lab.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/all");
    m.rule = SPAN("hospital/rule");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/rule");
    m.rule = SPAN_NONE;
    m.from_on_premises = true; /* centralised mail is not sent back to where it came from */
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/lab");
    m.to_domain = SPAN("else.where");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "-");
    /* what strangers send to the organisation is not what it sends */
    m = message("", "hospital.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "-");
    m = message("clinic", "hospital.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "-");
    m = message("hospital", "hospital.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/all");
    world_end(&w);
}

TEST(select_header_connector_with_recipients)
{
    static const char *const connectors[OUT_MAX] = { "hospital/rule enforce header" };
    struct span lab = SPAN("lab.example");
    struct world w;
    world_start(&w);
    connector_read(&w, connectors[0]);
    w.out[0].recipient = &lab;
    w.out[0].n_recipient = 1;
    world_built(&w);
    struct outbound_message m = message("hospital", "lab.example", "hospital/rule");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "hospital/rule");
    m.to_domain = SPAN("else.where");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "-");
    m = message("hospital", "lab.example", "");
    CHECK_Z(by_id(select_out(w.table, &w.routes, &m).by), "-");
    world_end(&w);
}

TEST(select_routes_without_connectors)
{
    static const char *const connectors[OUT_MAX] = { "hospital/off off *" };
    struct world w;
    world_of(&w, connectors);
    struct outbound_message m = message("hospital", "routed.example", "");
    struct selection s = select_out(w.table, &w.routes, &m);
    CHECK(!s.by && s.route == &w.route && s.contract.need == TLS_NEED_CHAIN);
    CHECK_NUM(s.contract.rules, RULE_ROUTE);
    m.to_domain = SPAN("else.where");
    s = select_out(w.table, &w.routes, &m);
    CHECK(!s.by && s.route == &w.routes.mx_default && s.contract.rules == RULE_DEFAULT);
    world_end(&w);
}

/* --- modes */

TEST(select_test_mode_is_told_beside)
{
    static const char *const connectors[OUT_MAX] = { "hospital/any enforce *",
                                                     "hospital/lab test lab.example",
                                                     "hospital/weak test *.example" };
    struct world w;
    world_of(&w, connectors);
    w.out[1].route.contract.need = TLS_NEED_NAME;
    struct outbound_message m = message("hospital", "lab.example", "");
    m.message.requiretls = true;
    struct selection s = select_out(w.table, &w.routes, &m);
    CHECK_Z(by_id(s.by), "hospital/any");
    CHECK_NUM(s.contract.need, TLS_NEED_ENCRYPT);
    CHECK_Z(by_id(s.test), "hospital/lab");
    CHECK_NUM(s.test_contract.need, TLS_NEED_NAME);
    CHECK_NUM(s.test_contract.rules, RULE_CONNECTOR | RULE_REQUIRETLS);
    m.to_domain = SPAN("else.where"); /* none in test mode is closer than the enforced one */
    s = select_out(w.table, &w.routes, &m);
    CHECK(s.by && !s.test);
    m = message("clinic", "lab.example", "");
    s = select_out(w.table, &w.routes, &m);
    CHECK(!s.by && !s.test);
    world_end(&w);
}

/* --- what a connector asks */

static void check_contract(const struct out_connector *c, int64_t now_ms, const char *want)
{
    struct buf out;
    struct contract k = out_connector_contract(c, now_ms);
    buf_init(&out, CONTRACT_TEXT_MAX);
    contract_print(&k, &out);
    CHECK_Z(buf_span(&out), want);
    buf_done(&out);
}

static void weaken(struct out_connector *c, enum weakening_kind k)
{
    c->c.weakening[k] = (struct weakening){ SPAN("it"), SPAN("old server"), UNTIL_MS };
}

static const struct out_connector domain_connector = {
    .c = { .id = { "hospital/lab", 12 }, .mode = CONNECTOR_ENFORCE },
    .route = { .kind = ROUTE_MX,
               .contract = { .need = TLS_NEED_NAME,
                             .floor = 13,
                             .names = { &lab_set },
                             .n_names = 1,
                             .identity = 4 } },
};

TEST(select_weakenings_lower_and_end)
{
    const char *whole =
        "tls=name floor=1.3 fs=no names=*.lab.example identity=4 asked-by=connector";
    static const struct {
        const char *name;
        bool plaintext, expired, wrong_name;
        const char *text;
    } rows[] = {
        { "plaintext", 1, 0, 0,
          "tls=try floor=1.3 fs=no names=*.lab.example identity=4 asked-by=connector,weakened" },
        { "expired", 0, 1, 0,
          "tls=name floor=1.3 fs=no expired=allowed names=*.lab.example identity=4 "
          "asked-by=connector,weakened" },
        { "name", 0, 0, 1, "tls=chain floor=1.3 fs=no identity=4 asked-by=connector,weakened" },
        { "expired and name", 0, 1, 1,
          "tls=chain floor=1.3 fs=no expired=allowed identity=4 asked-by=connector,weakened" },
        { "all", 1, 1, 1, "tls=try floor=1.3 fs=no identity=4 asked-by=connector,weakened" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct out_connector c = domain_connector;
        if (rows[i].plaintext)
            weaken(&c, WEAKEN_PLAINTEXT);
        if (rows[i].expired)
            weaken(&c, WEAKEN_EXPIRED);
        if (rows[i].wrong_name)
            weaken(&c, WEAKEN_NAME);
        check_contract(&c, UNTIL_MS - 1, rows[i].text);
        check_contract(&c, UNTIL_MS, whole);
        check_contract(&c, INT64_MAX, whole);
    }
    test_case("nothing to weaken");
    struct out_connector c = domain_connector;
    c.route.contract = contract_none();
    weaken(&c, WEAKEN_PLAINTEXT);
    weaken(&c, WEAKEN_EXPIRED);
    weaken(&c, WEAKEN_NAME);
    check_contract(&c, 0, "tls=try floor=1.2 fs=no asked-by=connector");
}

/* A weakening is about what the connector asks, not about what others ask. */
TEST(select_t42_requiretls_is_not_weakened)
{
    static const char *const connectors[OUT_MAX] = { "hospital/lab enforce lab.example" };
    struct world w;
    world_of(&w, connectors);
    weaken(&w.out[0], WEAKEN_PLAINTEXT);
    struct outbound_message m = message("hospital", "lab.example", "");
    struct contract plain = select_out(w.table, &w.routes, &m).contract;
    m.message.tls_required_no = true;
    struct contract lax = select_out(w.table, &w.routes, &m).contract;
    m.message.requiretls = true;
    struct contract strict = select_out(w.table, &w.routes, &m).contract;
    char a[CONTRACT_DIGEST_MAX], b[CONTRACT_DIGEST_MAX], c[CONTRACT_DIGEST_MAX];
    CHECK_Z(span_z(contract_digest(&plain, a)), "try.12.fs0");
    CHECK_Z(span_z(contract_digest(&lax, b)), "try.12.fs0");
    CHECK_Z(span_z(contract_digest(&strict, c)), "encrypt.12.fs0.d0s0a");
    world_end(&w);
}

/* T-26: what is sent by a connector with an identity shares nothing with anybody else. */
TEST(select_t26_identity_stays_with_its_connector)
{
    static const char *const connectors[OUT_MAX] = { "hospital/lab enforce lab.example",
                                                     "hospital/any enforce *" };
    struct world w;
    world_of(&w, connectors);
    w.out[0].route.contract.identity = 3;
    char a[DEST_KEY_MAX], b[DEST_KEY_MAX];
    struct outbound_message m = message("hospital", "lab.example", "");
    struct contract with = select_out(w.table, &w.routes, &m).contract;
    m.to_domain = SPAN("else.where");
    struct contract without = select_out(w.table, &w.routes, &m).contract;
    CHECK_NUM(with.identity, 3);
    CHECK_NUM(without.identity, 0);
    CHECK_Z(span_z(contract_digest(&with, a)), "encrypt.12.fs0.i3");
    CHECK_Z(span_z(contract_digest(&without, b)), "encrypt.12.fs0");
    world_end(&w);
}

/* --- against a walk over all connectors */

struct fit {
    enum { FIT_NONE, FIT_ANY, FIT_ACCEPTED, FIT_WILDCARD, FIT_EXACT, FIT_ALL, FIT_RULE } kind;
    size_t length;
};

static bool fit_above(struct fit a, struct fit b)
{
    return a.kind != b.kind ? a.kind > b.kind : a.length > b.length;
}

static struct fit pattern_fit(struct span pattern, struct span domain)
{
    if (span_eq(pattern, SPAN("*")))
        return (struct fit){ FIT_ANY, 0 };
    if (!domain_match(pattern, domain))
        return (struct fit){ FIT_NONE, 0 };
    return span_starts(pattern, SPAN("*.")) ? (struct fit){ FIT_WILDCARD, pattern.n }
                                            : (struct fit){ FIT_EXACT, 0 };
}

static struct fit fit_of(const struct out_connector *c, const struct outbound_message *m,
                         bool accepts, bool sends)
{
    struct fit best = { c->accepted && accepts ? FIT_ACCEPTED : FIT_NONE, 0 };
    for (unsigned i = 0; i < c->n_recipient; i++) {
        struct fit f = pattern_fit(c->recipient[i], m->to_domain);
        best = fit_above(f, best) ? f : best;
    }
    if (c->everything && sends && !m->from_on_premises)
        best = (struct fit){ FIT_ALL, 0 };
    if (c->rule_header.n == 0)
        return best;
    bool anywhere = c->n_recipient == 0 && !c->accepted && !c->everything;
    bool named = m->rule.n > 0 && span_eq(m->rule, c->c.id);
    return (struct fit){ named && (anywhere || best.kind != FIT_NONE) ? FIT_RULE : FIT_NONE, 0 };
}

static const struct out_connector *
oracle_best(const struct world *w, const struct outbound_message *m, enum connector_mode least)
{
    const struct out_connector *best = NULL;
    struct fit rank = { FIT_NONE, 0 };
    const struct org *to = org_of_domain(w->table, m->to_domain);
    const struct org *from = m->org.n > 0 ? org_by_name(w->table, m->org) : NULL;
    const struct org *org = to ? to : from;
    for (unsigned i = 0; org && i < org->n_out; i++) {
        const struct out_connector *c = &org->out[i];
        struct fit f = fit_of(c, m, to != NULL, from && (!to || to == from));
        if (c->c.mode < least || !fit_above(f, rank))
            continue;
        best = c;
        rank = f;
    }
    return best;
}

static const char *const some_patterns[] = {
    "*",         "lab.example",     "*.lab.example",    "a.lab.example",      "*.a.lab.example",
    "*.example", "b.a.lab.example", "hospital.example", "*.hospital.example", "[192.0.2.1]",
    "example",
};
static const char *const some_domains[] = {
    "lab.example", "a.lab.example",    "b.a.lab.example",    "c.b.a.lab.example",
    "example",     "hospital.example", "w.hospital.example", "clinic.example",
    "[192.0.2.1]", "else.where",       "LAB.example.",       "xlab.example",
};
static const char *const some_ids[OUT_MAX] = { "hospital/0", "hospital/1", "hospital/2",
                                               "hospital/3", "hospital/4", "hospital/5",
                                               "hospital/6", "hospital/7" };
enum { PATTERNS_EACH = 3 };

static void random_connector(struct out_connector *c, struct span *patterns, struct rng *r)
{
    c->n_recipient = (unsigned)rng_below(r, PATTERNS_EACH + 1);
    c->recipient = patterns;
    for (unsigned i = 0; i < c->n_recipient; i++)
        patterns[i] = span_z(some_patterns[rng_below(r, COUNTOF(some_patterns))]);
    c->accepted = rng_chance(r, 1, 4);
    c->everything = rng_chance(r, 1, 6);
    c->c.mode = (enum connector_mode)rng_below(r, 3);
    c->route.kind = ROUTE_MX;
    c->route.contract.identity = 1 + (unsigned)rng_below(r, 100);
    if (rng_chance(r, 1, 3)) {
        c->rule_header = SPAN("X-Via");
        c->rule_value = rng_chance(r, 1, 2) ? SPAN("a") : SPAN("b");
    }
}

/* Connectors that would conflict with those before are taken back. */
static void random_world(struct world *w, struct span patterns[OUT_MAX][PATTERNS_EACH],
                         struct rng *r)
{
    unsigned tries = 2 + (unsigned)rng_below(r, OUT_MAX - 1);
    struct org *o = &w->org[0];
    struct org_conflict conflict;
    const struct route *twice;
    struct buf witness;
    buf_init(&witness, 4096);
    world_start(w);
    CHECK(route_table_init(&w->routes, &w->route, 1, &hash_key, &twice) == ERR_OK);
    for (unsigned i = 0; i < tries && o->n_out < OUT_MAX; i++) {
        struct org_table *t = NULL;
        unsigned k = o->n_out++;
        w->out[k] = (struct out_connector){ .c = { .id = span_z(some_ids[k]), .org = o } };
        random_connector(&w->out[k], patterns[k], r);
        if (org_table_new(w->org, 2, &hash_key, &t, &conflict, &witness) != ERR_OK)
            o->n_out--;
        org_table_free(t);
        buf_clear(&witness);
    }
    CHECK(org_table_new(w->org, 2, &hash_key, &w->table, &conflict, &witness) == ERR_OK);
    buf_done(&witness);
}

static struct outbound_message random_message(struct rng *r)
{
    static const char *const orgs[] = { "", "hospital", "clinic" };
    struct outbound_message m = message(orgs[rng_below(r, COUNTOF(orgs))],
                                        some_domains[rng_below(r, COUNTOF(some_domains))], "");
    m.from_on_premises = rng_chance(r, 1, 3);
    if (rng_chance(r, 1, 2))
        m.rule = span_z(some_ids[rng_below(r, OUT_MAX)]);
    return m;
}

TEST(select_random_organisations_by_a_walk_over_all)
{
    enum { WORLDS = 4000, ASKED = 40 };
    struct rng r;
    unsigned chosen = 0, tested = 0;
    rng_init(&r, 2627);
    for (unsigned i = 0; i < WORLDS; i++) {
        struct span patterns[OUT_MAX][PATTERNS_EACH];
        struct world w;
        random_world(&w, patterns, &r);
        for (unsigned k = 0; k < ASKED; k++) {
            struct outbound_message m = random_message(&r);
            struct selection s = select_out(w.table, &w.routes, &m);
            const struct out_connector *by = oracle_best(&w, &m, CONNECTOR_ENFORCE);
            const struct out_connector *test = oracle_best(&w, &m, CONNECTOR_TEST);
            CHECK(s.by == by);
            CHECK(s.test == (test && test->c.mode == CONNECTOR_TEST ? test : NULL));
            CHECK_NUM(s.contract.identity, by ? by->route.contract.identity : 0);
            chosen += by != NULL;
            tested += s.test != NULL;
        }
        world_end(&w);
    }
    CHECK(chosen > WORLDS && tested > WORLDS);
}

/* --- in words */

static void check_words(const struct world *w, const struct outbound_message *m, const char *want)
{
    struct buf out;
    buf_init(&out, SELECT_TEXT_MAX);
    select_explain(w->table, &w->routes, m, &out);
    CHECK_Z(buf_span(&out), want);
    buf_done(&out);
}

TEST(select_explains_each_candidate)
{
    static const char *const connectors[OUT_MAX] = { "hospital/any enforce *",
                                                     "hospital/all enforce everything",
                                                     "hospital/lab enforce lab.example",
                                                     "hospital/new test a.lab.example",
                                                     "hospital/rule enforce header",
                                                     "hospital/old off *.example",
                                                     "hospital/bank enforce bank.example" };
    struct world w;
    world_of(&w, connectors);
    struct outbound_message m = message("hospital", "a.lab.example", "");
    m.from_on_premises = true;
    check_words(
        &w, &m,
        "  candidates of organisation hospital, which sends it\n"
        "            hospital/any, on-premises, enforce: taken (it is for all domains)\n"
        "            hospital/all, on-premises, enforce: not taken (the mail came from the "
        "organisation's own servers)\n"
        "            hospital/lab, on-premises, enforce: not taken (it is for other recipients)\n"
        "            hospital/new, on-premises, test: would be taken (it is for this very domain)\n"
        "            hospital/rule, on-premises, enforce: not taken (no header of the message "
        "names "
        "it)\n"
        "            hospital/old, on-premises, off: not taken (it is off)\n"
        "            hospital/bank, on-premises, enforce: not taken (it is for other "
        "recipients)\n");
    m.to_domain = SPAN("lab.example");
    m.rule = SPAN("hospital/rule");
    m.from_on_premises = false;
    check_words(
        &w, &m,
        "  candidates of organisation hospital, which sends it\n"
        "            hospital/any, on-premises, enforce: not taken (another one is closer)\n"
        "            hospital/all, on-premises, enforce: not taken (another one is closer)\n"
        "            hospital/lab, on-premises, enforce: not taken (another one is closer)\n"
        "            hospital/new, on-premises, test: not taken (it is for other recipients)\n"
        "            hospital/rule, on-premises, enforce: taken (a header of the message names "
        "it)\n"
        "            hospital/old, on-premises, off: not taken (it is off)\n"
        "            hospital/bank, on-premises, enforce: not taken (it is for other "
        "recipients)\n");
    m = message("", "clinic.example", "");
    check_words(&w, &m,
                "  candidates of organisation clinic, whose domain it is\n"
                "            clinic/out, partner, enforce: not taken (no header of the message "
                "names it)\n"
                "            no connector and no route is for the recipient\n");
    m = message("", "else.where", "");
    check_words(&w, &m, "  candidates none: no organisation here sends it or accepts it\n");
    m = message("", "hospital.example", "");
    struct buf out;
    buf_init(&out, SELECT_TEXT_MAX);
    select_explain(w.table, &w.routes, &m, &out);
    CHECK(out.n > 0);
    buf_done(&out);
    world_end(&w);
}

TEST(select_explain_t15_largest_fits)
{
    enum { MANY = 200 };
    static struct out_connector many[MANY];
    static struct span patterns[MANY];
    static char names[MANY][300], id[5000];
    struct world w;
    memset(id, '\n', sizeof id);
    world_start(&w);
    for (unsigned i = 0; i < MANY; i++) {
        struct buf b;
        buf_init(&b, 299);
        buf_putf(&b, "n%u.example", i);
        patterns[i] = span_of(memcpy(names[i], buf_z(&b), b.n), b.n);
        buf_done(&b);
        many[i] = (struct out_connector){
            .c = { .id = { id, sizeof id }, .org = &w.org[0], .mode = CONNECTOR_ENFORCE },
            .recipient = &patterns[i],
            .n_recipient = 1
        };
    }
    w.org[0].out = many;
    w.org[0].n_out = MANY;
    world_built(&w);
    struct outbound_message m = message("hospital", "n7.example", "");
    struct buf out;
    buf_init(&out, SELECT_TEXT_MAX);
    select_explain(w.table, &w.routes, &m, &out);
    CHECK(out.n < SELECT_TEXT_MAX / 2);
    unsigned lines = 0;
    for (struct span s = buf_span(&out); s.n > 0; lines++)
        (void)span_cut(&s, '\n');
    CHECK_NUM(lines, 52);
    buf_done(&out);
    world_end(&w);
}

/* --- authoritative domains */

TEST(mail_for_an_authoritative_domain_is_not_taken_by_what_does_not_name_it)
{
    static bool firm[] = { true, false };
    static const struct {
        const char *connector, *relayed, *authoritative;
    } rows[] = {
        { "hospital/c enforce *", "hospital/c", "-" },
        { "hospital/c enforce header", "hospital/c", "-" },
        { "hospital/c enforce accepted", "hospital/c", "hospital/c" },
        { "hospital/c enforce everything", "hospital/c", "hospital/c" },
        { "hospital/c enforce hospital.example", "hospital/c", "hospital/c" },
        { "hospital/c enforce *.example", "hospital/c", "hospital/c" },
    };
    struct outbound_message own = message("hospital", "hospital.example", "hospital/c"),
                            below = message("hospital", "x.hospital.example", ""),
                            far = message("hospital", "far.test", "");
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        const char *one[] = { rows[i].connector, NULL };
        struct world w;
        test_case(rows[i].connector);
        world_of(&w, one);
        CHECK_SPAN(by_id(select_out(w.table, &w.routes, &own).by), span_z(rows[i].relayed));
        org_table_free(w.table);
        w.org[0].authoritative = firm;
        route_table_done(&w.routes);
        world_built(&w);
        CHECK_SPAN(by_id(select_out(w.table, &w.routes, &own).by), span_z(rows[i].authoritative));
        world_end(&w);
    }
    test_case(NULL);
    const char *any[] = { "hospital/c enforce *", NULL };
    struct world w;
    struct buf text;
    world_start(&w);
    w.org[0].authoritative = firm;
    connector_read(&w, any[0]);
    world_built(&w);
    CHECK_SPAN(by_id(select_out(w.table, &w.routes, &below).by), SPAN("hospital/c"));
    CHECK_SPAN(by_id(select_out(w.table, &w.routes, &far).by), SPAN("hospital/c"));
    buf_init(&text, SELECT_TEXT_MAX);
    select_explain(w.table, &w.routes, &own, &text);
    CHECK_SPAN(buf_span(&text),
               SPAN("  candidates of organisation hospital, whose domain it is\n"
                    "            hospital/c, on-premises, enforce: not taken (the domain is "
                    "authoritative, and it does not name it)\n"
                    "            no connector and no route is for the recipient\n"));
    buf_done(&text);
    world_end(&w);
}
