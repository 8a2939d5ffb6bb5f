/* tlsrpt_day_text.c - the sums of a day as text. A text is read into a day of its own first: one
 * that is not whole adds nothing. */
#include "base/enc.h"
#include "mail/addr.h"
#include "policy/tlsrpt_day.h"
#include <inttypes.h>

enum { WORDS_MAX = 7 };

/* --- printing */

static enum err put_text(struct span s, struct buf *out)
{
    TRY(buf_addc(out, ' '));
    if (span_eq(s, SPAN("-")))
        return buf_append(out, SPAN("+2D"));
    return s.n > 0 ? enc_xtext(s, out) : buf_addc(out, '-');
}

static enum err put_ip(const struct ip *ip, struct buf *out)
{
    char text[IP_TEXT_MAX];
    return buf_addf(out, " %s", ip->family == IP_NONE ? "-" : ip_text(ip, text));
}

static enum err put_failure(const struct tlsrpt_failure *f, struct buf *out)
{
    TRY(buf_addf(out, "failure %s %" PRIu64, tlsrpt_result_name(f->result), f->n));
    TRY(put_ip(&f->sending, out));
    TRY(put_ip(&f->receiving, out));
    TRY(put_text(f->mx, out));
    TRY(put_text(f->reason, out));
    return buf_addc(out, '\n');
}

static enum err put_policy(const struct tlsrpt_policy *p, struct buf *out, uint64_t *lines)
{
    TRY(buf_addf(out, "policy %s %" PRIu64 " %" PRIu64, tlsrpt_type_name(p->type), p->well,
                 p->failed));
    TRY(put_text(p->strings, out));
    TRY(buf_addc(out, '\n'));
    *lines += 1 + p->n_failure;
    for (const struct tlsrpt_failure *f = p->failure; f; f = f->next)
        TRY(put_failure(f, out));
    return ERR_OK;
}

enum err tlsrpt_day_print(const struct tlsrpt_day *d, struct buf *out)
{
    uint64_t lines = 1 + d->n_domain;
    TRY(buf_addf(out, "tlsrpt1 %" PRId64 " %" PRIu64 "\n", d->day_ms, d->lost));
    for (const struct tlsrpt_domain *n = d->first; n; n = n->next) {
        TRY(buf_addf(out, "domain %.*s\n", SPAN_ARG(n->name)));
        for (const struct tlsrpt_policy *p = n->policy; p; p = p->next)
            TRY(put_policy(p, out, &lines));
    }
    return buf_addf(out, "end %" PRIu64 "\n", lines);
}

/* --- reading */

/* Where a text is read. */
struct reading {
    struct tlsrpt_day *day;
    struct tlsrpt_day *part; /* what the text says */
    struct buf decoded;
    struct tlsrpt_session session; /* of the policy that was read last */
    char domain[DOMAIN_BYTES_MAX];
    struct buf strings;
    uint64_t failed_left; /* of the policy: sessions that no failure line tells of yet */
    bool has_policy, ended;
};

typedef enum err line_fn(struct reading *r, const struct span w[static WORDS_MAX]);

/* "-" or xtext; *ret is borrowed from `out`. */
static enum err take_text(struct span s, size_t n_max, struct buf *out, struct span *ret)
{
    buf_clear(out);
    if (!span_eq(s, SPAN("-")))
        TRY(dec_xtext(s, out));
    *ret = buf_span(out);
    return ret->n <= n_max ? ERR_OK : ERR_TOO_BIG;
}

static enum err take_ip(struct span s, struct ip *ret)
{
    *ret = (struct ip){ 0 };
    return span_eq(s, SPAN("-")) ? ERR_OK : ip_parse(s, ret);
}

/* Failures of the policy before that no line told of. */
static void rest_add(struct reading *r)
{
    if (r->failed_left == 0)
        return;
    struct tlsrpt_policy one = { .type = r->session.type,
                                 .strings = r->session.strings,
                                 .failed = r->failed_left };
    struct tlsrpt_domain domain = { .name = r->session.domain, .policy = &one };
    struct tlsrpt_day day = { .day_ms = r->part->day_ms, .first = &domain };
    tlsrpt_day_merge(r->part, &day);
    r->failed_left = 0;
}

static enum err read_domain(struct reading *r, const struct span w[static WORDS_MAX])
{
    rest_add(r);
    if (!domain_valid(w[1], false))
        return ERR_SYNTAX;
    memcpy(r->domain, w[1].p, w[1].n);
    r->session.domain = span_of(r->domain, w[1].n);
    r->has_policy = false;
    return ERR_OK;
}

