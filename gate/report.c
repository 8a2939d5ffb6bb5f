/* Results to the store. Start reading at report_job. A report is one STORE_FINISH in the making:
 * what each recipient's reply means (retry_decide), the trace lines, and a notification if one is
 * owed. */
#include "gate/report.h"

#include "base/enc.h"
#include "base/log.h"
#include "gate/carry.h"
#include "io/idn.h"
#include "mail/dsn.h"

enum {
    FINISH_AGAIN_MS = 5 * 1000,
    LAST_MAX = 480,
    REMOTE_MAX = 300,
    ARENA_MAX = 32 * 1024 * 1024,
    TRACES_MAX = 4 * 1024 * 1024,
    EXPIRED_MAX = 600,
};

struct report {
    struct worker *w;
    struct job *job;
    struct arena arena;
    struct store_op op;
    struct timer again;
    struct store_result *result;
    struct reply *reply; /* one a recipient; text is the arena's */
    struct retry_verdict *verdict;
    struct span remote; /* host that answered, or empty */
    struct buf trace;
    bool to_us; /* Maildir, LMTP: delivered, not relayed */
    bool in_clear;
    bool one_by_one; /* a recipient was dropped or leased anew meanwhile: the others' results stand
                      */
    bool told;       /* trace and notification are in the store */
    unsigned at;     /* one_by_one: the recipient at hand */
    /* a notification */
    struct dsn_rcpt *dsn;
    unsigned n_dsn;
    struct store_new notice;
    struct envelope notice_envelope;
    struct rcpt notice_rcpt;
};

static int64_t wall(const struct report *r)
{
    return loop_wall_ms(r->w->loop);
}

static void report_free(struct report *r)
{
    sched_job_done(r->job);
    timer_stop(&r->again);
    body_unref(r->notice.body);
    buf_done(&r->trace);
    arena_done(&r->arena);
    mem_free(r);
}

/* --- what the store says --- */

static void count_one(const struct report *r, unsigned k)
{
    struct stats *s = &r->w->stats;
    switch (r->verdict[k].action) {
    case RETRY_DONE:
        stats_add(s, STAT_DELIVERED, 1);
        stats_add(s, STAT_DELIVERED_LOCAL, r->to_us);
        stats_add(s, STAT_DELIVERED_PLAINTEXT, r->in_clear);
        break;
    case RETRY_LATER:
        stats_add(s, STAT_DEFERRED, 1);
        break;
    case RETRY_BOUNCE:
        stats_add(s, STAT_BOUNCED, 1);
        stats_add(s, STAT_EXPIRED, r->verdict[k].expired);
        break;
    }
}

/* The results that the operation at hand carried are in the store. */
static void report_count(const struct report *r)
{
    unsigned first = r->one_by_one ? r->at : 0, n = r->one_by_one ? 1 : r->job->n;
    for (unsigned k = first; k < first + n; k++)
        count_one(r, k);
}

static void report_submit(struct report *r);

static void report_again(void *arg)
{
    report_submit(arg);
}

static void report_end(struct report *r)
{
    if (r->n_dsn > 0 && r->told) {
        stats_add(&r->w->stats, STAT_DSN_SENT, 1);
        sched_kick(r->w->sched);
    }
    report_free(r);
}

static void report_done(struct store_op *op)
{
    struct report *r = op->arg;
    enum err result = op->result;
    store_op_done(op);
    if (result ==
        ERR_FULL) { /* nothing is lost by waiting: the lease holds, or the row comes free */
        timer_set(&r->again, loop_now_ms(r->w->loop) + FINISH_AGAIN_MS);
        return;
    }
    if (result == ERR_STALE && !r->one_by_one && r->job->n > 1) {
        r->one_by_one = true;
        report_submit(r);
        return;
    }
    if (result == ERR_OK) {
        report_count(r);
        r->told = true;
    } else if (result == ERR_STALE) {
        stats_add(&r->w->stats, STAT_LEASES_LOST, 1);
    }
    if (r->one_by_one && ++r->at < r->job->n && result != ERR_IO)
        report_submit(r);
    else
        report_end(r);
}

