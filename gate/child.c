/* A worker process: takes what the supervisor hands it, gives up what it must not have, works. */
#include "gate/boot.h"

#include "base/log.h"
#include "gate/fetching.h"
#include "gate/reload.h"
#include "gate/restart.h"
#include "keeper/ask.h"
#include "keeper/provider.h"
#include "sys/channel.h"
#include "sys/sandbox.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_WELL = 0, EXIT_BROKEN = 1, EXIT_CONFIG = 78 };
enum { MMAP_FROM_BYTES = 4 * 1024 * 1024, KEEP_FREE_BYTES = 2 * 1024 * 1024 };

struct child {
    struct boot_message boot;
    int fd[CHANNEL_FDS_MAX];
    unsigned n_fd;
    struct worker *worker;
    struct reload *reload;
    struct worker_boot wb;
    struct watch *channel;
    char shard_path[SHARD_PATH_MAX];
};

const char *boot_shard_path(struct span data, unsigned shard, char ret[static SHARD_PATH_MAX])
{
    (void)snprintf(ret, SHARD_PATH_MAX, "%.*s/queue/shard-%04u.db", SPAN_ARG(data), shard);
    return ret;
}

static void child_log(const struct child *c, int level)
{
    char who[16];
    (void)snprintf(who, sizeof who, "gate%u", c->boot.index);
    log_setup(2, (enum log_level)level, who, wall_ms_now);
}

static int child_fails(const char *what, const struct why *why)
{
    log_begin(LOG_ALARM, "worker.failed");
    log_z("what", what);
    log_z("why", why->text);
    log_end();
    log_flush();
    return EXIT_BROKEN;
}

/* What the worker may reach: each path once, however many routes name it. */
struct reach {
    struct arena arena;
    struct map seen;
    struct sandbox_path *path;
    unsigned n, cap;
};

/* Is it new? */
static bool reach_add(struct reach *r, struct span path, bool write)
{
    if (path.n == 0 || map_get(&r->seen, path))
        return false;
    ASSERT(r->n < r->cap);
    r->path[r->n] = (struct sandbox_path){ arena_z(&r->arena, path), write };
    (void)map_put(&r->seen, path, &r->path[r->n]);
    r->n++;
    return true;
}

/* What is not there now cannot be allowed, and will not be seen when it comes. */
static void reach_add_root(struct reach *r, struct span root)
{
    struct why text;
    if (!reach_add(r, root, true) || access(r->path[r->n - 1].path, R_OK | W_OK | X_OK) == 0)
        return;
    why_set(
        &text,
        "the Maildir folder %.*s is missing or not writable for `user`: mail for it waits; make "
        "it, then restart posternd",
        SPAN_ARG(root));
    log_begin(LOG_WARN, "config.warning");
    log_z("what", text.text);
    log_end();
}

static void reach_add_route(struct reach *r, const struct route *route)
{
    reach_add_root(r, maildir_root(route->maildir));
    for (unsigned i = 0; i < route->n_host; i++)
        if (route->host[i].is_path)
            (void)reach_add(r, route->host[i].name, true);
}

static void reach_init(struct reach *r, const struct config *cfg, const struct hash_key *key)
{
    static const char *const readable[] = { "/etc",         "/usr/share/dns",
                                            "/usr/lib/ssl", "/usr/share/ca-certificates",
                                            "/dev/urandom", "/dev/null",
                                            "/proc/self" };
    enum { OWN = COUNTOF(readable) + 3 };
    *r = (struct reach){ .cap = OWN };
    arena_init(&r->arena, SIZE_MAX); /* a small part of the configuration, which is bounded */
    map_init(&r->seen, key);
    for (unsigned i = 0; i < cfg->routes.n_route; i++)
        r->cap += 1 + cfg->routes.route[i].n_host;
    r->path = ARENA_ARRAY(&r->arena, struct sandbox_path, r->cap);
    for (unsigned i = 0; i < COUNTOF(readable); i++)
        (void)reach_add(r, span_z(readable[i]), i == 5);
    (void)reach_add(r, cfg->dns.trust_anchor_file, false);
    (void)reach_add(r, cfg->dns.unbound_config_file, false);
    (void)reach_add(r, cfg->data, true);
    for (unsigned i = 0; i < cfg->routes.n_route; i++)
        reach_add_route(r, &cfg->routes.route[i]);
}

static enum err child_sandbox_files(const struct child *c, struct why *why)
{
    struct reach r;
    bool degraded;
    reach_init(&r, c->wb.config, &c->boot.config.hash_key);
    enum err e = sandbox_files(r.path, r.n, &degraded, why);
    if (e == ERR_OK && degraded) {
        log_begin(LOG_WARN, "sandbox.degraded");
        log_z("why", "this kernel has no landlock: file permissions alone hold the worker");
        log_end();
    }
    map_done(&r.seen);
    arena_done(&r.arena);
    return e;
}

static enum err child_open_shards(struct child *c, struct why *why)
{
    struct worker_boot *wb = &c->wb;
    for (unsigned i = 0; i < c->boot.n_shard; i++) {
        unsigned shard = c->boot.shard[i];
        boot_shard_path(wb->config->data, shard, c->shard_path);
        TRY(store_sqlite_open(c->shard_path, shard, NULL, wall_ms_now(), &wb->shard[i], why));
        wb->shard_number[i] = shard;
    }
    wb->n_shard = c->boot.n_shard;
    return ERR_OK;
}

