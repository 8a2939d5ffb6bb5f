/* Read net_call, net_send and segment_arrive. */
#include "sim/net.h"

#include "sim/check.h"
#include "sim/swarm.h"

enum {
    PORTS_MAX = 256,
    SEGMENT_MAX = 64 * 1024,
    CALL_TIMEOUT_US = 127 * SECOND_US, /* what a kernel takes to give up on a SYN */
    CALLER_PORT_FIRST = 20000,
    REORDER_US = 200,
};

enum segment_kind { SEGMENT_DATA, SEGMENT_FIN, SEGMENT_RESET };

struct segment {
    struct event event; /* first */
    struct wire_end *to;
    enum segment_kind kind;
    struct span bytes; /* ours */
};

static struct {
    struct list wires;
    struct port *port[PORTS_MAX];
    unsigned n_port;
    uint64_t n_wire;
    uint16_t caller_port;
    bool storm, ready;
} net;

static void net_ready(void)
{
    if (net.ready)
        return;
    list_init(&net.wires);
    net.caller_port = CALLER_PORT_FIRST;
    net.ready = true;
}

void net_storm(bool on)
{
    net.storm = on;
}

/* --- ports --- */

int net_port_open(const struct ip *ip, bool ours)
{
    net_ready();
    ASSERT(net.n_port < PORTS_MAX);
    struct port *p = NEW(struct port);
    p->number = (int)net.n_port;
    p->ip = *ip;
    p->ours = ours;
    list_init(&p->backlog);
    net.port[net.n_port++] = p;
    return p->number;
}

struct port *net_port(int number)
{
    ASSERT(number >= 0 && (unsigned)number < net.n_port);
    return net.port[number];
}

static struct port *port_find(const struct ip *ip)
{
    for (unsigned i = 0; i < net.n_port; i++)
        if (ip_eq(&net.port[i]->ip, ip))
            return net.port[i];
    return NULL;
}

/* --- segments --- */

static struct wire_end *other(const struct wire_end *e)
{
    return &e->wire->end[!e->side];
}

static void end_poke(struct wire_end *e)
{
    e->wire->touched_us = world_us();
    if (e->sock)
        sock_poke(e->sock);
}

static void segment_send(struct wire_end *to, enum segment_kind kind, struct span bytes);

static void end_reset(struct wire_end *e)
{
    e->reset_in = true;
    buf_release(&e->in);
    end_poke(e);
}

static void segment_arrive(void *arg)
{
    struct segment s = *(struct segment *)arg;
    struct wire_end *e = s.to;
    mem_free(arg);
    e->in_flight -= s.bytes.n;
    if (e->deaf || e->reset_in) {
        /* nobody hears */
    } else if (e->closed) {
        if (s.kind == SEGMENT_DATA)
            segment_send(other(e), SEGMENT_RESET, SPAN_NONE);
    } else if (s.kind == SEGMENT_RESET) {
        end_reset(e);
    } else if (s.kind == SEGMENT_FIN) {
        e->fin_in = true;
        end_poke(e);
    } else if (!e->fin_in) {
        e->arrived += s.bytes.n;
        buf_put(&e->in, s.bytes);
        end_poke(e);
    }
    mem_free((char *)(uintptr_t)s.bytes.p);
}

/* The wire's own misfortune, if it is time for it. Returns how many of n bytes pass; the rest and
 * all that follows is lost. */
static size_t fault_apply(struct wire_end *to, size_t n)
{
    if (to->fault == FAULT_NONE || to->sent + n <= to->fault_at)
        return n;
    size_t pass = to->fault_at > to->sent ? (size_t)(to->fault_at - to->sent) : 0;
    return pass;
}

static void fault_strike(struct wire_end *to)
{
    struct wire_end *from = other(to);
    switch ((enum wire_fault)to->fault) {
    case FAULT_RESET:
        segment_send(to, SEGMENT_RESET, SPAN_NONE);
        segment_send(from, SEGMENT_RESET, SPAN_NONE);
        break;
    case FAULT_HALF:
        segment_send(to, SEGMENT_FIN, SPAN_NONE);
        break;
    default:
        break;
    }
}

static void segment_send(struct wire_end *to, enum segment_kind kind, struct span bytes)
{
    struct segment *s = NEW(struct segment);
    struct wire *w = to->wire;
    char *copy = mem_alloc(bytes.n);
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    int64_t at = world_us() + w->latency_us + (int64_t)draw(REORDER_US);
    event_init(&s->event, segment_arrive, s);
    s->to = to;
    s->kind = kind;
    s->bytes = span_of(copy, bytes.n);
    to->in_flight += bytes.n;
    to->last_us = at > to->last_us ? at : to->last_us;
    event_at(&s->event, to->last_us);
}

/* --- calling --- */

