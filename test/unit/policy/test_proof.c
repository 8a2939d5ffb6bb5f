/* Laws of contracts, proved by trying every contract there is: all needs, floors, modes of
 * revocation, with up to two sets of names, with and without the host's own name, an identity and
 * leave for expired certificates. Each proof prints how many cases it tried. */
#include "policy/select.h"
#include "test/test.h"
#include <stdio.h>

static struct span one_names[] = { { "one.example", 11 } };
static struct span two_names[] = { { "two.example", 11 } };
static const struct name_set one = { .id = 1, .n = 1, .name = one_names };
static const struct name_set two = { .id = 2, .n = 1, .name = two_names };

static unsigned take(unsigned *i, unsigned n)
{
    unsigned digit = *i % n;
    *i /= n;
    return digit;
}

/* --- the space */

enum { SETS = 5, REVOCATIONS = 3, CONTRACTS = TLS_NEED_COUNT_ * 2 * 2 * 2 * 2 * 2 * SETS * 3 };

/* As configuration or code may write it: in either order, with words that say nothing there. */
static struct contract contract_at(unsigned i)
{
    static const struct {
        const struct name_set *set[2];
        unsigned n;
    } sets[SETS] = {
        { { NULL }, 0 },       { { &one }, 1 },       { { &two }, 1 },
        { { &one, &two }, 2 }, { { &two, &one }, 2 },
    };
    struct contract c = { .rules = 1u << i % 6 };
    unsigned names = take(&i, SETS);
    c.host_name = take(&i, 2);
    c.allow_expired = take(&i, 2);
    c.revocation = (enum revocation)take(&i, REVOCATIONS);
    c.identity = 7 * take(&i, 2);
    c.forward_secret = take(&i, 2);
    c.floor = take(&i, 2) ? 13 : 12;
    c.need = (enum tls_need)i;
    ASSERT(c.need < TLS_NEED_COUNT_);
    c.n_names = sets[names].n;
    memcpy(c.names, sets[names].set, sizeof sets[names].set);
    return c;
}

/* One of each that contract_eq tells apart. */
struct space {
    struct contract c[CONTRACTS];
    char digest[CONTRACTS][CONTRACT_DIGEST_MAX];
    unsigned n;
};

static unsigned space_find(const struct space *s, const struct contract *c)
{
    char digest[CONTRACT_DIGEST_MAX];
    contract_digest(c, digest);
    for (unsigned i = 0; i < s->n; i++) {
        if (strcmp(s->digest[i], digest) == 0)
            return i;
    }
    return s->n;
}

static void space_init(struct space *s)
{
    s->n = 0;
    for (unsigned i = 0; i < CONTRACTS; i++) {
        struct contract c = contract_at(i);
        if (space_find(s, &c) < s->n)
            continue;
        s->c[s->n] = c;
        contract_digest(&c, s->digest[s->n++]);
    }
}

/* --- digest, equality, order */

TEST(proof_t26_t42_digest_is_equality)
{
    static char digest[CONTRACTS][CONTRACT_DIGEST_MAX];
    static struct contract c[CONTRACTS];
    unsigned pairs = 0, equal = 0;
    for (unsigned i = 0; i < CONTRACTS; i++) {
        c[i] = contract_at(i);
        contract_digest(&c[i], digest[i]);
    }
    for (unsigned i = 0; i < CONTRACTS; i++) {
        for (unsigned k = 0; k < CONTRACTS; k++, pairs++) {
            bool same = strcmp(digest[i], digest[k]) == 0;
            CHECK(same == contract_eq(&c[i], &c[k]));
            CHECK(!same || c[i].identity == c[k].identity);
            equal += same;
        }
    }
    printf("  proof: a digest is equality: %u pairs of contracts, %u of them equal\n", pairs,
           equal);
}

/* Everything but the identity, which is no demand. */
static bool same_demand(const struct contract *a, const struct contract *b)
{
    return contract_at_least(a, b) && contract_at_least(b, a);
}

