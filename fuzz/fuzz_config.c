#include "gate/config_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Any text is a configuration or an error with a place. Up to a NUL it is the first file, behind it
 * all the others; no disk, no TLS contexts. */

struct memory {
    struct span first, other;
};

static enum err memory_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    const struct memory *m = arg;
    if (span_ends_nocase(path, SPAN("none"))) {
        why_set(why, "there is none");
        return ERR_NOT_FOUND;
    }
    return buf_append(ret, span_eq(path, SPAN("f")) ? m->first : m->other);
}

static enum err memory_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg;
    (void)why;
    for (char c = 'a'; c <= 'c'; c++) {
        buf_put(ret, span_head(pattern, span_find(pattern, '*')));
        buf_putf(ret, "%c%c", c, '\0');
    }
    return ERR_OK;
}

static void check_limits(const struct config *c)
{
    size_t n;
    const struct limit_row *row = limits_table(&n);
    for (size_t i = 0; i < n; i++) {
        uint64_t value = 0;
        memcpy(&value, (const char *)&c->limits + row[i].offset,
               row[i].is_unsigned ? sizeof(unsigned) : sizeof value);
        ASSERT(value >= row[i].least && value <= row[i].most);
    }
}

/* What the code that uses a snapshot takes for granted. */
static void check_config(const struct config *c)
{
    const struct ip outside = { IP_V4, 25, { 198, 51, 100, 1 } };
    struct window window;
    ASSERT(c->hostname.n > 0 && c->greeting.n > c->hostname.n && c->smtp_port > 0);
    ASSERT(strlen(c->digest) == 32 && c->n_listen <= CONFIG_LISTENERS_MAX);
    ASSERT(c->data.n > 0 && c->run.n > 0 && c->user.n > 0);
    window_init(&window, &c->window);
    ASSERT(retry_wait(&c->retry, 3) >= c->retry.first_ms);
    for (unsigned i = 0; i < c->n_listen; i++)
        ASSERT(c->listen[i].ip.port > 0 && c->listen[i].smtpd.exts);
    for (unsigned i = 0; i < c->relay.n_network; i++)
        ASSERT(!relay_network_too_wide(&c->relay.network[i]));
    for (unsigned i = 0; i < c->routes.n_route; i++) {
        const struct route *r = &c->routes.route[i];
        ASSERT(r->port > 0 && r->line > 0 && r->pattern.n > 0);
        ASSERT((r->kind == ROUTE_MAILDIR) == (r->maildir.n > 0));
        ASSERT((r->kind == ROUTE_SMTP || r->kind == ROUTE_LMTP) == (r->n_host > 0));
        ASSERT(route_find(&c->routes, r->pattern) == r);
    }
    if (c->relay.n_network == 0 && c->local.n == 0)
        ASSERT(relay_decide(&c->relay, &outside, SPAN("else.example")) == RELAY_DENIED);
    check_limits(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct config_boot boot = { .hash_key = { { 1, 2 } } };
    struct span text = span_of((const char *)data, n);
    struct memory memory;
    memory.first = span_cut(&text, '\0');
    memory.other = text;
    const struct config_source source = { memory_read, memory_match, &memory };
    struct why why = { "" };
    struct config_make m;

    make_init(&m, &source, &boot, &why);
    enum err e = make_read(&m, SPAN("f"));
    ASSERT((e == ERR_OK) == (why.text[0] == '\0'));
    if (e == ERR_OK)
        check_config(m.config);
    make_done(&m);
    return 0;
}
