/* The signed field of nodes: what is written is read, and nothing else is. */
#include "mail/seal.h"

#include "test/test.h"

#define DATE_MS INT64_C(1795400000000)

static struct seal sample(void)
{
    struct seal s = { .node = SPAN("mx1.nodes.example"),
                      .to = SPAN("mx2.nodes.example"),
                      .date_ms = DATE_MS,
                      .id = 12345,
                      .org = SPAN("acme"),
                      .connector = SPAN("acme/own_1-x"),
                      .on_premises = true,
                      .promoted = SPAN("acme") };
    memset(s.digest, 0xd1, sizeof s.digest);
    memset(s.signature, 0x51, sizeof s.signature);
    return s;
}

static void check_same(const struct seal *a, const struct seal *b)
{
    CHECK_SPAN(a->node, b->node);
    CHECK_SPAN(a->to, b->to);
    CHECK_SPAN(a->org, b->org);
    CHECK_SPAN(a->connector, b->connector);
    CHECK_SPAN(a->promoted, b->promoted);
    CHECK(a->date_ms == b->date_ms && a->id == b->id && a->on_premises == b->on_premises);
    CHECK(memcmp(a->digest, b->digest, sizeof a->digest) == 0);
    CHECK(memcmp(a->signature, b->signature, sizeof a->signature) == 0);
}

static void check_round(const struct seal *s)
{
    struct buf field;
    struct seal got;
    buf_init(&field, SEAL_FIELD_MAX);
    seal_write(s, &field);
    CHECK(seal_read(buf_span(&field), &got) == ERR_OK);
    check_same(s, &got);
    for (struct span rest = buf_span(&field); rest.n > 0;) /* RFC 5322 2.1.1 */
        CHECK(span_cut(&rest, '\n').n <= 998);
    buf_done(&field);
}

TEST(seal_reads_what_it_writes)
{
    struct seal s = sample();
    check_round(&s);
    s.org = s.connector = s.promoted = SPAN_NONE;
    s.on_premises = false;
    s.id = 0;
    s.date_ms = 0;
    check_round(&s);
}

TEST(seal_reads_the_longest)
{
    static char node[SEAL_NAME_MAX], label[SEAL_CONNECTOR_MAX];
    struct seal s = sample();
    for (size_t i = 0; i < sizeof node; i++)
        node[i] = i % 63 == 62 ? '.' : 'a';
    memset(label, 'b', sizeof label);
    s.node = s.to = span_of(node, sizeof node);
    s.connector = span_of(label, SEAL_CONNECTOR_MAX);
    s.org = s.promoted = span_of(label, SEAL_ORG_MAX);
    s.id = UINT64_MAX;
    s.date_ms = INT64_C(253402300799000);
    check_round(&s);
}

TEST(seal_looks_so)
{
    struct seal s = sample();
    struct buf out;
    buf_init(&out, SEAL_FIELD_MAX);
    seal_write(&s, &out);
    CHECK_Z(buf_span(&out),
            "Postern-Attribution: v=1; node=mx1.nodes.example; to=mx2.nodes.example;\r\n"
            " date=1795400000; id=0000000000C1S; org=acme; connector=acme/own_1-x;\r\n"
            " premises=yes; promoted=acme; alg=ed25519-sha256;\r\n"
            " digest=0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dE=;\r\n"
            " sig=UVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRU"
            "VFRUQ==\r\n");
    buf_clear(&out);
    seal_text(&s, &out);
    CHECK_Z(buf_span(&out), "postern attribution, version 1\n"
                            "node=mx1.nodes.example\nto=mx2.nodes.example\ndate=1795400000\n"
                            "id=0000000000C1S\norg=acme\nconnector=acme/own_1-x\npremises=yes\n"
                            "promoted=acme\nalg=ed25519-sha256\n"
                            "digest=0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dE=\n");
    buf_done(&out);
}

