#include "base/rng.h"
#include "mail/addr.h"
#include "policy/route.h"
#include "test/test.h"

static const struct hash_key hash_key = { { 1, 2 } };

/* --- the table */

TEST(route_find_precedence)
{
    struct route routes[] = {
        { .kind = ROUTE_SMTP, .pattern = SPAN("example.org") },
        { .kind = ROUTE_SMTP, .pattern = SPAN("*.example.org") },
        { .kind = ROUTE_SMTP, .pattern = SPAN("*.Deep.example.org") },
        { .kind = ROUTE_SMTP, .pattern = SPAN("mail.deep.example.org") },
        { .kind = ROUTE_SMTP, .pattern = SPAN("[192.0.2.1]") },
    };
    static const struct {
        const char *domain, *pattern;
    } rows[] = {
        { "example.org", "example.org" },
        { "example.org.", "example.org" },
        { "a.example.org", "*.example.org" },
        { "a.b.c.example.org", "*.example.org" },
        { "deep.example.org", "*.example.org" },
        { "x.deep.example.org", "*.Deep.example.org" },
        { "x.mail.deep.example.org", "*.Deep.example.org" },
        { "mail.deep.example.org", "mail.deep.example.org" },
        { "notexample.org", "" },
        { "org", "" },
        { "", "" },
        { ".", "" },
        { "example.org.evil.example", "" },
        { "[192.0.2.1]", "[192.0.2.1]" },
        { "[192.0.2.9]", "" },
        { "[x.example.org]", "" },
    };
    struct route_table t;
    const struct route *twice = NULL;
    CHECK(route_table_init(&t, routes, COUNTOF(routes), &hash_key, &twice) == ERR_OK);
    CHECK(twice == NULL);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].domain);
        CHECK_Z(route_find(&t, span_z(rows[i].domain))->pattern, rows[i].pattern);
    }
    CHECK_NUM(t.mx_default.kind, ROUTE_MX);
    CHECK_NUM(t.mx_default.port, 25);
    route_table_done(&t);
    route_table_done(&t);
    route_table_done(NULL);
    CHECK(route_find(&t, SPAN("example.org")) == &t.mx_default);
}

TEST(route_find_fallback)
{
    struct route routes[] = { { .kind = ROUTE_SMTP, .pattern = SPAN("*") },
                              { .kind = ROUTE_MX, .pattern = SPAN("*.org") } };
    struct route_table t;
    const struct route *twice;
    char huge[DOMAIN_BYTES_MAX + 20];
    memset(huge, 'a', sizeof huge);
    memcpy(huge + sizeof huge - 4, ".org", 4);
    CHECK(route_table_init(&t, routes, 2, &hash_key, &twice) == ERR_OK);
    CHECK(route_find(&t, SPAN("a.example")) == &routes[0]);
    CHECK(route_find(&t, SPAN("a.org")) == &routes[1]);
    CHECK(route_find(&t, SPAN("")) == &routes[0]);
    CHECK(route_find(&t, SPAN("*")) == &routes[0]);
    CHECK(route_find(&t, SPAN("a.b.c..")) == &routes[0]);
    CHECK(route_find(&t, span_of(huge, sizeof huge)) == &routes[0]);
    CHECK(route_find(&t, span_of(huge + 20, sizeof huge - 20)) == &routes[1]);
    route_table_done(&t);
}

TEST(route_table_refuses_twice)
{
    struct route routes[] = { { .pattern = SPAN("a.example") },
                              { .pattern = SPAN("b.example") },
                              { .pattern = SPAN("A.example") } };
    struct route_table t;
    const struct route *twice = NULL;
    CHECK(route_table_init(&t, routes, 3, &hash_key, &twice) == ERR_EXISTS);
    CHECK(twice == &routes[2]);
    routes[2].pattern = SPAN("*");
    routes[0].pattern = SPAN("*");
    CHECK(route_table_init(&t, routes, 3, &hash_key, &twice) == ERR_EXISTS);
}

/* --- keys */

static void check_key(const struct route *r, const char *domain, const char *want)
{
    struct contract c = { .need = TLS_NEED_TRY, .floor = 12, .rules = RULE_DEFAULT };
    struct buf out;
    buf_init(&out, DEST_KEY_MAX);
    route_key(r, span_z(domain), &c, &out);
    CHECK_Z(buf_span(&out), want);
    buf_done(&out);
}