TEST(proof_join_is_the_least_upper_bound)
{
    static struct space s;
    unsigned pairs = 0;
    struct contract none = contract_none();
    space_init(&s);
    for (unsigned i = 0; i < s.n; i++) {
        const struct contract *a = &s.c[i];
        struct contract aa = contract_join(*a, *a), an = contract_join(*a, none);
        struct contract na = contract_join(none, *a);
        CHECK(contract_eq(&aa, a) && contract_eq(&an, a) && contract_eq(&na, a));
        CHECK(contract_at_least(a, &none));
        for (unsigned k = 0; k < s.n; k++, pairs++) {
            const struct contract *b = &s.c[k];
            struct contract ab = contract_join(*a, *b), ba = contract_join(*b, *a);
            CHECK(contract_eq(&ab, &ba) && ab.rules == (a->rules | b->rules));
            CHECK(ba.rules == ab.rules);
            CHECK(contract_at_least(&ab, a) && contract_at_least(&ab, b));
            CHECK(contract_at_least(a, b) == same_demand(&ab, a));
            CHECK(ab.identity == (a->identity | b->identity));
            CHECK(ab.forward_secret == (a->forward_secret || b->forward_secret));
            CHECK(ab.floor == (a->floor > b->floor ? a->floor : b->floor));
        }
    }
    printf(
        "  proof: join is commutative, idempotent, a least upper bound: %u contracts, %u pairs\n",
        s.n, pairs);
}

/* --- triples: forward secrecy and floor were shown above to join each for itself, as "or" and as
 * the greater; what is left is tried whole. */

struct table {
    struct space s;
    uint16_t *join; /* n * n */
    bool *least;    /* row at least column */
};

static void table_init(struct table *t)
{
    static struct space all;
    space_init(&all);
    t->s.n = 0;
    for (unsigned i = 0; i < all.n; i++) {
        if (all.c[i].forward_secret || all.c[i].floor == 13)
            continue;
        t->s.c[t->s.n] = all.c[i];
        memcpy(t->s.digest[t->s.n++], all.digest[i], CONTRACT_DIGEST_MAX);
    }
    unsigned n = t->s.n;
    t->join = mem_alloc((size_t)n * n * sizeof t->join[0]);
    t->least = mem_alloc((size_t)n * n * sizeof t->least[0]);
    for (unsigned i = 0; i < n * n; i++) {
        struct contract c = contract_join(t->s.c[i / n], t->s.c[i % n]);
        t->join[i] = (uint16_t)space_find(&t->s, &c);
        t->least[i] = contract_at_least(&t->s.c[i / n], &t->s.c[i % n]);
        CHECK(t->join[i] < n); /* closed */
    }
}

static void table_done(struct table *t)
{
    mem_free(t->join);
    mem_free(t->least);
}

/* Wrong triples for one a: associativity; that a joined with more asks for more; transitivity. */
static unsigned wrong_triples(const struct table *t, unsigned a)
{
    unsigned n = t->s.n, wrong = 0;
    for (unsigned b = 0; b < n; b++) {
        for (unsigned c = 0; c < n; c++) {
            unsigned ab = t->join[a * n + b], bc = t->join[b * n + c], ac = t->join[a * n + c];
            wrong += t->join[ab * n + c] != t->join[a * n + bc];
            wrong += t->least[b * n + c] && !t->least[ab * n + ac];
            wrong += t->least[a * n + b] && t->least[b * n + c] && !t->least[a * n + c];
        }
    }
    return wrong;
}

TEST(proof_join_is_associative_and_monotone)
{
    static struct table t;
    uint64_t triples = 0;
    table_init(&t);
    for (unsigned a = 0; a < t.s.n; a++, triples += (uint64_t)t.s.n * t.s.n)
        CHECK_NUM(wrong_triples(&t, a), 0);
    printf("  proof: join is associative and monotone: %llu triples\n",
           (unsigned long long)triples);
    table_done(&t);
}

/* --- the judge */

enum { FACTS = 1 + 4 * 2 * 3 * 3 * 2 * 4, WORDS = (FACTS + 63) / 64 };

/* 0: plaintext; then version, forward secrecy, chain, revocation, the host's name, the sets'. */
static struct tls_facts facts_at(unsigned i)
{
    static const char *const versions[] = { "TLSv1.1", "TLSv1.2", "TLSv1.3", "TLSv1.4" };
    static const char *const names[] = { "", "one.example", "two.example",
                                         "one.example,two.example" };
    struct tls_facts f = { .on = i > 0 };
    if (i-- == 0)
        return f;
    unsigned chain = take(&i, 3);
    f.chain_ok = chain == 2;
    f.expired = chain == 1;
    f.revoked = (enum tls_revoked)take(&i, 3);
    f.forward_secret = take(&i, 2);
    f.name_ok = take(&i, 2);
    f.names = span_z(names[take(&i, 4)]);
    f.version = span_z(versions[i]);
    return f;
}

struct accepts {
    uint64_t word[WORDS]; /* a bit for each of FACTS */
};

