/* Sums of a day: counting, bounds, merging, the text form (T-44). */
#include "base/rng.h"
#include "base/when.h"
#include "policy/tlsrpt_day.h"
#include "test/test.h"

static const int64_t day_ms = 20780 * (int64_t)DAY_MS;
static const struct hash_key hash_key = { { 1, 2 } };
enum { PLENTY = 1 << 24 };

static void add(struct tlsrpt_day *d, const char *domain, const char *strings, int result)
{
    struct tlsrpt_session s = { .domain = span_z(domain),
                                .type = strings ? TLSRPT_STS : TLSRPT_NO_POLICY,
                                .strings = span_z(strings),
                                .n = 1,
                                .failed = result >= 0 };
    if (s.failed) {
        s.failure = (struct tlsrpt_failure){ .result = (enum tlsrpt_result)result,
                                             .mx = SPAN("MX.example."),
                                             .reason = SPAN("certificate has expired") };
        CHECK(ip_parse(SPAN("192.0.2.1"), &s.failure.sending) == ERR_OK);
    }
    tlsrpt_day_add(d, &s);
}

TEST(tlsrpt_day_counts)
{
    struct tlsrpt_day d;
    struct buf out;
    buf_init(&out, 1 << 16);
    tlsrpt_day_init(&d, day_ms, PLENTY, &hash_key);
    add(&d, "example.org", "mode: enforce\nmx: a\n", -1);
    add(&d, "EXAMPLE.org.", "mode: enforce\nmx: a\n", -1);
    add(&d, "example.org", "mode: enforce\nmx: a\n", TLSRPT_CERTIFICATE_EXPIRED);
    add(&d, "example.org", "mode: enforce\nmx: a\n", TLSRPT_CERTIFICATE_EXPIRED);
    add(&d, "example.org", "mode: enforce\nmx: a\n", TLSRPT_STARTTLS_NOT_SUPPORTED);
    add(&d, "example.org", "mode: none\n", -1);
    add(&d, "example.net", NULL, -1);
    CHECK_NUM(tlsrpt_day_print(&d, &out), ERR_OK);
    CHECK_Z(buf_span(&out),
            "tlsrpt1 1795392000000 0\n"
            "domain example.org\n"
            "policy sts 2 3 mode:+20enforce+0Amx:+20a+0A\n"
            "failure certificate-expired 2 192.0.2.1 - mx.example certificate+20has+20expired\n"
            "failure starttls-not-supported 1 192.0.2.1 - mx.example certificate+20has+20expired\n"
            "policy sts 1 0 mode:+20none+0A\n"
            "domain example.net\n"
            "policy no-policy-found 1 0 -\n"
            "end 8\n");
    CHECK(tlsrpt_day_get(&d, SPAN("Example.ORG")) == d.first);
    CHECK(!tlsrpt_day_get(&d, SPAN("example.com")));
    tlsrpt_day_done(&d);
    buf_done(&out);
}

/* Each part of a failure tells it from others; ports do not. */
TEST(tlsrpt_day_failures_differ)
{
    struct tlsrpt_day d;
    struct tlsrpt_session s = { .domain = SPAN("example.org"), .n = 1, .failed = true };
    tlsrpt_day_init(&d, day_ms, PLENTY, &hash_key);
    tlsrpt_day_add(&d, &s);
    CHECK(ip_parse(SPAN("192.0.2.1"), &s.failure.sending) == ERR_OK);
    tlsrpt_day_add(&d, &s);
    CHECK(ip_parse(SPAN("192.0.2.2"), &s.failure.receiving) == ERR_OK);
    tlsrpt_day_add(&d, &s);
    s.failure.mx = SPAN("a.example");
    tlsrpt_day_add(&d, &s);
    s.failure.reason = SPAN("x");
    tlsrpt_day_add(&d, &s);
    s.failure.result = TLSRPT_DANE_REQUIRED;
    tlsrpt_day_add(&d, &s);
    CHECK_NUM(d.first->policy->n_failure, 6);
    s.failure.sending.port = 25;
    s.failure.receiving.port = 26;
    tlsrpt_day_add(&d, &s);
    CHECK(d.first->policy->n_failure == 6 && d.first->policy->failed == 7);
    tlsrpt_day_done(&d);
}

TEST(t57_tlsrpt_day_is_utc)
{
    CHECK_NUM(tlsrpt_day_of(day_ms), day_ms);
    CHECK_NUM(tlsrpt_day_of(day_ms + DAY_MS - 1), day_ms);
    CHECK_NUM(tlsrpt_day_of(day_ms - 1), day_ms - DAY_MS);
    CHECK_NUM(tlsrpt_day_of(0), 0);
    CHECK_NUM(tlsrpt_day_of(-1), -(int64_t)DAY_MS);
}

