/* Start at ladder_print. */
#include "policy/ladder.h"

#include "base/when.h"
#include "mail/text.h"

enum { WORDS_MAX = 200, LABEL = 12 };

static void put_words(struct span s, struct buf *out)
{
    text_put(text_cut(s, WORDS_MAX), "", true, out);
}

static void put_label(const char *label, struct buf *out)
{
    buf_putf(out, "    %-*s", LABEL, label);
}

/* --- from where --- */

static const char *const security_words[] = {
    [SECURITY_UNKNOWN] = "",
    [SECURITY_INSECURE] = ", not signed",
    [SECURITY_SECURE] = ", signed (DNSSEC)",
    [SECURITY_BOGUS] = ", its signature is wrong",
};

static void put_dns(const struct ladder_input *in, enum security security, struct buf *out)
{
    char text[WHEN_BYTES_MAX];
    int64_t left_ms = in->facts->expires_ms - in->now_ms;
    ASSERT((size_t)security < COUNTOF(security_words));
    buf_putf(out, "DNS%s", security_words[security]);
    if (in->facts->expires_ms == 0)
        return;
    if (left_ms > 0)
        buf_putf(out, ", good for another %s", when_span(left_ms, text));
    else
        buf_put(out, SPAN(", it has run out"));
}

static void put_configured(const struct route *r, struct buf *out)
{
    buf_put(out, SPAN("the configuration"));
    if (r->file.n == 0)
        return;
    buf_put(out, SPAN(", "));
    put_words(r->file, out);
    buf_putf(out, ":%d", r->line);
}

static void put_file(const struct ladder_input *in, struct buf *out)
{
    char text[WHEN_BYTES_MAX];
    buf_put(out, SPAN("the file of facts"));
    if (in->facts->now_ms > 0)
        buf_putf(out, ", as of %s", when_rfc3339(in->facts->now_ms, text));
}

/* " (DNS, not signed, good for another 4m)" */
static void put_source(const struct ladder_input *in, int host, const char *key,
                       enum security security, struct buf *out)
{
    buf_put(out, SPAN(" ("));
    if (suppose_has(in->suppose, host, key))
        buf_put(out, SPAN("assumed"));
    else if (in->from_file)
        put_file(in, out);
    else if (in->facts->configured && security == SECURITY_UNKNOWN)
        put_configured(in->route, out);
    else
        put_dns(in, security, out);
    buf_put(out, SPAN(")"));
}

/* What only trying tells. */
static void put_learnt(const struct ladder_input *in, int host, const char *key, struct buf *out)
{
    if (suppose_has(in->suppose, host, key))
        buf_put(out, SPAN(" (assumed)"));
    else if (in->suppose && in->suppose->has_tls[host])
        buf_put(out, SPAN(" (follows from what is assumed)"));
    else if (in->from_file)
        put_source(in, host, key, SECURITY_UNKNOWN, out);
    else
        buf_put(out, SPAN(" (learnt by trying)"));
}

/* --- what follows --- */

static const char *const steps[] = {
    [STEP_CONNECT] = "it is connected to",
    [STEP_STARTTLS] = "TLS is asked for",
    [STEP_SEND] = "the mail is sent",
    [STEP_PLAINTEXT] = "it is asked again, without TLS, and the mail is sent",
    [STEP_NEXT_HOST] = "nothing is sent to it",
    [STEP_DEFER] = "the mail waits",
    [STEP_BOUNCE] = "the mail goes back to its sender",
};

static void put_verdict(const char *when, const struct verdict *v, struct buf *out)
{
    buf_putf(out, "%s%s", when, steps[v->step]);
    if (v->step == STEP_NEXT_HOST)
        buf_putf(out, " (%d %u.%u.%u)", v->reply.code, v->reply.status.class,
                 v->reply.status.subject, v->reply.status.detail);
    buf_putf(out, ": %s\n", v->why);
}

static void put_if(const char *when, const struct verdict *v, struct buf *out)
{
    put_label("", out);
    put_verdict(when, v, out);
}

/* --- rungs --- */

struct rung {
    const struct ladder_input *in;
    const struct host_facts *h;
    int host;
    struct contract contract; /* the host's own */
};