TEST(route_keys)
{
    struct route_host mx = { .name = SPAN("mx.example"), .port = 25 };
    struct route_host path = { .name = SPAN("/run/lmtp"), .is_path = true };
    check_key(&(struct route){ .kind = ROUTE_MX, .port = 25 }, "example.org",
              "mx:example.org#try.12.fs0");
    check_key(&(struct route){ .kind = ROUTE_MX, .port = 2525 }, "example.org",
              "mx:example.org:2525#try.12.fs0");
    check_key(&(struct route){ .kind = ROUTE_MX, .port = 25, .host = &mx, .n_host = 1 },
              "example.org", "mx:mx.example:25#try.12.fs0");
    check_key(&(struct route){ .kind = ROUTE_SMTP, .host = &mx, .n_host = 1 }, "example.org",
              "smtp:mx.example:25#try.12.fs0");
    check_key(&(struct route){ .kind = ROUTE_LMTP, .host = &path, .n_host = 1 }, "example.org",
              "lmtp:/run/lmtp#try.12.fs0");
    check_key(&(struct route){ .kind = ROUTE_MAILDIR }, "example.org",
              "maildir:example.org#try.12.fs0");
}

static struct span key_of(const struct route *r, const struct contract *c, struct buf *out)
{
    buf_init(out, DEST_KEY_MAX);
    route_key(r, SPAN("example.org"), c, out);
    return buf_span(out);
}

/* T-42: who differs in a host, a port, the order or the contract never shares a session. */
TEST(t42_route_keys_differ)
{
    char longest[300];
    memset(longest, 'x', sizeof longest);
    struct route_host hosts[][2] = {
        { { .name = SPAN("a"), .port = 25 }, { .name = SPAN("b"), .port = 25 } },
        { { .name = SPAN("a"), .port = 25 }, { .name = SPAN("b"), .port = 26 } },
        { { .name = SPAN("a"), .port = 25 }, { .name = SPAN("c"), .port = 25 } },
        { { .name = SPAN("b"), .port = 25 }, { .name = SPAN("a"), .port = 25 } },
        { { .name = SPAN("a"), .port = 25 }, { .name = SPAN("b"), .port = 25, .is_path = true } },
        { { .name = { longest, 299 }, .port = 1 }, { .name = SPAN("b") } },
        { { .name = { longest, 300 }, .port = 1 }, { .name = SPAN("b") } },
    };
    enum { N = COUNTOF(hosts) * 2 * 2 };
    for (unsigned i = 0; i < N * N; i++) {
        unsigned x = i / N, y = i % N;
        struct buf a, b;
        struct contract cx = contract_none(), cy = contract_none();
        struct route rx = { .kind = ROUTE_SMTP, .host = hosts[x / 4], .n_host = 1 + x / 2 % 2 };
        struct route ry = { .kind = ROUTE_SMTP, .host = hosts[y / 4], .n_host = 1 + y / 2 % 2 };
        cx.need = x % 2 ? TLS_NEED_CHAIN : TLS_NEED_TRY;
        cy.need = y % 2 ? TLS_NEED_CHAIN : TLS_NEED_TRY;
        bool first_only = rx.n_host == 1 && ry.n_host == 1 && cx.need == cy.need &&
                          span_eq(rx.host->name, ry.host->name);
        CHECK(span_eq(key_of(&rx, &cx, &a), key_of(&ry, &cy, &b)) == (x == y || first_only));
        buf_done(&a);
        buf_done(&b);
    }
}

/* --- overrides */

TEST(route_overrides)
{
    static const struct {
        const char *text, *name; /* NULL: refused */
        int port;
        bool is_ip;
    } rows[] = {
        { "mx.example.org", "mx.example.org", 25, 0 },
        { "mx.example.org:2525", "mx.example.org", 2525, 0 },
        { "localhost:1", "localhost", 1, 0 },
        { "192.0.2.1", "192.0.2.1", 25, 1 },
        { "192.0.2.1:26", "192.0.2.1", 26, 1 },
        { "[192.0.2.1]", "192.0.2.1", 25, 1 },
        { "[192.0.2.1]:26", "192.0.2.1", 26, 1 },
        { "2001:db8::1", "2001:db8::1", 25, 1 },
        { "[2001:db8::1]", "2001:db8::1", 25, 1 },
        { "[2001:db8::1]:65535", "2001:db8::1", 65535, 1 },
        { "[IPv6:2001:db8::1]", "2001:db8::1", 25, 1 },
        { "", NULL, 0, 0 },
        { ":25", NULL, 0, 0 },
        { "mx.example.org:", NULL, 0, 0 },
        { "mx.example.org:0", NULL, 0, 0 },
        { "192.0.2.1:0", NULL, 0, 0 },
        { "mx.example.org:65536", NULL, 0, 0 },
        { "mx.example.org:000025", NULL, 0, 0 },
        { "mx.example.org:-1", NULL, 0, 0 },
        { "mx.example.org:25:26", NULL, 0, 0 },
        { "[192.0.2.1", NULL, 0, 0 },
        { "[mx.example.org]:25", NULL, 0, 0 },
        { "/run/lmtp", NULL, 0, 0 },
        { "mx example", NULL, 0, 0 },
        { "mx.example.org\n", NULL, 0, 0 },
        { "a..b", NULL, 0, 0 },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].text);
        struct arena a;
        struct route r = { .line = 7 };
        arena_init(&a, 4096);
        enum err e = route_override(span_z(rows[i].text), &a, &r);
        CHECK_NUM(e, rows[i].name ? ERR_OK : ERR_SYNTAX);
        if (e == ERR_OK) {
            CHECK(r.kind == ROUTE_SMTP && r.n_host == 1 && !r.host->is_path);
            CHECK_Z(r.host->name, rows[i].name);
            CHECK_NUM(r.host->port, rows[i].port);
            CHECK_NUM(r.host->ip.family != IP_NONE, rows[i].is_ip);
        }
        CHECK(e == ERR_OK || r.line == 7);
        arena_done(&a);
    }
}