/* One domain cannot use up the others' room, whatever it shows; no session is forgotten. */
TEST(t44_tlsrpt_day_bounds)
{
    struct tlsrpt_day d;
    tlsrpt_day_init(&d, day_ms, PLENTY, &hash_key);
    struct buf b;
    buf_init(&b, 1 << 16);
    for (unsigned i = 0; i < 3 * TLSRPT_POLICIES_MAX; i++) {
        buf_clear(&b);
        buf_putf(&b, "mode: enforce\nmx: %u.example\n", i);
        add(&d, "bad.example", buf_z(&b), -1);
    }
    CHECK_NUM(d.first->n_policy, TLSRPT_POLICIES_MAX);
    CHECK_NUM(d.lost, 2 * TLSRPT_POLICIES_MAX);
    struct tlsrpt_session s = {
        .domain = SPAN("bad2.example"), .type = TLSRPT_TLSA, .n = 1, .failed = true
    };
    for (unsigned i = 0; i < 2 * TLSRPT_FAILURES_MAX; i++) {
        buf_clear(&b);
        buf_putf(&b, "mx%u.example", i);
        s.failure.mx = buf_span(&b);
        tlsrpt_day_add(&d, &s);
    }
    const struct tlsrpt_policy *p = tlsrpt_day_get(&d, SPAN("bad2.example"))->policy;
    CHECK_NUM(p->n_failure, TLSRPT_FAILURES_MAX);
    CHECK_NUM(p->failed, 2 * TLSRPT_FAILURES_MAX);
    /* long texts are cut, by lines and by bytes */
    buf_clear(&b);
    while (b.n < TLSRPT_STRINGS_MAX)
        buf_put(&b, SPAN("0123456789abcde\n"));
    buf_put(&b, SPAN("more\n"));
    s = (struct tlsrpt_session){ .domain = SPAN("long.example"),
                                 .n = 1,
                                 .failed = true,
                                 .strings = buf_span(&b),
                                 .failure.reason = buf_span(&b),
                                 .failure.mx = buf_span(&b) };
    tlsrpt_day_add(&d, &s);
    p = tlsrpt_day_get(&d, SPAN("long.example"))->policy;
    CHECK_NUM(p->strings.n, TLSRPT_STRINGS_MAX);
    CHECK_NUM(p->failure->reason.n, TLSRPT_REASON_MAX);
    tlsrpt_day_done(&d);
    buf_done(&b);
}

TEST(t44_tlsrpt_day_memory)
{
    struct tlsrpt_day d;
    struct buf b;
    buf_init(&b, 100);
    tlsrpt_day_init(&d, day_ms, 100000, &hash_key);
    for (unsigned i = 0; i < 10000; i++) {
        buf_clear(&b);
        buf_putf(&b, "d%u.example", i);
        add(&d, buf_z(&b), NULL, -1);
    }
    CHECK(d.n_domain > 100 && d.n_domain < 2000 && d.arena.used <= 100000);
    CHECK(d.lost >= 10000 - d.n_domain && d.lost < 10000);
    tlsrpt_day_done(&d);
    buf_done(&b);
}

/* --- workers */

static void add_random(struct tlsrpt_day *a, struct tlsrpt_day *b, struct rng *rng)
{
    static const char *const domains[] = { "a.example", "b.example", "c.example" };
    static const char *const strings[] = { NULL, "mode: none\n", "mode: testing\nmx: a.b\n" };
    const char *domain = domains[rng_below(rng, 3)], *string = strings[rng_below(rng, 3)];
    int result = (int)rng_below(rng, TLSRPT_RESULT_COUNT_ + 1) - 1;
    add(a, domain, string, result);
    add(b, domain, string, result);
}

static uint64_t sums(const struct tlsrpt_day *d, const char *domain, enum tlsrpt_type type,
                     const char *strings)
{
    const struct tlsrpt_domain *n = tlsrpt_day_get(d, span_z(domain));
    for (const struct tlsrpt_policy *p = n ? n->policy : NULL; p; p = p->next)
        if (p->type == type && span_eq(p->strings, span_z(strings)))
            return p->well * 1000000 + p->failed * 1000 + p->n_failure;
    return 0;
}

