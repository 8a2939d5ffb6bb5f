/* form.h - is this what a TLS handshake signs, or one of our nodes (mail/seal.h)? The keeper asks
 * before it signs: whoever has captured a worker gets signatures of the moment and nothing else, no
 * certificate, no token of another protocol. Pure. */
#ifndef KEEPER_FORM_H
#define KEEPER_FORM_H

#include "base/span.h"

enum keeper_form {
    FORM_NONE,
    FORM_TLS13_SERVER, /* RFC 8446 4.4.3: spaces, context string, zero, hash of the transcript */
    FORM_TLS13_CLIENT,
    FORM_TLS12_SERVER, /* RFC 8422 5.4: two randoms, then a named curve and a point */
    FORM_TLS12_CLIENT, /* RFC 5246 7.4.8: all messages, ClientHello to ClientKeyExchange */
    FORM_ATTRIBUTION,  /* mail/seal.h: its first line, then lines of printable text */
    FORM_COUNT_
};

enum { KEEPER_ATTRIBUTION_MAX = 2048 };
#define KEEPER_ATTRIBUTION_LINE "postern attribution, version 1\n"

enum keeper_form keeper_form_of(struct span tbs);

#endif