/* No two fields that mean different things have one text to sign. */
TEST(seal_text_has_all_of_it)
{
    struct buf a, b;
    buf_init(&a, SEAL_TEXT_MAX);
    buf_init(&b, SEAL_TEXT_MAX);
    struct seal s = sample();
    seal_text(&s, &a);
    for (unsigned i = 0; i < 9; i++) {
        struct seal t = sample();
        t.node = i == 0 ? SPAN("mx3.nodes.example") : t.node;
        t.to = i == 1 ? SPAN("mx3.nodes.example") : t.to;
        t.date_ms += i == 2 ? 1000 : 0;
        t.id += i == 3;
        t.org = i == 4 ? SPAN("acm") : t.org;
        t.connector = i == 5 ? SPAN_NONE : t.connector;
        t.on_premises = i != 6;
        t.promoted = i == 7 ? SPAN_NONE : t.promoted;
        t.digest[31] ^= i == 8;
        buf_clear(&b);
        seal_text(&t, &b);
        CHECK(!span_eq(buf_span(&a), buf_span(&b)));
    }
    buf_done(&a);
    buf_done(&b);
}

/* The field with one piece of its text put in another's place. */
static enum err read_with(const char *old, const char *new)
{
    struct seal s = sample(), got = { .id = 77 };
    struct buf field, changed;
    buf_init(&field, SEAL_FIELD_MAX);
    buf_init(&changed, 2 * SEAL_FIELD_MAX);
    seal_write(&s, &field);
    const char *text = buf_z(&field), *at = strstr(text, old);
    CHECK(at != NULL);
    buf_putf(&changed, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    enum err e = seal_read(buf_span(&changed), &got);
    CHECK(e == ERR_OK || got.id == 77);
    buf_done(&field);
    buf_done(&changed);
    return e;
}

TEST(seal_refuses)
{
    static const char *const rows[][2] = {
        { "v=1", "v=2" },
        { "v=1", "v=01" },
        { "v=1; ", "" },
        { "Attribution: ", "Attribution:" },
        { "Attribution: ", "Attribution:\t" },
        { "Attribution: ", "Attribution :" },
        { "node=mx1.nodes.example; to=mx2.nodes.example",
          "to=mx2.nodes.example; node=mx1.nodes.example" },
        { "node=mx1.nodes.example", "node=" },
        { "node=mx1.nodes.example", "node=mx1..example" },
        { "node=mx1.nodes.example", "node=[192.0.2.1]" },
        { "node=mx1.nodes.example", "node=mx1.nodes.example\nto" },
        { "node=", "Node=" },
        { "date=1795400000", "date=-1" },
        { "date=1795400000", "date=01795400000" },
        { "date=1795400000", "date=999999999999999999999" },
        { "date=1795400000", "date=" },
        { "id=0000000000C1S", "id=0000000000C1" },
        { "id=0000000000C1S", "id=U000000000C1S" },
        { "org=acme", "org=ac me" },
        { "org=acme", "org=ac\r\n me" },
        { "org=acme", "org=acme(comment)" },
        { "premises=yes", "premises=Yes" },
        { "premises=yes", "premises=" },
        { "alg=ed25519-sha256", "alg=none" },
        { "digest=0dHR", "digest=0dH" },
        { "digest=0dHR", "digest=0dHR0dHR" },
        { "digest=0dHR", "digest=0dH\r\n R" },
        { "dE=;", "dE;" },
        { "sig=UVFR", "sig=UVF*" },
        { "sig=UVFR", "sig=" },
        { "\r\n sig", "\r\n  sig" },
        { "\r\n sig", "\n sig" },
        { "UQ==\r\n", "UQ==" },
        { "UQ==\r\n", "UQ==\n" },
        { "UQ==\r\n", "UQ==; x=y\r\n" },
        { "UQ==\r\n", "UQ==\r\n more\r\n" },
    };
    CHECK(read_with("v=1; ", "v=1;\r\n ") == ERR_OK);
    CHECK(read_with("Postern-Attribution", "postern-ATTRIBUTION") == ERR_OK);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i][1]);
        CHECK(read_with(rows[i][0], rows[i][1]) == ERR_SYNTAX);
    }
}

