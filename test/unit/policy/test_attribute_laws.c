/* attribute() against an oracle, and laws that hold over every world of at most two connectors of
 * the catalogue, every client and every message; then random worlds of more connectors. Each test
 * prints how many cases it looked at. */
#include "test/unit/policy/attribute_world.h"

#include "base/rng.h"
#include "test/test.h"

#include <stdio.h>

enum { MODES = 3 };

static void say_count(const char *what, uint64_t n)
{
    (void)printf("  attribute: %llu cases, %s\n", (unsigned long long)n, what);
}

/* --- every client and message in one world */

struct visit {
    struct world *w;
    struct scene scene;
    bool relay_allowed;
    const struct shown *shown;
};

static unsigned n_scenes(void)
{
    return n_all_shown * n_all_clients * n_all_from * (n_all_to + 1);
}

/* Scene number i; for the recipient of nobody's, the installation's own rules say yes and no. */
static void scene_at(struct visit *v, unsigned i)
{
    unsigned to = i % (n_all_to + 1);
    v->relay_allowed = to == n_all_to;
    i /= n_all_to + 1;
    v->shown = &all_shown[i / n_all_from / n_all_clients];
    scene_set(&v->scene, v->w, v->shown, all_clients[i / n_all_from % n_all_clients],
              all_from[i % n_all_from], all_to[to < n_all_to ? to : n_all_to - 1]);
}

static struct inbound_verdict ask(const struct visit *v)
{
    return attribute(v->w->t, &v->scene.f, v->relay_allowed);
}

static void say_scene(const struct visit *v)
{
    static char text[500];
    char ip[IP_TEXT_MAX];
    size_t n = (size_t)snprintf(text, sizeof text, "%s from %s, %.*s to %.*s:", v->shown->name,
                                ip_text(&v->scene.f.client, ip), SPAN_ARG(v->scene.f.from_domain),
                                SPAN_ARG(v->scene.f.to_domain));
    for (unsigned i = 0; i < WORLD_ORGS * WORLD_IN_MAX; i++) {
        const struct org *o = &v->w->org[i / WORLD_IN_MAX];
        unsigned k = i % WORLD_IN_MAX;
        if (k < o->n_in && n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, " %.*s/%s", SPAN_ARG(o->in[k].c.id),
                                  connector_mode_name(o->in[k].c.mode));
    }
    test_case(text);
}

static bool is_oracle(const struct oracle *o, const struct inbound_verdict *v)
{
    return o->admitted == v->admitted && o->originating == v->originating &&
           o->from_org == v->from_org && o->by == v->by && o->failed == v->failed &&
           (v->reply.code == 0) == o->admitted;
}

/* All scenes of one world, with and without those in test mode. */
static void check_world_by_oracle(struct world *w, unsigned step)
{
    struct visit v = { .w = w };
    for (unsigned i = step > 1 ? w->org[0].n_in % step : 0; i < n_scenes(); i += step) {
        scene_at(&v, i);
        struct inbound_verdict got = ask(&v);
        struct oracle now = oracle_ask(w->org, WORLD_ORGS, &v.scene.f, v.relay_allowed, false);
        struct oracle then = oracle_ask(w->org, WORLD_ORGS, &v.scene.f, v.relay_allowed, true);
        if (!is_oracle(&now, &got) || then.admitted != got.test_admitted ||
            then.by != got.test_by || then.failed != got.test_failed) {
            say_scene(&v);
            CHECK_NUM(got.admitted, now.admitted);
            CHECK_NUM(got.originating, now.originating);
            CHECK_NUM(got.failed, now.failed);
            CHECK(got.from_org == now.from_org);
            CHECK(got.by == now.by);
            CHECK(!"the view with test mode, or the reply");
        }
    }
}

/* --- every world of at most two connectors */

/* World number i of those with two: which two (one twice: that one alone), and their modes. */
static bool world_at(struct world *w, unsigned i, bool all_modes)
{
    unsigned modes = all_modes ? MODES * MODES : 1, pair = i / modes;
    unsigned a = pair % n_catalogue, b = pair / n_catalogue;
    world_init(w);
    if (a > b)
        return false;
    struct in_connector *first = world_add(w, &catalogue[a]);
    if (all_modes)
        first->c.mode = (enum connector_mode)(i % MODES);
    if (a == b)
        return !all_modes || i / MODES % MODES == 0;
    struct in_connector *second = world_add(w, &catalogue[b]);
    if (all_modes)
        second->c.mode = (enum connector_mode)(i / MODES % MODES);
    return true;
}

