#include "cli/import_exchange.h"
#include "cli/import_postfix.h"

#include "base/tree.h"
#include "gate/config.h"
#include "test/golden.h"
#include "test/test.h"

#include <stdio.h>

enum { TEXT_MAX = 4 * 1024 * 1024 };

/* --- what every produced configuration has to be --- */

static const char around[] = "hostname = \"mx.test.example\"\n"
                             "listen \"127.0.0.1:2525\" { }\n";

static enum err read_text(void *arg, struct span path, struct buf *ret, struct why *why)
{
    if (!span_eq(path, SPAN("postern.conf"))) {
        why_set(why, "no such file");
        return ERR_NOT_FOUND;
    }
    return buf_append(ret, buf_span(arg));
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static bool has(struct span s, const char *what)
{
    for (; s.n > 0; s = span_tail(s, 1))
        if (span_starts(s, span_z(what)))
            return true;
    return false;
}

/* The loader takes it, whole. A loader that has no organisations at all is not asked. */
static void check_loads(struct span text)
{
    static const struct config_boot boot = { .hash_key = { { 1, 2 } } };
    struct buf whole;
    struct why why = { "" };
    struct config *c = NULL;
    buf_init(&whole, TEXT_MAX);
    buf_put(&whole, span_z(around));
    buf_put(&whole, text);
    const struct config_source source = { read_text, match_none, &whole };
    enum err e = config_load(SPAN("postern.conf"), &source, &boot, &c, &why);
    bool unknown = e != ERR_OK && has(span_z(why.text), "unknown setting `organisation`");
    if (e != ERR_OK && !unknown)
        test_fail(__FILE__, __LINE__, "what was imported does not load: %s", why.text);
    if (e == ERR_OK)
        config_unref(c);
    buf_done(&whole);
}

static void check_parses(struct span text)
{
    struct arena a;
    struct why why = { "" };
    struct tree *t = NULL;
    arena_init(&a, 64 * 1024 * 1024);
    if (tree_parse(SPAN("imported"), text, &a, &t, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    CHECK(t && (!t->next || !t->next->next));
    CHECK_SPAN(t->name, SPAN("organisation"));
    CHECK(!t->next || span_eq(t->next->name, SPAN("route")));
    arena_done(&a);
}

/* --- from a draft to text --- */

static void print(struct draft *d, struct buf *out)
{
    draft_finish(d);
    draft_print(d, out);
    check_parses(buf_span(out));
    check_loads(buf_span(out));
}

static enum err exchange(const char *name, struct span text, struct buf *out, unsigned *ret_lost,
                         struct why *why)
{
    struct draft d;
    draft_init(&d, "Exchange", SPAN("imported"));
    enum err e = import_exchange(&d, span_z(name), text, why);
    if (e == ERR_OK) {
        import_exchange_end(&d);
        print(&d, out);
        *ret_lost = draft_losses(&d);
    }
    draft_done(&d);
    return e;
}

static unsigned exchange_text(const char *text, struct buf *out)
{
    struct why why = { "" };
    unsigned lost = 0;
    buf_init(out, TEXT_MAX);
    if (exchange("in.json", span_z(text), out, &lost, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return lost;
}

static void exchange_golden(const char *file, const char *golden, unsigned lost_want)
{
    struct buf text, out, path;
    struct why why = { "" };
    unsigned lost = 0;
    buf_init(&path, 256);
    buf_init(&out, TEXT_MAX);
    buf_putf(&path, "test/import/%s", file);
    test_read_file(buf_z(&path), &text);
    if (exchange(file, buf_span(&text), &out, &lost, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    golden_check(golden, buf_span(&out));
    CHECK_NUM(lost, lost_want);
    buf_done(&path);
    buf_done(&text);
    buf_done(&out);
}

TEST(p8_inbound_connectors_of_exchange_are_golden)
{
    exchange_golden("inbound.json", "test/import/inbound.conf", 11);
}

TEST(p8_outbound_connectors_of_exchange_are_golden)
{
    exchange_golden("outbound.json", "test/import/outbound.conf", 10);
}

TEST(csv_with_semicolons_and_lines_in_values_is_golden)
{
    exchange_golden("both.csv", "test/import/both.conf", 1);
}

TEST(a_microsoft365dsc_export_is_golden)
{
    exchange_golden("dsc.ps1", "test/import/dsc.conf", 2);
}

/* --- postfix --- */

static const char *const postfix_dirs[][2] = {
    { "test/import/postfix", "test/import/postfix.conf" },
    { "test/import/relay", "test/import/relay.conf" },
};

TEST(tables_of_postfix_are_golden)
{
    const struct config_source disk = config_source_disk(NULL);
    for (size_t i = 0; i < COUNTOF(postfix_dirs); i++) {
        struct draft d;
        struct why why = { "" };
        struct buf out;
        test_case(postfix_dirs[i][0]);
        buf_init(&out, TEXT_MAX);
        draft_init(&d, "Postfix", SPAN("clinic"));
        if (import_postfix(&d, span_z(postfix_dirs[i][0]), &disk, &why) != ERR_OK)
            test_fail(__FILE__, __LINE__, "%s", why.text);
        print(&d, &out);
        golden_check(postfix_dirs[i][1], buf_span(&out));
        CHECK(draft_losses(&d) > 0);
        draft_done(&d);
        buf_done(&out);
    }
    test_case(NULL);
}

/* main.cf alone, in memory. */
static enum err read_main(void *arg, struct span path, struct buf *ret, struct why *why)
{
    if (span_ends_nocase(path, SPAN("/main.cf")))
        return buf_append(ret, span_z(arg));
    why_set(why, "cannot read %.*s: No such file or directory", SPAN_ARG(path));
    return ERR_NOT_FOUND;
}

static enum err postfix(const char *main_cf, struct buf *out, unsigned *ret_lost, struct why *why)
{
    char text[4096];
    struct draft d;
    CHECK(strlen(main_cf) < sizeof text);
    memcpy(text, main_cf, strlen(main_cf) + 1);
    const struct config_source source = { read_main, match_none, text };
    draft_init(&d, "Postfix", SPAN("p"));
    enum err e = import_postfix(&d, SPAN("/p"), &source, why);
    if (e == ERR_OK) {
        print(&d, out);
        *ret_lost = draft_losses(&d);
    }
    draft_done(&d);
    return e;
}

TEST(levels_of_postfix_become_what_they_say)
{
    static const struct {
        const char *policy, *want, *also; /* NULL: nothing more */
    } rows[] = {
        { "may", "mode = enforce", "tls = opportunistic" },
        { "none", "tls = opportunistic", "none: TLS is always tried" },
        { "encrypt", "mode = enforce", "tls = encrypt" },
        { "encrypt protocols=>=TLSv1.3", "tls = encrypt", "minimum_version = 1.3" },
        { "encrypt protocols=TLSv1.3", "tls = encrypt", "minimum_version = 1.3" },
        { "encrypt protocols=!TLSv1.2:!TLSv1.1", "tls = encrypt", "minimum_version = 1.3" },
        { "encrypt protocols=!SSLv2:!SSLv3", "mode = enforce", "tls = encrypt" },
        { "encrypt exclude=AES256", "mode = off", "exclude=AES256" },
        { "encrypt exclude=RC4:3DES", "mode = enforce", NULL },
        { "verify", "mode = enforce", "tls = domain" },
        { "secure", "mode = enforce", "names = [\"x.example\", \"*.x.example\"]" },
        { "secure match=.y.example", "mode = enforce", "names = [\"*.y.example\"]" },
        { "secure match=a.example match=b.example", "names = [\"a.example\", \"b.example\"]",
          NULL },
        { "secure match=..", "mode = off", "is no name" },
        { "secure tafile=/ta.pem", "mode = off", "tafile" },
        { "secure novelty=1", "mode = off", "novelty= is not known" },
        { "dane", "mode = enforce", "tls = opportunistic" },
        { "dane-only", "mode = off", "tls = encrypt" },
        { "fingerprint match=AA:BB", "mode = off", "fingerprint" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char main_cf[512];
        struct why why = { "" };
        struct buf out;
        unsigned lost = 0;
        test_case(rows[i].policy);
        buf_init(&out, TEXT_MAX);
        int n = snprintf(main_cf, sizeof main_cf,
                         "smtp_tls_policy_maps = inline:{ { x.example = %s } }\n", rows[i].policy);
        CHECK(n > 0 && (size_t)n < sizeof main_cf);
        if (postfix(main_cf, &out, &lost, &why) != ERR_OK)
            test_fail(__FILE__, __LINE__, "%s", why.text);
        CHECK(has(buf_span(&out), rows[i].want));
        CHECK(!rows[i].also || has(buf_span(&out), rows[i].also));
        buf_done(&out);
    }
    test_case(NULL);
}

TEST(a_wrong_main_cf_says_where_and_what_to_do)
{
    static const struct {
        const char *main_cf, *where, *remedy;
    } rows[] = {
        { "a = b\nno parameter\n", "/p/main.cf:2: ", "name = value" },
        { "# c\n\nmynetworks = $nowhere\n", "/p/main.cf:3: ", "$nowhere is set nowhere" },
        { "mynetworks = ${x?1}\n", "/p/main.cf:1: ", "postconf" },
        { "mynetworks = $a\na = $b\nb = $a\n", "/p/main.cf:1: ", "circle" },
        { "transport_maps = hash:/etc/postfix/transport\n", "main.cf names /etc/postfix/transport",
          "copy its text beside main.cf" },
        { "smtp_tls_policy_maps = inline:{ x.example=strong }\n",
          "/p/main.cf:", "no level; write" },
        { "smtp_tls_security_level = strong\n", "/p/main.cf: ", "no level" },
        { "smtpd_tls_security_level = strong\n", "/p/main.cf:1: ", "write none, may or encrypt" },
        { "smtp_tls_policy_maps = inline:{ {x.example=encrypt high} }\n",
          "/p/main.cf:", "no name=value" },
        { "relay_domains = inline:x\n", "/p/main.cf", "key=value" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct why why = { "" };
        struct buf out;
        unsigned lost;
        test_case(rows[i].main_cf);
        buf_init(&out, TEXT_MAX);
        CHECK(postfix(rows[i].main_cf, &out, &lost, &why) != ERR_OK);
        if (!has(span_z(why.text), rows[i].where) || !has(span_z(why.text), rows[i].remedy))
            test_fail(__FILE__, __LINE__, "got \"%s\"", why.text);
        buf_done(&out);
    }
    test_case(NULL);
}

/* --- never weaker without saying so --- */

TEST(what_restricts_and_cannot_be_said_turns_the_connector_off)
{
#define IN "\"ConnectorType\": \"Partner\", \"RequireTls\": true, \"Name\": \"n\", "
#define OUT "\"ConnectorType\": \"Partner\", \"UseMXRecord\": true, \"Name\": \"n\", "
    static const char *const rows[] = {
        IN "\"SenderDomains\": [\"a.example\"], \"TrustedOrganizations\": [\"x\"]",
        IN "\"SenderDomains\": [\"a.example\"], \"AssociatedAcceptedDomains\": [\"x.example\"]",
        IN "\"SenderDomains\": [\"a.example\"], \"ClientHostNames\": [\"x\"]",
        IN "\"SenderDomains\": [\"a.example\"], \"RestrictDomainsToCertificate\": true",
        IN "\"SenderDomains\": [\"a.example\"], \"RestrictDomainsToIPAddresses\": true",
        IN "\"SenderDomains\": [\"a.example\"], \"SenderIPAddresses\": [\"192.0.2.1/24\"]",
        IN "\"SenderDomains\": [\"a.example\"], \"SenderIPAddresses\": [{}]",
        IN "\"SenderDomains\": [\"a.example\", \"a.*.b\"]",
        IN "\"SenderDomains\": [\"a.example\", \"x400:c=de\"]",
        IN "\"SenderDomains\": [\"a.example\"], \"TlsSenderCertificateName\": \"*\"",
        IN "\"SenderDomains\": [\"a.example\"], \"TlsSenderCertificateName\": \"a.*.example\"",
        IN "\"SenderDomains\": [\"a.example\"], \"TlsSenderCertificateName\": \"<I>CN=C<S>CN=a.b\"",
        IN "\"SenderDomains\": []",
        "\"RequireTls\": true, \"Name\": \"n\", \"SenderDomains\": [\"a.example\"]",
        OUT "\"RecipientDomains\": [\"a.example\"], \"SmtpDaneMode\": \"Mandatory\"",
        OUT "\"RecipientDomains\": [\"a.example\"], \"TlsSettings\": \"DomainValidation\"",
        OUT "\"RecipientDomains\": [\"a.example\"], \"TlsSettings\": 1",
        OUT "\"RecipientDomains\": [\"a.example\"], \"IsTransportRuleScoped\": true",
        OUT "\"RecipientDomains\": [\"a.example\"], \"AllAcceptedDomains\": true",
        OUT "\"RecipientDomains\": []",
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char text[512];
        struct buf out;
        test_case(rows[i]);
        int n = snprintf(text, sizeof text, "{%s}", rows[i]);
        CHECK(n > 0 && (size_t)n < sizeof text);
        CHECK(exchange_text(text, &out) > 0);
        CHECK(has(buf_span(&out), "mode = off") && !has(buf_span(&out), "mode = enforce"));
        CHECK(has(buf_span(&out), "# off: "));
        buf_done(&out);
    }
    test_case(NULL);
}

TEST(what_is_off_or_tested_stays_so)
{
    struct buf out;
    CHECK_NUM(exchange_text("{\"ConnectorType\":\"Partner\",\"Enabled\":false,\"TestMode\":true,"
                            "\"SenderDomains\":\"a.example\",\"RequireTls\":true}",
                            &out),
              0);
    CHECK(has(buf_span(&out), "mode = off\n"));
    buf_done(&out);
    CHECK_NUM(exchange_text("{\"ConnectorType\":\"Partner\",\"Enabled\":true,\"TestMode\":true,"
                            "\"SenderDomains\":\"a.example\",\"RequireTls\":true}",
                            &out),
              0);
    CHECK(has(buf_span(&out), "mode = test\n"));
    buf_done(&out);
}

/* --- two that claim the same --- */

#define PARTNER(name, domains, more)                                                               \
    "{\"ConnectorType\":\"Partner\",\"Name\":\"" name "\",\"SenderDomains\":[" domains "]," more "}"
#define SERVER(name, more)                                                                         \
    "{\"ConnectorType\":\"OnPremises\",\"Name\":\"" name                                           \
    "\",\"SenderDomains\":[\"smtp:*;1\"]," more "}"

TEST(of_two_claims_the_stricter_stays)
{
    struct buf out;
    CHECK(exchange_text("[" PARTNER("weak", "\"a.example\"", "\"RequireTls\":true") "," PARTNER(
                            "strict", "\"a.example\"",
                            "\"RequireTls\":false,\"RestrictDomainsToIPAddresses\":true,"
                            "\"SenderIPAddresses\":[\"192.0.2.1\"]") "]",
                        &out) > 0);
    CHECK(has(buf_span(&out), "# off: \"a.example\" is claimed by \"strict\""));
    CHECK(has(buf_span(&out), "require_tls = yes\n        restrict_to_addresses = yes"));
    buf_done(&out);

    /* "*.a" brings "a" along, which the other one names */
    CHECK_NUM(
        exchange_text("[{\"ConnectorType\":\"Partner\",\"Name\":\"wide\",\"UseMXRecord\":true,"
                      "\"RecipientDomains\":[\"*.a.example\"],\"TlsSettings\":\"EncryptionOnly\","
                      "\"SmtpDaneMode\":\"None\",\"MtaStsMode\":\"None\"},"
                      "{\"ConnectorType\":\"Partner\",\"Name\":\"one\",\"UseMXRecord\":true,"
                      "\"RecipientDomains\":[\"a.example\"],\"TlsSettings\":null,"
                      "\"SmtpDaneMode\":\"None\",\"MtaStsMode\":\"None\"}]",
                      &out),
        0);
    CHECK(has(buf_span(&out), "to = [\"*.a.example\"]") &&
          has(buf_span(&out), "to = [\"a.example\"]"));
    buf_done(&out);

    CHECK(exchange_text("[" SERVER("one", "\"SenderIPAddresses\":[\"192.0.2.1\"]") "," SERVER(
                            "two", "\"SenderIPAddresses\":[\"192.0.2.1\"]") "]",
                        &out) > 0);
    CHECK(has(buf_span(&out), "mode = enforce") && has(buf_span(&out), "mode = off"));
    buf_done(&out);
}

/* --- forms --- */

/* What stands behind the first connector's line of origin. */
static struct span first_block(struct span s)
{
    while (s.n > 0 && !span_starts(s, SPAN("inbound \"harbor\" {")))
        s = span_tail(s, 1);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '}')
            return span_head(s, i);
    return s;
}

TEST(all_forms_of_an_export_say_the_same)
{
#define LISTS                                                                                      \
    "\"SenderDomains\":[\"smtp:harbor.example;1\",\"smtp:*.harbor.example;1\"],"                   \
    "\"TlsSenderCertificateName\":\"mx.harbor.example\","
#define FLAGS                                                                                      \
    "\"Name\":\"Harbor\",\"ConnectorType\":\"Partner\",\"RequireTls\":true,"                       \
    "\"RestrictDomainsToCertificate\":true"
    static const char *const forms[] = {
        "[{" LISTS FLAGS "}]",
        "{" LISTS FLAGS "}",
        "{\"value\":[{" LISTS FLAGS "}],\"Count\":1}",
        "\xef\xbb\xbf{" LISTS FLAGS "}",
        "{\"SenderDomains\":\"smtp:harbor.example;1 smtp:*.harbor.example;1\","
        "\"TlsSenderCertificateName\":\"mx.harbor.example\"," FLAGS "}",
        "{\"senderdomains\":\"harbor.example;*.harbor.example\","
        "\"tlssendercertificatename\":\"mx.harbor.example\"," FLAGS "}",
        "{\"SenderDomains\":[{\"Domain\":\"*.harbor.example\"}],"
        "\"TlsSenderCertificateName\":\"mx.harbor.example\"," FLAGS "}",
        "Name,ConnectorType,SenderDomains,TlsSenderCertificateName,RequireTls,"
        "RestrictDomainsToCertificate\r\nHarbor,Partner,\"harbor.example,*.harbor.example\","
        "mx.harbor.example,True,True\r\n",
        "Name\tConnectorType\tSenderDomains\tTlsSenderCertificateName\tRequireTls\t"
        "RestrictDomainsToCertificate\nHarbor\tPartner\tharbor.example *.harbor.example\t"
        "mx.harbor.example\tTrue\tTrue",
        "EXOInboundConnector x { Identity='Harbor';ConnectorType='Partner'\n"
        "SenderDomains=@('harbor.example','*.harbor.example');RequireTls=$true\n"
        "TlsSenderCertificateName=\"mx.harbor.example\"; RestrictDomainsToCertificate=$True}",
    };
    struct buf first, other;
    (void)exchange_text(forms[0], &first);
    CHECK(first_block(buf_span(&first)).n > 0);
    for (size_t i = 1; i < COUNTOF(forms); i++) {
        test_case(forms[i]);
        (void)exchange_text(forms[i], &other);
        CHECK_SPAN(first_block(buf_span(&other)), first_block(buf_span(&first)));
        buf_done(&other);
    }
    test_case(NULL);
    buf_done(&first);
}

TEST(utf16_is_read_as_powershell_writes_it)
{
    static const char text[] = "{\"ConnectorType\":\"Partner\",\"RequireTls\":true,"
                               "\"SenderDomains\":[\"a.example\"],\"Name\":\"\\u00e4\"}";
    char wide[2 * sizeof text + 2];
    struct buf out;
    struct why why = { "" };
    unsigned lost = 9;
    for (int big = 0; big < 2; big++) {
        size_t n = 0;
        wide[n++] = big ? '\xfe' : '\xff';
        wide[n++] = big ? '\xff' : '\xfe';
        for (size_t i = 0; text[i]; i++) {
            wide[n++] = big ? '\0' : text[i];
            wide[n++] = big ? text[i] : '\0';
        }
        buf_init(&out, TEXT_MAX);
        CHECK(exchange("w", span_of(wide, n), &out, &lost, &why) == ERR_OK);
        CHECK_NUM(lost, 0);
        CHECK(has(buf_span(&out), "\"\xc3\xa4\""));
        buf_done(&out);
    }
}

TEST(wrong_input_says_where_and_what_to_do)
{
    static const struct {
        const char *text, *where, *remedy;
    } rows[] = {
        { "", "f:1: ", "export with" },
        { " \r\n\t", "f:1: ", "export with" },
        { "[\n{\"a\": }]", "f:2: ", "ConvertTo-Json" },
        { "[1]", "f:1: ", "ConvertTo-Json" },
        { "{\"a\":1,\"a\":2}", "f:1: ", "ConvertTo-Json" },
        { "{\"Name\":\"n\"}", "f: ", "neither SenderDomains nor RecipientDomains" },
        { "[{\"SenderDomains\":[]},{\"SenderDomains\":[],\"Enabled\":\"maybe\"}]",
          "f, connector 2: ", "true or false" },
        { "{\"SenderDomains\":[],\"ConnectorType\":\"Other\"}", "f: ", "Partner or OnPremises" },
        { "{\"RecipientDomains\":[],\"ConnectorType\":\"Partner\",\"TlsSettings\":\"Some\"}",
          "f: ", "EncryptionOnly" },
        { "one,two\n1,2\n", "f:1: ", "neither JSON nor" },
        { "Name,SenderDomains\n\"a,b\n", "f:2: ", "not closed" },
        { "Name,SenderDomains\na\n", "f:2: ", "fewer values" },
        { "Name,SenderDomains\na,b,c\n", "f:2: ", "more values" },
        { "Name,SenderDomains\n\"a\"x,b\n", "f:2: ", "text behind" },
        { "Name,SenderDomains\na,System.Object[]\n", "f:2: ", "ConvertTo-Json" },
        { "SenderDomains,senderdomains\na,b\n", "f:2: ", "twice" },
        { "EXOInboundConnector \"x\"\n{\n Name \"a\" }", "f:3: ", "a = is missing" },
        { "EXOInboundConnector \"x\"\n{\n Name = \"a }", "f:3: ", "not closed" },
        { "EXOInboundConnector \"x\"\n{\n Name = \"a\"", "f:1: ", "not closed" },
        { "EXOInboundConnector \"x\" Name = {", "f:1: ", "{ is missing" },
        { "EXOInboundConnector \"x\" { SenderDomains = @('a'", "f:1: ", "not closed" },
        { "EXOInboundConnector \"x\" {\nSenderDomains = @(\"a.$Org\") }",
          "f:1: ", "in place of the variable" },
        { "EXOInboundConnector \"x\" {\nSenderDomains = $All }",
          "f:1: ", "in place of the variable" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct why why = { "" };
        struct buf out;
        unsigned lost;
        test_case(rows[i].text);
        buf_init(&out, TEXT_MAX);
        CHECK(exchange("f", span_z(rows[i].text), &out, &lost, &why) != ERR_OK);
        if (!span_starts(span_z(why.text), span_z(rows[i].where)) ||
            !has(span_z(why.text), rows[i].remedy))
            test_fail(__FILE__, __LINE__, "got \"%s\"", why.text);
        buf_done(&out);
    }
    test_case(NULL);
}

/* --- hostile texts --- */

TEST(t15_no_text_of_an_export_leaves_its_place)
{
    static const char *const texts[] = {
        "\\\"\\n}\\ninbound \\\"evil\\\" { kind = on-premises }",
        "\\u0000\\u001b[2J",
        "\\\\\\\\\\\"",
        "\\u202egpj.exe",
        "# } \\r } \\r\\n",
    };
    for (size_t i = 0; i < COUNTOF(texts); i++) {
        char text[1024];
        struct buf out;
        test_case(texts[i]);
        if (has(span_z(texts[i]), "u0000"))
            continue; /* jansson refuses it */
        int n = snprintf(text, sizeof text,
                         "{\"ConnectorType\":\"Partner\",\"RequireTls\":true,\"Name\":\"%s\","
                         "\"Comment\":\"%s\",\"SenderDomains\":[\"a.example\",\"%s\"],"
                         "\"TlsSenderCertificateName\":\"%s\",\"X%d\":\"%s\"}",
                         texts[i], texts[i], texts[i], texts[i], (int)i, texts[i]);
        CHECK(n > 0 && (size_t)n < sizeof text);
        (void)exchange_text(text, &out);
        CHECK(!has(buf_span(&out), "\ninbound") && !has(buf_span(&out), "\n    inbound \"evil\""));
        for (size_t k = 0; k < out.n; k++) {
            unsigned char c = (unsigned char)buf_span(&out).p[k];
            CHECK((c >= ' ' && c != 0x7f) || c == '\n');
        }
        CHECK(!has(buf_span(&out), "\xe2\x80\xae"));
        buf_done(&out);
    }
    test_case(NULL);
}

/* Cut anywhere, an export is an error with a place, or less; never something that does not parse.
 */
static void cut_everywhere(const char *file)
{
    struct buf text;
    test_read_file(file, &text);
    for (size_t n = 0; n < text.n; n += 7) {
        struct why why = { "" };
        struct draft d;
        struct buf out;
        buf_init(&out, TEXT_MAX);
        draft_init(&d, "Exchange", SPAN("imported"));
        enum err e = import_exchange(&d, SPAN("f"), span_head(buf_span(&text), n), &why);
        CHECK((e == ERR_OK) == (why.text[0] == '\0'));
        if (e == ERR_OK) {
            draft_finish(&d);
            draft_print(&d, &out);
            check_parses(buf_span(&out));
        }
        draft_done(&d);
        buf_done(&out);
    }
    buf_done(&text);
}

TEST(an_export_may_be_cut_anywhere)
{
    cut_everywhere("test/import/inbound.json");
    cut_everywhere("test/import/both.csv");
    cut_everywhere("test/import/dsc.ps1");
}
