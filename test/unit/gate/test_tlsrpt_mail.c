/* A report on its whole way: sums, JSON, gzip, mail, signatures. What comes out is kept in
 * test/grid/ for reviewers, and for test/live/test_tlsrpt.sh, where other people's programs judge
 * it. */
#include "base/when.h"
#include "ctl/tlsreport.h"
#include "io/gzip.h"
#include "io/tls_dkim.h"
#include "policy/sts.h"
#include "policy/tlsrpt_report.h"
#include "test/golden.h"
#include "test/test.h"
#include "test/unit/io/dkim_vectors.h"
#include <inttypes.h>
#include <zlib.h>

static const int64_t day_ms = 20780 * (int64_t)DAY_MS; /* 2026-11-23 */
enum { TEXT_MAX = 1 << 20, BYTES_MAX = 1 << 20 };

static const struct tlsrpt_reporter reporter = { .organization = { "M\xc3\xbcller & \"S\\hne\"",
                                                                   17 },
                                                 .contact = { "tls@football.example.com", 24 },
                                                 .submitter = { "football.example.com", 20 },
                                                 .id = { "0000000000001", 13 },
                                                 .day_ms = 20780 * (int64_t)DAY_MS };

static void add(struct tlsrpt_day *d, struct tlsrpt_session s, const char *mx, const char *reason)
{
    s.domain = SPAN("shopping.example.net");
    s.failed = mx;
    s.failure.mx = span_z(mx);
    s.failure.reason = span_z(reason);
    tlsrpt_day_add(d, &s);
}

/* A day of all that can be said. */
static void day_make(struct tlsrpt_day *d)
{
    static const struct hash_key key = { { 1, 2 } };
    struct sts_policy sts = { .mode = STS_POLICY_ENFORCE,
                              .max_age_s = 86400,
                              .n_mx = 2,
                              .mx = { SPAN("mx.example.net"), SPAN("*.shopping.example.net") } };
    struct buf lines;
    struct tlsrpt_session s = { .type = TLSRPT_STS, .n = 5326 };
    buf_init(&lines, STS_LINES_MAX);
    sts_policy_print(&sts, &lines);
    tlsrpt_day_init(d, day_ms, BYTES_MAX, &key);
    s.strings = buf_span(&lines);
    add(d, s, NULL, NULL);
    s.n = 100;
    CHECK(ip_parse(SPAN("2001:db8:abcd:12::1"), &s.failure.sending) == ERR_OK);
    for (unsigned i = 0; i < TLSRPT_RESULT_COUNT_; i++) {
        s.failure.result = (enum tlsrpt_result)i;
        add(d, s, i < TLSRPT_STS_POLICY_FETCH_ERROR ? "mx.example.net" : "", "");
    }
    s.n = 3;
    CHECK(ip_parse(SPAN("203.0.113.56"), &s.failure.receiving) == ERR_OK);
    s.failure.result = TLSRPT_VALIDATION_FAILURE;
    add(d, s, "mx.example.net",
        "\"\\/\b\f\n\r\t\x7f\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xff\xc3 </script>");
    s = (struct tlsrpt_session){ .type = TLSRPT_TLSA,
                                 .n = 7,
                                 .strings = SPAN("3 1 1 0123456789abcdef\n2 0 1 fedcba\n") };
    add(d, s, NULL, NULL);
    s = (struct tlsrpt_session){ .type = TLSRPT_NO_POLICY, .n = 1 };
    add(d, s, NULL, NULL);
    buf_done(&lines);
}

static void json_make(struct buf *out)
{
    struct tlsrpt_day d;
    day_make(&d);
    buf_init(out, TEXT_MAX);
    CHECK_NUM(tlsrpt_report_json(&reporter, d.first, out), ERR_OK);
    size_t n = out->n;
    tlsrpt_day_done(&d);
    day_make(&d);
    for (size_t max = 0; max < n; max += 7) {
        struct buf small;
        buf_init(&small, max);
        CHECK_NUM(tlsrpt_report_json(&reporter, d.first, &small), ERR_TOO_BIG);
        CHECK_NUM(small.n, 0);
        buf_done(&small);
    }
    tlsrpt_day_done(&d);
}

