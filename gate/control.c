/* The sockets of the control side. Start reading at peer_event: a client of the unix socket sends
 * requests one after the other and gets an answer to each; one of the metrics listener sends one
 * head and is closed. Neither can make us hold more than a line, an answer and CLIENTS_MAX of both.
 */
#include "gate/control.h"

#include "base/log.h"
#include "gate/control_request.h"
#include "gate/http.h"
#include "io/conn.h"

enum {
    CLIENTS_MAX = 64,
    ACCEPTS_A_TURN = 16,
    LINE_MAX_BYTES = 64 * 1024,
    IDLE_MS = 60 * 1000,
    HTTP_MS = 5 * 1000,
    LINGER_MS = 10 * 1000,
};

struct control {
    struct worker *w;
    struct listener *socket, *metrics; /* NULL: none */
    int64_t started_ms;                /* monotonic */
    struct list clients;
    unsigned n_clients;
};

struct client {
    struct list in; /* control.clients */
    struct control *control;
    struct conn *conn;
    struct request *request; /* NULL: none runs */
    struct buf line, out;
    bool ended; /* it sends no more */
    struct asker asker;
};

/* --- the end of a client --- */

static void client_free(struct client *c)
{
    struct request *r = c->request;
    if (r) {
        r->client = NULL;
        if (r->cancel)
            r->cancel(r);
    }
    c->control->n_clients--;
    list_remove(&c->in);
    buf_done(&c->line);
    buf_done(&c->out);
    mem_free(c);
}

static void client_hang_up(struct client *c)
{
    conn_free(c->conn);
    client_free(c);
}

static void client_finish(struct client *c)
{
    conn_finish(c->conn, LINGER_MS);
    client_free(c);
}

/* --- answers --- */

static void client_deadline(const struct client *c, int64_t within_ms)
{
    conn_deadline(c->conn, loop_now_ms(c->control->w->loop) + within_ms);
}

/* Hands over what the connection takes; when that is all, the next request may come. */
static void client_pump(struct client *c)
{
    buf_consume(&c->out, conn_write(c->conn, buf_span(&c->out)));
    client_deadline(c, IDLE_MS);
    if (c->out.n > 0)
        return;
    buf_release(&c->out);
    if (c->ended)
        client_finish(c);
    else
        conn_resume(c->conn);
}

static void client_answer(struct client *c, struct ctl *answer)
{
    if (ctl_print(answer, &c->out) != ERR_OK) {
        struct ctl *error = request_error(REQUEST_TOO_BIG, "the answer is too long: ask for less");
        enum err e = ctl_print(error, &c->out);
        ASSERT(e == ERR_OK);
        ctl_free(error);
    }
    ctl_free(answer);
    client_pump(c);
}

void request_done(struct request *r)
{
    struct client *c = r->client;
    struct ctl *out = r->out;
    ctl_free(r->in);
    arena_done(&r->arena);
    mem_free(r);
    if (!c) {
        ctl_free(out);
        return;
    }
    c->request = NULL;
    client_answer(c, out);
}

/* --- requests --- */

static void client_line(struct client *c)
{
    struct why why;
    struct ctl *in;
    enum err e = ctl_parse(buf_span(&c->line), &in, &why);
    buf_release(&c->line);
    if (e != ERR_OK) {
        client_answer(c, request_error(REQUEST_USAGE, why.text));
        return;
    }
    struct request *r = NEW(struct request);
    r->w = c->control->w;
    r->client = c;
    r->asker = c->asker;
    r->in = in;
    r->out = ctl_new();
    arena_init(&r->arena, REQUEST_ARENA_MAX);
    c->request = r;
    conn_deadline(c->conn, INT64_MAX);
    request_begin(r);
}

static void client_refuse(struct client *c)
{
    c->ended = true;
    client_answer(c, request_error(REQUEST_USAGE, "the request is too long"));
}

/* What comes while a request runs stays where it is. */
static void client_input(struct client *c, struct span *in)
{
    while (in->n > 0 && !c->request && c->out.n == 0) {
        size_t n = span_find(*in, '\n');
        bool whole = n < in->n;
        if (buf_append(&c->line, span_head(*in, n)) != ERR_OK) {
            client_refuse(c);
            return;
        }
        *in = span_tail(*in, whole ? n + 1 : n);
        if (whole)
            client_line(c);
    }
}

/* It may still want the answer to what it sent. */
static void client_closed(struct client *c)
{
    c->ended = true;
    if (!c->request && c->out.n == 0)
        client_finish(c);
}

static void client_event(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct client *c = arg;
    (void)conn;
    switch (ev) {
    case CONN_INPUT:
        client_input(c, in);
        break;
    case CONN_DRAINED:
        if (c->out.n > 0)
            client_pump(c);
        break;
    case CONN_CLOSED:
        client_closed(c);
        break;
    case CONN_OPEN:
    case CONN_TLS_UP:
    case CONN_TLS_FAILED:
    case CONN_TIMEOUT:
        client_hang_up(c);
        break;
    }
}

