/* What one host must fulfil: DANE (RFC 7672, 7671), MTA-STS (RFC 8461), REQUIRETLS and TLS-Required
 * (RFC 8689), case by case. The whole product is in test_grid_host.c. */
#include "base/why.h"
#include "policy/decide.h"
#include "test/test.h"

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define USABLE " tlsa=found tlsa-records=3-1-1-" DIGEST
#define UNUSABLE " tlsa=found tlsa-unusable=1"
#define LISTED " sts=enforce sts-match=yes"

enum { ARENA_BYTES = 64 * 1024 };

static const struct {
    const char *name;
    enum dane_mode dane;
    enum sts_mode sts;
    enum tls_need need;
    bool authenticated;
    const char *domain, *host; /* more of the lines of facts */
    const char *contract;      /* as printed */
    const char *reply;         /* decide_plan's; empty: the host is connected to */
} rows[] = {
    { "nothing looked up", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "", "",
      "tls=try floor=1.2 fs=no asked-by=nobody", "" },
    { "proven: none", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure tlsa=none sts=none", "tls=try floor=1.2 fs=no asked-by=nobody", "" },
    { "usable records", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure" USABLE, "tls=encrypt floor=1.2 fs=no tlsa=1 asked-by=dane", "" },
    { "usable beside unusable", DANE_OPPORTUNISTIC, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=secure tlsa-unusable=2" USABLE,
      "tls=encrypt floor=1.2 fs=no tlsa=1 "
      "asked-by=dane",
      "" },
    { "all dropped still must match", DANE_OPPORTUNISTIC, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=secure tlsa=found tlsa-dropped=1",
      "tls=encrypt floor=1.2 fs=no tlsa=0 asked-by=dane", "" },
    { "all unusable", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure" UNUSABLE, "tls=encrypt floor=1.2 fs=no asked-by=dane", "" },
    { "lookup failed", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure tlsa=failed" LISTED,
      "tls=name floor=1.2 fs=no bar=tlsa-failed asked-by=dane,mta-sts", "451 4.4.312" },
    { "forged", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure tlsa=bogus", "tls=try floor=1.2 fs=no bar=tlsa-bogus asked-by=dane",
      "450 4.7.324" },
    { "found, and nothing in it", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure tlsa=found", "tls=try floor=1.2 fs=no bar=tlsa-failed asked-by=dane",
      "451 4.4.312" },
    { "off", DANE_OFF, STS_OFF, TLS_NEED_TRY, false, "", " mx-security=secure sts=enforce" USABLE,
      "tls=try floor=1.2 fs=no asked-by=nobody", "" },
    { "a connector's demand stays beside", DANE_OPPORTUNISTIC, STS_OFF, TLS_NEED_CHAIN, false, "",
      " mx-security=secure" USABLE, "tls=chain floor=1.2 fs=no tlsa=1 asked-by=dane", "" },

    { "mandatory and usable", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=secure" USABLE,
      "tls=encrypt floor=1.2 fs=no dane=mandatory tlsa=1 asked-by=dane", "" },
    { "mandatory, configured", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, " configured=yes",
      USABLE, "tls=encrypt floor=1.2 fs=no dane=mandatory tlsa=1 asked-by=dane", "" },
    { "mandatory, not looked up", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "", "",
      "tls=encrypt floor=1.2 fs=no dane=mandatory bar=not-asked asked-by=dane", "451 4.4.312" },
    { "mandatory, none", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=secure ip-security=secure tlsa=none",
      "tls=encrypt floor=1.2 fs=no dane=mandatory bar=no-tlsa asked-by=dane", "450 4.7.323" },
    { "mandatory, unusable", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=secure ip-security=secure" UNUSABLE,
      "tls=encrypt floor=1.2 fs=no dane=mandatory bar=no-tlsa asked-by=dane", "450 4.7.323" },
    { "mandatory, insecure MX", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=insecure" USABLE,
      "tls=encrypt floor=1.2 fs=no dane=mandatory bar=no-dnssec asked-by=dane", "450 4.7.324" },
    { "mandatory, insecure address", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "",
      " mx-security=secure ip-security=insecure tlsa=none",
      "tls=encrypt floor=1.2 fs=no dane=mandatory bar=no-dnssec asked-by=dane", "450 4.7.324" },
    { "mandatory, failed", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false, "", " tlsa=failed",
      "tls=encrypt floor=1.2 fs=no dane=mandatory bar=tlsa-failed asked-by=dane", "451 4.4.312" },
    { "mandatory, STS does not do instead", DANE_MANDATORY, STS_OPPORTUNISTIC, TLS_NEED_TRY, false,
      "", " mx-security=secure ip-security=secure tlsa=none" LISTED,
      "tls=name floor=1.2 fs=no dane=mandatory bar=no-tlsa asked-by=dane,mta-sts", "450 4.7.323" },
    { "mandatory, a socket of this machine", DANE_MANDATORY, STS_OFF, TLS_NEED_TRY, false,
      " configured=yes", " path=yes", "tls=encrypt floor=1.2 fs=no dane=mandatory asked-by=nobody",
      "" },

    { "enforce", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " tlsa=none" LISTED, "tls=name floor=1.2 fs=no asked-by=mta-sts", "" },
    { "enforce, not listed", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " tlsa=none sts=enforce sts-match=no",
      "tls=try floor=1.2 fs=no bar=sts-host asked-by=mta-sts", "450 4.4.8" },
    { "enforce, listed or not cannot be told", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY,
      false, "", " tlsa=none sts=enforce", "tls=try floor=1.2 fs=no bar=sts-host asked-by=mta-sts",
      "450 4.4.8" },
    { "testing", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " sts=testing sts-match=no", "tls=try floor=1.2 fs=no asked-by=nobody", "" },
    /* = RFC 8461 3.3: no policy can be fetched and none is cached: "senders MUST continue with
     * delivery as though the domain has not implemented MTA-STS" */
    { "a policy that cannot be had", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " sts=failed", "tls=try floor=1.2 fs=no asked-by=nobody", "" },
    { "DANE goes before", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=secure sts=enforce sts-match=no" USABLE,
      "tls=encrypt floor=1.2 fs=no tlsa=1 asked-by=dane", "" },
    { "records of a forged MX prove nothing of the domain", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC,
      TLS_NEED_TRY, false, "", " mx-security=insecure sts=enforce sts-match=no" USABLE,
      "tls=encrypt floor=1.2 fs=no tlsa=1 bar=sts-host asked-by=dane,mta-sts", "450 4.4.8" },
    { "both, behind an insecure MX", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY, false, "",
      " mx-security=insecure" USABLE LISTED,
      "tls=name floor=1.2 fs=no tlsa=1 asked-by=dane,mta-sts", "" },
    { "unusable records do not stand for STS", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_TRY,
      false, "", " mx-security=secure" UNUSABLE LISTED,
      "tls=name floor=1.2 fs=no asked-by=dane,mta-sts", "" },

    { "REQUIRETLS, nothing known", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_ENCRYPT, true,
      "", " mx-security=insecure",
      "tls=name floor=1.2 fs=no authenticated=yes bar=requiretls asked-by=requiretls",
      "450 4.7.30" },
    { "REQUIRETLS, secure MX", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_ENCRYPT, true, "",
      " mx-security=secure", "tls=name floor=1.2 fs=no authenticated=yes asked-by=requiretls", "" },
    { "REQUIRETLS, DANE", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_ENCRYPT, true, "",
      " mx-security=secure" USABLE,
      "tls=encrypt floor=1.2 fs=no tlsa=1 authenticated=yes asked-by=dane", "" },
    { "REQUIRETLS, listed by STS", DANE_OPPORTUNISTIC, STS_OFF, TLS_NEED_ENCRYPT, true, "",
      " mx-security=insecure" LISTED,
      "tls=name floor=1.2 fs=no authenticated=yes asked-by=requiretls", "" },
    { "REQUIRETLS, STS testing proves nothing", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC,
      TLS_NEED_ENCRYPT, true, "", " mx-security=insecure sts=testing sts-match=yes",
      "tls=name floor=1.2 fs=no authenticated=yes bar=requiretls asked-by=requiretls",
      "450 4.7.30" },
    { "REQUIRETLS, configured", DANE_OPPORTUNISTIC, STS_OPPORTUNISTIC, TLS_NEED_ENCRYPT, true,
      " configured=yes", "", "tls=name floor=1.2 fs=no authenticated=yes asked-by=requiretls", "" },
};

static void read_facts(const char *domain, const char *host, struct arena *a, struct facts *ret)
{
    struct buf text;
    struct why why = { "" };
    buf_init(&text, FACTS_TEXT_MAX);
    buf_putf(&text, "domain=example.org exists=yes mx=yes%s\n", domain);
    buf_putf(&text, "host=mx.example.org preference=10 has-ip=yes ip=192.0.2.1%s\n", host);
    CHECK(facts_read(buf_span(&text), a, ret, &why) == ERR_OK);
    CHECK_Z(span_z(why.text), "");
    buf_done(&text);
}

static void check_reply(const struct reply *r, const char *want)
{
    struct buf text;
    buf_init(&text, 64);
    if (r->code > 0)
        buf_putf(&text, "%d %u.%u.%u", r->code, r->status.class, r->status.subject,
                 r->status.detail);
    CHECK_Z(buf_span(&text), want);
    buf_done(&text);
}

TEST(decide_host_contracts_rfc7672_rfc8461_rfc8689)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct contract base = { .need = rows[i].need,
                                 .floor = 12,
                                 .dane = rows[i].dane,
                                 .sts = rows[i].sts,
                                 .authenticated = rows[i].authenticated };
        struct arena a;
        struct facts f;
        struct buf text;
        test_case(rows[i].name);
        arena_init(&a, ARENA_BYTES);
        buf_init(&text, CONTRACT_TEXT_MAX);
        read_facts(rows[i].domain, rows[i].host, &a, &f);
        struct contract k = decide_host_contract(&base, &f, 0);
        contract_print(&k, &text);
        CHECK_Z(buf_span(&text), rows[i].contract);
        CHECK(contract_at_least(&k, &base));

        struct verdict v = decide_plan(&base, &f, 0);
        CHECK(contract_eq(&v.contract, &k));
        CHECK((v.step == STEP_CONNECT) == (k.bar == BAR_NONE));
        check_reply(&v.reply, rows[i].reply);
        v = decide_plan(&base, &f, 1); /* nobody was tried: the end speaks of the bar */
        CHECK(v.step == STEP_DEFER);
        check_reply(&v.reply, k.bar != BAR_NONE ? rows[i].reply : "451 4.4.3");
        buf_done(&text);
        arena_done(&a);
    }
}

/* A barred host takes nothing, whoever asks. */
TEST(decide_barred_host_takes_nothing)
{
    struct host_facts h = { .connected = TRI_YES, .starttls_offered = TRI_YES };
    struct tls_facts tls = { .on = true,
                             .version = SPAN("TLSv1.3"),
                             .forward_secret = true,
                             .chain_ok = true,
                             .name_ok = true,
                             .dane = TLS_DANE_EE };
    for (enum bar bar = BAR_REQUIRETLS; bar < BAR_COUNT_; bar++) {
        struct contract c = contract_none();
        c.bar = bar;
        CHECK(decide_greeted(&c, &h).step == STEP_NEXT_HOST);
        CHECK(decide_secured(&c, &h, &tls).step == STEP_NEXT_HOST);
        CHECK(decide_secured(&c, &h, NULL).step == STEP_NEXT_HOST);
        CHECK_NUM(contract_judge(&c, &tls), BREACH_BARRED);
        CHECK(bar_words(bar) != NULL);
        CHECK(!contract_allows_plaintext(&c));
    }
}

/* The next host is tried; the domain waits only if none will do. */
TEST(decide_cannot_tell_is_judged_host_by_host)
{
    static const char text[] = "domain=example.org exists=yes mx=yes\n"
                               "host=a preference=10 has-ip=yes ip=192.0.2.1 tlsa=failed\n"
                               "host=b preference=20 has-ip=yes ip=192.0.2.2 tlsa=none\n"
                               "host=c preference=30 has-ip=yes ip=192.0.2.3 tlsa=bogus\n";
    struct contract base = contract_none();
    struct arena a;
    struct facts f;
    arena_init(&a, ARENA_BYTES);
    CHECK(facts_read(span_z(text), &a, &f, NULL) == ERR_OK);
    base.dane = DANE_OPPORTUNISTIC;
    CHECK(decide_plan(&base, &f, 0).step == STEP_NEXT_HOST);
    CHECK(decide_plan(&base, &f, 1).step == STEP_CONNECT);
    CHECK(decide_plan(&base, &f, 2).step == STEP_NEXT_HOST);
    struct verdict v = decide_plan(&base, &f, 3);
    CHECK(v.step == STEP_DEFER);
    check_reply(&v.reply, "450 4.7.324");
    f.host[1].connected = TRI_NO; /* one that was tried speaks first */
    v = decide_plan(&base, &f, 3);
    check_reply(&v.reply, "451 4.4.1");
    arena_done(&a);
}

/* exchange-online.md 5.5: one code per cause. */
TEST(decide_dane_and_sts_codes)
{
    static const struct {
        const char *name, *host;
        enum tri starttls, handshake;
        enum tls_dane dane;
        bool chain, expired, named;
        const char *reply, *breach;
    } cases[] = {
        { "no STARTTLS", USABLE, TRI_NO, TRI_UNKNOWN, 0, 0, 0, 0, "450 4.7.321", "none" },
        { "no STARTTLS, unusable", UNUSABLE, TRI_NO, TRI_UNKNOWN, 0, 0, 0, 0, "450 4.7.321",
          "none" },
        { "no STARTTLS, STS", LISTED, TRI_NO, TRI_UNKNOWN, 0, 0, 0, 0, "450 4.7.321", "none" },
        { "no handshake", USABLE, TRI_YES, TRI_NO, 0, 0, 0, 0, "450 4.7.321", "none" },
        { "unknown", USABLE, TRI_YES, TRI_YES, TLS_DANE_UNKNOWN, true, false, true, "450 4.7.323",
          "tlsa" },
        { "none matches", USABLE, TRI_YES, TRI_YES, TLS_DANE_NO, true, false, true, "450 4.7.323",
          "tlsa" },
        { "DANE-TA, expired", USABLE, TRI_YES, TRI_YES, TLS_DANE_EXPIRED, true, false, true,
          "450 4.7.322", "tlsa-expired" },
        { "DANE-TA, name", USABLE, TRI_YES, TRI_YES, TLS_DANE_NAME, true, false, true,
          "450 4.7.325", "tlsa-name" },
        { "DANE-EE, whatever the chain", USABLE, TRI_YES, TRI_YES, TLS_DANE_EE, false, false, false,
          "", "none" },
        { "DANE-TA, whatever the chain", USABLE, TRI_YES, TRI_YES, TLS_DANE_TA, false, true, false,
          "", "none" },
        { "unusable, any certificate", UNUSABLE, TRI_YES, TRI_YES, TLS_DANE_NO, false, false, false,
          "", "none" },
        { "STS holds", LISTED, TRI_YES, TRI_YES, TLS_DANE_UNKNOWN, true, false, true, "", "none" },
        { "STS, chain", LISTED, TRI_YES, TRI_YES, TLS_DANE_EE, false, false, true, "450 4.7.5",
          "chain" },
        { "STS, expired", LISTED, TRI_YES, TRI_YES, TLS_DANE_EE, false, true, true, "450 4.7.5",
          "expired" },
        { "STS, name", LISTED, TRI_YES, TRI_YES, TLS_DANE_EE, true, false, false, "450 4.7.5",
          "name" },
    };
    struct contract base = contract_none();
    base.dane = DANE_OPPORTUNISTIC;
    base.sts = STS_OPPORTUNISTIC;
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct tls_facts tls = { .on = true,
                                 .version = SPAN("TLSv1.3"),
                                 .forward_secret = true,
                                 .chain_ok = cases[i].chain,
                                 .expired = cases[i].expired,
                                 .name_ok = cases[i].named,
                                 .dane = cases[i].dane };
        struct arena a;
        struct facts f;
        test_case(cases[i].name);
        arena_init(&a, ARENA_BYTES);
        read_facts("", cases[i].host, &a, &f);
        struct host_facts *h = &f.host[0];
        struct contract k = decide_host_contract(&base, &f, 0);
        h->connected = TRI_YES;
        h->starttls_offered = cases[i].starttls;
        h->handshake = cases[i].handshake;
        struct verdict v = h->starttls_offered == TRI_NO ? decide_greeted(&k, h)
                           : h->handshake == TRI_NO      ? decide_secured(&k, h, NULL)
                                                         : decide_secured(&k, h, &tls);
        CHECK((v.step == STEP_SEND) == (cases[i].reply[0] == '\0'));
        check_reply(&v.reply, cases[i].reply);
        CHECK_Z(span_z(breach_name(v.breach)), cases[i].breach);
        if (v.step != STEP_SEND) { /* the end of the list says the same */
            h->channel = v.breach != BREACH_NONE ? TRI_NO : TRI_UNKNOWN;
            h->breach = v.breach;
            v = decide_plan(&base, &f, 1);
            CHECK(v.step == STEP_DEFER);
            check_reply(&v.reply, cases[i].reply);
        }
        arena_done(&a);
    }
}

