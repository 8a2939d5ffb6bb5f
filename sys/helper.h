/* helper.h - what the supervisor and a helper process (keeper, fetcher) say to each other over
 * HELPER_CHANNEL_FD, in these messages:
 *
 *   START  descriptor: its material. The first one; READY is the answer.
 *   LINK   descriptor: its end of worker `index`'s link, in the place of the one before
 *   NEWS   descriptor: material of a new configuration
 *   PING   answered by READY: it is alive
 *
 * Its material is a sealed memory file: private keys for the keeper, settings for the fetcher. The
 * channel's end is its own. */
#ifndef SYS_HELPER_H
#define SYS_HELPER_H

#include "base/span.h"

enum { HELPER_CHANNEL_FD = 3, HELPER_LINKS_MAX = 64 };
enum helper_kind { HELPER_START = 1, HELPER_LINK, HELPER_NEWS, HELPER_PING, HELPER_READY };

struct helper_message {
    uint32_t kind;
    uint32_t index;
    uint32_t uid, gid; /* START: who it becomes */
    int32_t log_level;
    struct hash_key hash_key;
};

#endif
