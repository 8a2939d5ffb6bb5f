/* What is legal and yet weaker than it should be: a row for each rule, and for what is near it. */
#include "policy/lint.h"
#include "base/when.h"
#include "test/test.h"

enum { TEXT_MAX = 64 * 1024, MANY = LINT_FINDINGS_MAX + 50 };

#define NOW "2026-11-24T02:00:00Z"
#define LIST(...) ((struct span[]){ __VA_ARGS__ })
/* What every connector has; mode and kind follow. */
#define AS(k, m) .c = { .id = SPAN("o/c"), .kind = CONNECTOR_##k, .mode = CONNECTOR_##m, .line = 3 }
#define FROM(n, ...) .sender = LIST(__VA_ARGS__), .n_sender = n
#define TO(n, ...) .recipient = LIST(__VA_ARGS__), .n_recipient = n
#define NAMES(n_, ...) .names = { .id = 1, .n = n_, .name = LIST(__VA_ARGS__) }
#define NEED(level) .route = { .kind = ROUTE_SMTP, .contract = { .need = TLS_NEED_##level } }

static struct ip_net net;
static struct span domains[] = { { "o.example", 9 }, { "*.o.example", 11 } };

static int64_t ms(const char *time)
{
    int64_t ret = 0;
    CHECK_NUM(when_parse(span_z(time), &ret), ERR_OK);
    return ret;
}

/* One organisation, o, with these. */
static void run(struct in_connector *in, unsigned n_in, struct out_connector *out, unsigned n_out,
                bool certificate, struct lint *ret)
{
    static struct org org;
    org = (struct org){ .name = SPAN("o"),
                        .domain = domains,
                        .n_domain = COUNTOF(domains),
                        .in = in,
                        .n_in = n_in,
                        .out = out,
                        .n_out = n_out };
    struct lint_input input = {
        .org = &org, .n_org = 1, .server_certificate = certificate, .now_ms = ms(NOW)
    };
    lint_run(&input, ret);
}

static void print(const struct lint *l, bool all, struct buf *out)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct lint_finding *f = &l->finding[i];
        buf_putf(out, "%s%s %s %s", i && !all ? ", " : "", lint_severity_name(f->severity),
                 f->outbound ? "out" : "in", lint_rule_name(f->rule));
        if (all)
            buf_putf(out, ": %.*s; %.*s\n", SPAN_ARG(f->text), SPAN_ARG(f->remedy));
    }
}

static void check(const char *name, const struct lint *l, bool all, const char *want)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    test_case(name);
    print(l, all, &text);
    CHECK_Z(buf_span(&text), want);
    test_case(NULL);
    buf_done(&text);
}

/* --- one inbound connector --- */

