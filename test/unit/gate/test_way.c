/* Which way out: what sched makes of an envelope, who shares a destination, and that `explain` says
 * the same of any question as receiving and sched do. */
#include "gate/way.h"

#include "base/rng.h"
#include "gate/attribution.h"
#include "gate/control_explain.h"
#include "gate/sched.h"
#include "test/unit/gate/org_files.h"

#include <stdio.h>

enum {
    LEASE_MS = 60 * 1000,
    SOME_WORLDS = 60,
    SOME_QUESTIONS = 40,
    FEW = 50,
    SEED = 24,
    TEXT_MAX = 8192
};

static const char two_orgs[] =
    "hostname = \"gw.example.org\"\n"
    "route \"*.encrypt.example\" { smtp = \"192.0.2.7\", tls = encrypt }\n"
    "organisation \"acme\" {\n"
    " domain \"acme.example\" { maildir = \"/mail/{local}\" }\n"
    " certificate \"card\" { chain = \"ca.pem\", key = \"ec.key\" }\n"
    " outbound \"bank\" { kind = partner, mode = enforce, to = \"bank.example\", smtp = "
    "\"192.0.2.1\",\n"
    "  tls = domain, names = \"mail.bank.example\", certificate = \"card\" }\n"
    " outbound \"twin\" { kind = partner, mode = enforce, to = \"twin.example\", smtp = "
    "\"192.0.2.1\",\n"
    "  tls = encrypt }\n"
    " outbound \"trial\" { kind = partner, mode = test, to = \"trial.example\", smtp = "
    "\"192.0.2.1\",\n"
    "  tls = encrypt }\n"
    "}\n"
    "organisation \"beta\" {\n"
    " domain \"beta.example\" { maildir = \"/mail/{local}\" }\n"
    " outbound \"twin\" { kind = partner, mode = enforce, to = \"twin.example\", smtp = "
    "\"192.0.2.1\",\n"
    "  tls = encrypt }\n"
    "}\n";

struct stage {
    struct worker w;
    struct stats_row row;
    struct clients_part part;
};

static void stage_begin(struct stage *s, const char *text)
{
    *s = (struct stage){ .w = { .n_workers = 1, .n_store = 1 } };
    s->w.loop = loop_new();
    s->w.config = org_load_well(text);
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.clients = (struct clients){ .part = &s->part, .n = 1 };
    s->w.store[0] = store_new(s->w.loop, store_mem_open(0), 0);
    s->w.sched = sched_new(&s->w);
    sched_stop(s->w.sched); /* it plans, and starts nothing */
}

static void stage_end(struct stage *s)
{
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    config_unref(s->w.config);
    loop_free(s->w.loop);
}

static void last_dest(void *arg, const struct dest *d)
{
    *(const struct dest **)arg = d;
}

static void count_dests(void *arg, const struct dest *d)
{
    (void)d;
    ++*(unsigned *)arg;
}

static unsigned n_dests(const struct stage *s)
{
    unsigned n = 0;
    sched_each(s->w.sched, count_dests, &n);
    return n;
}

/* Where sched sends it: a destination that is new, or the one there was. */
static const struct dest *planned(struct stage *s, struct envelope e, struct span to)
{
    const struct dest *d = NULL;
    struct rcpt rcpt = { .addr = SPAN("x@y"), .domain = to };
    e.rcpt = &rcpt;
    e.n_rcpt = 1;
    e.accepted_ms = loop_wall_ms(s->w.loop);
    e.id = store_new_id(s->w.store[0], e.accepted_ms);
    struct mail *m = mail_new(&s->w, s->w.store[0], &e, NULL);
    sched_fresh(s->w.sched, m, 1, e.accepted_ms + LEASE_MS);
    sched_each(s->w.sched, last_dest, &d);
    return d;
}

/* --- who shares what --- */

TEST(r21_a_connector_is_obeyed_whatever_the_message_says)
{
    struct stage s;
    stage_begin(&s, two_orgs);
    struct envelope e = { .from = SPAN("a@acme.example"), .org = SPAN("acme") };
    const struct dest *d = planned(&s, e, SPAN("bank.example"));
    CHECK_Z(d->by->c.id, "acme/bank");
    CHECK_NUM(d->contract.need, TLS_NEED_NAME);
    CHECK_NUM(d->contract.identity, 1);
    e.tls_required_no = true; /* only what the bank publishes is passed over (RFC 8689 5) */
    CHECK(planned(&s, e, SPAN("bank.example")) == d);
    e.tls_required_no = false;
    e.requiretls = true; /* it adds that the host be proven */
    const struct dest *strict = planned(&s, e, SPAN("bank.example"));
    CHECK(strict->by == d->by && strict->contract.authenticated);
    CHECK(contract_at_least(&strict->contract, &d->contract));
    e.org = SPAN("beta");
    CHECK(planned(&s, e, SPAN("bank.example"))->by == NULL);
    stage_end(&s);
}

