#include "cli/replay_judge.h"

#include "gate/attribution.h"

enum { WAS, NOW };

/* --- in words --- */

static const char *const gap_words[REPLAY_GAP_COUNT_] = {
    [REPLAY_GAP_NONE] = "",
    [REPLAY_GAP_LINE] = "the line in the trace lacks what is needed",
    [REPLAY_GAP_RCPTS] = "not all recipients are in the trace",
    [REPLAY_GAP_BEGIN] = "how it came is not in what was read of the trace",
    [REPLAY_GAP_TLS] = "what the handshake showed is not in the trace as a whole",
    [REPLAY_GAP_UNASKED] = "the client was not asked for a certificate",
    [REPLAY_GAP_NO_TLS] = "the client was offered no TLS",
    [REPLAY_GAP_TRUST] = "other roots would judge the certificate",
    [REPLAY_GAP_PROFILE] = "other cipher suites would be offered",
    [REPLAY_GAP_RULE] = "connectors that look at a header field are others",
    [REPLAY_GAP_REROUTED] = "an operator had sent it elsewhere",
    [REPLAY_GAP_WAY] = "it would go another way, and what channel is to be had there is not known",
    [REPLAY_GAP_IDENTITY] = "the server would be shown another certificate of ours",
    [REPLAY_GAP_CHANNEL] = "what was wrong with the channel is not in the trace",
    [REPLAY_GAP_NAME] = "whether the certificate names the host is not in the trace",
};

static void put_says(const struct replay_found *f, const struct replay_says *says, struct buf *out)
{
    if (says->pass)
        buf_put(out, f->outbound ? SPAN("sent") : SPAN("taken"));
    else
        reply_print(&says->reply, out);
}

void replay_words(const struct replay_found *f, struct buf *before, struct buf *after)
{
    ASSERT(f->gap < REPLAY_GAP_COUNT_);
    if (f->is == REPLAY_UNKNOWN) {
        buf_put(before, SPAN("-"));
        buf_putf(after, "%s", gap_words[f->gap]);
        return;
    }
    put_says(f, &f->before, before);
    put_says(f, &f->after, after);
    if (f->more_hosts && !f->after.pass)
        buf_put(after, SPAN(", unless another host of the destination does better"));
}

struct replay_found replay_gap(enum replay_gap gap)
{
    return (struct replay_found){ .is = REPLAY_UNKNOWN, .gap = gap };
}

static void compare(struct replay_found *f)
{
    const struct reply *a = &f->before.reply, *b = &f->after.reply;
    bool same = f->before.pass == f->after.pass;
    if (same && !f->before.pass)
        same = a->code == b->code && a->status.subject == b->status.subject &&
               a->status.detail == b->status.detail;
    f->is = same ? REPLAY_SAME : REPLAY_DIFFERENT;
    if (f->gap != REPLAY_GAP_NONE)
        f->is = REPLAY_UNKNOWN;
}

/* --- what is trusted --- */

static bool note_roots(const struct config *c, struct map *ret, const struct map *known)
{
    bool more = false;
    for (unsigned o = 0; o < c->n_org; o++) {
        for (unsigned i = 0; i < c->org[o].n_in; i++) {
            struct in_connector *in = &c->org[o].in[i];
            for (unsigned k = 0; in->c.mode != CONNECTOR_OFF && k < in->n_anchor; k++) {
                more = more || (known && !map_get(known, in->anchor[k]));
                (void)map_put(ret, in->anchor[k], in);
            }
        }
    }
    return more;
}

void replay_judge_init(struct replay_judge *j, const struct config *was, const struct config *now)
{
    const struct hash_key key = { { 0, 0 } }; /* digests that an administrator has chosen */
    *j = (struct replay_judge){ .was = was, .now = now };
    map_init(&j->ca[WAS], &key);
    map_init(&j->ca[NOW], &key);
    (void)note_roots(was, &j->ca[WAS], NULL);
    j->more_ca = note_roots(now, &j->ca[NOW], &j->ca[WAS]);
}

void replay_judge_done(struct replay_judge *j)
{
    map_done(&j->ca[WAS]);
    map_done(&j->ca[NOW]);
}

/* --- in --- */

