/* config.h - the configuration: text to one immutable snapshot.
 *
 * A snapshot is counted: sessions and deliveries hold the one they began with, a reload swaps the
 * worker's. A bad file changes nothing and says file:line:column, what is wrong and the remedy.
 * All files (includes, certificates, keys) are read through a source: the supervisor reads the disk
 * and records what was read in a bundle; sandboxed workers read the bundle. The grammar is
 * base/tree.h's; the settings are docs/configuration.md's.
 */
#ifndef GATE_CONFIG_H
#define GATE_CONFIG_H

#include "cert/fetch.h"
#include "gate/limits.h"
#include "io/dns.h"
#include "io/tls.h"
#include "io/tls_sign.h"
#include "policy/node.h"
#include "policy/org.h"
#include "policy/relay.h"
#include "policy/retry.h"
#include "policy/route.h"

struct config_source {
    /* The whole file. ERR_NOT_FOUND, ERR_IO, ERR_TOO_BIG: why says so. */
    enum err (*read)(void *arg, struct span path, struct buf *ret, struct why *why);
    /* Paths that match a pattern with `*` in its last part, sorted, '\0' after each. */
    enum err (*match)(void *arg, struct span pattern, struct buf *ret, struct why *why);
    void *arg;
};

enum listen_tls { LISTEN_STARTTLS, LISTEN_IMPLICIT, LISTEN_NO_TLS };

struct listen_config {
    struct span name; /* "0.0.0.0:25": also its id in ticket bindings */
    struct ip ip;
    enum listen_tls tls;
    bool requiretls;      /* REQUIRETLS is announced under TLS */
    struct ip_net *proxy; /* PROXY v2 is demanded from these */
    unsigned n_proxy;
    struct smtpd_config smtpd;
};

/* A PROXY header is demanded from this address. */
bool listen_proxied(const struct listen_config *l, const struct ip *ip);

/* A certificate that outbound connectors of an organisation may show. */
struct config_identity {
    struct span label;
    const struct org *org;
    struct span file; /* of the chain */
};

struct config;
typedef void config_gone_fn(void *arg, struct config *c);
/* A certificate of ours: what lint says of it. */
struct config_certificate {
    struct span path; /* of its chain */
    struct span file; /* that names it */
    int line;
    bool for_servers;  /* shown by listeners; else by connectors, to servers */
    bool client_usage; /* it may be shown to servers */
    int64_t until_ms;  /* wall; 0: cannot be told */
    const struct config_certificate *next;
};

struct config {
    unsigned refs; /* counted on one thread */
    config_gone_fn *gone;
    void *gone_arg;
    struct arena arena;
    uint64_t generation; /* counts loads in the supervisor */
    char digest[65];     /* SHA-256-like id of the bundle's bytes, hex: for logs and bindings */
    struct span file, hostname, data, run, user;
    struct span greeting; /* "mx.example.org ESMTP Postern" */
    unsigned workers;     /* 0: one per core */
    int log_level;
    struct listen_config *listen;
    unsigned n_listen;
    struct ip metrics; /* IP_NONE: off */
    struct limits limits;
    struct relay_config relay;
    struct map local; /* our domains -> struct route * */
    struct route_table routes;
    struct org *org; /* organisations, in the order of the files; their domains are in `local` */
    unsigned n_org;
    struct org_table *orgs;           /* never NULL in a snapshot that was loaded */
    struct config_identity *identity; /* the number that a contract says is an index + 1 */
    unsigned n_identity;
    struct span *chain_file; /* of what listeners show */
    unsigned n_chain_file;
    struct node_table nodes;      /* config_node.c; what of it are keys: */
    struct sign_key *node_key;    /* ours; NULL: we are no node */
    struct sign_peer **node_peer; /* of nodes.node, in its order */
    struct tls_client *tls_node;  /* for links to nodes: their CA, our certificate; or NULL */
    struct retry_config retry;
    struct window_config window;
    struct dns_config dns;
    struct fetch_rules fetch; /* what the fetcher goes by */
    uint16_t smtp_port;       /* of MX hosts */
    enum dane_mode dane; /* of mail by MX, and of connectors that say nothing: off, opportunistic */
    enum sts_mode sts;
    struct ip local_address[2]; /* outgoing, v4 and v6; IP_NONE: any */
    struct span *our_names;     /* besides hostname: names that are us (loop check) */
    unsigned n_our_names;
    int64_t trace_keep_ms;
    struct tls_server *tls_server; /* NULL: no certificate, no STARTTLS offered */
    struct tls_client *tls_client;
    enum tls_profile profile;
    const struct config_certificate *certificate; /* the last of the files first; NULL: none */
    bool asks_client_certificate;                 /* clients are asked for one */
    uint64_t trust_in, trust_out; /* hashes of the roots that judge clients (less those of
                                     connectors) and servers: are two configurations' the same? */
};

