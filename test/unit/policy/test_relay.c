#include "base/rng.h"
#include "policy/relay.h"
#include "test/test.h"

static const struct hash_key hash_key = { { 3, 4 } };

static struct ip ip_of(const char *text)
{
    struct ip ip;
    CHECK(ip_parse(span_z(text), &ip) == ERR_OK);
    return ip;
}

static struct ip_net net_of(const char *text)
{
    struct ip_net net;
    CHECK(ip_net_parse(span_z(text), &net) == ERR_OK);
    return net;
}

TEST(t_open_relay_too_wide_networks)
{
    static const struct {
        const char *net;
        bool too_wide;
    } rows[] = {
        { "0.0.0.0/0", 1 },
        { "0.0.0.0/7", 1 },
        { "128.0.0.0/1", 1 },
        { "10.0.0.0/8", 0 },
        { "10.1.2.3", 0 },
        { "11.0.0.0/8", 0 },
        { "127.0.0.0/8", 0 },
        { "172.0.0.0/8", 1 },
        { "172.0.0.0/11", 1 },
        { "172.16.0.0/12", 0 },
        { "172.16.0.0/16", 0 },
        { "172.32.0.0/11", 0 },
        { "192.0.0.0/8", 1 },
        { "192.168.0.0/15", 1 },
        { "192.168.0.0/16", 0 },
        { "192.0.2.0/24", 0 },
        { "100.0.0.0/9", 1 },
        { "100.64.0.0/10", 0 },
        { "169.0.0.0/8", 1 },
        { "169.254.0.0/16", 0 },
        { "::/0", 1 },
        { "2000::/3", 1 },
        { "2000::/15", 1 },
        { "2001::/16", 0 },
        { "2001:db8::/32", 0 },
        { "fc00::/7", 1 },
        { "fd00::/16", 0 },
        { "fd12:3456:789a::/48", 0 },
        { "fe80::/16", 0 },
        { "::/16", 1 },
        { "::/127", 1 },
        { "::1", 0 },
        { "::ffff:0.0.0.0/96", 1 },
        { "::ffff:10.0.0.0/104", 0 },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].net);
        struct ip_net net = net_of(rows[i].net);
        CHECK_NUM(relay_network_too_wide(&net), rows[i].too_wide);
    }
    CHECK(relay_network_too_wide(&(struct ip_net){ .ip = { .family = IP_NONE }, .bits = 24 }));
    CHECK(relay_network_too_wide(&(struct ip_net){ .ip = { .family = IP_UNIX }, .bits = 24 }));
    CHECK(relay_network_too_wide(&(struct ip_net){ .ip = { .family = IP_V4 }, .bits = 33 }));
    CHECK(relay_network_too_wide(&(struct ip_net){ .ip = { .family = IP_V6 }, .bits = 129 }));
}