static struct inbound_verdict judge_as(const struct config *c, const struct replay_mail *mail,
                                       const struct tls_facts *tls, const struct replay_rcpt *to)
{
    struct inbound_facts f = {
        .now_ms = mail->in.time_ms,
        .client = mail->in.client,
        .tls = tls,
        .from_domain = attribution_domain(c, &mail->in.from, mail->arena),
        .to_domain = to->domain,
        .revoked = attribution_revoked(tls),
    };
    return attribution_judge(c, &f, to->addr.local);
}

/* What the same handshake would show under `now`, as far as that follows. */
static struct tls_facts tls_now(const struct replay_judge *j, const struct tls_facts *was)
{
    struct tls_facts tls = *was;
    if (!j->now->tls_server)
        return attribution_plaintext;
    if (tls.anchor_private && !map_get(&j->ca[NOW], tls.anchor)) {
        tls.anchor_private = tls.chain_ok = tls.expired = false;
        tls.anchor = SPAN_NONE;
        tls.verify = SPAN("untrusted");
    }
    return tls;
}

static bool admitted_without_certificate(const struct replay_judge *j,
                                         const struct replay_mail *mail,
                                         const struct replay_rcpt *to)
{
    const struct tls_facts *is = &mail->in.tls.facts;
    const struct tls_facts bare = {
        .on = is->on,
        .forward_secret = is->forward_secret,
        .bits = is->bits,
        .version = is->version,
        .suite = is->suite,
        .group = is->group,
    };
    return judge_as(j->now, mail, &bare, to).admitted;
}

/* What of the client's side is not known, and matters when it is not admitted without it. */
static enum replay_gap gap_in(const struct replay_judge *j, const struct replay_mail *mail,
                              const struct replay_rcpt *to, bool admitted)
{
    const struct tls_facts *tls = &mail->in.tls.facts;
    const struct config *was = j->was, *now = j->now;
    if (!mail->in.tls.whole)
        return REPLAY_GAP_TLS;
    if (!tls->on)
        return !admitted && now->tls_server && !was->tls_server ? REPLAY_GAP_NO_TLS
                                                                : REPLAY_GAP_NONE;
    if (was->profile != now->profile && !span_eq(tls->version, SPAN("TLSv1.3")))
        return REPLAY_GAP_PROFILE;
    if (!now->tls_server || admitted_without_certificate(j, mail, to))
        return REPLAY_GAP_NONE;
    if (!tls->peer_cert) {
        bool unasked = mail->in.unasked || !was->asks_client_certificate;
        return unasked && now->asks_client_certificate ? REPLAY_GAP_UNASKED : REPLAY_GAP_NONE;
    }
    if (was->trust_in != now->trust_in)
        return REPLAY_GAP_TRUST;
    bool unknown_root = !tls->chain_ok && !tls->expired && tls->anchor.n == 0;
    return j->more_ca && unknown_root && !admitted ? REPLAY_GAP_TRUST : REPLAY_GAP_NONE;
}

static void fill(const struct config *c, struct replay_mail *mail, const struct tls_facts *tls,
                 const struct inbound_verdict *v, struct envelope *e)
{
    struct inbound_facts f = { .now_ms = mail->in.time_ms, .client = mail->in.client, .tls = tls };
    if (!v->admitted)
        return;
    f.from_domain = attribution_domain(c, &mail->in.from, mail->arena);
    struct attributed a = attribution_of(c, &f, v);
    attribution_fill(e, &a);
}

struct replay_found replay_judge_in(const struct replay_judge *j, struct replay_mail *mail,
                                    const struct replay_rcpt *to, bool taken)
{
    const struct tls_facts *tls = &mail->in.tls.facts;
    struct tls_facts then = tls_now(j, tls);
    struct inbound_verdict was = judge_as(j->was, mail, tls, to);
    struct inbound_verdict now = judge_as(j->now, mail, &then, to);
    const struct in_connector *by = now.by ? now.by : was.by;
    size_t at = span_rfind(mail->in.from.text, '@');
    struct replay_found f = {
        .gap = gap_in(j, mail, to, now.admitted),
        .otherwise = was.admitted != taken,
        .before = { was.admitted, was.reply },
        .after = { now.admitted, now.reply },
        .connector = by ? by->c.id : SPAN_NONE,
        .partner = at < mail->in.from.text.n ? span_tail(mail->in.from.text, at + 1) : SPAN("<>"),
    };
    compare(&f);
    fill(j->was, mail, tls, &was, &mail->as[WAS]);
    fill(j->now, mail, &then, &now, &mail->as[NOW]);
    return f;
}

