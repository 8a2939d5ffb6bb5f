#include "gate/config_make.h"
#include "base/log.h"
#include "base/when.h"
#include <inttypes.h>
#include <stdio.h>

/* The settings at the top of the file, and the small blocks. The rows at the end of each part say
 * what there is; docs/configuration.md says it to operators. */

enum { TEXT_BYTES_MAX = 160 };
#define YEARS_MS ((uint64_t)10 * 365 * DAY_MS)

/* --- single settings --- */

/* A name of a user, or a number. */
static enum err read_user(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    static const char bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
    struct span v = t->values->text;
    bool right = v.n > 0 && v.n <= 32 && v.p[0] != '-' && v.p[0] != '.';
    for (size_t i = 0; right && i < v.n; i++)
        right = memchr(bytes, ascii_lower(v.p[i]), sizeof bytes - 1) != NULL;
    if (!right)
        return read_wants(r, s, t, t->values, "the name or the number of a user");
    return read_string(r, s, t, to);
}

static enum err read_relay_networks(struct reader *r, const struct setting *s, const struct tree *t,
                                    void *to)
{
    struct config_make *m = make_of(r);
    (void)to;
    TRY(read_networks(r, s, t, &m->network));
    unsigned i = 0;
    for (const struct tree_value *v = t->values; v; v = v->next, i++)
        if (relay_network_too_wide(&m->network.item[i]))
            return read_fail(r, t, v,
                             "`%.*s` would make this an open relay; `networks` are those whose "
                             "mail goes anywhere: list yours, as in %s",
                             SPAN_ARG(shown(v->text)), s->example);
    m->network_at = t;
    return ERR_OK;
}

static enum err read_metrics(struct reader *r, const struct setting *s, const struct tree *t,
                             void *to)
{
    struct ip ip;
    if (ip_parse_port(t->values->text, 0, &ip) != ERR_OK || ip.port == 0 || !ip_is_loopback(&ip))
        return read_wants(r, s, t, t->values,
                          "an address on loopback with its port (who reads it from elsewhere does "
                          "so through a proxy)");
    *(struct ip *)to = ip;
    return ERR_OK;
}

/* --- listen --- */

static enum err read_proxy(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    struct listen_config *l = to;
    struct net_list list;
    TRY(read_networks(r, s, t, &list));
    l->proxy = list.item;
    l->n_proxy = list.n;
    return ERR_OK;
}

static const char *const listen_tls_names[] = { "starttls", "implicit", "off", NULL };

static const struct setting listen_rows[] = {
    { "tls", "tls = starttls", .read = read_choice, .offset = offsetof(struct listen_config, tls),
      .names = listen_tls_names },
    { "requiretls", "requiretls = yes", .read = read_flag,
      .offset = offsetof(struct listen_config, requiretls) },
    { "proxy", "proxy = [\"192.0.2.0/24\"]", SETTING_LIST, .read = read_proxy },
};

static enum err read_listen(struct reader *r, const struct setting *s, const struct tree *t,
                            void *to)
{
    static const struct settings settings = { "listen", listen_rows, COUNTOF(listen_rows) };
    struct config_make *m = make_of(r);
    struct config *c = m->config;
    struct listen_config l = { .tls = LISTEN_STARTTLS, .requiretls = true };
    (void)to;

    if (ip_parse_port(t->args->text, 0, &l.ip) != ERR_OK || l.ip.port == 0)
        return read_wants(r, s, t, t->args, "an address and a port");
    for (unsigned i = 0; i < c->n_listen; i++)
        if (ip_eq(&c->listen[i].ip, &l.ip))
            return read_twice(r, t, m->listen_at[i]);
    if (c->n_listen == CONFIG_LISTENERS_MAX)
        return read_fail(r, t, NULL,
                         "more than %d listeners; [::] and 0.0.0.0 are all addresses "
                         "at once",
                         CONFIG_LISTENERS_MAX);
    TRY(settings_read(r, t->child, &settings, &l));
    l.name = arena_span(r->arena, t->args->text);
    m->listen_at[c->n_listen] = t;
    c->listen[c->n_listen++] = l;
    return ERR_OK;
}

/* --- dns --- */

/* "127.0.0.1", "127.0.0.1@5353" */
static bool resolver_valid(struct span s)
{
    struct ip ip;
    uint64_t port = 1;
    bool has_port = span_find(s, '@') < s.n;
    if (ip_parse(span_cut(&s, '@'), &ip) != ERR_OK)
        return false;
    return !has_port || (span_u64(s, UINT16_MAX, &port) == ERR_OK && port > 0);
}

