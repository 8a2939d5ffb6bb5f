#include "policy/contract.h"
#include "test/test.h"

static struct span lab_names[] = { { "mx.lab.example", 14 },
                                   { "mail.lab.example", 16 },
                                   { "x.example", 9 } };
static struct span bank_names[] = { { "*.bank.example", 14 } };
static const struct name_set lab = { .id = 1, .n = 3, .name = lab_names };
static const struct name_set bank = { .id = 5, .n = 1, .name = bank_names };

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
        { { .need = TLS_NEED_TRY, .floor = 12 },
          "tls=try floor=1.2 fs=no asked-by=nobody",
          "try.12.fs0" },
        { { .need = TLS_NEED_ENCRYPT, .forward_secret = true, .floor = 12, .rules = RULE_ROUTE },
          "tls=encrypt floor=1.2 fs=yes asked-by=route",
          "encrypt.12.fs1" },
        { { .need = TLS_NEED_NAME, .floor = 13, .rules = RULE_ROUTE | RULE_REQUIRETLS },
          "tls=name floor=1.3 fs=no asked-by=route,requiretls",
          "name.13.fs0" },
        { { .need = TLS_NEED_CHAIN, .floor = 13, .rules = RULE_DEFAULT | RULE_LOCAL },
          "tls=chain floor=1.3 fs=no asked-by=default,local",
          "chain.13.fs0" },
        { { .need = TLS_NEED_NAME,
            .floor = 12,
            .allow_expired = true,
            .revocation = REVOCATION_HARD,
            .names = { &bank, &lab, &bank },
            .n_names = 3,
            .host_name = true,
            .identity = 7,
            .rules = RULE_CONNECTOR | RULE_WEAKENED },
          "tls=name floor=1.2 fs=no expired=allowed revocation=hard "
          "names=mx.lab.example+2;*.bank.example;host identity=7 asked-by=connector,weakened",
          "name.12.fs0.expired.revocation2.n1.n5.host.i7" },
        { { .need = TLS_NEED_NAME, .floor = 12, .host_name = true },
          "tls=name floor=1.2 fs=no asked-by=nobody",
          "name.12.fs0" },
        { { .need = TLS_NEED_ENCRYPT, .floor = 12, .allow_expired = true, .host_name = true },
          "tls=encrypt floor=1.2 fs=no names=host asked-by=nobody",
          "encrypt.12.fs0.host" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct buf out;
        char digest[CONTRACT_DIGEST_MAX];
        buf_init(&out, CONTRACT_TEXT_MAX);
        contract_print(&rows[i].c, &out);
        CHECK_Z(buf_span(&out), rows[i].text);
        CHECK_Z(span_z(contract_digest(&rows[i].c, digest)), rows[i].digest);
        buf_done(&out);
    }
}

TEST(contract_breach_in_words)
{
    struct contract c = {
        .need = TLS_NEED_NAME, .forward_secret = true, .floor = 13, .rules = RULE_ROUTE
    };
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
    struct contract c = {
        .need = TLS_NEED_TRY, .forward_secret = true, .floor = 13, .rules = RULE_ROUTE
    };
    struct tls_facts tls = { .on = true, .version = SPAN("TLSv1.2") };
    CHECK(contract_breach(&c, &tls) == NULL);
}

TEST(contract_breach_names)
{
    for (unsigned i = 0; i < BREACH_COUNT_; i++) {
        enum breach back = BREACH_COUNT_;
        CHECK(breach_read(span_z(breach_name((enum breach)i)), &back) == ERR_OK);
        CHECK_NUM(back, i);
        CHECK((breach_words((enum breach)i) == NULL) == (i == BREACH_NONE));
    }
    enum breach untouched = BREACH_OLD;
    CHECK(breach_read(SPAN("broken"), &untouched) == ERR_SYNTAX);
    CHECK_NUM(untouched, BREACH_OLD);
}

/* --- the certificate */

