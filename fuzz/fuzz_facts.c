/* What facts_read accepts prints to a text that reads as the same text; every decision that can be
 * asked of it is made, and can be explained. */
#include "base/why.h"
#include "policy/explain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* In clear only where the host's own contract lets it, and against TLSA records never. */
static void decide_host(const struct contract *c, const struct facts *f, unsigned i)
{
    const struct host_facts *h = &f->host[i];
    struct contract k = decide_host_contract(c, f, i);
    bool clear = decide_greeted(&k, h).step == STEP_SEND;
    ASSERT(contract_at_least(&k, c));
    ASSERT(!clear || contract_allows_plaintext(&k));
    ASSERT(!clear || c->dane == DANE_OFF || h->is_path || h->tlsa_state != TLSA_FOUND);
}

static void decide_all(const struct facts *f)
{
    struct route mx = { .kind = ROUTE_MX, .contract = contract_none() };
    struct buf out;
    mx.contract.dane = DANE_OPPORTUNISTIC;
    mx.contract.sts = STS_OPPORTUNISTIC;
    buf_init(&out, EXPLAIN_TEXT_MAX);
    for (unsigned need = 0; need < TLS_NEED_COUNT_; need++) {
        struct contract c = { .need = (enum tls_need)need, .floor = 12, .rules = RULE_ROUTE };
        c.dane = (enum dane_mode)(need % DANE_MODE_COUNT_);
        c.sts = STS_OPPORTUNISTIC;
        for (unsigned i = 0; i <= f->n_host; i++)
            ASSERT(decide_plan(&c, f, i).why);
        ASSERT(decide_plan(&c, f, f->n_host).step != STEP_NEXT_HOST);
        for (unsigned i = 0; i < f->n_host; i++)
            decide_host(&c, f, i);
    }
    explain_print(&(struct explain_input){ .route = &mx, .facts = f }, &out);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct buf once, twice;
    struct facts f, back;
    struct why why;
    arena_init(&a, 1 << 20);
    buf_init(&once, FACTS_TEXT_MAX);
    buf_init(&twice, FACTS_TEXT_MAX);
    if (facts_read(span_of((const char *)data, n), &a, &f, &why) == ERR_OK) {
        decide_all(&f);
        facts_print(&f, &once);
        enum err e = facts_read(buf_span(&once), &a, &back, &why);
        ASSERT(e == ERR_OK);
        facts_print(&back, &twice);
        ASSERT(span_eq(buf_span(&once), buf_span(&twice)));
    }
    buf_done(&once);
    buf_done(&twice);
    arena_done(&a);
    return 0;
}
