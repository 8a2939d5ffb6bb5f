#include "io/loop.h"
#include "test/test.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A listening socket on a free port of 127.0.0.1. */
static int listen_any(struct ip *ret)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 100) == 0);
    socklen_t n = sizeof a;
    CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    CHECK(ip_parse(SPAN("127.0.0.1"), ret) == ERR_OK);
    ret->port = ntohs(a.sin_port);
    return fd;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run_for(struct loop *l, int64_t ms)
{
    struct timer end;
    timer_init(&end, l, stop, l);
    timer_set(&end, loop_now_ms(l) + ms);
    loop_run(l);
    timer_stop(&end);
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- timers and deferred calls --- */

struct note {
    struct buf *text;
    char c;
};

static void write_note(void *arg)
{
    struct note *n = arg;
    buf_putf(n->text, "%c", n->c);
}

TEST(loop_timers_run_in_order)
{
    struct loop *l = loop_new();
    struct buf text;
    buf_init(&text, 100);
    struct note notes[4] = { { &text, 'a' }, { &text, 'b' }, { &text, 'c' }, { &text, 'd' } };
    struct timer t[4];
    for (int i = 0; i < 4; i++)
        timer_init(&t[i], l, write_note, &notes[i]);
    int64_t now = loop_now_ms(l);
    timer_set(&t[0], now + 20);
    timer_set(&t[1], now + 5);
    timer_set(&t[2], now + 5);
    timer_set(&t[3], now + 5);
    timer_stop(&t[3]);
    run_for(l, 40);
    CHECK_SPAN(buf_span(&text), SPAN("bca"));
    CHECK(!timer_armed(&t[0]));
    buf_done(&text);
    loop_free(l);
}

struct again {
    struct loop *loop;
    struct timer timer;
    struct defer defer;
    int n;
};

static void set_again(void *arg)
{
    struct again *a = arg;
    if (++a->n < 1000)
        timer_set(&a->timer, 0);
}

TEST(loop_timer_that_sets_itself_lets_others_run)
{
    struct loop *l = loop_new();
    struct again a = { .loop = l };
    timer_init(&a.timer, l, set_again, &a);
    timer_set(&a.timer, 0);
    struct timer end;
    timer_init(&end, l, stop, l);
    timer_set(&end, loop_now_ms(l));
    loop_run(l);
    CHECK_NUM(a.n, 1);
    timer_stop(&a.timer);
    loop_free(l);
}

static void defer_again(void *arg)
{
    struct again *a = arg;
    if (++a->n == 100)
        loop_stop(a->loop);
    defer_call(&a->defer);
}

TEST(loop_deferred_calls_run_once_a_set_and_may_set_themselves)
{
    struct loop *l = loop_new();
    struct buf text;
    buf_init(&text, 100);
    struct note na = { &text, 'a' }, nb = { &text, 'b' };
    struct defer a, b;
    defer_init(&a, l, write_note, &na);
    defer_init(&b, l, write_note, &nb);
    defer_call(&a);
    defer_call(&b);
    defer_call(&a);
    run_for(l, 1);
    CHECK_SPAN(buf_span(&text), SPAN("ab"));
    defer_call(&a);
    defer_cancel(&a);
    run_for(l, 1);
    CHECK_SPAN(buf_span(&text), SPAN("ab"));
    buf_done(&text);

    struct again g = { .loop = l };
    defer_init(&g.defer, l, defer_again, &g);
    defer_call(&g.defer);
    loop_run(l);
    CHECK(g.n >= 100);
    defer_cancel(&g.defer);
    loop_free(l);
}

TEST(loop_clocks_and_random)
{
    struct loop *l = loop_new();
    CHECK(loop_wall_ms(l) > INT64_C(1600000000000));
    int64_t diff = wall_ms_now() - loop_wall_ms(l);
    CHECK(diff > -1000 && diff < 1000);
    char a[300], b[300];
    loop_random(l, a, sizeof a);
    loop_random(l, b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    CHECK(loop_scratch(l, 0) != loop_scratch(l, 1));
    memset(loop_scratch(l, 1), 'x', LOOP_SCRATCH);
    loop_free(l);
}

/* --- sockets --- */

struct net {
    struct loop *loop;
    struct listener *listener;
    struct sock *out, *in[200];
    unsigned n_in, accepted_calls, full, events, stop_at;
    struct buf got;
    bool ended, leave_unread;
};

static void in_event(void *arg, unsigned events)
{
    struct net *n = arg;
    n->events++;
    char text[100];
    size_t got = 0;
    if (!(events & SOCK_READABLE) || n->leave_unread)
        return;
    enum err e = sock_recv(n->in[0], text, sizeof text, &got);
    if (e == ERR_OK)
        buf_put(&n->got, span_of(text, got));
    if (e == ERR_CLOSED || e == ERR_IO) {
        n->ended = true;
        sock_want(n->in[0], 0);
        loop_stop(n->loop);
    }
}

static void accept_event(void *arg)
{
    struct net *n = arg;
    n->accepted_calls++;
    struct sock *s;
    enum err e;
    while ((e = listener_accept(n->listener, in_event, n, &s)) == ERR_OK) {
        sock_want(s, SOCK_READABLE);
        n->in[n->n_in++] = s;
    }
    n->full += e == ERR_FULL;
    if (n->stop_at && n->n_in >= n->stop_at)
        loop_stop(n->loop);
}

static void out_event(void *arg, unsigned events)
{
    struct net *n = arg;
    const char *text = "";
    CHECK(events & SOCK_WRITABLE);
    CHECK(sock_connected(n->out, &text) == ERR_OK);
    size_t sent = 0;
    CHECK(sock_send(n->out, SPAN("hello"), &sent) == ERR_OK && sent == 5);
    sock_shutdown(n->out);
    sock_want(n->out, 0);
}

TEST(loop_connects_accepts_and_carries_bytes)
{
    struct net n = { .loop = loop_new() };
    buf_init(&n.got, 1000);
    struct ip to, local;
    int fd = listen_any(&to);
    CHECK(ip_parse(SPAN("127.0.0.9"), &local) == ERR_OK);
    n.listener = listener_new(n.loop, fd, accept_event, &n);
    CHECK(sock_connect(n.loop, &to, &local, out_event, &n, &n.out) == ERR_OK);
    const char *text = "";
    CHECK(sock_connected(n.out, &text) == ERR_AGAIN);
    loop_run(n.loop);
    CHECK_SPAN(buf_span(&n.got), SPAN("hello"));
    CHECK(n.ended);
    struct ip peer = sock_peer(n.in[0]), here = sock_local(n.in[0]), there = sock_local(n.out);
    CHECK(ip_same_host(&peer, &local) && ip_eq(&here, &to) && ip_eq(&there, &peer));
    /* The end of the stream is there all the time, and nobody wants it: no spinning. */
    int64_t before = cpu_us();
    run_for(n.loop, 100);
    CHECK(cpu_us() - before < 50 * 1000);
    sock_close(n.in[0]);
    sock_close(n.out);
    listener_free(n.listener);
    loop_free(n.loop);
    close(fd);
    buf_done(&n.got);
}

TEST(loop_unwanted_events_do_not_spin)
{
    struct net n = { .loop = loop_new(), .leave_unread = true, .stop_at = 1 };
    struct ip to;
    int fd = listen_any(&to);
    n.listener = listener_new(n.loop, fd, accept_event, &n);
    CHECK(sock_connect(n.loop, &to, NULL, out_event, &n, &n.out) == ERR_OK);
    loop_run(n.loop);
    sock_want(n.in[0], 0);
    int64_t before = cpu_us();
    run_for(n.loop, 100);
    CHECK(cpu_us() - before < 50 * 1000);
    CHECK_NUM(n.events, 0);
    buf_init(&n.got, 1000);
    n.leave_unread = false;
    sock_want(n.in[0], SOCK_READABLE); /* level-triggered: what came meanwhile is told now */
    loop_run(n.loop);
    CHECK_SPAN(buf_span(&n.got), SPAN("hello"));
    sock_close(n.in[0]);
    sock_close(n.out);
    listener_free(n.listener);
    loop_free(n.loop);
    close(fd);
    buf_done(&n.got);
}

static void refused_event(void *arg, unsigned events)
{
    struct net *n = arg;
    (void)events;
    n->events++;
    loop_stop(n->loop);
}

TEST(loop_refused_connection_has_words)
{
    struct net n = { .loop = loop_new() };
    struct ip to;
    close(listen_any(&to)); /* nobody listens there now */
    CHECK(sock_connect(n.loop, &to, NULL, refused_event, &n, &n.out) == ERR_OK);
    loop_run(n.loop);
    const char *text = "";
    CHECK(sock_connected(n.out, &text) == ERR_REFUSED);
    CHECK_Z(span_z(text), "Connection refused");
    sock_close(n.out);
    struct span nowhere = SPAN("/nonexistent/socket");
    CHECK(sock_connect_unix(n.loop, nowhere, refused_event, &n, &n.out) == ERR_REFUSED);
    loop_free(n.loop);
}

TEST(loop_unix_sockets)
{
    struct net n = { .loop = loop_new() };
    buf_init(&n.got, 1000);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/postern-test-loop-%d", (int)getpid());
    unlink(a.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 10) == 0);
    n.listener = listener_new(n.loop, fd, accept_event, &n);
    struct span path = span_z(a.sun_path);
    CHECK(sock_connect_unix(n.loop, path, out_event, &n, &n.out) == ERR_OK);
    loop_run(n.loop);
    CHECK_SPAN(buf_span(&n.got), SPAN("hello"));
    CHECK_NUM(sock_peer(n.in[0]).family, IP_UNIX);
    sock_close(n.in[0]);
    sock_close(n.out);
    listener_free(n.listener);
    loop_free(n.loop);
    close(fd);
    unlink(a.sun_path);
    buf_done(&n.got);
}

/* Many at once: a bounded number a turn, and none is lost. */
TEST(loop_accepts_many_in_turns)
{
    enum { MANY = 150 };
    struct net n = { .loop = loop_new(), .stop_at = MANY, .leave_unread = true };
    struct ip to;
    int fd = listen_any(&to);
    listen(fd, 2 * MANY);
    int out[MANY];
    for (int i = 0; i < MANY; i++) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_port = htons(to.port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        out[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(connect(out[i], (struct sockaddr *)&a, sizeof a) == 0);
    }
    n.listener = listener_new(n.loop, fd, accept_event, &n);
    loop_run(n.loop);
    CHECK_NUM(n.n_in, MANY);
    CHECK_NUM(n.accepted_calls, 3);
    for (int i = 0; i < MANY; i++) {
        close(out[i]);
        sock_close(n.in[i]);
    }
    listener_free(n.listener);
    loop_free(n.loop);
    close(fd);
}

/* T-54: out of descriptors the listener rests, and comes back by itself. */
TEST(t54_listener_rests_without_descriptors)
{
    struct net n = { .loop = loop_new(), .stop_at = 1 };
    struct ip to;
    int fd = listen_any(&to);
    n.listener = listener_new(n.loop, fd, accept_event, &n);
    CHECK(sock_connect(n.loop, &to, NULL, refused_event, &n, &n.out) == ERR_OK);
    loop_run(n.loop);
    sock_want(n.out, 0);
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &low);
    unsigned calls = n.accepted_calls;
    int64_t cpu = cpu_us();
    run_for(n.loop, 250);
    int64_t used = cpu_us() - cpu;
    setrlimit(RLIMIT_NOFILE, &before);
    if (n.n_in == 0) { /* else it was accepted in the very turn in which it connected */
        CHECK(n.full >= 1 && n.accepted_calls - calls <= 4);
        CHECK(used < 100 * 1000);
        loop_run(n.loop);
    }
    CHECK_NUM(n.n_in, 1);
    sock_close(n.in[0]);
    sock_close(n.out);
    listener_free(n.listener);
    loop_free(n.loop);
    close(fd);
}

TEST(loop_paused_listener_accepts_later)
{
    struct net n = { .loop = loop_new(), .stop_at = 1 };
    struct ip to;
    int fd = listen_any(&to);
    n.listener = listener_new(n.loop, fd, accept_event, &n);
    listener_pause(n.listener, true);
    CHECK(sock_connect(n.loop, &to, NULL, refused_event, &n, &n.out) == ERR_OK);
    loop_run(n.loop);
    sock_want(n.out, 0);
    run_for(n.loop, 20);
    CHECK_NUM(n.accepted_calls, 0);
    listener_pause(n.listener, false);
    loop_run(n.loop);
    CHECK_NUM(n.n_in, 1);
    sock_close(n.in[0]);
    sock_close(n.out);
    listener_free(n.listener);
    loop_free(n.loop);
    close(fd);
}

/* --- closing what is in the same batch of events --- */

struct two {
    struct loop *loop;
    struct watch *watch[2];
    int fd[2][2];
    int calls;
};

static void close_both(void *arg)
{
    struct two *t = arg;
    t->calls++;
    for (int i = 0; i < 2; i++) {
        watch_free(t->watch[i]);
        t->watch[i] = NULL;
    }
    loop_stop(t->loop);
}

TEST(loop_source_freed_in_the_batch_is_not_called)
{
    struct two t = { .loop = loop_new() };
    for (int i = 0; i < 2; i++) {
        CHECK(pipe(t.fd[i]) == 0);
        CHECK(write(t.fd[i][1], "x", 1) == 1);
        t.watch[i] = watch_new(t.loop, t.fd[i][0], close_both, &t);
    }
    loop_run(t.loop);
    CHECK_NUM(t.calls, 1);
    for (int i = 0; i < 2; i++) {
        close(t.fd[i][0]);
        close(t.fd[i][1]);
    }
    loop_free(t.loop);
}

/* --- wake-ups --- */

struct posts {
    struct loop *loop;
    struct wake *wake;
    pthread_mutex_t lock;
    int posted, seen;
};

enum { POSTS = 10000 };

static void *poster(void *arg)
{
    struct posts *p = arg;
    for (int i = 0; i < POSTS; i++) {
        pthread_mutex_lock(&p->lock);
        p->posted++;
        pthread_mutex_unlock(&p->lock);
        wake_post(p->wake);
    }
    return NULL;
}

static void woken(void *arg)
{
    struct posts *p = arg;
    pthread_mutex_lock(&p->lock);
    p->seen = p->posted;
    pthread_mutex_unlock(&p->lock);
    if (p->seen == POSTS)
        loop_stop(p->loop);
}

TEST(loop_wake_misses_no_post)
{
    struct posts p = { .loop = loop_new(), .lock = PTHREAD_MUTEX_INITIALIZER };
    p.wake = wake_new(p.loop, woken, &p);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, poster, &p) == 0);
    loop_run(p.loop);
    pthread_join(thread, NULL);
    CHECK_NUM(p.seen, POSTS);
    wake_free(p.wake);
    loop_free(p.loop);
}
