/* What is supposed with --if, and the ladder that tells of it. */
#include "policy/suppose.h"

#include "base/rng.h"
#include "base/why.h"
#include "policy/ladder.h"
#include "test/test.h"

#include <stdio.h>

enum { TEXT_MAX = 128 * 1024, SEED = 7, ROUNDS = 3000 };

static const char two_hosts[] =
    "domain=lab.example now=1000 mx=yes exists=yes expires=61000\n"
    "host=mx1.lab.example preference=10 ip=192.0.2.1 has-ip=yes mx-security=insecure\n"
    "host=mx2.lab.example preference=20 ip=192.0.2.2 has-ip=yes mx-security=secure\n";

static struct contract contract(enum tls_need need)
{
    struct contract c = contract_none();
    c.need = need;
    c.rules = RULE_ROUTE;
    return c;
}

struct stage {
    struct arena arena;
    struct facts facts;
    struct suppose suppose;
    struct why why;
};

static enum err suppose(struct stage *s, enum tls_need need, const char *text)
{
    struct contract c = contract(need);
    struct span item[SUPPOSE_MAX], left = span_z(text);
    struct suppose_ask ask = { .text = item };
    *s = (struct stage){ .facts = { .now_ms = 0 } };
    arena_init(&s->arena, 1 << 20);
    CHECK_NUM(facts_read(span_z(two_hosts), &s->arena, &s->facts, &s->why), ERR_OK);
    while (left.n > 0)
        item[ask.n++] = span_cut(&left, ' ');
    return suppose_hosts(&ask, &c, &s->facts, &s->arena, &s->suppose, &s->why);
}

/* What mail meets, host after host: "connect", "send", "defer 450 4.4.317", ... */
static void fate(const struct stage *s, enum tls_need need, struct buf *out)
{
    struct contract c = contract(need);
    for (unsigned i = 0; i < s->facts.n_host; i++) {
        const struct host_facts *h = &s->facts.host[i];
        struct verdict v = decide_plan(&c, &s->facts, i);
        if (v.step == STEP_CONNECT && h->channel != TRI_UNKNOWN)
            v.step = h->channel == TRI_YES ? STEP_SEND : STEP_NEXT_HOST;
        else if (v.step == STEP_CONNECT && h->handshake == TRI_NO)
            v = decide_secured(&c, h, NULL);
        else if (v.step == STEP_CONNECT && h->starttls_offered != TRI_UNKNOWN)
            v = decide_greeted(&c, h);
        buf_putf(out, "%s ", step_name(v.step));
    }
    struct verdict end = decide_plan(&c, &s->facts, s->facts.n_host);
    buf_putf(out, "%d %u.%u.%u", end.reply.code, end.reply.status.class, end.reply.status.subject,
             end.reply.status.detail);
}

static const struct {
    const char *text;
    enum tls_need need;
    const char *want;
} fates[] = {
    { "", TLS_NEED_ENCRYPT, "connect connect 451 4.4.3" },
    { "starttls=no", TLS_NEED_ENCRYPT, "next-host next-host 450 4.4.317" },
    { "starttls=no", TLS_NEED_TRY, "send send 451 4.4.1" },
    { "handshake=no", TLS_NEED_ENCRYPT, "next-host next-host 450 4.4.317" },
    { "handshake=no", TLS_NEED_TRY, "plaintext plaintext 451 4.4.1" },
    { "mx1.lab.example/starttls=no", TLS_NEED_ENCRYPT, "next-host connect 450 4.4.317" },
    { "mx1.lab.example:starttls=no", TLS_NEED_ENCRYPT, "next-host connect 450 4.4.317" },
    { "tls=TLSv1.2", TLS_NEED_NAME, "send send 451 4.4.1" },
    { "tls=TLSv1.1", TLS_NEED_TRY, "next-host next-host 450 4.4.317" },
    { "tls=none", TLS_NEED_ENCRYPT, "next-host next-host 450 4.4.317" },
    { "chain=no", TLS_NEED_ENCRYPT, "send send 451 4.4.1" },
    { "chain=no", TLS_NEED_CHAIN, "next-host next-host 450 4.7.320" },
    { "chain=no expired=yes", TLS_NEED_CHAIN, "next-host next-host 450 4.7.320" },
    { "names=other.example", TLS_NEED_CHAIN, "send send 451 4.4.1" },
    { "names=other.example", TLS_NEED_NAME, "next-host next-host 450 4.7.320" },
    { "names=*.lab.example", TLS_NEED_NAME, "send send 451 4.4.1" },
    { "names=mx1.lab.example", TLS_NEED_NAME, "send next-host 450 4.7.320" },
    { "name=yes names=other.example", TLS_NEED_NAME, "send send 451 4.4.1" },
    { "mx2.lab.example/chain=no", TLS_NEED_CHAIN, "connect next-host 450 4.7.320" },
    { "mx=unknown", TLS_NEED_TRY, "defer defer 451 4.4.3" },
    { "null-mx=yes", TLS_NEED_TRY, "bounce bounce 556 5.1.10" },
    { "exists=no", TLS_NEED_TRY, "bounce bounce 550 5.1.2" },
    { "mx1.lab.example/us=yes", TLS_NEED_TRY, "bounce bounce 554 5.4.6" },
    { "mx1.lab.example/mx-security=bogus", TLS_NEED_TRY, "next-host connect 450 4.7.324" },
    { "connected=no", TLS_NEED_TRY, "connect connect 451 4.4.1" },
};