/* = T-42: mail that waives TLS, usual mail and mail that demands it share no connection. */
TEST(t42_unequal_contracts_share_no_destination)
{
    struct stage s;
    stage_begin(&s, two_orgs);
    struct envelope e = { .from = SPAN("a@b.example"), .tls_required_no = true };
    const struct dest *waives = planned(&s, e, SPAN("else.example"));
    CHECK_NUM(waives->contract.need, TLS_NEED_TRY);
    e.tls_required_no = false;
    e.requiretls = true;
    const struct dest *demands = planned(&s, e, SPAN("else.example"));
    CHECK(demands != waives);
    CHECK_NUM(demands->contract.need, TLS_NEED_ENCRYPT);
    CHECK_NUM(n_dests(&s), 2);
    stage_end(&s);
}

/* The same host, the same contract: each organisation, each connector has connections of its own,
 * and so has mail of nobody. */
TEST(t42_organisations_share_no_destination)
{
    static const struct {
        const char *org, *to, *key;
    } rows[] = {
        { "", "twin.example", "mx:twin.example#" },
        { "acme", "twin.example", "acme/twin smtp:192.0.2.1:25#" },
        { "beta", "twin.example", "beta/twin smtp:192.0.2.1:25#" },
        { "acme", "else.example", "acme mx:else.example#" },
        { "beta", "else.example", "beta mx:else.example#" },
        { "", "else.example", "mx:else.example#" },
        { "gone", "else.example", "gone mx:else.example#" },
        { "beta", "acme.example", "beta maildir:acme.example#" },
    };
    struct stage s;
    stage_begin(&s, two_orgs);
    for (unsigned i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].key);
        struct envelope e = { .from = SPAN("a@b.example"), .org = span_z(rows[i].org) };
        const struct dest *d = planned(&s, e, span_z(rows[i].to));
        CHECK(span_starts(d->key, span_z(rows[i].key)));
        CHECK_NUM(n_dests(&s), i + 1);
        CHECK(planned(&s, e, span_z(rows[i].to)) == d);
    }
    test_case(NULL);
    stage_end(&s);
}

TEST(test_mode_chooses_no_way)
{
    struct stage s;
    stage_begin(&s, two_orgs);
    struct envelope e = { .from = SPAN("a@acme.example"), .org = SPAN("acme") };
    const struct dest *d = planned(&s, e, SPAN("trial.example"));
    CHECK(!d->by);
    CHECK(span_starts(d->key, SPAN("acme mx:trial.example#")));
    CHECK_NUM(d->contract.need, TLS_NEED_TRY);
    struct job *j = LIST_ENTRY(d->ready.next, struct job, in);
    CHECK_Z(j->rcpt->test->c.id, "acme/trial");
    stage_end(&s);
}

/* An operator moves mail to another host: what its own way demands is demanded there, and the
 * organisation's certificate is not for that host. */
TEST(t26_rerouted_mail_keeps_the_contract_and_shows_nothing)
{
    struct stage s;
    struct arena a;
    struct route other;
    stage_begin(&s, two_orgs);
    arena_init(&a, 64 * 1024);
    struct envelope e = { .from = SPAN("a@acme.example"), .org = SPAN("acme") };
    struct selection way = way_out(s.w.config, &e, SPAN("bank.example"), 1);
    CHECK_NUM(way.contract.identity, 1);
    CHECK(!way_override(&way, &e, SPAN_NONE, &a, &other));
    CHECK(way.route == &way.by->route);
    CHECK(way_override(&way, &e, SPAN("spare.example:26"), &a, &other));
    CHECK(way.route == &other && other.port == 26);
    CHECK_NUM(way.contract.need, TLS_NEED_NAME);
    CHECK_NUM(way.contract.n_names, 1);
    CHECK_NUM(way.contract.identity, 0);

    way = way_out(s.w.config, &e, SPAN("x.encrypt.example"), 1);
    CHECK(way_override(&way, &e, SPAN("192.0.2.55"), &a, &other));
    CHECK_NUM(way.contract.need, TLS_NEED_ENCRYPT);

    e.requiretls = true; /* from a Maildir, where it asks nothing, to a network */
    way = way_out(s.w.config, &e, SPAN("acme.example"), 1);
    CHECK_NUM(way.contract.need, TLS_NEED_TRY);
    CHECK(way_override(&way, &e, SPAN("192.0.2.55"), &a, &other));
    CHECK_NUM(way.contract.need, TLS_NEED_ENCRYPT);
    CHECK_NUM(way.contract.rules, RULE_REQUIRETLS);
    arena_done(&a);
    stage_end(&s);
}