static struct accepts accepts_of(const struct contract *c, const struct tls_facts *facts)
{
    struct accepts a = { { 0 } };
    for (unsigned i = 0; i < FACTS; i++) {
        bool well = contract_judge(c, &facts[i]) == BREACH_NONE;
        a.word[i / 64] |= (uint64_t)well << i % 64;
        CHECK(well == (contract_breach(c, &facts[i]) == NULL));
    }
    return a;
}

static bool no_more(const struct accepts *a, const struct accepts *b)
{
    for (unsigned i = 0; i < WORDS; i++) {
        if (a->word[i] & ~b->word[i])
            return false;
    }
    return true;
}

TEST(proof_r21_judge_is_antitone)
{
    static struct space s;
    static struct accepts accepts[CONTRACTS];
    static struct tls_facts facts[FACTS];
    uint64_t cases = 0;
    for (unsigned i = 0; i < FACTS; i++)
        facts[i] = facts_at(i);
    space_init(&s);
    for (unsigned i = 0; i < s.n; i++)
        accepts[i] = accepts_of(&s.c[i], facts);
    for (unsigned i = 0; i < s.n; i++) {
        CHECK((accepts[i].word[0] & 1) == (s.c[i].need == TLS_NEED_TRY)); /* plaintext */
        for (unsigned k = 0; k < s.n; k++, cases += FACTS) {
            if (contract_at_least(&s.c[i], &s.c[k]))
                CHECK(no_more(&accepts[i], &accepts[k]));
        }
    }
    printf("  proof: a stronger contract accepts no more: %u contracts, %u channels, %llu cases\n",
           s.n, FACTS, (unsigned long long)cases);
}

/* Contracts that are written differently and equal are judged alike. */
TEST(proof_equal_contracts_judge_alike)
{
    static struct space s;
    static struct tls_facts facts[FACTS];
    unsigned cases = 0;
    for (unsigned i = 0; i < FACTS; i++)
        facts[i] = facts_at(i);
    space_init(&s);
    for (unsigned i = 0; i < CONTRACTS; i++) {
        struct contract c = contract_at(i);
        const struct contract *like = &s.c[space_find(&s, &c)];
        for (unsigned k = 0; k < FACTS; k++, cases++)
            CHECK_NUM(contract_judge(&c, &facts[k]), contract_judge(like, &facts[k]));
    }
    printf("  proof: equal contracts judge alike: %u cases\n", cases);
}

/* --- in clear */

static bool goes_in_clear(const struct contract *c, const struct host_facts *h,
                          const struct tls_facts *tls)
{
    struct verdict greeted = decide_greeted(c, h), secured = decide_secured(c, h, tls);
    bool on = tls && tls->on;
    return greeted.step == STEP_SEND || secured.step == STEP_PLAINTEXT ||
           (secured.step == STEP_SEND && (!on || h->handshake == TRI_NO));
}

TEST(proof_t04_r21_never_in_clear_above_try)
{
    uint64_t cases = 0;
    for (unsigned i = 0; i < CONTRACTS; i++) {
        struct contract c = contract_at(i);
        bool seen = false;
        for (unsigned k = 0; k < 3 * 3 * (FACTS + 1); k++, cases++) {
            unsigned n = k;
            struct host_facts h = { .connected = TRI_YES };
            h.starttls_offered = (enum tri)take(&n, 3);
            h.handshake = (enum tri)take(&n, 3);
            struct tls_facts tls = facts_at(n < FACTS ? n : 0);
            bool clear = goes_in_clear(&c, &h, n < FACTS ? &tls : NULL);
            CHECK(!clear || c.need == TLS_NEED_TRY);
            seen = seen || clear;
        }
        CHECK(seen == (c.need == TLS_NEED_TRY)); /* R20: and there it does go */
    }
    printf("  proof: nothing goes in clear above try: %llu cases\n", (unsigned long long)cases);
}

/* --- connectors */

enum { SHAPES = 6, OTHER_DOMAINS = 4 };
static struct span shape_pattern[SHAPES] = {
    [1] = { "*", 1 }, [2] = { "*.example", 9 }, [3] = { "mx.lab.example", 14 }
};
static struct span own_domain[] = { { "own.example", 11 } };
static struct span their_domain[] = { { "their.example", 13 } };
static const struct hash_key proof_key = { { 5, 6 } };

struct world {
    struct org org[2];
    struct out_connector out[SHAPES];
    struct org_table *table;
    struct route_table routes;
};

/* Connectors do not change below a table. */
static void world_build(struct world *w)
{
    struct org_conflict conflict;
    struct buf witness;
    buf_init(&witness, 1024);
    org_table_free(w->table);
    CHECK(org_table_new(w->org, 2, &proof_key, &w->table, &conflict, &witness) == ERR_OK);
    buf_done(&witness);
}

