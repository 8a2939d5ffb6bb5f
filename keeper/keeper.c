#include "keeper/keeper.h"

#include "base/log.h"
#include "io/loop.h"
#include "keeper/store.h"
#include "sys/channel.h"
#include "sys/helper.h"
#include "sys/sandbox.h"
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_WELL = 0, EXIT_BROKEN = 1, REPORT_MS = 60 * 1000, CHANNEL = HELPER_LINKS_MAX };

struct keeper {
    struct keeper_store *now, *before; /* before: NULL, or the keys of the last configuration */
    struct hash_key hash_key;
    struct pollfd poll[HELPER_LINKS_MAX + 1]; /* links by worker, then the channel; fd -1: none */
    struct keeper_request request;
    /* since the last line in the log */
    uint64_t signed_[FORM_COUNT_], refused[KEEPER_STATUS_COUNT_];
    int64_t report_at_ms;
    bool refusal_told;
};

static int fails(const char *what, const char *why)
{
    log_begin(LOG_ALARM, "keeper.failed");
    log_z("what", what);
    log_z("why", why);
    log_end();
    log_flush();
    return EXIT_BROKEN;
}

/* --- keys --- */

/* The descriptor is closed. An empty file cannot be mapped: there are no keys. */
static enum err take_keys(struct keeper *k, int fd, struct why *why)
{
    size_t n = 0;
    struct keeper_store *fresh;
    void *p = shared_map(fd, false, &n);
    close(fd);
    enum err e = keeper_store_new(span_of(p, p ? n : 0), &k->hash_key, &fresh, why);
    if (p)
        (void)munmap(p, n);
    TRY(e);
    keeper_store_free(k->before);
    k->before = k->now;
    k->now = fresh;
    log_begin(LOG_INFO, "keeper.keys");
    log_num("keys", (int64_t)keeper_store_count(fresh));
    log_end();
    return ERR_OK;
}

/* --- signatures --- */

static const char *const form_words[FORM_COUNT_] = {
    "none", "tls13_server", "tls13_client", "tls12_server", "tls12_client", "attribution"
};
static const char *const status_words[KEEPER_STATUS_COUNT_] = {
    "signed", "unknown_key", "no_handshake", "bad_scheme", "broken",
};

/* One line at once for the first of a minute; the rest are numbers. */
static void tell_refusal(struct keeper *k, unsigned link, uint32_t status)
{
    k->refused[status]++;
    if (k->refusal_told)
        return;
    k->refusal_told = true;
    log_begin(LOG_ALARM, "keeper.refused");
    log_num("worker", link);
    log_z("why", status_words[status]);
    log_end();
}

static void drop_link(struct keeper *k, unsigned link)
{
    if (k->poll[link].fd >= 0)
        close(k->poll[link].fd);
    k->poll[link].fd = -1;
}

static void answer(struct keeper *k, unsigned link, size_t n)
{
    struct keeper_answer a;
    enum keeper_form form;
    keeper_store_sign(k->now, &k->request, n, &a, &form);
    if (a.status == KEEPER_UNKNOWN_KEY && k->before)
        keeper_store_sign(k->before, &k->request, n, &a, &form);
    if (a.status == KEEPER_SIGNED)
        k->signed_[form]++;
    else
        tell_refusal(k, link, a.status);
    if (channel_send(k->poll[link].fd, &a, sizeof a, NULL, 0) == ERR_CLOSED)
        drop_link(k, link); /* ERR_AGAIN: it does not read what it asked for, and will time out */
}

static void close_all(const int *fd, unsigned n)
{
    while (n > 0)
        close(fd[--n]);
}

static void hear_worker(struct keeper *k, unsigned link)
{
    int fd[CHANNEL_FDS_MAX];
    unsigned n_fd = 0;
    size_t n;
    enum err e = channel_recv(k->poll[link].fd, &k->request, sizeof k->request, &n, fd, &n_fd);
    close_all(fd, n_fd);
    if (e == ERR_OK)
        answer(k, link, n);
    else if (e != ERR_AGAIN)
        drop_link(k, link);
}

