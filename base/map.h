/* map.h - a hash map from bytes to pointers, keyed against chosen collisions (SipHash).
 *
 * The map owns copies of the keys and never the values. Order of iteration is unspecified but
 * the same for the same history and hash key, so a simulated run repeats.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/span.h"

struct map {
    struct map_slot *slot;
    size_t n, cap;
    struct hash_key key;
};

void map_init(struct map *m, const struct hash_key *key);
/* Frees the map and its keys. NULL is fine. */
void map_done(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, struct span key);
/* Adds or replaces; value must not be NULL. Returns the value that was replaced, or NULL. */
void *map_put(struct map *m, struct span key, void *value);
/* Removes; returns the value, or NULL when there was none. */
void *map_del(struct map *m, struct span key);

/* Walks all: start with *pos = 0; false at the end. No put or del while walking. */
bool map_next(const struct map *m, size_t *pos, struct span *ret_key, void **ret_value);

#endif
