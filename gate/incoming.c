#include "gate/incoming.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/attribution.h"
#include "gate/mail.h"
#include "gate/report.h"
#include "gate/sched.h"
#include "mail/received.h"
#include "policy/org.h"

enum {
    LEASE_MS = 10 * 60 * 1000,
    ARENA_MAX = 16 * 1024 * 1024, /* RCPTS_MAX of the longest, and the rest of an envelope */
    TRACE_TO_MAX = 1500,
};

static struct store *incoming_store(const struct incoming *m)
{
    return m->worker->store[0];
}

/* The disk hangs. What was handed to the store is not taken back: when it is durable after all it
 * is in the queue, and comes twice if its sender tries again. That is why somebody waits so long:
 * = RFC 5321 6.1: "a receiver-SMTP MUST seek to minimize the time required to respond to the final
 * <CRLF>.<CRLF> end of data indicator." */
static void incoming_late(void *arg)
{
    struct incoming *m = arg;
    char id[ID_BYTES_MAX];
    log_begin(LOG_WARN, "mail.late");
    log_z("id", id_text(m->envelope.id, id));
    log_str("client", m->envelope.client);
    log_end();
    m->committed(m->arg, m, ERR_TIMEOUT);
    incoming_drop(m);
}

struct incoming *incoming_new(struct worker *w, struct config *c, const struct smtpd_ev *mail)
{
    struct incoming *m = NEW(struct incoming);
    m->worker = w;
    m->config = config_ref(c);
    arena_init(&m->arena, ARENA_MAX);
    m->envelope = (struct envelope){
        .from = arena_span(&m->arena, mail->addr.text),
        .envid = arena_span(&m->arena, mail->mail.envid),
        .ret = mail->mail.ret,
        .body_kind = mail->mail.body,
        .smtputf8 = mail->mail.smtputf8,
        .requiretls = mail->mail.requiretls,
    };
    if (c->n_org > 0)
        m->from_domain = attribution_domain(c, &mail->addr, &m->arena);
    m->body = body_new();
    w->body_memory += body_memory(m->body);
    header_scan_init(&m->scan, c->hostname);
    timer_init(&m->late, w->loop, incoming_late, m);
    return m;
}

static void incoming_free(struct incoming *m)
{
    m->worker->body_memory -= body_memory(m->body);
    body_unref(m->body);
    header_scan_done(&m->scan);
    unseal_done(m->unseal);
    mem_free(m->envelope.rcpt);
    arena_done(&m->arena);
    config_unref(m->config);
    mem_free(m);
}

static void abort_done(struct store_op *op)
{
    store_op_done(op);
    mem_free(op);
}

/* Chunks that went ahead of a message that will not come. */
static void incoming_unspool(struct incoming *m)
{
    if (m->chunks_before == 0)
        return;
    struct store_op *op = NEW(struct store_op);
    store_op_init(op, STORE_ABORT, abort_done, NULL);
    op->id = m->envelope.id;
    store_submit(incoming_store(m), op);
    m->chunks_before = 0;
}

void incoming_drop(struct incoming *m)
{
    if (!m)
        return;
    m->arg = NULL;
    m->abandoned = true;
    timer_stop(&m->late);
    if (m->committing || m->appends_pending)
        return; /* the store still works for it: it goes when that is done */
    incoming_unspool(m);
    incoming_free(m);
}

enum err incoming_rcpt(struct incoming *m, const struct smtpd_ev *ev, struct span domain)
{
    struct envelope *e = &m->envelope;
    if (e->n_rcpt >= RCPTS_MAX)
        return ERR_TOO_BIG;
    struct rcpt r = { .notify = ev->rcpt.notify };
    TRY(arena_try_span(&m->arena, ev->addr.text, &r.addr));
    TRY(arena_try_span(&m->arena, domain, &r.domain));
    TRY(arena_try_span(&m->arena, ev->rcpt.orcpt, &r.orcpt));
    if (e->n_rcpt == m->rcpt_cap) {
        m->rcpt_cap = m->rcpt_cap ? m->rcpt_cap * 2 : 2;
        e->rcpt = mem_realloc(e->rcpt, m->rcpt_cap * sizeof *e->rcpt);
    }
    e->rcpt[e->n_rcpt++] = r;
    return ERR_OK;
}

static void incoming_add(struct incoming *m, struct span piece)
{
    size_t before = body_memory(m->body);
    body_append(m->body, piece);
    m->worker->body_memory += body_memory(m->body) - before;
    m->body_bytes += piece.n;
}

static void incoming_guard(struct incoming *m)
{
    ASSERT(!m->trusted || m->org);
    if (m->trusted)
        firewall_init(&m->firewall, FIREWALL_PROMOTE, m->org->domain, m->org->n_domain);
    else
        firewall_init(&m->firewall, FIREWALL_STRIP, NULL, 0);
}

