#include "io/work.h"
#include "test/test.h"
#include <stdatomic.h>

enum { ITEMS = 5000, BATCH_MAX = 64 };

struct job {
    struct work_item item;
    int number;
    bool ran;
};

struct bench {
    struct loop *loop;
    struct work *work;
    int next_run, next_finish, again;
    atomic_int biggest;
    bool in_order;
};

static struct job *job_of(struct work_item *item)
{
    return CONTAINER_OF(item, struct job, item);
}

static void run_batch(void *arg, struct work_item *batch)
{
    struct bench *b = arg;
    int n = 0;
    for (struct work_item *i = batch; i; i = i->next, n++) {
        b->in_order &= job_of(i)->number == b->next_run++;
        job_of(i)->ran = true;
    }
    if (n > atomic_load(&b->biggest))
        atomic_store(&b->biggest, n);
}

static void finish_one(void *arg, struct work_item *item)
{
    struct bench *b = arg;
    struct job *j = job_of(item);
    CHECK(j->ran);
    CHECK_NUM(j->number, b->next_finish);
    b->next_finish++;
    if (b->again > 0) { /* an item may be submitted again from here */
        b->again--;
        j->ran = false;
        j->number = ITEMS - 1 + b->next_finish;
        work_submit(b->work, item);
        return;
    }
    mem_free(j);
    if (b->next_finish == ITEMS && b->loop)
        loop_stop(b->loop);
}

static void submit(struct bench *b, int n)
{
    for (int i = 0; i < n; i++) {
        struct job *j = NEW(struct job);
        j->number = i;
        work_submit(b->work, &j->item);
    }
}

TEST(work_runs_and_finishes_in_order)
{
    struct bench b = { .loop = loop_new(), .in_order = true };
    b.work = work_new(b.loop, "test", BATCH_MAX, run_batch, finish_one, &b);
    submit(&b, ITEMS);
    loop_run(b.loop);
    CHECK_NUM(b.next_finish, ITEMS);
    CHECK(b.in_order);
    CHECK(atomic_load(&b.biggest) <= BATCH_MAX);
    work_free(b.work);
    loop_free(b.loop);
}

TEST(work_free_finishes_what_is_queued)
{
    struct loop *l = loop_new();
    struct bench b = { .in_order = true };
    b.work = work_new(l, "a name too long for the kernel", 1, run_batch, finish_one, &b);
    submit(&b, 100);
    work_free(b.work);
    CHECK_NUM(b.next_finish, 100);
    CHECK(b.in_order);
    work_free(NULL);
    loop_free(l);
}

TEST(work_items_can_be_submitted_from_finish)
{
    struct bench b = { .loop = loop_new(), .in_order = true, .again = 3000 };
    b.work = work_new(b.loop, "test", 7, run_batch, finish_one, &b);
    for (int i = 0; i < ITEMS; i++) {
        struct job *j = NEW(struct job);
        j->number = i;
        work_submit(b.work, &j->item);
    }
    loop_run(b.loop);
    work_free(b.work); /* the thread is gone: what it wrote may be read */
    CHECK(b.in_order);
    CHECK_NUM(b.next_finish, ITEMS + 3000);
    loop_free(b.loop);
}
