#include "keeper/provider.h"

#include "keeper/ask.h"
#include "keeper/kept.h"
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdatomic.h>
#include <string.h>

#define DEFAULT_PROVIDER "provider=default"

/* A key: counted, for signatures outlive the library's wrapper. Configurations are freed on a
 * thread of their own, and with them their keys. */
struct kept_key {
    atomic_uint refs;
    const char *type;
    EVP_PKEY *public; /* the default provider's; it answers all questions of the library */
    bool kept;        /* id is there */
    uint8_t id[KEEPER_ID];
};

struct signing {
    struct kept_key *key;
    uint8_t hash, padding;
};

/* The dispatch tables are typed by their numbers only; this is the library's own way. */
#define FUNCTION(id, f)                                                                            \
    {                                                                                              \
        id, (void (*)(void))(f)                                                                    \
    }

/* --- keys --- */

static void *key_new(const char *type)
{
    struct kept_key *k = NEW(struct kept_key);
    atomic_init(&k->refs, 1);
    k->type = type;
    return k;
}

static void *rsa_new(void *provider)
{
    (void)provider;
    return key_new("RSA");
}

static void *ec_new(void *provider)
{
    (void)provider;
    return key_new("EC");
}

static void *ed25519_new(void *provider)
{
    (void)provider;
    return key_new("ED25519");
}

static void key_free(void *p)
{
    struct kept_key *k = p;
    if (!k || atomic_fetch_sub(&k->refs, 1) > 1)
        return;
    EVP_PKEY_free(k->public);
    mem_free(k);
}

static int key_has(const void *p, int selection)
{
    const struct kept_key *k = p;
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) && !k->kept)
        return 0;
    return k->public || !(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY);
}

static int key_import(void *p, int selection, const OSSL_PARAM params[])
{
    struct kept_key *k = p;
    if (k->public || !(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY))
        return 0;
    const OSSL_PARAM *id = OSSL_PARAM_locate_const(params, KEPT_KEY_PARAM);
    if (id) {
        if (id->data_type != OSSL_PARAM_OCTET_STRING || id->data_size != sizeof k->id)
            return 0;
        memcpy(k->id, id->data, sizeof k->id);
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, k->type, DEFAULT_PROVIDER);
    int made = ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
               EVP_PKEY_fromdata(ctx, &k->public, EVP_PKEY_PUBLIC_KEY,
                                 (OSSL_PARAM *)(uintptr_t)params) > 0;
    EVP_PKEY_CTX_free(ctx);
    k->kept = made && id;
    return made;
}

static int key_export(void *p, int selection, OSSL_CALLBACK *take, void *arg)
{
    const struct kept_key *k = p;
    /* With an answer the library would copy the key to the default provider, then miss its half. */
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || !k->public)
        return 0;
    return EVP_PKEY_export(k->public, selection, take, arg);
}

static const OSSL_PARAM *key_types(int selection)
{
    static const OSSL_PARAM any[] = {
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_octet_string(KEPT_KEY_PARAM, NULL, 0),
        OSSL_PARAM_END,
    };
    return selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? any : NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
    (void)selection;
    const struct kept_key *x = a, *y = b;
    return x->public && y->public && EVP_PKEY_eq(x->public, y->public) == 1;
}

static int key_get_params(void *p, OSSL_PARAM params[])
{
    const struct kept_key *k = p;
    return k->public && EVP_PKEY_get_params(k->public, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
    (void)provider;
    static const OSSL_PARAM all[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
        OSSL_PARAM_END,
    };
    return all;
}

static const char *rsa_operation(int id)
{
    return id == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

static const char *ec_operation(int id)
{
    return id == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *ed25519_operation(int id)
{
    return id == OSSL_OP_SIGNATURE ? "ED25519" : NULL;
}

#define KEY_FUNCTIONS(make, operation)                                                             \
    {                                                                                              \
        FUNCTION(OSSL_FUNC_KEYMGMT_NEW, make), FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free),         \
            FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has),                                              \
            FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                                        \
            FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types),                                   \
            FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                                        \
            FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types),                                   \
            FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match),                                          \
            FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),                                \
            FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),                             \
            FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation),                           \
        {                                                                                          \
            0, NULL                                                                                \
        }                                                                                          \
    }

static const OSSL_DISPATCH rsa_keys[] = KEY_FUNCTIONS(rsa_new, rsa_operation);
static const OSSL_DISPATCH ec_keys[] = KEY_FUNCTIONS(ec_new, ec_operation);
static const OSSL_DISPATCH ed25519_keys[] = KEY_FUNCTIONS(ed25519_new, ed25519_operation);

/* --- signatures --- */

static void *signing_new(void *provider, const char *query)
{
    (void)provider;
    (void)query;
    return NEW(struct signing);
}

static void signing_free(void *p)
{
    struct signing *s = p;
    if (s)
        key_free(s->key);
    mem_free(s);
}

