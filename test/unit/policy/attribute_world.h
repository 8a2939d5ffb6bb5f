/* attribute_world.h - small worlds for the tests of attribute(): a catalogue of connectors of two
 * organisations, and clients that show one thing or another. */
#ifndef TEST_UNIT_POLICY_ATTRIBUTE_WORLD_H
#define TEST_UNIT_POLICY_ATTRIBUTE_WORLD_H

#include "policy/attribute.h"

enum { WORLD_ORGS = 2, WORLD_IN_MAX = 8, WORLD_TEXT_MAX = 512 };
#define PUBLIC_CA "aaaa"
#define PARTNER_CA "cccc"
#define PIN "1111"
#define FAR "203.0.113.77" /* a client in no network */

struct template
{
    const char *name;
    unsigned org; /* 0: a.example, 1: b.example */
    struct in_connector c;
};
extern const struct template catalogue[];
extern const unsigned n_catalogue;

struct world {
    struct org org[WORLD_ORGS];
    struct in_connector in[WORLD_ORGS][WORLD_IN_MAX];
    struct org_table *t; /* NULL: the connectors conflict */
    struct org_conflict conflict;
    struct buf witness;
};
/* Both organisations with their domains and no connectors. */
void world_init(struct world *w);
/* Adds one to its organisation, enforced; returned to be changed before world_build. */
struct in_connector *world_add(struct world *w, const struct template *tpl);
/* False: they conflict. May be called again after changes. */
bool world_build(struct world *w);
/* Those of the catalogue by their names, with blanks between, built. */
void world_make(struct world *w, const char *names);
/* Frees the table. */
void world_done(struct world *w);
const struct template *template_of(const char *name);

/* What a client shows over TLS. */
struct shown {
    const char *name;
    bool tls, cert;
    const char *names, *spki, *anchor;
    bool untrusted, late, server_only, old; /* old: TLS 1.2 */
    enum tri revoked;
};
/* A good certificate with these names, of a public CA. NULL: TLS without one. */
struct shown shown_names(const char *names);
extern const struct shown all_shown[];
extern const unsigned n_all_shown;
extern const char *const all_clients[], *const all_from[], *const all_to[];
extern const unsigned n_all_clients, n_all_from, n_all_to;

struct scene {
    struct tls_facts tls;
    struct inbound_facts f;
};
/* The chain holds when its root is public or some connector's of this world. */
void scene_set(struct scene *s, const struct world *w, const struct shown *shown,
               const char *client, const char *from, const char *to);

/* --- the oracle: attribute_oracle.c, straight loops over all connectors */

struct oracle {
    bool admitted, originating;
    const struct org *from_org;
    const struct in_connector *by;
    enum check failed;
};
/* test: those in test mode count as well. */
struct oracle oracle_ask(const struct org *org, unsigned n, const struct inbound_facts *f,
                         bool relay_allowed, bool test);
/* Would two connectors of the world both claim one message, by the words of org.h? */
bool oracle_conflict(const struct org *org, unsigned n);

#endif
