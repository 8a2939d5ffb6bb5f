#include "gate/config_make.h"
#include "base/when.h"
#include "mail/addr.h"
#include "mail/seal.h"

/* `self` and `node`: who we are among the nodes of this installation, and who the others are. All
 * nodes may read one list of `node` blocks: the one with our own name says what the others know of
 * us, and is checked against our key. */

enum { NODES_MAX = 1000, WINDOW_MS = 5 * MINUTE_MS };

struct make_self {
    const struct tree *at;
    struct span name, chain_file, chain, key, ca, signing_key;
    int64_t window_ms;
};

struct make_node {
    const struct tree *at;
    struct span name, public_key;
    struct host_list smtp;
    struct make_node *next;
};

/* --- settings --- */

/* A private key's file, which only its owner may read. */
static enum err read_secret(struct reader *r, const struct setting *s, const struct tree *t,
                            void *to)
{
    struct why why = { "" };
    struct span path;
    TRY(read_path(r, s, t, &path));
    if (config_source_guard(make_of(r)->source, path, &why) != ERR_OK)
        return read_fail(r, t, t->values, "%s", why.text);
    return make_file(make_of(r), t, t->values, path, to);
}

static enum err read_chain(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    struct make_self *self = to;
    TRY(read_path(r, s, t, &self->chain_file));
    return make_file(make_of(r), t, t->values, self->chain_file, &self->chain);
}

static enum err parse_name(struct reader *r, const struct setting *s, const struct tree *t,
                           const struct tree_value *v, struct span *ret)
{
    struct span name;
    bool right = v->text.n > 0 && v->text.p[0] != '*' && !domain_is_literal(v->text) &&
                 name_parse(v->text, r->arena, &name) == ERR_OK && name.n <= SEAL_NAME_MAX;
    if (!right)
        return read_wants(r, s, t, v, "the name that is in the node's certificate");
    *ret = name;
    return ERR_OK;
}

static enum err read_self_name(struct reader *r, const struct setting *s, const struct tree *t,
                               void *to)
{
    return parse_name(r, s, t, t->values, to);
}

static const struct setting self_rows[] = {
    { "name", "name = \"mx1.nodes.example\"", .read = read_self_name,
      .offset = offsetof(struct make_self, name) },
    { "chain", "chain = \"node.pem\"", .read = read_chain },
    { "key", "key = \"node.key\"", .read = read_secret, .offset = offsetof(struct make_self, key) },
    { "ca", "ca = \"nodes-ca.pem\"", .read = make_pem, .offset = offsetof(struct make_self, ca) },
    { "signing_key", "signing_key = \"node-sign.key\"", .read = read_secret,
      .offset = offsetof(struct make_self, signing_key) },
    { "clock_skew", "clock_skew = \"5m\"", .read = read_duration,
      .offset = offsetof(struct make_self, window_ms), .least = 10 * SECOND_MS, .most = HOUR_MS },
};

enum err make_self(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    const struct settings settings = { s->name, self_rows, COUNTOF(self_rows) };
    struct config_make *m = make_of(r);
    struct make_self *self = ARENA_NEW(&m->arena, struct make_self);
    (void)to;
    self->at = t;
    self->window_ms = WINDOW_MS;
    TRY(settings_read(r, t->child, &settings, self));
    if (self->name.n == 0 || self->chain.n == 0 || self->key.n == 0 || self->ca.n == 0 ||
        self->signing_key.n == 0)
        return read_fail(r, t, NULL, "`self` wants name, chain, key, ca and signing_key: %s",
                         s->example);
    m->self = self;
    return ERR_OK;
}

static const struct setting node_rows[] = {
    { "smtp", "smtp = [\"10.0.0.2:25\"]", SETTING_LIST, .read = make_smtp_hosts,
      .offset = offsetof(struct make_node, smtp) },
    { "public_key", "public_key = \"mx2.pub\"", .read = make_pem,
      .offset = offsetof(struct make_node, public_key) },
};

/* Without `smtp` it is where its name leads. */
static void use_name_as_host(struct reader *r, struct make_node *n)
{
    enum { SMTP_PORT = 25 };
    if (n->smtp.n > 0)
        return;
    n->smtp.item = ARENA_NEW(r->arena, struct route_host);
    n->smtp.item[0] = (struct route_host){ .name = n->name, .port = SMTP_PORT };
    n->smtp.n = 1;
}