/* RFC 7672 3.2.2 */
TEST(decide_dane_reference_names)
{
    struct arena a;
    struct facts f;
    struct span names[DECIDE_DANE_NAMES_MAX];
    arena_init(&a, ARENA_BYTES);
    read_facts("", " mx-security=secure tlsa-base=mx.hoster.example", &a, &f);
    CHECK_NUM(decide_dane_names(&f, 0, names), 2);
    CHECK_Z(names[0], "mx.hoster.example");
    CHECK_Z(names[1], "example.org");
    read_facts("", " mx-security=insecure", &a, &f);
    CHECK_NUM(decide_dane_names(&f, 0, names), 1);
    CHECK_Z(names[0], "mx.example.org");
    read_facts(" configured=yes", " mx-security=secure", &a, &f);
    CHECK_NUM(decide_dane_names(&f, 0, names), 1);
    arena_done(&a);
}

/* RFC 8689 5: TLS-Required: No. */
TEST(decide_tls_required_no_relaxes_what_is_published)
{
    struct route r = { .kind = ROUTE_MX, .contract = contract_none() };
    struct message_facts no = { .tls_required_no = true };
    struct message_facts both = { .tls_required_no = true, .requiretls = true };
    r.contract.need = TLS_NEED_CHAIN;
    r.contract.dane = DANE_OPPORTUNISTIC;
    r.contract.sts = STS_OPPORTUNISTIC;
    struct contract c = decide_contract(&r, &no);
    CHECK(c.dane == DANE_OFF && c.sts == STS_OFF && c.need == TLS_NEED_CHAIN);
    CHECK(!decide_wants_tlsa(&c) && !decide_wants_sts(&c));
    c = decide_contract(&r, &both); /* REQUIRETLS wins, RFC 8689 4.1 */
    CHECK(c.dane == DANE_OPPORTUNISTIC && c.sts == STS_OPPORTUNISTIC && c.authenticated);
    CHECK(decide_wants_tlsa(&c) && decide_wants_sts(&c));
    CHECK(!c.keyword); /* of a notification: RFC 8689 5 */
    r.contract.dane = DANE_MANDATORY;
    c = decide_contract(&r, &no);
    CHECK(c.dane == DANE_MANDATORY && c.sts == STS_OFF);
    r.kind = ROUTE_MAILDIR;
    c = decide_contract(&r, &both);
    CHECK(c.dane == DANE_OFF && c.sts == STS_OFF && !c.authenticated);
}
