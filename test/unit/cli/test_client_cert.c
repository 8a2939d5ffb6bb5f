/* Which of a file's bytes `explain --client-cert` passes on. */
#include "cli/client_cert.h"

#include "test/test.h"

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END "-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"

static const struct {
    const char *name, *text;
    enum err e;
    bool key;
    const char *want;
} rows[] = {
    { "one", BEGIN "AAAA\n" END, ERR_OK, false, BEGIN "AAAA\n" END },
    { "two, words around", "x\n" BEGIN "AAAA\n" END "y\n" BEGIN "BBBB\n" END "z", ERR_OK, false,
      BEGIN "AAAA\n" END BEGIN "BBBB\n" END },
    { "lines end in CRLF", "-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----\r\n",
      ERR_OK, false, BEGIN "AAAA\n" END },
    { "no last line end", BEGIN "AAAA\n-----END CERTIFICATE-----", ERR_OK, false,
      BEGIN "AAAA\n" END },
    { "a key in front", KEY BEGIN "AAAA\n" END, ERR_OK, true, BEGIN "AAAA\n" END },
    { "a key behind", BEGIN "AAAA\n" END "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n", ERR_OK, true,
      BEGIN "AAAA\n" END },
    { "a key within", BEGIN "AAAA\n" KEY END, ERR_SYNTAX, false, NULL },
    { "a key alone", KEY, ERR_SYNTAX, true, NULL },
    { "nothing", "", ERR_SYNTAX, false, NULL },
    { "other words within", BEGIN "AAAA\n# c2VjcmV0\n" END, ERR_SYNTAX, false, NULL },
    { "no end", BEGIN "AAAA\n", ERR_SYNTAX, false, NULL },
    { "one in another", BEGIN BEGIN END END, ERR_SYNTAX, false, NULL },
};

TEST(t15_no_private_key_leaves_the_file)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct buf pem;
        struct why why = { "" };
        bool key = false;
        buf_init(&pem, CLIENT_CERT_MAX);
        test_case(rows[i].name);
        CHECK_NUM(client_cert_pick(span_z(rows[i].text), &pem, &key, &why), rows[i].e);
        CHECK_NUM(key, rows[i].key);
        CHECK(pem.n == 0 || !memmem(pem.p, pem.n, "c2VjcmV0", 8));
        if (rows[i].want)
            CHECK_Z(buf_span(&pem), rows[i].want);
        else
            CHECK(why.text[0] != '\0');
        buf_done(&pem);
    }
    test_case(NULL);
}

TEST(certificates_without_end_are_bounded)
{
    struct buf text, pem;
    struct why why = { "" };
    bool key = false;
    buf_init(&text, 1 << 20);
    buf_init(&pem, CLIENT_CERT_MAX);
    while (text.n < (size_t)2 * CLIENT_CERT_MAX)
        buf_put(&text, SPAN(BEGIN "AAAA\n" END));
    CHECK_NUM(client_cert_pick(buf_span(&text), &pem, &key, &why), ERR_TOO_BIG);
    CHECK(strstr(why.text, "128 KiB") != NULL);
    buf_done(&text);
    buf_done(&pem);
}