TEST(r21_what_is_supposed_is_decided_by_decide)
{
    for (size_t i = 0; i < COUNTOF(fates); i++) {
        struct stage s;
        struct buf text;
        buf_init(&text, TEXT_MAX);
        test_case(fates[i].text);
        CHECK_NUM(suppose(&s, fates[i].need, fates[i].text), ERR_OK);
        fate(&s, fates[i].need, &text);
        CHECK_SPAN(buf_span(&text), span_z(fates[i].want));
        buf_done(&text);
        arena_done(&s.arena);
    }
    test_case(NULL);
}

static const struct {
    const char *text, *has;
} wrong[] = {
    { "colour=red", "there are: " },
    { "starttls", "FACT=VALUE" },
    { "=no", "FACT=VALUE" },
    { "starttls=perhaps", "unknown, no, yes" },
    { "us=unknown", "no, yes" },
    { "ip=x", "addresses" },
    { "chain=perhaps", "yes or no" },
    { "bits=many", "a number" },
    { "mx9.lab.example/starttls=no", "there are: mx1.lab.example, mx2.lab.example" },
    { "mx1.lab.example/mx=no", "no fact here" },
    { "domain=x.example", "ask another one" },
    { "host=x.example", "ask another one" },
    { "now=1", "--at" },
};

TEST(what_cannot_be_supposed_is_said)
{
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        struct stage s;
        test_case(wrong[i].text);
        CHECK_NUM(suppose(&s, TLS_NEED_TRY, wrong[i].text), ERR_SYNTAX);
        CHECK(strstr(s.why.text, wrong[i].has) != NULL);
        arena_done(&s.arena);
    }
    test_case(NULL);
}

TEST(the_client_is_supposed_apart)
{
    struct arena a;
    struct why why = { "" };
    bool any = true;
    const struct span text[] = { SPAN("starttls=no"), SPAN("client/names=mx.lab.example"),
                                 SPAN("client:chain=no") };
    struct tls_facts tls = { .on = false };
    arena_init(&a, 1 << 16);
    CHECK_NUM(suppose_client(&(struct suppose_ask){ text, 1 }, &tls, &a, &any, &why), ERR_OK);
    CHECK(!any && !tls.on);
    CHECK_NUM(suppose_client(&(struct suppose_ask){ text, 3 }, &tls, &a, &any, &why), ERR_OK);
    CHECK(any && tls.on && tls.peer_cert && !tls.chain_ok);
    CHECK_Z(tls.names, "mx.lab.example");
    tls = (struct tls_facts){ .on = true, .version = SPAN("TLSv1.2") }; /* without a certificate */
    CHECK_NUM(suppose_client(&(struct suppose_ask){ text, 2 }, &tls, &a, &any, &why), ERR_OK);
    CHECK(tls.peer_cert && tls.chain_ok && tls.anchor.n == 64);
    const struct span version = SPAN("client/tls=TLSv1.2");
    tls = (struct tls_facts){ .on = true, .version = SPAN("TLSv1.3") };
    CHECK_NUM(suppose_client(&(struct suppose_ask){ &version, 1 }, &tls, &a, &any, &why), ERR_OK);
    CHECK(!tls.peer_cert);
    CHECK_Z(tls.version, "TLSv1.2");
    const struct span bad = SPAN("client/starttls=no");
    CHECK_NUM(suppose_client(&(struct suppose_ask){ &bad, 1 }, &tls, &a, &any, &why), ERR_SYNTAX);
    arena_done(&a);
}

/* Every key that is listed can be supposed with the value that it has. */
TEST(every_fact_can_be_supposed)
{
    struct buf keys;
    buf_init(&keys, TEXT_MAX);
    facts_keys(true, &keys);
    tls_facts_keys(&keys);
    struct span left = buf_span(&keys);
    while (left.n > 0) {
        struct stage s;
        char text[160];
        struct span key = span_cut(&left, ' ');
        static const char *const values[] = { "no",
                                              "1",
                                              "none",
                                              "192.0.2.1",
                                              "insecure",
                                              "x",
                                              ("2-1-1-0123456789abcdef0123456789abcdef"
                                               "0123456789abcdef0123456789abcdef") };
        bool well = key.n == 0 || span_eq(key, SPAN("host"));
        for (size_t i = 0; i < COUNTOF(values) && !well; i++) {
            (void)snprintf(text, sizeof text, "mx2.lab.example/%.*s=%s", SPAN_ARG(key), values[i]);
            well = suppose(&s, TLS_NEED_NAME, text) == ERR_OK;
            well = well && suppose_has(&s.suppose, 1, arena_z(&s.arena, key));
            arena_done(&s.arena);
        }
        test_case(text);
        CHECK(well);
    }
    test_case(NULL);
    buf_done(&keys);
}

