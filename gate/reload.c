/* reload.c - start at reload_start, then follow a job: reload_run on the thread, reload_finish on
 * the loop. */
#include "gate/reload.h"
#include "io/work.h"
#include "sys/channel.h"

#include <sys/mman.h>
#include <unistd.h>

/* What the thread is asked for: to load (fd, path, boot), or to free a snapshot (config). */
struct reload_job {
    struct work_item item;
    bool loads;
    int fd;
    char *path;
    struct config_boot boot;
    struct config *config; /* to be freed, or what was loaded */
    enum err result;
    struct why why;
};

struct reload {
    struct work *work;
    reload_done_fn *done;
    void *arg;
    bool loading, ending;
    struct reload_job *next; /* the newest that came while one was loaded */
};

enum err reload_now(int fd, struct span path, const struct config_boot *boot, struct config **ret,
                    struct why *why)
{
    size_t n;
    void *p = shared_map(fd, false, &n);
    close(fd);
    if (!p) {
        why_set(why, "the bundle cannot be mapped");
        return ERR_IO;
    }
    struct bundle_view view;
    struct config_source source = config_source_bundle(&view, span_of(p, n));
    enum err e = config_load(path, &source, boot, ret, why);
    (void)munmap(p, n);
    return e;
}

static void job_free(struct reload_job *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    mem_free(j->path);
    explicit_bzero(&j->boot, sizeof j->boot); /* the secrets of tickets */
    mem_free(j);
}

/* --- on the thread */

static void reload_run(void *arg, struct work_item *batch)
{
    (void)arg;
    ASSERT(!batch->next);
    struct reload_job *j = CONTAINER_OF(batch, struct reload_job, item);
    if (j->loads) {
        j->result = reload_now(j->fd, span_z(j->path), &j->boot, &j->config, &j->why);
        j->fd = -1;
    } else {
        config_free(j->config);
    }
}

/* --- on the loop */

static void reload_gone(void *arg, struct config *c)
{
    struct reload *r = arg;
    ASSERT(!r->ending);
    struct reload_job *j = NEW(struct reload_job);
    *j = (struct reload_job){ .fd = -1, .config = c };
    work_submit(r->work, &j->item);
}

void reload_adopt(struct reload *r, struct config *c)
{
    config_when_gone(c, reload_gone, r);
}

static void reload_submit(struct reload *r, struct reload_job *j)
{
    ASSERT(!r->loading);
    r->loading = true;
    work_submit(r->work, &j->item);
}

/* The next load begins before the one that ended is told: its end may ask for another. */
static void reload_finish(void *arg, struct work_item *item)
{
    struct reload *r = arg;
    struct reload_job *j = CONTAINER_OF(item, struct reload_job, item), *next = r->next;
    if (!j->loads) {
        job_free(j);
        return;
    }
    r->loading = false;
    r->next = NULL;
    if (next && !r->ending)
        reload_submit(r, next);
    else
        job_free(next);
    if (r->ending) {
        config_unref(j->config);
    } else {
        if (j->config)
            reload_adopt(r, j->config);
        r->done(r->arg, j->config, &j->why);
    }
    job_free(j);
}

void reload_start(struct reload *r, int fd, struct span path, const struct config_boot *boot)
{
    struct reload_job *j = NEW(struct reload_job);
    *j = (struct reload_job){ .loads = true, .fd = fd, .path = mem_zalloc(path.n + 1) };
    j->boot = *boot;
    memcpy(j->path, path.p, path.n);
    if (!r->loading) {
        reload_submit(r, j);
        return;
    }
    job_free(r->next);
    r->next = j;
}

struct reload *reload_new(struct loop *loop, reload_done_fn *done, void *arg)
{
    struct reload *r = NEW(struct reload);
    r->done = done;
    r->arg = arg;
    r->work = work_new(loop, "config", 1, reload_run, reload_finish, r);
    return r;
}

void reload_free(struct reload *r)
{
    if (!r)
        return;
    r->ending = true;
    work_free(r->work);
    job_free(r->next);
    mem_free(r);
}
