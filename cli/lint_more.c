#include "cli/lint_more.h"

#include "base/when.h"
#include "cli/lint_text.h"
#include "gate/resolve.h"
#include "mail/text.h"

enum {
    DOMAINS_MAX = 1000, /* that are looked up in one run */
    HOSTS_SHOWN = 3,
    WORDS_MAX = 200,
    DATE_BYTES = 10,
};

static struct span words(struct span s)
{
    return text_cut(s, WORDS_MAX);
}

static void place(struct lint_place *p, struct buf *text, struct ctl *out)
{
    p->text = buf_span(text);
    lint_put_place(p, out);
    buf_clear(text);
}

/* --- certificates --- */

static const struct {
    int64_t within_ms;
    enum lint_severity severity;
    const char *rule, *remedy;
} ends[] = {
    { 0, LINT_ERROR, "certificate-expired", "renew it now, put it in its place, and reload" },
    { 7 * (int64_t)DAY_MS, LINT_ERROR, "certificate-expires", "renew it now, and reload" },
    { 14 * (int64_t)DAY_MS, LINT_WARNING, "certificate-expires",
      "see why it was not renewed yet, and reload when it is" },
    { 30 * (int64_t)DAY_MS, LINT_NOTE, "certificate-expires", "see that it is renewed by then" },
};

static void lint_end(const struct config_certificate *c, int64_t now_ms, struct ctl *out)
{
    char day[WHEN_BYTES_MAX];
    struct buf text;
    size_t i = 0;
    if (c->until_ms == 0)
        return;
    while (i < COUNTOF(ends) && c->until_ms - now_ms > ends[i].within_ms)
        i++;
    if (i == COUNTOF(ends))
        return;
    buf_init(&text, LINT_TEXT_MAX);
    buf_putf(&text, "the certificate %.*s, or an intermediate with it, %s on %.*s",
             SPAN_ARG(words(c->path)), i == 0 ? "ended" : "ends", (int)DATE_BYTES,
             when_rfc3339(c->until_ms, day));
    place(&(struct lint_place){ ends[i].severity, ends[i].rule, c->file, c->line, SPAN_NONE,
                                ends[i].remedy },
          &text, out);
    buf_done(&text);
}

static void lint_usage(const struct config_certificate *c, struct ctl *out)
{
    struct buf text;
    if (c->for_servers || c->client_usage)
        return;
    buf_init(&text, LINT_TEXT_MAX);
    buf_putf(&text,
             "the certificate %.*s is shown to servers and is not meant for clients (no clientAuth "
             "in its usages): some refuse it",
             SPAN_ARG(words(c->path)));
    place(&(struct lint_place){ LINT_WARNING, "certificate-usage", c->file, c->line, SPAN_NONE,
                                "public CAs end clientAuth in 2026: ask the partner to take one "
                                "for servers, or to pin your key or your own CA" },
          &text, out);
    buf_done(&text);
}

void lint_certificates(const struct config *c, int64_t now_ms, struct ctl *out)
{
    for (const struct config_certificate *k = c->certificate; k; k = k->next) {
        lint_end(k, now_ms, out);
        lint_usage(k, out);
    }
}

/* --- MX --- */

/* Whatever MAIL FROM says, only known servers may write to it. */
static bool is_locked(const struct org *o)
{
    for (unsigned i = 0; o && i < o->n_in; i++) {
        const struct in_connector *c = &o->in[i];
        bool restricts = c->restrict_certificate || c->restrict_addresses;
        if (c->c.kind != CONNECTOR_PARTNER || c->c.mode != CONNECTOR_ENFORCE || !restricts)
            continue;
        for (unsigned k = 0; k < c->n_sender; k++)
            if (span_eq(c->sender[k], SPAN("*")))
                return true;
    }
    return false;
}

static void put_hosts(const struct facts *f, struct buf *text)
{
    for (unsigned i = 0; i < f->n_host && i < HOSTS_SHOWN; i++)
        buf_putf(text, "%s%.*s", i > 0 ? ", " : "", SPAN_ARG(text_cut(f->host[i].name, 80)));
    if (f->n_host > HOSTS_SHOWN)
        buf_putf(text, " and %u more", f->n_host - HOSTS_SHOWN);
}

