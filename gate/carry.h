/* carry.h - the header firewall on the way out. Only a message that has fields which were promoted
 * on the way in (envelope.promoted) goes through it; all others leave as they are stored.
 *
 *   it goes to                                                     its fields
 *   a Maildir or by LMTP, for a domain of that organisation        stay
 *   a server of that organisation: by its on-premises connector,
 *   to a host of that connector, and while the organisation has an
 *   inbound connector with trust_headers                           become CrossPremises
 *   one of our nodes, by its link                                  become CrossPremises, signed
 *   anybody else                                                   are removed
 */
#ifndef GATE_CARRY_H
#define GATE_CARRY_H

#include "gate/sched.h"
#include "mail/firewall.h"

/* The later, the less is carried. */
enum carry { CARRY_ALL, CARRY_DEMOTED, CARRY_NOTHING };

/* For one recipient, or for all that share a transaction: as the one who may get least. */
enum carry carry_rcpt(const struct job *j, unsigned k);
enum carry carry_job(const struct job *j);
/* c is not CARRY_ALL, and carry_rcpt or carry_job said it. Domains are the snapshot's, which the
 * job's destination holds. */
void carry_firewall(const struct job *j, enum carry c, struct firewall *ret);
/* What of a body no stranger's firewall removes: one reference, the caller's. Bytes behind the
 * header section are copied, too. */
struct body *carry_strip(const struct body *body);

#endif
