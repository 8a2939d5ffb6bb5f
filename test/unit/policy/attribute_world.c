#include "test/unit/policy/attribute_world.h"

#include "test/test.h"

#define SPANS(...)                                                                                 \
    (struct span[])                                                                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NAMES(...)                                                                                 \
    {                                                                                              \
        .id = 1, .n = COUNTOF(SPANS(__VA_ARGS__)), .name = SPANS(__VA_ARGS__)                      \
    }
#define LIST(member, ...) .member = SPANS(__VA_ARGS__), .n_##member = COUNTOF(SPANS(__VA_ARGS__))
#define NET(bits_, ...)                                                                            \
    .network = &(struct ip_net){ { IP_V4, 0, { __VA_ARGS__ } }, bits_ }, .n_network = 1
#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
#define CERT .tls = true, .cert = true, .names
#define BY(spki_, anchor_) .spki = spki_, .anchor = anchor_
#define OWN .c.kind = CONNECTOR_ON_PREMISES
#define ANY LIST(sender, S("*"))

const struct template catalogue[] = {
    { "own-name", 0, { OWN, ANY, .names = NAMES(S("mail.a.example")) } },
    { "own-name-client", 0, { OWN, ANY, .names = NAMES(S("out.a.example")), .eku_client = true } },
    { "own-foreign-name", 0, { OWN, ANY, .names = NAMES(S("relay.host.example")) } },
    { "own-wildcard",
      0,
      { OWN, ANY, .names = NAMES(S("*.a.example")), .revocation = REVOCATION_HARD } },
    { "own-pin", 0, { OWN, LIST(sender, S("a.example")), LIST(pin, S(PIN)) } },
    { "own-ca", 0, { OWN, ANY, LIST(anchor, S(PARTNER_CA)) } },
    { "own-net", 0, { OWN, ANY, NET(24, 192, 0, 2, 0) } },
    { "own-net-tls", 0, { OWN, ANY, NET(28, 192, 0, 2, 0), .require_tls = true, .floor = 13 } },
    { "b-own-name", 1, { OWN, ANY, .names = NAMES(S("mail.b.example")) } },
    { "b-own-net", 1, { OWN, ANY, NET(29, 192, 0, 2, 8) } },
    { "tls", 0, { LIST(sender, S("p.example")), .require_tls = true } },
    { "name",
      0,
      { LIST(sender, S("p.example"), S("*.p.example")), .names = NAMES(S("mx.p.example")),
        .restrict_certificate = true } },
    { "net",
      0,
      { LIST(sender, S("p.example")), NET(24, 198, 51, 100, 0), .restrict_addresses = true } },
    { "ca",
      0,
      { LIST(sender, S("*.p.example")), LIST(anchor, S(PARTNER_CA)),
        .names = NAMES(S("mx.p.example")), .restrict_certificate = true } },
    { "lock-net", 0, { ANY, NET(28, 203, 0, 113, 0), .restrict_addresses = true } },
    { "lock-pin",
      0,
      { ANY, LIST(pin, S(PIN)), .restrict_certificate = true, .revocation = REVOCATION_SOFT } },
    { "from-b",
      0,
      { LIST(sender, S("b.example")), .names = NAMES(S("mail.b.example")),
        .restrict_certificate = true, .floor = 13 } },
    { "b-lock", 1, { ANY, .names = NAMES(S("*.p.example")), .restrict_certificate = true } },
};
const unsigned n_catalogue = COUNTOF(catalogue);

const struct shown all_shown[] = {
    { .name = "plaintext" },
    { .name = "no certificate", .tls = true },
    { .name = "mail.a", CERT = "mail.a.example", BY("22", PUBLIC_CA) },
    { .name = "mail.a 1.2", CERT = "mail.a.example", BY("22", PUBLIC_CA), .old = true },
    { .name = "mail.a untrusted", CERT = "mail.a.example", BY("22", ""), .untrusted = true },
    { .name = "mail.a expired", CERT = "mail.a.example", BY("22", PUBLIC_CA), .late = true },
    { .name = "mail.a revoked", CERT = "mail.a.example", BY("22", PUBLIC_CA), .revoked = TRI_YES },
    { .name = "out.a for servers",
      CERT = "out.a.example",
      BY("22", PUBLIC_CA),
      .server_only = true },
    { .name = "mail.b", CERT = "mail.b.example", BY("33", PUBLIC_CA) },
    { .name = "mail.b by the partner's CA", CERT = "mail.b.example", BY("33", PARTNER_CA) },
    { .name = "both", CERT = "mail.b.example,mail.a.example", BY("33", PUBLIC_CA) },
    { .name = "mx.p", CERT = "www.p.example,mx.p.example", BY("44", PUBLIC_CA), .revoked = TRI_NO },
    { .name = "mx.p by the partner's CA", CERT = "mx.p.example", BY("44", PARTNER_CA) },
    { .name = "*.p", CERT = "*.p.example", BY("44", PUBLIC_CA) },
    { .name = "relay.host", CERT = "relay.host.example", BY("55", PUBLIC_CA) },
    { .name = "*.host", CERT = "*.host.example", BY("55", PUBLIC_CA) },
    { .name = "pinned", CERT = "self.signed.example", BY(PIN, ""), .untrusted = true },
    { .name = "somebody", CERT = "mx.somebody.example", BY("66", PUBLIC_CA), .revoked = TRI_NO },
};
const unsigned n_all_shown = COUNTOF(all_shown);

