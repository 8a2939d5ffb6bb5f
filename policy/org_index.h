/* org_index.h - how a connector is found among a hundred thousand: what org.c builds and
 * attribute.c and select.c walk. Nobody else includes it.
 *
 * Keys of one map begin with a letter and, where the key is one organisation's, its number:
 *
 *   ORG_KEY_NAME      an expected name, "*.suffix" as it stands    on-premises
 *   ORG_KEY_PARENT    what follows the first label of a name       on-premises, one organisation
 *   ORG_KEY_PIN       SHA-256 of a public key                      on-premises
 *   ORG_KEY_ANCHOR    a CA that identifies without a name          on-premises
 *   ORG_KEY_NETWORK   family, prefix length, masked address        on-premises
 *   ORG_KEY_SENDER    a pattern of MAIL FROM                       partner, one organisation
 *   ORG_KEY_TO        a pattern of recipients                      outbound, one organisation
 *   ORG_KEY_WAY       a kind of mail that is no pattern            outbound, one organisation
 *
 * Those of outbound connectors hold the connector's own id besides when it has a header rule: mail
 * that names none never meets it. A key leads to the connectors in the order of the configuration.
 * Those that are off are in no list. All under one on-premises key are of one organisation: else
 * they conflict.
 */
#ifndef POLICY_ORG_INDEX_H
#define POLICY_ORG_INDEX_H

#include "policy/org.h"

enum {
    ORG_KEY_NAME = 'n',
    ORG_KEY_PARENT = 'c',
    ORG_KEY_PIN = 'p',
    ORG_KEY_ANCHOR = 'a',
    ORG_KEY_NETWORK = 'i',
    ORG_KEY_SENDER = 's',
    ORG_KEY_TO = 't',
    ORG_KEY_WAY = 'w',
};
enum { ORG_KEY_MAX = 1024, ORG_KEY_PART_MAX = 258, ORG_BITS_MAX = 128, ORG_FAMILIES = 2 };

struct org_key {
    size_t n;
    char p[ORG_KEY_MAX];
};
/* org: the number of the organisation whose key it is; 0 where it is nobody's. */
void org_key_start(struct org_key *k, char kind, unsigned org);
/* Lower case, without a trailing dot. What is longer than any name (ORG_KEY_PART_MAX) is cut. */
void org_key_add(struct org_key *k, struct span part);
/* "*." and the suffix. */
void org_key_add_below(struct org_key *k, struct span suffix);
/* The network that the address is in, with that prefix length. */
void org_key_add_network(struct org_key *k, const struct ip *ip, unsigned bits);

/* One identity of a connector: what of a client proves it. */
struct org_identity {
    char kind; /* ORG_KEY_NAME, _PIN, _ANCHOR, _NETWORK */
    struct span text;
    const struct ip_net *network;
};
unsigned org_n_identity(const struct in_connector *c);
struct org_identity org_identity(const struct in_connector *c, unsigned i);
void org_key_identity(struct org_key *k, const struct org_identity *id);

struct org_entry {
    const struct in_connector *c;
    const struct org_entry *next;
};
struct org_way {
    const struct out_connector *c;
    const struct org_way *next;
};

struct org_table {
    const struct org *org;
    unsigned n;
    struct map domain; /* accepted domain -> struct org */
    struct map firm;   /* accepted domain -> bool: it is authoritative */
    struct map name;   /* name of an organisation -> struct org */
    struct map found;  /* key -> struct org_entry */
    struct map way;    /* key -> struct org_way */
    struct arena arena;
    unsigned n_bits[ORG_FAMILIES]; /* prefix lengths that occur, the longest first */
    uint8_t bits[ORG_FAMILIES][ORG_BITS_MAX + 1];
};

/* NULL: none. */
const struct org_entry *org_entries(const struct org_table *t, const struct org_key *k);
unsigned org_number(const struct org_table *t, const struct org *org);
/* 0: IPv4, 1: IPv6; ORG_FAMILIES: neither. */
unsigned org_family(const struct ip *ip);

/* Patterns that a domain is under: itself, the wildcards above it from the longest on, "*". Without
 * a domain: "*". */
struct org_patterns {
    struct org_key key;
    size_t n_base; /* what stands before the pattern */
    struct span rest;
    enum { PATTERN_EXACT, PATTERN_WILDCARD, PATTERN_ALL, PATTERN_END } at;
};

/* The partner connectors of an organisation for a sender, one list after the other. */
struct org_senders {
    struct org_patterns pattern;
};
void org_senders_start(struct org_senders *w, const struct org_table *t, const struct org *org,
                       struct span from);
/* Skips patterns that nobody has; NULL: no more. */
const struct org_entry *org_senders_next(struct org_senders *w, const struct org_table *t);

/* The outbound connectors of an organisation for a recipient, one list after the other, in the
 * order of precedence. */
enum org_way_kind {
    WAY_EVERYTHING,
    WAY_EXACT,
    WAY_WILDCARD,
    WAY_ACCEPTED,
    WAY_ALL,
    WAY_ANYWHERE, /* neither recipients nor a kind of mail: only with a header rule */
    WAY_END,
};
struct org_ways {
    const struct org_table *t;
    const struct org *org;
    struct span rule;
    struct org_patterns pattern;
    enum org_way_kind at;
};
/* rule: the id of the connector that a header names, and no others then; empty: none with a rule.
 */
void org_ways_start(struct org_ways *w, const struct org_table *t, const struct org *org,
                    struct span rule, struct span to);
/* Skips what nobody has; *ret_kind: what the list is for. NULL: no more. */
const struct org_way *org_ways_next(struct org_ways *w, enum org_way_kind *ret_kind);

/* Who accepts a domain and those above it, from the top down: two look-ups a label, for the names
 * are a stranger's. The domain: lower case, without a trailing dot. */
struct org_above {
    struct span domain;
    size_t at;
    const struct org *covers; /* by the longest wildcard so far */
};
void org_above_start(struct org_above *w, struct span domain);
/* False: no more. *ret may be NULL: nobody accepts this one. */
bool org_above_next(struct org_above *w, const struct org_table *t, const struct org **ret);

/* org_conflict.c: the first conflict. ERR_EXISTS. */
MUST_USE enum err org_conflict_find(const struct org *org, unsigned n, const struct hash_key *key,
                                    struct org_conflict *ret);

#endif
