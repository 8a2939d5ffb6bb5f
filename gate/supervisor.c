/* The supervisor: root, no network input. Reads the configuration, binds the sockets, starts the
 * workers, restarts what dies, hands over new snapshots. Start reading at supervisor_main. */
#include "gate/boot.h"

#include "base/log.h"
#include "gate/folders.h"
#include "gate/helper.h"
#include "gate/loaded.h"
#include "gate/restart.h"
#include "gate/spawn.h"
#include "sys/channel.h"
#include "sys/listen.h"
#include "sys/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    EXIT_BROKEN = 1,
    EXIT_CONFIG = 78, /* sysexits.h EX_CONFIG: restarting will not help */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 10 * 1000,
    BACKOFF_DEAF_MS = 800, /* shorter pauses: clients wait in the queue of its sockets */
    STABLE_MS = 60 * 1000,
    STOP_MS = 10 * 1000,
    KILL_AFTER_MS = 5 * 1000,
    TICKETS_MS = 12 * 60 * 60 * 1000,
    DEAF_MS = 30 * 1000,
    OWED_MS = 50,
    UNREAD_MS = 1000,
};

enum { KEEPER, FETCHER, HELPERS };

struct child_slot {
    pid_t pid; /* 0: not running */
    int channel;
    int control_fd;
    int listen_fd[WORKER_LISTENERS_MAX];
    bool
        listening; /* not while it fails to start: the kernel must not give it a share of clients */
    int64_t started_ms, start_at_ms;
    int64_t backoff_ms;
    bool ready;              /* it said so: what it is told it should read */
    bool link_owed[HELPERS]; /* it has yet to get a link to the one that runs now */
    bool owed;               /* it has yet to be told what holds now */
    int64_t unread_ms;       /* so long it has not read what it was told */
    int64_t looked_ms, look_at_ms;
};

struct supervisor {
    char config_path[512];
    struct config *config;
    struct config_boot boot;
    int bundle_fd, shared_fd, metrics_fd, signal_fd, lock_fd;
    struct owner owner;
    struct helper helper[HELPERS];
    unsigned n;
    unsigned n_shard; /* files there are, or will be */
    struct child_slot child[STATS_WORKERS_MAX];
    bool stopping;
    int64_t kill_at_ms, tickets_at_ms;
};

static int64_t now_ms(void)
{
    return monotonic_ms_now();
}

static int complain(const struct why *why)
{
    log_begin(LOG_ALARM, "supervisor.failed");
    log_z("why", why->text);
    log_end();
    log_flush();
    return EXIT_CONFIG;
}

/* --- configuration --- */

static void warn_of(void *arg, const char *text)
{
    (void)arg;
    log_begin(LOG_WARN, "config.warning");
    log_z("what", text);
    log_end();
}

/* The helpers have theirs before any worker hears of the configuration: the keeper the keys of its
 * certificates. */
static void take_loaded(struct supervisor *s, const struct loaded *l)
{
    if (s->config) {
        close(s->bundle_fd);
        config_unref(s->config);
    }
    s->config = l->config;
    s->bundle_fd = l->bundle_fd;
    for (unsigned which = 0; which < HELPERS; which++)
        s->helper[which].log_level = l->config->log_level;
    helper_material(&s->helper[KEEPER], l->keys_fd, l->n_keys > 0);
    helper_material(&s->helper[FETCHER], l->fetch_fd, true);
}

static void fresh_tickets(struct supervisor *s)
{
    memcpy(s->boot.ticket_secret[1], s->boot.ticket_secret[0], sizeof s->boot.ticket_secret[0]);
    if (getrandom(s->boot.ticket_secret[0], sizeof s->boot.ticket_secret[0], 0) < 0)
        memset(&s->boot.ticket_secret, 0, sizeof s->boot.ticket_secret); /* no tickets then */
    s->tickets_at_ms = now_ms() + TICKETS_MS;
}

/* --- what workers are told --- */

