/* One probe goes from phase to phase; the probe_on_ functions are what the world answers. One
 * deadline stands from the beginning to the end. */
#include "cli/probe.h"

#include "io/conn.h"
#include "proto/smtpc.h"

enum { WORDS_MAX = 2400 };

struct probe {
    struct probe_ask ask;
    struct conn *conn;
    struct smtpc *smtpc;
    struct host_facts facts;
    enum probe_phase at;
    struct probe_result *ret;
    struct defer gone;
    probe_fn *fn;
    void *arg;
};

const char *probe_phase_name(enum probe_phase p)
{
    static const char *const names[] = {
        [PROBE_RESOLVE] = "resolve",     [PROBE_CONNECT] = "connect",
        [PROBE_GREETING] = "greeting",   [PROBE_STARTTLS] = "starttls",
        [PROBE_HANDSHAKE] = "handshake", [PROBE_CHANNEL] = "ehlo-again",
        [PROBE_QUIT] = "quit",
    };
    ASSERT((size_t)p < COUNTOF(names));
    return names[p];
}

const char *probe_outcome_name(enum probe_outcome o)
{
    static const char *const names[] = {
        [PROBE_NOT_TRIED] = "not tried",
        [PROBE_OK] = "ok",
        [PROBE_FAILED] = "failed",
    };
    ASSERT((size_t)o < COUNTOF(names));
    return names[o];
}

/* --- what is found --- */

static void mark(struct probe *p, enum probe_outcome outcome, struct span words)
{
    struct probe_step *s = &p->ret->step[p->at];
    struct span cut = span_head(words, words.n < WORDS_MAX ? words.n : WORDS_MAX);
    *s = (struct probe_step){ .outcome = outcome };
    if (arena_try_span(p->ask.words, cut, &s->words) != ERR_OK)
        s->words = SPAN_NONE;
}

/* This phase ended well; the next one begins. */
static void passed(struct probe *p, struct span words, enum probe_phase next)
{
    mark(p, PROBE_OK, words);
    p->at = next;
}

/* What befell the session: mail cannot pass. */
static void failed(struct probe *p, struct span words)
{
    struct probe_result *r = p->ret;
    mark(p, PROBE_FAILED, words);
    r->fulfilled = false;
    r->at = p->at;
    r->why = r->step[p->at].words;
}

/* What the contract says of it. */
static void judged(struct probe *p, const struct verdict *v)
{
    struct probe_result *r = p->ret;
    r->fulfilled = v->step != STEP_NEXT_HOST;
    r->at = p->at;
    r->why = span_z(v->why);
    r->reply = v->reply;
}

void probe_unresolved(const struct verdict *v, struct span words, struct probe_result *ret)
{
    *ret = (struct probe_result){ .at = PROBE_RESOLVE, .why = span_z(v->why), .reply = v->reply };
    ret->step[PROBE_RESOLVE] = (struct probe_step){ PROBE_FAILED, words };
}

/* --- the end --- */

static void probe_gone(void *arg)
{
    struct probe *p = arg;
    p->fn(p->arg, p->ret);
    mem_free(p);
}

static void probe_over(struct probe *p)
{
    smtpc_free(p->smtpc);
    p->smtpc = NULL;
    conn_free(p->conn);
    p->conn = NULL;
    defer_call(&p->gone);
}

static void probe_quit(struct probe *p)
{
    p->at = PROBE_QUIT;
    smtpc_quit(p->smtpc, loop_now_ms(p->ask.loop));
}

/* --- before TLS --- */

static void probe_on_greeted(struct probe *p)
{
    bool offered = smtpc_exts(p->smtpc) & EXT_STARTTLS;
    p->facts.starttls_offered = offered ? TRI_YES : TRI_NO;
    passed(p, smtpc_peer_name(p->smtpc), PROBE_STARTTLS);
    struct verdict v = decide_greeted(p->ask.contract, &p->facts);
    if (v.step == STEP_STARTTLS) {
        smtpc_starttls(p->smtpc, loop_now_ms(p->ask.loop));
        return;
    }
    mark(p, PROBE_FAILED, SPAN("the host does not offer STARTTLS"));
    judged(p, &v);
    probe_quit(p);
}

