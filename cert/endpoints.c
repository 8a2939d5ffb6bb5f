#include "cert/endpoints.h"

#include "cert/revoke.h"

#include <stdio.h>

/* One address while it is asked. */
struct asking {
    const struct endpoint_check *k;
    struct endpoint *e;
    struct buf body;
};

/* --- verdicts --- */

static void pass(struct endpoint *e, enum endpoint_phase p)
{
    e->verdict[p] = VERDICT_OK;
}

/* The first that fails gives the note. */
static void fail(struct endpoint *e, enum endpoint_phase p, const char *why)
{
    e->verdict[p] = VERDICT_FAILED;
    if (e->failed != PHASE_COUNT_)
        return;
    e->failed = p;
    (void)snprintf(e->note, sizeof e->note, "%.*s", ENDPOINT_NOTE_MAX - 1, why);
}

static void skip(struct endpoint *e, enum endpoint_phase p)
{
    if (e->verdict[p] == VERDICT_NOT_TRIED)
        e->verdict[p] = VERDICT_NOT_NEEDED;
}

/* The phases of the exchange, from how far it came. */
static void note_exchange(struct endpoint *e, const struct fetch_result *r)
{
    static const enum endpoint_phase phases[] = { PHASE_URL, PHASE_DNS, PHASE_TCP, PHASE_TLS,
                                                  PHASE_HTTP };
    STATIC_ASSERT(FETCH_DONE == COUNTOF(phases));
    for (unsigned i = 0; i < (unsigned)r->reached; i++)
        pass(e, phases[i]);
    if (r->reached < FETCH_DONE)
        fail(e, phases[r->reached], r->why);
    if (!span_starts_nocase(e->url, SPAN("https://")))
        e->verdict[PHASE_TLS] = VERDICT_NOT_NEEDED;
    e->http_status = r->status;
    e->took_ms = r->took_ms;
    memcpy(e->address, r->address, sizeof e->address);
}

static void note_answer(struct endpoint *e, const struct revoke_answer *r)
{
    char note[ENDPOINT_NOTE_MAX];
    e->this_ms = r->this_ms;
    e->next_ms = r->next_ms;
    if (!r->parsed) {
        fail(e, PHASE_CONTENT, r->why);
        return;
    }
    pass(e, PHASE_CONTENT);
    if (!r->signature_known)
        e->verdict[PHASE_SIGNATURE] = VERDICT_NOT_TRIED;
    else if (r->signature_ok)
        pass(e, PHASE_SIGNATURE);
    else
        fail(e, PHASE_SIGNATURE, r->why);
    if (r->fresh)
        pass(e, PHASE_FRESHNESS);
    else
        fail(e, PHASE_FRESHNESS, r->why);
    if (!r->signature_ok || !e->cert)
        return;
    e->revoked = r->status == REVOKE_REVOKED;
    (void)snprintf(note, sizeof note, "%s%s", e->revoked ? "revoked: " : "", r->why);
    if (r->status == REVOKE_GOOD && !r->fresh)
        return; /* it was good once */
    if (r->status == REVOKE_GOOD)
        pass(e, PHASE_STATUS);
    else
        fail(e, PHASE_STATUS, note);
}

/* --- each kind --- */

static void ask(struct asking *a, struct span body, const char *type, uint64_t max)
{
    struct fetch_result r;
    const struct fetch_request request = { .url = a->e->url,
                                           .body = body,
                                           .content_type = span_z(type),
                                           .body_max = max,
                                           .rules = a->k->rules };
    buf_init(&a->body, max);
    a->k->fetch(a->k->arg, &request, &a->body, &r);
    note_exchange(a->e, &r);
    a->e->bytes = a->body.n;
}

static void ask_crl(struct asking *a)
{
    struct endpoint *e = a->e;
    struct revoke_answer r;
    ask(a, SPAN_NONE, "", ENDPOINT_CRL_MAX);
    if (e->verdict[PHASE_HTTP] != VERDICT_OK)
        return;
    revoke_by_crl(buf_span(&a->body), e->cert, e->issuer, a->k->now_ms, &r);
    note_answer(e, &r);
    if (e->failed == PHASE_COUNT_ && !e->issuer)
        fail(e, PHASE_SIGNATURE, "the issuer's certificate is not known: give the whole chain");
}