TEST(t22_every_small_world_by_the_oracle)
{
    uint64_t n = 0;
    unsigned worlds = 0, refused = 0;
    for (unsigned i = 0; i < n_catalogue * n_catalogue * MODES * MODES; i++) {
        struct world w;
        if (world_at(&w, i, true)) {
            bool built = world_build(&w);
            CHECK_NUM(built, !oracle_conflict(w.org, WORLD_ORGS));
            refused += !built;
            worlds += built;
            unsigned step = i % (MODES * MODES) == 8 ? 1 : 5; /* both enforced: every scene */
            if (built)
                check_world_by_oracle(&w, step);
            n += built ? n_scenes() / step : 0;
        }
        world_done(&w);
    }
    CHECK(worlds > 1000 && refused > 0);
    say_count("verdicts of small worlds are the oracle's", n);
}

/* --- random worlds of up to eight connectors an organisation */

/* Restrictions more or less. */
static void shake(struct in_connector *c, struct rng *r)
{
    c->require_tls ^= rng_chance(r, 1, 6);
    c->eku_client ^= rng_chance(r, 1, 6);
    c->floor = rng_chance(r, 1, 4) ? 13 : 12;
    if (rng_chance(r, 1, 4))
        c->revocation = (enum revocation)rng_below(r, 3);
    c->c.weakening[WEAKEN_PLAINTEXT].until_ms = rng_chance(r, 1, 5) ? 1001 : 0;
    c->c.weakening[WEAKEN_EXPIRED].until_ms = rng_chance(r, 1, 5) ? 1001 : 1000;
    c->c.mode = rng_chance(r, 1, 4) ? CONNECTOR_TEST : CONNECTOR_ENFORCE;
    if (c->c.kind == CONNECTOR_PARTNER) {
        c->restrict_addresses ^= c->n_network > 0 && rng_chance(r, 1, 8);
        c->restrict_certificate ^= c->names.n > 0 && rng_chance(r, 1, 8);
    }
}

static void random_world(struct world *w, struct rng *r)
{
    unsigned n = 3 + (unsigned)rng_below(r, 5);
    world_init(w);
    for (unsigned i = 0; i < n; i++) {
        const struct template *tpl = &catalogue[rng_below(r, n_catalogue)];
        shake(world_add(w, tpl), r);
        if (!world_build(w)) {
            CHECK(oracle_conflict(w->org, WORLD_ORGS));
            w->org[tpl->org].n_in--;
        }
    }
    CHECK(world_build(w));
    CHECK(!oracle_conflict(w->org, WORLD_ORGS));
}

TEST(t22_random_worlds_by_the_oracle)
{
    enum { WORLDS = 400, STEP = 17 };
    struct rng r;
    rng_init(&r, 2222);
    for (unsigned i = 0; i < WORLDS; i++) {
        struct world w;
        random_world(&w, &r);
        check_world_by_oracle(&w, STEP);
        world_done(&w);
    }
    say_count("verdicts of random worlds are the oracle's", (uint64_t)WORLDS * n_scenes() / STEP);
}

/* --- law: connectors in test mode change nothing */

/* What is done with mail is the same in both. */
static void check_same(const struct visit *v, const struct inbound_verdict *a,
                       const struct inbound_verdict *b)
{
    bool by = (!a->by && !b->by) || (a->by && b->by && span_eq(a->by->c.id, b->by->c.id));
    bool from = (!a->from_org && !b->from_org) ||
                (a->from_org && b->from_org && span_eq(a->from_org->name, b->from_org->name));
    if (a->admitted == b->admitted && a->originating == b->originating && by && from &&
        a->failed == b->failed && span_eq(a->reply.text, b->reply.text))
        return;
    say_scene(v);
    CHECK(!"the same verdict");
}

