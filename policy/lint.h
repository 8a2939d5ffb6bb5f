/* lint.h - what of organisations and their connectors is legal and yet weaker, or other, than
 * whoever wrote it is likely to have meant. Pure: loading a configuration, `status` and `postern
 * lint` ask the same function. Each finding says where it is, what is wrong and what to do.
 *
 * Connectors that are off are not looked at.
 */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "base/arena.h"
#include "policy/org.h"

enum lint_severity {
    LINT_NOTE,    /* to be known, nothing to be done now */
    LINT_WARNING, /* weaker than it should be */
    LINT_ERROR,   /* mail is refused, or strangers are let in */
    LINT_SEVERITY_COUNT_
};
const char *lint_severity_name(enum lint_severity s); /* "note", "warning", "error" */

enum lint_rule {
    LINT_WEAKENED,            /* a weakening holds */
    LINT_LAPSING,             /* and its end is near */
    LINT_LAPSED,              /* it is void */
    LINT_ADDRESS_ONLY,        /* P29: an address proves nobody */
    LINT_CERTIFICATE_UNASKED, /* it is known, and not demanded */
    LINT_ADDRESSES_UNASKED,   /* the same of addresses */
    LINT_WILDCARD,            /* P12: any server of a domain is the organisation's */
    LINT_WILDCARD_FOREIGN,    /* and that domain is somebody else's */
    LINT_WILDCARD_PARTNER,    /* any server of a domain is the partner's, of another one than its */
    LINT_CLIENT_USAGE,        /* P27: no public CA issues such certificates any more */
    LINT_NO_CERTIFICATE,      /* TLS is asked for, and listeners have none */
    LINT_MX_NAME,             /* the expected name is what the DNS says */
    LINT_EVERYWHERE,          /* P9: "*" takes mail for the organisation's own domains, too */
    LINT_NOT_ASKED_OF_OUTGOING, /* R30: TLS is forced on what comes, not on what goes */
    LINT_NOT_ASKED_OF_INCOMING, /* R30: the other way round */
    LINT_TEST_FOR_LONG,         /* in test mode, and forgotten? */
    LINT_RULE_COUNT_
};
/* A word for programs: "address-only". */
const char *lint_rule_name(enum lint_rule r);

struct lint_finding {
    enum lint_rule rule;
    enum lint_severity severity;
    const struct connector *at;
    bool outbound;
    struct span text, remedy; /* half sentences; the connector is their subject */
};

enum {
    LINT_FINDINGS_MAX = 10000, /* what is beyond is counted only */
    LINT_TEXT_MAX = 600,
    LINT_SOON_DAYS = 30, /* before its end a weakening is spoken of; in test mode, what is long */
};

struct lint {
    struct arena arena; /* of the texts */
    struct lint_finding *finding;
    size_t n, cap;
    uint64_t count[LINT_SEVERITY_COUNT_]; /* those beyond included */
};

struct lint_input {
    const struct org *org;
    unsigned n_org;
    bool server_certificate; /* listeners have one */
    int64_t now_ms;          /* wall; 0: not known, and nothing is said of what is over or long */
};

/* In the order of the configuration: per organisation its inbound connectors, then its outbound
 * ones. lint_done frees; findings borrow from the input. */
void lint_run(const struct lint_input *in, struct lint *ret);
void lint_done(struct lint *l);

#endif