/* --- the ladder --- */

static bool has(const struct buf *text, const char *want)
{
    return memmem(text->p, text->n, want, strlen(want)) != NULL;
}

static void ladder(const struct stage *s, enum tls_need need, struct buf *out)
{
    const struct contract c = contract(need);
    const struct route r = { .kind = ROUTE_MX, .file = SPAN("f.conf"), .line = 3 };
    buf_init(out, LADDER_TEXT_MAX);
    ladder_print(&(struct ladder_input){ .contract = &c,
                                         .route = &r,
                                         .facts = &s->facts,
                                         .suppose = &s->suppose,
                                         .now_ms = 1000 },
                 out);
}

TEST(the_ladder_tells_sources_and_both_answers)
{
    struct stage s;
    struct buf text;
    CHECK_NUM(suppose(&s, TLS_NEED_CHAIN, "mx2.lab.example/starttls=no"), ERR_OK);
    ladder(&s, TLS_NEED_CHAIN, &text);
    CHECK(has(&text, "preference 10 (DNS, not signed, good for another 1m)"));
    CHECK(has(&text, "preference 20 (DNS, signed (DNSSEC), good for another 1m)"));
    CHECK(has(&text, "if it is offered, TLS is asked for"));
    CHECK(has(&text, "if it is not, nothing is sent to it (450 4.4.317)"));
    CHECK(has(&text, "if it fails, nothing is sent to it (450 4.4.317)"));
    CHECK(has(&text, "if no trusted root vouches for the certificate, nothing is sent to it (450 "
                     "4.7.320)"));
    CHECK(!has(&text, "has none of the names")); /* they are not asked for */
    CHECK(has(&text, "not offered (assumed): nothing is sent to it (450 4.4.317)"));
    buf_done(&text);
    ladder(&s, TLS_NEED_NAME, &text);
    CHECK(has(&text, "if the certificate has none of the names, nothing is sent to it"));
    buf_done(&text);
    s.facts.configured = true;
    s.facts.host[0].mx_security = SECURITY_UNKNOWN;
    ladder(&s, TLS_NEED_TRY, &text);
    CHECK(has(&text, "(the configuration, f.conf:3)"));
    CHECK(has(&text, "if it is not, the mail is sent: plaintext"));
    CHECK(!has(&text, "trusted root")); /* anything will do */
    buf_done(&text);
    arena_done(&s.arena);
}

/* Whatever is supposed, in any order: no plaintext and no unjudged channel under a demand, and it
 * can be told. */
TEST(r21_no_supposition_weakens_a_contract)
{
    static const char *const pieces[] = {
        "starttls=no",  "starttls=yes", "handshake=no", "handshake=yes",
        "chain=no",     "tls=TLSv1.2",  "tls=none",     "names=mx1.lab.example",
        "connected=no", "channel=no",   "us=no",        "mx2.lab.example/chain=no",
        "revoked=yes",  "expired=yes",  "mx=unknown",   "mx1.lab.example/name=no",
    };
    struct rng rng;
    rng_init(&rng, SEED);
    for (unsigned k = 0; k < ROUNDS; k++) {
        struct stage s;
        struct buf text;
        char asked[400] = "";
        enum tls_need need = (enum tls_need)rng_below(&rng, TLS_NEED_COUNT_);
        for (uint64_t n = rng_below(&rng, 5); n > 0; n--) {
            size_t at = strlen(asked);
            (void)snprintf(asked + at, sizeof asked - at, "%s%s", at ? " " : "",
                           pieces[rng_below(&rng, COUNTOF(pieces))]);
        }
        test_case(asked);
        CHECK_NUM(suppose(&s, need, asked), ERR_OK);
        buf_init(&text, TEXT_MAX);
        fate(&s, need, &text);
        CHECK(need == TLS_NEED_TRY || !has(&text, "plaintext"));
        for (unsigned i = 0; i < s.facts.n_host; i++) {
            const struct contract c = contract(need);
            bool sends = s.suppose.has_tls[i] && s.facts.host[i].channel == TRI_YES;
            CHECK(!sends || contract_judge(&c, &s.suppose.tls[i]) == BREACH_NONE);
        }
        buf_done(&text);
        ladder(&s, need, &text);
        CHECK(text.n > 0);
        buf_done(&text);
        arena_done(&s.arena);
    }
    test_case(NULL);
}
