/* The story of delivering, first half: a channel that is what the contract asks. Start reading at
 * the stage table; session_enter is what each stage does when it begins, the session_on_ functions
 * are what the world answers. A session goes down the table; the one way back is to STAGE_PLAN,
 * "next host". Every decision about the channel is policy/decide.h's. */
#include "gate/outbound.h"

#include "base/log.h"
#include "gate/session.h"
#include "gate/tlsa.h"
#include "gate/way.h"

enum {
    SESSION_ARENA_MAX = 64 * 1024,
    JOB_ARENA_MAX = 4 * 1024 * 1024,
    DETAIL_MAX = 600,
    BROKEN_MAX = 1800,
    PARTING_MS = 5 * 1000, /* for QUIT to a host that will not do */
};

#define TO(stage) (1u << STAGE_##stage)

static const struct stage_row stages[STAGE_COUNT_] = {
    [STAGE_RESOLVE] = { "resolve", "gathers all facts: MX, addresses", TO(PLAN), "dns" },
    [STAGE_PLAN] = { "plan", "decide_plan: may this host be tried?", TO(CONNECT) | TO(OVER),
                     "none" },
    [STAGE_CONNECT] = { "connect", "races the host's addresses", TO(GREET) | TO(PLAN), "connect" },
    [STAGE_GREET] = { "greet", "greeting, EHLO; decide_greeted: TLS?",
                      TO(SECURE) | TO(CHECK) | TO(PLAN), "greeting" },
    [STAGE_SECURE] = { "secure", "STARTTLS, handshake; decide_secured",
                       TO(CHECK) | TO(CONNECT) | TO(PLAN), "handshake" },
    [STAGE_CHECK] = { "check", "EHLO again; the channel is what it must be", TO(SEND) | TO(PLAN),
                      "greeting" },
    [STAGE_SEND] = { "send", "jobs: MAIL, RCPT, body", TO(IDLE) | TO(QUIT) | TO(OVER), "mail" },
    [STAGE_IDLE] = { "idle", "open, waiting for more mail under the same contract",
                     TO(SEND) | TO(QUIT) | TO(OVER), "idle_session" },
    [STAGE_QUIT] = { "quit", "says goodbye", TO(OVER), "quit" },
    [STAGE_OVER] = { "over", "the destination's window learns", 0, "none" },
};

const struct stage_row *outbound_stages(void)
{
    return stages;
}

static void session_enter(struct session *s, enum stage stage);

static struct host_facts *host(struct session *s)
{
    ASSERT(s->host < s->facts.n_host);
    return &s->facts.host[s->host];
}

void session_move(struct session *s, enum stage stage)
{
    ASSERT(stages[s->stage].next & (1u << stage));
    s->stage = stage;
    session_enter(s, stage);
}

/* "what: detail", as much of it as the buffer takes. */
static void put_words(struct buf *b, const char *what, struct span detail)
{
    struct span parts[] = { span_z(what), detail.n > 0 ? SPAN(": ") : SPAN_NONE, detail };
    for (unsigned i = 0; i < COUNTOF(parts); i++)
        buf_put(b, span_head(parts[i], parts[i].n < buf_room(b) ? parts[i].n : buf_room(b)));
}

void session_tell(struct session *s, const char *what, struct span detail)
{
    if (s->detail.n > 0 && buf_append(&s->detail, SPAN("; ")) != ERR_OK)
        return;
    put_words(&s->detail, what, detail);
}

static void host_failed(struct session *s, const char *what, struct span detail)
{
    struct buf b;
    buf_init(&b, DETAIL_MAX);
    put_words(&b, what, detail);
    if (arena_try_span(&s->arena, buf_span(&b), &host(s)->failure) != ERR_OK)
        host(s)->failure = span_z(what);
    buf_done(&b);
}

/* --- the end --- */

static void session_gone(void *arg)
{
    mem_free(arg);
}

/* The connection and its core: the host is done with, or the session is. */
static void session_drop_conn(struct session *s)
{
    s->epoch++;
    smtpc_free(s->smtpc);
    s->smtpc = NULL;
    conn_free(s->conn);
    s->conn = NULL;
    s->handshake = false;
}

