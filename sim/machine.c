#include "sim/machine.h"

#include "gate/inbound.h"
#include "gate/sched.h"
#include "sim/check.h"
#include "sim/disk.h"
#include "sim/loop_sim.h"
#include "sim/net.h"
#include "sim/swarm.h"
#include "sim/town.h"
#include <inttypes.h>
#include <stdio.h>

enum {
    LIVES_MAX = 256,
    CONFIG_BYTES = 16 * 1024,
    STOP_WITHIN_MS = 20 * 1000,
    LOOK_US = SECOND_US,
    SICK_US = 30 * SECOND_US, /* until the operator comes */
    LEASE_US = 600 * SECOND_US,
};

static struct {
    struct worker *worker;
    struct loop *loop;
    struct stats_row row[1];
    struct clients_part *part;
    struct config_boot boot;
    int port;
    unsigned life, generation, shards_seen;
    struct life lives[LIVES_MAX];
    struct event start, look;
    uint64_t failures_before, refusals_before;
    int64_t sick_since_us, well_us, clock_ahead_ms;
    bool stopping, dying;
} machine;

const char *machine_shard_path(unsigned shard)
{
    static const char *const paths[MACHINE_SHARDS] = { "/queue/shard-0000.db",
                                                       "/queue/shard-0001.db" };
    ASSERT(shard < MACHINE_SHARDS);
    return paths[shard];
}

struct worker *machine_worker(void)
{
    return machine.worker;
}

struct loop *machine_loop(void)
{
    return machine.loop;
}

unsigned machine_life(void)
{
    return machine.life;
}

const struct life *machine_life_of(unsigned life)
{
    ASSERT(life < LIVES_MAX);
    return &machine.lives[life];
}

/* --- configuration */

static enum err source_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)arg;
    if (span_eq(path, SPAN("/postern.conf"))) {
        town_config(ret, machine.generation);
        return ERR_OK;
    }
    why_set(why, "no such file");
    return town_file(path, ret);
}

static enum err source_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_NOT_FOUND;
}

static struct config *config_new(void)
{
    static const struct config_source source = { .read = source_read, .match = source_match };
    struct config *c = NULL;
    struct why why = { "" };
    machine.boot.generation = machine.generation;
    enum err e = config_load(SPAN("/postern.conf"), &source, &machine.boot, &c, &why);
    if (e != ERR_OK)
        violated(0, "the configuration is not understood: %s", why.text);
    return c;
}

/* --- the end of a life */

static void life_ends(const char *how)
{
    struct life *l = &machine.lives[machine.life];
    l->over = true;
    l->ended_us = world_us();
    l->quiet_us = loop_quiet_us(machine.loop);
    l->store_failed = l->store_failed || disk_failures() > machine.failures_before;
    l->store_full = disk_refusals() > machine.refusals_before;
    tell("gateway %s", how);
    machine.worker = NULL;
}

/* What the machine is after this; the worker is started again some time later. */
static void machine_dies(bool power, const char *how)
{
    if (!machine.worker || machine.dying)
        return;
    machine.dying = true;
    loop_kill(machine.loop, power);
    disk_crash(power);
    net_port(machine.port)->closed = power;
    life_ends(how);
    event_in(&machine.start, draw_from(1, power ? 20 : 3) * SECOND_US + (int64_t)draw(SECOND_US));
}

void machine_kill(bool power)
{
    machine_dies(power, power ? "loses power" : "is killed");
}

static void killed(void *arg)
{
    (void)arg;
    machine_kill(false);
}

static void power_cut(void *arg)
{
    (void)arg;
    machine_kill(true);
}

/* The power goes in the middle of a write: what called it runs on without effect. */
static void died_in_write(void)
{
    if (machine.worker) {
        machine_dies(true, "loses power in a write");
        return;
    }
    tell("gateway loses power while it starts or stops");
    machine.dying = true;
    loop_kill(machine.loop, true);
    disk_crash(true);
}

static void death_in_write(void *arg)
{
    (void)arg;
    disk_die_in(1 + draw(draw(2) ? 12 : 200), died_in_write);
}

void machine_stop(void)
{
    if (!machine.worker || machine.stopping)
        return;
    tell("gateway is told to stop");
    machine.stopping = true;
    worker_stop(machine.worker, STOP_WITHIN_MS);
}

static void stop_orderly(void *arg)
{
    (void)arg;
    machine_stop();
}

/* --- the operator looks in */