/* --- explain says what is done --- */

/* Connectors that may stand together, in any choice and mode. */
static const char *const some_connectors[] = {
    " inbound \"own\" { kind = on-premises, certificate_names = \"mail.acme.example\"",
    " inbound \"near\" { kind = on-premises, addresses = \"192.0.2.0/29\", trust_headers = yes",
    " inbound \"lab\" { kind = partner, from = \"lab.example\", require_tls = yes,\n"
    "  certificate_names = \"mx.lab.example\", restrict_to_certificate = yes",
    " inbound \"any\" { kind = partner, from = \"*\", require_tls = yes",
    " inbound \"net\" { kind = partner, from = \"*.lab.example\",\n"
    "  addresses = \"203.0.113.0/24\", restrict_to_addresses = yes",
    " outbound \"lab\" { kind = partner, to = \"lab.example\", mx = yes, tls = encrypt",
    " outbound \"all\" { kind = on-premises, everything = yes, smtp = \"192.0.2.1\"",
    " outbound \"home\" { kind = on-premises, accepted = yes, smtp = \"192.0.2.2\",\n"
    "  tls = certificate",
    " outbound \"star\" { kind = partner, to = \"*\", mx = yes, tls = encrypt,\n"
    "  minimum_version = 1.3",
};

static const char *pick(struct rng *rng, const char *const *of, size_t n)
{
    return of[rng_below(rng, n)];
}

#define PICK(rng, ...)                                                                             \
    pick((rng), (const char *const[]){ __VA_ARGS__ },                                              \
         COUNTOF(((const char *const[]){ __VA_ARGS__ })))

static void some_world(struct rng *rng, char text[static TEXT_MAX])
{
    int n = snprintf(text, TEXT_MAX,
                     "hostname = \"gw.example.org\"\n"
                     "networks = \"198.51.100.0/24\"\n"
                     "domain \"plain.example\" { maildir = \"/mail/{local}\" }\n"
                     "organisation \"acme\" {\n"
                     " domain \"acme.example\" { maildir = \"/mail/{local}\" }\n");
    for (size_t i = 0; i < COUNTOF(some_connectors); i++) {
        const char *mode = PICK(rng, "enforce", "enforce", "test", "off");
        if (rng_chance(rng, 4, 5))
            n += snprintf(text + n, (size_t)(TEXT_MAX - n), "%s, mode = %s }\n", some_connectors[i],
                          mode);
    }
    (void)snprintf(text + n, (size_t)(TEXT_MAX - n),
                   "}\norganisation \"beta\" {\n"
                   " domain \"beta.example\" { maildir = \"/mail/{local}\" }\n"
                   " inbound \"own\" { kind = on-premises, mode = enforce,\n"
                   "  certificate_names = \"mail.beta.example\" }\n}\n");
}

static struct explain_ask some_question(struct rng *rng, int64_t now_ms)
{
    struct explain_ask ask = {
        .from = span_z(PICK(rng, "", "a@acme.example", "a@lab.example", "a@x.lab.example",
                            "a@beta.example", "a@[192.0.2.1]", "a@else.example")),
        .to = span_z(PICK(rng, "b@acme.example", "b@beta.example", "b@lab.example",
                          "b@plain.example", "b@gw.example.org", "b%c@acme.example")),
        .requiretls = rng_chance(rng, 1, 4),
        .client_names = span_z(PICK(rng, "", "mail.acme.example", "mx.lab.example",
                                    "mail.beta.example,mail.acme.example", "*.lab.example")),
        .client_plaintext = rng_chance(rng, 1, 4),
        .now_ms = now_ms,
    };
    static const struct span supposed[] = { { "client/names=mx.lab.example", 27 },
                                            { "client/chain=no", 15 },
                                            { "client/tls=TLSv1.2", 18 },
                                            { "client/tls=none", 15 },
                                            { "client/revoked=yes", 18 } };
    while (ask.n_supposed < 3 && rng_chance(rng, 1, 4))
        ask.supposed[ask.n_supposed++] = supposed[rng_below(rng, COUNTOF(supposed))];
    const char *client =
        PICK(rng, "192.0.2.1", "198.51.100.9", "203.0.113.9", "2001:db8::1", "192.0.2.200");
    CHECK_NUM(ip_parse(span_z(client), &ask.client), ERR_OK);
    return ask;
}

