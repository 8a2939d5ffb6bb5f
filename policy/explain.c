#include "policy/explain.h"
#include "policy/explain_host.h"
#include "base/when.h"
#include "mail/text.h"
#include "policy/node.h"

enum { WORDS_BYTES_MAX = 400, INDENT = 12, NAMES_SHOWN_MAX = 6, DATE_BYTES = 10 };

/* --- sentences */

static const struct {
    unsigned rule;
    const char *sentence;
} rule_sentences[] = {
    { RULE_DEFAULT, "nobody asks for more than an attempt at TLS" },
    { RULE_ROUTE, "the route asks for it" },
    { RULE_LOCAL, "the mail stays on this machine: no network is crossed" },
    { RULE_REQUIRETLS, "the message asks for TLS itself (REQUIRETLS, RFC 8689)" },
    { RULE_CONNECTOR, "the connector asks for it" },
    { RULE_WEAKENED, "a weakening of the connector lowers what it asks" },
    { RULE_DANE, "the TLSA records of the host ask for it (DANE, RFC 7672)" },
    { RULE_STS, "the MTA-STS policy of the destination asks for it (RFC 8461)" },
    { RULE_NODE, "it goes to one of our own nodes: nothing lowers what that link must be" },
    { RULE_TENANT, "sender and recipient are organisations of this installation: never in clear" },
};

static const char *const need_sentences[TLS_NEED_COUNT_] = {
    [TLS_NEED_TRY] =
        "TLS is tried first; where there is none, mail goes in clear (not recommended)",
    [TLS_NEED_ENCRYPT] = "mail passes only through TLS, whatever the certificate; never in clear",
    [TLS_NEED_CHAIN] = "mail passes only through TLS with a certificate of a trusted root",
    [TLS_NEED_NAME] = "mail passes only through TLS with a trusted certificate for the host's name",
};

static const char *const route_changes[TLS_NEED_COUNT_] = {
    [TLS_NEED_TRY] =
        "tls = encrypt in a route for this domain would keep mail out of clear channels",
    [TLS_NEED_ENCRYPT] =
        "tls = chain or tls = name in the route would judge the certificate as well",
    [TLS_NEED_CHAIN] = "tls = name in the route would judge the certificate's names as well",
    [TLS_NEED_NAME] = "nothing stricter can be asked for",
};

static const char *const connector_changes[TLS_NEED_COUNT_] = {
    [TLS_NEED_TRY] = "tls = encrypt in the connector would keep mail out of clear channels",
    [TLS_NEED_ENCRYPT] =
        "tls = certificate or tls = domain in the connector would judge the certificate as well",
    [TLS_NEED_CHAIN] = "tls = domain in the connector would judge the certificate's names as well",
    [TLS_NEED_NAME] = "nothing stricter can be asked for",
};

static const char *const step_sentences[] = {
    [STEP_CONNECT] = "it is connected to",
    [STEP_STARTTLS] = "TLS is asked for",
    [STEP_SEND] = "the mail is sent",
    [STEP_PLAINTEXT] = "it is asked again, without TLS",
    [STEP_NEXT_HOST] = "nothing is sent to it",
    [STEP_DEFER] = "the mail waits",
    [STEP_BOUNCE] = "the mail goes back to its sender",
};

/* --- pieces */

/* Other people's words, fit for a line of ours. */
static void put_words(struct span s, struct buf *out)
{
    text_put(text_cut(s, WORDS_BYTES_MAX), "", true, out);
}

/* Starts a line: a word in the first column, or none. */
static void put_label(const char *label, struct buf *out)
{
    buf_putf(out, "  %-*s", INDENT - 2, label);
}

static void put_line(const char *label, const char *text, struct buf *out)
{
    put_label(label, out);
    buf_putf(out, "%s\n", text);
}

static void put_reply(const struct reply *r, struct buf *out)
{
    buf_putf(out, "%d %u.%u.%u ", r->code, r->status.class, r->status.subject, r->status.detail);
    put_words(r->text, out);
}

/* "if it offers STARTTLS, TLS is asked for (TLS is offered, so it is used)" */
static void put_verdict(const char *when, const struct verdict *v, struct buf *out)
{
    put_label("", out);
    buf_putf(out, "%s, %s (%s)\n", when, step_sentences[v->step], v->why);
}

