/* parts.h - what the back ends share: how an id is made up, how a body is cut into rows, and what
 * a search looks at. No state.
 *
 *     63     50 49                      8 7     0
 *     [ shard ] [ milliseconds since 1970 | count ]     the lower 50 bits: the local id
 */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H

#include "store/store.h"

enum { ID_LOCAL_BITS = 50, ID_COUNT_BITS = 8 };

/* Wall times are kept within 0..TIME_MAX. */
#define STORE_TIME_MAX (((int64_t)1 << (ID_LOCAL_BITS - ID_COUNT_BITS)) - 1)

enum {
    STORE_LIST_MAX = 1000,         /* items or lines that a LIST or FIND returns at most */
    STORE_VALUE_MAX = 1024 * 1024, /* bytes of a kv value */
};

static inline uint64_t id_local(uint64_t id)
{
    return id & (((uint64_t)1 << ID_LOCAL_BITS) - 1);
}
static inline uint64_t id_whole(unsigned shard, uint64_t local)
{
    return (uint64_t)shard << ID_LOCAL_BITS | local;
}
/* The smallest local id of that millisecond. */
uint64_t id_first(int64_t wall_ms);
int64_t time_within(int64_t wall_ms);

/* Rows that the body needs, and the i-th of them (i < rows), at most BODY_CHUNK bytes: in place
 * where they lie together, else copied to memory of BODY_CHUNK bytes. */
unsigned body_rows(const struct body *b);
struct span body_row(const struct body *b, unsigned i, char *memory);

/* ERR_TOO_BIG when a new message passes a limit. */
MUST_USE enum err new_check(const struct store_new *m);
/* The end that RENEW asks for: until_ms for all of them, or else each item's due_ms. */
int64_t renew_end(const struct store_op *op, unsigned i);

bool filter_domain(const struct store_filter *f, struct span domain);
bool filter_to(const struct store_filter *f, struct span addr);
/* "<>" asks for the empty reverse path. */
bool filter_from(const struct store_filter *f, struct span from);

/* The next of the lines in TRACE's bytes, without its line end; false at the end. */
bool trace_next(struct span *text, struct span *ret_line);
/* Counts them. ERR_TOO_BIG: one is over STORE_TRACE_MAX. */
MUST_USE enum err trace_count(struct span text, unsigned *ret_n);

enum { MATCH_ALL = (1 << COUNTOF(((struct store_op *)0)->match)) - 1 };
/* Which of the four strings occur in the line, as bits; those that are empty always do. */
unsigned match_line(const struct store_op *op, struct span line);

#endif
