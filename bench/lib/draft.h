/* draft.h - the message that is sent over and over: a header of its own for each, and a text that
 * is made once and shared. The text ends with the line of the dot, and no line begins with one. */
#ifndef BENCH_LIB_DRAFT_H
#define BENCH_LIB_DRAFT_H

#include "base/buf.h"

struct draft {
    struct buf text;
    size_t bytes;    /* of the whole message, the dot not counted */
    const char *tag; /* the first half of every bench id */
};

enum { DRAFT_ID_BYTES_MAX = 80, DRAFT_HEADER_BYTES = 512, DRAFT_BYTES_MIN = 1024 };

/* Messages of `bytes` (DRAFT_BYTES_MIN at least). `tag` is borrowed. */
void draft_init(struct draft *d, size_t bytes, const char *tag);
void draft_done(struct draft *d);

/* "tag-17". Returns ret. */
const char *draft_id(const struct draft *d, uint64_t seq, char ret[static DRAFT_ID_BYTES_MAX]);

/* What changes from one message to the next. */
struct draft_head {
    uint64_t seq;
    struct span from, rcpt;
    int64_t start_ns; /* monotonic */
    int64_t wall_ms;
};
/* Appends DRAFT_HEADER_BYTES of header and the blank line to `out`, which must have the room. */
void draft_header(const struct draft *d, const struct draft_head *h, struct buf *out);

/* Expands %d to seq, and %D to seq modulo n_domains, into `out`. */
void draft_rcpt(const char *pattern, uint64_t seq, uint64_t n_domains, struct buf *out);

#endif
