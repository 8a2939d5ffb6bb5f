#include "gate/helper.h"

#include "base/log.h"
#include "gate/spawn.h"
#include "sys/channel.h"
#include "sys/helper.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 5 * 1000,
    STABLE_MS = 60 * 1000,
    PING_MS = 2 * 1000,
    HANGS_MS = 6 * 1000,
    STOP_STEPS = 100,
    STOP_STEP_MS = 10,
    STARTS_WITHIN_MS = 60 * 1000, /* ten thousand RSA keys are read in two seconds */
};

const struct helper_role helper_keeper = {
    .option = "--keeper",
    .started = "keeper.started",
    .hangs = "keeper.hangs",
    .died = "keeper.died",
    .effect = "no handshakes until it is back",
};

const struct helper_role helper_fetcher = {
    .option = "--fetcher",
    .started = "fetcher.started",
    .hangs = "fetcher.hangs",
    .died = "fetcher.died",
    .effect = "nothing is fetched until it is back",
};

static void tell(struct helper *h, enum helper_kind kind, unsigned index, int fd)
{
    struct helper_message m = { .kind = kind,
                                .index = index,
                                .uid = h->uid,
                                .gid = h->gid,
                                .log_level = h->log_level,
                                .hash_key = h->hash_key };
    /* it does not read: it will be found to hang, and its successor is told everything anew */
    if (channel_send(h->channel, &m, sizeof m, &fd, fd >= 0) != ERR_OK)
        h->ping_at_ms = 0;
}

void helper_material(struct helper *h, int fd, bool wanted)
{
    if (h->material_fd > 0)
        close(h->material_fd);
    h->material_fd = fd;
    h->wanted = wanted;
    if (h->pid > 0)
        tell(h, HELPER_NEWS, 0, fd);
}

enum err helper_link(struct helper *h, unsigned worker, int *ret_fd)
{
    int pair[2];
    if (channel_pair(pair) != ERR_OK)
        return ERR_FULL;
    if (h->pid > 0)
        tell(h, HELPER_LINK, worker, pair[0]);
    close(pair[0]);
    *ret_fd = pair[1];
    return ERR_OK;
}

static bool start(struct helper *h, int64_t now_ms)
{
    h->started_ms = h->heard_ms = now_ms;
    h->ready = false;
    h->ping_at_ms = now_ms + PING_MS;
    if (spawn(h->role->option, h->program, &h->pid, &h->channel) != ERR_OK) {
        h->pid = 0;
        h->start_at_ms = now_ms + BACKOFF_MAX_MS;
        return false;
    }
    tell(h, HELPER_START, 0, h->material_fd);
    log_begin(LOG_INFO, h->role->started);
    log_num("pid", h->pid);
    log_end();
    return true;
}

static void hear(struct helper *h, int64_t now_ms)
{
    struct helper_message m;
    int fd[CHANNEL_FDS_MAX];
    size_t n;
    unsigned n_fd = 0;
    while (channel_recv(h->channel, &m, sizeof m, &n, fd, &n_fd) == ERR_OK) {
        while (n_fd > 0)
            close(fd[--n_fd]);
        h->ready = true;
        h->heard_ms = now_ms;
    }
}

static void watch(struct helper *h, int64_t now_ms)
{
    hear(h, now_ms);
    int64_t silent = now_ms - h->heard_ms;
    if (silent > (h->ready ? HANGS_MS : STARTS_WITHIN_MS)) {
        log_begin(LOG_ALARM, h->role->hangs);
        log_num("pid", h->pid);
        log_num("for_ms", silent);
        log_end();
        (void)kill(h->pid, SIGKILL);
        h->heard_ms = now_ms;
    }
    if (h->ready)
        tell(h, HELPER_PING, 0, -1);
    h->ping_at_ms = now_ms + PING_MS;
}

bool helper_tick(struct helper *h, int64_t now_ms)
{
    if (h->pid > 0) {
        if (now_ms >= h->ping_at_ms)
            watch(h, now_ms);
        return false;
    }
    return h->wanted && now_ms >= h->start_at_ms && start(h, now_ms);
}

int64_t helper_next_ms(const struct helper *h)
{
    return h->pid > 0 ? h->ping_at_ms : h->wanted ? h->start_at_ms : INT64_MAX;
}

void helper_died(struct helper *h, int status, int64_t now_ms)
{
    bool stable = now_ms - h->started_ms > STABLE_MS;
    h->pid = 0;
    close(h->channel);
    h->backoff_ms = stable || h->backoff_ms == 0 ? BACKOFF_FIRST_MS : h->backoff_ms * 2;
    if (h->backoff_ms > BACKOFF_MAX_MS)
        h->backoff_ms = BACKOFF_MAX_MS;
    h->start_at_ms = now_ms + h->backoff_ms;
    log_begin(LOG_ALARM, h->role->died);
    log_num(WIFSIGNALED(status) ? "signal" : "exit",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    log_z("effect", h->role->effect);
    log_num("restart_in_ms", h->backoff_ms);
    log_end();
}

/* It ends when its channel does, after a last line in the log. */
void helper_stop(struct helper *h)
{
    if (h->pid <= 0)
        return;
    pid_t pid = h->pid;
    h->pid = 0;
    close(h->channel);
    for (int i = 0; i < STOP_STEPS; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        (void)poll(NULL, 0, STOP_STEP_MS);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}
