#include "policy/route.h"
#include "mail/addr.h"

enum {
    SMTP_PORT = 25,
    COMPONENT_BYTES_MAX = 255, /* of one name in a path: NAME_MAX of every file system */
};

static const char *const kind_names[ROUTE_KIND_COUNT_] = {
    [ROUTE_MX] = "mx",
    [ROUTE_SMTP] = "smtp",
    [ROUTE_LMTP] = "lmtp",
    [ROUTE_MAILDIR] = "maildir",
};

const char *route_kind_name(enum route_kind kind)
{
    ASSERT((size_t)kind < COUNTOF(kind_names));
    return kind_names[kind];
}

/* --- the table */

/* True when another route has its pattern. */
static bool table_add(struct route_table *t, struct route *r)
{
    struct buf key;
    buf_init(&key, r->pattern.n);
    for (size_t i = 0; i < r->pattern.n; i++)
        buf_put(&key, span_of(&(char){ ascii_lower(r->pattern.p[i]) }, 1));
    bool twice = map_put(&t->exact, buf_span(&key), r) != NULL;
    if (span_eq(buf_span(&key), SPAN("*")))
        t->fallback = r;
    buf_done(&key);
    return twice;
}

enum err route_table_init(struct route_table *t, struct route *route, unsigned n,
                          const struct hash_key *key, const struct route **ret_twice)
{
    *t = (struct route_table){
        .route = route,
        .n_route = n,
        .mx_default = { .kind = ROUTE_MX, .port = SMTP_PORT, .contract = contract_none() },
    };
    map_init(&t->exact, key);
    for (unsigned i = 0; i < n; i++) {
        if (!table_add(t, &route[i]))
            continue;
        *ret_twice = &route[i];
        route_table_done(t);
        return ERR_EXISTS;
    }
    return ERR_OK;
}

void route_table_done(struct route_table *t)
{
    if (!t)
        return;
    map_done(&t->exact);
    t->fallback = NULL;
    t->n_route = 0;
}

const struct route *route_find(const struct route_table *t, struct span domain)
{
    const struct route *r = domain_map_get(&t->exact, domain);
    if (!r)
        r = t->fallback;
    return r ? r : &t->mx_default;
}

/* --- destination keys */

/* Of all hosts with their ports. The key is no secret: administrators write the hosts. */
static uint64_t hosts_hash(const struct route *r)
{
    struct hash_key key = { { r->n_host, 0 } };
    for (unsigned i = 0; i < r->n_host; i++) {
        key.k[1] = (uint64_t)r->host[i].port << 1 | r->host[i].is_path;
        key.k[0] = span_hash(&key, r->host[i].name);
    }
    return key.k[0];
}

/* One host in full. Of more, or of one with a name too long for a key, the first and a hash. */
static void put_hosts(const struct route *r, struct buf *out)
{
    const struct route_host *first = &r->host[0];
    bool whole = r->n_host == 1 && first->name.n <= DOMAIN_BYTES_MAX;
    size_t n = first->name.n <= DOMAIN_BYTES_MAX ? first->name.n : DOMAIN_BYTES_MAX;

    if (whole)
        buf_put(out, SPAN(":"));
    else
        buf_putf(out, "(%u,%016llx):", r->n_host, (unsigned long long)hosts_hash(r));
    buf_put(out, span_head(first->name, n));
    if (!first->is_path)
        buf_putf(out, ":%u", first->port);
}

void route_key(const struct route *r, struct span domain, const struct contract *c, struct buf *out)
{
    char digest[CONTRACT_DIGEST_MAX];
    ASSERT(domain.n <= DOMAIN_BYTES_MAX);

    buf_putf(out, "%s", route_kind_name(r->kind));
    if (r->kind == ROUTE_MAILDIR || r->n_host == 0) {
        buf_put(out, SPAN(":"));
        buf_put(out, domain);
        if (r->kind == ROUTE_MX && r->port != SMTP_PORT)
            buf_putf(out, ":%u", r->port);
    } else {
        put_hosts(r, out);
    }
    buf_putf(out, "#%s", contract_digest(c, digest));
}

