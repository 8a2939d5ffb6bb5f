/* sts_life.c - start reading at sts_next: it is the whole behaviour. Below it, the text form. */
#include "policy/sts_life.h"
#include "mail/addr.h"
#include <inttypes.h>

static const char *const because_names[] = {
    [STS_CACHED] = "cached",       [STS_FETCHED] = "fetched", [STS_KEPT] = "kept",
    [STS_MODE_NONE] = "mode-none", [STS_ABSENT] = "absent",   [STS_CANNOT_TELL] = "cannot-tell",
    [STS_UNFETCHED] = "unfetched", [STS_WANTED] = "wanted",
};

const char *sts_because_name(enum sts_because b)
{
    ASSERT(b < COUNTOF(because_names));
    return because_names[b];
}

/* --- times */

int64_t sts_expires_ms(const struct sts_entry *e)
{
    ASSERT(e->has_policy);
    return e->fetched_ms + (int64_t)e->policy.max_age_s * 1000;
}

bool sts_alive(const struct sts_entry *e, int64_t now_ms)
{
    if (!e->has_policy || e->policy.max_age_s == 0)
        return false;
    return now_ms < sts_expires_ms(e);
}

/* Has so much time passed since? A time in the future says that a clock was wrong: yes. */
static bool passed(int64_t since_ms, int64_t wait_ms, int64_t now_ms)
{
    return since_ms > now_ms || now_ms - since_ms >= wait_ms;
}

bool sts_refresh_due(const struct sts_entry *e, int64_t now_ms)
{
    if (!sts_alive(e, now_ms))
        return false;
    int64_t half_ms = (int64_t)e->policy.max_age_s * 500;
    return passed(e->fetched_ms, half_ms < STS_REFRESH_MS ? half_ms : STS_REFRESH_MS, now_ms);
}

/* = RFC 8461 3.3: at least five minutes between two attempts for the same id */
static bool may_fetch(const struct sts_entry *e, struct span id, int64_t now_ms)
{
    return !e || !span_eq(e->failed_id, id) || passed(e->failed_ms, STS_AGAIN_MS, now_ms);
}

bool sts_entry_dead(const struct sts_entry *e, int64_t now_ms)
{
    return !sts_alive(e, now_ms) &&
           (e->failed_id.n == 0 || passed(e->failed_ms, STS_AGAIN_MS, now_ms));
}

/* --- what to do */

/* The policy of the entry binds. */
static struct sts_next use(const struct sts_entry *e, enum sts_because because, bool beside)
{
    if (e->policy.mode == STS_POLICY_NONE)
        return (struct sts_next){ STS_DO_NONE, STS_MODE_NONE, beside, false };
    return (struct sts_next){ STS_DO_USE, because, beside, false };
}

static struct sts_next none(enum sts_because because)
{
    return (struct sts_next){ .what = STS_DO_NONE, .because = because };
}

static struct sts_next wanted(enum sts_do what)
{
    return (struct sts_next){ .what = what, .because = STS_WANTED };
}

/* DNS shows an id, nothing was fetched for this message. */
static struct sts_next id_found(const struct sts_input *in, bool alive)
{
    const struct sts_entry *e = in->entry;
    bool may = may_fetch(e, in->id, in->now_ms);
    if (!alive)
        return may ? wanted(STS_DO_FETCH) : none(STS_UNFETCHED);
    /* The message waits for a policy that is known to be new. */
    if (!span_eq(e->id, in->id))
        return may ? wanted(STS_DO_FETCH) : use(e, STS_KEPT, false);
    /* Some change the file and forget the id: nothing is bounced before the file was seen. */
    if (in->last_resort && may && passed(e->fetched_ms, STS_AGAIN_MS, in->now_ms))
        return wanted(STS_DO_FETCH);
    return use(e, STS_CACHED, may && sts_refresh_due(e, in->now_ms));
}

