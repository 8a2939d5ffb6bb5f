#include "base/rng.h"
#include "base/why.h"
#include "policy/facts.h"
#include "test/test.h"

/* --- equality, member by member */

static void check_host_eq(const struct host_facts *a, const struct host_facts *b)
{
    CHECK_SPAN(a->name, b->name);
    CHECK_NUM(a->preference, b->preference);
    CHECK_NUM(a->n_ip, b->n_ip);
    for (unsigned i = 0; i < a->n_ip; i++)
        CHECK(ip_eq(&a->ip[i], &b->ip[i]));
    CHECK_NUM(a->has_ip, b->has_ip);
    CHECK_NUM(a->mx_security, b->mx_security);
    CHECK_NUM(a->ip_security, b->ip_security);
    CHECK_NUM(a->is_us, b->is_us);
    CHECK_NUM(a->is_path, b->is_path);
    CHECK_NUM(a->connected, b->connected);
    CHECK_NUM(a->starttls_offered, b->starttls_offered);
    CHECK_NUM(a->handshake, b->handshake);
    CHECK_NUM(a->channel, b->channel);
    CHECK_SPAN(a->failure, b->failure);
    CHECK_NUM(a->breach, b->breach);
    CHECK_NUM(a->tlsa_state, b->tlsa_state);
    CHECK(tlsa_set_eq(&a->tlsa, &b->tlsa));
    CHECK_NUM(a->tlsa.n_unusable, b->tlsa.n_unusable);
    CHECK_NUM(a->tlsa.n_dropped, b->tlsa.n_dropped);
    CHECK_SPAN(a->tlsa_base, b->tlsa_base);
    CHECK_NUM(a->sts, b->sts);
    CHECK_NUM(a->sts_match, b->sts_match);
    CHECK_SPAN(a->sts_domain, b->sts_domain);
    CHECK_SPAN(a->sts_id, b->sts_id);
    CHECK_NUM(a->sts_fetched_ms, b->sts_fetched_ms);
}

static void check_eq(const struct facts *a, const struct facts *b)
{
    CHECK_NUM(a->now_ms, b->now_ms);
    CHECK_SPAN(a->domain, b->domain);
    CHECK_NUM(a->configured, b->configured);
    CHECK_NUM(a->has_mx, b->has_mx);
    CHECK_NUM(a->null_mx, b->null_mx);
    CHECK_NUM(a->domain_exists, b->domain_exists);
    CHECK_SPAN(a->dns_failure, b->dns_failure);
    CHECK_NUM(a->expires_ms, b->expires_ms);
    CHECK_NUM(a->n_host, b->n_host);
    for (unsigned i = 0; i < a->n_host; i++)
        check_host_eq(&a->host[i], &b->host[i]);
}

/* --- random facts with nasty bytes */

static struct span random_text(struct rng *rng, struct arena *a)
{
    static const char nasty[] = "\0\r\n =+,#\t\x7f\xff\xc3\xa9[]:%host=domain=";
    size_t n = rng_chance(rng, 1, 10) ? FACTS_STRING_MAX : rng_below(rng, 40);
    char *p = arena_alloc(a, n);
    for (size_t i = 0; i < n; i++)
        p[i] = rng_chance(rng, 1, 2) ? nasty[rng_below(rng, sizeof nasty)] : (char)rng_u64(rng);
    return span_of(p, n);
}

static enum tri random_tri(struct rng *rng)
{
    return (enum tri)rng_below(rng, 3);
}

static int64_t random_time(struct rng *rng)
{
    static const int64_t edges[] = { 0, -1, INT64_MIN, INT64_MAX, 1700000000000 };
    return rng_chance(rng, 1, 3) ? (int64_t)rng_u64(rng) : edges[rng_below(rng, COUNTOF(edges))];
}

static struct ip random_ip(struct rng *rng)
{
    bool v4 = rng_chance(rng, 1, 2);
    struct ip ip = { .family = v4 ? IP_V4 : IP_V6 };
    ip.port = rng_chance(rng, 1, 2) ? (uint16_t)rng_u64(rng) : 0;
    for (unsigned i = 0; i < (v4 ? 4u : 16u); i++)
        ip.a[i] = rng_chance(rng, 1, 3) ? 0 : (uint8_t)rng_u64(rng);
    if (!v4)
        ip.a[0] |= 0x20; /* no IPv4-mapped one: those are read as IPv4 */
    return ip;
}

