/* node.h - our own nodes: other gateways of this installation, and what the links to them must be
 * (docs/nodes.md). Pure.
 *
 * The contract of a link is fixed: TLS 1.2 at least, forward secrecy, a chain to the nodes' own CA
 * and to no other, the name of the node that was meant; and our own certificate is shown. No
 * setting lowers it. A client is a node by the same measure, with a certificate that names exactly
 * one of them; addresses prove nothing.
 */
#ifndef POLICY_NODE_H
#define POLICY_NODE_H

#include "policy/route.h"

struct node {
    struct span name; /* in its certificate: A-labels, lower case, no wildcard */
    struct route_host *host;
    unsigned n_host;
    struct name_set names; /* its name alone */
    struct span file;      /* where it is written */
    int line;
};

struct node_table {
    struct span self; /* our own name; empty: we are no node, and there are none */
    struct node *node;
    unsigned n;
    struct name_set anchors; /* the CAs of nodes: SHA-256 of their certificates, hex */
    unsigned identity;       /* what a contract calls the certificate that we show them */
    int64_t window_ms;       /* how far from our clock a signed date may be */
};

/* NULL: there is none of that name. */
const struct node *node_by_name(const struct node_table *t, struct span name);
/* What every channel to this node must be. */
struct contract node_contract(const struct node_table *t, const struct node *n);
/* The node that a client has proved to be, or NULL: a stranger. Wildcards name nobody, and who
 * shows the names of two nodes is neither. */
const struct node *node_of_client(const struct node_table *t, const struct tls_facts *tls);
/* It has a certificate of the nodes' CA, and is none of them by it: out of its time, of no node's
 * name or of two, or the channel is too weak. A node of ours that somebody must see to: what it
 * brings is neither a stranger's nor believed. */
bool node_in_doubt(const struct node_table *t, const struct tls_facts *tls);
/* The node at this host and port, as configuration writes them: mail for it goes by its link. */
const struct node *node_at(const struct node_table *t, const struct route_host *host);

#endif
