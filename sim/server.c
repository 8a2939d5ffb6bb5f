/* A host that takes mail. Each session draws what it will do wrong, and at which step. */
#include "sim/peers.h"

#include "io/conn.h"
#include "sim/check.h"
#include "sim/loop_sim.h"
#include "sim/swarm.h"
#include <stdio.h>

enum { RCPTS = 16, ADDR_BYTES = 120, IN_MAX = 4 << 20, LINGER_MS = 2000, SMALL_BYTES = 100 };
enum { SCRIPTED_MAX = 16 };

struct server {
    struct conn *conn;
    const struct town_host *host;
    struct buf in, body, later;
    struct timer slow;
    enum host_step fault_step;
    enum host_fault fault;
    enum town_identity identity;
    struct wire_end *gate_end;
    bool lmtp, deaf, babbles, tls_next, replied, in_data, in_bdat, bdat_last, mail, ended;
    size_t bdat_left;
    char from[ADDR_BYTES];
    char rcpt[RCPTS][ADDR_BYTES];
    unsigned n_rcpt, n_messages;
};

/* What a story has one session of a host do. */
static struct {
    const struct town_host *host;
    unsigned session;
    enum host_step step;
    enum host_fault fault;
} scripted[SCRIPTED_MAX];
static unsigned n_scripted;

static struct loop *the_loop;

struct loop *peers_loop(void)
{
    if (!the_loop)
        the_loop = loop_new();
    return the_loop;
}

/* --- the end */

static void server_free(struct server *s)
{
    s->ended = true;
    timer_stop(&s->slow);
    buf_done(&s->in);
    buf_done(&s->body);
    buf_done(&s->later);
    mem_free(s);
}

static void server_hang_up(struct server *s)
{
    conn_free(s->conn);
    s->conn = NULL;
    s->ended = true;
}

static void server_finish(struct server *s)
{
    conn_finish(s->conn, LINGER_MS);
    s->conn = NULL;
    s->ended = true;
}

/* --- what it says */

static void write_now(struct server *s, struct span text)
{
    (void)conn_write(s->conn, text);
}

static void slow_over(void *arg)
{
    struct server *s = arg;
    write_now(s, buf_span(&s->later));
    buf_clear(&s->later);
}

static void say(struct server *s, struct span text)
{
    if (s->ended || s->deaf)
        return;
    if (timer_armed(&s->slow))
        buf_put(&s->later, text);
    else
        write_now(s, text);
}

/* More lines than a reply may have; but a 250 to a body is one that must be understood. */
static void say_long(struct server *s, enum host_step step, struct span text)
{
    for (unsigned i = 0; i < (step == AT_END ? 40 : 150); i++) {
        say(s, span_head(text, 3));
        say(s, SPAN("-and so on, and so on, and so on, and so on, and so on\r\n"));
    }
    say(s, text);
}

static void refuse_all(struct server *s)
{
    for (unsigned i = 0; i < s->n_rcpt; i++)
        check_refusal(SPAN_NONE, span_z(s->rcpt[i]));
}

/* Whom a 5xx at this step refuses. */
static void refuse(struct server *s, enum host_step step, struct span rcpt)
{
    if (step == AT_RCPT)
        check_refusal(SPAN_NONE, rcpt);
    else if (step == AT_MAIL)
        check_refusal(span_z(s->from), SPAN_NONE);
    else if (step == AT_DATA || step == AT_END)
        refuse_all(s);
}

/* The session's own fault instead of the answer, if this is its step. true: `text` was not said,
 * and what it would have granted is not granted. */
