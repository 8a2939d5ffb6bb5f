/* dkim.h - the part of DKIM (RFC 6376) that needs no key: canonical forms, what is hashed, and the
 * DKIM-Signature field of a message that we wrote ourselves. relaxed/relaxed only, never l=. What
 * hashes and signs is io/tls_dkim.h; what checks signatures is nowhere in this program.
 *
 *   dkim_body -----> hash ---> dkim_field_new -+--> dkim_text ---> hash, sign ---> dkim_field_end
 *   dkim_split ---> header --------------------'
 *
 * Messages have CRLF line ends; a bare CR or LF is a byte like others.
 */
#ifndef MAIL_DKIM_H
#define MAIL_DKIM_H

#include "base/buf.h"

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256, DKIM_ALGORITHM_COUNT_ };

enum {
    DKIM_HASH = 32,           /* SHA-256 */
    DKIM_SIGNATURE_MAX = 512, /* an RSA key of 4096 bits */
    DKIM_FIELDS_MAX = 100,    /* fields of a header, and names in a list */
    DKIM_FIELD_MAX = 4096,    /* the whole DKIM-Signature field */
};

/* How a message is to be signed. */
struct dkim {
    enum dkim_algorithm algorithm;
    struct span domain, selector; /* host names, A-labels */
    const struct span *field;     /* names of the fields that are signed; one that stands once more
                                     than the message has it may not be added later */
    unsigned n_field;
    int64_t now_ms;
    int64_t life_ms; /* 0: it does not expire */
};

/* Cuts a message in two; the empty line belongs to neither. Without one all is header. */
void dkim_split(struct span message, struct span *ret_header, struct span *ret_body);
/* = RFC 6376 3.4.4: the relaxed form of a body. Room for body.n + 2. */
void dkim_body(struct span body, struct buf *out);
/* = RFC 6376 3.4.2: the relaxed form of one field, with its CRLF: "name:value\r\n". ERR_SYNTAX: it
 * has no name. ERR_TOO_BIG: out is full. Then out is as it was. */
MUST_USE enum err dkim_field(struct span field, struct buf *out);

/* Appends the field up to "b=", folded, without a CRLF. Room for DKIM_FIELD_MAX. */
void dkim_field_new(const struct dkim *d, const uint8_t body_hash[static DKIM_HASH],
                    struct buf *out);
/* Appends what is to be hashed and signed: the relaxed forms of the fields that are named, the last
 * of each name first, then `signature`, which is what dkim_field_new wrote. ERR_SYNTAX: the header
 * is none; ERR_TOO_BIG: it has too many fields, or out is full. */
MUST_USE enum err dkim_text(const struct dkim *d, struct span header, struct span signature,
                            struct buf *out);
/* Appends the signature, folded, and the CRLF. Room for DKIM_FIELD_MAX. */
void dkim_field_end(struct span signature, struct buf *out);

#endif