static void report_submit(struct report *r)
{
    store_op_init(&r->op, STORE_FINISH, report_done, r);
    r->op.id = r->job->mail->envelope.id;
    r->op.results = r->one_by_one ? &r->result[r->at] : r->result;
    r->op.n = r->one_by_one ? 1 : r->job->n;
    r->op.bytes = r->told ? SPAN_NONE : buf_span(&r->trace);
    r->op.message = r->n_dsn > 0 && !r->told ? &r->notice : NULL;
    store_submit(r->job->mail->store, &r->op);
}

/* --- the notification --- */

static const struct rcpt *rcpt_of(const struct report *r, unsigned k)
{
    return &r->job->mail->envelope.rcpt[r->job->rcpt[k].i];
}

static struct span last_of(struct report *r, unsigned k)
{
    struct buf b;
    buf_init(&b, REPLY_TEXT_MAX + 64);
    reply_print(&r->reply[k], &b);
    struct span s = buf_span(&b);
    struct span ret = arena_span(&r->arena, span_head(s, s.n < LAST_MAX ? s.n : LAST_MAX));
    buf_done(&b);
    return ret;
}

static bool dsn_kind_of(const struct report *r, unsigned k, enum dsn_kind *ret)
{
    switch (r->verdict[k].action) {
    case RETRY_DONE:
        *ret = r->to_us ? DSN_DELIVERED : DSN_RELAYED;
        return true;
    case RETRY_LATER:
        *ret = DSN_DELAYED;
        return r->verdict[k].warn;
    case RETRY_BOUNCE:
        break;
    }
    *ret = DSN_FAILED;
    return true;
}

/* Collects who is owed a notification. */
static void report_dsn(struct report *r)
{
    const struct envelope *e = &r->job->mail->envelope;
    const struct retry_config *retry = &r->w->config->retry;
    r->dsn = ARENA_ARRAY(&r->arena, struct dsn_rcpt, r->job->n);
    for (unsigned k = 0; k < r->job->n; k++) {
        enum dsn_kind kind;
        if (!dsn_kind_of(r, k, &kind) || !dsn_wanted(e, rcpt_of(r, k), kind))
            continue;
        r->dsn[r->n_dsn++] = (struct dsn_rcpt){
            .rcpt = rcpt_of(r, k),
            .kind = kind,
            .reply = r->result[k].last,
            .remote = r->remote,
            .last_attempt_ms = wall(r),
            .will_retry_until_ms = kind == DSN_DELAYED ? e->accepted_ms + retry->give_up_ms : 0,
        };
    }
}

/* Who speaks in a notification: the recipient's organisation, whose connectors say how its words
 * may travel; for those of nobody here, the organisation that has sent the message. */
static struct span notice_org(struct report *r)
{
    const struct org *org = org_of_domain(r->w->config->orgs, r->dsn[0].rcpt->domain);
    return org ? arena_span(&r->arena, org->name) : r->job->mail->envelope.org;
}

/* Who is told of a message may be a stranger: what is returned of it has no promoted fields. */
static struct body *report_returned(struct body *body, struct envelope *e)
{
    if (!body || e->promoted.n == 0)
        return body;
    struct body *returned = carry_strip(body);
    ASSERT(returned->n <= body->n);
    e->size -= body->n - returned->n;
    body_unref(body);
    return returned;
}

