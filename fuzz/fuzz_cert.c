#include "cert/endpoints.h"
#include "cert/revoke.h"
#include "cert/sheet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Any bytes are an error that says something, or certificates all of whose text is clean, that can
 * be judged, asked about and printed. The first byte chooses: 'f' a file; 'c' a revocation list,
 * 'o' an answer of OCSP, behind the certificates that they are about. */

enum { NOW_S = 1795500000 };

static void check_clean(struct span s)
{
    ASSERT(s.n <= (size_t)4 * CERT_TEXT_MAX + 512);
    for (size_t i = 0; i < s.n; i++)
        ASSERT((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7f);
}

static void check_list(const struct cert_list *l, unsigned max)
{
    ASSERT(l->n <= max);
    for (unsigned i = 0; i < l->n; i++)
        check_clean(l->item[i]);
}

static void check_info(const struct cert_info *c)
{
    const struct span texts[] = {
        c->serial, c->subject,    c->issuer,    c->cn,     c->o,
        c->ou,     c->issuer_cn,  c->issuer_o,  c->key,    c->signature,
        c->weak,   c->usage_text, c->key_usage, c->key_id, c->constraints
    };
    for (size_t i = 0; i < COUNTOF(texts); i++)
        check_clean(texts[i]);
    check_list(&c->dns, CERT_NAMES_MAX);
    check_list(&c->ocsp, CERT_URLS_MAX);
    check_list(&c->crl, CERT_URLS_MAX);
    check_list(&c->ca_issuers, CERT_URLS_MAX);
    ASSERT(c->der.n > 0);
}

static void check_revoke(const struct cert_chain *chain)
{
    struct revoke_answer r;
    struct buf request;
    buf_init(&request, ENDPOINT_SMALL_MAX);
    enum err e = revoke_ocsp_request(&chain->item[0], &chain->item[chain->n - 1], &request);
    ASSERT(e == ERR_OK);
    revoke_by_ocsp(buf_span(&request), &chain->item[0], &chain->item[0], NOW_S * INT64_C(1000), &r);
    ASSERT(!r.parsed && r.why[0]);
    buf_done(&request);
}

static void check_chain(const struct cert_chain *chain, struct arena *a)
{
    struct sheet_entry e = { .chain = *chain, .used_for = SPAN("x") };
    struct buf out;
    ASSERT(chain->n > 0 && chain->n <= 8);
    for (unsigned i = 0; i < chain->n; i++)
        check_info(&chain->item[i]);
    cert_judge(chain, chain, NOW_S * INT64_C(1000), a, &e.verdict);
    ASSERT(e.verdict.n_path > 0 && e.verdict.n_path <= chain->n);
    check_clean(e.verdict.missing);
    check_revoke(chain);
    const struct sheet s = { SPAN("t"), NOW_S * INT64_C(1000), &e, 1 };
    buf_init(&out, SHEET_BYTES_MAX);
    ASSERT(sheet_html(&s, &out) == ERR_OK);
    ASSERT(sheet_text(&s, &out) == ERR_OK);
    buf_done(&out);
}

static void try_file(struct span bytes)
{
    struct arena a;
    struct cert_chain chain;
    struct why why = { "" };
    arena_init(&a, CERT_ARENA_MAX);
    if (cert_read(bytes, 8, &a, &chain, &why) == ERR_OK)
        check_chain(&chain, &a);
    else
        ASSERT(why.text[0]);
    arena_done(&a);
}

/* "length of a certificate in two bytes, certificate, answer" */
static void try_answer(char kind, struct span bytes)
{
    struct arena a;
    struct cert_chain chain;
    struct revoke_answer r = { .parsed = false };
    if (bytes.n < 2)
        return;
    size_t n = (size_t)(unsigned char)bytes.p[0] << 8 | (unsigned char)bytes.p[1];
    bytes = span_tail(bytes, 2);
    n = n < bytes.n ? n : bytes.n;
    arena_init(&a, CERT_ARENA_MAX);
    if (cert_read(span_head(bytes, n), 8, &a, &chain, NULL) == ERR_OK) {
        const struct cert_info *issuer = &chain.item[chain.n - 1];
        bytes = span_tail(bytes, n);
        if (kind == 'c')
            revoke_by_crl(bytes, &chain.item[0], issuer, NOW_S * INT64_C(1000), &r);
        else
            revoke_by_ocsp(bytes, &chain.item[0], issuer, NOW_S * INT64_C(1000), &r);
        ASSERT(r.parsed || r.why[0]);
        ASSERT(r.status == REVOKE_UNKNOWN || r.signature_ok);
    }
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span bytes = span_of((const char *)data, n);
    if (n == 0)
        return 0;
    if (data[0] == 'c' || data[0] == 'o')
        try_answer((char)data[0], span_tail(bytes, 1));
    else
        try_file(span_tail(bytes, 1));
    return 0;
}
