#include "gate/control_explain.h"

#include "gate/control_request.h"
#include "gate/resolve.h"
#include "io/idn.h"
#include "mail/addr.h"

enum err explain_find(const struct config *c, struct span to, struct arena *a,
                      struct span *ret_domain, const struct route **ret, struct why *why)
{
    struct addr addr;
    struct buf domain;
    if (addr_parse(to, true, &addr) != ERR_OK || addr.domain.n == 0) {
        why_set(why, "`%.*s` is no mailbox: write local@domain",
                SPAN_ARG(span_head(to, to.n < ADDR_BYTES_MAX / 2 ? to.n : ADDR_BYTES_MAX / 2)));
        return ERR_SYNTAX;
    }
    buf_init(&domain, DOMAIN_BYTES_MAX);
    enum err e = domain_is_literal(addr.domain) ? buf_append(&domain, addr.domain)
                                                : idn_to_ascii(addr.domain, &domain);
    if (e == ERR_OK) {
        *ret_domain = arena_span(a, buf_span(&domain));
        *ret = route_find(&c->routes, *ret_domain);
    } else {
        why_set(why, "the domain is none that a mail can go to");
    }
    buf_done(&domain);
    return e == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

bool explain_is_ours(const struct config *c, struct span domain)
{
    return map_get(&c->local, domain) != NULL;
}

static void put_route(const struct route *route, struct ctl *out)
{
    struct ctl *row = ctl_object(out, "route");
    ctl_set(row, "kind", span_z(route_kind_name(route->kind)));
    ctl_set(row, "pattern", route->pattern);
    ctl_set(row, "file", route->file);
    ctl_set_num(row, "line", route->line);
}

static void put_contract(const struct explain_input *in, struct ctl *out)
{
    struct contract c = decide_contract(in->route, &in->message);
    struct ctl *row = ctl_object(out, "contract");
    struct buf text;
    buf_init(&text, DEST_KEY_MAX);
    contract_print(&c, &text);
    ctl_set(row, "tls", span_z(tls_need_name(c.need)));
    ctl_set_num(row, "floor", c.floor);
    ctl_set_bool(row, "forward_secret", c.forward_secret);
    ctl_set(row, "text", buf_span(&text));
    buf_done(&text);
}

void explain_put(const struct explain_input *in, bool ours, struct ctl *out)
{
    struct buf text;
    buf_init(&text, (size_t)EXPLAIN_TEXT_MAX + FACTS_TEXT_MAX);
    ctl_set(out, "from", in->from);
    ctl_set(out, "to", in->to);
    ctl_set_bool(out, "ours", ours);
    put_route(in->route, out);
    put_contract(in, out);
    if (in->facts)
        facts_print(in->facts, &text);
    ctl_set(out, "facts", buf_span(&text));
    buf_clear(&text);
    explain_print(in, &text);
    ctl_set(out, "explanation", buf_span(&text));
    buf_done(&text);
}

/* --- the verb: facts are gathered now --- */

struct asked {
    struct request *r;
    struct config *config; /* held */
    struct resolve_query *query;
    struct explain_input in;
    struct span domain;
};

static void asked_free(struct asked *a)
{
    resolve_done(a->query);
    config_unref(a->config);
    a->config = NULL;
}

static void asked_resolved(void *arg, const struct facts *f)
{
    struct asked *a = arg;
    struct request *r = a->r;
    a->in.facts = f;
    ctl_set_bool(r->out, "ok", true);
    explain_put(&a->in, explain_is_ours(a->config, a->domain), r->out);
    asked_free(a);
    request_done(r);
}

static void asked_cancel(struct request *r)
{
    asked_free(r->work);
    request_done(r);
}

void control_explain(struct request *r)
{
    struct why why;
    struct span from = ctl_get(r->in, "from");
    struct asked *a = r->work = ARENA_NEW(&r->arena, struct asked);
    a->r = r;
    a->in.from = a->in.message.from = span_eq(from, SPAN("<>")) ? SPAN_NONE : from;
    a->in.to = ctl_get(r->in, "to");
    a->in.message.requiretls = ctl_get_bool(r->in, "requiretls");
    a->in.message.tls_required_no = ctl_get_bool(r->in, "tls-required-no");
    if (explain_find(r->w->config, a->in.to, &r->arena, &a->domain, &a->in.route, &why) != ERR_OK) {
        request_fail(r, REQUEST_USAGE, "%s", why.text);
        return;
    }
    a->config = config_ref(r->w->config);
    if (a->in.route->kind == ROUTE_MAILDIR) {
        asked_resolved(a, NULL);
        return;
    }
    r->cancel = asked_cancel;
    a->query = resolve_facts(r->w, a->config, a->in.route, a->domain, asked_resolved, a);
}