enum err make_node(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    const struct settings settings = { s->name, node_rows, COUNTOF(node_rows) };
    struct config_make *m = make_of(r);
    struct make_node *new = ARENA_NEW(&m->arena, struct make_node);
    unsigned n = 0;
    (void)to;
    new->at = t;
    TRY(parse_name(r, s, t, t->args, &new->name));
    TRY(settings_read(r, t->child, &settings, new));
    if (new->public_key.n == 0)
        return read_fail(r, t, NULL,
                         "this node has no `public_key`, so that nothing it says could be checked: "
                         "%s",
                         node_rows[1].example);
    for (const struct make_node *k = m->node; k; k = k->next, n++)
        if (span_eq(k->name, new->name))
            return read_twice(r, t, k->at);
    if (n == NODES_MAX)
        return read_fail(r, t, NULL, "more than %d nodes", NODES_MAX);
    use_name_as_host(r, new);
    *m->node_end = new;
    m->node_end = &new->next;
    return ERR_OK;
}

/* --- the whole --- */

/* Clients of the Internet must not be shown a certificate that only nodes know. */
static enum err check_self_name(struct config_make *m)
{
    const struct make_self *self = m->self;
    if (domain_eq(self->name, m->config->hostname))
        return read_fail(&m->reader, self->at, NULL,
                         "`%.*s` is `hostname`, too: whoever asks for that name would be shown the "
                         "node's certificate; give the node a name of its own",
                         SPAN_ARG(self->name));
    for (const struct make_certificate *c = m->certificate; c; c = c->next)
        for (unsigned i = 0; i < c->name.n; i++)
            if (domain_eq(c->name.item[i], self->name))
                return read_fail(&m->reader, self->at, NULL,
                                 "`%.*s` has two certificates: at %.*s:%d and here; give the node "
                                 "a name of its own",
                                 SPAN_ARG(self->name), SPAN_ARG(c->at->file), c->at->line);
    return ERR_OK;
}

/* What nodes that ask for us are shown; the last, so that it answers nobody else. */
static void add_certificate(struct config_make *m)
{
    struct make_certificate *c = ARENA_NEW(&m->arena, struct make_certificate);
    struct make_self *self = m->self;
    c->at = self->at;
    c->name = (struct span_list){ &self->name, 1 };
    c->identity = ARENA_NEW(&m->arena, struct tls_identity);
    c->identity[0] = (struct tls_identity){ self->chain_file, self->chain, self->key };
    c->n_identity = 1;
    *m->certificate_end = c;
    m->certificate_end = &c->next;
    m->want_client_cert = true;
    buf_put(&m->private_ca_pem, self->ca);
    buf_put(&m->private_ca_pem, SPAN("\n"));
}

static enum err fail_at(struct config_make *m, const struct tree *t, const struct why *why)
{
    return read_fail(&m->reader, t, NULL, "%s", why->text);
}

/* The digests of the CAs, which all that is judged of a node begins with. */
static enum err read_anchors(struct config_make *m, struct name_set *ret)
{
    enum { LINE_BYTES = 65 };
    struct arena *a = &m->config->arena;
    struct why why = { "" };
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = tls_pem_digests(m->self->ca, &text, &why);
    struct span rest = e == ERR_OK ? arena_span(a, buf_span(&text)) : SPAN_NONE;
    buf_done(&text);
    if (e != ERR_OK)
        return fail_at(m, m->self->at, &why);
    *ret = (struct name_set){ .id = 1, .name = ARENA_ARRAY(a, struct span, rest.n / LINE_BYTES) };
    while (rest.n > 0)
        ret->name[ret->n++] = span_cut(&rest, '\n');
    return ERR_OK;
}

/* As connectors' sets of names: equal ones have one number. */
static struct name_set name_set_of(struct config_make *m, struct span name)
{
    struct buf key;
    buf_init(&key, name.n + 1);
    buf_put(&key, name);
    buf_put(&key, SPAN("\n"));
    struct name_set *set = map_get(&m->name_set, buf_span(&key));
    if (!set) {
        set = ARENA_NEW(&m->config->arena, struct name_set);
        *set = (struct name_set){ (unsigned)m->name_set.n + 1, 1,
                                  ARENA_NEW(&m->config->arena, struct span) };
        set->name[0] = name;
        map_put(&m->name_set, buf_span(&key), set);
    }
    buf_done(&key);
    return *set;
}

/* Its public key is read into *ret. */
static enum err read_peer(struct config_make *m, const struct make_node *n, struct sign_peer **ret)
{
    struct why why = { "" };
    if (sign_peer_new(n->public_key, ret, &why) != ERR_OK)
        return fail_at(m, n->at, &why);
    bool own_name = span_eq(n->name, m->self->name);
    bool own_key = sign_is_own(*ret, m->config->node_key);
    if (own_name == own_key)
        return ERR_OK;
    sign_peer_free(*ret);
    return read_fail(&m->reader, n->at, NULL,
                     own_name ? "this node is `self`, and its `public_key` is not that of "
                                "`signing_key`; make it anew: openssl pkey -pubout"
                              : "the `public_key` of this node is our own; each node has its own "
                                "key");
}

