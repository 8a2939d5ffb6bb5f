#include "fetcher/jobs.h"

enum { ANSWER_MS = 5000 };

static struct job *job_of(struct list *l)
{
    return CONTAINER_OF(l, struct job, in);
}

void jobs_init(struct jobs *j)
{
    *j = (struct jobs){ 0 };
    list_init(&j->all);
}

static void job_free(struct jobs *j, struct job *job)
{
    ASSERT(job->state != JOB_RUNNING);
    for (unsigned i = 0; i < job->n_waiter; i++)
        j->of_link[job->waiter[i].link]--;
    list_remove(&job->in);
    buf_done(&job->post);
    buf_done(&job->body);
    mem_free(job);
    j->n--;
}

void jobs_done(struct jobs *j)
{
    while (!list_empty(&j->all))
        job_free(j, job_of(j->all.next));
}

/* --- asking --- */

static bool is_shared_by(const struct job *job, const struct fetch_request *r, int64_t now_ms)
{
    const struct fetch_request *q = &job->request;
    return q->body.n == 0 && job->n_waiter < JOBS_WAITERS && span_eq(q->url, r->url) &&
           q->body_max == r->body_max && q->rules.timeout_ms == r->rules.timeout_ms &&
           (job->state != JOB_ENDED ||
            (now_ms < job->until_ms && job->result.reached == FETCH_DONE &&
             job->body.n <= JOBS_SHARE_BYTES));
}

static struct job *find_equal(struct jobs *j, const struct fetch_request *r, int64_t now_ms)
{
    if (r->body.n > 0)
        return NULL;
    for (struct list *l = j->all.next; l != &j->all; l = l->next)
        if (is_shared_by(job_of(l), r, now_ms))
            return job_of(l);
    return NULL;
}

static struct job *job_new(struct jobs *j, const struct fetch_request *r, int64_t now_ms)
{
    struct job *job = NEW(struct job);
    ASSERT(r->url.n <= sizeof job->url && r->content_type.n <= sizeof job->type);
    job->request = *r;
    memcpy(job->url, r->url.p, r->url.n);
    if (r->content_type.n > 0)
        memcpy(job->type, r->content_type.p, r->content_type.n);
    buf_init(&job->post, r->body.n);
    buf_put(&job->post, r->body);
    buf_init(&job->body, (size_t)r->body_max);
    job->request.url = span_of(job->url, r->url.n);
    job->request.content_type = span_of(job->type, r->content_type.n);
    job->request.body = buf_span(&job->post);
    job->until_ms = now_ms + r->rules.timeout_ms;
    list_push(&j->all, &job->in);
    j->n++;
    return job;
}

enum err jobs_ask(struct jobs *j, const struct fetch_request *r, struct job_waiter who,
                  int64_t now_ms)
{
    ASSERT(who.link < JOBS_LINKS);
    if (j->of_link[who.link] >= JOBS_OF_LINK_MAX)
        return ERR_FULL;
    struct job *job = find_equal(j, r, now_ms);
    if (!job && j->n >= JOBS_MAX)
        return ERR_FULL;
    if (job)
        j->shared++;
    else
        job = job_new(j, r, now_ms);
    job->waiter[job->n_waiter++] = who;
    j->of_link[who.link]++;
    return ERR_OK;
}

/* --- doing --- */

static bool host_has_room(const struct jobs *j, struct span host)
{
    unsigned n = 0;
    for (const struct list *l = j->all.next; l != &j->all; l = l->next) {
        const struct job *job = CONTAINER_OF(l, struct job, in);
        if (job->state == JOB_RUNNING && span_eq_nocase(fetch_url_host(job->request.url), host))
            n++;
    }
    return n < JOBS_AT_ONCE_HOST;
}

struct job *jobs_next(struct jobs *j)
{
    if (j->n_running >= JOBS_AT_ONCE)
        return NULL;
    for (struct list *l = j->all.next; l != &j->all; l = l->next) {
        struct job *job = job_of(l);
        if (job->state != JOB_WAITING || !host_has_room(j, fetch_url_host(job->request.url)))
            continue;
        job->state = JOB_RUNNING;
        j->n_running++;
        return job;
    }
    return NULL;
}

struct job *jobs_overdue(struct jobs *j, int64_t now_ms)
{
    for (struct list *l = j->all.next; l != &j->all; l = l->next)
        if (job_of(l)->state == JOB_WAITING && now_ms >= job_of(l)->until_ms)
            return job_of(l);
    return NULL;
}

void jobs_ended(struct jobs *j, struct job *job, int64_t now_ms)
{
    ASSERT(job->state != JOB_ENDED);
    if (job->state == JOB_RUNNING)
        j->n_running--;
    job->state = JOB_ENDED;
    job->until_ms = now_ms + JOBS_SHARE_MS;
    if (job->result.reached != FETCH_DONE)
        buf_release(&job->body);
}

void jobs_answered(struct jobs *j, struct job *job, unsigned i)
{
    ASSERT(i < job->n_waiter);
    j->of_link[job->waiter[i].link]--;
    job->waiter[i] = job->waiter[--job->n_waiter];
}

void jobs_forget(struct jobs *j, unsigned link)
{
    for (struct list *l = j->all.next, *next; l != &j->all; l = next) {
        struct job *job = job_of(l);
        next = l->next;
        for (unsigned i = job->n_waiter; i > 0; i--)
            if (job->waiter[i - 1].link == link)
                jobs_answered(j, job, i - 1);
        if (job->n_waiter == 0 && job->state == JOB_WAITING)
            job_free(j, job);
    }
    ASSERT(j->of_link[link] == 0);
}

void jobs_tidy(struct jobs *j, int64_t now_ms)
{
    for (struct list *l = j->all.next, *next; l != &j->all; l = next) {
        struct job *job = job_of(l);
        next = l->next;
        bool shared = now_ms < job->until_ms && job->result.reached == FETCH_DONE &&
                      job->request.body.n == 0 && job->body.n <= JOBS_SHARE_BYTES;
        bool owed = job->n_waiter > 0 && now_ms < job->until_ms + ANSWER_MS;
        if (job->state == JOB_ENDED && !owed && !shared)
            job_free(j, job);
    }
}
