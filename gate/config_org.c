#include "gate/config_org.h"

/* `organisation`: its domains, certificates and connectors; and, when all files were read, what
 * several of them claim. */

enum {
    IDENTITIES_MAX = 64, /* of one organisation */
    ADMINS_MAX = 64,
    WITNESS_SHOWN_MAX = 200,
};

/* --- names --- */

/* Names are told apart without case: commands and replies show them. */
static struct span lower_key(struct span prefix, struct span name, struct buf *key)
{
    buf_init(key, 4 * (size_t)CONFIG_LABEL_MAX);
    buf_put(key, prefix);
    for (size_t i = 0; i < name.n; i++)
        buf_put(key, span_of(&(char){ ascii_lower(name.p[i]) }, 1));
    return buf_span(key);
}

static enum err check_label_text(struct reader *r, const struct setting *s, const struct tree *t,
                                 const struct tree_value *value)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    struct span v = value->text;
    bool right = v.n > 0 && v.n <= CONFIG_LABEL_MAX;
    for (size_t i = 0; right && i < v.n; i++)
        right = memchr(bytes, ascii_lower(v.p[i]), sizeof bytes - 1) != NULL;
    STATIC_ASSERT(CONFIG_LABEL_MAX == 64);
    return right ? ERR_OK
                 : read_wants(r, s, t, value, "a name of letters, digits, - and _, 64 at most");
}

static enum err check_label(struct reader *r, const struct setting *s, const struct tree *t)
{
    return check_label_text(r, s, t, t->args);
}

/* --- who administers it, and its probe --- */

/* The third field of the user's line. */
static bool passwd_find(struct span text, struct span name, unsigned *ret)
{
    while (text.n > 0) {
        struct span line = span_cut(&text, '\n');
        uint64_t uid;
        if (!span_eq(span_cut(&line, ':'), name))
            continue;
        span_cut(&line, ':');
        if (span_u64(span_cut(&line, ':'), UINT32_MAX - 1, &uid) != ERR_OK)
            return false;
        *ret = (unsigned)uid;
        return true;
    }
    return false;
}

/* By the file, not by the C library: workers have to find the same in what the supervisor read. It
 * is no part of the digest, for it changes with what has nothing to do with mail. */
static enum err find_user(struct reader *r, const struct tree *t, const struct tree_value *v,
                          unsigned *ret)
{
    struct config_make *m = make_of(r);
    struct why why = { "" };
    if (m->passwd.n == 0 &&
        m->source->read(m->source->arg, SPAN("/etc/passwd"), &m->passwd, &why) != ERR_OK)
        return read_fail(r, t, v, "%s", why.text);
    if (passwd_find(buf_span(&m->passwd), v->text, ret))
        return ERR_OK;
    return read_fail(r, t, v,
                     "there is no user `%.*s` in /etc/passwd; make one (adduser %.*s), correct the "
                     "name, or write the number of a user from elsewhere",
                     SPAN_ARG(v->text), SPAN_ARG(v->text));
}

static enum err find_admin(struct reader *r, const struct setting *s, const struct tree *t,
                           const struct tree_value *v, struct org_admin *ret)
{
    uint64_t number = 0;
    bool right = v->text.n > 0 && v->text.n <= CONFIG_LABEL_MAX && v->text.p[0] != '-';
    for (size_t i = 0; right && i < v->text.n; i++)
        right = v->text.p[i] > ' ' && v->text.p[i] < 0x7f && v->text.p[i] != ':';
    if (!right)
        return read_wants(r, s, t, v, "names of local users");
    if (span_u64(v->text, INT32_MAX, &number) == ERR_OK)
        ret->uid = (unsigned)number;
    else
        TRY(find_user(r, t, v, &ret->uid));
    ret->name = arena_span(r->arena, v->text);
    return ERR_OK;
}

static enum err read_administrators(struct reader *r, const struct setting *s, const struct tree *t,
                                    void *to)
{
    struct org *org = &((struct make_org *)to)->org;
    unsigned n = 0;
    for (const struct tree_value *v = t->values; v; v = v->next)
        n++;
    if (n == 0 || n > ADMINS_MAX)
        return read_wants(r, s, t, NULL, "from 1 to 64 names of local users");
    STATIC_ASSERT(ADMINS_MAX == 64);
    org->admin = ARENA_ARRAY(r->arena, struct org_admin, n);
    for (const struct tree_value *v = t->values; v; v = v->next) {
        struct org_admin a = { .uid = 0 };
        TRY(find_admin(r, s, t, v, &a));
        if (org_admin_of(org, a.uid))
            return read_fail(r, t, v, "`%.*s` stands twice in `%s`; keep one of them",
                             SPAN_ARG(shown(v->text)), s->name);
        org->admin[org->n_admin++] = a;
    }
    return ERR_OK;
}

