/* shown.h - what a client has shown, seen by one inbound connector. The parts of attribute.h that
 * look at no other connector; attribute.c chooses among those.
 *
 *   claim      the certificate says the right thing, be it valid or not: for telling a server of
 *              ours whose certificate has run out from a stranger; it proves nothing
 *   identity   it is also valid; or the address is in a network
 *   check      and all that the connector demands besides
 */
#ifndef POLICY_SHOWN_H
#define POLICY_SHOWN_H

#include "policy/attribute.h"

/* As connector_identity for certificates, but valid or not. */
unsigned shown_claim(const struct in_connector *c, const struct inbound_facts *f);
/* The pattern takes the domain of MAIL FROM in; an empty one only "*" does. */
bool shown_pattern(struct span pattern, struct span from);
/* The connector's senders cover MAIL FROM. With a certificate an empty one always is covered,
 * without never. */
bool shown_sender(const struct in_connector *c, const struct inbound_facts *f, bool certificate);
/* The domain of MAIL FROM, or of the certificate that identifies it, or one above that, is an
 * accepted domain of the connector's organisation. */
bool shown_domain(const struct org_table *t, const struct in_connector *c,
                  const struct inbound_facts *f);
/* A name of a certificate in lower case, without a trailing dot. False: it is none, or too long. */
enum { SHOWN_NAME_MAX = 256 };
bool shown_name(struct span name, char room[static SHOWN_NAME_MAX], struct span *ret);

#endif
