/* What people read, as a golden text: test/grid/explain.ref. golden.h says how it is written anew.
 */
#include "base/when.h"
#include "base/why.h"
#include "policy/explain.h"
#include "test/test.h"
#include "test/golden.h"

static struct route_host smart_host = { .name = SPAN("smart.example.net"), .port = 25 };
static struct route_host socket_host = { .name = SPAN("/run/lmtp"), .is_path = true };

enum {
    R_DEFAULT,
    R_ENCRYPT,
    R_NAME,
    R_CHAIN,
    R_SMART,
    R_SOCKET,
    R_MAILDIR,
    R_DANE,
    R_MANDATORY,
    R_COUNT_
};

static const struct route routes[R_COUNT_] = {
    [R_DEFAULT] = { .kind = ROUTE_MX, .contract = { .floor = 12 } },
    [R_ENCRYPT] = { .kind = ROUTE_MX,
                    .pattern = { "example.org", 11 },
                    .contract = { .need = TLS_NEED_ENCRYPT, .floor = 12, .rules = RULE_ROUTE },
                    .file = { "postern.conf", 12 },
                    .line = 12 },
    [R_NAME] = { .kind = ROUTE_MX,
                 .pattern = { "*.example.org", 13 },
                 .contract = { .need = TLS_NEED_NAME,
                               .forward_secret = true,
                               .floor = 13,
                               .rules = RULE_ROUTE },
                 .file = { "partners.conf", 13 },
                 .line = 3 },
    [R_CHAIN] = { .kind = ROUTE_MX,
                  .pattern = { "example.org", 11 },
                  .contract = { .need = TLS_NEED_CHAIN, .floor = 12, .rules = RULE_ROUTE } },
    [R_SMART] = { .kind = ROUTE_SMTP,
                  .pattern = { "*", 1 },
                  .host = &smart_host,
                  .n_host = 1,
                  .contract = { .floor = 12 },
                  .file = { "postern.conf", 12 },
                  .line = 40 },
    [R_SOCKET] = { .kind = ROUTE_LMTP,
                   .pattern = { "ours.example", 12 },
                   .host = &socket_host,
                   .n_host = 1,
                   .contract = { .floor = 12 },
                   .file = { "postern.conf", 12 },
                   .line = 20 },
    [R_MAILDIR] = { .kind = ROUTE_MAILDIR,
                    .pattern = { "ours.example", 12 },
                    .contract = { .floor = 12 },
                    .file = { "postern.conf", 12 },
                    .line = 21 },
    [R_DANE] = { .kind = ROUTE_MX,
                 .contract = { .floor = 12,
                               .dane = DANE_OPPORTUNISTIC,
                               .sts = STS_OPPORTUNISTIC } },
    [R_MANDATORY] = { .kind = ROUTE_MX,
                      .pattern = { "example.org", 11 },
                      .contract = { .floor = 12, .dane = DANE_MANDATORY } },
};

/* --- connectors */

enum { NOW_DAY = 20600, UNTIL_DAY = 20650 }; /* since 1970: 2026-05-27, 2026-07-16 */
#define DAYS(n) ((int64_t)(n)*DAY_MS)

static struct span lab_names[] = { { "*.lab.example", 13 }, { "relay.example", 13 } };
static const struct name_set lab_set = { .id = 1, .n = 2, .name = lab_names };

enum { BY_NOBODY, BY_DOMAIN, BY_WEAKENED, BY_PLAINTEXT, BY_TEST, BY_COUNT_ };

#define LAB(id_, mode_)                                                                            \
    .id = { id_, sizeof id_ - 1 }, .mode = mode_, .owner = { "it@hospital.example", 19 }
#define WEAK(reason_, until)                                                                       \
    {                                                                                              \
        { "ann", 3 }, { reason_, sizeof reason_ - 1 }, DAYS(until)                                 \
    }
#define NAMED                                                                                      \
    {                                                                                              \
        .need = TLS_NEED_NAME, .floor = 13, .names = { &lab_set }, .n_names = 1,                   \
        .revocation = REVOCATION_HARD, .identity = 2                                               \
    }

static const struct out_connector connectors[BY_COUNT_] = {
    [BY_DOMAIN] = { .c = { LAB("hospital/lab", CONNECTOR_ENFORCE) },
                    .route = { .contract = NAMED, .file = { "hospital.conf", 13 }, .line = 7 } },
    [BY_WEAKENED] = { .c = { LAB("hospital/lab", CONNECTOR_ENFORCE),
                             .weakening = { [WEAKEN_EXPIRED] = WEAK("renewal is late", UNTIL_DAY),
                                            [WEAKEN_NAME] = WEAK("new name", NOW_DAY) } },
                      .route = { .contract = NAMED } },
    [BY_PLAINTEXT] = { .c = { LAB("hospital/fax", CONNECTOR_ENFORCE),
                              .weakening = { [WEAKEN_PLAINTEXT] =
                                                 WEAK("old\nfax\x1b", UNTIL_DAY) } },
                       .route = { .contract = { .need = TLS_NEED_ENCRYPT, .floor = 12 } } },
    [BY_TEST] = { .c = { LAB("hospital/new", CONNECTOR_TEST) }, .route = { .contract = NAMED } },
};

