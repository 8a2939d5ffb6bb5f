#include "gate/config_make.h"
#include "mail/addr.h"

/* `domain` and `route`: where mail goes. */

enum { SMTP_PORT = 25, LMTP_PORT = 24, TLS_NOT_SAID = -1 };

/* What such a block says. Exactly one of the first five is set. */
struct route_block {
    struct span maildir;
    struct host_list smtp, lmtp;
    const struct tree *node;
    bool mx;
    int tls; /* enum tls_need, or TLS_NOT_SAID */
    uint16_t port;
    int kind; /* of an organisation's domain */
};

/* --- hosts --- */

static enum err parse_path(struct span path, struct arena *a, struct route_host *ret)
{
    if (path.n == 0 || path.p[0] != '/' || path.n >= UNIX_PATH_MAX_)
        return ERR_SYNTAX;
    *ret = (struct route_host){ .name = arena_span(a, path), .is_path = true };
    return ERR_OK;
}

/* "mail.example.org", "mail.example.org:2525", "192.0.2.1", "[2001:db8::1]:25" */
static enum err parse_host(struct span s, uint16_t port, struct arena *a, struct route_host *ret)
{
    char text[IP_TEXT_MAX];
    struct route_host host = { .port = port };
    if (ip_parse_port(s, port, &host.ip) == ERR_OK) {
        host.port = host.ip.port;
        host.name = arena_span(a, span_z(ip_text(&host.ip, text)));
    } else {
        uint64_t given = port;
        bool has_port = span_find(s, ':') < s.n;
        struct span name = span_cut(&s, ':');
        if (name.n == 0 || name.p[0] == '*' || domain_is_literal(name))
            return ERR_SYNTAX;
        TRY(name_parse(name, a, &host.name));
        if (has_port && (s.n > 5 || span_u64(s, UINT16_MAX, &given) != ERR_OK))
            return ERR_SYNTAX;
        host.port = (uint16_t)given;
    }
    if (host.port == 0)
        return ERR_SYNTAX;
    *ret = host;
    return ERR_OK;
}

static enum err read_hosts(struct reader *r, const struct setting *s, const struct tree *t,
                           uint16_t port, struct host_list *to)
{
    bool lmtp = port == LMTP_PORT;
    unsigned n = 0;
    for (const struct tree_value *v = t->values; v; v = v->next)
        n++;
    if (n == 0)
        return read_wants(r, s, t, NULL, "one host at least");
    struct host_list list = { .item = ARENA_ARRAY(r->arena, struct route_host, n) };
    for (const struct tree_value *v = t->values; v; v = v->next) {
        struct route_host *host = &list.item[list.n++];
        struct span path = v->text;
        bool is_path = lmtp && span_starts(path, SPAN("unix:"));
        if (is_path && parse_path(span_tail(path, 5), r->arena, host) != ERR_OK)
            return read_wants(r, s, t, v, "unix: and an absolute path of at most 103 bytes");
        if (!is_path && parse_host(v->text, port, r->arena, host) != ERR_OK)
            return read_wants(r, s, t, v,
                              lmtp ? "hosts, host:port or unix:/path" : "hosts or host:port");
    }
    *to = list;
    return ERR_OK;
}

enum err make_smtp_hosts(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return read_hosts(r, s, t, SMTP_PORT, to);
}

static enum err read_lmtp(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    return read_hosts(r, s, t, LMTP_PORT, to);
}

static enum err read_maildir(struct reader *r, const struct setting *s, const struct tree *t,
                             void *to)
{
    enum { PATH_BYTES_MAX = 4096 };
    struct span path;
    struct buf sample;
    TRY(read_path(r, s, t, &path));
    buf_init(&sample, PATH_BYTES_MAX);
    enum err e = route_maildir(path, SPAN("local"), SPAN("example.org"), &sample);
    buf_done(&sample);
    if (e != ERR_OK)
        return read_wants(r, s, t, t->values,
                          "a path with no other words in braces than {domain} and {local}");
    *(struct span *)to = path;
    return ERR_OK;
}