static struct sts_next next_of(const struct sts_input *in)
{
    const struct sts_entry *e = in->entry;
    bool alive = e && sts_alive(e, in->now_ms);
    if (in->fetch == STS_FETCH_WELL) {
        ASSERT(e && e->has_policy && span_eq(e->id, in->id));
        return use(e, STS_FETCHED, false); /* even when its max_age is 0 */
    }
    /* = RFC 8461 3.3: no "live" policy, but a valid one in the cache: the sender MUST apply it */
    if (in->fetch == STS_FETCH_FAILED)
        return alive ? use(e, STS_KEPT, false) : none(STS_UNFETCHED);
    switch (in->found) {
    case STS_FOUND_NOTHING_YET:
        if (alive && !in->last_resort && !passed(e->looked_ms, STS_LOOK_MS, in->now_ms))
            return use(e, STS_CACHED, false);
        return wanted(STS_DO_LOOK);
    case STS_FOUND_UNKNOWN:
        return alive ? use(e, STS_KEPT, false) : none(STS_CANNOT_TELL);
    case STS_FOUND_NONE:
        return alive ? use(e, STS_KEPT, false) : none(STS_ABSENT);
    case STS_FOUND_ID:
        break;
    }
    return id_found(in, alive);
}

struct sts_next sts_next(const struct sts_input *in)
{
    ASSERT(in->fetch == STS_FETCH_NOT_TRIED || in->found == STS_FOUND_ID);
    ASSERT((in->found == STS_FOUND_ID) == (in->id.n > 0));

    struct sts_next next = next_of(in);
    /* = RFC 8461 5.1: "the presence of a new policy (as indicated by the "id" field ...)" */
    if (next.what == STS_DO_USE)
        next.checked = in->found == STS_FOUND_NONE ||
                       (in->found == STS_FOUND_ID && span_eq(in->id, in->entry->id));
    return next;
}

/* --- what happened */

void sts_entry_init(struct sts_entry *e, struct span domain)
{
    ASSERT(domain_valid(domain, false));
    *e = (struct sts_entry){ .domain = domain };
}

void sts_entry_looked(struct sts_entry *e, int64_t now_ms)
{
    e->looked_ms = now_ms;
}

void sts_entry_fetched(struct sts_entry *e, struct span id, const struct sts_policy *p,
                       int64_t now_ms)
{
    ASSERT(sts_id_valid(id));
    e->has_policy = true;
    e->policy = *p;
    e->id = id;
    e->fetched_ms = e->looked_ms = now_ms;
    e->failed_id = SPAN_NONE;
    e->failed_ms = 0;
}

void sts_entry_failed(struct sts_entry *e, struct span id, int64_t now_ms)
{
    ASSERT(sts_id_valid(id));
    e->failed_id = id;
    e->failed_ms = now_ms;
}

/* --- the text form:
 *
 *   sts1 <sum> example.org looked failed-at failed-id fetched id mode max-age mx,mx,...
 *
 * with "-" for what is not there, and without the last five when there is no policy. The sum is
 * over all that follows it; it tells damage, not malice. */

enum { SUM_DIGITS = 16, WORDS_BEFORE_POLICY = 4, WORDS_MAX = 9 };

static uint64_t sum_of(struct span s)
{
    static const struct hash_key key = { { 0x706f737465726e20u, 0x7374732063616368u } };
    return span_hash(&key, s);
}

static struct span or_dash(struct span s)
{
    return s.n > 0 ? s : SPAN("-");
}

void sts_entry_print(const struct sts_entry *e, struct buf *out)
{
    struct buf b;
    buf_init(&b, STS_ENTRY_MAX);
    buf_putf(&b, "%.*s %" PRId64 " %" PRId64 " %.*s", SPAN_ARG(e->domain), e->looked_ms,
             e->failed_ms, SPAN_ARG(or_dash(e->failed_id)));
    if (e->has_policy) {
        buf_putf(&b, " %" PRId64 " %.*s %s %u ", e->fetched_ms, SPAN_ARG(e->id),
                 sts_policy_mode_name(e->policy.mode), (unsigned)e->policy.max_age_s);
        for (unsigned i = 0; i < e->policy.n_mx; i++)
            buf_putf(&b, "%s%.*s", i > 0 ? "," : "", SPAN_ARG(e->policy.mx[i]));
        if (e->policy.n_mx == 0)
            buf_putf(&b, "-");
    }
    buf_putf(out, "sts1 %016" PRIx64 " ", sum_of(buf_span(&b)));
    buf_put(out, buf_span(&b));
    buf_putf(out, "\n");
    buf_done(&b);
}

