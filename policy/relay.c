#include "policy/relay.h"

enum { V4_BITS = 32, V4_BITS_MIN = 8, V6_BITS = 128, V6_BITS_MIN = 16 };

/* Address space that is not public. A network that holds one of these and more holds both kinds.
 * RFC 1918, 6598, 3927, 1122; RFC 4193, 4291. */
static const struct ip_net private_space[] = {
    { { IP_V4, 0, { 10 } }, 8 },         { { IP_V4, 0, { 172, 16 } }, 12 },
    { { IP_V4, 0, { 192, 168 } }, 16 },  { { IP_V4, 0, { 100, 64 } }, 10 },
    { { IP_V4, 0, { 169, 254 } }, 16 },  { { IP_V4, 0, { 127 } }, 8 },
    { { IP_V6, 0, { 0xfc } }, 7 },       { { IP_V6, 0, { 0xfe, 0x80 } }, 10 },
    { { IP_V6, 0, { [15] = 1 } }, 128 },
};

bool relay_network_too_wide(const struct ip_net *net)
{
    bool v4 = net->ip.family == IP_V4;
    unsigned least = v4 ? V4_BITS_MIN : V6_BITS_MIN, most = v4 ? V4_BITS : V6_BITS;
    if ((!v4 && net->ip.family != IP_V6) || net->bits < least || net->bits > most)
        return true;
    for (size_t i = 0; i < COUNTOF(private_space); i++) {
        const struct ip_net *space = &private_space[i];
        if (net->bits < space->bits && ip_net_has(net, &space->ip))
            return true;
    }
    return false;
}

static bool is_local(const struct relay_config *c, struct span domain)
{
    if (domain.n == 0 || domain_eq(domain, c->hostname))
        return c->hostname.n > 0;
    return c->local && domain_map_get(c->local, domain);
}

/* A network that should have been refused at load does not count here either. */
bool relay_listed(const struct relay_config *c, const struct ip *client)
{
    struct ip ip = *client;
    ip_fold(&ip);
    for (unsigned i = 0; i < c->n_network; i++) {
        if (ip_net_has(&c->network[i], &ip) && !relay_network_too_wide(&c->network[i]))
            return true;
    }
    return false;
}

enum relay_right relay_decide(const struct relay_config *c, const struct ip *client,
                              struct span domain)
{
    if (is_local(c, domain))
        return RELAY_LOCAL;
    return relay_listed(c, client) ? RELAY_NETWORK : RELAY_DENIED;
}

bool relay_local_part_routed(struct span local)
{
    return span_find(local, '%') < local.n || span_find(local, '!') < local.n ||
           span_find(local, '@') < local.n;
}