/* The bundle and the secrets of the moment, or that it is the end. One message at a time: as long
 * as the last one is unread this one is owed, and may be overtaken by a newer one. The end is told
 * at once. */
static void child_tell(const struct supervisor *s, struct child_slot *c)
{
    struct boot_message m = { .kind = s->stopping ? BOOT_STOP : BOOT_RELOAD,
                              .stop_within_ms = STOP_MS,
                              .config = s->boot };
    memcpy(m.config_path, s->config_path, sizeof m.config_path);
    c->owed = !s->stopping && channel_unread(c->channel);
    if (!c->owed)
        c->owed =
            channel_send(c->channel, &m, sizeof m, &s->bundle_fd, s->stopping ? 0 : 1) == ERR_AGAIN;
}

static void tell_all(struct supervisor *s)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->child[i].pid > 0)
            child_tell(s, &s->child[i]);
}

/* A link to the helper that runs now. */
static void child_link(struct supervisor *s, unsigned i, unsigned which)
{
    static const enum boot_kind kinds[] = { [KEEPER] = BOOT_KEEPER, [FETCHER] = BOOT_FETCHER };
    struct child_slot *c = &s->child[i];
    struct boot_message m = { .kind = kinds[which] };
    int fd;
    c->link_owed[which] = true;
    if (helper_link(&s->helper[which], i, &fd) != ERR_OK)
        return;
    c->link_owed[which] = channel_send(c->channel, &m, sizeof m, &fd, 1) == ERR_AGAIN;
    close(fd);
}

static void link_all(struct supervisor *s, unsigned which)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->child[i].pid > 0)
            child_link(s, i, which);
}

static bool link_owed(const struct child_slot *c)
{
    return c->link_owed[KEEPER] || c->link_owed[FETCHER];
}

static bool child_is_ready(struct child_slot *c)
{
    struct boot_message m;
    int fd[CHANNEL_FDS_MAX];
    size_t n;
    unsigned n_fd = 0;
    if (!c->ready)
        c->ready = channel_recv(c->channel, &m, sizeof m, &n, fd, &n_fd) == ERR_OK &&
                   n == sizeof m && m.kind == BOOT_READY;
    for (unsigned i = 0; i < n_fd; i++)
        close(fd[i]);
    return c->ready;
}

/* A worker that takes nothing from us takes nothing from anybody: its sessions hang with it. */
static void child_kill(const struct child_slot *c, unsigned i)
{
    log_begin(LOG_ALARM, "worker.deaf");
    log_num("index", i);
    log_num("pid", c->pid);
    log_num("for_ms", DEAF_MS);
    log_end();
    (void)kill(c->pid, SIGKILL);
}

/* It may take its time to start: a shard that is checked first is large. Time that nobody watched,
 * of a machine that stood still perhaps, does not count. */
static void child_watch(struct supervisor *s, struct child_slot *c, unsigned i, int64_t now)
{
    int64_t since = now - c->looked_ms;
    if (c->owed)
        child_tell(s, c);
    for (unsigned which = 0; which < HELPERS; which++)
        if (c->link_owed[which])
            child_link(s, i, which);
    bool unread = channel_unread(c->channel);
    if (unread && child_is_ready(c))
        c->unread_ms += since < 2 * UNREAD_MS ? since : 2 * UNREAD_MS;
    else
        c->unread_ms = 0;
    c->looked_ms = now;
    c->look_at_ms = c->owed || link_owed(c) ? now + OWED_MS : unread ? now + UNREAD_MS : INT64_MAX;
    if (c->unread_ms < DEAF_MS)
        return;
    c->unread_ms = 0;
    child_kill(c, i);
}

static enum err reload_checked(struct supervisor *s, struct loaded *ret, struct why *why)
{
    TRY(loaded_read(span_z(s->config_path), &s->boot, ret, why));
    enum err e = restart_check(s->config, ret->config, why);
    if (e != ERR_OK)
        loaded_done(ret);
    return e;
}