static bool misbehave(struct server *s, enum host_step step, struct span text, struct span rcpt)
{
    if (s->fault_step != step || s->ended || s->deaf)
        return false;
    s->fault_step = AT_NONE;
    enum host_fault fault = s->fault;
    /* after that nobody need understand what it says */
    s->babbles = fault == FAULT_RUBBISH || fault == FAULT_BARE_LF || fault == FAULT_TWO_CODES ||
                 (fault == FAULT_LONG && step != AT_END);
    if (fault == FAULT_5XX && step == AT_MAIL && s->from[0] == '\0')
        fault = FAULT_4XX; /* whose it is cannot be told */
    switch (fault) {
    case FAULT_CLOSE_BEFORE:
        server_hang_up(s);
        return true;
    case FAULT_CLOSE_AFTER:
        say(s, text);
        server_finish(s);
        return false;
    case FAULT_SILENT:
        s->deaf = true;
        return true;
    case FAULT_421:
        say(s, SPAN("421 4.3.2 closing for a while\r\n"));
        server_finish(s);
        return true;
    case FAULT_4XX:
        say(s, SPAN("451 4.3.0 not now\r\n"));
        return true;
    case FAULT_5XX:
        refuse(s, step, rcpt);
        say(s, SPAN("554 5.3.0 never\r\n"));
        return true;
    case FAULT_RUBBISH:
        say(s, SPAN("\x01\xff what is this\r\n"));
        return true;
    case FAULT_BARE_LF:
        say(s, SPAN("250 ok\n250 ok\n"));
        return true;
    case FAULT_TWO_CODES:
        say(s, SPAN("250-yes\r\n550 no\r\n"));
        return true;
    case FAULT_LONG:
        say_long(s, step, text);
        return false;
    case FAULT_SLOW:
    case FAULT_TOO_SLOW:
        timer_set(&s->slow, loop_now_ms(peers_loop()) + (fault == FAULT_SLOW ? 9000 : 45000));
        say(s, text);
        return false;
    case FAULT_INJECT:
        say(s, text);
        if (step == AT_STARTTLS)
            say(s, SPAN("250 2.0.0 injected\r\n"));
        return false;
    case FAULT_COUNT_:
        break;
    }
    return false;
}

/* Says it, unless the session misbehaves here. false: it was not granted. */
static bool answer(struct server *s, enum host_step step, struct span text)
{
    bool mine = s->fault_step == step;
    if (misbehave(s, step, text, SPAN_NONE))
        return false;
    if (!mine)
        say(s, text);
    return true;
}

/* --- TLS */

static struct channel channel_of(const struct server *s)
{
    return (struct channel){ .host = s->host,
                             .tls = s->conn ? conn_tls(s->conn) : NULL,
                             .identity = s->identity,
                             .gate_end = s->gate_end };
}

static void on_starttls(struct server *s)
{
    if (s->host->no_tls || conn_tls(s->conn)) {
        say(s, SPAN("502 5.5.1 no\r\n"));
        return;
    }
    if (s->in.n > 0)
        violated(4, "the gateway sends more behind STARTTLS, in clear");
    bool injects = s->fault_step == AT_STARTTLS && s->fault == FAULT_INJECT;
    s->tls_next = answer(s, AT_STARTTLS, SPAN("220 2.0.0 go ahead\r\n"));
    s->tls_next = s->tls_next && !injects && !s->ended && !s->deaf;
}

/* --- commands */

static void on_ehlo(struct server *s, bool extended)
{
    const struct town_host *h = s->host;
    struct buf b;
    buf_init(&b, 1000);
    buf_putf(&b, "250%c%s\r\n", extended ? '-' : ' ', h->name);
    if (extended && !h->no_pipelining)
        buf_putf(&b, "250-PIPELINING\r\n");
    if (extended && !h->seven_bit)
        buf_putf(&b, "250-8BITMIME\r\n");
    if (extended && h->dsn)
        buf_putf(&b, "250-DSN\r\n");
    if (extended && h->chunking)
        buf_putf(&b, "250-CHUNKING\r\n");
    if (extended && !h->no_tls && !conn_tls(s->conn))
        buf_putf(&b, "250-STARTTLS\r\n");
    if (extended)
        buf_putf(&b, "250-ENHANCEDSTATUSCODES\r\n250 SIZE %d\r\n",
                 h->small ? SMALL_BYTES : 4 << 20);
    if (!extended)
        s->host->domain->was_bare = true;
    s->mail = false;
    s->n_rcpt = 0;
    (void)answer(s, AT_EHLO, buf_span(&b));
    buf_done(&b);
}

