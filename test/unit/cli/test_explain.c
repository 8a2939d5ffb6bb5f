/* `postern explain --config NEW`: both ways of a mail, from a file alone. */
#include "cli/cli.h"

#include "base/when.h"
#include "gate/config.h"
#include "test/golden.h"
#include "test/test.h"

#include <stdio.h>

enum { TEXT_MAX = 1024 * 1024 };

#define NOW "2026-11-24T02:00:00Z"

static struct config *load(void)
{
    struct config *config = NULL;
    struct why why = { "" };
    enum err e = cli_load(SPAN("test/conf/clinic.conf"), &config, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    return config;
}

static enum err answer(const struct config *config, const struct args *a, struct ctl *ret,
                       struct why *why)
{
    struct ctl *request = ctl_new();
    struct explain_by by = { .config = config, .facts = a->facts };
    CHECK_NUM(when_parse(SPAN(NOW), &by.now_ms), ERR_OK);
    enum err e = explain_request(a, request, why);
    if (e == ERR_OK)
        e = explain_answer(&by, request, ret, why);
    ctl_free(request);
    return e;
}

static const struct {
    const char *name;
    struct args a;
} asked[] = {
#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
    { "outbound only", { .from = S("a@hospital.example"), .to = S("b@lab.example") } },
    { "the weakening has ended",
      { .from = S("a@hospital.example"), .to = S("b@lab.example"), .at = S("2027-07-01") } },
    { "as mail of an organisation",
      { .from = S("a@else.example"), .to = S("b@lab.example"), .org = S("hospital") } },
    { "a partner with its certificate",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_names = S("mx.lab.example") } },
    { "with an expired one, which is allowed",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_names = S("mx.lab.example"),
        .client_chain = S("expired") } },
    { "and no longer is",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_names = S("mx.lab.example"),
        .client_chain = S("expired"),
        .at = S("2026-12-11") } },
    { "with one that nobody vouches for",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_names = S("mx.lab.example"),
        .client_chain = S("untrusted") } },
    { "without one",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_chain = S("none") } },
    { "without TLS",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_plaintext = true } },
    { "a partner of a connector in test mode",
      { .from = S("a@bank.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9") } },
    { "an own server, to anywhere",
      { .from = S("a@hospital.example"),
        .to = S("b@elsewhere.example"),
        .client_addr = S("192.0.2.3") } },
    { "a stranger, to anywhere",
      { .from = S("a@hospital.example"),
        .to = S("b@elsewhere.example"),
        .client_addr = S("203.0.113.9") } },
    { "a bounce of an organisation, with facts",
      { .from = S("<>"),
        .to = S("b@lab.example"),
        .org = S("hospital"),
        .facts = S("test/conf/clinic.facts") } },
    { "as if the weakenings were over and a name were another",
      { .from = S("a@hospital.example"),
        .to = S("b@lab.example"),
        .at = S("2027-07-01"),
        .facts = S("test/conf/clinic.facts"),
        .supposed = { S("mx.lab.example/names=else.example"), S("mail.lab.example/starttls=no") },
        .n_if = 2 } },
    { "as if the client had a certificate of another name",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .supposed = { S("client/names=else.example") },
        .n_if = 1 } },
    { "with a certificate that signed itself, as a file",
      { .from = S("a@lab.example"),
        .to = S("b@hospital.example"),
        .client_addr = S("203.0.113.9"),
        .client_cert = S("test/conf/ec.pem") } },
};

TEST(explain_by_file_is_golden)
{
    struct config *config = load();
    struct buf text;
    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < COUNTOF(asked); i++) {
        struct ctl *out = ctl_new();
        struct why why = { "" };
        test_case(asked[i].name);
        enum err e = answer(config, &asked[i].a, out, &why);
        CHECK_Z(span_z(why.text), "");
        CHECK_NUM(e, ERR_OK);
        buf_putf(&text, "--- %s\n", asked[i].name);
        explain_text(out, &text);
        buf_put(&text, SPAN("\n"));
        ctl_free(out);
    }
    test_case(NULL);
    golden_check("test/grid/cli_explain.ref", buf_span(&text));
    buf_done(&text);
    config_unref(config);
}

static const struct {
    const char *why;
    struct args a;
} refused[] = {
    { "--at wants a time: 2026-12-31, or 2026-12-31T12:00:00Z", { .at = S("tomorrow") } },
    { "--at wants a time: 2026-12-31, or 2026-12-31T12:00:00Z", { .at = S("1970-01-01") } },
    { "`10.0.0.256` is no address", { .client_addr = S("10.0.0.256") } },
    { "client-chain is ok, expired, untrusted or none",
      { .client_addr = S("10.0.0.1"), .client_names = S("a.example"), .client_chain = S("bad") } },
    { "whose certificate? client-addr is missing", { .client_names = S("a.example") } },
    { "a client without TLS shows no certificate",
      { .client_addr = S("10.0.0.1"), .client_names = S("a.example"), .client_plaintext = true } },
    { "a client that shows no certificate has no names",
      { .client_addr = S("10.0.0.1"), .client_names = S("a.example"), .client_chain = S("none") } },
    { "which certificate? its names are missing",
      { .client_addr = S("10.0.0.1"), .client_chain = S("expired") } },
    { "there is no organisation `nobody`", { .org = S("nobody") } },
};

TEST(explain_questions_that_make_no_sense)
{
    struct config *config = load();
    for (size_t i = 0; i < COUNTOF(refused); i++) {
        struct ctl *out = ctl_new();
        struct args a = refused[i].a;
        struct why why = { "" };
        test_case(refused[i].why);
        a.from = SPAN("a@lab.example");
        a.to = SPAN("b@hospital.example");
        CHECK_NUM(answer(config, &a, out, &why), ERR_SYNTAX);
        CHECK_Z(span_z(why.text), refused[i].why);
        ctl_free(out);
    }
    test_case(NULL);
    config_unref(config);
}
