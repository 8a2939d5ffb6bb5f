/* config_org.h - organisations while they are read: what config_org.c, config_connector.c,
 * config_value.c and config_tls.c share. The rest of a load needs config_make.h only.
 */
#ifndef GATE_CONFIG_ORG_H
#define GATE_CONFIG_ORG_H

#include "gate/config_make.h"

/* A CA that connectors name. Its file is read once. */
struct make_ca {
    struct span *digest; /* of its certificates */
    unsigned n;
};

/* A certificate of an organisation. */
struct make_identity {
    const struct tree *at;
    struct span label;
    unsigned number;               /* of the snapshot, from 1 on */
    struct tls_identity *identity; /* one; NULL: it is published, and not used */
    struct make_identity *next;    /* of the same organisation */
};

struct make_connector {
    const struct tree *at;
    const struct tree *certificate; /* the setting, or NULL */
    bool usual_dane, usual_sts;     /* outbound: it does not say, and the installation's counts */
};

struct make_org {
    const struct tree *at;
    struct org org;
    struct make_connector *in, *out; /* as many as in org */
    struct make_identity *identity, **identity_end;
    unsigned n_identity;
    struct make_org *next;
};

/* A certificate of an organisation: label, number, at and next are the caller's. */
MUST_USE enum err make_identity(struct reader *r, const struct setting *s, const struct tree *t,
                                struct make_identity *ret);
/* config_value.c. Lists have s->most values at most. */
setting_fn make_patterns;  /* struct span_list: "example.org", "*.example.org", "*" */
setting_fn make_expected;  /* struct span_list: names that a certificate shall have */
setting_fn make_pins;      /* struct span_list: SHA-256, hex, lower case */
setting_fn make_addresses; /* struct net_list */
setting_fn make_note;      /* struct span: text for people, CONFIG_NOTE_MAX bytes */
setting_fn make_header;    /* struct span_list: a field's name and value */
setting_fn make_ca;        /* const struct make_ca * */
setting_fn make_allow;     /* struct weakening[WEAKEN_COUNT_] */
/* Blocks of an organisation. They fill in what they say; id, org, file and port are the caller's.
 */
MUST_USE enum err make_inbound(struct reader *r, const struct tree *t, struct in_connector *ret);
/* Of *made all but `at` is filled in. */
MUST_USE enum err make_outbound(struct reader *r, const struct tree *t, struct out_connector *ret,
                                struct make_connector *made);

#endif
