/* Addresses: the gateway 10.0.0.1; clients of ours 10.1.0.x; hosts 10.2.domain.host; traps
 * 10.3.domain.host. */
#include "sim/town.h"

#include "mail/ip.h"
#include "sim/net.h"
#include "sim/swarm.h"
#include "sim/world.h"
#include "sim/zone.h"
#include <inttypes.h>
#include <stdio.h>

struct town town;

static const char *const kind_names[] = {
    [DOMAIN_HOME] = "home",         [DOMAIN_MX] = "mx",
    [DOMAIN_ROUTE] = "route",       [DOMAIN_LMTP] = "lmtp",
    [DOMAIN_MAILDIR] = "maildir",   [DOMAIN_IMPLICIT] = "implicit-mx",
    [DOMAIN_NXDOMAIN] = "nxdomain", [DOMAIN_NULL_MX] = "null-mx",
    [DOMAIN_BOGUS] = "bogus-mx",    [DOMAIN_BOGUS_HOST] = "bogus-host",
    [DOMAIN_MX_FAILS] = "mx-fails", [DOMAIN_NO_ADDRESS] = "no-address",
    [DOMAIN_LOOP] = "loop",
};
static const char *const need_names[] = { "opportunistic", "encrypt", "certificate", "domain" };
static const char *const identity_names[] = {
    [ID_GOOD] = "good",       [ID_TLS12] = "tls1.2",    [ID_SELF_SIGNED] = "self",
    [ID_EXPIRED] = "expired", [ID_WRONG_NAME] = "name", [ID_OLD_VERSION] = "old",
    [ID_ALERT] = "alert",     [ID_STALL] = "stall",     [ID_GARBAGE] = "garbage",
};

const char *domain_kind_name(enum domain_kind k)
{
    return kind_names[k];
}

const char *town_identity_name(enum town_identity id)
{
    return identity_names[id];
}

bool domain_is_reachable(const struct town_domain *d)
{
    return d->kind < DOMAIN_NXDOMAIN;
}

struct town_domain *town_domain_named(struct span name)
{
    for (unsigned i = 0; i < town.n_domain; i++)
        if (span_eq_nocase(span_z(town.domain[i].name), name))
            return &town.domain[i];
    return NULL;
}

const struct town_host *town_host_at(const struct ip *ip)
{
    for (unsigned i = 0; i < town.n_domain; i++)
        for (unsigned k = 0; k < town.domain[i].n_host; k++)
            if (ip_eq(&town.domain[i].host[k].ip, ip))
                return &town.domain[i].host[k];
    return NULL;
}

/* --- building */

static struct ip town_ip(unsigned a, unsigned b, unsigned c, uint16_t port)
{
    return (struct ip){ IP_V4, port, { 10, (uint8_t)a, (uint8_t)b, (uint8_t)c } };
}

static struct tls_server *host_tls(const struct town_host *h, enum town_identity id)
{
    struct tls_server *ret;
    struct why why;
    struct buf text, binding;
    buf_init(&text, 600);
    buf_init(&binding, 200);
    /* farther than any jump of the calendar */
    int64_t expires =
        world_wall_ms() + (id == ID_EXPIRED ? -10 : 10) * (int64_t)365 * 24 * 3600 * 1000;
    static const char *const does[] = {
        [ID_ALERT] = "alert", [ID_STALL] = "stall", [ID_GARBAGE] = "garbage"
    };
    buf_putf(&text, "names=%s ca=%s expires=%" PRId64 " version=%d does=%s",
             id == ID_WRONG_NAME ? "other.example" : h->name,
             id == ID_SELF_SIGNED ? "none" : "good", expires,
             id == ID_OLD_VERSION ? 11
             : id == ID_TLS12     ? 12
                                  : 13,
             id >= ID_ALERT ? does[id] : "normal");
    buf_putf(&binding, "%s/%s", h->name, identity_names[id]);
    struct tls_identity identity = { .chain_pem = buf_span(&text) };
    struct tls_site site = { .identity = &identity, .n_identity = 1 };
    struct tls_server_config config = {
        .site = &site, .n_site = 1, .ticket_secret = { { 1 } }, .binding = buf_span(&binding)
    };
    enum err e = tls_server_new(&config, &ret, &why);
    ASSERT(e == ERR_OK);
    buf_done(&text);
    buf_done(&binding);
    return ret;
}

