/* Both configurations are lists of things with an id; a thing is fields of text. The fields of two
 * things of one id are compared one by one, so whatever is in a field is seen when it changes:
 * lists stand there whole, however long. */
#include "cli/config_diff.h"

#include "base/when.h"
#include "cli/out.h"

#include <stdio.h>

enum {
    LIST_MAX = 2 * CONFIG_BUNDLE_MAX, /* all lists come from files, and grow little as text */
    VALUE_SHOWN_MAX = 400,
    BLOCK_MAX = 32 * 1024, /* text of one difference */
    DAY_BYTES = sizeof "2026-12-31" - 1,
    COLUMN = 18,
};

struct thing;
typedef void fields_fn(const struct thing *t, struct ctl *row);

struct thing {
    const char *kind;
    struct span id;
    const struct config *config;
    const void *at;
    fields_fn *fields;
    int64_t now_ms;
};

struct things {
    struct thing *thing;
    size_t n;
    struct map by_id; /* kind and id -> struct thing */
};

/* --- fields */

/* The field, and the text is empty again. */
static void field(struct ctl *row, const char *name, struct buf *text)
{
    ctl_set(row, name, buf_span(text));
    buf_clear(text);
}

static void put_spans(const struct span *item, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_put(out, i > 0 ? SPAN(", ") : SPAN_NONE);
        buf_put(out, item[i]);
    }
}

static void field_spans(struct ctl *row, const char *name, const struct span *item, size_t n)
{
    struct buf text;
    buf_init(&text, LIST_MAX);
    put_spans(item, n, &text);
    field(row, name, &text);
    buf_done(&text);
}

static void field_networks(struct ctl *row, const char *name, const struct ip_net *net, size_t n)
{
    char ip[IP_TEXT_MAX];
    struct buf text;
    buf_init(&text, LIST_MAX);
    for (size_t i = 0; i < n; i++)
        buf_putf(&text, "%s%s/%u", i > 0 ? ", " : "", ip_text(&net[i].ip, ip), net[i].bits);
    field(row, name, &text);
    buf_done(&text);
}

static void field_duration(struct ctl *row, const char *name, int64_t ms)
{
    char text[WHEN_BYTES_MAX];
    ctl_set(row, name, span_z(when_span(ms, text)));
}

static const char *yes(bool b)
{
    return b ? "yes" : "no";
}

static void field_route(struct ctl *row, const struct route *r)
{
    struct buf text;
    buf_init(&text, LIST_MAX);
    buf_putf(&text, "%s", route_kind_name(r->kind));
    for (unsigned i = 0; i < r->n_host; i++) {
        const struct route_host *h = &r->host[i];
        buf_put(&text, i > 0 ? SPAN(", ") : SPAN(" "));
        buf_put(&text, h->name);
        if (!h->is_path)
            buf_putf(&text, " port %u", h->port);
    }
    if (r->kind == ROUTE_MAILDIR) {
        buf_put(&text, SPAN(" "));
        buf_put(&text, r->maildir);
    }
    field(row, "leads to", &text);
    buf_done(&text);
}

/* Identities are numbered by file: the certificate's label says whether it is another one. */
static void field_contract(struct ctl *row, struct contract k)
{
    struct buf text;
    buf_init(&text, CONTRACT_TEXT_MAX);
    k.identity = 0;
    contract_print(&k, &text);
    field(row, "contract", &text);
    buf_done(&text);
}

/* --- connectors */

static void field_weakenings(struct ctl *row, const struct connector *c, int64_t now_ms)
{
    struct buf text;
    char day[WHEN_BYTES_MAX];
    buf_init(&text, WEAKEN_COUNT_ * (2 * CONFIG_NOTE_MAX + 200));
    for (unsigned k = 0; k < WEAKEN_COUNT_; k++) {
        const struct weakening *w = &c->weakening[k];
        if (w->until_ms == 0)
            continue;
        bool holds = connector_weakened(c, (enum weakening_kind)k, now_ms);
        buf_putf(&text, "%sallows %s, %s %.*s; ", text.n > 0 ? "; " : "",
                 weakening_name((enum weakening_kind)k), holds ? "until" : "VOID since the end of",
                 (int)DAY_BYTES, when_rfc3339(w->until_ms - 1, day));
        buf_put(&text, w->owner);
        buf_put(&text, SPAN(": "));
        buf_put(&text, w->reason);
    }
    field(row, "weakened", &text);
    buf_done(&text);
}

