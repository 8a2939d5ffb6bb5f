/* The life of a cached policy. The oracle is a list of statements of RFC 8461 and of ours, each of
 * which allows some outcomes in some states: together they must leave one outcome in every state,
 * and that is the one sts_next gives. */
#include "policy/sts_life.h"
#include "base/rng.h"
#include "test/test.h"

enum { SAME_ID, OTHER_ID };
enum { FAILED_NOT, FAILED_NOW, FAILED_LONG_AGO, FAILED_OTHER, FAILED_COUNT_ };
enum { CACHE_EMPTY, CACHE_EXPIRED, CACHE_YOUNG, CACHE_AGED, CACHE_COUNT_ };

static const int64_t now_ms = 1800000000000;
enum { MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR, MAX_AGE_S = 10 * 86400 };

/* A state, in the words of the statements. */
struct state {
    unsigned cache; /* CACHE_ */
    enum sts_policy_mode mode;
    bool looked; /* less than five minutes ago */
    enum sts_found found;
    unsigned id; /* SAME_ID: that of the cached policy */
    unsigned failed;
    enum sts_fetch fetch;
    bool last_resort;
};

static bool live(const struct state *s)
{
    return s->cache == CACHE_YOUNG || s->cache == CACHE_AGED;
}
static bool binds(const struct state *s)
{
    return live(s) && s->mode != STS_POLICY_NONE;
}
static bool settled(const struct state *s) /* DNS was asked, and no fetch is to follow from it */
{
    return s->found == STS_FOUND_UNKNOWN || s->found == STS_FOUND_NONE ||
           s->fetch == STS_FETCH_FAILED;
}
static bool id_known(const struct state *s)
{
    return s->found == STS_FOUND_ID && s->fetch == STS_FETCH_NOT_TRIED;
}

enum {
    LOOK = 1 << STS_DO_LOOK,
    FETCH = 1 << STS_DO_FETCH,
    USE = 1 << STS_DO_USE,
    NONE = 1 << STS_DO_NONE,
    FINAL = USE | NONE,
    ANY = LOOK | FETCH | FINAL
};

/* Each gives what it allows. */
typedef unsigned statement_fn(const struct state *s);

/* = RFC 8461 3.3: if no "live" policy can be discovered via DNS or fetched via HTTPS, but a valid
 * (non-expired) policy exists in the sender's cache, the sender MUST apply that cached policy */
static unsigned kept(const struct state *s)
{
    return settled(s) && binds(s) ? USE : ANY;
}
/* = RFC 8461 3.3: no policy can be fetched and none is cached: MUST continue with delivery as
 * though the domain has not implemented MTA-STS; 3.1: the same without a record */
static unsigned absent(const struct state *s)
{
    return settled(s) && !live(s) ? NONE : ANY;
}
/* = RFC 8461 5: "none": should be treated as though it does not have any active policy */
static unsigned mode_none(const struct state *s)
{
    return live(s) && s->mode == STS_POLICY_NONE && s->fetch != STS_FETCH_WELL
               ? ANY & ~(unsigned)USE
               : ANY;
}
static unsigned mode_binds(const struct state *s)
{
    return binds(s) ? ANY & ~(unsigned)NONE : ANY;
}
/* Without a policy nothing can bind. */
static unsigned nothing(const struct state *s)
{
    return !live(s) && s->fetch != STS_FETCH_WELL ? ANY & ~(unsigned)USE : ANY;
}
/* A question that was answered is not asked again; without an id nothing is fetched. */
static unsigned once(const struct state *s)
{
    unsigned allowed = ANY;
    if (s->found != STS_FOUND_NOTHING_YET)
        allowed &= ~(unsigned)LOOK;
    if (s->fetch != STS_FETCH_NOT_TRIED || s->found != STS_FOUND_ID)
        allowed &= ~(unsigned)FETCH;
    return allowed;
}
/* = RFC 8461 5.1: a cached policy whose time-since-fetch has not exceeded its "max_age"; if none
 * exists, attempt to fetch a new policy */
static unsigned first(const struct state *s)
{
    if (!live(s) && s->found == STS_FOUND_NOTHING_YET)
        return LOOK;
    if (!live(s) && id_known(s) && s->failed != FAILED_NOW)
        return FETCH;
    return ANY;
}
/* = RFC 8461 3.3: limit further attempts to a period of five minutes or longer per version ID */
static unsigned five_minutes(const struct state *s)
{
    return id_known(s) && s->failed == FAILED_NOW ? FINAL : ANY;
}
/* = RFC 8461 5.1: MUST NOT be permanently failed until the sender has first checked for the
 * presence of a new policy */
