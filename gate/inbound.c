/* The story of receiving. Start reading at port_accept, then client_event: everything a client can
 * do is a row of its switch. A client owns its connection, its SMTP core and at most one incoming
 * message; only a message that was handed to the store outlives it. */
#include "gate/inbound.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/probing.h"
#include "gate/report.h"
#include "io/conn.h"
#include "io/idn.h"
#include "keeper/ask.h"
#include "proto/proxy2.h"

enum { LINGER_MS = 2000, FULL_REST_MS = 2000, ACCEPTS_A_TURN = 32 };

struct port {
    struct inbound *in;
    struct listener *listener;
    unsigned i; /* in config->listen */
};

struct inbound {
    struct worker *w;
    struct port port[WORKER_LISTENERS_MAX];
    unsigned n_port;
    struct list clients;
    unsigned n_clients;
    int64_t full_until_ms; /* monotonic: the disk was full a moment ago */
};

struct client {
    struct list in; /* inbound.clients */
    struct inbound *inbound;
    struct conn *conn;
    struct smtpd *smtpd;
    struct config *config; /* held */
    const struct listen_config *listen;
    struct ip ip;  /* the client's, after PROXY */
    bool counted;  /* in the table of addresses */
    bool proxy;    /* a PROXY header is awaited */
    bool tls_next; /* 220 to STARTTLS is on its way out */
    bool esmtp;
    struct buf early; /* a PROXY header in the making */
    struct buf helo;
    struct incoming *incoming; /* or NULL */
};

static int64_t now(const struct client *c)
{
    return loop_now_ms(c->inbound->w->loop);
}

static void client_log(const struct client *c, enum log_level level, const char *event,
                       const char *key, const char *value)
{
    char ip[IP_TEXT_MAX];
    log_begin(level, event);
    log_num("conn", (int64_t)conn_id(c->conn));
    log_z("client", ip_port_text(&c->ip, ip));
    if (key)
        log_z(key, value);
    log_end();
}

static void count(const struct client *c, enum counter which)
{
    stats_add(&c->inbound->w->stats, which, 1);
}

/* --- the end of a client --- */

static void client_drop_mail(struct client *c)
{
    incoming_drop(c->incoming);
    c->incoming = NULL;
}

/* Everything but the connection, which its caller frees or finishes. */
static void client_free(struct client *c)
{
    struct inbound *in = c->inbound;
    client_drop_mail(c);
    if (c->counted)
        clients_drop(&in->w->clients, &c->ip);
    stats_add(&in->w->stats, STAT_CONNECTIONS_OPEN, -1);
    in->n_clients--;
    list_remove(&c->in);
    smtpd_free(c->smtpd);
    buf_done(&c->early);
    buf_done(&c->helo);
    config_unref(c->config);
    mem_free(c);
}

static void client_hang_up(struct client *c)
{
    conn_free(c->conn);
    client_free(c);
}

/* Sends what is left, then closes. */
static void client_finish(struct client *c)
{
    struct span out = smtpd_output(c->smtpd);
    if (out.n > 0) /* within a handshake there is nothing to say */
        (void)conn_write(c->conn, out);
    conn_finish(c->conn, LINGER_MS);
    client_free(c);
}

static void client_close(struct client *c, enum smtpd_why why)
{
    if (why == SMTPD_WHY_FRAMING)
        count(c, STAT_SMUGGLING);
    if (why == SMTPD_WHY_INJECTION)
        count(c, STAT_INJECTION);
    bool normal = why == SMTPD_WHY_QUIT;
    client_log(c, normal ? LOG_DEBUG : LOG_INFO, "smtp.closed", "why", smtpd_why_name(why));
    client_finish(c);
}

/* --- output and time --- */

static void client_flush(struct client *c)
{
    struct span out = smtpd_output(c->smtpd);
    if (out.n > 0)
        smtpd_sent(c->smtpd, conn_write(c->conn, out));
    conn_deadline(c->conn, smtpd_deadline_ms(c->smtpd));
}