TEST(seal_front_at_every_cut)
{
    struct seal s = sample();
    struct buf m;
    size_t n = 0, n_field;
    buf_init(&m, 2 * SEAL_FIELD_MAX);
    seal_write(&s, &m);
    n_field = m.n;
    buf_put(&m, SPAN("Subject: x\r\n\r\nPostern-Attribution: no\r\n"));
    for (size_t i = 0; i <= m.n; i++) {
        n = 99;
        enum seal_front got = seal_front(span_head(buf_span(&m), i), &n);
        CHECK_NUM(got, i <= n_field ? SEAL_FRONT_MORE : SEAL_FRONT_FIELD);
        CHECK_NUM(n, i <= n_field ? 99 : n_field);
    }
    buf_done(&m);
}

TEST(seal_front_of_others)
{
    static const char *const none[] = { "Received: x\r\n", "Postern-Attributions: x", "\r\n",
                                        " Post", "Postern-Attribution :" };
    static const char *const more[] = { "",
                                        "P",
                                        "postern-attribution",
                                        "Postern-Attribution:",
                                        "Postern-Attribution: x\r\n",
                                        "Postern-Attribution: x\r\n y",
                                        "Postern-Attribution: x\n\n\n\n" };
    size_t n;
    for (size_t i = 0; i < COUNTOF(none); i++)
        CHECK_NUM(seal_front(span_z(none[i]), &n), SEAL_FRONT_NONE);
    for (size_t i = 0; i < COUNTOF(more); i++)
        CHECK_NUM(seal_front(span_z(more[i]), &n), SEAL_FRONT_MORE);
    struct buf b;
    buf_init(&b, SEAL_FIELD_MAX + 10);
    buf_put(&b, SPAN("Postern-Attribution: "));
    while (buf_room(&b) > 0)
        buf_put(&b, SPAN("x"));
    CHECK_NUM(seal_front(buf_span(&b), &n), SEAL_FRONT_NONE);
    CHECK_NUM(seal_front(span_head(buf_span(&b), SEAL_FIELD_MAX), &n), SEAL_FRONT_MORE);
    buf_done(&b);
}

TEST(seal_judges_names_and_dates)
{
    static const struct {
        const char *name, *peer, *self;
        int64_t ahead_ms;
        enum seal_fault fault;
    } rows[] = {
        { "now", "mx1.nodes.example", "mx2.nodes.example", 0, SEAL_GOOD },
        { "case and dot are nothing", "MX1.nodes.example.", "mx2.Nodes.example", 0, SEAL_GOOD },
        { "our clock is ahead, in the window", "mx1.nodes.example", "mx2.nodes.example", 300000,
          SEAL_GOOD },
        { "our clock is behind, in the window", "mx1.nodes.example", "mx2.nodes.example", -300000,
          SEAL_GOOD },
        { "too old", "mx1.nodes.example", "mx2.nodes.example", 300001, SEAL_DATE },
        { "of the future", "mx1.nodes.example", "mx2.nodes.example", -300001, SEAL_DATE },
        { "a clock that lost its time", "mx1.nodes.example", "mx2.nodes.example", -DATE_MS,
          SEAL_DATE },
        { "another node says it", "mx3.nodes.example", "mx2.nodes.example", 0, SEAL_NODE },
        { "for another node", "mx1.nodes.example", "mx3.nodes.example", 0, SEAL_NODE },
        { "the receiver's own name", "mx2.nodes.example", "mx2.nodes.example", 0, SEAL_NODE },
    };
    struct seal s = sample();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        CHECK_NUM(seal_judge(&s, span_z(rows[i].peer), span_z(rows[i].self),
                             DATE_MS + rows[i].ahead_ms, 300000),
                  rows[i].fault);
    }
}

TEST(seal_fault_names_are_all_there)
{
    for (unsigned i = 0; i < SEAL_FAULT_COUNT_; i++)
        CHECK(seal_fault_name((enum seal_fault)i)[0] != '\0');
}
