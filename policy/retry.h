/* retry.h - what a failure means and when to try again. The one file of failure policy. Pure. */
#ifndef POLICY_RETRY_H
#define POLICY_RETRY_H

#include "mail/reply.h"

/* Defaults are the field's: 5 min growing by half to an hour, a warning after 4 h, 5 days in all.
 */
struct retry_config {
    int64_t first_ms, max_ms;           /* first and longest wait */
    int64_t dane_first_ms, dane_max_ms; /* after a DANE failure: of the first two retries, of all
                                           others; 0: as after any other */
    int64_t warn_ms;                    /* delay notification; 0: never */
    int64_t give_up_ms;                 /* age at which it bounces */
    int64_t bounce_give_up_ms;          /* the same for mail from the null sender */
};

enum retry_action { RETRY_DONE, RETRY_LATER, RETRY_BOUNCE };

struct retry_input {
    struct reply reply;  /* what the attempt ended with; 2xx: delivered */
    int64_t accepted_ms; /* wall */
    int64_t now_ms;      /* wall */
    unsigned attempts;   /* before this one */
    bool warned, null_sender;
    uint64_t random; /* for jitter */
};

struct retry_verdict {
    enum retry_action action;
    int64_t due_ms; /* wall; RETRY_LATER */
    bool warn;      /* send the delay notification now */
    bool expired;   /* RETRY_BOUNCE by age: the 4xx becomes 5xx with the same digits */
};

/* 2xx is done, 5xx bounces; anything else waits until its age is up. The caller decides which 5xx
 * are about this attempt only (a greeting) and hands them in as 4xx. */
struct retry_verdict retry_decide(const struct retry_config *c, const struct retry_input *in);
/* What the bounce says of an expired temporary failure: 450 4.4.317 -> 550 5.4.317, the same text;
 * without a status 5.4.7. A permanent reply keeps its code. */
struct reply retry_final_reply(const struct reply *r);
/* DANE or DNSSEC refused every host (decide.h): TTLs rule when that can change. */
bool retry_is_dane(const struct reply *r);
/* The wait before attempt n (1: first retry), without jitter, which is 15 %. */
int64_t retry_wait(const struct retry_config *c, unsigned attempts);

/* --- a destination's behaviour: how many sessions at once, and is it dead? --- */

/* Grows by one after as many successes as its size (so, one a round), halves after every second
 * failure in a row; dead after `dead_after` failed sessions in a row: then nobody tries until
 * dead_until, which doubles from first to max. After that one session probes: its failure is the
 * next death, its success starts the growth from one. */
struct window_config {
    unsigned initial, max;
    unsigned dead_after;
    int64_t dead_first_ms, dead_max_ms;
};
struct window {
    unsigned size;         /* sessions allowed at once */
    unsigned successes;    /* since the last change */
    unsigned failures;     /* in a row */
    unsigned deaths;       /* in a row */
    int64_t dead_until_ms; /* wall; 0: alive */
    int64_t dead_for_ms;   /* how far that was away: a clock set back cannot stretch it */
};
void window_init(struct window *w, const struct window_config *c);
void window_success(struct window *w, const struct window_config *c);
/* A session failed before any mail could pass (connect, greeting, TLS). */
void window_failure(struct window *w, const struct window_config *c, int64_t now_ms,
                    uint64_t random);
/* How many sessions may run now. */
unsigned window_allows(const struct window *w, int64_t now_ms);

#endif