static void put_listed(const struct rung *r, struct buf *out)
{
    char text[IP_TEXT_MAX];
    put_label("listed", out);
    buf_putf(out, "preference %u", r->h->preference);
    put_source(r->in, r->host, "preference", r->h->mx_security, out);
    buf_put(out, SPAN("\n"));
    if (r->h->is_path)
        return;
    put_label("addresses", out);
    for (unsigned i = 0; i < r->h->n_ip; i++)
        buf_putf(out, "%s%s", i > 0 ? " " : "", ip_text(&r->h->ip[i], text));
    if (r->h->n_ip == 0)
        buf_put(out, r->h->has_ip == TRI_NO ? SPAN("none") : SPAN("cannot be told"));
    put_source(r->in, r->host, "ip", r->h->ip_security, out);
    buf_put(out, SPAN("\n"));
}

/* false: the ladder ends here. */
static bool put_connect(const struct rung *r, struct buf *out)
{
    enum tri is = r->h->connected;
    put_label("connect", out);
    if (is == TRI_UNKNOWN) {
        buf_put(out, SPAN("not known: if it does not answer, nothing is sent to it (451 4.4.1)\n"));
        return true;
    }
    buf_put(out, is == TRI_YES ? SPAN("it answers") : SPAN("it does not answer"));
    put_learnt(r->in, r->host, "connected", out);
    buf_put(out, is == TRI_YES ? SPAN("\n") : SPAN(": nothing is sent to it (451 4.4.1)\n"));
    return is == TRI_YES;
}

static struct verdict if_offered(const struct rung *r, enum tri offered)
{
    struct host_facts h = *r->h;
    h.starttls_offered = offered;
    h.handshake = TRI_UNKNOWN;
    return decide_greeted(&r->contract, &h);
}

static bool put_starttls(const struct rung *r, struct buf *out)
{
    enum tri is = r->h->starttls_offered;
    struct verdict yes = if_offered(r, TRI_YES), no = if_offered(r, TRI_NO);
    put_label("STARTTLS", out);
    if (is == TRI_UNKNOWN) {
        buf_put(out, SPAN("not known\n"));
        put_if("if it is offered, ", &yes, out);
        put_if("if it is not, ", &no, out);
        return true;
    }
    buf_put(out, is == TRI_YES ? SPAN("offered") : SPAN("not offered"));
    put_learnt(r->in, r->host, "starttls", out);
    put_verdict(": ", is == TRI_YES ? &yes : &no, out);
    return is == TRI_YES;
}

static bool put_handshake(const struct rung *r, struct buf *out)
{
    enum tri is = r->h->handshake;
    struct host_facts h = *r->h;
    h.handshake = TRI_NO;
    struct verdict no = decide_secured(&r->contract, &h, NULL);
    put_label("handshake", out);
    if (is == TRI_UNKNOWN) {
        buf_put(out, SPAN("not known\n"));
        put_label("", out);
        buf_put(out, SPAN("if it ends well, the channel is judged\n"));
        put_if("if it fails, ", &no, out);
        return true;
    }
    buf_put(out, is == TRI_YES ? SPAN("it ends well") : SPAN("it fails"));
    put_learnt(r->in, r->host, "handshake", out);
    if (is == TRI_YES)
        buf_put(out, SPAN(": the channel is judged\n"));
    else
        put_verdict(": ", &no, out);
    return is == TRI_YES;
}

/* What a channel may lack: one thing each. */
enum lack {
    LACK_NOTHING,
    LACK_NEWEST,
    LACK_SECRECY,
    LACK_CHAIN,
    LACK_TIME,
    LACK_REVOKED,
    LACK_TOLD,
    LACK_NAME,
    LACK_TLSA,
    LACK_TLSA_TIME,
    LACK_TLSA_NAME,
    LACK_COUNT_
};
static const char *const lacks[LACK_COUNT_] = {
    [LACK_NOTHING] = "",
    [LACK_NEWEST] = "if it is TLS 1.2, ",
    [LACK_SECRECY] = "if its cipher suite has no forward secrecy, ",
    [LACK_CHAIN] = "if no trusted root vouches for the certificate, ",
    [LACK_TIME] = "if the certificate is only out of its time, ",
    [LACK_REVOKED] = "if the certificate is revoked, ",
    [LACK_TOLD] = "if it cannot be told whether it is, ",
    [LACK_NAME] = "if the certificate has none of the names, ",
    [LACK_TLSA] = "if no TLSA record matches, ",
    [LACK_TLSA_TIME] =
        "if the TLSA record of an authority matches, and a certificate is out of its time, ",
    [LACK_TLSA_NAME] =
        "if the TLSA record of an authority matches, and the certificate has none of the names, ",
};

