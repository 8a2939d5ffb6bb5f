#include "cli/import_postfix.h"

#include "mail/ip.h"

/* Who may send to Postfix, and what it calls its own. Start at postfix_inbound. */

enum { SHOWN_MAX = 100, KEY_HEX_BYTES = 64, SMTP_PORT = 25, LMTP_PORT = 24 };

static struct span seen(struct span s)
{
    return span_head(s, s.n < SHOWN_MAX ? s.n : SHOWN_MAX);
}

static struct span place_of(struct maincf *m, const char *name)
{
    const struct maincf_param *p = maincf_find(m, name);
    return p ? draft_text(m->d, "main.cf:%d", p->line) : SPAN("main.cf");
}

/* --- transports --- */

static bool port_of(struct span s, uint16_t by_default, uint16_t *ret)
{
    static const struct {
        const char *name;
        uint16_t port;
    } services[] = { { "smtp", 25 },
                     { "submission", 587 },
                     { "smtps", 465 },
                     { "submissions", 465 },
                     { "lmtp", 24 } };
    uint64_t n = by_default;
    for (size_t i = 0; i < COUNTOF(services); i++)
        if (span_eq_nocase(s, span_z(services[i].name)))
            n = services[i].port;
    if (s.n > 0 && s.p[0] >= '0' && s.p[0] <= '9' && span_u64(s, UINT16_MAX, &n) != ERR_OK)
        return false;
    bool known = s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9') || n != by_default ||
                 span_eq_nocase(s, by_default == LMTP_PORT ? SPAN("lmtp") : SPAN("smtp"));
    *ret = (uint16_t)n;
    return known && n > 0;
}

/* "[host]:port", "host:port": host and port; false: no such thing. */
static bool host_of(struct span s, uint16_t by_default, struct span *ret_host, uint16_t *ret_port)
{
    size_t close = span_find(s, ']');
    bool brackets = s.n > 0 && s.p[0] == '[';
    if (brackets && close == s.n)
        return false;
    struct span host = brackets ? span_of(s.p + 1, close - 1) : s, port = SPAN_NONE;
    size_t end = brackets ? close + 1 : span_find(s, ':');
    if (!brackets)
        host = span_head(s, end);
    if (end < s.n && s.p[end] != ':')
        return false;
    if (end < s.n)
        port = span_tail(s, end + 1);
    *ret_host = host;
    return port_of(port, by_default, ret_port) && (end == s.n || port.n > 0);
}

/* A path of a socket that our configuration takes: short, and without what would be escaped. */
static bool is_socket_path(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return s.n > 0 && s.n < UNIX_PATH_MAX_ && s.p[0] == '/';
}

/* Relative ones are meant from the queue's folder. */
static void unix_hop(struct maincf *m, struct span path, struct transport *t)
{
    struct span queue = SPAN_NONE;
    if (maincf_get(m, "queue_directory", "/var/spool/postfix", &queue) != ERR_OK)
        return;
    if (path.n == 0 || path.p[0] != '/')
        path = draft_text(m->d, "%.*s/%.*s", SPAN_ARG(queue), SPAN_ARG(path));
    if (!is_socket_path(path))
        return;
    t->kind = HOP_LMTP;
    (void)draft_list_add(m->d, &t->hosts, draft_text(m->d, "unix:%.*s", SPAN_ARG(path)));
}

/* lmtp: unix:/path, unix:private/x, inet:host:port, host:port */
static void lmtp_hop(struct maincf *m, struct span text, struct transport *t)
{
    struct span host, ours;
    uint16_t port;
    if (span_starts(text, SPAN("unix:"))) {
        unix_hop(m, span_tail(text, 5), t);
        return;
    }
    if (span_starts(text, SPAN("inet:")))
        text = span_tail(text, 5);
    if (!host_of(text, LMTP_PORT, &host, &port) ||
        draft_host(m->d, host, port, LMTP_PORT, &ours) != ERR_OK)
        return;
    t->kind = HOP_LMTP;
    (void)draft_list_add(m->d, &t->hosts, ours);
}

/* Several hosts in brackets, or one domain. */
static void smtp_hop(struct maincf *m, struct span text, struct span own, struct transport *t)
{
    struct span item, host, ours;
    uint16_t port;
    bool first = true;
    while (maincf_item(&text, &item)) {
        bool known = host_of(item, SMTP_PORT, &host, &port);
        bool brackets = item.p[0] == '[';
        if (first)
            t->host = known ? host : SPAN_NONE;
        if (known && first && !brackets && port == SMTP_PORT && span_eq_nocase(host, own)) {
            t->kind = HOP_MX;
            return;
        }
        first = false;
        if (!known || !brackets || draft_host(m->d, host, port, SMTP_PORT, &ours) != ERR_OK) {
            t->kind = HOP_OTHER;
            return;
        }
        t->kind = HOP_SMTP;
        (void)draft_list_add(m->d, &t->hosts, ours);
    }
}

