#include "test/unit/cert/issue.h"

#include "cert/revoke.h"
#include "test/test.h"

#include <openssl/ocsp.h>
#include <time.h>

enum { BYTES_MAX = 1024 * 1024 };

static struct issued ca, other, leaf, sibling, responder;

static void make_world(void)
{
    if (ca.x)
        return;
    ca = issue(&(struct issue_ask){ .cn = "CA", .ca = true });
    other = issue(&(struct issue_ask){ .cn = "Other", .ca = true });
    leaf = issue(&(struct issue_ask){ .cn = "leaf", .issuer = &ca });
    sibling = issue(&(struct issue_ask){ .cn = "sibling", .issuer = &ca });
    responder = issue(&(struct issue_ask){
        .cn = "responder", .issuer = &ca, .extension = { { "extendedKeyUsage", "OCSPSigning" } } });
}

static const struct cert_info *info_of(const struct issued *i, struct arena *a)
{
    struct buf der;
    struct cert_chain chain;
    buf_init(&der, BYTES_MAX);
    issued_der(i, &der);
    CHECK(cert_read(buf_span(&der), 1, a, &chain, NULL) == ERR_OK);
    buf_done(&der);
    return &chain.item[0];
}

struct want {
    bool parsed, signature_ok, fresh;
    enum revoke_status status;
};

static void check_answer(const struct revoke_answer *r, struct want want)
{
    CHECK_NUM(r->parsed, want.parsed);
    CHECK_NUM(r->signature_ok, want.signature_ok);
    CHECK_NUM(r->fresh, want.fresh);
    CHECK_NUM(r->status, want.status);
    bool well = want.fresh && want.signature_ok && want.status == REVOKE_GOOD;
    CHECK_NUM(r->why[0] == '\0', well);
}

TEST(t21_lists)
{
    struct arena a;
    struct buf crl;
    struct revoke_answer r;
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    const struct cert_info *x = info_of(&leaf, &a), *by = info_of(&ca, &a);
    const struct {
        const char *name;
        const struct issued *signer, *revoked;
        int64_t this_s, next_s;
        struct want want;
    } rows[] = {
        { "good", &ca, &sibling, -DAY, DAY, { true, true, true, REVOKE_GOOD } },
        { "empty", &ca, NULL, -DAY, DAY, { true, true, true, REVOKE_GOOD } },
        { "revoked", &ca, &leaf, -DAY, DAY, { true, true, true, REVOKE_REVOKED } },
        { "expired", &ca, NULL, -2 * DAY, -DAY, { true, true, false, REVOKE_GOOD } },
        { "expired and revoked",
          &ca,
          &leaf,
          -2 * DAY,
          -DAY,
          { true, true, false, REVOKE_REVOKED } },
        { "of tomorrow", &ca, NULL, DAY, 2 * DAY, { true, true, false, REVOKE_GOOD } },
        { "another's", &other, &leaf, -DAY, DAY, { true, false, true, REVOKE_UNKNOWN } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        buf_init(&crl, BYTES_MAX);
        issued_crl(rows[i].signer, rows[i].revoked, rows[i].this_s, rows[i].next_s, &crl);
        revoke_by_crl(buf_span(&crl), x, by, now_ms, &r);
        CHECK(r.signature_known);
        check_answer(&r, rows[i].want);
        revoke_by_crl(span_head(buf_span(&crl), crl.n - 1), x, by, now_ms, &r);
        CHECK(!r.parsed && r.why[0] != '\0');
        buf_put(&crl, SPAN("x"));
        revoke_by_crl(buf_span(&crl), x, by, now_ms, &r);
        CHECK(!r.parsed);
        buf_done(&crl);
    }
    test_case(NULL);
    revoke_by_crl(SPAN_NONE, x, by, now_ms, &r);
    CHECK(!r.parsed);
    arena_done(&a);
}

TEST(t21_a_list_without_its_issuer_says_nothing)
{
    struct arena a;
    struct buf crl;
    struct revoke_answer r;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    buf_init(&crl, BYTES_MAX);
    issued_crl(&ca, &leaf, -DAY, DAY, &crl);
    revoke_by_crl(buf_span(&crl), info_of(&leaf, &a), NULL, (int64_t)time(NULL) * 1000, &r);
    CHECK(r.parsed && !r.signature_known && !r.signature_ok);
    CHECK_NUM(r.status, REVOKE_UNKNOWN);
    CHECK_NUM(r.n_entries, 1);
    buf_done(&crl);
    arena_done(&a);
}

/* --- OCSP: what a responder makes of our own request --- */

struct ocsp_row {
    const char *name;
    const struct issued *about, *signer;
    int status;
    int64_t this_s, next_s;
    struct want want;
};

static void answer(const struct ocsp_row *row, struct buf *out)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    ASN1_TIME *this = ASN1_TIME_new(), *next = ASN1_TIME_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), row->about->x, ca.x);
    CHECK(X509_gmtime_adj(this, (long)row->this_s) && X509_gmtime_adj(next, (long)row->next_s));
    CHECK(OCSP_basic_add1_status(basic, id, row->status, OCSP_REVOKED_STATUS_KEYCOMPROMISE,
                                 row->status == V_OCSP_CERTSTATUS_REVOKED ? this : NULL, this,
                                 next));
    CHECK(OCSP_basic_sign(basic, row->signer->x, row->signer->key, EVP_sha256(), NULL, 0) == 1);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    unsigned char *der = NULL;
    int n = i2d_OCSP_RESPONSE(response, &der);
    CHECK(n > 0);
    buf_put(out, span_of((const char *)der, (size_t)n));
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(this);
    ASN1_TIME_free(next);
}

