/* bench-match: what it costs to find out whose mail a transaction is, and which way out a recipient
 * has, by number of connectors:
 *
 *     bench-match
 *
 * Ten connectors of one organisation, then 100,000 of 10,000: each has three servers of its own (by
 * name, by key, by address) and seven partners. Then ten and 100,000 outbound connectors of one
 * organisation, half of them for wildcards. The clients, senders and recipients change with each
 * call. Prints nanoseconds of CPU a call and bytes a connector. */
#include "bench/lib/clock.h"
#include "policy/attribute.h"
#include "policy/select.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

enum { CONNECTORS = 10, OWN = 3, CALLS = 1000 * 1000, TEXT = 72 };

/* Everything of one organisation, in one piece. */
struct firm {
    struct in_connector in[CONNECTORS];
    struct span sender[CONNECTORS], name[CONNECTORS], pin, domain;
    struct ip_net net;
    char text[4 * CONNECTORS][TEXT];
    unsigned n_text;
};

static PRINTF_LIKE(2, 3) struct span text(struct firm *f, const char *fmt, ...)
{
    va_list ap;
    char *p = f->text[f->n_text++];
    ASSERT(f->n_text <= COUNTOF(f->text));
    va_start(ap, fmt);
    int n = vsnprintf(p, TEXT, fmt, ap);
    va_end(ap);
    return span_of(p, (size_t)n);
}

static void make_own(struct firm *f, unsigned org)
{
    static struct span any[] = { { "*", 1 } };
    f->net = (struct ip_net){ { IP_V4, 0, { 10, (uint8_t)(org >> 8), (uint8_t)org, 0 } },
                              org % 2 ? 24 : 28 };
    f->pin = text(f, "%064x", org);
    f->name[0] = text(f, "mail.firm%u.example", org);
    for (unsigned i = 0; i < OWN; i++) {
        f->in[i].c.kind = CONNECTOR_ON_PREMISES;
        f->in[i].sender = any;
        f->in[i].n_sender = 1;
    }
    f->in[0].names = (struct name_set){ .id = 1, .n = 1, .name = &f->name[0] };
    f->in[1].pin = &f->pin;
    f->in[1].n_pin = 1;
    f->in[2].network = &f->net;
    f->in[2].n_network = 1;
}

static void make_partner(struct firm *f, unsigned org, unsigned i)
{
    struct in_connector *c = &f->in[i];
    f->sender[i] = text(f, "%spartner%u-%u.example", i % 2 ? "*." : "", org, i);
    f->name[i] = text(f, "mx.partner%u-%u.example", org, i);
    c->sender = &f->sender[i];
    c->n_sender = 1;
    c->names = (struct name_set){ .id = 1, .n = 1, .name = &f->name[i] };
    c->restrict_certificate = c->require_tls = true;
    c->floor = 12;
}

static void make_firm(struct firm *f, struct org *o, unsigned org)
{
    f->domain = text(f, "firm%u.example", org);
    *o = (struct org){
        .name = f->domain, .domain = &f->domain, .n_domain = 1, .in = f->in, .n_in = CONNECTORS
    };
    make_own(f, org);
    for (unsigned i = OWN; i < CONNECTORS; i++)
        make_partner(f, org, i);
    for (unsigned i = 0; i < CONNECTORS; i++) {
        f->in[i].c.org = o;
        f->in[i].c.id = o->name;
        f->in[i].c.mode = CONNECTOR_ENFORCE;
    }
}

/* A transaction of a kind: 0 a partner's, 1 an own server's by name, 2 by address, 3 a stranger's.
 */
static void make_facts(struct inbound_facts *f, struct tls_facts *tls, const struct firm *firm,
                       unsigned kind, unsigned i)
{
    *tls =
        (struct tls_facts){ .on = true,
                            .peer_cert = kind != 2,
                            .chain_ok = true,
                            .client_usage = true,
                            .version = SPAN("TLSv1.3"),
                            .anchor = SPAN("00"),
                            .names = kind == 0   ? firm->name[4]
                                     : kind == 1 ? firm->name[0]
                                                 : SPAN("mx1.stranger.example,stranger.example") };
    *f = (struct inbound_facts){ .now_ms = i, .tls = tls, .client = firm->net.ip };
    if (kind != 2)
        f->client.a[0] = 192;
    f->from_domain = kind == 0   ? firm->sender[4]
                     : kind == 3 ? SPAN("stranger.example")
                                 : firm->domain;
    f->to_domain = kind == 1 || kind == 2 ? SPAN("far.example") : firm->domain;
}

