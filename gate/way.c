#include "gate/way.h"

#include "mail/text.h"

struct outbound_message way_message(const struct envelope *e, struct span domain, int64_t now_ms)
{
    return (struct outbound_message){
        .now_ms = now_ms,
        .org = e->org,
        .from_on_premises = e->from_on_premises,
        .rule = e->rule,
        .to_domain = domain,
        .message = { e->from, e->requiretls, e->tls_required_no },
    };
}

struct selection way_out(const struct config *c, const struct envelope *e, struct span domain,
                         int64_t now_ms)
{
    struct outbound_message m = way_message(e, domain, now_ms);
    return select_out(c->orgs, &c->routes, &m);
}

struct span way_whose(const struct selection *way, struct span org)
{
    return text_cut(way->by ? way->by->c.id : org, ENVELOPE_CONNECTOR_MAX);
}

void way_key(const struct selection *way, struct span org, struct span domain, struct buf *out)
{
    struct span whose = way_whose(way, org);
    if (whose.n > 0)
        buf_putf(out, "%.*s ", SPAN_ARG(whose));
    route_key(way->route, domain, &way->contract, out);
}

bool way_override(struct selection *way, const struct envelope *e, struct span override,
                  struct arena *a, struct route *other)
{
    struct message_facts m = { e->from, e->requiretls, e->tls_required_no };
    if (override.n == 0 || route_override(override, a, other) != ERR_OK)
        return false;
    other->contract = way->contract;
    other->contract.identity = 0;
    other->contract.rules &= ~(unsigned)(RULE_LOCAL | RULE_DEFAULT);
    way->contract = decide_contract(other, &m);
    way->route = other;
    return true;
}
