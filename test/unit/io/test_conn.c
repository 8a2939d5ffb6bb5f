/* Two connections of ours in one loop, over real sockets on 127.0.0.1; and bare sockets, where a
 * peer must misbehave. */
#include "io/conn.h"
#include "test/test.h"
#include "test/unit/io/tls_pair.h"
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { GOT_MAX = 8 << 20, RUN_MS_MAX = 20000 };

struct world;

/* One end: what it did and got, and what it is to do. */
struct end {
    struct world *w;
    struct conn *conn;
    struct buf got, todo; /* received; to be sent as room allows */
    char log[200];        /* one letter an event: O I D U F T C */
    bool clean;
    char why[200];
    /* what to do: */
    bool echo;                       /* send back what comes */
    bool hold;                       /* eat nothing */
    size_t bite;                     /* eat at most so much at once; 0: all */
    bool free_at[8];                 /* conn_free in this event */
    bool finish_at[8];               /* conn_finish in this event */
    bool tls_at_open, tls_after_220; /* start TLS at once; or when all has left */
    const char *stop_when;           /* the loop stops when the log ends so */
    bool stop_when_left;             /* or after conn_free and conn_finish */
    size_t stop_at_bytes;            /* or when so much was received */
};

struct world {
    struct loop *loop;
    struct listener *listener;
    struct ip at;
    int fd;
    struct tls_server *server;
    struct tls_client *client;
    struct end in, out;
    struct timer limit;
    bool too_long;
};

static void too_long(void *arg)
{
    struct world *w = arg;
    w->too_long = true;
    loop_stop(w->loop);
}