static void client_reply(struct client *c, const struct reply *r)
{
    if (reply_permanent(r))
        count(c, STAT_MAIL_REFUSED);
    else if (reply_transient(r))
        count(c, STAT_MAIL_TEMPFAIL);
    smtpd_reply(c->smtpd, r, now(c));
}

/* --- the store's answers --- */

static void client_committed(void *arg, struct incoming *m, enum err result)
{
    struct client *c = arg;
    struct inbound *in = c->inbound;
    char id[ID_BYTES_MAX], text[64];
    struct buf b;
    c->incoming = NULL; /* it frees itself */
    if (result == ERR_TIMEOUT) {
        client_reply(c, &REPLY(421, 4, 3, 0, "The message could not be stored in time, try later"));
        client_close(c, SMTPD_WHY_TIMEOUT);
        return;
    }
    buf_init(&b, sizeof text);
    switch (result) {
    case ERR_OK:
        buf_putf(&b, "Queued as %s", id_text(m->envelope.id, id));
        client_reply(c, &(struct reply){ 250, { 2, 0, 0 }, buf_span(&b) });
        break;
    case ERR_FULL:
        in->full_until_ms = now(c) + FULL_REST_MS;
        log_begin(LOG_ALARM, "store.full");
        log_end();
        client_reply(c, &REPLY(452, 4, 3, 1, "Insufficient system storage, try later"));
        break;
    default:
        client_reply(c, &REPLY(451, 4, 3, 0, "The message could not be stored, try later"));
    }
    buf_done(&b);
    client_flush(c);
    conn_resume(c->conn);
}

static void client_room(void *arg)
{
    struct client *c = arg;
    conn_resume(c->conn);
}

/* --- what a client may do, event by event --- */

static void client_helo(struct client *c, const struct smtpd_ev *ev)
{
    buf_clear(&c->helo);
    buf_put(&c->helo,
            span_head(ev->text, ev->text.n < DOMAIN_BYTES_MAX ? ev->text.n : DOMAIN_BYTES_MAX));
    c->esmtp = ev->esmtp;
    client_reply(c, &(struct reply){ .code = 250, .text = c->config->hostname });
}

static void client_starttls(struct client *c)
{
    if (!c->config->tls_server || keeper_lost()) {
        client_reply(c, &REPLY(454, 4, 7, 0, "TLS is not available now"));
        return;
    }
    c->tls_next = true;
    client_reply(c, &REPLY(220, 2, 0, 0, "Go ahead"));
}

/* Can we take mail at all? */
static bool store_takes_mail(struct client *c, struct reply *ret)
{
    struct inbound *in = c->inbound;
    if (store_health(in->w->store[0]) == ERR_IO) {
        *ret = REPLY(421, 4, 3, 0, "Mail system has a storage failure, try later");
        return false;
    }
    if (now(c) < in->full_until_ms) {
        *ret = REPLY(452, 4, 3, 1, "Insufficient system storage, try later");
        return false;
    }
    return true;
}

static void client_mail(struct client *c, const struct smtpd_ev *ev)
{
    struct worker *w = c->inbound->w;
    struct reply r;
    if (!store_takes_mail(c, &r)) {
        client_reply(c, &r);
        return;
    }
    bool node = node_of_client(&c->config->nodes, conn_tls(c->conn)) != NULL;
    if (!node &&
        clients_mail(&w->clients, &c->ip, &c->config->limits, loop_wall_ms(w->loop)) != ERR_OK) {
        client_reply(c, &REPLY(451, 4, 7, 1, "Too many messages from your address, slow down"));
        return;
    }
    ASSERT(!c->incoming);
    c->incoming = incoming_new(w, c->config, ev);
    c->incoming->committed = client_committed;
    c->incoming->room = client_room;
    c->incoming->arg = c;
    client_reply(c, &REPLY(250, 2, 1, 0, "Sender ok"));
}

static struct attribution_client client_attribution(const struct client *c)
{
    return (struct attribution_client){
        .w = c->inbound->w,
        .ip = &c->ip,
        .tls = conn_tls(c->conn),
        .conn = conn_id(c->conn),
        .helo = buf_span(&c->helo),
    };
}