/* Memory goes at the end of the turn: whoever is on the stack sees STAGE_OVER. */
static void session_free(struct session *s)
{
    s->stage = STAGE_OVER;
    session_drop_conn(s);
    transfer_free(s);
    list_remove(&s->idle);
    resolve_done(s->query);
    buf_done(&s->detail);
    buf_done(&s->broken);
    arena_done(&s->arena);
    stats_add(&s->w->stats, STAT_SESSIONS_OUT_OPEN, -1);
    defer_init(&s->gone, s->w->loop, session_gone, s);
    defer_call(&s->gone);
}

void session_end(struct session *s, const struct reply *r, bool failed)
{
    struct dest *d = s->dest;
    struct arena words;
    arena_init(&words, REPLY_TEXT_MAX + 64);
    struct reply failure = r ? *r : (struct reply){ 0 };
    failure.text = arena_span(&words, failure.text); /* it may be the connection's */
    if (s->job)
        transfer_give_up(s, &failure);
    if (failed)
        stats_add(&s->w->stats, STAT_SESSIONS_OUT_FAILED, 1);
    session_free(s);
    sched_session_over(d, failed ? &failure : NULL);
    arena_done(&words);
}

static void session_next_host(struct session *s)
{
    session_drop_conn(s);
    s->in_clear = false;
    session_tell(s, arena_z(&s->arena, host(s)->name), host(s)->failure);
    s->host++;
    session_move(s, STAGE_PLAN);
}

/* --- RESOLVE and PLAN --- */

static void session_on_facts(void *arg, const struct facts *f)
{
    struct session *s = arg;
    s->facts = *f;
    session_move(s, STAGE_PLAN);
}

static void session_resolve(struct session *s)
{
    s->query =
        resolve_facts(s->w, s->dest->config, &s->dest->route, s->dest->domain, session_on_facts, s);
}

static void session_plan(struct session *s)
{
    struct verdict v;
    while ((v = decide_plan(&s->dest->contract, &s->facts, s->host)).step == STEP_NEXT_HOST) {
        if (v.contract.bar != BAR_NONE)
            session_tell(s, arena_z(&s->arena, host(s)->name), span_z(v.why));
        s->host++;
    }
    s->contract = v.contract;
    switch (v.step) {
    case STEP_CONNECT:
        session_move(s, STAGE_CONNECT);
        return;
    case STEP_DEFER:
    case STEP_BOUNCE:
        session_end(s, &v.reply, true);
        return;
    default:
        ASSERT(!"decide_plan gave a step that is no plan");
    }
}

/* --- CONNECT --- */

static void session_conn(void *arg, struct conn *c, enum conn_event ev, struct span *in);

static const struct ip *session_local(const struct session *s, const struct ip *to)
{
    const struct ip *local = &s->dest->config->local_address[to->family == IP_V6];
    return local->family == to->family ? local : NULL;
}

static void session_connect(struct session *s)
{
    struct host_facts *h = host(s);
    if (h->is_path)
        s->conn = conn_connect_unix(s->w->loop, h->name, session_conn, s);
    else
        s->conn =
            conn_connect(s->w->loop, h->ip, h->n_ip, session_local(s, &h->ip[0]), session_conn, s);
    conn_deadline(s->conn, session_now(s) + s->dest->config->limits.connect_ms);
}

static void session_on_open(struct session *s)
{
    const struct config *c = s->dest->config;
    struct smtpc_config config = {
        .hostname = c->hostname,
        .lmtp = s->dest->route.kind == ROUTE_LMTP,
        .local = host(s)->is_path,
        .need_tls = !contract_allows_plaintext(&s->contract),
        .limits = c->limits.out,
    };
    struct span none = SPAN_NONE;
    host(s)->connected = TRI_YES;
    s->smtpc = smtpc_new(&config, session_now(s));
    session_move(s, STAGE_GREET);
    session_pump(s, &none);
}

static void session_on_unreachable(struct session *s, const char *why)
{
    host(s)->connected = TRI_NO;
    host_failed(s, "connecting", span_z(why));
    session_next_host(s);
}

/* --- GREET, SECURE, CHECK: the channel becomes what the contract asks, or no mail passes --- */

static void session_clear_again(struct session *s)
{
    stats_add(&s->w->stats, STAT_PLAINTEXT_AFTER_TLS_FAILED, 1);
    session_tell(s, "TLS failed, plaintext is allowed by the contract", host(s)->failure);
    session_drop_conn(s);
    s->in_clear = true;
    session_move(s, STAGE_CONNECT);
}