static void fields_common(const struct thing *t, const struct connector *c, struct ctl *row)
{
    ctl_set(row, "kind", span_z(connector_kind_name(c->kind)));
    ctl_set(row, "mode", span_z(connector_mode_name(c->mode)));
    field_weakenings(row, c, t->now_ms);
    ctl_set(row, "owner", c->owner);
    ctl_set(row, "comment", c->comment);
    ctl_set(row, "created", c->created);
    ctl_set(row, "changed", c->changed);
}

static const char *revocation_word(enum revocation r)
{
    static const char *const words[] = {
        [REVOCATION_OFF] = "off", [REVOCATION_SOFT] = "soft", [REVOCATION_HARD] = "hard"
    };
    ASSERT((size_t)r < COUNTOF(words));
    return words[r];
}

static void fields_in(const struct thing *t, struct ctl *row)
{
    const struct in_connector *c = t->at;
    field_spans(row, "mail from", c->sender, c->n_sender);
    fields_common(t, &c->c, row);
    field_spans(row, "certificate names", c->names.name, c->names.n);
    field_spans(row, "public keys", c->pin, c->n_pin);
    field_spans(row, "own CAs", c->anchor, c->n_anchor);
    field_networks(row, "addresses", c->network, c->n_network);
    ctl_set(row, "TLS demanded", span_z(yes(c->require_tls)));
    ctl_set(row, "least TLS", span_z(c->floor > CONTRACT_FLOOR_MIN ? "1.3" : "1.2"));
    ctl_set(row, "certificate", span_z(c->restrict_certificate ? "demanded" : "not demanded"));
    ctl_set(row, "address", span_z(c->restrict_addresses ? "demanded" : "not demanded"));
    ctl_set(row, "for clients only", span_z(yes(c->eku_client)));
    ctl_set(row, "revocation", span_z(revocation_word(c->revocation)));
    ctl_set(row, "carries headers", span_z(yes(c->trust_headers)));
}

static void fields_out(const struct thing *t, struct ctl *row)
{
    const struct out_connector *c = t->at;
    const struct contract *k = &c->route.contract;
    struct contract said = *k; /* a weakening hides what is behind it: it has a field of its own */
    said.rules |= RULE_CONNECTOR;
    field_spans(row, "mail to", c->recipient, c->n_recipient);
    fields_common(t, &c->c, row);
    ctl_set(row, "accepted domains", span_z(yes(c->accepted)));
    ctl_set(row, "everything", span_z(yes(c->everything)));
    ctl_set(row, "header", c->rule_header);
    ctl_set(row, "header value", c->rule_value);
    field_route(row, &c->route);
    for (unsigned i = 0; i < CONTRACT_NAMES_MAX; i++) {
        static const char *const names[] = { "names", "and names", "and these names" };
        STATIC_ASSERT(COUNTOF(names) == CONTRACT_NAMES_MAX);
        const struct name_set *set = i < k->n_names ? k->names[i] : NULL;
        field_spans(row, names[i], set ? set->name : NULL, set ? set->n : 0);
    }
    field_contract(row, said);
    ctl_set(row, "DANE", span_z(dane_mode_name(k->dane)));
    ctl_set(row, "MTA-STS", span_z(sts_mode_name(k->sts)));
    ctl_set(row, "shows certificate",
            k->identity > 0 ? t->config->identity[k->identity - 1].label : SPAN_NONE);
}

void config_diff_outbound(const struct config *c, const struct out_connector *k, struct ctl *ret)
{
    const struct thing t = { .config = c, .at = k, .now_ms = INT64_MIN };
    fields_out(&t, ret);
}

/* --- the rest */

static void fields_org(const struct thing *t, struct ctl *row)
{
    const struct org *o = t->at;
    ctl_set(row, "owner", o->owner);
    field_spans(row, "domains", o->domain, o->n_domain);
}

static void fields_route(const struct thing *t, struct ctl *row)
{
    const struct route *r = t->at;
    field_route(row, r);
    field_contract(row, r->contract);
}

