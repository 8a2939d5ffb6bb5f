/* One mutex guards both queues. The thread sleeps on `more`; the loop is woken by `wake`. */
#include "io/work.h"
#include <pthread.h>
#include <signal.h>

struct queue {
    struct work_item *first, **last;
};

struct work {
    unsigned batch_max;
    work_run_fn *run;
    work_finish_fn *finish;
    void *arg;
    struct wake *wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* under the lock: */
    struct queue waiting, done;
    bool stop;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_push(struct queue *q, struct work_item *item)
{
    item->next = NULL;
    *q->last = item;
    q->last = &item->next;
}

/* At most max items from the front, as a list of their own. */
static struct work_item *queue_take(struct queue *q, unsigned max)
{
    struct work_item *first = q->first, **end = &q->first;
    for (unsigned i = 0; i < max && *end; i++)
        end = &(*end)->next;
    struct work_item *rest = *end;
    *end = NULL;
    q->first = rest;
    if (!rest)
        q->last = &q->first;
    return end == &q->first ? NULL : first;
}

static void work_lock(struct work *w)
{
    int e = pthread_mutex_lock(&w->lock);
    ASSERT(e == 0);
}

static void work_unlock(struct work *w)
{
    int e = pthread_mutex_unlock(&w->lock);
    ASSERT(e == 0);
}

static void *work_thread(void *arg)
{
    struct work *w = arg;
    work_lock(w);
    for (;;) {
        while (!w->waiting.first && !w->stop)
            pthread_cond_wait(&w->more, &w->lock);
        struct work_item *batch = queue_take(&w->waiting, w->batch_max);
        if (!batch)
            break;
        work_unlock(w);
        w->run(w->arg, batch);
        work_lock(w);
        for (struct work_item *item = batch, *next; item; item = next) {
            next = item->next;
            queue_push(&w->done, item);
        }
        wake_post(w->wake);
    }
    work_unlock(w);
    return NULL;
}

static void work_woken(void *arg)
{
    struct work *w = arg;
    work_lock(w);
    struct work_item *item = w->done.first;
    queue_init(&w->done);
    work_unlock(w);
    while (item) {
        struct work_item *next = item->next; /* finish() may free or submit the item */
        w->finish(w->arg, item);
        item = next;
    }
}

/* Signals are the loop's business: the thread is born with all of them blocked. */
static void work_start(struct work *w, const char *name)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&w->thread, NULL, work_thread, w);
    ASSERT(e == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_setname_np(w->thread, name); /* too long a name is refused, and no harm done */
}

struct work *work_new(struct loop *loop, const char *name, unsigned batch_max, work_run_fn *run,
                      work_finish_fn *finish, void *arg)
{
    ASSERT(batch_max > 0);
    struct work *w = NEW(struct work);
    w->batch_max = batch_max;
    w->run = run;
    w->finish = finish;
    w->arg = arg;
    queue_init(&w->waiting);
    queue_init(&w->done);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    w->wake = wake_new(loop, work_woken, w);
    work_start(w, name);
    return w;
}

void work_free(struct work *w)
{
    if (!w)
        return;
    work_lock(w);
    w->stop = true;
    pthread_cond_signal(&w->more);
    work_unlock(w);
    pthread_join(w->thread, NULL);
    work_woken(w);
    ASSERT(!w->waiting.first);
    wake_free(w->wake);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

void work_submit(struct work *w, struct work_item *item)
{
    work_lock(w);
    ASSERT(!w->stop);
    queue_push(&w->waiting, item);
    pthread_cond_signal(&w->more);
    work_unlock(w);
}
