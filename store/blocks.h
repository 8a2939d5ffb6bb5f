/* blocks.h - which blocks of a file are in use: short runs are taken from the lowest place that has
 * room, so that a file that empties can be cut and pages that were just written are written again.
 *
 * A bit a block, in memory only: the owner says at the start what is in use. No I/O.
 */
#ifndef STORE_BLOCKS_H
#define STORE_BLOCKS_H

#include "base/base.h"

enum { BLOCKS_RUN_MAX = 4 };                 /* blocks that are taken together at most */
#define BLOCKS_PLACE_MAX ((uint64_t)1 << 34) /* no place lies behind it */

struct blocks {
    uint64_t *words; /* n_words of 64 blocks each; what lies behind is free */
    size_t n_words;
    uint64_t used;                     /* blocks */
    uint64_t end;                      /* one behind the last that is in use */
    uint64_t from[BLOCKS_RUN_MAX + 1]; /* [n]: no run of n is free before it */
};

/* All zero is empty and ready. */
void blocks_done(struct blocks *b);
/* The first of n free blocks, now in use. */
uint64_t blocks_take(struct blocks *b, unsigned n);
/* Says that these are in use. False: one is already, or lies behind BLOCKS_PLACE_MAX. */
MUST_USE bool blocks_claim(struct blocks *b, uint64_t at, unsigned n);
/* Frees them; they are in use. */
void blocks_give(struct blocks *b, uint64_t at, unsigned n);

#endif
