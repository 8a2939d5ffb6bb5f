/* The story of delivering, second half: jobs across a channel that is what it must be. */
#include "base/log.h"
#include "gate/session.h"

enum { JOB_ARENA_MAX = 4 * 1024 * 1024 };

/* --- the job at hand --- */

static void job_guard(struct session *s)
{
    enum carry c = carry_job(s->job);
    if (s->dest->route.node) {
        s->sealing = ARENA_NEW(&s->job_arena, struct sealing);
        sealing_init(s->sealing);
    }
    if (c == CARRY_ALL)
        return;
    s->firewall = ARENA_ARRAY(&s->job_arena, struct firewall, 1);
    carry_firewall(s->job, c, s->firewall);
}

static void job_begin(struct session *s, struct job *j)
{
    s->job = j;
    s->started_ms = loop_wall_ms(s->w->loop);
    s->reply = ARENA_ARRAY(&s->job_arena, struct reply, j->n);
    s->rcpt = ARENA_ARRAY(&s->job_arena, const struct rcpt *, j->n);
    for (unsigned k = 0; k < j->n; k++)
        s->rcpt[k] = &j->mail->envelope.rcpt[j->rcpt[k].i];
    s->mail = (struct smtpc_mail){ .envelope = &j->mail->envelope,
                                   .rcpt = s->rcpt,
                                   .n_rcpt = j->n,
                                   .body_bytes = j->mail->envelope.size };
    s->heard = false;
    job_guard(s);
}

static void chunk_forget(struct session *s);

static void job_clear(struct session *s)
{
    s->job = NULL;
    s->firewall = NULL;
    sealing_done(s->sealing);
    s->sealing = NULL;
    s->weighed = false;
    s->piece = SPAN_NONE;
    s->body_read = 0;
    s->body_sent = 0;
    chunk_forget(s);
    arena_done(&s->job_arena);
    arena_init(&s->job_arena, JOB_ARENA_MAX);
}

static void job_reply(struct session *s, unsigned k, const struct reply *r)
{
    ASSERT(k < s->job->n);
    s->reply[k] = *r;
    if (arena_try_span(&s->job_arena, r->text, &s->reply[k].text) != ERR_OK)
        s->reply[k].text = SPAN("(reply too long to keep)");
}

/* The same reply for all that have none yet. */
static void job_reply_rest(struct session *s, const struct reply *r)
{
    for (unsigned k = 0; k < s->job->n; k++)
        if (s->reply[k].code == 0)
            job_reply(s, k, r);
}

static void job_report(struct session *s)
{
    struct attempt a = { .started_ms = s->started_ms,
                         .tls = s->conn ? conn_tls(s->conn) : NULL,
                         .broken = buf_span(&s->broken),
                         .contract = &s->contract,
                         .stage = outbound_stages()[s->stage].name,
                         .detail = buf_span(&s->detail) };
    a.n_host = s->facts.n_host;
    a.tried = decide_last_failure(&s->facts);
    if (s->host < s->facts.n_host) {
        a.tried = &s->facts.host[s->host];
        a.host = a.tried->name;
    }
    if (s->conn)
        a.ip = conn_peer(s->conn);
    report_job(s->job, s->reply, &a);
    job_clear(s);
}

/* --- the body --- */

/* A chunk on its way from the store. */
struct chunk_load {
    struct store_op op;      /* first */
    struct session *session; /* NULL: nobody waits any more */
};

static void chunk_forget(struct session *s)
{
    if (s->loading)
        s->loading->session = NULL;
    s->loading = NULL;
    body_unref(s->chunk);
    s->chunk = NULL;
}

/* From the first byte on, as if nothing had been read. */
static void body_rewind(struct session *s)
{
    if (s->loading || s->body_read >= BODY_CHUNK)
        chunk_forget(s); /* else it is the first */
    s->piece = SPAN_NONE;
    s->body_read = 0;
    s->body_sent = 0;
}