struct search {
    struct span key;
    const struct dest *found;
};

static void search_dest(void *arg, const struct dest *d)
{
    struct search *q = arg;
    if (span_eq(d->key, q->key))
        q->found = d;
}

static void check_same_way(struct stage *s, const struct explained *said, struct envelope e)
{
    struct buf key;
    buf_init(&key, WAY_KEY_MAX);
    e.requiretls = said->ask.requiretls;
    (void)planned(s, e, said->domain);
    way_key(&said->way, said->envelope.org, said->domain, &key);
    struct search q = { .key = buf_span(&key) };
    sched_each(s->w.sched, search_dest, &q);
    CHECK(q.found && q.found->by == said->way.by);
    CHECK(contract_eq(&q.found->contract, &said->way.contract));
    buf_done(&key);
}

static void check_same(struct stage *s, const struct explained *said, struct incoming *m)
{
    struct addr to = { .text = SPAN_NONE };
    struct reply r = { .code = 0 };
    struct buf text;
    struct attribution_client client = { .w = &s->w, .ip = &said->ask.client, .tls = &said->tls };
    buf_init(&text, ATTRIBUTION_REPLY_MAX);
    CHECK_NUM(addr_parse(said->ask.to, true, &to), ERR_OK);
    bool admitted = attribution_rcpt(&client, m, &to, said->domain, &text, &r);
    CHECK_NUM(said->verdict.admitted, admitted);
    CHECK_NUM(said->verdict.reply.code, r.code);
    CHECK(span_starts(r.text, said->verdict.reply.text));
    CHECK_NUM(admitted && !said->verdict.test_admitted, m->would_refuse.n > 0);
    CHECK_SPAN(said->envelope.org, m->envelope.org);
    CHECK_SPAN(said->envelope.connector, m->envelope.connector);
    CHECK_NUM(said->envelope.from_on_premises, m->envelope.from_on_premises);
    if (admitted)
        check_same_way(s, said, m->envelope);
    buf_done(&text);
}

/* What the questions came to, so that none of it is missing. */
struct tally {
    unsigned refused_by, refused, by_partner, originating, by_out, by_route, would;
};

static void tally_add(struct tally *t, const struct explained *said)
{
    const struct inbound_verdict *v = &said->verdict;
    t->refused_by += !v->admitted && v->by;
    t->refused += !v->admitted && !v->by;
    t->by_partner += v->admitted && v->by && v->by->c.kind == CONNECTOR_PARTNER;
    t->originating += v->originating;
    t->by_out += said->way.by != NULL;
    t->by_route += !said->way.by;
    t->would += v->admitted != v->test_admitted || said->way.test;
}

static void check_question(struct stage *s, const struct explain_ask *ask, struct tally *t)
{
    struct explained said;
    struct arena a;
    struct why why = { "" };
    struct smtpd_ev mail = { .esmtp = true };
    arena_init(&a, 64 * 1024);
    CHECK_NUM(explain_find(s->w.config, ask, &a, &said, &why), ERR_OK);
    if (ask->from.n > 0)
        CHECK_NUM(addr_parse(ask->from, true, &mail.addr), ERR_OK);
    struct incoming *m = incoming_new(&s->w, s->w.config, &mail);
    check_same(s, &said, m);
    tally_add(t, &said);
    struct ctl *c = ctl_new();
    explain_put(&said, NULL, c);
    const struct ctl *in = ctl_get_object(c, "inbound");
    CHECK_NUM(ctl_get_bool(in, "admitted"), said.verdict.admitted);
    struct span words = ctl_get(c, "explanation");
    CHECK(memmem(words.p, words.n, said.verdict.admitted ? "admitted" : "refused: ", 8) != NULL);
    ctl_free(c);
    incoming_drop(m);
    arena_done(&a);
}

TEST(explain_says_what_receiving_and_sched_do)
{
    struct rng rng;
    char text[TEXT_MAX];
    struct tally t = { 0 };
    rng_init(&rng, SEED);
    for (unsigned i = 0; i < SOME_WORLDS; i++) {
        struct stage s;
        some_world(&rng, text);
        test_case(text);
        stage_begin(&s, text);
        for (unsigned k = 0; k < SOME_QUESTIONS; k++) {
            struct explain_ask ask = some_question(&rng, loop_wall_ms(s.w.loop));
            check_question(&s, &ask, &t);
        }
        stage_end(&s);
    }
    test_case(NULL);
    CHECK(t.refused_by > FEW && t.refused > FEW && t.by_partner > FEW && t.originating > FEW);
    CHECK(t.by_out > FEW && t.by_route > FEW && t.would > FEW);
}