/* --- reroute overrides */

/* A host that is given as a name: "mail.example.org" or "mail.example.org:2525". */
static enum err override_name(struct span text, struct route_host *ret)
{
    uint64_t port = SMTP_PORT;
    bool given = span_find(text, ':') < text.n;
    struct span name = span_cut(&text, ':');
    if (!domain_valid(name, false))
        return ERR_SYNTAX;
    if (given && (text.n > 5 || span_u64(text, UINT16_MAX, &port) != ERR_OK))
        return ERR_SYNTAX;
    *ret = (struct route_host){ .name = name, .port = (uint16_t)port };
    return ERR_OK;
}

/* An address, with or without brackets and port. */
static enum err override_ip(struct span text, struct route_host *ret)
{
    struct ip ip;
    if (ip_literal_parse(text, &ip) == ERR_OK)
        ip.port = SMTP_PORT;
    else
        TRY(ip_parse_port(text, SMTP_PORT, &ip));
    *ret = (struct route_host){ .ip = ip, .port = ip.port };
    return ERR_OK;
}

enum err route_override(struct span text, struct arena *a, struct route *ret)
{
    struct route_host host;
    char ip[IP_TEXT_MAX];
    if (override_ip(text, &host) == ERR_OK)
        host.name = span_z(ip_text(&host.ip, ip));
    else
        TRY(override_name(text, &host));
    if (host.port == 0)
        return ERR_SYNTAX;

    void *p;
    TRY(arena_try_span(a, host.name, &host.name));
    TRY(arena_try(a, sizeof host, &p));
    *ret = (struct route){
        .kind = ROUTE_SMTP,
        .pattern = SPAN("*"),
        .host = memcpy(p, &host, sizeof host),
        .n_host = 1,
        .contract = contract_none(),
        .port = host.port,
    };
    return ERR_OK;
}

/* --- Maildir */

/* May it be one name in a path, and be seen for what it is? */
static bool path_safe(struct span s)
{
    if (s.n == 0 || s.n > COMPONENT_BYTES_MAX || s.p[0] == '.' || !utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool dots = c == '.' && i + 1 < s.n && s.p[i + 1] == '.';
        if (c < ' ' || c == 0x7f || c == '/' || dots)
            return false;
    }
    return true;
}

/* Appends one piece of the template: bytes up to a brace, or what stands for a word in braces. */
static enum err put_piece(struct span *pattern, struct span local, struct span domain,
                          struct buf *out)
{
    size_t n = span_find(*pattern, '{');
    if (n > 0) {
        struct span plain = span_head(*pattern, n);
        *pattern = span_tail(*pattern, n);
        return buf_append(out, plain);
    }
    if (span_find(*pattern, '}') == pattern->n)
        return ERR_SYNTAX;
    struct span word = span_tail(span_cut(pattern, '}'), 1);
    bool is_local = span_eq(word, SPAN("local"));
    if (!is_local && !span_eq(word, SPAN("domain")))
        return ERR_SYNTAX;
    struct span s = is_local ? local : domain;
    return path_safe(s) ? buf_append(out, s) : ERR_REFUSED;
}

enum err route_maildir(struct span pattern, struct span local, struct span domain, struct buf *out)
{
    size_t before = out->n;
    struct buf plain;
    buf_init(&plain, COMPONENT_BYTES_MAX);
    enum err e = addr_unquote_local(local, &plain) == ERR_OK ? ERR_OK : ERR_REFUSED;
    while (e == ERR_OK && pattern.n > 0)
        e = put_piece(&pattern, buf_span(&plain), domain, out);
    buf_done(&plain);
    if (e != ERR_OK)
        buf_truncate(out, before);
    return e;
}
