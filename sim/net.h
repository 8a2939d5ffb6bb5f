/* net.h - the network between the hosts: ports, wires, bytes in flight, and who is in the middle.
 *
 * A wire is one connection; each of its two ends belongs to a socket of some loop (loop_sim.c), or
 * to nobody any more. Bytes arrive in order after the wire's latency, or never. What may go wrong
 * with a wire is drawn when it is made, and only while the storm lasts.
 *
 *   sock_send -> net_send -> [middle] -> in flight -> arrives -> `in` of the other end -> sock_recv
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "base/buf.h"
#include "base/list.h"
#include "io/loop.h"
#include "sim/world.h"

enum wire_state { WIRE_CALLING, WIRE_OPEN, WIRE_REFUSED, WIRE_TIMEOUT };
enum { SIDE_CALLER, SIDE_CALLED };

struct wire_end {
    struct wire *wire;
    unsigned side;
    struct sock *sock; /* NULL: nobody (yet, or any more) */
    struct ip ip;
    struct buf in;      /* arrived, not read */
    uint64_t in_flight; /* bytes on their way to this end */
    uint64_t sent, arrived, read;
    bool fin_in, reset_in; /* of the other side, arrived */
    bool fin_sent, closed;
    bool deaf;         /* the machine lost power: what comes vanishes */
    int64_t last_us;   /* arrival of the latest segment, for order */
    uint64_t fault_at; /* after so many bytes towards this end ... */
    uint8_t fault;     /* enum wire_fault */
};

enum wire_fault { FAULT_NONE, FAULT_RESET, FAULT_SILENCE, FAULT_HALF };

struct wire {
    struct list in;      /* net's wires */
    struct list waiting; /* a port's backlog */
    uint64_t id;
    enum wire_state state;
    bool decided; /* the caller knows */
    struct wire_end end[2];
    struct port *port; /* called */
    int64_t latency_us, begun_us, touched_us;
    uint64_t window;
    struct middle *middle; /* or NULL */
};

/* --- hosts --- */

/* A place where one may listen; its number is what listener_new takes as a descriptor. closed:
 * calls are refused; mute: calls are not answered at all. */
struct port {
    struct list in;
    int number;
    struct ip ip;
    bool closed, mute;
    bool ours;         /* the gateway's: its backlog outlives a killed process */
    struct loop *loop; /* who accepts; NULL: calls wait */
    struct listener *listener;
    struct list backlog;
};
int net_port_open(const struct ip *ip, bool ours);
struct port *net_port(int number);

/* Faults are drawn from now on, or no more. */
void net_storm(bool on);

/* --- for loop_sim.c --- */

/* NULL: refused at once. The caller's end knows later: wire->decided. */
struct wire_end *net_call(struct sock *s, const struct ip *from, const struct ip *to);
struct wire_end *net_accept(struct port *p); /* NULL: none waits */
bool net_readable(const struct wire_end *e);
bool net_writable(const struct wire_end *e);
MUST_USE enum err net_recv(struct wire_end *e, char *p, size_t cap, size_t *ret_n);
MUST_USE enum err net_send(struct wire_end *e, struct span bytes, size_t *ret_n);
void net_shutdown(struct wire_end *e);
void net_close(struct wire_end *e);
/* All the sockets of a loop end without its doing: the kernel closes them (power false), or the
 * machine goes dark. */
void net_loop_gone(struct loop *l, bool power);

/* loop_sim.c's: something changed for this socket, for this port. */
void sock_poke(struct sock *s);
void listener_poke(struct listener *n);
struct loop *sock_loop(const struct sock *s);

/* --- for those who watch --- */

struct wire *net_wire_find(const struct ip *caller, const struct ip *called);
/* Walks over the wires that have not ended; NULL at the end. */
struct wire *net_wire_next(struct wire *after);
/* Both ends are gone. */
bool net_wire_over(const struct wire *w);

/* --- the one in the middle: takes STARTTLS out of EHLO replies and answers 454 in the server's
 * name --- */

struct middle;
struct middle *middle_new(void);
/* Bytes that `from` sent: what goes on to the other side, and what goes back to the sender. */
void middle_pass(struct middle *m, unsigned from, struct span bytes, struct buf *on,
                 struct buf *back);

#endif
