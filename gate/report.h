/* report.h - what an attempt meant: results to the store, trace lines, notifications.
 *
 * The only place that turns replies into queue changes: retry_decide says which, one STORE_FINISH
 * does it, with the bounce and the trace lines in the same transaction. */
#ifndef GATE_REPORT_H
#define GATE_REPORT_H

#include "gate/mail.h"
#include "policy/decide.h"

/* How one attempt of one job went over one channel. */
struct attempt {
    int64_t started_ms; /* wall */
    struct span host;   /* "mx.example.org", or empty before one was tried */
    struct ip ip;
    const struct tls_facts *tls;    /* NULL: none */
    const struct host_facts *tried; /* the host, or the last one that failed; NULL: none */
    unsigned n_host;                /* of the destination */
    struct span broken; /* tls_facts_print of the channel that broke the contract there, or empty */
    const struct contract *contract;
    const char *stage; /* where it ended */
    struct span
        detail; /* the channel's story: "handshake failed: ...; plaintext allowed by contract" */
};

/* reply[k] is for job->rcpt[k]; code 2xx: delivered. The job is taken over and ends in
 * sched_job_done when the store has the results. */
void report_job(struct job *j, const struct reply *reply, const struct attempt *a);

/* A client's handshake failed: a line of its own in the trace, for the sender's postmaster will
 * ask. Under a flood of them the counters and the log must do. */
void report_tls_failed(struct worker *w, const struct ip *client, struct span helo,
                       const char *why);

/* A recipient that a connector refused: likewise. id: of the trace, and in the reply. */
struct report_refusal {
    uint64_t id, conn;
    const struct ip *client;
    struct span helo, from, to, connector;
    const char *check; /* what of the connector did not hold */
    bool unasked;      /* nobody asked the client for a certificate */
    const struct reply *reply;
    const struct tls_facts *tls;
};
void report_refused(struct worker *w, const struct report_refusal *r);
/* A probe: the reply that a recipient of the organisation would have had. */
void report_probed(struct worker *w, const struct report_refusal *r);

#endif
