#include "policy/org.h"

#include "base/rng.h"
#include "test/test.h"
#include "test/unit/policy/attribute_world.h"

#include <string.h>

static const struct hash_key key = { { 3, 9 } };

TEST(names_of_kinds_modes_and_weakenings)
{
    CHECK_Z(span_z(connector_kind_name(CONNECTOR_PARTNER)), "partner");
    CHECK_Z(span_z(connector_kind_name(CONNECTOR_ON_PREMISES)), "on-premises");
    CHECK_Z(span_z(connector_mode_name(CONNECTOR_OFF)), "off");
    CHECK_Z(span_z(connector_mode_name(CONNECTOR_TEST)), "test");
    CHECK_Z(span_z(connector_mode_name(CONNECTOR_ENFORCE)), "enforce");
    CHECK_Z(span_z(weakening_name(WEAKEN_PLAINTEXT)), "plaintext");
    CHECK_Z(span_z(weakening_name(WEAKEN_EXPIRED)), "expired");
    CHECK_Z(span_z(weakening_name(WEAKEN_NAME)), "name");
}

TEST(a_weakening_ends_with_its_day)
{
    struct connector c = { .weakening[WEAKEN_EXPIRED].until_ms = 100 };
    CHECK(connector_weakened(&c, WEAKEN_EXPIRED, 99));
    CHECK(!connector_weakened(&c, WEAKEN_EXPIRED, 100));
    CHECK(!connector_weakened(&c, WEAKEN_EXPIRED, INT64_MAX));
    CHECK(!connector_weakened(&c, WEAKEN_PLAINTEXT, 99));
    CHECK(!connector_weakened(&c, WEAKEN_PLAINTEXT, INT64_MIN));
}

TEST(organisations_are_found_by_domain_and_name)
{
    struct world w;
    unsigned n = 0;
    world_init(&w);
    CHECK(world_build(&w));
    CHECK(org_of_domain(w.t, SPAN("a.example")) == &w.org[0]);
    CHECK(org_of_domain(w.t, SPAN("x.y.a.example")) == &w.org[0]);
    CHECK(org_of_domain(w.t, SPAN("b.example")) == &w.org[1]);
    CHECK(org_of_domain(w.t, SPAN("b.example.")) == &w.org[1]);
    CHECK(!org_of_domain(w.t, SPAN("x.b.example")));
    CHECK(!org_of_domain(w.t, SPAN("example")));
    CHECK(!org_of_domain(w.t, SPAN("")));
    CHECK(org_by_name(w.t, SPAN("b")) == &w.org[1]);
    CHECK(!org_by_name(w.t, SPAN("c")));
    CHECK(org_list(w.t, &n) == w.org);
    CHECK_NUM(n, WORLD_ORGS);
    world_done(&w);
    org_table_free(NULL);
}

TEST(no_organisations_at_all)
{
    struct org_table *t;
    struct org_conflict conflict;
    struct buf witness;
    unsigned n = 9;
    buf_init(&witness, 100);
    CHECK(org_table_new(NULL, 0, &key, &t, &conflict, &witness) == ERR_OK);
    CHECK(!org_of_domain(t, SPAN("a.example")));
    (void)org_list(t, &n);
    CHECK_NUM(n, 0);
    org_table_free(t);
    buf_done(&witness);
}

/* --- conflicts */

/* Two connectors that were made from the catalogue, each a little changed. */
struct pair {
    struct world w;
    struct in_connector *a, *b;
};

static void pair_init(struct pair *p, const char *a, const char *b)
{
    world_init(&p->w);
    p->a = world_add(&p->w, template_of(a));
    p->b = world_add(&p->w, template_of(b));
}