/* Admitted and taken, or *ret says why not; its text may be in *text. */
static void client_rcpt_to(struct client *c, const struct smtpd_ev *ev, struct span domain,
                           struct buf *text, struct reply *ret)
{
    struct attribution_client client = client_attribution(c);
    if (probing_rcpt(&client, c->incoming, &ev->addr, domain, text, ret) ||
        !attribution_rcpt(&client, c->incoming, &ev->addr, domain, text, ret))
        return;
    *ret = incoming_rcpt(c->incoming, ev, domain) == ERR_OK
               ? REPLY(250, 2, 1, 5, "Recipient ok")
               : REPLY(452, 4, 5, 3, "Too many recipients");
}

static void client_rcpt(struct client *c, const struct smtpd_ev *ev)
{
    struct buf domain, text;
    buf_init(&domain, DOMAIN_BYTES_MAX + 1);
    buf_init(&text, PROBING_TEXT_MAX);
    struct reply r = REPLY(501, 5, 1, 2, "Bad recipient domain");
    if (attribution_rcpt_domain(c->config, &ev->addr, &domain) == ERR_OK)
        client_rcpt_to(c, ev, buf_span(&domain), &text, &r);
    client_reply(c, &r);
    buf_done(&text);
    buf_done(&domain);
}

static void client_data(struct client *c)
{
    struct reply r;
    if (!store_takes_mail(c, &r)) {
        client_drop_mail(c);
        client_reply(c, &r);
        return;
    }
    if (!c->incoming->probe.org)
        incoming_start(c->incoming, buf_span(&c->helo), c->esmtp, &c->ip, conn_tls(c->conn));
    client_reply(c, &REPLY(354, 0, 0, 0, "End with <CRLF>.<CRLF>"));
}

static void client_probed(struct client *c)
{
    struct attribution_client client = client_attribution(c);
    struct buf text;
    struct reply r;
    buf_init(&text, PROBING_TEXT_MAX);
    probing_end(&client, c->incoming, &text, &r);
    client_drop_mail(c);
    client_reply(c, &r);
    buf_done(&text);
}

static void client_body_end(struct client *c)
{
    struct reply r;
    if (c->incoming->probe.org) {
        client_probed(c);
        return;
    }
    if (incoming_refused(c->incoming, &r)) {
        client_drop_mail(c);
        client_reply(c, &r);
        return;
    }
    incoming_commit(c->incoming);
}

/* false: the client is gone. */
static bool client_event(struct client *c, enum smtpd_event e, const struct smtpd_ev *ev)
{
    switch (e) {
    case SMTPD_HELO:
        client_helo(c, ev);
        return true;
    case SMTPD_STARTTLS:
        client_starttls(c);
        return true;
    case SMTPD_MAIL:
        client_mail(c, ev);
        return true;
    case SMTPD_RCPT:
        client_rcpt(c, ev);
        return true;
    case SMTPD_DATA:
        client_data(c);
        return true;
    case SMTPD_BODY:
        if (!c->incoming->probe.org)
            incoming_body(c->incoming, ev->text);
        return true;
    case SMTPD_BODY_END:
        client_body_end(c);
        return true;
    case SMTPD_RESET:
        client_drop_mail(c);
        return true;
    case SMTPD_CLOSE:
        client_close(c, ev->why);
        return false;
    case SMTPD_NONE:
        break;
    }
    ASSERT(!"an event without a meaning");
    return false;
}

/* Feeds the core until it wants more bytes, a reply, or room. false: the client is gone. */
static bool client_feed(struct client *c, struct span *in)
{
    while (!c->incoming || !incoming_full(c->incoming)) { /* else incoming's room() goes on */
        struct smtpd_ev ev;
        enum smtpd_event e = smtpd_next(c->smtpd, in, now(c), &ev);
        if (e == SMTPD_NONE)
            return true;
        if (!client_event(c, e, &ev))
            return false;
    }
    return true;
}