static void chunk_loaded(struct store_op *op)
{
    struct chunk_load *l = CONTAINER_OF(op, struct chunk_load, op);
    struct session *s = l->session;
    struct body *chunk = op->result == ERR_OK ? op->body : NULL;
    struct span none = SPAN_NONE;
    store_op_done(op);
    mem_free(l);
    if (!s) {
        body_unref(chunk);
        return;
    }
    s->loading = NULL;
    s->chunk = chunk;
    if (!chunk) {
        session_end(s, &REPLY(451, 4, 3, 0, "The message could not be read from the queue"), false);
        return;
    }
    if ((s->firewall || s->sealing) && !s->weighed)
        transfer_next(s);
    else
        (void)transfer_body(s); /* the core asked before the chunk was here */
    if (s->stage != STAGE_OVER)
        session_pump(s, &none);
}

static void chunk_start(struct session *s)
{
    struct chunk_load *l = NEW(struct chunk_load);
    l->session = s;
    s->loading = l;
    store_op_init(&l->op, STORE_READ, chunk_loaded, NULL);
    l->op.id = s->job->mail->envelope.id;
    l->op.seq = (unsigned)(s->body_read / BODY_CHUNK);
    store_submit(s->job->mail->store, &l->op);
}

/* The next bytes of the body; none: they are being read. */
static struct span body_next(struct session *s)
{
    const struct mail *m = s->job->mail;
    if (m->body)
        return body_at(m->body, s->body_read);
    if (s->chunk)
        return body_at(s->chunk, s->body_read % BODY_CHUNK);
    if (!s->loading)
        chunk_start(s);
    return SPAN_NONE;
}

/* The piece is dealt with, and perhaps the chunk that it was of. */
static void piece_done(struct session *s)
{
    s->piece = SPAN_NONE;
    if (!s->chunk || s->body_read % BODY_CHUNK != 0)
        return;
    body_unref(s->chunk);
    s->chunk = NULL;
}

/* Of bytes that were read, those to go out. Gives the bytes that were not looked at yet. */
static struct span piece_guarded(struct session *s, struct span in)
{
    struct span kept;
    if (firewall_next(s->firewall, &in, &kept))
        s->piece = kept;
    return in;
}

/* Bytes that go out; false: there are none, or they are being read. */
static bool piece_next(struct session *s)
{
    ASSERT(s->piece.n == 0);
    while (s->body_read < s->job->mail->envelope.size) {
        struct span in = body_next(s), rest = SPAN_NONE;
        if (in.n == 0)
            return false;
        if (s->firewall)
            rest = piece_guarded(s, in);
        else
            s->piece = in;
        s->body_read += in.n - rest.n;
        if (s->piece.n > 0)
            return true;
        piece_done(s);
    }
    return s->firewall && firewall_end(s->firewall, &s->piece);
}

bool transfer_body(struct session *s)
{
    size_t room;
    while ((room = smtpc_body_room(s->smtpc)) > 0 && s->body_sent < s->mail.body_bytes) {
        if (s->piece.n == 0 && !piece_next(s))
            return false;
        struct span piece = span_head(s->piece, s->piece.n < room ? s->piece.n : room);
        smtpc_body(s->smtpc, piece, session_now(s));
        s->body_sent += piece.n;
        s->piece = span_tail(s->piece, piece.n);
        if (s->piece.n == 0)
            piece_done(s);
    }
    return true;
}

/* Whether something of what is still unread decides about the first byte that goes. */
static bool weighs_on(const struct session *s)
{
    return s->sealing || !firewall_open(s->firewall);
}

/* What is signed stands in front of all that goes to a node. */
static void job_seal(struct session *s)
{
    const struct config *c = s->dest->config;
    sealing_end(s->sealing, c, s->dest->route.node, &s->job->mail->envelope,
                carry_job(s->job) == CARRY_DEMOTED, loop_wall_ms(s->w->loop));
    s->mail.body_bytes += s->sealing->n;
    s->piece = span_of(s->sealing->field, s->sealing->n);
    if (s->sealing->n > 0)
        stats_add(&s->w->stats, STAT_NODE_MAIL_OUT, 1);
}

