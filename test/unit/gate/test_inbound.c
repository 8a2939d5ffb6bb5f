/* Receiving over the real loop: clients on a unix socket, a store in memory that can be told to be
 * full. What is tested is what the core and the connection leave to inbound.c. */
#include "gate/inbound.h"

#include "base/log.h"
#include "gate/sched.h"
#include "io/conn.h"
#include "sys/listen.h"
#include "test/test.h"

#include <stdio.h>
#include <unistd.h>

enum { PEERS = 2, DEADLINE_MS = 20 * 1000, PATH_MAX_ = 64 };

struct peer {
    struct conn *conn;
    struct buf got; /* all that came since something was said */
    bool gone;
};

/* A store whose disk may be full, or hang. */
struct disk {
    struct store_backend backend; /* first */
    struct store_backend *inner;
    bool full, frozen;
};

struct stage {
    struct worker w;
    struct stats_row row;
    struct clients_part part;
    struct disk *disk;
    struct peer peer[PEERS];
    struct timer deadline;
    bool late;
    char path[PATH_MAX_];
};

static struct disk *disk_of(struct store_backend *b)
{
    return CONTAINER_OF(b, struct disk, backend);
}

static enum err disk_begin(struct store_backend *b)
{
    while (__atomic_load_n(&disk_of(b)->frozen, __ATOMIC_SEQ_CST))
        (void)usleep(1000);
    return disk_of(b)->inner->ops->begin(disk_of(b)->inner);
}

static enum err disk_apply(struct store_backend *b, struct store_op *op)
{
    bool fails = op->kind == STORE_PUT && __atomic_load_n(&disk_of(b)->full, __ATOMIC_SEQ_CST);
    return fails ? ERR_FULL : disk_of(b)->inner->ops->apply(disk_of(b)->inner, op);
}

static enum err disk_commit(struct store_backend *b)
{
    return disk_of(b)->inner->ops->commit(disk_of(b)->inner);
}

static void disk_rollback(struct store_backend *b)
{
    (void)b; /* the model undoes nothing; a refused PUT did nothing */
}

static uint64_t disk_last_id(struct store_backend *b)
{
    return disk_of(b)->inner->ops->last_id(disk_of(b)->inner);
}

static void disk_close(struct store_backend *b)
{
    disk_of(b)->inner->ops->close(disk_of(b)->inner);
    mem_free(disk_of(b));
}

static struct disk *disk_new(void)
{
    static const struct store_backend_ops ops = { disk_begin,    disk_apply,   disk_commit,
                                                  disk_rollback, disk_last_id, disk_close };
    struct disk *d = NEW(struct disk);
    d->backend.ops = &ops;
    d->inner = store_mem_open(0);
    return d;
}

