/* Sessions over the real loop: a peer on a unix socket that speaks LMTP from a script, a store in
 * memory, one mail. What is tested is what happens when the peer does not do its part. */
#include "gate/sched.h"
#include "io/conn.h"
#include "sys/listen.h"
#include "test/test.h"

#include <stdio.h>
#include <unistd.h>

enum { DEADLINE_MS = 20 * 1000, POLL_MS = 10, HEARD_MAX = 4096, PATH_BYTES = 64 };

/* What the peer answers to a line that begins so. */
struct line {
    const char *heard, *said;
};

struct stage {
    struct worker w;
    struct stats_row row;
    struct listener *listener;
    struct conn *conn; /* the one that was accepted last */
    unsigned n_conn;
    const struct line *script;
    struct buf heard; /* all lines of all connections */
    struct timer poll;
    int64_t late_ms;
    char path[PATH_BYTES], text[512];
};

static enum err read_text(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)path, (void)why;
    return buf_append(ret, span_z(arg));
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static struct config *config_new(struct stage *s)
{
    (void)snprintf(s->text, sizeof s->text,
                   "hostname = \"mx.example.org\"\n"
                   "domain \"example.org\" { lmtp = \"unix:%s\" }\n"
                   "limits { out_handshake = \"200ms\", out_idle = \"0s\" }\n",
                   s->path);
    struct config_boot boot = { 0 };
    struct config_source source = { read_text, match_none, s->text };
    struct config *c = NULL;
    struct why why = { "" };
    if (config_load(SPAN("/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return c;
}

/* --- the peer --- */

static void peer_say(struct conn *c, const char *text)
{
    CHECK_NUM(conn_write(c, span_z(text)), strlen(text));
}

static void peer_answer(struct stage *s, struct conn *c, struct span line)
{
    for (const struct line *l = s->script; l->heard; l++) {
        if (span_starts(line, span_z(l->heard))) {
            peer_say(c, l->said);
            return;
        }
    }
}

static void peer_event(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct stage *s = arg;
    if (ev == CONN_CLOSED) {
        conn_free(c);
        s->conn = s->conn == c ? NULL : s->conn;
        return;
    }
    while (ev == CONN_INPUT && in->n > 0) {
        struct span line = span_cut(in, '\n');
        buf_put(&s->heard, line);
        buf_put(&s->heard, SPAN("\n"));
        peer_answer(s, c, line);
    }
}

static void peer_unowned(void *arg, unsigned events)
{
    (void)arg, (void)events;
}

static void peer_accept(void *arg)
{
    struct stage *s = arg;
    struct sock *sock;
    if (listener_accept(s->listener, peer_unowned, NULL, &sock) != ERR_OK)
        return;
    conn_free(s->conn);
    s->conn = conn_accepted(s->w.loop, sock, peer_event, s);
    s->n_conn++;
    peer_say(s->conn, "220 peer\r\n");
}

static bool heard(const struct stage *s, const char *line)
{
    struct span rest = buf_span(&s->heard);
    while (rest.n > 0)
        if (span_starts(span_cut(&rest, '\n'), span_z(line)))
            return true;
    return false;
}

/* --- the stage --- */

static void stage_begin(struct stage *s, const struct line *script)
{
    int fd;
    struct why why = { "" };
    *s = (struct stage){ .script = script };
    (void)snprintf(s->path, sizeof s->path, "/tmp/test_delivery.%d", (int)getpid());
    CHECK_NUM(listen_unix(s->path, 0600, &fd, &why), ERR_OK);
    s->w.loop = loop_new();
    s->w.config = config_new(s);
    s->w.n_workers = 1;
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.store[0] = store_new(s->w.loop, store_mem_open(0), 0);
    s->w.n_store = 1;
    s->w.sched = sched_new(&s->w);
    s->listener = listener_new(s->w.loop, fd, peer_accept, s);
    s->late_ms = loop_now_ms(s->w.loop) + DEADLINE_MS;
    buf_init(&s->heard, HEARD_MAX);
}

static void stage_end(struct stage *s)
{
    conn_free(s->conn);
    listener_free(s->listener);
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    config_unref(s->w.config);
    loop_free(s->w.loop);
    buf_done(&s->heard);
    unlink(s->path);
}

static void count_work(void *arg, const struct dest *d)
{
    *(unsigned *)arg += d->n_jobs + d->n_sessions;
}

static void poll_work(void *arg)
{
    struct stage *s = arg;
    unsigned left = 0;
    int64_t now = loop_now_ms(s->w.loop);
    sched_each(s->w.sched, count_work, &left);
    if (left == 0 || now > s->late_ms)
        loop_stop(s->w.loop);
    else
        timer_set(&s->poll, now + POLL_MS);
}

/* Until no job and no session is left. */
static void run_until_done(struct stage *s)
{
    unsigned left = 0;
    timer_init(&s->poll, s->w.loop, poll_work, s);
    timer_set(&s->poll, loop_now_ms(s->w.loop) + POLL_MS);
    loop_run(s->w.loop);
    sched_each(s->w.sched, count_work, &left);
    CHECK_NUM(left, 0);
}

/* A mail for one recipient that no store has. */
static void mail_comes(struct stage *s)
{
    enum { LEASE_MS = 60 * 1000 };
    struct rcpt rcpt = { .addr = SPAN("a@example.org"), .domain = SPAN("example.org") };
    struct envelope e = { .accepted_ms = loop_wall_ms(s->w.loop), .rcpt = &rcpt, .n_rcpt = 1 };
    struct body *body = body_new();
    body_append(body, SPAN("Subject: a\r\n\r\n"));
    e.id = store_new_id(s->w.store[0], e.accepted_ms);
    e.size = body->n;
    sched_fresh(s->w.sched, mail_new(&s->w, s->w.store[0], &e, body), 1, e.accepted_ms + LEASE_MS);
    body_unref(body);
}

/* --- what must hold --- */

/* The peer agrees to TLS and then says nothing: `out_handshake` ends that, and it is a failure of
 * TLS like any other. */
TEST(t07_silent_handshake_is_a_failed_one)
{
    static const struct line script[] = {
        { "LHLO", "250-peer\r\n250 STARTTLS\r\n" },
        { "STARTTLS", "220 go\r\n" },
        { "MAIL", "250 ok\r\n" },
        { "RCPT", "250 ok\r\n" },
        { "DATA", "354 go\r\n" },
        { ".\r", "250 taken\r\n" },
        { "QUIT", "221 bye\r\n" },
        { NULL, NULL },
    };
    struct stage s;
    stage_begin(&s, script);
    int64_t before = loop_now_ms(s.w.loop);
    mail_comes(&s);
    run_until_done(&s);
    CHECK(loop_now_ms(s.w.loop) - before < DEADLINE_MS / 2);
    CHECK_NUM(s.row.value[STAT_TLS_OUT_FAILED], 1);
    CHECK_NUM(s.row.value[STAT_PLAINTEXT_AFTER_TLS_FAILED], 1);
    CHECK_NUM(s.row.value[STAT_SESSIONS_OUT_OPEN], 0);
    CHECK_NUM(s.n_conn, 2);
    CHECK(heard(&s, "MAIL FROM:"));
    stage_end(&s);
}