/* Shapes: accepted, "*", a wildcard, an exact name, everything, by a header. Each asks for
 * something of its own, so that a contract tells whose it is. */
static void world_init(struct world *w)
{
    const struct route *twice;
    *w = (struct world){ 0 };
    w->org[0] = (struct org){
        .name = SPAN("we"), .domain = own_domain, .n_domain = 1, .out = w->out, .n_out = SHAPES
    };
    w->org[1] = (struct org){ .name = SPAN("they"), .domain = their_domain, .n_domain = 1 };
    for (unsigned i = 0; i < SHAPES; i++) {
        struct contract c = contract_at(i * 97 + CONTRACTS / 2);
        c.identity = i + 1;
        w->out[i] = (struct out_connector){ .c = { .id = SPAN("we/out"), .org = &w->org[0] },
                                            .accepted = i == 0,
                                            .recipient = &shape_pattern[i],
                                            .n_recipient = i >= 1 && i <= 3,
                                            .everything = i == 4,
                                            .rule_header = i == 5 ? SPAN("X-Via") : SPAN_NONE,
                                            .route = { .kind = ROUTE_MX, .contract = c } };
    }
    w->out[5].c.id = SPAN("we/rule");
    CHECK(route_table_init(&w->routes, NULL, 0, &proof_key, &twice) == ERR_OK);
}

static void world_done(struct world *w)
{
    org_table_free(w->table);
    route_table_done(&w->routes);
}

enum { MESSAGES = 4 * 3 * 2 * 2 * 2, CONFIGS = 3 * 3 * 3 * 3 * 3 * 3 };
enum to { TO_EXACT, TO_WILDCARD, TO_OWN, TO_THEIRS };

struct question {
    enum to to;
    unsigned from; /* 0: nobody, 1: we, 2: they */
    bool on_premises, rule, requiretls;
};

static struct question question_at(unsigned i)
{
    struct question q;
    q.requiretls = take(&i, 2);
    q.rule = take(&i, 2);
    q.on_premises = take(&i, 2);
    q.from = take(&i, 3);
    q.to = (enum to)i;
    return q;
}

static struct outbound_message message_of(const struct question *q)
{
    static const char *const to[] = { "mx.lab.example", "a.b.example", "own.example",
                                      "their.example" };
    static const char *const from[] = { "", "we", "they" };
    return (struct outbound_message){
        .org = span_z(from[q->from]),
        .to_domain = span_z(to[q->to]),
        .rule = q->rule ? SPAN("we/rule") : SPAN_NONE,
        .from_on_premises = q->on_premises,
        .message = { .requiretls = q->requiretls },
    };
}

static void set_modes(struct world *w, unsigned config)
{
    for (unsigned i = 0; i < SHAPES; i++)
        w->out[i].c.mode = (enum connector_mode)take(&config, 3);
    world_build(w);
}

/* The same connectors with test written as off, or as enforce. */
static void replace_test(struct world *w, enum connector_mode by)
{
    for (unsigned i = 0; i < SHAPES; i++) {
        if (w->out[i].c.mode == CONNECTOR_TEST)
            w->out[i].c.mode = by;
    }
    world_build(w);
}

/* The order of docs/connectors.md, walked from the top; -1: none. */
static int oracle_shape(const struct question *q, const struct world *w, enum connector_mode least)
{
    bool ours = q->to == TO_OWN || (q->from == 1 && q->to != TO_THEIRS);
    bool fits[SHAPES] = {
        [0] = q->to == TO_OWN,
        [1] = true,
        [2] = true,
        [3] = q->to == TO_EXACT,
        [4] = q->from == 1 && !q->on_premises,
        [5] = q->rule,
    };
    static const int order[SHAPES] = { 5, 4, 3, 2, 0, 1 };
    for (unsigned i = 0; ours && i < SHAPES; i++) {
        if (fits[order[i]] && w->out[order[i]].c.mode >= least)
            return order[i];
    }
    return -1;
}

static int shape_of(const struct world *w, const struct out_connector *c)
{
    return c ? (int)(c - w->out) : -1;
}

