/* story.h - a world that is told, not drawn: a script says who lives there and what happens when.
 *
 *     story_begin();
 *     struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
 *     clients_send(SECOND_US, &(static struct letter_plan){ .to = { d }, ... });
 *     story_end();
 *
 * in a process of its own. What it says on stdout - the log, what hosts and clients see, at last
 * the trace - is compared with what test/sim/ holds (test/sim/test_stories.c).
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include "sim/peers.h"
#include "sim/world.h"

/* A calm world with home.test alone, where nothing is left to chance. */
void story_begin(void);
/* fn, as soon as is_so: looked at each millisecond from now on. */
void story_when(bool (*is_so)(void), void (*fn)(void));
/* Lets all of it happen, until the last thing that was told has happened and nobody is owed
 * anything. Ends the process. */
_Noreturn void story_end(int64_t told_us);

#endif