static void fields_listener(const struct thing *t, struct ctl *row)
{
    static const char *const words[] = {
        [LISTEN_STARTTLS] = "starttls", [LISTEN_IMPLICIT] = "implicit", [LISTEN_NO_TLS] = "off"
    };
    const struct listen_config *l = t->at;
    ctl_set(row, "tls", span_z(words[l->tls]));
    if (!l->requiretls)
        ctl_set(row, "requiretls", SPAN("no"));
    field_networks(row, "proxy", l->proxy, l->n_proxy);
}

static void fields_limit(const struct thing *t, struct ctl *row)
{
    const struct limit_row *limit = t->at;
    const char *from = (const char *)&t->config->limits + limit->offset;
    char text[LIMIT_TEXT_MAX];
    uint64_t value;
    unsigned small;
    memcpy(&small, from, sizeof small);
    if (limit->is_unsigned)
        value = small;
    else
        memcpy(&value, from, sizeof value);
    ctl_set(row, "value", span_z(limit_text(limit, value, text)));
}

static void fields_waits(const struct config *c, struct ctl *row)
{
    field_duration(row, "retry first", c->retry.first_ms);
    field_duration(row, "retry max", c->retry.max_ms);
    field_duration(row, "retry warn", c->retry.warn_ms);
    field_duration(row, "retry give up", c->retry.give_up_ms);
    field_duration(row, "bounce give up", c->retry.bounce_give_up_ms);
    ctl_set_num(row, "sessions initial", c->window.initial);
    ctl_set_num(row, "sessions max", c->window.max);
    ctl_set_num(row, "dead after", c->window.dead_after);
    field_duration(row, "dead first", c->window.dead_first_ms);
    field_duration(row, "dead max", c->window.dead_max_ms);
    field_duration(row, "trace keep", c->trace_keep_ms);
    field_duration(row, "dns timeout", c->dns.timeout_ms);
}

static void field_ip(struct ctl *row, const char *name, const struct ip *ip)
{
    char text[IP_TEXT_MAX], whole[IP_TEXT_MAX + 8];
    (void)snprintf(whole, sizeof whole, "%s port %u", ip_text(ip, text), ip->port);
    ctl_set(row, name, ip->family == IP_NONE ? SPAN_NONE : span_z(whole));
}

/* Names and hosts; keys are not compared. */
static void fields_nodes(const struct node_table *t, struct ctl *row)
{
    struct buf text;
    buf_init(&text, LIST_MAX);
    for (unsigned i = 0; i < t->n; i++) {
        const struct node *n = &t->node[i];
        buf_putf(&text, "%s%.*s at", i > 0 ? "; " : "", SPAN_ARG(n->name));
        for (unsigned k = 0; k < n->n_host; k++)
            buf_putf(&text, "%s %.*s port %u", k > 0 ? "," : "", SPAN_ARG(n->host[k].name),
                     n->host[k].port);
    }
    ctl_set(row, "node", t->self);
    field(row, "nodes", &text);
    field_duration(row, "clock skew", t->window_ms);
    buf_done(&text);
}

static void fields_installation(const struct thing *t, struct ctl *row)
{
    const struct config *c = t->config;
    ctl_set(row, "hostname", c->hostname);
    ctl_set(row, "data", c->data);
    ctl_set(row, "run", c->run);
    ctl_set(row, "user", c->user);
    ctl_set_num(row, "workers", c->workers);
    ctl_set_num(row, "log level", c->log_level);
    field_networks(row, "networks", c->relay.network, c->relay.n_network);
    field_ip(row, "metrics", &c->metrics);
    ctl_set_num(row, "out port", c->smtp_port);
    field_ip(row, "out local IPv4", &c->local_address[0]);
    field_ip(row, "out local IPv6", &c->local_address[1]);
    field_spans(row, "names are us", c->our_names, c->n_our_names);
    field_spans(row, "dns resolvers", c->dns.resolver, c->dns.n_resolver);
    ctl_set(row, "trust anchor", c->dns.trust_anchor_file);
    ctl_set(row, "unbound config", c->dns.unbound_config_file);
    ctl_set(row, "tls profile", span_z(c->profile == TLS_PROFILE_LEGACY ? "legacy" : "default"));
    fields_waits(c, row);
    if (c->nodes.self.n > 0)
        fields_nodes(&c->nodes, row);
}

