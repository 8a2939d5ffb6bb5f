#include "test/unit/cert/issue.h"

#include "cert/sheet.h"
#include "test/test.h"

#include <time.h>

enum { BYTES_MAX = 1024 * 1024 };

static struct cert_chain chain_of(const struct issued *const *list, struct arena *a)
{
    struct buf pem;
    struct cert_chain ret = { 0 };
    buf_init(&pem, BYTES_MAX);
    for (; *list; list++)
        issued_pem(*list, &pem);
    CHECK(cert_read(buf_span(&pem), CERT_CHAIN_MAX, a, &ret, NULL) == ERR_OK);
    buf_done(&pem);
    return ret;
}

static bool has(const struct buf *b, const char *what)
{
    return memmem(b->p, b->n, what, strlen(what)) != NULL;
}

TEST(r31_r33_t15_the_sheet_says_all_and_escapes_all)
{
    struct arena a;
    struct buf out;
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    struct issued root = issue(&(struct issue_ask){ .cn = "<b>Root</b>", .ca = true });
    struct issued leaf = issue(&(struct issue_ask){
        .cn = "mx.example.org",
        .o = "A & B \"<script>alert(1)</script>'",
        .issuer = &root,
        .extension = {
            { "authorityInfoAccess", "OCSP;URI:http://ocsp.example.net/,"
                                     "caIssuers;URI:http://OCSP.example.net:80/x" },
            { "crlDistributionPoints", "URI:https://crl.example.net/a,URI:ldap://x" } } });
    arena_init(&a, CERT_ARENA_MAX);
    buf_init(&out, SHEET_BYTES_MAX);
    struct cert_chain chain = chain_of((const struct issued *const[]){ &leaf, NULL }, &a);
    struct cert_chain store = chain_of((const struct issued *const[]){ &root, NULL }, &a);
    struct sheet_entry entry[3];
    for (unsigned i = 0; i < 3; i++) {
        entry[i] = (struct sheet_entry){ .state = (enum sheet_state)i,
                                         .used_for = SPAN("<i>default"),
                                         .from_ms = i == SHEET_NEXT ? INT64_C(1800000000000) : 0,
                                         .chain = chain };
        cert_judge(&chain, &store, now_ms, &a, &entry[i].verdict);
    }
    CHECK_Z(sheet_root(&entry[0]), "<b>Root</b>");
    struct cert_list hosts = sheet_hosts(&entry[0], &a);
    CHECK_NUM(hosts.n, 2);
    CHECK_Z(hosts.item[0], "ocsp.example.net:80");
    CHECK_Z(hosts.item[1], "crl.example.net:443");

    const struct sheet s = { SPAN("mx <x>"), now_ms, entry, 3 };
    CHECK(sheet_html(&s, &out) == ERR_OK);
    CHECK(!has(&out, "<script") && !has(&out, "<b>") && !has(&out, "<i>") && !has(&out, "<x>"));
    CHECK(has(&out, "&lt;b&gt;Root&lt;/b&gt;"));
    CHECK(has(&out, "A &amp; B &quot;&lt;script&gt;alert(1)&lt;/script&gt;&#39;"));
    CHECK(has(&out, "class=\"next\">2027-01-15 to -"));
    CHECK(has(&out, "class=\"deprecated\">deprecated"));
    buf_clear(&out);
    CHECK(sheet_text(&s, &out) == ERR_OK);
    CHECK(has(&out, "Organisational unit                (empty)\n"));
    CHECK(has(&out, "Key strength                       EC P-256\n"));
    buf_done(&out);
    buf_init(&out, 100);
    CHECK(sheet_html(&s, &out) == ERR_TOO_BIG);
    CHECK(sheet_text(&s, &out) == ERR_TOO_BIG);
    buf_done(&out);
    issued_done(&root);
    issued_done(&leaf);
    arena_done(&a);
}