static void ask_ocsp(struct asking *a)
{
    struct endpoint *e = a->e;
    struct revoke_answer r;
    struct buf request;
    if (!e->issuer) {
        fail(e, PHASE_CONTENT,
             "not asked: the issuer's certificate is not known; give the whole "
             "chain");
        buf_init(&a->body, 0);
        return;
    }
    buf_init(&request, ENDPOINT_SMALL_MAX);
    enum err made = revoke_ocsp_request(e->cert, e->issuer, &request);
    ASSERT(made == ERR_OK);
    ask(a, buf_span(&request), "application/ocsp-request", ENDPOINT_SMALL_MAX);
    buf_done(&request);
    if (e->verdict[PHASE_HTTP] != VERDICT_OK)
        return;
    revoke_by_ocsp(buf_span(&a->body), e->cert, e->issuer, a->k->now_ms, &r);
    note_answer(e, &r);
}

/* Its certificates are worth having when one of them signed the one that names the address. */
static void ask_issuer(struct asking *a)
{
    struct endpoint *e = a->e;
    struct cert_chain got;
    struct why why;
    ask(a, SPAN_NONE, "", ENDPOINT_ISSUER_MAX);
    skip(e, PHASE_FRESHNESS);
    skip(e, PHASE_STATUS);
    if (e->verdict[PHASE_HTTP] != VERDICT_OK)
        return;
    if (cert_read(buf_span(&a->body), CERT_CHAIN_MAX, a->k->arena, &got, &why) != ERR_OK) {
        fail(e, PHASE_CONTENT, why.text);
        return;
    }
    pass(e, PHASE_CONTENT);
    const struct cert_info *issuer = cert_issuer_in(e->cert, &got);
    if (!issuer) {
        fail(e, PHASE_SIGNATURE, "no certificate there signed the one that names this address");
        return;
    }
    pass(e, PHASE_SIGNATURE);
    e->issuer = e->issuer ? e->issuer : issuer;
    if (issuer->until_ms <= a->k->now_ms)
        fail(e, PHASE_FRESHNESS, "the issuer's certificate that is given there has expired");
}

/* An address that nobody's certificate names: a list, or certificates. */
static void ask_url(struct asking *a)
{
    struct endpoint *e = a->e;
    struct cert_chain got;
    struct revoke_answer r;
    struct why why;
    ask(a, SPAN_NONE, "", ENDPOINT_CRL_MAX);
    skip(e, PHASE_SIGNATURE);
    skip(e, PHASE_STATUS);
    if (e->verdict[PHASE_HTTP] != VERDICT_OK)
        return;
    revoke_by_crl(buf_span(&a->body), NULL, NULL, a->k->now_ms, &r);
    if (r.parsed) {
        note_answer(e, &r);
        e->verdict[PHASE_SIGNATURE] = VERDICT_NOT_NEEDED;
        return;
    }
    skip(e, PHASE_FRESHNESS);
    if (cert_read(buf_span(&a->body), CERT_CHAIN_MAX, a->k->arena, &got, &why) == ERR_OK)
        pass(e, PHASE_CONTENT);
    else
        fail(e, PHASE_CONTENT,
             "neither a revocation list nor certificates; to ask an OCSP "
             "responder, name the certificate with --cert");
}

/* Hostile certificates name many addresses that never answer. */
static void ask_one(const struct endpoint_check *k, struct endpoint_list *l, struct endpoint *e)
{
    static void (*const by_kind[])(struct asking *) = {
        [ENDPOINT_OCSP] = ask_ocsp,
        [ENDPOINT_CRL] = ask_crl,
        [ENDPOINT_ISSUER] = ask_issuer,
        [ENDPOINT_URL] = ask_url,
    };
    struct asking a = { .k = k, .e = e };
    if (l->took_ms / ENDPOINTS_TIMEOUTS_MAX > k->rules.timeout_ms) {
        fail(e, PHASE_URL, "not asked: the others took too long");
        return;
    }
    by_kind[e->kind](&a);
    buf_done(&a.body);
    l->took_ms += e->took_ms;
}

