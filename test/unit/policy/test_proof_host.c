/* Laws of what hosts add to contracts, proved by trying all of them: the modes of DANE and MTA-STS,
 * REQUIRETLS, TLSA records, bars, under each need. What of a contract is not in here was proved in
 * test_proof.c, where these are at rest. */
#include "policy/decide.h"
#include "test/test.h"
#include <stdio.h>

enum { BARS = 3, SPACE = TLS_NEED_COUNT_ * DANE_MODE_COUNT_ * STS_MODE_COUNT_ * 2 * 2 * BARS * 2 };

static char digest_bytes[32];
static struct tlsa_set records, same_records, other_records;

static unsigned take(unsigned *i, unsigned n)
{
    unsigned digit = *i % n;
    *i /= n;
    return digit;
}

static void sets_init(void)
{
    static char other_bytes[32] = { 1 };
    struct tlsa t = { TLSA_DANE_EE, TLSA_SPKI, TLSA_SHA256, { digest_bytes, 32 } };
    records = (struct tlsa_set){ .n = 1, .record = { t } };
    same_records = records;
    same_records.n_unusable = 1; /* they demand nothing */
    t.data = span_of(other_bytes, sizeof other_bytes);
    other_records = (struct tlsa_set){ .n = 1, .record = { t } };
}

/* As code may write it: TLSA records with any need. */
static struct contract contract_at(unsigned i)
{
    static const enum bar bars[BARS] = { BAR_NONE, BAR_STS_HOST, BAR_TLSA_BOGUS };
    struct contract c = { .floor = 12, .rules = 1u << i % 8 };
    c.bar = bars[take(&i, BARS)];
    c.tlsa = take(&i, 2) ? &records : NULL;
    c.authenticated = take(&i, 2);
    c.sts = (enum sts_mode)take(&i, STS_MODE_COUNT_);
    c.dane = (enum dane_mode)take(&i, DANE_MODE_COUNT_);
    c.host_name = take(&i, 2);
    c.need = (enum tls_need)i;
    ASSERT(c.need < TLS_NEED_COUNT_);
    return c;
}

TEST(proof_host_digest_is_equality)
{
    static char digest[SPACE][CONTRACT_DIGEST_MAX];
    unsigned pairs = 0;
    sets_init();
    for (unsigned i = 0; i < SPACE; i++) {
        struct contract c = contract_at(i);
        contract_digest(&c, digest[i]);
    }
    for (unsigned i = 0; i < SPACE; i++) {
        for (unsigned k = 0; k < SPACE; k++, pairs++) {
            struct contract a = contract_at(i), b = contract_at(k);
            b.tlsa = b.tlsa ? &same_records : NULL;
            CHECK(contract_eq(&a, &b) == (strcmp(digest[i], digest[k]) == 0));
            b.tlsa = a.tlsa ? &other_records : NULL;
            CHECK(!a.tlsa || (!contract_eq(&a, &b) && !contract_at_least(&a, &b)));
        }
    }
    printf("  proof: a digest is equality, of what hosts add too: %u pairs\n", pairs);
}

TEST(proof_host_join_is_the_least_upper_bound)
{
    unsigned pairs = 0;
    struct contract none = contract_none();
    sets_init();
    for (unsigned i = 0; i < SPACE; i++) {
        struct contract a = contract_at(i), aa = contract_join(a, a), an = contract_join(a, none);
        CHECK(contract_eq(&aa, &a) && contract_eq(&an, &a) && contract_at_least(&a, &none));
        for (unsigned k = 0; k < SPACE; k++, pairs++) {
            struct contract b = contract_at(k);
            struct contract ab = contract_join(a, b), ba = contract_join(b, a);
            CHECK(contract_eq(&ab, &ba) && ab.rules == ba.rules && ab.rules == (a.rules | b.rules));
            CHECK(contract_at_least(&ab, &a) && contract_at_least(&ab, &b));
            CHECK(contract_at_least(&a, &b) == contract_eq(&ab, &a));
        }
    }
    printf("  proof: join of what hosts add is commutative, idempotent, a least upper bound: %u "
           "pairs\n",
           pairs);
}

/* Triples of one of each that contract_eq tells apart, by a table of joins. */
struct table {
    struct contract c[SPACE];
    uint16_t join[SPACE * SPACE];
    bool least[SPACE * SPACE];
    unsigned n;
};

static unsigned find(const struct table *t, const struct contract *c)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (contract_eq(&t->c[i], c))
            return i;
    }
    return t->n;
}