static void run(struct world *w)
{
    timer_set(&w->limit, loop_now_ms(w->loop) + RUN_MS_MAX);
    loop_run(w->loop);
    timer_stop(&w->limit);
    CHECK(!w->too_long);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run_for(struct world *w, int64_t ms)
{
    struct timer t;
    timer_init(&t, w->loop, stop, w->loop);
    timer_set(&t, loop_now_ms(w->loop) + ms);
    loop_run(w->loop);
    timer_stop(&t);
}

static void send_todo(struct end *e)
{
    while (e->todo.n > 0) {
        size_t n = conn_write(e->conn, buf_span(&e->todo));
        if (n == 0)
            break;
        buf_consume(&e->todo, n);
    }
}

static void take_input(struct end *e, struct span *in)
{
    size_t n = e->hold ? 0 : e->bite && in->n > e->bite ? e->bite : in->n;
    if (n == 0)
        return;
    buf_put(e->echo ? &e->todo : &e->got, span_head(*in, n));
    *in = span_tail(*in, n);
    if (e->echo)
        send_todo(e);
    if (in->n > 0)
        conn_resume(e->conn);
}

static void start_tls(struct end *e)
{
    if (e == &e->w->in)
        conn_start_tls_server(e->conn, e->w->server, SPAN("25"));
    else
        conn_start_tls_client(
            e->conn, e->w->client,
            &(struct tls_peer){ .server_name = SPAN("mx.example.org"), .reuse_key = SPAN("k") });
}

static void note(struct end *e, enum conn_event ev)
{
    size_t n = strlen(e->log);
    static const char letters[] = "OIDUFTC";
    bool again = n > 0 && e->log[n - 1] == letters[ev] && (ev == CONN_INPUT || ev == CONN_DRAINED);
    if (!again && n + 1 < sizeof e->log)
        e->log[n] = letters[ev];
    if (ev == CONN_CLOSED || ev == CONN_TLS_FAILED) {
        e->clean = conn_clean(e->conn);
        snprintf(e->why, sizeof e->why, "%s", conn_why(e->conn));
    }
}

static void on_event(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct end *e = arg;
    CHECK(c == e->conn || e->conn == NULL);
    e->conn = c;
    note(e, ev);
    if (ev == CONN_OPEN && e->tls_at_open)
        start_tls(e);
    else if (ev == CONN_INPUT)
        take_input(e, in);
    else if (ev == CONN_DRAINED && e->tls_after_220) {
        e->tls_after_220 = false;
        start_tls(e);
    } else if (ev == CONN_OPEN || ev == CONN_DRAINED || ev == CONN_TLS_UP)
        send_todo(e);
    if (e->free_at[ev]) {
        conn_free(c);
        e->conn = NULL;
    } else if (e->finish_at[ev]) {
        conn_finish(c, 2000);
        e->conn = NULL;
    }
    if (e->stop_when_left && !e->conn)
        loop_stop(e->w->loop);
    struct span log = span_z(e->log);
    if ((e->stop_when && span_ends_nocase(log, span_z(e->stop_when))) ||
        (e->stop_at_bytes && e->got.n >= e->stop_at_bytes))
        loop_stop(e->w->loop);
}

static void on_accept(void *arg)
{
    struct world *w = arg;
    struct sock *s;
    while (listener_accept(w->listener, NULL, NULL, &s) == ERR_OK) {
        w->in.conn = conn_accepted(w->loop, s, on_event, &w->in);
        if (w->in.tls_at_open)
            start_tls(&w->in);
    }
}

static void end_init(struct end *e, struct world *w)
{
    e->w = w;
    buf_init(&e->got, GOT_MAX);
    buf_init(&e->todo, GOT_MAX);
}

static void world_init(struct world *w)
{
    *w = (struct world){ .loop = loop_new() };
    end_init(&w->in, w);
    end_init(&w->out, w);
    timer_init(&w->limit, w->loop, too_long, w);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(w->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(w->fd, 500) == 0);
    socklen_t n = sizeof a;
    CHECK(getsockname(w->fd, (struct sockaddr *)&a, &n) == 0);
    CHECK(ip_parse(SPAN("127.0.0.1"), &w->at) == ERR_OK);
    w->at.port = ntohs(a.sin_port);
    w->listener = listener_new(w->loop, w->fd, on_accept, w);
}

static void world_tls(struct world *w)
{
    w->server = server_usual();
    w->client = client_usual();
}

static void world_done(struct world *w)
{
    conn_free(w->in.conn);
    conn_free(w->out.conn);
    conn_close_finishing(w->loop);
    listener_free(w->listener);
    loop_free(w->loop);
    close(w->fd);
    tls_server_unref(w->server);
    tls_client_unref(w->client);
    buf_done(&w->in.got);
    buf_done(&w->in.todo);
    buf_done(&w->out.got);
    buf_done(&w->out.todo);
}

static void connect_out(struct world *w)
{
    w->out.conn = conn_connect(w->loop, &w->at, 1, NULL, on_event, &w->out);
}

/* A bare blocking socket to the listener. */
static int bare_connect(struct world *w)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(w->at.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static void fill(struct buf *b, size_t n)
{
    char *p;
    CHECK(buf_reserve(b, n, &p) == ERR_OK);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7 + i / 251);
    buf_added(b, n);
}

static void check_filled(const struct buf *b, size_t n)
{
    CHECK_NUM(b->n, n);
    struct span s = buf_span(b);
    for (size_t i = 0; i < n; i++) {
        if (s.p[i] != (char)(i * 7 + i / 251))
            CHECK_NUM(i, n);
    }
}

/* --- plain --- */

TEST(conn_opens_carries_and_closes)
{
    struct world w;
    world_init(&w);
    buf_put(&w.out.todo, SPAN("hello"));
    w.in.echo = true;
    w.out.stop_at_bytes = 5;
    connect_out(&w);
    run(&w);
    CHECK_SPAN(buf_span(&w.out.got), SPAN("hello"));
    CHECK_Z(span_z(w.out.log), "ODI");
    CHECK_Z(span_z(w.in.log), "ID");
    struct ip peer = conn_peer(w.out.conn), here = conn_local(w.out.conn);
    struct ip back = conn_peer(w.in.conn);
    CHECK(ip_eq(&peer, &w.at) && ip_eq(&here, &back));
    CHECK(conn_id(w.in.conn) != conn_id(w.out.conn));
    CHECK(conn_tls(w.in.conn) == NULL);
    CHECK(conn_flushed(w.out.conn) && !conn_input_held(w.out.conn));
    w.in.stop_when = "C";
    conn_free(w.out.conn);
    w.out.conn = NULL;
    run(&w);
    CHECK(w.in.clean);
    CHECK_Z(span_z(w.in.why), "the peer closed the connection");
    world_done(&w);
}

static void carry(bool tls, size_t n, size_t bite)
{
    struct world w;
    world_init(&w);
    if (tls)
        world_tls(&w);
    w.in.tls_at_open = w.out.tls_at_open = tls;
    w.in.echo = true;
    w.in.bite = w.out.bite = bite;
    fill(&w.out.todo, n);
    w.out.stop_at_bytes = n;
    connect_out(&w);
    run(&w);
    check_filled(&w.out.got, n);
    if (tls)
        CHECK(conn_tls(w.in.conn)->on && conn_tls(w.out.conn)->name_ok);
    world_done(&w);
}

TEST(conn_carries_much)
{
    carry(false, 5 << 20, 0);
    carry(true, 5 << 20, 0);
}

/* The owner eats little at a time: held input is offered again, and nothing is lost. */
TEST(conn_offers_held_input_again)
{
    carry(false, 100000, 777);
    carry(true, 100000, 777);
}

TEST(conn_reads_no_more_than_is_eaten)
{
    struct world w;
    world_init(&w);
    w.in.hold = true;
    w.in.stop_when = "I";
    int fd = bare_connect(&w);
    CHECK(send(fd, "MAIL\r\n", 6, 0) == 6);
    run(&w);
    CHECK(conn_input_held(w.in.conn));
    CHECK(send(fd, "RCPT\r\n", 6, 0) == 6);
    w.in.log[0] = '\0';
    run_for(&w, 30);
    CHECK_Z(span_z(w.in.log), ""); /* not told again, and not read */
    w.in.hold = false;
    w.in.stop_when = NULL;
    w.in.stop_at_bytes = 12;
    conn_resume(w.in.conn);
    run(&w);
    CHECK_SPAN(buf_span(&w.in.got), SPAN("MAIL\r\nRCPT\r\n"));
    CHECK(!conn_input_held(w.in.conn));
    close(fd);
    world_done(&w);
}

/* The end is told after the last byte was eaten. */
TEST(conn_end_comes_after_held_input)
{
    struct world w;
    world_init(&w);
    w.in.hold = true;
    w.in.stop_when = "I";
    int fd = bare_connect(&w);
    CHECK(send(fd, "QUIT\r\n", 6, 0) == 6);
    close(fd);
    run(&w);
    run_for(&w, 20);
    CHECK_Z(span_z(w.in.log), "I");
    w.in.hold = false;
    w.in.stop_when = "C";
    conn_resume(w.in.conn);
    run(&w);
    CHECK_Z(span_z(w.in.log), "IC");
    CHECK_SPAN(buf_span(&w.in.got), SPAN("QUIT\r\n"));
    world_done(&w);
}

TEST(conn_output_is_bounded)
{
    struct world w;
    world_init(&w);
    w.out.stop_when = "O";
    connect_out(&w);
    run(&w);
    static char big[CONN_OUT_MAX + 1000];
    CHECK_NUM(conn_write(w.out.conn, span_of(big, sizeof big)), CONN_OUT_MAX);
    CHECK_NUM(conn_write(w.out.conn, span_of(big, 1)), 0);
    CHECK(!conn_flushed(w.out.conn));
    world_done(&w);
}

/* --- ends --- */

TEST(conn_free_in_every_event)
{
    static const enum conn_event events[] = { CONN_OPEN, CONN_INPUT, CONN_DRAINED, CONN_TLS_UP };
    for (size_t i = 0; i < COUNTOF(events); i++) {
        for (int finish = 0; finish < 2; finish++) {
            struct world w;
            world_init(&w);
            world_tls(&w);
            w.in.tls_at_open = w.out.tls_at_open = events[i] == CONN_TLS_UP;
            w.in.echo = true;
            buf_put(&w.out.todo, SPAN("hello"));
            (finish ? w.out.finish_at : w.out.free_at)[events[i]] = true;
            w.out.stop_when_left = true;
            connect_out(&w);
            run(&w);
            run_for(&w, 10);
            CHECK(w.out.conn == NULL);
            world_done(&w);
        }
    }
}

/* All that was written arrives, and then the end, although the peer goes on sending meanwhile. */
TEST(conn_finish_lets_the_last_words_arrive)
{
    for (int tls = 0; tls < 2; tls++) {
        struct world w;
        world_init(&w);
        world_tls(&w);
        w.in.tls_at_open = w.out.tls_at_open = tls;
        fill(&w.out.todo, 300000);
        fill(&w.in.todo, 200000);
        w.in.hold = true; /* never reads: its kernel holds unread bytes when it goes */
        w.in.stop_when = "I";
        connect_out(&w);
        run(&w);
        while (w.in.todo.n > 0)
            send_todo(&w.in);
        conn_finish(w.in.conn, 5000);
        w.in.conn = NULL;
        w.out.stop_when = "C";
        run(&w);
        check_filled(&w.out.got, 200000);
        CHECK(w.out.clean);
        world_done(&w);
    }
}

TEST(conn_finish_does_not_wait_for_ever)
{
    struct world w;
    world_init(&w);
    w.in.stop_when = "I";
    int fd = bare_connect(&w);
    CHECK(send(fd, "x", 1, 0) == 1);
    run(&w);
    CHECK_NUM(conn_write(w.in.conn, SPAN("421 bye\r\n")), 9);
    conn_finish(w.in.conn, 50);
    w.in.conn = NULL;
    run_for(&w, 150);
    char text[20];
    CHECK_NUM(recv(fd, text, sizeof text, 0), 9);
    CHECK_NUM(recv(fd, text, sizeof text, 0), 0);
    CHECK(send(fd, "y", 1, MSG_NOSIGNAL) == 1);
    nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    CHECK_NUM(send(fd, "y", 1, MSG_NOSIGNAL), -1); /* nobody is there any more */
    close(fd);
    world_done(&w);
}

TEST(conn_reset_is_not_clean)
{
    struct world w;
    world_init(&w);
    w.in.stop_when = "I";
    int fd = bare_connect(&w);
    CHECK(send(fd, "x", 1, 0) == 1);
    run(&w);
    struct linger hard = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    w.in.stop_when = "C";
    run(&w);
    CHECK(!w.in.clean);
    CHECK_Z(span_z(w.in.why), "the connection broke");
    CHECK_NUM(conn_write(w.in.conn, SPAN("250\r\n")), 5); /* dropped, and nobody dies of it */
    run_for(&w, 10);
    world_done(&w);
}

TEST(conn_deadline)
{
    struct world w;
    world_init(&w);
    w.out.stop_when = "T";
    connect_out(&w);
    int64_t now = loop_now_ms(w.loop);
    conn_deadline(w.out.conn, now + 1);
    conn_deadline(w.out.conn, now + 30);
    run(&w);
    CHECK(loop_now_ms(w.loop) >= now + 30);
    conn_deadline(w.out.conn, loop_now_ms(w.loop) + 5);
    conn_deadline(w.out.conn, INT64_MAX);
    w.out.log[0] = '\0';
    run_for(&w, 20);
    CHECK_Z(span_z(w.out.log), "");
    world_done(&w);
}

/* --- connecting --- */

static struct ip closed_port(void)
{
    struct world w;
    world_init(&w);
    struct ip ip = w.at;
    world_done(&w);
    return ip;
}

TEST(conn_races_to_the_first_that_answers)
{
    struct world w;
    world_init(&w);
    struct ip to[4] = { closed_port(), closed_port(), { 0 }, w.at };
    CHECK(ip_parse(SPAN("::1"), &to[2]) == ERR_OK);
    to[2].port = closed_port().port;
    w.out.stop_when = "O";
    int64_t before = loop_now_ms(w.loop);
    w.out.conn = conn_connect(w.loop, to, 4, NULL, on_event, &w.out);
    run(&w);
    struct ip peer = conn_peer(w.out.conn);
    CHECK(ip_eq(&peer, &w.at));
    CHECK(loop_now_ms(w.loop) - before < 700); /* failures do not wait for the step */
    CHECK_Z(span_z(conn_why(w.out.conn)), "");
    world_done(&w);
}

/* The first address says nothing at all (its backlog is full): the second starts 250 ms later. */
TEST(conn_race_does_not_wait_for_silence)
{
    struct world w, deaf;
    world_init(&w);
    world_init(&deaf);
    listener_pause(deaf.listener, true);
    listen(deaf.fd, 0);
    int full[3];
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_port = htons(deaf.at.port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(full[i], (struct sockaddr *)&a, sizeof a);
    }
    struct ip to[2] = { deaf.at, w.at };
    w.out.stop_when = "O";
    int64_t before = loop_now_ms(w.loop);
    w.out.conn = conn_connect(w.loop, to, 2, NULL, on_event, &w.out);
    run(&w);
    struct ip peer = conn_peer(w.out.conn);
    CHECK(ip_eq(&peer, &w.at));
    int64_t took = loop_now_ms(w.loop) - before;
    CHECK(took >= 240 && took < 10000);
    for (int i = 0; i < 3; i++)
        close(full[i]);
    world_done(&deaf);
    world_done(&w);
}

TEST(conn_all_refused)
{
    struct world w;
    world_init(&w);
    struct ip to[2] = { closed_port(), closed_port() };
    w.out.stop_when = "C";
    w.out.conn = conn_connect(w.loop, to, 2, NULL, on_event, &w.out);
    CHECK_Z(span_z(w.out.log), ""); /* never inside the call */
    run(&w);
    CHECK_Z(span_z(w.out.log), "C");
    CHECK(!w.out.clean);
    char want[100], at[IP_TEXT_MAX];
    snprintf(want, sizeof want, "connect to %s: Connection refused", ip_port_text(&to[1], at));
    CHECK_Z(span_z(w.out.why), want);
    world_done(&w);
}

TEST(conn_freed_while_racing)
{
    struct world w;
    world_init(&w);
    struct ip to[2] = { closed_port(), w.at };
    w.out.conn = conn_connect(w.loop, to, 2, &w.at, on_event, &w.out);
    conn_free(w.out.conn);
    w.out.conn = conn_connect(w.loop, to, 1, NULL, on_event, &w.out);
    conn_finish(w.out.conn, 1000);
    w.out.conn = NULL;
    run_for(&w, 20);
    CHECK_Z(span_z(w.out.log), "");
    world_done(&w);
}

TEST(conn_unix_sockets)
{
    struct world w;
    world_init(&w);
    w.out.stop_when = "C";
    w.out.conn = conn_connect_unix(w.loop, SPAN("/nonexistent/x"), on_event, &w.out);
    run(&w);
    CHECK_Z(span_z(w.out.log), "C");
    conn_free(w.out.conn);

    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/postern-test-conn-%d", (int)getpid());
    unlink(a.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0);
    w.out.stop_when = "D";
    w.out.log[0] = w.out.log[1] = '\0';
    buf_put(&w.out.todo, SPAN("hello"));
    w.out.conn = conn_connect_unix(w.loop, span_z(a.sun_path), on_event, &w.out);
    run(&w);
    CHECK_Z(span_z(w.out.log), "OD");
    CHECK_NUM(conn_peer(w.out.conn).family, IP_UNIX);
    close(fd);
    unlink(a.sun_path);
    world_done(&w);
}

/* --- TLS --- */

TEST(conn_starttls_after_plain_words)
{
    struct world w;
    world_init(&w);
    world_tls(&w);
    w.in.stop_when = "I";
    w.out.stop_when = "never";
    buf_put(&w.out.todo, SPAN("STARTTLS\r\n"));
    connect_out(&w);
    run(&w);
    buf_put(&w.in.todo, SPAN("220 go\r\n"));
    w.in.tls_after_220 = true;
    w.in.stop_when = NULL;
    w.out.stop_at_bytes = 8;
    send_todo(&w.in);
    run(&w);
    CHECK_SPAN(buf_span(&w.out.got), SPAN("220 go\r\n"));
    buf_put(&w.out.todo, SPAN("EHLO\r\n")); /* leaves with the last flight */
    w.out.stop_at_bytes = 0;
    start_tls(&w.out);
    CHECK(conn_tls(w.out.conn) == NULL);
    w.in.stop_at_bytes = 16;
    run(&w);
    CHECK_SPAN(buf_span(&w.in.got), SPAN("STARTTLS\r\nEHLO\r\n"));
    CHECK_Z(conn_tls(w.in.conn)->version, "TLSv1.3");
    CHECK_Z(span_z(w.in.log), "IDUID"); /* told of TLS before the bytes behind it */
    world_done(&w);
}

TEST(conn_tls_failure_has_words_and_an_alert)
{
    struct world w;
    world_init(&w);
    world_tls(&w);
    w.in.tls_at_open = true;
    w.in.stop_when = "F";
    w.in.finish_at[CONN_TLS_FAILED] = true;
    int fd = bare_connect(&w);
    CHECK(send(fd, "\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff", 10, 0) == 10);
    run(&w);
    CHECK_Z(span_z(w.in.log), "F");
    CHECK(w.in.why[0] != '\0');
    run_for(&w, 20);
    char text[100];
    CHECK(recv(fd, text, sizeof text, 0) > 0 && text[0] == SSL3_RT_ALERT);
    close(fd);
    world_done(&w);
}

TEST(conn_tls_failure_when_the_peer_leaves)
{
    struct world w;
    world_init(&w);
    world_tls(&w);
    w.in.tls_at_open = true;
    w.in.stop_when = "F";
    close(bare_connect(&w));
    run(&w);
    CHECK_Z(span_z(w.in.why), "the peer closed the connection during the TLS handshake");
    world_done(&w);
}

static void end_of_tls(bool notify, bool want_clean, const char *why)
{
    struct world w;
    world_init(&w);
    world_tls(&w);
    w.in.tls_at_open = w.out.tls_at_open = true;
    buf_put(&w.out.todo, SPAN("half a bo"));
    w.in.stop_at_bytes = 9;
    connect_out(&w);
    run(&w);
    run_for(&w, 20); /* the ticket is read, so that a close is no reset */
    w.in.stop_at_bytes = 0;
    w.in.stop_when = "C";
    if (notify)
        conn_finish(w.out.conn, 1000);
    else
        conn_free(w.out.conn);
    w.out.conn = NULL;
    run(&w);
    CHECK_NUM(w.in.clean, want_clean);
    CHECK_Z(span_z(w.in.why), why);
    CHECK_SPAN(buf_span(&w.in.got), SPAN("half a bo"));
    world_done(&w);
}

/* T-06: the flags tell a stream that was ended from one that was cut off. */
TEST(t06_fin_without_close_notify_is_not_clean)
{
    end_of_tls(true, true, "the peer ended TLS");
    end_of_tls(false, false, "the connection ended without TLS close_notify");
}

/* --- figures, printed and not judged --- */

struct idle {
    struct loop *loop;
    struct listener *listener;
    struct conn *in[500];
    int n_in;
};

static void idle_event(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    (void)arg, (void)c, (void)ev, (void)in;
}

static void idle_accept(void *arg)
{
    struct idle *d = arg;
    struct sock *s;
    while (listener_accept(d->listener, NULL, NULL, &s) == ERR_OK)
        d->in[d->n_in++] = conn_accepted(d->loop, s, idle_event, d);
    if (d->n_in == 400)
        loop_stop(d->loop);
}

TEST(conn_figures)
{
    struct world w;
    world_init(&w);
    listener_free(w.listener);
    w.listener = NULL;
    static struct idle d;
    d = (struct idle){ .loop = w.loop };
    d.listener = listener_new(w.loop, w.fd, idle_accept, &d);
    int fd[400];
    for (int i = 0; i < 400; i++)
        fd[i] = bare_connect(&w);
    size_t before = mallinfo2().uordblks;
    run(&w);
    printf("  idle: %zu bytes a connection without TLS\n", (mallinfo2().uordblks - before) / 400);
    for (int i = 0; i < 400; i++) {
        close(fd[i]);
        conn_free(d.in[i]);
    }
    listener_free(d.listener);
    world_done(&w);
}
