/* relay.h - may this client send to this recipient? Mail to our domains from anyone; mail to
 * anywhere from the listed networks. Nothing else opens the relay (t_open_relay proves it). */
#ifndef POLICY_RELAY_H
#define POLICY_RELAY_H

#include "base/map.h"
#include "mail/addr.h"
#include "mail/ip.h"
#include "mail/reply.h"

struct relay_config {
    struct map *local; /* lower-case A-label domain, or "*.suffix" -> any non-NULL */
    const struct ip_net *network;
    unsigned n_network;
    struct span hostname; /* ours: mail to postmaster without domain, and to [our address] */
};

enum relay_right {
    RELAY_LOCAL,   /* one of our domains */
    RELAY_NETWORK, /* from a listed network */
    RELAY_DENIED,
};

/* A network (as ip_net_parse reads it) so wide that it is an open relay: shorter than /8 for IPv4,
 * /16 for IPv6, or any that holds public and private space alike. Refused at load. */
bool relay_network_too_wide(const struct ip_net *net);

/* client: where the connection comes from. domain: the recipient's, A-labels, lower case; empty
 * ("postmaster") is hostname, which is ours, too. An address literal is ours when it is in `local`,
 * with its brackets. */
enum relay_right relay_decide(const struct relay_config *c, const struct ip *client,
                              struct span domain);
/* The client is in one of the listed networks: it may send to anywhere. */
bool relay_listed(const struct relay_config *c, const struct ip *client);
/* Source-routed tricks that some hosts relay: "a%b@ours", "a!b@ours", "\"a@b\"@ours" are looked at
 * as local mailboxes only; true: the local part is such a one. */
bool relay_local_part_routed(struct span local);

#endif