static void reload(struct supervisor *s)
{
    struct loaded l = { 0 };
    struct why why;
    s->boot.generation++;
    if (reload_checked(s, &l, &why) != ERR_OK) {
        log_begin(LOG_ALARM, "config.refused");
        log_z("why", why.text);
        log_z("effect", "the running configuration stays");
        log_end();
        return;
    }
    take_loaded(s, &l);
    log_setup(2, (enum log_level)s->config->log_level, "posternd", wall_ms_now);
    config_warnings(s->config, warn_of, NULL);
    config_lapsed(s->config, wall_ms_now(), warn_of, NULL);
    if (folders_admit(s->config, s->n, &why) != ERR_OK)
        warn_of(NULL, why.text);
    tell_all(s);
}

/* --- sockets --- */

static void close_listeners(const struct supervisor *s, struct child_slot *child)
{
    for (unsigned k = 0; k < s->config->n_listen && child->listening; k++)
        close(child->listen_fd[k]);
    child->listening = false;
}

static enum err open_listeners(const struct supervisor *s, struct child_slot *child,
                               struct why *why)
{
    const struct config *c = s->config;
    for (unsigned k = 0; k < c->n_listen; k++) {
        enum err e = listen_tcp(&c->listen[k].ip, true, &child->listen_fd[k], why);
        for (; e != ERR_OK && k > 0; k--)
            close(child->listen_fd[k - 1]);
        TRY(e);
    }
    child->listening = true;
    return ERR_OK;
}

/* Shared sockets would silently share the port with another program's: a plain one finds it first.
 */
static enum err ports_are_free(const struct config *c, struct why *why)
{
    for (unsigned k = 0; k < c->n_listen; k++) {
        int fd;
        TRY(listen_tcp(&c->listen[k].ip, false, &fd, why));
        close(fd);
    }
    return ERR_OK;
}

static enum err open_sockets(struct supervisor *s, struct why *why)
{
    const struct config *c = s->config;
    TRY(ports_are_free(c, why));
    for (unsigned i = 0; i < s->n; i++) {
        char path[SOCKET_PATH_MAX];
        TRY(open_listeners(s, &s->child[i], why));
        TRY(listen_unix(folders_socket(c, i, path), 0600, &s->child[i].control_fd, why));
    }
    TRY(folders_admit(c, s->n, why));
    folders_tidy(c, s->n);
    s->metrics_fd = -1;
    if (c->metrics.family != IP_NONE)
        TRY(listen_tcp(&c->metrics, false, &s->metrics_fd, why));
    return ERR_OK;
}

/* --- children --- */

static void child_tell_start(struct supervisor *s, unsigned i)
{
    const struct child_slot *c = &s->child[i];
    int link[HELPERS] = { -1, -1 };
    struct boot_message m = { .kind = BOOT_START,
                              .index = i,
                              .n_workers = s->n,
                              .n_listen = s->config->n_listen,
                              .uid = s->owner.uid,
                              .gid = s->owner.gid,
                              .has_metrics = s->metrics_fd >= 0,
                              .config = s->boot };
    int fd[CHANNEL_FDS_MAX] = { [BOOT_FD_BUNDLE] = s->bundle_fd,
                                [BOOT_FD_SHARED] = s->shared_fd,
                                [BOOT_FD_CONTROL] = c->control_fd,
                                [BOOT_FD_METRICS] = m.has_metrics ? s->metrics_fd : s->bundle_fd };
    memcpy(m.config_path, s->config_path, sizeof m.config_path);
    for (unsigned k = 0; k < m.n_listen; k++)
        fd[BOOT_FD_LISTEN + k] = c->listen_fd[k];
    for (unsigned shard = i; shard < s->n_shard && m.n_shard < WORKER_SHARDS_MAX; shard += s->n)
        m.shard[m.n_shard++] = shard;
    enum err e = ERR_OK;
    for (unsigned which = 0; which < HELPERS && e == ERR_OK; which++)
        e = helper_link(&s->helper[which], i, &link[which]);
    fd[BOOT_FD_KEEPER] = link[KEEPER];
    fd[BOOT_FD_FETCHER] = link[FETCHER];
    if (e == ERR_OK)
        e = channel_send(c->channel, &m, sizeof m, fd, BOOT_FD_LISTEN + m.n_listen);
    for (unsigned which = 0; which < HELPERS; which++)
        if (link[which] >= 0)
            close(link[which]);
    if (e != ERR_OK)
        (void)kill(c->pid, SIGKILL); /* it would wait for that for ever */
}

