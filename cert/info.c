/* Files of certificates: PEM, DER, PKCS #7. Start reading at cert_read. */
#include "cert/info_x509.h"

#include "base/enc.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>

/* One reading of a file. */
struct reading {
    struct arena *arena;
    struct cert_chain chain; /* its array is the heap's until it is whole */
    unsigned cap, max;
    struct why *why;
};

static enum err add(struct reading *r, X509 *x)
{
    if (r->chain.n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 8;
        r->chain.item = mem_realloc(r->chain.item, r->cap * sizeof *r->chain.item);
    }
    if (r->chain.n == r->max) {
        why_set(r->why, "more than %u certificates", r->max);
        return ERR_TOO_BIG;
    }
    enum err e = info_fill(x, r->arena, &r->chain.item[r->chain.n]);
    if (e == ERR_OK)
        r->chain.n++;
    else
        why_set(r->why, "certificate %u is too big", r->chain.n + 1);
    return e;
}

static enum err broken(struct reading *r, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    why_set(r->why, "certificate %u cannot be read: %s%s%s", r->chain.n + 1, what,
            reason ? ": " : "", reason ? reason : "");
    return ERR_SYNTAX;
}

/* --- DER --- */

static const STACK_OF(X509) * certificates_of(const PKCS7 *p7)
{
    if (PKCS7_type_is_signed(p7) && p7->d.sign)
        return p7->d.sign->cert;
    return NULL;
}

static enum err read_pkcs7(struct reading *r, struct span der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)der.n);
    if (!p7)
        return broken(r, "neither a certificate nor a PKCS #7 bundle");
    const STACK_OF(X509) *all = certificates_of(p7);
    enum err e = ERR_OK;
    for (int i = 0; i < (all ? sk_X509_num(all) : 0) && e == ERR_OK; i++)
        e = add(r, sk_X509_value(all, i));
    PKCS7_free(p7);
    return e;
}

/* One certificate; *der is what stands behind it. trusted: OpenSSL's own form, with settings. */
static enum err read_x509(struct reading *r, struct span *der, bool trusted)
{
    const unsigned char *p = (const unsigned char *)der->p;
    X509 *x = trusted ? d2i_X509_AUX(NULL, &p, (long)der->n) : d2i_X509(NULL, &p, (long)der->n);
    if (!x)
        return broken(r, "not a certificate");
    *der = span_tail(*der, (size_t)(p - (const unsigned char *)der->p));
    enum err e = add(r, x);
    X509_free(x);
    return e;
}

/* Several may stand one behind the other. Blank lines at the end are no offence. */
static enum err read_der(struct reading *r, struct span der)
{
    struct span all = der;
    while (der.n > 0 && der.p[0] == 0x30) {
        if (read_x509(r, &der, false) == ERR_OK)
            continue;
        ERR_clear_error();
        return r->chain.n == 0 ? read_pkcs7(r, all) : ERR_SYNTAX;
    }
    for (size_t i = 0; i < der.n; i++)
        if (!memchr("\r\n", der.p[i], 2))
            return broken(r, "neither PEM nor DER");
    return ERR_OK;
}

/* --- PEM (RFC 7468) --- */

static bool strip(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        if (!memchr(" \t\r\n", text.p[i], 4) && buf_addc(out, text.p[i]) != ERR_OK)
            return false;
    return true;
}

/* What stands between BEGIN and END of a certificate. */
static enum err read_block(struct reading *r, struct span label, struct span text)
{
    struct buf letters, der;
    buf_init(&letters, text.n);
    buf_init(&der, text.n);
    enum err e = strip(text, &letters) ? dec_base64(buf_span(&letters), &der) : ERR_SYNTAX;
    struct span bytes = buf_span(&der);
    if (e != ERR_OK || bytes.n == 0)
        e = broken(r, "its base64 is damaged");
    else if (span_eq(label, SPAN("PKCS7")))
        e = read_pkcs7(r, bytes);
    else
        e = read_x509(r, &bytes, span_eq(label, SPAN("TRUSTED CERTIFICATE")));
    if (e == ERR_OK && bytes.n > 0 && !span_eq(label, SPAN("PKCS7")))
        e = broken(r, "something stands behind it");
    buf_done(&letters);
    buf_done(&der);
    return e;
}

