#include "keeper/form.h"

#include "base/buf.h"
#include "test/test.h"
#include <string.h>

enum { SPACES = 64, ROOM = 64 * 1024 };

static void put_times(struct buf *b, char c, size_t n)
{
    while (n-- > 0)
        CHECK_NUM(buf_addc(b, c), ERR_OK);
}

/* What TLS 1.3 signs: `context`, and a hash of `n` bytes. */
static void put_tls13(struct buf *b, const char *context, size_t n)
{
    put_times(b, ' ', SPACES);
    buf_put(b, span_z(context));
    put_times(b, '\0', 1);
    put_times(b, '\xa5', n);
}

static enum keeper_form form_of_tls13(const char *context, size_t n)
{
    struct buf b;
    buf_init(&b, ROOM);
    put_tls13(&b, context, n);
    enum keeper_form form = keeper_form_of(buf_span(&b));
    buf_done(&b);
    return form;
}

TEST(t27_tls13_signatures_are_known_by_their_context)
{
    static const struct {
        const char *context;
        size_t hash;
        enum keeper_form form;
    } row[] = {
        { "TLS 1.3, server CertificateVerify", 32, FORM_TLS13_SERVER },
        { "TLS 1.3, server CertificateVerify", 48, FORM_TLS13_SERVER },
        { "TLS 1.3, client CertificateVerify", 32, FORM_TLS13_CLIENT },
        { "TLS 1.3, client CertificateVerify", 48, FORM_TLS13_CLIENT },
        { "TLS 1.3, server CertificateVerify", 31, FORM_NONE },
        { "TLS 1.3, server CertificateVerify", 33, FORM_NONE },
        { "TLS 1.3, server CertificateVerify", 0, FORM_NONE },
        { "TLS 1.3, server CertificateVerify", 64, FORM_NONE },
        { "TLS 1.3, server certificateverify", 32, FORM_NONE },
        { "TLS 1.3, exporter", 32, FORM_NONE },
        { "", 32, FORM_NONE },
    };
    for (size_t i = 0; i < COUNTOF(row); i++)
        CHECK_NUM(form_of_tls13(row[i].context, row[i].hash), row[i].form);
}

static enum keeper_form form_of_tls12(unsigned type, unsigned group, unsigned said, size_t point)
{
    struct buf b;
    buf_init(&b, ROOM);
    put_times(&b, '\x5a', 64);
    char head[] = { (char)type, (char)(group >> 8), (char)group, (char)said };
    buf_put(&b, span_of(head, sizeof head));
    put_times(&b, '\4', point);
    enum keeper_form form = keeper_form_of(buf_span(&b));
    buf_done(&b);
    return form;
}

TEST(t27_tls12_key_exchange_has_a_named_curve_and_its_point)
{
    static const struct {
        unsigned type, group, said;
        size_t point;
        enum keeper_form form;
    } row[] = {
        { 3, 29, 32, 32, FORM_TLS12_SERVER },
        { 3, 23, 65, 65, FORM_TLS12_SERVER },
        { 3, 24, 97, 97, FORM_TLS12_SERVER },
        { 3, 25, 133, 133, FORM_TLS12_SERVER },
        { 3, 30, 56, 56, FORM_TLS12_SERVER },
        { 1, 29, 32, 32, FORM_NONE },
        { 3, 22, 32, 32, FORM_NONE },
        { 3, 29, 32, 31, FORM_NONE },
        { 3, 29, 31, 32, FORM_NONE },
        { 3, 29, 32, 33, FORM_NONE },
        { 3, 0, 0, 0, FORM_NONE },
    };
    for (size_t i = 0; i < COUNTOF(row); i++)
        CHECK_NUM(form_of_tls12(row[i].type, row[i].group, row[i].said, row[i].point), row[i].form);
}

/* Each letter a message: h hello of the client, s server's, c certificate, t status, k key exchange
 * of the server, r request, d done, x key exchange of the client, n another. */
static enum keeper_form form_of_messages(const char *letters, size_t each, size_t more)
{
    static const char known[] = "hsctkrdxn";
    static const char type[] = { 1, 2, 11, 22, 12, 13, 14, 16, 20 };
    struct buf b;
    buf_init(&b, ROOM);
    for (const char *p = letters; *p; p++) {
        char head[] = { type[strchr(known, *p) - known], 0, (char)(each >> 8), (char)each };
        buf_put(&b, span_of(head, sizeof head));
        put_times(&b, 'x', each);
    }
    put_times(&b, '\0', more);
    enum keeper_form form = keeper_form_of(buf_span(&b));
    buf_done(&b);
    return form;
}

TEST(t27_tls12_client_signs_all_messages_in_their_order)
{
    CHECK_NUM(form_of_messages("hsckrdcx", 100, 0), FORM_TLS12_CLIENT);
    CHECK_NUM(form_of_messages("hsctkrdcx", 0, 0), FORM_TLS12_CLIENT);
    static const char *const wrong[] = { "",          "h",         "hsckrdc",  "hsckdcx",
                                         "sckrdcx",   "hsckrdcxn", "hsckrdxc", "hhsckrdcx",
                                         "hsckrdcxx", "nhsckrdcx", "hscrdcx",  "hscttkrdcx" };
    for (size_t i = 0; i < COUNTOF(wrong); i++)
        CHECK_NUM(form_of_messages(wrong[i], 10, 0), FORM_NONE);
    CHECK_NUM(form_of_messages("hsckrdcx", 10, 1), FORM_NONE);
    CHECK_NUM(form_of_messages("hsckrdcx", 10, 4), FORM_NONE);
}

TEST(r16_what_nodes_sign_has_its_own_first_line)
{
    CHECK_NUM(keeper_form_of(SPAN(KEEPER_ATTRIBUTION_LINE "v=1\nnode=mx1.nodes.example\n")),
              FORM_ATTRIBUTION);
    CHECK_NUM(keeper_form_of(SPAN(KEEPER_ATTRIBUTION_LINE "v=1")), FORM_NONE);
    CHECK_NUM(keeper_form_of(SPAN(KEEPER_ATTRIBUTION_LINE "v=\x01\n")), FORM_NONE);
    CHECK_NUM(keeper_form_of(SPAN("postern attribution, version 2\nv=1\n")), FORM_NONE);
}

TEST(t27_nothing_else_is_a_handshake)
{
    static const char *const text[] = {
        "",
        "x",
        "From: a@b.example\r\n\r\nmail",
        "{\"alg\":\"ES256\"}.e30",
        "0\x82\x01\x0a",
        "                                                                ",
    };
    for (size_t i = 0; i < COUNTOF(text); i++)
        CHECK_NUM(keeper_form_of(span_z(text[i])), FORM_NONE);
}
