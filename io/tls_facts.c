/* What a handshake showed, taken from the library once and kept as text. */
#include "io/tls_ossl.h"
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/x509v3.h>

/* Since OpenSSL 3.2; NULL where the library is older. */
extern const char *SSL_get0_group_name(SSL *ssl) __attribute__((weak));

struct group_name {
    int nid;
    const char *name;
};

/* One name for one group, whatever the library's version says. */
static const struct group_name group_names[] = {
    { NID_X25519, "X25519" },   { NID_X9_62_prime256v1, "P-256" },
    { NID_secp384r1, "P-384" }, { NID_secp521r1, "P-521" },
    { NID_X448, "X448" },
};

static struct span group_of(SSL *ssl)
{
    int nid = (int)SSL_get_negotiated_group(ssl);
    for (size_t i = 0; i < COUNTOF(group_names); i++) {
        if (group_names[i].nid == nid)
            return span_z(group_names[i].name);
    }
    if (nid == NID_undef)
        return SPAN_NONE;
    const char *name = SSL_get0_group_name ? SSL_get0_group_name(ssl) : NULL;
    if (!name && nid < TLSEXT_nid_unknown)
        name = OBJ_nid2sn(nid);
    return span_z(name);
}

static bool suite_forward_secret(SSL *ssl, const SSL_CIPHER *suite)
{
    if (SSL_version(ssl) >= TLS1_3_VERSION)
        return true; /* no key exchange without (EC)DHE is allowed there */
    int exchange = SSL_CIPHER_get_kx_nid(suite);
    return exchange == NID_kx_ecdhe || exchange == NID_kx_dhe;
}

/* --- the peer's chain --- */

static bool is_date(int error)
{
    return error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
}

int tls_pass_dates(int ok, X509_STORE_CTX *chain)
{
    if (ok || !is_date(X509_STORE_CTX_get_error(chain)))
        return ok;
    X509_STORE_CTX_set_error(chain, X509_V_OK);
    return 1;
}

/* What all of the chain is for, less its root, which says nothing of that. */
static uint32_t chain_usages(STACK_OF(X509) * all)
{
    uint32_t usages = UINT32_MAX;
    int n = sk_X509_num(all) > 1 ? sk_X509_num(all) - 1 : 1;
    for (int i = 0; i < n; i++) {
        uint32_t one = X509_get_extended_key_usage(sk_X509_value(all, i));
        if (!(one & XKU_ANYEKU)) /* nor is it there where there are none */
            usages &= one;
    }
    return usages;
}

/* In seconds; `otherwise` when it cannot be read. */
static int64_t time_of(const ASN1_TIME *t, int64_t otherwise)
{
    enum { DAY_S = 24 * 60 * 60 };
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool ok = epoch && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    return ok ? (int64_t)days * DAY_S + seconds : otherwise;
}

void tls_chain_dates(STACK_OF(X509) * all, int64_t *ret_from_s, int64_t *ret_until_s)
{
    *ret_from_s = INT64_MIN;
    *ret_until_s = INT64_MAX;
    for (int i = 0; i < sk_X509_num(all); i++) {
        const X509 *x = sk_X509_value(all, i);
        int64_t from_s = time_of(X509_get0_notBefore(x), INT64_MAX);
        int64_t until_s = time_of(X509_get0_notAfter(x), INT64_MIN);
        *ret_from_s = from_s > *ret_from_s ? from_s : *ret_from_s;
        *ret_until_s = until_s < *ret_until_s ? until_s : *ret_until_s;
    }
}

int64_t tls_chain_until_ms(const struct tls_pair *p)
{
    enum { SECOND_MS = 1000 };
    int64_t until_s = time_of(X509_get0_notAfter(p->leaf), 0);
    for (int i = 0; i < sk_X509_num(p->chain); i++) {
        int64_t one_s = time_of(X509_get0_notAfter(sk_X509_value(p->chain, i)), 0);
        until_s = one_s < until_s ? one_s : until_s;
    }
    return until_s * SECOND_MS;
}

static void chain_anchor(const struct tls *t, STACK_OF(X509) * all, struct tls_chain *ret)
{
    unsigned n = 0;
    int ok = X509_digest(sk_X509_value(all, sk_X509_num(all) - 1), EVP_sha256(), ret->anchor, &n);
    ASSERT(ok == 1 && n == TLS_DIGEST);
    for (unsigned i = 0; t->server && i < t->server->private_ca.n; i++) {
        if (memcmp(t->server->private_ca.item[i], ret->anchor, TLS_DIGEST) == 0)
            ret->anchor_private = true;
    }
}

/* A client's certificate may be one for servers (P27), but not one for letters or programs: who
 * gets those has proved something else. */