/* false: there is nothing to be said of it. */
static bool judge_mx(const struct config *c, struct span domain, const struct facts *f,
                     struct lint_place *p, struct buf *text)
{
    if (f->has_mx == TRI_UNKNOWN) {
        *p = (struct lint_place){ .severity = LINT_NOTE,
                                  .rule = "mx-unknown",
                                  .remedy = "try again, or see what is wrong with the resolver" };
        buf_putf(text, "the MX of %.*s cannot be looked up: %.*s", SPAN_ARG(words(domain)),
                 SPAN_ARG(words(f->dns_failure)));
        return true;
    }
    for (unsigned i = 0; i < f->n_host; i++)
        if (f->host[i].is_us)
            return false;
    if (f->domain_exists == TRI_NO || f->null_mx || f->n_host == 0)
        return false; /* nobody sends to it by the DNS */
    if (is_locked(org_of_domain(c->orgs, domain)))
        return false;
    *p = (struct lint_place){
        .severity = LINT_WARNING,
        .rule = "mx-elsewhere",
        .remedy = "add an inbound partner connector with from = \"*\" that names the servers in "
                  "front (certificate_names and restrict_to_certificate = yes), or make this "
                  "installation the MX (names_are_us, if these names are it)",
    };
    buf_putf(text, "the MX of %.*s is not this installation (", SPAN_ARG(words(domain)));
    put_hosts(f, text);
    buf_put(text, SPAN("), and mail for it is taken from anybody who comes here all the same: what "
                       "filters there is passed by"));
    return true;
}

void lint_mx(const struct config *c, struct span domain, const struct facts *f, struct ctl *out)
{
    const struct org *o = org_of_domain(c->orgs, domain);
    struct lint_place p;
    struct buf text;
    buf_init(&text, 4 * (size_t)LINT_TEXT_MAX);
    if (judge_mx(c, domain, f, &p, &text)) {
        p.file = o ? o->file : c->file;
        p.line = o ? o->line : 0;
        place(&p, &text, out);
    }
    buf_done(&text);
}

/* --- asking --- */

struct asking {
    struct worker *w; /* what of it resolve_facts looks at */
    const struct config *config;
    struct span domain;
    struct ctl *out;
};

static void on_facts(void *arg, const struct facts *f)
{
    struct asking *a = arg;
    lint_mx(a->config, a->domain, f, a->out);
    loop_stop(a->w->loop);
}

static void ask_domain(struct asking *a, struct span domain)
{
    a->domain = domain;
    struct resolve_query *q =
        resolve_facts(a->w, a->config, &a->config->routes.mx_default, a->domain, on_facts, a);
    loop_run(a->w->loop);
    resolve_done(q);
}

static void ask_all(struct asking *a)
{
    size_t pos = 0, n = 0;
    struct span domain;
    void *route;
    while (map_next(&a->config->local, &pos, &domain, &route)) {
        bool can_ask = !span_starts(domain, SPAN("*")) && !domain_is_literal(domain);
        if (can_ask && n++ < DOMAINS_MAX)
            ask_domain(a, domain);
    }
    if (n > DOMAINS_MAX) {
        struct buf text;
        buf_init(&text, LINT_TEXT_MAX);
        buf_putf(&text, "only %d of %zu domains were looked up", DOMAINS_MAX, n);
        place(&(struct lint_place){ LINT_NOTE, "mx-unknown", a->config->file, 0, SPAN_NONE,
                                    "look at the others by parts of the configuration" },
              &text, a->out);
        buf_done(&text);
    }
}

enum err lint_dns(const struct config *c, struct ctl *out, struct why *why)
{
    struct worker *w = NEW(struct worker);
    struct asking a = { .w = w, .config = c, .out = out };
    uint64_t seed;
    w->loop = loop_new();
    loop_random(w->loop, &seed, sizeof seed);
    rng_init(&w->rng, seed);
    enum err e = dns_new(w->loop, &c->dns, &w->dns, why);
    if (e == ERR_OK) {
        ask_all(&a);
        dns_free(w->dns);
    }
    loop_free(w->loop);
    mem_free(w);
    return e;
}