static void pair_conflicts(struct pair *p, const char *what, const char *witness)
{
    CHECK(!world_build(&p->w));
    CHECK_Z(p->w.conflict.what, what);
    CHECK(p->w.conflict.witness == &p->w.witness);
    CHECK_Z(buf_span(&p->w.witness), witness);
    CHECK(p->w.conflict.a == &p->a->c && p->w.conflict.b == &p->b->c);
    CHECK(p->w.conflict.org_a == p->a->c.org && p->w.conflict.org_b == p->b->c.org);
    p->b->c.mode = CONNECTOR_TEST;
    CHECK(!world_build(&p->w));
    p->b->c.mode = CONNECTOR_OFF;
    CHECK(world_build(&p->w));
    world_done(&p->w);
}

static void pair_is_fine(struct pair *p)
{
    CHECK(world_build(&p->w));
    world_done(&p->w);
}

TEST(r27_one_identity_cannot_be_two_organisations_server)
{
    struct pair p;
    pair_init(&p, "own-name", "b-own-name");
    p.b->names = p.a->names;
    pair_conflicts(&p, "certificate name",
                   "certificate for mail.a.example, MAIL FROM <user@any.example>");

    struct span upper[] = { { "WWW.Example", 11 }, { "MAIL.A.example.", 15 } };
    pair_init(&p, "own-name", "b-own-name");
    p.b->names = (struct name_set){ .id = 9, .n = 2, .name = upper };
    pair_conflicts(&p, "certificate name",
                   "certificate for MAIL.A.example., MAIL FROM <user@any.example>");

    pair_init(&p, "own-net", "b-own-net");
    p.b->network = p.a->network;
    pair_conflicts(&p, "address range", "address 192.0.2.0, MAIL FROM <user@any.example>");

    struct span sender[] = { { "b.example", 9 } };
    pair_init(&p, "own-pin", "b-own-name");
    p.b->pin = p.a->pin;
    p.b->n_pin = 1;
    pair_conflicts(&p, "public key",
                   "certificate with the public key " PIN ", MAIL FROM <user@a.example>");
    pair_init(&p, "own-pin", "b-own-name");
    p.b->pin = p.a->pin;
    p.b->n_pin = 1;
    p.b->sender = sender;
    pair_conflicts(&p, "public key", "certificate with the public key " PIN ", MAIL FROM <>");

    pair_init(&p, "own-ca", "b-own-name");
    p.b->names.n = 0;
    p.b->anchor = p.a->anchor;
    p.b->n_anchor = 1;
    pair_conflicts(&p, "certificate authority",
                   "certificate of the authority " PARTNER_CA ", MAIL FROM <user@any.example>");

    pair_init(&p, "own-name", "b-own-name"); /* others are nobody's */
    pair_is_fine(&p);
    pair_init(&p, "own-net", "b-own-net"); /* one within the other: the longer prefix is closer */
    pair_is_fine(&p);
    pair_init(&p, "own-wildcard", "own-name");
    pair_is_fine(&p);
}

