#include "gate/probing.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/report.h"
#include "policy/probe.h"

STATIC_ASSERT((int)PROBE_TEXT_MAX <= (int)PROBING_TEXT_MAX);

/* What became of it, in one word for the log. */
static const char *outcome(const struct inbound_verdict *v)
{
    return v->admitted ? "admitted" : check_name(v->failed);
}

static void tell(const struct attribution_client *client, struct incoming *m,
                 const struct inbound_facts *f, const struct inbound_verdict *v)
{
    struct worker *w = client->w;
    char id[ID_BYTES_MAX], ip[IP_TEXT_MAX];
    uint64_t trace = store_new_id(w->store[0], f->now_ms);
    struct reply r = v->admitted ? REPLY(250, 2, 1, 5, "Recipient ok") : v->reply;
    stats_add(&w->stats, STAT_PROBES, 1);
    log_begin(LOG_INFO, "connector.probed");
    log_num("conn", (int64_t)client->conn);
    log_z("id", id_text(trace, id));
    log_str("org", m->probe.org->name);
    log_str("connector", v->by ? v->by->c.id : SPAN_NONE);
    log_z("outcome", outcome(v));
    log_z("client", ip_port_text(client->ip, ip));
    log_str("tls", f->tls->on ? f->tls->version : SPAN("none"));
    log_str("names", f->tls->names);
    log_str("from", m->envelope.from);
    log_end();
    report_probed(w, &(struct report_refusal){ .id = trace,
                                               .conn = client->conn,
                                               .client = client->ip,
                                               .helo = client->helo,
                                               .from = m->envelope.from,
                                               .to = m->probe.to,
                                               .connector = v->by ? v->by->c.id : SPAN_NONE,
                                               .check = check_name(v->failed),
                                               .reply = &r,
                                               .tls = f->tls });
}

/* dropped: a message came with it. */
static void answer(const struct attribution_client *client, struct incoming *m, bool dropped,
                   struct buf *text, struct reply *ret)
{
    struct inbound_facts f = attribution_facts(client, m, m->probe.domain);
    struct inbound_verdict v = attribution_judge(m->config, &f, m->probe.org->probe);
    probe_report(&(struct probe_seen){ m->probe.org, &f, &v, dropped }, text);
    if (!dropped)
        tell(client, m, &f, &v);
    *ret = (struct reply){ 250, { 2, 1, 5 }, buf_span(text) };
}

bool probing_rcpt(const struct attribution_client *client, struct incoming *m,
                  const struct addr *to, struct span domain, struct buf *text, struct reply *ret)
{
    const struct org *org = org_probe(m->config->orgs, to->local, domain);
    if (!org && !m->probe.org)
        return false;
    if (m->probe.org || m->envelope.n_rcpt > 0) {
        *ret = REPLY(452, 4, 5, 3, "A probe stands alone: send this in a transaction of its own");
        return true;
    }
    m->probe.org = org;
    m->probe.domain = arena_span(&m->arena, domain);
    m->probe.to = arena_span(&m->arena, to->text);
    answer(client, m, false, text, ret);
    return true;
}

void probing_end(const struct attribution_client *client, struct incoming *m, struct buf *text,
                 struct reply *ret)
{
    ASSERT(m->probe.org && m->envelope.n_rcpt == 0);
    answer(client, m, true, text, ret);
}
