#include "cli/import_postfix.h"

/* What Postfix sends, and how. For each recipient domain Postfix finds a nexthop (transport_maps,
 * relayhost, else the domain itself) and asks smtp_tls_policy_maps for that nexthop; a connector
 * here is both in one. Start at import_postfix. */

enum { SHOWN_MAX = 100, LISTED_BYTES_MAX = 1500 };

struct sending {
    struct maincf *m;
    struct postfix_tls tls;
    struct table_text policy, transport;
    struct span relayhost;
};

static struct span seen(struct span s)
{
    return span_head(s, s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
}

/* The policy of a nexthop: as it is written; of a bare domain also that of ".parent". */
static struct table_entry *policy_of(struct sending *s, struct span nexthop)
{
    struct table_entry *e = table_text_find(&s->policy, nexthop);
    bool bare = span_find(nexthop, '[') == nexthop.n && span_find(nexthop, ':') == nexthop.n;
    for (size_t i = 1; i < nexthop.n && !e && bare; i++)
        if (nexthop.p[i] == '.')
            e = table_text_find(&s->policy, span_tail(nexthop, i));
    if (e)
        e->used = true;
    return e;
}

/* ".x" -> "*.x"; false: it is about one address, or no domain. */
static bool pattern_of(struct draft *d, struct span key, struct span *ret)
{
    struct span text =
        key.n > 0 && key.p[0] == '.' ? draft_text(d, "*%.*s", SPAN_ARG(seen(key))) : key;
    return draft_pattern(d, text, ret) == ERR_OK;
}

static struct draft_connector *connector_for(struct sending *s, struct span title,
                                             struct span pattern, struct span place)
{
    struct draft *d = s->m->d;
    struct draft_connector *c = draft_connector(d, true, title, place);
    c->on_premises = draft_accepts(d, pattern);
    (void)draft_list_add(d, &c->domain, pattern);
    return c;
}

/* --- where it goes --- */

static void put_hop(struct sending *s, const struct transport *t, struct span text,
                    struct draft_connector *c)
{
    c->mx = t->kind == HOP_MX;
    if (t->kind == HOP_SMTP)
        c->hosts = t->hosts;
    if (t->kind == HOP_OTHER || t->kind == HOP_LMTP)
        draft_note(s->m->d, c, NOTE_OFF,
                   "where it goes (%.*s) cannot be said by a connector: its hosts belong into smtp "
                   "= [...], and options of master.cf are not looked at",
                   SPAN_ARG(seen(text)));
}

/* Of several nexthops each has its policy: one connector has one. */
static struct table_entry *policy_of_all(struct sending *s, struct span nexthops,
                                         struct draft_connector *c)
{
    struct table_entry *first = NULL;
    struct span item;
    for (unsigned i = 0; maincf_item(&nexthops, &item); i++) {
        struct table_entry *e = policy_of(s, item);
        if (i == 0)
            first = e;
        else if (e != first)
            draft_note(s->m->d, c, NOTE_OFF,
                       "its hosts have different policies: write a connector for each");
    }
    return first;
}

static struct span below_of(struct span pattern)
{
    return span_starts(pattern, SPAN("*.")) ? span_tail(pattern, 2) : SPAN_NONE;
}

/* Does the level demand anything? Without, the domain block says it all. */
static bool is_idle(const struct draft_connector *c)
{
    return c->tls == TLS_NEED_TRY && !c->off && !c->note;
}

static void forget_last(struct draft *d, struct draft_connector *c, struct draft_connector **at)
{
    ASSERT(*at == c && !c->next);
    *at = NULL;
    d->connector_tail = at;
}

/* For all mail: a route of the installation, which binds every sender and leaves our own domains
 * alone. What a route cannot say stays a connector, and that takes their mail as well. */
static void settle_rest(struct draft *d, struct draft_connector *c)
{
    c->as_route = !c->off && c->names.n == 0 && c->floor == 0;
    if (!c->as_route && d->domain)
        draft_note(
            d, c, NOTE_OFF,
            "a connector for \"*\" also takes mail for our own domains: write one for each of "
            "them, and set the mode");
}

/* Mail for `pattern` goes by `text`, a value of transport_maps. */
static enum err put_transport(struct sending *s, struct span pattern, struct span text,
                              struct span title, struct span place)
{
    struct draft *d = s->m->d;
    struct transport t;
    struct draft_connector **at = d->connector_tail;
    bool one = pattern.p[0] != '*';
    postfix_transport(s->m, text, one ? pattern : SPAN_NONE, &t);
    struct draft_connector *c = connector_for(s, title, pattern, place);
    struct table_entry *e =
        t.kind == HOP_MX ? (one ? policy_of(s, pattern) : NULL) : policy_of_all(s, t.nexthop, c);
    const struct postfix_hop hop = { t.kind == HOP_MX && one ? pattern : t.host,
                                     t.kind == HOP_MX ? below_of(pattern) : SPAN_NONE };
    bool to_us = c->on_premises && (t.kind == HOP_LMTP || t.kind == HOP_SMTP);
    if (to_us && t.kind == HOP_LMTP) {
        forget_last(d, c, at);
        return ERR_OK;
    }
    put_hop(s, &t, text, c);
    TRY(postfix_tls(&s->tls, e, &hop, c));
    if (to_us && is_idle(c))
        forget_last(d, c, at);
    else if (span_eq(pattern, SPAN("*")))
        settle_rest(d, c);
    return ERR_OK;
}

static enum err put_transports(struct sending *s)
{
    for (const struct table_entry *e = s->transport.first; e; e = e->next) {
        struct span pattern;
        if (!pattern_of(s->m->d, e->key, &pattern)) {
            draft_note(s->m->d, NULL, NOTE_LOST,
                       "%.*s: a transport for `%.*s`: connectors are for domains only",
                       SPAN_ARG(e->place), SPAN_ARG(seen(e->key)));
            continue;
        }
        TRY(put_transport(s, pattern, e->value, e->key, e->place));
    }
    return ERR_OK;
}

/* --- policies that no transport asked for --- */

static bool is_bare(struct span key)
{
    return span_find(key, '[') == key.n && span_find(key, ':') == key.n &&
           span_find(key, '@') == key.n;
}

/* Some transport takes the mail of that domain elsewhere. */
static const struct table_entry *transport_over(const struct sending *s, struct span key)
{
    const struct table_entry *e = table_text_find(&s->transport, key);
    for (size_t i = 0; i < key.n && !e; i++)
        if (key.p[i] == '.' && i > 0)
            e = table_text_find(&s->transport, span_tail(key, i));
    return e ? e : table_text_find(&s->transport, SPAN("*"));
}

/* By MX the domain stays the nexthop. */
static bool leads_away(struct sending *s, const struct table_entry *over, struct span key)
{
    struct transport t;
    if (!over)
        return s->relayhost.n > 0;
    postfix_transport(s->m, over->value, key, &t);
    return t.kind != HOP_MX;
}

static enum err put_policy(struct sending *s, struct table_entry *e)
{
    struct draft *d = s->m->d;
    struct span pattern;
    if (!is_bare(e->key) || !pattern_of(d, e->key, &pattern)) {
        if (!e->used)
            draft_note(d, NULL, NOTE_LOST,
                       "%.*s: a policy for `%.*s`, and no transport and no relayhost leads there",
                       SPAN_ARG(e->place), SPAN_ARG(seen(e->key)));
        return ERR_OK;
    }
    const struct table_entry *over = transport_over(s, e->key);
    if (over && e->used && span_eq(over->key, e->key))
        return ERR_OK; /* stands in the connector of that transport */
    struct draft_connector *c = connector_for(s, e->key, pattern, e->place);
    const struct postfix_hop hop = { pattern.p[0] == '*' ? SPAN_NONE : pattern, below_of(pattern) };
    c->mx = true;
    if (leads_away(s, over, e->key))
        draft_note(d, c, NOTE_OFF,
                   "Postfix does not ask this policy: %.*s takes the mail elsewhere",
                   SPAN_ARG(over ? over->place : SPAN("relayhost")));
    return postfix_tls(&s->tls, e, &hop, c);
}

static enum err put_policies(struct sending *s)
{
    for (struct table_entry *e = s->policy.first; e; e = e->next)
        TRY(put_policy(s, e));
    return ERR_OK;
}

/* --- all other mail --- */

static enum err put_rest(struct sending *s)
{
    struct draft *d = s->m->d;
    struct draft_connector **at = d->connector_tail;
    if (table_text_find(&s->transport, SPAN("*")))
        return ERR_OK;
    if (s->relayhost.n > 0) {
        const struct maincf_param *p = maincf_find(s->m, "relayhost");
        struct span text = draft_text(d, "smtp:%.*s", SPAN_ARG(seen(s->relayhost)));
        return put_transport(s, SPAN("*"), text, SPAN("relayhost"),
                             draft_text(d, "main.cf:%d", p ? p->line : 1));
    }
    struct draft_connector *c =
        connector_for(s, SPAN("smtp_tls_security_level"), SPAN("*"), s->tls.place);
    const struct postfix_hop hop = { SPAN_NONE, SPAN_NONE };
    c->mx = true;
    TRY(postfix_tls(&s->tls, NULL, &hop, c));
    if (is_idle(c))
        forget_last(d, c, at);
    else
        settle_rest(d, c);
    return ERR_OK;
}

/* --- what is not looked at --- */

/* Where a word like these stands, it may be about channels or about who may send. */
static bool matters(struct span name)
{
    static const char *const words[] = { "tls",  "restrictions", "transport", "relay", "_maps",
                                         "sasl", "filter",       "milter",    "checks" };
    static const char *const harmless[] = { "smtp_tls_loglevel",
                                            "smtpd_tls_loglevel",
                                            "smtp_tls_note_starttls_offer",
                                            "smtp_tls_session_cache_database",
                                            "smtpd_tls_received_header",
                                            "smtpd_tls_session_cache_database",
                                            "tls_random_source",
                                            "alias_maps" };
    for (size_t i = 0; i < COUNTOF(harmless); i++)
        if (span_eq(name, span_z(harmless[i])))
            return false;
    for (size_t i = 0; i < COUNTOF(words); i++)
        for (struct span s = name; s.n > 0; s = span_tail(s, 1))
            if (span_starts(s, span_z(words[i])))
                return true;
    return false;
}

static void note_unused(struct maincf *m)
{
    struct buf list;
    buf_init(&list, LISTED_BYTES_MAX + SHOWN_MAX + 2);
    for (const struct maincf_param *p = m->first; p; p = p->next) {
        if (p->used)
            continue;
        if (matters(p->name)) {
            draft_note(m->d, NULL, NOTE_LOST, "main.cf:%d: %.*s is not looked at", p->line,
                       SPAN_ARG(seen(p->name)));
            continue;
        }
        if (list.n < LISTED_BYTES_MAX)
            buf_putf(&list, "%s%.*s", list.n > 0 ? ", " : "", SPAN_ARG(seen(p->name)));
    }
    if (list.n > 0)
        draft_note(m->d, NULL, NOTE_REMARK, "also not looked at: %.*s%s", SPAN_ARG(buf_span(&list)),
                   list.n >= LISTED_BYTES_MAX ? ", ..." : "");
    buf_done(&list);
}

/* "-o smtp_tls_security_level=encrypt" and the like of single services. */
static void note_options(struct maincf *m, struct span line, int number)
{
    struct span item;
    bool option = false;
    while (maincf_item(&line, &item)) {
        struct span name = span_head(item, span_find(item, '='));
        if (option && matters(name))
            draft_note(m->d, NULL, NOTE_LOST, "master.cf:%d: -o %.*s is not looked at", number,
                       SPAN_ARG(seen(item)));
        option = span_eq(item, SPAN("-o"));
    }
}

/* A folder without it is fine. */
static void note_master(struct maincf *m)
{
    struct buf text;
    struct span here, line;
    int number;
    buf_init(&text, CONFIG_FILE_MAX);
    if (maincf_file(m, SPAN("master.cf"), &text, &here) == ERR_OK) {
        struct logical l = { .left = buf_span(&text) };
        while (logical_next(&l, &m->d->arena, &line, &number))
            note_options(m, line, number);
    }
    buf_done(&text);
}

/* --- the whole --- */

static enum err read_tables(struct sending *s, const char *param, struct table_text *t)
{
    struct span list;
    struct draft_list other = { .n = 0 };
    TRY(maincf_get(s->m, param, "", &list));
    TRY(table_text_add(s->m, list, t, &other));
    for (unsigned i = 0; i < other.n; i++)
        draft_note(s->m->d, NULL, NOTE_LOST,
                   "%s: what %.*s holds is not known here, and whatever it restricts is missing",
                   param, SPAN_ARG(seen(other.item[i])));
    return ERR_OK;
}

static enum err read_all(struct sending *s)
{
    TRY(postfix_tls_read(s->m, &s->tls));
    TRY(read_tables(s, "smtp_tls_policy_maps", &s->policy));
    TRY(read_tables(s, "transport_maps", &s->transport));
    TRY(maincf_get(s->m, "relayhost", "", &s->relayhost));
    s->relayhost = maincf_lower(s->m, s->relayhost);
    (void)maincf_find(s->m, "myhostname");
    (void)maincf_find(s->m, "mydomain");
    TRY(postfix_inbound(s->m, &s->transport));
    TRY(put_transports(s));
    TRY(put_rest(s));
    TRY(put_policies(s));
    note_unused(s->m);
    note_master(s->m);
    return ERR_OK;
}

enum err import_postfix(struct draft *d, struct span dir, const struct config_source *source,
                        struct why *why)
{
    struct maincf m;
    TRY(maincf_read(&m, d, dir, source, why));
    struct sending s = { .m = &m };
    table_text_init(&s.policy, d);
    table_text_init(&s.transport, d);
    enum err e = read_all(&s);
    table_text_done(&s.policy);
    table_text_done(&s.transport);
    return e;
}
