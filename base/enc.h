/* enc.h - bytes as text: base64 (RFC 4648), hex, xtext (RFC 3461 section 4), and the 13-letter
 * form of a 64-bit id (Crockford's base 32, which sorts as the number does). */
#ifndef BASE_ENC_H
#define BASE_ENC_H

#include "base/buf.h"

MUST_USE enum err enc_base64(struct span in, struct buf *out);
/* Strict: no white space, right padding. ERR_SYNTAX leaves `out` as it was. */
MUST_USE enum err dec_base64(struct span in, struct buf *out);
MUST_USE enum err enc_hex(struct span in, struct buf *out);
MUST_USE enum err dec_hex(struct span in, struct buf *out);
/* xtext decodes `+HH`; ERR_SYNTAX on a bad sequence, on '=' and on bytes outside 33..126. */
MUST_USE enum err dec_xtext(struct span in, struct buf *out);
MUST_USE enum err enc_xtext(struct span in, struct buf *out);
bool xtext_valid(struct span in);

enum { ID_BYTES_MAX = 14 };
/* Thirteen letters and a NUL. Returns ret. */
const char *id_text(uint64_t id, char ret[static ID_BYTES_MAX]);
MUST_USE enum err id_parse(struct span s, uint64_t *ret_id);

#endif
