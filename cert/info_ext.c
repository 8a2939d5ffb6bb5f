/* What the extensions of a certificate say (RFC 5280 section 4.2). A damaged extension is as one
 * that is not there: the judgement of the chain (info_chain.c) is the library's, and it refuses. */
#include "cert/info_x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { TLS_FEATURE_STATUS_REQUEST = 5, SCT_HEAD = 2 };

/* --- names --- */

static void fill_names(const X509 *x, struct arena *a, struct cert_info *ret)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int n = all ? sk_GENERAL_NAME_num(all) : 0;
    unsigned most = n < CERT_NAMES_MAX ? (unsigned)n : CERT_NAMES_MAX;
    ret->dns.item = ARENA_ARRAY(a, struct span, most);
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type != GEN_DNS || ret->dns.n == most) {
            ret->n_other_name++;
            continue;
        }
        struct span text = span_of((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                   (size_t)ASN1_STRING_length(name->d.dNSName));
        ret->dns.item[ret->dns.n++] = info_clean(text, a);
    }
    GENERAL_NAMES_free(all);
}

/* --- where to ask --- */

static void add_url(const GENERAL_NAME *name, struct arena *a, struct cert_list *to)
{
    if (name->type != GEN_URI || to->n == CERT_URLS_MAX)
        return;
    const ASN1_STRING *s = name->d.uniformResourceIdentifier;
    struct span text =
        span_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    if (text.n == 0 || text.n > CERT_URL_BYTES_MAX)
        return;
    if (!to->item)
        to->item = ARENA_ARRAY(a, struct span, CERT_URLS_MAX);
    to->item[to->n++] = info_clean(text, a);
}

static void fill_access(const X509 *x, struct arena *a, struct cert_info *ret)
{
    AUTHORITY_INFO_ACCESS *all = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
    for (int i = 0; i < (all ? sk_ACCESS_DESCRIPTION_num(all) : 0); i++) {
        const ACCESS_DESCRIPTION *d = sk_ACCESS_DESCRIPTION_value(all, i);
        int kind = OBJ_obj2nid(d->method);
        if (kind == NID_ad_OCSP)
            add_url(d->location, a, &ret->ocsp);
        if (kind == NID_ad_ca_issuers)
            add_url(d->location, a, &ret->ca_issuers);
    }
    AUTHORITY_INFO_ACCESS_free(all);
}

static void fill_crl(const X509 *x, struct arena *a, struct cert_info *ret)
{
    CRL_DIST_POINTS *all = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < (all ? sk_DIST_POINT_num(all) : 0); i++) {
        const DIST_POINT *p = sk_DIST_POINT_value(all, i);
        if (!p->distpoint || p->distpoint->type != 0)
            continue;
        const GENERAL_NAMES *names = p->distpoint->name.fullname;
        for (int k = 0; k < sk_GENERAL_NAME_num(names); k++)
            add_url(sk_GENERAL_NAME_value(names, k), a, &ret->crl);
    }
    CRL_DIST_POINTS_free(all);
}

/* --- what it may be used for --- */

static unsigned usage_bit(const ASN1_OBJECT *o)
{
    switch (OBJ_obj2nid(o)) {
    case NID_server_auth:
        return CERT_USAGE_SERVER;
    case NID_client_auth:
        return CERT_USAGE_CLIENT;
    case NID_OCSP_sign:
        return CERT_USAGE_OCSP;
    case NID_anyExtendedKeyUsage:
        return CERT_USAGE_ANY;
    default:
        return CERT_USAGE_OTHER;
    }
}

static void fill_usage(const X509 *x, struct arena *a, struct cert_info *ret)
{
    EXTENDED_KEY_USAGE *all = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    struct buf text;
    char one[80];
    if (!all) {
        ret->usage = CERT_USAGE_ABSENT;
        return;
    }
    buf_init(&text, CERT_TEXT_MAX);
    for (int i = 0; i < sk_ASN1_OBJECT_num(all); i++) {
        const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(all, i);
        ret->usage |= usage_bit(o);
        const char *name = OBJ_nid2sn(OBJ_obj2nid(o));
        if (OBJ_obj2nid(o) == NID_undef)
            name = OBJ_obj2txt(one, sizeof one, o, 1) > 0 ? one : "?";
        if (buf_addf(&text, "%s%s", text.n > 0 ? ", " : "", name) != ERR_OK)
            break;
    }
    ret->usage_text = info_clean(buf_span(&text), a);
    buf_done(&text);
    EXTENDED_KEY_USAGE_free(all);
}

