/* postern connector test: a real message through an outbound connector, followed by its trace; for
 * an inbound one, what a client would get. Start reading at cmd_connector_test. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/submit.h"
#include "gate/config.h"
#include "io/idn.h"
#include "io/loop.h"
#include "mail/addr.h"

#include <stdio.h>
#include <time.h>

enum {
    TIMEOUT_MS = 60 * 1000,
    SUBMIT_MS = 20 * 1000,
    POLL_MS = 200,
    MESSAGE_MAX = 8 * 1024,
    ADDRESS_MAX = 400,
    ID_MAX = 400,
};

/* One test. */
struct test {
    const struct cli *c;
    const struct config *config;
    const struct out_connector *out;
    const struct in_connector *in;
    char from[ADDRESS_MAX], to[ADDRESS_MAX]; /* without brackets */
    char message_id[ID_MAX];                 /* with brackets */
    struct ctl *answer;                      /* for JSON */
    bool quiet;                              /* who asked prints the answer */
};

static enum cli_exit fail(const char *what, enum cli_exit code)
{
    out_complain("%s", what);
    return code;
}

/* --- addresses --- */

static bool is_domain(struct span pattern)
{
    return pattern.n > 0 && span_find(pattern, '*') == pattern.n;
}

/* "postmaster@" the first of the patterns that is one domain. */
static bool postmaster(const struct span *pattern, unsigned n, char ret[static ADDRESS_MAX])
{
    for (unsigned i = 0; i < n; i++)
        if (is_domain(pattern[i])) {
            (void)snprintf(ret, ADDRESS_MAX, "postmaster@%.*s", SPAN_ARG(pattern[i]));
            return true;
        }
    return false;
}

static bool take_address(struct span given, char ret[static ADDRESS_MAX])
{
    if (given.n == 0 || given.n >= ADDRESS_MAX)
        return false;
    memcpy(ret, given.p, given.n);
    ret[given.n] = '\0';
    return true;
}

/* --- what the daemon says of it beforehand --- */

static enum cli_exit explain(struct test *t, struct ask *a, struct ctl *request, struct ctl **ret)
{
    struct why why;
    ctl_set(request, "verb", SPAN("explain"));
    ctl_set(request, "from", span_z(t->from));
    ctl_set(request, "to", span_z(t->to));
    enum err e = ask_one(&a->worker[0], request, ret, &why);
    return e == ERR_OK ? CLI_OK : cli_ask_failed(e, &why);
}

/* Would this mail take this connector? One that a header chooses is seen by the trace alone. */
static enum cli_exit check_way(struct test *t, struct ask *a)
{
    struct ctl *request = ctl_new(), *answer = NULL;
    ctl_set(request, "client-addr", SPAN("127.0.0.1"));
    ctl_set_bool(request, "client-plaintext", true);
    enum cli_exit code = explain(t, a, request, &answer);
    const struct ctl *way = answer ? ctl_get_object(answer, "outbound") : NULL;
    struct span by = way ? ctl_get(way, "connector") : SPAN_NONE;
    struct span id = t->out->c.id;
    if (code == CLI_OK && t->out->rule_header.n == 0 && !span_eq(by, id)) {
        bool test = way && span_eq(ctl_get(way, "test-connector"), id);
        out_complain("mail from <%s> to <%s> does not leave by %.*s%s%.*s", t->from, t->to,
                     SPAN_ARG(id),
                     test ? ", which is in mode test: `connector validate` tries its channel, "
                            "and a message takes it when it is enforced"
                     : by.n > 0 ? "; it leaves by "
                                : ": no connector is for it; `postern explain` says why",
                     SPAN_ARG(test ? SPAN_NONE : by));
        code = CLI_FAILED;
    }
    ctl_free(answer);
    ctl_free(request);
    return code;
}

/* --- the message --- */