static unsigned checked(const struct state *s)
{
    if (!s->last_resort)
        return ANY;
    if (s->found == STS_FOUND_NOTHING_YET)
        return LOOK;
    return id_known(s) && s->failed != FAILED_NOW ? FETCH : ANY;
}
/* = RFC 8461 3.1: the id tells of updates: a new one is fetched, an old one is not */
static unsigned news(const struct state *s)
{
    if (!live(s) || !id_known(s) || s->last_resort)
        return ANY;
    return s->id == SAME_ID || s->failed == FAILED_NOW ? FINAL : FETCH;
}
/* Ours: DNS is asked every five minutes. */
static unsigned quiet(const struct state *s)
{
    if (!live(s) || s->found != STS_FOUND_NOTHING_YET || s->last_resort)
        return ANY;
    return s->looked ? FINAL : LOOK;
}
/* What was fetched counts. */
static unsigned fetched(const struct state *s)
{
    if (s->fetch != STS_FETCH_WELL)
        return ANY;
    return s->mode == STS_POLICY_NONE ? NONE : USE;
}

static statement_fn *const statements[] = { kept,    absent, mode_none, mode_binds,
                                            nothing, once,   first,     five_minutes,
                                            checked, news,   quiet,     fetched };

static const struct sts_policy policies[] = {
    [STS_POLICY_NONE] = { .mode = STS_POLICY_NONE, .max_age_s = MAX_AGE_S },
    [STS_POLICY_TESTING] = { .mode = STS_POLICY_TESTING,
                             .max_age_s = MAX_AGE_S,
                             .n_mx = 1,
                             .mx = { { "a.example", 9 } } },
    [STS_POLICY_ENFORCE] = { .mode = STS_POLICY_ENFORCE,
                             .max_age_s = MAX_AGE_S,
                             .n_mx = 2,
                             .mx = { { "a.example", 9 }, { "*.b.example", 11 } } },
};

/* The entry that a state speaks of. A cached policy has the id "same". */
static void entry_make(const struct state *s, struct sts_entry *e)
{
    static const int64_t ages[] = {
        [CACHE_EXPIRED] = (int64_t)MAX_AGE_S * 1000, [CACHE_YOUNG] = HOUR, [CACHE_AGED] = 2 * DAY
    };
    struct span shown = s->id == SAME_ID ? SPAN("same") : SPAN("other");
    sts_entry_init(e, SPAN("example.org"));
    if (s->cache != CACHE_EMPTY)
        sts_entry_fetched(e, SPAN("same"), &policies[s->mode], now_ms - ages[s->cache]);
    sts_entry_looked(e, now_ms - (s->looked ? MINUTE : HOUR));
    if (s->failed == FAILED_NOW || s->failed == FAILED_LONG_AGO)
        sts_entry_failed(e, shown, now_ms - (s->failed == FAILED_NOW ? MINUTE : HOUR));
    if (s->failed == FAILED_OTHER)
        sts_entry_failed(e, SPAN("third"), now_ms - MINUTE);
    if (s->fetch == STS_FETCH_WELL)
        sts_entry_fetched(e, shown, &policies[s->mode], now_ms);
}

static void state_check(const struct state *s)
{
    struct sts_entry e;
    unsigned allowed = ANY;
    for (size_t i = 0; i < COUNTOF(statements); i++)
        allowed &= statements[i](s);
    CHECK(allowed != 0 && (allowed & (allowed - 1)) == 0);
    entry_make(s, &e);
    struct span shown = s->id == SAME_ID ? SPAN("same") : SPAN("other");
    struct sts_input in = { .entry = &e,
                            .found = s->found,
                            .fetch = s->fetch,
                            .last_resort = s->last_resort,
                            .now_ms = now_ms };
    if (s->found == STS_FOUND_ID)
        in.id = shown;
    struct sts_next next = sts_next(&in);
    CHECK_NUM(1u << next.what, allowed);
    /* = RFC 8461 3.3: proactively refresh before it expires */
    bool beside = s->cache == CACHE_AGED && id_known(s) && s->id == SAME_ID && !s->last_resort &&
                  s->failed != FAILED_NOW;
    CHECK_NUM(next.fetch_beside, beside);
    bool known = s->found == STS_FOUND_NONE || s->fetch == STS_FETCH_WELL ||
                 (s->found == STS_FOUND_ID && s->id == SAME_ID);
    CHECK_NUM(next.checked, next.what == STS_DO_USE && known);
    CHECK((next.because == STS_WANTED) == ((allowed & FINAL) == 0));
    if (s->cache == CACHE_EMPTY && s->failed == FAILED_NOT && s->fetch == STS_FETCH_NOT_TRIED) {
        in.entry = NULL;
        CHECK_NUM(sts_next(&in).what, next.what);
    }
}

