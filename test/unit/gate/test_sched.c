/* The scheduler over the real loop: what must hold without any peer. */
#include "gate/sched.h"

#include "gate/maildrop.h"
#include "test/test.h"

#include <stdio.h>

enum { DEADLINE_MS = 20 * 1000, LEASE_MS = 60 * 1000, FILES_BATCH = 4, POLL_MS = 10 };

struct stage {
    struct worker w;
    struct stats_row row;
    struct timer poll;
    int64_t late_ms;
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

static struct config *config_new(void)
{
    static char text[] = "hostname = \"mx.example.org\"\n"
                         "domain \"example.org\" { maildir = \"/nowhere/at/all/{local}\" }\n"
                         "sessions { initial = 40, max = 40 }\n";
    struct config_boot boot = { 0 };
    struct config_source source = { read_text, match_none, text };
    struct config *c = NULL;
    struct why why = { "" };
    if (config_load(SPAN("/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return c;
}

static void stage_begin(struct stage *s)
{
    *s = (struct stage){ 0 };
    s->w.loop = loop_new();
    s->w.config = config_new();
    s->w.n_workers = 1;
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.store[0] = store_new(s->w.loop, store_mem_open(0), 0);
    s->w.n_store = 1;
    s->w.files = work_new(s->w.loop, "files", FILES_BATCH, maildrop_run, maildrop_finish, &s->w);
    s->w.sched = sched_new(&s->w);
    s->late_ms = loop_now_ms(s->w.loop) + DEADLINE_MS;
}

static void stage_end(struct stage *s)
{
    work_free(s->w.files);
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    config_unref(s->w.config);
    loop_free(s->w.loop);
}

static void count_jobs(void *arg, const struct dest *d)
{
    *(unsigned *)arg += d->n_jobs;
}

static unsigned jobs_left(const struct stage *s)
{
    unsigned n = 0;
    sched_each(s->w.sched, count_jobs, &n);
    return n;
}

static void poll_jobs(void *arg)
{
    struct stage *s = arg;
    int64_t now = loop_now_ms(s->w.loop);
    if (jobs_left(s) == 0 || now > s->late_ms)
        loop_stop(s->w.loop);
    else
        timer_set(&s->poll, now + POLL_MS);
}

static void run_until_done(struct stage *s)
{
    timer_init(&s->poll, s->w.loop, poll_jobs, s);
    timer_set(&s->poll, loop_now_ms(s->w.loop) + POLL_MS);
    loop_run(s->w.loop);
    CHECK_NUM(jobs_left(s), 0);
}

/* A mail for one recipient that nobody stored: its results are refused as stale, and that is all.
 */
static void mail_comes(struct stage *s)
{
    struct rcpt rcpt = { .addr = SPAN("a@example.org"), .domain = SPAN("example.org") };
    struct envelope e = { .accepted_ms = loop_wall_ms(s->w.loop), .rcpt = &rcpt, .n_rcpt = 1 };
    struct body *body = body_new();
    body_append(body, SPAN("Subject: a\r\n\r\n"));
    e.id = store_new_id(s->w.store[0], e.accepted_ms);
    e.size = body->n;
    sched_fresh(s->w.sched, mail_new(&s->w, s->w.store[0], &e, body), 1, e.accepted_ms + LEASE_MS);
    body_unref(body);
}

/* More mail at once than the file thread is handed, in a window that is wider than that. */
TEST(maildir_takes_more_mail_than_hands)
{
    enum { MAILS = 60 };
    struct stage s;
    stage_begin(&s);
    for (unsigned i = 0; i < MAILS; i++)
        mail_comes(&s);
    CHECK_NUM(jobs_left(&s), MAILS);
    run_until_done(&s);
    CHECK_NUM(s.row.value[STAT_LEASES_LOST], MAILS);
    CHECK_NUM(s.row.value[STAT_ACTIVE], 0);
    stage_end(&s);
}

static void count_sessions(void *arg, const struct dest *d)
{
    *(unsigned *)arg += d->n_sessions;
}

/* A body that is not in memory is loaded whole for a Maildir: not sixteen of them when the worker
 * holds more than it should already. */
TEST(maildir_loads_bodies_one_by_one_when_memory_is_short)
{
    enum { MAILS = 5 };
    struct stage s;
    unsigned sessions = 0;
    stage_begin(&s);
    uint64_t full = s.w.body_memory = s.w.config->limits.body_memory_bytes + 1;
    for (unsigned i = 0; i < MAILS; i++)
        mail_comes(&s);
    sched_each(s.w.sched, count_sessions, &sessions);
    CHECK_NUM(sessions, 1);
    CHECK(s.w.body_memory > full);
    run_until_done(&s);
    CHECK_NUM(s.row.value[STAT_LEASES_LOST], MAILS);
    CHECK_NUM(s.w.body_memory, full);
    stage_end(&s);
}
