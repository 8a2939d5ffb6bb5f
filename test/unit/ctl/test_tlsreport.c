/* Reports of others: the RFC's example, what real senders make of it, and what must be refused
 * (RFC 8460 4 and appendix B; T-44). */
#include "ctl/tlsreport.h"
#include "test/test.h"
#include <inttypes.h>

/* Appendix B of RFC 8460, as data. */
static const char rfc_example[] =
    "{\n"
    "  \"organization-name\": \"Company-X\",\n"
    "  \"date-range\": {\n"
    "    \"start-datetime\": \"2016-04-01T00:00:00Z\",\n"
    "    \"end-datetime\": \"2016-04-01T23:59:59Z\"\n"
    "  },\n"
    "  \"contact-info\": \"sts-reporting@company-x.example\",\n"
    "  \"report-id\": \"5065427c-23d3-47ca-b6e0-946ea0e8c4be\",\n"
    "  \"policies\": [{\n"
    "    \"policy\": {\n"
    "      \"policy-type\": \"sts\",\n"
    "      \"policy-string\": [\"version: STSv1\",\"mode: testing\",\n"
    "            \"mx: *.mail.company-y.example\",\"max_age: 86400\"],\n"
    "      \"policy-domain\": \"company-y.example\",\n"
    "      \"mx-host\": [\"*.mail.company-y.example\"]\n"
    "    },\n"
    "    \"summary\": {\n"
    "      \"total-successful-session-count\": 5326,\n"
    "      \"total-failure-session-count\": 303\n"
    "    },\n"
    "    \"failure-details\": [{\n"
    "      \"result-type\": \"certificate-expired\",\n"
    "      \"sending-mta-ip\": \"2001:db8:abcd:0012::1\",\n"
    "      \"receiving-mx-hostname\": \"mx1.mail.company-y.example\",\n"
    "      \"failed-session-count\": 100\n"
    "    }, {\n"
    "      \"result-type\": \"starttls-not-supported\",\n"
    "      \"sending-mta-ip\": \"2001:db8:abcd:0013::1\",\n"
    "      \"receiving-mx-hostname\": \"mx2.mail.company-y.example\",\n"
    "      \"receiving-ip\": \"203.0.113.56\",\n"
    "      \"failed-session-count\": 200,\n"
    "      \"additional-information\": \"https://reports.company-x.example/report_info ? id = "
    "5065427 "
    "c - 23 d3# StarttlsNotSupported \"\n"
    "    }, {\n"
    "      \"result-type\": \"validation-failure\",\n"
    "      \"sending-mta-ip\": \"198.51.100.62\",\n"
    "      \"receiving-ip\": \"203.0.113.58\",\n"
    "      \"receiving-mx-hostname\": \"mx-backup.mail.company-y.example\",\n"
    "      \"failed-session-count\": 3,\n"
    "      \"failure-reason-code\": \"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\"\n"
    "    }]\n"
    "  }]\n"
    "}\n";

static enum err read(struct span text, struct arena *a, struct tlsreport *r, struct why *why)
{
    arena_init(a, TLSREPORT_ARENA_MAX);
    return tlsreport_read(text, a, r, why);
}

TEST(tlsreport_rfc_example)
{
    struct arena a;
    struct tlsreport r;
    struct why why = { "" };
    CHECK_NUM(read(span_z(rfc_example), &a, &r, &why), ERR_OK);
    CHECK_Z(r.organization, "Company-X");
    CHECK_Z(r.contact, "sts-reporting@company-x.example");
    CHECK_Z(r.id, "5065427c-23d3-47ca-b6e0-946ea0e8c4be");
    CHECK_NUM(r.begin_ms, 1459468800000);
    CHECK_NUM(r.end_ms, 1459555199000);
    CHECK_NUM(r.n_policy, 1);
    const struct tlsreport_policy *p = &r.policy[0];
    CHECK_Z(p->type, "sts");
    CHECK_Z(p->domain, "company-y.example");
    CHECK(p->n_line == 4 && p->n_mx == 1 && p->well == 5326 && p->failed == 303);
    CHECK_Z(p->line[1], "mode: testing");
    CHECK_Z(p->mx[0], "*.mail.company-y.example");
    CHECK_NUM(p->n_failure, 3);
    CHECK_Z(p->failure[0].result, "certificate-expired");
    CHECK_Z(p->failure[0].sending_ip, "2001:db8:abcd:0012::1");
    CHECK_NUM(p->failure[1].n, 200);
    CHECK_Z(p->failure[1].receiving_ip, "203.0.113.56");
    CHECK_Z(p->failure[2].mx, "mx-backup.mail.company-y.example");
    CHECK_Z(p->failure[2].reason, "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED");
    arena_done(&a);
}

