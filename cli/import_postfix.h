/* import_postfix.h - main.cf and its tables into a draft (docs/import.md says what becomes of
 * what).
 *
 *   import_postfix      what Postfix sends: transports, relayhost, levels of TLS
 *   postfix_inbound     who may send to it: mynetworks, domains, smtpd's TLS
 *   postfix_tls         one level of TLS onto one connector
 */
#ifndef CLI_IMPORT_POSTFIX_H
#define CLI_IMPORT_POSTFIX_H

#include "cli/import_maincf.h"

/* dir: the folder of main.cf, borrowed as long as d. ERR_SYNTAX, ERR_TOO_BIG, ERR_NOT_FOUND,
 * ERR_IO: why. */
MUST_USE enum err import_postfix(struct draft *d, struct span dir,
                                 const struct config_source *source, struct why *why);

/* --- between the three files --- */

/* How Postfix secures what it sends, where no table says anything else. */
struct postfix_tls {
    struct maincf *m;
    struct span level;                       /* "may", "encrypt", ... */
    struct span place;                       /* of the level: "main.cf:12" */
    struct span verify_match;                /* smtp_tls_verify_cert_match */
    struct span secure_match;                /* smtp_tls_secure_cert_match */
    struct span protocols, ciphers, exclude; /* smtp_tls_mandatory_... */
    struct span own_ca;                      /* CAs that are not the system's; empty: they are */
};
MUST_USE enum err postfix_tls_read(struct maincf *m, struct postfix_tls *ret);

/* What a policy is applied to. nexthop: the domain or host that it is about; empty: many (".x"). */
struct postfix_hop {
    struct span nexthop;
    struct span below; /* "x" of a pattern "*.x"; else empty */
};
/* Level and attributes onto c. e: from the table; NULL: the levels of main.cf. ERR_SYNTAX: a level
 * that is none, or an attribute that is no name=value. */
MUST_USE enum err postfix_tls(const struct postfix_tls *t, const struct table_entry *e,
                              const struct postfix_hop *hop, struct draft_connector *c);

/* Names of TLS versions as Postfix lists them: the least that is allowed. */
enum postfix_floor { FLOOR_ANY, FLOOR_12, FLOOR_13 };
/* *ret_upper: newer ones are excluded. */
enum postfix_floor postfix_floor(struct span protocols, bool *ret_upper);

/* transport: the tables of transport_maps. */
MUST_USE enum err postfix_inbound(struct maincf *m, struct table_text *transport);

/* "smtp:[mail.example]:587" and its like. */
enum hop_kind { HOP_MX, HOP_SMTP, HOP_LMTP, HOP_OTHER };
struct transport {
    enum hop_kind kind;
    struct span nexthop; /* as tables are asked for it; empty: the recipient's domain */
    struct span host;    /* of nexthop, without brackets and port */
    struct draft_list hosts;
};
/* own: the domain that HOP_MX is meant for: another one cannot be said, and is HOP_OTHER. */
void postfix_transport(struct maincf *m, struct span text, struct span own, struct transport *ret);

#endif