static enum err read_resolver(struct reader *r, const struct setting *s, const struct tree *t,
                              void *to)
{
    struct dns_config *dns = to;
    struct span_list list;
    TRY(read_strings(r, s, t, &list));
    if (list.n > COUNTOF(dns->resolver))
        return read_wants(r, s, t, NULL, "four addresses at most");
    unsigned i = 0;
    for (const struct tree_value *v = t->values; v; v = v->next)
        if (!resolver_valid(v->text))
            return read_wants(r, s, t, v, "addresses, with @port where it is not 53");
    for (i = 0; i < list.n; i++)
        dns->resolver[i] = list.item[i];
    dns->n_resolver = list.n;
    return ERR_OK;
}

/* A domain name, or the root. */
static enum err read_probe(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    struct span *name = (struct span *)((char *)to + s->offset);
    if (t->values && span_eq(t->values->text, SPAN(".")) && !t->values->next) {
        *name = SPAN(".");
        return ERR_OK;
    }
    return read_name(r, s, t, to);
}

static const struct setting dns_rows[] = {
    { "resolver", "resolver = [\"127.0.0.1@5353\"]", SETTING_LIST, .read = read_resolver },
    { "trust_anchor", "trust_anchor = \"/usr/share/dns/root.key\"", .read = read_path,
      .offset = offsetof(struct dns_config, trust_anchor_file) },
    { "unbound_config", "unbound_config = \"unbound.conf\"", .read = read_path,
      .offset = offsetof(struct dns_config, unbound_config_file) },
    { "timeout", "timeout = \"10s\"", .read = read_duration,
      .offset = offsetof(struct dns_config, timeout_ms), .least = 100, .most = 5 * MINUTE_MS },
    { "probe", "probe = \".\"", .read = read_probe, .offset = offsetof(struct dns_config, probe) },
};

static enum err read_dns(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    static const struct settings settings = { "dns", dns_rows, COUNTOF(dns_rows) };
    (void)s;
    return settings_read(r, t->child, &settings, to);
}

/* --- retry, sessions --- */

static const struct setting retry_rows[] = {
    { "first", "first = \"5m\"", .read = read_duration,
      .offset = offsetof(struct retry_config, first_ms), .least = SECOND_MS, .most = DAY_MS },
    { "max", "max = \"1h\"", .read = read_duration, .offset = offsetof(struct retry_config, max_ms),
      .least = SECOND_MS, .most = 7 * DAY_MS },
    { "dane_first", "dane_first = \"15m\"", .read = read_duration,
      .offset = offsetof(struct retry_config, dane_first_ms), .least = SECOND_MS, .most = DAY_MS },
    { "dane_max", "dane_max = \"1h\"", .read = read_duration,
      .offset = offsetof(struct retry_config, dane_max_ms), .least = SECOND_MS,
      .most = 7 * DAY_MS },
    { "warn", "warn = \"4h\"", .read = read_duration,
      .offset = offsetof(struct retry_config, warn_ms), .least = 0, .most = YEARS_MS },
    { "give_up", "give_up = \"5d\"", .read = read_duration,
      .offset = offsetof(struct retry_config, give_up_ms), .least = SECOND_MS, .most = YEARS_MS },
    { "bounce_give_up", "bounce_give_up = \"1d\"", .read = read_duration,
      .offset = offsetof(struct retry_config, bounce_give_up_ms), .least = SECOND_MS,
      .most = YEARS_MS },
};

static enum err read_retry(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    static const struct settings settings = { "retry", retry_rows, COUNTOF(retry_rows) };
    const struct retry_config *retry = to;
    (void)s;
    TRY(settings_read(r, t->child, &settings, to));
    if (retry->first_ms > retry->max_ms)
        return read_fail(r, t, NULL,
                         "`first` is longer than `max`; the waits grow from first to "
                         "max");
    return ERR_OK;
}

static const struct setting session_rows[] = {
    { "initial", "initial = 5", .read = read_unsigned,
      .offset = offsetof(struct window_config, initial), .least = 1, .most = 1000 },
    { "max", "max = 20", .read = read_unsigned, .offset = offsetof(struct window_config, max),
      .least = 1, .most = 1000 },
    { "dead_after", "dead_after = 3", .read = read_unsigned,
      .offset = offsetof(struct window_config, dead_after), .least = 1, .most = 1000 },
    { "dead_first", "dead_first = \"1m\"", .read = read_duration,
      .offset = offsetof(struct window_config, dead_first_ms), .least = SECOND_MS, .most = DAY_MS },
    { "dead_max", "dead_max = \"1h\"", .read = read_duration,
      .offset = offsetof(struct window_config, dead_max_ms), .least = SECOND_MS,
      .most = 7 * DAY_MS },
};

