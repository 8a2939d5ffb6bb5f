#include "base/rng.h"
#include "base/when.h"
#include "policy/retry.h"
#include "test/test.h"

static const struct retry_config field = {
    .first_ms = 5 * MINUTE_MS,
    .max_ms = HOUR_MS,
    .warn_ms = 4 * HOUR_MS,
    .give_up_ms = 5LL * DAY_MS,
    .bounce_give_up_ms = DAY_MS,
};

static const struct reply later = { 451, { 4, 3, 0 }, { "later", 5 } };

/* --- waits */

TEST(retry_wait_grows_by_half_to_max)
{
    static const int64_t minutes_x1000[] = { 5000, 7500, 11250, 16875 };
    for (unsigned i = 0; i < COUNTOF(minutes_x1000); i++)
        CHECK_NUM(retry_wait(&field, i + 1), minutes_x1000[i] * MINUTE_MS / 1000);
    CHECK_NUM(retry_wait(&field, 0), field.first_ms);
    CHECK_NUM(retry_wait(&field, 8), HOUR_MS);
    CHECK_NUM(retry_wait(&field, UINT32_MAX), HOUR_MS);
}

TEST(retry_wait_extremes)
{
    struct retry_config c = { .first_ms = 1, .max_ms = INT64_MAX };
    int64_t before = 0;
    for (unsigned i = 1; i < 200; i++) {
        int64_t wait = retry_wait(&c, i);
        CHECK(wait > before || wait == INT64_MAX);
        before = wait;
    }
    CHECK_NUM(before, INT64_MAX);
    c.max_ms = 1;
    CHECK_NUM(retry_wait(&c, 50), 1);
}

/* --- verdicts */

TEST(retry_actions)
{
    static const struct {
        const char *name;
        int code;
        bool null_sender, warned;
        int64_t age_ms;
        enum retry_action action;
        bool warn, expired;
    } rows[] = {
        { "delivered", 250, 0, 0, 0, RETRY_DONE, 0, 0 },
        { "delivered late", 250, 0, 0, 9LL * DAY_MS, RETRY_DONE, 0, 0 },
        { "permanent", 550, 0, 0, 0, RETRY_BOUNCE, 0, 0 },
        { "permanent and old", 550, 0, 0, 9LL * DAY_MS, RETRY_BOUNCE, 0, 0 },
        { "fresh", 451, 0, 0, 0, RETRY_LATER, 0, 0 },
        { "nonsense is transient", 354, 0, 0, 0, RETRY_LATER, 0, 0 },
        { "before the warning", 451, 0, 0, 4 * HOUR_MS - 1, RETRY_LATER, 0, 0 },
        { "warning", 451, 0, 0, 4 * HOUR_MS, RETRY_LATER, 1, 0 },
        { "warned", 451, 0, 1, 4 * HOUR_MS, RETRY_LATER, 0, 0 },
        { "no warning of a bounce", 451, 1, 0, 4 * HOUR_MS, RETRY_LATER, 0, 0 },
        { "almost expired", 451, 0, 1, 5LL * DAY_MS - 1, RETRY_LATER, 0, 0 },
        { "expired", 451, 0, 1, 5LL * DAY_MS, RETRY_BOUNCE, 0, 1 },
        { "bounces expire earlier", 451, 1, 0, DAY_MS, RETRY_BOUNCE, 0, 1 },
        { "clock set back", 451, 0, 0, -9LL * DAY_MS, RETRY_LATER, 0, 0 },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct retry_input in = { .accepted_ms = 1000LL * DAY_MS,
                                  .now_ms = 1000LL * DAY_MS + rows[i].age_ms,
                                  .warned = rows[i].warned,
                                  .null_sender = rows[i].null_sender };
        in.reply.code = rows[i].code;
        struct retry_verdict v = retry_decide(&field, &in);
        CHECK_NUM(v.action, rows[i].action);
        CHECK_NUM(v.warn, rows[i].warn);
        CHECK_NUM(v.expired, rows[i].expired);
        CHECK((v.due_ms > in.now_ms) == (v.action == RETRY_LATER));
    }
}

TEST(retry_never_warns_when_off)
{
    struct retry_config c = field;
    c.warn_ms = 0;
    struct retry_input in = { .reply = later, .now_ms = DAY_MS };
    CHECK(!retry_decide(&c, &in).warn);
}

