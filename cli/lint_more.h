/* lint_more.h - what lint says of more than connectors: certificates of ours, and what the DNS says
 * of our domains. */
#ifndef CLI_LINT_MORE_H
#define CLI_LINT_MORE_H

#include "base/why.h"
#include "ctl/ctl.h"
#include "gate/config.h"
#include "policy/facts.h"

/* Those that have run out or do so soon, and those that are shown to servers and not meant for it.
 * Adds to what lint_text.h shows. now_ms: wall. */
void lint_certificates(const struct config *c, int64_t now_ms, struct ctl *out);

/* P18: whose MX are other hosts than this installation, and whose mail is taken from anyone. Asks
 * the DNS as the daemon would, one domain after the other. ERR_IO: the resolver cannot be set up.
 */
MUST_USE enum err lint_dns(const struct config *c, struct ctl *out, struct why *why);

/* The judge of one domain, given what the DNS says; pure. */
void lint_mx(const struct config *c, struct span domain, const struct facts *f, struct ctl *out);

#endif
