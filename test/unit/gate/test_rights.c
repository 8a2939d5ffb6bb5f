/* What an administrator may ask, and what of it is told. */
#include "gate/control_rights.h"

#include "base/enc.h"
#include "test/unit/gate/org_files.h"

enum { ALICE = 5001, BOB = 5002, EVE = 5003 };
static const struct asker root = { .all = true }, alice = { .uid = ALICE }, bob = { .uid = BOB },
                          eve = { .uid = EVE };

static struct config *two(void)
{
    return org_load_well(HOST "organisation \"a\" { administrators = \"5001\"\n"
                              "domain \"a.example\" { smtp = \"10.0.0.1\" } }\n"
                              "organisation \"b\" { administrators = [5002, 5004]\n"
                              "domain \"b.example\" { smtp = \"10.0.0.2\" } }\n"
                              "organisation \"both\" { administrators = [5001, 5002]\n"
                              "domain \"both.example\" { smtp = \"10.0.0.3\" } }\n");
}

TEST(r9_who_may_ask_about_which_organisation)
{
    struct config *c = two();
    CHECK(asker_known(c, root) && asker_known(c, alice) && asker_known(c, bob));
    CHECK(!asker_known(c, eve));
    CHECK(asker_owns_name(c, alice, SPAN("a")) && !asker_owns_name(c, alice, SPAN("b")));
    CHECK(asker_owns_name(c, alice, SPAN("both")) && asker_owns_name(c, bob, SPAN("both")));
    CHECK(!asker_owns_name(c, alice, SPAN_NONE) && asker_owns_name(c, root, SPAN_NONE));
    CHECK(!asker_owns_name(c, alice, SPAN("no-such")));
    CHECK(asker_owns_connector(c, alice, SPAN("a/x:name")));
    CHECK(!asker_owns_connector(c, alice, SPAN("b/x")));
    CHECK(!asker_owns_connector(c, alice, SPAN("ab/x")));
    CHECK(asker_owns_domain(c, bob, SPAN("b.example")));
    CHECK(!asker_owns_domain(c, bob, SPAN("far.example")));
    CHECK_Z(asker_word(c, root), "operator");
    CHECK_Z(asker_word(c, alice), "5001");
    config_unref(c);
}

TEST(r9_what_of_the_queue_is_seen)
{
    static const struct {
        const char *org, *domain;
        enum sight alice;
    } rows[] = {
        { "", "a.example", SIGHT_ALL },        { "", "b.example", SIGHT_NONE },
        { "", "far.example", SIGHT_NONE },     { "a", "far.example", SIGHT_ALL },
        { "a", "a.example", SIGHT_ALL },       { "a", "b.example", SIGHT_SENDER },
        { "a", "both.example", SIGHT_ALL },    { "b", "a.example", SIGHT_RECIPIENT },
        { "b", "far.example", SIGHT_NONE },    { "b", "b.example", SIGHT_NONE },
        { "gone", "far.example", SIGHT_NONE },
    };
    struct config *c = two();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct envelope e = { .org = span_z(rows[i].org) };
        test_case(rows[i].domain);
        CHECK_NUM(asker_item(c, alice, &e, span_z(rows[i].domain)), rows[i].alice);
        CHECK_NUM(asker_item(c, root, &e, span_z(rows[i].domain)), SIGHT_ALL);
        CHECK_NUM(asker_item(c, eve, &e, span_z(rows[i].domain)), SIGHT_NONE);
    }
    test_case(NULL);
    CHECK_Z(asker_reply(SIGHT_SENDER, SPAN("550 5.7.1 mail.b.internal says no")), "550 5.7.1");
    CHECK_Z(asker_reply(SIGHT_SENDER, SPAN("550 mail.b.internal.example")), "550 mail.b.i");
    CHECK_Z(asker_reply(SIGHT_ALL, SPAN("550 5.7.1 no")), "550 5.7.1 no");
    config_unref(c);
}

static void check_lines(const char *const *in, unsigned n, const char *const *want)
{
    struct config *c = two();
    struct arena arena;
    struct store_trace_line lines[4], got[4];
    arena_init(&arena, 1024 * 1024);
    for (unsigned i = 0; i < n; i++)
        lines[i] = (struct store_trace_line){ .id = 7, .i = i, .text = span_z(in[i]) };
    unsigned n_got = asker_lines(c, alice, lines, n, &arena, got), n_want = 0;
    for (; want[n_want]; n_want++)
        if (n_want < n_got)
            CHECK_Z(got[n_want].text, want[n_want]);
    CHECK_NUM(n_got, n_want);
    arena_done(&arena);
    config_unref(c);
}

