/* tls_ossl.h - what io/tls*.c share among themselves; nobody else includes it. */
#ifndef IO_TLS_OSSL_H
#define IO_TLS_OSSL_H

#include "base/list.h"
#include "base/map.h"
#include "io/tls.h"
#include <openssl/ssl.h>

enum { TLS_DIGEST = 32, TLS_SNI_MAX = 253, TLS_NAMES_MAX = 512, TLS_ISSUER_MAX = 256 };

struct tls_site_ctx {
    char *name; /* lower case; "" for the default */
    SSL_CTX *ctx;
    uint8_t digest[TLS_DIGEST]; /* of all that a ticket must not outlive: identity, configuration */
};

struct tls_server {
    unsigned refs;
    struct tls_site_ctx *site;
    unsigned n_site;
    const struct tls_site_ctx *fallback; /* for names we do not know */
    struct map by_name;                  /* -> struct tls_site_ctx; "*.example.org" as it stands */
    bool tickets;
    uint8_t ticket_secret[2][TLS_DIGEST];
    EVP_CIPHER *ticket_cipher;
};

/* The sessions that may be resumed, the one used longest ago first. */
struct tls_client {
    unsigned refs;
    SSL_CTX *ctx;
    struct map sessions; /* reuse_key -> struct tls_session */
    struct list by_age;
};

/* What the peer's certificate says, as text. */
struct tls_peer {
    char names[TLS_NAMES_MAX + 1];
    char spki[2 * TLS_DIGEST + 1];
    char issuer[TLS_ISSUER_MAX + 1];
};

struct tls {
    SSL *ssl;
    struct tls_server *server; /* either this */
    struct tls_client *client; /* or that */
    int64_t now_ms;
    /* Borrowed while a call lasts. */
    struct span *in;
    struct buf *out;

    bool up, broken;
    bool too_big;                /* more handshake than anybody needs */
    const char *flood;           /* what the peer sent too much of */
    uint8_t alert_in, alert_out; /* the last one of each way, and whether there was one */
    bool has_alert_in, has_alert_out;
    uint16_t offered; /* server: the highest version the client offered */
    size_t handshake_bytes;
    uint64_t plain_bytes;
    unsigned idle_records, key_updates, tickets;

    char *sni;                       /* server: asked for; client: the name we ask for; or NULL */
    const struct tls_site_ctx *site; /* server: chosen by the client's hello */
    enum tls_door door;              /* server */
    uint8_t listener[TLS_DIGEST];    /* server */
    struct span reuse_key;           /* client: owned */
    struct tls_peer *peer;           /* NULL: no certificate */
    struct tls_facts facts;
};

/* tls_ctx.c */
SSL *tls_server_ssl(struct tls_server *s);
SSL *tls_client_ssl(struct tls_client *c);
/* A session to resume under this key, or NULL; the caller owns a reference. */
SSL_SESSION *tls_client_session(struct tls_client *c, struct span reuse_key, int64_t now_ms);

/* tls_pem.c */
/* The caller owns a reference. An empty text: the system's anchors. ERR_SYNTAX: no certificate. */
MUST_USE enum err tls_trust_store(struct span pem, X509_STORE **ret, struct why *why);
/* *types: the kinds of key that ctx has already; the library keeps one identity of each. */
MUST_USE enum err tls_identity_use(SSL_CTX *ctx, const struct tls_identity *id, uint64_t *types,
                                   struct why *why);

/* tls.c: the callbacks that the contexts carry. */
void tls_note_info(const SSL *ssl, int where, int ret);
void tls_note_message(int write_p, int version, int content_type, const void *buf, size_t len,
                      SSL *ssl, void *arg);

/* tls_facts.c: after the handshake. */
void tls_facts_gather(struct tls *t);

#endif