static void random_published(struct rng *rng, struct arena *a, struct host_facts *h)
{
    h->tlsa_state = (enum tlsa_state)rng_below(rng, TLSA_STATE_COUNT_);
    for (unsigned i = (unsigned)rng_below(rng, 5); i > 0; i--) {
        char digest[32];
        memset(digest, (int)rng_below(rng, 256), sizeof digest);
        struct tlsa t = { (uint8_t)rng_below(rng, 4), (uint8_t)rng_below(rng, 2), TLSA_SHA256,
                          span_of(digest, sizeof digest) };
        tlsa_set_add(&h->tlsa, &t, a);
    }
    h->tlsa.n_dropped = (unsigned)rng_below(rng, 3);
    h->tlsa_base = random_text(rng, a);
    h->sts = (enum sts_state)rng_below(rng, STS_STATE_COUNT_);
    h->sts_match = random_tri(rng);
    h->sts_domain = random_text(rng, a);
    h->sts_id = random_text(rng, a);
    h->sts_fetched_ms = random_time(rng);
}

static void random_host(struct rng *rng, struct arena *a, struct host_facts *h)
{
    *h = (struct host_facts){
        .name = random_text(rng, a),
        .preference = (uint16_t)rng_u64(rng),
        .n_ip = (unsigned)rng_below(rng, FACTS_IPS_MAX + 1),
        .has_ip = random_tri(rng),
        .mx_security = (enum security)rng_below(rng, 4),
        .ip_security = (enum security)rng_below(rng, 4),
        .breach = (enum breach)rng_below(rng, BREACH_COUNT_),
        .is_us = rng_chance(rng, 1, 2),
        .is_path = rng_chance(rng, 1, 2),
        .connected = random_tri(rng),
        .starttls_offered = random_tri(rng),
        .handshake = random_tri(rng),
        .channel = random_tri(rng),
        .failure = random_text(rng, a),
    };
    for (unsigned i = 0; i < h->n_ip; i++)
        h->ip[i] = random_ip(rng);
    random_published(rng, a, h);
}

static void random_facts(struct rng *rng, struct arena *a, struct facts *f)
{
    *f = (struct facts){
        .now_ms = random_time(rng),
        .domain = random_text(rng, a),
        .configured = rng_chance(rng, 1, 2),
        .has_mx = random_tri(rng),
        .null_mx = rng_chance(rng, 1, 2),
        .domain_exists = random_tri(rng),
        .dns_failure = random_text(rng, a),
        .n_host = (unsigned)rng_below(rng, FACTS_HOSTS_MAX + 1),
        .expires_ms = random_time(rng),
    };
    for (unsigned i = 0; i < f->n_host; i++)
        random_host(rng, a, &f->host[i]);
}

TEST(t15_facts_round_trip)
{
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        struct arena a;
        struct buf text, again;
        struct facts f, back;
        struct why why = { "" };
        arena_init(&a, 1 << 20);
        buf_init(&text, FACTS_TEXT_MAX);
        buf_init(&again, FACTS_TEXT_MAX);
        random_facts(&rng, &a, &f);
        facts_print(&f, &text);
        CHECK(facts_read(buf_span(&text), &a, &back, &why) == ERR_OK);
        CHECK_Z(span_z(why.text), "");
        check_eq(&f, &back);
        facts_print(&back, &again);
        CHECK_SPAN(buf_span(&again), buf_span(&text));
        buf_done(&text);
        buf_done(&again);
        arena_done(&a);
    }
}

/* As many records as there may be, of as many bytes. */
static void fill_records(struct tlsa_set *set, struct arena *a)
{
    static char full[2048] = { 0x30, (char)0x82, 0x07, (char)0xfc };
    struct tlsa t = { TLSA_DANE_EE, TLSA_CERT, TLSA_FULL, { full, sizeof full } };
    char digest[64] = { 0 };
    tlsa_set_add(set, &t, a);
    for (unsigned i = 0; i < 40; i++) {
        t = (struct tlsa){ TLSA_DANE_TA, TLSA_SPKI, TLSA_SHA512, { digest, sizeof digest } };
        digest[0] = (char)i;
        tlsa_set_add(set, &t, a);
    }
    CHECK_NUM(set->n, TLSA_RECORDS_MAX);
    tlsa_set_add_broken(set);
}