void incoming_start(struct incoming *m, struct span helo, bool esmtp, const struct ip *client,
                    const struct tls_facts *tls)
{
    struct envelope *e = &m->envelope;
    char ip[IP_TEXT_MAX];
    m->esmtp = esmtp;
    e->accepted_ms = loop_wall_ms(m->worker->loop);
    e->id = store_new_id(incoming_store(m), e->accepted_ms);
    e->helo = arena_span(&m->arena, helo);
    e->client = arena_span(&m->arena, span_z(ip_port_text(client, ip)));
    if (tls)
        e->tls = tls_facts_copy(tls, &m->arena);

    struct buf received;
    buf_init(&received, RECEIVED_BYTES_MAX);
    received_write(e, esmtp, m->config->hostname, &received);
    incoming_add(m, buf_span(&received));
    buf_done(&received);
    const struct node *node = node_of_client(&m->config->nodes, tls);
    if (node) { /* whose mail it is stands in its first field */
        m->unseal = ARENA_NEW(&m->arena, struct unseal);
        unseal_init(m->unseal, m->config, node);
        return;
    }
    incoming_guard(m);
    attribution_watch(m);
}

/* --- spooling: full chunks go to the store while the rest still comes --- */

struct append {
    struct store_op op; /* first */
    struct incoming *m;
    struct body *chunk;
};

static void append_done(struct store_op *op)
{
    struct append *a = CONTAINER_OF(op, struct append, op);
    struct incoming *m = a->m;
    if (op->result != ERR_OK)
        m->append_failed = op->result;
    m->worker->body_memory -= body_memory(a->chunk);
    body_unref(a->chunk);
    store_op_done(op);
    mem_free(a);
    m->appends_pending--;
    if (m->abandoned)
        incoming_drop(m);
    else if (m->appends_pending < INCOMING_APPENDS_MAX)
        m->room(m->arg);
}

static void incoming_spool(struct incoming *m)
{
    struct append *a = NEW(struct append);
    size_t before = body_memory(m->body);
    store_op_init(&a->op, STORE_APPEND, append_done, NULL);
    a->m = m;
    a->chunk = body_cut_first(m->body);
    m->worker->body_memory += body_memory(m->body) + body_memory(a->chunk) - before;
    a->op.id = m->envelope.id;
    a->op.seq = m->chunks_before++;
    a->op.bytes = body_at(a->chunk, 0);
    m->appends_pending++;
    store_submit(incoming_store(m), &a->op);
}

static void incoming_keep(struct incoming *m, struct span piece)
{
    header_scan_input(&m->scan, piece);
    incoming_add(m, piece);
}

static void incoming_pass(struct incoming *m, struct span in)
{
    struct span piece;
    if (m->unseal)
        unseal_add(m->unseal, in);
    while (firewall_next(&m->firewall, &in, &piece))
        incoming_keep(m, piece);
}

/* What a node has signed becomes the envelope's and nothing else does: not whom we would take the
 * client for by its address, nor what it says in other fields. */
static void incoming_believe(struct incoming *m)
{
    const struct unseal *u = m->unseal;
    struct envelope *e = &m->envelope;
    e->org = u->org ? u->org->name : SPAN_NONE;
    e->from_on_premises = u->org && u->said.on_premises;
    e->connector = arena_span(&m->arena, u->said.connector);
    m->trusted = u->promoted != NULL;
    m->org = u->promoted;
    incoming_guard(m);
    attribution_watch(m);
}

/* false: of what came so far nothing is kept. */
static bool incoming_unseal(struct incoming *m, struct span *in)
{
    struct unseal *u = m->unseal;
    struct span behind;
    if (!u->open) {
        if (!unseal_front(u, in, loop_wall_ms(m->worker->loop), &behind))
            return false;
        if (u->fault == SEAL_GOOD) {
            incoming_believe(m);
            incoming_pass(m, behind);
        }
    }
    return u->fault == SEAL_GOOD;
}

void incoming_body(struct incoming *m, struct span in)
{
    if (m->unseal && !incoming_unseal(m, &in))
        return;
    incoming_pass(m, in);
    uint64_t budget = m->config->limits.body_memory_bytes;
    uint64_t keep = m->worker->body_memory > budget ? BODY_CHUNK : INCOMING_MEMORY_MAX;
    while (m->body->n > keep)
        incoming_spool(m);
}

bool incoming_full(const struct incoming *m)
{
    return m->appends_pending >= INCOMING_APPENDS_MAX;
}

/* --- commit --- */