/* --- all of a chain --- */

static void add(struct endpoint_list *l, enum endpoint_kind kind, struct span url,
                const struct cert_info *cert)
{
    if (l->n == ENDPOINTS_MAX) {
        l->more = true;
        return;
    }
    l->item[l->n++] =
        (struct endpoint){ .kind = kind, .url = url, .cert = cert, .failed = PHASE_COUNT_ };
}

static void add_all(struct endpoint_list *l, const struct endpoint_check *k,
                    enum endpoint_kind kind, const struct cert_info *cert)
{
    const struct cert_list *list = kind == ENDPOINT_OCSP  ? &cert->ocsp
                                   : kind == ENDPOINT_CRL ? &cert->crl
                                                          : &cert->ca_issuers;
    for (unsigned i = 0; i < list->n; i++)
        if (k->url.n == 0 || span_eq(k->url, list->item[i]))
            add(l, kind, list->item[i], cert);
}

static void collect(struct endpoint_list *l, const struct endpoint_check *k)
{
    for (unsigned i = 0; k->chain && i < k->chain->n; i++) {
        const struct cert_info *c = &k->chain->item[i];
        if (c->self_signed)
            continue; /* nobody else speaks for it */
        add_all(l, k, ENDPOINT_ISSUER, c);
        add_all(l, k, ENDPOINT_OCSP, c);
        add_all(l, k, ENDPOINT_CRL, c);
        if (c->ocsp.n + c->crl.n == 0 && !l->without)
            l->without = c;
    }
    if (l->n == 0 && k->url.n > 0)
        add(l, ENDPOINT_URL, k->url, NULL);
}

/* Of the chain, else of the store, else what an issuer's address gave. */
static const struct cert_info *issuer_of(const struct endpoint_check *k,
                                         const struct endpoint_list *l, const struct cert_info *c)
{
    const struct cert_info *issuer = c ? cert_issuer_in(c, k->chain) : NULL;
    if (c && !issuer && k->store)
        issuer = cert_issuer_in(c, k->store);
    for (unsigned i = 0; c && !issuer && i < l->n; i++)
        if (l->item[i].kind == ENDPOINT_ISSUER && l->item[i].cert == c)
            issuer = l->item[i].issuer;
    return issuer;
}

static void ask_kinds(const struct endpoint_check *k, struct endpoint_list *l, bool issuers)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct endpoint *e = &l->item[i];
        if ((e->kind == ENDPOINT_ISSUER) != issuers)
            continue;
        if (!issuers)
            e->issuer = issuer_of(k, l, e->cert);
        ask_one(k, l, e);
    }
}

void endpoints_check(const struct endpoint_check *k, struct endpoint_list *ret)
{
    struct endpoint_list l = { .item = ARENA_ARRAY(k->arena, struct endpoint, ENDPOINTS_MAX) };
    collect(&l, k);
    ask_kinds(k, &l, true);
    ask_kinds(k, &l, false);
    for (unsigned i = 0; i < l.n; i++) {
        l.n_revoked += l.item[i].revoked;
        l.n_failed += l.item[i].failed != PHASE_COUNT_;
    }
    *ret = l;
}

const char *endpoint_kind_name(enum endpoint_kind kind)
{
    static const char *const names[] = { "ocsp", "crl", "issuer", "url" };
    ASSERT((size_t)kind < COUNTOF(names));
    return names[kind];
}

const char *endpoint_phase_name(enum endpoint_phase phase)
{
    static const char *const names[] = { "url",     "dns",       "tcp",       "tls",   "http",
                                         "content", "signature", "freshness", "status" };
    ASSERT((size_t)phase < COUNTOF(names));
    return names[phase];
}

const char *endpoint_verdict_name(enum endpoint_verdict v)
{
    static const char *const names[] = { "not tried", "ok", "failed", "not needed" };
    ASSERT((size_t)v < COUNTOF(names));
    return names[v];
}
