/* What the peer, the trace and explain are told. */
#include "test/unit/policy/attribute_world.h"

#include "test/test.h"

#include <string.h>

static void check_detail(const char *connectors, const struct shown *shown, const char *from,
                         const char *to, const char *want)
{
    struct world w;
    struct scene s;
    struct buf text;
    buf_init(&text, 400);
    world_make(&w, connectors);
    scene_set(&s, &w, shown, FAR, from, to);
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    attribute_detail(&v, &s.f, &text);
    CHECK_Z(buf_span(&text), want);
    buf_done(&text);
    world_done(&w);
}

TEST(detail_says_what_was_demanded_and_presented)
{
    struct shown shown = shown_names("mail.other.example"), plaintext = { .name = "plaintext" };
    check_detail("name", &shown, "p.example", "a.example",
                 "connector name: certificate demanded [mx.p.example], presented "
                 "[mail.other.example]");
    check_detail("name", &plaintext, "p.example", "a.example",
                 "connector name: certificate demanded [mx.p.example], presented none");
    check_detail("tls", &plaintext, "p.example", "a.example",
                 "connector tls: TLS demanded, presented plaintext");
    check_detail("net", &shown, "p.example", "a.example",
                 "connector net: a listed address demanded, presented " FAR);
    check_detail("lock-pin", &shown, "p.example", "a.example",
                 "connector lock-pin: certificate demanded with a listed key, presented "
                 "[mail.other.example]");
    check_detail("ca", &shown, "x.p.example", "a.example",
                 "connector ca: certificate of its own authority demanded, presented "
                 "[mail.other.example]");
    shown = shown_names("relay.host.example");
    check_detail("own-foreign-name", &shown, "other.example", "out.example",
                 "connector own-foreign-name: a domain of a demanded, presented MAIL FROM "
                 "[other.example] and certificate [relay.host.example]");
    shown.names = "mail.b.example";
    shown.old = true;
    check_detail("from-b", &shown, "b.example", "a.example",
                 "connector from-b: TLS 1.3 demanded, presented TLSv1.2");
    check_detail("", &plaintext, "b.example", "out.example", "");
}

TEST(detail_cleans_and_cuts_what_the_peer_presented)
{
    static char many[1000];
    struct shown shown = shown_names("a]\r\n250 ok\x1b[2J\x80.example");
    check_detail("name", &shown, "p.example", "a.example",
                 "connector name: certificate demanded [mx.p.example], presented "
                 "[a???250 ok??2J?.example]");
    memset(many, 'x', sizeof many - 1);
    struct world w;
    struct scene s;
    struct buf text;
    world_make(&w, "name");
    shown = shown_names(many);
    scene_set(&s, &w, &shown, FAR, "p.example", "a.example");
    struct inbound_verdict v = attribute(w.t, &s.f, false);
    for (size_t max = 0; max <= 401; max++) {
        buf_init(&text, max);
        attribute_detail(&v, &s.f, &text);
        CHECK(text.n <= 400);
        buf_done(&text);
    }
    world_done(&w);
}

TEST(explain_tells_rule_by_rule)
{
    struct world w;
    struct scene s;
    struct buf text;
    struct shown shown = shown_names("mx.q.example");
    buf_init(&text, 8192);
    world_make(&w, "own-name name lock-net");
    scene_set(&s, &w, &shown, FAR, "p.example", "a.example");
    attribute_explain(w.t, &s.f, false, &text);
    CHECK_Z(buf_span(&text),
            "  sender    p.example, of no organisation here\n"
            "  rcpt      a.example, of organisation a\n"
            "  rule 1    is the client a server of an organisation?\n"
            "            own-name: the client is not this server: certificate demanded "
            "[mail.a.example], presented [mx.q.example]\n"
            "            no\n"
            "  rule 2    may it write to the recipient's organisation?\n"
            "            name: certificate demanded [mx.p.example], presented [mx.q.example]\n"
            "            lock-net: another connector is closer to this MAIL FROM\n"
            "  verdict   refused: 550 5.7.51 The client's certificate is not the one for this "
            "sender\n");
    buf_clear(&text);
    scene_set(&s, &w, &shown, FAR, "", "out.example");
    attribute_explain(w.t, &s.f, true, &text);
    CHECK_Z(buf_span(&text), "  sender    <>, of no organisation here\n"
                             "  rcpt      out.example, of no organisation here\n"
                             "  rule 1    is the client a server of an organisation?\n"
                             "            no\n"
                             "  rule 3    the installation's own rules let it pass\n"
                             "  verdict   admitted\n");
    buf_done(&text);
    world_done(&w);
}