static void wire_draw_faults(struct wire *w)
{
    static const struct {
        const int64_t *permille;
        enum wire_fault fault;
    } kinds[] = { { &swarm.reset_permille, FAULT_RESET },
                  { &swarm.silence_permille, FAULT_SILENCE },
                  { &swarm.half_permille, FAULT_HALF } };
    for (size_t i = 0; i < COUNTOF(kinds); i++) {
        if (!draw_permille(*kinds[i].permille))
            continue;
        struct wire_end *e = &w->end[draw(2)];
        e->fault = (uint8_t)kinds[i].fault;
        e->fault_at = draw(draw(3) ? 600 : 20000);
    }
    if (draw_permille(swarm.strip_permille))
        w->middle = middle_new();
}

static void call_decided(struct wire *w, enum wire_state state)
{
    if (w->state == WIRE_CALLING)
        w->state = state;
    w->decided = true;
    end_poke(&w->end[SIDE_CALLER]);
}

static void call_refused(void *arg)
{
    call_decided(arg, WIRE_REFUSED);
}

static void call_timed_out(void *arg)
{
    call_decided(arg, WIRE_TIMEOUT);
}

static void call_answered(void *arg)
{
    call_decided(arg, WIRE_OPEN);
}

/* The call reaches the machine: its kernel answers, whether or not somebody accepts soon. */
static void call_arrive(void *arg)
{
    struct wire *w = arg;
    struct port *p = w->port;
    bool dark = p && p->mute;
    bool refused = !p || p->closed || (net.storm && draw_permille(swarm.refuse_permille));
    if (dark) {
        world_in(CALL_TIMEOUT_US, call_timed_out, w);
        return;
    }
    if (refused) {
        world_in(w->latency_us, call_refused, w);
        return;
    }
    list_push(&p->backlog, &w->waiting);
    world_in(w->latency_us, call_answered, w);
    if (p->listener)
        listener_poke(p->listener);
}

static void end_init(struct wire_end *e, struct wire *w, unsigned side, const struct ip *ip)
{
    e->wire = w;
    e->side = side;
    e->ip = *ip;
    buf_init(&e->in, SIZE_MAX / 4);
}

struct wire_end *net_call(struct sock *s, const struct ip *from, const struct ip *to)
{
    net_ready();
    struct wire *w = NEW(struct wire);
    struct ip caller = *from;
    caller.port = net.caller_port++;
    if (net.caller_port < CALLER_PORT_FIRST)
        net.caller_port = CALLER_PORT_FIRST;
    w->id = ++net.n_wire;
    list_init(&w->waiting);
    list_init(&w->in);
    list_push(&net.wires, &w->in);
    end_init(&w->end[SIDE_CALLER], w, SIDE_CALLER, &caller);
    end_init(&w->end[SIDE_CALLED], w, SIDE_CALLED, to);
    w->end[SIDE_CALLER].sock = s;
    w->latency_us = 1 + (int64_t)draw((uint64_t)swarm.latency_us);
    w->window = (uint64_t)swarm.window_bytes;
    w->begun_us = w->touched_us = world_us();
    w->port = port_find(to);
    if (net.storm)
        wire_draw_faults(w);
    world_in(w->latency_us, call_arrive, w);
    check_call(w);
    return &w->end[SIDE_CALLER];
}

struct wire_end *net_accept(struct port *p)
{
    struct list *m = list_pop(&p->backlog);
    return m ? &LIST_ENTRY(m, struct wire, waiting)->end[SIDE_CALLED] : NULL;
}

/* --- reading and writing --- */

/* The called side is open from the moment that it is accepted. */
static bool end_open(const struct wire_end *e)
{
    return e->side == SIDE_CALLED || (e->wire->decided && e->wire->state == WIRE_OPEN);
}

bool net_readable(const struct wire_end *e)
{
    if (e->side == SIDE_CALLER && !e->wire->decided)
        return false;
    return e->in.n > 0 || e->fin_in || e->reset_in || !end_open(e);
}

static size_t end_room(const struct wire_end *e)
{
    const struct wire_end *to = other(e);
    uint64_t used = to->in.n + to->in_flight;
    return used < e->wire->window ? (size_t)(e->wire->window - used) : 0;
}

bool net_writable(const struct wire_end *e)
{
    if (e->side == SIDE_CALLER && !e->wire->decided)
        return false;
    return e->reset_in || !end_open(e) || end_room(e) > 0;
}

/* Where a read or write is cut: nowhere, anywhere, or after very little. */
static size_t draw_cut(size_t n)
{
    switch (swarm.cut_mode) {
    case 1:
        return 1 + (size_t)draw(n);
    case 2:
        return draw(4) ? n : 1 + (size_t)draw(n < 5 ? n : 5);
    case 3:
        return n > 2000 ? 1 + (size_t)draw(n) : 1 + (size_t)draw(n < 12 ? n : 12);
    default:
        return n;
    }
}