static struct tls_facts channel_without(enum lack lack)
{
    return (struct tls_facts){
        .on = true,
        .version = lack == LACK_NEWEST ? SPAN("TLSv1.2") : SPAN("TLSv1.3"),
        .forward_secret = lack != LACK_SECRECY,
        .peer_cert = true,
        .chain_ok = lack != LACK_CHAIN && lack != LACK_TIME,
        .expired = lack == LACK_TIME,
        .name_ok = lack != LACK_NAME,
        .revoked = lack == LACK_REVOKED ? TLS_REVOKED_YES
                   : lack == LACK_TOLD  ? TLS_REVOKED_UNKNOWN
                                        : TLS_REVOKED_NO,
        .dane = lack == LACK_TLSA        ? TLS_DANE_NO
                : lack == LACK_TLSA_TIME ? TLS_DANE_EXPIRED
                : lack == LACK_TLSA_NAME ? TLS_DANE_NAME
                                         : TLS_DANE_EE,
    };
}

/* The contract's names count as one, which is there or not. */
static struct verdict judge_without(const struct contract *c, enum lack lack)
{
    const struct host_facts h = { .starttls_offered = TRI_YES, .handshake = TRI_YES };
    struct tls_facts tls = channel_without(lack);
    struct contract one_name = *c;
    one_name.n_names = 0;
    one_name.host_name = false;
    return decide_secured(&one_name, &h, &tls);
}

static void put_channel(const struct rung *r, struct buf *out)
{
    const struct host_facts *h = r->h;
    put_label("channel", out);
    if (h->channel == TRI_UNKNOWN) {
        struct verdict well = judge_without(&r->contract, LACK_NOTHING);
        put_verdict("not known: if nothing is wrong, ", &well, out);
        for (unsigned i = LACK_NOTHING + 1; i < LACK_COUNT_; i++) {
            struct verdict v = judge_without(&r->contract, (enum lack)i);
            if (v.step != STEP_SEND)
                put_if(lacks[i], &v, out);
        }
        return;
    }
    buf_put(out, h->channel == TRI_YES ? SPAN("it is what the contract asks")
                                       : SPAN("it breaks the contract"));
    put_learnt(r->in, r->host, "channel", out);
    if (h->failure.n > 0) {
        buf_put(out, SPAN(": "));
        put_words(h->failure, out);
    }
    buf_put(out, SPAN("\n"));
}

static void put_host(const struct ladder_input *in, unsigned i, struct buf *out)
{
    const struct rung r = { in, &in->facts->host[i], (int)i,
                            decide_host_contract(in->contract, in->facts, i) };
    struct verdict plan = decide_plan(in->contract, in->facts, i);
    buf_put(out, SPAN("  "));
    put_words(r.h->name, out);
    buf_put(out, SPAN("\n"));
    put_listed(&r, out);
    if (plan.step != STEP_CONNECT)
        put_if("", &plan, out);
    else if (put_connect(&r, out) && put_starttls(&r, out) && put_handshake(&r, out))
        put_channel(&r, out);
}

static void put_domain(const struct ladder_input *in, struct buf *out)
{
    const struct facts *f = in->facts;
    buf_put(out, SPAN("  "));
    put_words(f->domain, out);
    buf_putf(out, ": MX %s", tri_name(f->has_mx));
    put_source(in, SUPPOSE_DOMAIN, "mx", f->n_host > 0 ? f->host[0].mx_security : SECURITY_UNKNOWN,
               out);
    buf_put(out, SPAN("\n"));
}

void ladder_print(const struct ladder_input *in, struct buf *out)
{
    ASSERT(in->facts->n_host <= FACTS_HOSTS_MAX);
    if (in->contract->rules & RULE_LOCAL)
        return; /* no network, no rungs */
    buf_put(out, SPAN("Rung by rung, with where each fact comes from:\n"));
    if (!in->facts->configured)
        put_domain(in, out);
    for (unsigned i = 0; i < in->facts->n_host; i++)
        put_host(in, i, out);
}
