#include "cli/cert_text.h"

#include "base/when.h"

#include <stdio.h>

enum { HEX_MAX = 2 * CERT_SHA256 + 1, DIGEST_DIGITS_MIN = 8 };

const char *date_text(int64_t wall_ms, char ret[static DATE_TEXT_MAX])
{
    char text[WHEN_BYTES_MAX];
    if (wall_ms <= 0)
        return memcpy(ret, "-", 2);
    (void)when_rfc3339(wall_ms, text);
    text[DATE_TEXT_MAX - 1] = '\0';
    return memcpy(ret, text, DATE_TEXT_MAX);
}

const char *ends_text(int64_t until_ms, int64_t now_ms, char ret[static OUT_TEXT_MAX])
{
    int64_t days = (until_ms - now_ms) / DAY_MS;
    int near = cert_ends_within(until_ms, now_ms);
    if (near == 0)
        (void)snprintf(ret, OUT_TEXT_MAX, "EXPIRED %lld days ago", (long long)-days);
    else if (near > 0)
        (void)snprintf(ret, OUT_TEXT_MAX, "%lld days left, within %d", (long long)days, near);
    else
        (void)snprintf(ret, OUT_TEXT_MAX, "%lld days left", (long long)days);
    return ret;
}

struct span cert_title(const struct cert_info *c)
{
    if (c->cn.n > 0)
        return c->cn;
    if (c->subject.n > 0)
        return c->subject;
    return c->dns.n > 0 ? c->dns.item[0] : SPAN("(no name)");
}

static const char *hex(const uint8_t *p, size_t n, char ret[static HEX_MAX])
{
    ASSERT(2 * n < HEX_MAX);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", p[i]);
    return ret;
}

/* --- text --- */

static void line(struct buf *out, const char *name, struct span value)
{
    if (value.n == 0)
        return;
    buf_putf(out, "  %-20s ", name);
    out_clean(value, out);
    buf_put(out, SPAN("\n"));
}

static void lines(struct buf *out, const char *name, const struct cert_list *list)
{
    for (unsigned i = 0; i < list->n; i++)
        line(out, i == 0 ? name : "", list->item[i]);
}

static void line_hex(struct buf *out, const char *name, const uint8_t *p, size_t n)
{
    char text[HEX_MAX];
    line(out, name, span_z(hex(p, n, text)));
}

static void put_validity(const struct cert_info *c, int64_t now_ms, struct buf *out)
{
    char from[DATE_TEXT_MAX], until[DATE_TEXT_MAX], left[OUT_TEXT_MAX];
    buf_putf(out, "  %-20s %s to %s, %s\n", "valid", date_text(c->from_ms, from),
             date_text(c->until_ms, until),
             c->from_ms > now_ms ? "NOT YET" : ends_text(c->until_ms, now_ms, left));
}

static void put_oddities(const struct cert_info *c, struct buf *out)
{
    if (c->n_other_name > 0)
        buf_putf(out, "  %-20s %u\n", "names of other kinds", c->n_other_name);
    if (c->version != 3)
        buf_putf(out, "  %-20s %u\n", "version", c->version);
    if (c->ca && c->path_max >= 0)
        buf_putf(out, "  %-20s authority, %d below it\n", "constraints", c->path_max);
    else if (c->ca)
        line(out, "constraints", SPAN("authority"));
    if (c->n_sct > 0)
        buf_putf(out, "  %-20s %u\n", "SCTs", c->n_sct);
    if (c->must_staple)
        line(out, "must staple", SPAN("yes"));
    if (c->critical_unknown)
        line(out, "critical extension", SPAN("one that nobody knows: it will be refused"));
    line(out, "WEAK", c->weak);
}

void cert_text(const struct cert_info *c, int64_t now_ms, struct buf *out)
{
    line(out, "subject", c->subject);
    line(out, "issuer", c->issuer);
    line(out, "serial", c->serial);
    lines(out, "names", &c->dns);
    put_validity(c, now_ms, out);
    line(out, "key", c->key);
    line(out, "signature", c->signature);
    line(out, "extended key usage",
         c->usage == CERT_USAGE_ABSENT ? SPAN("(unrestricted)") : c->usage_text);
    line(out, "key usage", c->key_usage);
    line(out, "name constraints", c->constraints);
    put_oddities(c, out);
    line_hex(out, "SPKI SHA-256", c->spki, sizeof c->spki);
    line_hex(out, "SHA-256", c->sha256, sizeof c->sha256);
    line_hex(out, "SHA-1", c->sha1, sizeof c->sha1);
    lines(out, "OCSP", &c->ocsp);
    lines(out, "CRL", &c->crl);
    lines(out, "issuer's certificate", &c->ca_issuers);
}

void verdict_text(const struct cert_chain *c, const struct cert_verdict *v, int64_t now_ms,
                  struct buf *out)
{
    char date[DATE_TEXT_MAX], left[OUT_TEXT_MAX];
    line(out, "chain", span_z(cert_trust_name(v->trust)));
    line(out, "because", v->reason);
    if (v->missing_url.n > 0)
        line(out, "to be had at", v->missing_url);
    if (v->anchor)
        line(out, "anchor", v->anchor->subject);
    if (!v->ordered)
        line(out, "order", SPAN("WRONG: own certificate first, then each one's issuer, no others"));
    if (v->has_root)
        line(out, "root", SPAN("is sent along: of no use, leave it out"));
    line(out, "WEAK", v->weak);
    buf_putf(out, "  %-20s %s (certificate %u of %u), %s\n", "ends", date_text(v->until_ms, date),
             v->until_of + 1, c->n, ends_text(v->until_ms, now_ms, left));
}