static uint8_t hash_of(const char *name)
{
    const EVP_MD *md = name ? EVP_get_digestbyname(name) : NULL;
    switch (md ? EVP_MD_get_type(md) : NID_undef) {
    case NID_sha256:
        return KEEPER_SHA256;
    case NID_sha384:
        return KEEPER_SHA384;
    case NID_sha512:
        return KEEPER_SHA512;
    default:
        return KEEPER_NO_HASH;
    }
}

static int padding_of(const OSSL_PARAM *p, uint8_t *ret)
{
    int mode = 0;
    if (p->data_type == OSSL_PARAM_UTF8_STRING)
        mode = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0       ? RSA_PKCS1_PSS_PADDING
               : strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
                                                                      : 0;
    else if (!OSSL_PARAM_get_int(p, &mode))
        return 0;
    *ret = mode == RSA_PKCS1_PSS_PADDING ? KEEPER_PSS : KEEPER_PKCS1;
    return mode == RSA_PKCS1_PSS_PADDING || mode == RSA_PKCS1_PADDING;
}

/* The salt is as long as the hash, as TLS has it, and MGF1 has the same hash; the keeper makes
 * nothing else, so what is asked for here needs no look. */
static int signing_set(void *p, const OSSL_PARAM params[])
{
    struct signing *s = p;
    const OSSL_PARAM *padding =
        params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE) : NULL;
    return !padding || padding_of(padding, &s->padding);
}

static const OSSL_PARAM *signing_settable(void *p, void *provider)
{
    (void)p;
    (void)provider;
    static const OSSL_PARAM all[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };
    return all;
}

static int signing_init(void *p, const char *hash, void *key, const OSSL_PARAM params[])
{
    struct signing *s = p;
    struct kept_key *k = key;
    if (k) {
        atomic_fetch_add(&k->refs, 1);
        key_free(s->key);
        s->key = k;
    }
    if (!s->key || !s->key->kept)
        return 0;
    s->hash = hash_of(hash);
    bool rsa = strcmp(s->key->type, "RSA") == 0, ed25519 = strcmp(s->key->type, "ED25519") == 0;
    s->padding = rsa ? KEEPER_PKCS1 : KEEPER_NO_PADDING;
    return (s->hash == KEEPER_NO_HASH) == ed25519 && signing_set(s, params);
}

static int signing_sign(void *p, unsigned char *ret, size_t *ret_n, size_t cap,
                        const unsigned char *tbs, size_t n)
{
    const struct signing *s = p;
    if (!ret) {
        *ret_n = (size_t)EVP_PKEY_get_size(s->key->public);
        return 1;
    }
    if (n > KEEPER_TBS_MAX)
        return 0;
    struct keeper_request *q = mem_alloc(sizeof *q);
    struct keeper_answer a;
    *q = (struct keeper_request){ .hash = s->hash, .padding = s->padding, .n = (uint32_t)n };
    memcpy(q->key, s->key->id, sizeof q->key);
    memcpy(q->tbs, tbs, n);
    bool signed_ = keeper_sign(q, &a) == ERR_OK && a.n <= cap;
    mem_free(q);
    if (!signed_)
        return 0;
    memcpy(ret, a.signature, a.n);
    *ret_n = a.n;
    return 1;
}

static const OSSL_DISPATCH signatures[] = {
    FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
    FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
    FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
    FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set),
    FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
    { 0, NULL },
};

/* --- the provider --- */

#define PROPERTY "provider=" KEPT_KEY_PROVIDER

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_store)
{
    (void)provider;
    *no_store = 0;
    static const OSSL_ALGORITHM keys[] = {
        { "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTY, rsa_keys, NULL },
        { "EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTY, ec_keys, NULL },
        { "ED25519:1.3.101.112", PROPERTY, ed25519_keys, NULL },
        { NULL, NULL, NULL, NULL },
    };
    static const OSSL_ALGORITHM ways[] = {
        { "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTY, signatures, NULL },
        { "ECDSA", PROPERTY, signatures, NULL },
        { "ED25519:1.3.101.112", PROPERTY, signatures, NULL },
        { NULL, NULL, NULL, NULL },
    };
    return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? ways : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **ret_provider)
{
    (void)in;
    static const OSSL_DISPATCH functions[] = {
        FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
        { 0, NULL },
    };
    *out = functions;
    *ret_provider = (void *)(uintptr_t)handle;
    return 1;
}

enum err keeper_provider_load(struct why *why)
{
    /* The default one is loaded by itself only as long as no other is. */
    static OSSL_PROVIDER *usual, *kept;
    if (kept)
        return ERR_OK;
    if (OSSL_PROVIDER_add_builtin(NULL, KEPT_KEY_PROVIDER, provider_init) == 1) {
        usual = OSSL_PROVIDER_load(NULL, "default");
        kept = usual ? OSSL_PROVIDER_load(NULL, KEPT_KEY_PROVIDER) : NULL;
    }
    if (!kept)
        why_set(why, "the TLS library does not take the provider of kept keys");
    return kept ? ERR_OK : ERR_IO;
}
