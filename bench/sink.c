/* sink.c - bench-sink: takes mail, forgets it, and counts. One thread, edge-triggered epoll.
 *
 * SIGUSR1 prints the counts as one line of JSON on stdout; so does the end, by SIGTERM or SIGINT.
 * Start at main; peer_run is what happens at a connection. */
#include "bench/lib/clock.h"
#include "bench/lib/intake.h"
#include "bench/lib/opt.h"
#include "bench/lib/wire.h"

#include "base/list.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, BACKLOG = 1024, READ_BYTES = 64 * 1024, LOG_BUFFER = 1024 * 1024 };

struct sink {
    int epoll_fd, listen_fd, signal_fd;
    bool over;
    SSL_CTX *tls;
    int64_t delay_ns;
    struct list peers, held, dead; /* each peer is in one; the held in order of their time */
    struct intake_rules rules;
    char bytes[READ_BYTES];
};

struct peer {
    struct sink *sink;
    struct list link;
    struct wire wire;
    struct intake intake;
    int64_t held_until_ns; /* 0: replies go out at once */
};

/* Freed at the end of the turn: events of this turn may still point to it. */
static void peer_close(struct peer *p)
{
    wire_close(&p->wire);
    list_remove(&p->link);
    list_push(&p->sink->dead, &p->link);
    p->sink->rules.ledger.n_open--;
}

static void peer_free(struct peer *p)
{
    wire_done(&p->wire);
    list_remove(&p->link);
    mem_free(p);
}

/* The reply to a message is held back; as all wait for the same time, the list stays in order. */
static void peer_hold(struct peer *p)
{
    p->held_until_ns = mono_ns() + p->sink->delay_ns;
    list_remove(&p->link);
    list_push(&p->sink->held, &p->link);
}

static enum err peer_shake(struct peer *p)
{
    struct ledger *l = &p->sink->rules.ledger;
    enum err e = wire_shake(&p->wire);
    if (e == ERR_REFUSED)
        l->n_shake_failed++;
    TRY(e);
    l->n_handshakes++;
    l->n_resumed += wire_resumed(&p->wire);
    intake_secured(&p->intake);
    return ERR_OK;
}

/* Sends what may be sent, then does what was to follow. ERR_CLOSED: it is over. */
static enum err peer_flush(struct peer *p)
{
    if (p->held_until_ns > 0)
        return ERR_OK;
    enum err e = wire_flush(&p->wire);
    if (e != ERR_OK)
        return e == ERR_AGAIN ? ERR_OK : e;
    if (p->intake.wants_close)
        return ERR_CLOSED;
    if (p->intake.wants_tls && !p->wire.ssl)
        wire_tls(&p->wire, p->sink->tls, true);
    return ERR_OK;
}

static enum err peer_step(struct peer *p)
{
    size_t n;
    if (p->wire.ssl && !p->wire.shaken)
        TRY(peer_shake(p));
    TRY(peer_flush(p));
    if (p->wire.ssl && !p->wire.shaken)
        return ERR_OK;
    TRY(wire_read(&p->wire, p->sink->bytes, READ_BYTES, &n));
    TRY(intake_feed(&p->intake, span_of(p->sink->bytes, n), &p->wire.out));
    if (p->intake.n_taken > 0 && p->sink->delay_ns > 0)
        peer_hold(p);
    p->intake.n_taken = 0;
    return peer_flush(p);
}

static void peer_run(struct peer *p)
{
    if (p->wire.fd < 0)
        return;
    enum err e;
    do
        e = peer_step(p);
    while (e == ERR_OK);
    if (e != ERR_AGAIN)
        peer_close(p);
}

static void sink_accept(struct sink *s)
{
    int fd;
    while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *p = NEW(struct peer);
        p->sink = s;
        wire_init(&p->wire);
        list_init(&p->link);
        list_push(&s->peers, &p->link);
        wire_take(&p->wire, fd);
        intake_init(&p->intake, &s->rules);
        intake_greet(&p->intake, &p->wire.out);
        s->rules.ledger.n_connections++;
        s->rules.ledger.n_open++;
        if (wire_watch(&p->wire, s->epoll_fd, p) != ERR_OK)
            peer_close(p);
    }
}

