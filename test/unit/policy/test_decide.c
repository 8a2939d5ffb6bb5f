#include "policy/decide.h"
#include "test/test.h"

static const struct contract try_contract = { .need = TLS_NEED_TRY,
                                              .floor = 12,
                                              .rules = RULE_DEFAULT };
static const struct contract encrypt_contract = { .need = TLS_NEED_ENCRYPT,
                                                  .floor = 12,
                                                  .rules = RULE_ROUTE };

static void check_verdict(struct verdict v, enum step step, int code, const char *status)
{
    char text[24] = "";
    struct buf b;
    buf_init(&b, sizeof text - 1);
    if (v.reply.code)
        buf_putf(&b, "%u.%u.%u", v.reply.status.class, v.reply.status.subject,
                 v.reply.status.detail);
    memcpy(text, buf_z(&b), b.n + 1);
    buf_done(&b);
    CHECK_Z(span_z(step_name(v.step)), step_name(step));
    CHECK_NUM(v.reply.code, code);
    CHECK_Z(span_z(text), status);
    CHECK(v.why && *v.why);
    CHECK((v.reply.text.n > 0) == (code > 0));
}

/* --- contracts */

TEST(decide_contract_by_route_and_message)
{
    struct route_host net = { .name = SPAN("mx.example.org") };
    struct route_host path = { .name = SPAN("/run/lmtp"), .is_path = true };
    struct route_host mixed[2] = { path, net };
    struct route mx = { .kind = ROUTE_MX, .contract = contract_none() };
    struct route forced = { .kind = ROUTE_SMTP, .host = &net, .n_host = 1 };
    struct route named = { .kind = ROUTE_SMTP, .host = &net, .n_host = 1 };
    struct route lmtp = { .kind = ROUTE_LMTP, .host = &path, .n_host = 1 };
    struct route both = { .kind = ROUTE_LMTP, .host = mixed, .n_host = 2 };
    struct route maildir = { .kind = ROUTE_MAILDIR };
    forced.contract = encrypt_contract;
    named.contract = (struct contract){
        .need = TLS_NEED_NAME, .forward_secret = true, .floor = 13, .rules = RULE_ROUTE
    };
    const struct {
        const char *name;
        const struct route *route;
        bool requiretls, tls_required_no;
        const char *text;
    } rows[] = {
        { "nobody asks", &mx, 0, 0, "tls=try floor=1.2 fs=no asked-by=default" },
        { "TLS-Required: No lowers nothing", &forced, 0, 1,
          "tls=encrypt floor=1.2 fs=no asked-by=route" },
        { "REQUIRETLS raises", &mx, 1, 0,
          "tls=encrypt floor=1.2 fs=no authenticated=yes asked-by=requiretls" },
        { "REQUIRETLS beats TLS-Required: No", &mx, 1, 1,
          "tls=encrypt floor=1.2 fs=no authenticated=yes asked-by=requiretls" },
        { "REQUIRETLS does not lower", &named, 1, 0,
          "tls=name floor=1.3 fs=yes authenticated=yes asked-by=route,requiretls" },
        { "unix socket", &lmtp, 1, 0, "tls=try floor=1.2 fs=no asked-by=local" },
        { "Maildir", &maildir, 0, 0, "tls=try floor=1.2 fs=no asked-by=local" },
        { "one host of two is remote", &both, 1, 0,
          "tls=encrypt floor=1.2 fs=no authenticated=yes asked-by=requiretls" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct message_facts m = { .requiretls = rows[i].requiretls,
                                   .tls_required_no = rows[i].tls_required_no };
        struct contract c = decide_contract(rows[i].route, &m);
        struct buf out;
        buf_init(&out, 200);
        contract_print(&c, &out);
        CHECK_Z(buf_span(&out), rows[i].text);
        CHECK(contract_at_least(&c, &rows[i].route->contract));
        buf_done(&out);
    }
}

/* R7: what the message came by is no part of the decision; R14: plaintext is permitted by default.
 */
TEST(decide_r7_r11_next_hop_is_judged_anew)
{
    struct route mx = { .kind = ROUTE_MX, .contract = contract_none() };
    struct message_facts m = { .from = SPAN("came@by.tls.example") };
    struct contract c = decide_contract(&mx, &m);
    struct host_facts h = { .starttls_offered = TRI_NO };
    check_verdict(decide_greeted(&c, &h), STEP_SEND, 0, "");
}

/* R16, R17, R18: what runs between our own nodes is a route with a contract like any other. */
TEST(decide_r16_r18_internal_links)
{
    struct contract c = {
        .need = TLS_NEED_NAME, .forward_secret = true, .floor = 12, .rules = RULE_ROUTE
    };
    struct host_facts h = { .starttls_offered = TRI_NO };
    struct tls_facts tls = { .on = true, .version = SPAN("TLSv1.2") };
    check_verdict(decide_greeted(&c, &h), STEP_NEXT_HOST, 450, "4.4.317");
    h.handshake = TRI_YES;
    tls.chain_ok = tls.name_ok = true;
    check_verdict(decide_secured(&c, &h, &tls), STEP_NEXT_HOST, 450, "4.4.317");
    tls.forward_secret = true;
    check_verdict(decide_secured(&c, &h, &tls), STEP_SEND, 0, "");
    tls.chain_ok = false;
    check_verdict(decide_secured(&c, &h, &tls), STEP_NEXT_HOST, 450, "4.7.320");
}

/* --- one host */

TEST(decide_t04_stripping)
{
    struct host_facts h = { .starttls_offered = TRI_YES };
    check_verdict(decide_greeted(&try_contract, &h), STEP_STARTTLS, 0, "");
    check_verdict(decide_greeted(&encrypt_contract, &h), STEP_STARTTLS, 0, "");
    /* STARTTLS is answered 454 */
    h.handshake = TRI_NO;
    check_verdict(decide_secured(&try_contract, &h, NULL), STEP_PLAINTEXT, 0, "");
    check_verdict(decide_secured(&encrypt_contract, &h, NULL), STEP_NEXT_HOST, 450, "4.4.317");
    /* the same host, anew: no second STARTTLS, or the two would go round for ever */
    check_verdict(decide_greeted(&try_contract, &h), STEP_SEND, 0, "");
    check_verdict(decide_greeted(&encrypt_contract, &h), STEP_NEXT_HOST, 450, "4.4.317");
    h.starttls_offered = TRI_NO;
    check_verdict(decide_greeted(&try_contract, &h), STEP_SEND, 0, "");
    check_verdict(decide_greeted(&encrypt_contract, &h), STEP_NEXT_HOST, 450, "4.4.317");
    h.starttls_offered = TRI_UNKNOWN;
    check_verdict(decide_greeted(&try_contract, &h), STEP_NEXT_HOST, 451, "4.4.1");
}

/* TLS facts that say "off", or that stand beside a failed handshake, are no TLS. */
TEST(decide_secured_needs_a_handshake)
{
    struct tls_facts tls = { .version = SPAN("TLSv1.3") };
    struct host_facts h = { .handshake = TRI_YES };
    check_verdict(decide_secured(&encrypt_contract, &h, &tls), STEP_NEXT_HOST, 450, "4.4.317");
    tls.on = true;
    check_verdict(decide_secured(&encrypt_contract, &h, &tls), STEP_SEND, 0, "");
    h.handshake = TRI_NO;
    check_verdict(decide_secured(&encrypt_contract, &h, &tls), STEP_NEXT_HOST, 450, "4.4.317");
}

/* --- the list of hosts */

/* Hosts in a few letters: "10a 20u" is preference 10 with an address, 20 that is us. a: address,
 * n: none, ?: cannot tell, u: us, e: "yes" without one, p: path; with a bogus answer b: an address,
 * N: none, P: path, B: the MX. */
static void host_read(struct span word, struct host_facts *h)
{
    uint64_t preference = 0;
    char kind = word.p[word.n - 1];
    CHECK(span_u64(span_head(word, word.n - 1), UINT16_MAX, &preference) == ERR_OK);
    *h = (struct host_facts){ .name = word, .preference = (uint16_t)preference };
    h->has_ip = kind == 'n' || kind == 'N'                  ? TRI_NO
                : kind == '?' || kind == 'p' || kind == 'P' ? TRI_UNKNOWN
                                                            : TRI_YES;
    h->n_ip = h->has_ip == TRI_YES && kind != 'e';
    h->ip[0].family = IP_V4;
    h->is_us = kind == 'u';
    h->is_path = kind == 'p' || kind == 'P';
    h->ip_security = kind == 'b' || kind == 'N' || kind == 'P' ? SECURITY_BOGUS : SECURITY_INSECURE;
    h->mx_security = kind == 'B' ? SECURITY_BOGUS : SECURITY_INSECURE;
}

static struct facts facts_of(const char *hosts)
{
    struct facts f = { .domain = SPAN("example.org"), .has_mx = TRI_YES, .domain_exists = TRI_YES };
    struct span s = span_z(hosts);
    while (s.n > 0)
        host_read(span_cut(&s, ' '), &f.host[f.n_host++]);
    return f;
}

/* The steps for i = 0.. in letters, and the last verdict. */
static struct verdict walk(const struct facts *f, char *ret)
{
    struct verdict v = { 0 };
    for (unsigned i = 0; i <= f->n_host; i++) {
        v = decide_plan(&try_contract, f, i);
        *ret++ = "csSpndb"[v.step];
    }
    *ret = '\0';
    return v;
}

TEST(decide_plan_lists)
{
    static const struct {
        const char *name, *hosts, *steps;
        bool configured;
        int code;
        const char *status;
    } rows[] = {
        { "all in order", "10a 20a", "ccd", 0, 451, "4.4.3" },
        { "unknown is skipped", "10? 20a", "ncd", 0, 451, "4.4.3" },
        { "none is skipped", "10n 20a", "ncd", 0, 451, "4.4.3" },
        { "unknown keeps the domain", "10n 20?", "nnd", 0, 451, "4.4.3" },
        { "proven: none at all", "10n 20n", "nnb", 0, 550, "5.4.4" },
        { "forged absence is no proof", "10n 20b", "nnd", 0, 450, "4.7.324" },
        { "forged absence", "10n 20N", "nnd", 0, 450, "4.7.324" },
        { "a path needs no DNS", "10P", "cd", 1, 451, "4.4.3" },
        { "we are there twice", "10a 20u 30u", "cnnd", 0, 451, "4.4.3" },
        { "forged address", "10b 20a", "ncd", 0, 450, "4.7.324" },
        { "forged MX", "10B 20a", "ncd", 0, 450, "4.7.324" },
        { "yes without an address", "10e", "nd", 0, 451, "4.4.3" },
        { "we are last", "10a 20u", "cnd", 0, 451, "4.4.3" },
        { "equal to us is dropped", "10a 20a 20u", "cnnd", 0, 451, "4.4.3" },
        { "worse than us is dropped", "10a 20u 30a", "cnnd", 0, 451, "4.4.3" },
        { "order does not matter", "30a 20u 10a 5u 1a", "nnnncd", 0, 451, "4.4.3" },
        { "we are best", "10u 20a", "bbb", 0, 554, "5.4.6" },
        { "we are all", "10u", "bb", 0, 554, "5.4.6" },
        { "we share the best", "10a 10u", "bbb", 0, 554, "5.4.6" },
        { "better one has no address", "10n 20u", "nnb", 0, 550, "5.4.4" },
        { "better one cannot be told", "10? 20u", "nnd", 0, 451, "4.4.3" },
        { "no hosts", "", "d", 0, 451, "4.4.3" },
        { "highest preference", "65535a", "cd", 0, 451, "4.4.3" },
        { "highest preference is us", "65535u", "bb", 0, 554, "5.4.6" },
        { "configured: a loop is not looked for", "0u 1a", "ccd", 1, 451, "4.4.3" },
        { "configured: a wrong name defers", "0n", "nd", 1, 451, "4.4.3" },
        { "configured: path", "0p", "cd", 1, 451, "4.4.3" },
        { "path among the dead", "0n 1p", "ncd", 0, 451, "4.4.3" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        char steps[FACTS_HOSTS_MAX + 2];
        struct facts f = facts_of(rows[i].hosts);
        f.configured = rows[i].configured;
        struct verdict v = walk(&f, steps);
        CHECK_Z(span_z(steps), rows[i].steps);
        check_verdict(v, v.step, rows[i].code, rows[i].status);
    }
}

/* = RFC 8689 4.2.1: "repeat steps 2-5 with each host on the recipient domain's list of MX hosts",
 * "If there are no more MX hosts, the client MUST NOT transmit the message to the domain." */
TEST(t43_decide_all_hosts_are_asked_for_requiretls)
{
    struct route mx = { .kind = ROUTE_MX, .contract = contract_none() };
    struct message_facts m = { .from = SPAN("a@b.example"), .requiretls = true };
    struct contract c = decide_contract(&mx, &m);
    struct facts f = facts_of("10a 20a 30n");
    for (unsigned i = 0; i < 3; i++)
        f.host[i].mx_security = SECURITY_SECURE;
    struct host_facts *h = f.host;
    CHECK(c.keyword && c.authenticated);

    struct contract k = decide_plan(&c, &f, 0).contract;
    check_verdict(decide_announced(&k, &h[0]), STEP_NEXT_HOST, 450, "4.7.30");
    h[0].connected = h[0].starttls_offered = h[0].handshake = TRI_YES;
    h[0].requiretls = TRI_NO;
    check_verdict(decide_announced(&k, &h[0]), STEP_NEXT_HOST, 450, "4.7.30");
    check_verdict(decide_plan(&c, &f, 1), STEP_CONNECT, 0, "");
    h[1] = h[0];
    h[1].preference = 20;
    check_verdict(decide_plan(&c, &f, 3), STEP_BOUNCE, 550, "5.7.30");

    /* what somebody on the line can have done is no last word */
    h[0].requiretls = TRI_UNKNOWN;
    h[0].starttls_offered = TRI_NO;
    check_verdict(decide_plan(&c, &f, 3), STEP_DEFER, 450, "4.7.30");
    h[1].starttls_offered = TRI_NO;
    h[1].handshake = h[1].requiretls = TRI_UNKNOWN;
    check_verdict(decide_plan(&c, &f, 3), STEP_DEFER, 450, "4.7.10");
    h[1].handshake = TRI_NO;
    check_verdict(decide_plan(&c, &f, 3), STEP_DEFER, 450, "4.7.10");

    h[1].requiretls = TRI_YES;
    check_verdict(decide_announced(&k, &h[1]), STEP_SEND, 0, "");
    m.from = SPAN_NONE; /* a notification: the channel as before, without the word */
    struct contract n = decide_contract(&mx, &m);
    CHECK(n.authenticated && !n.keyword && !contract_eq(&n, &c) && contract_at_least(&c, &n));
    CHECK(!contract_at_least(&n, &c) && contract_join(n, c).keyword);
    char with[CONTRACT_DIGEST_MAX], without[CONTRACT_DIGEST_MAX];
    CHECK(strcmp(contract_digest(&c, with), contract_digest(&n, without)) != 0); /* T-42 */
    struct buf text;
    buf_init(&text, CONTRACT_TEXT_MAX);
    contract_print(&c, &text);
    CHECK_Z(buf_span(&text), "tls=encrypt floor=1.2 fs=no authenticated=yes keyword=yes "
                             "asked-by=requiretls");
    buf_done(&text);
    check_verdict(decide_announced(&n, &h[0]), STEP_SEND, 0, "");
    m.from = SPAN("a@b.example"); /* a socket of this machine */
    mx.kind = ROUTE_MAILDIR;
    CHECK(!decide_contract(&mx, &m).keyword);
}

TEST(decide_plan_domains)
{
    struct facts f = facts_of("10a");
    f.domain_exists = TRI_NO;
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_BOUNCE, 550, "5.1.2");
    f.null_mx = true; /* NXDOMAIN is the stronger word */
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_BOUNCE, 550, "5.1.2");
    f.domain_exists = TRI_YES;
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_BOUNCE, 556, "5.1.10");
    f.null_mx = false;
    f.has_mx = TRI_UNKNOWN; /* an address is at hand, and is not used */
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_DEFER, 451, "4.4.3");
    f.domain_exists = TRI_UNKNOWN;
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_DEFER, 451, "4.4.3");
    f.has_mx = TRI_NO; /* implicit MX */
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_CONNECT, 0, "");
    f.configured = true; /* a route asks nobody */
    f.has_mx = TRI_UNKNOWN;
    check_verdict(decide_plan(&try_contract, &f, 0), STEP_CONNECT, 0, "");
}

