/* plan.c - see plan.h. */
#include "bench/lib/plan.h"

#include <inttypes.h>

void plan_init(struct plan *p)
{
    *p = (struct plan){ .epoll_fd = -1 };
    list_init(&p->waiting);
    tally_init(&p->first);
    tally_init(&p->next);
}

void plan_done(struct plan *p)
{
    if (!p)
        return;
    tally_done(&p->first);
    tally_done(&p->next);
    draft_done(&p->draft);
    SSL_CTX_free(p->tls);
    if (p->stamp)
        fclose(p->stamp);
}

void plan_start(struct plan *p, uint64_t n, int64_t now_ns)
{
    p->seq_first += p->n_claimed;
    p->n_messages = n;
    p->start_ns = p->last_ns = now_ns;
    p->n_claimed = p->n_accepted = p->n_failed = 0;
    p->n_connections = p->n_handshakes = p->n_resumed = 0;
    p->first.n = p->next.n = 0;
    p->failure[0] = '\0';
}

static int64_t due_ns(const struct plan *p)
{
    if (p->rate == 0)
        return p->start_ns;
    return p->start_ns + (int64_t)(p->n_claimed * 1000000000 / p->rate);
}

enum err plan_claim(struct plan *p, int64_t now_ns, uint64_t *ret_seq)
{
    if (p->n_claimed == p->n_messages)
        return ERR_NOT_FOUND;
    if (due_ns(p) > now_ns)
        return ERR_AGAIN;
    *ret_seq = p->seq_first + p->n_claimed++;
    return ERR_OK;
}

int64_t plan_due_ns(const struct plan *p)
{
    bool timed = p->rate > 0 && p->n_claimed < p->n_messages && !list_empty(&p->waiting);
    return timed ? due_ns(p) : INT64_MAX;
}

void plan_accepted(struct plan *p, uint64_t seq, bool first, int64_t start_ns, int64_t now_ns)
{
    char id[DRAFT_ID_BYTES_MAX];
    ASSERT(now_ns >= start_ns);
    p->n_accepted++;
    p->last_ns = now_ns;
    tally_add(first ? &p->first : &p->next, now_ns - start_ns);
    if (p->stamp)
        fprintf(p->stamp, "%s %" PRId64 " %" PRId64 "\n", draft_id(&p->draft, seq, id), start_ns,
                now_ns);
}

void plan_failed(struct plan *p, const char *stage, const char *reply)
{
    if (p->n_failed++ == 0)
        snprintf(p->failure, sizeof(p->failure), "%s: %s", stage, reply);
}

bool plan_over(const struct plan *p)
{
    return p->n_accepted + p->n_failed >= p->n_messages;
}