void replay_mail_ready(struct replay_mail *mail, bool ours)
{
    for (unsigned i = 0; mail->known && i < COUNTOF(mail->as); i++) {
        struct envelope *e = &mail->as[i];
        e->from = mail->in.from.text;
        e->rule = mail->in.rule;
        e->requiretls = mail->in.requiretls;
        e->tls_required_no = mail->in.tls_required_no;
        if (ours)
            e->org = mail->in.org;
    }
}

/* --- out: which way --- */

static bool looks_at_header(const struct org *o)
{
    for (unsigned i = 0; o && i < o->n_out; i++)
        if (o->out[i].rule_header.n > 0 && o->out[i].c.mode != CONNECTOR_OFF)
            return true;
    return false;
}

/* The n-th connector that looks at a header, from *at on; NULL: there is none. */
static const struct out_connector *next_rule(const struct org *o, unsigned *at)
{
    while (o && *at < o->n_out) {
        const struct out_connector *c = &o->out[(*at)++];
        if (c->rule_header.n > 0 && c->c.mode != CONNECTOR_OFF)
            return c;
    }
    return NULL;
}

/* What a message's header names is recorded as the running configuration understood it. */
static bool same_rules(const struct org *a, const struct org *b)
{
    unsigned i = 0, k = 0;
    for (;;) {
        const struct out_connector *x = next_rule(a, &i), *y = next_rule(b, &k);
        if (!x || !y)
            return !x && !y;
        if (!span_eq(x->c.id, y->c.id) || !span_eq_nocase(x->rule_header, y->rule_header) ||
            !span_eq(x->rule_value, y->rule_value))
            return false;
    }
}

static bool same_place(const struct selection *a, const struct selection *b, struct span domain)
{
    const struct contract none = contract_none();
    struct buf x, y;
    buf_init(&x, DEST_KEY_MAX);
    buf_init(&y, DEST_KEY_MAX);
    route_key(a->route, domain, &none, &x);
    route_key(b->route, domain, &none, &y);
    bool same = span_eq(buf_span(&x), buf_span(&y));
    buf_done(&x);
    buf_done(&y);
    return same;
}

static bool same_card(const struct replay_judge *j, const struct selection *a,
                      const struct selection *b)
{
    unsigned x = a->contract.identity, y = b->contract.identity;
    if (x == 0 || y == 0)
        return x == y;
    const struct config_identity *p = &j->was->identity[x - 1], *q = &j->now->identity[y - 1];
    return span_eq(p->label, q->label) && span_eq(p->org->name, q->org->name);
}

static enum replay_gap gap_way(const struct replay_judge *j, const struct replay_mail *mail,
                               const struct selection way[2], const struct replay_out *out)
{
    const struct org *a = org_by_name(j->was->orgs, mail->as[WAS].org);
    const struct org *b = org_by_name(j->now->orgs, mail->as[NOW].org);
    if (mail->rerouted)
        return REPLAY_GAP_REROUTED;
    if ((looks_at_header(a) || looks_at_header(b)) && !same_rules(a, b))
        return REPLAY_GAP_RULE;
    if (way[NOW].contract.rules & RULE_LOCAL)
        return REPLAY_GAP_NONE;
    if (!same_place(&way[WAS], &way[NOW], out->to.domain))
        return REPLAY_GAP_WAY;
    return same_card(j, &way[WAS], &way[NOW]) ? REPLAY_GAP_NONE : REPLAY_GAP_IDENTITY;
}

/* --- out: the channel --- */

static struct replay_says as_verdict(const struct verdict *v)
{
    bool pass = v->step == STEP_SEND || v->step == STEP_PLAINTEXT;
    return (struct replay_says){ .pass = pass, .reply = v->reply };
}

/* The recorded contract let name_ok speak of sets of names, alone or beside the host. */
static bool tells_host(const struct replay_out *out)
{
    static const char key[] = " names=";
    size_t n = sizeof key - 1;
    for (size_t i = 0; i + n <= out->contract.n; i++) {
        struct span at = span_tail(out->contract, i);
        if (!span_starts(at, SPAN(" names=")))
            continue;
        at = span_tail(at, n);
        at = span_head(at, span_find(at, ' '));
        return span_eq(at, SPAN("host")) ||
               (out->tls.facts.name_ok && span_ends_nocase(at, SPAN(";host")));
    }
    return out->contract.n > 0;
}

