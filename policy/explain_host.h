/* explain_host.h - what DANE and MTA-STS demand of one host, in sentences; a part of explain.c. */
#ifndef POLICY_EXPLAIN_HOST_H
#define POLICY_EXPLAIN_HOST_H

#include "policy/decide.h"

/* Lines, each behind `indent` blanks. c: the contract of all hosts. Nothing, where nothing was
 * looked up. At most EXPLAIN_HOST_TEXT_MAX bytes. */
enum { EXPLAIN_HOST_TEXT_MAX = 4096 };
void explain_host(const struct contract *c, const struct facts *f, unsigned i, int indent,
                  struct buf *out);
/* What here could be told not to ask for what the hosts publish: RULE_DANE, RULE_STS, or none. */
unsigned explain_published(const struct contract *c, const struct facts *f);

#endif
