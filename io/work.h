/* work.h - one thread with a queue in and completions out to the loop. The only file with threads
 * of ours (DNS brings its own); the simulator runs the items inline after a drawn delay.
 *
 * The thread takes everything that waits, at most batch_max items, as one list in order of
 * submission, and hands it to run(); when that returns, finish() is called for each item on the
 * loop's thread, in the same order.
 */
#ifndef IO_WORK_H
#define IO_WORK_H

#include "io/loop.h"

struct work_item {
    struct work_item *next;
};

struct work;

typedef void work_run_fn(void *arg, struct work_item *batch);   /* on the thread */
typedef void work_finish_fn(void *arg, struct work_item *item); /* on the loop */

struct work *work_new(struct loop *loop, const char *name, unsigned batch_max, work_run_fn *run,
                      work_finish_fn *finish, void *arg);
/* Runs what is queued, finishes it, joins the thread. */
void work_free(struct work *w);
void work_submit(struct work *w, struct work_item *item);

#endif