/* An honest one, which knows the usual extensions. */
static void host_build(struct town_domain *d, unsigned i, unsigned k)
{
    struct town_host *h = &d->host[k];
    bool trap = !domain_is_reachable(d);
    struct buf name;
    buf_init(&name, sizeof h->name - 1);
    if (d->kind != DOMAIN_IMPLICIT)
        buf_putf(&name, "mx%u.", k);
    buf_putf(&name, "%s", d->name);
    memcpy(h->name, buf_z(&name), name.n + 1);
    buf_done(&name);
    h->ip = town_ip(trap ? 3 : 2, i, k + 1, d->kind == DOMAIN_LMTP ? 24 : 25);
    h->domain = d;
    h->trap = trap;
    h->port = net_port_open(&h->ip, false);
    for (int id = 0; id < ID_COUNT_; id++)
        h->tls[id] = host_tls(h, (enum town_identity)id);
}

static void host_draw(struct town_host *h)
{
    h->chunking = draw(2);
    h->dsn = draw(2);
    h->no_pipelining = draw(4) == 0;
    if (h->domain->kind == DOMAIN_HOME)
        return;
    h->no_tls = draw(6) == 0;
    h->small = draw(12) == 0;
    h->seven_bit = draw(8) == 0;
    h->identity = draw(3) ? ID_GOOD : draw(2) ? ID_SELF_SIGNED : ID_TLS12;
}

static enum domain_kind draw_kind(void)
{
    if (draw(4) == 0)
        return (enum domain_kind)draw_from(DOMAIN_NXDOMAIN, DOMAIN_KIND_COUNT_ - 1);
    static const enum domain_kind usual[] = { DOMAIN_MX,   DOMAIN_MX,      DOMAIN_MX,
                                              DOMAIN_MX,   DOMAIN_ROUTE,   DOMAIN_ROUTE,
                                              DOMAIN_LMTP, DOMAIN_MAILDIR, DOMAIN_IMPLICIT };
    return usual[draw(COUNTOF(usual))];
}

/* ties: so many hosts share a preference. */
static void domain_zone(const struct town_domain *d, bool secure, unsigned ties)
{
    for (unsigned k = 0; k < d->n_host; k++) {
        const struct town_host *h = &d->host[k];
        bool has_mx = d->kind == DOMAIN_MX || d->kind == DOMAIN_BOGUS ||
                      d->kind == DOMAIN_BOGUS_HOST || d->kind == DOMAIN_NO_ADDRESS ||
                      d->kind == DOMAIN_MX_FAILS;
        if (has_mx)
            zone_mx(d->name, 10 * (k / ties + 1), h->name, secure);
        if (d->kind != DOMAIN_NO_ADDRESS && d->kind != DOMAIN_NXDOMAIN &&
            d->kind != DOMAIN_NULL_MX && d->kind != DOMAIN_LOOP)
            zone_ip(h->name, &h->ip, secure);
        if (d->kind == DOMAIN_BOGUS_HOST)
            zone_status(h->name, DNS_A, ZONE_BOGUS);
        if (d->kind == DOMAIN_NO_ADDRESS)
            zone_clear(h->name, DNS_A);
        /* the address that must not be guessed */
        if (k == 0 && d->kind != DOMAIN_NXDOMAIN && d->kind != DOMAIN_IMPLICIT && h->trap)
            zone_ip(d->name, &h->ip, secure);
    }
    if (d->kind == DOMAIN_BOGUS)
        zone_status(d->name, DNS_MX, ZONE_BOGUS);
    if (d->kind == DOMAIN_MX_FAILS)
        zone_status(d->name, DNS_MX, draw(2) ? ZONE_SERVFAIL : ZONE_SILENT);
    if (d->kind == DOMAIN_NULL_MX)
        zone_mx(d->name, 0, "", secure);
    if (d->kind == DOMAIN_LOOP) {
        zone_mx(d->name, 10, "gate.test", secure);
        zone_mx(d->name, 20, d->host[0].name, secure);
        zone_ip(d->host[0].name, &d->host[0].ip, secure);
    }
}

