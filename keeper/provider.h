/* provider.h - the library's provider of kept keys: the public half is here, the private one with
 * the keeper, and to sign is to ask (ask.h). RSA, EC, Ed25519.
 *
 * A kept key is made where a certificate and a "POSTERN KEPT KEY" stand in the place of a key
 * (split.h, io/tls_pem.c): EVP_PKEY_fromdata under "provider=postern-keeper" with the public half's
 * parameters and KEPT_KEY_PARAM, the key's name. */
#ifndef KEEPER_PROVIDER_H
#define KEEPER_PROVIDER_H

#include "base/why.h"

/* Once a process, before the first kept key is made. ERR_IO: the library refused. */
MUST_USE enum err keeper_provider_load(struct why *why);

#endif