/* Which one it is can be told when all files were read. */
static enum err read_node(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    (void)r, (void)s;
    *(const struct tree **)to = t;
    return ERR_OK;
}

/* --- the block --- */

const char *const make_tls_names[] = { "opportunistic", "encrypt", "certificate", "domain", NULL };
STATIC_ASSERT(COUNTOF(make_tls_names) == TLS_NEED_COUNT_ + 1);

enum { DOMAIN_INTERNAL_RELAY, DOMAIN_AUTHORITATIVE };
static const char *const domain_kinds[] = { "internal-relay", "authoritative", NULL };

static const struct setting rows[] = {
    { "maildir", "maildir = \"/var/mail/{domain}/{local}\"", .read = read_maildir,
      .offset = offsetof(struct route_block, maildir) },
    { "smtp", "smtp = [\"10.0.0.5:25\", \"mail.internal\"]", SETTING_LIST, .read = make_smtp_hosts,
      .offset = offsetof(struct route_block, smtp) },
    { "lmtp", "lmtp = \"unix:/run/dovecot/lmtp\"", SETTING_LIST, .read = read_lmtp,
      .offset = offsetof(struct route_block, lmtp) },
    { "node", "node = \"mx2.nodes.example\"", .read = read_node,
      .offset = offsetof(struct route_block, node) },
    { "mx", "mx = yes", .read = read_flag, .offset = offsetof(struct route_block, mx) },
    { "tls", "tls = encrypt", .read = read_choice, .offset = offsetof(struct route_block, tls),
      .names = make_tls_names },
    { "port", "port = 2525", .read = read_port, .offset = offsetof(struct route_block, port) },
    { "kind", "kind = authoritative", .read = read_choice,
      .offset = offsetof(struct route_block, kind), .names = domain_kinds },
};
enum { ROWS_OF_ALL = COUNTOF(rows) - 1 }; /* `kind` is for domains of organisations */

/* No network is between us and where this goes. */
static bool stays_here(const struct route *r)
{
    for (unsigned i = 0; i < r->n_host; i++)
        if (!r->host[i].is_path)
            return false;
    return r->kind != ROUTE_MX;
}

static enum err block_check(struct reader *r, const struct tree *t, const struct route_block *b)
{
    int n = (b->maildir.n > 0) + (b->smtp.n > 0) + (b->lmtp.n > 0) + (b->node != NULL) + b->mx;
    if (n == 0)
        return read_fail(r, t, NULL,
                         "this %.*s says not where its mail goes; add one of maildir, smtp, lmtp, "
                         "node or mx = yes",
                         SPAN_ARG(t->name));
    if (n > 1)
        return read_fail(r, t, NULL,
                         "this %.*s says more than once where its mail goes; keep one of maildir, "
                         "smtp, lmtp, node and mx",
                         SPAN_ARG(t->name));
    if (b->node && b->tls != TLS_NOT_SAID)
        return read_fail(r, t, NULL,
                         "`tls` means nothing for mail to a node: what that link must be is fixed; "
                         "remove it");
    if (b->port != 0 && !b->mx)
        return read_fail(
            r, t, NULL, "`port` is for mx = yes; hosts carry their own, as in \"mail.internal:%u\"",
            b->port);
    return ERR_OK;
}

static void block_use(struct route *route, const struct route_block *b)
{
    route->port = b->port;
    route->kind = b->smtp.n > 0 || b->node ? ROUTE_SMTP : b->lmtp.n > 0 ? ROUTE_LMTP : ROUTE_MX;
    const struct host_list *host = route->kind == ROUTE_LMTP ? &b->lmtp : &b->smtp;
    route->host = host->item;
    route->n_host = host->n;
    if (b->maildir.n > 0) {
        route->kind = ROUTE_MAILDIR;
        route->maildir = b->maildir;
    }
    route->contract = contract_none();
    if (b->tls != TLS_NOT_SAID) {
        route->contract.need = (enum tls_need)b->tls;
        route->contract.rules = RULE_ROUTE;
    }
}

