#include "gate/carry.h"

/* The organisation's mailboxes are what promoted fields are for. */
static bool in_own_mailbox(const struct dest *d, struct span org, struct span domain)
{
    const struct org *to = org_of_domain(d->config->orgs, domain);
    bool mailbox = d->route.kind == ROUTE_MAILDIR || d->route.kind == ROUTE_LMTP;
    return mailbox && to && span_eq(to->name, org);
}

static bool org_trusts_headers(const struct org *org)
{
    for (unsigned i = 0; i < org->n_in; i++) {
        const struct in_connector *c = &org->in[i];
        if (c->c.kind == CONNECTOR_ON_PREMISES && c->c.mode == CONNECTOR_ENFORCE &&
            c->trust_headers)
            return true;
    }
    return false;
}

/* Mail that an operator moved to another host goes by no connector, whatever it was planned for:
 * the hosts are not the connector's. */
static bool to_own_server(const struct dest *d, struct span org)
{
    const struct out_connector *by = d->by;
    if (!by || by->c.kind != CONNECTOR_ON_PREMISES || !span_eq(by->c.org->name, org))
        return false;
    bool moved = d->route.kind != by->route.kind || d->route.host != by->route.host;
    return !moved && org_trusts_headers(by->c.org);
}

/* The next node promotes them again: the signature names the organisation. */
static bool to_node(const struct dest *d, struct span org)
{
    return d->route.node && org_by_name(d->config->orgs, org);
}

enum carry carry_rcpt(const struct job *j, unsigned k)
{
    const struct envelope *e = &j->mail->envelope;
    ASSERT(k < j->n);
    if (e->promoted.n == 0 || in_own_mailbox(j->dest, e->promoted, e->rcpt[j->rcpt[k].i].domain))
        return CARRY_ALL;
    return to_own_server(j->dest, e->promoted) || to_node(j->dest, e->promoted) ? CARRY_DEMOTED
                                                                                : CARRY_NOTHING;
}

enum carry carry_job(const struct job *j)
{
    enum carry least = CARRY_ALL;
    if (j->mail->envelope.promoted.n == 0)
        return CARRY_ALL;
    for (unsigned k = 0; k < j->n; k++) {
        enum carry c = carry_rcpt(j, k);
        least = c > least ? c : least;
    }
    return least;
}

void carry_firewall(const struct job *j, enum carry c, struct firewall *ret)
{
    ASSERT(c != CARRY_ALL);
    if (c == CARRY_NOTHING) {
        firewall_init(ret, FIREWALL_STRIP, NULL, 0);
        return;
    }
    const struct org *org = org_by_name(j->dest->config->orgs, j->mail->envelope.promoted);
    ASSERT(org);
    firewall_init(ret, FIREWALL_DEMOTE, org->domain, org->n_domain);
}

struct body *carry_strip(const struct body *body)
{
    struct firewall f;
    struct span in, piece;
    struct body *ret = body_new();
    firewall_init(&f, FIREWALL_STRIP, NULL, 0);
    for (uint64_t at = 0; (in = body_at(body, at)).n > 0;) {
        at += in.n;
        while (firewall_next(&f, &in, &piece))
            body_append(ret, piece);
    }
    if (firewall_end(&f, &piece))
        body_append(ret, piece);
    return ret;
}