static void report_compose(void *arg, struct body *body)
{
    struct report *r = arg;
    struct envelope original = r->job->mail->envelope, *e = &original;
    body = report_returned(body, e);
    struct dsn d = {
        .hostname = r->w->config->hostname,
        .original = e,
        .body = body,
        .id = store_new_id(r->job->mail->store, wall(r)),
        .now_ms = wall(r),
        .rcpt = r->dsn,
        .n_rcpt = r->n_dsn,
    };
    r->notice.body = dsn_compose(&d);
    body_unref(body);
    size_t at = span_rfind(e->from, '@');
    struct buf domain;
    buf_init(&domain, DOMAIN_BYTES_MAX);
    struct span name = at < e->from.n ? span_tail(e->from, at + 1) : d.hostname;
    if (idn_to_ascii(name, &domain) != ERR_OK)
        buf_put(&domain, span_head(name, name.n < DOMAIN_BYTES_MAX ? name.n : DOMAIN_BYTES_MAX));
    r->notice_rcpt = (struct rcpt){ .addr = e->from,
                                    .domain = arena_span(&r->arena, buf_span(&domain)),
                                    .notify = NOTIFY_NEVER };
    buf_done(&domain);
    r->notice_envelope = (struct envelope){
        .id = d.id,
        .accepted_ms = d.now_ms,
        .size = r->notice.body->n,
        .smtputf8 = e->smtputf8,
        .body_kind = r->notice.body->eight_bit ? BODY_8BITMIME : BODY_7BIT,
        .eight_bit = r->notice.body->eight_bit,
        .requiretls = e->requiretls,
        .org = notice_org(r),
        .rcpt = &r->notice_rcpt,
        .n_rcpt = 1,
    };
    r->notice.envelope = &r->notice_envelope;
    struct buf line;
    char id[ID_BYTES_MAX], of[ID_BYTES_MAX];
    buf_init(&line, STORE_TRACE_MAX);
    kv_str(&line, "event", SPAN("notification"));
    kv_num(&line, "time", d.now_ms);
    kv_str(&line, "id", span_z(id_text(d.id, id)));
    kv_str(&line, "about", span_z(id_text(e->id, of)));
    kv_str(&line, "to", e->from);
    if (r->notice_envelope.org.n > 0)
        kv_str(&line, "org", r->notice_envelope.org);
    if (e->requiretls)
        kv_str(&line, "requiretls", SPAN("yes"));
    r->notice.trace = arena_span(&r->arena, buf_span(&line));
    buf_done(&line);
    report_submit(r);
}

/* --- trace and log --- */

static const char *action_name(const struct retry_verdict *v)
{
    switch (v->action) {
    case RETRY_DONE:
        return "delivered";
    case RETRY_LATER:
        return "deferred";
    case RETRY_BOUNCE:
        return v->expired ? "expired" : "bounced";
    }
    return "?";
}

static void trace_connector(const struct report *r, unsigned k, struct buf *line)
{
    const struct out_connector *by = r->job->dest->by, *test = r->job->rcpt[k].test;
    if (by)
        kv_str(line, "connector", by->c.id);
    if (test)
        kv_str(line, "would-use", test->c.id);
}

/* What there was to be judged: `apply --dry-run` asks of it what another contract would say. */
static void trace_channel(const struct attempt *a, struct buf *line)
{
    const struct host_facts *h = a->tried;
    if (!a->tls && h && h->channel == TRI_NO && a->broken.n + 1 <= buf_room(line)) {
        buf_put(line, SPAN(" "));
        buf_put(line, a->broken);
    } else {
        tls_facts_print(a->tls ? a->tls : &(struct tls_facts){ 0 }, line);
    }
    if (!h)
        return;
    if (a->host.n == 0)
        kv_str(line, "tried", h->name);
    kv_num(line, "hosts", a->n_host);
    kv_str(line, "connected", span_z(tri_name(h->connected)));
    kv_str(line, "starttls", span_z(tri_name(h->starttls_offered)));
    kv_str(line, "handshake", span_z(tri_name(h->handshake)));
    if (h->channel == TRI_NO)
        kv_str(line, "breach", span_z(breach_name(h->breach)));
}

static void trace_line(struct report *r, unsigned k, const struct attempt *a, struct buf *line)
{
    char id[ID_BYTES_MAX], ip[IP_TEXT_MAX];
    struct buf contract;
    buf_init(&contract, CONTRACT_TEXT_MAX);
    kv_str(line, "event", span_z(action_name(&r->verdict[k])));
    kv_num(line, "time", wall(r));
    kv_str(line, "id", span_z(id_text(r->job->mail->envelope.id, id)));
    kv_str(line, "to", rcpt_of(r, k)->addr);
    kv_str(line, "reply", r->result[k].last);
    kv_str(line, "host", a->host);
    kv_str(line, "ip", span_z(a->ip.family == IP_NONE ? "" : ip_port_text(&a->ip, ip)));
    trace_channel(a, line);
    if (a->contract) {
        contract_print(a->contract, &contract);
        kv_str(line, "contract", buf_span(&contract));
    }
    trace_connector(r, k, line);
    kv_str(line, "stage", span_z(a->stage));
    kv_num(line, "attempt", r->job->rcpt[k].attempts + 1);
    kv_num(line, "took_ms", wall(r) - a->started_ms);
    if (r->verdict[k].action == RETRY_LATER)
        kv_num(line, "next", r->verdict[k].due_ms);
    kv_str(line, "channel", a->detail);
    buf_done(&contract);
}