static enum err read_time(struct span s, int64_t *ret)
{
    uint64_t n;
    TRY(span_u64(s, INT64_MAX / 4, &n));
    *ret = (int64_t)n;
    return ERR_OK;
}

static enum err read_mx(struct span s, struct sts_policy *p)
{
    if (span_eq(s, SPAN("-")))
        return p->mode == STS_POLICY_NONE ? ERR_OK : ERR_SYNTAX;
    while (s.n > 0) {
        struct span mx = span_cut(&s, ',');
        if (!sts_pattern_valid(mx) || p->n_mx == STS_MX_MAX)
            return ERR_SYNTAX;
        p->mx[p->n_mx++] = mx;
    }
    return p->n_mx > 0 ? ERR_OK : ERR_SYNTAX;
}

static enum err read_policy(const struct span w[static WORDS_MAX], struct sts_entry *e)
{
    uint64_t max_age;
    TRY(read_time(w[4], &e->fetched_ms));
    TRY(sts_policy_mode_read(w[6], &e->policy.mode));
    TRY(span_u64(w[7], STS_MAX_AGE_MAX_S, &max_age));
    TRY(read_mx(w[8], &e->policy));
    if (!sts_id_valid(w[5]))
        return ERR_SYNTAX;
    e->policy.max_age_s = (uint32_t)max_age;
    e->id = w[5];
    e->has_policy = true;
    return ERR_OK;
}

static enum err read_words(const struct span w[static WORDS_MAX], unsigned n, struct sts_entry *e)
{
    if (!domain_valid(w[0], false))
        return ERR_SYNTAX;
    e->domain = w[0];
    TRY(read_time(w[1], &e->looked_ms));
    TRY(read_time(w[2], &e->failed_ms));
    if (!span_eq(w[3], SPAN("-"))) {
        if (!sts_id_valid(w[3]))
            return ERR_SYNTAX;
        e->failed_id = w[3];
    }
    return n == WORDS_MAX ? read_policy(w, e) : ERR_OK;
}

/* Takes the sum off *s; whether it is that of the rest. */
static bool sum_fits(struct span *s)
{
    struct buf b;
    struct span sum = span_cut(s, ' ');
    buf_init(&b, SUM_DIGITS);
    buf_putf(&b, "%016" PRIx64, sum_of(*s));
    bool fits = span_eq(sum, buf_span(&b));
    buf_done(&b);
    return fits;
}

enum err sts_entry_read(struct span line, struct sts_entry *ret, struct why *why)
{
    struct span rest = line, w[WORDS_MAX], word;
    struct sts_entry e = { 0 };
    unsigned n = 0;
    if (rest.n > 0 && rest.p[rest.n - 1] == '\n')
        rest = span_head(rest, rest.n - 1);
    word = span_cut(&rest, ' ');
    if (!span_eq(word, SPAN("sts1"))) {
        why_set(why, "not a line of this version (sts1)");
        return ERR_SYNTAX;
    }
    if (!sum_fits(&rest)) {
        why_set(why, "the line is damaged: its sum is another");
        return ERR_SYNTAX;
    }
    for (; n < WORDS_MAX && rest.n > 0; n++)
        w[n] = span_cut(&rest, ' ');
    bool counted = rest.n == 0 && (n == WORDS_BEFORE_POLICY || n == WORDS_MAX);
    if (!counted || read_words(w, n, &e) != ERR_OK) {
        why_set(why, "the line is not as it was written");
        return ERR_SYNTAX;
    }
    *ret = e;
    return ERR_OK;
}