TEST(contract_judges_certificates)
{
    static const struct {
        const char *name;
        struct contract c;
        bool chain, expired, host;
        enum tls_revoked revoked;
        const char *names;
        enum breach breach;
    } rows[] = {
        { "expired", { .need = TLS_NEED_CHAIN }, 0, 1, 1, 0, "", BREACH_EXPIRED },
        { "expired, allowed",
          { .need = TLS_NEED_CHAIN, .allow_expired = true },
          0,
          1,
          0,
          0,
          "",
          BREACH_NONE },
        { "no root, expired allowed",
          { .need = TLS_NEED_CHAIN, .allow_expired = true },
          0,
          0,
          1,
          0,
          "",
          BREACH_CHAIN },
        { "expired, allowed, another name",
          { .need = TLS_NEED_NAME, .allow_expired = true },
          0,
          1,
          0,
          0,
          "mx.bank.example",
          BREACH_NAME },
        { "expired under encrypt", { .need = TLS_NEED_ENCRYPT }, 0, 1, 0, 0, "", BREACH_NONE },
        { "revoked, nobody looks",
          { .need = TLS_NEED_NAME },
          1,
          0,
          1,
          TLS_REVOKED_YES,
          "",
          BREACH_NONE },
        { "revoked, soft",
          { .need = TLS_NEED_CHAIN, .revocation = REVOCATION_SOFT },
          1,
          0,
          1,
          TLS_REVOKED_YES,
          "",
          BREACH_REVOKED },
        { "untold, soft",
          { .need = TLS_NEED_CHAIN, .revocation = REVOCATION_SOFT },
          1,
          0,
          1,
          TLS_REVOKED_UNKNOWN,
          "",
          BREACH_NONE },
        { "untold, hard",
          { .need = TLS_NEED_CHAIN, .revocation = REVOCATION_HARD },
          1,
          0,
          1,
          TLS_REVOKED_UNKNOWN,
          "",
          BREACH_UNTOLD },
        { "revoked, hard",
          { .need = TLS_NEED_CHAIN, .revocation = REVOCATION_HARD },
          1,
          0,
          1,
          TLS_REVOKED_YES,
          "",
          BREACH_REVOKED },
        { "good, hard",
          { .need = TLS_NEED_CHAIN, .revocation = REVOCATION_HARD },
          1,
          0,
          1,
          TLS_REVOKED_NO,
          "",
          BREACH_NONE },
        { "revoked, any certificate will do",
          { .need = TLS_NEED_ENCRYPT, .revocation = REVOCATION_HARD },
          1,
          0,
          1,
          TLS_REVOKED_YES,
          "",
          BREACH_NONE },
        { "a name of the set, not the host's",
          { .need = TLS_NEED_NAME, .names = { &lab }, .n_names = 1 },
          1,
          0,
          0,
          0,
          "a.example,mail.lab.example",
          BREACH_NONE },
        { "the host's name, none of the set",
          { .need = TLS_NEED_NAME, .names = { &lab }, .n_names = 1 },
          1,
          0,
          1,
          0,
          "a.example",
          BREACH_NAME },
        { "one set of two",
          { .need = TLS_NEED_NAME, .names = { &lab, &bank }, .n_names = 2 },
          1,
          0,
          1,
          0,
          "mx.lab.example",
          BREACH_NAME },
        { "two sets of two",
          { .need = TLS_NEED_NAME, .names = { &lab, &bank }, .n_names = 2 },
          1,
          0,
          0,
          0,
          "mx.lab.example,mx.bank.example",
          BREACH_NONE },
        { "a set and the host, which it is not",
          { .need = TLS_NEED_NAME, .names = { &lab }, .n_names = 1, .host_name = true },
          1,
          0,
          0,
          0,
          "mx.lab.example",
          BREACH_NAME },
        { "sets do not count below name",
          { .need = TLS_NEED_CHAIN, .names = { &lab }, .n_names = 1 },
          1,
          0,
          0,
          0,
          "",
          BREACH_NONE },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct tls_facts tls = { .on = true,
                                 .version = SPAN("TLSv1.3"),
                                 .peer_cert = true,
                                 .forward_secret = true,
                                 .chain_ok = rows[i].chain,
                                 .expired = rows[i].expired,
                                 .name_ok = rows[i].host,
                                 .revoked = rows[i].revoked,
                                 .names = span_z(rows[i].names) };
        CHECK_Z(span_z(breach_name(contract_judge(&rows[i].c, &tls))), breach_name(rows[i].breach));
        CHECK(contract_breach(&rows[i].c, &tls) == breach_words(rows[i].breach));
    }
}