/* The most that a domain may have, each byte of it written as six. */
TEST(t44_tlsrpt_json_largest)
{
    static const struct hash_key key = { { 1, 2 } };
    static char control[TLSRPT_STRINGS_MAX];
    struct tlsrpt_day d;
    struct buf out;
    memset(control, 1, sizeof(control));
    memcpy(control, "mx: ", 4);
    control[sizeof(control) - 1] = '\n';
    tlsrpt_day_init(&d, day_ms, 64 << 20, &key);
    for (unsigned i = 0; i < TLSRPT_POLICIES_MAX * TLSRPT_FAILURES_MAX; i++) {
        struct tlsrpt_session s = { .domain = SPAN("example.org"), .type = TLSRPT_STS, .n = 1 };
        control[4] = (char)(1 + i / TLSRPT_FAILURES_MAX);
        control[6] = (char)(i % TLSRPT_FAILURES_MAX);
        s.failed = true;
        s.failure = (struct tlsrpt_failure){ .mx = span_of(control + 5, 255),
                                             .reason = span_of(control + 5, TLSRPT_REASON_MAX) };
        char strings[TLSRPT_STRINGS_MAX];
        memcpy(strings, control, sizeof(strings));
        strings[6] = 1;
        s.strings = span_of(strings, sizeof(strings));
        tlsrpt_day_add(&d, &s);
    }
    CHECK(d.lost == 0 && d.first->n_policy == TLSRPT_POLICIES_MAX);
    CHECK_NUM(d.first->policy->n_failure, TLSRPT_FAILURES_MAX);
    buf_init(&out, TLSRPT_JSON_MAX - 4096);
    CHECK_NUM(tlsrpt_report_json(&reporter, d.first, &out), ERR_OK);
    CHECK(out.n > TLSRPT_JSON_MAX / 2);
    buf_done(&out);
    tlsrpt_day_done(&d);
}

TEST(tlsrpt_json_is_golden)
{
    struct buf json;
    json_make(&json);
    buf_put(&json, SPAN("\n"));
    golden_check("test/grid/tlsrpt_report.ref", buf_span(&json));
    buf_done(&json);
}

/* What we compose, our own reader reads. */
TEST(tlsrpt_json_is_read)
{
    struct buf json;
    struct arena a;
    struct tlsreport r;
    struct why why = { "" };
    json_make(&json);
    arena_init(&a, TLSREPORT_ARENA_MAX);
    CHECK_NUM(tlsreport_read(buf_span(&json), &a, &r, &why), ERR_OK);
    CHECK_SPAN(r.organization, reporter.organization);
    CHECK_SPAN(r.id, reporter.id);
    CHECK_NUM(r.begin_ms, day_ms);
    CHECK_NUM(r.end_ms, day_ms + DAY_MS - 1000);
    CHECK_NUM(r.n_policy, 3);
    CHECK(r.policy[0].well == 5326 && r.policy[0].failed == 1103 && r.policy[0].n_mx == 2);
    CHECK_NUM(r.policy[0].n_failure, TLSRPT_RESULT_COUNT_ + 1);
    for (unsigned i = 0; i < TLSRPT_RESULT_COUNT_; i++)
        CHECK_Z(r.policy[0].failure[i].result, tlsrpt_result_name((enum tlsrpt_result)i));
    CHECK_SPAN(r.policy[0].failure[TLSRPT_RESULT_COUNT_].reason,
               SPAN("\"\\/\b\f\n\r\t\x7f\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 "
                    "\xef\xbf\xbd\xef\xbf\xbd </script>"));
    CHECK_NUM(r.policy[1].n_line, 2);
    CHECK(r.policy[2].n_line == 0 && r.policy[2].well == 1);
    arena_done(&a);
    buf_done(&json);
}

