/* resolve.h - gathers the facts of a destination: MX, addresses and, where the route's contract
 * asks for them, TLSA records, with their DNSSEC state, all hosts in parallel, each question with
 * its deadline. Nothing is decided here. */
#ifndef GATE_RESOLVE_H
#define GATE_RESOLVE_H

#include "gate/worker.h"
#include "policy/facts.h"

struct resolve_query;
/* facts and all it points to live in the query until resolve_done. */
typedef void resolve_fn(void *arg, const struct facts *f);

/* Runs fn once, later; facts of a route with fixed addresses need no DNS. */
struct resolve_query *resolve_facts(struct worker *w, const struct config *c, const struct route *r,
                                    struct span domain, resolve_fn *fn, void *arg);
/* Frees; before fn ran it is a cancel. NULL is fine. */
void resolve_done(struct resolve_query *q);

#endif