static void report(struct keeper *k)
{
    uint64_t all = 0;
    for (unsigned i = 0; i < FORM_COUNT_; i++)
        all += k->signed_[i];
    for (unsigned i = 0; i < KEEPER_STATUS_COUNT_; i++)
        all += k->refused[i];
    if (all > 0) {
        log_begin(LOG_INFO, "keeper.signed");
        for (unsigned i = 1; i < FORM_COUNT_; i++)
            log_num(form_words[i], (int64_t)k->signed_[i]);
        for (unsigned i = 1; i < KEEPER_STATUS_COUNT_; i++)
            log_num(status_words[i], (int64_t)k->refused[i]);
        log_end();
    }
    memset(k->signed_, 0, sizeof k->signed_);
    memset(k->refused, 0, sizeof k->refused);
    k->refusal_told = false;
    k->report_at_ms = monotonic_ms_now() + REPORT_MS;
}

/* --- the supervisor --- */

static enum err say_ready(void)
{
    struct helper_message m = { .kind = HELPER_READY };
    return channel_send(HELPER_CHANNEL_FD, &m, sizeof m, NULL, 0);
}

/* What it says is taken as it is: both are of one build. Whatever else comes is passed over. */
static void obey(struct keeper *k, const struct helper_message *m, int *fd, unsigned n_fd)
{
    struct why why = { "" };
    if (m->kind == HELPER_LINK && n_fd == 1 && m->index < HELPER_LINKS_MAX) {
        drop_link(k, m->index);
        k->poll[m->index].fd = fd[0];
        return;
    }
    if (m->kind == HELPER_NEWS && n_fd == 1) {
        if (take_keys(k, fd[0], &why) != ERR_OK)
            (void)fails("keys", why.text); /* those of before stay */
        return;
    }
    close_all(fd, n_fd);
    if (m->kind == HELPER_PING)
        (void)say_ready();
}

/* False: it is gone, and so nobody would start us again. */
static bool hear_supervisor(struct keeper *k)
{
    struct helper_message m;
    int fd[CHANNEL_FDS_MAX];
    unsigned n_fd = 0;
    size_t n;
    enum err e = channel_recv(HELPER_CHANNEL_FD, &m, sizeof m, &n, fd, &n_fd);
    if (e == ERR_OK && n == sizeof m)
        obey(k, &m, fd, n_fd);
    return e == ERR_OK || e == ERR_AGAIN;
}

static enum err start(struct keeper *k, struct why *why)
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
    log_setup(2, (enum log_level)m.log_level, "keeper", wall_ms_now);
    k->hash_key = m.hash_key;
    TRY(sandbox_user(m.uid, m.gid, why));
    TRY(sandbox_keeper(why));
    TRY(take_keys(k, fd[0], why));
    for (unsigned i = 0; i < CHANNEL; i++)
        k->poll[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
    k->poll[CHANNEL] = (struct pollfd){ .fd = HELPER_CHANNEL_FD, .events = POLLIN };
    (void)fcntl(HELPER_CHANNEL_FD, F_SETFL, fcntl(HELPER_CHANNEL_FD, F_GETFL) | O_NONBLOCK);
    return say_ready();
}

static void serve(struct keeper *k)
{
    for (;;) {
        int64_t wait = k->report_at_ms - monotonic_ms_now();
        if (wait <= 0)
            report(k);
        log_flush();
        if (poll(k->poll, COUNTOF(k->poll), wait > 0 ? (int)wait : REPORT_MS) <= 0)
            continue;
        for (unsigned i = 0; i < CHANNEL; i++)
            if (k->poll[i].fd >= 0 && k->poll[i].revents)
                hear_worker(k, i);
        if (k->poll[CHANNEL].revents && !hear_supervisor(k))
            return;
    }
}

int keeper_main(void)
{
    (void)prctl(PR_SET_NAME, "postern-keeper");
    log_setup(2, LOG_INFO, "keeper", wall_ms_now);
    struct keeper *k = NEW(struct keeper);
    struct why why = { "" };
    if (start(k, &why) != ERR_OK)
        return fails("start", why.text);
    k->report_at_ms = monotonic_ms_now() + REPORT_MS;
    serve(k);
    report(k);
    log_flush();
    _exit(EXIT_WELL); /* nothing needs to be taken apart, and little is allowed by now */
}