static enum err read_sessions(struct reader *r, const struct setting *s, const struct tree *t,
                              void *to)
{
    static const struct settings settings = { "sessions", session_rows, COUNTOF(session_rows) };
    const struct window_config *window = to;
    (void)s;
    TRY(settings_read(r, t->child, &settings, to));
    if (window->initial > window->max)
        return read_fail(r, t, NULL, "`initial` (%u) is more than `max` (%u)", window->initial,
                         window->max);
    if (window->dead_first_ms > window->dead_max_ms)
        return read_fail(r, t, NULL,
                         "`dead_first` is longer than `dead_max`; the rests grow from "
                         "dead_first to dead_max");
    return ERR_OK;
}

/* --- out --- */

static enum err read_local(struct reader *r, const struct setting *s, const struct tree *t,
                           void *to)
{
    struct config *c = to;
    struct ip local[COUNTOF(c->local_address)] = { { .family = IP_NONE } };
    for (const struct tree_value *v = t->values; v; v = v->next) {
        struct ip ip;
        if (ip_parse(v->text, &ip) != ERR_OK)
            return read_wants(r, s, t, v, "addresses of this machine, without ports");
        if (local[ip.family == IP_V6].family != IP_NONE)
            return read_wants(r, s, t, v, "one IPv4 and one IPv6 address");
        local[ip.family == IP_V6] = ip;
    }
    memcpy(c->local_address, local, sizeof local);
    return ERR_OK;
}

static enum err read_our_names(struct reader *r, const struct setting *s, const struct tree *t,
                               void *to)
{
    struct config *c = to;
    struct span_list list;
    TRY(read_names(r, s, t, &list));
    c->our_names = list.item;
    c->n_our_names = list.n;
    return ERR_OK;
}

/* Without "mandatory": hardly a destination of all mail has TLSA records. */
static const char *const publish_names[] = { "off", "opportunistic", NULL };
STATIC_ASSERT(DANE_OFF == 0 && DANE_OPPORTUNISTIC == 1);
STATIC_ASSERT(STS_OFF == 0 && STS_OPPORTUNISTIC == 1);

static const struct setting out_rows[] = {
    { "dane", "dane = opportunistic", .read = read_choice, .offset = offsetof(struct config, dane),
      .names = publish_names },
    { "mta_sts", "mta_sts = opportunistic", .read = read_choice,
      .offset = offsetof(struct config, sts), .names = publish_names },
    { "port", "port = 25", .read = read_port, .offset = offsetof(struct config, smtp_port) },
    { "local", "local = [\"192.0.2.1\", \"2001:db8::1\"]", SETTING_LIST, .read = read_local },
    { "names_are_us", "names_are_us = [\"alias.example.org\"]", SETTING_LIST,
      .read = read_our_names },
};

static enum err read_out(struct reader *r, const struct setting *s, const struct tree *t, void *to)
{
    static const struct settings settings = { "out", out_rows, COUNTOF(out_rows) };
    (void)s;
    return settings_read(r, t->child, &settings, to);
}

/* --- limits: the rows are those of gate/limits.c --- */

static enum err limit_parse(const struct limit_row *row, struct span s, uint64_t *ret)
{
    int64_t ms;
    switch (row->unit) {
    case LIMIT_COUNT:
        return span_u64(s, UINT64_MAX, ret);
    case LIMIT_BYTES:
        return size_parse(s, ret);
    case LIMIT_MS:
        TRY(when_duration(s, &ms));
        *ret = (uint64_t)ms;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

static enum err read_limit(struct reader *r, const struct tree *t, const struct limit_row *row,
                           struct limits *to)
{
    static const char *const kinds[] = { "a number", "a size (K, M, G)",
                                         "a time with its unit (ms, s, m, h, d)" };
    char least[LIMIT_TEXT_MAX], most[LIMIT_TEXT_MAX], usual[LIMIT_TEXT_MAX];
    char example[TEXT_BYTES_MAX], want[TEXT_BYTES_MAX];
    const struct setting as_setting = { .name = row->name, .example = example };
    bool value = t->values && !t->args && !t->is_list && !t->is_block;
    uint64_t n;
    snprintf(example, sizeof example, "%s = %s", row->name, limit_text(row, row->fallback, usual));
    snprintf(want, sizeof want, "%s from %s to %s", kinds[row->unit],
             limit_text(row, row->least, least), limit_text(row, row->most, most));
    if (!value || limit_parse(row, t->values->text, &n) != ERR_OK ||
        limits_set(to, t->name, n, &row) != ERR_OK)
        return read_wants(r, &as_setting, t, value ? t->values : NULL, want);
    return ERR_OK;
}

static enum err read_limits(struct reader *r, const struct setting *s, const struct tree *t,
                            void *to)
{
    const struct tree *seen[SETTINGS_MAX] = { 0 };
    size_t n;
    const struct limit_row *table = limits_table(&n);
    ASSERT(n <= SETTINGS_MAX);
    (void)s;
    for (const struct tree *node = t->child; node; node = node->next) {
        struct guess g = guess_start(node->name);
        size_t i = 0;
        for (; i < n && !span_eq(node->name, span_z(table[i].name)); i++)
            guess_try(&g, table[i].name);
        if (i == n)
            return read_unknown(r, node, " in `limits`", &g);
        if (seen[i])
            return read_twice(r, node, seen[i]);
        seen[i] = node;
        TRY(read_limit(r, node, &table[i], to));
    }
    return ERR_OK;
}

/* --- the top --- */

static const char *const log_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ALARM] = "alarm", NULL
};

