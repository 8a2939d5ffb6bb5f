/* Reports of others: no text makes the reader take more than its limits, and every string that it
 * gives is well-formed and within them. */
#include "ctl/tlsreport.h"
#include "mail/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_string(struct span s)
{
    ASSERT(s.n <= TLSREPORT_STRING_MAX && utf8_valid(s));
}

static void check_policy(const struct tlsreport_policy *p)
{
    check_string(p->type);
    check_string(p->domain);
    ASSERT(p->domain.n > 0 && p->n_line <= TLSREPORT_LINES_MAX && p->n_mx <= TLSREPORT_LINES_MAX);
    for (unsigned i = 0; i < p->n_line; i++)
        check_string(p->line[i]);
    for (unsigned i = 0; i < p->n_mx; i++)
        check_string(p->mx[i]);
    for (unsigned i = 0; i < p->n_failure; i++) {
        const struct tlsreport_failure *f = &p->failure[i];
        check_string(f->result);
        check_string(f->sending_ip);
        check_string(f->receiving_ip);
        check_string(f->mx);
        check_string(f->helo);
        check_string(f->reason);
        check_string(f->info);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct tlsreport r;
    struct why why = { "" };
    arena_init(&a, TLSREPORT_ARENA_MAX);
    enum err e = tlsreport_read(span_of((const char *)data, n), &a, &r, &why);
    ASSERT((e == ERR_OK) == (why.text[0] == 0));
    if (e == ERR_OK) {
        ASSERT(r.id.n > 0 && r.n_policy > 0 && r.n_policy <= TLSREPORT_POLICIES_MAX);
        for (unsigned i = 0; i < r.n_policy; i++)
            check_policy(&r.policy[i]);
    }
    arena_done(&a);
    return 0;
}