/* ret_authoritative: NULL where no organisation's domain is read. */
static enum err add_block(struct reader *r, const struct setting *s, const struct tree *t,
                          bool local, bool *ret_authoritative)
{
    static const char *const wants[] = { "a domain, *.domain or *", "a domain or *.domain" };
    const struct settings settings = { s->name, rows,
                                       ret_authoritative ? COUNTOF(rows) : ROWS_OF_ALL };
    struct config_make *m = make_of(r);
    struct route_block block = { .tls = TLS_NOT_SAID };
    struct make_route *new = ARENA_NEW(&m->arena, struct make_route);
    struct span name = t->args->text;

    if (!local && span_eq(name, SPAN("*")))
        new->route.pattern = SPAN("*");
    else if (name_parse(name, r->arena, &new->route.pattern) != ERR_OK)
        return read_wants(r, s, t, t->args, wants[local]);
    TRY(settings_read(r, t->child, &settings, &block));
    TRY(block_check(r, t, &block));
    if (block.kind == DOMAIN_AUTHORITATIVE && block.mx)
        return read_fail(r, t, NULL,
                         "mail for an authoritative domain never leaves by MX, which strangers' "
                         "DNS may change; name its hosts with smtp or lmtp, or say kind = "
                         "internal-relay");
    block_use(&new->route, &block);
    if (ret_authoritative)
        *ret_authoritative = block.kind == DOMAIN_AUTHORITATIVE;
    if (block.tls > TLS_NEED_TRY && stays_here(&new->route))
        return read_fail(r, t, NULL,
                         "`tls` means nothing for mail that stays on this machine; "
                         "remove it");
    new->at = t;
    new->node = block.node;
    new->local = local;
    new->route.file = arena_span(r->arena, t->file);
    new->route.line = t->line;
    *m->route_end = new;
    m->route_end = &new->next;
    m->n_route++;
    return ERR_OK;
}

enum err make_domain(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    (void)to;
    return add_block(r, s, t, true, NULL);
}

enum err make_org_domain(struct reader *r, const struct setting *s, const struct tree *t,
                         bool *ret_authoritative)
{
    return add_block(r, s, t, true, ret_authoritative);
}

enum err make_route(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    (void)to;
    return add_block(r, s, t, false, NULL);
}

/* --- the table --- */

static enum err pattern_twice(struct config_make *m, const struct route *table,
                              const struct route *twice)
{
    const struct make_route *first = m->route, *second = m->route;
    for (const struct route *r = table; r < twice; r++)
        second = second->next;
    while (!span_eq(first->route.pattern, second->route.pattern))
        first = first->next;
    ASSERT(first != second);
    return read_fail(&m->reader, second->at, second->at->args,
                     "`%.*s` has two routes: at %.*s:%d and here; keep one of them",
                     SPAN_ARG(shown(twice->pattern)), SPAN_ARG(first->at->file), first->at->line);
}

/* By MX the destination is a domain, and what it publishes counts. A route that names its hosts
 * says itself what they must be. */
static void use_published(const struct config *c, struct route *r)
{
    if (r->kind != ROUTE_MX)
        return;
    r->contract.dane = c->dane;
    r->contract.sts = c->sts;
}

enum err make_routes(struct config_make *m)
{
    struct config *c = m->config;
    struct route *table = ARENA_ARRAY(&c->arena, struct route, m->n_route);
    const struct route *twice;
    unsigned n = 0;

    for (struct make_route *r = m->route; r; r = r->next) {
        TRY(r->node ? make_node_route(m, r) : make_node_hosts(m, r->at, &r->route));
        table[n] = r->route;
        if (table[n].port == 0)
            table[n].port = c->smtp_port;
        use_published(c, &table[n]);
        n++;
    }
    ASSERT(n == m->n_route);
    if (route_table_init(&c->routes, table, n, &m->boot->hash_key, &twice) != ERR_OK)
        return pattern_twice(m, table, twice);
    c->routes.mx_default.port = c->smtp_port;
    use_published(c, &c->routes.mx_default);
    n = 0;
    for (const struct make_route *r = m->route; r; r = r->next, n++)
        if (r->local)
            map_put(&c->local, r->route.pattern, &table[n]);
    return ERR_OK;
}