#define AT(member) .offset = offsetof(struct config, member)

static const struct setting rows[] = {
    { "hostname", "hostname = \"mx.example.org\"", .read = read_name, AT(hostname) },
    { "data", "data = \"/var/lib/postern\"", .read = read_path, AT(data) },
    { "run", "run = \"/run/postern\"", .read = read_path, AT(run) },
    { "user", "user = \"postern\"", .read = read_user, AT(user) },
    { "workers", "workers = 2", .read = read_unsigned, AT(workers), .most = CONFIG_WORKERS_MAX },
    { "log", "log = info", .read = read_choice, AT(log_level), .names = log_names },
    { "networks", "networks = [\"127.0.0.0/8\", \"10.1.0.0/16\"]", SETTING_LIST,
      .read = read_relay_networks },
    { "listen", "listen \"0.0.0.0:25\" { tls = starttls }", SETTING_NAMED, .many = true,
      .read = read_listen },
    { "certificate", "certificate { chain = \"mx.pem\", key = \"mx.key\" }", SETTING_BLOCK,
      .many = true, .read = make_certificate },
    { "tls", "tls { profile = \"default\" }", SETTING_BLOCK, .read = make_tls },
    { "domain", "domain \"example.org\" { smtp = \"mail.internal\" }", SETTING_NAMED, .many = true,
      .read = make_domain },
    { "route", "route \"*.partner.example\" { mx = yes, tls = encrypt }", SETTING_NAMED,
      .many = true, .read = make_route },
    { "organisation", "organisation \"acme\" { domain \"acme.example\" { smtp = \"10.0.0.5\" } }",
      SETTING_NAMED, .many = true, .read = make_organisation },
    { "self",
      "self { name = \"mx1.nodes.example\", chain = \"node.pem\", key = \"node.key\", ca = "
      "\"nodes.pem\", signing_key = \"sign.key\" }",
      SETTING_BLOCK, .read = make_self },
    { "node", "node \"mx2.nodes.example\" { smtp = \"10.0.0.2:25\", public_key = \"mx2.pub\" }",
      SETTING_NAMED, .many = true, .read = make_node },
    { "dns", "dns { resolver = \"127.0.0.1\" }", SETTING_BLOCK, .read = read_dns, AT(dns) },
    { "retry", "retry { first = \"5m\" }", SETTING_BLOCK, .read = read_retry, AT(retry) },
    { "sessions", "sessions { max = 20 }", SETTING_BLOCK, .read = read_sessions, AT(window) },
    { "out", "out { port = 25 }", SETTING_BLOCK, .read = read_out },
    { "fetch", "fetch { timeout = \"30s\" }", SETTING_BLOCK, .read = make_fetch, AT(fetch) },
    { "limits", "limits { message_size = 50M }", SETTING_BLOCK, .read = read_limits, AT(limits) },
    { "metrics", "metrics = \"127.0.0.1:9925\"", .read = read_metrics, AT(metrics) },
    { "trace_keep", "trace_keep = \"14d\"", .read = read_duration, AT(trace_keep_ms),
      .least = MINUTE_MS, .most = YEARS_MS },
};

enum err make_setting(struct config_make *m, const struct tree *t, const struct tree **seen)
{
    static const struct settings settings = { NULL, rows, COUNTOF(rows) };
    STATIC_ASSERT(COUNTOF(rows) <= SETTINGS_MAX);
    return setting_read(&m->reader, t, &settings, seen, m->config);
}
