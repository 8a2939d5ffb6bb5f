#include "gate/config_org.h"
#include "base/when.h"

/* `certificate` and `tls`, and the contexts that are made of them. */

/* Whether a certificate is served. The others stand on the sheet for partners (postern cert sheet)
 * and do nothing else: their chains are looked at, their keys not even read. */
enum certificate_state { CERTIFICATE_CURRENT, CERTIFICATE_NEXT, CERTIFICATE_DEPRECATED };
static const char *const state_names[] = { "current", "next", "deprecated", NULL };

struct certificate_block {
    struct span_list name, chain, key; /* chain, key: PEM */
    struct span_list file;             /* of the chains, for messages */
    const struct setting *key_setting;
    const struct tree *key_at; /* NULL: it names no key */
    int state;                 /* enum certificate_state */
    int64_t from_ms, until_ms; /* when it is served, for the sheet; 0: not said */
};

/* --- certificate --- */

/* Reads the files that a list names. */
static enum err read_files(struct reader *r, const struct setting *s, const struct tree *t,
                           struct span_list *ret_path, struct span_list *ret)
{
    struct config_make *m = make_of(r);
    struct span_list path;
    TRY(read_paths(r, s, t, &path));
    if (path.n == 0)
        return read_wants(r, s, t, NULL, "one file at least");
    struct span_list list = { .item = ARENA_ARRAY(&m->arena, struct span, path.n) };
    for (const struct tree_value *v = t->values; v; v = v->next, list.n++)
        TRY(make_file(m, t, v, path.item[list.n], &list.item[list.n]));
    *ret_path = path;
    *ret = list;
    return ERR_OK;
}

static enum err read_chain(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    struct certificate_block *b = to;
    return read_files(r, s, t, &b->file, &b->chain);
}

/* Which keys are read is known when the block was. */
static enum err read_key(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct certificate_block *b = to;
    (void)r;
    b->key_setting = s;
    b->key_at = t;
    return ERR_OK;
}

static enum err read_day(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct span text;
    TRY(read_string(r, s, t, &text));
    if (when_parse(text, to) == ERR_OK)
        return ERR_OK;
    return read_wants(r, s, t, t->values, "a date");
}

/* "mx.example.org", "*.example.org" */
static enum err read_site_names(struct reader *r, const struct setting *s, const struct tree *t,
                                void *to)
{
    struct certificate_block *b = to;
    struct span_list list;
    TRY(read_strings(r, s, t, &list));
    unsigned i = 0;
    for (const struct tree_value *v = t->values; v; v = v->next, i++)
        if (v->text.p[0] == '[' || name_parse(v->text, r->arena, &list.item[i]) != ERR_OK)
            return read_wants(r, s, t, v, "names of hosts");
    b->name = list;
    return ERR_OK;
}

static const struct setting certificate_rows[] = {
    { "name", "name = \"mx.example.org\"", SETTING_LIST, .read = read_site_names },
    { "chain", "chain = [\"ec.pem\", \"rsa.pem\"]", SETTING_LIST, .read = read_chain },
    { "key", "key = [\"ec.key\", \"rsa.key\"]", SETTING_LIST, .read = read_key },
    { "state", "state = next", .read = read_choice,
      .offset = offsetof(struct certificate_block, state), .names = state_names },
    { "from", "from = \"2027-01-15\"", .read = read_day,
      .offset = offsetof(struct certificate_block, from_ms) },
    { "until", "until = \"2027-02-15\"", .read = read_day,
      .offset = offsetof(struct certificate_block, until_ms) },
};

/* Where a name is served already, or NULL. Without a name: the block that has none. */
static const struct make_certificate *find_site(const struct config_make *m, struct span name)
{
    for (const struct make_certificate *c = m->certificate; c; c = c->next) {
        if (name.n == 0 && c->name.n == 0)
            return c;
        for (unsigned i = 0; i < c->name.n; i++)
            if (span_eq(c->name.item[i], name))
                return c;
    }
    return NULL;
}

static enum err check_names(struct reader *r, const struct tree *t, const struct span_list *name)
{
    const struct make_certificate *c = NULL;
    if (name->n == 0 && (c = find_site(make_of(r), SPAN_NONE)) != NULL)
        return read_fail(r, t, NULL,
                         "two certificates without a name: at %.*s:%d and here; give one of them "
                         "a name",
                         SPAN_ARG(c->at->file), c->at->line);
    for (unsigned i = 0; i < name->n; i++) {
        c = find_site(make_of(r), name->item[i]);
        if (c)
            return read_fail(r, t, NULL,
                             "`%.*s` has two certificates: at %.*s:%d and here; an ECDSA and an "
                             "RSA one belong into one block, as two chains and two keys",
                             SPAN_ARG(shown(name->item[i])), SPAN_ARG(c->at->file), c->at->line);
    }
    return ERR_OK;
}

