/* The fetcher's life: start at fetcher_main, then turn. */
#include "fetcher/fetcher.h"

#include "base/log.h"
#include "fetcher/jobs.h"
#include "fetcher/wire.h"
#include "io/loop.h"
#include "sys/channel.h"
#include "sys/helper.h"
#include "sys/sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    EXIT_WELL = 0,
    EXIT_BROKEN = 1,
    REPORT_MS = 60 * 1000,
    WAIT_MS = 1000,
    OWED_MS = 20,         /* a worker does not read its answers: tried again so soon */
    REQUESTS_A_TURN = 32, /* of one worker */
    BODIES_BYTES_MAX = 192 * 1024 * 1024,
};

struct fetcher {
    struct jobs jobs;
    struct exchanges *exchanges;
    int link[HELPER_LINKS_MAX]; /* by worker; -1: none */
    void *material;             /* mapped */
    size_t n_material;
    struct fetch_rules rules;
    uint64_t body_left;
    struct fetcher_request request;
    struct fetcher_answer answer;
    bool owed, gone;
    /* since the last line in the log */
    uint64_t n_done, n_failed, n_refused;
    int64_t report_at_ms;
};

static int fails(const char *what, const char *why)
{
    log_begin(LOG_ALARM, "fetcher.failed");
    log_z("what", what);
    log_z("why", why);
    log_end();
    log_flush();
    return EXIT_BROKEN;
}

static void close_all(const int *fd, unsigned n)
{
    while (n > 0)
        close(fd[--n]);
}

/* --- settings --- */

/* The descriptor is closed. Mappings of before stay: a reload is rare, they are small, and what is
 * under way points into them. */
static enum err take_settings(struct fetcher *f, int fd, struct why *why)
{
    size_t n = 0;
    struct fetch_rules rules;
    void *p = shared_map(fd, false, &n);
    close(fd);
    if (!p || fetcher_settings_read(span_of(p, n), &rules) != ERR_OK) {
        if (p)
            (void)munmap(p, n);
        why_set(why, "the settings from the supervisor cannot be read");
        return ERR_IO;
    }
    if (f->material && f->jobs.n == 0)
        (void)munmap(f->material, f->n_material);
    f->material = p;
    f->n_material = n;
    f->rules = rules;
    return ERR_OK;
}

/* --- answers --- */

/* ERR_AGAIN: later; all else is the end of it. */
static enum err send_answer(struct fetcher *f, struct job_waiter who, const struct fetch_result *r,
                            struct span body)
{
    bool inside = body.n <= FETCHER_INLINE_MAX;
    int fd = -1;
    fetcher_answer_make(r, body.n, &f->answer);
    f->answer.serial = who.serial;
    if (inside && body.n > 0)
        memcpy(f->answer.body, body.p, body.n);
    if (!inside && shared_sealed("postern-fetched", body.p, body.n, &fd) != ERR_OK)
        return ERR_AGAIN;
    enum err e = channel_send(f->link[who.link], &f->answer,
                              FETCHER_ANSWER_BYTES(inside ? body.n : 0), &fd, inside ? 0 : 1);
    if (!inside)
        close(fd);
    return e;
}

static void answer_job(struct fetcher *f, struct job *job)
{
    for (unsigned i = job->n_waiter; i > 0; i--) {
        enum err e = send_answer(f, job->waiter[i - 1], &job->result, buf_span(&job->body));
        f->owed = f->owed || e == ERR_AGAIN;
        if (e != ERR_AGAIN)
            jobs_answered(&f->jobs, job, i - 1);
    }
}

static void answer_all(struct fetcher *f)
{
    f->owed = false;
    for (struct list *l = f->jobs.all.next; l != &f->jobs.all; l = l->next) {
        struct job *job = CONTAINER_OF(l, struct job, in);
        if (job->state == JOB_ENDED && job->n_waiter > 0)
            answer_job(f, job);
    }
}

/* Not even a job: there is no second try for this answer. */
static void answer_no(struct fetcher *f, unsigned link, const char *why)
{
    struct fetch_result r = { .not_tried = true };
    struct job_waiter who = { link, f->request.serial };
    f->n_refused++;
    (void)snprintf(r.why, sizeof r.why, "%s", why);
    (void)send_answer(f, who, &r, SPAN_NONE);
}

/* --- requests --- */

static void drop_link(struct fetcher *f, unsigned link)
{
    if (f->link[link] < 0)
        return;
    close(f->link[link]);
    f->link[link] = -1;
    jobs_forget(&f->jobs, link);
}

