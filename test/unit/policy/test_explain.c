/* What people read, as a golden text: test/grid/explain.ref. golden.h says how it is written anew.
 */
#include "base/why.h"
#include "policy/explain.h"
#include "test/test.h"
#include "test/golden.h"

static struct route_host smart_host = { .name = SPAN("smart.example.net"), .port = 25 };
static struct route_host socket_host = { .name = SPAN("/run/lmtp"), .is_path = true };

enum { R_DEFAULT, R_ENCRYPT, R_NAME, R_CHAIN, R_SMART, R_SOCKET, R_MAILDIR, R_COUNT_ };

static const struct route routes[R_COUNT_] = {
    [R_DEFAULT] = { .kind = ROUTE_MX, .contract = { .floor = 12 } },
    [R_ENCRYPT] = { .kind = ROUTE_MX,
                    .pattern = { "example.org", 11 },
                    .contract = { TLS_NEED_ENCRYPT, false, 12, RULE_ROUTE },
                    .file = { "postern.conf", 12 },
                    .line = 12 },
    [R_NAME] = { .kind = ROUTE_MX,
                 .pattern = { "*.example.org", 13 },
                 .contract = { TLS_NEED_NAME, true, 13, RULE_ROUTE },
                 .file = { "partners.conf", 13 },
                 .line = 3 },
    [R_CHAIN] = { .kind = ROUTE_MX,
                  .pattern = { "example.org", 11 },
                  .contract = { TLS_NEED_CHAIN, false, 12, RULE_ROUTE } },
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
};

#define MX2                                                                                        \
    "domain=example.org mx=yes exists=yes\n"                                                       \
    "host=mx1.example.org preference=10 has-ip=yes ip=192.0.2.1,2001:db8::1 "
#define SECOND "\nhost=mx2.example.org preference=20 has-ip=yes ip=192.0.2.2 "

static const struct {
    const char *name;
    unsigned route;
    bool requiretls;
    const char *facts; /* NULL: none */
} rows[] = {
    { "nothing looked up", R_DEFAULT, 0, NULL },
    { "opportunistic, before trying", R_DEFAULT, 0, MX2 SECOND },
    { "encrypt, before trying", R_ENCRYPT, 0, MX2 SECOND },
    { "name with forward secrecy and TLS 1.3, before trying", R_NAME, 0, MX2 },
    { "REQUIRETLS", R_DEFAULT, 1, MX2 },
    { "encrypt: no STARTTLS at the first, the second not reached", R_ENCRYPT, 0,
      MX2 "connected=yes starttls=no" SECOND "connected=no failure=connection+20timed+20out" },
    { "certificates: both hosts fail", R_CHAIN, 0,
      MX2 "connected=yes starttls=yes handshake=yes channel=no" SECOND
          "connected=yes starttls=yes handshake=yes channel=no" },
    { "encrypt: the greeting of the first does not come", R_ENCRYPT, 0, MX2 "connected=yes" },
    { "opportunistic: no STARTTLS", R_DEFAULT, 0, MX2 "connected=yes starttls=no" },
    { "STARTTLS is offered", R_CHAIN, 0, MX2 "connected=yes starttls=yes" },
    { "opportunistic: handshake failed", R_DEFAULT, 0,
      MX2 "connected=yes starttls=yes handshake=no failure=protocol+20version" },
    { "encrypt: handshake failed", R_ENCRYPT, 0, MX2 "connected=yes starttls=yes handshake=no" },
    { "name: channel broken", R_NAME, 0,
      MX2 "connected=yes starttls=yes handshake=yes channel=no "
          "failure=the+20certificate+20does+20not+20name+20the+20host" },
    { "address cannot be told", R_DEFAULT, 0,
      "domain=example.org mx=yes exists=yes\nhost=mx.example.org preference=5" },
    { "no address, and we are a backup", R_DEFAULT, 0,
      MX2 "\nhost=mx.us.example preference=20 us=yes has-ip=yes ip=198.51.100.1"
          "\nhost=mx3.example.org preference=30 has-ip=yes ip=192.0.2.3" },
    { "loop", R_DEFAULT, 0,
      "domain=example.org mx=yes exists=yes\n"
      "host=mx.us.example preference=5 us=yes has-ip=yes ip=198.51.100.1" },
    { "no address at all", R_DEFAULT, 0,
      "domain=example.org mx=yes exists=yes\nhost=mx.example.org preference=5 has-ip=no" },
    { "implicit MX", R_DEFAULT, 0,
      "domain=example.org mx=no exists=yes\n"
      "host=example.org preference=0 has-ip=yes ip=192.0.2.7" },
    { "null MX", R_DEFAULT, 0, "domain=example.org mx=yes null-mx=yes exists=yes" },
    { "no such domain", R_DEFAULT, 0, "domain=example.org mx=no exists=no" },
    { "DNS fails", R_DEFAULT, 0, "domain=example.org failure=SERVFAIL+20from+20127.0.0.1" },
    { "smart host", R_SMART, 0,
      "domain=example.org configured=yes\nhost=smart.example.net has-ip=yes ip=203.0.113.5" },
    { "unix socket", R_SOCKET, 0, "domain=ours.example configured=yes\nhost=/run/lmtp path=yes" },
    { "Maildir", R_MAILDIR, 0, NULL },
    { "words of others are cleaned (T-15)", R_DEFAULT, 0,
      "domain=evil+0D+0A+1B[2J mx=yes exists=yes\n"
      "host=mx+0Averdict preference=1 has-ip=yes ip=192.0.2.9 connected=no failure=x+0Ay+00z" },
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
    struct route r = routes[R_NAME];
    r.pattern = r.file = words;
    struct buf out;
    buf_init(&out, EXPLAIN_TEXT_MAX);
    explain_print(&(struct explain_input){ words, words, &r, &f, { .requiretls = true } }, &out);
    CHECK(out.n < EXPLAIN_TEXT_MAX / 2);
    buf_done(&out);
}
