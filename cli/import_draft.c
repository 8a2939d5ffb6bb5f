#include "cli/import_draft.h"

#include "gate/config_read.h"
#include "mail/addr.h"
#include "mail/names.h"
#include "policy/relay.h"

#include <stdarg.h>
#include <stdio.h>

/* Taking in: lists, notes, texts. What becomes of it all is import_settle.c's, how it is printed
 * import_print.c's. */

enum { LIST_FIRST = 8, TEXT_BYTES_MAX = 2048 };

void draft_init(struct draft *d, const char *source, struct span org)
{
    *d = (struct draft){ .source = source, .org = org, .key = { { 1, 2 } } };
    arena_init(&d->arena, DRAFT_ARENA_MAX);
    map_init(&d->domain_of, &d->key);
    d->connector_tail = &d->connector;
    d->domain_tail = &d->domain;
    d->note_tail = &d->note;
}

void draft_done(struct draft *d)
{
    if (!d)
        return;
    map_done(&d->domain_of);
    arena_done(&d->arena);
}

enum err draft_count(struct draft *d, struct why *why)
{
    if (d->n_item++ < DRAFT_ITEMS_MAX)
        return ERR_OK;
    why_set(why, "there is too much in these files: %d values at most; import them in parts",
            DRAFT_ITEMS_MAX);
    return ERR_TOO_BIG;
}

struct draft_connector *draft_connector(struct draft *d, bool outbound, struct span title,
                                        struct span place)
{
    struct draft_connector *c = ARENA_NEW(&d->arena, struct draft_connector);
    c->outbound = outbound;
    c->title = title;
    c->place = place;
    c->note_tail = &c->note;
    *d->connector_tail = c;
    d->connector_tail = &c->next;
    return c;
}

struct draft_domain *draft_domain(struct draft *d, struct span name, struct span place)
{
    if (draft_accepts(d, name))
        return NULL;
    struct draft_domain *domain = ARENA_NEW(&d->arena, struct draft_domain);
    domain->name = name;
    domain->place = place;
    *d->domain_tail = domain;
    d->domain_tail = &domain->next;
    (void)map_put(&d->domain_of, name, domain);
    return domain;
}

bool draft_accepts(const struct draft *d, struct span pattern)
{
    return map_get(&d->domain_of, pattern) != NULL;
}

/* --- texts --- */

static struct span PRINTF_LIKE(2, 0) text_of(struct draft *d, const char *fmt, va_list ap)
{
    char text[TEXT_BYTES_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    ASSERT(n >= 0);
    size_t kept = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return arena_span(&d->arena, span_of(text, kept));
}

struct span draft_text(struct draft *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct span text = text_of(d, fmt, ap);
    va_end(ap);
    return text;
}

static bool is_noted(const struct draft_connector *on, struct span text)
{
    for (const struct draft_note *n = on->note; n; n = n->next_on)
        if (span_eq(n->text, text))
            return true;
    return false;
}

void draft_note(struct draft *d, struct draft_connector *on, enum note_weight weight,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct span text = text_of(d, fmt, ap);
    va_end(ap);
    ASSERT(on || weight != NOTE_OFF);
    if (on && weight == NOTE_OFF)
        on->off = true;
    if (on && is_noted(on, text))
        return;
    struct draft_note *n = ARENA_NEW(&d->arena, struct draft_note);
    *n = (struct draft_note){ .weight = weight, .on = on, .text = text };
    *d->note_tail = n;
    d->note_tail = &n->next;
    if (!on)
        return;
    *on->note_tail = n;
    on->note_tail = &n->next_on;
}

unsigned draft_losses(const struct draft *d)
{
    unsigned n = 0;
    for (const struct draft_note *note = d->note; note; note = note->next)
        n += note->weight != NOTE_REMARK;
    return n;
}

/* --- lists --- */

bool draft_list_has(const struct draft_list *l, struct span s)
{
    for (unsigned i = 0; i < l->n; i++)
        if (span_eq(l->item[i], s))
            return true;
    return false;
}

void draft_list_drop(struct draft_list *l, struct span s)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < l->n; i++)
        if (!span_eq(l->item[i], s))
            l->item[kept++] = l->item[i];
    l->n = kept;
}