/* One that is only published: its chains are at least certificates. */
static enum err check_published(struct reader *r, const struct tree *t,
                                const struct certificate_block *b)
{
    for (unsigned i = 0; i < b->chain.n; i++) {
        struct buf digests;
        buf_init(&digests, CONFIG_FILE_MAX);
        enum err e = tls_pem_digests(b->chain.item[i], &digests, NULL);
        buf_done(&digests);
        if (e != ERR_OK)
            return read_fail(r, t, NULL,
                             "%.*s has no readable certificate; give a chain in PEM form",
                             SPAN_ARG(shown(b->file.item[i])));
    }
    return ERR_OK;
}

/* Reads the block. The identities are as many as the chains; none, *ret NULL, of one that is only
 * published. */
static enum err read_certificate(struct reader *r, const struct setting *s, const struct tree *t,
                                 struct certificate_block *b, struct tls_identity **ret)
{
    const struct settings settings = { s->name, certificate_rows, COUNTOF(certificate_rows) };
    TRY(settings_read(r, t->child, &settings, b));
    if (b->until_ms != 0 && b->until_ms <= b->from_ms)
        return read_fail(r, t, NULL, "`until` is not after `from`");
    if (b->state != CERTIFICATE_CURRENT && b->chain.n == 0)
        return read_wants(r, s, t, NULL, "a chain");
    if (b->state != CERTIFICATE_CURRENT) {
        *ret = NULL;
        return check_published(r, t, b);
    }
    if (b->chain.n == 0 || !b->key_at)
        return read_wants(r, s, t, NULL, "both a chain and a key");
    struct span_list path;
    TRY(read_files(r, b->key_setting, b->key_at, &path, &b->key));
    if (b->chain.n != b->key.n)
        return read_fail(r, t, NULL,
                         "%u chains and %u keys; each chain needs its key, in the same "
                         "order",
                         b->chain.n, b->key.n);
    struct tls_identity *id = ARENA_ARRAY(&make_of(r)->arena, struct tls_identity, b->chain.n);
    for (unsigned i = 0; i < b->chain.n; i++)
        id[i] = (struct tls_identity){ b->file.item[i], b->chain.item[i], b->key.item[i] };
    *ret = id;
    return ERR_OK;
}

/* For lint. One that cannot be read is told of when it is used; id NULL: published, not used. */
static void note_certificates(struct config_make *m, const struct tree *t,
                              const struct tls_identity *id, unsigned n, bool for_servers)
{
    for (unsigned i = 0; id && i < n; i++) {
        struct tls_use look = { .client_usage = true };
        struct config_certificate *c = ARENA_NEW(&m->config->arena, struct config_certificate);
        if (tls_pem_use(id[i].chain_pem, &look, NULL) != ERR_OK)
            continue;
        *c = (struct config_certificate){
            .path = arena_span(&m->config->arena, id[i].file),
            .file = arena_span(&m->config->arena, t->file),
            .line = t->line,
            .for_servers = for_servers,
            .client_usage = look.client_usage,
            .until_ms = look.until_ms,
            .next = m->config->certificate,
        };
        m->config->certificate = c;
    }
}

enum err make_identity(struct reader *r, const struct setting *s, const struct tree *t,
                       struct make_identity *ret)
{
    struct certificate_block b = { .name.n = 0 };
    TRY(read_certificate(r, s, t, &b, &ret->identity));
    if (b.name.n > 0)
        return read_fail(r, t, NULL,
                         "`name` is for the certificates of listeners; this one is found by its "
                         "label, remove `name`");
    if (b.chain.n > 1)
        return read_fail(r, t, NULL,
                         "%u chains; what connectors show is one certificate: give each its label",
                         b.chain.n);
    note_certificates(make_of(r), t, ret->identity, 1, false);
    return ERR_OK;
}

enum err make_certificate(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct config_make *m = make_of(r);
    struct certificate_block b = { .name.n = 0 };
    struct tls_identity *identity;
    (void)to;

    TRY(read_certificate(r, s, t, &b, &identity));
    if (!identity)
        return ERR_OK;
    TRY(check_names(r, t, &b.name));
    struct make_certificate *c = ARENA_NEW(&m->arena, struct make_certificate);
    c->at = t;
    c->name = b.name;
    c->identity = identity;
    c->n_identity = b.chain.n;
    note_certificates(m, t, identity, b.chain.n, true);
    *m->certificate_end = c;
    m->certificate_end = &c->next;
    return ERR_OK;
}

/* --- tls --- */

enum err make_pem(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    struct span path;
    TRY(read_path(r, s, t, &path));
    return make_file(make_of(r), t, t->values, path, to);
}

static const char *const profile_names[] = { "default", "legacy", NULL }; /* enum tls_profile */