/* --- JSON --- */

static void json_list(struct ctl *to, const char *key, const char *member,
                      const struct cert_list *list)
{
    ctl_array(to, key);
    for (unsigned i = 0; i < list->n; i++)
        ctl_set(ctl_add(to, key), member, list->item[i]);
}

static void json_hex(struct ctl *to, const char *key, const uint8_t *p, size_t n)
{
    char text[HEX_MAX];
    ctl_set(to, key, span_z(hex(p, n, text)));
}

static void json_flags(const struct cert_info *c, struct ctl *to)
{
    ctl_set_num(to, "version", c->version);
    ctl_set_bool(to, "authority", c->ca);
    ctl_set_bool(to, "self_signed", c->self_signed);
    ctl_set_bool(to, "must_staple", c->must_staple);
    ctl_set_bool(to, "critical_unknown", c->critical_unknown);
    ctl_set_num(to, "scts", c->n_sct);
    ctl_set_num(to, "other_names", c->n_other_name);
    ctl_set(to, "weak", c->weak);
}

void cert_json(const struct cert_info *c, int64_t now_ms, struct ctl *to)
{
    ctl_set(to, "subject", c->subject);
    ctl_set(to, "common_name", c->cn);
    ctl_set(to, "organisation", c->o);
    ctl_set(to, "organisational_unit", c->ou);
    ctl_set(to, "issuer", c->issuer);
    ctl_set(to, "serial", c->serial);
    json_list(to, "names", "name", &c->dns);
    ctl_set_num(to, "from", c->from_ms);
    ctl_set_num(to, "until", c->until_ms);
    ctl_set_num(to, "ends_within_days", cert_ends_within(c->until_ms, now_ms));
    ctl_set(to, "key", c->key);
    ctl_set_num(to, "key_bits", c->key_bits);
    ctl_set(to, "signature", c->signature);
    ctl_set_bool(to, "server_usage",
                 (c->usage & (CERT_USAGE_SERVER | CERT_USAGE_ANY | CERT_USAGE_ABSENT)) != 0);
    ctl_set_bool(to, "client_usage",
                 (c->usage & (CERT_USAGE_CLIENT | CERT_USAGE_ANY | CERT_USAGE_ABSENT)) != 0);
    ctl_set(to, "extended_key_usage", c->usage_text);
    ctl_set(to, "key_usage", c->key_usage);
    ctl_set(to, "name_constraints", c->constraints);
    json_flags(c, to);
    json_hex(to, "spki_sha256", c->spki, sizeof c->spki);
    json_hex(to, "sha256", c->sha256, sizeof c->sha256);
    json_hex(to, "sha1", c->sha1, sizeof c->sha1);
    json_list(to, "ocsp", "url", &c->ocsp);
    json_list(to, "crl", "url", &c->crl);
    json_list(to, "ca_issuers", "url", &c->ca_issuers);
}

void verdict_json(const struct cert_verdict *v, int64_t now_ms, struct ctl *to)
{
    ctl_set(to, "trust", span_z(cert_trust_name(v->trust)));
    ctl_set(to, "reason", v->reason);
    ctl_set(to, "missing", v->missing);
    ctl_set(to, "missing_url", v->missing_url);
    ctl_set_bool(to, "ordered", v->ordered);
    ctl_set_bool(to, "has_root", v->has_root);
    ctl_set(to, "weak", v->weak);
    ctl_set(to, "anchor", v->anchor ? v->anchor->subject : SPAN_NONE);
    if (v->anchor)
        json_hex(to, "anchor_sha256", v->anchor->sha256, sizeof v->anchor->sha256);
    ctl_set_num(to, "until", v->until_ms);
    ctl_set_num(to, "ends_within_days", cert_ends_within(v->until_ms, now_ms));
}

/* --- selection --- */

/* Digits of hex as they should be written; false: other letters, or too many. */
static bool digits_of(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = ascii_lower(text.p[i]);
        if (c == ':')
            continue;
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) || buf_addc(out, c) != ERR_OK)
            return false;
    }
    return true;
}

bool cert_has_digest(const struct cert_info *c, struct span text)
{
    char sha256[HEX_MAX], spki[HEX_MAX];
    struct buf digits;
    buf_init(&digits, HEX_MAX);
    bool well = digits_of(text, &digits) && digits.n >= DIGEST_DIGITS_MIN;
    well = well && (span_starts(span_z(hex(c->sha256, CERT_SHA256, sha256)), buf_span(&digits)) ||
                    span_starts(span_z(hex(c->spki, CERT_SHA256, spki)), buf_span(&digits)));
    buf_done(&digits);
    return well;
}

bool cert_is_sha256(const struct cert_info *c, struct span text)
{
    char sha256[HEX_MAX];
    struct buf digits;
    buf_init(&digits, HEX_MAX);
    bool well = digits_of(text, &digits) &&
                span_eq(span_z(hex(c->sha256, CERT_SHA256, sha256)), buf_span(&digits));
    buf_done(&digits);
    return well;
}