bool draft_list_add(struct draft *d, struct draft_list *l, struct span s)
{
    if (draft_list_has(l, s))
        return true;
    if (l->n == DRAFT_LIST_MAX)
        return false;
    if (l->n == l->cap) {
        unsigned cap = l->cap > 0 ? l->cap * 2 : LIST_FIRST;
        struct span *item = ARENA_ARRAY(&d->arena, struct span, cap);
        if (l->n > 0)
            memcpy(item, l->item, l->n * sizeof *item);
        l->item = item;
        l->cap = cap;
    }
    l->item[l->n++] = arena_span(&d->arena, s);
    return true;
}

void draft_expect(struct draft *d, struct draft_connector *c, struct draft_list *l, struct span s)
{
    if (l->n < DRAFT_NAMES_MAX || draft_list_has(l, s))
        (void)draft_list_add(d, l, s);
    else
        draft_note(d, c, NOTE_OFF, "more than %d names or keys: the others are left out",
                   DRAFT_NAMES_MAX);
}

/* --- domains, networks and hosts --- */

enum { DOMAIN_SHOWN_MAX = 255, NETWORK_SHOWN_MAX = 80 };

static const char *network_fault(const struct draft_connector *c, struct span s, struct ip_net *ret)
{
    if (ip_net_parse(s, ret) != ERR_OK)
        return "no address, and no network without host bits";
    if (ret->bits == 0)
        return "everybody";
    return c->on_premises && relay_network_too_wide(ret) ? "so wide that it opens the relay" : NULL;
}

void draft_network(struct draft *d, struct draft_connector *c, const char *param, struct span s)
{
    char text[IP_TEXT_MAX];
    struct ip_net net;
    const char *fault = network_fault(c, s, &net);
    if (!fault) {
        bool one = net.bits == (net.ip.family == IP_V4 ? 32u : 128u);
        (void)ip_text(&net.ip, text);
        struct span whole = one ? span_z(text) : draft_text(d, "%s/%u", text, net.bits);
        if (draft_list_add(d, &c->addresses, whole))
            return;
        fault = "one too many";
    }
    draft_note(d, c, NOTE_OFF, "%s: `%.*s` is %s; it is left out", param,
               SPAN_ARG(span_head(s, s.n < NETWORK_SHOWN_MAX ? s.n : NETWORK_SHOWN_MAX)), fault);
}

/* name_parse says what a configuration may say; it wants no more than a domain can have. */
enum err draft_pattern(struct draft *d, struct span s, struct span *ret)
{
    s = span_trim(s);
    if (span_eq(s, SPAN("*"))) {
        *ret = SPAN("*");
        return ERR_OK;
    }
    struct span plain = span_starts(s, SPAN("*.")) ? span_tail(s, 2) : s;
    if (plain.n == 0 || plain.n > DOMAIN_SHOWN_MAX || span_find(plain, '*') < plain.n ||
        domain_is_literal(s))
        return ERR_SYNTAX;
    return name_parse(s, &d->arena, ret);
}

enum err draft_name(struct draft *d, struct span s, struct span *ret)
{
    struct span name;
    TRY(draft_pattern(d, s, &name));
    if (span_eq(name, SPAN("*")) || !name_expected_valid(name))
        return ERR_SYNTAX;
    *ret = name;
    return ERR_OK;
}

enum err draft_host(struct draft *d, struct span s, uint16_t port, uint16_t default_port,
                    struct span *ret)
{
    char text[IP_TEXT_MAX];
    struct ip ip;
    s = span_trim(s);
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        s = span_of(s.p + 1, s.n - 2);
    if (span_starts_nocase(s, SPAN("ipv6:")))
        s = span_tail(s, 5);
    if (ip_parse(s, &ip) == ERR_OK) {
        ip.port = port;
        (void)ip_port_text(&ip, text);
        struct span whole = span_z(text);
        bool bare = port == default_port && ip.family == IP_V4;
        *ret = arena_span(&d->arena, bare ? span_head(whole, span_rfind(whole, ':')) : whole);
        return ERR_OK;
    }
    struct span name;
    TRY(draft_pattern(d, s, &name));
    if (name.p[0] == '*')
        return ERR_SYNTAX;
    *ret = port == default_port ? name : draft_text(d, "%.*s:%u", SPAN_ARG(name), port);
    return ERR_OK;
}