/* STARTTLS was refused, or the handshake failed. */
static void probe_without_tls(struct probe *p, struct span words)
{
    p->facts.handshake = TRI_NO;
    mark(p, PROBE_FAILED, words);
    struct verdict v = decide_secured(p->ask.contract, &p->facts, NULL);
    judged(p, &v);
}

static void probe_on_refused(struct probe *p, const struct reply *r)
{
    struct buf text;
    buf_init(&text, WORDS_MAX);
    reply_print(r, &text);
    probe_without_tls(p, buf_span(&text));
    buf_done(&text);
    probe_quit(p);
}

/* --- TLS --- */

static void probe_handshake(struct probe *p)
{
    const struct contract *k = p->ask.contract;
    struct span host = p->ask.host;
    struct ip ignored;
    bool literal = ip_parse(host, &ignored) == ERR_OK || domain_is_literal(host);
    struct tls_peer mean = {
        .server_name = literal ? SPAN_NONE : host,
        .names = k->names,
        .n_names = k->n_names,
        .host_name = k->host_name,
        .identity = k->identity,
    };
    passed(p, SPAN_NONE, PROBE_HANDSHAKE);
    conn_start_tls_client(p->conn, p->ask.config->tls_client, &mean);
}

static void probe_pump(struct probe *p, struct span *in);

static void probe_on_tls_up(struct probe *p)
{
    const struct tls_facts *f = conn_tls(p->conn);
    struct span none = SPAN_NONE;
    p->facts.handshake = TRI_YES;
    p->ret->tls = tls_facts_copy(f, p->ask.words);
    tls_look(conn_engine(p->conn), p->ask.words, &p->ret->look);
    mark(p, PROBE_OK, SPAN_NONE);
    struct verdict v = decide_secured(p->ask.contract, &p->facts, f);
    judged(p, &v);
    if (v.step == STEP_NEXT_HOST) {
        probe_over(p);
        return;
    }
    p->at = PROBE_CHANNEL;
    smtpc_tls_started(p->smtpc, f, loop_now_ms(p->ask.loop));
    if (!conn_input_held(p->conn)) /* what came with the handshake is heard first (T-52) */
        probe_pump(p, &none);
}

/* --- events of the core and of the connection --- */

static void probe_on_ready(struct probe *p)
{
    if (p->at == PROBE_GREETING) {
        probe_on_greeted(p);
        return;
    }
    ASSERT(p->at == PROBE_CHANNEL);
    passed(p, smtpc_peer_name(p->smtpc), PROBE_QUIT);
    probe_quit(p);
}

static void probe_on_broken(struct probe *p, const struct smtpc_ev *ev)
{
    struct buf text;
    buf_init(&text, WORDS_MAX);
    if (ev->reply.code > 0)
        reply_print(&ev->reply, &text);
    else
        buf_put(&text, span_z(ev->why ? ev->why : "the connection broke"));
    if (p->at == PROBE_QUIT) /* mail would have passed before: no matter */
        mark(p, PROBE_FAILED, buf_span(&text));
    else
        failed(p, buf_span(&text));
    buf_done(&text);
    probe_over(p);
}

static void probe_event(struct probe *p, enum smtpc_event e, const struct smtpc_ev *ev)
{
    switch (e) {
    case SMTPC_READY:
        probe_on_ready(p);
        return;
    case SMTPC_NO_TLS:
        probe_on_refused(p, &ev->reply);
        return;
    case SMTPC_FAILED:
        probe_on_broken(p, ev);
        return;
    case SMTPC_CLOSED:
        mark(p, PROBE_OK, SPAN_NONE);
        probe_over(p);
        return;
    default:
        ASSERT(!"an event of a transaction, and there is none");
    }
}

