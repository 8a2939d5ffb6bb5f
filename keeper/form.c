#include "keeper/form.h"

enum {
    SPACES = 64,
    RANDOMS = 64, /* of client and server, 32 bytes each */
    NAMED_CURVE = 3,
    SHA256_BYTES = 32,
    SHA384_BYTES = 48,
    MESSAGE_HEAD = 4, /* type, three bytes of length */
};

/* --- TLS 1.3 --- */

static bool is_spaces(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ')
            return false;
    return true;
}

static bool is_tls13(struct span tbs, struct span context)
{
    if (tbs.n < SPACES + context.n + 1 || !is_spaces(span_head(tbs, SPACES)))
        return false;
    struct span rest = span_tail(tbs, SPACES);
    if (!span_eq(span_head(rest, context.n), context) || rest.p[context.n] != '\0')
        return false;
    size_t hash = rest.n - context.n - 1;
    return hash == SHA256_BYTES || hash == SHA384_BYTES;
}

/* --- TLS 1.2, server --- */

static unsigned byte_at(struct span s, size_t i)
{
    return (unsigned char)s.p[i];
}

/* Bytes of a public point on the curve as it is sent, 0: a curve that is not ours. */
static size_t point_bytes(unsigned group)
{
    static const struct {
        unsigned group;
        size_t bytes;
    } row[] = {
        { 23, 65 }, { 24, 97 }, { 25, 133 }, /* secp256r1, secp384r1, secp521r1: uncompressed */
        { 29, 32 }, { 30, 56 },              /* x25519, x448 */
    };
    for (size_t i = 0; i < COUNTOF(row); i++)
        if (row[i].group == group)
            return row[i].bytes;
    return 0;
}

static bool is_tls12_server(struct span tbs)
{
    if (tbs.n < RANDOMS + 4)
        return false;
    struct span params = span_tail(tbs, RANDOMS);
    size_t point = point_bytes(byte_at(params, 1) << 8 | byte_at(params, 2));
    return byte_at(params, 0) == NAMED_CURVE && point > 0 && byte_at(params, 3) == point &&
           params.n == 4 + point;
}

/* --- TLS 1.2, client --- */

enum {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    CERTIFICATE = 11,
    SERVER_KEY_EXCHANGE = 12,
    CERTIFICATE_REQUEST = 13,
    SERVER_HELLO_DONE = 14,
    CLIENT_KEY_EXCHANGE = 16,
    CERTIFICATE_STATUS = 22,
};

/* 0: there is no whole message. */
static unsigned next_message(struct span *tbs)
{
    if (tbs->n < MESSAGE_HEAD)
        return 0;
    size_t n = (size_t)byte_at(*tbs, 1) << 16 | byte_at(*tbs, 2) << 8 | byte_at(*tbs, 3);
    unsigned type = byte_at(*tbs, 0);
    if (n > tbs->n - MESSAGE_HEAD)
        return 0;
    *tbs = span_tail(*tbs, MESSAGE_HEAD + n);
    return type;
}

static bool is_tls12_client(struct span tbs)
{
    static const struct {
        unsigned type;
        bool may_lack;
    } row[] = {
        { CLIENT_HELLO, false },        { SERVER_HELLO, false },
        { CERTIFICATE, false },         { CERTIFICATE_STATUS, true },
        { SERVER_KEY_EXCHANGE, false }, { CERTIFICATE_REQUEST, false },
        { SERVER_HELLO_DONE, false },   { CERTIFICATE, false },
        { CLIENT_KEY_EXCHANGE, false },
    };
    for (size_t i = 0; i < COUNTOF(row); i++) {
        struct span before = tbs;
        if (next_message(&tbs) == row[i].type)
            continue;
        if (!row[i].may_lack)
            return false;
        tbs = before;
    }
    return tbs.n == 0;
}

/* --- attribution between nodes --- */

static bool is_attribution(struct span tbs)
{
    if (tbs.n > KEEPER_ATTRIBUTION_MAX || !span_starts(tbs, SPAN(KEEPER_ATTRIBUTION_LINE)) ||
        tbs.p[tbs.n - 1] != '\n')
        return false;
    for (size_t i = 0; i < tbs.n; i++)
        if ((tbs.p[i] < ' ' || tbs.p[i] > '~') && tbs.p[i] != '\n')
            return false;
    return true;
}

enum keeper_form keeper_form_of(struct span tbs)
{
    if (is_tls13(tbs, SPAN("TLS 1.3, server CertificateVerify")))
        return FORM_TLS13_SERVER;
    if (is_tls13(tbs, SPAN("TLS 1.3, client CertificateVerify")))
        return FORM_TLS13_CLIENT;
    if (is_tls12_server(tbs))
        return FORM_TLS12_SERVER;
    if (is_attribution(tbs))
        return FORM_ATTRIBUTION;
    return is_tls12_client(tbs) ? FORM_TLS12_CLIENT : FORM_NONE;
}
