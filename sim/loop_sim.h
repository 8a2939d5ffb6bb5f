/* loop_sim.h - what the simulator can do to a loop from outside, beyond io/loop.h and io/work.h. */
#ifndef SIM_LOOP_SIM_H
#define SIM_LOOP_SIM_H

#include "io/loop.h"

/* The machine that it runs on: the address of calls that bind none. */
void loop_set_host(struct loop *l, const struct ip *ip);
/* kill -9, or the power goes: nothing of it runs again; its sockets end; its memory is left alone.
 */
void loop_kill(struct loop *l, bool power);
/* Stays true for as long as the world does: for event.void_if. */
const bool *loop_death(const struct loop *l);
/* loop_stop was called. */
bool loop_has_stopped(const struct loop *l);
/* The whole process stands still; or only its threads. */
void loop_pause(struct loop *l, int64_t until_us);
void loop_freeze(struct loop *l, int64_t until_us);
/* Nothing is with a thread, and everything that came from one is finished; and rests, which may be
 * added, says so, too. */
bool loop_is_quiet(const struct loop *l);
void loop_set_rests(struct loop *l, bool (*rests)(void));
/* When that was true last at the end of a turn. */
int64_t loop_quiet_us(const struct loop *l);
unsigned loop_sockets(const struct loop *l);

#endif