void postfix_transport(struct maincf *m, struct span text, struct span own, struct transport *ret)
{
    struct transport t = { .kind = HOP_OTHER };
    text = span_trim(text);
    struct span rest = text, name = span_cut(&rest, ':');
    bool is_smtp = name.n == 0 || span_eq(name, SPAN("smtp")) || span_eq(name, SPAN("relay"));
    t.nexthop = maincf_lower(m, rest);
    if (is_smtp && rest.n == 0) {
        t.kind = HOP_MX;
        t.host = own;
    } else if (is_smtp) {
        smtp_hop(m, t.nexthop, own, &t);
    } else if (span_eq(name, SPAN("lmtp"))) {
        lmtp_hop(m, rest, &t);
    }
    *ret = t;
}

/* --- domains --- */

struct own_domains {
    struct maincf *m;
    struct table_text *transport;
    const char *param;
    struct span place;
    struct span
        delivered;   /* transport of those that no table names; empty: Postfix's own folders */
    bool with_below; /* "x" is "*.x" as well: parent_domain_matches_subdomains */
};

/* The entry of transport_maps for a domain: itself, then ".parent", then "*". */
static struct table_entry *transport_of(const struct table_text *t, struct span domain)
{
    struct table_entry *e = table_text_find(t, domain);
    for (size_t i = 0; i < domain.n && !e; i++)
        if (domain.p[i] == '.')
            e = table_text_find(t, span_tail(domain, i));
    return e ? e : table_text_find(t, SPAN("*"));
}

static void put_domain(const struct own_domains *o, struct span pattern, struct span bare)
{
    static const char *const kinds[] = {
        [HOP_MX] = "mx", [HOP_SMTP] = "smtp", [HOP_LMTP] = "lmtp"
    };
    struct draft *d = o->m->d;
    struct draft_domain *domain = draft_domain(d, pattern, o->place);
    const struct table_entry *e = transport_of(o->transport, bare);
    struct span text = e ? e->value : o->delivered;
    struct transport t = { .kind = HOP_OTHER };
    if (!domain)
        return;
    if (text.n > 0)
        postfix_transport(o->m, text, bare, &t);
    if (t.kind != HOP_OTHER) {
        domain->kind = kinds[t.kind];
        domain->hosts = t.hosts;
        return;
    }
    draft_note(d, NULL, NOTE_LOST,
               "%s: where mail of \"%.*s\" goes (%.*s) cannot be said; write its domain block",
               o->param, SPAN_ARG(seen(pattern)),
               SPAN_ARG(text.n > 0 ? seen(text) : SPAN("Postfix's own folders")));
}

static enum err take_domain(const struct own_domains *o, struct span item)
{
    struct draft *d = o->m->d;
    struct span name, below;
    TRY(draft_count(d, o->m->why));
    if (draft_pattern(d, item, &name) != ERR_OK || name.p[0] == '*') {
        draft_note(d, NULL, NOTE_LOST, "%s: `%.*s` is no domain that could be accepted", o->param,
                   SPAN_ARG(seen(item)));
        return ERR_OK;
    }
    if (span_eq(name, SPAN("localhost")))
        return ERR_OK; /* nobody outside means us by that */
    put_domain(o, name, name);
    if (!o->with_below)
        return ERR_OK;
    below = draft_text(d, "*.%.*s", SPAN_ARG(name));
    put_domain(o, below, name);
    return ERR_OK;
}

/* "hash:...": a word, and one colon behind it. */
static bool is_table(struct span item)
{
    size_t n = 0;
    while (n < item.n && item.p[n] >= 'a' && item.p[n] <= 'z')
        n++;
    return n > 0 && n + 1 < item.n && item.p[n] == ':' && item.p[n + 1] != ':';
}

/* Names, files of names, and tables whose keys are names. */
static enum err expand_list(struct maincf *m, const char *param, struct span list,
                            struct table_text *ret)
{
    struct span item;
    struct draft_list other = { .n = 0 };
    while (maincf_item(&list, &item)) {
        if (item.p[0] == '/')
            TRY(maincf_lines(m, item, ret));
        else if (is_table(item))
            TRY(table_text_add(m, item, ret, &other));
        else
            TRY(table_text_put(m, ret, item));
    }
    for (unsigned i = 0; i < other.n; i++)
        draft_note(m->d, NULL, NOTE_LOST, "%s: what %.*s holds is not known here", param,
                   SPAN_ARG(seen(other.item[i])));
    return ERR_OK;
}

