/* loaded.h - a configuration as the supervisor reads it from disk, for its children to map: all
 * files for the workers, with names in the place of private keys, the keys for the keeper, and the
 * settings of the fetcher. */
#ifndef GATE_LOADED_H
#define GATE_LOADED_H

#include "gate/config.h"

struct loaded {
    struct config *config;            /* made with the keys, so that they are known to fit */
    int bundle_fd, keys_fd, fetch_fd; /* sealed memory files */
    size_t n_keys;                    /* bytes */
};

/* All is the caller's. Errors are config_load's, ERR_TOO_BIG, ERR_IO: why. */
MUST_USE enum err loaded_read(struct span path, const struct config_boot *boot, struct loaded *ret,
                              struct why *why);
void loaded_done(struct loaded *l);

#endif
