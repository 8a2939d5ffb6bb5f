/* dnssec.h - does our resolver validate? A question whose answer must be secure tells: that of
 * dns { probe = ... }, asked when a worker starts, every minute until the answer is secure, then
 * every hour.
 *
 * Without that proof an answer that is "not secure" may well be of a signed zone. Opportunistic
 * mail goes on as it would without DNSSEC, and where security is demanded such an answer is "cannot
 * tell". The log has an alarm, `postern status` a warning, the metrics a gauge.
 */
#ifndef GATE_DNSSEC_H
#define GATE_DNSSEC_H

#include "base/base.h"

struct worker;
struct dnssec;

/* Asks soon. dnssec_free before dns_free; NULL is fine. */
struct dnssec *dnssec_new(struct worker *w);
void dnssec_free(struct dnssec *d);
/* "Not secure" can be believed. NULL, of a program that asks no such question: it is. */
bool dnssec_proven(const struct dnssec *d);
/* Why not, in words; NULL: it is proven, or no answer came yet. */
const char *dnssec_doubt(const struct dnssec *d);
/* "yes", "no", "unknown" before the first answer. */
const char *dnssec_name(const struct dnssec *d);

#endif
