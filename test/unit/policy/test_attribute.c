/* The verdicts that the requirements and attacks name, one row each; test_attribute_laws.c has all
 * the others. */
#include "test/unit/policy/attribute_world.h"

#include "test/test.h"

struct row {
    const char *connectors; /* of the catalogue */
    const char *names;      /* presented; "-": TLS without a certificate; NULL: plaintext */
    const char *client, *from, *to;
    const char *want; /* as verdict_text writes it */
};

/* "ok by name, originating", "550 5.7.51 name: no-certificate" */
static void verdict_text(const struct inbound_verdict *v, struct buf *out)
{
    const struct status *s = &v->reply.status;
    if (v->admitted)
        buf_putf(out, "ok%s", v->by ? " by" : "");
    else
        buf_putf(out, "%d %u.%u.%u", v->reply.code, s->class, s->subject, s->detail);
    if (v->by)
        buf_putf(out, " %.*s", SPAN_ARG(v->by->c.id));
    if (v->by && !v->admitted)
        buf_putf(out, ": %s", check_name(v->failed));
    buf_putf(out, "%s", v->originating ? ", originating" : "");
}

static void check_row(const struct row *r)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names(r->names);
    test_case(r->connectors);
    world_make(&w, r->connectors);
    shown.tls = r->names != NULL;
    shown.cert = r->names && strcmp(r->names, "-") != 0;
    scene_set(&s, &w, &shown, r->client, r->from, r->to);
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    struct buf text;
    buf_init(&text, 200);
    verdict_text(&v, &text);
    CHECK_Z(buf_span(&text), r->want);
    buf_done(&text);
    world_done(&w);
}

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_row(&rows[i]);
}

