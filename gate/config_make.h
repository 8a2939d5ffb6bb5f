/* config_make.h - one load of the configuration while it runs: what config.c and its siblings
 * share.
 *
 *   config.c         files, includes, defaults, the order of things
 *   config_block.c   the settings at the top and the small blocks
 *   config_route.c   domain, route
 *   config_tls.c     certificate, tls
 *   config_org.c     organisation: what is in it, and what several of them claim
 *   config_node.c    self, node: our own nodes
 *   config_connector.c  inbound, outbound
 *   config_value.c   the values of connectors
 *   config_warn.c    what of organisations is legal and weak
 *   config_read.c    types; it knows nothing of this
 */
#ifndef GATE_CONFIG_MAKE_H
#define GATE_CONFIG_MAKE_H

#include "gate/config.h"
#include "gate/config_read.h"

/* A file's bytes that the load needs until its end; wiped then, because keys are among them. */
struct make_file {
    struct buf bytes;
    struct make_file *next;
};

struct make_route {
    const struct tree *at;
    struct route route;
    bool local;              /* a domain of ours */
    const struct tree *node; /* the setting that names one of our nodes, or NULL */
    struct make_route *next;
};

struct make_certificate {
    const struct tree *at;
    struct span_list name;
    struct tls_identity *identity;
    unsigned n_identity;
    struct make_certificate *next;
};

struct host_list {
    struct route_host *item;
    unsigned n;
};

struct make_org;  /* config_org.h */
struct make_node; /* config_node.c */
struct make_self;

struct config_make {
    struct reader reader; /* of the snapshot's arena */
    struct config *config;
    const struct config_source *source;
    const struct config_boot *boot;
    struct arena arena;   /* trees, and what only the load needs */
    struct hash_key hash; /* of all that was read so far */
    unsigned n_files;
    uint64_t bytes;
    struct make_file *file;

    const struct tree *listen_at[CONFIG_LISTENERS_MAX];
    struct net_list network;
    const struct tree *network_at; /* NULL: the default */
    struct make_route *route, **route_end;
    unsigned n_route;
    struct make_certificate *certificate, **certificate_end;
    bool tickets, ask_client_cert;
    struct span client_ca_pem, ca_pem;

    struct make_node *node, **node_end;
    struct make_self *self; /* NULL: we are no node */

    struct make_org *org, **org_end;
    unsigned n_org, n_connector, n_identity;
    uint64_t n_pair;            /* CONFIG_PAIRS_MAX */
    struct map org_named;       /* name in lower case -> struct make_org */
    struct map connector_named; /* direction and id in lower case -> struct connector */
    struct map name_set;        /* its names -> struct name_set of the snapshot */
    struct map ca;              /* path -> struct make_ca */
    struct buf passwd;          /* who the local users are; empty: nobody asked yet */
    struct buf private_ca_pem;  /* all of those, for the server's context */
    bool want_client_cert;      /* a connector looks at certificates */
};

/* config_load in its steps: everything but the TLS contexts (for who has no files, too), then
 * those. make_done after any of them; it gives up what make_take did not take. */
void make_init(struct config_make *m, const struct config_source *source,
               const struct config_boot *boot, struct why *why);
MUST_USE enum err make_read(struct config_make *m, struct span path);
MUST_USE enum err make_contexts(struct config_make *m);
struct config *make_take(struct config_make *m);
void make_done(struct config_make *m);

/* The bytes of a file that the value v of t names, until make_done. ERR_NOT_FOUND, ERR_IO,
 * ERR_TOO_BIG: why says where and what. */
MUST_USE enum err make_file(struct config_make *m, const struct tree *t, const struct tree_value *v,
                            struct span path, struct span *ret);

/* A node of the top. seen: as in setting_read. */
MUST_USE enum err make_setting(struct config_make *m, const struct tree *t,
                               const struct tree **seen);
/* An organisation's. */
MUST_USE enum err make_org_domain(struct reader *r, const struct setting *s, const struct tree *t,
                                  bool *ret_authoritative);
setting_fn make_domain, make_route, make_certificate, make_tls, make_organisation, make_fetch;
setting_fn make_self, make_node;
/* config_tls.c: of the file that the only value of t names, struct span: PEM. */
setting_fn make_pem;
/* After all was read, and before listeners and routes are: our nodes and their keys. */
MUST_USE enum err make_nodes(struct config_make *m);
/* The node that a route names: its hosts, the contract of its link. */
MUST_USE enum err make_node_route(struct config_make *m, struct make_route *r);
/* No other way leads to a node. t: what says these hosts. */
MUST_USE enum err make_node_hosts(struct config_make *m, const struct tree *t,
                                  const struct route *r);
/* The nodes' CA vouches for nobody else. t: the connector. */
MUST_USE enum err make_node_anchors(struct config_make *m, const struct tree *t,
                                    const struct in_connector *c);
MUST_USE enum err make_node_context(struct config_make *m);
/* What connectors have of routes: struct host_list, and the words for enum tls_need. */
setting_fn make_smtp_hosts;
extern const char *const make_tls_names[];
/* After all was read: the organisations and their table. */
MUST_USE enum err make_orgs(struct config_make *m);
void make_org_warnings(const struct config *c, config_warning_fn *fn, void *arg);
/* After all was read: the table of routes and our domains. */
MUST_USE enum err make_routes(struct config_make *m);
/* The TLS contexts; sets config->tls_server and tls_client. */
MUST_USE enum err make_tls_contexts(struct config_make *m);

static inline struct config_make *make_of(struct reader *r)
{
    return CONTAINER_OF(r, struct config_make, reader);
}

#endif
