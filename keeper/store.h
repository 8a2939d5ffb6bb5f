/* store.h - the keeper's keys: read once from PEM, found by name, used for handshakes only. */
#ifndef KEEPER_STORE_H
#define KEEPER_STORE_H

#include "base/buf.h"
#include "base/why.h"
#include "keeper/form.h"
#include "keeper/wire.h"

/* The name of the private key in this PEM block (wire.h). ERR_SYNTAX: none that can be read, or of
 * a kind that is not kept. */
MUST_USE enum err keeper_key_name(struct span pem, uint8_t ret[static KEEPER_ID]);

/* Appends the PEM block that stands in the place of this one: KEPT_KEY_LABEL, and the public half.
 */
MUST_USE enum err keeper_key_open(struct span pem, struct buf *out);

struct keeper_store;
/* All keys in the text, which is no longer needed. ERR_SYNTAX: a block cannot be read. */
MUST_USE enum err keeper_store_new(struct span pem, const struct hash_key *key,
                                   struct keeper_store **ret, struct why *why);
void keeper_store_free(struct keeper_store *s);
size_t keeper_store_count(const struct keeper_store *s);
bool keeper_store_has(const struct keeper_store *s, const uint8_t id[static KEEPER_ID]);

/* Signs what is a handshake, or says why not: ret->status. ret->serial is the request's. *ret_form:
 * what it was taken for. n: bytes of the request that came. */
void keeper_store_sign(const struct keeper_store *s, const struct keeper_request *q, size_t n,
                       struct keeper_answer *ret, enum keeper_form *ret_form);

#endif
