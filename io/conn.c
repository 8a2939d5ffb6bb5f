/* Read conn_event() and conn_turn(): all begins in one of them or in a timer.
 *
 * Input: one recv a turn into scratch 0; what the owner leaves goes into `held`, and then nothing
 * is read. Output: conn_write collects in `out` (under TLS small pieces first in `plain`, so that
 * they share a record); one send at the end of the turn. The owner's span lies in scratch 0 or in
 * `held`; scratch 1 is the owner's own.
 */
#include "io/conn.h"
#include "io/race.h"

enum {
    RECORD_PLAIN_MAX = 16 * 1024,
    /* Ciphertext is read behind this much free room, so that plaintext, which may come from up to
     * one record more than was read now, is written before it and never over it. */
    DECRYPT_ROOM = 18 * 1024,
    OUT_SLACK = 64 * 1024, /* record overhead, tickets, alerts */
};

enum conn_stage { STAGE_CONNECT, STAGE_OPEN, STAGE_HANDSHAKE, STAGE_TLS, STAGE_TLS_FAILED };

struct conn {
    struct loop *loop;
    struct sock *sock; /* NULL: connecting, or freed */
    conn_fn *fn;
    void *arg;
    struct timer deadline;
    struct defer turn;
    struct buf held;   /* plain input that the owner left */
    struct span offer; /* what the owner is eating from right now */
    struct buf plain;  /* TLS: output that waits to share a record; empty otherwise */
    struct buf out;    /* for the kernel */
    struct tls *tls;
    struct race *race;
    struct list in; /* `finishing`, or none */
    char *why;
    uint64_t id;
    struct ip peer;
    uint8_t stage;     /* enum conn_stage */
    bool offering;     /* the owner is inside CONN_INPUT */
    bool resume;       /* held input is to be offered again */
    bool first_flight; /* the handshake's first step is to be made in this turn */
    bool blocked;      /* the kernel took no more: wait until writable */
    bool broken;       /* the kernel takes nothing at all: output is dropped */
    bool ended;        /* no more input will come */
    bool told_end;
    bool clean;
    bool finishing; /* the owner is gone */
    bool dead;      /* freed: memory goes at the end of the turn */
};

/* What has no owner any more: conn_close_finishing must find it. */
static struct list finishing = { &finishing, &finishing };

static void conn_set_why(struct conn *c, const char *text)
{
    mem_free(c->why);
    size_t n = strlen(text) + 1;
    c->why = mem_alloc(n);
    memcpy(c->why, text, n);
}

/* Calls the owner. Returns whether the connection is still his. */
static bool conn_tell(struct conn *c, enum conn_event ev, struct span *in)
{
    ASSERT(!c->dead && !c->finishing && !c->offering);
    c->fn(c->arg, c, ev, in);
    return !c->dead && !c->finishing;
}

/* What the loop should watch for. */
static void conn_choose(struct conn *c)
{
    if (!c->sock)
        return;
    unsigned want = 0;
    bool eager = c->held.n == 0 && !c->told_end;
    if (!c->ended && (eager || c->finishing))
        want |= SOCK_READABLE;
    if (c->blocked)
        want |= SOCK_WRITABLE;
    sock_want(c->sock, want);
}

/* --- the end --- */

static void conn_destroy(struct conn *c)
{
    ASSERT(c->dead && !c->sock && !c->race);
    tls_free(c->tls);
    buf_done(&c->held);
    buf_done(&c->plain);
    buf_done(&c->out);
    mem_free(c->why);
    mem_free(c);
}

void conn_free(struct conn *c)
{
    if (!c || c->dead)
        return;
    c->dead = true;
    list_remove(&c->in);
    timer_stop(&c->deadline);
    race_free(c->race);
    c->race = NULL;
    if (c->sock)
        sock_close(c->sock);
    c->sock = NULL;
    defer_call(&c->turn);
}

/* --- output --- */

static void conn_break(struct conn *c)
{
    c->broken = true;
    c->blocked = false;
    buf_release(&c->plain);
    buf_release(&c->out);
}

/* Encrypts `bytes` behind what is in `out`. */
static void conn_encrypt(struct conn *c, struct span bytes)
{
    if (bytes.n > 0 && tls_write(c->tls, bytes, &c->out) != ERR_OK)
        conn_break(c);
}

static void conn_encrypt_plain(struct conn *c)
{
    conn_encrypt(c, buf_span(&c->plain));
    buf_release(&c->plain);
}

