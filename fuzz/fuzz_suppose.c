/* What --if and --client-cert read: a line each is supposed of two hosts and of a client, then
 * decided and told; all of it is searched for certificates, and no key comes out. */
#include "base/why.h"
#include "cli/client_cert.h"
#include "policy/ladder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char known[] = "domain=d.example mx=yes exists=yes expires=9\n"
                            "host=a.example preference=1 ip=192.0.2.1 has-ip=yes\n"
                            "host=b.example preference=2 ip=192.0.2.2 has-ip=yes\n";

static void tell(const struct contract *c, const struct facts *f, const struct suppose *s)
{
    const struct route mx = { .kind = ROUTE_MX, .contract = contract_none() };
    struct buf out;
    buf_init(&out, LADDER_TEXT_MAX);
    for (unsigned i = 0; i <= f->n_host; i++)
        ASSERT(decide_plan(c, f, i).why);
    ladder_print(&(struct ladder_input){ c, &mx, f, s, false, 1 }, &out);
    buf_done(&out);
}

static void suppose_lines(struct span left, struct arena *a)
{
    struct span text[SUPPOSE_MAX];
    struct suppose_ask ask = { .text = text };
    struct tls_facts tls = { .on = false };
    struct suppose s;
    struct facts f;
    struct why why;
    bool any;
    while (left.n > 0 && ask.n < SUPPOSE_MAX)
        text[ask.n++] = span_cut(&left, '\n');
    for (unsigned need = 0; need < TLS_NEED_COUNT_; need++) {
        const struct contract c = { .need = (enum tls_need)need, .floor = 12, .rules = RULE_ROUTE };
        enum err e = facts_read(span_z(known), a, &f, &why);
        ASSERT(e == ERR_OK);
        if (suppose_hosts(&ask, &c, &f, a, &s, &why) == ERR_OK)
            tell(&c, &f, &s);
    }
    if (suppose_client(&ask, &tls, a, &any, &why) == ERR_OK && any)
        ASSERT(tls.on || tls.names.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span text = span_of((const char *)data, n);
    struct arena a;
    struct buf pem;
    struct why why;
    bool key = false;
    if (n > 64 * 1024)
        return 0;
    arena_init(&a, 64 << 20);
    suppose_lines(text, &a);
    arena_done(&a);
    buf_init(&pem, CLIENT_CERT_MAX);
    if (client_cert_pick(text, &pem, &key, &why) == ERR_OK)
        ASSERT(!memmem(pem.p, pem.n, "PRIVATE KEY", 11));
    buf_done(&pem);
    return 0;
}