static void fill_key_usage(const X509 *x, struct arena *a, struct cert_info *ret)
{
    static const char *const bits[] = { "digitalSignature", "nonRepudiation", "keyEncipherment",
                                        "dataEncipherment", "keyAgreement",   "keyCertSign",
                                        "cRLSign",          "encipherOnly",   "decipherOnly" };
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL, NULL);
    struct buf text;
    if (!usage)
        return;
    buf_init(&text, CERT_TEXT_MAX);
    for (size_t i = 0; i < COUNTOF(bits); i++)
        if (ASN1_BIT_STRING_get_bit(usage, (int)i))
            buf_putf(&text, "%s%s", text.n > 0 ? ", " : "", bits[i]);
    ret->key_usage = arena_span(a, buf_span(&text));
    buf_done(&text);
    ASN1_BIT_STRING_free(usage);
}

static void fill_basic(const X509 *x, struct cert_info *ret)
{
    BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
    if (!basic)
        return;
    ret->ca = basic->ca != 0;
    long path = basic->pathlen ? ASN1_INTEGER_get(basic->pathlen) : -1;
    ret->path_max = path >= 0 && path < 1000 ? (int)path : -1;
    BASIC_CONSTRAINTS_free(basic);
}

/* --- name constraints, as the library words them: "Permitted: DNS:example.org; Excluded: ..." ---
 */

static void fill_constraints(const X509 *x, struct arena *a, struct cert_info *ret)
{
    int at = X509_get_ext_by_NID(x, NID_name_constraints, -1);
    char *text = NULL;
    if (at < 0)
        return;
    BIO *bio = BIO_new(BIO_s_mem());
    ASSERT(bio);
    struct buf line;
    buf_init(&line, CERT_TEXT_MAX);
    if (X509V3_EXT_print(bio, X509_get_ext(x, at), 0, 0) == 1) {
        long n = BIO_get_mem_data(bio, &text);
        struct span left = span_of(text, n > 0 ? (size_t)n : 0);
        while (left.n > 0) {
            struct span word = span_trim(span_cut(&left, '\n'));
            if (buf_addf(&line, "%s%.*s", line.n > 0 ? " " : "", SPAN_ARG(word)) != ERR_OK)
                break;
        }
    }
    ret->constraints = line.n > 0 ? info_clean(buf_span(&line), a) : SPAN("unreadable");
    buf_done(&line);
    BIO_free(bio);
}

/* --- the rest --- */

/* RFC 6962 3.3: a list of two-byte lengths in two bytes of length, in an OCTET STRING. */
static unsigned count_scts(const X509 *x)
{
    int at = X509_get_ext_by_NID(x, NID_ct_precert_scts, -1);
    if (at < 0)
        return 0;
    const ASN1_OCTET_STRING *outer = X509_EXTENSION_get_data(X509_get_ext(x, at));
    const unsigned char *p = ASN1_STRING_get0_data(outer);
    ASN1_OCTET_STRING *list = d2i_ASN1_OCTET_STRING(NULL, &p, ASN1_STRING_length(outer));
    if (!list)
        return 0;
    const unsigned char *b = ASN1_STRING_get0_data(list);
    size_t n = (size_t)ASN1_STRING_length(list), i = SCT_HEAD;
    unsigned count = 0;
    while (i + SCT_HEAD <= n) {
        i += SCT_HEAD + ((size_t)b[i] << 8 | b[i + 1]);
        count += i <= n;
    }
    ASN1_OCTET_STRING_free(list);
    return count;
}

static bool must_staple(const X509 *x)
{
    TLS_FEATURE *all = X509_get_ext_d2i(x, NID_tlsfeature, NULL, NULL);
    bool found = false;
    for (int i = 0; i < (all ? sk_ASN1_INTEGER_num(all) : 0); i++)
        found |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(all, i)) == TLS_FEATURE_STATUS_REQUEST;
    TLS_FEATURE_free(all);
    return found;
}

static bool critical_unknown(const X509 *x)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *e = X509_get_ext(x, i);
        if (X509_EXTENSION_get_critical(e) && !X509_supported_extension(e))
            return true;
    }
    return false;
}

void info_extensions(X509 *x, struct arena *a, struct cert_info *ret)
{
    fill_names(x, a, ret);
    fill_access(x, a, ret);
    fill_crl(x, a, ret);
    fill_usage(x, a, ret);
    fill_key_usage(x, a, ret);
    fill_basic(x, ret);
    fill_constraints(x, a, ret);
    ret->n_sct = count_scts(x);
    ret->must_staple = must_staple(x);
    ret->critical_unknown = critical_unknown(x);
    ret->key_id = info_hex(X509_get0_subject_key_id(x), a);
    ret->issuer_key_id = info_hex(X509_get0_authority_key_id(x), a);
    ERR_clear_error();
}
