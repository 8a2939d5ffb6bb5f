/* pki.h - certificates for tests, made on the spot: an authority, leaves below it, good and bad.
 *
 *     struct pki *ca = pki_new(&(struct pki_ask){ .name = "Test CA", .ca = true });
 *     struct pki *mx = pki_new(&(struct pki_ask){ .name = "mx.example.org", .issuer = ca });
 *     ... pki_chain(mx), pki_key(mx), pki_anchor(ca) ...
 *
 * One key of each kind is made and shared by all certificates: making RSA keys is slow.
 */
#ifndef TEST_UNIT_IO_PKI_H
#define TEST_UNIT_IO_PKI_H

#include "io/tls.h"
#include <openssl/x509.h>

enum pki_key { PKI_ECDSA, PKI_RSA, PKI_RSA_WEAK, PKI_ECDSA_OTHER, PKI_KEY_COUNT_ };

struct pki;

struct pki_ask {
    const char *name; /* common name */
    /* As OpenSSL writes them; "": none. */
    const char *alt;   /* subjectAltName; NULL: DNS:name for leaves */
    const char *usage; /* extendedKeyUsage; NULL: serverAuth,clientAuth for leaves */
    enum pki_key key;
    bool ca;
    const struct pki *issuer; /* NULL: signs itself */
    int from_days, to_days;   /* of validity, from now; both 0: yesterday to next year */
};

/* Lives until pki_free; issuers must outlive what they issued. */
struct pki *pki_new(const struct pki_ask *ask);
void pki_free(struct pki *p);

struct span pki_chain(const struct pki *p); /* with intermediates, without the root */
struct span pki_key(const struct pki *p);
struct span pki_anchor(const struct pki *p); /* this certificate alone */
X509 *pki_x509(const struct pki *p);
EVP_PKEY *pki_pkey(const struct pki *p);
struct tls_identity pki_identity(const struct pki *p);

#endif
