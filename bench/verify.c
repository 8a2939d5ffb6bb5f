/* bench-verify: what it costs to verify a server's chain, by itself: parsing the certificates,
 * building the chain to a root, its signatures, dates and the name, as after a handshake.
 *
 *     bench-verify --chain chain.pem --ca root.pem --name mx.example.org
 *
 * Prints microseconds of CPU, as one line of JSON: parsing alone, and all of it. */
#include "bench/lib/clock.h"
#include "bench/lib/opt.h"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { ROUNDS = 5000, CHAIN_MAX = 8 };

struct verify {
    uint8_t *der[CHAIN_MAX];
    int der_n[CHAIN_MAX];
    unsigned n;
    X509_STORE *roots;
    const char *name;
};

static void verify_read(struct verify *v, const char *path)
{
    X509 *x;
    BIO *file = BIO_new_file(path, "r");
    while (file && v->n < CHAIN_MAX && (x = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
        v->der_n[v->n] = i2d_X509(x, &v->der[v->n]);
        v->n++;
        X509_free(x);
    }
    BIO_free(file);
    if (v->n == 0)
        bench_die("bench-verify: no certificate in %s", path);
}

/* The chain as a handshake brings it: the leaf, then the others. */
static X509 *verify_parse(const struct verify *v, STACK_OF(X509) * *ret_others)
{
    X509 *leaf = NULL;
    *ret_others = sk_X509_new_null();
    for (unsigned i = 0; i < v->n; i++) {
        const uint8_t *p = v->der[i];
        X509 *x = d2i_X509(NULL, &p, v->der_n[i]);
        if (!x)
            bench_die("bench-verify: a certificate cannot be parsed");
        if (i == 0)
            leaf = x;
        else
            sk_X509_push(*ret_others, x);
    }
    return leaf;
}

static void verify_once(const struct verify *v, bool all)
{
    STACK_OF(X509) * others;
    X509 *leaf = verify_parse(v, &others);
    X509_STORE_CTX *ctx = all ? X509_STORE_CTX_new() : NULL;
    if (ctx) {
        X509_STORE_CTX_init(ctx, v->roots, leaf, others);
        X509_STORE_CTX_set_default(ctx, "ssl_server");
        X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(ctx), v->name, 0);
        if (X509_verify_cert(ctx) != 1)
            bench_die("bench-verify: %s",
                      X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    }
    X509_STORE_CTX_free(ctx);
    sk_X509_pop_free(others, X509_free);
    X509_free(leaf);
}

static double verify_us(const struct verify *v, bool all)
{
    double start = own_cpu_s();
    for (unsigned i = 0; i < ROUNDS; i++)
        verify_once(v, all);
    return (own_cpu_s() - start) * 1e6 / ROUNDS;
}

int main(int argc, char **argv)
{
    struct verify v = { .name = "" };
    const char *chain = NULL, *ca = NULL;
    const struct opt table[] = {
        { "chain", OPT_TEXT, &chain, "what the server shows, PEM" },
        { "ca", OPT_TEXT, &ca, "the roots, PEM" },
        { "name", OPT_TEXT, &v.name, "which name the first must have" },
    };
    if (opt_read(argc, argv, table, COUNTOF(table)) != ERR_OK)
        return 2;
    v.roots = X509_STORE_new();
    if (!chain || !ca || X509_STORE_load_file(v.roots, ca) != 1)
        bench_die("bench-verify: --chain and --ca are needed");
    verify_read(&v, chain);
    (void)printf("{\"certificates\":%u,\"parse_us\":%.1f,\"verify_us\":%.1f}\n", v.n,
                 verify_us(&v, false), verify_us(&v, true));
    for (unsigned i = 0; i < v.n; i++)
        OPENSSL_free(v.der[i]);
    X509_STORE_free(v.roots);
    return 0;
}