static void put_message(struct test *t, struct loop *l, struct buf *out)
{
    char date[WHEN_BYTES_MAX];
    uint64_t random[2];
    loop_random(l, random, sizeof random);
    (void)snprintf(t->message_id, sizeof t->message_id, "<postern-test.%016llx%016llx@%.*s>",
                   (unsigned long long)random[0], (unsigned long long)random[1],
                   SPAN_ARG(span_head(t->config->hostname,
                                      t->config->hostname.n < 255 ? t->config->hostname.n : 255)));
    buf_putf(out, "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nMessage-ID: %s\r\n",
             when_rfc5322(t->c->now_ms, date), t->from, t->to, t->message_id);
    buf_putf(out, "Subject: Test of the connector %.*s\r\nAuto-Submitted: auto-generated\r\n",
             SPAN_ARG(t->out->c.id));
    if (t->out->rule_header.n > 0 && t->out->rule_header.n + t->out->rule_value.n < 900)
        buf_putf(out, "%.*s: %.*s\r\n", SPAN_ARG(t->out->rule_header),
                 SPAN_ARG(t->out->rule_value));
    buf_putf(out,
             "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
             "This message was sent by an operator of %.*s to test a connector for secure\r\n"
             "mail. Nothing has to be done.\r\n",
             SPAN_ARG(span_head(t->config->hostname,
                                t->config->hostname.n < 255 ? t->config->hostname.n : 255)));
}

/* A listener that this machine may speak to in clear. */
static bool find_listener(const struct config *c, struct ip *ret)
{
    for (unsigned i = 0; i < c->n_listen; i++) {
        const struct listen_config *l = &c->listen[i];
        static const struct ip any[2] = { { .family = IP_V4 }, { .family = IP_V6 } };
        struct ip at = l->ip;
        at.port = 0;
        bool every = ip_eq(&at, &any[0]) || ip_eq(&at, &any[1]);
        if (l->tls == LISTEN_IMPLICIT || l->n_proxy > 0 || !(every || ip_is_loopback(&l->ip)))
            continue;
        *ret = every ? (struct ip){ IP_V4, l->ip.port, { 127, 0, 0, 1 } } : l->ip;
        if (every && l->ip.family == IP_V6)
            *ret = (struct ip){ IP_V6, l->ip.port, { [15] = 1 } };
        return true;
    }
    return false;
}

static enum cli_exit hand_over(struct test *t)
{
    struct submit_ask ask = {
        .smtp = { .hostname = t->config->hostname, .limits = t->config->limits.out },
        .from = span_z(t->from),
        .rcpt = span_z(t->to),
        .timeout_ms = SUBMIT_MS,
    };
    struct loop *l = loop_new();
    struct buf message, domain;
    struct why why = { "" };
    struct span at = span_z(t->to);
    if (!find_listener(t->config, &ask.to)) {
        loop_free(l);
        return fail("no listener takes mail in clear from this machine: a message cannot be handed "
                    "over",
                    CLI_FAILED);
    }
    buf_init(&message, MESSAGE_MAX);
    buf_init(&domain, DOMAIN_BYTES_MAX);
    put_message(t, l, &message);
    loop_free(l);
    enum err e = idn_to_ascii(span_tail(at, span_rfind(at, '@') + 1), &domain);
    ask.domain = buf_span(&domain);
    ask.message = buf_span(&message);
    if (e == ERR_OK)
        e = submit(&ask, &why);
    buf_done(&message);
    buf_done(&domain);
    return e == ERR_OK ? CLI_OK : fail(why.text, CLI_FAILED);
}

/* --- following it --- */

static bool is_end(struct span event)
{
    return span_eq(event, SPAN("delivered")) || span_eq(event, SPAN("bounced")) ||
           span_eq(event, SPAN("expired")) || span_eq(event, SPAN("deferred"));
}

/* The first attempt that the trace tells of, or NULL. */
static const struct ctl *attempt_of(const struct ctl *found)
{
    const struct ctl *m = ctl_count(found, "messages") > 0 ? ctl_at(found, "messages", 0) : NULL;
    for (size_t i = 0; m && i < ctl_count(m, "lines"); i++)
        if (is_end(ctl_get(ctl_at(m, "lines", i), "event")))
            return ctl_at(m, "lines", i);
    return NULL;
}