TEST(p12_p27_p29_inbound)
{
    const struct {
        const char *name, *want;
        struct in_connector c;
    } rows[] = {
        { "own, by certificate", "", { AS(ON_PREMISES, ENFORCE), NAMES(1, SPAN("mx.o.example")) } },
        { "own, by address",
          "warning in address-only: it trusts addresses alone; addresses change hands, "
          "certificates prove (certificate_names)\n",
          { AS(ON_PREMISES, ENFORCE), .network = &net, .n_network = 1 } },
        { "own, off", "", { AS(ON_PREMISES, OFF), .network = &net, .n_network = 1 } },
        { "own, by both",
          "",
          { AS(ON_PREMISES, ENFORCE), NAMES(1, SPAN("mx.o.example")), .network = &net,
            .n_network = 1 } },
        { "own, wildcard",
          "warning in wildcard: any server with a certificate below o.example counts as the "
          "organisation's; name its servers one by one\n",
          { AS(ON_PREMISES, ENFORCE), NAMES(2, SPAN("mx.o.example"), SPAN("*.o.example")) } },
        { "own, wildcard deeper",
          "warning in wildcard: any server with a certificate below mx.o.example counts as the "
          "organisation's; name its servers one by one\n",
          { AS(ON_PREMISES, TEST), NAMES(1, SPAN("*.mx.o.example")) } },
        { "own, wildcard of a provider",
          "error in wildcard-foreign: any server with a certificate below hoster.example counts as "
          "the organisation's, and that is none of its domains; name its servers one by one\n",
          { AS(ON_PREMISES, ENFORCE), NAMES(1, SPAN("*.hoster.example")) } },
        { "partner by address",
          "warning in address-only: it trusts addresses alone; addresses change hands, "
          "certificates prove (certificate_names)\n",
          { AS(PARTNER, TEST), .network = &net, .n_network = 1, .restrict_addresses = true } },
        { "partner, certificate known",
          "warning in certificate-unasked: it knows a certificate and does not demand it; add "
          "restrict_to_certificate = yes\n",
          { AS(PARTNER, TEST), NAMES(1, SPAN("mx.p.example")), .require_tls = true } },
        { "partner, address known",
          "warning in addresses-unasked: it knows addresses and does not demand them; add "
          "restrict_to_addresses = yes\n",
          { AS(PARTNER, TEST), .network = &net, .n_network = 1, .require_tls = true } },
        { "partner, its own wildcard",
          "",
          { AS(PARTNER, TEST), FROM(1, SPAN("p.example")), NAMES(1, SPAN("*.p.example")),
            .restrict_certificate = true } },
        { "partner, wildcard of a provider",
          "warning in wildcard-partner: any server with a certificate below hoster.example passes "
          "as the partner's, and that is none of the domains in `from`; name the partner's servers "
          "one by one\n",
          { AS(PARTNER, TEST), FROM(1, SPAN("p.example")), NAMES(1, SPAN("*.hoster.example")),
            .restrict_certificate = true } },
        { "partner, clients",
          "warning in client-usage: it demands a certificate that is meant for clients, and public "
          "CAs issue none any more; say client_usage = any, or name its own CA (ca)\n",
          { AS(PARTNER, TEST), NAMES(1, SPAN("mx.p.example")), .restrict_certificate = true,
            .eku_client = true } },
        { "partner, a client's key, whoever signed it",
          "",
          { AS(PARTNER, TEST), .pin = LIST(SPAN("00")), .n_pin = 1, .restrict_certificate = true,
            .eku_client = true } },
        { "partner, clients of its own CA",
          "",
          { AS(PARTNER, TEST), .anchor = LIST(SPAN("00")), .n_anchor = 1,
            .restrict_certificate = true, .eku_client = true } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct in_connector c = rows[i].c;
        struct lint l;
        run(&c, 1, NULL, 0, true, &l);
        check(rows[i].name, &l, true, rows[i].want);
        lint_done(&l);
    }
}

TEST(lint_tls_without_a_certificate_is_an_error)
{
    const struct {
        const char *name, *want;
        struct in_connector c;
    } rows[] = {
        { "require_tls", "error in no-certificate", { AS(PARTNER, TEST), .require_tls = true } },
        { "own",
          "error in no-certificate",
          { AS(ON_PREMISES, ENFORCE), NAMES(1, SPAN("mx.o.example")) } },
        { "addresses",
          "warning in address-only",
          { AS(PARTNER, ENFORCE), .network = &net, .n_network = 1, .restrict_addresses = true } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct in_connector c = rows[i].c;
        struct lint l;
        run(&c, 1, NULL, 0, false, &l);
        check(rows[i].name, &l, false, rows[i].want);
        lint_done(&l);
    }
}

/* --- time --- */

TEST(lint_time)
{
    const struct {
        const char *name, *until, *changed, *want;
        enum connector_mode mode;
    } rows[] = {
        { "long to go", "2027-06-01", NULL,
          "note in weakened: `allow \"plaintext\"` weakens it until 2027-05-31 (me: old server); "
          "remove it as soon as it is not needed\n",
          CONNECTOR_TEST },
        { "30 days", "2026-12-24T02:00:00Z", NULL,
          "warning in lapsing: `allow \"plaintext\"` weakens it until 2026-12-24 (me: old server); "
          "see that its reason is gone by then, or give it a later day\n",
          CONNECTOR_TEST },
        { "a moment more", "2026-12-24T02:00:00.001Z", NULL,
          "note in weakened: `allow \"plaintext\"` weakens it until 2026-12-24 (me: old server); "
          "remove it as soon as it is not needed\n",
          CONNECTOR_TEST },
        { "now", NOW, NULL,
          "warning in lapsed: `allow \"plaintext\"` is void since the end of 2026-11-24; remove "
          "it\n",
          CONNECTOR_TEST },
        { "test for 31 days", NULL, "2026-10-24",
          "warning in test-for-long: it is in test mode since 2026-10-24 and changes nothing; say "
          "mode = enforce if what it would refuse is right, else mend it\n",
          CONNECTOR_TEST },
        { "test for 29 days", NULL, "2026-10-26", "", CONNECTOR_TEST },
        { "a day that is none", NULL, "last summer", "", CONNECTOR_TEST },
        { "off", "2026-01-01", "2026-01-01", "", CONNECTOR_OFF },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct in_connector c = { AS(PARTNER, OFF), .require_tls = true };
        struct lint l;
        c.c.mode = rows[i].mode;
        c.c.changed = span_z(rows[i].changed);
        if (rows[i].until)
            c.c.weakening[WEAKEN_PLAINTEXT] =
                (struct weakening){ SPAN("me"), SPAN("old server"), ms(rows[i].until) };
        run(&c, 1, NULL, 0, true, &l);
        check(rows[i].name, &l, true, rows[i].want);
        lint_done(&l);
    }
}

TEST(lint_created_counts_where_changed_is_not_said)
{
    struct in_connector c = { AS(PARTNER, TEST), .require_tls = true };
    struct lint l;
    c.c.created = SPAN("2026-01-01");
    run(&c, 1, NULL, 0, true, &l);
    check("created", &l, false, "warning in test-for-long");
    lint_done(&l);
    c.c.changed = SPAN("2026-11-20");
    run(&c, 1, NULL, 0, true, &l);
    check("changed since", &l, false, "");
    lint_done(&l);
}

/* Who has no clock hears of weakenings and of nothing that is over or long. */
TEST(lint_without_a_clock)
{
    struct in_connector c = { AS(PARTNER, TEST), .require_tls = true };
    struct org org = { .in = &c, .n_in = 1 };
    struct lint_input input = { .org = &org, .n_org = 1, .server_certificate = true };
    struct lint l;
    c.c.changed = SPAN("2001-01-01");
    c.c.weakening[WEAKEN_EXPIRED] = (struct weakening){ SPAN("me"), SPAN("r"), 1000 };
    lint_run(&input, &l);
    check("no clock", &l, false, "note in weakened");
    CHECK_NUM(l.count[LINT_NOTE], 1);
    CHECK_NUM(l.count[LINT_WARNING], 0);
    lint_done(&l);
}

/* --- outbound --- */

TEST(p9_everywhere_takes_in_ones_own_domains)
{
    const struct {
        const char *name, *want;
        unsigned n;
        struct out_connector c[2];
    } rows[] = {
        { "\"*\" alone",
          "warning out everywhere: `to = \"*\"` takes mail for the organisation's own domains, "
          "too, such as o.example; list the domains that are meant, or add a connector with "
          "accepted = yes for the organisation's own\n",
          1,
          { { AS(ON_PREMISES, ENFORCE), TO(2, SPAN("p.example"), SPAN("*")) } } },
        { "and one for accepted domains",
          "",
          2,
          { { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("*")) },
            { AS(ON_PREMISES, ENFORCE), .accepted = true } } },
        { "which is in test mode",
          "warning out everywhere: `to = \"*\"` takes mail for the organisation's own domains, "
          "too, such as o.example; list the domains that are meant, or add a connector with "
          "accepted = yes for the organisation's own\n",
          2,
          { { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("*")) },
            { AS(ON_PREMISES, TEST), .accepted = true } } },
        { "both in test mode",
          "",
          2,
          { { AS(ON_PREMISES, TEST), TO(1, SPAN("*")) },
            { AS(ON_PREMISES, TEST), .accepted = true } } },
        { "one for each domain",
          "",
          2,
          { { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("*")) },
            { AS(ON_PREMISES, ENFORCE), TO(2, SPAN("o.example"), SPAN("*.o.example")) } } },
        { "one for one of them",
          "warning out everywhere: `to = \"*\"` takes mail for the organisation's own domains, "
          "too, such as *.o.example; list the domains that are meant, or add a connector with "
          "accepted = yes for the organisation's own\n",
          2,
          { { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("*")) },
            { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("o.example")) } } },
        { "by header only",
          "",
          1,
          { { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("*")), .rule_header = SPAN("X-Via") } } },
        { "off", "", 1, { { AS(ON_PREMISES, OFF), TO(1, SPAN("*")) } } },
        { "no \"*\"", "", 1, { { AS(ON_PREMISES, ENFORCE), TO(1, SPAN("p.example")) } } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct out_connector c[2] = { rows[i].c[0], rows[i].c[1] };
        struct lint l;
        run(NULL, 0, c, rows[i].n, true, &l);
        check(rows[i].name, &l, true, rows[i].want);
        lint_done(&l);
    }
}

