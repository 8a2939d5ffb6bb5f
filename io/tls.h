/* tls.h - the TLS engine over memory: ciphertext in, ciphertext out, no sockets.
 *
 * A seam: tls*.c (OpenSSL) or sim/tls_sim.c. Contexts are immutable parts
 * of a configuration snapshot and counted: a session keeps its context alive over a reload.
 *
 * Fixed for everyone: floor TLS 1.2, 1.3 preferred, the server's order of suites, forward-secret
 * AEAD suites only, renegotiation, compression and 0-RTT off. The named profile "legacy" adds the
 * CBC and non-forward-secret suites of the published list (docs/tls.md) and nothing else. Tickets
 * (T-24): a ticket is accepted only where it was made: the key is derived from the secret of the
 * moment and a binding of listener, door, identity and configuration; no ticket state is on disk.
 *
 * Certificates of clients are judged for any purpose of TLS: public CAs issue none but servers' any
 * more. Whoever wants one for clients has facts.client_usage.
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/buf.h"
#include "base/why.h"
#include "mail/names.h"
#include "mail/tls_facts.h"
#include "mail/tlsa.h"

enum tls_profile { TLS_PROFILE_DEFAULT, TLS_PROFILE_LEGACY };

/* A certificate chain and its key, PEM. */
struct tls_identity {
    struct span file; /* for messages */
    struct span chain_pem, key_pem;
};

/* Which identities to use for a name. name: "mx.example.org", "*.example.org" (one label), or empty
 * for the default, which also answers unknown names. ECDSA and RSA stand side by side. */
struct tls_site {
    struct span name;
    const struct tls_identity *identity;
    unsigned n_identity;
};

struct tls_server_config {
    enum tls_profile profile;
    const struct tls_site *site;
    unsigned n_site;
    struct span client_ca_pem;    /* anchors to judge client certificates with; empty: system's */
    struct span partner_ca_pem;   /* and partners' own, facts.anchor_private; empty: none */
    bool ask_client_cert;         /* ask, never demand: what it means is policy's business */
    uint8_t ticket_secret[2][32]; /* now and before; all zero: no tickets */
    struct span binding;          /* goes into the ticket keys: digest of the configuration */
};

struct tls_client_config {
    enum tls_profile profile;
    struct span ca_pem; /* empty: the system's store */
    /* Certificates of ours: a connection that says number i + 1 may show the i-th of them. */
    const struct tls_identity *identity;
    unsigned n_identity;
};

struct tls_server;
struct tls_client;

/* ERR_SYNTAX: a bad certificate or key, or they do not match: why names the file and remedy. */
MUST_USE enum err tls_server_new(const struct tls_server_config *config, struct tls_server **ret,
                                 struct why *why);
void tls_server_unref(struct tls_server *s);
MUST_USE enum err tls_client_new(const struct tls_client_config *config, struct tls_client **ret,
                                 struct why *why);
void tls_client_unref(struct tls_client *c);
/* Appends the SHA-256 of each certificate in a PEM text, hex, each with a line end: what
 * facts.anchor is compared with. ERR_SYNTAX: there is none, or a broken one. ERR_TOO_BIG: no room
 * in ret. */
MUST_USE enum err tls_pem_digests(struct span pem, struct buf *ret, struct why *why);

/* What the handshake of a client that shows this chain (its certificate first, then intermediates)
 * would tell of it: judged by the server's roots at now_ms (wall). Only what a certificate says is
 * set. Strings are the arena's. ERR_SYNTAX: no readable chain. */
MUST_USE enum err tls_judge_client(struct tls_server *s, struct span chain_pem, int64_t now_ms,
                                   struct arena *a, struct tls_facts *ret, struct why *why);
/* What is to be known of a chain of ours before it is used. */
struct tls_use {
    int64_t until_ms;  /* wall: when the first of its certificates runs out; 0: cannot be read */
    bool client_usage; /* its extended key usages allow a client, or there are none */
};
/* ERR_SYNTAX: no readable chain. */
MUST_USE enum err tls_pem_use(struct span chain_pem, struct tls_use *ret, struct why *why);

struct tls;

/* How a client came to TLS. An ALPN offer without "smtp" is refused at the implicit door (T-50):
 * who makes it means another port. After STARTTLS both sides have said SMTP already, and what is
 * offered beside "smtp" is passed over. */
enum tls_door { TLS_DOOR_STARTTLS, TLS_DOOR_IMPLICIT };

/* door, listener: where it came in, both part of the ticket binding (T-52). now_ms: wall. */
struct tls *tls_accept(struct tls_server *s, enum tls_door door, struct span listener,
                       int64_t now_ms);

enum { TLS_DANE_NAMES_MAX = 2 };

/* The server that we mean, and what is between us and it alone. */
struct tls_peer {
    struct span server_name; /* SNI (an A-label host); empty: none */
    struct span host;        /* whose name name_ok looks for; empty: server_name. Borrowed until the
                                handshake has ended */
    /* name_ok: of each of these sets a name is in the certificate (its common name counts where it
     * has no DNS names); without sets, and with host_name beside them, host is there (never as a
     * common name). Borrowed until tls_free. */
    const struct name_set *const *names;
    unsigned n_names;
    bool host_name;
    /* DANE: facts.dane says whether one of these records matches; all others are still told, judged
     * by the public roots. NULL: not asked for. DANE-TA looks for one of the names in the
     * certificate (its common name counts where it has no DNS names). Borrowed until the handshake
     * has ended. */
    const struct tlsa_set *tlsa;
    struct span dane_name[TLS_DANE_NAMES_MAX];
    unsigned n_dane_name;
    unsigned identity; /* the certificate that is shown if the server asks; 0: none (T-26) */
    /* Sessions are resumed only under the same key: it holds the contract's digest (and with it
     * the identity and the TLSA records), the host, the port and the DANE names. Empty: never. */
    struct span reuse_key;
};
struct tls *tls_connect(struct tls_client *c, const struct tls_peer *peer, int64_t now_ms);
void tls_free(struct tls *t);

/* All of these eat ciphertext from *in and append ciphertext to out. */

/* ERR_OK: done, tls_facts is known. ERR_AGAIN. ERR_REFUSED: it failed; why has the alert's or
 * library's words; out may hold an alert to send. ERR_TOO_BIG: the peer sent more than a handshake
 * may. */
MUST_USE enum err tls_handshake(struct tls *t, struct span *in, struct buf *out, struct why *why);
/* ERR_OK with *ret_n > 0; ERR_AGAIN; ERR_CLOSED: close_notify came; ERR_IO: broken stream, or more
 * records without data, key updates or tickets than a peer needs (T-05, T-07). */
MUST_USE enum err tls_read(struct tls *t, struct span *in, struct buf *out, char *p, size_t cap,
                           size_t *ret_n);
/* Encrypts all of plain, or nothing: ERR_TOO_BIG when out has no room; ERR_IO. */
MUST_USE enum err tls_write(struct tls *t, struct span plain, struct buf *out);
/* Appends close_notify. */
void tls_close(struct tls *t, struct buf *out);

/* Valid until tls_free. */
const struct tls_facts *tls_facts(const struct tls *t);

#endif
