#include "policy/node.h"

#include "mail/addr.h"

const struct node *node_by_name(const struct node_table *t, struct span name)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (domain_eq(t->node[i].name, name))
            return &t->node[i];
    }
    return NULL;
}

struct contract node_contract(const struct node_table *t, const struct node *n)
{
    struct contract c = contract_none();
    ASSERT(t->anchors.n > 0 && t->identity > 0);
    c.need = TLS_NEED_NAME;
    c.forward_secret = true;
    c.names[0] = &n->names;
    c.n_names = 1;
    c.anchors = &t->anchors;
    c.identity = t->identity;
    c.rules = RULE_NODE;
    return c;
}

/* What a link must be, whichever of the nodes it is; of them names is judged behind this. */
static bool is_link(const struct node_table *t, const struct tls_facts *tls)
{
    struct contract c = contract_none();
    c.need = TLS_NEED_CHAIN;
    c.forward_secret = true;
    c.anchors = &t->anchors;
    return tls->on && tls->peer_cert && contract_judge(&c, tls) == BREACH_NONE;
}

const struct node *node_of_client(const struct node_table *t, const struct tls_facts *tls)
{
    const struct node *found = NULL;
    if (t->n == 0 || !tls || !is_link(t, tls))
        return NULL;
    for (struct span rest = tls->names; rest.n > 0;) {
        const struct node *n = node_by_name(t, span_cut(&rest, ','));
        if (n && found && n != found)
            return NULL;
        found = n ? n : found;
    }
    return found;
}

bool node_in_doubt(const struct node_table *t, const struct tls_facts *tls)
{
    if (!tls || !tls->on || tls->anchor.n == 0)
        return false;
    for (unsigned i = 0; i < t->anchors.n; i++) {
        if (span_eq(t->anchors.name[i], tls->anchor))
            return node_of_client(t, tls) == NULL;
    }
    return false;
}

static bool same_host(const struct route_host *a, const struct route_host *b)
{
    if (a->is_path || b->is_path || a->port != b->port)
        return false;
    return span_eq(a->name, b->name);
}

const struct node *node_at(const struct node_table *t, const struct route_host *host)
{
    for (unsigned i = 0; i < t->n; i++) {
        for (unsigned k = 0; k < t->node[i].n_host; k++) {
            if (same_host(&t->node[i].host[k], host))
                return &t->node[i];
        }
    }
    return NULL;
}
