/* The whole grid of contracts and channels: test/grid/policy.ref says what is done in each case,
 * an oracle written from the requirements says the same, and laws hold over all of it.
 * golden.h says how the file is written anew.
 *
 * First each contract against each channel, a line a case. Then all that a connector, a message and
 * another source may ask against all that a host may show, from the choice of the connector to the
 * end of the conversation: too many cases for lines, so a line is a block and has a digest. */
#include "policy/select.h"
#include "test/test.h"
#include "test/golden.h"
#include <stdio.h>

enum shake { SHAKE_NONE, SHAKE_FAILED, SHAKE_12, SHAKE_12_FS, SHAKE_13, SHAKE_COUNT_ };

static const char *const shake_names[SHAKE_COUNT_] = {
    [SHAKE_NONE] = "not-tried", [SHAKE_FAILED] = "failed", [SHAKE_12] = "1.2-no-fs",
    [SHAKE_12_FS] = "1.2-fs",   [SHAKE_13] = "1.3",
};

/* What the other side showed when the step is asked for. */
struct channel {
    bool secured; /* decide_secured is asked; else decide_greeted */
    enum tri starttls;
    enum shake shake;
    bool chain, name;
};

enum { CONTRACTS = TLS_NEED_COUNT_ * 2 * 2, CHANNELS = 2 * 3 * SHAKE_COUNT_ * 2 * 2 };

static struct contract contract_at(unsigned i)
{
    ASSERT(i < CONTRACTS);
    return (struct contract){
        .need = (enum tls_need)(i / 4),
        .floor = i / 2 % 2 ? 13 : 12,
        .forward_secret = i % 2,
        .rules = RULE_ROUTE,
    };
}

static struct channel channel_at(unsigned i)
{
    ASSERT(i < CHANNELS);
    return (struct channel){
        .name = i % 2,
        .chain = i / 2 % 2,
        .shake = (enum shake)(i / 4 % SHAKE_COUNT_),
        .starttls = (enum tri)(i / 4 / SHAKE_COUNT_ % 3),
        .secured = i / 4 / SHAKE_COUNT_ / 3,
    };
}

static struct verdict decide(const struct contract *c, const struct channel *ch)
{
    struct host_facts h = { .name = SPAN("mx.example.org"), .connected = TRI_YES };
    struct tls_facts tls = { .on = ch->shake >= SHAKE_12,
                             .forward_secret = ch->shake >= SHAKE_12_FS,
                             .version = ch->shake == SHAKE_13 ? SPAN("TLSv1.3") : SPAN("TLSv1.2"),
                             .chain_ok = ch->chain,
                             .name_ok = ch->name };
    h.starttls_offered = ch->starttls;
    h.handshake = tls.on ? TRI_YES : ch->shake == SHAKE_FAILED ? TRI_NO : TRI_UNKNOWN;
    if (!ch->secured)
        return decide_greeted(c, &h);
    return decide_secured(c, &h, tls.on ? &tls : NULL);
}

/* --- the oracle: sentences of the requirements, nothing of decide.c */

/* "any TLS", "and the chain is valid", "and it names the host", version and forward secrecy. */
static bool oracle_channel_is_enough(const struct contract *c, const struct channel *ch)
{
    if (c->need == TLS_NEED_TRY)
        return true; /* R19: down the list until one is common to both */
    if (c->floor == 13 && ch->shake != SHAKE_13)
        return false;
    if (c->forward_secret && ch->shake == SHAKE_12)
        return false; /* R18 */
    if (c->need == TLS_NEED_ENCRYPT)
        return true;
    return ch->chain && (c->need == TLS_NEED_CHAIN || ch->name);
}

static enum step oracle(const struct contract *c, const struct channel *ch)
{
    bool secure_only = c->need != TLS_NEED_TRY;
    bool has_tls = ch->shake == SHAKE_12 || ch->shake == SHAKE_12_FS || ch->shake == SHAKE_13;
    if (ch->secured && has_tls)
        return oracle_channel_is_enough(c, ch) ? STEP_SEND : STEP_NEXT_HOST;
    if (ch->secured)
        return secure_only ? STEP_NEXT_HOST : STEP_PLAINTEXT;
    if (ch->starttls == TRI_UNKNOWN)
        return STEP_NEXT_HOST; /* cannot tell never weakens */
    if (ch->starttls == TRI_YES && ch->shake != SHAKE_FAILED)
        return STEP_STARTTLS;                        /* R10 */
    return secure_only ? STEP_NEXT_HOST : STEP_SEND; /* R21; R11, R20 */
}

