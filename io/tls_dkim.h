/* tls_dkim.h - signs messages of ours with DKIM (RFC 6376, RFC 8463). The library's part: hashes
 * and keys; what is hashed, and the field's text, are mail/dkim.h's.
 */
#ifndef IO_TLS_DKIM_H
#define IO_TLS_DKIM_H

#include "base/why.h"
#include "mail/dkim.h"

struct dkim_key;

/* A private key from PEM text without a pass phrase: RSA of 1024 to 4096 bits, or Ed25519. The
 * caller frees it. ERR_SYNTAX: no such key; why. */
MUST_USE enum err dkim_key_read(struct span pem, struct dkim_key **ret, struct why *why);
void dkim_key_free(struct dkim_key *k);
enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *k);
/* Appends what the key's TXT record has to say: "v=DKIM1; k=rsa; s=tlsrpt:email; p=...". services:
 * the value of s=, or NULL for all. Room for DKIM_FIELD_MAX. */
void dkim_key_record(const struct dkim_key *k, const char *services, struct buf *out);

/* Appends the DKIM-Signature field with its CRLF, to be put before the message. d->algorithm is set
 * by the key. ERR_SYNTAX: the message has no header section; ERR_TOO_BIG: its header is too long;
 * ERR_REFUSED: the library could not sign. why says so; out is as it was. */
MUST_USE enum err dkim_sign(const struct dkim_key *k, const struct dkim *d, struct span message,
                            struct buf *out, struct why *why);

#endif