/* Copies what is posted, as far as it is what it should be. */
static void take_request(struct fetcher *f, unsigned link, size_t n, const int *fd, unsigned n_fd)
{
    struct fetch_request r;
    void *post = NULL;
    size_t n_post = 0;
    if (fetcher_request_read(&f->request, n, n_fd, &r) != ERR_OK) {
        answer_no(f, link, "the fetcher does not understand what it was asked");
        return;
    }
    if (n_fd > 0 && shared_is_sealed(fd[0], f->request.n_post))
        post = shared_map(fd[0], false, &n_post);
    if (n_fd > 0 && !post) {
        answer_no(f, link, "the fetcher cannot read what it shall post");
        return;
    }
    int64_t asked = r.rules.timeout_ms;
    r.rules = f->rules;
    r.rules.timeout_ms = asked > 0 ? asked : f->rules.timeout_ms;
    r.body = span_of(post, n_post);
    if (jobs_ask(&f->jobs, &r, (struct job_waiter){ link, f->request.serial },
                 monotonic_ms_now()) != ERR_OK)
        answer_no(f, link, "the fetcher has too much to do");
    if (post)
        (void)munmap(post, n_post);
}

static void hear_worker(struct fetcher *f, unsigned link)
{
    for (unsigned i = 0; i < REQUESTS_A_TURN && f->link[link] >= 0; i++) {
        int fd[CHANNEL_FDS_MAX];
        unsigned n_fd = 0;
        size_t n;
        enum err e = channel_recv(f->link[link], &f->request, sizeof f->request, &n, fd, &n_fd);
        if (e == ERR_AGAIN)
            return;
        if (e == ERR_OK)
            take_request(f, link, n, fd, n_fd);
        else
            drop_link(f, link);
        close_all(fd, n_fd);
    }
}

/* --- exchanges --- */

static void count(struct fetcher *f, const struct fetch_result *r)
{
    if (r->reached == FETCH_DONE)
        f->n_done++;
    else
        f->n_failed++;
    if (!log_on(LOG_DEBUG))
        return;
    log_begin(LOG_DEBUG, "fetcher.fetched");
    log_num("status", r->status);
    log_num("took_ms", r->took_ms);
    log_z("why", r->why);
    log_end();
}

static void begin(struct fetcher *f, struct job *job)
{
    if (exchange_refused(&job->request, &job->result)) {
        count(f, &job->result);
        jobs_ended(&f->jobs, job, monotonic_ms_now());
        return;
    }
    exchange_begin(&job->exchange, &job->request, &job->body);
    job->exchange.left = &f->body_left;
    exchanges_add(f->exchanges, &job->exchange);
}

static void begin_all(struct fetcher *f)
{
    struct job *job;
    int64_t now = monotonic_ms_now();
    while ((job = jobs_overdue(&f->jobs, now))) {
        job->result = (struct fetch_result){ .not_tried = true, .timed_out = true };
        (void)snprintf(job->result.why, sizeof job->result.why,
                       "the fetcher did not come to it in time");
        count(f, &job->result);
        jobs_ended(&f->jobs, job, now);
    }
    while ((job = jobs_next(&f->jobs)))
        begin(f, job);
}

static void end_all(struct fetcher *f)
{
    struct exchange *x;
    int code;
    while ((x = exchanges_ended(f->exchanges, &code))) {
        struct job *job = CONTAINER_OF(x, struct job, exchange);
        exchange_end(x, code, &job->result);
        count(f, &job->result);
        jobs_ended(&f->jobs, job, monotonic_ms_now());
    }
}

/* What bodies there are, and so how much more may come. */
static void measure(struct fetcher *f)
{
    uint64_t n = 0;
    for (const struct list *l = f->jobs.all.next; l != &f->jobs.all; l = l->next)
        n += CONTAINER_OF(l, struct job, in)->body.n;
    f->body_left = n < BODIES_BYTES_MAX ? BODIES_BYTES_MAX - n : 0;
}

/* --- the supervisor --- */

static enum err say_ready(void)
{
    struct helper_message m = { .kind = HELPER_READY };
    return channel_send(HELPER_CHANNEL_FD, &m, sizeof m, NULL, 0);
}

/* What it says is taken as it is: both are of one build. Whatever else comes is passed over. */
static void obey(struct fetcher *f, const struct helper_message *m, const int *fd, unsigned n_fd)
{
    struct why why = { "" };
    if (m->kind == HELPER_LINK && n_fd == 1 && m->index < HELPER_LINKS_MAX) {
        drop_link(f, m->index);
        f->link[m->index] = fd[0];
        return;
    }
    if (m->kind == HELPER_NEWS && n_fd == 1) {
        log_setup(2, (enum log_level)m->log_level, "fetcher", wall_ms_now);
        if (take_settings(f, fd[0], &why) != ERR_OK)
            (void)fails("settings", why.text); /* those of before stay */
        return;
    }
    close_all(fd, n_fd);
    if (m->kind == HELPER_PING)
        (void)say_ready();
}