static int chain_verdict(const struct tls *t, X509_STORE_CTX *chain)
{
    if (X509_verify_cert(chain) <= 0) {
        int error = X509_STORE_CTX_get_error(chain);
        return error == X509_V_OK ? X509_V_ERR_UNSPECIFIED : error;
    }
    uint32_t usages = chain_usages(X509_STORE_CTX_get0_chain(chain));
    bool tls = usages & (XKU_SSL_CLIENT | XKU_SSL_SERVER);
    return t->client || tls ? X509_V_OK : X509_V_ERR_INVALID_PURPOSE;
}

int tls_judge_chain(X509_STORE_CTX *chain, void *arg)
{
    (void)arg;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    X509_STORE_CTX_set_verify_cb(chain, tls_pass_dates);
    struct tls_chain found = { .layout = TLS_CHAIN_LAYOUT, .verdict = chain_verdict(t, chain) };
    if (found.verdict == X509_V_OK) {
        tls_chain_dates(X509_STORE_CTX_get0_chain(chain), &found.from_s, &found.until_s);
        chain_anchor(t, X509_STORE_CTX_get0_chain(chain), &found);
    }
    if (t->client && t->peer.tlsa)
        tls_dane_judge(t, chain, &found);
    t->chain = found;
    X509_STORE_CTX_set_error(chain, found.verdict);
    return 1;
}

void tls_chain_keep(const struct tls *t, SSL_SESSION *session)
{
    if (t->chain.layout == 0)
        return; /* no certificate, or a resumed session, which has it already */
    int ok = SSL_SESSION_set1_ticket_appdata(session, &t->chain, sizeof t->chain);
    ASSERT(ok == 1);
}

static struct tls_chain chain_recall(SSL *ssl)
{
    struct tls_chain chain = { .verdict = X509_V_ERR_UNSPECIFIED };
    void *data = NULL;
    size_t n = 0;
    if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &data, &n) == 1 && n == sizeof chain)
        memcpy(&chain, data, n);
    if (chain.layout != TLS_CHAIN_LAYOUT)
        chain = (struct tls_chain){ .verdict = X509_V_ERR_UNSPECIFIED };
    return chain;
}

/* DANE-EE knows no dates (RFC 7672 3.1.1). */
static enum tls_dane dane_now(const struct tls_chain *chain, int64_t now_s)
{
    enum tls_dane found = (enum tls_dane)chain->dane;
    bool dated = found == TLS_DANE_TA || found == TLS_DANE_NAME;
    bool in_time = chain->dane_from_s <= now_s && now_s < chain->dane_until_s;
    return dated && !in_time ? TLS_DANE_EXPIRED : found;
}

/* What was found, and what time it is. */
static void judge(struct tls *t)
{
    struct tls_facts *f = &t->facts;
    if (f->resumed)
        t->chain = chain_recall(t->ssl);
    const struct tls_chain *chain = &t->chain;
    int64_t now_s = t->now_ms / 1000;
    int verdict = chain->verdict;
    if (verdict == X509_V_OK) {
        tls_hex(chain->anchor, t->shown->anchor);
        f->anchor = span_z(t->shown->anchor);
        f->anchor_private = chain->anchor_private;
        verdict = now_s < chain->from_s     ? X509_V_ERR_CERT_NOT_YET_VALID
                  : now_s >= chain->until_s ? X509_V_ERR_CERT_HAS_EXPIRED
                                            : X509_V_OK;
    }
    f->dane = dane_now(chain, now_s);
    f->chain_ok = verdict == X509_V_OK;
    f->expired = is_date(verdict);
    f->verify = f->chain_ok ? SPAN("ok") : span_z(X509_verify_cert_error_string(verdict));
}

/* --- the peer's certificate --- */

enum { PRESENTED_MAX = 1000 }; /* names of one certificate that are looked at */

typedef bool presented_fn(void *arg, struct span name); /* false: enough */

static struct span text_of(const ASN1_STRING *s)
{
    return span_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* The last, which is the most specific. */
static void common_name(const X509 *cert, presented_fn *fn, void *arg)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int last = -1;
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;)
        last = i;
    const X509_NAME_ENTRY *entry = last < 0 ? NULL : X509_NAME_get_entry(subject, last);
    unsigned char *text = NULL;
    int n = entry ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) : -1;
    if (n > 0)
        fn(arg, span_of((const char *)text, (size_t)n));
    OPENSSL_free(text);
}

/* The DNS names; the common name where there are none. */
static void each_name(const X509 *cert, presented_fn *fn, void *arg)
{
    int found = -1;
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, &found, NULL);
    bool more = true;
    unsigned n = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && more; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            more = fn(arg, text_of(name->d.dNSName)) && ++n < PRESENTED_MAX;
    }
    GENERAL_NAMES_free(all);
    bool unreadable = !all && found != -1;
    if (n == 0 && more && !unreadable)
        common_name(cert, fn, arg);
}