TEST(t_open_relay_table)
{
    static const struct {
        const char *client, *domain;
        enum relay_right right;
    } rows[] = {
        { "203.0.113.9", "ours.example", RELAY_LOCAL },
        { "203.0.113.9", "OURS.example", RELAY_DENIED }, /* the caller folds; nothing opens */
        { "203.0.113.9", "ours.example.", RELAY_LOCAL },
        { "203.0.113.9", "ours.example..", RELAY_DENIED },
        { "203.0.113.9", ".ours.example", RELAY_DENIED },
        { "203.0.113.9", "sub.ours.example", RELAY_DENIED },
        { "203.0.113.9", "ours.example.other.example", RELAY_DENIED },
        { "203.0.113.9", "notours.example", RELAY_DENIED },
        { "203.0.113.9", "example", RELAY_DENIED },
        { "203.0.113.9", "", RELAY_LOCAL }, /* <postmaster> */
        { "203.0.113.9", "mx.ours.example", RELAY_LOCAL },
        { "203.0.113.9", "[192.0.2.1]", RELAY_LOCAL },
        { "203.0.113.9", "[192.0.2.2]", RELAY_DENIED },
        { "203.0.113.9", "[127.0.0.1]", RELAY_DENIED },
        { "203.0.113.9", "[ours.example]", RELAY_DENIED },
        { "203.0.113.9", "other.example", RELAY_DENIED },
        { "10.1.2.3", "other.example", RELAY_NETWORK },
        { "10.1.2.3", "[192.0.2.2]", RELAY_NETWORK },
        { "10.1.2.3", "ours.example", RELAY_LOCAL },
        { "10.2.2.3", "other.example", RELAY_DENIED },
        { "::ffff:10.1.2.3", "other.example", RELAY_NETWORK },
        { "2001:db8::1", "other.example", RELAY_NETWORK },
        { "2001:db9::1", "other.example", RELAY_DENIED },
        { "127.0.0.1", "other.example", RELAY_DENIED },
        { "8.8.8.8", "other.example", RELAY_DENIED }, /* 0.0.0.0/0 slipped in and does not count */
    };
    struct map local;
    struct ip_net nets[] = { net_of("10.1.0.0/16"), net_of("2001:db8::/32"), net_of("0.0.0.0/0") };
    map_init(&local, &hash_key);
    map_put(&local, SPAN("ours.example"), &local);
    map_put(&local, SPAN("[192.0.2.1]"), &local);
    struct relay_config c = { &local, nets, COUNTOF(nets), SPAN("mx.ours.example") };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].domain);
        struct ip client = ip_of(rows[i].client);
        CHECK_NUM(relay_decide(&c, &client, span_z(rows[i].domain)), rows[i].right);
    }
    struct ip socket = { .family = IP_UNIX };
    CHECK_NUM(relay_decide(&c, &socket, SPAN("other.example")), RELAY_DENIED);
    map_done(&local);
}

/* Not configured is closed. */
TEST(wildcard_domains_are_local_below_the_name_only)
{
    struct hash_key key = { { 1, 2 } };
    struct map local;
    map_init(&local, &key);
    map_put(&local, SPAN("*.ours.example"), &local);
    struct relay_config c = { &local, NULL, 0, SPAN("mx.other.example") };
    struct ip client = { IP_V4, 0, { 203, 0, 113, 9 } };
    CHECK_NUM(relay_decide(&c, &client, SPAN("a.ours.example")), RELAY_LOCAL);
    CHECK_NUM(relay_decide(&c, &client, SPAN("a.b.ours.example")), RELAY_LOCAL);
    CHECK_NUM(relay_decide(&c, &client, SPAN("ours.example")), RELAY_DENIED);
    CHECK_NUM(relay_decide(&c, &client, SPAN("notours.example")), RELAY_DENIED);
    CHECK_NUM(relay_decide(&c, &client, SPAN("*.ours.example.evil.example")), RELAY_DENIED);
    map_done(&local);
}

TEST(t_open_relay_empty_configuration)
{
    struct relay_config c = { 0 };
    static const char *const clients[] = { "127.0.0.1", "::1",      "0.0.0.0",
                                           "::",        "10.0.0.1", "8.8.8.8" };
    static const char *const domains[] = { "", ".", "example.org", "localhost", "[127.0.0.1]" };
    for (size_t i = 0; i < COUNTOF(clients) * COUNTOF(domains); i++) {
        struct ip client = ip_of(clients[i / COUNTOF(domains)]);
        struct span domain = span_z(domains[i % COUNTOF(domains)]);
        CHECK_NUM(relay_decide(&c, &client, domain), RELAY_DENIED);
        CHECK_NUM(relay_decide(&c, &(struct ip){ 0 }, domain), RELAY_DENIED);
    }
}

TEST(t_open_relay_source_routed_local_parts)
{
    static const char *const routed[] = {
        "a%b.example",       "a%b%c",   "b!a",          "b.example!a", "\"a@b.example\"",
        "\"a\\@b.example\"", "\"a%b\"", "@b.example:a", "%",           "!",
    };
    static const char *const plain[] = {
        "", "a", "a.b", "a+b", "a=b", "\"a b\"", "a-b_c", "a#b$c&d"
    };
    for (size_t i = 0; i < COUNTOF(routed); i++)
        CHECK(relay_local_part_routed(span_z(routed[i])));
    for (size_t i = 0; i < COUNTOF(plain); i++)
        CHECK(!relay_local_part_routed(span_z(plain[i])));
}

