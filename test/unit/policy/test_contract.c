#include "policy/contract.h"
#include "test/test.h"

TEST(contract_need_names)
{
    for (unsigned i = 0; i < TLS_NEED_COUNT_; i++) {
        enum tls_need back = TLS_NEED_COUNT_;
        CHECK(tls_need_read(span_z(tls_need_name((enum tls_need)i)), &back) == ERR_OK);
        CHECK_NUM(back, i);
    }
    enum tls_need untouched = TLS_NEED_CHAIN;
    CHECK(tls_need_read(SPAN("may"), &untouched) == ERR_SYNTAX);
    CHECK(tls_need_read(SPAN(""), &untouched) == ERR_SYNTAX);
    CHECK(tls_need_read(SPAN("Try"), &untouched) == ERR_SYNTAX);
    CHECK_NUM(untouched, TLS_NEED_CHAIN);
}

TEST(contract_prints)
{
    static const struct {
        struct contract c;
        const char *text, *digest;
    } rows[] = {
        { { TLS_NEED_TRY, false, 12, 0 }, "tls=try floor=1.2 fs=no asked-by=nobody", "try.12.fs0" },
        { { TLS_NEED_ENCRYPT, true, 12, RULE_ROUTE },
          "tls=encrypt floor=1.2 fs=yes asked-by=route",
          "encrypt.12.fs1" },
        { { TLS_NEED_NAME, false, 13, RULE_ROUTE | RULE_REQUIRETLS },
          "tls=name floor=1.3 fs=no asked-by=route,requiretls",
          "name.13.fs0" },
        { { TLS_NEED_CHAIN, false, 13, RULE_DEFAULT | RULE_LOCAL },
          "tls=chain floor=1.3 fs=no asked-by=default,local",
          "chain.13.fs0" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct buf out;
        char digest[CONTRACT_DIGEST_MAX];
        buf_init(&out, 200);
        contract_print(&rows[i].c, &out);
        CHECK_Z(buf_span(&out), rows[i].text);
        CHECK_Z(span_z(contract_digest(&rows[i].c, digest)), rows[i].digest);
        buf_done(&out);
    }
}

TEST(contract_breach_in_words)
{
    struct contract c = { TLS_NEED_NAME, true, 13, RULE_ROUTE };
    struct tls_facts tls = { 0 };
    CHECK_Z(span_z(contract_breach(&c, &tls)), "the channel is not encrypted");
    tls.on = true;
    tls.version = SPAN("TLSv1.1");
    CHECK_Z(span_z(contract_breach(&c, &tls)), "the TLS version is below 1.2");
    tls.version = SPAN("TLSv1.2");
    CHECK_Z(span_z(contract_breach(&c, &tls)), "the TLS version is below the one demanded");
    tls.version = SPAN("TLSv1.3");
    CHECK_Z(span_z(contract_breach(&c, &tls)), "the cipher suite has no forward secrecy");
    tls.forward_secret = true;
    tls.name_ok = true; /* a name without a chain is worth nothing */
    CHECK_Z(span_z(contract_breach(&c, &tls)), "the certificate does not chain to a trusted root");
    tls.chain_ok = true;
    CHECK(contract_breach(&c, &tls) == NULL);
    tls.name_ok = false;
    CHECK_Z(span_z(contract_breach(&c, &tls)), "the certificate does not name the host");
}

TEST(contract_r14_plaintext_by_default)
{
    struct contract c = contract_none();
    struct tls_facts plain = { 0 };
    CHECK(contract_breach(&c, &plain) == NULL);
}

TEST(contract_try_never_fails_on_certificates)
{
    struct contract c = { TLS_NEED_TRY, true, 13, RULE_ROUTE };
    struct tls_facts tls = { .on = true, .version = SPAN("TLSv1.2") };
    CHECK(contract_breach(&c, &tls) == NULL);
}
