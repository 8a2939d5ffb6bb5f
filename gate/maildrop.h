/* maildrop.h - what the file thread of a worker runs: see maildrop.c; outbound_maildir starts it.
 */
#ifndef GATE_MAILDROP_H
#define GATE_MAILDROP_H

#include "io/work.h"

void maildrop_run(void *arg, struct work_item *batch);
void maildrop_finish(void *arg, struct work_item *item);

#endif