static void table_init(struct table *t)
{
    t->n = 0;
    for (unsigned i = 0; i < SPACE; i++) {
        struct contract c = contract_at(i);
        if (c.sts == STS_OFF && c.host_name == false && find(t, &c) == t->n)
            t->c[t->n++] = c; /* those two join as `authenticated` does */
    }
    for (unsigned i = 0; i < t->n * t->n; i++) {
        struct contract j = contract_join(t->c[i / t->n], t->c[i % t->n]);
        t->join[i] = (uint16_t)find(t, &j);
        t->least[i] = contract_at_least(&t->c[i / t->n], &t->c[i % t->n]);
        CHECK(t->join[i] < t->n);
    }
}

TEST(proof_host_join_is_associative_and_monotone)
{
    static struct table t;
    unsigned triples = 0, wrong = 0;
    sets_init();
    table_init(&t);
    for (unsigned i = 0; i < t.n * t.n; i++) {
        unsigned a = i / t.n, b = i % t.n, ab = t.join[i];
        for (unsigned c = 0; c < t.n; c++, triples++) {
            unsigned bc = t.join[b * t.n + c], ac = t.join[a * t.n + c];
            wrong += t.join[ab * t.n + c] != t.join[a * t.n + bc];
            wrong += t.least[b * t.n + c] && !t.least[ab * t.n + ac];
            wrong += t.least[a * t.n + b] && t.least[b * t.n + c] && !t.least[a * t.n + c];
        }
    }
    CHECK_NUM(wrong, 0);
    printf("  proof: join of what hosts add is associative and monotone: %u triples\n", triples);
}

/* --- the judge */

enum { CHANNELS = 1 + 3 * 2 * TLS_DANE_COUNT_ };

static struct tls_facts channel_at(unsigned i)
{
    struct tls_facts f = { .on = i > 0, .forward_secret = true, .version = SPAN("TLSv1.3") };
    if (i-- == 0)
        return f;
    unsigned chain = take(&i, 3);
    f.chain_ok = chain == 0;
    f.expired = chain == 1;
    f.name_ok = take(&i, 2);
    f.dane = (enum tls_dane)i;
    ASSERT(f.dane < TLS_DANE_COUNT_);
    return f;
}

static uint64_t accepted(const struct contract *c)
{
    uint64_t bits = 0;
    STATIC_ASSERT(CHANNELS <= 64);
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct tls_facts f = channel_at(i);
        bool well = contract_judge(c, &f) == BREACH_NONE;
        bits |= (uint64_t)well << i;
        CHECK(well == (contract_breach(c, &f) == NULL));
        CHECK(!well || f.on || contract_allows_plaintext(c));
        CHECK(!well || c->bar == BAR_NONE);
        CHECK(!well || !c->tlsa || f.dane == TLS_DANE_EE || f.dane == TLS_DANE_TA);
    }
    return bits;
}

TEST(proof_host_judge_is_antitone)
{
    static uint64_t bits[SPACE];
    uint64_t cases = 0;
    sets_init();
    for (unsigned i = 0; i < SPACE; i++) {
        struct contract c = contract_at(i);
        bits[i] = accepted(&c);
    }
    for (unsigned i = 0; i < SPACE; i++) {
        for (unsigned k = 0; k < SPACE; k++, cases += CHANNELS) {
            struct contract a = contract_at(i), b = contract_at(k), j = contract_join(a, b);
            CHECK(!contract_at_least(&a, &b) || (bits[i] & ~bits[k]) == 0);
            CHECK((accepted(&j) & ~(bits[i] & bits[k])) == 0); /* what both ask */
        }
    }
    printf("  proof: a stronger contract accepts no more, of what hosts add too: %llu cases\n",
           (unsigned long long)cases);
}

TEST(proof_host_t04_never_in_clear)
{
    unsigned cases = 0;
    sets_init();
    for (unsigned i = 0; i < SPACE; i++) {
        struct contract c = contract_at(i);
        for (unsigned k = 0; k < 9; k++, cases++) {
            struct host_facts h = { .connected = TRI_YES };
            h.starttls_offered = (enum tri)(k % 3);
            h.handshake = (enum tri)(k / 3);
            bool clear = decide_greeted(&c, &h).step == STEP_SEND ||
                         decide_secured(&c, &h, NULL).step == STEP_PLAINTEXT;
            CHECK(!clear || (c.need == TLS_NEED_TRY && !c.tlsa && c.bar == BAR_NONE &&
                             c.dane != DANE_MANDATORY));
        }
    }
    printf("  proof: nothing goes in clear against records or a bar: %u cases\n", cases);
}