struct match {
    const struct name_set *set;
    bool found;
};

static bool match_name(void *arg, struct span presented)
{
    struct match *m = arg;
    for (unsigned i = 0; i < m->set->n && !m->found; i++)
        m->found = name_matches(m->set->name[i], presented);
    return !m->found;
}

static bool names_host(const struct tls *t, X509 *cert)
{
    const unsigned strict =
        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    struct span host = t->peer.host.n > 0 ? t->peer.host : span_z(t->sni);
    return host.n > 0 && X509_check_host(cert, host.p, host.n, strict, NULL) == 1;
}

static bool names_peer(const struct tls *t, X509 *cert)
{
    for (unsigned i = 0; i < t->peer.n_names; i++) {
        struct match m = { .set = t->peer.names[i] };
        each_name(cert, match_name, &m);
        if (!m.found)
            return false;
    }
    bool only_sets = t->peer.n_names > 0 && !t->peer.host_name;
    return only_sets || names_host(t, cert);
}

/* Appends one DNS name; bytes that no name has come out as \xHH, so that neither a comma nor a
 * control byte can forge a second name (T-15). False: it does not fit as a whole. */
static bool add_name(char *names, size_t *n, struct span name)
{
    char text[TLS_FACTS_NAMES_MAX + 1];
    size_t used = 0;
    if (*n > 0)
        text[used++] = ',';
    for (size_t i = 0; i < name.n; i++) {
        if (used + 4 > TLS_FACTS_NAMES_MAX)
            return false;
        char c = ascii_lower(name.p[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._*", c);
        if (plain && c != '\0') {
            text[used++] = c;
            continue;
        }
        static const char digits[] = "0123456789abcdef";
        text[used++] = '\\';
        text[used++] = 'x';
        text[used++] = digits[(uint8_t)c >> 4];
        text[used++] = digits[(uint8_t)c & 15];
    }
    if (*n + used > TLS_FACTS_NAMES_MAX)
        return false;
    memcpy(names + *n, text, used);
    *n += used;
    names[*n] = '\0';
    return true;
}

struct name_list {
    char *text;
    size_t n;
};

static bool list_name(void *arg, struct span name)
{
    struct name_list *list = arg;
    return add_name(list->text, &list->n, name);
}

/* SHA-256 of the SubjectPublicKeyInfo, the form that TLSA "3 1 1" names. */
static void gather_spki(X509 *cert, char *hex)
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (n <= 0)
        return;
    uint8_t digest[TLS_DIGEST];
    SHA256(der, (size_t)n, digest);
    OPENSSL_free(der);
    tls_hex(digest, hex);
}

/* RFC 2253 form, control bytes and all beyond ASCII escaped. */
static void gather_issuer(X509 *cert, char *text)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ASSERT(bio);
    char *p = NULL;
    X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0, XN_FLAG_RFC2253);
    long n = BIO_get_mem_data(bio, &p);
    if (n > 0)
        memcpy(text, p, (size_t)n < TLS_ISSUER_MAX ? (size_t)n : TLS_ISSUER_MAX);
    BIO_free(bio);
}

bool tls_for_clients(X509 *cert)
{
    return X509_get_extended_key_usage(cert) & (XKU_SSL_CLIENT | XKU_ANYEKU);
}

void tls_facts_certificate(struct tls *t, X509 *cert)
{
    struct tls_facts *f = &t->facts;
    t->shown = NEW(struct tls_shown);
    each_name(cert, list_name, &(struct name_list){ t->shown->names, 0 });
    gather_spki(cert, t->shown->spki);
    gather_issuer(cert, t->shown->issuer);
    f->peer_cert = true;
    f->names = span_z(t->shown->names);
    f->spki = span_z(t->shown->spki);
    f->issuer = span_z(t->shown->issuer);
    f->client_usage = tls_for_clients(cert);
    f->name_ok = t->client && names_peer(t, cert);
    judge(t);
}

void tls_facts_gather(struct tls *t)
{
    struct tls_facts *f = &t->facts;
    const SSL_CIPHER *suite = SSL_get_current_cipher(t->ssl);
    ASSERT(suite);
    f->on = true;
    f->resumed = SSL_session_reused(t->ssl) == 1;
    f->forward_secret = suite_forward_secret(t->ssl, suite);
    f->bits = SSL_CIPHER_get_bits(suite, NULL);
    f->version = span_z(SSL_get_version(t->ssl));
    f->suite = span_z(SSL_CIPHER_standard_name(suite));
    f->group = f->forward_secret ? group_of(t->ssl) : SPAN_NONE;
    f->sni = span_z(t->sni);
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (cert)
        tls_facts_certificate(t, cert);
    ERR_clear_error();
}