static void trace_attribution(const struct incoming *m, struct buf *line)
{
    const struct envelope *e = &m->envelope;
    if (e->org.n > 0)
        kv_str(line, "org", e->org);
    if (e->connector.n > 0)
        kv_str(line, "connector", e->connector);
    if (m->unseal)
        kv_str(line, "node", m->unseal->node->name);
    if (e->rule.n > 0)
        kv_str(line, "rule", e->rule);
    if (m->would_refuse.n > 0)
        kv_str(line, "would-refuse", m->would_refuse);
}

/* What the decision about the way out looks at, beside the envelope. */
static void trace_message(const struct incoming *m, struct buf *line)
{
    const struct envelope *e = &m->envelope;
    if (e->requiretls)
        kv_str(line, "requiretls", SPAN("yes"));
    if (e->tls_required_no)
        kv_str(line, "tls-required", SPAN("no"));
    if (e->tls.on && !e->tls.peer_cert && !m->config->asks_client_certificate)
        kv_str(line, "certificate-asked", SPAN("no"));
}

static struct span incoming_trace(struct incoming *m)
{
    const struct envelope *e = &m->envelope;
    struct buf line, to;
    char id[ID_BYTES_MAX];
    buf_init(&line, sizeof m->trace);
    buf_init(&to, TRACE_TO_MAX);
    for (unsigned i = 0; i < e->n_rcpt && e->rcpt[i].addr.n + 1 <= buf_room(&to); i++) {
        if (i > 0)
            buf_put(&to, SPAN(","));
        buf_put(&to, e->rcpt[i].addr);
    }
    kv_str(&line, "event", SPAN("accepted"));
    kv_num(&line, "time", e->accepted_ms);
    kv_str(&line, "id", span_z(id_text(e->id, id)));
    kv_str(&line, "from", e->from);
    kv_str(&line, "to", buf_span(&to));
    kv_num(&line, "rcpts", e->n_rcpt);
    kv_num(&line, "bytes", (int64_t)e->size);
    kv_str(&line, "client", e->client);
    kv_str(&line, "helo", e->helo);
    kv_str(&line, "message-id", e->message_id);
    trace_attribution(m, &line);
    if (m->firewall.removed > 0)
        kv_num(&line, "attribution-removed", m->firewall.removed);
    if (m->firewall.renamed > 0)
        kv_num(&line, "attribution-promoted", m->firewall.renamed);
    trace_message(m, &line);
    tls_facts_print(&e->tls, &line);
    struct span s = buf_span(&line);
    memcpy(m->trace, s.p, s.n);
    struct span ret = span_of(m->trace, s.n);
    buf_done(&to);
    buf_done(&line);
    return ret;
}

static void incoming_log(const struct incoming *m)
{
    const struct envelope *e = &m->envelope;
    char id[ID_BYTES_MAX];
    log_begin(LOG_INFO, "mail.accepted");
    log_z("id", id_text(e->id, id));
    log_str("from", e->from);
    log_num("rcpts", e->n_rcpt);
    log_num("bytes", (int64_t)e->size);
    log_str("client", e->client);
    log_str("tls", e->tls.on ? e->tls.version : SPAN("none"));
    log_str("message_id", e->message_id);
    if (e->org.n > 0)
        log_str("org", e->org);
    if (e->connector.n > 0)
        log_str("connector", e->connector);
    if (m->unseal)
        log_str("node", m->unseal->node->name);
    if (m->firewall.removed > 0)
        log_num("attribution_removed", m->firewall.removed);
    if (m->firewall.renamed > 0)
        log_num("attribution_promoted", m->firewall.renamed);
    log_end();
}

static void incoming_count(const struct incoming *m)
{
    struct stats *s = &m->worker->stats;
    stats_add(s, STAT_MAIL_IN, 1);
    stats_add(s, STAT_MAIL_IN_BYTES, (int64_t)m->envelope.size);
    stats_add(s, STAT_RCPT_IN, m->envelope.n_rcpt);
    if (!m->envelope.tls.on)
        stats_add(s, STAT_MAIL_IN_PLAINTEXT, 1);
    if (m->unseal)
        stats_add(s, STAT_NODE_MAIL_IN, 1);
}

/* The one place where a message becomes ours: durable, and on its way. */
static void put_done(struct store_op *op)
{
    struct incoming *m = CONTAINER_OF(op, struct incoming, op);
    enum err result = op->result;
    m->committing = false;
    if (result == ERR_NOT_FOUND && m->append_failed != ERR_OK)
        result = m->append_failed; /* why the chunks are not there */
    if (result == ERR_OK) {
        incoming_count(m);
        incoming_log(m);
        struct body *whole = m->put.chunks_before == 0 ? m->body : NULL;
        if (m->put.lease_until_ms > 0)
            sched_fresh(m->worker->sched,
                        mail_new(m->worker, incoming_store(m), &m->envelope, whole),
                        m->put.ret_token, m->put.lease_until_ms);
        else
            sched_kick(m->worker->sched);
        m->chunks_before = 0; /* they belong to the message now */
    }
    store_op_done(op);
    if (m->arg)
        m->committed(m->arg, m, result);
    m->arg = NULL;
    incoming_drop(m);
}

