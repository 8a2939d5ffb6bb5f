/* tls_sign.h - Ed25519 signatures (RFC 8032) and SHA-256, for what nodes sign to each other. Not of
 * TLS itself, but of the same library. Keys are parts of a configuration snapshot, immutable.
 */
#ifndef IO_TLS_SIGN_H
#define IO_TLS_SIGN_H

#include "base/span.h"
#include "base/why.h"

enum { SIGN_BYTES = 64, SIGN_DIGEST = 32 };

/* A private key, PEM (PKCS #8) without a pass phrase, or what stands for it where a keeper has it.
 * ERR_SYNTAX: none, or of another kind: why says the remedy and nothing of the key. */
struct sign_key;
MUST_USE enum err sign_key_new(struct span pem, struct sign_key **ret, struct why *why);
void sign_key_free(struct sign_key *k);
/* ERR_IO: whoever keeps the key does not sign now. */
MUST_USE enum err sign_make(const struct sign_key *k, struct span text,
                            uint8_t ret[static SIGN_BYTES]);

/* A public key: PEM, or its 32 bytes in base64. */
struct sign_peer;
MUST_USE enum err sign_peer_new(struct span text, struct sign_peer **ret, struct why *why);
void sign_peer_free(struct sign_peer *p);
bool sign_holds(const struct sign_peer *p, struct span text,
                const uint8_t signature[static SIGN_BYTES]);
/* Is it the public half of this key? */
bool sign_is_own(const struct sign_peer *p, const struct sign_key *k);

/* SHA-256 of bytes that come in pieces. sign_hash_end once; sign_hash_free at any time. */
struct sign_hash;
struct sign_hash *sign_hash_new(void);
void sign_hash_add(struct sign_hash *h, struct span piece);
void sign_hash_end(struct sign_hash *h, uint8_t ret[static SIGN_DIGEST]);
void sign_hash_free(struct sign_hash *h);

#endif