/* Likewise, and sends the answers; the core rests while many of them wait. */
static bool client_pump(struct client *c, struct span *in)
{
    size_t left;
    do {
        left = in->n;
        if (!client_feed(c, in))
            return false;
        client_flush(c);
    } while (in->n > 0 && in->n < left);
    return true;
}

/* --- TLS --- */

static void client_tls_up(struct client *c)
{
    const struct tls_facts *f = conn_tls(c->conn);
    count(c, STAT_TLS_IN);
    if (f->resumed)
        count(c, STAT_TLS_IN_RESUMED);
    c->tls_next = false;
    buf_clear(&c->helo);
    smtpd_tls_started(c->smtpd, f, now(c));
    if (c->listen->tls == LISTEN_IMPLICIT)
        smtpd_greet(c->smtpd, &(struct reply){ .code = 220, .text = c->config->greeting }, now(c));
    client_flush(c);
}

static void client_tls_failed(struct client *c)
{
    count(c, STAT_TLS_IN_FAILED);
    client_log(c, LOG_WARN, "tls.failed", "why", conn_why(c->conn));
    report_tls_failed(c->inbound->w, &c->ip, buf_span(&c->helo), conn_why(c->conn));
    client_hang_up(c);
}

/* --- the beginning of a client --- */

static void client_greet(struct client *c)
{
    struct inbound *in = c->inbound;
    struct worker *w = in->w;
    enum err e = clients_take(&w->clients, &c->ip, &c->config->limits, loop_wall_ms(w->loop));
    c->counted = e == ERR_OK;
    struct reply r = { .code = 220, .text = c->config->greeting };
    if (!c->counted || in->n_clients > c->config->limits.connections) {
        count(c, STAT_CONNECTIONS_REFUSED);
        r = REPLY(421, 4, 7, 0, "Too many connections from your address, try later");
    } else if (store_health(w->store[0]) == ERR_IO) {
        r = REPLY(421, 4, 3, 0, "Mail system has a storage failure, try later");
    }
    if (c->listen->tls == LISTEN_IMPLICIT && r.code == 220) {
        conn_deadline(c->conn, now(c) + c->config->limits.in.handshake_ms);
        conn_start_tls_behind(c->conn, c->config->tls_server, c->listen->name);
        return;
    }
    smtpd_greet(c->smtpd, &r, now(c));
    struct span none = SPAN_NONE;
    client_pump(c, &none);
}

static void client_proxy(struct client *c, struct span *in)
{
    struct ip ip;
    size_t n = in->n < buf_room(&c->early) ? in->n : buf_room(&c->early);
    buf_put(&c->early, span_head(*in, n));
    struct span header = buf_span(&c->early);
    size_t had = header.n - n;
    enum err e = proxy2_take(&header, &ip);
    if (e == ERR_AGAIN && n == in->n) {
        *in = span_tail(*in, n);
        return;
    }
    if (e != ERR_OK) {
        client_log(c, LOG_WARN, "proxy.bad", "why", "no PROXY v2 header from a listed address");
        client_hang_up(c);
        return;
    }
    *in = span_tail(*in, buf_span(&c->early).n - header.n - had);
    if (ip.family != IP_NONE)
        c->ip = ip;
    c->proxy = false;
    buf_done(&c->early);
    client_greet(c); /* what is left of *in is offered again */
}

static void client_timeout(struct client *c)
{
    if (now(c) < smtpd_deadline_ms(c->smtpd))
        return;
    client_drop_mail(c); /* the core would not be asked on while the store has no room for it */
    smtpd_timeout(c->smtpd, now(c));
}