static void log_attempt(const struct report *r, unsigned k, const struct attempt *a)
{
    char id[ID_BYTES_MAX];
    enum log_level level = r->verdict[k].action == RETRY_DONE ? LOG_INFO : LOG_WARN;
    if (!log_on(level))
        return;
    log_begin(level, "mail.attempt");
    log_z("id", id_text(r->job->mail->envelope.id, id));
    log_z("result", action_name(&r->verdict[k]));
    log_str("to", rcpt_of(r, k)->addr);
    log_str("host", a->host);
    if (r->job->dest->by)
        log_str("connector", r->job->dest->by->c.id);
    log_str("tls", a->tls ? a->tls->version : SPAN("none"));
    log_str("reply", r->result[k].last);
    log_end();
}

static void report_trace(struct report *r, const struct attempt *a)
{
    struct buf line;
    buf_init(&line, STORE_TRACE_MAX - 1);
    for (unsigned k = 0; k < r->job->n; k++) {
        buf_clear(&line);
        trace_line(r, k, a, &line);
        if (buf_room(&r->trace) > line.n && r->trace.n > 0)
            buf_put(&r->trace, SPAN("\n"));
        if (buf_room(&r->trace) >= line.n)
            buf_put(&r->trace, buf_span(&line));
        log_attempt(r, k, a);
    }
    buf_done(&line);
}

/* --- what the replies mean --- */

/* A 4xx that lasted too long: the same digits as 5xx, and it says so. */
static struct reply expired_reply(struct report *r, const struct reply *last)
{
    struct buf text;
    buf_init(&text, EXPIRED_MAX);
    struct span words = last->text;
    buf_put(&text, SPAN("given up after repeated attempts: "));
    buf_put(&text, span_head(words, words.n < LAST_MAX ? words.n : LAST_MAX));
    struct reply ret = { .code = last->code + 100,
                         .status = { 5, last->status.subject, last->status.detail },
                         .text = arena_span(&r->arena, buf_span(&text)) };
    if (ret.status.subject == 0 && ret.status.detail == 0)
        ret.status = (struct status){ 5, 4, 7 };
    buf_done(&text);
    return ret;
}

static void report_judge(struct report *r, unsigned k, const struct reply *reply)
{
    const struct job_rcpt *rcpt = &r->job->rcpt[k];
    const struct envelope *e = &r->job->mail->envelope;
    struct retry_input in = {
        .reply = *reply,
        .accepted_ms = e->accepted_ms,
        .now_ms = wall(r),
        .attempts = rcpt->attempts,
        .warned = rcpt->warned,
        .null_sender = e->from.n == 0,
        .random = rng_u64(&r->w->rng),
    };
    struct retry_verdict v = retry_decide(&r->w->config->retry, &in);
    r->reply[k] = *reply;
    r->reply[k].text = arena_span(&r->arena, reply->text);
    if (v.expired)
        r->reply[k] = expired_reply(r, &r->reply[k]);
    r->verdict[k] = v;
    r->result[k] = (struct store_result){
        .i = rcpt->stored_i,
        .token = rcpt->token,
        .outcome = v.action == RETRY_LATER ? STORE_DEFER : STORE_DONE,
        .due_ms = v.due_ms,
        .warned = rcpt->warned || v.warn,
        .last = last_of(r, k),
    };
}