static void probe_pump(struct probe *p, struct span *in)
{
    while (p->smtpc) {
        struct smtpc_ev ev;
        enum smtpc_event e = smtpc_next(p->smtpc, in, loop_now_ms(p->ask.loop), &ev);
        if (e == SMTPC_STARTTLS) {
            probe_handshake(p);
            return;
        }
        if (e == SMTPC_NONE)
            break;
        probe_event(p, e, &ev);
    }
    if (!p->smtpc)
        return;
    struct span out = smtpc_output(p->smtpc);
    if (out.n > 0)
        smtpc_sent(p->smtpc, conn_write(p->conn, out));
}

static void probe_on_open(struct probe *p)
{
    struct span none = SPAN_NONE;
    struct smtpc_config config = {
        .hostname = p->ask.config->hostname,
        .need_tls = !contract_allows_plaintext(p->ask.contract),
        .limits = p->ask.config->limits.out,
    };
    p->facts.connected = TRI_YES;
    passed(p, SPAN_NONE, PROBE_GREETING);
    p->smtpc = smtpc_new(&config, loop_now_ms(p->ask.loop));
    probe_pump(p, &none);
}

static void probe_on_unreachable(struct probe *p, const char *why)
{
    failed(p, span_z(why));
    probe_over(p);
}

static void probe_on_no_handshake(struct probe *p, const char *why)
{
    probe_without_tls(p, span_z(why));
    probe_over(p);
}

/* The core has time-outs of its own for each answer; ours is for all of them. */
static void probe_on_timeout(struct probe *p)
{
    static const char why[] = "no answer in time";
    struct span none = SPAN_NONE;
    switch (p->at) {
    case PROBE_CONNECT:
        probe_on_unreachable(p, why);
        return;
    case PROBE_HANDSHAKE:
        probe_on_no_handshake(p, why);
        return;
    case PROBE_QUIT:
        mark(p, PROBE_FAILED, SPAN("no answer in time"));
        probe_over(p);
        return;
    default:
        smtpc_broken(p->smtpc, why);
        probe_pump(p, &none);
    }
}

static void probe_conn(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct probe *p = arg;
    struct span none = SPAN_NONE;
    ASSERT(p->conn == c);
    switch (ev) {
    case CONN_OPEN:
        probe_on_open(p);
        return;
    case CONN_INPUT:
        probe_pump(p, in);
        return;
    case CONN_DRAINED:
        probe_pump(p, &none);
        return;
    case CONN_TLS_UP:
        probe_on_tls_up(p);
        return;
    case CONN_TLS_FAILED:
        probe_on_no_handshake(p, conn_why(c));
        return;
    case CONN_TIMEOUT:
        probe_on_timeout(p);
        return;
    case CONN_CLOSED:
        if (p->at == PROBE_CONNECT) {
            probe_on_unreachable(p, conn_why(c));
            return;
        }
        smtpc_broken(p->smtpc, conn_why(c));
        probe_pump(p, &none);
        return;
    }
}

void probe_start(const struct probe_ask *ask, struct probe_result *ret, probe_fn *fn, void *arg)
{
    struct probe *p = NEW(struct probe);
    const struct ip *local = &ask->config->local_address[ask->ip.family == IP_V6];
    p->ask = *ask;
    p->fn = fn;
    p->arg = arg;
    p->ret = ret;
    *ret = (struct probe_result){ .step[PROBE_RESOLVE].outcome = PROBE_OK };
    p->at = PROBE_CONNECT;
    p->facts = (struct host_facts){ .name = ask->host };
    defer_init(&p->gone, ask->loop, probe_gone, p);
    p->conn = conn_connect(ask->loop, &ask->ip, 1, local->family == ask->ip.family ? local : NULL,
                           probe_conn, p);
    conn_deadline(p->conn, loop_now_ms(ask->loop) + ask->timeout_ms);
}