static void client_conn(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct client *c = arg;
    struct span none = SPAN_NONE;
    ASSERT(c->conn == conn);
    switch (ev) {
    case CONN_OPEN:
        return;
    case CONN_INPUT:
        if (c->proxy)
            client_proxy(c, in);
        else
            client_pump(c, in);
        return;
    case CONN_DRAINED:
        if (c->tls_next && smtpd_output(c->smtpd).n == 0)
            conn_start_tls_server(conn, c->config->tls_server, c->listen->name);
        else if (client_pump(c, &none))
            conn_resume(conn);
        return;
    case CONN_TLS_UP:
        client_tls_up(c);
        return;
    case CONN_TLS_FAILED:
        client_tls_failed(c);
        return;
    case CONN_TIMEOUT:
        if (c->proxy || (c->listen->tls == LISTEN_IMPLICIT && !conn_tls(conn))) {
            client_hang_up(c);
            return;
        }
        client_timeout(c);
        client_pump(c, &none);
        return;
    case CONN_CLOSED:
        client_log(c, LOG_DEBUG, "smtp.gone", "why", conn_why(conn));
        client_hang_up(c);
        return;
    }
}

static void client_new(struct inbound *in, const struct port *port, struct sock *sock)
{
    struct worker *w = in->w;
    struct client *c = NEW(struct client);
    c->inbound = in;
    c->config = config_ref(w->config);
    c->listen = &c->config->listen[port->i];
    c->conn = conn_accepted(w->loop, sock, client_conn, c);
    c->smtpd = smtpd_new(&c->listen->smtpd, now(c));
    c->ip = conn_peer(c->conn);
    buf_init(&c->early, PROXY2_BYTES_MAX);
    buf_init(&c->helo, DOMAIN_BYTES_MAX);
    list_init(&c->in);
    list_push(&in->clients, &c->in);
    in->n_clients++;
    stats_add(&w->stats, STAT_CONNECTIONS, 1);
    stats_add(&w->stats, STAT_CONNECTIONS_OPEN, 1);
    c->proxy = listen_proxied(c->listen, &c->ip);
    conn_deadline(c->conn, now(c) + c->config->limits.in.greeting_wait_ms);
    if (!c->proxy)
        client_greet(c);
}

static void client_sock_unowned(void *arg, unsigned events)
{
    (void)arg;
    (void)events;
    ASSERT(!"a socket spoke before its connection owned it");
}

static void port_accept(void *arg)
{
    struct port *p = arg;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sock *s;
        if (listener_accept(p->listener, client_sock_unowned, NULL, &s) != ERR_OK)
            return;
        client_new(p->in, p, s);
    }
}

/* --- the whole --- */

struct inbound *inbound_new(struct worker *w, const int *listen_fd)
{
    struct inbound *in = NEW(struct inbound);
    in->w = w;
    list_init(&in->clients);
    ASSERT(w->config->n_listen <= WORKER_LISTENERS_MAX);
    in->n_port = w->config->n_listen;
    for (unsigned i = 0; i < in->n_port; i++) {
        struct port *p = &in->port[i];
        *p = (struct port){ .in = in, .i = i };
        if (listen_fd[i] >= 0)
            p->listener = listener_new(w->loop, listen_fd[i], port_accept, p);
    }
    return in;
}

void inbound_stop(struct inbound *in)
{
    for (unsigned i = 0; i < in->n_port; i++)
        if (in->port[i].listener)
            listener_pause(in->port[i].listener, true);
    LIST_EACH (it, &in->clients) {
        struct client *c = LIST_ENTRY(it, struct client, in);
        struct span none = SPAN_NONE;
        if (c->proxy || c->tls_next || (c->listen->tls == LISTEN_IMPLICIT && !conn_tls(c->conn))) {
            client_hang_up(c);
            continue;
        }
        smtpd_shutdown(c->smtpd, &REPLY(421, 4, 3, 2, "Service shutting down, try again"));
        client_pump(c, &none);
    }
}

bool inbound_quiet(const struct inbound *in)
{
    return in->n_clients == 0;
}

void inbound_free(struct inbound *in)
{
    if (!in)
        return;
    LIST_EACH (it, &in->clients)
        client_hang_up(LIST_ENTRY(it, struct client, in));
    for (unsigned i = 0; i < in->n_port; i++)
        listener_free(in->port[i].listener);
    mem_free(in);
}