TEST(within_an_organisation_identities_are_told_apart_by_senders)
{
    static const struct {
        const char *a, *b, *from; /* NULL: no conflict */
    } rows[] = {
        { "a.example", "b.example", NULL },
        { "a.example", "a.example", "a.example" },
        { "a.example", "A.example.", "A.example." },
        { "a.example", "*", "a.example" },
        { "*", "a.example", "a.example" },
        { "*", "*", "any.example" },
        { "*.a.example", "a.example", NULL },
        { "*.a.example", "x.a.example", "x.a.example" },
        { "x.y.a.example", "*.a.example", "x.y.a.example" },
        { "*.a.example", "*.y.a.example", "host.y.a.example" },
        { "*.y.a.example", "*.a.example", "host.y.a.example" },
        { "*.a.example", "*.b.example", NULL },
        { "*.a.example", "*", "host.a.example" },
        { "*", "*.a.example", "host.a.example" },
        { "*.a.example", "*.xa.example", NULL },
        { "qq", "*.qq", NULL },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct pair p;
        char witness[100];
        struct span a[] = { SPAN("one.example"), span_z(rows[i].a) };
        struct span b[] = { SPAN("two.example"), span_z(rows[i].b) };
        bool star = strcmp(rows[i].a, "*") == 0 || strcmp(rows[i].b, "*") == 0;
        test_case(rows[i].b);
        pair_init(&p, "own-name", "own-net");
        p.b->names = p.a->names;
        p.a->sender = a + star, p.a->n_sender = 2u - star;
        p.b->sender = b + star, p.b->n_sender = 2u - star;
        CHECK_NUM(oracle_conflict(p.w.org, WORLD_ORGS), rows[i].from != NULL);
        if (!rows[i].from) {
            pair_is_fine(&p);
            continue;
        }
        struct buf text;
        buf_init(&text, sizeof witness);
        buf_putf(&text, "certificate for mail.a.example, MAIL FROM <user@%s>", rows[i].from);
        CHECK(!world_build(&p.w));
        CHECK_SPAN(buf_span(&p.w.witness), buf_span(&text));
        CHECK((p.w.conflict.a == &p.a->c) != (p.w.conflict.a == &p.b->c));
        CHECK((p.w.conflict.b == &p.a->c) != (p.w.conflict.b == &p.b->c));
        buf_done(&text);
        world_done(&p.w);
    }
}

TEST(r23_partners_for_one_sender_are_told_apart)
{
    struct pair p;
    pair_init(&p, "tls", "name");
    pair_conflicts(&p, "sender pattern", "any client, MAIL FROM <user@p.example>");
    pair_init(&p, "name", "tls");
    pair_conflicts(&p, "sender pattern", "any client, MAIL FROM <user@p.example>");
    pair_init(&p, "tls", "tls");
    pair_conflicts(&p, "sender pattern", "any client, MAIL FROM <user@p.example>");
    pair_init(&p, "name", "ca");
    pair_conflicts(&p, "certificate name",
                   "certificate for mx.p.example, MAIL FROM <user@host.p.example>");
    pair_init(&p, "name", "net"); /* by certificate, or by address */
    pair_is_fine(&p);
    pair_init(&p, "name", "from-b");
    pair_is_fine(&p);
    pair_init(&p, "tls", "lock-net"); /* the closer pattern decides */
    pair_is_fine(&p);
    pair_init(&p, "name", "b-lock"); /* another organisation's */
    pair_is_fine(&p);
    pair_init(&p, "name", "own-name"); /* another kind */
    p.b->names = p.a->names;
    pair_is_fine(&p);
}

static void out_conflict(struct out_connector *a, struct out_connector *b, const char *what,
                         const char *witness)
{
    struct world w;
    struct out_connector out[] = { *a, *b };
    world_init(&w);
    for (size_t i = 0; i < COUNTOF(out); i++) {
        out[i].c.org = &w.org[0];
        out[i].c.mode = CONNECTOR_ENFORCE;
    }
    w.org[0].out = out;
    w.org[0].n_out = COUNTOF(out);
    CHECK_NUM(world_build(&w), what == NULL);
    if (what) {
        CHECK_Z(w.conflict.what, what);
        CHECK_Z(buf_span(&w.witness), witness);
        CHECK(w.conflict.a == &out[0].c && w.conflict.b == &out[1].c);
        out[1].c.mode = CONNECTOR_OFF;
        CHECK(world_build(&w));
    }
    world_done(&w);
}