static enum err read_text(void *arg, struct span path, struct buf *ret, struct why *why)
{
    struct buf file;
    (void)why;
    if (span_eq(path, SPAN("/postern.conf")))
        return buf_append(ret, span_z(arg));
    test_read_file(path.p + 1, &file);
    enum err e = buf_append(ret, buf_span(&file));
    buf_done(&file);
    return e;
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static struct config *config_new(void)
{
    static char text[] =
        "hostname = \"mx.example.org\"\n"
        "listen \"127.0.0.1:2525\" { tls = starttls }\n"
        "certificate { chain = \"/test/conf/ec.pem\", key = \"/test/conf/ec.key\" }\n"
        "domain \"example.org\" { maildir = \"/mail/{local}\" }\n"
        "limits { idle_commands = 100000, handshake = 200ms, commit = 300ms, data = 500ms,\n"
        "body_memory = 1M }\n";
    struct config_boot boot = { 0 };
    struct config_source source = { read_text, match_none, text };
    struct config *c = NULL;
    struct why why = { "" };
    if (config_load(SPAN("/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return c;
}

static void stage_late(void *arg)
{
    struct stage *s = arg;
    s->late = true;
    loop_stop(s->w.loop);
}

static void stage_begin(struct stage *s)
{
    int fd[WORKER_LISTENERS_MAX];
    struct why why = { "" };
    *s = (struct stage){ 0 };
    s->w.loop = loop_new();
    s->w.config = config_new();
    s->w.n_workers = 1;
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.clients = (struct clients){ .part = &s->part, .n = 1 };
    s->disk = disk_new();
    s->w.store[0] = store_new(s->w.loop, &s->disk->backend, 0);
    s->w.n_store = 1;
    s->w.sched = sched_new(&s->w);
    sched_stop(s->w.sched); /* it delivers nothing */
    (void)snprintf(s->path, sizeof s->path, "/tmp/test_inbound.%d", (int)getpid());
    CHECK_NUM(listen_unix(s->path, 0600, &fd[0], &why), ERR_OK);
    s->w.inbound = inbound_new(&s->w, fd);
    timer_init(&s->deadline, s->w.loop, stage_late, s);
    timer_set(&s->deadline, loop_now_ms(s->w.loop) + DEADLINE_MS);
}

static void stage_end(struct stage *s)
{
    for (unsigned i = 0; i < PEERS; i++) {
        conn_free(s->peer[i].conn);
        buf_done(&s->peer[i].got);
    }
    timer_stop(&s->deadline);
    inbound_free(s->w.inbound);
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    conn_close_finishing(s->w.loop);
    config_unref(s->w.config);
    loop_free(s->w.loop);
    unlink(s->path);
}

/* --- clients on the same loop --- */

static void peer_event(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct stage *s = arg;
    struct peer *p = s->peer[0].conn == conn ? &s->peer[0] : &s->peer[1];
    if (ev == CONN_INPUT) {
        buf_put(&p->got, *in);
        *in = span_tail(*in, in->n);
    }
    p->gone = p->gone || ev == CONN_CLOSED;
    if (ev == CONN_INPUT || p->gone)
        loop_stop(s->w.loop);
}

/* All but its CRLF; empty when the last line is not whole. */
static struct span last_line(const struct peer *p)
{
    struct span all = buf_span(&p->got);
    if (all.n < 2 || all.p[all.n - 1] != '\n')
        return SPAN_NONE;
    all = span_head(all, all.n - 2);
    size_t before = span_rfind(all, '\n');
    return before < all.n ? span_tail(all, before + 1) : all;
}

/* Waits for a last line that begins so. */
static void expect(struct stage *s, unsigned i, const char *begin)
{
    struct peer *p = &s->peer[i];
    while (!s->late && !p->gone && !span_starts(last_line(p), span_z(begin)))
        loop_run(s->w.loop);
    struct span line = last_line(p);
    CHECK_SPAN(span_head(line, line.n < strlen(begin) ? line.n : strlen(begin)), span_z(begin));
}

static void say(struct stage *s, unsigned i, struct span text)
{
    buf_clear(&s->peer[i].got);
    CHECK_NUM(conn_write(s->peer[i].conn, text), text.n);
}

static void talk(struct stage *s, unsigned i, const char *text, const char *begin)
{
    say(s, i, span_z(text));
    expect(s, i, begin);
}

static void peer_begin(struct stage *s, unsigned i)
{
    buf_init(&s->peer[i].got, 4 * 1024 * 1024);
    s->peer[i].conn = conn_connect_unix(s->w.loop, span_z(s->path), peer_event, s);
    expect(s, i, "220 ");
    talk(s, i, "EHLO a\r\n", "250 ");
}

static void wait_over(void *arg)
{
    loop_stop(arg);
}

static void wait_ms(struct stage *s, int64_t ms)
{
    struct timer t;
    timer_init(&t, s->w.loop, wait_over, s->w.loop);
    timer_set(&t, loop_now_ms(s->w.loop) + ms);
    while (timer_armed(&t))
        loop_run(s->w.loop);
}

/* --- what must hold --- */

TEST(t54_full_disk_at_data_leaves_no_mail_behind)
{
    enum { REST_MS = 2100 };
    struct stage s;
    stage_begin(&s);
    peer_begin(&s, 0);
    peer_begin(&s, 1);
    talk(&s, 1, "MAIL FROM:<b@example.net>\r\n", "250 2.1.0");
    talk(&s, 1, "RCPT TO:<b@example.org>\r\n", "250 2.1.5");

    __atomic_store_n(&s.disk->full, true, __ATOMIC_SEQ_CST);
    talk(&s, 0, "MAIL FROM:<a@example.net>\r\n", "250 2.1.0");
    talk(&s, 0, "RCPT TO:<a@example.org>\r\n", "250 2.1.5");
    talk(&s, 0, "DATA\r\n", "354");
    talk(&s, 0, "Subject: a\r\n\r\na\r\n.\r\n", "452 4.3.1");
    __atomic_store_n(&s.disk->full, false, __ATOMIC_SEQ_CST);

    talk(&s, 1, "DATA\r\n", "452 4.3.1");
    wait_ms(&s, REST_MS);
    talk(&s, 1, "MAIL FROM:<c@example.net>\r\n", "250 2.1.0");
    talk(&s, 1, "RCPT TO:<b@example.org>\r\n", "250 2.1.5");
    talk(&s, 1, "DATA\r\n", "354");
    talk(&s, 1, "Subject: b\r\n\r\nb\r\n.\r\n", "250 2.0.0 Queued");
    stage_end(&s);
}

/* The client asks for so many words at once that our 220 to STARTTLS does not fit behind them. */
TEST(t01_starttls_waits_for_all_that_was_said_before)
{
    struct stage s;
    struct buf flood;
    stage_begin(&s);
    peer_begin(&s, 0);
    size_t reply = s.peer[0].got.n; /* to EHLO */
    buf_init(&flood, 256 * 1024);
    for (size_t n = 0; n < CONN_OUT_MAX + 2048; n += reply)
        buf_put(&flood, SPAN("EHLO a\r\n"));
    buf_put(&flood, SPAN("STARTTLS\r\n"));
    say(&s, 0, buf_span(&flood));
    expect(&s, 0, "220 2.0.0 Go ahead");
    wait_ms(&s, 400); /* past the end of the handshake that never came */
    CHECK(s.peer[0].gone);
    buf_done(&flood);
    stage_end(&s);
}

/* --- a disk that hangs --- */

static void freeze(struct stage *s, bool frozen)
{
    __atomic_store_n(&s->disk->frozen, frozen, __ATOMIC_SEQ_CST);
}

static void totals_known(struct store_op *op)
{
    struct stage *s = op->arg;
    loop_stop(s->w.loop);
}

static struct store_totals totals(struct stage *s)
{
    struct store_op op;
    store_op_init(&op, STORE_COUNT, totals_known, s);
    op.result = ERR_AGAIN;
    store_submit(s->w.store[0], &op);
    while (store_pending(s->w.store[0]) > 0)
        loop_run(s->w.loop);
    struct store_totals ret = op.totals;
    CHECK_NUM(op.result, ERR_OK);
    store_op_done(&op);
    return ret;
}

/* = RFC 5321 6.1: the client is told to come again before its own patience ends; what the disk
 * takes when it is back is a second copy at worst, and never lost. */
TEST(a_commit_that_hangs_ends_the_session_and_keeps_the_mail)
{
    struct stage s;
    stage_begin(&s);
    peer_begin(&s, 0);
    talk(&s, 0, "MAIL FROM:<a@example.net>\r\n", "250 2.1.0");
    talk(&s, 0, "RCPT TO:<a@example.org>\r\n", "250 2.1.5");
    talk(&s, 0, "DATA\r\n", "354");
    freeze(&s, true);
    talk(&s, 0, "Subject: a\r\n\r\na\r\n.\r\nNOOP\r\n", "421 4.3.0");
    while (!s.late && !s.peer[0].gone)
        loop_run(s.w.loop);
    CHECK(span_find(buf_span(&s.peer[0].got), '\n') == s.peer[0].got.n - 1); /* one line */
    CHECK_NUM(stats_sum(&s.w.stats, STAT_CONNECTIONS_OPEN), 0);
    CHECK_NUM(stats_sum(&s.w.stats, STAT_MAIL_IN), 0);

    freeze(&s, false);
    CHECK_NUM(totals(&s).messages, 1);
    CHECK_NUM(stats_sum(&s.w.stats, STAT_MAIL_IN), 1);
    stage_end(&s);
}

TEST(a_commit_that_hangs_after_its_client_left_is_nobodys_deadline)
{
    struct stage s;
    stage_begin(&s);
    peer_begin(&s, 0);
    talk(&s, 0, "MAIL FROM:<a@example.net>\r\n", "250 2.1.0");
    talk(&s, 0, "RCPT TO:<a@example.org>\r\n", "250 2.1.5");
    talk(&s, 0, "DATA\r\n", "354");
    freeze(&s, true);
    say(&s, 0, SPAN("Subject: a\r\n\r\na\r\n.\r\n"));
    wait_ms(&s, 50);
    conn_free(s.peer[0].conn);
    s.peer[0].conn = NULL;
    wait_ms(&s, 400);
    CHECK_NUM(stats_sum(&s.w.stats, STAT_CONNECTIONS_OPEN), 0);
    freeze(&s, false);
    CHECK_NUM(totals(&s).messages, 1);
    stage_end(&s);
}

/* The chunks that go ahead wait for the disk, the client for room, and its deadline holds all the
 * same. */
TEST(t14_a_body_that_waits_for_a_hanging_disk_has_its_deadline)
{
    enum { LINE = 1000, SENT_MAX = 8 * 1024 * 1024 };
    struct stage s;
    char line[LINE];
    memset(line, 'x', sizeof line);
    line[LINE - 2] = '\r';
    line[LINE - 1] = '\n';
    stage_begin(&s);
    peer_begin(&s, 0);
    talk(&s, 0, "MAIL FROM:<a@example.net>\r\n", "250 2.1.0");
    talk(&s, 0, "RCPT TO:<a@example.org>\r\n", "250 2.1.5");
    talk(&s, 0, "DATA\r\n", "354");
    freeze(&s, true);
    buf_clear(&s.peer[0].got);
    size_t at = 0;
    for (size_t sent = 0; sent < SENT_MAX && !s.peer[0].gone && !s.late;) {
        size_t n = conn_write(s.peer[0].conn, span_of(line + at, sizeof line - at));
        at = (at + n) % sizeof line;
        sent += n;
        if (n == 0)
            wait_ms(&s, 2);
    }
    CHECK(s.peer[0].gone && !s.late);
    CHECK_NUM(stats_sum(&s.w.stats, STAT_CONNECTIONS_OPEN), 0);
    freeze(&s, false);
    CHECK_NUM(totals(&s).messages, 0);
    CHECK_NUM(s.w.body_memory, 0);
    stage_end(&s);
}