static enum err read_domains(struct own_domains *o)
{
    struct table_text names;
    struct span list;
    enum err e = maincf_get(o->m, o->param, "", &list);
    if (e != ERR_OK || list.n == 0)
        return e;
    o->place = place_of(o->m, o->param);
    table_text_init(&names, o->m->d);
    e = expand_list(o->m, o->param, list, &names);
    for (const struct table_entry *n = names.first; n && e == ERR_OK; n = n->next)
        e = take_domain(o, n->key);
    table_text_done(&names);
    return e;
}

static enum err put_domains(struct maincf *m, struct table_text *transport)
{
    struct span mailbox, virtual, parents, relayhost;
    TRY(maincf_get(m, "mailbox_transport", "", &mailbox));
    TRY(maincf_get(m, "virtual_transport", "", &virtual));
    TRY(maincf_get(m, "parent_domain_matches_subdomains", "relay_domains", &parents));
    TRY(maincf_get(m, "relayhost", "", &relayhost));
    struct span item, left = parents, relay = draft_text(m->d, "relay:%.*s", SPAN_ARG(relayhost));
    bool below = false;
    while (maincf_item(&left, &item))
        below |= span_eq(item, SPAN("relay_domains"));
    struct own_domains kinds[] = {
        { m, transport, "mydestination", SPAN_NONE, mailbox, false },
        { m, transport, "virtual_mailbox_domains", SPAN_NONE, virtual, false },
        { m, transport, "relay_domains", SPAN_NONE, relay, below },
    };
    for (size_t i = 0; i < COUNTOF(kinds); i++)
        TRY(read_domains(&kinds[i]));
    if (!maincf_find(m, "mydestination"))
        draft_note(m->d, NULL, NOTE_LOST,
                   "mydestination is not set: Postfix takes mail for its own host name; write a "
                   "domain block for what you want");
    return ERR_OK;
}

/* What smtpd demands of every client. */
struct demands {
    bool encrypt;
    int floor; /* 13, or 0 */
};

/* --- mynetworks --- */

/* "[2001:db8::]/32", "192.0.2.0/24", "!192.0.2.1" */
static void put_network(struct draft *d, struct draft_connector *c, struct span item)
{
    size_t close = span_find(item, ']');
    if (item.p[0] == '!')
        draft_note(d, c, NOTE_OFF,
                   "mynetworks: nothing is excluded here (%.*s); list in addresses what remains",
                   SPAN_ARG(seen(item)));
    else if (item.p[0] == '[' && close < item.n)
        draft_network(d, c, "mynetworks",
                      draft_text(d, "%.*s%.*s", SPAN_ARG(span_of(item.p + 1, close - 1)),
                                 SPAN_ARG(seen(span_tail(item, close + 1)))));
    else
        draft_network(d, c, "mynetworks", item);
}

static enum err put_networks(struct maincf *m, struct draft_connector *c, struct span list)
{
    struct table_text nets;
    table_text_init(&nets, m->d);
    enum err e = expand_list(m, "mynetworks", list, &nets);
    for (const struct table_entry *n = nets.first; n && e == ERR_OK; n = n->next)
        put_network(m->d, c, n->key);
    table_text_done(&nets);
    return e;
}

static enum err put_mynetworks(struct maincf *m, const struct demands *all)
{
    struct span list;
    struct draft *d = m->d;
    TRY(maincf_get(m, "mynetworks", "", &list));
    if (list.n == 0) {
        draft_note(d, NULL, NOTE_LOST,
                   "mynetworks is not set: Postfix takes the networks of its interfaces; write an "
                   "on-premises connector with their addresses");
        return ERR_OK;
    }
    struct draft_connector *c =
        draft_connector(d, false, SPAN("mynetworks"), place_of(m, "mynetworks"));
    c->on_premises = true;
    c->require_tls = all->encrypt;
    c->floor = all->floor;
    (void)draft_list_add(d, &c->domain, SPAN("*"));
    draft_note(d, c, NOTE_LOST,
               "mynetworks may send as anybody in Postfix; here MAIL FROM has to be of an accepted "
               "domain, and bounces need a certificate. The setting `networks` at the top asks "
               "neither, and outbound connectors do not bind who sends by it alone");
    return put_networks(m, c, list);
}

/* --- smtpd and TLS --- */

static struct draft_connector *everybody(struct maincf *m, const char *param)
{
    struct draft_connector *c = draft_connector(m->d, false, span_z(param), place_of(m, param));
    (void)draft_list_add(m->d, &c->domain, SPAN("*"));
    c->require_tls = true;
    return c;
}