TEST(outbound_connectors_for_one_recipient)
{
    struct span x[] = { SPAN("x.example"), SPAN("*.x.example") }, y[] = { SPAN("*.X.example") },
                z[] = { SPAN("z.x.example"), SPAN("*") };
    struct out_connector of_x = { .recipient = x, .n_recipient = 2 },
                         of_y = { .recipient = y, .n_recipient = 1 },
                         of_z = { .recipient = z, .n_recipient = 2 },
                         accepted = { .accepted = true }, all = { .everything = true };
    struct out_connector ruled = { .rule_header = SPAN("X-Via"), .rule_value = SPAN("one") },
                         ruled_x = of_x, ruled_two = ruled;
    ruled_x.rule_header = ruled.rule_header;
    ruled_two.rule_value = SPAN("two");
    out_conflict(&of_x, &of_y, "recipient pattern", "RCPT TO <user@host.X.example>");
    out_conflict(&of_x, &of_z, NULL, NULL);
    out_conflict(&accepted, &accepted, "accepted domains", "mail that the organisation sends");
    out_conflict(&all, &all, "everything", "mail that the organisation sends");
    out_conflict(&accepted, &all, NULL, NULL);
    out_conflict(&ruled, &ruled, "header", "mail that the organisation sends, X-Via: one");
    out_conflict(&ruled, &ruled_two, NULL, NULL);
    out_conflict(&of_x, &ruled_x, NULL, NULL);
}

TEST(a_domain_and_a_name_belong_to_one_organisation)
{
    struct span again[] = { SPAN("*.a.EXAMPLE") };
    struct world w;
    world_init(&w);
    w.org[1].domain = again;
    CHECK(!world_build(&w));
    CHECK_Z(w.conflict.what, "domain");
    CHECK_Z(buf_span(&w.witness), "RCPT TO <user@host.a.EXAMPLE>");
    CHECK(!w.conflict.a && !w.conflict.b);
    CHECK(w.conflict.org_a == &w.org[0] && w.conflict.org_b == &w.org[1]);
    world_done(&w);

    world_init(&w);
    w.org[1].name = w.org[0].name;
    CHECK(!world_build(&w));
    CHECK_Z(w.conflict.what, "organisation");
    world_done(&w);
}

/* The witness is cut where its buffer is full. */
TEST(a_witness_of_any_size)
{
    for (size_t max = 0; max < 100; max++) {
        struct pair p;
        pair_init(&p, "name", "ca");
        buf_done(&p.w.witness);
        buf_init(&p.w.witness, max);
        CHECK(!world_build(&p.w));
        CHECK(p.w.witness.n == max || p.w.witness.n < max);
        world_done(&p.w);
    }
}

/* --- many random pairs of senders and identities against the oracle */

static void random_senders(struct in_connector *c, struct rng *r)
{
    static struct span patterns[] = { SPAN("a.example"),     SPAN("*.a.example"),
                                      SPAN("x.a.example"),   SPAN("*.x.a.example"),
                                      SPAN("b.example"),     SPAN("*.b.example"),
                                      SPAN("y.x.a.example"), SPAN("*") };
    unsigned at = (unsigned)rng_below(r, COUNTOF(patterns));
    c->sender = patterns + at;
    c->n_sender = 1 + (unsigned)rng_below(r, COUNTOF(patterns) - at > 2 ? 2 : 1);
}

TEST(conflicts_of_random_connectors_are_the_oracles)
{
    struct rng r;
    unsigned n[2] = { 0 };
    rng_init(&r, 404);
    for (unsigned i = 0; i < 20000; i++) {
        struct world w;
        world_init(&w);
        for (unsigned k = 0, all = 2 + (unsigned)rng_below(&r, 3); k < all; k++) {
            struct in_connector *c = world_add(&w, &catalogue[rng_below(&r, n_catalogue)]);
            random_senders(c, &r);
            if (rng_chance(&r, 1, 2))
                c->names = template_of(rng_chance(&r, 1, 2) ? "own-name" : "b-lock")->c.names;
            c->c.mode = (enum connector_mode)rng_below(&r, 3);
            c->restrict_certificate ^= rng_chance(&r, 1, 5) && c->c.kind == CONNECTOR_PARTNER;
        }
        bool conflicts = oracle_conflict(w.org, WORLD_ORGS);
        CHECK_NUM(world_build(&w), !conflicts);
        CHECK((w.witness.n > 0) == conflicts);
        n[conflicts]++;
        world_done(&w);
    }
    CHECK(n[0] > 1000 && n[1] > 1000);
}
