/* machine.h - the machine that the gateway runs on: starts the worker, kills it, cuts its power,
 * fills its disk. It plays the supervisor and the operator: what died is started again, what a
 * broken disk stopped is started again after the disk was mended. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include "gate/worker.h"

void machine_build(void);
/* Draws when what will happen to it until then. */
void machine_storm(int64_t until_us);
/* Everything is mended; it is up, or soon will be. */
void machine_calm(void);

/* kill -9, or its power goes; it is started again seconds later. */
void machine_kill(bool power);
/* Its disk hangs for so long. */
void machine_freeze(int64_t us);
/* As by SIGTERM. */
void machine_stop(void);

/* NULL: it is down. */
struct worker *machine_worker(void);
struct loop *machine_loop(void);
/* Counts the lives of the worker, from 1. */
unsigned machine_life(void);
/* Of a life that is over: when everything that it had begun was last done, and whether its end
 * leaves that in doubt. */
struct life {
    bool over;
    int64_t begun_us, ended_us, quiet_us;
    bool store_failed; /* a read, a write or a sync failed */
    bool store_full;   /* the disk was full at times: results wait until it is not */
};
const struct life *machine_life_of(unsigned life);

enum { MACHINE_SHARDS = 2 };
const char *machine_shard_path(unsigned shard);

/* When the last pause or freeze that has begun is over. */
int64_t machine_well_us(void);

#endif
