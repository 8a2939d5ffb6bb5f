#include "gate/config_make.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/when.h"
#include "policy/decide.h"
#include <inttypes.h>

/* From a path to a snapshot: read the files and their includes, hand each setting to its reader,
 * check what only the whole can show, make the contexts. config_load at the end is the order. */

enum {
    INCLUDE_DEPTH_MAX = 8,
    TREES_BYTES_MAX = 512 * 1024 * 1024,
    PATHS_BYTES_MAX = 1024 * 1024,
};

/* --- the snapshot --- */

struct config *config_ref(struct config *c)
{
    ASSERT(c->refs > 0 && c->refs < UINT32_MAX);
    c->refs++;
    return c;
}

void config_when_gone(struct config *c, config_gone_fn *fn, void *arg)
{
    ASSERT(c->refs > 0);
    c->gone = fn;
    c->gone_arg = arg;
}

void config_free(struct config *c)
{
    ASSERT(c->refs == 0);
    tls_server_unref(c->tls_server);
    tls_client_unref(c->tls_client);
    tls_client_unref(c->tls_node);
    for (unsigned i = 0; c->node_peer && i < c->nodes.n; i++)
        sign_peer_free(c->node_peer[i]);
    sign_key_free(c->node_key);
    org_table_free(c->orgs);
    route_table_done(&c->routes);
    map_done(&c->local);
    arena_done(&c->arena);
    mem_free(c);
}

void config_unref(struct config *c)
{
    if (!c)
        return;
    ASSERT(c->refs > 0);
    if (--c->refs > 0)
        return;
    if (c->gone)
        c->gone(c->gone_arg, c);
    else
        config_free(c);
}

static void set_defaults(struct config *c)
{
    c->data = SPAN("/var/lib/postern");
    c->run = SPAN("/run/postern");
    c->user = SPAN("postern");
    c->log_level = LOG_INFO;
    c->retry = (struct retry_config){ .first_ms = 5 * MINUTE_MS,
                                      .max_ms = HOUR_MS,
                                      .dane_first_ms = 15 * MINUTE_MS,
                                      .dane_max_ms = HOUR_MS,
                                      .warn_ms = 4 * HOUR_MS,
                                      .give_up_ms = 5 * DAY_MS,
                                      .bounce_give_up_ms = DAY_MS };
    c->window = (struct window_config){
        .initial = 5, .max = 20, .dead_after = 3, .dead_first_ms = MINUTE_MS, .dead_max_ms = HOUR_MS
    };
    c->dns.timeout_ms = 10 * SECOND_MS;
    c->dns.probe = SPAN(".");
    c->smtp_port = 25;
    c->fetch.timeout_ms = 30 * SECOND_MS;
    c->dane = DANE_OPPORTUNISTIC;
    c->sts = STS_OPPORTUNISTIC;
    c->trace_keep_ms = 14 * (int64_t)DAY_MS;
    limits_defaults(&c->limits);
}

bool listen_proxied(const struct listen_config *l, const struct ip *ip)
{
    for (unsigned i = 0; i < l->n_proxy; i++)
        if (ip_net_has(&l->proxy[i], ip))
            return true;
    return false;
}

/* --- one load --- */

void make_init(struct config_make *m, const struct config_source *source,
               const struct config_boot *boot, struct why *why)
{
    struct config *c = NEW(struct config);
    c->refs = 1;
    c->generation = boot->generation;
    /* What is read is a small multiple of the trees, and those are bounded. */
    arena_init(&c->arena, SIZE_MAX);
    map_init(&c->local, &boot->hash_key);
    set_defaults(c);
    c->listen = ARENA_ARRAY(&c->arena, struct listen_config, CONFIG_LISTENERS_MAX);
    *m = (struct config_make){
        .reader = { &c->arena, why }, .config = c, .source = source, .boot = boot, .tickets = true
    };
    m->route_end = &m->route;
    m->certificate_end = &m->certificate;
    m->org_end = &m->org;
    m->node_end = &m->node;
    map_init(&m->org_named, &boot->hash_key);
    map_init(&m->connector_named, &boot->hash_key);
    map_init(&m->name_set, &boot->hash_key);
    map_init(&m->ca, &boot->hash_key);
    buf_init(&m->passwd, CONFIG_FILE_MAX);
    buf_init(&m->private_ca_pem, 2 * (size_t)CONFIG_BUNDLE_MAX);
    arena_init(&m->arena, TREES_BYTES_MAX);
}