/* After a handshake, or its failure (tls NULL). */
static void session_secured(struct session *s, const struct tls_facts *tls)
{
    struct verdict v = decide_secured(&s->contract, host(s), tls);
    struct span none = SPAN_NONE;
    switch (v.step) {
    case STEP_SEND:
        smtpc_tls_started(s->smtpc, tls, session_now(s));
        session_move(s, STAGE_CHECK);
        if (!conn_input_held(s->conn)) /* what came with the handshake is heard before we speak: */
            session_pump(s, &none);    /* nobody asked for it (T-52) */
        return;
    case STEP_PLAINTEXT:
        session_clear_again(s);
        return;
    case STEP_NEXT_HOST:
        if (tls) {
            host(s)->channel = TRI_NO;
            buf_clear(&s->broken);
            tls_facts_print(tls, &s->broken);
            host(s)->breach = v.breach;
            host_failed(s, "the channel breaks the contract", span_z(v.why));
        }
        session_next_host(s);
        return;
    default:
        ASSERT(!"decide_secured gave a step that is none of its own");
    }
}

static void session_on_greeted(struct session *s)
{
    struct host_facts *h = host(s);
    h->starttls_offered = smtpc_exts(s->smtpc) & EXT_STARTTLS ? TRI_YES : TRI_NO;
    struct verdict v = decide_greeted(&s->contract, h);
    if (v.step == STEP_NEXT_HOST) {
        host_failed(s, v.why, SPAN_NONE);
        session_next_host(s);
        return;
    }
    if (v.step == STEP_STARTTLS && !s->in_clear) {
        session_move(s, STAGE_SECURE);
        return;
    }
    ASSERT(contract_allows_plaintext(&s->contract));
    stats_add(&s->w->stats, STAT_PLAINTEXT_OUT, 1);
    session_move(s, STAGE_CHECK);
    session_move(s, STAGE_SEND);
}

/* = RFC 8689 4.2.1: "If any of the above steps fail, the client MUST issue a QUIT" */
static void session_part(struct session *s)
{
    smtpc_quit(s->smtpc, session_now(s));
    (void)conn_write(s->conn, smtpc_output(s->smtpc));
    conn_finish(s->conn, PARTING_MS);
    s->conn = NULL;
}

/* EHLO is answered under TLS. */
static void session_on_checked(struct session *s)
{
    struct host_facts *h = host(s);
    h->requiretls = smtpc_exts(s->smtpc) & EXT_REQUIRETLS ? TRI_YES : TRI_NO;
    struct verdict v = decide_announced(&s->contract, h);
    if (v.step == STEP_SEND) {
        session_move(s, STAGE_SEND);
    } else {
        host_failed(s, v.why, SPAN_NONE);
        session_part(s);
        session_next_host(s);
    }
}

static void session_on_ready(struct session *s)
{
    if (s->stage == STAGE_GREET)
        session_on_greeted(s);
    else if (s->stage == STAGE_CHECK)
        session_on_checked(s);
    else if (s->stage == STAGE_SEND)
        transfer_next(s);
}

static void session_on_tls_up(struct session *s)
{
    const struct tls_facts *f = conn_tls(s->conn);
    s->handshake = false;
    host(s)->handshake = TRI_YES;
    stats_add(&s->w->stats, STAT_TLS_OUT, 1);
    if (f->resumed)
        stats_add(&s->w->stats, STAT_TLS_OUT_RESUMED, 1);
    session_secured(s, f);
}

static void session_on_no_tls(struct session *s, const char *what, struct span why)
{
    host(s)->handshake = TRI_NO;
    stats_add(&s->w->stats, STAT_TLS_OUT_FAILED, 1);
    host_failed(s, what, why);
    session_secured(s, NULL);
}

static void session_on_starttls_refused(struct session *s, const struct reply *r)
{
    struct buf text;
    buf_init(&text, REPLY_TEXT_MAX + 64);
    reply_print(r, &text);
    session_on_no_tls(s, "STARTTLS was refused", buf_span(&text));
    buf_done(&text);
}