static void measure(const struct org_table *t, const struct firm *firms, unsigned n)
{
    static const char *const kinds[] = { "a partner", "an own server by name",
                                         "an own server by address", "a stranger" };
    for (unsigned kind = 0; kind < COUNTOF(kinds); kind++) {
        unsigned admitted = 0;
        double start = own_cpu_s();
        for (unsigned i = 0; i < CALLS; i++) {
            struct tls_facts tls;
            struct inbound_facts f;
            make_facts(&f, &tls, &firms[(uint64_t)i * 7919 % n], kind, i);
            admitted += attribute(t, &f, false).admitted;
        }
        double took = own_cpu_s() - start;
        (void)printf("  %-26s %5.0f ns a call, %u of %u admitted\n", kinds[kind],
                     took * 1e9 / CALLS, admitted, CALLS);
    }
}

static void run(unsigned n)
{
    static const struct hash_key key = { { 11, 12 } };
    struct firm *firms = mem_zalloc(n * sizeof *firms);
    struct org *orgs = mem_zalloc(n * sizeof *orgs);
    struct org_table *t = NULL;
    struct org_conflict conflict;
    struct buf witness;
    buf_init(&witness, 500);
    for (unsigned i = 0; i < n; i++)
        make_firm(&firms[i], &orgs[i], i);

    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    int64_t start = mono_ns();
    enum err e = org_table_new(orgs, n, &key, &t, &conflict, &witness);
    ASSERT(e == ERR_OK);
    int64_t took = mono_ns() - start;
    size_t bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    (void)printf("%u connectors, %u organisations: %zu bytes of index a connector, %zu of it "
                 "itself; built in %lld ms\n",
                 n * CONNECTORS, n, bytes / n / CONNECTORS, sizeof(struct in_connector),
                 (long long)(took / 1000000));
    measure(t, firms, n);
    org_table_free(t);
    mem_free(orgs);
    mem_free(firms);
    buf_done(&witness);
}

/* --- ways out: one organisation */

struct ways {
    struct org org;
    struct out_connector *out;
    struct span *to;    /* patterns */
    struct span *asked; /* recipients' domains */
    struct arena arena;
    struct org_table *table;
    struct route_table routes;
};

static PRINTF_LIKE(2, 3) struct span text_in(struct arena *a, const char *fmt, ...)
{
    char line[TEXT];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return arena_span(a, span_of(line, (size_t)n));
}

static void ways_build(struct ways *w, unsigned n)
{
    static const struct hash_key key = { { 13, 14 } };
    struct org_conflict conflict;
    const struct route *twice;
    struct buf witness;
    buf_init(&witness, 500);
    w->org = (struct org){ .name = SPAN("firm"), .out = w->out, .n_out = n };
    for (unsigned i = 0; i < n; i++) {
        w->to[i] = text_in(&w->arena, "%spartner%u.example", i % 2 ? "*." : "", i);
        w->asked[i] = text_in(&w->arena, "%spartner%u.example", i % 2 ? "mail.west." : "", i);
        w->out[i] = (struct out_connector){
            .c = { .id = w->to[i], .org = &w->org, .mode = CONNECTOR_ENFORCE },
            .recipient = &w->to[i],
            .n_recipient = 1,
            .route = { .kind = ROUTE_MX, .contract = { .need = TLS_NEED_CHAIN, .floor = 12 } },
        };
    }
    enum err e = org_table_new(&w->org, 1, &key, &w->table, &conflict, &witness);
    ASSERT(e == ERR_OK);
    e = route_table_init(&w->routes, NULL, 0, &key, &twice);
    ASSERT(e == ERR_OK);
    buf_done(&witness);
}

static void ways_measure(const struct ways *w, unsigned n, bool stranger)
{
    unsigned chosen = 0;
    double start = own_cpu_s();
    for (unsigned i = 0; i < CALLS; i++) {
        struct outbound_message m = { .org = w->org.name,
                                      .to_domain = w->asked[(uint64_t)i * 7919 % n] };
        if (stranger)
            m.to_domain = SPAN("mail.stranger.example");
        chosen += select_out(w->table, &w->routes, &m).by != NULL;
    }
    double took = own_cpu_s() - start;
    (void)printf("  %-26s %5.0f ns a call, %u of %u by a connector\n",
                 stranger ? "out, to a stranger" : "out, to a partner", took * 1e9 / CALLS, chosen,
                 CALLS);
}

static void run_out(unsigned n)
{
    struct ways w = { .out = mem_zalloc(n * sizeof *w.out),
                      .to = mem_zalloc(n * sizeof *w.to),
                      .asked = mem_zalloc(n * sizeof *w.asked) };
    arena_init(&w.arena, SIZE_MAX);
    ways_build(&w, n);
    (void)printf("%u outbound connectors of one organisation\n", n);
    ways_measure(&w, n, false);
    ways_measure(&w, n, true);
    org_table_free(w.table);
    route_table_done(&w.routes);
    arena_done(&w.arena);
    mem_free(w.asked);
    mem_free(w.to);
    mem_free(w.out);
}

int main(void)
{
    run(1);
    run(10 * 1000);
    run_out(CONNECTORS);
    run_out(100 * 1000);
    return 0;
}
