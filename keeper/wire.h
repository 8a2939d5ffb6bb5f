/* wire.h - what a worker and the keeper say to each other: fixed layouts over sys/channel.h, both
 * ends of the same build. A worker asks one thing at a time and waits for the answer with its
 * serial number; what comes late is passed over.
 *
 * A key is named by the SHA-256 of its SubjectPublicKeyInfo, so a name stays true over reloads. */
#ifndef KEEPER_WIRE_H
#define KEEPER_WIRE_H

#include "base/base.h"

enum {
    KEEPER_ID = 32,              /* bytes of a key's name */
    KEEPER_TBS_MAX = 48 * 1024,  /* a client's CertificateVerify of TLS 1.2 covers all before it */
    KEEPER_SIGNATURE_MAX = 1024, /* RSA with 8192 bits */
};

enum keeper_hash { KEEPER_NO_HASH, KEEPER_SHA256, KEEPER_SHA384, KEEPER_SHA512 };
enum keeper_padding { KEEPER_NO_PADDING, KEEPER_PKCS1, KEEPER_PSS };

struct keeper_request {
    uint32_t serial;
    uint8_t hash, padding; /* PSS: the salt is as long as the hash */
    uint16_t zero;
    uint8_t key[KEEPER_ID];
    uint32_t n;
    char tbs[KEEPER_TBS_MAX]; /* to be signed; only n bytes travel */
};
#define KEEPER_REQUEST_BYTES(n) (offsetof(struct keeper_request, tbs) + (n))

enum keeper_status {
    KEEPER_SIGNED,
    KEEPER_UNKNOWN_KEY,
    KEEPER_NO_HANDSHAKE, /* what was to be signed is none that TLS signs: form.h */
    KEEPER_BAD_SCHEME,   /* hash and padding do not fit the key or the version of TLS */
    KEEPER_BROKEN,       /* the library failed */
    KEEPER_STATUS_COUNT_
};

struct keeper_answer {
    uint32_t serial;
    uint32_t status;
    uint32_t n;
    uint8_t signature[KEEPER_SIGNATURE_MAX];
};

#endif