static struct contract asked_by(const struct out_connector *c, const struct message_facts *m)
{
    struct route r = c->route;
    r.contract = out_connector_contract(c, DAYS(NOW_DAY));
    return decide_contract(&r, m);
}

/* As select_out would say it of a recipient that the connector is for. */
static struct selection selection_of(unsigned by, const struct explain_input *in)
{
    const struct out_connector *c = &connectors[by];
    struct selection s = { .route = in->route,
                           .contract = decide_contract(in->route, &in->message),
                           .why = "no connector and no route is for the recipient" };
    if (by == BY_TEST) {
        s.test = c;
        s.test_contract = asked_by(c, &in->message);
        return s;
    }
    s.by = c;
    s.route = &c->route;
    s.contract = asked_by(c, &in->message);
    s.why = "it is for this very domain";
    return s;
}

#define MX2                                                                                        \
    "domain=example.org mx=yes exists=yes\n"                                                       \
    "host=mx1.example.org preference=10 has-ip=yes ip=192.0.2.1,2001:db8::1 "
#define SECOND "\nhost=mx2.example.org preference=20 has-ip=yes ip=192.0.2.2 "

#define SIGNED "mx-security=secure ip-security=secure"
#define RECORDS                                                                                    \
    " tlsa=found tlsa-unusable=1 tlsa-base=mx1.example.org tlsa-records=3-1-1-"                    \
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define POLICY                                                                                     \
    " sts=enforce sts-match=yes sts-domain=example.org sts-id=20260101 sts-fetched=1700000000000"

#define BROKEN(breach)                                                                             \
    "domain=example.org mx=yes exists=yes\nhost=mx1.example.org preference=10 has-ip=yes "         \
    "ip=192.0.2.1 connected=yes starttls=yes handshake=yes channel=no breach=" breach

