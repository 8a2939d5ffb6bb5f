/* received.h - writes our Received field (RFC 5321 4.4) with the protocol of RFC 3848 and a TLS
 * clause in a comment, so that every hop can be judged later from the message alone:
 *
 *   Received: from client.example (unknown [192.0.2.1])
 *           (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
 *            key-exchange X25519, forward secrecy: yes)
 *           (client certificate: none)
 *           by mx.example (Postern) with ESMTPS id 0ABC...
 *           for <user@example.org>; Mon, 23 Nov 2026 21:50:00 +0000
 */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "mail/envelope.h"

enum { RECEIVED_BYTES_MAX = 4096 };

/* The "with" word of RFC 3848 and RFC 6531: SMTP, ESMTP, ESMTPS, UTF8SMTPS ... */
const char *received_protocol(const struct envelope *e, bool esmtp);
/* Appends the whole field with its CRLFs to out, which has room for RECEIVED_BYTES_MAX. `for` is
 * written only for a single recipient. No peer text can break the field: comment delimiters and
 * control bytes are replaced. */
void received_write(const struct envelope *e, bool esmtp, struct span hostname, struct buf *out);

#endif