/* What a session may be resumed under: all that a verdict over its certificate rests on. */
static void reuse_key(struct session *s, const struct tls_peer *mean, struct buf *out)
{
    char digest[CONTRACT_DIGEST_MAX], ip[IP_TEXT_MAX];
    struct ip peer = conn_peer(s->conn);
    buf_putf(out, "%s %.*s %s %.*s", contract_digest(&s->contract, digest), SPAN_ARG(host(s)->name),
             ip_port_text(&peer, ip), SPAN_ARG(s->dest->whose));
    for (unsigned i = 0; i < mean->n_dane_name; i++)
        buf_putf(out, " %.*s", SPAN_ARG(mean->dane_name[i]));
}

static void session_handshake(struct session *s)
{
    const struct contract *k = &s->contract;
    const struct host_facts *h = host(s);
    struct buf key;
    struct ip ignored;
    bool literal = ip_parse(h->name, &ignored) == ERR_OK || domain_is_literal(h->name);
    s->handshake = true;
    conn_deadline(s->conn, session_now(s) + s->dest->config->limits.handshake_ms);
    const struct config *c = s->dest->config;
    const struct node *node = s->dest->route.node;
    bool own_ca = k->anchors != NULL; /* that context has one certificate of ours: the node's */
    struct tls_peer mean = {
        .server_name = node      ? node->name
                       : literal ? SPAN_NONE
                                 : h->name,
        .names = k->names,
        .n_names = k->n_names,
        .host_name = k->host_name,
        .identity = own_ca ? k->identity > 0 : k->identity,
    };
    if (k->tlsa)
        tlsa_mean(&s->facts, s->host, &mean);
    buf_init(&key, WAY_KEY_MAX + TLS_DANE_NAMES_MAX * DNS_NAME_MAX);
    reuse_key(s, &mean, &key);
    mean.reuse_key = buf_span(&key);
    conn_start_tls_client(s->conn, own_ca ? c->tls_node : c->tls_client, &mean);
    buf_done(&key);
}

/* --- what ends a session from outside --- */

/* What mail is told when a session broke: never final, whatever the peer said about the session. */
static struct reply failure_reply(const struct smtpc_ev *ev)
{
    struct reply r = ev->reply;
    if (r.code < 400)
        return (
            struct reply){ 451, { 4, 4, 2 }, span_z(ev->why ? ev->why : "the connection broke") };
    if (reply_permanent(&r))
        r = (struct reply){ 451, { 4, r.status.subject, r.status.detail }, r.text };
    return r;
}

static void session_on_failed(struct session *s, const struct smtpc_ev *ev)
{
    struct reply r = failure_reply(ev);
    switch (s->stage) {
    case STAGE_GREET:
    case STAGE_SECURE: /* bytes behind the 220, or 421: no reason to go on in clear (T-02) */
    case STAGE_CHECK:
        host_failed(s, stages[s->stage].does, r.text);
        session_next_host(s);
        return;
    case STAGE_SEND:
        if (s->jobs_done > 0 && !s->heard)
            transfer_put_back(s); /* the open session had died meanwhile: try a fresh one */
        if (ev->unknown)
            session_tell(s, "the answer to the body never came", SPAN_NONE);
        session_end(s, &r, s->jobs_done == 0);
        return;
    default:
        session_end(s, NULL, false);
    }
}

/* --- events of the core and of the connection --- */

/* false: wait for something else than the peer. */
static bool session_event(struct session *s, enum smtpc_event e, const struct smtpc_ev *ev)
{
    switch (e) {
    case SMTPC_READY:
        session_on_ready(s);
        return true;
    case SMTPC_NO_TLS:
        session_on_starttls_refused(s, &ev->reply);
        return true;
    case SMTPC_RCPT:
        transfer_rcpt(s, ev);
        return true;
    case SMTPC_RESULT:
        transfer_result(s, ev);
        return true;
    case SMTPC_BODY:
        return transfer_body(s);
    case SMTPC_SENT:
        transfer_sent(s, ev);
        return true;
    case SMTPC_FAILED:
        session_on_failed(s, ev);
        return true;
    case SMTPC_CLOSED:
        session_end(s, NULL, false);
        return true;
    default:
        break;
    }
    ASSERT(!"an event without a meaning");
    return false;
}

