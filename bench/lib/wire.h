/* wire.h - one non-blocking TCP connection, in clear or under TLS, for an edge-triggered epoll.
 *
 *     wire_open / wire_take  ->  wire_watch  ->  { wire_read, wire_flush }  ->  wire_close
 *                                    wire_tls -> { wire_shake } ----^
 *
 * After an event the owner goes on until each call says ERR_AGAIN; nothing is ever re-armed.
 * What is to be sent stands in `out`, then in `rest`: borrowed bytes, so that one body can be
 * sent by many connections without a copy each.
 */
#ifndef BENCH_LIB_WIRE_H
#define BENCH_LIB_WIRE_H

#include "base/buf.h"

#include <netinet/in.h>
#include <openssl/ssl.h>

enum { WIRE_OUT_MAX = 64 * 1024 };

struct wire {
    int fd;              /* -1: closed */
    SSL *ssl;            /* NULL: in clear */
    bool shaken;         /* the handshake is complete */
    bool keep_ticket;    /* the client wants to resume */
    SSL_SESSION *ticket; /* outlives the connection */
    struct buf out;
    struct span rest;
};

/* "127.0.0.1:25". ERR_SYNTAX: not an IPv4 address and port. */
MUST_USE enum err addr_parse(const char *text, struct sockaddr_in *ret);

/* Contexts live as long as the process. Certificates are not verified here: the tools measure.
 * ERR_IO: a file was not readable, or key and certificate do not match. */
SSL_CTX *tls_client_ctx(void);
MUST_USE enum err tls_server_ctx(const char *cert_file, const char *key_file, SSL_CTX **ret);

void wire_init(struct wire *w);
/* Closes and frees everything, the ticket too. NULL is fine. */
void wire_done(struct wire *w);

/* Starts to connect. ERR_IO: refused at once, or no socket to be had. */
MUST_USE enum err wire_open(struct wire *w, const struct sockaddr_in *to);
/* Takes an accepted non-blocking socket. */
void wire_take(struct wire *w, int fd);
/* Reports every edge of the socket to `epoll_fd`, with `owner` as data. */
MUST_USE enum err wire_watch(struct wire *w, int epoll_fd, void *owner);
/* Closes the socket; the ticket and the buffer's maximum stay. */
void wire_close(struct wire *w);

/* From here on the bytes are TLS: as a server or as a client, who resumes if there is a ticket. */
void wire_tls(struct wire *w, SSL_CTX *ctx, bool server);
/* ERR_AGAIN, or ERR_REFUSED when the handshake failed. */
MUST_USE enum err wire_shake(struct wire *w);
bool wire_resumed(const struct wire *w);

/* ERR_AGAIN: nothing now. ERR_CLOSED: the end, clean or not. ret_n > 0 on success. */
MUST_USE enum err wire_read(struct wire *w, char *p, size_t cap, size_t *ret_n);
/* ERR_AGAIN: the socket is full, some bytes wait. ERR_CLOSED: the peer is gone. */
MUST_USE enum err wire_flush(struct wire *w);

#endif
