/* tlsrpt.c - start reading at tlsrpt_txt_read. */
#include "policy/tlsrpt.h"
#include "mail/addr.h"
#include "mail/ip.h"

enum { TXT_BYTES_MAX = TLSRPT_TXT_STRINGS_MAX * 255, NAME_BYTES_MAX = 32, HTTPS_PORT = 443 };

static const char *const result_names[] = {
    [TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [TLSRPT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLSRPT_CERTIFICATE_EXPIRED] = "certificate-expired",
    [TLSRPT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
    [TLSRPT_VALIDATION_FAILURE] = "validation-failure",
    [TLSRPT_TLSA_INVALID] = "tlsa-invalid",
    [TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
    [TLSRPT_DANE_REQUIRED] = "dane-required",
    [TLSRPT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLSRPT_STS_POLICY_INVALID] = "sts-policy-invalid",
    [TLSRPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};
STATIC_ASSERT(COUNTOF(result_names) == TLSRPT_RESULT_COUNT_);

static const char *const type_names[] = {
    [TLSRPT_TLSA] = "tlsa",
    [TLSRPT_STS] = "sts",
    [TLSRPT_NO_POLICY] = "no-policy-found",
};
STATIC_ASSERT(COUNTOF(type_names) == TLSRPT_TYPE_COUNT_);

const char *tlsrpt_result_name(enum tlsrpt_result r)
{
    ASSERT(r < TLSRPT_RESULT_COUNT_);
    return result_names[r];
}

const char *tlsrpt_type_name(enum tlsrpt_type t)
{
    ASSERT(t < TLSRPT_TYPE_COUNT_);
    return type_names[t];
}

/* The index of the name, or n. */
static unsigned name_find(const char *const *names, unsigned n, struct span s)
{
    for (unsigned i = 0; i < n; i++)
        if (span_eq(s, span_z(names[i])))
            return i;
    return n;
}

enum err tlsrpt_result_read(struct span s, enum tlsrpt_result *ret)
{
    unsigned i = name_find(result_names, TLSRPT_RESULT_COUNT_, s);
    if (i == TLSRPT_RESULT_COUNT_)
        return ERR_SYNTAX;
    *ret = (enum tlsrpt_result)i;
    return ERR_OK;
}

enum err tlsrpt_type_read(struct span s, enum tlsrpt_type *ret)
{
    unsigned i = name_find(type_names, TLSRPT_TYPE_COUNT_, s);
    if (i == TLSRPT_TYPE_COUNT_)
        return ERR_SYNTAX;
    *ret = (enum tlsrpt_type)i;
    return ERR_OK;
}

/* --- addresses */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    char l = ascii_lower(c);
    return is_digit(c) || (l >= 'a' && l <= 'z');
}

static int hex_digit(char c)
{
    char l = ascii_lower(c);
    return is_digit(c) ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Printable, and without what RFC 3986 has no place for. */
static bool uri_valid(struct span s)
{
    struct span bad = SPAN("\"<>\\^`{|}");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || span_find(bad, s.p[i]) < bad.n)
            return false;
        bool escape = s.p[i] == '%';
        if (escape && (s.n - i < 3 || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0))
            return false;
    }
    return s.n > 0 && s.n <= TLSRPT_URI_MAX;
}

/* = RFC 3986 2.1; RFC 8460 3: commas, exclamation points and semicolons MUST be encoded */
static enum err percent_decode(struct span s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            c = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
            i += 2;
        }
        TRY(buf_addc(out, c));
    }
    return ERR_OK;
}

enum err tlsrpt_mailbox(struct span uri, struct buf *out)
{
    if (!uri_valid(uri) || !span_starts_nocase(uri, SPAN("mailto:")))
        return ERR_SYNTAX;
    struct span to = span_tail(uri, 7);
    to = span_head(to, span_find(to, '?'));
    struct buf box;
    struct addr addr;
    buf_init(&box, ADDR_BYTES_MAX);
    enum err e = percent_decode(to, &box) == ERR_OK ? ERR_OK : ERR_SYNTAX;
    if (e == ERR_OK && addr_parse(buf_span(&box), false, &addr) != ERR_OK)
        e = ERR_SYNTAX;
    if (e == ERR_OK && (domain_is_literal(addr.domain) || !domain_valid(addr.domain, false)))
        e = ERR_SYNTAX;
    if (e == ERR_OK)
        e = buf_append(out, buf_span(&box));
    buf_done(&box);
    return e;
}

/* A name with a dot inside whose last label is not a number: what looks like an address in any of
 * the forms that a C library takes is none. */
static bool host_valid(struct span host)
{
    if (!domain_valid(host, false))
        return false;
    if (host.p[host.n - 1] == '.')
        host = span_head(host, host.n - 1);
    size_t dot = span_rfind(host, '.');
    if (dot == host.n)
        return false;
    struct span last = span_tail(host, dot + 1);
    return !is_digit(last.p[0]);
}