struct config *make_take(struct config_make *m)
{
    struct config *c = m->config;
    m->config = NULL;
    return c;
}

void make_done(struct config_make *m)
{
    for (struct make_file *f = m->file; f; f = f->next) {
        if (f->bytes.p)
            explicit_bzero(f->bytes.p, f->bytes.cap);
        buf_done(&f->bytes);
    }
    map_done(&m->org_named);
    map_done(&m->connector_named);
    map_done(&m->name_set);
    map_done(&m->ca);
    buf_done(&m->passwd);
    buf_done(&m->private_ca_pem);
    arena_done(&m->arena);
    config_unref(m->config);
    m->config = NULL;
}

/* --- files --- */

/* The id of a configuration: a chain of keyed hashes over all that was read, in its order. */
static void hash_more(struct hash_key *h, struct span s)
{
    struct hash_key other = { { ~h->k[0], h->k[1] } };
    uint64_t first = span_hash(h, s);
    h->k[1] = span_hash(&other, s);
    h->k[0] = first;
}

static enum err load_file(struct config_make *m, struct span path, struct span *ret,
                          struct why *why)
{
    if (m->n_files == CONFIG_FILES_MAX) {
        why_set(why, "more than %d files", CONFIG_FILES_MAX);
        return ERR_TOO_BIG;
    }
    struct make_file *f = ARENA_NEW(&m->arena, struct make_file);
    buf_init(&f->bytes, CONFIG_FILE_MAX);
    f->next = m->file;
    m->file = f;
    m->n_files++;
    TRY(m->source->read(m->source->arg, path, &f->bytes, why));
    m->bytes += f->bytes.n;
    if (m->bytes > CONFIG_BUNDLE_MAX) {
        why_set(why, "all files together are over %d MiB", CONFIG_BUNDLE_MAX / (1024 * 1024));
        return ERR_TOO_BIG;
    }
    hash_more(&m->hash, path);
    hash_more(&m->hash, buf_span(&f->bytes));
    *ret = buf_span(&f->bytes);
    return ERR_OK;
}

enum err make_file(struct config_make *m, const struct tree *t, const struct tree_value *v,
                   struct span path, struct span *ret)
{
    struct why why = { "" };
    enum err e = load_file(m, path, ret, &why);
    if (e == ERR_OK)
        return ERR_OK;
    enum err said = read_fail(&m->reader, t, v, "%s", why.text);
    ASSERT(said == ERR_SYNTAX);
    return e;
}

/* --- includes --- */

/* A file that is read, and what of its list of files comes after it. */
struct frame {
    struct span path;        /* empty: none yet */
    const struct tree *node; /* the next of it */
    struct span rest;        /* more paths, a NUL after each */
};

struct walk {
    struct config_make *make;
    struct frame frame[INCLUDE_DEPTH_MAX];
    unsigned depth;
    const struct tree *seen[SETTINGS_MAX];
    const struct tree *include; /* the latest, for messages; NULL: the first file */
};

/* Says that the file itself is what is wrong: at the include, or at the path that was given. */
static enum err walk_fail(struct walk *w, enum err e, struct span path, const char *text)
{
    struct reader *r = &w->make->reader;
    if (!w->include) {
        why_set(r->why, "%.*s: %s", SPAN_ARG(path), text);
        return e;
    }
    enum err said = read_fail(r, w->include, w->include->args, "%s", text);
    ASSERT(said == ERR_SYNTAX);
    return e;
}

static enum err walk_file(struct walk *w, struct frame *f)
{
    struct config_make *m = w->make;
    struct why why = { "" };
    struct span text;
    struct tree *first = NULL;
    struct span path = span_cut(&f->rest, '\0');
    for (unsigned i = 0; i < w->depth; i++) {
        if (!span_eq(w->frame[i].path, path))
            continue;
        why_set(&why, "this includes %.*s, which is being read already; remove the circle",
                SPAN_ARG(shown(path)));
        return walk_fail(w, ERR_SYNTAX, path, why.text);
    }
    f->path = path;
    enum err e = load_file(m, path, &text, &why);
    if (e != ERR_OK)
        return walk_fail(w, e, path, why.text);
    TRY(tree_parse(path, text, &m->arena, &first, m->reader.why));
    f->node = first;
    return ERR_OK;
}