static void child_spawn(struct supervisor *s, unsigned i)
{
    struct child_slot *c = &s->child[i];
    struct why why;
    c->started_ms = now_ms();
    if ((!c->listening && open_listeners(s, c, &why) != ERR_OK) ||
        spawn("--worker", -1, &c->pid, &c->channel) != ERR_OK) {
        c->pid = 0;
        c->start_at_ms = c->started_ms + BACKOFF_MAX_MS;
        return;
    }
    c->ready = c->owed = c->link_owed[KEEPER] = c->link_owed[FETCHER] = false;
    c->unread_ms = 0;
    c->looked_ms = c->look_at_ms = c->started_ms;
    child_tell_start(s, i);
    log_begin(LOG_INFO, "worker.started");
    log_num("index", i);
    log_num("pid", c->pid);
    log_end();
}

static void child_died(struct supervisor *s, unsigned i, int status)
{
    struct child_slot *c = &s->child[i];
    bool stable = now_ms() - c->started_ms > STABLE_MS;
    c->pid = 0;
    close(c->channel);
    c->backoff_ms = stable || c->backoff_ms == 0 ? BACKOFF_FIRST_MS : c->backoff_ms * 2;
    if (c->backoff_ms > BACKOFF_MAX_MS)
        c->backoff_ms = BACKOFF_MAX_MS;
    c->start_at_ms = now_ms() + c->backoff_ms;
    if (c->backoff_ms >= BACKOFF_DEAF_MS)
        close_listeners(s, c);
    if (s->stopping)
        return;
    log_begin(LOG_ALARM, "worker.died");
    log_num("index", i);
    log_num(WIFSIGNALED(status) ? "signal" : "exit",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    log_num("restart_in_ms", c->backoff_ms);
    log_end();
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned which = 0; which < HELPERS; which++)
            if (pid == s->helper[which].pid)
                helper_died(&s->helper[which], status, now_ms());
        for (unsigned i = 0; i < s->n; i++)
            if (s->child[i].pid == pid)
                child_died(s, i, status);
    }
}

static bool children_left(const struct supervisor *s)
{
    for (unsigned i = 0; i < s->n; i++)
        if (s->child[i].pid > 0)
            return true;
    return false;
}

/* --- signals and time --- */

static void begin_stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->kill_at_ms = now_ms() + STOP_MS + KILL_AFTER_MS;
    tell_all(s);
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGHUP:
            reload(s);
            break;
        case SIGTERM:
        case SIGINT:
            begin_stop(s);
            break;
        default:
            reap(s);
        }
    }
}

static int next_wait_ms(const struct supervisor *s)
{
    int64_t at = s->stopping ? s->kill_at_ms : s->tickets_at_ms;
    for (unsigned which = 0; which < HELPERS; which++) {
        int64_t due = helper_next_ms(&s->helper[which]);
        at = due < at ? due : at;
    }
    for (unsigned i = 0; i < s->n; i++) {
        const struct child_slot *c = &s->child[i];
        int64_t due = c->pid > 0 ? c->look_at_ms : s->stopping ? INT64_MAX : c->start_at_ms;
        at = due < at ? due : at;
    }
    int64_t wait = at - now_ms();
    return wait < 0 ? 0 : (int)wait;
}