/* Expired, revoked, without a root and of another name are told apart by the text. */
TEST(decide_secured_tells_certificates_apart)
{
    static const struct {
        const char *name;
        bool chain, expired, host;
        enum tls_revoked revoked;
        enum breach breach;
        const char *text;
    } rows[] = {
        { "no root", 0, 0, 1, TLS_REVOKED_NO, BREACH_CHAIN,
          "Certificate validation failed: it does not chain to a trusted root" },
        { "expired", 0, 1, 1, TLS_REVOKED_NO, BREACH_EXPIRED,
          "Certificate validation failed: it is out of its time" },
        { "revoked", 1, 0, 1, TLS_REVOKED_YES, BREACH_REVOKED,
          "Certificate validation failed: it is revoked" },
        { "untold", 1, 0, 1, TLS_REVOKED_UNKNOWN, BREACH_UNTOLD,
          "Certificate validation failed: it cannot be told whether it is revoked" },
        { "name", 1, 0, 0, TLS_REVOKED_NO, BREACH_NAME,
          "Certificate validation failed: it has none of the names that are expected" },
    };
    struct contract c = { .need = TLS_NEED_NAME, .floor = 12, .revocation = REVOCATION_HARD };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct facts f = facts_of("10a");
        struct tls_facts tls = { .on = true,
                                 .version = SPAN("TLSv1.3"),
                                 .chain_ok = rows[i].chain,
                                 .expired = rows[i].expired,
                                 .name_ok = rows[i].host,
                                 .revoked = rows[i].revoked };
        f.host[0].connected = f.host[0].starttls_offered = f.host[0].handshake = TRI_YES;
        struct verdict v = decide_secured(&c, &f.host[0], &tls);
        check_verdict(v, STEP_NEXT_HOST, 450, "4.7.320");
        CHECK_Z(v.reply.text, rows[i].text);
        CHECK_NUM(v.breach, rows[i].breach);
        /* the end of the list says the same, when the facts kept it */
        f.host[0].channel = TRI_NO;
        f.host[0].breach = v.breach;
        v = decide_plan(&c, &f, 1);
        check_verdict(v, STEP_DEFER, 450, "4.7.320");
        CHECK_Z(v.reply.text, rows[i].text);
    }
}