TEST(t40_sts_every_state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 4 * 3 * 2 * 4 * 2 * 4 * 3 * 2; i++) {
        unsigned left = i;
        struct state s = { 0 };
        s.cache = left % CACHE_COUNT_, left /= CACHE_COUNT_;
        s.mode = (enum sts_policy_mode)(left % 3), left /= 3;
        s.looked = left % 2, left /= 2;
        s.found = (enum sts_found)(left % 4), left /= 4;
        s.id = left % 2, left /= 2;
        s.failed = left % FAILED_COUNT_, left /= FAILED_COUNT_;
        s.fetch = (enum sts_fetch)(left % 3), left /= 3;
        s.last_resort = left;
        if (s.fetch != STS_FETCH_NOT_TRIED && s.found != STS_FOUND_ID)
            continue; /* cannot be */
        state_check(&s);
        n++;
    }
    CHECK_NUM(n, 2304);
}

/* --- times */

TEST(t57_sts_times)
{
    struct sts_entry e;
    sts_entry_init(&e, SPAN("example.org"));
    CHECK(!sts_alive(&e, now_ms) && sts_entry_dead(&e, now_ms) && !sts_refresh_due(&e, now_ms));
    sts_entry_fetched(&e, SPAN("1"), &policies[STS_POLICY_ENFORCE], now_ms);
    int64_t end = now_ms + (int64_t)MAX_AGE_S * 1000;
    CHECK_NUM(sts_expires_ms(&e), end);
    CHECK(sts_alive(&e, now_ms) && sts_alive(&e, end - 1) && !sts_alive(&e, end));
    CHECK(!sts_refresh_due(&e, now_ms + DAY - 1) && sts_refresh_due(&e, now_ms + DAY));
    CHECK(!sts_refresh_due(&e, end) && sts_entry_dead(&e, end));
    /* the clock went back a year: it binds, and is looked after at once */
    CHECK(sts_alive(&e, now_ms - 365 * (int64_t)DAY));
    CHECK(sts_refresh_due(&e, now_ms - 365 * (int64_t)DAY));
    /* a short life is refreshed at its half; a life of 0 is none */
    struct sts_policy p = policies[STS_POLICY_TESTING];
    p.max_age_s = 600;
    sts_entry_fetched(&e, SPAN("2"), &p, now_ms);
    CHECK(!sts_refresh_due(&e, now_ms + 299999) && sts_refresh_due(&e, now_ms + 300000));
    p.max_age_s = 0;
    sts_entry_fetched(&e, SPAN("3"), &p, now_ms);
    CHECK(!sts_alive(&e, now_ms) && !sts_alive(&e, now_ms - DAY));
    CHECK(sts_entry_dead(&e, now_ms));
    sts_entry_failed(&e, SPAN("3"), now_ms);
    CHECK(!sts_entry_dead(&e, now_ms + 299999) && sts_entry_dead(&e, now_ms + 300000));
}

/* A domain goes from enforce to testing to none and away, as RFC 8461 8.3 tells it to; then one
 * that merely takes its record away stays bound until the end. */
TEST(t40_sts_removal)
{
    struct sts_entry e;
    sts_entry_init(&e, SPAN("example.org"));
    sts_entry_fetched(&e, SPAN("1"), &policies[STS_POLICY_ENFORCE], now_ms);
    int64_t at = now_ms + HOUR;
    struct sts_input in = { .entry = &e, .now_ms = at };
    CHECK_NUM(sts_next(&in).what, STS_DO_LOOK);
    in.found = STS_FOUND_ID, in.id = SPAN("2");
    CHECK_NUM(sts_next(&in).what, STS_DO_FETCH);
    sts_entry_fetched(&e, in.id, &policies[STS_POLICY_TESTING], at);
    in.fetch = STS_FETCH_WELL;
    CHECK_NUM(sts_next(&in).what, STS_DO_USE);
    CHECK_NUM(e.policy.mode, STS_POLICY_TESTING);

    in.id = SPAN("3"), in.fetch = STS_FETCH_NOT_TRIED;
    CHECK_NUM(sts_next(&in).what, STS_DO_FETCH);
    struct sts_policy p = policies[STS_POLICY_NONE];
    p.max_age_s = 3600;
    sts_entry_fetched(&e, in.id, &p, at);
    in.fetch = STS_FETCH_WELL;
    CHECK_NUM(sts_next(&in).because, STS_MODE_NONE);
    in.fetch = STS_FETCH_NOT_TRIED;
    CHECK_NUM(sts_next(&in).because, STS_MODE_NONE);
    in.found = STS_FOUND_NONE, in.id = SPAN_NONE;
    CHECK_NUM(sts_next(&in).because, STS_MODE_NONE);
    in.now_ms = at + HOUR;
    CHECK_NUM(sts_next(&in).because, STS_ABSENT);
    CHECK(sts_entry_dead(&e, in.now_ms));

    sts_entry_fetched(&e, SPAN("4"), &policies[STS_POLICY_ENFORCE], at);
    in.now_ms = at + (int64_t)MAX_AGE_S * 1000 - 1;
    CHECK_NUM(sts_next(&in).because, STS_KEPT);
    in.now_ms++;
    CHECK_NUM(sts_next(&in).because, STS_ABSENT);
}

