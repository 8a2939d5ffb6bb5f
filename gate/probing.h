/* probing.h - the probe address of an organisation (`probe = "local-part"`): a partner's server
 * writes to it and reads in the reply what was seen of it (policy/probe.h). No connector refuses
 * it, that is its purpose; the limits of addresses and sessions hold as for all.
 *
 * A probe stands alone in its transaction: RCPT answers with the report, DATA is read and dropped,
 * and the reply to it says so. So no 250 ever covers a recipient that was probed and one that has
 * to be delivered. */
#ifndef GATE_PROBING_H
#define GATE_PROBING_H

#include "gate/attribution.h"

/* Is the recipient one, or does it stand beside one? false: neither. Else *ret is the reply; its
 * text is static, or in *text, PROBING_TEXT_MAX bytes. domain: A-labels, lower case. */
enum { PROBING_TEXT_MAX = 2000 };
bool probing_rcpt(const struct attribution_client *client, struct incoming *m,
                  const struct addr *to, struct span domain, struct buf *text, struct reply *ret);
/* The message is over, and there is none: the report again. */
void probing_end(const struct attribution_client *client, struct incoming *m, struct buf *text,
                 struct reply *ret);

#endif
