/* sched.h - what is due, and for whom: destinations, their sessions, their windows.
 *
 * Fresh mail comes from inbound.c, older mail from the store (take under a lease). A destination is
 * everything that shares a session: connector or organisation, route, domain and contract (its
 * key). For each one a window says how many sessions may run, grows on success and shrinks on
 * failure; a dead one rests.
 */
#ifndef GATE_SCHED_H
#define GATE_SCHED_H

#include "gate/mail.h"
#include "policy/decide.h"

struct dest {
    struct list in;    /* sched.dests */
    struct span key;   /* map key */
    struct span whose; /* way_whose: nobody else resumes its TLS sessions */
    struct sched *sched;
    struct worker *worker;
    struct arena arena;
    struct config *config; /* held: the route's strings are its */
    struct route route;
    struct contract contract;
    const struct out_connector *by; /* of config; NULL: none was chosen */
    struct span domain;
    struct list ready;   /* jobs that wait for a session */
    unsigned n_sessions; /* running and idle, or Maildir hand-overs */
    unsigned n_ready;
    unsigned n_jobs;  /* that wait, that a session has, or that report.c has */
    struct list idle; /* sessions that wait for mail, the latest in front */
    bool retired;     /* made under a snapshot that is gone: takes no new mail */
    struct window window;
    struct reply last; /* why it rests; text in last_text */
    char last_text[256];
    int64_t used_ms; /* monotonic */
};

struct sched *sched_new(struct worker *w);
void sched_free(struct sched *s);
/* No new attempts; idle sessions end. */
void sched_stop(struct sched *s);
bool sched_quiet(const struct sched *s);
void sched_reload(struct sched *s);

/* Room for one more message in memory? If not, it is committed without a lease and taken later. */
bool sched_has_room(const struct sched *s);
/* A message just committed under our lease; the mail reference is taken over. token: of all its
 * recipients. */
void sched_fresh(struct sched *s, struct mail *m, uint64_t token, int64_t lease_until_ms);
/* Something may be due now (a bounce was queued, an operator asked). */
void sched_kick(struct sched *s);
/* Destinations that rest are tried anew, with one session each (an operator asked). */
void sched_wake(struct sched *s);
/* Walks the destinations there are, retired ones too. */
typedef void sched_dest_fn(void *arg, const struct dest *d);
void sched_each(const struct sched *s, sched_dest_fn *fn, void *arg);

/* --- for outbound.c and report.c --- */

/* The next job for a session of this destination, or NULL; it leaves the ready list. */
struct job *sched_next(struct dest *d);
/* A job goes back to the front of the line without having been tried. */
void sched_put_back(struct job *j);
/* Mail passed on a session: the window learns. */
void sched_passed(struct dest *d);
/* A session was counted by outbound_start and is over. failure: it ended before any mail could
 * pass: what waiting mail is told when the destination is dead; NULL: it did its work. */
void sched_session_over(struct dest *d, const struct reply *failure);
/* The session has nothing to send now and stays open; sched calls outbound_more when there is. */
void sched_session_idle(struct dest *d, struct list *member);
/* The job is over: frees it and its share of the mail. */
void sched_job_done(struct job *j);

#endif