TEST(facts_largest_fits)
{
    static char huge[4000]; /* every byte needs three in xtext */
    static struct facts f;
    struct span words = { huge, sizeof huge };
    struct arena a;
    struct buf text;
    arena_init(&a, 1 << 20);
    f = (struct facts){ .now_ms = INT64_MIN, .domain = words, .dns_failure = words };
    f.n_host = FACTS_HOSTS_MAX;
    f.expires_ms = INT64_MIN;
    for (unsigned i = 0; i < FACTS_HOSTS_MAX; i++) {
        f.host[i] = (struct host_facts){ .name = words, .failure = words, .n_ip = FACTS_IPS_MAX };
        f.host[i].tlsa_base = f.host[i].sts_domain = f.host[i].sts_id = words;
        f.host[i].sts_fetched_ms = INT64_MIN;
        f.host[i].tlsa_state = TLSA_FOUND;
        fill_records(&f.host[i].tlsa, &a);
        for (unsigned k = 0; k < FACTS_IPS_MAX; k++) {
            f.host[i].ip[k] = (struct ip){ IP_V6, UINT16_MAX, { 0 } };
            memset(f.host[i].ip[k].a, 0xff, 16);
        }
    }
    buf_init(&text, FACTS_TEXT_MAX);
    facts_print(&f, &text);
    CHECK(facts_read(buf_span(&text), &a, &f, NULL) == ERR_OK);
    CHECK_NUM(f.host[9].failure.n, FACTS_STRING_MAX);
    CHECK(f.host[9].tlsa.n == TLSA_RECORDS_MAX && f.host[9].tlsa.n_unusable == 1);
    CHECK_NUM(f.host[9].sts_fetched_ms, INT64_MIN);
    buf_done(&text);
    arena_done(&a);
}

TEST(facts_text)
{
    struct facts f = { .now_ms = 1700000000000,
                       .domain = SPAN("example.org"),
                       .has_mx = TRI_YES,
                       .domain_exists = TRI_YES,
                       .n_host = 1,
                       .expires_ms = 1700000300000 };
    f.host[0] = (struct host_facts){ .name = SPAN("mx.example.org"),
                                     .preference = 10,
                                     .ip = { { IP_V4, 0, { 192, 0, 2, 1 } },
                                             { IP_V6, 25, { 0x20, 1, [15] = 1 } } },
                                     .n_ip = 2,
                                     .has_ip = TRI_YES,
                                     .mx_security = SECURITY_SECURE,
                                     .ip_security = SECURITY_INSECURE,
                                     .connected = TRI_NO,
                                     .failure = SPAN("connection refused") };
    struct buf text;
    buf_init(&text, FACTS_TEXT_MAX);
    facts_print(&f, &text);
    CHECK_Z(buf_span(&text),
            "domain=example.org now=1700000000000 configured=no mx=yes null-mx=no exists=yes "
            "mx-security=unknown failure= expires=1700000300000\n"
            "host=mx.example.org preference=10 ip=192.0.2.1,[2001::1]:25 has-ip=yes "
            "mx-security=secure ip-security=insecure tlsa=not-asked tlsa-records= tlsa-unusable=0 "
            "tlsa-dropped=0 tlsa-base= sts=not-asked sts-match=unknown sts-domain= sts-id= "
            "sts-fetched=0 us=no path=no connected=no starttls=unknown "
            "handshake=unknown requiretls=unknown channel=unknown breach=none "
            "failure=connection+20refused\n");
    buf_done(&text);
}

