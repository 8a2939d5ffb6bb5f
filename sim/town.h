/* town.h - who lives in the world: the domains that mail goes to, their hosts, and what each of
 * them is allowed to see. The gateway's configuration and the zones are made from it; the checker
 * judges by it.
 *
 * Domain 0 is home.test: ours, honest, and where the senders live who read bounces.
 */
#ifndef SIM_TOWN_H
#define SIM_TOWN_H

#include "base/buf.h"
#include "io/loop.h"
#include "io/tls.h"

enum { DOMAINS_MAX = 8, HOSTS_MAX = 4, TOWN_NAME_MAX = 64 };

enum domain_kind {
    DOMAIN_HOME,
    DOMAIN_MX,       /* by MX */
    DOMAIN_ROUTE,    /* by a route to named hosts */
    DOMAIN_LMTP,     /* ours, by LMTP over TCP */
    DOMAIN_MAILDIR,  /* ours */
    DOMAIN_IMPLICIT, /* no MX, an address */
    /* nobody may ever be spoken to */
    DOMAIN_NXDOMAIN,
    DOMAIN_NULL_MX,
    DOMAIN_BOGUS,      /* MX forged */
    DOMAIN_BOGUS_HOST, /* the host's address forged */
    DOMAIN_MX_FAILS,   /* MX cannot be had; there is an address that must not be guessed */
    DOMAIN_NO_ADDRESS,
    DOMAIN_LOOP, /* its MX is the gateway */
    DOMAIN_KIND_COUNT_
};

enum town_need { NEED_TRY, NEED_ENCRYPT, NEED_CHAIN, NEED_NAME };

/* The certificates that a host may show, and what else its TLS may do. */
enum town_identity {
    ID_GOOD,
    ID_TLS12,
    ID_SELF_SIGNED,
    ID_EXPIRED,
    ID_WRONG_NAME,
    ID_OLD_VERSION,
    ID_ALERT,
    ID_STALL,
    ID_GARBAGE,
    ID_COUNT_
};

struct town_host {
    char name[TOWN_NAME_MAX];
    struct ip ip;
    struct town_domain *domain;
    bool trap; /* no call may ever come here */
    bool no_tls, small, seven_bit, no_pipelining, chunking, dsn;
    enum town_identity identity; /* on good days */
    struct tls_server *tls[ID_COUNT_];
    int port;
};

struct town_domain {
    char name[TOWN_NAME_MAX];
    enum domain_kind kind;
    enum town_need need;
    bool local;    /* mail from anywhere is taken for it */
    bool was_bare; /* a host refused EHLO once: it has no extensions then, and 8-bit mail no way */
    bool was_without_address; /* for a while the DNS said that a host has none */
    struct town_host host[HOSTS_MAX];
    unsigned n_host;
};

struct town {
    struct town_domain domain[DOMAINS_MAX];
    unsigned n_domain;
    struct ip gate; /* the gateway, port 25 */
    unsigned give_up_s, bounce_give_up_s;
};

extern struct town town;

/* Draws the town, opens its ports, fills the zones. */
void town_build(void);
/* Or it is told (story.c): nobody, and then one domain after the other, the first is home.test. Its
 * hosts are honest, and tried in their order. */
void town_begin(void);
struct town_domain *town_add(const char *name, enum domain_kind kind, enum town_need need,
                             unsigned n_host);
/* A line for each domain. */
void town_tell(void);
/* The configuration of the gateway; generation changes what a reload may change. */
void town_config(struct buf *out, unsigned generation);
/* The "file" behind a path of the configuration; ERR_NOT_FOUND. */
MUST_USE enum err town_file(struct span path, struct buf *out);
/* The DNS changes: hosts come and go, answers fail and are mended. calm: all is as it should be. */
void town_dns_change(void);
void town_dns_calm(void);

const struct town_host *town_host_at(const struct ip *ip);
bool domain_is_reachable(const struct town_domain *d);
struct town_domain *town_domain_named(struct span name);
const char *domain_kind_name(enum domain_kind k);
const char *town_identity_name(enum town_identity id);

/* Limits that the configuration sets and the checker watches. */
enum {
    TOWN_MESSAGE_BYTES = 2 * 1024 * 1024,
    TOWN_SESSIONS_MAX = 4,     /* to one destination */
    TOWN_MESSAGES_MAX = 5,     /* on one outgoing session */
    TOWN_RCPTS_MAX = 3,        /* of one outgoing transaction */
    TOWN_CONNECTIONS_MAX = 12, /* from one outside address */
    TOWN_COMMAND_S = 20,       /* every wait for a client's next word */
    TOWN_COMMIT_S = 30,        /* the wait for the disk after a body */
    TOWN_SESSION_S = 200,      /* a client's whole connection */
    TOWN_OUT_S = 30,           /* every wait for a server's next word */
    TOWN_RETRY_MAX_S = 60,
};

#endif