static bool is_certificate(struct span label)
{
    static const char *const labels[] = { "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE",
                                          "PKCS7" };
    for (size_t i = 0; i < COUNTOF(labels); i++)
        if (span_eq(label, span_z(labels[i])))
            return true;
    return false;
}

/* "-----BEGIN X-----" -> "X". */
static bool armour(struct span line, const char *word, struct span *ret_label)
{
    struct span head = SPAN("-----"), w = span_z(word);
    line = span_trim(line);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (!span_starts(line, head) || line.n < 10 + w.n || memcmp(line.p + line.n - 5, head.p, 5))
        return false;
    line = span_head(span_tail(line, 5), line.n - 10);
    if (!span_starts(line, w))
        return false;
    *ret_label = span_tail(line, w.n);
    return true;
}

/* The text up to the END of the label; *rest goes behind it. False: there is none. */
static bool block_end(struct span *rest, struct span label, struct span *ret)
{
    struct span left = *rest;
    while (left.n > 0) {
        const char *start = left.p;
        struct span at = span_cut(&left, '\n'), end;
        if (!armour(at, "END ", &end))
            continue;
        if (!span_eq(end, label))
            return false;
        *ret = span_head(*rest, (size_t)(start - rest->p));
        *rest = left;
        return true;
    }
    return false;
}

static enum err read_pem(struct reading *r, struct span text)
{
    while (text.n > 0) {
        struct span line = span_cut(&text, '\n'), label, body;
        if (!armour(line, "BEGIN ", &label))
            continue;
        r->chain.has_key |= span_ends_nocase(label, SPAN("PRIVATE KEY"));
        if (!is_certificate(label))
            continue; /* a key, parameters: not ours to look at */
        if (!block_end(&text, label, &body))
            return broken(r, "its END line is missing");
        TRY(read_block(r, label, body));
    }
    return ERR_OK;
}

static bool looks_like_pem(struct span bytes)
{
    return bytes.n > 0 && memmem(bytes.p, bytes.n, "-----BEGIN ", 11) != NULL;
}

static enum err read_any(struct reading *r, struct span bytes)
{
    if (bytes.n > 0 && bytes.p[0] == 0x30 && !looks_like_pem(bytes))
        return read_der(r, bytes);
    return looks_like_pem(bytes) ? read_pem(r, bytes) : ERR_OK;
}

enum err cert_read(struct span bytes, unsigned max, struct arena *a, struct cert_chain *ret,
                   struct why *why)
{
    ASSERT(max > 0 && max <= CERT_STORE_MAX);
    struct reading r = { .arena = a, .max = max, .why = why };
    if (bytes.n > CERT_FILE_MAX) {
        why_set(why, "over %d MiB: this is no file of certificates", CERT_FILE_MAX >> 20);
        return ERR_TOO_BIG;
    }
    ERR_clear_error();
    enum err e = read_any(&r, bytes);
    ERR_clear_error();
    if (e == ERR_OK && r.chain.n == 0) {
        why_set(why, "there is no certificate in it; PEM or DER is wanted");
        e = ERR_SYNTAX;
    }
    if (e == ERR_OK) {
        *ret = r.chain;
        ret->item = ARENA_ARRAY(a, struct cert_info, r.chain.n);
        memcpy(ret->item, r.chain.item, r.chain.n * sizeof *ret->item);
    }
    mem_free(r.chain.item);
    return e;
}

int cert_ends_within(int64_t until_ms, int64_t now_ms)
{
    static const int days[] = { 1, 7, 14, 30, 60 };
    const int64_t day_ms = 24 * 3600 * INT64_C(1000);
    if (until_ms <= now_ms)
        return 0;
    for (size_t i = 0; i < COUNTOF(days); i++)
        if (until_ms - now_ms <= days[i] * day_ms)
            return days[i];
    return -1;
}

void cert_hex(const uint8_t *p, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_putf(out, "%02x", p[i]);
}