TEST(law_test_mode_changes_nothing)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < n_catalogue * n_catalogue * MODES * MODES; i++) {
        struct world w, bare;
        bool has_test = false;
        if (!world_at(&w, i, true) || !world_build(&w)) {
            world_done(&w);
            continue;
        }
        world_init(&bare);
        for (unsigned k = 0; k < WORLD_ORGS * 2; k++) {
            unsigned o = k / 2;
            bool is_test = k % 2 < w.org[o].n_in && w.in[o][k % 2].c.mode == CONNECTOR_TEST;
            if (k % 2 < w.org[o].n_in)
                world_add(&bare, template_of(w.in[o][k % 2].c.id.p))->c.mode =
                    is_test ? CONNECTOR_OFF : w.in[o][k % 2].c.mode;
            has_test = has_test || is_test;
        }
        CHECK(world_build(&bare));
        struct visit v = { .w = &w };
        for (unsigned s = i % 3; has_test && s < n_scenes(); s += 3, n++) {
            scene_at(&v, s);
            struct inbound_verdict a = ask(&v);
            struct inbound_verdict b = attribute(bare.t, &v.scene.f, v.relay_allowed);
            check_same(&v, &a, &b);
        }
        world_done(&bare);
        world_done(&w);
    }
    say_count("test mode changes nothing", n);
}

/* --- law: a restriction added to any connector never admits more */

enum { RESTRICTIONS = 7 };

/* False: it has that already, or its kind has no such. */
static bool restrict_more(struct in_connector *c, unsigned which)
{
    struct in_connector old = *c;
    bool partner = c->c.kind == CONNECTOR_PARTNER;
    switch (which) {
    case 0:
        c->require_tls = true;
        break;
    case 1:
        c->floor = 13;
        break;
    case 2:
        c->eku_client = true;
        break;
    case 3:
        c->revocation = c->revocation == REVOCATION_OFF ? REVOCATION_SOFT : c->revocation;
        break;
    case 4:
        c->revocation = REVOCATION_HARD;
        break;
    case 5:
        c->restrict_certificate = partner;
        break;
    default:
        c->restrict_addresses = partner;
    }
    return old.require_tls != c->require_tls || old.floor != c->floor ||
           old.eku_client != c->eku_client || old.revocation != c->revocation ||
           old.restrict_certificate != c->restrict_certificate ||
           old.restrict_addresses != c->restrict_addresses;
}

static uint64_t check_never_more(struct world *loose, struct world *strict, unsigned from)
{
    uint64_t n = 0;
    struct visit v = { .w = loose };
    for (unsigned s = from % 5; s < n_scenes(); s += 5, n++) {
        scene_at(&v, s);
        struct inbound_verdict a = ask(&v);
        struct inbound_verdict b = attribute(strict->t, &v.scene.f, v.relay_allowed);
        if (!b.admitted || a.admitted)
            continue;
        say_scene(&v);
        CHECK(!"a restriction admitted more");
    }
    return n;
}

TEST(r24_law_a_restriction_never_admits_more)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < n_catalogue * n_catalogue; i++) {
        struct world w;
        bool built = world_at(&w, i, false) && world_build(&w);
        for (unsigned k = 0; built && k < WORLD_ORGS * 2 * RESTRICTIONS; k++) {
            struct world strict;
            unsigned o = k / RESTRICTIONS / 2, c = k / RESTRICTIONS % 2;
            (void)world_at(&strict, i, false);
            if (c < strict.org[o].n_in && restrict_more(&strict.in[o][c], k % RESTRICTIONS) &&
                world_build(&strict))
                n += check_never_more(&w, &strict, i + k);
            world_done(&strict);
        }
        world_done(&w);
    }
    CHECK(n > 0);
    say_count("a restriction never admits more", n);
}

/* --- law: what a partner connector more does
 *
 * Let X be the connector that is added to the recipient's organisation. For a client that the
 * organisation does not know as its own:
 *   MAIL FROM that no connector was about:   admitted only if it was before and X lets it
 *   X is less close to MAIL FROM, or not about it:   nothing changes
 *   X is as close as those that apply:   as before, or by X: a further way in, as it says
 *   X is closer:   X alone decides */

static size_t closeness(const struct in_connector *c, struct span from)
{
    size_t best = 0;
    for (unsigned i = 0; i < c->n_sender; i++) {
        struct span p = c->sender[i];
        bool all = span_eq(p, SPAN("*")), star = p.n > 1 && p.p[0] == '*';
        bool about = all || (star ? span_ends_nocase(from, span_tail(p, 1)) : span_eq(p, from));
        size_t n = all ? 1 : star ? p.n : 1000;
        best = about && n > best ? n : best;
    }
    return best;
}

