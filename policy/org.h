/* org.h - organisations and their connectors, as plain values of a configuration snapshot, and the
 * tables that find them. The words are docs/connectors.md's.
 *
 * A connector is a rule about one direction. Inbound, kind partner: restricts who may send for some
 * domains. Inbound, kind on-premises: grants, to servers that belong to the organisation. Outbound:
 * what the channel to some recipients must be, and where it leads.
 *
 * Domain patterns: "example.org", "*.example.org" (any depth below, not the name itself), "*".
 */
#ifndef POLICY_ORG_H
#define POLICY_ORG_H

#include "mail/names.h"
#include "policy/route.h"

enum connector_kind { CONNECTOR_PARTNER, CONNECTOR_ON_PREMISES };
/* test: judged, counted and told, but it changes nothing. */
enum connector_mode { CONNECTOR_OFF, CONNECTOR_TEST, CONNECTOR_ENFORCE };
const char *connector_kind_name(enum connector_kind k); /* "partner", "on-premises" */
const char *connector_mode_name(enum connector_mode m); /* "off", "test", "enforce" */

/* What an administrator gives up, for a while and with a name. */
enum weakening_kind {
    WEAKEN_PLAINTEXT, /* plaintext passes where the connector asks for TLS */
    WEAKEN_EXPIRED,   /* a certificate out of its time passes */
    WEAKEN_NAME,      /* a certificate with another name passes (outbound) */
    WEAKEN_COUNT_
};
const char *weakening_name(enum weakening_kind k); /* "plaintext", "expired", "name" */
struct weakening {
    struct span owner, reason;
    int64_t until_ms; /* wall; void from then on. 0: there is none */
};

/* What every connector has. */
struct connector {
    struct span id;   /* "organisation/connector" */
    struct span name; /* within the organisation and direction */
    const struct org *org;
    enum connector_kind kind;
    enum connector_mode mode;
    struct span owner, comment, created, changed; /* free text; the dates as written */
    struct weakening weakening[WEAKEN_COUNT_];
    struct span file; /* where it is written */
    int line;
};
/* The weakening holds at that time. */
bool connector_weakened(const struct connector *c, enum weakening_kind k, int64_t now_ms);

struct in_connector {
    struct connector c;  /* first */
    struct span *sender; /* domain patterns of MAIL FROM; never empty ("*") */
    unsigned n_sender;
    /* identity: any of these */
    struct name_set names; /* in the certificate; n == 0: none */
    struct span *pin;      /* SHA-256 of public keys, hex, lower case */
    unsigned n_pin;
    struct span *anchor; /* SHA-256 of the partner's own CA certificates, hex; none: public CAs */
    unsigned n_anchor;
    struct ip_net *network;
    unsigned n_network;
    /* what must hold: partner */
    bool require_tls, restrict_certificate, restrict_addresses;
    int floor;       /* 12 or 13; with require_tls */
    bool eku_client; /* demand the clientAuth usage; public CAs no longer issue it */
    enum revocation revocation;
    /* what it grants: on-premises */
    bool trust_headers; /* attribution headers are carried */
};

struct out_connector {
    struct connector c;     /* first */
    struct span *recipient; /* domain patterns; none: accepted or rule_header */
    unsigned n_recipient;
    bool accepted;           /* all accepted domains of the organisation */
    struct span rule_header; /* only for mail with this header field (and value rule_value) */
    struct span rule_value;
    bool everything;    /* on-premises: all mail of the organisation leaves by it (centralised) */
    struct route route; /* ROUTE_MX or ROUTE_SMTP; contract: what the connector demands */
};

/* A local user who may ask the daemon about this organisation. */
struct org_admin {
    struct span name;
    unsigned uid;
};

/* One customer, company or division. Its name is an atom: letters, digits, '-', '_'. */
struct org {
    struct span name;
    struct span *domain; /* accepted domains: exact names or "*.name" */
    unsigned n_domain;
    bool *authoritative; /* for each of them: its mail goes where it says, or a connector that names
                            it does; never by "*". NULL: of none */
    struct span probe;   /* local part of the probe address, lower case; empty: there is none */
    struct org_admin *admin;
    unsigned n_admin;
    struct in_connector *in;
    unsigned n_in;
    struct out_connector *out;
    unsigned n_out;
    struct span owner; /* who answers for it; may be empty */
    struct span file;
    int line;
};

/* All organisations, with what finds a connector among many. */
struct org_table;

/* Two things that one message would both claim, in words: "address 192.0.2.7 ..., from a@b". */
struct org_conflict {
    const struct connector *a, *b;   /* NULL for a domain that two organisations accept */
    const struct org *org_a, *org_b; /* always set */
    struct span what;                /* "certificate name", "address range", "domain", ... */
    struct buf *witness;             /* the message that both would claim */
};

/* n organisations whose memory outlives the table and changes no more. ERR_EXISTS: a conflict; ret
 * says which, its witness is written to *witness. What conflicts: an accepted domain of two
 * organisations; on-premises connectors that share a certificate name, pin or address range (equal
 * prefixes) across organisations, or within one for overlapping senders; partner connectors of one
 * organisation for one sender pattern with a common identity, or of which one restricts to neither
 * certificate nor addresses (the rest were pointless); outbound connectors of one organisation
 * for one recipient pattern and header; organisations of one name. Connectors that are off do not
 * count. */
MUST_USE enum err org_table_new(const struct org *org, unsigned n, const struct hash_key *key,
                                struct org_table **ret, struct org_conflict *ret_conflict,
                                struct buf *witness);
void org_table_free(struct org_table *t);

/* The organisation that accepts the domain (A-labels, lower case); NULL: none. */
const struct org *org_of_domain(const struct org_table *t, struct span domain);
const struct org *org_by_name(const struct org_table *t, struct span name);
/* The closest accepted domain that takes it in is authoritative. */
bool org_authoritative(const struct org_table *t, struct span domain);
/* The organisation of the probe address local@domain; NULL: it is none. Wildcards have no probe. */
const struct org *org_probe(const struct org_table *t, struct span local, struct span domain);
/* NULL: the user is no administrator of it. */
const struct org_admin *org_admin_of(const struct org *o, unsigned uid);
/* All of them, in the order of the configuration. */
const struct org *org_list(const struct org_table *t, unsigned *ret_n);

#endif