static enum err child_share(struct child *c, struct why *why)
{
    size_t n;
    struct boot_shared *shared = shared_map(c->fd[BOOT_FD_SHARED], true, &n);
    if (!shared) {
        why_set(why, "the shared memory cannot be mapped");
        return ERR_IO;
    }
    close(c->fd[BOOT_FD_SHARED]);
    c->wb.stats = (struct stats){ shared->row, c->boot.n_workers, c->boot.index };
    c->wb.clients = (struct clients){ .part = shared->part,
                                      .n = c->boot.n_workers,
                                      .mine = c->boot.index,
                                      .key = c->boot.config.hash_key };
    stats_wipe_gauges(&c->wb.stats);
    shared->part[c->boot.index] = (struct clients_part){ 0 };
    return ERR_OK;
}

static void child_reloaded(void *arg, struct config *config, const struct why *why)
{
    struct child *c = arg;
    if (!config) {
        (void)child_fails("reload", why); /* the old snapshot stays */
        return;
    }
    if (c->worker->stopping) {
        config_unref(config);
        return;
    }
    child_log(c, config->log_level);
    worker_reload(c->worker, config);
}

static void child_told(void *arg)
{
    struct child *c = arg;
    struct boot_message m;
    size_t n;
    int fd[CHANNEL_FDS_MAX];
    unsigned n_fd = 0;
    enum err e = channel_recv(BOOT_CHANNEL_FD, &m, sizeof m, &n, fd, &n_fd);
    if (e == ERR_AGAIN)
        return;
    if (e != ERR_OK || n != sizeof m) { /* the supervisor is gone: nobody would start us again */
        watch_free(c->channel);
        c->channel = NULL;
        worker_stop(c->worker, 5 * 1000);
        return;
    }
    if (m.kind == BOOT_RELOAD && n_fd == 1)
        reload_start(c->reload, fd[0], span_z(m.config_path), &m.config);
    if (m.kind == BOOT_KEEPER && n_fd == 1)
        keeper_link(fd[0]);
    if (m.kind == BOOT_FETCHER && n_fd == 1)
        fetching_link(c->worker->fetching, fd[0]);
    if (m.kind == BOOT_STOP)
        worker_stop(c->worker, m.stop_within_ms);
}

static enum err child_take_boot(struct child *c, struct why *why)
{
    size_t n;
    enum err e = channel_recv(BOOT_CHANNEL_FD, &c->boot, sizeof c->boot, &n, c->fd, &c->n_fd);
    if (e != ERR_OK || n != sizeof c->boot || c->boot.kind != BOOT_START ||
        c->n_fd != BOOT_FD_LISTEN + c->boot.n_listen || c->boot.n_shard > WORKER_SHARDS_MAX) {
        why_set(why, "no start message from the supervisor");
        return ERR_IO;
    }
    return ERR_OK;
}

static enum err child_start(struct child *c, struct why *why)
{
    struct worker_boot *wb = &c->wb;
    TRY(keeper_provider_load(why));
    keeper_link(c->fd[BOOT_FD_KEEPER]);
    TRY(reload_now(c->fd[BOOT_FD_BUNDLE], span_z(c->boot.config_path), &c->boot.config, &wb->config,
                   why));
    TRY(child_share(c, why));
    TRY(sandbox_user(c->boot.uid, c->boot.gid, why));
    TRY(child_sandbox_files(c, why));
    wb->index = c->boot.index;
    wb->uid = geteuid();
    wb->n_workers = c->boot.n_workers;
    wb->fetcher_fd = c->fd[BOOT_FD_FETCHER];
    wb->control_fd = c->fd[BOOT_FD_CONTROL];
    wb->metrics_fd = c->boot.has_metrics ? c->fd[BOOT_FD_METRICS] : -1;
    if (!c->boot.has_metrics)
        close(c->fd[BOOT_FD_METRICS]); /* the bundle again */
    for (unsigned i = 0; i < c->boot.n_listen; i++)
        wb->listen_fd[i] = c->fd[BOOT_FD_LISTEN + i];
    wb->loop = loop_new();
    TRY(dns_new(wb->loop, &wb->config->dns, &wb->dns, why));
    TRY(child_open_shards(c, why));
    c->worker = worker_new(wb);
    c->reload = reload_new(wb->loop, child_reloaded, c);
    reload_adopt(c->reload, wb->config);
    return sandbox_syscalls(why);
}

/* Bodies come and go in chunks of 256 KiB: without this each one is a mapping of its own, made,
 * cleared and given back for every message. */
static void tune_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MXFAST, 0);
}

int child_main(void)
{
    tune_memory();
    (void)prctl(PR_SET_NAME, "posternd"); /* exec of /proc/self/exe called us "exe" */
    struct child *c = NEW(struct child);
    struct why why = { "" };
    enum err e = child_take_boot(c, &why);
    child_log(c, LOG_INFO);
    if (e == ERR_OK)
        e = child_start(c, &why);
    if (e != ERR_OK)
        _exit(child_fails("start", &why));
    child_log(c, c->wb.config->log_level);

    struct boot_message ready = { .kind = BOOT_READY, .index = c->boot.index };
    (void)fcntl(BOOT_CHANNEL_FD, F_SETFL, fcntl(BOOT_CHANNEL_FD, F_GETFL) | O_NONBLOCK);
    c->channel = watch_new(c->wb.loop, BOOT_CHANNEL_FD, child_told, c);
    if (channel_send(BOOT_CHANNEL_FD, &ready, sizeof ready, NULL, 0) != ERR_OK)
        _exit(EXIT_BROKEN); /* the supervisor is gone */
    loop_run(c->wb.loop);
    log_begin(LOG_INFO, "worker.stopped");
    log_end();
    log_flush();
    /* What is in memory is on disk as well: nothing needs to be taken apart. */
    _exit(EXIT_WELL);
}