static enum err put_smtpd_tls(struct maincf *m, struct demands *ret)
{
    struct span level, old, protocols, ask;
    bool upper;
    TRY(maincf_get(m, "smtpd_tls_security_level", "", &level));
    TRY(maincf_get(m, "smtpd_enforce_tls", "no", &old));
    TRY(maincf_get(m, "smtpd_tls_mandatory_protocols", "", &protocols));
    TRY(maincf_get(m, "smtpd_tls_req_ccert", "no", &ask));
    (void)maincf_find(m, "smtpd_use_tls");
    bool by_old = level.n == 0 && span_eq_nocase(old, SPAN("yes"));
    bool encrypt = by_old || span_eq_nocase(level, SPAN("encrypt"));
    if (span_eq_nocase(level, SPAN("none")))
        draft_note(m->d, NULL, NOTE_LOST,
                   "smtpd_tls_security_level = none: STARTTLS is offered as soon as there is a "
                   "certificate (listen { tls = off })");
    else if (!encrypt && level.n > 0 && !span_eq_nocase(level, SPAN("may")))
        return maincf_error(m, maincf_find(m, "smtpd_tls_security_level"),
                            "smtpd_tls_security_level: `%.*s` is no level; write none, may or "
                            "encrypt",
                            SPAN_ARG(seen(level)));
    ret->encrypt = encrypt;
    if (!encrypt)
        return ERR_OK;
    ret->floor = postfix_floor(protocols, &upper) == FLOOR_13 ? 13 : 0;
    struct draft_connector *c =
        everybody(m, by_old ? "smtpd_enforce_tls" : "smtpd_tls_security_level");
    c->floor = ret->floor;
    if (upper)
        draft_note(m->d, c, NOTE_LOST,
                   "smtpd_tls_mandatory_protocols excludes newer versions of TLS; they are taken");
    if (span_eq_nocase(ask, SPAN("yes")))
        draft_note(m->d, everybody(m, "smtpd_tls_req_ccert"), NOTE_OFF,
                   "every client must show a certificate of the CAs in smtpd_tls_CAfile: give that "
                   "file as `ca` and say restrict_to_certificate = yes");
    return ERR_OK;
}

/* --- relay_clientcerts --- */

/* "d7:04:..:ce" -> its hex; false: other bytes in it. */
static bool hex_of(struct maincf *m, struct span key, struct span *ret)
{
    char *to = arena_alloc(&m->d->arena, key.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if (c == ':')
            continue;
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
        to[n++] = c;
    }
    *ret = span_of(to, n);
    return n > 0;
}

static void put_fingerprints(struct maincf *m, struct draft_connector *c,
                             const struct table_text *t)
{
    struct span hex;
    for (const struct table_entry *e = t->first; e; e = e->next) {
        if (hex_of(m, e->key, &hex) && hex.n == KEY_HEX_BYTES)
            draft_expect(m->d, c, &c->keys, hex);
        else
            draft_note(m->d, c, NOTE_OFF, "%.*s: `%.*s` (%.*s) is no SHA-256; it is left out",
                       SPAN_ARG(e->place), SPAN_ARG(seen(e->key)), SPAN_ARG(seen(e->value)));
    }
    draft_note(m->d, c, NOTE_OFF,
               "fingerprints may be of certificates, and public_keys are of keys: for each client "
               "take `openssl x509 -in CERT -noout -pubkey | openssl pkey -pubin -outform DER | "
               "openssl dgst -sha256`, or its name as certificate_names, and set the mode");
}

static enum err put_clientcerts(struct maincf *m, const struct demands *all)
{
    struct span tables;
    struct draft_list other = { .n = 0 };
    struct table_text t;
    TRY(maincf_get(m, "relay_clientcerts", "", &tables));
    if (tables.n == 0)
        return ERR_OK;
    table_text_init(&t, m->d);
    enum err e = table_text_add(m, tables, &t, &other);
    if (e == ERR_OK) {
        struct draft_connector *c = draft_connector(m->d, false, SPAN("relay_clientcerts"),
                                                    place_of(m, "relay_clientcerts"));
        c->on_premises = true;
        c->require_tls = all->encrypt;
        c->floor = all->floor;
        (void)draft_list_add(m->d, &c->domain, SPAN("*"));
        put_fingerprints(m, c, &t);
        for (unsigned i = 0; i < other.n; i++)
            draft_note(m->d, c, NOTE_OFF, "what %.*s holds is not known here",
                       SPAN_ARG(seen(other.item[i])));
    }
    table_text_done(&t);
    return e;
}

enum err postfix_inbound(struct maincf *m, struct table_text *transport)
{
    struct demands all = { 0 };
    TRY(put_domains(m, transport));
    TRY(put_smtpd_tls(m, &all));
    TRY(put_mynetworks(m, &all));
    return put_clientcerts(m, &all);
}