enum err tlsrpt_https(struct span uri, struct tlsrpt_https *ret)
{
    if (!uri_valid(uri) || !span_starts_nocase(uri, SPAN("https://")))
        return ERR_SYNTAX;
    struct span rest = span_tail(uri, 8);
    rest = span_head(rest, span_find(rest, '#'));
    size_t slash = span_find(rest, '/'), query = span_find(rest, '?');
    size_t end = slash < query ? slash : query;
    struct span port = span_head(rest, end);
    struct tlsrpt_https got = { .port = HTTPS_PORT, .target = span_tail(rest, end) };
    bool has_port = span_find(port, ':') < port.n;
    uint64_t n = HTTPS_PORT;
    got.host = span_cut(&port, ':');
    if (has_port && (span_u64(port, UINT16_MAX, &n) != ERR_OK || n == 0))
        return ERR_SYNTAX;
    /* "/" has to be put before a target that begins with its query: those are not taken */
    if (!host_valid(got.host) || (got.target.n > 0 && got.target.p[0] != '/'))
        return ERR_SYNTAX;
    got.port = (uint16_t)n;
    *ret = got;
    return ERR_OK;
}

/* --- the record */

void tlsrpt_record_init(struct tlsrpt_record *r)
{
    *r = (struct tlsrpt_record){ 0 };
    buf_init(&r->text, TXT_BYTES_MAX);
}

void tlsrpt_record_done(struct tlsrpt_record *r)
{
    if (r)
        buf_done(&r->text);
}

static void rua_add(struct tlsrpt_record *r, struct span uri)
{
    struct buf box;
    struct tlsrpt_https https;
    if (r->n_rua == TLSRPT_RUA_MAX)
        return;
    buf_init(&box, ADDR_BYTES_MAX);
    if (tlsrpt_mailbox(uri, &box) == ERR_OK)
        r->rua[r->n_rua++] = (struct tlsrpt_rua){ TLSRPT_MAILTO, uri };
    else if (tlsrpt_https(uri, &https) == ERR_OK)
        r->rua[r->n_rua++] = (struct tlsrpt_rua){ TLSRPT_HTTPS, uri };
    buf_done(&box);
}

/* = RFC 8460 3: tlsrpt-ext-name */
static bool name_valid(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!is_alnum(c) && (i == 0 || (c != '_' && c != '-' && c != '.')))
            return false;
    }
    return s.n > 0 && s.n <= NAME_BYTES_MAX;
}

/* The fields behind the version. */
static enum err fields_read(struct span s, struct tlsrpt_record *r, struct why *why)
{
    bool has_rua = false;
    while ((s = span_trim(s)).n > 0) {
        struct span value = span_trim(span_cut(&s, ';'));
        bool has_value = span_find(value, '=') < value.n;
        struct span name = span_cut(&value, '=');
        if (!has_value || !name_valid(name)) {
            why_set(why, "the _smtp._tls record has a field that is not name=value");
            return ERR_REFUSED;
        }
        if (!span_eq(name, SPAN("rua")) || has_rua)
            continue;
        has_rua = true;
        while (value.n > 0)
            rua_add(r, span_trim(span_cut(&value, ',')));
    }
    if (r->n_rua > 0)
        return ERR_OK;
    why_set(why, "the _smtp._tls record has no mailto: or https: address that can be used");
    return ERR_REFUSED;
}

/* Is it one of ours? Moves *s behind the version and its semicolon; blanks may stand before that,
 * as the grammar has it. */
static bool take_version(struct span *s)
{
    if (!span_starts(*s, SPAN("v=TLSRPTv1")))
        return false;
    struct span rest = span_trim(span_tail(*s, 10));
    if (!span_starts(rest, SPAN(";")))
        return false;
    *s = span_tail(rest, 1);
    return true;
}

static void join(const struct tlsrpt_txt *txt, struct buf *out)
{
    buf_clear(out);
    for (unsigned i = 0; i < txt->n && i < TLSRPT_TXT_STRINGS_MAX; i++)
        if (buf_append(out, txt->string[i]) != ERR_OK)
            return;
}

enum err tlsrpt_txt_read(const struct tlsrpt_txt *txt, unsigned n, struct tlsrpt_record *r,
                         struct why *why)
{
    unsigned found = 0, ours = 0;
    struct span s = SPAN_NONE;
    r->n_rua = 0;
    for (unsigned i = 0; i < n; i++) {
        join(&txt[i], &r->text);
        s = buf_span(&r->text);
        /* = RFC 8460 3: records that do not begin with "v=TLSRPTv1;" are discarded */
        if (take_version(&s)) {
            found++;
            ours = i;
        }
    }
    if (found == 0)
        return ERR_NOT_FOUND;
    if (found > 1) {
        /* = RFC 8460 3: if the number of resulting records is not one, senders MUST assume ... */
        why_set(why, "there are %u _smtp._tls records with v=TLSRPTv1; one is wanted", found);
        return ERR_REFUSED;
    }
    join(&txt[ours], &r->text);
    s = buf_span(&r->text);
    bool is_ours = take_version(&s);
    ASSERT(is_ours);
    enum err e = fields_read(s, r, why);
    if (e != ERR_OK)
        r->n_rua = 0;
    return e;
}
