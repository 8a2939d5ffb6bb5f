/* split.h - takes the private keys out of a text: for workers, their public halves stand in their
 * place; the keys themselves are for the keeper alone. */
#ifndef KEEPER_SPLIT_H
#define KEEPER_SPLIT_H

#include "base/buf.h"
#include "base/why.h"

/* Appends `text` to `open`, each PEM block of a private key replaced by one of KEPT_KEY_LABEL, and
 * the blocks themselves to `keys`. A block that cannot be
 * read is left out of both, so that no byte of it goes on. ERR_TOO_BIG. */
MUST_USE enum err keeper_split(struct span text, struct buf *open, struct buf *keys);
/* Does it hold such a block? */
bool keeper_has_key(struct span text);

#endif