/* The files of an include, a NUL after each. Without `*` it is the one that it names. */
static enum err walk_match(struct walk *w, struct span pattern, struct span *ret)
{
    struct config_make *m = w->make;
    struct why why = { "" };
    struct buf paths;
    size_t star = span_find(pattern, '*');
    if (star == pattern.n) {
        *ret = span_of(arena_span(&m->arena, pattern).p, pattern.n + 1);
        return ERR_OK;
    }
    if (span_find(span_tail(pattern, star), '/') < pattern.n - star)
        return walk_fail(w, ERR_SYNTAX, pattern, "`*` may only stand behind the last `/`");
    buf_init(&paths, PATHS_BYTES_MAX);
    enum err e = m->source->match(m->source->arg, pattern, &paths, &why);
    if (e == ERR_OK)
        *ret = arena_span(&m->arena, buf_span(&paths));
    buf_done(&paths);
    return e == ERR_OK ? e : walk_fail(w, e, pattern, why.text);
}

static enum err walk_include(struct walk *w, const struct tree *t)
{
    static const struct setting as_setting = { .name = "include",
                                               .example = "include \"conf.d/*.conf\"" };
    struct config_make *m = w->make;
    struct span rest;
    bool right = t->args && !t->args->next && !t->values && !t->is_list && !t->is_block;
    if (!right || t->args->text.n == 0)
        return read_wants(&m->reader, &as_setting, t, NULL, "one path");
    if (w->depth == INCLUDE_DEPTH_MAX)
        return read_fail(&m->reader, t, NULL, "includes are nested more than %d deep",
                         INCLUDE_DEPTH_MAX);
    w->include = t;
    TRY(walk_match(w, path_beside(&m->arena, t->file, t->args->text), &rest));
    w->frame[w->depth++] = (struct frame){ .rest = rest };
    return ERR_OK;
}

/* An include stands for the settings of its files, in the order of their names. */
static enum err walk_all(struct walk *w)
{
    while (w->depth > 0) {
        struct frame *f = &w->frame[w->depth - 1];
        const struct tree *t = f->node;
        if (!t && f->rest.n == 0) {
            w->depth--;
        } else if (!t) {
            TRY(walk_file(w, f));
        } else {
            f->node = t->next;
            TRY(span_eq(t->name, SPAN("include")) ? walk_include(w, t)
                                                  : make_setting(w->make, t, w->seen));
        }
    }
    return ERR_OK;
}

/* --- what only the whole can show --- */

static enum err check_hostname(struct config_make *m)
{
    const struct tree at = { .file = m->config->file, .line = 1, .column = 1 };
    if (m->config->hostname.n > 0)
        return ERR_OK;
    return read_fail(&m->reader, &at, NULL,
                     "`hostname` is missing; set the name that this gateway has in the DNS: "
                     "hostname = \"mx.example.org\"");
}

static enum err check_listeners(struct config_make *m)
{
    for (unsigned i = 0; i < m->config->n_listen; i++)
        if (m->config->listen[i].tls == LISTEN_IMPLICIT && !m->certificate)
            return read_fail(&m->reader, m->listen_at[i], NULL,
                             "`tls = implicit` needs a certificate; add certificate { chain = "
                             "\"mx.pem\", key = \"mx.key\" }");
    return ERR_OK;
}

static void finish_networks(struct config_make *m)
{
    static const struct ip_net loopback[] = { { { IP_V4, 0, { 127 } }, 8 },
                                              { { IP_V6, 0, { [15] = 1 } }, 128 } };
    struct config *c = m->config;
    c->relay.network = m->network_at ? m->network.item : loopback;
    c->relay.n_network = m->network_at ? m->network.n : COUNTOF(loopback);
    c->relay.local = &c->local;
    c->relay.hostname = c->hostname;
    c->limits.exempt = c->relay.network;
    c->limits.n_exempt = c->relay.n_network;
}

static void finish_listeners(struct config_make *m)
{
    const unsigned exts = EXT_PIPELINING | EXT_SIZE | EXT_8BITMIME | EXT_SMTPUTF8 |
                          EXT_ENHANCEDSTATUSCODES | EXT_CHUNKING | EXT_BINARYMIME | EXT_DSN;
    struct config *c = m->config;
    for (unsigned i = 0; i < c->n_listen; i++) {
        struct listen_config *l = &c->listen[i];
        bool starttls = l->tls == LISTEN_STARTTLS && m->certificate;
        bool requiretls = l->requiretls && (starttls || l->tls == LISTEN_IMPLICIT);
        l->smtpd = (struct smtpd_config){ .hostname = c->hostname,
                                          .exts = exts | (starttls ? EXT_STARTTLS : 0u) |
                                                  (requiretls ? EXT_REQUIRETLS : 0u),
                                          .implicit_tls = l->tls == LISTEN_IMPLICIT,
                                          .limits = c->limits.in };
    }
}

