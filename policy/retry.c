#include "policy/retry.h"

enum {
    JITTER_PERCENT = 15,
    /* Failures in a row that halve a window; a single one between successes does not. */
    WINDOW_HYSTERESIS = 2,
};

/* value (>= 0) plus or minus JITTER_PERCENT, at least 1. */
static int64_t jitter(int64_t value, uint64_t random)
{
    int64_t spread = value / 100 * JITTER_PERCENT + value % 100 * JITTER_PERCENT / 100;
    uint64_t offset = random % (2 * (uint64_t)spread + 1);
    value = value - spread + (int64_t)offset;
    return value > 0 ? value : 1;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- a message */

int64_t retry_wait(const struct retry_config *c, unsigned attempts)
{
    ASSERT(c->first_ms > 0 && c->first_ms <= c->max_ms);
    int64_t wait = c->first_ms;
    for (unsigned i = 1; i < attempts && wait < c->max_ms; i++) {
        int64_t more = wait / 2 > 0 ? wait / 2 : 1;
        wait = wait > c->max_ms - more ? c->max_ms : wait + more;
    }
    return wait;
}

bool retry_is_dane(const struct reply *r)
{
    const struct status *s = &r->status;
    if (s->class != 4)
        return false;
    return (s->subject == 7 && s->detail >= 321 && s->detail <= 325) ||
           (s->subject == 4 && s->detail == 312);
}

/* The wait before attempt n of a message whose last attempt ended with this reply. */
static int64_t wait_after(const struct retry_config *c, const struct reply *r, unsigned attempts)
{
    enum { SOON = 2 }; /* retries: what is mended after a rollover is mended soon */
    if (c->dane_first_ms > 0 && retry_is_dane(r))
        return attempts <= SOON ? c->dane_first_ms : c->dane_max_ms;
    return retry_wait(c, attempts);
}

/* How long the message has waited. A clock that was set back says "not yet accepted": then the
 * attempts that were made tell. At most `limit`. */
static int64_t age_of(const struct retry_config *c, const struct retry_input *in, int64_t limit)
{
    if (in->now_ms >= in->accepted_ms)
        return min64(in->now_ms - in->accepted_ms, limit);
    int64_t age = 0, wait = c->first_ms;
    for (unsigned i = 1; i <= in->attempts && age < limit; i++) {
        wait = wait < c->max_ms ? retry_wait(c, i) : c->max_ms;
        age = wait < limit - age ? age + wait : limit;
    }
    return age;
}

struct retry_verdict retry_decide(const struct retry_config *c, const struct retry_input *in)
{
    if (reply_ok(&in->reply))
        return (struct retry_verdict){ .action = RETRY_DONE };
    if (reply_permanent(&in->reply))
        return (struct retry_verdict){ .action = RETRY_BOUNCE };

    int64_t limit = in->null_sender ? c->bounce_give_up_ms : c->give_up_ms;
    int64_t age = age_of(c, in, limit);
    if (age >= limit)
        return (struct retry_verdict){ .action = RETRY_BOUNCE, .expired = true };

    /* the last attempt is made when the time is up, not hours before it */
    unsigned next = in->attempts < UINT32_MAX ? in->attempts + 1 : in->attempts;
    int64_t wait = min64(jitter(wait_after(c, &in->reply, next), in->random), limit - age);
    return (struct retry_verdict){
        .action = RETRY_LATER,
        .due_ms = in->now_ms + wait,
        .warn = c->warn_ms > 0 && age >= c->warn_ms && !in->warned && !in->null_sender,
    };
}

struct reply retry_final_reply(const struct reply *r)
{
    struct reply final = *r;
    if (!reply_permanent(r))
        final.code = 550;
    final.status.class = 5;
    if (r->status.class == 0) {
        final.status.subject = 4; /* RFC 3463 3.5: delivery time expired */
        final.status.detail = 7;
    }
    return final;
}

/* --- a destination */

void window_init(struct window *w, const struct window_config *c)
{
    ASSERT(c->initial > 0 && c->initial <= c->max);
    ASSERT(c->dead_after > 0);
    ASSERT(c->dead_first_ms > 0 && c->dead_first_ms <= c->dead_max_ms);
    *w = (struct window){ .size = c->initial };
}

/* A clock that was set back must not make death longer than it was meant to be: then the host is
 * simply tried. */
static bool is_dead(const struct window *w, int64_t now_ms)
{
    return w->dead_until_ms > now_ms && w->dead_until_ms - now_ms <= w->dead_for_ms;
}

void window_success(struct window *w, const struct window_config *c)
{
    w->failures = 0;
    w->deaths = 0;
    w->dead_until_ms = 0;
    w->dead_for_ms = 0;
    if (++w->successes < w->size)
        return;
    w->successes = 0;
    if (w->size < c->max)
        w->size++;
}

/* dead_first_ms, doubled for each death in a row before this one. */
static int64_t death_ms(const struct window *w, const struct window_config *c)
{
    int64_t wait = c->dead_first_ms;
    for (unsigned i = 1; i < w->deaths && wait < c->dead_max_ms; i++)
        wait = wait > c->dead_max_ms / 2 ? c->dead_max_ms : wait * 2;
    return wait;
}

void window_failure(struct window *w, const struct window_config *c, int64_t now_ms,
                    uint64_t random)
{
    if (is_dead(w, now_ms))
        return; /* a session from before: it tells nothing new */
    w->successes = 0;
    if (w->failures < c->dead_after)
        w->failures++;
    if (w->failures % WINDOW_HYSTERESIS == 0 && w->size > 1)
        w->size /= 2;
    if (w->failures < c->dead_after)
        return;

    /* failures stay where they are: the next one, of the single session that probes, kills again */
    if (w->deaths < UINT32_MAX)
        w->deaths++;
    w->size = 1;
    w->dead_for_ms = min64(jitter(death_ms(w, c), random), c->dead_max_ms);
    w->dead_until_ms = now_ms + w->dead_for_ms;
}

unsigned window_allows(const struct window *w, int64_t now_ms)
{
    return is_dead(w, now_ms) ? 0 : w->size;
}
