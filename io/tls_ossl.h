/* tls_ossl.h - what io/tls*.c share among themselves; nobody else includes it. */
#ifndef IO_TLS_OSSL_H
#define IO_TLS_OSSL_H

#include "base/list.h"
#include "base/map.h"
#include "io/tls.h"
#include <openssl/ssl.h>
#include <stdatomic.h>

enum { TLS_DIGEST = 32, TLS_HEX = 2 * TLS_DIGEST, TLS_SNI_MAX = 253, TLS_ISSUER_MAX = 256 };

/* A certificate of ours, its key, and the intermediates that go with it. */
struct tls_pair {
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

/* Digests of certificates. */
struct tls_digests {
    uint8_t (*item)[TLS_DIGEST];
    unsigned n;
};

struct tls_site_ctx {
    char *name; /* lower case; "" for the default */
    SSL_CTX *ctx;
    uint8_t digest[TLS_DIGEST]; /* of all that a ticket must not outlive: identity, configuration */
};

struct tls_server {
    atomic_uint refs; /* the last may go on another thread than the first */
    struct tls_site_ctx *site;
    unsigned n_site;
    const struct tls_site_ctx *fallback; /* for names we do not know */
    struct map by_name;                  /* -> struct tls_site_ctx; "*.example.org" as it stands */
    bool tickets;
    uint8_t ticket_secret[2][TLS_DIGEST];
    EVP_CIPHER *ticket_cipher;
    struct tls_digests private_ca; /* anchors that are partners' only */
};

/* The sessions that may be resumed, the one used longest ago first. */
struct tls_client {
    atomic_uint refs;
    SSL_CTX *ctx;
    struct tls_pair *identity;
    unsigned n_identity;
    struct map sessions; /* reuse_key -> struct tls_session */
    struct list by_age;
};

/* What the verifier found, less what the clock says: it is kept with the session, for a resumed
 * one shows its leaf alone. All zero before there was a chain. */
struct tls_chain {
    int64_t from_s, until_s; /* when all of it is in time: from_s <= now < until_s */
    int32_t verdict;         /* X509_V_OK: well but for dates */
    uint8_t layout;          /* TLS_CHAIN_LAYOUT: it was found, and by a program like this one */
    bool anchor_private;
    uint8_t anchor[TLS_DIGEST];        /* with X509_V_OK */
    uint8_t dane;                      /* enum tls_dane, but for dates */
    int64_t dane_from_s, dane_until_s; /* TLS_DANE_TA, _NAME: when that chain is in time */
};
enum { TLS_CHAIN_LAYOUT = 2 };
enum { TLS_SECURITY_LEVEL = 2 /* 112 bits */, TLS_CHAIN_DEPTH_MAX = 10 };

/* What the peer's certificate says, as text. */
struct tls_shown {
    char names[TLS_FACTS_NAMES_MAX + 1];
    char spki[TLS_HEX + 1];
    char anchor[TLS_HEX + 1];
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
    bool asked;                  /* client: the server wants a certificate */
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
    struct tls_peer peer;            /* client: its spans are owned */
    struct tls_chain chain;
    struct tls_shown *shown; /* NULL: no certificate */
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
/* Puts the certificates of `pem` beside those of *store, into a new one; the caller's references
 * change hands. *ret_new, the caller's: those that *store had not. On an error nothing changes. */
MUST_USE enum err tls_trust_add(X509_STORE **store, struct span pem, struct tls_digests *ret_new,
                                struct why *why);
/* Certificate and intermediates alone; tls_pair_done also after an error. */
MUST_USE enum err tls_chain_read(struct tls_pair *p, struct span pem, struct why *why);
/* tls_pair_done also after an error. */
MUST_USE enum err tls_pair_read(struct tls_pair *p, const struct tls_identity *id, struct why *why);
void tls_pair_done(struct tls_pair *p);
/* *types: the kinds of key that ctx has already; the library keeps one identity of each. */
MUST_USE enum err tls_identity_use(SSL_CTX *ctx, const struct tls_identity *id, uint64_t *types,
                                   struct why *why);
/* Whether the library took it for this connection; the reason is in its queue. */
MUST_USE bool tls_pair_show(const struct tls_pair *p, SSL *ssl);
/* Why not, in words. */
void tls_pair_refused(struct why *why);
void tls_hex(const uint8_t digest[static TLS_DIGEST], char ret[static TLS_HEX + 1]);

/* tls_key.c */
/* A private key, or what stands in its place in a worker (keeper/kept.h). NULL: the library's
 * reason. */
EVP_PKEY *tls_key_read(struct span pem);

/* tls.c: the callbacks that the contexts carry. */
void tls_note_info(const SSL *ssl, int where, int ret);
void tls_note_message(int write_p, int version, int content_type, const void *buf, size_t len,
                      SSL *ssl, void *arg);

/* tls_facts.c */
/* The verify callback of all contexts: the chain is judged always and is never fatal here. What it
 * means is policy's business. */
int tls_judge_chain(X509_STORE_CTX *chain, void *arg);
/* Leaves what was found with the session that this connection's handshake made. */
void tls_chain_keep(const struct tls *t, SSL_SESSION *session);
/* After the handshake. */
void tls_facts_gather(struct tls *t);
/* What the peer's certificate says of it, once tls_judge_chain has seen its chain: into t->facts.
 */
void tls_facts_certificate(struct tls *t, X509 *cert);
/* Its extended key usages allow a client, or there are none. */
bool tls_for_clients(X509 *cert);
/* Wall: when the first of them runs out, certificate and intermediates; 0: that cannot be read. */
int64_t tls_chain_until_ms(const struct tls_pair *p);
/* A verify callback that passes over dates, so that the verifier finds what else is wrong. */
int tls_pass_dates(int ok, X509_STORE_CTX *chain);
/* When all of these are in time: from_s <= now < until_s. */
void tls_chain_dates(STACK_OF(X509) * all, int64_t *ret_from_s, int64_t *ret_until_s);

/* tls_dane.c */
/* Judges the chain that came, of a client with peer.tlsa, by these records and nothing else: fills
 * the dane members of *ret. `chain` is what the library hands to tls_judge_chain. */
void tls_dane_judge(const struct tls *t, X509_STORE_CTX *chain, struct tls_chain *ret);

#endif