size_t conn_write(struct conn *c, struct span bytes)
{
    ASSERT(!c->dead && !c->finishing);
    ASSERT(c->stage == STAGE_OPEN || c->stage == STAGE_TLS || c->stage == STAGE_TLS_FAILED);
    if (c->broken || c->stage == STAGE_TLS_FAILED)
        return bytes.n; /* the owner is told, or will be */
    size_t waiting = c->out.n + c->plain.n;
    size_t room = waiting < CONN_OUT_MAX ? CONN_OUT_MAX - waiting : 0;
    bytes = span_head(bytes, bytes.n < room ? bytes.n : room);
    if (bytes.n == 0)
        return 0;
    if (c->stage == STAGE_OPEN) {
        buf_put(&c->out, bytes);
    } else if (bytes.n <= buf_room(&c->plain)) {
        buf_put(&c->plain, bytes);
    } else {
        conn_encrypt_plain(c);
        conn_encrypt(c, bytes);
    }
    defer_call(&c->turn);
    return bytes.n;
}

bool conn_flushed(const struct conn *c)
{
    return c->out.n == 0 && c->plain.n == 0;
}

/* One send. When it comes short the kernel is full: no second one to see that. */
static void conn_flush(struct conn *c)
{
    if (c->plain.n > 0)
        conn_encrypt_plain(c);
    if (c->out.n == 0 || c->broken || !c->sock)
        return;
    size_t n = 0;
    enum err e = sock_send(c->sock, buf_span(&c->out), &n);
    if (e != ERR_OK && e != ERR_AGAIN) {
        conn_break(c);
        return;
    }
    buf_consume(&c->out, n);
    c->blocked = c->out.n > 0;
    if (!c->blocked)
        buf_release(&c->out);
}

/* The last bytes are out: FIN, then wait for the peer's, so that the kernel does not answer what
 * the peer still sends with a reset, which would destroy our last words on their way. */
static void conn_finish_step(struct conn *c)
{
    buf_release(&c->held);
    conn_flush(c);
    if (c->broken || (c->ended && conn_flushed(c))) {
        conn_free(c);
        return;
    }
    if (conn_flushed(c))
        sock_shutdown(c->sock);
    conn_choose(c);
}

void conn_finish(struct conn *c, int64_t linger_ms)
{
    ASSERT(!c->dead && !c->finishing);
    if (!c->sock || c->broken) {
        conn_free(c);
        return;
    }
    c->finishing = true;
    list_push(&finishing, &c->in);
    if (c->stage == STAGE_TLS) {
        conn_encrypt_plain(c);
        tls_close(c->tls, &c->out);
    }
    timer_set(&c->deadline, loop_now_ms(c->loop) + linger_ms);
    defer_call(&c->turn);
}

void conn_close_finishing(struct loop *l)
{
    LIST_EACH (m, &finishing) {
        struct conn *c = LIST_ENTRY(m, struct conn, in);
        if (c->loop == l)
            conn_free(c);
    }
}

/* Sends what waits; tells the owner when all has left. */
static void conn_drain(struct conn *c)
{
    bool waited = !conn_flushed(c);
    conn_flush(c);
    bool may_write = c->stage == STAGE_OPEN || c->stage == STAGE_TLS;
    if (waited && conn_flushed(c) && !c->broken && may_write)
        conn_tell(c, CONN_DRAINED, NULL);
}

/* --- input --- */

static void conn_end_input(struct conn *c, bool clean, const char *why)
{
    if (c->ended)
        return;
    c->ended = true;
    c->clean = clean;
    if (!c->why)
        conn_set_why(c, why);
}

/* The end is told once, and after the last byte was eaten. */
static bool conn_tell_end(struct conn *c)
{
    if (!c->ended || c->told_end || c->held.n > 0)
        return true;
    c->told_end = true;
    return conn_tell(c, CONN_CLOSED, NULL);
}

/* Hands *in to the owner; afterwards it is what he left. Returns whether he is still there. */
static bool conn_feed(struct conn *c, struct span *in)
{
    c->offer = *in;
    c->offering = true;
    c->fn(c->arg, c, CONN_INPUT, &c->offer);
    c->offering = false;
    *in = c->offer;
    c->offer = SPAN_NONE;
    return !c->dead && !c->finishing;
}

static bool conn_feed_new(struct conn *c, struct span in)
{
    ASSERT(c->held.n == 0);
    if (in.n > 0) {
        if (!conn_feed(c, &in))
            return false;
        buf_put(&c->held, in);
    }
    return conn_tell_end(c);
}

static bool conn_feed_held(struct conn *c)
{
    c->resume = false;
    if (c->held.n > 0) {
        struct span in = buf_span(&c->held);
        if (!conn_feed(c, &in))
            return false;
        buf_consume(&c->held, c->held.n - in.n);
        if (c->held.n == 0)
            buf_release(&c->held);
    }
    return conn_tell_end(c);
}

void conn_resume(struct conn *c)
{
    ASSERT(!c->dead && !c->finishing);
    c->resume = true;
    defer_call(&c->turn);
}

bool conn_input_held(const struct conn *c)
{
    return c->offering ? c->offer.n > 0 : c->held.n > 0;
}

