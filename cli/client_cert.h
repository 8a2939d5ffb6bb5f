/* client_cert.h - the certificates in a PEM file. Pure: what else is in it, a private key before
 * all, is neither kept nor passed on. */
#ifndef CLI_CLIENT_CERT_H
#define CLI_CLIENT_CERT_H

#include "base/buf.h"
#include "base/why.h"

enum { CLIENT_CERT_MAX = 128 * 1024 };

/* Appends each block of a certificate, as it stands. *ret_key: there is a private key as well
 * (told even if there is no certificate).
 * ERR_SYNTAX: no certificate, or one without an end. ERR_TOO_BIG: more than ret takes. why. */
MUST_USE enum err client_cert_pick(struct span text, struct buf *ret, bool *ret_key,
                                   struct why *why);

#endif
