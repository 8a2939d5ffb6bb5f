/* validate_chain.h - certificates in the answer of `connector validate`: see validate_chain.c. */
#ifndef CLI_VALIDATE_CHAIN_H
#define CLI_VALIDATE_CHAIN_H

#include "cli/probe.h"
#include "ctl/ctl.h"

/* Beside the other facts of a handshake: received, received_count, incomplete, certificate_asked,
 * certificate_shown, certificate. */
void chain_put(const struct probe_result *r, struct ctl *out);
void chain_text(const struct ctl *tls, struct buf *out);
/* What was configured, and that nothing was looked up. */
const char *revocation_said(enum revocation r);

#endif