/* What stands in <>, cut to fit. */
static void take_path(struct span line, char ret[static ADDR_BYTES])
{
    struct span s = span_tail(line, span_find(line, '<'));
    if (s.n > 0)
        s = span_tail(s, 1);
    s = span_head(s, span_find(s, '>'));
    (void)snprintf(ret, ADDR_BYTES, "%.*s", SPAN_ARG(s));
}

static void on_mail(struct server *s, struct span line)
{
    struct channel c = channel_of(s);
    check_channel(&c);
    take_path(line, s->from);
    s->n_rcpt = 0;
    buf_clear(&s->body);
    s->mail = answer(s, AT_MAIL, SPAN("250 2.1.0 ok\r\n"));
}

static void on_rcpt(struct server *s, struct span line)
{
    char rcpt[ADDR_BYTES];
    int i = -1;
    take_path(line, rcpt);
    if (!s->mail) {
        say(s, SPAN("503 5.5.1 MAIL first\r\n"));
        return;
    }
    struct letter *l = letter_find(span_z(rcpt), &i);
    struct letter_rcpt *r = l && i >= 0 && (unsigned)i < l->n_rcpt ? &l->rcpt[i] : NULL;
    if (r && r->refused) {
        check_refusal(SPAN_NONE, span_z(rcpt));
        say(s, SPAN("550 5.1.1 no such user\r\n"));
        return;
    }
    if (r && !r->greylisted && draw_permille(swarm.greylist_permille)) {
        r->greylisted = true;
        say(s, SPAN("451 4.7.1 greylisted, come again\r\n"));
        return;
    }
    bool said = s->fault_step == AT_RCPT;
    if (misbehave(s, AT_RCPT, SPAN("250 2.1.5 ok\r\n"), span_z(rcpt)) || s->ended || s->deaf)
        return;
    ASSERT(s->n_rcpt < RCPTS);
    memcpy(s->rcpt[s->n_rcpt++], rcpt, sizeof rcpt);
    if (!said)
        say(s, SPAN("250 2.1.5 ok\r\n"));
}

static void transaction_over(struct server *s)
{
    s->mail = s->in_data = s->in_bdat = false;
    s->n_rcpt = 0;
    buf_clear(&s->body);
}

/* The whole body is here: the host decides. */
static void on_end(struct server *s)
{
    struct channel c = channel_of(s);
    bool refuses =
        s->fault_step == AT_END &&
        (s->fault == FAULT_4XX || s->fault == FAULT_5XX || s->fault == FAULT_421 ||
         s->fault == FAULT_RUBBISH || s->fault == FAULT_TWO_CODES || s->fault == FAULT_BARE_LF);
    check_transaction(++s->n_messages, s->n_rcpt);
    for (unsigned i = 0; i < s->n_rcpt && !refuses; i++)
        check_copy(&c, span_z(s->rcpt[i]), buf_span(&s->body));
    for (unsigned i = 0; i < (s->lmtp ? s->n_rcpt : 1) && !s->ended; i++)
        if (answer(s, AT_END, SPAN("250 2.0.0 taken\r\n")))
            s->replied = !s->babbles;
        else if (refuses && s->lmtp && !s->ended && !s->deaf)
            s->fault_step = AT_END; /* the same for all */
    if (!s->ended)
        transaction_over(s);
}

static void on_data(struct server *s)
{
    if (!s->mail || s->n_rcpt == 0) {
        say(s, SPAN("554 5.5.1 no valid recipients\r\n"));
        return;
    }
    s->in_data = answer(s, AT_DATA, SPAN("354 go on\r\n")) && !s->ended;
}

