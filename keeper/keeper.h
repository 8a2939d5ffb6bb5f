/* keeper.h - the process that holds the private keys: no network, no files, no mail. It takes the
 * keys as a sealed memory file, one link for each worker, and signs handshakes (store.h). The
 * supervisor speaks to it over KEEPER_CHANNEL_FD in these messages:
 *
 *   START  descriptor: keys. The first one; READY is the answer.
 *   LINK   descriptor: the keeper's end of worker `index`'s link, in the place of the one before
 *   KEYS   descriptor: keys of a new configuration; those of the one before stay for sessions that
 *          began with it
 *   PING   answered by READY: it is alive
 *
 * The channel's end is its own. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/span.h"

enum { KEEPER_CHANNEL_FD = 3, KEEPER_LINKS_MAX = 64 };
enum keeper_kind { KEEPER_START = 1, KEEPER_LINK, KEEPER_KEYS, KEEPER_PING, KEEPER_READY };

struct keeper_message {
    uint32_t kind;
    uint32_t index;
    uint32_t uid, gid; /* START: who it becomes */
    int32_t log_level;
    struct hash_key hash_key;
};

/* The process exits with what it returns. */
int keeper_main(void);

#endif