static enum cli_exit show_end(struct test *t, const struct ctl *found, const struct ctl *attempt)
{
    bool delivered = attempt && span_eq(ctl_get(attempt, "event"), SPAN("delivered"));
    bool by_it = attempt && span_eq(ctl_get(attempt, "connector"), t->out->c.id);
    enum cli_exit code = delivered && by_it ? CLI_OK : CLI_FAILED;
    if (t->c->args->json) {
        ctl_set_bool(t->answer, "delivered", delivered);
        ctl_set_bool(t->answer, "by_connector", by_it);
        ctl_add_copy(t->answer, "trace", found);
        return t->quiet ? code : cli_json(t->answer, code);
    }
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    const struct ctl *m = ctl_count(found, "messages") > 0 ? ctl_at(found, "messages", 0) : NULL;
    if (m) {
        out_clean(ctl_get(m, "id"), &text);
        buf_put(&text, SPAN("\n"));
        trace_put_lines(m, "  ", &text);
    }
    if (attempt && !by_it)
        buf_put(&text, SPAN("NOT BY THIS CONNECTOR\n"));
    else if (attempt)
        buf_put(&text, delivered ? SPAN("delivered by this connector\n")
                                 : SPAN("NOT DELIVERED; what is deferred is still in the queue\n"));
    else
        buf_put(&text, SPAN("NOT KNOWN YET: it is still in the queue\n"));
    code = cli_print(&text, code);
    buf_done(&text);
    return code;
}

static enum cli_exit follow(struct test *t, struct ask *a)
{
    static const struct timespec step = { .tv_nsec = POLL_MS * 1000 * 1000 };
    uint64_t given = t->c->args->timeout;
    int64_t until = monotonic_ms_now() + (given > 0 ? (int64_t)given * 1000 : TIMEOUT_MS);
    struct ctl *request = ctl_new(), *found = NULL;
    const struct ctl *attempt = NULL;
    struct why why;
    enum err e;
    ctl_set(request, "verb", SPAN("trace"));
    ctl_set(request, "message-id", span_z(t->message_id));
    do {
        ctl_free(found);
        found = ctl_new();
        e = trace_fetch(a, -1, request, 1, found, &why);
        attempt = e == ERR_OK ? attempt_of(found) : NULL;
        if (e == ERR_OK && !attempt)
            (void)nanosleep(&step, NULL);
    } while (e == ERR_OK && !attempt && monotonic_ms_now() < until);
    enum cli_exit code = e == ERR_OK ? show_end(t, found, attempt) : cli_ask_failed(e, &why);
    ctl_free(found);
    ctl_free(request);
    return code;
}

static enum cli_exit test_outbound(struct test *t)
{
    const struct args *args = t->c->args;
    const struct org *org = t->out->c.org;
    struct ask a;
    if (!take_address(args->recipient, t->to) ||
        span_rfind(args->recipient, '@') == args->recipient.n)
        return cli_usage("an outbound connector is tested with --recipient ADDRESS: it gets a "
                         "message");
    if (!take_address(args->from, t->from) && !postmaster(org->domain, org->n_domain, t->from))
        return cli_usage("say who it is from: --from ADDRESS");
    enum cli_exit code = cli_open(t->c, &a);
    if (code != CLI_OK)
        return code;
    code = check_way(t, &a);
    if (code == CLI_OK)
        code = hand_over(t);
    if (code == CLI_OK)
        code = follow(t, &a);
    ask_close(&a);
    return code;
}

/* --- inbound --- */