static enum err read_probe(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    TRY(check_label_text(r, s, t, t->values));
    if (span_eq_nocase(t->values->text, SPAN("postmaster")))
        return read_fail(r, t, t->values,
                         "mail for `postmaster` must be taken (RFC 5321 4.5.1) and a probe is "
                         "dropped; choose another name");
    ((struct make_org *)to)->org.probe = arena_span(r->arena, t->values->text);
    return ERR_OK;
}

/* --- domains, certificates --- */

static enum err read_domain(struct reader *r, const struct setting *s, const struct tree *t,
                            void *to)
{
    struct make_org *o = to;
    TRY(make_org_domain(r, s, t, &o->org.authoritative[o->org.n_domain]));
    struct make_route *made = CONTAINER_OF(make_of(r)->route_end, struct make_route, next);
    o->org.domain[o->org.n_domain++] = made->route.pattern;
    return ERR_OK;
}

static const struct make_identity *find_identity(const struct make_org *o, struct span label)
{
    for (const struct make_identity *i = o->identity; i; i = i->next)
        if (span_eq(i->label, label))
            return i;
    return NULL;
}

static enum err read_certificate(struct reader *r, const struct setting *s, const struct tree *t,
                                 void *to)
{
    struct make_org *o = to;
    struct config_make *m = make_of(r);
    struct make_identity *new = ARENA_NEW(&m->arena, struct make_identity);
    TRY(check_label(r, s, t));
    TRY(make_identity(r, s, t, new));
    if (!new->identity)
        return ERR_OK; /* only published */
    const struct make_identity *first = find_identity(o, t->args->text);
    if (first)
        return read_fail(r, t, t->args,
                         "`%.*s` is the label of two certificates: at %.*s:%d and here; rename one "
                         "of them",
                         SPAN_ARG(t->args->text), SPAN_ARG(first->at->file), first->at->line);
    if (o->n_identity == IDENTITIES_MAX)
        return read_fail(r, t, NULL, "more than %d certificates in one organisation",
                         IDENTITIES_MAX);
    new->at = t;
    new->label = arena_span(r->arena, t->args->text);
    new->number = ++m->n_identity;
    o->n_identity++;
    *o->identity_end = new;
    o->identity_end = &new->next;
    return ERR_OK;
}

/* --- connectors --- */

/* Says the names of one, which must be new: in the direction (prefix) of this organisation. */
static enum err name_connector(struct reader *r, const struct setting *s, const struct tree *t,
                               struct make_org *o, struct connector *c)
{
    struct config_make *m = make_of(r);
    struct span name = t->args->text;
    struct buf key;
    TRY(check_label(r, s, t));
    if (m->n_connector++ == CONFIG_CONNECTORS_MAX)
        return read_fail(r, t, NULL, "more than %d connectors", CONFIG_CONNECTORS_MAX);

    size_t n = o->org.name.n + 1 + name.n;
    char *id = arena_alloc(r->arena, n + 1);
    memcpy(id, o->org.name.p, o->org.name.n);
    id[o->org.name.n] = '/';
    memcpy(id + n - name.n, name.p, name.n);
    c->id = span_of(id, n);
    c->name = span_of(id + n - name.n, name.n);
    c->file = o->org.file;
    const struct connector *first =
        map_put(&m->connector_named, lower_key(span_z(s->name), c->id, &key), c);
    buf_done(&key);
    return first ? read_fail(r, t, t->args,
                             "two %s connectors are called `%.*s`: at %.*s:%d and "
                             "here; rename one of them",
                             s->name, SPAN_ARG(c->id), SPAN_ARG(first->file), first->line)
                 : ERR_OK;
}