static bool stores_rest(void)
{
    const struct worker *w = machine.worker;
    for (unsigned i = 0; w && i < w->n_store; i++)
        if (store_pending(w->store[i]) > 0)
            return false;
    return true;
}

static bool worker_is_quiet(const struct worker *w)
{
    return stores_rest() && inbound_quiet(w->inbound) && sched_quiet(w->sched);
}

static void worker_stopped(void)
{
    struct worker *w = machine.worker;
    bool quiet = worker_is_quiet(w); /* else it ends as the program does: nothing is taken apart */
    machine.worker = NULL;
    if (quiet)
        worker_free(w);
    if (!machine.dying)
        loop_kill(machine.loop, false), disk_crash(false);
    life_ends("has stopped");
    event_in(&machine.start, draw_from(1, 5) * SECOND_US);
}

static bool is_sick(void)
{
    for (unsigned i = 0; i < machine.worker->n_store; i++)
        if (store_health(machine.worker->store[i]) == ERR_IO)
            return true;
    return false;
}

static void look_in(void *arg)
{
    (void)arg;
    event_in(&machine.look, LOOK_US);
    if (!machine.worker)
        return;
    if (loop_has_stopped(machine.loop)) {
        worker_stopped();
        return;
    }
    check_limits(machine.worker);
    if (!is_sick())
        machine.sick_since_us = 0;
    else if (machine.sick_since_us == 0)
        machine.sick_since_us = world_us();
    else if (world_us() - machine.sick_since_us > SICK_US)
        machine_dies(draw(2), "is started anew on a mended disk");
}

/* --- the beginning of one */

static bool open_shards(struct worker_boot *b)
{
    unsigned own = swarm.stops || swarm.kills ? (unsigned)draw(MACHINE_SHARDS) : 0;
    machine.shards_seen |= 1u << own;
    for (unsigned k = 0; k < MACHINE_SHARDS; k++) {
        unsigned shard = (own + k) % MACHINE_SHARDS;
        struct why why = { "" };
        if (!(machine.shards_seen & 1u << shard))
            continue;
        enum err e = store_sqlite_open(machine_shard_path(shard), shard, "sim", world_wall_ms(),
                                       &b->shard[b->n_shard], &why);
        if (e != ERR_OK && !machine.dying) {
            tell("shard %u does not open: %s", shard, why.text);
            check_open_failed(shard, e);
        }
        if (e != ERR_OK)
            return false;
        b->shard_number[b->n_shard++] = shard;
    }
    b->index = 0;
    return true;
}

static void machine_start(void *arg)
{
    (void)arg;
    struct worker_boot b = { .n_workers = 1, .control_fd = -1, .metrics_fd = -1, .fetcher_fd = -1 };
    struct why why;
    ASSERT(!machine.worker);
    if (++machine.life == LIVES_MAX)
        violated(8, "the gateway had to be started %d times", LIVES_MAX);
    machine.lives[machine.life].begun_us = world_us();
    machine.failures_before = disk_failures();
    machine.refusals_before = disk_refusals();
    machine.stopping = machine.dying = false;
    machine.sick_since_us = 0;
    check_before_start();
    disk_up();
    machine.loop = b.loop = loop_new();
    loop_set_host(b.loop, &town.gate);
    b.config = config_new();
    enum err e = dns_new(b.loop, &b.config->dns, &b.dns, &why);
    ASSERT(e == ERR_OK);
    b.stats = (struct stats){ machine.row, 1, 0 };
    b.clients = (struct clients){ machine.part, 1, 0, machine.boot.hash_key };
    stats_wipe_gauges(&b.stats);
    *machine.part = (struct clients_part){ 0 };
    bool opened = open_shards(&b);
    (void)disk_take_cost_us();
    if (machine.dying || !opened) { /* it died while it opened, or gives up */
        if (!machine.dying)
            loop_kill(b.loop, false), disk_crash(false);
        machine.lives[machine.life].over = true;
        machine.lives[machine.life].store_failed = true;
        event_in(&machine.start, draw_from(1, 5) * SECOND_US);
        return;
    }
    net_port(machine.port)->closed = false;
    b.listen_fd[0] = machine.port;
    machine.worker = worker_new(&b);
    loop_set_rests(b.loop, stores_rest);
    tell("gateway starts, life %u, %u shards", machine.life, b.n_shard);
}

/* --- what happens to it */