static const struct {
    const char *name;
    unsigned route;
    bool requiretls;
    const char *facts; /* NULL: none */
    unsigned by;
} rows[] = {
    { "nothing looked up", R_DEFAULT, 0, NULL, BY_NOBODY },
    { "opportunistic, before trying", R_DEFAULT, 0, MX2 SECOND, BY_NOBODY },
    { "encrypt, before trying", R_ENCRYPT, 0, MX2 SECOND, BY_NOBODY },
    { "name with forward secrecy and TLS 1.3, before trying", R_NAME, 0, MX2, BY_NOBODY },
    { "REQUIRETLS", R_DEFAULT, 1, MX2, BY_NOBODY },
    { "encrypt: no STARTTLS at the first, the second not reached", R_ENCRYPT, 0,
      MX2 "connected=yes starttls=no" SECOND "connected=no failure=connection+20timed+20out",
      BY_NOBODY },
    { "certificates: both hosts fail", R_CHAIN, 0,
      MX2 "connected=yes starttls=yes handshake=yes channel=no" SECOND
          "connected=yes starttls=yes handshake=yes channel=no",
      BY_NOBODY },
    { "encrypt: the greeting of the first does not come", R_ENCRYPT, 0, MX2 "connected=yes",
      BY_NOBODY },
    { "opportunistic: no STARTTLS", R_DEFAULT, 0, MX2 "connected=yes starttls=no", BY_NOBODY },
    { "STARTTLS is offered", R_CHAIN, 0, MX2 "connected=yes starttls=yes", BY_NOBODY },
    { "opportunistic: handshake failed", R_DEFAULT, 0,
      MX2 "connected=yes starttls=yes handshake=no failure=protocol+20version", BY_NOBODY },
    { "encrypt: handshake failed", R_ENCRYPT, 0, MX2 "connected=yes starttls=yes handshake=no",
      BY_NOBODY },
    { "name: channel broken", R_NAME, 0,
      MX2 "connected=yes starttls=yes handshake=yes channel=no "
          "failure=the+20certificate+20does+20not+20name+20the+20host",
      BY_NOBODY },
    { "address cannot be told", R_DEFAULT, 0,
      "domain=example.org mx=yes exists=yes\nhost=mx.example.org preference=5", BY_NOBODY },
    { "no address, and we are a backup", R_DEFAULT, 0,
      MX2 "\nhost=mx.us.example preference=20 us=yes has-ip=yes ip=198.51.100.1"
          "\nhost=mx3.example.org preference=30 has-ip=yes ip=192.0.2.3",
      BY_NOBODY },
    { "loop", R_DEFAULT, 0,
      "domain=example.org mx=yes exists=yes\n"
      "host=mx.us.example preference=5 us=yes has-ip=yes ip=198.51.100.1",
      BY_NOBODY },
    { "no address at all", R_DEFAULT, 0,
      "domain=example.org mx=yes exists=yes\nhost=mx.example.org preference=5 has-ip=no",
      BY_NOBODY },
    { "implicit MX", R_DEFAULT, 0,
      "domain=example.org mx=no exists=yes\n"
      "host=example.org preference=0 has-ip=yes ip=192.0.2.7",
      BY_NOBODY },
    { "null MX", R_DEFAULT, 0, "domain=example.org mx=yes null-mx=yes exists=yes", BY_NOBODY },
    { "no such domain", R_DEFAULT, 0, "domain=example.org mx=no exists=no", BY_NOBODY },
    { "DNS fails", R_DEFAULT, 0, "domain=example.org failure=SERVFAIL+20from+20127.0.0.1",
      BY_NOBODY },
    { "smart host", R_SMART, 0,
      "domain=example.org configured=yes\nhost=smart.example.net has-ip=yes ip=203.0.113.5",
      BY_NOBODY },
    { "unix socket", R_SOCKET, 0, "domain=ours.example configured=yes\nhost=/run/lmtp path=yes",
      BY_NOBODY },
    { "Maildir", R_MAILDIR, 0, NULL, BY_NOBODY },
    { "words of others are cleaned (T-15)", R_DEFAULT, 0,
      "domain=evil+0D+0A+1B[2J mx=yes exists=yes\n"
      "host=mx+0Averdict preference=1 has-ip=yes ip=192.0.2.9 connected=no failure=x+0Ay+00z",
      BY_NOBODY },
    { "connector: names, before trying", R_DEFAULT, 0, MX2, BY_DOMAIN },
    { "connector: another name", R_DEFAULT, 0, BROKEN("name"), BY_DOMAIN },
    { "connector: expired", R_DEFAULT, 0, BROKEN("expired"), BY_DOMAIN },
    { "connector: no root", R_DEFAULT, 0, BROKEN("chain"), BY_DOMAIN },
    { "connector: one weakening holds, one is void", R_DEFAULT, 0, BROKEN("name"), BY_WEAKENED },
    { "connector: plaintext is allowed for a while", R_DEFAULT, 0, MX2, BY_PLAINTEXT },
    { "connector: plaintext is allowed, and the message has REQUIRETLS", R_DEFAULT, 1,
      MX2 "connected=yes starttls=no", BY_PLAINTEXT },
    { "connector: no STARTTLS", R_DEFAULT, 0, MX2 "connected=yes starttls=no", BY_DOMAIN },
    { "connector in test mode", R_DEFAULT, 0, MX2, BY_TEST },
    { "DANE and a policy", R_DANE, 0, MX2 SIGNED RECORDS POLICY SECOND "tlsa=failed", BY_NOBODY },
    { "DANE behind an insecure MX", R_DANE, 0, MX2 "mx-security=insecure" RECORDS POLICY,
      BY_NOBODY },
    { "TLSA records that cannot be used", R_DANE, 0,
      MX2 SIGNED " tlsa=found tlsa-unusable=2 sts=none", BY_NOBODY },
    { "DANE failed", R_DANE, 0,
      MX2 SIGNED RECORDS " connected=yes starttls=yes handshake=yes channel=no breach=tlsa",
      BY_NOBODY },
    { "all TLSA records forged or failed", R_DANE, 0, MX2 "tlsa=bogus" SECOND "tlsa=failed",
      BY_NOBODY },
    { "no TLSA, a policy enforced", R_DANE, 0, MX2 SIGNED " tlsa=none" POLICY, BY_NOBODY },
    { "a policy that lists another", R_DANE, 0,
      MX2 SIGNED " tlsa=none sts=enforce sts-match=no sts-domain=example.org sts-id=7", BY_NOBODY },
    { "a policy in testing", R_DANE, 0,
      MX2 SIGNED " tlsa=none sts=testing sts-match=no sts-domain=example.org sts-id=7", BY_NOBODY },
    { "no policy to be had", R_DANE, 0, MX2 SIGNED " tlsa=none sts=failed", BY_NOBODY },
    { "DANE mandatory, none there", R_MANDATORY, 0, MX2 SIGNED " tlsa=none", BY_NOBODY },
    { "off, whatever is published", R_DEFAULT, 0, MX2 SIGNED RECORDS POLICY, BY_NOBODY },
    { "REQUIRETLS and DANE", R_DANE, 1, MX2 SIGNED RECORDS, BY_NOBODY },
};