/* --- the grid */

static void print_row(const struct contract *c, const struct channel *ch, struct buf *out)
{
    struct verdict v = decide(c, ch);
    buf_putf(out, "%-7s %d fs%d | %-7s starttls=%-7s tls=%-9s chain=%d name=%d -> %s",
             tls_need_name(c->need), c->floor, c->forward_secret,
             ch->secured ? "secured" : "greeted", tri_name(ch->starttls), shake_names[ch->shake],
             ch->chain, ch->name, step_name(v.step));
    if (v.reply.code)
        buf_putf(out, " %d %u.%u.%u", v.reply.code, v.reply.status.class, v.reply.status.subject,
                 v.reply.status.detail);
    buf_putf(out, "; %s\n", v.why);
}

static void print_rows(struct buf *out)
{
    buf_put(out,
            SPAN("# need, least version, forward secrecy | what was asked, what the host showed "
                 "-> step, reply; why\n"));
    for (unsigned i = 0; i < CONTRACTS; i++) {
        for (unsigned k = 0; k < CHANNELS; k++) {
            struct contract c = contract_at(i);
            struct channel ch = channel_at(k);
            print_row(&c, &ch, out);
        }
    }
}

TEST(grid_r10_r11_r19_r20_r21_agrees_with_oracle)
{
    for (unsigned i = 0; i < CONTRACTS; i++) {
        for (unsigned k = 0; k < CHANNELS; k++) {
            struct contract c = contract_at(i);
            struct channel ch = channel_at(k);
            struct verdict v = decide(&c, &ch);
            CHECK_Z(span_z(step_name(v.step)), step_name(oracle(&c, &ch)));
            CHECK(contract_eq(&v.contract, &c));
            CHECK(v.why != NULL);
            CHECK((v.step == STEP_NEXT_HOST) == (v.reply.code == 450 || v.reply.code == 451));
        }
    }
}

/* --- laws over the grid */

static bool in_clear(enum step step, const struct channel *ch)
{
    return step == STEP_PLAINTEXT || (step == STEP_SEND && !ch->secured);
}

TEST(grid_r21_t04_never_in_clear_when_demanded)
{
    for (unsigned i = 0; i < CONTRACTS; i++) {
        for (unsigned k = 0; k < CHANNELS; k++) {
            struct contract c = contract_at(i);
            struct channel ch = channel_at(k);
            if (c.need > TLS_NEED_TRY)
                CHECK(!in_clear(decide(&c, &ch).step, &ch));
        }
    }
}

/* Mail passes over this very channel, or over a plaintext one that replaces it. */
static bool allows(const struct contract *c, const struct channel *ch)
{
    enum step step = decide(c, ch).step;
    return step == STEP_SEND || step == STEP_PLAINTEXT;
}

TEST(grid_stronger_contract_never_allows_more)
{
    for (unsigned i = 0; i < CONTRACTS * CONTRACTS; i++) {
        struct contract a = contract_at(i / CONTRACTS), b = contract_at(i % CONTRACTS);
        if (!contract_at_least(&a, &b))
            continue;
        for (unsigned k = 0; k < CHANNELS; k++) {
            struct channel ch = channel_at(k);
            CHECK(!allows(&a, &ch) || allows(&b, &ch));
        }
    }
}

TEST(grid_what_is_allowed_is_not_refused_in_a_better_form)
{
    for (unsigned i = 0; i < CONTRACTS * CHANNELS * CHANNELS; i++) {
        struct contract c = contract_at(i / CHANNELS / CHANNELS);
        struct channel a = channel_at(i / CHANNELS % CHANNELS), b = channel_at(i % CHANNELS);
        bool better = a.secured && b.secured && a.shake >= SHAKE_12 && a.shake <= b.shake &&
                      a.chain <= b.chain && a.name <= b.name;
        if (better)
            CHECK(!allows(&c, &a) || allows(&c, &b));
    }
}

