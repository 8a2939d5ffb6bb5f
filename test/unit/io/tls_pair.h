/* tls_pair.h - two TLS ends over memory: our server and our client, or ours and a bare OpenSSL one
 * that can be made to do what ours never would. */
#ifndef TEST_UNIT_IO_TLS_PAIR_H
#define TEST_UNIT_IO_TLS_PAIR_H

#include "io/tls.h"
#include "test/unit/io/pki.h"
#include <openssl/ssl.h>

/* The certificates that the tests share, made once. */
struct tls_world {
    struct pki *ca, *other_ca, *middle;
    struct pki *ec, *rsa;           /* mx.example.org, ECDSA below an intermediate, and RSA */
    struct pki *shop, *wild;        /* shop.example, *.wild.example */
    struct pki *partner;            /* a client's */
    struct pki *expired, *stranger; /* mx.example.org, out of date; from an unknown authority */
};
const struct tls_world *tls_world(void);

/* Sites: the default with ECDSA and RSA, "shop.example", "*.wild.example". Tickets on. */
struct tls_server *server_usual(void);
/* One default site, the other settings from `config`. */
struct tls_server *server_with(struct tls_server_config config, const struct pki *identity);
struct tls_client *client_usual(void);

struct pair {
    struct tls *server, *client;
    struct buf to_server, to_client;
    size_t cut;                      /* at most so many bytes a step; 0: all */
    enum err server_err, client_err; /* of the handshake */
    struct why server_why, client_why;
};

/* What a connection is made with; every member may be left out. */
struct pair_ask {
    struct span listener, name, reuse_key;
    const struct name_set *const *names; /* these and the next: struct tls_peer */
    unsigned n_names;
    bool host_name;
    unsigned identity;
    size_t cut;
    int64_t now_ms; /* 0: now */
};
int64_t test_now_ms(void);
/* Runs the handshake to its end on both sides, and takes the tickets in. */
void pair_start(struct pair *p, struct tls_server *s, struct tls_client *c,
                const struct pair_ask *ask);
void pair_done(struct pair *p);
/* Lets the server, or the client, read all that was sent to it, appending to ret (which may be
 * NULL when nothing is expected). The last result: ERR_AGAIN is well. */
enum err pair_server_reads(struct pair *p, struct buf *ret);
enum err pair_client_reads(struct pair *p, struct buf *ret);

/* A bare OpenSSL client, or server, against ours. The client comes by STARTTLS, or by `door`. */
struct raw {
    SSL_CTX *ctx;
    SSL *ssl;
    struct tls *ours;
    size_t cut;   /* ours gets at most so many bytes at once; 0: all */
    enum err err; /* of our handshake */
    struct why why;
    int result; /* of its handshake: 1 is well */
    int reason; /* why not: an SSL_R_ number */
};
void raw_client(struct raw *r, struct tls_server *s, struct span listener);
void raw_client_at(struct raw *r, struct tls_server *s, enum tls_door door, struct span listener);
void raw_server(struct raw *r, struct tls_client *c, const struct pki *identity);
void raw_server_for(struct raw *r, struct tls_client *c, const struct tls_peer *peer,
                    const struct pki *identity);
/* To and fro until both sides are through, or one has failed. */
void raw_shake(struct raw *r);
/* Gives what the other end wrote to ours, which reads; appends plaintext to ret. */
enum err raw_ours_reads(struct raw *r, struct buf *ret);
/* All that the bare end wrote; lives until the next call. */
struct span raw_take(struct raw *r);
void raw_done(struct raw *r);

#endif