TEST(r22_without_connectors_plaintext_is_enough)
{
    static const struct row rows[] = {
        { "", NULL, FAR, "p.example", "a.example", "ok" },
        { "", "-", FAR, "p.example", "a.example", "ok" },
        { "", "mx.p.example", FAR, "p.example", "a.example", "ok" },
        { "", NULL, FAR, "", "a.example", "ok" },
        { "", NULL, FAR, "a.example", "out.example", "550 5.7.1" },
        { "tls", "-", FAR, "p.example", "a.example", "ok by tls" },
        { "tls", NULL, FAR, "p.example", "a.example", "454 4.7.0 tls: tls" },
        { "tls", NULL, FAR, "other.example", "a.example", "ok" },
        { "tls", NULL, FAR, "p.example", "b.example", "ok" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(r23_a_channel_with_a_named_partner)
{
    static const struct row rows[] = {
        { "name", "mx.p.example", FAR, "p.example", "a.example", "ok by name" },
        { "name", "mx.p.example", FAR, "x.p.example", "a.example", "ok by name" },
        { "name", "mx.p.example", FAR, "other.example", "a.example", "ok" },
        { "name", "mx.p.example", FAR, "p.example", "out.example", "550 5.7.1" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(r24_the_partner_shows_its_certificate_or_is_refused)
{
    static const struct row rows[] = {
        { "name", NULL, FAR, "p.example", "a.example", "550 5.7.51 name: no-certificate" },
        { "name", "-", FAR, "p.example", "a.example", "550 5.7.51 name: no-certificate" },
        { "name", "mx.q.example", FAR, "p.example", "a.example", "550 5.7.51 name: name" },
        { "name", "p.example", FAR, "p.example", "a.example", "550 5.7.51 name: name" },
        { "name", "mx.p.example.evil.example", FAR, "p.example", "a.example",
          "550 5.7.51 name: name" },
        { "net", "mx.p.example", FAR, "p.example", "a.example", "550 5.7.51 net: address" },
        { "net", NULL, "198.51.100.200", "p.example", "a.example", "ok by net" },
        { "net", NULL, "::ffff:198.51.100.1", "p.example", "a.example", "ok by net" },
        { "name net", NULL, "198.51.100.1", "p.example", "a.example", "ok by net" },
        { "name net", "mx.p.example", FAR, "p.example", "a.example", "ok by name" },
        { "name net", NULL, FAR, "p.example", "a.example", "550 5.7.51 net: address" },
        { "name net", "mx.p.example", "198.51.100.1", "p.example", "a.example", "ok by name" },
    };
    check_rows(rows, COUNTOF(rows));
}

/* Another key, another CA, another validity: the name is what was expected. */
TEST(r25_a_renewed_certificate_needs_no_change_here)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mx.p.example");
    world_make(&w, "name");
    for (unsigned i = 0; i < 2; i++) {
        shown.spki = i ? "7777" : "8888";
        scene_set(&s, &w, &shown, FAR, "p.example", "a.example");
        CHECK(attribute(w.t, &s.f, false).admitted);
    }
    world_done(&w);
}

TEST(r26_no_mail_over_a_channel_that_is_too_weak)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mail.b.example");
    world_make(&w, "from-b");
    scene_set(&s, &w, &shown, FAR, "b.example", "a.example");
    CHECK(attribute(w.t, &s.f, false).admitted);
    shown.old = true;
    scene_set(&s, &w, &shown, FAR, "b.example", "a.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK_NUM(v.failed, CHECK_FLOOR);
    CHECK_NUM(v.reply.code, 454);
    s.tls.version = SPAN("TLSv1.1");
    w.in[0][0].floor = 0;
    CHECK_NUM(attribute(w.t, &s.f, false).failed, CHECK_FLOOR);
    world_done(&w);
}

/* Only the filter and the organisation's own server may write to it; the server may send on. */
TEST(r27_the_own_server_shows_its_certificate)
{
    static const struct row rows[] = {
        { "lock-net own-name", NULL, FAR, "other.example", "a.example",
          "550 5.7.51 lock-net: address" },
        { "lock-net own-name", "mail.a.example", FAR, "other.example", "a.example",
          "ok by own-name, originating" },
        { "lock-net own-name", "mail.a.example", FAR, "", "a.example",
          "ok by own-name, originating" },
        { "lock-net own-name", "mail.a.example", FAR, "a.example", "out.example",
          "ok by own-name, originating" },
        { "lock-net own-name", NULL, FAR, "a.example", "out.example", "550 5.7.1" },
        { "own-foreign-name", "relay.host.example", FAR, "a.example", "out.example",
          "ok by own-foreign-name, originating" },
        { "own-foreign-name", "relay.host.example", FAR, "other.example", "out.example",
          "550 5.7.64 own-foreign-name: relay" },
        { "own-foreign-name", "relay.host.example", FAR, "", "out.example",
          "550 5.7.64 own-foreign-name: relay" },
        { "own-foreign-name lock-net", "relay.host.example", FAR, "other.example", "a.example",
          "ok by own-foreign-name" },
        { "own-net", NULL, "192.0.2.200", "a.example", "out.example",
          "ok by own-net, originating" },
        { "own-net", NULL, "192.0.2.200", "x.y.a.example", "out.example",
          "ok by own-net, originating" },
        { "own-net", NULL, "192.0.2.200", "b.example", "out.example", "550 5.7.64 own-net: relay" },
        { "own-net", NULL, "192.0.2.200", "", "out.example", "550 5.7.1" },
        { "own-net own-net-tls", NULL, "192.0.2.9", "a.example", "out.example",
          "454 4.7.0 own-net-tls: tls" },
        { "own-net own-net-tls", "-", "192.0.2.9", "a.example", "out.example",
          "ok by own-net-tls, originating" },
        { "own-wildcard own-name", "mail.a.example", FAR, "a.example", "out.example",
          "ok by own-name, originating" },
        { "own-name own-net", "mail.a.example", "192.0.2.1", "a.example", "out.example",
          "ok by own-name, originating" },
    };
    check_rows(rows, COUNTOF(rows));
}

/* Its certificate ran out: the server is told to try again, not that it is a stranger. */
TEST(r28_an_own_server_whose_certificate_ran_out_may_try_again)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mail.a.example");
    world_make(&w, "own-name");
    shown.late = true;
    scene_set(&s, &w, &shown, FAR, "a.example", "out.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK(!v.admitted && !v.originating && v.from_org == NULL);
    CHECK_NUM(v.failed, CHECK_EXPIRED);
    CHECK_NUM(v.reply.code, 454);

    struct weakening *weak = &w.in[0][0].c.weakening[WEAKEN_EXPIRED];
    weak->until_ms = s.f.now_ms + 1;
    CHECK(attribute(w.t, &s.f, false).originating);
    weak->until_ms = s.f.now_ms;
    CHECK(!attribute(w.t, &s.f, false).admitted);
    s.tls.expired = false;
    weak->until_ms = s.f.now_ms + 1;
    CHECK_NUM(attribute(w.t, &s.f, false).failed, CHECK_CHAIN);
    world_done(&w);
}

/* One direction says nothing of the other. */
TEST(r30_forcing_what_comes_in_takes_an_inbound_connector)
{
    static struct span recipient[] = { { "p.example", 9 } };
    struct out_connector out = { .recipient = recipient, .n_recipient = 1 };
    struct world w;
    struct scene s;
    struct shown plaintext = { .name = "plaintext" };
    world_init(&w);
    out.c.org = &w.org[0];
    out.c.mode = CONNECTOR_ENFORCE;
    w.org[0].out = &out;
    w.org[0].n_out = 1;
    CHECK(world_build(&w));
    scene_set(&s, &w, &plaintext, FAR, "p.example", "a.example");
    CHECK(attribute(w.t, &s.f, false).admitted);
    world_add(&w, template_of("tls"));
    CHECK(world_build(&w));
    CHECK(!attribute(w.t, &s.f, false).admitted);
    world_done(&w);
}

TEST(t22_certificate_of_one_partner_with_the_sender_of_another)
{
    static const struct row rows[] = {
        /* name: p.example by mx.p.example; from-b: b.example by mail.b.example */
        { "name from-b", "mx.p.example", FAR, "p.example", "a.example", "ok by name" },
        { "name from-b", "mail.b.example", FAR, "b.example", "a.example", "ok by from-b" },
        { "name from-b", "mail.b.example", FAR, "p.example", "a.example", "550 5.7.51 name: name" },
        { "name from-b", "mx.p.example", FAR, "b.example", "a.example", "550 5.7.51 from-b: name" },
        { "name from-b", NULL, FAR, "b.example", "a.example", "550 5.7.51 from-b: no-certificate" },
        /* a certificate with both names is both */
        { "name from-b", "mx.p.example,mail.b.example", FAR, "b.example", "a.example",
          "ok by from-b" },
        { "name from-b", "mx.p.example,mail.b.example", FAR, "p.example", "a.example",
          "ok by name" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t22_two_connectors_match)
{
    static const struct row rows[] = {
        /* the closest pattern decides, whatever the others ask */
        { "lock-net name", "mx.p.example", FAR, "p.example", "a.example", "ok by name" },
        { "lock-net name", NULL, "203.0.113.5", "p.example", "a.example",
          "550 5.7.51 name: no-certificate" },
        { "lock-net name", NULL, "203.0.113.5", "other.example", "a.example", "ok by lock-net" },
        { "lock-net name", "mx.p.example", "198.51.100.1", "other.example", "a.example",
          "550 5.7.51 lock-net: address" },
        { "ca tls", "-", FAR, "p.example", "a.example", "ok by tls" },
        { "ca tls", "-", FAR, "x.p.example", "a.example", "550 5.7.51 ca: no-certificate" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t22_the_connector_of_another_organisation)
{
    static const struct row rows[] = {
        /* a's own server is a stranger to b */
        { "own-name b-lock", "mail.a.example", FAR, "a.example", "b.example",
          "550 5.7.51 b-lock: name, originating" },
        { "own-name b-lock", "mail.a.example", FAR, "a.example", "a.example",
          "ok by own-name, originating" },
        /* a certificate of b lets its server send in any name; it is b's mail then */
        { "own-name b-own-name", "mail.b.example", FAR, "a.example", "out.example",
          "ok by b-own-name, originating" },
        { "own-name b-own-net", NULL, "192.0.2.9", "a.example", "out.example",
          "550 5.7.64 b-own-net: relay" },
        /* each address belongs to whoever MAIL FROM says, of those that list it */
        { "own-net b-own-net", NULL, "192.0.2.9", "a.example", "out.example",
          "ok by own-net, originating" },
        { "own-net b-own-net", NULL, "192.0.2.9", "b.example", "out.example",
          "ok by b-own-net, originating" },
        { "own-net b-own-net", NULL, "192.0.2.9", "other.example", "out.example",
          "550 5.7.64 b-own-net: relay" },
        /* one certificate for both: MAIL FROM says whose mail it is */
        { "own-name b-own-name", "mail.a.example,mail.b.example", FAR, "b.example", "out.example",
          "ok by b-own-name, originating" },
        { "own-name b-own-name", "mail.b.example,mail.a.example", FAR, "a.example", "out.example",
          "ok by own-name, originating" },
        { "own-name b-own-name", "mail.b.example,mail.a.example", FAR, "", "out.example",
          "ok by own-name, originating" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t22_case_and_trailing_dot_change_nothing)
{
    static const struct row rows[] = {
        { "name", NULL, FAR, "P.Example", "A.EXAMPLE", "550 5.7.51 name: no-certificate" },
        { "name", NULL, FAR, "p.example.", "a.example.", "550 5.7.51 name: no-certificate" },
        { "name", "MX.P.example.", FAR, "x.P.example.", "a.example", "ok by name" },
        { "own-name", "MAIL.A.EXAMPLE.", FAR, "A.example.", "out.example",
          "ok by own-name, originating" },
        { "own-wildcard", "Mail.A.EXAMPLE.", FAR, "", "out.example",
          "ok by own-wildcard, originating" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t22_empty_mail_from)
{
    static const struct row rows[] = {
        /* nobody's pattern but "*" is about it: bounces of partners come in */
        { "name", NULL, FAR, "", "a.example", "ok" },
        { "name lock-net", NULL, FAR, "", "a.example", "550 5.7.51 lock-net: address" },
        { "name lock-net", NULL, "203.0.113.5", "", "a.example", "ok by lock-net" },
        /* own bounces need the certificate, and its domain */
        { "own-name", "mail.a.example", FAR, "", "out.example", "ok by own-name, originating" },
        { "own-net", NULL, "192.0.2.200", "", "out.example", "550 5.7.1" },
        { "own-net lock-net", NULL, "192.0.2.200", "", "a.example",
          "550 5.7.51 lock-net: address" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t22_other_senders_that_are_no_domains)
{
    static const struct row rows[] = {
        { "lock-net", NULL, FAR, "[192.0.2.1]", "a.example", "550 5.7.51 lock-net: address" },
        { "name", NULL, FAR, "[192.0.2.1]", "a.example", "ok" },
        { "name", NULL, FAR, "example", "a.example", "ok" },
        { "name", NULL, FAR, ".p.example", "a.example", "550 5.7.51 name: no-certificate" },
        { "lock-net", NULL, FAR, "*", "a.example", "550 5.7.51 lock-net: address" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t23_a_public_certificate_without_a_bound_name_gains_nothing)
{
    static const char *const everything =
        "own-name own-foreign-name own-wildcard own-pin own-ca own-net b-own-name b-own-net";
    static const char *const names[] = { "mx.somebody.example",
                                         "a.example",
                                         "*.example",
                                         "host.example",
                                         "*.somebody.example",
                                         "example",
                                         "*",
                                         "mail.a.example.evil.example",
                                         "xmail.xa.example",
                                         "relay.a.examplex",
                                         "b.b.b.example" };
    for (size_t i = 0; i < COUNTOF(names) * n_all_from; i++) {
        struct row r = { everything,    names[i / n_all_from],
                         FAR,           all_from[i % n_all_from],
                         "out.example", "550 5.7.1" };
        check_row(&r);
    }
}

TEST(t23_a_private_ca_speaks_for_its_connector_only)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mail.b.example");
    world_make(&w, "ca b-own-name own-name");
    shown.anchor = PARTNER_CA;
    scene_set(&s, &w, &shown, FAR, "b.example", "out.example");
    CHECK(s.tls.chain_ok);
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK(!v.admitted && !v.originating);
    CHECK_NUM(v.failed, CHECK_CHAIN);
    s.tls.anchor = SPAN_NONE; /* which root it is cannot be told */
    CHECK(!attribute(w.t, &s.f, false).admitted);
    s.tls.anchor = SPAN(PUBLIC_CA);
    s.tls.anchor_private = false;
    CHECK(attribute(w.t, &s.f, false).originating);

    shown = shown_names("mx.p.example"); /* and with its own CA, public ones do not count */
    scene_set(&s, &w, &shown, FAR, "x.p.example", "a.example");
    CHECK_NUM(attribute(w.t, &s.f, false).failed, CHECK_CHAIN);
    shown.anchor = PARTNER_CA;
    scene_set(&s, &w, &shown, FAR, "x.p.example", "a.example");
    CHECK(attribute(w.t, &s.f, false).admitted);
    world_done(&w);
}

TEST(t23_a_presented_wildcard_is_nobodys_server)
{
    static const struct row rows[] = {
        { "own-foreign-name", "*.host.example", FAR, "other.example", "out.example", "550 5.7.1" },
        { "own-foreign-name", "*.host.example", FAR, "", "out.example", "550 5.7.1" },
        { "own-foreign-name", "*.host.example", FAR, "a.example", "out.example",
          "ok by own-foreign-name, originating" },
        { "own-name", "*.a.example", FAR, "other.example", "out.example",
          "ok by own-name, originating" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t23_names_that_nobody_expects_give_no_right)
{
    static const struct row rows[] = {
        { "own-foreign-name", "relay.host.example,mail.a.example", FAR, "other.example",
          "out.example", "550 5.7.64 own-foreign-name: relay" },
        { "own-foreign-name", "mail.a.example", FAR, "a.example", "out.example", "550 5.7.1" },
    };
    check_rows(rows, COUNTOF(rows));
}

TEST(t23_names_without_a_certificate_or_without_tls_prove_nothing)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mail.a.example");
    shown.spki = PIN;
    world_make(&w, "own-name own-pin");
    for (unsigned i = 0; i < 4; i++) {
        scene_set(&s, &w, &shown, FAR, "a.example", "out.example");
        s.tls.on = i / 2;
        s.tls.peer_cert = i % 2;
        CHECK_NUM(connector_identity(&w.in[0][0], &s.f), i == 3 ? IDENTITY_NAME : 0);
        CHECK_NUM(connector_identity(&w.in[0][1], &s.f), i == 3 ? IDENTITY_PIN : 0);
        CHECK_NUM(attribute(w.t, &s.f, false).originating, i == 3);
    }
    world_done(&w);
}

/* As sockets and the PROXY header may give it. */
TEST(r24_a_mapped_address_is_the_address)
{
    struct world w;
    struct scene s;
    struct shown plaintext = { .name = "plaintext" };
    world_make(&w, "net own-net");
    scene_set(&s, &w, &plaintext, FAR, "p.example", "a.example");
    s.f.client = (struct ip){ IP_V6, 0, { [10] = 0xff, 0xff, 198, 51, 100, 1 } };
    CHECK_SPAN(attribute(w.t, &s.f, false).by->c.id, SPAN("net"));
    scene_set(&s, &w, &plaintext, FAR, "a.example", "out.example");
    s.f.client = (struct ip){ IP_V6, 0, { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
    CHECK(attribute(w.t, &s.f, false).originating);
    s.f.client = (struct ip){ IP_UNIX, 0, { 192, 0, 2, 1 } };
    CHECK(!attribute(w.t, &s.f, false).originating);
    world_done(&w);
}

TEST(t23_a_pinned_key_and_no_other)
{
    struct world w;
    struct scene s;
    struct shown shown = { "pinned", true, true, "any.example", PIN, "", .untrusted = true };
    world_make(&w, "own-pin lock-pin");
    scene_set(&s, &w, &shown, FAR, "a.example", "out.example");
    CHECK(attribute(w.t, &s.f, false).originating);
    scene_set(&s, &w, &shown, FAR, "other.example", "a.example");
    CHECK(attribute(w.t, &s.f, false).admitted);
    s.tls.spki = SPAN("1112");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK_NUM(v.failed, CHECK_NAME);
    CHECK_NUM(v.reply.status.detail, 51);
    s.tls.spki = SPAN_NONE;
    CHECK(!attribute(w.t, &s.f, false).admitted);
    s.tls.spki = SPAN(PIN);
    s.tls.peer_cert = false;
    CHECK_NUM(attribute(w.t, &s.f, false).failed, CHECK_NO_CERT);
    world_done(&w);
}

TEST(t21_revocation_soft_and_hard)
{
    static const struct {
        enum revocation mode;
        enum tri revoked;
        bool passes;
    } rows[] = {
        { REVOCATION_OFF, TRI_YES, 1 },      { REVOCATION_OFF, TRI_UNKNOWN, 1 },
        { REVOCATION_OFF, TRI_NO, 1 },       { REVOCATION_SOFT, TRI_YES, 0 },
        { REVOCATION_SOFT, TRI_UNKNOWN, 1 }, { REVOCATION_SOFT, TRI_NO, 1 },
        { REVOCATION_HARD, TRI_YES, 0 },     { REVOCATION_HARD, TRI_UNKNOWN, 0 },
        { REVOCATION_HARD, TRI_NO, 1 },
    };
    struct world w;
    struct shown shown = shown_names("mx.p.example");
    world_make(&w, "name");
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct scene s;
        shown.revoked = rows[i].revoked;
        w.in[0][0].revocation = rows[i].mode;
        scene_set(&s, &w, &shown, FAR, "p.example", "a.example");
        struct inbound_verdict v = attribute(w.t, &s.f, false);
        CHECK_NUM(v.admitted, rows[i].passes);
        CHECK_NUM(v.failed, rows[i].passes ? CHECK_NONE : CHECK_REVOCATION);
    }
    world_done(&w);
}

/* A revoked certificate is not forgiven for the address it comes from. */
TEST(t21_a_revoked_own_server_is_refused_at_its_own_address)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mail.a.example");
    world_make(&w, "own-name own-net");
    w.in[0][0].revocation = REVOCATION_SOFT;
    shown.revoked = TRI_YES;
    scene_set(&s, &w, &shown, "192.0.2.1", "a.example", "out.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK_NUM(v.failed, CHECK_REVOCATION);
    CHECK_SPAN(v.by->c.id, SPAN("own-name"));
    world_done(&w);
}

TEST(r24_client_usage_where_it_is_demanded)
{
    struct world w;
    struct scene s;
    struct shown shown = shown_names("mx.p.example");
    world_make(&w, "name");
    shown.server_only = true;
    scene_set(&s, &w, &shown, FAR, "p.example", "a.example");
    CHECK(attribute(w.t, &s.f, false).admitted);
    w.in[0][0].eku_client = true;
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK_NUM(v.failed, CHECK_USAGE);
    CHECK_NUM(v.reply.code, 550);
    s.tls.client_usage = true;
    CHECK(attribute(w.t, &s.f, false).admitted);
    world_done(&w);
}

TEST(a_weakening_lets_plaintext_pass_until_its_day)
{
    struct world w;
    struct scene s;
    struct shown plaintext = { .name = "plaintext" };
    world_make(&w, "tls");
    scene_set(&s, &w, &plaintext, FAR, "p.example", "a.example");
    struct weakening *weak = &w.in[0][0].c.weakening[WEAKEN_PLAINTEXT];
    weak->until_ms = s.f.now_ms + 1;
    CHECK(attribute(w.t, &s.f, false).admitted);
    weak->until_ms = s.f.now_ms;
    CHECK_NUM(attribute(w.t, &s.f, false).failed, CHECK_TLS);
    weak->until_ms = s.f.now_ms + 1; /* a certificate that is asked for is not given up with it */
    w.in[0][0].restrict_certificate = true;
    CHECK_NUM(attribute(w.t, &s.f, false).failed, CHECK_NO_CERT);
    world_done(&w);
}

TEST(test_mode_is_judged_beside)
{
    struct world w;
    struct scene s;
    struct shown plaintext = { .name = "plaintext" };
    world_make(&w, "tls");
    w.in[0][0].c.mode = CONNECTOR_TEST;
    scene_set(&s, &w, &plaintext, FAR, "p.example", "a.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    CHECK(v.admitted && !v.by && !v.test_admitted);
    CHECK_SPAN(v.test_by->c.id, SPAN("tls"));
    CHECK_NUM(v.test_failed, CHECK_TLS);
    CHECK_NUM(v.reply.code, 0);
    world_done(&w);
}

TEST(the_installations_rules_do_not_pass_an_organisations)
{
    struct world w;
    struct scene s;
    struct shown plaintext = { .name = "plaintext" };
    world_make(&w, "tls");
    scene_set(&s, &w, &plaintext, FAR, "p.example", "out.example");
    CHECK(attribute(w.t, &s.f, true).admitted);
    scene_set(&s, &w, &plaintext, FAR, "p.example", "a.example");
    CHECK(!attribute(w.t, &s.f, true).admitted);
    world_done(&w);
}