static void put_place(const struct route *r, struct buf *out)
{
    if (r->file.n == 0)
        return;
    buf_put(out, SPAN(" ("));
    put_words(r->file, out);
    buf_putf(out, ":%d)", r->line);
}

/* --- the connector */

static void put_id(const struct connector *c, struct buf *out)
{
    put_words(c->id, out);
    buf_putf(out, " (%s, %s)", connector_kind_name(c->kind), connector_mode_name(c->mode));
}

/* until_ms is the first moment that is not covered; people are told the last day. */
static void put_last_day(int64_t until_ms, struct buf *out)
{
    char text[WHEN_BYTES_MAX];
    buf_put(out, span_head(span_z(when_rfc3339(until_ms - 1, text)), DATE_BYTES));
}

static void put_weakening(const struct connector *c, enum weakening_kind k, int64_t now_ms,
                          struct buf *out)
{
    const struct weakening *w = &c->weakening[k];
    if (w->until_ms == 0)
        return;
    put_label("", out);
    buf_putf(out, "allow \"%s\" %s ", weakening_name(k),
             connector_weakened(c, k, now_ms) ? "holds until" : "is void: it held until");
    put_last_day(w->until_ms, out);
    buf_put(out, SPAN("; "));
    put_words(w->owner, out);
    buf_put(out, SPAN(": "));
    put_words(w->reason, out);
    buf_put(out, SPAN("\n"));
}

/* One in test mode: what it would change, if it were enforced. */
static void put_test(const struct selection *s, struct buf *out)
{
    if (!s->test)
        return;
    put_label("test", out);
    put_words(s->test->c.id, out);
    buf_putf(out, " would be used, were it enforced: ");
    contract_print(&s->test_contract, out);
    buf_put(out, SPAN("\n"));
}

static void put_connector(const struct selection *s, int64_t now_ms, struct buf *out)
{
    put_label("connector", out);
    if (!s->by) {
        buf_putf(out, "none: %s\n", s->why);
        put_test(s, out);
        return;
    }
    const struct connector *c = &s->by->c;
    put_id(c, out);
    buf_putf(out, ": %s\n", s->why);
    if (c->owner.n > 0) {
        put_label("", out);
        buf_put(out, SPAN("who answers for it: "));
        put_words(c->owner, out);
        buf_put(out, SPAN("\n"));
    }
    for (unsigned k = 0; k < WEAKEN_COUNT_; k++)
        put_weakening(c, (enum weakening_kind)k, now_ms, out);
    put_test(s, out);
}

/* --- route and contract */

static const struct out_connector *connector_of(const struct explain_input *in)
{
    return in->selection ? in->selection->by : NULL;
}

static void put_route(const struct explain_input *in, struct buf *out)
{
    const struct route *r = in->route;
    put_label("route", out);
    if (connector_of(in)) {
        buf_putf(out, "%s, as the connector says", route_kind_name(r->kind));
    } else if (r->pattern.n == 0) {
        buf_put(out, SPAN("none is configured: MX of the recipient's domain"));
    } else {
        buf_putf(out, "%s for ", route_kind_name(r->kind));
        put_words(r->pattern, out);
    }
    if (r->node) {
        buf_put(out, SPAN(", by the link to our node "));
        put_words(r->node->name, out);
    }
    put_place(r, out);
    buf_put(out, SPAN("\n"));
}

static void put_rules(const struct contract *c, const struct route *r, struct buf *out)
{
    for (size_t i = 0; i < COUNTOF(rule_sentences); i++) {
        if (!(c->rules & rule_sentences[i].rule))
            continue;
        put_label("", out);
        buf_putf(out, "%s", rule_sentences[i].sentence);
        if (rule_sentences[i].rule & (RULE_ROUTE | RULE_CONNECTOR))
            put_place(r, out);
        buf_put(out, SPAN("\n"));
    }
}

/* Of each set one name must be there. */
static void put_names(const struct contract *c, struct buf *out)
{
    for (unsigned i = 0; c->need == TLS_NEED_NAME && i < c->n_names; i++) {
        const struct name_set *set = c->names[i];
        put_label("", out);
        buf_put(out, SPAN("the certificate must have one of these names:"));
        for (unsigned k = 0; k < set->n && k < NAMES_SHOWN_MAX; k++) {
            buf_put(out, SPAN(" "));
            put_words(set->name[k], out);
        }
        if (set->n > NAMES_SHOWN_MAX)
            buf_putf(out, " and %u more", set->n - NAMES_SHOWN_MAX);
        buf_put(out, SPAN("\n"));
    }
}

