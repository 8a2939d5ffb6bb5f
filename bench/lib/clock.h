/* clock.h - what time it is and what it cost. Monotonic times are comparable between processes
 * of one machine: the load generator and the sink both write them. */
#ifndef BENCH_LIB_CLOCK_H
#define BENCH_LIB_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t mono_ns(void);
/* Unix milliseconds. */
int64_t wall_ms(void);
/* User and system time of this process, in seconds. */
double own_cpu_s(void);
/* Raises the limit of open files to what the system lets us have. */
void files_max(void);

#endif