static struct town_domain *domain_build(const char *name, enum domain_kind kind,
                                        enum town_need need, unsigned n_host)
{
    ASSERT(town.n_domain < DOMAINS_MAX && n_host <= HOSTS_MAX);
    unsigned i = town.n_domain++;
    struct town_domain *d = &town.domain[i];
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    d->kind = kind;
    d->need = need;
    d->local = kind == DOMAIN_HOME || kind == DOMAIN_LMTP || kind == DOMAIN_MAILDIR;
    d->n_host = kind == DOMAIN_MAILDIR ? 0 : n_host;
    for (unsigned k = 0; k < d->n_host; k++)
        host_build(d, i, k);
    return d;
}

struct town_domain *town_add(const char *name, enum domain_kind kind, enum town_need need,
                             unsigned n_host)
{
    struct town_domain *d = domain_build(name, kind, need, n_host);
    domain_zone(d, false, 1);
    return d;
}

static void domain_draw(unsigned i)
{
    char name[TOWN_NAME_MAX] = "home.test";
    enum domain_kind kind = i == 0 ? DOMAIN_HOME : draw_kind();
    if (i > 0)
        (void)snprintf(name, sizeof name, "%c.test", (char)('a' + (int)i - 1));
    bool open = kind == DOMAIN_MX || kind == DOMAIN_ROUTE || kind == DOMAIN_IMPLICIT;
    enum town_need need =
        open && draw(2) ? (enum town_need)draw_from(NEED_ENCRYPT, NEED_NAME) : NEED_TRY;
    bool one = i == 0 || kind == DOMAIN_IMPLICIT || kind == DOMAIN_MAILDIR;
    unsigned n_host = one ? 1 : 1 + (unsigned)draw((uint64_t)swarm.hosts_per_domain);
    struct town_domain *d = domain_build(name, kind, need, n_host);
    for (unsigned k = 0; k < d->n_host; k++)
        host_draw(&d->host[k]);
    domain_zone(d, draw(2), 2);
}

void town_begin(void)
{
    town.gate = town_ip(0, 0, 1, 25);
    town.give_up_s = 900;
    town.bounce_give_up_s = 600;
    zone_ip("gate.test", &town.gate, false);
}

void town_tell(void)
{
    for (unsigned i = 0; i < town.n_domain; i++)
        tell("domain %s kind=%s tls=%s hosts=%u", town.domain[i].name,
             kind_names[town.domain[i].kind], need_names[town.domain[i].need],
             town.domain[i].n_host);
}

void town_build(void)
{
    town_begin();
    for (unsigned i = 0; i < 1 + (unsigned)swarm.domains; i++)
        domain_draw(i);
    town_tell();
}

/* --- the DNS changes */

static struct town_domain *draw_domain(enum domain_kind kind)
{
    struct town_domain *d = &town.domain[draw(town.n_domain)];
    return d->kind == kind ? d : NULL;
}

void town_dns_change(void)
{
    struct town_domain *d = draw_domain(DOMAIN_MX);
    if (!d)
        return;
    struct town_host *h = &d->host[draw(d->n_host)];
    switch (draw(4)) {
    case 0:
        zone_status(d->name, DNS_MX, ZONE_SERVFAIL);
        break;
    case 1:
        zone_status(h->name, DNS_A, ZONE_SILENT);
        break;
    case 2:
        zone_clear(h->name, DNS_A);
        d->was_without_address = true;
        break;
    default:
        zone_status(d->name, DNS_MX, ZONE_OK);
    }
    tell("dns of %s changes", d->name);
}

void town_dns_calm(void)
{
    for (unsigned i = 0; i < town.n_domain; i++) {
        const struct town_domain *d = &town.domain[i];
        if (d->kind != DOMAIN_MX)
            continue;
        zone_status(d->name, DNS_MX, ZONE_OK);
        for (unsigned k = 0; k < d->n_host; k++) {
            zone_clear(d->host[k].name, DNS_A);
            zone_ip(d->host[k].name, &d->host[k].ip, false);
        }
    }
}