/* --- the metrics listener --- */

static void scraper_answer(struct client *c, enum http_verdict v)
{
    struct buf body, answer;
    buf_init(&body, STATS_TEXT_MAX);
    buf_init(&answer, STATS_TEXT_MAX + HTTP_REST_MAX);
    if (v == HTTP_METRICS)
        stats_print(&c->control->w->stats, &body);
    http_answer(v, buf_span(&body), &answer);
    size_t n = conn_write(c->conn, buf_span(&answer));
    ASSERT(n == answer.n); /* the first and only bytes: CONN_OUT_MAX holds them */
    buf_done(&body);
    buf_done(&answer);
    client_finish(c);
}

static void scraper_input(struct client *c, struct span *in)
{
    size_t room = buf_room(&c->line);
    buf_put(&c->line, span_head(*in, in->n < room ? in->n : room));
    *in = span_tail(*in, in->n);
    enum http_verdict v = http_judge(buf_span(&c->line));
    if (v != HTTP_MORE)
        scraper_answer(c, v);
}

static void scraper_event(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct client *c = arg;
    (void)conn;
    if (ev == CONN_INPUT)
        scraper_input(c, in);
    else
        client_hang_up(c);
}

/* --- accepting --- */

/* Nothing that it has sent is read. */
static void turn_away(struct sock *s, unsigned uid)
{
    struct why text;
    struct buf line;
    size_t n;
    why_set(&text,
            "user %u may not ask this daemon: root may, and who is in `administrators` of an "
            "organisation",
            uid);
    struct ctl *answer = request_error(REQUEST_DENIED, text.text);
    buf_init(&line, CTL_LINE_MAX);
    enum err e = ctl_print(answer, &line);
    if (e == ERR_OK)
        e = sock_send(s, buf_span(&line), &n);
    log_begin(LOG_INFO, "control.denied");
    log_num("uid", uid);
    log_z("told", e == ERR_OK ? "yes" : "no");
    log_end();
    ctl_free(answer);
    buf_done(&line);
    sock_close(s);
}

/* False: nobody who may ask anything; it is turned away. */
static bool take_asker(const struct control *control, struct sock *s, struct asker *ret)
{
    struct asker a = { .all = false };
    bool known = sock_peer_uid(s, &a.uid) == ERR_OK;
    a.all = known && (a.uid == 0 || a.uid == control->w->uid);
    known = known && asker_known(control->w->config, a);
    if (!known)
        turn_away(s, a.uid);
    *ret = a;
    return known;
}

/* Returns whether there may be more. */
static bool accept_one(struct control *control, struct listener *l, bool scraper)
{
    struct sock *s;
    struct asker asker = { .all = true };
    if (listener_accept(l, NULL, NULL, &s) != ERR_OK)
        return false;
    if (!scraper && !take_asker(control, s, &asker))
        return true;
    if (control->n_clients >= CLIENTS_MAX) {
        sock_close(s);
        return true;
    }
    struct client *c = NEW(struct client);
    c->control = control;
    c->asker = asker;
    buf_init(&c->line, scraper ? HTTP_HEAD_MAX + 1 : LINE_MAX_BYTES);
    buf_init(&c->out, CTL_LINE_MAX);
    list_push(&control->clients, &c->in);
    control->n_clients++;
    c->conn = conn_accepted(control->w->loop, s, scraper ? scraper_event : client_event, c);
    client_deadline(c, scraper ? HTTP_MS : IDLE_MS);
    return true;
}

static void socket_accept(void *arg)
{
    struct control *control = arg;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++)
        if (!accept_one(control, control->socket, false))
            return;
}

static void metrics_accept(void *arg)
{
    struct control *control = arg;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++)
        if (!accept_one(control, control->metrics, true))
            return;
}

struct control *control_new(struct worker *w, int control_fd, int metrics_fd)
{
    struct control *control = NEW(struct control);
    control->w = w;
    control->started_ms = loop_now_ms(w->loop);
    list_init(&control->clients);
    if (control_fd >= 0)
        control->socket = listener_new(w->loop, control_fd, socket_accept, control);
    if (metrics_fd >= 0)
        control->metrics = listener_new(w->loop, metrics_fd, metrics_accept, control);
    return control;
}

int64_t control_uptime_ms(const struct control *control)
{
    return loop_now_ms(control->w->loop) - control->started_ms;
}

/* Requests that wait for a store live on without their client until its answer comes; the worker
 * without a control tells them that it is the last one. */
void control_free(struct control *control)
{
    if (!control)
        return;
    LIST_EACH (it, &control->clients) {
        client_hang_up(LIST_ENTRY(it, struct client, in));
    }
    listener_free(control->socket);
    listener_free(control->metrics);
    control->w->control = NULL;
    mem_free(control);
}