static void on_bdat(struct server *s, struct span line)
{
    uint64_t n = 0;
    struct span rest = span_tail(line, 5);
    struct span size = span_cut(&rest, ' ');
    if (span_u64(size, IN_MAX, &n) != ERR_OK) {
        say(s, SPAN("501 5.5.4 syntax\r\n"));
        return;
    }
    s->in_bdat = true;
    s->bdat_left = (size_t)n;
    s->bdat_last = span_eq_nocase(rest, SPAN("LAST"));
}

static void bdat_done(struct server *s)
{
    s->in_bdat = false;
    if (!s->mail || s->n_rcpt == 0) {
        say(s, SPAN("554 5.5.1 no valid recipients\r\n"));
        transaction_over(s);
    } else if (s->bdat_last) {
        on_end(s);
    } else {
        say(s, SPAN("250 2.0.0 more\r\n"));
    }
}

static void on_line(struct server *s, struct span line)
{
    if (span_starts_nocase(line, SPAN("EHLO ")) || span_starts_nocase(line, SPAN("LHLO ")))
        on_ehlo(s, true);
    else if (span_starts_nocase(line, SPAN("HELO ")))
        on_ehlo(s, false);
    else if (span_eq_nocase(line, SPAN("STARTTLS")))
        on_starttls(s);
    else if (span_starts_nocase(line, SPAN("MAIL FROM:")))
        on_mail(s, line);
    else if (span_starts_nocase(line, SPAN("RCPT TO:")))
        on_rcpt(s, line);
    else if (span_eq_nocase(line, SPAN("DATA")))
        on_data(s);
    else if (span_starts_nocase(line, SPAN("BDAT ")))
        on_bdat(s, line);
    else if (span_eq_nocase(line, SPAN("RSET")) || span_eq_nocase(line, SPAN("NOOP"))) {
        transaction_over(s);
        say(s, SPAN("250 2.0.0 ok\r\n"));
    } else if (span_eq_nocase(line, SPAN("QUIT"))) {
        if (answer(s, AT_QUIT, SPAN("221 2.0.0 bye\r\n")) && !s->ended && !s->deaf)
            server_finish(s);
    } else {
        say(s, SPAN("500 5.5.2 what?\r\n"));
    }
}

/* --- bytes */

static void body_line(struct server *s, struct span line)
{
    if (span_eq(line, SPAN(".\r\n"))) {
        s->in_data = false;
        on_end(s);
        return;
    }
    if (line.p[0] == '.')
        line = span_tail(line, 1);
    buf_put(&s->body, line);
}

/* The session breaks while the body comes. */
static bool breaks_in_body(struct server *s)
{
    if (s->fault_step != AT_BODY || !(s->in_data || s->in_bdat))
        return false;
    s->fault_step = AT_NONE;
    if (s->fault == FAULT_SILENT || s->fault == FAULT_TOO_SLOW)
        s->deaf = true;
    else
        server_hang_up(s);
    return true;
}

/* One step; false: more bytes are needed, or no more are wanted. */
static bool server_step(struct server *s)
{
    struct span in = buf_span(&s->in);
    if (s->ended || s->deaf || s->tls_next || breaks_in_body(s))
        return false;
    if (s->in_bdat) {
        struct span piece = span_head(in, in.n < s->bdat_left ? in.n : s->bdat_left);
        buf_put(&s->body, piece);
        s->bdat_left -= piece.n;
        buf_consume(&s->in, piece.n);
        if (s->bdat_left > 0)
            return false;
        bdat_done(s);
        return true;
    }
    size_t end = span_find(in, '\n');
    if (end == in.n)
        return false;
    struct buf line;
    buf_init(&line, IN_MAX);
    buf_put(&line, span_head(in, end + 1));
    buf_consume(&s->in, end + 1);
    struct span l = buf_span(&line);
    if (l.n < 2 || l.p[l.n - 2] != '\r')
        violated(2, "the gateway ends a line with a bare LF");
    if (s->in_data)
        body_line(s, l);
    else
        on_line(s, span_head(l, l.n - 2));
    buf_done(&line);
    return true;
}