/* By the functions that the gate asks, in this process: no mail and no daemon. */
static enum cli_exit test_inbound(struct test *t)
{
    struct args args = *t->c->args;
    const struct org *org = t->in->c.org;
    struct why why = { "" };
    if (args.client_addr.n == 0)
        return cli_usage("an inbound connector is tested with --client-addr IP and what else the "
                         "client would show: --client-names, --client-ca, --client-plaintext");
    if (!take_address(args.from, t->from) && !postmaster(t->in->sender, t->in->n_sender, t->from))
        return cli_usage("say who it is from: --from ADDRESS");
    if (!take_address(args.recipient, t->to) && !postmaster(org->domain, org->n_domain, t->to))
        return cli_usage("say whom it is to: --recipient ADDRESS");
    args.from = span_z(t->from);
    args.to = span_z(t->to);
    struct explain_by by = { t->config, SPAN_NONE, t->c->now_ms };
    struct ctl *request = ctl_new();
    enum err e = explain_request(&args, request, &why);
    if (e == ERR_OK)
        e = explain_answer(&by, request, t->answer, &why);
    ctl_free(request);
    if (e != ERR_OK)
        return cli_usage("%s", why.text);
    const struct ctl *in = ctl_get_object(t->answer, "inbound");
    bool enforced = t->in->c.mode == CONNECTOR_ENFORCE;
    bool mine = in && span_eq(ctl_get(in, enforced ? "connector" : "test-connector"), t->in->c.id);
    bool well = mine && ctl_get_bool(in, enforced ? "admitted" : "test-admitted");
    struct buf text;
    buf_init(&text, OUT_BYTES_MAX);
    explain_text(t->answer, &text);
    buf_putf(&text, "\n%s\n",
             well   ? "admitted by this connector"
             : mine ? "NOT ADMITTED by this connector"
                    : "THIS CONNECTOR IS NOT ASKED about such a mail");
    enum cli_exit code = well ? CLI_OK : CLI_FAILED;
    code = args.json ? cli_json(t->answer, code) : cli_print(&text, code);
    buf_done(&text);
    return code;
}

/* --- which --- */

static void find(struct test *t, struct span id, bool in, bool out)
{
    const struct org *org = org_by_name(t->config->orgs, span_head(id, span_find(id, '/')));
    for (unsigned i = 0; org && in && i < org->n_in; i++)
        if (span_eq_nocase(org->in[i].c.id, id))
            t->in = &org->in[i];
    for (unsigned i = 0; org && out && i < org->n_out; i++)
        if (span_eq_nocase(org->out[i].c.id, id))
            t->out = &org->out[i];
}

static enum cli_exit test_with(struct test *t)
{
    const struct args *a = t->c->args;
    struct span way = a->n_word > 1 ? a->word[1] : SPAN_NONE;
    bool in = span_eq(way, SPAN("inbound")), out = span_eq(way, SPAN("outbound"));
    if (way.n > 0 && !in && !out)
        return cli_usage("behind the name stands inbound, outbound, or nothing");
    find(t, a->word[0], !out, !in);
    if (t->in && t->out && a->client_addr.n > 0)
        t->out = NULL; /* a client is what comes in */
    if (t->out)
        return test_outbound(t);
    return t->in ? test_inbound(t) : fail("there is no such connector", CLI_FAILED);
}

static enum cli_exit run(const struct cli *c, struct ctl *answer, bool quiet)
{
    struct config *config;
    struct why why = { "" };
    const struct args *a = c->args;
    if (a->n_word == 0 || a->n_word > 2 || span_find(a->word[0], '/') == a->word[0].n)
        return cli_usage("connector test wants a connector: ORGANISATION/CONNECTOR");
    if (cli_load(cli_config(c), &config, &why) != ERR_OK)
        return fail(why.text, CLI_CONFIG);
    struct test *t = NEW(struct test);
    t->c = c;
    t->config = config;
    t->answer = answer;
    t->quiet = quiet;
    ctl_set_bool(t->answer, "ok", true);
    enum cli_exit code = test_with(t);
    mem_free(t);
    config_unref(config);
    return code;
}

enum cli_exit connector_send(const struct cli *c, struct ctl *ret)
{
    struct args args = *c->args;
    struct cli again = { .args = &args, .now_ms = c->now_ms };
    args.word[1] = SPAN("outbound");
    args.n_word = 2;
    return run(&again, ret, args.json);
}

enum cli_exit cmd_connector_test(const struct cli *c)
{
    struct ctl *answer = ctl_new();
    enum cli_exit code = run(c, answer, false);
    ctl_free(answer);
    return code;
}