/* gzip without compressing: the same bytes with every zlib. */
static void pack_stored(struct span s, struct buf *out)
{
    uint8_t head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0 };
    uint32_t sum = (uint32_t)crc32(0, (const Bytef *)s.p, (uInt)s.n), n = (uint32_t)s.n;
    CHECK(s.n < 65536);
    head[11] = (uint8_t)n, head[12] = (uint8_t)(n >> 8);
    head[13] = (uint8_t)~head[11], head[14] = (uint8_t)~head[12];
    buf_put(out, span_of((char *)head, sizeof(head)));
    buf_put(out, s);
    for (unsigned i = 0; i < 4; i++)
        buf_put(out, span_of((char[]){ (char)(sum >> 8 * i) }, 1));
    for (unsigned i = 0; i < 4; i++)
        buf_put(out, span_of((char[]){ (char)(n >> 8 * i) }, 1));
}

static void sign(const char *pem, const char *selector, struct span mail, struct buf *out)
{
    struct dkim_key *k = NULL;
    struct dkim d = { .domain = reporter.submitter,
                      .selector = span_z(selector),
                      .field = tlsrpt_signed_fields,
                      .n_field = TLSRPT_SIGNED_FIELDS,
                      .now_ms = day_ms + DAY_MS };
    struct why why = { "" };
    CHECK_NUM(dkim_key_read(span_z(pem), &k, &why), ERR_OK);
    CHECK_NUM(dkim_sign(k, &d, mail, out, &why), ERR_OK);
    dkim_key_free(k);
}

TEST(tlsrpt_mail_is_golden)
{
    struct buf json, gz, mail, all;
    json_make(&json);
    buf_init(&gz, TEXT_MAX);
    pack_stored(buf_span(&json), &gz);
    struct tlsrpt_mail m = { .from = SPAN("tls@football.example.com"),
                             .to = SPAN("suzie+tls@shopping.example.net"),
                             .domain = SPAN("shopping.example.net"),
                             .gz = buf_span(&gz),
                             .now_ms = day_ms + DAY_MS };
    buf_init(&mail, tlsrpt_report_mail_max(&m));
    buf_init(&all, TEXT_MAX);
    tlsrpt_report_mail(&reporter, &m, &mail);
    sign(dkim_ed25519_pem, "brisbane", buf_span(&mail), &all);
    sign(dkim_rsa_pem, "test", buf_span(&mail), &all);
    buf_put(&all, buf_span(&mail));
    golden_check("test/grid/tlsrpt_mail.ref", buf_span(&all));
    buf_done(&json);
    buf_done(&gz);
    buf_done(&mail);
    buf_done(&all);
}

/* Names of any length leave room, and no line is longer than mail allows. */
TEST(tlsrpt_mail_largest)
{
    char label[256], id[TLSRPT_ID_MAX], box[512];
    memset(label, 'a', sizeof(label));
    memset(id, '1', sizeof(id));
    memset(box, 'b', sizeof(box));
    for (unsigned i = 63; i < 255; i += 64)
        label[i] = '.';
    struct span longest = span_of(label, 253);
    struct tlsrpt_reporter r = { .submitter = longest,
                                 .id = span_of(id, sizeof(id)),
                                 .day_ms = INT64_C(253402214400000) };
    struct tlsrpt_mail m = { .from = span_of(box, sizeof(box)),
                             .to = span_of(box, sizeof(box)),
                             .domain = longest,
                             .now_ms = INT64_C(253402214400000) };
    struct buf out;
    buf_init(&out, tlsrpt_report_mail_max(&m));
    tlsrpt_report_mail(&r, &m, &out);
    struct span rest = buf_span(&out);
    while (rest.n > 0) {
        struct span line = span_cut(&rest, '\n');
        CHECK(line.n > 0 && line.n <= 999 && line.p[line.n - 1] == '\r');
    }
    buf_done(&out);
    buf_init(&out, TLSRPT_FILE_NAME_MAX);
    tlsrpt_report_file_name(&r, longest, &out);
    buf_done(&out);
}
