/* fetching_sim.h - what the simulated world answers to whoever fetches (gate/fetching.h). */
#ifndef SIM_FETCHING_SIM_H
#define SIM_FETCHING_SIM_H

#include "cert/fetch.h"

void fetching_sim_clear(void);
/* A later row for the same URL holds. Copies. */
void fetching_sim_put(struct span url, const struct fetch_result *r, struct span body);

#endif
