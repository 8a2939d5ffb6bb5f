#include "base/enc.h"
#include "io/tls_look.h"
#include "io/tls_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Any request for a certificate is refused, or gives a certificate of the names that we say and
 * none of its own. The bytes are the DER of the request. */

enum { HOUR_MS = 60 * 60 * 1000 };

static struct buf ca, ca_key;

static void make_authority(void)
{
    static const struct span domain = { "lab.example", 11 };
    const struct tls_ca_ask ask = { SPAN("o"), SPAN("u"), &domain, 1, 0, INT64_C(2000000000000) };
    buf_init(&ca, TLS_MAKE_PEM_MAX);
    buf_init(&ca_key, TLS_MAKE_PEM_MAX);
    enum err e = tls_make_ca(&ask, &ca, &ca_key, NULL);
    ASSERT(e == ERR_OK);
}

static void check_names(struct span lines)
{
    while (lines.n > 0) {
        struct span name = span_cut(&lines, '\n');
        ASSERT(name.n > 0 && name.n <= 253);
        for (size_t i = 0; i < name.n; i++)
            ASSERT(name.p[i] > ' ' && name.p[i] < 0x7f && name.p[i] != ',' && name.p[i] != '*');
    }
}

static void check_leaf(struct span pem)
{
    struct arena a;
    struct tls_certificate x;
    arena_init(&a, TLS_LOOK_ARENA_MAX);
    enum err e = tls_certificate_read(pem, &a, &x, NULL);
    ASSERT(e == ERR_OK && span_eq(x.names, SPAN("mx.lab.example")) && x.permitted.n == 0);
    ASSERT(span_eq(x.subject, SPAN("CN=mx.lab.example")) && x.until_ms <= 9 * HOUR_MS);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf pem, names, leaf;
    struct span host = SPAN("mx.lab.example");
    if (n > TLS_MAKE_PEM_MAX / 2)
        return 0;
    if (ca.n == 0)
        make_authority();
    buf_init(&pem, TLS_MAKE_PEM_MAX);
    buf_init(&names, TLS_MAKE_PEM_MAX);
    buf_init(&leaf, TLS_MAKE_PEM_MAX);
    buf_put(&pem, SPAN("-----BEGIN CERTIFICATE REQUEST-----\n"));
    enum err e = enc_base64(span_of((const char *)data, n), &pem);
    ASSERT(e == ERR_OK);
    buf_put(&pem, SPAN("\n-----END CERTIFICATE REQUEST-----\n"));
    const struct tls_leaf_ask ask = { .ca_pem = buf_span(&ca),
                                      .ca_key_pem = buf_span(&ca_key),
                                      .request_pem = buf_span(&pem),
                                      .name = &host,
                                      .n_name = 1,
                                      .until_ms = HOUR_MS };
    if (tls_request_names(buf_span(&pem), &names, NULL) == ERR_OK)
        check_names(buf_span(&names));
    if (tls_make_leaf(&ask, &leaf, NULL) == ERR_OK)
        check_leaf(buf_span(&leaf));
    buf_done(&pem);
    buf_done(&names);
    buf_done(&leaf);
    return 0;
}