void session_pump(struct session *s, struct span *in)
{
    unsigned epoch = s->epoch;
    while (s->epoch == epoch) {
        struct smtpc_ev ev;
        enum smtpc_event e = smtpc_next(s->smtpc, in, session_now(s), &ev);
        if (e == SMTPC_STARTTLS) {
            session_handshake(s);
            return;
        }
        if (e == SMTPC_NONE || !session_event(s, e, &ev))
            break;
    }
    if (s->epoch != epoch)
        return;
    struct span out = smtpc_output(s->smtpc);
    if (out.n > 0)
        smtpc_sent(s->smtpc, conn_write(s->conn, out));
    int64_t idle_until = session_now(s) + s->dest->config->limits.idle_session_ms;
    conn_deadline(s->conn, s->stage == STAGE_IDLE ? idle_until : smtpc_deadline_ms(s->smtpc));
}

static void session_on_timeout(struct session *s)
{
    struct span none = SPAN_NONE;
    if (s->stage == STAGE_CONNECT) {
        session_on_unreachable(s, "no answer in time");
    } else if (s->handshake) {
        session_on_no_tls(s, "the handshake failed", SPAN("it did not end in time"));
    } else if (s->stage == STAGE_IDLE) {
        list_remove(&s->idle);
        session_move(s, STAGE_QUIT);
    } else {
        smtpc_timeout(s->smtpc, session_now(s));
        session_pump(s, &none);
    }
}

static void session_conn(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct session *s = arg;
    struct span none = SPAN_NONE;
    ASSERT(s->conn == c);
    switch (ev) {
    case CONN_OPEN:
        session_on_open(s);
        return;
    case CONN_INPUT:
        session_pump(s, in);
        return;
    case CONN_DRAINED:
        session_pump(s, &none);
        return;
    case CONN_TLS_UP:
        session_on_tls_up(s);
        return;
    case CONN_TLS_FAILED:
        session_on_no_tls(s, "the handshake failed", span_z(conn_why(c)));
        return;
    case CONN_TIMEOUT:
        session_on_timeout(s);
        return;
    case CONN_CLOSED:
        if (s->stage == STAGE_CONNECT) {
            session_on_unreachable(s, conn_why(c));
            return;
        }
        smtpc_broken(s->smtpc, conn_why(c));
        session_pump(s, &none);
        return;
    }
}

static void session_enter(struct session *s, enum stage stage)
{
    struct span none = SPAN_NONE;
    switch (stage) {
    case STAGE_RESOLVE:
        session_resolve(s);
        return;
    case STAGE_PLAN:
        session_plan(s);
        return;
    case STAGE_CONNECT:
        session_connect(s);
        return;
    case STAGE_SECURE:
        smtpc_starttls(s->smtpc, session_now(s));
        return;
    case STAGE_SEND:
        transfer_next(s);
        return;
    case STAGE_IDLE:
        sched_session_idle(s->dest, &s->idle);
        return;
    case STAGE_QUIT:
        smtpc_quit(s->smtpc, session_now(s));
        session_pump(s, &none);
        return;
    default: /* GREET, CHECK wait for the peer */
        return;
    }
}

/* --- what the scheduler asks for --- */

void outbound_start(struct dest *d)
{
    struct session *s = NEW(struct session);
    s->dest = d;
    s->w = d->worker;
    s->contract = d->contract;
    list_init(&s->idle);
    arena_init(&s->arena, SESSION_ARENA_MAX);
    arena_init(&s->job_arena, JOB_ARENA_MAX);
    buf_init(&s->detail, DETAIL_MAX);
    buf_init(&s->broken, BROKEN_MAX);
    stats_add(&s->w->stats, STAT_SESSIONS_OUT, 1);
    stats_add(&s->w->stats, STAT_SESSIONS_OUT_OPEN, 1);
    s->stage = STAGE_RESOLVE;
    if (transfer_begin(s))
        session_enter(s, STAGE_RESOLVE);
    else
        session_end(s, NULL, false);
}

void outbound_more(struct list *member)
{
    struct session *s = LIST_ENTRY(member, struct session, idle);
    struct span none = SPAN_NONE;
    session_move(s, STAGE_SEND);
    session_pump(s, &none);
}

void outbound_end(struct list *member)
{
    struct session *s = LIST_ENTRY(member, struct session, idle);
    session_move(s, STAGE_QUIT);
}