/* R13: below TLS 1.2 there is no channel for any contract. */
TEST(grid_r13_old_versions)
{
    static const char *const versions[] = {
        "", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.4", "TLSv1.20"
    };
    for (unsigned i = 0; i < CONTRACTS * COUNTOF(versions); i++) {
        struct contract c = contract_at(i % CONTRACTS);
        struct host_facts h = { .handshake = TRI_YES };
        struct tls_facts tls = { .on = true,
                                 .version = span_z(versions[i / CONTRACTS]),
                                 .forward_secret = true,
                                 .chain_ok = true,
                                 .name_ok = true };
        CHECK(decide_secured(&c, &h, &tls).step == STEP_NEXT_HOST);
        CHECK_NUM(contract_judge(&c, &tls), BREACH_OLD);
    }
}

/* --- join */

TEST(grid_join_laws)
{
    struct contract none = contract_none();
    for (unsigned i = 0; i < CONTRACTS * CONTRACTS; i++) {
        struct contract a = contract_at(i / CONTRACTS), b = contract_at(i % CONTRACTS);
        b.rules = RULE_REQUIRETLS;
        struct contract ab = contract_join(a, b), ba = contract_join(b, a);
        struct contract aa = contract_join(a, a), an = contract_join(a, none);
        CHECK(contract_eq(&ab, &ba) && ab.rules == ba.rules);
        CHECK(contract_eq(&aa, &a) && aa.rules == a.rules);
        CHECK(contract_eq(&an, &a) && an.rules == a.rules);
        CHECK(contract_at_least(&ab, &a) && contract_at_least(&ab, &b));
        CHECK(contract_at_least(&a, &none));
        CHECK(contract_at_least(&a, &b) ==
              contract_eq(&ab, &a)); /* join is the least upper bound */
        for (unsigned k = 0; k < CONTRACTS; k++) {
            struct contract c = contract_at(k);
            struct contract left = contract_join(ab, c);
            struct contract right = contract_join(a, contract_join(b, c));
            CHECK(contract_eq(&left, &right) && left.rules == right.rules);
        }
    }
}

TEST(grid_digest_is_equality)
{
    for (unsigned i = 0; i < CONTRACTS * CONTRACTS; i++) {
        struct contract a = contract_at(i / CONTRACTS), b = contract_at(i % CONTRACTS);
        char x[CONTRACT_DIGEST_MAX], y[CONTRACT_DIGEST_MAX];
        bool same = strcmp(contract_digest(&a, x), contract_digest(&b, y)) == 0;
        b.rules = RULE_DEFAULT;
        CHECK(same == contract_eq(&a, &b));
        CHECK(same == (i / CONTRACTS == i % CONTRACTS));
    }
}

/* --- the whole product: what is asked */

enum demand { NO_CONNECTOR, OPPORTUNISTIC, ENCRYPT, CERTIFICATE, DOMAIN, DOMAIN_OF_HOST, DEMANDS };
/* Another source, as DANE and MTA-STS will be: what it joins to the contract. */
enum other { OTHER_NONE, OTHER_ENCRYPT, OTHER_CHAIN, OTHER_HOST_NAME, OTHERS };
enum { WEAKENINGS = WEAKEN_COUNT_ + 1, MODES = 3, REVOCATIONS = 3 };

static const char *const demand_names[DEMANDS] = {
    [NO_CONNECTOR] = "none",       [OPPORTUNISTIC] = "opportunistic",
    [ENCRYPT] = "encrypt",         [CERTIFICATE] = "certificate",
    [DOMAIN] = "domain with name", [DOMAIN_OF_HOST] = "domain of host",
};
static const char *const other_names[OTHERS] = {
    [OTHER_NONE] = "none",
    [OTHER_ENCRYPT] = "encrypt",
    [OTHER_CHAIN] = "chain",
    [OTHER_HOST_NAME] = "name",
};

struct block {
    enum demand demand;
    enum connector_mode mode;
    bool requiretls, tls_required_no;
    enum other other;
    unsigned weakening; /* enum weakening_kind; WEAKEN_COUNT_: none */
    enum revocation revocation;
    bool floor_13;
};

enum { BLOCKS = DEMANDS * MODES * 2 * 2 * OTHERS * WEAKENINGS, VARIANTS = REVOCATIONS * 2 };

static unsigned take(unsigned *i, unsigned n)
{
    unsigned digit = *i % n;
    *i /= n;
    return digit;
}

static struct block block_at(unsigned i, unsigned variant)
{
    struct block b = { 0 };
    b.weakening = take(&i, WEAKENINGS);
    b.other = (enum other)take(&i, OTHERS);
    b.tls_required_no = take(&i, 2);
    b.requiretls = take(&i, 2);
    b.mode = (enum connector_mode)take(&i, MODES);
    b.demand = (enum demand)take(&i, DEMANDS);
    b.floor_13 = take(&variant, 2);
    b.revocation = (enum revocation)variant;
    ASSERT(i == 0 && variant < REVOCATIONS);
    return b;
}

