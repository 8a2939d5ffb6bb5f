#include "test/unit/cert/issue.h"

#include "test/test.h"

#include <time.h>

enum { BYTES_MAX = 1024 * 1024 };

/* root, root2; mid below root; leaf below mid; and odd ones. */
static struct world {
    struct issued root, root2, mid, leaf, old, stranger, fake;
    bool made;
} w;

static void make_world(void)
{
    if (w.made)
        return;
    w.root = issue(&(struct issue_ask){ .cn = "Root", .ca = true });
    w.root2 = issue(&(struct issue_ask){ .cn = "Root 2", .ca = true });
    w.mid = issue(&(struct issue_ask){
        .cn = "Mid",
        .ca = true,
        .issuer = &w.root,
        .extension = { { "authorityInfoAccess", "caIssuers;URI:http://a.example/root" },
                       { "authorityKeyIdentifier", "keyid" } } });
    w.leaf = issue(&(struct issue_ask){
        .cn = "leaf",
        .issuer = &w.mid,
        .extension = { { "authorityInfoAccess", "caIssuers;URI:http://a.example/mid" },
                       { "authorityKeyIdentifier", "keyid" } } });
    w.old = issue(&(struct issue_ask){
        .cn = "old", .issuer = &w.mid, .from_s = -20 * DAY, .to_s = -10 * DAY });
    w.stranger = issue(&(struct issue_ask){ .cn = "stranger" });
    /* the same name as mid, another key */
    w.fake = issue(&(struct issue_ask){ .cn = "Mid", .ca = true, .issuer = &w.root2 });
    w.made = true;
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

struct row {
    const char *name;
    const struct issued *chain[5], *store[3];
    enum cert_trust trust;
    bool ordered, has_root;
    const char *missing, *url, *reason;
};

static void check_row(const struct row *row)
{
    struct arena a;
    struct cert_verdict v;
    test_case(row->name);
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_chain chain = chain_of(row->chain, &a), store = chain_of(row->store, &a);
    cert_judge(&chain, &store, (int64_t)time(NULL) * 1000, &a, &v);
    CHECK_NUM(v.trust, row->trust);
    CHECK_NUM(v.ordered, row->ordered);
    CHECK_NUM(v.has_root, row->has_root);
    CHECK_Z(v.missing, row->missing ? row->missing : "");
    CHECK_Z(v.missing_url, row->url ? row->url : "");
    CHECK(row->reason ? memmem(v.reason.p, v.reason.n, row->reason, strlen(row->reason)) != NULL
                      : v.reason.n == 0);
    CHECK_NUM(v.anchor != NULL, row->trust == CERT_TRUSTED);
    arena_done(&a);
    test_case(NULL);
}

TEST(p20_chains_are_judged_and_explained)
{
    make_world();
    const struct row rows[] = {
        { "whole", { &w.leaf, &w.mid }, { &w.root }, CERT_TRUSTED, true, false, 0, 0, 0 },
        { "with its root",
          { &w.leaf, &w.mid, &w.root },
          { &w.root },
          CERT_TRUSTED,
          true,
          true,
          0,
          0,
          0 },
        { "wrong order",
          { &w.leaf, &w.root, &w.mid },
          { &w.root },
          CERT_TRUSTED,
          false,
          true,
          0,
          0,
          0 },
        { "an idle one",
          { &w.leaf, &w.mid, &w.stranger },
          { &w.root },
          CERT_TRUSTED,
          false,
          false,
          0,
          0,
          0 },
        { "the anchor is an intermediate",
          { &w.leaf },
          { &w.mid },
          CERT_TRUSTED,
          true,
          false,
          0,
          0,
          0 },
        { "intermediate missing",
          { &w.leaf },
          { &w.root },
          CERT_MISSING,
          true,
          false,
          "CN=Mid",
          "http://a.example/mid",
          "`CN=Mid`" },
        { "P28: root missing, not sent",
          { &w.leaf, &w.mid },
          { &w.root2 },
          CERT_MISSING,
          true,
          false,
          "CN=Root",
          "http://a.example/root",
          "`CN=Root`" },
        { "P28: root missing, sent",
          { &w.leaf, &w.mid, &w.root },
          { &w.root2 },
          CERT_UNTRUSTED_ROOT,
          true,
          true,
          "CN=Root",
          0,
          "the root `CN=Root`" },
        { "self-signed",
          { &w.stranger },
          { &w.root },
          CERT_UNTRUSTED_ROOT,
          true,
          false,
          "CN=stranger",
          0,
          "the root" },
        { "no store",
          { &w.leaf, &w.mid },
          { NULL },
          CERT_MISSING,
          true,
          false,
          "CN=Root",
          "http://a.example/root",
          "CN=Root" },
        { "expired",
          { &w.old, &w.mid },
          { &w.root },
          CERT_BAD,
          true,
          false,
          0,
          0,
          "certificate has expired `CN=old`" },
        { "an issuer by name only",
          { &w.leaf, &w.fake },
          { &w.root2 },
          CERT_MISSING,
          false,
          false,
          "CN=Mid",
          "http://a.example/mid",
          "CN=Mid" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++)
        check_row(&rows[i]);
}

TEST(cert_issuers_are_known_by_signature)
{
    struct arena a;
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    struct cert_chain leaf = chain_of((const struct issued *const[]){ &w.leaf, NULL }, &a);
    struct cert_chain both = chain_of((const struct issued *const[]){ &w.fake, &w.mid, NULL }, &a);
    CHECK(cert_issuer_in(&leaf.item[0], &both) == &both.item[1]);
    CHECK(cert_signed_by(&leaf.item[0], &both.item[1]));
    CHECK(!cert_signed_by(&leaf.item[0], &both.item[0]));
    arena_done(&a);
}

TEST(t20_a_long_chain_of_the_same_ends)
{
    struct arena a;
    struct cert_verdict v;
    struct buf pem;
    struct cert_chain chain, store = { 0 };
    make_world();
    arena_init(&a, CERT_ARENA_MAX);
    buf_init(&pem, BYTES_MAX);
    issued_pem(&w.leaf, &pem);
    for (unsigned i = 1; i < CERT_CHAIN_MAX; i++)
        issued_pem(i % 2 ? &w.mid : &w.fake, &pem);
    CHECK(cert_read(buf_span(&pem), CERT_CHAIN_MAX, &a, &chain, NULL) == ERR_OK);
    cert_judge(&chain, &store, (int64_t)time(NULL) * 1000, &a, &v);
    CHECK_NUM(v.trust, CERT_MISSING);
    CHECK_NUM(v.n_path, 2);
    CHECK(!v.ordered);
    issued_pem(&w.mid, &pem);
    CHECK(cert_read(buf_span(&pem), CERT_CHAIN_MAX, &a, &chain, NULL) == ERR_TOO_BIG);
    buf_done(&pem);
    arena_done(&a);
}