TEST(route_override_small_arena)
{
    for (size_t max = 0; max < 200; max++) {
        struct arena a;
        struct route r = { .line = 7 };
        arena_init(&a, max);
        enum err e = route_override(SPAN("mx.example.org"), &a, &r);
        CHECK(e == ERR_OK || (e == ERR_TOO_BIG && r.line == 7));
        arena_done(&a);
    }
}

/* --- Maildir */

TEST(route_maildirs)
{
    static const struct {
        const char *pattern;
        struct span local;
        const char *domain;
        enum err e;
        const char *path;
    } rows[] = {
        { "/m/{domain}/{local}", { "ann", 3 }, "example.org", ERR_OK, "/m/example.org/ann" },
        { "/m/{local}", { "ann.b", 5 }, "example.org", ERR_OK, "/m/ann.b" },
        { "/m/{local}/Maildir", { "\"a b\"", 5 }, "x", ERR_OK, "/m/a b/Maildir" },
        { "/m/{local}", { "\"a.\"", 4 }, "x", ERR_OK, "/m/a." },
        { "/m/all", { "ann", 3 }, "x", ERR_OK, "/m/all" },
        { "/m/{local}}", { "ann", 3 }, "x", ERR_OK, "/m/ann}" },
        { "/m/{local}", { "j\xc3\xb6rg", 5 }, "x", ERR_OK, "/m/j\xc3\xb6rg" },
        { "/m/{local}", { "j\xc3", 2 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "", 0 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "\"\"", 2 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { ".", 1 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "..", 2 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "\"..\"", 4 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { ".ssh", 4 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "a..b", 4 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "a/b", 3 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "\"a\\/b\"", 6 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "a\0b", 3 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "a\x7f", 2 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "a\n", 2 }, "x", ERR_REFUSED, "" },
        { "/m/{local}", { "\"a", 2 }, "x", ERR_REFUSED, "" },
        { "/m/{domain}/{local}", { "ann", 3 }, "../x", ERR_REFUSED, "" },
        { "/m/{domain}/{local}", { "ann", 3 }, "", ERR_REFUSED, "" },
        { "/m/{user}", { "ann", 3 }, "x", ERR_SYNTAX, "" },
        { "/m/{local", { "ann", 3 }, "x", ERR_SYNTAX, "" },
        { "/m/0123456789/0123456789/9{local}", { "ann", 3 }, "x", ERR_TOO_BIG, "" },
        { "/m/0123456789/0123456789/0123", { "ann", 3 }, "x", ERR_TOO_BIG, "" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].pattern);
        struct buf out;
        buf_init(&out, 29);
        buf_put(&out, SPAN("^"));
        CHECK_NUM(
            route_maildir(span_z(rows[i].pattern), rows[i].local, span_z(rows[i].domain), &out),
            rows[i].e);
        CHECK_Z(span_tail(buf_span(&out), 1), rows[i].path);
        buf_done(&out);
    }
}

TEST(route_maildir_long_names)
{
    char local[300];
    struct buf out;
    memset(local, 'x', sizeof local);
    buf_init(&out, 4096);
    CHECK(route_maildir(SPAN("{local}"), span_of(local, 255), SPAN("x"), &out) == ERR_OK);
    CHECK(route_maildir(SPAN("{local}"), span_of(local, 256), SPAN("x"), &out) == ERR_REFUSED);
    CHECK(route_maildir(SPAN("{domain}"), SPAN("a"), span_of(local, 256), &out) == ERR_REFUSED);
    buf_done(&out);
}