static void put_certificate(const struct contract *c, struct buf *out)
{
    bool named = c->need == TLS_NEED_NAME && c->n_names > 0 && !c->host_name;
    if (c->anchors)
        put_line("", "mail passes only through TLS with a certificate of the nodes' own CA", out);
    else if (c->need == TLS_NEED_ENCRYPT && c->dane == DANE_MANDATORY)
        put_line("",
                 "mail passes only to hosts whose TLSA records can be used and match; never in "
                 "clear",
                 out);
    else if (c->need < TLS_NEED_NAME && c->authenticated)
        put_line("",
                 "mail passes only through TLS, to a host that TLSA records or a trusted "
                 "certificate for its name prove; never in clear",
                 out);
    else
        put_line("", need_sentences[named ? TLS_NEED_CHAIN : c->need], out);
    if (c->keyword)
        put_line("", "and only to hosts that announce REQUIRETLS under TLS", out);
    put_names(c, out);
    if (c->need < TLS_NEED_CHAIN)
        return;
    if (c->allow_expired)
        put_line("", "a certificate that is only out of its time passes as well", out);
    if (c->revocation != REVOCATION_OFF)
        put_line("",
                 c->revocation == REVOCATION_HARD
                     ? "it must be known that the certificate is not revoked"
                     : "a certificate that is known to be revoked does not pass",
                 out);
}

static void put_contract(const struct contract *c, const struct route *r, struct buf *out)
{
    put_label("contract", out);
    contract_print(c, out);
    buf_put(out, SPAN("\n"));
    put_rules(c, r, out);
    if (c->need == TLS_NEED_TRY && c->rules == RULE_LOCAL)
        return;
    put_certificate(c, out);
    if (c->need > TLS_NEED_TRY && c->forward_secret)
        put_line("", "the cipher suite must have forward secrecy", out);
    if (c->need > TLS_NEED_TRY && c->floor > CONTRACT_FLOOR_MIN)
        put_line("", "TLS 1.3 at least", out);
    if (c->identity > 0 && c->rules & RULE_NODE)
        put_line("", "it is shown our own certificate, and what we say of the mail is signed", out);
    else if (c->identity > 0)
        put_line("", "a host of this connector that asks is shown the organisation's certificate",
                 out);
    if (c->need > TLS_NEED_TRY && c->rules & RULE_CONNECTOR)
        put_line("", "this protects mail up to the next server, not beyond", out);
}

/* --- hosts */

static const char *domain_sentence(const struct facts *f)
{
    if (f->configured)
        return "the route names the hosts";
    if (f->domain_exists == TRI_NO)
        return "there is no such domain";
    if (f->null_mx)
        return "it has a null MX";
    if (f->has_mx == TRI_YES)
        return "it has MX records";
    if (f->has_mx == TRI_NO)
        return "it has no MX record, so its own address counts";
    return "its MX records cannot be looked up";
}

static void put_domain(const struct facts *f, struct buf *out)
{
    put_label("domain", out);
    put_words(f->domain, out);
    buf_putf(out, ": %s", domain_sentence(f));
    if (f->dns_failure.n > 0) {
        buf_put(out, SPAN(": "));
        put_words(f->dns_failure, out);
    }
    buf_put(out, SPAN("\n"));
}

static void put_host_name(const struct host_facts *h, unsigned number, struct buf *out)
{
    char label[INDENT], text[IP_TEXT_MAX];
    struct buf b;
    buf_init(&b, sizeof label - 1);
    buf_putf(&b, "host %u", number);
    put_label(buf_z(&b), out);
    buf_done(&b);

    put_words(h->name, out);
    if (!h->is_path)
        buf_putf(out, ", preference %u", h->preference);
    for (unsigned i = 0; i < h->n_ip; i++)
        buf_putf(out, "%s%s", i ? " " : ", ", ip_text(&h->ip[i], text));
    buf_putf(out, "%s\n", h->is_us ? ", which is us" : "");
}