enum err net_recv(struct wire_end *e, char *p, size_t cap, size_t *ret_n)
{
    ASSERT(cap > 0);
    if (e->side == SIDE_CALLER && !e->wire->decided)
        return ERR_AGAIN;
    if (e->reset_in || !end_open(e))
        return ERR_IO;
    if (e->in.n == 0)
        return e->fin_in ? ERR_CLOSED : ERR_AGAIN;
    size_t n = draw_cut(e->in.n < cap ? e->in.n : cap);
    memcpy(p, buf_span(&e->in).p, n);
    buf_consume(&e->in, n);
    e->read += n;
    check_read(e);
    end_poke(other(e));
    *ret_n = n;
    return ERR_OK;
}

/* Into flight towards `to`, through its misfortune. */
static void end_push(struct wire_end *to, struct span bytes)
{
    size_t pass = fault_apply(to, bytes.n);
    bool strikes = pass < bytes.n && to->sent <= to->fault_at;
    for (struct span left = span_head(bytes, pass); left.n > 0;) {
        struct span piece = span_head(left, left.n < SEGMENT_MAX ? left.n : SEGMENT_MAX);
        segment_send(to, SEGMENT_DATA, piece);
        left = span_tail(left, piece.n);
    }
    to->sent += bytes.n;
    if (strikes)
        fault_strike(to);
}

enum err net_send(struct wire_end *e, struct span bytes, size_t *ret_n)
{
    if (e->reset_in || e->closed || !end_open(e) || e->fin_sent)
        return ERR_IO;
    size_t room = end_room(e);
    if (room == 0)
        return ERR_AGAIN;
    bytes = span_head(bytes, draw_cut(bytes.n < room ? bytes.n : room));
    e->wire->touched_us = world_us();
    world_digest_add(bytes);
    check_sent(e, bytes);
    if (!e->wire->middle) {
        end_push(other(e), bytes);
    } else {
        struct buf on, back;
        buf_init(&on, SIZE_MAX / 4);
        buf_init(&back, SIZE_MAX / 4);
        middle_pass(e->wire->middle, e->side, bytes, &on, &back);
        end_push(other(e), buf_span(&on));
        end_push(e, buf_span(&back));
        buf_done(&on);
        buf_done(&back);
    }
    *ret_n = bytes.n;
    return ERR_OK;
}

void net_shutdown(struct wire_end *e)
{
    if (e->fin_sent || !end_open(e))
        return;
    e->fin_sent = true;
    struct wire_end *to = other(e);
    bool lost = to->fault == FAULT_SILENCE && to->sent > to->fault_at;
    if (!lost)
        segment_send(to, SEGMENT_FIN, SPAN_NONE);
}

void net_close(struct wire_end *e)
{
    struct wire_end *to = other(e);
    if (e->closed)
        return;
    bool silent = to->fault == FAULT_SILENCE && to->sent > to->fault_at;
    if (e->in.n > 0 && !silent)
        segment_send(to, SEGMENT_RESET, SPAN_NONE);
    else
        net_shutdown(e);
    buf_release(&e->in);
    e->closed = true;
    e->sock = NULL;
}

void net_loop_gone(struct loop *l, bool power)
{
    LIST_EACH (it, &net.wires) {
        struct wire *w = LIST_ENTRY(it, struct wire, in);
        for (unsigned side = 0; side < 2; side++) {
            struct wire_end *e = &w->end[side];
            if (!e->sock || sock_loop(e->sock) != l)
                continue;
            e->deaf = power;
            if (!power) {
                net_close(e);
                continue;
            }
            e->closed = true;
            e->sock = NULL;
        }
    }
    for (unsigned i = 0; i < net.n_port; i++) {
        struct port *p = net.port[i];
        if (p->loop != l)
            continue;
        p->loop = NULL;
        p->listener = NULL;
        for (struct list *m; power && (m = list_pop(&p->backlog));) {
            struct wire_end *e = &LIST_ENTRY(m, struct wire, waiting)->end[SIDE_CALLED];
            e->closed = e->deaf = true;
        }
    }
}

/* --- for those who watch --- */

struct wire *net_wire_find(const struct ip *caller, const struct ip *called)
{
    for (struct list *it = net.wires.prev; it != &net.wires; it = it->prev) {
        struct wire *w = LIST_ENTRY(it, struct wire, in);
        if (ip_eq(&w->end[SIDE_CALLER].ip, caller) && ip_eq(&w->end[SIDE_CALLED].ip, called))
            return w;
    }
    return NULL;
}

bool net_wire_over(const struct wire *w)
{
    bool waits = !list_empty((struct list *)(uintptr_t)&w->waiting);
    return w->end[SIDE_CALLER].closed &&
           (w->end[SIDE_CALLED].closed || (!waits && w->decided && w->state != WIRE_OPEN));
}

struct wire *net_wire_next(struct wire *after)
{
    struct list *it = after ? after->in.next : net.wires.next;
    while (it != &net.wires && net_wire_over(LIST_ENTRY(it, struct wire, in)))
        it = it->next;
    return it == &net.wires ? NULL : LIST_ENTRY(it, struct wire, in);
}
