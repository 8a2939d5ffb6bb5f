#include "test/unit/cert/issue.h"

#include "cert/endpoints.h"
#include "test/test.h"

#include <stdio.h>
#include <time.h>

enum { BYTES_MAX = 1024 * 1024 };

static struct issued ca, other, leaf;

static void make_world(void)
{
    if (ca.x)
        return;
    ca = issue(&(struct issue_ask){ .cn = "CA", .ca = true });
    other = issue(&(struct issue_ask){ .cn = "CA", .ca = true });
    leaf = issue(&(struct issue_ask){
        .cn = "leaf",
        .issuer = &ca,
        .extension = { { "authorityInfoAccess",
                         "OCSP;URI:http://ocsp.example/,caIssuers;URI:http://aia.example/ca.der" },
                       { "crlDistributionPoints", "URI:https://crl.example/ca.crl" } } });
}

/* What the world answers: a body for each host, or how far one gets. */
static struct answer {
    const char *url;
    enum fetch_phase reached;
    struct buf body;
} answers[4];
static unsigned n_answer, n_posts;

static void answers_clear(void)
{
    for (unsigned i = 0; i < n_answer; i++)
        buf_done(&answers[i].body);
    n_answer = n_posts = 0;
}

static struct buf *answers_add(const char *url, enum fetch_phase reached)
{
    struct answer *a = &answers[n_answer++];
    a->url = url;
    a->reached = reached;
    buf_init(&a->body, BYTES_MAX);
    return &a->body;
}

static void fake_fetch(void *arg, const struct fetch_request *request, struct buf *body,
                       struct fetch_result *ret)
{
    (void)arg;
    *ret = (struct fetch_result){ .reached = FETCH_DNS, .why = "no such name" };
    n_posts += request->body.n > 0;
    for (unsigned i = 0; i < n_answer; i++) {
        if (!span_eq(request->url, span_z(answers[i].url)))
            continue;
        ret->reached = answers[i].reached;
        ret->status = 200;
        (void)snprintf(ret->why, sizeof ret->why, "as the test says");
        CHECK(answers[i].body.n <= request->body_max);
        buf_put(body, buf_span(&answers[i].body));
    }
}

static struct cert_chain chain_of(const struct issued *const *list, struct arena *a)
{
    struct buf pem;
    struct cert_chain ret = { 0 };
    buf_init(&pem, BYTES_MAX);
    for (; *list; list++)
        issued_pem(*list, &pem);
    CHECK(pem.n == 0 || cert_read(buf_span(&pem), CERT_CHAIN_MAX, a, &ret, NULL) == ERR_OK);
    buf_done(&pem);
    return ret;
}

static struct endpoint_list check(const struct cert_chain *chain, struct arena *a)
{
    struct endpoint_list l;
    const struct endpoint_check k = {
        .chain = chain, .now_ms = (int64_t)time(NULL) * 1000, .arena = a, .fetch = fake_fetch
    };
    endpoints_check(&k, &l);
    return l;
}

static const struct endpoint *of_kind(const struct endpoint_list *l, enum endpoint_kind kind)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->item[i].kind == kind)
            return &l->item[i];
    test_fail(__FILE__, __LINE__, "no endpoint of kind %d", (int)kind);
}

TEST(r37_each_phase_has_its_verdict)
{
    struct arena a;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_chain chain = chain_of((const struct issued *const[]){ &leaf, &ca, NULL }, &a);
    for (unsigned reached = FETCH_URL; reached < FETCH_DONE; reached++) {
        static const enum endpoint_phase failed[] = { PHASE_URL, PHASE_DNS, PHASE_TCP, PHASE_TLS,
                                                      PHASE_HTTP };
        (void)answers_add("https://crl.example/ca.crl", (enum fetch_phase)reached);
        struct endpoint_list l = check(&chain, &a);
        const struct endpoint *e = of_kind(&l, ENDPOINT_CRL);
        CHECK_NUM(e->failed, failed[reached]);
        CHECK_Z(span_z(e->note), "as the test says");
        for (unsigned p = 0; p < PHASE_COUNT_; p++)
            CHECK_NUM(e->verdict[p], p < (unsigned)failed[reached]    ? VERDICT_OK
                                     : p == (unsigned)failed[reached] ? VERDICT_FAILED
                                                                      : VERDICT_NOT_TRIED);
        CHECK_NUM(l.n_failed, 3);
        answers_clear();
    }
    arena_done(&a);
}

