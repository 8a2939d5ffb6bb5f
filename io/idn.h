/* idn.h - internationalised domain names by libidn2: U-labels to A-labels (RFC 5891,
 * non-transitional). */
#ifndef IO_IDN_H
#define IO_IDN_H

#include "base/buf.h"

/* Appends the lower-case A-label form, without a trailing dot, of any domain (ASCII passes through
 * after a check of its labels). ERR_SYNTAX: not a domain name. */
MUST_USE enum err idn_to_ascii(struct span domain, struct buf *out);

#endif
