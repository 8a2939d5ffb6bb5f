#include "gate/keeping.h"

#include "base/log.h"
#include "gate/spawn.h"
#include "keeper/keeper.h"
#include "sys/channel.h"

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

static void tell(struct keeping *k, enum keeper_kind kind, unsigned index, int fd)
{
    struct keeper_message m = { .kind = kind,
                                .index = index,
                                .uid = k->uid,
                                .gid = k->gid,
                                .log_level = LOG_INFO,
                                .hash_key = k->hash_key };
    /* it does not read: it will be found to hang, and its successor is told everything anew */
    if (channel_send(k->channel, &m, sizeof m, &fd, fd >= 0) != ERR_OK)
        k->ping_at_ms = 0;
}

void keeping_keys(struct keeping *k, int keys_fd, size_t n_keys)
{
    if (k->keys_fd > 0)
        close(k->keys_fd);
    k->keys_fd = keys_fd;
    k->wanted = n_keys > 0;
    if (k->pid > 0)
        tell(k, KEEPER_KEYS, 0, keys_fd);
}

enum err keeping_link(struct keeping *k, unsigned worker, int *ret_fd)
{
    int pair[2];
    if (channel_pair(pair) != ERR_OK)
        return ERR_FULL;
    if (k->pid > 0)
        tell(k, KEEPER_LINK, worker, pair[0]);
    close(pair[0]);
    *ret_fd = pair[1];
    return ERR_OK;
}

static bool start(struct keeping *k, int64_t now_ms)
{
    k->started_ms = k->heard_ms = now_ms;
    k->ready = false;
    k->ping_at_ms = now_ms + PING_MS;
    if (spawn("--keeper", &k->pid, &k->channel) != ERR_OK) {
        k->pid = 0;
        k->start_at_ms = now_ms + BACKOFF_MAX_MS;
        return false;
    }
    tell(k, KEEPER_START, 0, k->keys_fd);
    log_begin(LOG_INFO, "keeper.started");
    log_num("pid", k->pid);
    log_end();
    return true;
}

static void hear(struct keeping *k, int64_t now_ms)
{
    struct keeper_message m;
    int fd[CHANNEL_FDS_MAX];
    size_t n;
    unsigned n_fd = 0;
    while (channel_recv(k->channel, &m, sizeof m, &n, fd, &n_fd) == ERR_OK) {
        while (n_fd > 0)
            close(fd[--n_fd]);
        k->ready = true;
        k->heard_ms = now_ms;
    }
}

static void watch(struct keeping *k, int64_t now_ms)
{
    hear(k, now_ms);
    int64_t silent = now_ms - k->heard_ms;
    if (silent > (k->ready ? HANGS_MS : STARTS_WITHIN_MS)) {
        log_begin(LOG_ALARM, "keeper.hangs");
        log_num("pid", k->pid);
        log_num("for_ms", silent);
        log_end();
        (void)kill(k->pid, SIGKILL);
        k->heard_ms = now_ms;
    }
    if (k->ready)
        tell(k, KEEPER_PING, 0, -1);
    k->ping_at_ms = now_ms + PING_MS;
}

bool keeping_tick(struct keeping *k, int64_t now_ms)
{
    if (k->pid > 0) {
        if (now_ms >= k->ping_at_ms)
            watch(k, now_ms);
        return false;
    }
    return k->wanted && now_ms >= k->start_at_ms && start(k, now_ms);
}

int64_t keeping_next_ms(const struct keeping *k)
{
    return k->pid > 0 ? k->ping_at_ms : k->wanted ? k->start_at_ms : INT64_MAX;
}

void keeping_died(struct keeping *k, int status, int64_t now_ms)
{
    bool stable = now_ms - k->started_ms > STABLE_MS;
    k->pid = 0;
    close(k->channel);
    k->backoff_ms = stable || k->backoff_ms == 0 ? BACKOFF_FIRST_MS : k->backoff_ms * 2;
    if (k->backoff_ms > BACKOFF_MAX_MS)
        k->backoff_ms = BACKOFF_MAX_MS;
    k->start_at_ms = now_ms + k->backoff_ms;
    log_begin(LOG_ALARM, "keeper.died");
    log_num(WIFSIGNALED(status) ? "signal" : "exit",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    log_z("effect", "no handshakes until it is back");
    log_num("restart_in_ms", k->backoff_ms);
    log_end();
}

/* It ends when its channel does, after a last line in the log. */
void keeping_stop(struct keeping *k)
{
    if (k->pid <= 0)
        return;
    close(k->channel);
    for (int i = 0; i < STOP_STEPS && waitpid(k->pid, NULL, WNOHANG) == 0; i++)
        (void)poll(NULL, 0, STOP_STEP_MS);
    if (kill(k->pid, SIGKILL) == 0)
        (void)waitpid(k->pid, NULL, 0);
    k->pid = 0;
}
