#include "sim/story.h"

#include "base/log.h"
#include "sim/check_disk.h"
#include "sim/loop_sim.h"
#include "sim/machine.h"
#include "sim/swarm.h"
#include <stdio.h>
#include <unistd.h>

enum { LOOK_US = MS_US, LONGEST_S = 3600 };

struct moment {
    bool (*is_so)(void);
    void (*fn)(void);
};

void story_begin(void)
{
    world_start_told();
    swarm_calm();
    swarm.messages = 0;
    log_setup(STDOUT_FILENO, LOG_INFO, "gate0", world_wall_ms);
    town_begin();
    (void)town_add("home.test", DOMAIN_HOME, NEED_TRY, 1);
    machine_build();
}

static void look(void *arg)
{
    struct moment *m = arg;
    if (!m->is_so()) {
        world_in(LOOK_US, look, m);
        return;
    }
    m->fn();
    mem_free(m);
}

void story_when(bool (*is_so)(void), void (*fn)(void))
{
    struct moment *m = NEW(struct moment);
    *m = (struct moment){ is_so, fn };
    world_in(LOOK_US, look, m);
}

static bool is_over(void)
{
    return machine_worker() && clients_busy() == 0 && loop_is_quiet(machine_loop()) &&
           check_queue_is_empty();
}

void story_end(int64_t told_us)
{
    net_storm(true);
    town_tell();
    servers_start();
    clients_start(told_us);
    world_run(told_us);
    while (!is_over()) {
        if (world_us() > told_us + LONGEST_S * (int64_t)SECOND_US)
            violated(8, "the story does not end");
        world_run(world_us() + SECOND_US);
    }
    world_run(world_us() + (TOWN_SESSION_S + 30) * SECOND_US); /* every deadline */
    check_end();
    check_disk_trace();
    (void)fflush(stdout);
    _exit(0);
}