TEST(proof_select_agrees_with_oracle)
{
    struct world w;
    unsigned cases = 0;
    world_init(&w);
    for (unsigned i = 0; i < CONFIGS * MESSAGES; i++, cases++) {
        struct question q = question_at(i % MESSAGES);
        struct outbound_message m = message_of(&q);
        set_modes(&w, i / MESSAGES);
        struct selection s = select_out(w.table, &w.routes, &m);
        int by = oracle_shape(&q, &w, CONNECTOR_ENFORCE);
        int test = oracle_shape(&q, &w, CONNECTOR_TEST);
        CHECK_NUM(shape_of(&w, s.by), by);
        CHECK_NUM(shape_of(&w, s.test), test == by ? -1 : test);
        CHECK_NUM(s.contract.identity, (unsigned)(by + 1)); /* T-26 */
        CHECK(s.contract.need >= (q.requiretls ? TLS_NEED_ENCRYPT : TLS_NEED_TRY));
        CHECK(!s.by || contract_at_least(&s.contract, &s.by->route.contract));
    }
    printf("  proof: the connector is the one of the documented order: %u cases\n", cases);
    world_done(&w);
}

/* R17, R18: with every set of connectors. The rest of the contract is as without the rule. */
TEST(proof_r17_r18_tenants_are_never_in_clear)
{
    struct world w;
    struct contract least = contract_none();
    unsigned cases = 0, asked = 0;
    least.need = TLS_NEED_ENCRYPT;
    least.forward_secret = true;
    world_init(&w);
    for (unsigned i = 0; i < CONFIGS * MESSAGES; i++, cases++) {
        struct question q = question_at(i % MESSAGES);
        struct outbound_message m = message_of(&q);
        set_modes(&w, i / MESSAGES);
        bool tenants = q.from > 0 && (q.to == TO_OWN || q.to == TO_THEIRS);
        struct selection s = select_out(w.table, &w.routes, &m);
        CHECK(((s.contract.rules & RULE_TENANT) != 0) == tenants);
        CHECK(!tenants || contract_at_least(&s.contract, &least));
        CHECK(!tenants || !s.test || contract_at_least(&s.test_contract, &least));
        m.org = SPAN_NONE;
        struct selection other = select_out(w.table, &w.routes, &m);
        if (tenants && other.by == s.by) {
            struct contract both = contract_join(other.contract, least);
            CHECK(contract_eq(&both, &s.contract));
        }
        asked += tenants;
    }
    printf("  proof: tenants are never in clear: %u cases, %u of tenants\n", cases, asked);
    world_done(&w);
}

TEST(proof_test_mode_changes_nothing_that_is_sent)
{
    struct world w;
    unsigned cases = 0, told = 0;
    world_init(&w);
    for (unsigned i = 0; i < CONFIGS * MESSAGES; i++, cases++) {
        struct question q = question_at(i % MESSAGES);
        struct outbound_message m = message_of(&q);
        set_modes(&w, i / MESSAGES);
        struct selection with = select_out(w.table, &w.routes, &m);
        replace_test(&w, CONNECTOR_OFF);
        struct selection without = select_out(w.table, &w.routes, &m);
        CHECK(with.by == without.by && with.route == without.route && with.why == without.why);
        CHECK(contract_eq(&with.contract, &without.contract));
        CHECK(with.contract.rules == without.contract.rules && !without.test);
        /* and what is told is what enforcing would do */
        set_modes(&w, i / MESSAGES);
        replace_test(&w, CONNECTOR_ENFORCE);
        struct selection enforced = select_out(w.table, &w.routes, &m);
        CHECK(enforced.by == (with.test ? with.test : with.by));
        CHECK(contract_eq(&enforced.contract, with.test ? &with.test_contract : &with.contract));
        told += with.test != NULL;
    }
    printf("  proof: test mode changes nothing that is sent: %u cases, told in %u\n", cases, told);
    world_done(&w);
}

/* --- weakenings */

TEST(proof_weakenings_lower_and_end)
{
    unsigned cases = 0;
    for (unsigned i = 0; i < CONTRACTS; i++) {
        for (unsigned k = 0; k < 1u << WEAKEN_COUNT_; k++, cases++) {
            struct out_connector c = { .route = { .contract = contract_at(i) } };
            c.route.contract.rules = 0;
            for (unsigned bit = 0; bit < WEAKEN_COUNT_; bit++) {
                if (k & 1u << bit)
                    c.c.weakening[bit] = (struct weakening){ SPAN("o"), SPAN("r"), 1000 };
            }
            struct contract weak = out_connector_contract(&c, 999);
            struct contract over = out_connector_contract(&c, 1000);
            CHECK(contract_at_least(&over, &weak));
            CHECK(contract_eq(&over, &c.route.contract) && over.rules == RULE_CONNECTOR);
            CHECK(weak.identity == over.identity);
            CHECK(contract_eq(&weak, &over) == !(weak.rules & RULE_WEAKENED));
        }
    }
    printf("  proof: weakenings only lower, and end: %u cases\n", cases);
}