/* --- all things of a configuration */

static struct span thing_key(const struct thing *t, struct buf *key)
{
    buf_clear(key);
    buf_putf(key, "%s ", t->kind);
    buf_put(key, t->id);
    return buf_span(key);
}

static void add(struct things *s, struct thing t)
{
    struct buf key;
    buf_init(&key, CONFIG_FILE_MAX + 64);
    s->thing[s->n] = t;
    map_put(&s->by_id, thing_key(&t, &key), &s->thing[s->n]);
    s->n++;
    buf_done(&key);
}

static void add_org(struct things *s, struct thing t, const struct org *o)
{
    t.kind = "organisation";
    t.id = o->name;
    t.at = o;
    t.fields = fields_org;
    add(s, t);
    for (unsigned i = 0; i < o->n_in; i++) {
        t.kind = "inbound connector";
        t.id = o->in[i].c.id;
        t.at = &o->in[i];
        t.fields = fields_in;
        add(s, t);
    }
    for (unsigned i = 0; i < o->n_out; i++) {
        t.kind = "outbound connector";
        t.id = o->out[i].c.id;
        t.at = &o->out[i];
        t.fields = fields_out;
        add(s, t);
    }
}

static size_t count(const struct config *c)
{
    size_t n, limits;
    (void)limits_table(&limits);
    n = 1 + limits + c->n_listen + c->routes.n_route + c->n_org;
    for (unsigned i = 0; i < c->n_org; i++)
        n += c->org[i].n_in + c->org[i].n_out;
    return n;
}

static void list(const struct config *c, int64_t now_ms, struct things *ret)
{
    static const struct hash_key key = { { 3, 5 } };
    size_t limits;
    const struct limit_row *limit = limits_table(&limits);
    struct thing t = { .kind = "installation", .config = c, .now_ms = now_ms };
    *ret = (struct things){ .n = 0 };
    map_init(&ret->by_id, &key);
    ret->thing = mem_zalloc(count(c) * sizeof *ret->thing);
    t.fields = fields_installation;
    add(ret, t);
    t.kind = "limit";
    t.fields = fields_limit;
    for (size_t i = 0; i < limits; i++) {
        t.id = span_z(limit[i].name);
        t.at = &limit[i];
        add(ret, t);
    }
    t.kind = "listener";
    t.fields = fields_listener;
    for (unsigned i = 0; i < c->n_listen; i++) {
        t.id = c->listen[i].name;
        t.at = &c->listen[i];
        add(ret, t);
    }
    t.fields = fields_route;
    for (unsigned i = 0; i < c->routes.n_route; i++) {
        t.id = c->routes.route[i].pattern;
        t.kind = map_get(&c->local, t.id) == &c->routes.route[i] ? "domain" : "route";
        t.at = &c->routes.route[i];
        add(ret, t);
    }
    for (unsigned i = 0; i < c->n_org; i++)
        add_org(ret, t, &c->org[i]);
}

static void list_done(struct things *s)
{
    map_done(&s->by_id);
    mem_free(s->thing);
}

/* --- comparing */

/* NULL: there is none. */
static const struct thing *find(const struct things *s, const struct thing *t)
{
    struct buf key;
    buf_init(&key, CONFIG_FILE_MAX + 64);
    const struct thing *found = map_get(&s->by_id, thing_key(t, &key));
    buf_done(&key);
    return found;
}

/* The fields that differ; either may be NULL. */
static void compare(const struct thing *was, const struct thing *now, struct ctl *ret)
{
    struct ctl *a = ctl_new(), *b = ctl_new();
    const char *name;
    struct buf value;
    void *it = NULL;
    buf_init(&value, LIST_MAX);
    if (was)
        was->fields(was, a);
    if (now)
        now->fields(now, b);
    ctl_array(ret, "fields");
    while (ctl_each(was ? a : b, &it, &name, &value)) {
        struct span x = ctl_get(a, name), y = ctl_get(b, name);
        if (span_eq(x, y) && ctl_get_num(a, name) == ctl_get_num(b, name))
            continue;
        struct ctl *f = ctl_add(ret, "fields");
        bool number = ctl_is_num(was ? a : b, name);
        ctl_set(f, "field", span_z(name));
        if (number) {
            ctl_set_num(f, "was", ctl_get_num(a, name));
            ctl_set_num(f, "now", ctl_get_num(b, name));
        } else {
            ctl_set(f, "was", x);
            ctl_set(f, "now", y);
        }
    }
    buf_done(&value);
    ctl_free(a);
    ctl_free(b);
}