#define RANGE                                                                                      \
    "\"report-id\":\"1\",\"date-range\":{\"start-datetime\":\"2026-11-23T00:00:00Z\","             \
    "\"end-datetime\":\"2026-11-23T23:59:59Z\"}"
#define POLICY(more) "{\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":\"a.b\"" more "}"
#define REPORT(policies) "{" RANGE ",\"policies\":" policies "}"
#define FAILED(details) REPORT("[" POLICY("") ",\"failure-details\":" details "}]")

static const struct {
    const char *name, *text;
    enum err want;
    unsigned lines, mx, failures;
    uint64_t well;
} cases[] = {
    { "the least", REPORT("[" POLICY("") "}]"), ERR_OK, 0, 0, 0, 0 },
    { "no policy-string, nothing failed",
      REPORT("[" POLICY("") ",\"summary\":{\"total-successful-session-count\":7}}]"), ERR_OK, 0, 0,
      0, 7 },
    { "an array of one is left out", REPORT(POLICY("") "}"), ERR_OK, 0, 0, 0, 0 },
    { "policy-string is a string", REPORT("[" POLICY(",\"policy-string\":\"x\"") "}]"), ERR_OK, 1,
      0, 0, 0 },
    { "empty strings", REPORT("[" POLICY(",\"policy-string\":[\"\",\"x\",null,3]") "}]"), ERR_OK, 1,
      0, 0, 0 },
    { "mx-host is a string", REPORT("[" POLICY(",\"mx-host\":\"*.x.y\"") "}]"), ERR_OK, 0, 1, 0,
      0 },
    { "mx-host-pattern", REPORT("[" POLICY(",\"mx-host-pattern\":[\"a\",\"b\"]") "}]"), ERR_OK, 0,
      2, 0, 0 },
    { "null for nothing",
      REPORT("[" POLICY(",\"mx-host\":null,\"policy-string\":null") ",\"summary\":null,\"failure-"
                                                                    "details\":null}]"),
      ERR_OK, 0, 0, 0, 0 },
    { "counts in quotes",
      REPORT("[" POLICY("") ",\"summary\":{\"total-successful-session-count\":\"12\"}}]"), ERR_OK,
      0, 0, 0, 12 },
    { "one failure without an array", FAILED("{\"result-type\":\"x\"}"), ERR_OK, 0, 0, 1, 0 },
    { "unknown members", "{\"x\":[{}]," RANGE ",\"policies\":[" POLICY(",\"y\":{}") ",\"z\":1}]}",
      ERR_OK, 0, 0, 0, 0 },
    { "byte order mark", "\xef\xbb\xbf" REPORT("[" POLICY("") "}]"), ERR_OK, 0, 0, 0, 0 },
    { "offset instead of Z",
      "{\"report-id\":\"1\",\"date-range\":{\"start-datetime\":\"2026-11-23T00:00:00+00:00\","
      "\"end-datetime\":\"2026-11-23T23:59:59.999Z\"},\"policies\":[" POLICY("") "}]}",
      ERR_OK, 0, 0, 0, 0 },
    { "negative count",
      REPORT("[" POLICY("") ",\"summary\":{\"total-successful-session-count\":-1}}]"), ERR_SYNTAX,
      0, 0, 0, 0 },
    { "count of a kind",
      REPORT("[" POLICY("") ",\"summary\":{\"total-successful-session-count\":[]}}]"), ERR_SYNTAX,
      0, 0, 0, 0 },
    { "no id", "{\"policies\":[" POLICY("") "}]}", ERR_SYNTAX, 0, 0, 0, 0 },
    { "no range", "{\"report-id\":\"1\",\"policies\":[" POLICY("") "}]}", ERR_SYNTAX, 0, 0, 0, 0 },
    { "no policies", "{" RANGE "}", ERR_SYNTAX, 0, 0, 0, 0 },
    { "empty policies", REPORT("[]"), ERR_SYNTAX, 0, 0, 0, 0 },
    { "policies of a kind", REPORT("7"), ERR_SYNTAX, 0, 0, 0, 0 },
    { "no policy-domain", REPORT("[{\"policy\":{}}]"), ERR_SYNTAX, 0, 0, 0, 0 },
    { "a failure of a kind", FAILED("[1]"), ERR_SYNTAX, 0, 0, 0, 0 },
    { "an array", "[]", ERR_SYNTAX, 0, 0, 0, 0 },
    { "nothing", "", ERR_SYNTAX, 0, 0, 0, 0 },
    { "no JSON", "{\"report-id\":", ERR_SYNTAX, 0, 0, 0, 0 },
    { "more behind it", REPORT("[" POLICY("") "}]") "x", ERR_SYNTAX, 0, 0, 0, 0 },
    { "no UTF-8", "{\"a\":\"\xff\"}", ERR_SYNTAX, 0, 0, 0, 0 },
    { "t44 deep", "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", ERR_TOO_BIG, 0, 0, 0, 0 },
    { "brackets in a string",
      "{\"a\":\"[[[[[[[[[[[[[[[[\\\"[[[[[[[[[\"," RANGE ",\"policies\":[" POLICY("") "}]}", ERR_OK,
      0, 0, 0, 0 },
};