void machine_freeze(int64_t us)
{
    tell("the gateway's threads freeze for %" PRId64 " s", us / SECOND_US);
    machine.well_us = world_us() + us > machine.well_us ? world_us() + us : machine.well_us;
    check_freeze(world_us() + us);
    loop_freeze(machine.loop, world_us() + us);
}

static void thread_freezes(void *arg)
{
    (void)arg;
    if (!machine.worker)
        return;
    machine_freeze(draw(3) ? LEASE_US + (int64_t)draw(120 * SECOND_US)
                           : (int64_t)draw(60 * SECOND_US));
}

static void process_pauses(void *arg)
{
    (void)arg;
    if (!machine.worker)
        return;
    int64_t us = draw(4) ? (int64_t)draw(60 * SECOND_US) : LEASE_US + (int64_t)draw(90 * SECOND_US);
    tell("the gateway stands still for %" PRId64 " s", us / SECOND_US);
    check_pause(world_us() + us);
    machine.well_us = world_us() + us > machine.well_us ? world_us() + us : machine.well_us;
    loop_pause(machine.loop, world_us() + us);
}

static void clock_jump(int64_t ms)
{
    tell("the calendar jumps by %" PRId64 " s", ms / 1000);
    machine.clock_ahead_ms += ms;
    world_wall_jump(ms);
}

static void clock_jumps(void *arg)
{
    (void)arg;
    static const int64_t sizes_s[] = { 1, 70, 4000, 90000 };
    clock_jump(sizes_s[draw(COUNTOF(sizes_s))] * 1000 * (draw(2) ? 1 : -1));
}

static void disk_emptied(void *arg)
{
    (void)arg;
    tell("the disk has room");
    disk_set_full(false);
}

static void disk_fills(void *arg)
{
    (void)arg;
    tell("the disk is full");
    disk_set_full(true);
    world_in(1 + (int64_t)draw(40 * SECOND_US), disk_emptied, NULL);
}

static void disk_breaks(void *arg)
{
    (void)arg;
    if (draw(2))
        disk_fail_write(1 + draw(60));
    else
        disk_fail_read(1 + draw(60));
}

static void fsync_breaks(void *arg)
{
    (void)arg;
    disk_fail_sync(1 + draw(20));
}

static void reloads(void *arg)
{
    (void)arg;
    if (!machine.worker || machine.stopping)
        return;
    machine.generation++;
    tell("reload, generation %u", machine.generation);
    worker_reload(machine.worker, config_new());
}

static void dns_changes(void *arg)
{
    (void)arg;
    town_dns_change();
}

void machine_storm(int64_t until_us)
{
    static const struct {
        const int64_t *n;
        void (*fn)(void *arg);
    } plan[] = {
        { &swarm.kills, killed },
        { &swarm.power_cuts, power_cut },
        { &swarm.stops, stop_orderly },
        { &swarm.deaths_in_write, death_in_write },
        { &swarm.disk_full, disk_fills },
        { &swarm.disk_errors, disk_breaks },
        { &swarm.fsync_errors, fsync_breaks },
        { &swarm.freezes, thread_freezes },
        { &swarm.pauses, process_pauses },
        { &swarm.clock_jumps, clock_jumps },
        { &swarm.reloads, reloads },
        { &swarm.dns_changes, dns_changes },
    };
    disk_set_fsync_us(swarm.fsync_us);
    for (size_t i = 0; i < COUNTOF(plan); i++)
        for (int64_t k = 0; k < *plan[i].n; k++)
            world_in(draw_from(0, until_us - world_us()), plan[i].fn, NULL);
}

/* A calendar that is behind is set right: mail from its future would wait for that. */
void machine_calm(void)
{
    if (machine.clock_ahead_ms < 0)
        clock_jump(-machine.clock_ahead_ms);
    disk_set_full(false);
    disk_fail_read(0);
    disk_fail_write(0);
    disk_fail_sync(0);
    disk_die_in(0, NULL);
    disk_set_fsync_us(200);
}

void machine_build(void)
{
    disk_start();
    machine.part = NEW(struct clients_part);
    draw_bytes(&machine.boot.hash_key, sizeof machine.boot.hash_key);
    draw_bytes(machine.boot.ticket_secret, sizeof machine.boot.ticket_secret);
    machine.port = net_port_open(&town.gate, true);
    event_init(&machine.start, machine_start, NULL);
    event_init(&machine.look, look_in, NULL);
    event_in(&machine.start, 0);
    event_in(&machine.look, LOOK_US);
}

int64_t machine_well_us(void)
{
    return machine.well_us > world_us() ? machine.well_us : world_us();
}
