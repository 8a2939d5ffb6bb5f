/* way.h - which way out for one recipient of a message: what select_out says of an envelope, and
 * the name of what may share it. Jobs and `explain` get their route and contract here. */
#ifndef GATE_WAY_H
#define GATE_WAY_H

#include "gate/config.h"
#include "mail/envelope.h"
#include "policy/select.h"

/* What of it select_out looks at. domain: the recipient's, A-labels. */
struct outbound_message way_message(const struct envelope *e, struct span domain, int64_t now_ms);
/* now_ms: wall; weakenings that hold then. */
struct selection way_out(const struct config *c, const struct envelope *e, struct span domain,
                         int64_t now_ms);
/* From `queue reroute`: to another host under the same contract, but no certificate of ours is
 * shown there (T-26). *other is the new route, its strings the arena's. false: override is empty,
 * or none; nothing is changed. */
bool way_override(struct selection *way, const struct envelope *e, struct span override,
                  struct arena *a, struct route *other);
/* The key of a destination: "acme/bank mx:example.org#...": whose it is, where it leads, what it
 * must be. Connectors share none, nor do organisations: a connector's id begins with its
 * organisation. org: the envelope's. At most WAY_KEY_MAX bytes. */
enum { WAY_KEY_MAX = (int)DEST_KEY_MAX + (int)ENVELOPE_CONNECTOR_MAX + 1 };
void way_key(const struct selection *way, struct span org, struct span domain, struct buf *out);

/* Who shares nothing with others: the connector's id, else the organisation, else empty. */
struct span way_whose(const struct selection *way, struct span org);

#endif