/* Many workers' sums, printed, read and merged, are those of one that saw it all. */
TEST(tlsrpt_day_merges)
{
    enum { WORKERS = 3 };
    struct tlsrpt_day all, part[WORKERS], merged;
    struct rng rng;
    struct buf text;
    buf_init(&text, 1 << 20);
    rng_init(&rng, 44);
    tlsrpt_day_init(&all, day_ms, PLENTY, &hash_key);
    tlsrpt_day_init(&merged, day_ms, PLENTY, &hash_key);
    for (unsigned i = 0; i < WORKERS; i++)
        tlsrpt_day_init(&part[i], day_ms, PLENTY, &hash_key);
    for (unsigned i = 0; i < 500; i++)
        add_random(&all, &part[rng_below(&rng, WORKERS)], &rng);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct why why = { "" };
        buf_clear(&text);
        CHECK_NUM(tlsrpt_day_print(&part[i], &text), ERR_OK);
        CHECK_NUM(tlsrpt_day_read(&merged, buf_span(&text), &why), ERR_OK);
        /* T-44: no part of it is taken for the whole */
        for (size_t n = 0; n < text.n; n++)
            if (n + 1 < text.n)
                CHECK_NUM(tlsrpt_day_read(&merged, span_head(buf_span(&text), n), &why),
                          ERR_SYNTAX);
        tlsrpt_day_done(&part[i]);
    }
    for (const struct tlsrpt_domain *n = all.first; n; n = n->next) {
        for (const struct tlsrpt_policy *p = n->policy; p; p = p->next) {
            struct buf strings, name;
            buf_init(&strings, 100);
            buf_init(&name, 100);
            buf_put(&strings, p->strings);
            buf_put(&name, n->name);
            CHECK_NUM(sums(&merged, buf_z(&name), p->type, buf_z(&strings)),
                      p->well * 1000000 + p->failed * 1000 + p->n_failure);
            buf_done(&strings);
            buf_done(&name);
        }
    }
    CHECK_NUM(merged.n_domain, all.n_domain);
    tlsrpt_day_done(&all);
    tlsrpt_day_done(&merged);
    buf_done(&text);
}

#define HEAD "tlsrpt1 1795392000000 0\n"
static const struct {
    const char *name, *text;
    enum err want;
} read_cases[] = {
    { "empty", HEAD "end 1\n", ERR_OK },
    { "no text", "", ERR_SYNTAX },
    { "no end", HEAD, ERR_SYNTAX },
    { "another day", "tlsrpt1 1795478400000 0\nend 1\n", ERR_REFUSED },
    { "another version", "tlsrpt2 1795392000000 0\nend 1\n", ERR_SYNTAX },
    { "wrong count", HEAD "end 2\n", ERR_SYNTAX },
    { "more behind", HEAD "end 1\nx\n", ERR_SYNTAX },
    { "policy of nobody", HEAD "policy sts 1 0 -\nend 2\n", ERR_SYNTAX },
    { "failure of nothing", HEAD "domain a.b\nfailure dane-required 0 - - - -\nend 3\n",
      ERR_SYNTAX },
    { "failures not told of", HEAD "domain a.b\npolicy sts 1 5 -\nend 3\n", ERR_OK },
    { "more failures than failed",
      HEAD "domain a.b\npolicy sts 1 1 -\nfailure dane-required 2 - - - -\nend 4\n", ERR_SYNTAX },
    { "bad domain", HEAD "domain a..b\nend 2\n", ERR_SYNTAX },
    { "bad type", HEAD "domain a.b\npolicy x 1 0 -\nend 3\n", ERR_SYNTAX },
    { "bad address", HEAD "domain a.b\npolicy sts 0 1 -\nfailure dane-required 1 x - - -\nend 4\n",
      ERR_SYNTAX },
    { "bad xtext", HEAD "domain a.b\npolicy sts 0 1 +x\nend 3\n", ERR_SYNTAX },
    { "words too many", HEAD "domain a.b c\nend 2\n", ERR_SYNTAX },
    { "a dash for a reason",
      HEAD "domain a.b\npolicy sts 0 1 -\nfailure dane-required 1 - ::1 - +2D\nend 4\n", ERR_OK },
};

TEST(t44_tlsrpt_day_read)
{
    for (size_t i = 0; i < COUNTOF(read_cases); i++) {
        struct tlsrpt_day d;
        struct buf out;
        struct why why = { "" };
        buf_init(&out, 4096);
        tlsrpt_day_init(&d, day_ms, PLENTY, &hash_key);
        test_case(read_cases[i].name);
        CHECK_NUM(tlsrpt_day_read(&d, span_z(read_cases[i].text), &why), read_cases[i].want);
        CHECK((why.text[0] == 0) == (read_cases[i].want == ERR_OK));
        CHECK_NUM(tlsrpt_day_print(&d, &out), ERR_OK);
        if (read_cases[i].want == ERR_OK)
            CHECK_Z(buf_span(&out), read_cases[i].text);
        else
            CHECK(d.n_domain == 0 && d.lost == 0);
        tlsrpt_day_done(&d);
        buf_done(&out);
    }
}