/* The alert, if there is one, leaves before the owner can close. */
static bool conn_tls_failed(struct conn *c, const char *why)
{
    c->stage = STAGE_TLS_FAILED;
    conn_set_why(c, why);
    c->told_end = true;
    conn_flush(c);
    return conn_tell(c, CONN_TLS_FAILED, NULL);
}

/* Decrypts all of `in` to the front of scratch 0: `in` stands DECRYPT_ROOM behind it. */
static struct span conn_decrypt(struct conn *c, struct span in)
{
    char *p = loop_scratch(c->loop, 0);
    size_t n = 0;
    enum err e = ERR_OK;
    while (e == ERR_OK) {
        size_t got = 0;
        ASSERT(n < LOOP_SCRATCH);
        e = tls_read(c->tls, &in, &c->out, p + n, LOOP_SCRATCH - n, &got);
        n += got;
    }
    if (c->out.n > 0)
        defer_call(&c->turn);
    if (e == ERR_CLOSED)
        conn_end_input(c, true, "the peer ended TLS");
    else if (e != ERR_AGAIN)
        conn_end_input(c, false, "the TLS stream is broken");
    return span_of(p, n);
}

/* One step of the handshake. What came right behind it is fed after the owner has been told.
 * Returns whether he is still there. */
static bool conn_shake(struct conn *c, struct span in)
{
    struct why why = { "" };
    enum err e = tls_handshake(c->tls, &in, &c->out, &why);
    if (c->out.n > 0)
        defer_call(&c->turn);
    if (e == ERR_AGAIN)
        return true;
    if (e != ERR_OK)
        return conn_tls_failed(c, why.text);
    c->stage = STAGE_TLS;
    if (in.n > 0)
        buf_put(&c->held, conn_decrypt(c, in));
    return conn_tell(c, CONN_TLS_UP, NULL) && conn_feed_held(c);
}

/* A client makes its hello; a server reads the one that came right behind a header. */
static bool conn_first_flight(struct conn *c)
{
    struct buf first = c->held;
    buf_init(&c->held, LOOP_SCRATCH);
    c->first_flight = false;
    bool there = conn_shake(c, buf_span(&first));
    buf_done(&first);
    return there;
}

static bool conn_input_error(struct conn *c, enum err e)
{
    bool fin = e == ERR_CLOSED;
    if (c->stage == STAGE_HANDSHAKE) {
        c->ended = true;
        return conn_tls_failed(c, fin ? "the peer closed the connection during the TLS handshake"
                                      : "the connection broke during the TLS handshake");
    }
    if (c->stage == STAGE_TLS)
        conn_end_input(c, false,
                       fin ? "the connection ended without TLS close_notify"
                           : "the connection broke");
    else
        conn_end_input(c, fin, fin ? "the peer closed the connection" : "the connection broke");
    return conn_tell_end(c);
}

/* Returns whether the owner is still there. */
static bool conn_readable(struct conn *c)
{
    size_t skip = c->tls ? DECRYPT_ROOM : 0;
    char *p = loop_scratch(c->loop, 0) + skip;
    size_t n = 0;
    enum err e = sock_recv(c->sock, p, LOOP_SCRATCH - skip, &n);
    if (e == ERR_AGAIN)
        return true;
    if (e != ERR_OK)
        return conn_input_error(c, e);
    struct span in = span_of(p, n);
    if (c->stage == STAGE_HANDSHAKE)
        return conn_shake(c, in);
    return conn_feed_new(c, c->stage == STAGE_TLS ? conn_decrypt(c, in) : in);
}

/* After the owner has gone, what the peer sends is thrown away. */
static void conn_discard(struct conn *c)
{
    size_t n = 0;
    enum err e = sock_recv(c->sock, loop_scratch(c->loop, 0), LOOP_SCRATCH, &n);
    if (e == ERR_OK || e == ERR_AGAIN)
        return;
    c->ended = true;
    defer_call(&c->turn);
}

/* --- what begins things --- */

static void conn_event(void *arg, unsigned events)
{
    struct conn *c = arg;
    if (c->finishing) {
        if (events & SOCK_READABLE)
            conn_discard(c);
        if (events & SOCK_WRITABLE)
            defer_call(&c->turn);
        return;
    }
    if ((events & SOCK_READABLE) && !conn_readable(c))
        return;
    if (events & SOCK_WRITABLE) {
        c->blocked = false;
        defer_call(&c->turn);
    }
    conn_choose(c);
}

/* At the end of a turn in which something is to be done. */
static void conn_turn(void *arg)
{
    struct conn *c = arg;
    if (c->dead) {
        conn_destroy(c);
        return;
    }
    if (c->finishing) {
        conn_finish_step(c);
        return;
    }
    if (c->first_flight && !conn_first_flight(c))
        return;
    if (c->resume && !conn_feed_held(c))
        return;
    if (!conn_tell_end(c))
        return;
    conn_drain(c);
    if (!c->dead && !c->finishing)
        conn_choose(c);
}