static void finish_names(struct config_make *m)
{
    struct config *c = m->config;
    struct buf greeting;
    buf_init(&greeting, c->hostname.n + 32);
    buf_putf(&greeting, "%.*s ESMTP Postern", SPAN_ARG(c->hostname));
    c->greeting = arena_span(&c->arena, buf_span(&greeting));
    buf_done(&greeting);

    struct buf digest;
    buf_init(&digest, sizeof c->digest - 1);
    buf_putf(&digest, "%016" PRIx64 "%016" PRIx64, m->hash.k[0], m->hash.k[1]);
    memcpy(c->digest, buf_z(&digest), digest.n + 1);
    buf_done(&digest);
}

/* --- loading --- */

enum err make_read(struct config_make *m, struct span path)
{
    struct walk w = { .make = m, .depth = 1 };
    m->config->file = arena_span(&m->config->arena, path);
    w.frame[0].rest = span_of(m->config->file.p, path.n + 1);
    TRY(walk_all(&w));
    TRY(check_hostname(m));
    TRY(make_nodes(m));
    TRY(check_listeners(m));
    TRY(make_orgs(m));
    TRY(make_routes(m));
    finish_networks(m);
    finish_listeners(m);
    finish_names(m);
    return ERR_OK;
}

enum err make_contexts(struct config_make *m)
{
    return make_tls_contexts(m);
}

enum err config_load(struct span path, const struct config_source *source,
                     const struct config_boot *boot, struct config **ret, struct why *why)
{
    struct config_make m;
    ASSERT(path.n > 0);
    make_init(&m, source, boot, why);
    enum err e = make_read(&m, path);
    if (e == ERR_OK)
        e = make_contexts(&m);
    if (e == ERR_OK)
        *ret = make_take(&m);
    make_done(&m);
    return e;
}

/* --- warnings --- */

static void warn_listeners(const struct config *c, config_warning_fn *fn, void *arg)
{
    struct why text;
    for (unsigned i = 0; i < c->n_listen; i++) {
        const struct listen_config *l = &c->listen[i];
        if (l->tls != LISTEN_NO_TLS || ip_is_loopback(&l->ip))
            continue;
        why_set(&text, "the listener %.*s offers no TLS: all its mail comes in the clear",
                SPAN_ARG(l->name));
        fn(arg, text.text);
    }
    if (c->n_listen == 0)
        fn(arg, "there is no listener: no mail comes in");
}

/* A server on loopback is told apart from a socket by REQUIRETLS and by the rule for tenants, too;
 * few LMTP servers have a certificate. */
static void warn_tenants(const struct config *c, config_warning_fn *fn, void *arg)
{
    struct why text;
    for (unsigned i = 0; i < c->routes.n_route; i++) {
        const struct route *r = &c->routes.route[i];
        const struct org *org = org_of_domain(c->orgs, r->pattern);
        if (r->kind != ROUTE_LMTP || decide_local(r) || !org || r->contract.need > TLS_NEED_TRY)
            continue;
        why_set(&text,
                "%.*s goes by LMTP over TCP: what organisations of this installation write to it "
                "waits until that server has TLS; unix: needs none",
                SPAN_ARG(r->pattern));
        fn(arg, text.text);
        return; /* one is enough to read about it */
    }
}

void config_warnings_top(const struct config *c, config_warning_fn *fn, void *arg)
{
    if (!c->tls_server)
        fn(arg, "there is no certificate: no client can use TLS");
    if (c->profile == TLS_PROFILE_LEGACY)
        fn(arg, "the legacy TLS profile is on: weak cipher suites are accepted");
    if (span_find(c->hostname, '.') == c->hostname.n)
        fn(arg, "`hostname` has no dot: many servers refuse mail from such a name");
    if (c->local.n == 0)
        fn(arg, "there is no domain: mail from outside is refused");
    warn_listeners(c, fn, arg);
    warn_tenants(c, fn, arg);
}

void config_warnings(const struct config *c, config_warning_fn *fn, void *arg)
{
    config_warnings_top(c, fn, arg);
    make_org_warnings(c, fn, arg);
}
