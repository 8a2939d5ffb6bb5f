#include "fetcher/jobs.h"

#include "test/test.h"

#include <stdio.h>

static struct fetch_request get(const char *url)
{
    return (struct fetch_request){ .url = span_z(url), .body_max = 1000, .rules.timeout_ms = 5000 };
}

static enum err ask(struct jobs *j, const char *url, unsigned link, uint32_t serial, int64_t now)
{
    struct fetch_request r = get(url);
    return jobs_ask(j, &r, (struct job_waiter){ link, serial }, now);
}

static void end(struct jobs *j, struct job *job, int64_t now)
{
    job->result = (struct fetch_result){ .reached = FETCH_DONE, .status = 200 };
    jobs_ended(j, job, now);
}

static void answer(struct jobs *j, struct job *job)
{
    while (job->n_waiter > 0)
        jobs_answered(j, job, 0);
}

TEST(equal_requests_are_one_job)
{
    struct jobs j;
    jobs_init(&j);
    CHECK_NUM(ask(&j, "http://a.example/x", 0, 1, 0), ERR_OK);
    CHECK_NUM(ask(&j, "http://a.example/x", 1, 1, 0), ERR_OK);
    CHECK_NUM(ask(&j, "http://a.example/y", 1, 2, 0), ERR_OK);
    CHECK_NUM(j.n, 2);
    struct job *job = jobs_next(&j);
    CHECK(job && job->n_waiter == 2);
    CHECK_NUM(ask(&j, "http://a.example/x", 2, 9, 10), ERR_OK);
    CHECK_NUM(job->n_waiter, 3);
    CHECK_NUM(j.shared, 2);
    end(&j, job, 20);
    answer(&j, job);
    CHECK_NUM(ask(&j, "http://a.example/x", 3, 1, 20 + JOBS_SHARE_MS - 1), ERR_OK);
    CHECK_NUM(job->n_waiter, 1);
    CHECK_NUM(ask(&j, "http://a.example/x", 3, 2, 20 + JOBS_SHARE_MS), ERR_OK);
    CHECK_NUM(j.n, 3);
    jobs_done(&j);
}

TEST(other_bounds_or_a_body_are_other_jobs)
{
    struct jobs j;
    struct fetch_request r = get("http://a.example/");
    struct job_waiter who = { 0, 1 };
    jobs_init(&j);
    CHECK_NUM(jobs_ask(&j, &r, who, 0), ERR_OK);
    r.body_max = 1001;
    CHECK_NUM(jobs_ask(&j, &r, who, 0), ERR_OK);
    r.rules.timeout_ms = 1;
    CHECK_NUM(jobs_ask(&j, &r, who, 0), ERR_OK);
    r.body = SPAN("question");
    CHECK_NUM(jobs_ask(&j, &r, who, 0), ERR_OK);
    CHECK_NUM(jobs_ask(&j, &r, who, 0), ERR_OK);
    CHECK_NUM(j.n, 5);
    jobs_done(&j);
}

TEST(failures_and_large_answers_are_not_shared_later)
{
    struct jobs j;
    jobs_init(&j);
    CHECK_NUM(ask(&j, "http://a.example/", 0, 1, 0), ERR_OK);
    struct job *job = jobs_next(&j);
    job->result = (struct fetch_result){ .reached = FETCH_TLS };
    jobs_ended(&j, job, 5);
    answer(&j, job);
    CHECK_NUM(ask(&j, "http://a.example/", 0, 2, 6), ERR_OK);
    CHECK_NUM(j.n, 2);
    jobs_tidy(&j, 6);
    CHECK_NUM(j.n, 1);
    jobs_done(&j);
}

TEST(t52_bounds_at_once_of_a_host_and_of_all)
{
    struct jobs j;
    char url[80];
    unsigned n = 0;
    jobs_init(&j);
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(url, sizeof url, "https://One.example:%u/%u", 8000 + i, i);
        CHECK_NUM(ask(&j, url, 0, i, 0), ERR_OK);
    }
    while (jobs_next(&j))
        n++;
    CHECK_NUM(n, JOBS_AT_ONCE_HOST);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(url, sizeof url, "https://h%u.example/", i);
        CHECK_NUM(ask(&j, url, 1, i, 0), ERR_OK);
    }
    while (jobs_next(&j))
        n++;
    CHECK_NUM(n, JOBS_AT_ONCE);
    CHECK(!jobs_overdue(&j, 4999));
    CHECK(jobs_overdue(&j, 5000) != NULL);
    for (struct list *l = j.all.next; l != &j.all; l = l->next) {
        struct job *job = CONTAINER_OF(l, struct job, in);
        if (job->state == JOB_RUNNING)
            end(&j, job, 1);
    }
    CHECK_NUM(j.n_running, 0);
    jobs_done(&j);
}

TEST(t52_bounds_of_a_worker_and_of_the_queue)
{
    struct jobs j;
    char url[80];
    jobs_init(&j);
    for (unsigned i = 0; i < JOBS_OF_LINK_MAX; i++) {
        (void)snprintf(url, sizeof url, "https://h%u.example/", i);
        CHECK_NUM(ask(&j, url, 0, i, 0), ERR_OK);
    }
    CHECK_NUM(ask(&j, "https://more.example/", 0, 0, 0), ERR_FULL);
    for (unsigned i = 0; i < JOBS_MAX - JOBS_OF_LINK_MAX; i++) {
        (void)snprintf(url, sizeof url, "https://g%u.example/", i);
        CHECK_NUM(ask(&j, url, 1 + i / JOBS_OF_LINK_MAX, i, 0), ERR_OK);
    }
    CHECK_NUM(ask(&j, "https://more.example/", 9, 0, 0), ERR_FULL);
    CHECK_NUM(ask(&j, "https://h0.example/", 9, 0, 0), ERR_OK); /* shared */
    jobs_forget(&j, 0);
    CHECK_NUM(j.of_link[0], 0);
    CHECK_NUM(j.n, JOBS_MAX - JOBS_OF_LINK_MAX + 1);
    jobs_done(&j);
}

TEST(a_worker_that_is_gone_leaves_what_runs_to_others)
{
    struct jobs j;
    jobs_init(&j);
    CHECK_NUM(ask(&j, "http://a.example/", 0, 1, 0), ERR_OK);
    CHECK_NUM(ask(&j, "http://a.example/", 1, 7, 0), ERR_OK);
    struct job *job = jobs_next(&j);
    jobs_forget(&j, 0);
    CHECK(job && job->n_waiter == 1 && job->waiter[0].serial == 7);
    jobs_forget(&j, 1);
    CHECK_NUM(j.n, 1);
    end(&j, job, 3);
    jobs_tidy(&j, 3 + JOBS_SHARE_MS);
    CHECK_NUM(j.n, 0);
    jobs_done(&j);
}
