#include "base/log.h"
#include "base/rng.h"
#include "mail/addr.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "test/test.h"

static void same_tls(const struct tls_facts *a, const struct tls_facts *b)
{
    CHECK_NUM(a->on, b->on);
    CHECK_NUM(a->forward_secret, b->forward_secret);
    CHECK_NUM(a->resumed, b->resumed);
    CHECK_NUM(a->peer_cert, b->peer_cert);
    CHECK_NUM(a->chain_ok, b->chain_ok);
    CHECK_NUM(a->name_ok, b->name_ok);
    CHECK_NUM(a->expired, b->expired);
    CHECK_NUM(a->client_usage, b->client_usage);
    CHECK_NUM(a->anchor_private, b->anchor_private);
    CHECK_NUM(a->revoked, b->revoked);
    CHECK_NUM(a->dane, b->dane);
    CHECK_NUM(a->bits, b->bits);
    CHECK_SPAN(a->version, b->version);
    CHECK_SPAN(a->suite, b->suite);
    CHECK_SPAN(a->group, b->group);
    CHECK_SPAN(a->sni, b->sni);
    CHECK_SPAN(a->names, b->names);
    CHECK_SPAN(a->spki, b->spki);
    CHECK_SPAN(a->anchor, b->anchor);
    CHECK_SPAN(a->issuer, b->issuer);
    CHECK_SPAN(a->verify, b->verify);
}

static void same(const struct envelope *a, const struct envelope *b)
{
    CHECK(a->id == b->id && a->accepted_ms == b->accepted_ms && a->size == b->size);
    CHECK_SPAN(a->from, b->from);
    CHECK_SPAN(a->envid, b->envid);
    CHECK(a->ret == b->ret && a->body_kind == b->body_kind);
    CHECK(a->smtputf8 == b->smtputf8 && a->eight_bit == b->eight_bit);
    CHECK(a->requiretls == b->requiretls && a->tls_required_no == b->tls_required_no);
    CHECK_NUM(a->hops, b->hops);
    CHECK_SPAN(a->helo, b->helo);
    CHECK_SPAN(a->client, b->client);
    CHECK_SPAN(a->message_id, b->message_id);
    CHECK_SPAN(a->org, b->org);
    CHECK_SPAN(a->connector, b->connector);
    CHECK_SPAN(a->rule, b->rule);
    CHECK_NUM(a->from_on_premises, b->from_on_premises);
    CHECK_SPAN(a->promoted, b->promoted);
    same_tls(&a->tls, &b->tls);
}

/* Bytes of every kind, of any length up to max. */
static struct span nasty(struct rng *rng, struct arena *a, size_t max)
{
    static const char bytes[] = "a=\"\\ \r\n\t\0\x1b\x7f\x80\xff,;[]{}x+";
    size_t n = (size_t)rng_below(rng, rng_chance(rng, 1, 8) ? max + 1 : 12);
    char *p = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_chance(rng, 1, 2) ? bytes[rng_below(rng, sizeof bytes - 1)]
                                     : (char)rng_below(rng, 256);
    /* a value that starts a UTF-8 sequence at its limit would be cut: it is under the limit */
    return span_of(p, n);
}