static void sink_signal(struct sink *s)
{
    struct signalfd_siginfo info;
    if (read(s->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGUSR1)
        ledger_print(&s->rules.ledger);
    else
        s->over = true;
}

/* Lets go the replies whose time has come; returns the ms until the next, or -1. */
static int sink_release(struct sink *s)
{
    LIST_EACH (m, &s->held) {
        struct peer *p = LIST_ENTRY(m, struct peer, link);
        int64_t left_ns = p->held_until_ns - mono_ns();
        if (left_ns > 0)
            return (int)(left_ns / 1000000) + 1;
        p->held_until_ns = 0;
        list_remove(m);
        list_push(&s->peers, m);
        peer_run(p);
    }
    return -1;
}

static void sink_bury(struct sink *s)
{
    LIST_EACH (m, &s->dead)
        peer_free(LIST_ENTRY(m, struct peer, link));
}

static void sink_turn(struct sink *s)
{
    struct epoll_event event[EVENTS_MAX];
    int wait_ms = sink_release(s);
    sink_bury(s);
    int n = epoll_wait(s->epoll_fd, event, EVENTS_MAX, wait_ms);
    for (int i = 0; i < n; i++) {
        void *who = event[i].data.ptr;
        if (who == &s->listen_fd)
            sink_accept(s);
        else if (who == &s->signal_fd)
            sink_signal(s);
        else
            peer_run(who);
    }
}

static void sink_watch(struct sink *s, int fd, void *owner)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = owner };
    if (fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
        bench_die("bench-sink: epoll");
}

static void sink_listen(struct sink *s, const char *where)
{
    struct sockaddr_in a;
    int on = 1;
    if (!where || addr_parse(where, &a) != ERR_OK)
        bench_die("bench-sink: --listen needs an address");
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s->listen_fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        listen(s->listen_fd, BACKLOG) != 0)
        bench_die("bench-sink: cannot listen on %s", where);
}

/* The three signals come as bytes. */
static int sink_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void sink_set_up(struct sink *s, int argc, char **argv)
{
    const char *where = NULL, *cert = NULL, *key = NULL, *log = NULL;
    uint64_t delay = 0, percent = 0;
    bool no_tickets = false;
    const struct opt table[] = {
        { "listen", OPT_TEXT, &where, "where to take mail: 127.0.0.1:2600" },
        { "tls", OPT_FLAG, &s->rules.tls, "offer STARTTLS" },
        { "plain", OPT_NO, &s->rules.tls, "do not offer it (the default)" },
        { "cert", OPT_TEXT, &cert, "certificate chain, PEM" },
        { "key", OPT_TEXT, &key, "its key, PEM" },
        { "no-tickets", OPT_FLAG, &no_tickets, "no session can be resumed" },
        { "chunking", OPT_SWITCH, &s->rules.chunking, "offer CHUNKING (off)" },
        { "log", OPT_TEXT, &log, "file: id, arrival in monotonic ns, bytes" },
        { "delay", OPT_NUM, &delay, "ms before the reply to a message (0)" },
        { "reject-rate", OPT_NUM, &percent, "percent of recipients that get 450 (0)" },
    };
    if (opt_read(argc, argv, table, COUNTOF(table)) != ERR_OK)
        exit(2);
    if (percent > 100)
        bench_die("bench-sink: --reject-rate is a percentage");
    if (s->rules.tls && (!cert || !key || tls_server_ctx(cert, key, &s->tls) != ERR_OK))
        bench_die("bench-sink: --tls needs a readable --cert and --key that belong together");
    if (s->tls && no_tickets) {
        SSL_CTX_set_options(s->tls, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(s->tls, 0);
    }
    s->rules.ledger.log = log ? fopen(log, "w") : NULL;
    if (log && !s->rules.ledger.log)
        bench_die("bench-sink: cannot write %s", log);
    if (log)
        setvbuf(s->rules.ledger.log, NULL, _IOFBF, LOG_BUFFER);
    s->delay_ns = (int64_t)delay * 1000000;
    s->rules.reject_percent = (unsigned)percent;
    sink_listen(s, where);
}

int main(int argc, char **argv)
{
    static struct sink s;
    s.rules.now_ns = mono_ns;
    rng_init(&s.rules.rng, 1);
    list_init(&s.peers);
    list_init(&s.held);
    list_init(&s.dead);
    s.signal_fd = sink_signals();
    sink_set_up(&s, argc, argv);
    files_max();
    s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sink_watch(&s, s.listen_fd, &s.listen_fd);
    sink_watch(&s, s.signal_fd, &s.signal_fd);

    while (!s.over)
        sink_turn(&s);

    LIST_EACH (m, &s.peers)
        peer_free(LIST_ENTRY(m, struct peer, link));
    LIST_EACH (m, &s.held)
        peer_free(LIST_ENTRY(m, struct peer, link));
    sink_bury(&s);
    ledger_print(&s.rules.ledger);
    if (s.rules.ledger.log)
        fclose(s.rules.ledger.log);
    SSL_CTX_free(s.tls);
    close(s.listen_fd);
    close(s.signal_fd);
    close(s.epoll_fd);
    return 0;
}
