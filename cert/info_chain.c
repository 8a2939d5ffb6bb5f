/* What a chain is worth. The library judges (signatures, validity, constraints, purpose any); what
 * it says is then explained by walking the chain ourselves: order, what is lacking, what is weak.
 */
#include "cert/info_x509.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

bool cert_signed_by(const struct cert_info *of, const struct cert_info *issuer)
{
    X509 *x = info_x509(of), *by = info_x509(issuer);
    EVP_PKEY *key = X509_get0_pubkey(by);
    bool well = X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(by)) == 0 && key &&
                X509_verify(x, key) == 1;
    X509_free(x);
    X509_free(by);
    ERR_clear_error();
    return well;
}

/* Cheap before dear: most certificates of a store differ in the name already. */
const struct cert_info *cert_issuer_in(const struct cert_info *of, const struct cert_chain *in)
{
    for (unsigned i = 0; i < in->n; i++) {
        const struct cert_info *c = &in->item[i];
        bool keys_differ =
            of->issuer_key_id.n > 0 && c->key_id.n > 0 && !span_eq(of->issuer_key_id, c->key_id);
        if (span_eq(of->issuer, c->subject) && !keys_differ && cert_signed_by(of, c))
            return c;
    }
    return NULL;
}

/* --- the path as it was sent --- */

static bool on_path(const struct cert_verdict *v, unsigned index)
{
    for (unsigned i = 0; i < v->n_path; i++)
        if (v->path[i] == index)
            return true;
    return false;
}

/* From the leaf up, as far as the chain itself leads. */
static void walk(const struct cert_chain *c, struct cert_verdict *v)
{
    const struct cert_info *at = &c->item[0];
    v->path[v->n_path++] = 0;
    while (!at->self_signed && v->n_path < c->n && v->n_path < CERT_CHAIN_MAX) {
        const struct cert_info *up = cert_issuer_in(at, c);
        if (!up || on_path(v, (unsigned)(up - c->item)))
            break;
        v->path[v->n_path++] = (unsigned)(up - c->item);
        at = up;
    }
    v->ordered = v->n_path == c->n;
    for (unsigned i = 0; i < v->n_path; i++)
        v->ordered &= v->path[i] == i;
}

static void note_ends(const struct cert_chain *c, struct cert_verdict *v)
{
    v->until_ms = c->item[0].until_ms;
    for (unsigned i = 1; i < v->n_path; i++) {
        const struct cert_info *info = &c->item[v->path[i]];
        if (info->until_ms >= v->until_ms)
            continue;
        v->until_ms = info->until_ms;
        v->until_of = v->path[i];
    }
}

static void note_weak(const struct cert_chain *c, struct arena *a, struct cert_verdict *v)
{
    struct buf text;
    buf_init(&text, (size_t)CERT_CHAIN_MAX * 8 * CERT_TEXT_MAX);
    for (unsigned i = 0; i < v->n_path; i++) {
        const struct cert_info *info = &c->item[v->path[i]];
        v->has_root |= info->self_signed && v->path[i] > 0;
        if (info->weak.n == 0)
            continue;
        buf_putf(&text, "%scertificate %u: ", text.n > 0 ? "; " : "", v->path[i] + 1);
        buf_put(&text, info->weak);
    }
    v->weak = arena_span(a, buf_span(&text));
    buf_done(&text);
}

/* --- the library's word --- */

struct judged {
    bool well;
    int error;
    struct span name;            /* of the certificate that is not well */
    uint8_t anchor[CERT_SHA256]; /* well: the last of the verified chain */
};

static X509_STORE *store_of(const struct cert_chain *store)
{
    X509_STORE *s = X509_STORE_new();
    ASSERT(s);
    for (unsigned i = 0; i < store->n; i++) {
        X509 *x = info_x509(&store->item[i]);
        (void)X509_STORE_add_cert(s, x);
        X509_free(x);
    }
    return s;
}

static STACK_OF(X509) * rest_of(const struct cert_chain *c)
{
    STACK_OF(X509) *rest = sk_X509_new_null();
    ASSERT(rest);
    for (unsigned i = 1; i < c->n; i++) {
        int n = sk_X509_push(rest, info_x509(&c->item[i]));
        ASSERT(n > 0);
    }
    return rest;
}

