#include "gate/dnssec.h"

#include "base/log.h"
#include "base/when.h"
#include "gate/worker.h"
#include "io/dns.h"
#include "policy/facts.h"

enum {
    AGAIN_MS = 60 * 1000,      /* until it is proven */
    ASSURE_MS = 60 * 60 * 1000 /* then, and between two alarms */
};

struct dnssec {
    struct worker *w;
    struct timer timer;
    struct dns_query *query;
    enum tri proven;
    int64_t alarm_ms; /* monotonic: when the next one is due */
    struct why doubt;
};

static void tell_proven(const struct dnssec *d)
{
    log_begin(LOG_INFO, "dns.validates");
    log_str("probe", d->w->config->dns.probe);
    log_end();
}

static void tell_doubt(const struct dnssec *d)
{
    log_begin(LOG_ALARM, "dns.unvalidated");
    log_str("probe", d->w->config->dns.probe);
    log_z("why", d->doubt.text);
    log_z("remedy",
          "DANE protects no mail without DNSSEC: check the trust anchor, the clock and the "
          "resolvers in dns { }; in a closed network set probe to a signed zone");
    log_end();
}

static void learn(struct dnssec *d, bool secure)
{
    int64_t now = loop_now_ms(d->w->loop);
    enum tri before = d->proven;
    d->proven = secure ? TRI_YES : TRI_NO;
    stats_set(&d->w->stats, STAT_DNSSEC_PROVEN, secure);
    if (secure && before != TRI_YES)
        tell_proven(d);
    if (!secure && (before != TRI_NO || now >= d->alarm_ms)) {
        d->alarm_ms = now + ASSURE_MS;
        tell_doubt(d);
    }
    timer_set(&d->timer, now + (secure ? ASSURE_MS : AGAIN_MS));
}

/* A secure proof that there is no such record will do as well. */
static void probe_answered(void *arg, const struct dns_answer *a)
{
    struct dnssec *d = arg;
    d->query = NULL;
    bool secure = a->status != DNS_FAIL && a->security == DNS_SECURE;
    why_set(&d->doubt, "%s",
            a->status == DNS_FAIL ? a->text : "the answer is not secured by DNSSEC");
    learn(d, secure);
}

static void probe_ask(void *arg)
{
    struct dnssec *d = arg;
    ASSERT(!d->query);
    d->query = dns_ask(d->w->dns, d->w->config->dns.probe, DNS_SOA, probe_answered, d);
}

struct dnssec *dnssec_new(struct worker *w)
{
    struct dnssec *d = NEW(struct dnssec);
    d->w = w;
    timer_init(&d->timer, w->loop, probe_ask, d);
    timer_set(&d->timer, loop_now_ms(w->loop));
    return d;
}

void dnssec_free(struct dnssec *d)
{
    if (!d)
        return;
    timer_stop(&d->timer);
    if (d->query)
        dns_cancel(d->query);
    mem_free(d);
}

bool dnssec_proven(const struct dnssec *d)
{
    return !d || d->proven == TRI_YES;
}

const char *dnssec_doubt(const struct dnssec *d)
{
    return d && d->proven == TRI_NO ? d->doubt.text : NULL;
}

const char *dnssec_name(const struct dnssec *d)
{
    return tri_name(d ? d->proven : TRI_UNKNOWN);
}