static struct replay_says judge_tls(const struct contract *c, const struct replay_out *out,
                                    enum replay_gap *gap)
{
    struct host_facts h = { .starttls_offered = TRI_YES, .handshake = TRI_YES };
    struct tls_facts tls = out->tls.facts;
    struct verdict v = decide_secured(c, &h, &tls);
    bool wants_host = c->need == TLS_NEED_NAME && (c->n_names == 0 || c->host_name);
    if (!out->tls.whole)
        *gap = REPLAY_GAP_TLS;
    if (wants_host && !tells_host(out)) {
        tls.name_ok = !tls.name_ok;
        if (decide_secured(c, &h, &tls).step != v.step)
            *gap = REPLAY_GAP_NAME;
    }
    return as_verdict(&v);
}

/* No TLS: it was not offered, or it failed. Who does not know which, knows the reply: that is the
 * same for both. */
static struct replay_says judge_clear(const struct contract *c, const struct host_facts *is)
{
    struct host_facts h = *is;
    if (h.starttls_offered != TRI_NO && h.handshake != TRI_NO)
        h.starttls_offered = TRI_NO;
    struct verdict v = h.handshake == TRI_NO ? decide_secured(c, &h, NULL) : decide_greeted(c, &h);
    return as_verdict(&v);
}

static struct replay_says judge_channel(const struct contract *c, const struct replay_out *out,
                                        enum replay_gap *gap)
{
    const struct host_facts *h = &out->host;
    if (c->rules & RULE_LOCAL)
        return (struct replay_says){ .pass = true };
    if (out->tls.facts.on)
        return judge_tls(c, out, gap);
    if (out->channel || h->handshake == TRI_NO || h->starttls_offered == TRI_NO)
        return judge_clear(c, h);
    if (out->broken)
        *gap = REPLAY_GAP_CHANNEL;
    return (struct replay_says){ .pass = true }; /* it came to no channel: none was judged */
}

static enum replay_gap gap_trust(const struct replay_judge *j, const struct contract *c,
                                 const struct replay_out *out)
{
    const struct tls_facts *tls = &out->tls.facts;
    bool handshake = tls->on || out->host.handshake == TRI_NO;
    if (c->rules & RULE_LOCAL)
        return REPLAY_GAP_NONE;
    if (j->was->profile != j->now->profile && handshake && !span_eq(tls->version, SPAN("TLSv1.3")))
        return REPLAY_GAP_PROFILE;
    if (j->was->trust_out != j->now->trust_out && tls->peer_cert && c->need >= TLS_NEED_CHAIN)
        return REPLAY_GAP_TRUST;
    return REPLAY_GAP_NONE;
}

struct replay_found replay_judge_out(const struct replay_judge *j, const struct replay_mail *mail,
                                     const struct replay_out *out)
{
    if (!mail->known)
        return replay_gap(REPLAY_GAP_BEGIN);
    const struct selection way[2] = {
        way_out(j->was, &mail->as[WAS], out->to.domain, out->time_ms),
        way_out(j->now, &mail->as[NOW], out->to.domain, out->time_ms),
    };
    const struct out_connector *by = way[NOW].by ? way[NOW].by : way[WAS].by;
    struct span id_was = way[WAS].by ? way[WAS].by->c.id : SPAN_NONE;
    enum replay_gap ignored = REPLAY_GAP_NONE;
    struct replay_found f = {
        .gap = gap_way(j, mail, way, out),
        .more_hosts = out->n_host > 1,
        .connector = by ? by->c.id : SPAN_NONE,
        .partner = out->to.domain,
        .before = judge_channel(&way[WAS].contract, out, &ignored),
    };
    if (f.gap == REPLAY_GAP_NONE)
        f.gap = gap_trust(j, &way[NOW].contract, out);
    enum replay_gap gap = REPLAY_GAP_NONE;
    f.after = judge_channel(&way[NOW].contract, out, &gap);
    f.gap = f.gap == REPLAY_GAP_NONE ? gap : f.gap;
    f.otherwise =
        !mail->rerouted && (!span_eq(id_was, out->connector) || (out->channel && !f.before.pass) ||
                            (out->broken && f.before.pass));
    compare(&f);
    return f;
}