static struct envelope any_envelope(struct rng *r, struct arena *a)
{
    struct envelope e = {
        .id = rng_u64(r),
        .accepted_ms = (int64_t)rng_u64(r) >> rng_below(r, 60),
        .size = rng_u64(r) >> (1 + rng_below(r, 60)),
        .from = nasty(r, a, ADDR_BYTES_MAX),
        .envid = nasty(r, a, 300),
        .ret = (enum dsn_ret)rng_below(r, 3),
        .body_kind = (enum body_kind)rng_below(r, 3),
        .smtputf8 = rng_chance(r, 1, 2),
        .eight_bit = rng_chance(r, 1, 2),
        .requiretls = rng_chance(r, 1, 2),
        .tls_required_no = rng_chance(r, 1, 2),
        .hops = (unsigned)rng_u64(r),
        .helo = nasty(r, a, 255),
        .client = nasty(r, a, IP_TEXT_MAX),
        .message_id = nasty(r, a, HEADER_VALUE_MAX),
        .org = nasty(r, a, ENVELOPE_ORG_MAX),
        .connector = nasty(r, a, ENVELOPE_CONNECTOR_MAX),
        .rule = nasty(r, a, ENVELOPE_CONNECTOR_MAX),
        .from_on_premises = rng_chance(r, 1, 2),
        .promoted = nasty(r, a, ENVELOPE_ORG_MAX),
    };
    if (rng_chance(r, 1, 2))
        e.tls = (struct tls_facts){
            .on = true,
            .forward_secret = rng_chance(r, 1, 2),
            .resumed = rng_chance(r, 1, 2),
            .peer_cert = rng_chance(r, 1, 2),
            .chain_ok = rng_chance(r, 1, 2),
            .name_ok = rng_chance(r, 1, 2),
            .expired = rng_chance(r, 1, 2),
            .client_usage = rng_chance(r, 1, 2),
            .anchor_private = rng_chance(r, 1, 2),
            .revoked = (enum tls_revoked)rng_below(r, 3),
            .dane = (enum tls_dane)rng_below(r, TLS_DANE_COUNT_),
            .bits = (int)rng_below(r, 65536),
            .version = nasty(r, a, 16),
            .suite = nasty(r, a, 64),
            .group = nasty(r, a, 64),
            .sni = nasty(r, a, 255),
            .names = nasty(r, a, TLS_FACTS_NAMES_MAX),
            .spki = nasty(r, a, 64),
            .anchor = nasty(r, a, 64),
            .issuer = nasty(r, a, 256),
            .verify = nasty(r, a, 200),
        };
    return e;
}

TEST(t15_envelope_round_trip)
{
    struct rng rng;
    rng_init(&rng, 11);
    for (int i = 0; i < 4000; i++) {
        struct arena a;
        struct buf b;
        struct envelope got = { .n_rcpt = 7 };
        arena_init(&a, 1 << 20);
        buf_init(&b, ENVELOPE_TEXT_MAX);
        struct envelope e = any_envelope(&rng, &a);
        envelope_print(&e, &b);
        CHECK_NUM(span_find(buf_span(&b), '\n'), b.n);
        CHECK_NUM(envelope_read(buf_span(&b), &a, &got), ERR_OK);
        same(&e, &got);
        CHECK_NUM(got.n_rcpt, 7);
        struct tls_facts copy = tls_facts_copy(&e.tls, &a);
        same_tls(&e.tls, &copy);
        buf_done(&b);
        arena_done(&a);
    }
}

TEST(t15_rcpt_round_trip)
{
    struct rng rng;
    rng_init(&rng, 12);
    for (int i = 0; i < 4000; i++) {
        struct arena a;
        struct buf b;
        struct rcpt got;
        arena_init(&a, 1 << 20);
        buf_init(&b, ENVELOPE_TEXT_MAX);
        struct rcpt r = { .addr = nasty(&rng, &a, ADDR_BYTES_MAX),
                          .domain = nasty(&rng, &a, DOMAIN_BYTES_MAX),
                          .orcpt = nasty(&rng, &a, 1200),
                          .notify = (unsigned)rng_below(&rng, 16) };
        rcpt_print(&r, &b);
        if (r.addr.n == 0) {
            CHECK_NUM(rcpt_read(buf_span(&b), &a, &got), ERR_SYNTAX);
        } else {
            CHECK_NUM(rcpt_read(buf_span(&b), &a, &got), ERR_OK);
            CHECK_SPAN(got.addr, r.addr);
            CHECK_SPAN(got.domain, r.domain);
            CHECK_SPAN(got.orcpt, r.orcpt);
            CHECK_NUM(got.notify, r.notify);
        }
        buf_done(&b);
        arena_done(&a);
    }
}