static unsigned incoming_hops(struct incoming *m)
{
    struct span last;
    if (firewall_end(&m->firewall, &last))
        incoming_keep(m, last);
    header_scan_end(&m->scan);
    return m->scan.received + 1;
}

static void log_foreign(const struct incoming *m)
{
    log_begin(LOG_WARN, "mail.foreign");
    log_str("client", m->envelope.client);
    log_str("connector", m->envelope.connector);
    log_str("org", m->org->name);
    log_str("from", m->envelope.from);
    log_end();
}

/* A line in the log and one in the trace: clocks, keys and configurations of nodes are ours to
 * mend. */
static void tell_broken(struct incoming *m, enum seal_fault fault, const struct reply *r)
{
    const struct envelope *e = &m->envelope;
    char id[ID_BYTES_MAX], check[64];
    struct buf b;
    struct ip ip;
    buf_init(&b, sizeof check - 1);
    buf_putf(&b, "node-%s", seal_fault_name(fault));
    memcpy(check, buf_z(&b), b.n + 1);
    buf_done(&b);
    stats_add(&m->worker->stats, STAT_NODE_REFUSED, 1);
    log_begin(LOG_ALARM, "node.refused");
    log_num("conn", (int64_t)m->conn);
    log_z("id", id_text(e->id, id));
    log_str("node", m->unseal->node->name);
    log_z("check", seal_fault_name(fault));
    log_str("client", e->client);
    log_str("from", e->from);
    log_end();
    if (ip_parse_port(e->client, 0, &ip) != ERR_OK || e->n_rcpt == 0)
        return;
    report_refused(m->worker, &(struct report_refusal){ .id = e->id,
                                                        .conn = m->conn,
                                                        .client = &ip,
                                                        .helo = e->helo,
                                                        .from = e->from,
                                                        .to = e->rcpt[0].addr,
                                                        .connector = m->unseal->node->name,
                                                        .check = check,
                                                        .reply = r,
                                                        .tls = &e->tls });
}

/* Nothing that was said is believed before all of it is known to be what was signed. */
static bool incoming_broken(struct incoming *m, struct reply *ret)
{
    if (m->unseal->fault == SEAL_GOOD && m->unseal->open)
        (void)incoming_hops(m);
    enum seal_fault fault = unseal_end(m->unseal, m->firewall.sealed > 0);
    if (fault == SEAL_GOOD)
        return false;
    *ret = unseal_reply(fault);
    tell_broken(m, fault, ret);
    return true;
}

bool incoming_refused(struct incoming *m, struct reply *ret)
{
    if (m->unseal && incoming_broken(m, ret))
        return true;
    if (incoming_hops(m) > m->config->limits.hops) {
        *ret = REPLY(554, 5, 4, 6, "Too many hops, this is a mail loop");
        return true;
    }
    if (m->firewall.foreign > 0 && !m->unseal) { /* of a node's it was judged at that node's door */
        log_foreign(m);
        *ret = REPLY(550, 5, 7, 51, "The header X-OriginatorOrg names another organisation");
        return true;
    }
    return false;
}

void incoming_commit(struct incoming *m)
{
    struct envelope *e = &m->envelope;
    e->hops = incoming_hops(m);
    e->size = m->body_bytes;
    e->eight_bit = m->body->eight_bit;
    e->tls_required_no = m->scan.tls_required_no;
    e->message_id = arena_span(&m->arena, buf_span(&m->scan.message_id));
    e->rule = attribution_rule(m);
    if (m->firewall.renamed > 0 || m->firewall.own > 0)
        e->promoted = m->org->name;
    bool lease = sched_has_room(m->worker->sched);
    m->put = (struct store_new){
        .envelope = e,
        .body = m->body,
        .chunks_before = m->chunks_before,
        .lease_until_ms = lease ? loop_wall_ms(m->worker->loop) + LEASE_MS : 0,
        .trace = incoming_trace(m),
    };
    store_op_init(&m->op, STORE_PUT, put_done, NULL);
    m->op.id = e->id;
    m->op.message = &m->put;
    m->committing = true;
    timer_set(&m->late, loop_now_ms(m->worker->loop) + m->config->limits.commit_ms);
    store_submit(incoming_store(m), &m->op);
}
