/* jobs.h - what the fetcher has to do, in order: who asked for what, what may begin, what is under
 * way, what is answered. It opens no sockets and knows no clock: fetcher.c does the work.
 *
 *   jobs_ask -> WAITING -> RUNNING -> ENDED -> gone, when all were answered and nobody may share it
 *                 \-- its time is over -->/
 *
 * Single flight: equal requests without a body (URL, body_max, timeout) are one job with several
 * who wait for it, and one that ended well is shared for JOBS_SHARE_MS more when it is small.
 */
#ifndef FETCHER_JOBS_H
#define FETCHER_JOBS_H

#include "base/list.h"
#include "cert/exchange.h"

enum {
    JOBS_AT_ONCE = 32,
    JOBS_AT_ONCE_HOST = 4,
    JOBS_MAX = 1000,
    JOBS_OF_LINK_MAX = 250, /* that one worker waits for */
    JOBS_LINKS = 64,
    JOBS_SHARE_MS = 3000,
    JOBS_SHARE_BYTES = 64 * 1024,
    JOBS_WAITERS = 16, /* one more makes another job */
};

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_ENDED };

struct job_waiter {
    unsigned link;
    uint32_t serial;
};

struct job {
    struct list in;
    enum job_state state;
    struct fetch_request request; /* spans into what stands below */
    char url[FETCH_URL_MAX], type[FETCH_TYPE_MAX];
    struct buf post, body;
    int64_t until_ms; /* WAITING: to begin at the latest; ENDED: to be kept, or answered */
    struct job_waiter waiter[JOBS_WAITERS];
    unsigned n_waiter;
    struct exchange exchange;   /* RUNNING */
    struct fetch_result result; /* ENDED */
};

struct jobs {
    struct list all; /* oldest first */
    unsigned n, n_running;
    unsigned of_link[JOBS_LINKS];
    uint64_t shared; /* who was given what another had asked for */
};

void jobs_init(struct jobs *j);
/* Everything goes; nothing may be running. */
void jobs_done(struct jobs *j);
/* Copies the request. ERR_FULL: too many jobs, or too many of this link. */
MUST_USE enum err jobs_ask(struct jobs *j, const struct fetch_request *r, struct job_waiter who,
                           int64_t now_ms);
/* One that may begin, RUNNING now; NULL: none. */
struct job *jobs_next(struct jobs *j);
/* One that has waited too long, still WAITING: for jobs_ended. NULL: none. */
struct job *jobs_overdue(struct jobs *j, int64_t now_ms);
/* It has a result. */
void jobs_ended(struct jobs *j, struct job *job, int64_t now_ms);
/* The waiter i has its answer, or will not get one. */
void jobs_answered(struct jobs *j, struct job *job, unsigned i);
/* A worker is gone: nobody there waits any more. Jobs that only it asked for do not begin. */
void jobs_forget(struct jobs *j, unsigned link);
/* Frees what ended, was answered, and is too old to be shared. */
void jobs_tidy(struct jobs *j, int64_t now_ms);

#endif