static void do_due(struct supervisor *s)
{
    int64_t now = now_ms();
    if (!s->stopping && now >= s->tickets_at_ms) {
        fresh_tickets(s);
        tell_all(s); /* what is on disk by now waits for somebody to say "reload" */
    }
    for (unsigned which = 0; which < HELPERS; which++)
        if (helper_tick(&s->helper[which], now))
            link_all(s, which);
    for (unsigned i = 0; i < s->n; i++) {
        struct child_slot *c = &s->child[i];
        if (c->pid > 0 && s->stopping && now >= s->kill_at_ms)
            (void)kill(c->pid, SIGKILL);
        else if (c->pid > 0)
            child_watch(s, c, i, now);
        else if (!s->stopping && c->start_at_ms <= now)
            child_spawn(s, i);
    }
}

/* Every connection of a worker is a descriptor, and `connections` allows thousands. */
static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r); /* refused: the old limit holds */
}

static enum err take_signal_fd(struct supervisor *s, struct why *why)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    s->signal_fd = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->signal_fd < 0) {
        why_set(why, "signals cannot be taken: %s", strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

static enum err supervisor_start(struct supervisor *s, struct why *why)
{
    char user[128];
    size_t shared;
    raise_descriptors();
    if (getrandom(&s->boot.hash_key, sizeof s->boot.hash_key, 0) < 0)
        return ERR_IO;
    fresh_tickets(s);
    s->boot.generation = 1;
    s->helper[KEEPER].role = &helper_keeper;
    s->helper[KEEPER].program = -1;
    s->helper[FETCHER].role = &helper_fetcher;
    TRY(spawn_program("postern-fetcher", &s->helper[FETCHER].program, why));
    struct loaded l = { 0 };
    TRY(loaded_read(span_z(s->config_path), &s->boot, &l, why));
    take_loaded(s, &l);
    log_setup(2, (enum log_level)s->config->log_level, "posternd", wall_ms_now);
    config_warnings(s->config, warn_of, NULL);
    config_lapsed(s->config, wall_ms_now(), warn_of, NULL);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    s->n = s->config->workers > 0 ? s->config->workers : cores > 0 ? (unsigned)cores : 1;
    if (s->n > STATS_WORKERS_MAX)
        s->n = STATS_WORKERS_MAX;
    (void)snprintf(user, sizeof user, "%.*s", SPAN_ARG(s->config->user));
    if (geteuid() == 0)
        TRY(sandbox_find_user(user, &s->owner.uid, &s->owner.gid, why));
    for (unsigned which = 0; which < HELPERS; which++) {
        s->helper[which].uid = s->owner.uid;
        s->helper[which].gid = s->owner.gid;
        s->helper[which].hash_key = s->boot.hash_key;
    }
    TRY(folders_make(s->config, &s->owner, why));
    TRY(folders_lock(s->config, &s->lock_fd, why));
    TRY(folders_shards(s->config, s->n, &s->n_shard, why));
    TRY(open_sockets(s, why));
    shared = sizeof(struct boot_shared) + s->n * sizeof(struct clients_part);
    if (shared_new("postern-shared", shared, &s->shared_fd) != ERR_OK) {
        why_set(why, "no memory to share among the workers: %s", strerror(errno));
        return ERR_IO;
    }
    return take_signal_fd(s, why);
}

int supervisor_main(struct span config_path)
{
    struct supervisor *s = NEW(struct supervisor);
    struct why why = { "" };
    log_setup(2, LOG_INFO, "posternd", wall_ms_now);
    if (config_path.n >= sizeof s->config_path) {
        why_set(&why, "the configuration's path is too long");
        mem_free(s);
        return complain(&why);
    }
    memcpy(s->config_path, config_path.p, config_path.n);
    if (supervisor_start(s, &why) != ERR_OK) {
        config_unref(s->config);
        mem_free(s);
        return complain(&why);
    }
    while (!s->stopping || children_left(s)) {
        do_due(s);
        log_flush();
        struct pollfd p = { .fd = s->signal_fd, .events = POLLIN };
        (void)poll(&p, 1, next_wait_ms(s));
        take_signals(s);
    }
    for (unsigned which = 0; which < HELPERS; which++)
        helper_stop(&s->helper[which]);
    log_begin(LOG_INFO, "supervisor.stopped");
    log_end();
    log_flush();
    config_unref(s->config);
    mem_free(s);
    return 0;
}