static enum err read_profile(struct reader *r, const struct setting *s, const struct tree *t,
                             void *to)
{
    int profile;
    (void)to;
    TRY(read_choice(r, s, t, &profile));
    make_of(r)->config->profile = (enum tls_profile)profile;
    return ERR_OK;
}

static const struct setting tls_rows[] = {
    { "profile", "profile = \"default\"", .read = read_profile, .names = profile_names },
    { "tickets", "tickets = yes", .read = read_flag,
      .offset = offsetof(struct config_make, tickets) },
    { "ask_client_certificate", "ask_client_certificate = yes", .read = read_flag,
      .offset = offsetof(struct config_make, ask_client_cert) },
    { "client_ca", "client_ca = \"partners.pem\"", .read = make_pem,
      .offset = offsetof(struct config_make, client_ca_pem) },
    { "ca", "ca = \"/etc/ssl/certs/ca-certificates.crt\"", .read = make_pem,
      .offset = offsetof(struct config_make, ca_pem) },
};

enum err make_tls(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    static const struct settings settings = { "tls", tls_rows, COUNTOF(tls_rows) };
    (void)s;
    (void)to;
    return settings_read(r, t->child, &settings, make_of(r));
}

/* --- contexts --- */

/* One site a name; the block without a name, or else the first, answers what nobody has. */
static struct tls_site *make_sites(struct config_make *m, unsigned *ret_n)
{
    const struct make_certificate *other = find_site(m, SPAN_NONE);
    unsigned n = 1;
    for (const struct make_certificate *c = m->certificate; c; c = c->next)
        n += c->name.n;
    struct tls_site *site = ARENA_ARRAY(&m->arena, struct tls_site, n);
    other = other ? other : m->certificate;
    site[0] = (struct tls_site){ SPAN_NONE, other->identity, other->n_identity };
    n = 1;
    for (const struct make_certificate *c = m->certificate; c; c = c->next)
        for (unsigned i = 0; i < c->name.n; i++)
            site[n++] = (struct tls_site){ c->name.item[i], c->identity, c->n_identity };
    *ret_n = n;
    return site;
}

static void note_files(struct config_make *m)
{
    struct config *c = m->config;
    unsigned n = 0;
    for (const struct make_certificate *k = m->certificate; k; k = k->next)
        n += k->n_identity;
    c->chain_file = ARENA_ARRAY(&c->arena, struct span, n);
    for (const struct make_certificate *k = m->certificate; k; k = k->next)
        for (unsigned i = 0; i < k->n_identity; i++)
            c->chain_file[c->n_chain_file++] = arena_span(&c->arena, k->identity[i].file);
}

/* Compared by an operator, who writes both. */
static uint64_t trust_hash(struct span pem)
{
    const struct hash_key key = { { 0, 0 } };
    return span_hash(&key, pem);
}

static enum err make_server(struct config_make *m)
{
    struct config *c = m->config;
    struct tls_server_config tls = {
        .profile = c->profile,
        .client_ca_pem = m->client_ca_pem,
        .partner_ca_pem = buf_span(&m->private_ca_pem),
        .ask_client_cert = m->ask_client_cert || m->want_client_cert,
        .binding = span_z(c->digest),
    };
    c->trust_in = trust_hash(m->client_ca_pem);
    if (!m->certificate)
        return ERR_OK;
    note_files(m);
    c->asks_client_certificate = tls.ask_client_cert;
    tls.site = make_sites(m, &tls.n_site);
    if (m->tickets)
        memcpy(tls.ticket_secret, m->boot->ticket_secret, sizeof tls.ticket_secret);
    enum err e = tls_server_new(&tls, &c->tls_server, m->reader.why);
    explicit_bzero(tls.ticket_secret, sizeof tls.ticket_secret);
    if (e != ERR_OK)
        why_prefix(m->reader.why, "%.*s:%d:%d", SPAN_ARG(m->certificate->at->file),
                   m->certificate->at->line, m->certificate->at->column);
    return e;
}

/* What connectors may show, by number. */
static struct tls_identity *make_identities(struct config_make *m)
{
    struct tls_identity *list = ARENA_ARRAY(&m->arena, struct tls_identity, m->n_identity);
    for (const struct make_org *o = m->org; o; o = o->next)
        for (const struct make_identity *i = o->identity; i; i = i->next)
            list[i->number - 1] = *i->identity;
    return list;
}

enum err make_tls_contexts(struct config_make *m)
{
    const struct tls_client_config client = { .profile = m->config->profile,
                                              .ca_pem = m->ca_pem,
                                              .identity = make_identities(m),
                                              .n_identity = m->n_identity };
    m->config->trust_out = trust_hash(m->ca_pem);
    TRY(make_server(m));
    TRY(make_node_context(m));
    enum err e = tls_client_new(&client, &m->config->tls_client, m->reader.why);
    if (e != ERR_OK)
        why_prefix(m->reader.why, "%.*s: tls", SPAN_ARG(m->config->file));
    return e;
}