/* Nothing was tried yet: each way that it may go. */
static void put_prospects(const struct contract *c, const struct host_facts *h, struct buf *out)
{
    struct host_facts then = *h;
    then.handshake = TRI_UNKNOWN;
    then.starttls_offered = TRI_YES;
    struct verdict v = decide_greeted(c, &then);
    put_verdict("if it offers STARTTLS", &v, out);
    v = decide_secured(c, &then, NULL);
    put_verdict("if the handshake fails", &v, out);
    then.starttls_offered = TRI_NO;
    v = decide_greeted(c, &then);
    put_verdict("if it does not offer STARTTLS", &v, out);
}

static void put_failure(const char *what, struct span failure, struct buf *out)
{
    put_label("", out);
    buf_putf(out, "%s", what);
    if (failure.n > 0) {
        buf_put(out, SPAN(": "));
        put_words(failure, out);
    }
    buf_put(out, SPAN("\n"));
}

/* What follows from all that was learnt of a host by trying; CONNECT: nothing yet. */
static struct verdict host_verdict(const struct contract *c, const struct facts *f, unsigned i)
{
    const struct host_facts *h = &f->host[i];
    struct verdict v = decide_plan(c, f, i);
    if (v.step != STEP_CONNECT)
        return v;
    if (h->connected == TRI_NO || h->channel == TRI_NO)
        v.step = STEP_NEXT_HOST;
    else if (h->handshake == TRI_NO)
        v = decide_secured(&v.contract, h, NULL);
    else if (h->starttls_offered != TRI_UNKNOWN)
        v = decide_greeted(&v.contract, h);
    return v;
}

static void put_broken(const struct host_facts *h, struct buf *out)
{
    struct span failure = h->failure;
    if (failure.n == 0)
        failure = span_z(breach_words(h->breach));
    put_failure("its channel broke the contract", failure, out);
}

static void put_outcome(const struct host_facts *h, const struct verdict *v, struct buf *out)
{
    if (h->connected == TRI_NO) {
        put_failure("it could not be reached", h->failure, out);
        return;
    }
    if (h->channel == TRI_NO) {
        put_broken(h, out);
        return;
    }
    if (h->handshake == TRI_NO)
        put_failure("the TLS handshake failed", h->failure, out);
    put_verdict(h->handshake == TRI_NO           ? "so"
                : h->starttls_offered == TRI_YES ? "it offers STARTTLS"
                                                 : "it offers no STARTTLS",
                v, out);
}

static void put_host(const struct contract *c, const struct facts *f, unsigned i, struct buf *out)
{
    const struct host_facts *h = &f->host[i];
    struct verdict plan = decide_plan(c, f, i), v = host_verdict(c, f, i);
    put_host_name(h, i + 1, out);
    explain_host(c, f, i, INDENT, out);
    if (plan.step == STEP_NEXT_HOST)
        put_verdict("it is passed over", &plan, out);
    if (plan.step != STEP_CONNECT)
        return; /* the domain as a whole is judged: said at the end */
    if (v.step == STEP_CONNECT)
        put_prospects(&plan.contract, h, out);
    else
        put_outcome(h, &v, out);
}

/* --- what would change the verdict, if that is in anybody's hand here */

/* The weakening that would let this failure pass; WEAKEN_COUNT_: none. */
static enum weakening_kind weakening_for(const struct contract *c, const struct host_facts *h)
{
    if (h->channel == TRI_NO && h->breach == BREACH_EXPIRED)
        return WEAKEN_EXPIRED;
    if (h->channel == TRI_NO && h->breach == BREACH_NAME)
        return WEAKEN_NAME;
    if (h->channel != TRI_NO && !(c->rules & (RULE_REQUIRETLS | RULE_TENANT)))
        return WEAKEN_PLAINTEXT;
    return WEAKEN_COUNT_;
}

/* What is published is obeyed because somebody here says so. */
static void put_unpublished(const struct explain_input *in, const struct verdict *v,
                            struct buf *out)
{
    unsigned rules = explain_published(&v->contract, in->facts);
    const char *place = connector_of(in) ? "the connector" : "out { }";
    if (rules & RULE_DANE) {
        put_label("", out);
        buf_putf(out, "dane = off in %s would leave its TLSA records aside (not recommended)\n",
                 place);
    }
    if (rules & RULE_STS) {
        put_label("", out);
        buf_putf(out, "mta_sts = off in %s would leave its policy aside (not recommended)\n",
                 place);
    }
}