TEST(lint_names_from_mx)
{
    const struct {
        const char *name, *want;
        struct route route;
    } rows[] = {
        { "mx, domain",
          "warning out mx-name",
          { .kind = ROUTE_MX, .contract = { .need = TLS_NEED_NAME } } },
        { "mx, names",
          "",
          { .kind = ROUTE_MX, .contract = { .need = TLS_NEED_NAME, .n_names = 1 } } },
        { "mx, certificate", "", { .kind = ROUTE_MX, .contract = { .need = TLS_NEED_CHAIN } } },
        { "smtp, domain", "", { .kind = ROUTE_SMTP, .contract = { .need = TLS_NEED_NAME } } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct out_connector c = { AS(PARTNER, TEST), TO(1, SPAN("p.example")) };
        struct lint l;
        c.route = rows[i].route;
        run(NULL, 0, &c, 1, true, &l);
        check(rows[i].name, &l, false, rows[i].want);
        lint_done(&l);
    }
}

/* --- both directions --- */

#define IN(mode, force, ...)                                                                       \
    {                                                                                              \
        AS(PARTNER, mode), __VA_ARGS__, .require_tls = (force)                                     \
    }
#define OUT(mode, need, ...)                                                                       \
    {                                                                                              \
        AS(PARTNER, mode), __VA_ARGS__, NEED(need)                                                 \
    }
#define NO_IN                                                                                      \
    {                                                                                              \
        IN(OFF, false, FROM(1, SPAN("*")))                                                         \
    }
#define NO_OUT                                                                                     \
    {                                                                                              \
        OUT(OFF, TRY, TO(1, SPAN("*")))                                                            \
    }
#define IN_ALONE "warning in not-asked-of-outgoing"
#define OUT_ALONE "warning out not-asked-of-incoming"

TEST(r30_with_only_one_the_linter_names_the_uncovered_direction)
{
    const struct {
        const char *name, *want;
        unsigned n_in, n_out;
        struct in_connector in[2];
        struct out_connector out[2];
    } rows[] = {
        { "both",
          "",
          1,
          1,
          { IN(ENFORCE, true, FROM(1, SPAN("p.example"))) },
          { OUT(ENFORCE, ENCRYPT, TO(1, SPAN("p.example"))) } },
        { "inbound only",
          IN_ALONE,
          1,
          0,
          { IN(ENFORCE, true, FROM(1, SPAN("p.example"))) },
          NO_OUT },
        { "outbound only",
          OUT_ALONE,
          0,
          1,
          NO_IN,
          { OUT(ENFORCE, ENCRYPT, TO(1, SPAN("p.example"))) } },
        { "the other one is opportunistic",
          IN_ALONE,
          1,
          1,
          { IN(ENFORCE, true, FROM(1, SPAN("p.example"))) },
          { OUT(ENFORCE, TRY, TO(1, SPAN("p.example"))) } },
        { "the other one asks for no TLS",
          OUT_ALONE,
          1,
          1,
          { IN(ENFORCE, false, FROM(1, SPAN("p.example"))) },
          { OUT(ENFORCE, NAME, TO(1, SPAN("p.example"))) } },
        { "the other one is a test",
          IN_ALONE,
          1,
          1,
          { IN(ENFORCE, true, FROM(1, SPAN("p.example"))) },
          { OUT(TEST, ENCRYPT, TO(1, SPAN("p.example"))) } },
        { "two tests", "", 1, 0, { IN(TEST, true, FROM(1, SPAN("p.example"))) }, NO_OUT },
        { "subdomains are not covered",
          IN_ALONE,
          1,
          1,
          { IN(ENFORCE, true, FROM(2, SPAN("p.example"), SPAN("*.p.example"))) },
          { OUT(ENFORCE, ENCRYPT, TO(1, SPAN("p.example"))) } },
        { "a wildcard covers",
          OUT_ALONE,
          1,
          1,
          { IN(ENFORCE, true, FROM(1, SPAN("a.p.example"))) },
          { OUT(ENFORCE, ENCRYPT, TO(1, SPAN("*.p.example"))) } },
        { "only mail with a header",
          IN_ALONE,
          1,
          1,
          { IN(ENFORCE, true, FROM(1, SPAN("p.example"))) },
          { OUT(ENFORCE, ENCRYPT, TO(1, SPAN("p.example")), .rule_header = SPAN("X-Via")) } },
        { "two for one sender, one forces nothing",
          OUT_ALONE,
          2,
          1,
          { IN(ENFORCE, true, FROM(1, SPAN("p.example"))),
            IN(ENFORCE, false, FROM(1, SPAN("p.example"))) },
          { OUT(ENFORCE, ENCRYPT, TO(1, SPAN("p.example"))) } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct in_connector in[2] = { rows[i].in[0], rows[i].in[1] };
        struct out_connector out[2] = { rows[i].out[0], rows[i].out[1] };
        struct lint l;
        run(in, rows[i].n_in, out, rows[i].n_out, true, &l);
        check(rows[i].name, &l, false, rows[i].want);
        lint_done(&l);
    }
}

/* --- bounds --- */

TEST(lint_findings_are_bounded_and_counted)
{
    struct in_connector *c = mem_zalloc(MANY * sizeof *c);
    struct lint l;
    for (unsigned i = 0; i < MANY; i++)
        c[i] = (struct in_connector){ AS(ON_PREMISES, ENFORCE), .network = &net, .n_network = 1 };
    run(c, MANY, NULL, 0, true, &l);
    CHECK_NUM(l.n, LINT_FINDINGS_MAX);
    CHECK_NUM(l.count[LINT_WARNING], MANY);
    lint_done(&l);
    lint_done(NULL);
    mem_free(c);
}

/* Whatever is written: a line without control bytes that holds. */
TEST(lint_texts_are_cut_and_clean)
{
    static char long_text[2000];
    struct in_connector c = { AS(PARTNER, TEST), .require_tls = true };
    struct lint l;
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text, "a\nb\x1b[2J", 7);
    c.c.changed = span_of("2026-01-01", 10);
    for (unsigned k = 0; k < WEAKEN_COUNT_; k++)
        c.c.weakening[k] =
            (struct weakening){ span_of(long_text, sizeof long_text),
                                span_of(long_text, sizeof long_text), ms("2026-12-01") };
    run(&c, 1, NULL, 0, true, &l);
    CHECK_NUM(l.n, WEAKEN_COUNT_ + 1);
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; k < l.finding[i].text.n; k++)
            CHECK((unsigned char)l.finding[i].text.p[k] >= 32);
    lint_done(&l);
}
