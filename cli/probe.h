/* probe.h - tries the channel to one address and sends no mail: connect, EHLO, STARTTLS, handshake,
 * EHLO again, QUIT. Driven as delivery drives it (gate/outbound.c), judged by the same functions of
 * policy/decide.h.
 */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include "gate/config.h"
#include "io/loop.h"
#include "io/tls_look.h"
#include "policy/decide.h"

enum probe_phase {
    PROBE_RESOLVE, /* the caller's */
    PROBE_CONNECT,
    PROBE_GREETING, /* greeting and EHLO */
    PROBE_STARTTLS,
    PROBE_HANDSHAKE,
    PROBE_CHANNEL, /* EHLO again, under TLS */
    PROBE_QUIT,
    PROBE_PHASE_COUNT_
};
const char *probe_phase_name(enum probe_phase p);

enum probe_outcome { PROBE_NOT_TRIED, PROBE_OK, PROBE_FAILED };
const char *probe_outcome_name(enum probe_outcome o);

struct probe_step {
    enum probe_outcome outcome;
    struct span words; /* the peer's, or ours of what went wrong; may be empty */
};

struct probe_result {
    struct probe_step step[PROBE_PHASE_COUNT_];
    struct tls_facts tls; /* on: a handshake ended well */
    struct tls_look look; /* with it: the chain as it came, and whether ours was asked for */
    bool fulfilled;       /* mail could pass under the contract */
    enum probe_phase at;  /* not fulfilled: the phase that is to blame */
    struct span why;      /* one sentence */
    struct reply reply;   /* what a sender would read of it; code 0: nothing was decided */
};

struct probe_ask {
    struct loop *loop;
    const struct config *config;
    const struct contract *contract;
    struct span host;
    struct ip ip;
    int64_t timeout_ms; /* for all of it */
    struct arena *words;
};
/* Runs once, later, with the ret of probe_start. */
typedef void probe_fn(void *arg, struct probe_result *r);

/* What ask points to, and *ret, outlive the call of fn; then the probe frees itself. In a callback
 * of the loop, for the clock. Strings of *ret are the arena's. */
void probe_start(const struct probe_ask *ask, struct probe_result *ret, probe_fn *fn, void *arg);

/* Nobody was asked: no host of the name, or one that may not be tried. v: decide_plan's. */
void probe_unresolved(const struct verdict *v, struct span words, struct probe_result *ret);

#endif
