/* The whole grid of contracts and channels: test/grid/policy.ref says what is done in each case,
 * an oracle written from the requirements says the same, and laws hold over all of it.
 * golden.h says how the file is written anew. */
#include "policy/decide.h"
#include "test/test.h"
#include "test/golden.h"

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

TEST(grid_is_golden)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_put(&out,
            SPAN("# need, least version, forward secrecy | what was asked, what the host showed "
                 "-> step, reply; why\n"));
    for (unsigned i = 0; i < CONTRACTS; i++) {
        for (unsigned k = 0; k < CHANNELS; k++) {
            struct contract c = contract_at(i);
            struct channel ch = channel_at(k);
            print_row(&c, &ch, &out);
        }
    }
    golden_check("test/grid/policy.ref", buf_span(&out));
    buf_done(&out);
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
