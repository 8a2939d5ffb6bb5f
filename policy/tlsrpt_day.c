/* tlsrpt_day.c - start reading at tlsrpt_day_add. The text form stands in tlsrpt_day_text.c. */
#include "policy/tlsrpt_day.h"
#include "base/when.h"
#include "mail/addr.h"

int64_t tlsrpt_day_of(int64_t wall_ms)
{
    int64_t into = wall_ms % DAY_MS;
    return wall_ms - (into < 0 ? into + DAY_MS : into);
}

void tlsrpt_day_init(struct tlsrpt_day *d, int64_t day_ms, size_t bytes_max,
                     const struct hash_key *key)
{
    ASSERT(day_ms == tlsrpt_day_of(day_ms));
    *d = (struct tlsrpt_day){ .day_ms = day_ms };
    arena_init(&d->arena, bytes_max);
    map_init(&d->by_name, key);
    d->last = &d->first;
}

void tlsrpt_day_done(struct tlsrpt_day *d)
{
    if (!d)
        return;
    map_done(&d->by_name);
    arena_done(&d->arena);
    d->first = NULL;
}

/* --- names */

enum { NAME_MAX_ = DOMAIN_BYTES_MAX };

/* Lower case, without a trailing dot. */
static struct span name_fold(struct span s, char ret[static NAME_MAX_])
{
    ASSERT(s.n <= NAME_MAX_);
    if (s.n > 0 && s.p[s.n - 1] == '.')
        s.n--;
    for (size_t i = 0; i < s.n; i++)
        ret[i] = ascii_lower(s.p[i]);
    return span_of(ret, s.n);
}

/* The first lines of s that are not too much. */
static struct span lines_cut(struct span s, size_t n_max)
{
    if (s.n <= n_max)
        return s;
    s = span_head(s, n_max);
    size_t lf = span_rfind(s, '\n');
    return span_head(s, lf < s.n ? lf + 1 : 0);
}

const struct tlsrpt_domain *tlsrpt_day_get(const struct tlsrpt_day *d, struct span domain)
{
    char folded[NAME_MAX_];
    return domain.n > NAME_MAX_ ? NULL : map_get(&d->by_name, name_fold(domain, folded));
}

/* --- finding and making; NULL: there is no room */

/* What is made holds all its text, or is not made. */
static void *room_for(struct tlsrpt_day *d, size_t n)
{
    void *p = NULL;
    return arena_try(&d->arena, n, &p) == ERR_OK ? p : NULL;
}

static bool keep(struct tlsrpt_day *d, struct span s, struct span *ret)
{
    *ret = SPAN_NONE;
    return s.n == 0 || arena_try_span(&d->arena, s, ret) == ERR_OK;
}

static struct tlsrpt_domain *domain_of(struct tlsrpt_day *d, struct span name)
{
    char folded[NAME_MAX_];
    name = name_fold(name, folded);
    struct tlsrpt_domain *found = map_get(&d->by_name, name);
    struct span kept;
    /* The map has a copy of the name and a slot besides: they are paid for here. */
    if (found || !room_for(d, name.n + 64))
        return found;
    found = room_for(d, sizeof(*found));
    if (!found || !keep(d, name, &kept))
        return NULL;
    found->name = kept;
    map_put(&d->by_name, name, found);
    *d->last = found;
    d->last = &found->next;
    d->n_domain++;
    return found;
}

static struct tlsrpt_policy *policy_of(struct tlsrpt_day *d, struct tlsrpt_domain *domain,
                                       const struct tlsrpt_session *s)
{
    struct span strings = lines_cut(s->strings, TLSRPT_STRINGS_MAX);
    struct tlsrpt_policy **at = &domain->policy;
    for (; *at; at = &(*at)->next)
        if ((*at)->type == s->type && span_eq((*at)->strings, strings))
            return *at;
    if (domain->n_policy == TLSRPT_POLICIES_MAX)
        return NULL;
    struct tlsrpt_policy *p = room_for(d, sizeof(*p));
    if (!p || !keep(d, strings, &p->strings))
        return NULL;
    p->type = s->type;
    *at = p;
    domain->n_policy++;
    return p;
}