static bool put_difference(const char *what, const struct thing *was, const struct thing *now,
                           struct ctl *ret)
{
    struct ctl *d = ctl_new();
    const struct thing *t = was ? was : now;
    ctl_set(d, "what", span_z(what));
    ctl_set(d, "kind", span_z(t->kind));
    ctl_set(d, "id", t->id);
    compare(was, now, d);
    bool differs = !was || !now || ctl_count(d, "fields") > 0;
    if (differs)
        ctl_add_copy(ret, "differences", d);
    ctl_free(d);
    return differs;
}

void config_diff(const struct config *was, const struct config *now, int64_t now_ms,
                 struct ctl *ret)
{
    struct things a, b;
    int64_t removed = 0, added = 0, changed = 0;
    list(was, now_ms, &a);
    list(now, now_ms, &b);
    ctl_array(ret, "differences");
    for (size_t i = 0; i < a.n; i++)
        if (!find(&b, &a.thing[i]))
            removed += put_difference("removed", &a.thing[i], NULL, ret);
    for (size_t i = 0; i < b.n; i++) {
        const struct thing *old = find(&a, &b.thing[i]);
        if (!old)
            added += put_difference("added", NULL, &b.thing[i], ret);
        else
            changed += put_difference("changed", old, &b.thing[i], ret);
    }
    ctl_set_num(ret, "added", added);
    ctl_set_num(ret, "removed", removed);
    ctl_set_num(ret, "changed", changed);
    list_done(&a);
    list_done(&b);
}

/* --- for people */

static void put_value(const struct ctl *f, const char *key, struct buf *out)
{
    struct span s = ctl_get(f, key);
    if (ctl_is_num(f, key))
        buf_putf(out, "%lld", (long long)ctl_get_num(f, key));
    else if (s.n == 0)
        buf_put(out, SPAN("-"));
    out_clean(span_head(s, s.n < VALUE_SHOWN_MAX ? s.n : VALUE_SHOWN_MAX), out);
    buf_put(out, s.n > VALUE_SHOWN_MAX ? SPAN("...") : SPAN_NONE);
}

static void put_block(const struct ctl *d, struct buf *out)
{
    struct span id = ctl_get(d, "id"), what = ctl_get(d, "what");
    bool changed = span_eq(what, SPAN("changed"));
    buf_putf(out, "%-8.*s ", SPAN_ARG(what));
    buf_put(out, ctl_get(d, "kind"));
    buf_put(out, id.n > 0 ? SPAN(" ") : SPAN_NONE);
    out_clean(span_head(id, id.n < VALUE_SHOWN_MAX ? id.n : VALUE_SHOWN_MAX), out);
    buf_put(out, SPAN("\n"));
    for (size_t i = 0; i < ctl_count(d, "fields") && !span_eq(what, SPAN("removed")); i++) {
        const struct ctl *f = ctl_at(d, "fields", i);
        buf_putf(out, "  %-*.*s ", COLUMN, SPAN_ARG(ctl_get(f, "field")));
        if (changed) {
            put_value(f, "was", out);
            buf_put(out, SPAN(" -> "));
        }
        put_value(f, "now", out);
        buf_put(out, SPAN("\n"));
    }
}

void config_diff_text(const struct ctl *diff, struct buf *out)
{
    size_t n = ctl_count(diff, "differences"), i = 0;
    for (; i < n && buf_room(out) > 4 * (size_t)BLOCK_MAX; i++)
        put_block(ctl_at(diff, "differences", i), out);
    if (i < n)
        buf_putf(out, "and %zu more\n", n - i);
    if (n == 0)
        buf_put(out, SPAN("no difference\n"));
    else
        buf_putf(out, "%lld added, %lld removed, %lld changed\n",
                 (long long)ctl_get_num(diff, "added"), (long long)ctl_get_num(diff, "removed"),
                 (long long)ctl_get_num(diff, "changed"));
}