static enum err read_inbound(struct reader *r, const struct setting *s, const struct tree *t,
                             void *to)
{
    struct make_org *o = to;
    struct config_make *m = make_of(r);
    struct in_connector *c = &o->org.in[o->org.n_in];
    TRY(make_inbound(r, t, c));
    TRY(name_connector(r, s, t, o, &c->c));
    uint64_t identities = (uint64_t)c->names.n + c->n_pin + c->n_anchor + c->n_network;
    m->n_pair += c->n_sender * identities;
    if (m->n_pair > CONFIG_PAIRS_MAX)
        return read_fail(r, t, NULL,
                         "the connectors up to this one have more than %d pairs of a domain in "
                         "`from` and a name, key, CA or address; use wider patterns",
                         CONFIG_PAIRS_MAX);
    o->in[o->org.n_in++] = (struct make_connector){ .at = t };
    return ERR_OK;
}

static enum err read_outbound(struct reader *r, const struct setting *s, const struct tree *t,
                              void *to)
{
    struct make_org *o = to;
    struct out_connector *c = &o->org.out[o->org.n_out];
    struct make_connector *made = &o->out[o->org.n_out];
    made->at = t;
    TRY(make_outbound(r, t, c, made));
    TRY(name_connector(r, s, t, o, &c->c));
    c->route.file = c->c.file;
    o->org.n_out++;
    return ERR_OK;
}

/* The certificates that connectors show: labels may stand behind them. */
static enum err find_certificates(struct reader *r, struct make_org *o)
{
    for (unsigned i = 0; i < o->org.n_out; i++) {
        const struct tree *t = o->out[i].certificate;
        if (!t)
            continue;
        const struct make_identity *identity = find_identity(o, t->values->text);
        if (!identity)
            return read_fail(r, t, t->values,
                             "organisation `%.*s` has no certificate `%.*s`; add certificate "
                             "\"%.*s\" { chain = \"ours.pem\", key = \"ours.key\" } to it",
                             SPAN_ARG(o->org.name), SPAN_ARG(shown(t->values->text)),
                             SPAN_ARG(shown(t->values->text)));
        o->org.out[i].route.contract.identity = identity->number;
    }
    return ERR_OK;
}

/* --- the block --- */

static const struct setting rows[] = {
    { "owner", "owner = \"postmaster@acme.example\"", .read = make_note,
      .offset = offsetof(struct make_org, org.owner) },
    { "administrators", "administrators = [\"alice\", \"bob\"]", SETTING_LIST,
      .read = read_administrators },
    { "probe", "probe = \"tls-probe\"", .read = read_probe },
    { "domain", "domain \"acme.example\" { smtp = \"mail.internal\" }", SETTING_NAMED, .many = true,
      .read = read_domain },
    { "certificate", "certificate \"ours\" { chain = \"ours.pem\", key = \"ours.key\" }",
      SETTING_NAMED, .many = true, .read = read_certificate },
    { "inbound", "inbound \"lab\" { kind = partner, mode = enforce, require_tls = yes }",
      SETTING_NAMED, .many = true, .read = read_inbound },
    { "outbound",
      "outbound \"lab\" { kind = partner, mode = enforce, to = \"lab.example\", mx = yes, tls = "
      "encrypt }",
      SETTING_NAMED, .many = true, .read = read_outbound },
};

static unsigned count_named(const struct tree *t, struct span name)
{
    unsigned n = 0;
    for (; t; t = t->next)
        n += span_eq(t->name, name);
    return n;
}

static struct make_org *org_new(struct config_make *m, const struct tree *t)
{
    struct arena *a = &m->config->arena;
    struct make_org *o = ARENA_NEW(&m->arena, struct make_org);
    unsigned n_in = count_named(t->child, SPAN("inbound"));
    unsigned n_out = count_named(t->child, SPAN("outbound"));
    unsigned n_domain = count_named(t->child, SPAN("domain"));
    o->at = t;
    o->identity_end = &o->identity;
    o->org.name = arena_span(a, t->args->text);
    o->org.file = arena_span(a, t->file);
    o->org.line = t->line;
    o->org.domain = ARENA_ARRAY(a, struct span, n_domain);
    o->org.authoritative = ARENA_ARRAY(a, bool, n_domain);
    o->org.in = ARENA_ARRAY(a, struct in_connector, n_in);
    o->org.out = ARENA_ARRAY(a, struct out_connector, n_out);
    o->in = ARENA_ARRAY(&m->arena, struct make_connector, n_in);
    o->out = ARENA_ARRAY(&m->arena, struct make_connector, n_out);
    return o;
}