static enum err read_policy(struct reading *r, const struct span w[static WORDS_MAX])
{
    rest_add(r);
    if (r->session.domain.n == 0)
        return ERR_SYNTAX;
    TRY(tlsrpt_type_read(w[1], &r->session.type));
    TRY(span_u64(w[2], UINT64_MAX / 2, &r->session.n));
    TRY(span_u64(w[3], UINT64_MAX / 2, &r->failed_left));
    TRY(take_text(w[4], TLSRPT_STRINGS_MAX, &r->strings, &r->session.strings));
    r->session.failed = false;
    r->has_policy = true;
    tlsrpt_day_add(r->part, &r->session);
    return ERR_OK;
}

static enum err read_failure(struct reading *r, const struct span w[static WORDS_MAX])
{
    struct tlsrpt_session s = r->session;
    char mx[DOMAIN_BYTES_MAX];
    if (!r->has_policy)
        return ERR_SYNTAX;
    s.failed = true;
    TRY(tlsrpt_result_read(w[1], &s.failure.result));
    TRY(span_u64(w[2], r->failed_left, &s.n));
    TRY(take_ip(w[3], &s.failure.sending));
    TRY(take_ip(w[4], &s.failure.receiving));
    TRY(take_text(w[5], sizeof(mx), &r->decoded, &s.failure.mx));
    memcpy(mx, s.failure.mx.n > 0 ? s.failure.mx.p : "", s.failure.mx.n);
    s.failure.mx.p = mx;
    TRY(take_text(w[6], TLSRPT_REASON_MAX, &r->decoded, &s.failure.reason));
    r->failed_left -= s.n;
    tlsrpt_day_add(r->part, &s);
    return ERR_OK;
}

static const struct {
    struct span name;
    unsigned n_words;
    line_fn *read;
} kinds[] = {
    { { "domain", 6 }, 2, read_domain },
    { { "policy", 6 }, 5, read_policy },
    { { "failure", 7 }, 7, read_failure },
};

/* Cuts a line into words; 0: too many of them. */
static unsigned words(struct span line, struct span w[static WORDS_MAX])
{
    unsigned n = 0;
    for (; line.n > 0 && n < WORDS_MAX; n++)
        w[n] = span_cut(&line, ' ');
    return line.n > 0 ? 0 : n;
}

static enum err line_read(struct reading *r, struct span line, uint64_t lines_before)
{
    struct span w[WORDS_MAX];
    unsigned n = words(line, w);
    uint64_t counted;
    if (n == 2 && span_eq(w[0], SPAN("end"))) {
        rest_add(r);
        r->ended = true;
        TRY(span_u64(w[1], UINT64_MAX, &counted));
        return counted == lines_before ? ERR_OK : ERR_SYNTAX;
    }
    for (size_t i = 0; i < COUNTOF(kinds) && n > 0; i++)
        if (n == kinds[i].n_words && span_eq(w[0], kinds[i].name))
            return kinds[i].read(r, w);
    return ERR_SYNTAX;
}

static enum err head_read(struct reading *r, struct span line)
{
    struct span w[WORDS_MAX];
    uint64_t day_ms, lost;
    if (words(line, w) != 3 || !span_eq(w[0], SPAN("tlsrpt1")))
        return ERR_SYNTAX;
    TRY(span_u64(w[1], INT64_MAX, &day_ms));
    TRY(span_u64(w[2], UINT64_MAX / 2, &lost));
    r->part->lost = lost;
    return (int64_t)day_ms == r->day->day_ms ? ERR_OK : ERR_REFUSED;
}

static enum err text_read(struct reading *r, struct span text, struct why *why)
{
    for (uint64_t lines = 0; text.n > 0 && !r->ended; lines++) {
        struct span line = span_cut(&text, '\n');
        enum err e = lines == 0 ? head_read(r, line) : line_read(r, line, lines);
        if (e == ERR_REFUSED) {
            why_set(why, "line 1: sums of another day");
            return e;
        }
        if (e != ERR_OK) {
            why_set(why, "line %" PRIu64 ": not as it was written", lines + 1);
            return ERR_SYNTAX;
        }
    }
    if (r->ended && text.n == 0)
        return ERR_OK;
    why_set(why, "the sums do not end as they should");
    return ERR_SYNTAX;
}

enum err tlsrpt_day_read(struct tlsrpt_day *d, struct span text, struct why *why)
{
    struct tlsrpt_day part;
    struct reading r = { .day = d, .part = &part };
    tlsrpt_day_init(&part, d->day_ms, d->arena.max, &d->by_name.key);
    buf_init(&r.decoded, TLSRPT_STRINGS_MAX);
    buf_init(&r.strings, TLSRPT_STRINGS_MAX);
    enum err e = text_read(&r, text, why);
    if (e == ERR_OK)
        tlsrpt_day_merge(d, &part);
    buf_done(&r.decoded);
    buf_done(&r.strings);
    tlsrpt_day_done(&part);
    return e;
}