void report_job(struct job *j, const struct reply *reply, const struct attempt *a)
{
    struct report *r = NEW(struct report);
    r->w = j->mail->worker;
    r->job = j;
    arena_init(&r->arena, ARENA_MAX);
    buf_init(&r->trace, TRACES_MAX);
    timer_init(&r->again, r->w->loop, report_again, r);
    r->result = ARENA_ARRAY(&r->arena, struct store_result, j->n);
    r->reply = ARENA_ARRAY(&r->arena, struct reply, j->n);
    r->verdict = ARENA_ARRAY(&r->arena, struct retry_verdict, j->n);
    r->to_us = j->dest->route.kind == ROUTE_MAILDIR || j->dest->route.kind == ROUTE_LMTP;
    r->in_clear = !r->to_us && !(a->tls && a->tls->on);
    r->remote =
        arena_span(&r->arena, span_head(a->host, a->host.n < REMOTE_MAX ? a->host.n : REMOTE_MAX));
    for (unsigned k = 0; k < j->n; k++)
        report_judge(r, k, &reply[k]);
    report_trace(r, a);
    report_dsn(r);
    if (r->n_dsn > 0)
        mail_load(j->mail, 1, report_compose, r);
    else
        report_submit(r);
}

/* --- what has no message: under a flood the counters and the log must do */

enum { LOOSE_PENDING_MAX = 64 };

struct loose {
    struct store_op op; /* first */
    struct buf line;
};

static void loose_done(struct store_op *op)
{
    struct loose *l = CONTAINER_OF(op, struct loose, op);
    buf_done(&l->line);
    store_op_done(op);
    mem_free(l);
}

/* A line in the making; NULL: there are too many. */
static struct loose *loose_new(struct worker *w, const char *event, uint64_t trace_id)
{
    char id[ID_BYTES_MAX];
    if (store_pending(w->store[0]) > LOOSE_PENDING_MAX)
        return NULL;
    struct loose *l = NEW(struct loose);
    buf_init(&l->line, STORE_TRACE_MAX);
    store_op_init(&l->op, STORE_TRACE, loose_done, NULL);
    l->op.id = trace_id;
    kv_str(&l->line, "event", span_z(event));
    kv_num(&l->line, "time", loop_wall_ms(w->loop));
    kv_str(&l->line, "id", span_z(id_text(trace_id, id)));
    return l;
}

static void loose_submit(struct worker *w, struct loose *l)
{
    l->op.bytes = buf_span(&l->line);
    store_submit(w->store[0], &l->op);
}

void report_tls_failed(struct worker *w, const struct ip *client, struct span helo, const char *why)
{
    char ip[IP_TEXT_MAX];
    struct loose *l = loose_new(w, "tls-failed", store_new_id(w->store[0], loop_wall_ms(w->loop)));
    if (!l)
        return;
    kv_str(&l->line, "client", span_z(ip_port_text(client, ip)));
    kv_str(&l->line, "helo", helo);
    kv_str(&l->line, "why", span_z(why));
    loose_submit(w, l);
}

static void report_recipient(struct worker *w, const char *event, const struct report_refusal *r)
{
    char ip[IP_TEXT_MAX];
    struct buf reply;
    struct loose *l = loose_new(w, event, r->id);
    if (!l)
        return;
    buf_init(&reply, LAST_MAX);
    reply_print(r->reply, &reply);
    kv_str(&l->line, "from", r->from);
    kv_str(&l->line, "to", r->to);
    kv_str(&l->line, "client", span_z(ip_port_text(r->client, ip)));
    kv_str(&l->line, "helo", r->helo);
    kv_num(&l->line, "conn", (int64_t)r->conn);
    kv_str(&l->line, "connector", r->connector);
    kv_str(&l->line, "check", span_z(r->check));
    kv_str(&l->line, "reply", buf_span(&reply));
    if (r->unasked)
        kv_str(&l->line, "certificate-asked", SPAN("no"));
    tls_facts_print(r->tls, &l->line);
    buf_done(&reply);
    loose_submit(w, l);
}

void report_refused(struct worker *w, const struct report_refusal *r)
{
    report_recipient(w, "refused", r);
}

void report_probed(struct worker *w, const struct report_refusal *r)
{
    report_recipient(w, "probe", r);
}