/* The limits of the parts add up to less than the room, even when every byte is escaped. */
TEST(envelope_at_its_limits)
{
    static char bytes[4096];
    memset(bytes, 1, sizeof bytes);
    struct span s = span_of(bytes, sizeof bytes);
    struct envelope e = { .id = UINT64_MAX,
                          .accepted_ms = INT64_MIN,
                          .size = INT64_MAX,
                          .from = s,
                          .envid = s,
                          .hops = UINT32_MAX,
                          .helo = s,
                          .client = s,
                          .message_id = s,
                          .org = s,
                          .connector = s,
                          .rule = s,
                          .from_on_premises = true,
                          .promoted = s };
    e.tls = (struct tls_facts){ .on = true,
                                .bits = 65535,
                                .version = s,
                                .suite = s,
                                .group = s,
                                .sni = s,
                                .names = s,
                                .spki = s,
                                .anchor = s,
                                .expired = true,
                                .client_usage = true,
                                .anchor_private = true,
                                .revoked = TLS_REVOKED_YES,
                                .issuer = s,
                                .verify = s };
    struct rcpt r = { .addr = s, .domain = s, .orcpt = s, .notify = 15 };
    struct arena a;
    struct buf b;
    arena_init(&a, 1 << 20);
    buf_init(&b, 2 * ENVELOPE_TEXT_MAX);
    envelope_print(&e, &b);
    CHECK(b.n <= ENVELOPE_TEXT_MAX);
    CHECK_NUM(envelope_read(buf_span(&b), &a, &e), ERR_SYNTAX); /* INT64_MIN is no time */
    buf_clear(&b);
    rcpt_print(&r, &b);
    CHECK(b.n <= ENVELOPE_TEXT_MAX);
    CHECK_NUM(rcpt_read(buf_span(&b), &a, &r), ERR_OK);
    buf_done(&b);
    arena_done(&a);
}

#define GOOD                                                                                       \
    "id=0000000000001 accepted=1 size=2 from=a@b.example ret=none body=7bit utf8=no eight=no "     \
    "requiretls=no tlsno=no hops=1 tls=none"

TEST(envelope_refuses)
{
    static const char *const bad[] = {
        "",
        "x",
        "id=1",
        GOOD " id=0000000000001",
        GOOD " from=c@d.example",
        GOOD " tls=none",
        "id=0000000000001 accepted=1 size=2 ret=none body=7bit utf8=no eight=no requiretls=no "
        "tlsno=no hops=1 tls=none", /* no from: it would become a bounce */
        "id=0000000000001 accepted=1 size=2 from=a ret=some body=7bit utf8=no eight=no "
        "requiretls=no tlsno=no hops=1 tls=none",
        "id=0000000000001 accepted=1 size=-2 from=a ret=none body=7bit utf8=no eight=no "
        "requiretls=no tlsno=no hops=1 tls=none",
        "id=0000000000001 accepted=1 size=2 from=a ret=none body=7bit utf8=maybe eight=no "
        "requiretls=no tlsno=no hops=1 tls=none",
        "id=0000000000001 accepted=1 size=2 from=a ret=none body=7bit utf8=no eight=no "
        "requiretls=no tlsno=no hops=1",
    };
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        struct envelope e = { .hops = 99 };
        CHECK_NUM(envelope_read(span_z(bad[i]), &a, &e), ERR_SYNTAX);
        CHECK_NUM(e.hops, 99);
    }
    test_case(NULL);
    struct envelope e = { .hops = 0 };
    CHECK_NUM(envelope_read(SPAN(GOOD " later=\"unknown key\""), &a, &e), ERR_OK);
    CHECK_NUM(e.id, 1);
    arena_done(&a);

    arena_init(&a, 4);
    CHECK_NUM(envelope_read(SPAN(GOOD), &a, &e), ERR_TOO_BIG);
    struct rcpt r;
    CHECK_NUM(rcpt_read(SPAN("addr=abcdefgh"), &a, &r), ERR_TOO_BIG);
    CHECK_NUM(rcpt_read(SPAN("addr=a notify=16"), &a, &r), ERR_SYNTAX);
    CHECK_NUM(rcpt_read(SPAN("domain=a"), &a, &r), ERR_SYNTAX);
    CHECK_NUM(rcpt_read(SPAN("addr"), &a, &r), ERR_SYNTAX);
    arena_done(&a);
}