/* Before a bounce the file is looked at, though the id is old; once in five minutes is enough. */
TEST(t40_sts_last_resort)
{
    struct sts_entry e;
    sts_entry_init(&e, SPAN("example.org"));
    sts_entry_fetched(&e, SPAN("1"), &policies[STS_POLICY_ENFORCE], now_ms);
    struct sts_input in = {
        .entry = &e, .found = STS_FOUND_ID, .id = SPAN("1"), .last_resort = true
    };
    in.now_ms = now_ms + STS_AGAIN_MS - 1;
    CHECK_NUM(sts_next(&in).what, STS_DO_USE);
    in.now_ms++;
    CHECK_NUM(sts_next(&in).what, STS_DO_FETCH);
    sts_entry_failed(&e, SPAN("1"), in.now_ms);
    CHECK_NUM(sts_next(&in).what, STS_DO_USE);
    /* a fetch that went well forgets the one that failed */
    sts_entry_fetched(&e, SPAN("1"), &policies[STS_POLICY_ENFORCE], in.now_ms);
    CHECK(e.failed_id.n == 0 && e.failed_ms == 0);
}

/* --- many messages, restarts between them, and a world that changes under them */

struct world {
    struct rng rng;
    struct sts_entry e;
    struct buf line;                /* what the entry was read from */
    int64_t now_ms, bound_until_ms; /* an enforced policy was seen that lives so long */
    int64_t failed_ms;
    unsigned failed_id, id;
};

static const char *const ids[] = { "0", "1", "2", "3" };

static void restart(struct world *w)
{
    struct buf text;
    buf_init(&text, STS_ENTRY_MAX);
    sts_entry_print(&w->e, &text);
    buf_clear(&w->line);
    buf_put(&w->line, buf_span(&text));
    buf_done(&text);
    CHECK_NUM(sts_entry_read(buf_span(&w->line), &w->e, NULL), ERR_OK);
}

static void fetch(struct world *w, struct sts_input *in)
{
    struct span id = span_z(ids[w->id]);
    CHECK(w->failed_ms == 0 || w->failed_id != w->id || w->now_ms - w->failed_ms >= STS_AGAIN_MS);
    if (rng_chance(&w->rng, 1, 2)) {
        sts_entry_failed(&w->e, id, w->now_ms);
        w->failed_ms = w->now_ms, w->failed_id = w->id;
        in->fetch = STS_FETCH_FAILED;
        return;
    }
    struct sts_policy p = policies[rng_below(&w->rng, STS_POLICY_MODE_COUNT_)];
    p.max_age_s = (uint32_t)rng_below(&w->rng, 3 * 86400);
    sts_entry_fetched(&w->e, id, &p, w->now_ms);
    bool binds = p.mode == STS_POLICY_ENFORCE;
    w->bound_until_ms = binds ? w->now_ms + (int64_t)p.max_age_s * 1000 : 0;
    w->failed_ms = 0;
    in->fetch = STS_FETCH_WELL;
}

static void look(struct world *w, struct sts_input *in)
{
    in->found = (enum sts_found)(STS_FOUND_UNKNOWN + rng_below(&w->rng, 3));
    if (in->found != STS_FOUND_UNKNOWN)
        sts_entry_looked(&w->e, w->now_ms);
    if (in->found == STS_FOUND_ID)
        in->id = span_z(ids[w->id]);
}

