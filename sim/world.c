#include "sim/world.h"

#include "base/log.h"
#include "base/rng.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { EVENTS_MAX = 20 * 1000 * 1000, LINE_MAX_BYTES = 1024 };
/* 2024-01-01T00:00:00Z */
static const int64_t wall_start_ms = 1704067200000;

static struct {
    struct heap heap;
    struct rng rng;
    uint64_t seed, digest, events;
    int64_t us, wall_offset_ms;
    bool shown, told, stop;
} world;

void world_start(uint64_t seed, bool shown)
{
    heap_init(&world.heap);
    rng_init(&world.rng, seed);
    world.seed = seed;
    world.shown = shown;
    world.digest = 1469598103934665603u;
    world.wall_offset_ms = wall_start_ms;
}

void world_start_told(void)
{
    world_start(0, true);
    world.told = true;
}

uint64_t world_seed(void)
{
    return world.seed;
}

/* --- time --- */

int64_t world_us(void)
{
    return world.us;
}

int64_t world_wall_ms(void)
{
    return world.us / MS_US + world.wall_offset_ms;
}

void world_wall_jump(int64_t by_ms)
{
    world.wall_offset_ms += by_ms;
}

void event_init(struct event *e, void (*fn)(void *arg), void *arg)
{
    *e = (struct event){ .fn = fn, .arg = arg };
}

void event_at(struct event *e, int64_t us)
{
    ASSERT(e->fn);
    heap_set(&world.heap, &e->node, us > world.us ? us : world.us);
}

void event_in(struct event *e, int64_t us)
{
    event_at(e, world.us + us);
}

void event_stop(struct event *e)
{
    heap_remove(&world.heap, &e->node);
}

struct once {
    struct event event; /* first */
    void (*fn)(void *arg);
    void *arg;
};

static void once_run(void *arg)
{
    struct once o = *(struct once *)arg;
    mem_free(arg);
    o.fn(o.arg);
}

void world_in(int64_t us, void (*fn)(void *arg), void *arg)
{
    struct once *o = NEW(struct once);
    event_init(&o->event, once_run, o);
    o->fn = fn;
    o->arg = arg;
    event_in(&o->event, us);
}

void world_run(int64_t until_us)
{
    struct heap_node *first;
    world.stop = false;
    while (!world.stop && (first = heap_first(&world.heap)) && first->at <= until_us) {
        struct event *e = CONTAINER_OF(first, struct event, node);
        ASSERT(first->at >= world.us);
        heap_remove(&world.heap, first);
        world.us = first->at;
        if (e->void_if && *e->void_if)
            continue;
        if (++world.events > EVENTS_MAX)
            violated(8, "the world does not become quiet: %d events", EVENTS_MAX);
        e->fn(e->arg);
    }
    if (!world.stop && world.us < until_us)
        world.us = until_us;
}

void world_stop(void)
{
    world.stop = true;
}

uint64_t world_events(void)
{
    return world.events;
}

/* --- chance --- */

uint64_t draw(uint64_t n)
{
    return world.told ? n / 2 : rng_below(&world.rng, n);
}

int64_t draw_from(int64_t least, int64_t most)
{
    ASSERT(least <= most);
    return least + (int64_t)draw((uint64_t)(most - least) + 1);
}

bool draw_permille(int64_t permille)
{
    return permille > 0 && (int64_t)draw(1000) < permille;
}

void draw_bytes(void *p, size_t n)
{
    for (uint8_t *at = p; n > 0; n--)
        *at++ = (uint8_t)draw(256);
}

/* --- what is said --- */

bool world_shown(void)
{
    return world.shown;
}

void world_digest_add(struct span bytes)
{
    for (size_t i = 0; i < bytes.n; i++)
        world.digest = (world.digest ^ (uint8_t)bytes.p[i]) * 1099511628211u;
}

uint64_t world_digest(void)
{
    return world.digest;
}

static void PRINTF_LIKE(1, 0) say(const char *fmt, va_list ap, const char *prefix)
{
    char line[LINE_MAX_BYTES];
    int n = snprintf(line, sizeof line, "%6" PRId64 ".%06" PRId64 " %s", world.us / SECOND_US,
                     world.us % SECOND_US, prefix);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
    size_t end = (size_t)n + (size_t)(m < 0 ? 0 : m);
    end = end < sizeof line - 2 ? end : sizeof line - 2;
    line[end++] = '\n';
    world_digest_add(span_of(line, end));
    if (world.shown) {
        log_flush();
        (void)fwrite(line, 1, end, stdout);
        (void)fflush(stdout);
    }
}

void tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap, "");
    va_end(ap);
}

void violated(int invariant, const char *fmt, ...)
{
    char prefix[64];
    va_list ap;
    (void)snprintf(prefix, sizeof prefix, "VIOLATED %d: ", invariant);
    world.shown = true;
    va_start(ap, fmt);
    say(fmt, ap, prefix);
    va_end(ap);
    (void)fflush(stdout);
    _exit(1);
}