TEST(contract_partners_ca_is_no_public_one)
{
    struct contract c = { .need = TLS_NEED_CHAIN, .floor = 12, .allow_expired = true };
    struct tls_facts tls = {
        .on = true, .version = SPAN("TLSv1.3"), .chain_ok = true, .anchor_private = true
    };
    CHECK_NUM(contract_judge(&c, &tls), BREACH_CHAIN);
    tls.chain_ok = false;
    tls.expired = true;
    CHECK_NUM(contract_judge(&c, &tls), BREACH_CHAIN);
    tls.anchor_private = false;
    CHECK_NUM(contract_judge(&c, &tls), BREACH_NONE);
}

/* --- join */

TEST(contract_join_keeps_the_host_name_beside_a_set)
{
    struct contract named = { .need = TLS_NEED_NAME, .floor = 12, .names = { &lab }, .n_names = 1 };
    struct contract host = { .need = TLS_NEED_NAME, .floor = 12 };
    struct contract both = contract_join(named, host);
    CHECK(both.n_names == 1 && both.host_name);
    CHECK(contract_at_least(&both, &named) && contract_at_least(&both, &host));
    CHECK(!contract_at_least(&named, &host) && !contract_at_least(&host, &named));
    struct contract low = { .need = TLS_NEED_ENCRYPT, .floor = 12 };
    both = contract_join(named, low);
    CHECK(contract_eq(&both, &named) && !both.host_name);
}

TEST(contract_join_allows_expired_only_if_all_do)
{
    struct contract lax = { .need = TLS_NEED_CHAIN, .floor = 12, .allow_expired = true };
    struct contract strict = { .need = TLS_NEED_NAME, .floor = 12 };
    struct contract low = { .need = TLS_NEED_ENCRYPT, .floor = 12 };
    CHECK(!contract_join(lax, strict).allow_expired);
    CHECK(!contract_join(strict, lax).allow_expired);
    CHECK(contract_join(lax, low).allow_expired);
    CHECK(contract_join(low, lax).allow_expired);
    CHECK(contract_join(lax, lax).allow_expired);
    low.allow_expired = true; /* says nothing there */
    CHECK(!contract_join(low, strict).allow_expired);
    CHECK(!contract_join(low, low).allow_expired);
}

TEST(contract_t26_identity_in_digest)
{
    struct contract a = contract_none(), b = contract_none();
    char x[CONTRACT_DIGEST_MAX], y[CONTRACT_DIGEST_MAX];
    a.identity = 1;
    CHECK(!contract_eq(&a, &b));
    CHECK(contract_at_least(&a, &b) && contract_at_least(&b, &a)); /* no demand */
    CHECK(strcmp(contract_digest(&a, x), contract_digest(&b, y)) != 0);
    CHECK_NUM(contract_join(a, b).identity, 1);
    CHECK_NUM(contract_join(b, a).identity, 1);
}

TEST(contract_t15_largest_text_and_digest_fit)
{
    static char nasty[4000];
    struct span name[2] = { { nasty, sizeof nasty }, { nasty, sizeof nasty } };
    struct name_set set[CONTRACT_NAMES_MAX];
    struct contract c = { .need = TLS_NEED_NAME,
                          .forward_secret = true,
                          .allow_expired = true,
                          .floor = 13,
                          .revocation = REVOCATION_SOFT,
                          .host_name = true,
                          .identity = UINT32_MAX,
                          .rules = ~0u };
    memset(nasty, '\n', sizeof nasty);
    for (unsigned i = 0; i < CONTRACT_NAMES_MAX; i++) {
        set[i] = (struct name_set){ .id = UINT32_MAX - i, .n = UINT32_MAX, .name = name };
        c.names[c.n_names++] = &set[i];
    }
    struct buf out;
    char digest[CONTRACT_DIGEST_MAX];
    buf_init(&out, CONTRACT_TEXT_MAX);
    contract_print(&c, &out);
    CHECK_NUM(span_find(buf_span(&out), '\n'), out.n);
    CHECK(strlen(contract_digest(&c, digest)) < CONTRACT_DIGEST_MAX);
    buf_done(&out);
}
