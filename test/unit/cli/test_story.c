#include "cli/story.h"

#include "test/test.h"

#define TLS                                                                                        \
    "\"tls\":\"TLSv1.3\",\"suite\":\"TLS_AES_256_GCM_SHA384\",\"group\":\"X25519\",\"fs\":"        \
    "\"yes\","                                                                                     \
    "\"resumed\":\"no\",\"cert\":\"yes\",\"chain\":\"yes\",\"name\":\"yes\",\"names\":\"mx.b."     \
    "example\""

static void check_story(const char *json, const char *want)
{
    struct ctl *c = NULL;
    struct why why = { "" };
    struct buf out;
    buf_init(&out, STORY_MAX);
    CHECK(ctl_parse(span_z(json), &c, &why) == ERR_OK);
    story_print(c, &out);
    CHECK_Z(buf_span(&out), want);
    ctl_free(c);
    buf_done(&out);
}

TEST(each_event_is_a_sentence)
{
    check_story(
        "{\"event\":\"accepted\",\"from\":\"a@a.example\",\"to\":\"b@b.example,c@b.example\","
        "\"rcpts\":2,\"bytes\":1500,\"client\":\"192.0.2.1:4000\",\"helo\":\"c.example\","
        "\"message-id\":\"m@a.example\",\"tls\":\"none\"}",
        "accepted from <a@a.example> for <b@b.example,c@b.example> (2 recipients, 1.4 KiB) by "
        "192.0.2.1:4000 helo c.example in clear, Message-ID m@a.example");
    check_story("{\"event\":\"delivered\",\"to\":\"b@b.example\",\"reply\":\"250 2.0.0 Ok\","
                "\"host\":\"mx.b.example\",\"ip\":\"192.0.2.2:25\"," TLS
                ",\"contract\":\"tls=try\",\"stage\":\"send\",\"attempt\":1,\"took_ms\":120}",
                "delivered <b@b.example> at mx.b.example 192.0.2.2:25 over TLSv1.3 "
                "TLS_AES_256_GCM_SHA384 X25519, forward secret, certificate of mx.b.example "
                "trusted, names the host: 250 2.0.0 Ok (attempt 1, took 120ms, ended in send); "
                "contract tls=try");
    check_story(
        "{\"event\":\"deferred\",\"to\":\"b@b.example\",\"reply\":\"451 4.4.1 No\",\"host\":\"\","
        "\"ip\":\"\",\"tls\":\"none\",\"stage\":\"plan\",\"attempt\":3,\"took_ms\":1000,"
        "\"next\":1795474846102,\"channel\":\"connect: refused\"}",
        "deferred <b@b.example>: 451 4.4.1 No (attempt 3, took 1s, ended in plan, next "
        "2026-11-23 23:00:46); connect: refused");
    check_story("{\"event\":\"notification\",\"to\":\"a@a.example\",\"about\":\"000D21AHZ35G0\"}",
                "notification to <a@a.example> about 000D21AHZ35G0");
    check_story(
        "{\"event\":\"rerouted\",\"by\":\"operator\",\"rcpts\":1,\"route\":\"192.0.2.9:25\","
        "\"to\":\"b@b.example\"}",
        "rerouted by operator to 192.0.2.9:25: 1 recipient <b@b.example>");
}

TEST(a_certificate_that_is_not_trusted_says_why)
{
    struct ctl *c = NULL;
    struct why why;
    struct buf out;
    buf_init(&out, STORY_MAX);
    CHECK(
        ctl_parse(
            SPAN("{\"tls\":\"TLSv1.2\",\"suite\":\"X\",\"fs\":\"no\",\"resumed\":\"yes\",\"cert\":"
                 "\"yes\",\"chain\":\"no\",\"verify\":\"self-signed certificate\"}"),
            &c, &why) == ERR_OK);
    story_tls(c, &out);
    CHECK_Z(buf_span(&out), "TLSv1.2 X, no forward secrecy, resumed, certificate of nobody not "
                            "trusted: self-signed certificate");
    ctl_free(c);
    buf_done(&out);
}

TEST(an_event_of_tomorrow_is_shown_as_it_is)
{
    check_story("{\"event\":\"quarantined\",\"time\":1,\"id\":\"x\",\"rule\":\"7\",\"n\":3}",
                "quarantined rule=7 n=3");
    check_story("{}", "?");
}

TEST(t15_a_story_is_one_clean_line)
{
    check_story("{\"event\":\"bounced\",\"to\":\"b\\u001b[2J@x\",\"reply\":\"550 "
                "\\r\\n\\u009b\",\"attempt\":1,"
                "\"took_ms\":0}",
                "bounced <b\\x1b[2J@x>: 550 \\x0d\\x0a\\xc2\\x9b (attempt 1, took 0s)");
    check_story("{\"event\":\"a\\nb\",\"k\\ne\":\"v\"}", "a\\x0ab k\\x0ae=v");
}
