/* check_disk.h - looks at what the queue's files hold, by SQL of its own. For check.c and main.c.
 */
#ifndef SIM_CHECK_DISK_H
#define SIM_CHECK_DISK_H

#include "sim/check.h"

/* A failed read, write or sync leaves open whether a commit came to be. */
bool check_disk_in_doubt(void);
/* A 250 was heard: the letter is on the disk at this moment. */
void check_disk_committed(struct letter *l);
void check_disk_end(void);
/* Tells what is in the queue, or all of the trace. */
void check_disk_list(void);
void check_disk_trace(void);

#endif