static enum err add_node(struct config_make *m, const struct make_node *n)
{
    struct config *c = m->config;
    struct sign_peer *peer;
    TRY(read_peer(m, n, &peer));
    if (span_eq(n->name, m->self->name)) {
        sign_peer_free(peer);
        return ERR_OK;
    }
    c->node_peer[c->nodes.n] = peer;
    c->nodes.node[c->nodes.n++] = (struct node){ .name = n->name,
                                                 .host = n->smtp.item,
                                                 .n_host = n->smtp.n,
                                                 .names = name_set_of(m, n->name),
                                                 .file = arena_span(&c->arena, n->at->file),
                                                 .line = n->at->line };
    return ERR_OK;
}

enum err make_nodes(struct config_make *m)
{
    struct config *c = m->config;
    struct node_table *t = &c->nodes;
    struct why why = { "" };
    unsigned n = 0;
    if (!m->self && m->node)
        return read_fail(&m->reader, m->node->at, NULL,
                         "there are nodes, and `self` does not say which of them this is; add self "
                         "{ name = ..., chain, key, ca, signing_key }");
    if (!m->self)
        return ERR_OK;
    TRY(check_self_name(m));
    TRY(read_anchors(m, &t->anchors));
    if (sign_key_new(m->self->signing_key, &c->node_key, &why) != ERR_OK)
        return fail_at(m, m->self->at, &why);
    for (const struct make_node *k = m->node; k; k = k->next)
        n++;
    t->self = m->self->name;
    t->window_ms = m->self->window_ms;
    t->identity = m->n_identity + 1;
    t->node = ARENA_ARRAY(&c->arena, struct node, n);
    c->node_peer = ARENA_ARRAY(&c->arena, struct sign_peer *, n);
    for (const struct make_node *k = m->node; k; k = k->next)
        TRY(add_node(m, k));
    add_certificate(m);
    return ERR_OK;
}

/* --- routes --- */

enum err make_node_route(struct config_make *m, struct make_route *r)
{
    const struct tree_value *v = r->node->values;
    const struct node *n = node_by_name(&m->config->nodes, v->text);
    if (m->self && domain_eq(v->text, m->self->name))
        return read_fail(&m->reader, r->node, v, "`%.*s` is this node itself: mail would come back",
                         SPAN_ARG(shown(v->text)));
    if (!n)
        return read_fail(&m->reader, r->node, v,
                         "there is no node `%.*s`; add node \"%.*s\" { smtp = ..., public_key = "
                         "... }, and `self`",
                         SPAN_ARG(shown(v->text)), SPAN_ARG(shown(v->text)));
    r->route.node = n;
    r->route.host = n->host;
    r->route.n_host = n->n_host;
    r->route.contract = node_contract(&m->config->nodes, n);
    return ERR_OK;
}

enum err make_node_hosts(struct config_make *m, const struct tree *t, const struct route *r)
{
    for (unsigned i = 0; i < r->n_host; i++) {
        const struct node *n = node_at(&m->config->nodes, &r->host[i]);
        if (n)
            return read_fail(&m->reader, t, NULL,
                             "`%.*s` is our node `%.*s`, and mail goes to nodes by their links "
                             "only; say node = \"%.*s\" in a domain or route",
                             SPAN_ARG(shown(r->host[i].name)), SPAN_ARG(n->name),
                             SPAN_ARG(n->name));
    }
    return ERR_OK;
}

enum err make_node_anchors(struct config_make *m, const struct tree *t,
                           const struct in_connector *c)
{
    const struct name_set *own = &m->config->nodes.anchors;
    for (unsigned i = 0; i < c->n_anchor; i++)
        for (unsigned k = 0; k < own->n; k++)
            if (span_eq(c->anchor[i], own->name[k]))
                return read_fail(&m->reader, t, NULL,
                                 "the `ca` of this connector is that of `self`, whose certificates "
                                 "make a client one of our nodes; give nodes a CA of their own");
    return ERR_OK;
}

/* --- the context --- */

enum err make_node_context(struct config_make *m)
{
    const struct make_self *self = m->self;
    if (!self)
        return ERR_OK;
    const struct tls_identity identity = { self->chain_file, self->chain, self->key };
    const struct tls_client_config client = {
        .profile = TLS_PROFILE_DEFAULT, .ca_pem = self->ca, .identity = &identity, .n_identity = 1
    };
    enum err e = tls_client_new(&client, &m->config->tls_node, m->reader.why);
    if (e != ERR_OK)
        why_prefix(m->reader.why, "%.*s:%d:%d", SPAN_ARG(self->at->file), self->at->line,
                   self->at->column);
    return e;
}
