/* conn.h - one connection: a socket, perhaps a TLS engine, backpressure, a deadline, an orderly
 * end.
 *
 * The owner is called back with events; it never sees ciphertext. Input is handed over as a
 * borrowed span: what the owner does not eat is kept (bounded) and nothing more is read until
 * conn_resume. Idle connections hold no buffers. All calls are allowed inside a callback, conn_free
 * too: memory goes at the end of the turn.
 *
 *   CONN_OPEN -> (CONN_INPUT | CONN_DRAINED)* -> conn_start_tls_* -> CONN_TLS_UP | CONN_TLS_FAILED
 *   -> ... -> CONN_CLOSED (the peer ended, or the socket broke) ; CONN_TIMEOUT at the deadline
 */
#ifndef IO_CONN_H
#define IO_CONN_H

#include "io/loop.h"
#include "io/tls.h"

enum conn_event {
    CONN_OPEN,       /* connected (outgoing only) */
    CONN_INPUT,      /* *in has plain bytes: eat from its front */
    CONN_DRAINED,    /* all output has left for the kernel: write more */
    CONN_TLS_UP,     /* conn_tls() is known */
    CONN_TLS_FAILED, /* conn_why says why; the connection is of no more use */
    CONN_TIMEOUT,    /* the deadline passed; it is disarmed */
    CONN_CLOSED,     /* no more input will come: conn_why. conn_clean(): TLS ended by close_notify,
                        or plain by FIN. A body cut short is never a whole one (T-06) */
};

struct conn;
typedef void conn_fn(void *arg, struct conn *c, enum conn_event ev, struct span *in);

enum { CONN_OUT_MAX = 512 * 1024 };

/* An accepted socket. The conn owns it from now on. */
struct conn *conn_accepted(struct loop *l, struct sock *s, conn_fn *fn, void *arg);
/* Connects to the first address that answers: addresses are raced, 250 ms apart, families
 * alternating as given (RFC 8305 in small). n <= CONN_RACE_MAX. CONN_OPEN or CONN_CLOSED follows.
 */
enum { CONN_RACE_MAX = 8 };
struct conn *conn_connect(struct loop *l, const struct ip *to, unsigned n, const struct ip *local,
                          conn_fn *fn, void *arg);
struct conn *conn_connect_unix(struct loop *l, struct span path, conn_fn *fn, void *arg);
/* Closes at once, without goodbye. NULL is fine. No event comes after it. */
void conn_free(struct conn *c);
/* Writes what is left (and close_notify), then closes; the owner is not called again. At most
 * linger_ms are spent on it. */
void conn_finish(struct conn *c, int64_t linger_ms);
/* Closes at once what conn_finish is still busy with: before loop_free. */
void conn_close_finishing(struct loop *l);

/* Takes bytes for sending: all of them or as many as there is room for (CONN_OUT_MAX); they leave
 * at the end of the turn, in one go. Returns how many were taken. */
size_t conn_write(struct conn *c, struct span bytes);
/* Nothing waits to be sent. */
bool conn_flushed(const struct conn *c);
/* Input that was left uneaten is offered again, in this turn or the next; reading goes on. */
void conn_resume(struct conn *c);
/* Plain input that the owner has not eaten: must be none when TLS starts. */
bool conn_input_held(const struct conn *c);

/* After STARTTLS. ASSERT: output flushed, no input held, no TLS yet. */
void conn_start_tls_server(struct conn *c, struct tls_server *s, struct span listener);
/* Implicit TLS: at once, or behind a header of the listener's own (PROXY), inside its CONN_INPUT:
 * what of that input is left is no plain text but the beginning of the handshake. */
void conn_start_tls_behind(struct conn *c, struct tls_server *s, struct span listener);
/* peer: see tls_connect. */
void conn_start_tls_client(struct conn *c, struct tls_client *tc, const struct tls_peer *peer);
/* The engine, for who looks closer than conn_tls. NULL before CONN_TLS_UP. */
const struct tls *conn_engine(const struct conn *c);
/* NULL before CONN_TLS_UP. */
static inline const struct tls_facts *conn_tls(const struct conn *c)
{
    const struct tls *engine = conn_engine(c);
    return engine ? tls_facts(engine) : NULL;
}

/* One deadline, monotonic; INT64_MAX: none. */
void conn_deadline(struct conn *c, int64_t at_ms);

struct ip conn_peer(const struct conn *c);
struct ip conn_local(const struct conn *c);
const char *conn_why(const struct conn *c);
bool conn_clean(const struct conn *c);
uint64_t conn_id(const struct conn *c); /* counts up in the process: for logs */

#endif