/* --- what is shown */

enum greeting { GREETING_NONE, GREETING_WITHOUT, GREETING_STARTTLS, GREETINGS };
enum hands { HANDS_FAILED, HANDS_11, HANDS_12, HANDS_12_FS, HANDS_13, HANDS };
enum cert { CERT_OK, CERT_EXPIRED, CERT_UNTRUSTED, CERT_NONE, CERTS };
enum { REVOKED = 3, CELLS = GREETINGS * HANDS * CERTS * 2 * 2 * REVOKED };

struct shown {
    enum greeting greeting;
    enum hands hands;
    enum cert cert;
    bool host_name, set_name;
    enum tls_revoked revoked;
};

static struct shown shown_at(unsigned i)
{
    struct shown s;
    s.revoked = (enum tls_revoked)take(&i, REVOKED);
    s.set_name = take(&i, 2);
    s.host_name = take(&i, 2);
    s.cert = (enum cert)take(&i, CERTS);
    s.hands = (enum hands)take(&i, HANDS);
    s.greeting = (enum greeting)i;
    ASSERT(i < GREETINGS);
    return s;
}

/* --- what is done: from the choice of the connector to the end of the conversation */

static struct span lab_domain = { "lab.example", 11 }, else_domain = { "else.example", 12 };
static struct span lab_names[] = { { "*.lab.example", 13 } };
static const struct name_set lab_set = { .id = 1, .n = 1, .name = lab_names };
static const struct hash_key grid_key = { { 3, 1 } };

enum { NOW_MS = 1000 };

static struct out_connector connector_of(const struct block *b, struct org *org)
{
    struct contract c = contract_none();
    c.need = b->demand <= OPPORTUNISTIC ? TLS_NEED_TRY
             : b->demand == ENCRYPT     ? TLS_NEED_ENCRYPT
             : b->demand == CERTIFICATE ? TLS_NEED_CHAIN
                                        : TLS_NEED_NAME;
    c.floor = b->floor_13 ? 13 : 12;
    c.revocation = b->revocation;
    c.names[0] = &lab_set;
    c.n_names = b->demand == DOMAIN;
    struct out_connector ret = {
        .c = { .id = SPAN("org/lab"), .name = SPAN("lab"), .org = org, .mode = b->mode },
        .recipient = b->demand == NO_CONNECTOR ? &else_domain : &lab_domain,
        .n_recipient = 1,
        .route = { .kind = ROUTE_MX, .contract = c },
    };
    if (b->weakening < WEAKEN_COUNT_)
        ret.c.weakening[b->weakening] = (struct weakening){ SPAN("a"), SPAN("b"), NOW_MS + 1 };
    return ret;
}

static struct contract other_contract(enum other other)
{
    struct contract c = contract_none();
    c.need = (enum tls_need)other;
    return c;
}

struct grid_world {
    struct org org;
    struct out_connector out;
    struct org_table *orgs;
    struct route_table routes;
};

static void world_build(struct grid_world *w)
{
    struct org_conflict conflict;
    struct buf witness;
    buf_init(&witness, 1024);
    org_table_free(w->orgs);
    CHECK(org_table_new(&w->org, 1, &grid_key, &w->orgs, &conflict, &witness) == ERR_OK);
    buf_done(&witness);
}

static void world_init(struct grid_world *w)
{
    const struct route *twice;
    struct block first = block_at(0, 0);
    *w = (struct grid_world){ .org = { .name = SPAN("org"), .out = &w->out, .n_out = 1 } };
    w->out = connector_of(&first, &w->org);
    CHECK(route_table_init(&w->routes, NULL, 0, &grid_key, &twice) == ERR_OK);
}

static void world_done(struct grid_world *w)
{
    org_table_free(w->orgs);
    route_table_done(&w->routes);
}

static struct contract contract_of(struct grid_world *w, const struct block *b)
{
    struct outbound_message m = { .now_ms = NOW_MS,
                                  .org = SPAN("org"),
                                  .to_domain = lab_domain,
                                  .message = { .requiretls = b->requiretls,
                                               .tls_required_no = b->tls_required_no } };
    w->out = connector_of(b, &w->org);
    world_build(w);
    struct selection s = select_out(w->orgs, &w->routes, &m);
    CHECK((s.by != NULL) == (b->demand != NO_CONNECTOR && b->mode == CONNECTOR_ENFORCE));
    CHECK((s.test != NULL) == (b->demand != NO_CONNECTOR && b->mode == CONNECTOR_TEST));
    return contract_join(s.contract, other_contract(b->other));
}