static void conn_timeout(void *arg)
{
    struct conn *c = arg;
    if (c->finishing) {
        conn_flush(c);
        conn_free(c);
        return;
    }
    conn_tell(c, CONN_TIMEOUT, NULL);
}

static struct conn *conn_new(struct loop *l, conn_fn *fn, void *arg)
{
    static uint64_t last_id;
    struct conn *c = NEW(struct conn);
    c->loop = l;
    c->fn = fn;
    c->arg = arg;
    c->id = ++last_id;
    list_init(&c->in);
    timer_init(&c->deadline, l, conn_timeout, c);
    defer_init(&c->turn, l, conn_turn, c);
    buf_init(&c->held, LOOP_SCRATCH);
    buf_init(&c->plain, RECORD_PLAIN_MAX);
    buf_init(&c->out, CONN_OUT_MAX + OUT_SLACK);
    return c;
}

struct conn *conn_accepted(struct loop *l, struct sock *s, conn_fn *fn, void *arg)
{
    struct conn *c = conn_new(l, fn, arg);
    c->sock = s;
    c->peer = sock_peer(s);
    c->stage = STAGE_OPEN;
    sock_on(s, conn_event, c);
    conn_choose(c);
    return c;
}

static void conn_raced(void *arg, struct sock *s, const struct ip *to, const char *why)
{
    struct conn *c = arg;
    c->race = NULL;
    if (!s) {
        conn_end_input(c, false, why);
        conn_tell_end(c);
        return;
    }
    c->sock = s;
    c->peer = *to;
    c->stage = STAGE_OPEN;
    sock_on(s, conn_event, c);
    if (conn_tell(c, CONN_OPEN, NULL))
        conn_choose(c);
}

struct conn *conn_connect(struct loop *l, const struct ip *to, unsigned n, const struct ip *local,
                          conn_fn *fn, void *arg)
{
    STATIC_ASSERT((unsigned)CONN_RACE_MAX == (unsigned)RACE_MAX);
    struct conn *c = conn_new(l, fn, arg);
    c->race = race_new(l, to, n, local, conn_raced, c);
    return c;
}

struct conn *conn_connect_unix(struct loop *l, struct span path, conn_fn *fn, void *arg)
{
    struct conn *c = conn_new(l, fn, arg);
    c->race = race_new_unix(l, path, conn_raced, c);
    return c;
}

/* --- TLS --- */

static void conn_start_tls(struct conn *c, struct tls *tls)
{
    ASSERT(c->stage == STAGE_OPEN && !c->tls && !c->dead && !c->finishing);
    ASSERT(conn_flushed(c) && !conn_input_held(c));
    c->tls = tls;
    c->stage = STAGE_HANDSHAKE;
}

void conn_start_tls_server(struct conn *c, struct tls_server *s, struct span listener)
{
    conn_start_tls(c, tls_accept(s, TLS_DOOR_STARTTLS, listener, loop_wall_ms(c->loop)));
}

/* What is left waits in `held` for the end of the turn. */
void conn_start_tls_behind(struct conn *c, struct tls_server *s, struct span listener)
{
    ASSERT(c->held.n == 0);
    if (c->offering && c->offer.n > 0) {
        buf_put(&c->held, c->offer);
        c->offer = SPAN_NONE;
        c->first_flight = true;
        defer_call(&c->turn);
    }
    conn_start_tls(c, tls_accept(s, TLS_DOOR_IMPLICIT, listener, loop_wall_ms(c->loop)));
}

/* The first flight leaves at the end of the turn. */
void conn_start_tls_client(struct conn *c, struct tls_client *tc, const struct tls_peer *peer)
{
    conn_start_tls(c, tls_connect(tc, peer, loop_wall_ms(c->loop)));
    c->first_flight = true;
    defer_call(&c->turn);
}

const struct tls *conn_engine(const struct conn *c)
{
    return c->stage == STAGE_TLS ? c->tls : NULL;
}

/* --- the rest --- */

void conn_deadline(struct conn *c, int64_t at_ms)
{
    ASSERT(!c->dead && !c->finishing);
    if (at_ms == INT64_MAX)
        timer_stop(&c->deadline);
    else
        timer_set(&c->deadline, at_ms);
}

struct ip conn_peer(const struct conn *c)
{
    return c->peer;
}

struct ip conn_local(const struct conn *c)
{
    return c->sock ? sock_local(c->sock) : (struct ip){ 0 };
}

const char *conn_why(const struct conn *c)
{
    return c->why ? c->why : "";
}

bool conn_clean(const struct conn *c)
{
    return c->clean;
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}