static void explain_row(size_t i, struct buf *out)
{
    struct arena a;
    struct facts f;
    struct why why = { "" };
    struct explain_input in = { .from = SPAN("ann@here.example"),
                                .to = SPAN("bob@example.org"),
                                .route = &routes[rows[i].route],
                                .message = { .requiretls = rows[i].requiretls } };
    arena_init(&a, 64 * 1024);
    if (rows[i].facts) {
        enum err e = facts_read(span_z(rows[i].facts), &a, &f, &why);
        CHECK_Z(span_z(why.text), "");
        CHECK(e == ERR_OK);
        in.facts = &f;
    }
    struct selection chosen;
    if (rows[i].by != BY_NOBODY) {
        chosen = selection_of(rows[i].by, &in);
        in.selection = &chosen;
        in.route = chosen.route;
        in.now_ms = DAYS(NOW_DAY);
    }
    buf_putf(out, "=== %s\n", rows[i].name);
    explain_print(&in, out);
    arena_done(&a);
}

TEST(explain_is_golden)
{
    struct buf out;
    buf_init(&out, 256 * 1024);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        explain_row(i, &out);
    }
    golden_check("test/grid/explain.ref", buf_span(&out));
    buf_done(&out);
}

static bool says(struct span text, const char *words)
{
    struct span w = span_z(words);
    for (; text.n >= w.n; text = span_tail(text, 1)) {
        if (span_starts(text, w))
            return true;
    }
    return false;
}

/* Plaintext is told to be weak, and a forced channel how far it protects. */
TEST(explain_r15_r26_says_how_far_it_protects)
{
    struct buf out;
    buf_init(&out, EXPLAIN_TEXT_MAX);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        buf_clear(&out);
        explain_row(i, &out);
        struct span text = buf_span(&out);
        bool clear = says(text, "contract  tls=try") && !says(text, "asked-by=local");
        bool forced = says(text, "who answers for it") && !says(text, "contract  tls=try");
        CHECK(clear == says(text, "mail goes in clear (not recommended)"));
        CHECK(forced == says(text, "up to the next server, not beyond"));
    }
    buf_done(&out);
}

TEST(explain_largest_fits)
{
    static char huge[5000];
    static struct facts f;
    struct span words = { huge, sizeof huge };
    memset(huge, 'x', sizeof huge);
    f = (struct facts){ .domain = words, .has_mx = TRI_YES, .dns_failure = words };
    f.n_host = FACTS_HOSTS_MAX;
    for (unsigned i = 0; i < f.n_host; i++) {
        f.host[i] = (struct host_facts){ .name = words, .failure = words, .n_ip = FACTS_IPS_MAX };
        f.host[i].has_ip = f.host[i].connected = TRI_YES;
        f.host[i].handshake = TRI_NO;
        f.host[i].starttls_offered = TRI_YES;
        for (unsigned k = 0; k < FACTS_IPS_MAX; k++)
            f.host[i].ip[k] = (struct ip){ IP_V6, 25, { 0x20, 1, 2, 3, 4, 5, 6, 7 } };
    }
    static struct span many[20];
    struct name_set set = { .id = 1, .n = COUNTOF(many), .name = many };
    for (unsigned i = 0; i < COUNTOF(many); i++)
        many[i] = words;
    struct out_connector c = { .c = { .id = words, .owner = words },
                               .route = { .contract = NAMED, .file = words } };
    for (unsigned k = 0; k < WEAKEN_COUNT_; k++)
        c.c.weakening[k] = (struct weakening){ words, words, INT64_MAX };
    c.route.contract.names[0] = &set;
    struct selection s = { .by = &c,
                           .route = &c.route,
                           .contract = out_connector_contract(&c, INT64_MAX),
                           .test = &c,
                           .test_contract = out_connector_contract(&c, 0),
                           .why = "it is for this very domain" };
    struct explain_input in = { .from = words,
                                .to = words,
                                .route = &c.route,
                                .facts = &f,
                                .message = { .requiretls = true },
                                .selection = &s };
    struct buf out;
    buf_init(&out, EXPLAIN_TEXT_MAX);
    explain_print(&in, &out);
    CHECK(out.n < EXPLAIN_TEXT_MAX * 3 / 4);
    buf_clear(&out);

    struct route r = routes[R_NAME];
    r.pattern = r.file = words;
    in.route = &r;
    in.selection = NULL;
    explain_print(&in, &out);
    CHECK(out.n < EXPLAIN_TEXT_MAX / 2);
    buf_done(&out);
}