const char *const all_clients[] = { "192.0.2.9", "192.0.2.200", "198.51.100.7", "203.0.113.5",
                                    "2001:db8::1" };
const char *const all_from[] = { "a.example",   "b.example",     "p.example",
                                 "x.p.example", "other.example", "" };
const char *const all_to[] = { "a.example", "b.example", "out.example" };
const unsigned n_all_clients = COUNTOF(all_clients), n_all_from = COUNTOF(all_from),
               n_all_to = COUNTOF(all_to);

void world_init(struct world *w)
{
    static struct span a[] = { S("a.example"), S("*.a.example") }, b[] = { S("b.example") };
    *w = (struct world){ .org = { { .name = SPAN("a"), .domain = a, .n_domain = COUNTOF(a) },
                                  { .name = SPAN("b"), .domain = b, .n_domain = COUNTOF(b) } } };
    for (unsigned i = 0; i < WORLD_ORGS; i++)
        w->org[i].in = w->in[i];
    buf_init(&w->witness, WORLD_TEXT_MAX);
}

struct in_connector *world_add(struct world *w, const struct template *tpl)
{
    struct org *o = &w->org[tpl->org];
    ASSERT(o->n_in < WORLD_IN_MAX);
    struct in_connector *c = &o->in[o->n_in++];
    *c = tpl->c;
    c->c.id = span_z(tpl->name);
    c->c.org = o;
    c->c.mode = CONNECTOR_ENFORCE;
    return c;
}

bool world_build(struct world *w)
{
    static const struct hash_key key = { { 7, 8 } };
    org_table_free(w->t);
    w->t = NULL;
    buf_clear(&w->witness);
    enum err e = org_table_new(w->org, WORLD_ORGS, &key, &w->t, &w->conflict, &w->witness);
    CHECK(e == ERR_OK || e == ERR_EXISTS);
    return e == ERR_OK;
}

void world_done(struct world *w)
{
    org_table_free(w->t);
    buf_done(&w->witness);
}

const struct template *template_of(const char *name)
{
    for (unsigned i = 0; i < n_catalogue; i++) {
        if (strcmp(catalogue[i].name, name) == 0)
            return &catalogue[i];
    }
    test_fail(__FILE__, __LINE__, "no connector %s in the catalogue", name);
}

void world_make(struct world *w, const char *names)
{
    world_init(w);
    for (struct span rest = span_z(names); rest.n > 0;) {
        char name[32] = "";
        struct span one = span_cut(&rest, ' ');
        ASSERT(one.n < sizeof name);
        memcpy(name, one.p, one.n);
        world_add(w, template_of(name));
    }
    CHECK(world_build(w));
}

struct shown shown_names(const char *names)
{
    return (struct shown){ .name = names,
                           .tls = true,
                           .cert = names != NULL,
                           .names = names,
                           .spki = "99",
                           .anchor = PUBLIC_CA,
                           .revoked = TRI_NO };
}

static bool root_is_known(const struct world *w, struct span anchor)
{
    if (span_eq(anchor, SPAN(PUBLIC_CA)))
        return true;
    for (unsigned i = 0; i < WORLD_ORGS * WORLD_IN_MAX; i++) {
        const struct org *o = &w->org[i / WORLD_IN_MAX];
        unsigned k = i % WORLD_IN_MAX;
        for (unsigned j = 0; k < o->n_in && j < o->in[k].n_anchor; j++) {
            if (span_eq(o->in[k].anchor[j], anchor))
                return true;
        }
    }
    return false;
}

void scene_set(struct scene *s, const struct world *w, const struct shown *shown,
               const char *client, const char *from, const char *to)
{
    bool known = shown->cert && !shown->untrusted && root_is_known(w, span_z(shown->anchor));
    *s = (struct scene){
        .tls = { .on = shown->tls,
                 .peer_cert = shown->cert,
                 .chain_ok = known && !shown->late,
                 .expired = known && shown->late,
                 .client_usage = !shown->server_only,
                 .version = !shown->tls  ? SPAN_NONE
                            : shown->old ? SPAN("TLSv1.2")
                                         : SPAN("TLSv1.3"),
                 .names = span_z(shown->names),
                 .spki = span_z(shown->spki),
                 .anchor = known ? span_z(shown->anchor) : SPAN_NONE,
                 .anchor_private = known && strcmp(shown->anchor, PUBLIC_CA) != 0 },
        .f = { .now_ms = 1000,
               .from_domain = span_z(from),
               .to_domain = span_z(to),
               .revoked = shown->revoked },
    };
    s->f.tls = &s->tls;
    CHECK(ip_parse(span_z(client), &s->f.client) == ERR_OK);
}
