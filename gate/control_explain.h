/* control_explain.h - what a worker answers to `explain`, and `postern explain` says by itself from
 * a file of facts: one value, made in one place. */
#ifndef GATE_CONTROL_EXPLAIN_H
#define GATE_CONTROL_EXPLAIN_H

#include "ctl/ctl.h"
#include "gate/config.h"
#include "policy/explain.h"

/* The route of a recipient; *ret_domain (A-labels) is the arena's. ERR_SYNTAX: no mailbox; why. */
MUST_USE enum err explain_find(const struct config *c, struct span to, struct arena *a,
                               struct span *ret_domain, const struct route **ret, struct why *why);
/* Whether it is one of our domains. */
bool explain_is_ours(const struct config *c, struct span domain);
/* from, to, route, contract, facts, explanation. */
void explain_put(const struct explain_input *in, bool ours, struct ctl *out);

#endif