TEST(retry_jitter_is_bounded_and_spread)
{
    struct rng rng;
    rng_init(&rng, 7);
    int64_t least = INT64_MAX, most = 0, want = retry_wait(&field, 3);
    for (int i = 0; i < 20000; i++) {
        struct retry_input in = { .reply = later, .attempts = 2, .random = rng_u64(&rng) };
        int64_t wait = retry_decide(&field, &in).due_ms;
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    CHECK(least >= want * 85 / 100 && least < want * 86 / 100);
    CHECK(most <= want * 115 / 100 && most > want * 114 / 100);
}

/* The last attempt is at the end of the time, never after it; attempts do not wrap. */
TEST(retry_last_attempt_at_the_end)
{
    struct retry_input in = {
        .reply = later, .now_ms = 5LL * DAY_MS - 10, .attempts = UINT32_MAX, .random = UINT64_MAX
    };
    CHECK_NUM(retry_decide(&field, &in).due_ms, 5LL * DAY_MS);
    struct retry_config c = {
        .first_ms = 1, .max_ms = 1, .give_up_ms = 1000, .bounce_give_up_ms = 1000
    };
    in.now_ms = 0;
    CHECK_NUM(retry_decide(&c, &in).due_ms, 1);
}

TEST(retry_simulated_life_of_a_message)
{
    struct retry_input in = { .reply = later };
    struct rng rng;
    int warnings = 0;
    rng_init(&rng, 1);
    for (;;) {
        in.random = rng_u64(&rng);
        struct retry_verdict v = retry_decide(&field, &in);
        warnings += v.warn;
        in.warned |= v.warn;
        if (v.action == RETRY_BOUNCE)
            break;
        CHECK(v.due_ms > in.now_ms);
        in.now_ms = v.due_ms;
        in.attempts++;
    }
    CHECK_NUM(warnings, 1);
    CHECK_NUM(in.now_ms, field.give_up_ms);
    CHECK(in.attempts > 110 && in.attempts < 140);
}

TEST(retry_final_reply_keeps_the_digits)
{
    static const struct {
        const char *name;
        struct reply from;
        int code;
        struct status status;
    } rows[] = {
        { "forced TLS", { 450, { 4, 4, 317 }, { "x", 1 } }, 550, { 5, 4, 317 } },
        { "certificate", { 450, { 4, 7, 320 }, { "x", 1 } }, 550, { 5, 7, 320 } },
        { "no status", { 451, { 0 }, { "x", 1 } }, 550, { 5, 4, 7 } },
        { "permanent", { 556, { 5, 1, 10 }, { "x", 1 } }, 556, { 5, 1, 10 } },
        { "permanent, no status", { 554, { 0 }, { "x", 1 } }, 554, { 5, 4, 7 } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        struct reply r = retry_final_reply(&rows[i].from);
        CHECK_NUM(r.code, rows[i].code);
        CHECK_NUM(r.status.class, rows[i].status.class);
        CHECK_NUM(r.status.subject, rows[i].status.subject);
        CHECK_NUM(r.status.detail, rows[i].status.detail);
        CHECK_Z(r.text, "x");
    }
}

/* --- windows */

static const struct window_config wc = {
    .initial = 2,
    .max = 20,
    .dead_after = 5,
    .dead_first_ms = MINUTE_MS,
    .dead_max_ms = HOUR_MS,
};

static void fail_times(struct window *w, int n, int64_t now_ms)
{
    for (int i = 0; i < n; i++)
        window_failure(w, &wc, now_ms, 0);
}

TEST(window_grows_by_one_a_round)
{
    struct window w;
    window_init(&w, &wc);
    CHECK_NUM(window_allows(&w, 0), 2);
    window_success(&w, &wc);
    CHECK_NUM(window_allows(&w, 0), 2);
    window_success(&w, &wc);
    CHECK_NUM(window_allows(&w, 0), 3);
    for (int i = 0; i < 1000; i++)
        window_success(&w, &wc);
    CHECK_NUM(window_allows(&w, 0), 20);
}

TEST(window_halves_with_hysteresis)
{
    struct window w;
    window_init(&w, &wc);
    for (int i = 0; i < 1000; i++)
        window_success(&w, &wc);
    for (int i = 0; i < 10; i++) { /* single failures between successes cost growth only */
        window_failure(&w, &wc, 0, 0);
        window_success(&w, &wc);
    }
    CHECK_NUM(window_allows(&w, 0), 20);
    fail_times(&w, 1, 0);
    CHECK_NUM(window_allows(&w, 0), 20);
    fail_times(&w, 1, 0);
    CHECK_NUM(window_allows(&w, 0), 10);
    fail_times(&w, 2, 0);
    CHECK_NUM(window_allows(&w, 0), 5);
}

TEST(window_never_below_one_while_alive)
{
    struct window_config c = wc;
    struct window w;
    c.dead_after = 1000;
    window_init(&w, &c);
    for (int i = 0; i < 999; i++)
        window_failure(&w, &c, 0, 0);
    CHECK_NUM(window_allows(&w, 0), 1);
}

/* Between 85 % of want and want or 115 %: the jitter. */
static void check_death(const struct window *w, int64_t now_ms, int64_t want)
{
    int64_t length = w->dead_until_ms - now_ms;
    int64_t most = want * 115 / 100 < wc.dead_max_ms ? want * 115 / 100 : wc.dead_max_ms;
    CHECK(length >= want * 85 / 100 && length <= most);
    CHECK_NUM(window_allows(w, now_ms), 0);
    CHECK_NUM(window_allows(w, w->dead_until_ms - 1), 0);
    CHECK_NUM(window_allows(w, w->dead_until_ms), 1);
}

TEST(window_death_doubles_to_max)
{
    struct window w;
    struct rng rng;
    rng_init(&rng, 3);
    window_init(&w, &wc);
    fail_times(&w, 4, 1000);
    CHECK(window_allows(&w, 1000) > 0);
    int64_t now = 1000, want = MINUTE_MS;
    for (int i = 0; i < 40; i++) { /* one failed probe each time */
        window_failure(&w, &wc, now, rng_u64(&rng));
        check_death(&w, now, want);
        CHECK_NUM(w.deaths, i + 1);
        now = w.dead_until_ms;
        want = want * 2 < HOUR_MS ? want * 2 : HOUR_MS;
    }
}

TEST(window_deaths_do_not_wrap)
{
    struct window w;
    window_init(&w, &wc);
    fail_times(&w, 5, 0);
    w.deaths = UINT32_MAX;
    int64_t now = w.dead_until_ms;
    window_failure(&w, &wc, now, UINT64_MAX);
    CHECK_NUM(w.deaths, UINT32_MAX);
    CHECK(w.dead_until_ms <= now + HOUR_MS && w.dead_until_ms > now);
}

/* Sessions that were running when the host died end one by one: that is one death. */
TEST(window_late_failures_do_not_count)
{
    struct window w;
    window_init(&w, &wc);
    fail_times(&w, 5, 0);
    struct window before = w;
    fail_times(&w, 15, 10);
    CHECK_NUM(w.deaths, before.deaths);
    CHECK_NUM(w.dead_until_ms, before.dead_until_ms);
}

TEST(window_recovers)
{
    struct window w;
    window_init(&w, &wc);
    fail_times(&w, 5, 0);
    int64_t now = w.dead_until_ms;
    CHECK_NUM(window_allows(&w, now), 1);
    window_success(&w, &wc);
    CHECK_NUM(window_allows(&w, now), 2);
    window_success(&w, &wc);
    window_success(&w, &wc);
    CHECK_NUM(window_allows(&w, now), 3);
    fail_times(&w, 4, now); /* all of dead_after are needed again */
    CHECK(window_allows(&w, now) > 0);
    fail_times(&w, 1, now);
    check_death(&w, now, MINUTE_MS);
}

TEST(window_late_success_revives)
{
    struct window w;
    window_init(&w, &wc);
    fail_times(&w, 5, 0);
    CHECK_NUM(window_allows(&w, 1), 0);
    window_success(&w, &wc);
    CHECK(window_allows(&w, 1) > 0);
}

/* T-57: whatever the clock does, nobody waits longer than dead_max_ms. */
TEST(t57_a_message_from_the_future_ages_by_its_attempts)
{
    struct retry_config c = { .first_ms = 5 * MINUTE_MS,
                              .max_ms = HOUR_MS,
                              .warn_ms = 4 * HOUR_MS,
                              .give_up_ms = 5 * (int64_t)DAY_MS,
                              .bounce_give_up_ms = DAY_MS };
    struct retry_input in = { .reply = REPLY(451, 4, 4, 1, "no"),
                              .accepted_ms = 1000 * (int64_t)DAY_MS,
                              .now_ms = 10 * (int64_t)DAY_MS };
    unsigned attempts = 0;
    bool warned = false;
    struct retry_verdict v;
    while ((v = retry_decide(&c, &in)).action == RETRY_LATER) {
        CHECK(v.due_ms > in.now_ms && v.due_ms <= in.now_ms + 2 * HOUR_MS);
        warned = warned || v.warn;
        in.warned = in.warned || v.warn;
        in.now_ms = v.due_ms;
        in.attempts = ++attempts;
        CHECK(attempts < 200);
    }
    CHECK(v.expired && warned);
    CHECK(attempts > 100); /* five days of hourly attempts */
    in.attempts = UINT32_MAX;
    CHECK(retry_decide(&c, &in).expired);
}

TEST(t57_window_clock_jumps)
{
    struct window w;
    int64_t now = 1000LL * DAY_MS;
    window_init(&w, &wc);
    fail_times(&w, 5, now);
    CHECK_NUM(window_allows(&w, now - 365LL * DAY_MS), 1); /* set back: tried at once */
    CHECK_NUM(window_allows(&w, now + 365LL * DAY_MS), 1);

    fail_times(&w, 1, now - 365LL * DAY_MS); /* and the next death is counted from there */
    CHECK_NUM(window_allows(&w, now - 365LL * DAY_MS), 0);
    CHECK(w.dead_until_ms - (now - 365LL * DAY_MS) <= wc.dead_max_ms);

    struct rng rng;
    rng_init(&rng, 11);
    for (int i = 0; i < 20000; i++) {
        now = (int64_t)rng_below(&rng, 2000) * DAY_MS / 7;
        if (rng_chance(&rng, 2, 3))
            window_failure(&w, &wc, now, rng_u64(&rng));
        else
            window_success(&w, &wc);
        CHECK(w.size >= 1 && w.size <= wc.max);
        if (window_allows(&w, now) == 0)
            CHECK(window_allows(&w, now + wc.dead_max_ms) > 0);
    }
}