static void server_conn(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct server *s = arg;
    switch (ev) {
    case CONN_INPUT:
        if (s->deaf)
            *in = SPAN_NONE;
        buf_put(&s->in, *in);
        *in = SPAN_NONE;
        while (server_step(s)) {
        }
        break;
    case CONN_DRAINED:
        if (s->replied && !timer_armed(&s->slow)) {
            s->replied = false;
            check_replied(s->gate_end);
        }
        if (s->tls_next && s->in.n == 0) {
            s->tls_next = false;
            conn_start_tls_server(conn, s->host->tls[s->identity], SPAN("host"));
        }
        break;
    case CONN_TLS_UP:
        s->mail = false;
        break;
    case CONN_OPEN:
        break;
    case CONN_TLS_FAILED:
    case CONN_TIMEOUT:
    case CONN_CLOSED:
        server_hang_up(s);
        break;
    }
    if (s->ended)
        server_free(s);
}

/* --- its beginning */

void server_script(const struct town_host *h, unsigned session, enum host_step step,
                   enum host_fault fault)
{
    ASSERT(n_scripted < SCRIPTED_MAX);
    scripted[n_scripted].host = h;
    scripted[n_scripted].session = session;
    scripted[n_scripted].step = step;
    scripted[n_scripted++].fault = fault;
}

static void follow_script(struct server *s, unsigned session)
{
    for (unsigned i = 0; i < n_scripted; i++)
        if (scripted[i].host == s->host && scripted[i].session == session) {
            s->fault_step = scripted[i].step;
            s->fault = scripted[i].fault;
        }
}

static void draw_manners(struct server *s)
{
    s->identity = s->host->identity;
    if (s->host->domain->kind != DOMAIN_HOME && draw_permille(swarm.tls_fault_permille))
        s->identity = (enum town_identity)draw(ID_COUNT_);
    if (!draw_permille(swarm.peer_fault_permille))
        return;
    s->fault_step = (enum host_step)(1 + draw(AT_COUNT_ - 1));
    s->fault = (enum host_fault)draw(FAULT_COUNT_);
    if (s->fault == FAULT_INJECT)
        s->fault_step = AT_STARTTLS;
}

static void server_new(struct sock *sock, const struct town_host *h, unsigned session)
{
    struct server *s = NEW(struct server);
    s->host = h;
    s->lmtp = h->domain->kind == DOMAIN_LMTP;
    buf_init(&s->in, IN_MAX);
    buf_init(&s->body, IN_MAX);
    buf_init(&s->later, IN_MAX);
    timer_init(&s->slow, peers_loop(), slow_over, s);
    struct ip from = sock_peer(sock);
    struct wire *w = net_wire_find(&from, &h->ip);
    s->gate_end = w ? &w->end[SIDE_CALLER] : NULL;
    draw_manners(s);
    follow_script(s, session);
    s->conn = conn_accepted(peers_loop(), sock, server_conn, s);
    conn_deadline(s->conn, loop_now_ms(peers_loop()) + 900 * 1000);
    if (!answer(s, AT_BANNER, SPAN("220 host ESMTP\r\n")) || s->ended) {
        if (s->ended)
            server_free(s);
    }
}

static void unowned(void *arg, unsigned events)
{
    (void)arg, (void)events;
}

struct door {
    struct listener *listener;
    const struct town_host *host;
    unsigned sessions;
};

static void door_opens(void *arg)
{
    struct door *d = arg;
    struct sock *sock;
    while (listener_accept(d->listener, unowned, NULL, &sock) == ERR_OK)
        server_new(sock, d->host, ++d->sessions);
}

void servers_start(void)
{
    for (unsigned i = 0; i < town.n_domain; i++)
        for (unsigned k = 0; k < town.domain[i].n_host; k++) {
            struct door *d = NEW(struct door);
            d->host = &town.domain[i].host[k];
            d->listener = listener_new(peers_loop(), d->host->port, door_opens, d);
        }
}