static void put_failed_change(const struct explain_input *in, const struct verdict *v,
                              struct buf *out)
{
    const struct host_facts *h = decide_last_failure(in->facts);
    put_line("change", "the destination must meet the contract, or who asks must ask for less",
             out);
    put_unpublished(in, v, out);
    if (!connector_of(in) || !h)
        return;
    enum weakening_kind k = weakening_for(&v->contract, h);
    if (k == WEAKEN_COUNT_)
        return;
    put_label("", out);
    buf_putf(out, "allow \"%s\" in the connector, with owner, reason and last day, would do so\n",
             weakening_name(k));
}

static void put_unweakened(const struct out_connector *by, struct buf *out)
{
    struct contract c = out_connector_contract(by, INT64_MAX);
    put_label("change", out);
    buf_put(out, SPAN("without its weakenings the connector asks "));
    contract_print(&c, out);
    buf_put(out, SPAN("\n"));
}

static void put_change(const struct explain_input *in, const struct verdict *v, struct buf *out)
{
    const struct out_connector *by = connector_of(in);
    /* decide.h: the codes of TLS */
    bool channel = v->reply.code == 450 || v->reply.status.detail == 312;
    bool fails = reply_permanent(&v->reply) || reply_transient(&v->reply);
    if (v->contract.rules & RULE_LOCAL || (fails && !channel))
        return;
    if (channel && v->contract.rules & RULE_NODE)
        put_line("change", "the node must meet the contract: its certificate, its name, the CA",
                 out);
    else if (channel)
        put_failed_change(in, v, out);
    else if (v->contract.rules & RULE_NODE)
        put_line("change", "nothing can be asked for: links between nodes are as they are", out);
    else if (by && v->contract.rules & RULE_WEAKENED)
        put_unweakened(by, out);
    else
        put_line("change", (by ? connector_changes : route_changes)[v->contract.need], out);
}

/* The first host that did not fail yet, or why there is none. */
static void put_end(const struct explain_input *in, const struct contract *c, struct buf *out)
{
    const struct facts *f = in->facts;
    unsigned i = 0;
    while (i < f->n_host && host_verdict(c, f, i).step == STEP_NEXT_HOST)
        i++;
    struct verdict v = decide_plan(c, f, i);
    put_label("verdict", out);
    if (v.step == STEP_CONNECT) {
        put_words(f->host[i].name, out);
        buf_put(out, SPAN(" is asked to take the mail\n"));
    } else {
        buf_putf(out, "%s (%s): ", step_sentences[v.step], v.why);
        put_reply(&v.reply, out);
        buf_put(out, SPAN("\n"));
    }
    put_change(in, &v, out);
}

static void put_facts(const struct explain_input *in, const struct contract *c, struct buf *out)
{
    put_domain(in->facts, out);
    for (unsigned i = 0; i < in->facts->n_host; i++)
        put_host(c, in->facts, i, out);
    put_end(in, c, out);
}

static void put_address(struct span address, struct buf *out)
{
    buf_put(out, SPAN("<"));
    put_words(address, out);
    buf_put(out, SPAN(">"));
}

static void put_head(const struct explain_input *in, struct buf *out)
{
    buf_put(out, SPAN("Mail from "));
    put_address(in->from, out);
    buf_put(out, SPAN(" to "));
    put_address(in->to, out);
    buf_put(out, SPAN("\n"));
}

void explain_print(const struct explain_input *in, struct buf *out)
{
    struct contract c =
        in->selection ? in->selection->contract : decide_contract(in->route, &in->message);
    ASSERT(!in->selection || in->selection->route == in->route);
    put_head(in, out);
    if (in->selection)
        put_connector(in->selection, in->now_ms, out);
    put_route(in, out);
    put_contract(&c, in->route, out);
    if (in->route->kind == ROUTE_MAILDIR)
        put_line("verdict", "the mail is written into a Maildir", out);
    else if (in->facts)
        put_facts(in, &c, out);
    else
        put_line("verdict", "the hosts were not looked up", out);
}