/* Sets gone when it is: nobody would start us again. */
static void hear_supervisor(struct fetcher *f)
{
    for (;;) {
        struct helper_message m;
        int fd[CHANNEL_FDS_MAX];
        unsigned n_fd = 0;
        size_t n;
        enum err e = channel_recv(HELPER_CHANNEL_FD, &m, sizeof m, &n, fd, &n_fd);
        f->gone = e != ERR_OK && e != ERR_AGAIN;
        if (e != ERR_OK)
            return;
        if (n == sizeof m)
            obey(f, &m, fd, n_fd);
        else
            close_all(fd, n_fd);
    }
}

/* --- start and life --- */

/* /etc as a whole: a resolver's file is replaced by another when networks change, and a rule for a
 * file would hold for the old one. Permissions of `user` stand behind that. */
static enum err sandbox_paths(struct why *why)
{
    static const struct sandbox_path paths[] = {
        { "/etc", false },
        { "/run/systemd/resolve", false },
        { "/run/resolvconf", false },
        { "/run/NetworkManager", false },
        { "/usr/lib", false }, /* modules of nsswitch, OpenSSL's configuration */
        { "/lib", false },
        { "/usr/share/ca-certificates", false },
        { "/usr/local/share/ca-certificates", false },
        { "/dev/urandom", false },
        { "/proc/self", false },
    };
    bool degraded = false;
    TRY(sandbox_files(paths, COUNTOF(paths), &degraded, why));
    if (!degraded)
        return ERR_OK;
    log_begin(LOG_WARN, "sandbox.degraded");
    log_z("why", "this kernel has no landlock: file permissions alone hold the fetcher");
    log_end();
    return ERR_OK;
}

static enum err start(struct fetcher *f, struct why *why)
{
    struct helper_message m;
    int fd[CHANNEL_FDS_MAX];
    unsigned n_fd = 0;
    size_t n;
    enum err e = channel_recv(HELPER_CHANNEL_FD, &m, sizeof m, &n, fd, &n_fd);
    if (e != ERR_OK || n != sizeof m || m.kind != HELPER_START || n_fd != 1) {
        why_set(why, "no start message from the supervisor");
        return ERR_IO;
    }
    log_setup(2, (enum log_level)m.log_level, "fetcher", wall_ms_now);
    for (unsigned i = 0; i < HELPER_LINKS_MAX; i++)
        f->link[i] = -1;
    jobs_init(&f->jobs);
    TRY(sandbox_user(m.uid, m.gid, why));
    TRY(sandbox_paths(why));
    TRY(take_settings(f, fd[0], why));
    f->exchanges = exchanges_new(); /* initialises libraries: before seccomp */
    TRY(sandbox_fetcher(why));
    (void)fcntl(HELPER_CHANNEL_FD, F_SETFL, fcntl(HELPER_CHANNEL_FD, F_GETFL) | O_NONBLOCK);
    return say_ready();
}

static void report(struct fetcher *f)
{
    if (f->n_done + f->n_failed + f->n_refused > 0) {
        log_begin(LOG_INFO, "fetcher.done");
        log_num("done", (int64_t)f->n_done);
        log_num("failed", (int64_t)f->n_failed);
        log_num("refused", (int64_t)f->n_refused);
        log_num("shared", (int64_t)f->jobs.shared);
        log_end();
    }
    f->n_done = f->n_failed = f->n_refused = f->jobs.shared = 0;
    f->report_at_ms = monotonic_ms_now() + REPORT_MS;
}

static void turn(struct fetcher *f)
{
    int fd[HELPER_LINKS_MAX + 1] = { HELPER_CHANNEL_FD };
    unsigned n = 1;
    for (unsigned i = 0; i < HELPER_LINKS_MAX; i++)
        if (f->link[i] >= 0)
            fd[n++] = f->link[i];
    measure(f);
    exchanges_turn(f->exchanges, fd, n, f->owed ? OWED_MS : WAIT_MS);
    end_all(f);
    hear_supervisor(f);
    for (unsigned i = 0; i < HELPER_LINKS_MAX; i++)
        hear_worker(f, i);
    begin_all(f);
    answer_all(f);
    jobs_tidy(&f->jobs, monotonic_ms_now());
    if (monotonic_ms_now() >= f->report_at_ms)
        report(f);
    log_flush();
}

int fetcher_main(void)
{
    (void)prctl(PR_SET_NAME, "postern-fetcher");
    log_setup(2, LOG_INFO, "fetcher", wall_ms_now);
    struct fetcher *f = NEW(struct fetcher);
    struct why why = { "" };
    if (start(f, &why) != ERR_OK)
        return fails("start", why.text);
    f->report_at_ms = monotonic_ms_now() + REPORT_MS;
    while (!f->gone)
        turn(f);
    report(f);
    log_flush();
    _exit(EXIT_WELL); /* nothing needs to be taken apart */
}