enum err make_organisation(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    static const struct settings settings = { "organisation", rows, COUNTOF(rows) };
    struct config_make *m = make_of(r);
    struct buf key;
    (void)to;

    TRY(check_label(r, s, t));
    if (m->n_org == CONFIG_ORGS_MAX)
        return read_fail(r, t, NULL, "more than %d organisations", CONFIG_ORGS_MAX);
    struct make_org *o = org_new(m, t);
    const struct make_org *first =
        map_put(&m->org_named, lower_key(SPAN_NONE, o->org.name, &key), o);
    buf_done(&key);
    if (first)
        return read_fail(r, t, t->args,
                         "two organisations are called `%.*s`: at %.*s:%d and here; put all of it "
                         "into one block",
                         SPAN_ARG(o->org.name), SPAN_ARG(first->org.file), first->org.line);
    TRY(settings_read(r, t->child, &settings, o));
    TRY(find_certificates(r, o));
    *m->org_end = o;
    m->org_end = &o->next;
    m->n_org++;
    return ERR_OK;
}

/* --- all of them --- */

static void bind(struct config *c, const struct make_org *o, struct org *org)
{
    *org = o->org;
    for (unsigned i = 0; i < org->n_in; i++)
        org->in[i].c.org = org;
    for (unsigned i = 0; i < org->n_out; i++) {
        org->out[i].c.org = org;
        struct route *route = &org->out[i].route;
        route->port = c->smtp_port;
        route->contract.dane = o->out[i].usual_dane ? c->dane : route->contract.dane;
        route->contract.sts = o->out[i].usual_sts ? c->sts : route->contract.sts;
    }
    for (const struct make_identity *i = o->identity; i; i = i->next)
        c->identity[i->number - 1] =
            (struct config_identity){ i->label, org, arena_span(&c->arena, i->identity->file) };
}

/* Where a connector stands; for a domain it is the organisation. */
static const struct tree *place_of(const struct config_make *m, const struct org *org,
                                   const struct connector *c)
{
    const struct make_org *o = m->org;
    for (const struct org *k = m->config->org; k < org; k++)
        o = o->next;
    for (unsigned i = 0; c && i < org->n_in; i++)
        if (&org->in[i].c == c)
            return o->in[i].at;
    for (unsigned i = 0; c && i < org->n_out; i++)
        if (&org->out[i].c == c)
            return o->out[i].at;
    return o->at;
}

static enum err conflict(struct config_make *m, const struct org_conflict *c)
{
    const struct tree *a = place_of(m, c->org_a, c->a), *b = place_of(m, c->org_b, c->b);
    struct span name_a = c->a ? c->a->id : c->org_a->name;
    struct span name_b = c->b ? c->b->id : c->org_b->name;
    struct span witness = buf_span(c->witness);
    size_t shown_n = witness.n < WITNESS_SHOWN_MAX ? witness.n : WITNESS_SHOWN_MAX;
    return read_fail(
        &m->reader, b, b->args,
        "`%.*s` (%.*s:%d) and `%.*s` (here) both claim the same %.*s: %.*s; change one of "
        "them",
        SPAN_ARG(name_a), SPAN_ARG(a->file), a->line, SPAN_ARG(name_b), SPAN_ARG(c->what),
        SPAN_ARG(span_head(witness, shown_n)));
}

/* Mail for a node goes by its link, and its CA is no partner's. */
static enum err check_nodes(struct config_make *m)
{
    for (const struct make_org *o = m->org; o; o = o->next) {
        for (unsigned i = 0; i < o->org.n_out; i++)
            TRY(make_node_hosts(m, o->out[i].at, &o->org.out[i].route));
        for (unsigned i = 0; i < o->org.n_in; i++)
            TRY(make_node_anchors(m, o->in[i].at, &o->org.in[i]));
    }
    return ERR_OK;
}

enum err make_orgs(struct config_make *m)
{
    enum { WITNESS_MAX = 4096 };
    struct config *c = m->config;
    struct org_conflict found;
    struct buf witness;

    c->org = ARENA_ARRAY(&c->arena, struct org, m->n_org);
    c->identity = ARENA_ARRAY(&c->arena, struct config_identity, m->n_identity);
    c->n_identity = m->n_identity;
    for (const struct make_org *o = m->org; o; o = o->next)
        bind(c, o, &c->org[c->n_org++]);
    ASSERT(c->n_org == m->n_org);
    TRY(check_nodes(m));
    buf_init(&witness, WITNESS_MAX);
    enum err e = org_table_new(c->org, c->n_org, &m->boot->hash_key, &c->orgs, &found, &witness);
    if (e != ERR_OK)
        e = conflict(m, &found);
    buf_done(&witness);
    return e;
}