TEST(facts_read_tolerates)
{
    static const char text[] = "# from a bug report\r\n\r\n"
                               "  host=a  starttls=yes \r\n"
                               "\tdomain=example.org   mx=no\r\n"
                               "host=/run/lmtp path=yes";
    struct arena a;
    struct facts f;
    arena_init(&a, 4096);
    CHECK(facts_read(SPAN("domain=x"), &a, &f, NULL) == ERR_OK);
    CHECK_Z(f.domain, "x");
    CHECK(f.has_mx == TRI_UNKNOWN && f.n_host == 0);
    struct why why = { "" };
    enum err e = facts_read(span_z(text), &a, &f, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK(e == ERR_OK);
    CHECK_NUM(f.n_host, 2);
    CHECK(f.has_mx == TRI_NO && f.host[0].starttls_offered == TRI_YES && f.host[1].is_path);
    arena_done(&a);
}

TEST(facts_read_refuses)
{
    static const struct {
        const char *text;
        enum err e;
        const char *why;
    } rows[] = {
        { "", ERR_SYNTAX, "no line starts with domain=" },
        { "host=a\n", ERR_SYNTAX, "no line starts with domain=" },
        { "domain=a\ndomain=b\n", ERR_SYNTAX, "line 2: a line starts with host=" },
        { "\n\nmx=yes domain=a\n", ERR_SYNTAX, "line 3: a line starts with domain= or host=" },
        { "domain=a mx=maybe\n", ERR_SYNTAX, "line 1: mx: not a value for it" },
        { "domain=a mx=yes mx=no\n", ERR_SYNTAX, "line 1: mx: given twice" },
        { "domain=a mx\n", ERR_SYNTAX, "line 1: mx: not a value for it" },
        { "domain=a spf=yes\n", ERR_SYNTAX, "line 1: spf: no such key here" },
        { "domain=a host=b\n", ERR_SYNTAX, "line 1: host: no such key here" },
        { "domain=a =\n", ERR_SYNTAX, "line 1: : no such key here" },
        { "domain=a 01234567890123456789012345678901234567890123456789=1\n", ERR_SYNTAX,
          "line 1: 0123456789012345678901234567890123456789: no such key here" },
        { "domain=a null-mx=unknown\n", ERR_SYNTAX, "line 1: null-mx: not a value for it" },
        { "domain=a=b\n", ERR_SYNTAX, "line 1: domain: not a value for it" },
        { "domain=+0\n", ERR_SYNTAX, "line 1: domain: not a value for it" },
        { "domain=a now=1.5\n", ERR_SYNTAX, "line 1: now: not a value for it" },
        { "domain=a now=-\n", ERR_SYNTAX, "line 1: now: not a value for it" },
        { "domain=a now=--1\n", ERR_SYNTAX, "line 1: now: not a value for it" },
        { "domain=a now=9223372036854775808\n", ERR_SYNTAX, "line 1: now: not a value for it" },
        { "domain=a now=-9223372036854775809\n", ERR_SYNTAX, "line 1: now: not a value for it" },
        { "domain=a\nhost=b preference=65536\n", ERR_SYNTAX,
          "line 2: preference: not a value for it" },
        { "domain=a\nhost=b mx-security=good\n", ERR_SYNTAX,
          "line 2: mx-security: not a value for it" },
        { "domain=a\nhost=b ip=1.2.3\n", ERR_SYNTAX, "line 2: ip: not a value for it" },
        { "domain=a\nhost=b ip=1.2.3.4,,1.2.3.4\n", ERR_SYNTAX, "line 2: ip: not a value for it" },
        { "domain=a\nhost=b ip=::1,::1,::1,::1,::1,::1,::1,::1,::1\n", ERR_TOO_BIG,
          "line 2: ip: too much" },
        { "host=1\nhost=2\nhost=3\nhost=4\nhost=5\nhost=6\nhost=7\nhost=8\nhost=9\nhost=10\nhost="
          "11",
          ERR_TOO_BIG, "line 11: more than 10 hosts" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].text);
        struct arena a;
        struct facts f = { .now_ms = 77 };
        struct why why = { "" };
        arena_init(&a, 4096);
        enum err e = facts_read(span_z(rows[i].text), &a, &f, &why);
        CHECK_Z(span_z(why.text), rows[i].why);
        CHECK_NUM(e, rows[i].e);
        CHECK_NUM(f.now_ms, 77);
        arena_done(&a);
    }
}

TEST(facts_read_small_arena)
{
    struct arena a;
    struct facts f = { .now_ms = 77 };
    struct why why;
    arena_init(&a, 3);
    CHECK(facts_read(SPAN("domain=example.org"), &a, &f, &why) == ERR_TOO_BIG);
    CHECK_Z(span_z(why.text), "line 1: domain: too much");
    CHECK_NUM(f.now_ms, 77);
    arena_done(&a);
}

TEST(facts_tri_names)
{
    CHECK_Z(span_z(tri_name(TRI_UNKNOWN)), "unknown");
    CHECK_Z(span_z(tri_name(TRI_NO)), "no");
    CHECK_Z(span_z(tri_name(TRI_YES)), "yes");
}