/* --- the configuration */

static void config_hosts(const struct town_domain *d, struct buf *out)
{
    char ip[IP_TEXT_MAX];
    buf_putf(out, d->kind == DOMAIN_LMTP ? " lmtp = [" : " smtp = [");
    for (unsigned k = 0; k < d->n_host; k++)
        buf_putf(out, "%s\"%s\"", k > 0 ? ", " : "",
                 d->kind == DOMAIN_ROUTE ? d->host[k].name : ip_port_text(&d->host[k].ip, ip));
    buf_putf(out, "]");
}

static void config_domain(const struct town_domain *d, struct buf *out)
{
    if (!d->local && d->need == NEED_TRY && d->kind != DOMAIN_ROUTE)
        return;
    buf_putf(out, "%s \"%s\" {", d->local ? "domain" : "route", d->name);
    if (d->kind == DOMAIN_MAILDIR)
        buf_putf(out, " maildir = \"/mail/{domain}/{local}\"");
    else if (d->kind == DOMAIN_HOME || d->kind == DOMAIN_LMTP || d->kind == DOMAIN_ROUTE)
        config_hosts(d, out);
    else
        buf_putf(out, " mx = yes");
    if (d->need != NEED_TRY)
        buf_putf(out, ", tls = %s", need_names[d->need]);
    buf_putf(out, " }\n");
}

static const char config_top[] = "hostname = gate.test\n"
                                 "networks = [\"10.1.0.0/16\"]\n"
                                 "listen \"10.0.0.1:25\" { }\n"
                                 "certificate { chain = \"/gate.pem\", key = \"/gate.key\" }\n"
                                 "trace_keep = 3650d\n"
                                 "log = debug\n"
                                 "dns { timeout = 5s }\n";

void town_config(struct buf *out, unsigned generation)
{
    buf_putf(out, "%s", config_top);
    buf_putf(out,
             "retry { first = %us, max = %ds, warn = 120s, give_up = %us, "
             "bounce_give_up = %us }\n",
             4 + generation % 3, TOWN_RETRY_MAX_S, town.give_up_s, town.bounce_give_up_s);
    buf_putf(
        out,
        "sessions { initial = 2, max = %d, dead_after = 3, dead_first = 5s, dead_max = 40s }\n",
        TOWN_SESSIONS_MAX);
    buf_putf(out,
             "limits { command = %ds, first_command = %ds, data = %ds, body = %ds, "
             "handshake = %ds, commit = %ds, session = %ds, message_size = 2M, errors = 6, "
             "connections_per_address = %d, body_memory = 1M\n",
             TOWN_COMMAND_S, TOWN_COMMAND_S, TOWN_COMMAND_S, 3 * TOWN_COMMAND_S, TOWN_COMMAND_S,
             TOWN_COMMIT_S, TOWN_SESSION_S, TOWN_CONNECTIONS_MAX);
    static const char *const waits[] = { "connect", "greeting", "helo", "starttls", "handshake",
                                         "mail",    "rcpt",     "data", "block",    "end" };
    for (size_t i = 0; i < COUNTOF(waits); i++)
        buf_putf(out, "  out_%s = %ds\n", waits[i], TOWN_OUT_S);
    buf_putf(out, "  out_idle = %us, out_messages = %d, out_recipients = %d }\n",
             2 + generation % 4, TOWN_MESSAGES_MAX, TOWN_RCPTS_MAX);
    for (unsigned i = 0; i < town.n_domain; i++)
        config_domain(&town.domain[i], out);
}

enum err town_file(struct span path, struct buf *out)
{
    if (span_eq(path, SPAN("/gate.pem")))
        return buf_append(out, SPAN("names=gate.test ca=good version=13"));
    if (span_eq(path, SPAN("/gate.key")))
        return buf_append(out, SPAN("key"));
    return ERR_NOT_FOUND;
}