static void check_one_more(struct visit *v, const struct world *more, const struct in_connector *x)
{
    const struct inbound_facts *f = &v->scene.f;
    struct inbound_verdict a = ask(v), b = attribute(more->t, f, v->relay_allowed);
    struct span to = f->to_domain;
    bool theirs =
        span_eq(to, SPAN("a.example")) ? x->c.org == &more->org[0] : x->c.org == &more->org[1];
    bool own = a.to_org && a.from_org == a.to_org;
    size_t applied = 0, close = closeness(x, f->from_domain);
    for (unsigned i = 0; a.to_org && i < a.to_org->n_in; i++) {
        size_t n = closeness(&a.to_org->in[i], f->from_domain);
        if (a.to_org->in[i].c.kind == CONNECTOR_PARTNER && n > applied)
            applied = n;
    }
    bool passes = connector_check(x, f) == CHECK_NONE;
    bool want = a.admitted;
    if (a.to_org && theirs && !own && close > applied)
        want = passes;
    else if (a.to_org && theirs && !own && close > 0 && close == applied)
        want = a.admitted || passes;
    if (b.admitted != want || (applied == 0 && b.admitted && !a.admitted)) {
        say_scene(v);
        CHECK_NUM(b.admitted, want);
        CHECK(!"nobody was restricted before");
    }
}

TEST(r23_law_what_a_partner_connector_more_does)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < n_catalogue * n_catalogue * n_catalogue; i++) {
        const struct template *tpl = &catalogue[i % n_catalogue];
        struct world w, more;
        if (tpl->c.c.kind != CONNECTOR_PARTNER || tpl->c.n_anchor > 0)
            continue; /* a CA more changes which chains hold; see the oracle for those */
        bool one = world_at(&w, i / n_catalogue, false);
        (void)world_at(&more, i / n_catalogue, false);
        const struct in_connector *x = world_add(&more, tpl);
        if (one && world_build(&w) && world_build(&more)) {
            struct visit v = { .w = &w };
            for (unsigned s = i % 13; s < n_scenes(); s += 13, n++) {
                scene_at(&v, s);
                check_one_more(&v, &more, x);
            }
        }
        world_done(&w);
        world_done(&more);
    }
    say_count("a partner connector more does what it says", n);
}

/* --- law: organisations do not touch one another. Each alone, with the domains of all. */

TEST(t22_law_organisations_judge_alone)
{
    uint64_t n = 0;
    struct rng r;
    rng_init(&r, 77);
    for (unsigned i = 0; i < 400; i++) {
        struct world w, alone[WORLD_ORGS];
        random_world(&w, &r);
        for (unsigned o = 0; o < WORLD_ORGS; o++) {
            world_init(&alone[o]);
            for (unsigned k = 0; k < w.org[o].n_in; k++) {
                struct in_connector *c = world_add(&alone[o], template_of(w.in[o][k].c.id.p));
                const struct org *org = c->c.org;
                *c = w.in[o][k];
                c->c.org = org;
            }
            CHECK(world_build(&alone[o]));
        }
        for (unsigned s = i % 7; s < n_scenes(); s += 7, n++) {
            struct visit v = { .w = &w }, one = { 0 };
            bool admitted[WORLD_ORGS];
            scene_at(&v, s);
            for (unsigned o = 0; o < WORLD_ORGS; o++) {
                one.w = &alone[o];
                scene_at(&one, s);
                admitted[o] = ask(&one).admitted;
            }
            struct inbound_verdict got = ask(&v);
            bool want = got.to_org ? admitted[got.to_org - w.org] : admitted[0] || admitted[1];
            if (got.admitted != want) {
                say_scene(&v);
                CHECK_NUM(got.admitted, want);
            }
        }
        for (unsigned o = 0; o < WORLD_ORGS; o++)
            world_done(&alone[o]);
        world_done(&w);
    }
    say_count("organisations judge alone", n);
}

/* --- law: who shows no identity might as well stand before no on-premises connector */

TEST(t_open_relay_law_without_identity_nothing_is_granted)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < n_catalogue * n_catalogue; i++) {
        struct world w, bare;
        bool one = world_at(&w, i, false) && world_build(&w);
        (void)world_at(&bare, i, false);
        for (unsigned k = 0; k < WORLD_ORGS * 2; k++) {
            struct in_connector *c = &bare.in[k / 2][k % 2];
            if (c->c.kind == CONNECTOR_ON_PREMISES)
                c->c.mode = CONNECTOR_OFF;
        }
        CHECK(!one || world_build(&bare));
        struct visit v = { .w = &w };
        for (unsigned s = 0; one && s < n_scenes(); s++) {
            scene_at(&v, s);
            bool known = v.shown->cert;
            for (unsigned k = 0; k < WORLD_ORGS * 2 && !known; k++)
                known = k % 2 < w.org[k / 2].n_in &&
                        w.in[k / 2][k % 2].c.kind == CONNECTOR_ON_PREMISES &&
                        connector_identity(&w.in[k / 2][k % 2], &v.scene.f) > 0;
            if (known)
                continue;
            struct inbound_verdict a = ask(&v);
            struct inbound_verdict b = attribute(bare.t, &v.scene.f, v.relay_allowed);
            check_same(&v, &a, &b);
            CHECK(!a.originating && a.from_org == NULL);
            n++;
        }
        world_done(&w);
        world_done(&bare);
    }
    say_count("without identity nothing is granted", n);
}

