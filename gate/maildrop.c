/* Delivery into a Maildir: one hand-over to the file thread for each job. */
#include "gate/outbound.h"

#include "base/enc.h"
#include "gate/carry.h"
#include "gate/maildrop.h"
#include "gate/report.h"
#include "io/maildir.h"
#include "mail/addr.h"

enum { ARENA_MAX = 32 * 1024 * 1024, HEADER_MAX = 2048 };

struct drop {
    struct work_item work; /* first */
    struct job *job;
    struct body *body;
    struct body *stripped; /* of it, for mailboxes that promoted fields are not for; or NULL */
    uint64_t loads;        /* bytes of both that the mail does not hold itself: in body_memory */
    struct arena arena;
    struct maildir_job *target; /* one a recipient; an empty path: it has none */
    enum err *result;
    struct why *why;
    int64_t started_ms;
};

static struct reply drop_reply(const struct drop *d, unsigned k)
{
    switch (d->result[k]) {
    case ERR_OK:
        return REPLY(250, 2, 0, 0, "Delivered to the mailbox");
    case ERR_FULL:
        return (struct reply){ 452, { 4, 2, 2 }, span_z(d->why[k].text) };
    case ERR_REFUSED:
        return REPLY(550, 5, 1, 1, "The address has no mailbox here");
    default:
        return (struct reply){ 451, { 4, 3, 0 }, span_z(d->why[k].text) };
    }
}

static void drop_end(struct drop *d)
{
    struct job *j = d->job;
    struct dest *dest = j->dest;
    struct reply *reply = ARENA_ARRAY(&d->arena, struct reply, j->n);
    for (unsigned k = 0; k < j->n; k++)
        reply[k] = drop_reply(d, k);
    struct attempt a = { .started_ms = d->started_ms,
                         .contract = &dest->contract,
                         .stage = "maildir",
                         .host = SPAN("maildir") };
    report_job(j, reply, &a);
    body_unref(d->body);
    body_unref(d->stripped);
    dest->worker->body_memory -= d->loads;
    arena_done(&d->arena);
    mem_free(d);
    sched_session_over(dest, NULL);
}

void maildrop_run(void *arg, struct work_item *batch)
{
    (void)arg;
    for (struct work_item *w = batch; w; w = w->next) {
        struct drop *d = CONTAINER_OF(w, struct drop, work);
        for (unsigned k = 0; k < d->job->n; k++)
            if (d->target[k].path.n > 0)
                d->result[k] = maildir_deliver(&d->target[k], &d->why[k]);
    }
}

void maildrop_finish(void *arg, struct work_item *item)
{
    (void)arg;
    drop_end(CONTAINER_OF(item, struct drop, work));
}

/* Return-Path (RFC 5321 4.4) and who it was delivered to. */
static struct span drop_header(struct drop *d, const struct envelope *e, const struct rcpt *r)
{
    struct buf b;
    buf_init(&b, HEADER_MAX);
    buf_putf(&b, "Return-Path: <%.*s>\r\nDelivered-To: %.*s\r\n", SPAN_ARG(e->from),
             SPAN_ARG(r->addr));
    struct span ret = arena_span(&d->arena, buf_span(&b));
    buf_done(&b);
    return ret;
}

/* How much of the pattern must exist: the folder before the first that is made of an address. */
static size_t drop_root_n(struct span pattern)
{
    struct span fixed = span_head(pattern, span_find(pattern, '{'));
    size_t slash = span_rfind(fixed, '/');
    return fixed.n < pattern.n && slash < fixed.n ? slash : 0;
}

static struct body *drop_body(struct drop *d, unsigned k)
{
    if (carry_rcpt(d->job, k) == CARRY_ALL)
        return d->body;
    if (!d->stripped) {
        d->stripped = carry_strip(d->body);
        d->loads += d->stripped->n;
        d->job->dest->worker->body_memory += d->stripped->n;
    }
    return d->stripped;
}

static void drop_target(struct drop *d, unsigned k)
{
    const struct envelope *e = &d->job->mail->envelope;
    const struct rcpt *r = &e->rcpt[d->job->rcpt[k].i];
    struct span pattern = d->job->dest->route.maildir;
    struct buf path;
    char id[ID_BYTES_MAX];
    struct span local = span_head(r->addr, span_rfind(r->addr, '@'));
    buf_init(&path, ADDR_BYTES_MAX * 2);
    if (route_maildir(pattern, local, r->domain, &path) != ERR_OK) {
        d->result[k] = ERR_REFUSED;
    } else {
        struct buf unique;
        buf_init(&unique, 64);
        buf_putf(&unique, "%lld.%s_%u.postern", (long long)(e->accepted_ms / 1000),
                 id_text(e->id, id), d->job->rcpt[k].stored_i);
        d->target[k] = (struct maildir_job){ .path = arena_span(&d->arena, buf_span(&path)),
                                             .root_n = drop_root_n(pattern),
                                             .unique = arena_span(&d->arena, buf_span(&unique)),
                                             .header = drop_header(d, e, r),
                                             .body = drop_body(d, k) };
        buf_done(&unique);
    }
    buf_done(&path);
}

static void drop_loaded(void *arg, struct body *body)
{
    struct drop *d = arg;
    struct job *j = d->job;
    d->body = body;
    d->target = ARENA_ARRAY(&d->arena, struct maildir_job, j->n);
    d->result = ARENA_ARRAY(&d->arena, enum err, j->n);
    d->why = ARENA_ARRAY(&d->arena, struct why, j->n);
    for (unsigned k = 0; k < j->n; k++) {
        if (body) {
            drop_target(d, k);
            continue;
        }
        d->result[k] = ERR_IO;
        why_set(&d->why[k], "the message could not be read from the queue");
    }
    if (body)
        work_submit(j->mail->worker->files, &d->work);
    else
        drop_end(d);
}

void outbound_maildir(struct job *j)
{
    struct drop *d = NEW(struct drop);
    d->job = j;
    d->started_ms = loop_wall_ms(j->mail->worker->loop);
    d->loads = j->mail->body ? 0 : j->mail->envelope.size;
    j->dest->worker->body_memory += d->loads;
    arena_init(&d->arena, ARENA_MAX);
    mail_load(j->mail, mail_chunks(j->mail), drop_loaded, d);
}