/* ticket_secret: two secrets of the moment for tls_server (all zero: no tickets). */
struct config_boot {
    uint8_t ticket_secret[2][32];
    struct hash_key hash_key;
    uint64_t generation;
};

/* One reference is the caller's. ERR_SYNTAX (the text), ERR_NOT_FOUND/ERR_IO (a file): why. */
MUST_USE enum err config_load(struct span path, const struct config_source *source,
                              const struct config_boot *boot, struct config **ret, struct why *why);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);
/* Who is handed c when its last reference goes, and must config_free it then, on any thread; that
 * of a large one takes a while. Without this it is freed at once. */
void config_when_gone(struct config *c, config_gone_fn *fn, void *arg);
void config_free(struct config *c);

/* What is legal in c and yet weaker than it should be, one sentence a call, for the log. */
typedef void config_warning_fn(void *arg, const char *text);
void config_warnings(const struct config *c, config_warning_fn *fn, void *arg);
/* Of these only what the installation says: nothing of connectors. */
void config_warnings_top(const struct config *c, config_warning_fn *fn, void *arg);
/* What policy/lint.h finds in c; now_ms: wall, 0 is no time. lint_done frees. */
struct lint;
void config_lint(const struct config *c, int64_t now_ms, struct lint *ret);
/* The same for the weakenings of connectors that are void at now_ms (wall): they may go. */
void config_lapsed(const struct config *c, int64_t now_ms, config_warning_fn *fn, void *arg);

/* --- the bundle: all files of a configuration as one run of bytes --- */

/* A source that reads the disk and appends every file it reads to *bundle (may be NULL). */
struct config_source config_source_disk(struct buf *bundle);
/* ERR_REFUSED: on this source others than its owner may read the file; why says the remedy. Sources
 * but the disk do not know. */
MUST_USE enum err config_source_guard(const struct config_source *source, struct span path,
                                      struct why *why);
/* A source over a bundle's bytes (borrowed); *view is the caller's memory behind it. */
struct bundle_view {
    struct span bytes;
};
struct config_source config_source_bundle(struct bundle_view *view, struct span bytes);
/* Appends the bundle to `open`, with names in the place of private keys, and these to `keys`
 * (keeper/split.h). ERR_TOO_BIG. */
MUST_USE enum err config_bundle_split(struct span bundle, struct buf *open, struct buf *keys);

enum {
    CONFIG_FILE_MAX = 4 * 1024 * 1024,
    CONFIG_BUNDLE_MAX = 64 * 1024 * 1024,
    CONFIG_FILES_MAX = 4096, /* that one load reads */
    CONFIG_LISTENERS_MAX = 32,
    CONFIG_WORKERS_MAX = 64,
    CONFIG_ORGS_MAX = 10000,
    CONFIG_CONNECTORS_MAX = 100000, /* of all organisations */
    CONFIG_PAIRS_MAX = 2000000,     /* of senders and identities: what conflicts are sought in */
    CONFIG_LABEL_MAX = 64,          /* bytes of the name of an organisation, connector, label */
    CONFIG_NOTE_MAX = 1000,         /* bytes of an owner, comment, reason, date */
};

#endif
