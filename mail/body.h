/* body.h - a message's bytes in memory: chunks of at most BODY_CHUNK, shared by counting.
 *
 * Written once by the connection that receives it, then only read: by the store's thread and by
 * the sessions that deliver it. The count belongs to the loop's thread.
 */
#ifndef MAIL_BODY_H
#define MAIL_BODY_H

#include "base/span.h"

enum { BODY_CHUNK = 256 * 1024 };

struct body_chunk {
    struct body_chunk *next;
    size_t n, cap;
    char p[];
};

struct body {
    struct body_chunk *first, *last;
    uint64_t n; /* bytes in all */
    unsigned refs;
    bool eight_bit; /* has a byte over 127 */
};

/* One reference, no bytes. */
struct body *body_new(void);
struct body *body_ref(struct body *b);
/* Drops a reference; the last frees. NULL is fine. */
void body_unref(struct body *b);
/* Only while there is one reference. Chunks grow by doubling, so a small mail costs little. */
void body_append(struct body *b, struct span s);
/* Puts s before everything (our Received); s.n <= BODY_CHUNK. */
void body_prepend(struct body *b, struct span s);
/* Takes the first chunk off, which must be full, into a body of its own. Only while there is one
 * reference. The caller owns it. */
struct body *body_cut_first(struct body *b);
/* Bytes from `offset` on, as many as lie together; empty at the end. */
struct span body_at(const struct body *b, uint64_t offset);
/* The memory it holds, for the budget. */
size_t body_memory(const struct body *b);

#endif