TEST(r35_unreachable_is_told_from_revoked)
{
    struct arena a;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_chain chain = chain_of((const struct issued *const[]){ &leaf, &ca, NULL }, &a);
    issued_crl(&ca, &leaf, -DAY, DAY, answers_add("https://crl.example/ca.crl", FETCH_DONE));
    struct endpoint_list l = check(&chain, &a);
    CHECK_NUM(l.n, 3);
    CHECK_NUM(l.n_revoked, 1);
    CHECK(of_kind(&l, ENDPOINT_CRL)->revoked);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->failed, PHASE_STATUS);
    CHECK_NUM(of_kind(&l, ENDPOINT_OCSP)->failed, PHASE_DNS);
    CHECK(!of_kind(&l, ENDPOINT_OCSP)->revoked);
    CHECK_NUM(n_posts, 1);
    answers_clear();

    /* one of the same name, not signed by it: "revoked" is not believed */
    issued_crl(&other, &leaf, -DAY, DAY, answers_add("https://crl.example/ca.crl", FETCH_DONE));
    l = check(&chain, &a);
    CHECK_NUM(l.n_revoked, 0);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->failed, PHASE_SIGNATURE);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->verdict[PHASE_STATUS], VERDICT_NOT_TRIED);
    answers_clear();

    /* an old list that does not have it: no word about now */
    issued_crl(&ca, NULL, -9 * DAY, -8 * DAY,
               answers_add("https://crl.example/ca.crl", FETCH_DONE));
    l = check(&chain, &a);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->failed, PHASE_FRESHNESS);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->verdict[PHASE_STATUS], VERDICT_NOT_TRIED);
    answers_clear();
    arena_done(&a);
}

TEST(r38_a_fetched_issuer_serves_the_others)
{
    struct arena a;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_chain chain = chain_of((const struct issued *const[]){ &leaf, NULL }, &a);
    issued_crl(&ca, NULL, -DAY, DAY, answers_add("https://crl.example/ca.crl", FETCH_DONE));
    struct endpoint_list l = check(&chain, &a);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->failed, PHASE_SIGNATURE); /* nobody to check with */
    CHECK_NUM(n_posts, 0);
    issued_der(&ca, answers_add("http://aia.example/ca.der", FETCH_DONE));
    l = check(&chain, &a);
    CHECK_NUM(of_kind(&l, ENDPOINT_CRL)->failed, PHASE_COUNT_);
    CHECK_NUM(of_kind(&l, ENDPOINT_ISSUER)->failed, PHASE_COUNT_);
    CHECK_NUM(n_posts, 1);
    answers_clear();

    /* another authority of that name */
    issued_der(&other, answers_add("http://aia.example/ca.der", FETCH_DONE));
    l = check(&chain, &a);
    CHECK_NUM(of_kind(&l, ENDPOINT_ISSUER)->failed, PHASE_SIGNATURE);
    CHECK(!of_kind(&l, ENDPOINT_CRL)->issuer);
    answers_clear();
    buf_put(answers_add("http://aia.example/ca.der", FETCH_DONE), SPAN("<html>"));
    l = check(&chain, &a);
    CHECK_NUM(of_kind(&l, ENDPOINT_ISSUER)->failed, PHASE_CONTENT);
    answers_clear();
    arena_done(&a);
}