TEST(decide_end_of_list_keeps_a_weak_version_apart)
{
    struct contract c = { .need = TLS_NEED_NAME, .floor = 13 };
    struct facts f = facts_of("10a");
    f.host[0].connected = f.host[0].starttls_offered = f.host[0].handshake = TRI_YES;
    f.host[0].channel = TRI_NO;
    f.host[0].breach = BREACH_FLOOR;
    check_verdict(decide_plan(&c, &f, 1), STEP_DEFER, 450, "4.4.317");
    f.host[0].breach = BREACH_NONE;
    check_verdict(decide_plan(&c, &f, 1), STEP_DEFER, 450, "4.7.320");
}

/* The end of the list speaks of the host that was tried last, in the code of its failure. */
TEST(decide_plan_end_has_last_failure)
{
    static const struct {
        const char *name;
        enum tls_need need;
        enum tri connected, starttls, handshake, channel;
        int code;
        const char *status;
    } rows[] = {
        { "not reached", TLS_NEED_NAME, TRI_NO, 0, 0, 0, 451, "4.4.1" },
        { "no STARTTLS", TLS_NEED_ENCRYPT, TRI_YES, TRI_NO, 0, 0, 450, "4.4.317" },
        { "no STARTTLS, lost", TLS_NEED_TRY, TRI_YES, TRI_NO, 0, 0, 451, "4.4.1" },
        { "handshake", TLS_NEED_ENCRYPT, TRI_YES, TRI_YES, TRI_NO, 0, 450, "4.4.317" },
        { "handshake, lost", TLS_NEED_TRY, TRI_YES, TRI_YES, TRI_NO, 0, 451, "4.4.1" },
        { "weak", TLS_NEED_ENCRYPT, TRI_YES, TRI_YES, TRI_YES, TRI_NO, 450, "4.4.317" },
        { "certificate", TLS_NEED_CHAIN, TRI_YES, TRI_YES, TRI_YES, TRI_NO, 450, "4.7.320" },
        { "good channel, lost", TLS_NEED_NAME, TRI_YES, TRI_YES, TRI_YES, TRI_YES, 451, "4.4.1" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct facts f = facts_of("10a 20a 30?");
        struct contract c = { .need = rows[i].need, .floor = 12, .rules = RULE_ROUTE };
        CHECK(decide_last_failure(&f) == NULL);
        f.host[0].connected = TRI_NO;
        CHECK(decide_last_failure(&f) == &f.host[0]);
        f.host[1].connected = rows[i].connected;
        f.host[1].starttls_offered = rows[i].starttls;
        f.host[1].handshake = rows[i].handshake;
        f.host[1].channel = rows[i].channel;
        CHECK(decide_last_failure(&f) == &f.host[1]);
        check_verdict(decide_plan(&c, &f, 3), STEP_DEFER, rows[i].code, rows[i].status);
    }
}

TEST(decide_step_names)
{
    static const char *const names[] = { "connect",   "starttls", "send",  "plaintext",
                                         "next-host", "defer",    "bounce" };
    for (unsigned i = 0; i < COUNTOF(names); i++)
        CHECK_Z(span_z(step_name((enum step)i)), names[i]);
}