static void message(struct world *w)
{
    struct sts_input in = { .entry = &w->e,
                            .now_ms = w->now_ms,
                            .last_resort = rng_chance(&w->rng, 1, 8) };
    struct sts_next next = sts_next(&in);
    for (unsigned steps = 0; next.what == STS_DO_LOOK || next.what == STS_DO_FETCH; steps++) {
        CHECK(steps < 2);
        if (next.what == STS_DO_LOOK)
            look(w, &in);
        else
            fetch(w, &in);
        next = sts_next(&in);
    }
    /* what was enforced stays so, whatever DNS and the web do, until its end or a newer policy */
    if (w->now_ms < w->bound_until_ms)
        CHECK(next.what == STS_DO_USE && w->e.policy.mode == STS_POLICY_ENFORCE);
}

TEST(t40_sts_stays_bound)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct world w = { .now_ms = now_ms };
        rng_init(&w.rng, seed);
        buf_init(&w.line, STS_ENTRY_MAX);
        sts_entry_init(&w.e, SPAN("example.org"));
        for (unsigned i = 0; i < 500; i++) {
            w.now_ms += (int64_t)rng_below(&w.rng, rng_chance(&w.rng, 1, 4) ? DAY : 4 * MINUTE);
            w.id = rng_chance(&w.rng, 1, 5) ? (unsigned)rng_below(&w.rng, 4) : w.id;
            message(&w);
            if (rng_chance(&w.rng, 1, 3))
                restart(&w);
        }
        buf_done(&w.line);
    }
}

/* --- on disk */

static void check_again(const struct sts_entry *e)
{
    struct buf a, b;
    struct sts_entry back;
    struct why why = { "" };
    buf_init(&a, STS_ENTRY_MAX);
    buf_init(&b, STS_ENTRY_MAX);
    sts_entry_print(e, &a);
    CHECK_NUM(sts_entry_read(buf_span(&a), &back, &why), ERR_OK);
    sts_entry_print(&back, &b);
    CHECK_SPAN(buf_span(&b), buf_span(&a));
    CHECK(back.has_policy == e->has_policy && back.fetched_ms == e->fetched_ms);
    CHECK(!e->has_policy || (sts_policy_eq(&back.policy, &e->policy) && span_eq(back.id, e->id)));
    /* T-40: any byte that changed is seen, and so is any end that is missing */
    for (size_t i = 0; i < a.n; i++) {
        struct sts_entry untouched = { .looked_ms = 7 };
        a.p[a.head + i] ^= 1;
        CHECK_NUM(sts_entry_read(buf_span(&a), &untouched, &why), ERR_SYNTAX);
        CHECK_NUM(untouched.looked_ms, 7);
        a.p[a.head + i] ^= 1;
        if (i + 1 < a.n)
            CHECK_NUM(sts_entry_read(span_head(buf_span(&a), i), &untouched, &why), ERR_SYNTAX);
    }
    buf_done(&a);
    buf_done(&b);
}

TEST(t40_sts_entry_on_disk)
{
    struct sts_entry e;
    sts_entry_init(&e, SPAN("example.org"));
    check_again(&e);
    sts_entry_failed(&e, SPAN("abc"), now_ms);
    check_again(&e);
    for (unsigned m = 0; m < STS_POLICY_MODE_COUNT_; m++) {
        sts_entry_fetched(&e, SPAN("0123456789abcdefghijABCDEFGHIJ01"), &policies[m], now_ms);
        check_again(&e);
    }
    sts_entry_failed(&e, SPAN("def"), now_ms);
    check_again(&e);
}

TEST(t40_sts_entry_largest)
{
    char label[256];
    memset(label, 'a', sizeof(label));
    for (unsigned i = 63; i < 255; i += 64)
        label[i] = '.';
    struct span longest = span_of(label, 253);
    struct sts_policy p = { .mode = STS_POLICY_TESTING,
                            .max_age_s = STS_MAX_AGE_MAX_S,
                            .n_mx = STS_MX_MAX };
    for (unsigned i = 0; i < STS_MX_MAX; i++)
        p.mx[i] = longest;
    struct sts_entry e;
    struct buf b;
    buf_init(&b, STS_ENTRY_MAX);
    sts_entry_init(&e, longest);
    sts_entry_fetched(&e, SPAN("0123456789abcdefghijABCDEFGHIJ01"), &p, INT64_MAX / 4);
    sts_entry_failed(&e, SPAN("0123456789abcdefghijABCDEFGHIJ01"), INT64_MAX / 4);
    sts_entry_print(&e, &b);
    struct sts_entry back;
    CHECK_NUM(sts_entry_read(buf_span(&b), &back, NULL), ERR_OK);
    CHECK_NUM(back.policy.n_mx, STS_MX_MAX);
    buf_done(&b);
    buf_init(&b, STS_LINES_MAX);
    sts_policy_print(&p, &b);
    buf_done(&b);
}