static struct judged judge(const struct cert_chain *c, const struct cert_chain *store,
                           int64_t now_ms, struct arena *a)
{
    struct judged ret = { .well = false };
    X509_STORE *anchors = store_of(store);
    STACK_OF(X509) *rest = rest_of(c);
    X509 *leaf = info_x509(&c->item[0]);
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    ASSERT(ctx);
    int ok = X509_STORE_CTX_init(ctx, anchors, leaf, rest);
    ASSERT(ok == 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)(now_ms / 1000));
    /* an anchor may be an intermediate: a partner's own */
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    ret.well = X509_verify_cert(ctx) == 1;
    ret.error = X509_STORE_CTX_get_error(ctx);
    const X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    ret.name = info_name(X509_get_subject_name(at ? at : leaf), a);
    const STACK_OF(X509) *path = X509_STORE_CTX_get0_chain(ctx);
    unsigned n;
    if (ret.well && sk_X509_num(path) > 0)
        (void)X509_digest(sk_X509_value(path, sk_X509_num(path) - 1), EVP_sha256(), ret.anchor, &n);
    X509_STORE_CTX_free(ctx);
    X509_free(leaf);
    sk_X509_pop_free(rest, X509_free);
    X509_STORE_free(anchors);
    ERR_clear_error();
    return ret;
}

static const struct cert_info *find_anchor(const struct cert_chain *store, const struct judged *j)
{
    for (unsigned i = 0; j->well && i < store->n; i++)
        if (memcmp(store->item[i].sha256, j->anchor, sizeof j->anchor) == 0)
            return &store->item[i];
    return NULL;
}

/* --- together --- */

/* "what it is `name` and more" */
static struct span sentence(struct arena *a, const char *what, struct span name, const char *more)
{
    struct buf text;
    buf_init(&text, (size_t)8 * CERT_TEXT_MAX);
    buf_putf(&text, "%s `", what);
    buf_put(&text, name.n > 0 ? name : SPAN("(no name)"));
    buf_putf(&text, "`%s", more);
    struct span s = arena_span(a, buf_span(&text));
    buf_done(&text);
    return s;
}

static bool is_about_anchors(int error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

static void explain(const struct judged *j, const struct cert_info *top, struct arena *a,
                    struct cert_verdict *v)
{
    if (!is_about_anchors(j->error)) {
        v->trust = CERT_BAD;
        v->reason = sentence(a, X509_verify_cert_error_string(j->error), j->name, "");
        return;
    }
    if (top->self_signed) {
        v->trust = CERT_UNTRUSTED_ROOT;
        v->missing = top->subject;
        v->reason = sentence(a, "the root", top->subject, " is not in the trust store");
        return;
    }
    v->trust = CERT_MISSING;
    v->missing = top->issuer;
    if (top->ca_issuers.n > 0)
        v->missing_url = top->ca_issuers.item[0];
    v->reason =
        sentence(a, "neither the chain nor the trust store has the issuer", top->issuer, "");
}

void cert_judge(const struct cert_chain *c, const struct cert_chain *store, int64_t now_ms,
                struct arena *a, struct cert_verdict *ret)
{
    struct cert_verdict v = { .trust = CERT_TRUSTED };
    ASSERT(c->n > 0 && c->n <= CERT_CHAIN_MAX);
    walk(c, &v);
    note_ends(c, &v);
    note_weak(c, a, &v);
    struct judged j = judge(c, store, now_ms, a);
    v.anchor = find_anchor(store, &j);
    if (!j.well)
        explain(&j, &c->item[v.path[v.n_path - 1]], a, &v);
    ASSERT(!v.anchor || v.trust == CERT_TRUSTED);
    *ret = v;
}

const char *cert_trust_name(enum cert_trust t)
{
    static const char *const names[] = { "trusted", "incomplete", "untrusted root", "bad" };
    ASSERT((size_t)t < COUNTOF(names));
    return names[t];
}
