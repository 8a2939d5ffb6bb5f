#include "gate/mail.h"

enum { ARENA_MAX = 16 * 1024 * 1024 };

/* The envelope with strings of its own. */
static void envelope_own(struct envelope *e, struct arena *a)
{
    e->from = arena_span(a, e->from);
    e->envid = arena_span(a, e->envid);
    e->helo = arena_span(a, e->helo);
    e->client = arena_span(a, e->client);
    e->message_id = arena_span(a, e->message_id);
    e->org = arena_span(a, e->org);
    e->connector = arena_span(a, e->connector);
    e->rule = arena_span(a, e->rule);
    e->promoted = arena_span(a, e->promoted);
    e->tls = tls_facts_copy(&e->tls, a);
    struct rcpt *r = ARENA_ARRAY(a, struct rcpt, e->n_rcpt);
    for (unsigned i = 0; i < e->n_rcpt; i++) {
        r[i] = e->rcpt[i];
        r[i].addr = arena_span(a, r[i].addr);
        r[i].domain = arena_span(a, r[i].domain);
        r[i].orcpt = arena_span(a, r[i].orcpt);
    }
    e->rcpt = r;
}

struct mail *mail_new(struct worker *w, struct store *store, const struct envelope *e,
                      struct body *body)
{
    struct mail *m = NEW(struct mail);
    m->refs = 1;
    m->worker = w;
    m->store = store;
    arena_init(&m->arena, ARENA_MAX);
    m->envelope = *e;
    envelope_own(&m->envelope, &m->arena);
    if (body) {
        m->body = body_ref(body);
        w->body_memory += body_memory(body);
    }
    return m;
}

void mail_drop_body(struct mail *m)
{
    if (!m->body)
        return;
    m->worker->body_memory -= body_memory(m->body);
    body_unref(m->body);
    m->body = NULL;
}

void mail_unref(struct mail *m)
{
    ASSERT(m->refs > 0);
    if (--m->refs > 0)
        return;
    mail_drop_body(m);
    arena_done(&m->arena);
    mem_free(m);
}

/* --- reading a body back --- */

struct load {
    struct store_op op; /* first */
    struct mail *mail;
    unsigned chunks;
    struct body *body;
    mail_body_fn *fn;
    void *arg;
};

static void load_end(struct load *l, struct body *body)
{
    mail_body_fn *fn = l->fn;
    void *arg = l->arg;
    if (!body)
        body_unref(l->body);
    mail_unref(l->mail);
    mem_free(l);
    fn(arg, body);
}

static void load_next(struct load *l, unsigned seq);

static void load_done(struct store_op *op)
{
    struct load *l = CONTAINER_OF(op, struct load, op);
    enum err result = op->result;
    unsigned seq = op->seq;
    if (result == ERR_OK) {
        for (uint64_t at = 0; at < op->body->n;) {
            struct span s = body_at(op->body, at);
            body_append(l->body, s);
            at += s.n;
        }
        body_unref(op->body);
    }
    store_op_done(op);
    if (result != ERR_OK)
        load_end(l, NULL);
    else if (seq + 1 == l->chunks)
        load_end(l, l->body);
    else
        load_next(l, seq + 1);
}

static void load_next(struct load *l, unsigned seq)
{
    store_op_init(&l->op, STORE_READ, load_done, NULL);
    l->op.id = l->mail->envelope.id;
    l->op.seq = seq;
    store_submit(l->mail->store, &l->op);
}

void mail_load(struct mail *m, unsigned chunks, mail_body_fn *fn, void *arg)
{
    ASSERT(chunks > 0 && chunks <= mail_chunks(m));
    if (m->body) {
        fn(arg, body_ref(m->body));
        return;
    }
    struct load *l = NEW(struct load);
    m->refs++;
    l->mail = m;
    l->chunks = chunks;
    l->body = body_new();
    l->fn = fn;
    l->arg = arg;
    load_next(l, 0);
}