TEST(t24_lines_of_the_trace_are_told_in_part)
{
    static const char *const mixed[] = {
        ("event=accepted from=x@far.example to=u@a.example,v@b.example rcpts=2 client=192.0.2.1 "
         "connector=b/lab would-refuse=b/lab:name"),
        "event=delivered to=v@b.example host=mail.b.internal reply=\"250 2.0.0 ok\"",
        "event=deferred to=u@a.example host=10.0.0.1 reply=\"450 4.0.0 no\" connector=a/out",
        "event=held by=operator rcpts=2 to=u@A.example,v@b.example",
    };
    static const char *const mixed_want[] = {
        "event=accepted from=x@far.example to=u@a.example client=192.0.2.1",
        "event=deferred to=u@a.example host=10.0.0.1 reply=\"450 4.0.0 no\" connector=a/out",
        "event=held by=operator to=u@A.example", NULL
    };
    static const char *const sent[] = {
        "event=accepted from=s@a.example to=v@b.example rcpts=1 org=a connector=a/server",
        ("event=deferred to=v@b.example host=mail.b.internal ip=10.0.0.2 reply=\"450 4.7.1 b "
         "says\" "
         "contract=x connector=b/out attempt=1"),
        "event=delivered to=w@far.example host=mx.far.example reply=\"250 ok\"",
    };
    static const char *const sent_want[] = {
        "event=accepted from=s@a.example to=v@b.example rcpts=1 org=a connector=a/server",
        "event=deferred to=v@b.example reply=\"450 4.7.1\" attempt=1",
        "event=delivered to=w@far.example host=mx.far.example reply=\"250 ok\"", NULL
    };
    static const char *const came[] = {
        ("event=accepted from=s@b.example to=u@a.example rcpts=1 client=10.0.0.2 "
         "helo=mail.b.internal org=b connector=b/server names=mail.b.internal"),
        "event=tls-failed client=192.0.2.9",
    };
    static const char *const came_want[] = { "event=accepted from=s@b.example to=u@a.example",
                                             NULL };
    static const char *const refused[] = {
        ("event=refused from=x@p.example to=v@b.example connector=b/lab reply=\"550 5.7.51 "
         "[b/lab]\""),
        "event=refused from=x@p.example to=w@far.example connector=a/server check=relay",
        "event=probe from=x@p.example to=probe@a.example connector=a/lab",
    };
    static const char *const refused_want[] = {
        "event=refused from=x@p.example to=w@far.example connector=a/server check=relay",
        "event=probe from=x@p.example to=probe@a.example connector=a/lab", NULL
    };
    check_lines(mixed, COUNTOF(mixed), mixed_want);
    check_lines(sent, COUNTOF(sent), sent_want);
    check_lines(came, COUNTOF(came), came_want);
    check_lines(refused, COUNTOF(refused), refused_want);
}

TEST(t24_the_end_of_a_page_names_no_message)
{
    struct hash_key key = { { 3, 4 } };
    uint64_t id = 0x0004fe1234567890;
    for (unsigned i = 0; i < 1000; i++, id += 8191) {
        uint64_t veiled = asker_veil(alice, &key, id);
        CHECK(veiled != id && veiled != asker_veil(bob, &key, id));
        CHECK(asker_unveil(alice, &key, veiled) == id);
        CHECK(asker_veil(root, &key, id) == id && asker_unveil(root, &key, id) == id);
    }
}

TEST(administrators_and_probe_are_read)
{
    struct config *c = org_load_well(ORG("administrators = [7, 8]\nprobe = \"TLS-Probe\"\n"
                                         "domain \"o.example\" { smtp = \"10.0.0.1\" }\n"
                                         "domain \"*.o.example\" { smtp = \"10.0.0.1\" }"));
    CHECK_NUM(c->org[0].n_admin, 2);
    CHECK_NUM(c->org[0].admin[1].uid, 8);
    CHECK(org_probe(c->orgs, SPAN("tls-probe"), SPAN("o.example")) == &c->org[0]);
    CHECK(!org_probe(c->orgs, SPAN("tls-probe2"), SPAN("o.example")));
    CHECK(!org_probe(c->orgs, SPAN("tls-probe"), SPAN("x.o.example")));
    config_unref(c);
    org_check_refused(ORG("administrators = [7, 7]"),
                      "etc/f:3:22: `7` stands twice in `administrators`; keep one of them");
    org_check_refused(ORG("administrators = \"a b\""),
                      "etc/f:3:18: `administrators` wants names of local users, not `a b`; for "
                      "example: administrators = [\"alice\", \"bob\"]");
    org_check_refused(ORG("probe = \"postmaster\""),
                      "etc/f:3:9: mail for `postmaster` must be taken (RFC 5321 4.5.1) and a probe "
                      "is dropped; choose another name");
    org_check_refused(ORG("probe = \"a@b\""),
                      "etc/f:3:9: `probe` wants a name of letters, digits, - and _, 64 at most, "
                      "not `a@b`; for example: probe = \"tls-probe\"");
    org_check_refused(ORG("domain \"o.example\" { mx = yes, kind = authoritative }"),
                      "etc/f:3:1: mail for an authoritative domain never leaves by MX, which "
                      "strangers' DNS may change; name its hosts with smtp or lmtp, or say kind = "
                      "internal-relay");
}