/* Mail of no organisation is written as before there were any, and such lines are read. */
TEST(envelope_of_no_organisation_is_an_old_line)
{
    struct arena a;
    struct buf b;
    struct envelope e = { .hops = 0 };
    arena_init(&a, 4096);
    buf_init(&b, ENVELOPE_TEXT_MAX);
    CHECK_NUM(envelope_read(SPAN(GOOD), &a, &e), ERR_OK);
    CHECK(e.org.n == 0 && e.connector.n == 0 && e.rule.n == 0 && !e.from_on_premises);
    CHECK_NUM(e.promoted.n, 0);
    envelope_print(&e, &b);
    CHECK_SPAN(buf_span(&b), SPAN(GOOD));
    struct span whose = SPAN(GOOD " org=acme connector=acme/own rule=acme/via onprem=yes "
                                  "promoted=acme");
    CHECK_NUM(envelope_read(whose, &a, &e), ERR_OK);
    CHECK_SPAN(e.org, SPAN("acme"));
    CHECK_SPAN(e.connector, SPAN("acme/own"));
    CHECK_SPAN(e.rule, SPAN("acme/via"));
    CHECK(e.from_on_premises);
    CHECK_SPAN(e.promoted, SPAN("acme"));
    CHECK_NUM(envelope_read(SPAN(GOOD " onprem=1"), &a, &e), ERR_SYNTAX);
    CHECK_NUM(envelope_read(SPAN(GOOD " org=acme org=beta"), &a, &e), ERR_SYNTAX);
    buf_done(&b);
    arena_done(&a);
}

TEST(tls_facts_read_alone)
{
    static const char *const bad[] = { "",
                                       "fs=yes",
                                       "tls=TLSv1.3 fs=1",
                                       "tls=TLSv1.3 bits=x",
                                       "tls=TLSv1.3 tls=none",
                                       "tls=TLSv1.3 bits=65536",
                                       "tls=TLSv1.3 expired=1",
                                       "tls=TLSv1.3 revoked=unknown",
                                       "tls=TLSv1.3 dane=yes",
                                       "tls" };
    struct arena a;
    struct tls_facts f = { .bits = 5 };
    arena_init(&a, 4096);
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        CHECK_NUM(tls_facts_read(span_z(bad[i]), &a, &f), ERR_SYNTAX);
        CHECK_NUM(f.bits, 5);
    }
    test_case(NULL);
    CHECK_NUM(tls_facts_read(SPAN("tls=none fs=yes"), &a, &f), ERR_OK);
    CHECK(!f.on && !f.forward_secret);
    CHECK_NUM(tls_facts_read(SPAN("at=1 tls=TLSv1.3 fs=yes bits=256 new=x"), &a, &f), ERR_OK);
    CHECK(f.on && f.forward_secret && f.bits == 256);
    CHECK_SPAN(f.version, SPAN("TLSv1.3"));
    arena_done(&a);
}

/* What older versions wrote says nothing of what they did not know, and ordinary facts are still
 * written as they were. */
TEST(tls_facts_old_text)
{
    struct span old = SPAN("tls=TLSv1.3 fs=yes resumed=no cert=yes chain=no name=yes bits=256");
    struct arena a;
    struct buf b;
    struct tls_facts f;
    arena_init(&a, 4096);
    buf_init(&b, TLS_FACTS_TEXT_MAX);
    CHECK_NUM(tls_facts_read(old, &a, &f), ERR_OK);
    CHECK(f.peer_cert && f.name_ok && !f.chain_ok && !f.expired && !f.client_usage);
    CHECK(f.revoked == TLS_REVOKED_UNKNOWN && f.anchor.n == 0 && f.dane == TLS_DANE_UNKNOWN);
    tls_facts_print(&f, &b);
    CHECK_SPAN(buf_span(&b), old);
    buf_done(&b);
    arena_done(&a);
}