TEST(t21_ocsp)
{
    struct arena a;
    struct buf b;
    struct revoke_answer r;
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    const struct cert_info *x = info_of(&leaf, &a), *by = info_of(&ca, &a);
    const int good = V_OCSP_CERTSTATUS_GOOD, bad = V_OCSP_CERTSTATUS_REVOKED;
    const struct ocsp_row rows[] = {
        { "by the issuer", &leaf, &ca, good, -DAY, DAY, { true, true, true, REVOKE_GOOD } },
        { "by a responder", &leaf, &responder, good, -DAY, DAY, { true, true, true, REVOKE_GOOD } },
        { "revoked", &leaf, &ca, bad, -DAY, DAY, { true, true, true, REVOKE_REVOKED } },
        { "unknown",
          &leaf,
          &ca,
          V_OCSP_CERTSTATUS_UNKNOWN,
          -DAY,
          DAY,
          { true, true, true, REVOKE_UNKNOWN } },
        { "expired", &leaf, &ca, good, -2 * DAY, -DAY, { true, true, false, REVOKE_GOOD } },
        { "by a stranger", &leaf, &other, bad, -DAY, DAY, { true, false, true, REVOKE_UNKNOWN } },
        { "by a sibling, who may not",
          &leaf,
          &sibling,
          good,
          -DAY,
          DAY,
          { true, false, true, REVOKE_UNKNOWN } },
        { "about another", &sibling, &ca, bad, -DAY, DAY, { false, false, false, REVOKE_UNKNOWN } },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        buf_init(&b, BYTES_MAX);
        answer(&rows[i], &b);
        revoke_by_ocsp(buf_span(&b), x, by, now_ms, &r);
        check_answer(&r, rows[i].want);
        revoke_by_ocsp(span_head(buf_span(&b), b.n / 2), x, by, now_ms, &r);
        CHECK(!r.parsed && r.why[0] != '\0');
        buf_done(&b);
    }
    test_case("try later");
    revoke_by_ocsp(SPAN("\x30\x03\x0a\x01\x03"), x, by, now_ms, &r);
    CHECK(!r.parsed);
    CHECK_Z(span_z(r.why), "trylater");
    test_case("a request is one of this certificate");
    buf_init(&b, BYTES_MAX);
    CHECK(revoke_ocsp_request(x, by, &b) == ERR_OK);
    const unsigned char *p = (const unsigned char *)b.p;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &p, (long)b.n);
    CHECK(request && OCSP_request_onereq_count(request) == 1);
    OCSP_REQUEST_free(request);
    buf_done(&b);
    arena_done(&a);
}
