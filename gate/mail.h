/* mail.h - a message that is active in a worker: leased, and on its way out.
 *
 * A mail is counted by its jobs; a job is the part of it that goes to one destination. State is
 * membership: a job is in exactly one list of its destination (ready) or held by one session.
 */
#ifndef GATE_MAIL_H
#define GATE_MAIL_H

#include "gate/worker.h"

struct mail {
    unsigned refs; /* one per job, one per finish that runs */
    struct worker *worker;
    struct store *store;
    struct arena arena;
    struct envelope envelope; /* with the recipients that are loaded */
    struct body *body;        /* NULL: in the store only */
};

struct out_connector;
struct job_rcpt {
    unsigned i;        /* in the mail's envelope */
    unsigned stored_i; /* in the store: others of the message may be gone already */
    uint64_t token;
    unsigned attempts;
    bool warned;
    const struct out_connector *test; /* in test mode, would be used; of the destination's config */
};

struct job {
    struct list in; /* dest.ready, or alone while a session has it */
    struct mail *mail;
    struct dest *dest;
    struct list leased;        /* sched.leases: every job, the first to renew in front */
    struct store_op *renewing; /* or NULL */
    int64_t lease_until_ms;    /* wall; past it the job is not ours any more */
    unsigned n, cap;
    struct job_rcpt one, *rcpt; /* rcpt points to `one`, or to memory of its own */
};

/* A mail with no job yet, one reference. envelope is copied, body referenced (may be NULL). */
struct mail *mail_new(struct worker *w, struct store *store, const struct envelope *e,
                      struct body *body);
void mail_unref(struct mail *m);
/* Forgets the body (it stays in the store). */
void mail_drop_body(struct mail *m);

/* How many chunks the store has of it. */
static inline unsigned mail_chunks(const struct mail *m)
{
    return (unsigned)((m->envelope.size + BODY_CHUNK - 1) / BODY_CHUNK);
}
/* Reads the first `chunks` chunks from the store into one new body and hands it over (one
 * reference; NULL: it could not be read). fn may free the mail. A mail with its body in memory
 * answers at once. */
typedef void mail_body_fn(void *arg, struct body *body);
void mail_load(struct mail *m, unsigned chunks, mail_body_fn *fn, void *arg);

#endif
