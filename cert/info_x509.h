/* info_x509.h - what the files of cert/ that know OpenSSL share; nobody else includes it. */
#ifndef CERT_INFO_X509_H
#define CERT_INFO_X509_H

#include "cert/info.h"

#include <openssl/x509v3.h>

/* Fills in *ret from a certificate. ERR_TOO_BIG: the arena is full. */
MUST_USE enum err info_fill(X509 *x, struct arena *a, struct cert_info *ret);
/* The part that extensions say. */
void info_extensions(X509 *x, struct arena *a, struct cert_info *ret);

/* Text of a library, cleaned, at most CERT_TEXT_MAX bytes of it. */
struct span info_clean(struct span s, struct arena *a);
struct span info_name(const X509_NAME *name, struct arena *a);
struct span info_hex(const ASN1_STRING *s, struct arena *a);
/* Milliseconds since 1970; 0: it is no time. */
int64_t info_time(const ASN1_TIME *t);

/* The certificate again; NULL never, of an info that cert_read made. X509_free. */
X509 *info_x509(const struct cert_info *c);

#endif