TEST(t44_tlsreport_deviations)
{
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct arena a;
        struct tlsreport r = { .n_policy = 99 };
        struct why why = { "" };
        test_case(cases[i].name);
        enum err e = read(span_z(cases[i].text), &a, &r, &why);
        CHECK_NUM(e, cases[i].want);
        CHECK((why.text[0] == 0) == (e == ERR_OK));
        CHECK_NUM(r.n_policy, e == ERR_OK ? 1 : 99);
        if (e == ERR_OK) {
            CHECK_NUM(r.policy[0].n_line, cases[i].lines);
            CHECK_NUM(r.policy[0].n_mx, cases[i].mx);
            CHECK_NUM(r.policy[0].n_failure, cases[i].failures);
            CHECK_NUM(r.policy[0].well, cases[i].well);
        }
        arena_done(&a);
    }
}

/* begin, then n times the piece, then end: within the limit, and beyond it. */
static void check_limit(const char *begin, const char *piece, const char *end, unsigned limit)
{
    struct buf b;
    buf_init(&b, 2 * TLSREPORT_BYTES_MAX);
    for (unsigned over = 0; over < 2; over++) {
        struct arena a;
        struct tlsreport r;
        struct why why;
        buf_clear(&b);
        buf_put(&b, span_z(begin));
        for (unsigned i = 0; i < limit + over; i++) {
            buf_put(&b, i > 0 ? SPAN(",") : SPAN(""));
            buf_put(&b, span_z(piece));
        }
        buf_put(&b, span_z(end));
        CHECK_NUM(read(buf_span(&b), &a, &r, &why), over ? ERR_TOO_BIG : ERR_OK);
        arena_done(&a);
    }
    buf_done(&b);
}

TEST(t44_tlsreport_limits)
{
    test_case("policies");
    check_limit("{" RANGE ",\"policies\":[", POLICY("") "}", "]}", TLSREPORT_POLICIES_MAX);
    test_case("failures");
    check_limit("{" RANGE ",\"policies\":[" POLICY("") ",\"failure-details\":[", "{}", "]}]}",
                TLSREPORT_FAILURES_MAX);
    test_case("lines");
    check_limit("{" RANGE
                ",\"policies\":[{\"policy\":{\"policy-domain\":\"a.b\",\"policy-string\":[",
                "\"x\"", "]}}]}", TLSREPORT_LINES_MAX);
    test_case("values");
    check_limit("{" RANGE ",\"policies\":[" POLICY("") "}],\"x\":[", "1", "]}",
                TLSREPORT_VALUES_MAX - 10);
}

TEST(t44_tlsreport_long)
{
    struct buf b;
    struct arena a;
    struct tlsreport r;
    struct why why;
    buf_init(&b, 2 * TLSREPORT_BYTES_MAX);
    buf_put(&b, SPAN("{" RANGE ",\"policies\":[" POLICY("") "}],\"contact-info\":\""));
    for (unsigned i = 0; i <= TLSREPORT_STRING_MAX; i++)
        buf_put(&b, SPAN("x"));
    buf_put(&b, SPAN("\"}"));
    CHECK_NUM(read(buf_span(&b), &a, &r, &why), ERR_TOO_BIG);
    arena_done(&a);
    buf_clear(&b);
    while (b.n <= TLSREPORT_BYTES_MAX)
        buf_put(&b, SPAN("                                "));
    CHECK_NUM(read(buf_span(&b), &a, &r, &why), ERR_TOO_BIG);
    arena_done(&a);
    buf_done(&b);
}