enum outcome { BY_TLS, IN_CLEAR, LOST, NOT_SECURE, NOT_PROVEN, OUTCOMES };

static struct tls_facts facts_of(const struct shown *s)
{
    static const char *const names[2][2] = {
        { "other.example", "mx.lab.example" },
        { "mx.host.example", "mx.host.example,mx.lab.example" },
    };
    static const char *const versions[HANDS] = {
        [HANDS_FAILED] = "",       [HANDS_11] = "TLSv1.1", [HANDS_12] = "TLSv1.2",
        [HANDS_12_FS] = "TLSv1.2", [HANDS_13] = "TLSv1.3",
    };
    return (struct tls_facts){
        .on = true,
        .version = span_z(versions[s->hands]),
        .forward_secret = s->hands >= HANDS_12_FS,
        .peer_cert = s->cert != CERT_NONE,
        .chain_ok = s->cert == CERT_OK,
        .expired = s->cert == CERT_EXPIRED,
        .name_ok = s->host_name,
        .revoked = s->revoked,
        .names = span_z(names[s->host_name][s->set_name]),
    };
}

/* One host, as delivery goes: greeting, STARTTLS, a second time in clear where that is the step. */
static struct verdict converse(const struct contract *c, const struct shown *s, bool *ret_clear)
{
    struct host_facts h = { .connected = TRI_YES, .starttls_offered = (enum tri)s->greeting };
    struct tls_facts tls = facts_of(s);
    struct verdict v = decide_greeted(c, &h);
    *ret_clear = true;
    if (v.step != STEP_STARTTLS)
        return v;
    h.handshake = s->hands == HANDS_FAILED ? TRI_NO : TRI_YES;
    v = decide_secured(c, &h, s->hands == HANDS_FAILED ? NULL : &tls);
    CHECK(v.step != STEP_PLAINTEXT || c->need == TLS_NEED_TRY);
    *ret_clear = v.step == STEP_PLAINTEXT;
    return v.step == STEP_PLAINTEXT ? decide_greeted(c, &h) : v;
}

static enum outcome outcome_of(const struct contract *c, const struct shown *s)
{
    bool clear;
    struct verdict v = converse(c, s, &clear);
    if (v.step == STEP_SEND)
        return clear ? IN_CLEAR : BY_TLS;
    CHECK(v.step == STEP_NEXT_HOST && v.reply.status.class == 4);
    if (v.reply.code == 451)
        return LOST;
    CHECK(v.reply.code == 450);
    /* X.7.10: nobody but the message (REQUIRETLS) asks for TLS, RFC 8689 4.2.1 */
    unsigned detail = v.reply.status.detail;
    CHECK(detail == 317 || detail == 320 || (detail == 10 && (c->rules & RULE_REQUIRETLS)));
    return detail == 320 ? NOT_PROVEN : NOT_SECURE;
}

/* --- the naive oracle: what administrators, senders and the requirements say, one by one */

struct asked {
    bool tls, tls_13, chain, in_time, host_name, set_name, not_revoked, known;
};

static struct asked oracle_asks(const struct block *b)
{
    struct asked a = { 0 };
    bool rules = b->mode == CONNECTOR_ENFORCE && b->demand != NO_CONNECTOR;
    bool tls = rules && b->demand >= ENCRYPT && b->weakening != WEAKEN_PLAINTEXT;
    bool chain = tls && b->demand >= CERTIFICATE;
    bool names = rules && b->demand >= DOMAIN && b->weakening != WEAKEN_NAME;
    bool host = b->other == OTHER_HOST_NAME;
    a.tls = tls || b->requiretls || b->other != OTHER_NONE; /* R21 */
    a.chain = chain || b->other >= OTHER_CHAIN;
    a.in_time = (chain && b->weakening != WEAKEN_EXPIRED) || b->other >= OTHER_CHAIN;
    a.set_name = names && b->demand == DOMAIN && (tls || host);
    a.host_name = host || (names && b->demand == DOMAIN_OF_HOST && tls);
    a.tls_13 = rules && b->floor_13;
    a.not_revoked = rules && b->revocation != REVOCATION_OFF;
    a.known = rules && b->revocation == REVOCATION_HARD;
    return a;
}