/* What the firewall makes of the size: SIZE= and BDAT say it before the first byte, and mail with
 * BODY=BINARYMIME can go by BDAT only. So its header section is read twice; what stands behind it
 * stays. What is signed is read twice as a whole. false: the store is being asked. */
static bool job_weigh(struct session *s)
{
    uint64_t size = s->job->mail->envelope.size;
    if ((!s->firewall && !s->sealing) || s->weighed)
        return true;
    while (weighs_on(s) && piece_next(s)) {
        if (s->sealing)
            sealing_add(s->sealing, s->piece);
        s->body_sent += s->piece.n;
        piece_done(s);
    }
    if (s->loading)
        return false;
    s->mail.body_bytes = s->body_sent + (size - s->body_read);
    s->weighed = true;
    body_rewind(s);
    if (s->firewall)
        carry_firewall(s->job, carry_job(s->job), s->firewall);
    if (s->sealing)
        job_seal(s);
    return true;
}

/* --- job after job --- */

bool transfer_begin(struct session *s)
{
    struct job *j = sched_next(s->dest);
    if (j)
        job_begin(s, j);
    return j != NULL;
}

/* Why the job at hand cannot go over its channel; false: it can. */
static bool job_misfits(struct session *s, struct reply *ret)
{
    if (s->job->lease_until_ms <= loop_wall_ms(s->w->loop)) {
        /* the store will refuse the result as stale and keep the recipient */
        *ret = REPLY(451, 4, 3, 0, "The lease ended before the mail could be sent");
        return true;
    }
    if (s->sealing && s->sealing->n == 0) {
        *ret = REPLY(451, 4, 3, 0, "The message cannot be signed for our node now");
        return true;
    }
    return smtpc_fits(s->smtpc, &s->mail, ret) != ERR_OK;
}

void transfer_next(struct session *s)
{
    unsigned most = (unsigned)s->dest->config->limits.messages_per_session;
    struct reply misfit;
    if (!smtpc_ready(s->smtpc))
        return; /* the core still puts the session right: SMTPC_READY follows */
    while (s->job || (s->jobs_done < most && !s->w->stopping && transfer_begin(s))) {
        if (!job_weigh(s))
            return; /* chunk_loaded goes on */
        if (!job_misfits(s, &misfit)) {
            smtpc_send(s->smtpc, &s->mail, session_now(s));
            return;
        }
        job_reply_rest(s, &misfit);
        job_report(s);
    }
    bool enough = s->jobs_done >= most || s->dest->retired || s->w->stopping;
    session_move(s, enough ? STAGE_QUIT : STAGE_IDLE);
}

void transfer_rcpt(struct session *s, const struct smtpc_ev *ev)
{
    s->heard = true;
    if (!reply_ok(&ev->reply))
        job_reply(s, ev->i, &ev->reply);
}

void transfer_result(struct session *s, const struct smtpc_ev *ev)
{
    job_reply(s, ev->i, &ev->reply);
}

void transfer_sent(struct session *s, const struct smtpc_ev *ev)
{
    bool passed = false;
    job_reply_rest(s, &ev->reply);
    for (unsigned k = 0; k < s->job->n; k++)
        passed = passed || reply_ok(&s->reply[k]);
    if (passed)
        sched_passed(s->dest);
    job_report(s);
    s->jobs_done++;
    transfer_next(s);
}

void transfer_put_back(struct session *s)
{
    struct job *j = s->job;
    job_clear(s);
    sched_put_back(j);
}

void transfer_give_up(struct session *s, const struct reply *r)
{
    job_reply_rest(s, r);
    job_report(s);
}

void transfer_free(struct session *s)
{
    ASSERT(!s->job && !s->sealing);
    chunk_forget(s);
    arena_done(&s->job_arena);
}