/* --- random configurations against a slow and simple judge */

static const char *const some_domains[] = {
    "ours.example",
    "also.example",
    "mx.ours.example",
    "other.example",
    "x.ours.example",
    "ours.example.",
    "[192.0.2.1]",
    "[IPv6:2001:db8::1]",
    "ours.example.evil",
    "xours.example",
    "",
    "ours.exampl",
    "*.ours.example",
    "*",
};

enum { WILDCARD = 12 }; /* "*.ours.example" above */

/* Is each of the first `bits` bits the same? Written bit by bit on purpose. */
static bool naive_in(const struct ip_net *net, const struct ip *ip)
{
    if (ip->family != net->ip.family || ip->family == IP_NONE || ip->family == IP_UNIX)
        return false;
    for (unsigned i = 0; i < net->bits; i++) {
        if ((ip->a[i / 8] ^ net->ip.a[i / 8]) >> (7 - i % 8) & 1)
            return false;
    }
    return true;
}

static struct ip random_ip(struct rng *rng)
{
    static const char *const near[] = { "10.0.0.1", "10.255.0.1",  "192.168.1.1", "127.0.0.1",
                                        "8.8.8.8",  "2001:db8::1", "::1",         "fd00::1" };
    struct ip ip = ip_of(near[rng_below(rng, COUNTOF(near))]);
    size_t n = ip.family == IP_V4 ? 4 : 16;
    if (rng_chance(rng, 1, 2))
        ip.a[rng_below(rng, n)] ^= (uint8_t)(1u << rng_below(rng, 8));
    return ip;
}

static struct ip_net random_net(struct rng *rng)
{
    struct ip_net net = { .ip = random_ip(rng) };
    unsigned all = net.ip.family == IP_V4 ? 32 : 128;
    net.bits = (unsigned)rng_below(rng, all + 1);
    for (unsigned i = net.bits; i < all; i++)
        net.ip.a[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
    return net;
}

/* One random configuration, asked for every domain from 20 clients. */
static void try_config(struct rng *rng)
{
    struct map local;
    struct ip_net nets[4];
    bool ours[COUNTOF(some_domains)];
    map_init(&local, &hash_key);
    struct relay_config c = { &local, nets, (unsigned)rng_below(rng, COUNTOF(nets) + 1),
                              SPAN_NONE };
    for (unsigned i = 0; i < c.n_network; i++)
        nets[i] = random_net(rng);
    for (size_t i = 0; i < COUNTOF(some_domains); i++) {
        ours[i] = some_domains[i][0] && rng_chance(rng, 1, 3);
        if (ours[i])
            map_put(&local, span_z(some_domains[i]), &local);
    }
    for (unsigned k = 0; k < 20 * COUNTOF(some_domains); k++) {
        struct ip client = random_ip(rng);
        size_t d = k % COUNTOF(some_domains);
        bool listed = false;
        for (unsigned i = 0; i < c.n_network; i++)
            listed |= naive_in(&nets[i], &client) && !relay_network_too_wide(&nets[i]);
        /* "ours.example." is "ours.example" */
        bool is_ours = strcmp(some_domains[d], "ours.example.") == 0 ? ours[0] : ours[d];
        is_ours |=
            ours[WILDCARD] && span_ends_nocase(span_z(some_domains[d]), SPAN(".ours.example"));
        CHECK_NUM(relay_decide(&c, &client, span_z(some_domains[d])), is_ours  ? RELAY_LOCAL
                                                                      : listed ? RELAY_NETWORK
                                                                               : RELAY_DENIED);
    }
    map_done(&local);
}

TEST(t_open_relay_random_configurations)
{
    struct rng rng;
    rng_init(&rng, 2026);
    for (int i = 0; i < 2000; i++)
        try_config(&rng);
}