static bool oracle_proven(const struct asked *a, const struct shown *s)
{
    if (!a->chain)
        return true;
    if (s->cert == CERT_NONE || s->cert == CERT_UNTRUSTED ||
        (s->cert == CERT_EXPIRED && a->in_time))
        return false;
    if (a->not_revoked && s->revoked == TLS_REVOKED_YES)
        return false;
    if (a->known && s->revoked == TLS_REVOKED_UNKNOWN)
        return false;
    return (!a->host_name || s->host_name) && (!a->set_name || s->set_name);
}

static enum outcome oracle_outcome(const struct asked *a, const struct shown *s)
{
    if (s->greeting == GREETING_NONE)
        return LOST;
    if (s->greeting == GREETING_WITHOUT || s->hands == HANDS_FAILED)
        return a->tls ? NOT_SECURE : IN_CLEAR; /* R21; R11, R20 */
    if (s->hands == HANDS_11)
        return NOT_SECURE; /* R13 */
    if (!a->tls)
        return BY_TLS; /* R10, R19 */
    if (a->tls_13 && s->hands != HANDS_13)
        return NOT_SECURE;
    return oracle_proven(a, s) ? BY_TLS : NOT_PROVEN;
}

/* --- the blocks */

struct tally {
    unsigned n[OUTCOMES];
    uint64_t digest; /* FNV-1a over the outcomes */
};

static void tally_add(struct tally *t, enum outcome o)
{
    t->n[o]++;
    t->digest = (t->digest ^ o) * 0x100000001b3u;
}

/* All that hosts may show, under one contract. */
static void walk_cells(const struct block *b, const struct contract *c, struct tally *t)
{
    struct asked asked = oracle_asks(b);
    for (unsigned i = 0; i < CELLS; i++) {
        struct shown s = shown_at(i);
        enum outcome o = outcome_of(c, &s);
        CHECK_NUM(o, oracle_outcome(&asked, &s));
        CHECK(o != IN_CLEAR || c->need == TLS_NEED_TRY);
        tally_add(t, o);
    }
}

static void print_block(const struct block *b, const struct tally *t, struct buf *out)
{
    buf_putf(
        out, "%-16s %-7s requiretls=%d no=%d other=%-7s weakened=%-9s | ", demand_names[b->demand],
        connector_mode_name(b->mode), b->requiretls, b->tls_required_no, other_names[b->other],
        b->weakening < WEAKEN_COUNT_ ? weakening_name((enum weakening_kind)b->weakening) : "none");
    buf_putf(out, "tls %u clear %u 4.4.1 %u 4.4.317 %u 4.7.320 %u %016llx\n", t->n[BY_TLS],
             t->n[IN_CLEAR], t->n[LOST], t->n[NOT_SECURE], t->n[NOT_PROVEN],
             (unsigned long long)t->digest);
}

static unsigned print_blocks(struct buf *out)
{
    struct grid_world w;
    unsigned cells = 0;
    world_init(&w);
    buf_putf(
        out,
        "# connector, mode, REQUIRETLS, TLS-Required: No, another source, weakening | how many "
        "of %u cases go how, and the digest of all\n",
        VARIANTS * CELLS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct tally t = { .digest = 0xcbf29ce484222325u };
        struct block b = { 0 };
        for (unsigned variant = 0; variant < VARIANTS; variant++) {
            b = block_at(i, variant);
            struct contract c = contract_of(&w, &b);
            walk_cells(&b, &c, &t);
            cells += CELLS;
        }
        print_block(&b, &t, out);
    }
    world_done(&w);
    return cells;
}

TEST(grid_t04_r10_r11_r13_r19_r20_r21_whole_product)
{
    struct buf out;
    buf_init(&out, 2 << 20);
    unsigned cells = print_blocks(&out);
    printf("  grid: %u cells in %u blocks, each as the oracle says\n", cells, BLOCKS);
    CHECK_NUM(cells, BLOCKS * VARIANTS * CELLS);
    buf_done(&out);
}

TEST(grid_is_golden)
{
    struct buf out;
    buf_init(&out, 2 << 20);
    print_rows(&out);
    print_blocks(&out);
    golden_check("test/grid/policy.ref", buf_span(&out));
    buf_done(&out);
}
