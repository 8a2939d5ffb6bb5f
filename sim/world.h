/* world.h - the one world of a run: time, chance and what will happen. One heap of future events,
 * one seed; nothing in sim/ asks the machine for time or randomness.
 *
 * Time is in microseconds since the world began, so that what shares a millisecond still has an
 * order. Monotonic clocks are this time; the calendar is this time plus an offset that jumps.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/heap.h"
#include "base/span.h"

enum { MS_US = 1000, SECOND_US = 1000 * MS_US };

struct event {
    struct heap_node node;
    void (*fn)(void *arg);
    void *arg;
    const bool *void_if; /* may be NULL; what it points to is true: the event is passed over */
};

/* shown: story lines go to stdout. They go into the digest in any case. */
void world_start(uint64_t seed, bool shown);
/* A world without chance: what is drawn is always what lies in the middle. */
void world_start_told(void);
uint64_t world_seed(void);

int64_t world_us(void);
int64_t world_wall_ms(void);
void world_wall_jump(int64_t by_ms);

void event_init(struct event *e, void (*fn)(void *arg), void *arg);
/* (Re)arms; never before now. */
void event_at(struct event *e, int64_t us);
void event_in(struct event *e, int64_t us);
void event_stop(struct event *e);
static inline bool event_armed(const struct event *e)
{
    return e->node.i != 0;
}
/* Once, from memory of its own. */
void world_in(int64_t us, void (*fn)(void *arg), void *arg);

/* Lets everything happen that happens up to then, or until world_stop. */
void world_run(int64_t until_us);
void world_stop(void);
uint64_t world_events(void);

/* --- chance --- */

uint64_t draw(uint64_t n);                      /* 0..n-1 */
int64_t draw_from(int64_t least, int64_t most); /* both included */
bool draw_permille(int64_t permille);
void draw_bytes(void *p, size_t n);

/* --- what is said --- */

bool world_shown(void);
/* A line of the story: virtual time, then the text. */
void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Bytes that belong to the run though nobody reads them. */
void world_digest_add(struct span bytes);
uint64_t world_digest(void);
/* An invariant (its number in README.md) does not hold: says so and ends the run with status 1. */
_Noreturn void violated(int invariant, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