/* --- law: all that is granted names a connector, all that is refused a reason */

TEST(law_verdicts_are_whole)
{
    struct rng r;
    uint64_t n = 0;
    rng_init(&r, 5);
    for (unsigned i = 0; i < 60; i++) {
        struct world w;
        random_world(&w, &r);
        struct visit v = { .w = &w };
        for (unsigned s = i % 11; s < n_scenes(); s += 11, n++) {
            struct buf text;
            scene_at(&v, s);
            struct inbound_verdict got = ask(&v);
            CHECK(!got.originating || got.from_org);
            CHECK(!got.admitted || got.failed == CHECK_NONE);
            CHECK(got.admitted || got.failed != CHECK_NONE);
            CHECK(got.admitted == (got.reply.code == 0));
            buf_init(&text, s % 3 ? 400 : s % 400);
            attribute_detail(&got, &v.scene.f, &text);
            CHECK((text.n > 0) == (got.by != NULL && text.max > 0));
            buf_done(&text);
            buf_init(&text, s % 3 ? 64 * 1024 : s % 1500);
            attribute_explain(w.t, &v.scene.f, v.relay_allowed, &text);
            CHECK(text.n > 0 || text.max == 0);
            buf_done(&text);
        }
        world_done(&w);
    }
    say_count("verdicts are whole and have words", n);
}

/* --- a certificate that names the servers of more organisations than are looked at */

TEST(t22_a_certificate_of_many_organisations)
{
    enum { MANY = 12, NAME = 32 };
    static const struct hash_key key = { { 1, 2 } };
    static struct span any[] = { { "*", 1 } };
    static char text[MANY][2][NAME], all[MANY * NAME];
    static struct span domain[MANY], server[MANY];
    static struct org org[MANY];
    static struct in_connector in[MANY];
    struct org_table *t = NULL;
    struct org_conflict conflict;
    struct buf witness;
    size_t n = 0;
    buf_init(&witness, 100);
    for (unsigned i = 0; i < MANY; i++) {
        domain[i] = span_of(text[i][0], (size_t)snprintf(text[i][0], NAME, "o%u.example", i));
        server[i] = span_of(text[i][1], (size_t)snprintf(text[i][1], NAME, "mx.o%u.example", i));
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? "," : "", text[i][1]);
        org[i] = (struct org){
            .name = domain[i], .domain = &domain[i], .n_domain = 1, .in = &in[i], .n_in = 1
        };
        in[i] = (struct in_connector){
            .c = { .org = &org[i], .kind = CONNECTOR_ON_PREMISES, .mode = CONNECTOR_ENFORCE },
            .sender = any,
            .n_sender = 1,
            .names = { .id = i + 1, .n = 1, .name = &server[i] }
        };
    }
    CHECK(org_table_new(org, MANY, &key, &t, &conflict, &witness) == ERR_OK);
    struct tls_facts tls = { .on = true,
                             .peer_cert = true,
                             .chain_ok = true,
                             .version = SPAN("TLSv1.3"),
                             .names = span_of(all, n),
                             .anchor = SPAN(PUBLIC_CA) };
    for (unsigned i = 0; i < MANY; i++) { /* the sender's and the recipient's are never left out */
        struct inbound_facts f = { .tls = &tls,
                                   .from_domain = domain[i],
                                   .to_domain = SPAN("out.example") };
        struct inbound_verdict v = attribute(t, &f, false);
        CHECK(v.originating && v.from_org == &org[i] && v.by == &in[i]);
        f.from_domain = SPAN("other.example");
        f.to_domain = domain[i];
        CHECK(attribute(t, &f, false).from_org == &org[i]);
    }
    org_table_free(t);
    buf_done(&witness);
}
