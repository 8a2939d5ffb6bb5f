/* proxy2.h - the PROXY protocol header, version 2 (binary), from listed addresses only (T-53). */
#ifndef PROTO_PROXY2_H
#define PROTO_PROXY2_H

#include "mail/ip.h"

enum { PROXY2_BYTES_MAX = 16 + 512 };

/* Takes the header off the front of *in. ERR_AGAIN: more bytes are needed (*in is untouched).
 * ERR_SYNTAX: no such header: close. ERR_TOO_BIG: over PROXY2_BYTES_MAX: close.
 * *ret: the client's address; family IP_NONE for LOCAL (health checks) and unknown families. */
MUST_USE enum err proxy2_take(struct span *in, struct ip *ret);

#endif