static bool same_host(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && (a->family == IP_NONE || ip_same_host(a, b));
}

static bool same_failure(const struct tlsrpt_failure *a, const struct tlsrpt_failure *b)
{
    return a->result == b->result && same_host(&a->sending, &b->sending) &&
           same_host(&a->receiving, &b->receiving) && span_eq(a->mx, b->mx) &&
           span_eq(a->reason, b->reason);
}

static struct tlsrpt_failure *failure_of(struct tlsrpt_day *d, struct tlsrpt_policy *policy,
                                         const struct tlsrpt_failure *f)
{
    char folded[NAME_MAX_];
    struct tlsrpt_failure want = *f, **at = &policy->failure;
    want.mx = name_fold(f->mx.n > NAME_MAX_ ? span_head(f->mx, NAME_MAX_) : f->mx, folded);
    want.reason =
        f->reason.n > TLSRPT_REASON_MAX ? span_head(f->reason, TLSRPT_REASON_MAX) : f->reason;
    want.sending.port = want.receiving.port = 0;
    want.n = 0;
    want.next = NULL;
    for (; *at; at = &(*at)->next)
        if (same_failure(*at, &want))
            return *at;
    if (policy->n_failure == TLSRPT_FAILURES_MAX)
        return NULL;
    struct tlsrpt_failure *made = room_for(d, sizeof(*made));
    if (!made || !keep(d, want.mx, &want.mx) || !keep(d, want.reason, &want.reason))
        return NULL;
    *made = want;
    *at = made;
    policy->n_failure++;
    return made;
}

/* --- counting */

/* Sums that nobody reaches, but a text of others may hold. */
static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void tlsrpt_day_add(struct tlsrpt_day *d, const struct tlsrpt_session *s)
{
    ASSERT(domain_valid(s->domain, false) && s->type < TLSRPT_TYPE_COUNT_);
    ASSERT(!s->failed || s->failure.result < TLSRPT_RESULT_COUNT_);
    struct tlsrpt_domain *domain = domain_of(d, s->domain);
    struct tlsrpt_policy *policy = domain ? policy_of(d, domain, s) : NULL;
    if (!policy) {
        d->lost = sum(d->lost, s->n);
        return;
    }
    if (!s->failed) {
        policy->well = sum(policy->well, s->n);
        return;
    }
    policy->failed = sum(policy->failed, s->n);
    struct tlsrpt_failure *f = failure_of(d, policy, &s->failure);
    if (f)
        f->n = sum(f->n, s->n);
}

/* Adds the counts of one policy: those of its failures, and what is beyond them. */
static void merge_policy(struct tlsrpt_day *d, struct span domain, const struct tlsrpt_policy *p)
{
    struct tlsrpt_session s = {
        .domain = domain, .type = p->type, .strings = p->strings, .n = p->well
    };
    uint64_t failed = p->failed;
    tlsrpt_day_add(d, &s);
    s.failed = true;
    for (const struct tlsrpt_failure *f = p->failure; f; f = f->next) {
        s.failure = *f;
        s.n = f->n < failed ? f->n : failed;
        failed -= s.n;
        tlsrpt_day_add(d, &s);
    }
    struct tlsrpt_domain *to = domain_of(d, domain);
    struct tlsrpt_policy *rest = to && failed > 0 ? policy_of(d, to, &s) : NULL;
    if (rest)
        rest->failed = sum(rest->failed, failed);
    else
        d->lost = sum(d->lost, failed);
}

void tlsrpt_day_merge(struct tlsrpt_day *d, const struct tlsrpt_day *from)
{
    ASSERT(d != from && d->day_ms == from->day_ms);
    for (const struct tlsrpt_domain *n = from->first; n; n = n->next)
        for (const struct tlsrpt_policy *p = n->policy; p; p = p->next)
            merge_policy(d, n->name, p);
    d->lost = sum(d->lost, from->lost);
}
