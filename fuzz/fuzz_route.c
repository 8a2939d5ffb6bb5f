/* Three lines: a Maildir template (or a reroute override), a local part, a domain. The path never
 * leaves the template's folder; an override is a name or an address with a port; every domain has
 * a route and, when it is valid, a key. */
#include "mail/addr.h"
#include "policy/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t count(struct span s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == c;
    return n;
}

/* The fixed template: what is put in must be one name each. */
static void check_components(struct span path)
{
    ASSERT(span_starts(path, SPAN("/var/mail/")));
    ASSERT(count(path, '/') == 4 && count(path, '\0') == 0);
    while (path.n > 0) {
        struct span name = span_cut(&path, '/');
        ASSERT(name.n == 0 || name.p[0] != '.');
        for (size_t i = 0; i + 1 < name.n; i++)
            ASSERT(name.p[i] != '.' || name.p[i + 1] != '.');
    }
}

static void check_maildir(struct span pattern, struct span local, struct span domain)
{
    struct buf out;
    buf_init(&out, 4096);
    if (route_maildir(SPAN("/var/mail/{domain}/{local}"), local, domain, &out) == ERR_OK)
        check_components(buf_span(&out));
    else
        ASSERT(out.n == 0);
    buf_clear(&out);
    if (route_maildir(pattern, local, domain, &out) == ERR_OK) {
        ASSERT(count(buf_span(&out), '/') == count(pattern, '/'));
        ASSERT(count(buf_span(&out), '\0') == count(pattern, '\0'));
    }
    buf_done(&out);
}

static void check_override(struct span text)
{
    struct arena a;
    struct route r;
    arena_init(&a, 4096);
    if (route_override(text, &a, &r) == ERR_OK) {
        ASSERT(r.kind == ROUTE_SMTP && r.n_host == 1);
        ASSERT(r.host->port > 0 && !r.host->is_path);
        ASSERT(r.host->ip.family != IP_NONE || domain_valid(r.host->name, false));
    }
    arena_done(&a);
}

static void check_table(struct span pattern, struct span domain)
{
    const struct hash_key key = { { 1, 2 } };
    const struct contract c = contract_none();
    struct route routes[] = { { .pattern = pattern }, { .pattern = SPAN("*") } };
    struct route_table t;
    const struct route *twice;
    if (route_table_init(&t, routes, 2, &key, &twice) != ERR_OK)
        return;
    const struct route *r = route_find(&t, domain);
    ASSERT(r == &routes[0] || r == &routes[1]);
    if (domain_valid(domain, false) && !span_eq(pattern, domain)) {
        bool wild = span_starts(pattern, SPAN("*."));
        ASSERT(r == &routes[1] || wild || domain_eq(pattern, domain));
        struct buf out;
        buf_init(&out, DEST_KEY_MAX);
        route_key(r, domain, &c, &out);
        buf_done(&out);
    }
    route_table_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span s = { (const char *)data, n };
    struct span pattern = span_cut(&s, '\n'), local = span_cut(&s, '\n');
    check_maildir(pattern, local, s);
    check_override(pattern);
    check_table(pattern, s);
    return 0;
}
