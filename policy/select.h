/* select.h - which way out: the connector, route and contract of one recipient. Pure.
 *
 * Recipient of an organisation on this installation: that organisation's connectors, for mail goes
 * to its servers. Else those of the organisation that sends. Order: one that a rule names by
 * header, `everything` (unless the mail came from the organisation's own servers: no loop), exact
 * domain, longest wildcard, accepted domains, "*". None: the installation's routes, then MX. An
 * accepted domain that is authoritative is not taken by "*", nor by a header rule that names no
 * domain.
 */
#ifndef POLICY_SELECT_H
#define POLICY_SELECT_H

#include "policy/decide.h"
#include "policy/org.h"

struct outbound_message {
    int64_t now_ms;
    struct span org;       /* name of the organisation that sends; empty: none */
    bool from_on_premises; /* it came from the organisation's own server */
    struct span rule; /* "organisation/connector" that a header of the message named, or empty */
    struct span to_domain; /* A-labels, lower case */
    struct message_facts message;
};

struct selection {
    const struct out_connector *by;   /* NULL: routes */
    const struct route *route;        /* never NULL */
    struct contract contract;         /* join of all sources, weakenings applied at now_ms */
    const struct out_connector *test; /* in test mode, would have been chosen; else NULL */
    struct contract test_contract;    /* what it would have demanded */
    const char *why;                  /* one static sentence */
};

struct selection select_out(const struct org_table *t, const struct route_table *routes,
                            const struct outbound_message *m);
/* What the connector demands at that time: its contract less its weakenings. */
struct contract out_connector_contract(const struct out_connector *c, int64_t now_ms);
/* Each candidate and why it was or was not taken, for explain: at most SELECT_TEXT_MAX bytes. */
enum { SELECT_TEXT_MAX = 32 * 1024 };
void select_explain(const struct org_table *t, const struct route_table *routes,
                    const struct outbound_message *m, struct buf *out);

#endif
