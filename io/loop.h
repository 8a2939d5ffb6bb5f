/* loop.h - the event loop: clocks, timers, sockets, wake-ups. One loop, one thread.
 *
 * A seam: loop_epoll.c is the real one, sim/loop_sim.c the simulated one, chosen by the linker.
 * Nothing above it knows a file descriptor of a connection. Callbacks are of three kinds (socket,
 * timer, deferred call) and never nest. Times: loop_now_ms is monotonic, for deadlines;
 * loop_wall_ms is the calendar, for dates and the queue. Both stand still within one turn.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/heap.h"
#include "base/list.h"
#include "base/span.h"
#include "mail/ip.h"

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Turns until loop_stop, or (real loop) until an error that only our bug can cause. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

int64_t loop_now_ms(const struct loop *l);
int64_t loop_wall_ms(const struct loop *l);
/* The wall clock of this moment, without a loop: for log_setup. */
int64_t wall_ms_now(void);
/* The monotonic clock of this moment: for the supervisor, which has no loop. */
int64_t monotonic_ms_now(void);
/* Bytes nobody can guess (in the simulator: the seed's). */
void loop_random(struct loop *l, void *p, size_t n);

/* Scratch memory of LOOP_SCRATCH bytes that any callback may use until it returns. Two of them. */
enum { LOOP_SCRATCH = 64 * 1024 };
char *loop_scratch(struct loop *l, unsigned which);

/* --- timers: intrusive, one-shot --- */

struct timer {
    struct heap_node node;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};
void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg);
/* (Re)arms; at_ms is monotonic. */
void timer_set(struct timer *t, int64_t at_ms);
void timer_stop(struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return t->node.i != 0;
}

/* --- deferred calls: run at the end of this turn, after all sockets; once a set --- */

struct defer {
    struct list in;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
};
void defer_init(struct defer *d, struct loop *l, void (*fn)(void *arg), void *arg);
void defer_call(struct defer *d);
void defer_cancel(struct defer *d);

/* --- sockets --- */

enum { SOCK_READABLE = 1, SOCK_WRITABLE = 2 };
typedef void sock_fn(void *arg, unsigned events);

struct sock;

/* Starts connecting; SOCK_WRITABLE comes when it is decided: ask sock_connected then. local: the
 * address to bind, or NULL. ERR_FULL: no descriptors; ERR_REFUSED: no route, at once. */
MUST_USE enum err sock_connect(struct loop *l, const struct ip *to, const struct ip *local,
                               sock_fn *fn, void *arg, struct sock **ret);
MUST_USE enum err sock_connect_unix(struct loop *l, struct span path, sock_fn *fn, void *arg,
                                    struct sock **ret);
/* ERR_OK; ERR_AGAIN; ERR_REFUSED, ERR_TIMEOUT, ERR_IO (*ret_text: the system's words, static). */
MUST_USE enum err sock_connected(struct sock *s, const char **ret_text);
/* ERR_OK with *ret_n > 0; ERR_AGAIN; ERR_CLOSED at the end of the stream; ERR_IO (reset). */
MUST_USE enum err sock_recv(struct sock *s, char *p, size_t cap, size_t *ret_n);
/* ERR_OK with *ret_n > 0 (may be less than all); ERR_AGAIN; ERR_IO. Never raises SIGPIPE. */
MUST_USE enum err sock_send(struct sock *s, struct span bytes, size_t *ret_n);
/* Who is called from now on. */
void sock_on(struct sock *s, sock_fn *fn, void *arg);
/* Which events are wanted; level-triggered. */
void sock_want(struct sock *s, unsigned events);
/* Nothing more will be sent (FIN); input goes on. */
void sock_shutdown(struct sock *s);
void sock_close(struct sock *s);
struct ip sock_local(const struct sock *s);
struct ip sock_peer(const struct sock *s); /* IP_UNIX for unix sockets */
/* Who made the other end of a unix socket, as the kernel knows. ERR_IO: it is none. */
MUST_USE enum err sock_peer_uid(const struct sock *s, unsigned *ret);

/* --- listeners: descriptors that the supervisor bound; ids of virtual hosts in the simulator ---
 */

struct listener;
/* fn is called with one event when there is something to accept. */
struct listener *listener_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg);
void listener_free(struct listener *n);
/* ERR_AGAIN: none (left); ERR_FULL: out of descriptors: the listener rests for a while by itself.
 */
MUST_USE enum err listener_accept(struct listener *n, sock_fn *fn, void *arg, struct sock **ret);
/* Stops and starts accepting (backpressure, shutdown). */
void listener_pause(struct listener *n, bool paused);

/* --- any descriptor (DNS, control, signals): real loop only --- */

struct watch;
struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *arg), void *arg);
void watch_free(struct watch *w);

/* --- wake-up from another thread --- */

struct wake;
struct wake *wake_new(struct loop *l, void (*fn)(void *arg), void *arg);
void wake_post(struct wake *w); /* any thread; several posts may run fn once */
void wake_free(struct wake *w);

#endif
