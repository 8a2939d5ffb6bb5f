/* store_sqlite.h - inside the SQLite back end: what store_sqlite.c (mail comes in and goes out) and
 * store_sqlite_query.c (people, trace, small things) have in common. Not for others.
 */
#ifndef STORE_STORE_SQLITE_H
#define STORE_STORE_SQLITE_H

#include "store/parts.h"
#include "store/schema.h"
#include "store/store_sqlite_bodies.h"

/* Kept in the row of the table meta, written with each transaction that changes them. */
struct tally {
    uint64_t last; /* local id */
    uint64_t messages, recipients, held;
};

struct store_sqlite {
    struct store_backend backend; /* first */
    struct db *db;
    struct bodies *bodies;
    unsigned shard;
    struct tally now, committed;
    uint64_t epoch, leases; /* what tokens are made of */
    char *memory;           /* BODY_CHUNK bytes, for one chunk */
    struct buf text;        /* a line being printed */
};

/* One for each text in store_sqlite_sql.c. */
enum statement {
    Q_META_PUT,
    Q_MESSAGE_PUT,
    Q_MESSAGE_GET,
    Q_MESSAGE_HAS,
    Q_MESSAGE_DEL,
    Q_MESSAGE_FIRST,
    Q_STAGED_PUT,
    Q_STAGED_DEL,
    Q_STAGED_NEXT,
    Q_CHUNK_PUT,
    Q_CHUNK_GET,
    Q_CHUNK_LAST,
    Q_CHUNK_DEL,
    Q_PIECE_PUT,
    Q_PIECE_GET,
    Q_PIECE_LAST,
    Q_PIECE_DEL,
    Q_PIECE_ALL,
    Q_RCPT_PUT,
    Q_RCPT_STATE,
    Q_RCPT_ITEM,
    Q_RCPT_LIST,
    Q_RCPT_ANY,
    Q_RCPT_DEL,
    Q_RCPT_WAKE,
    Q_RCPT_DEFER,
    Q_RCPT_FLAGS,
    Q_RCPT_ROUTE,
    Q_WAKE_NEXT,
    Q_WAKE_COUNT,
    Q_WAKE_COUNT_FREE,
    Q_WAKE_SETTLE,
    Q_WAKE_VOID,
    Q_WAKE_CLAMP,
    Q_TRACE_PUT,
    Q_TRACE_LAST,
    Q_TRACE_LINES,
    Q_TRACE_STEP,
    Q_TRACE_DEL,
    Q_KV_PUT,
    Q_KV_GET,
    Q_KV_DEL,
    Q_META_GET,
    Q_META_NEW,
    Q_COUNT_
};
extern const char *const store_sqlite_statements[Q_COUNT_];

static inline int64_t key_of(uint64_t id, unsigned i)
{
    ASSERT(i < 1u << KEY_BITS);
    return (int64_t)(id_local(id) << KEY_BITS | i);
}
static inline int64_t key_last(uint64_t id)
{
    return key_of(id, (1u << KEY_BITS) - 1);
}
static inline uint64_t key_local(int64_t key)
{
    return (uint64_t)key >> KEY_BITS;
}
static inline unsigned key_i(int64_t key)
{
    return (unsigned)(key & ((1 << KEY_BITS) - 1));
}

/* Binds parameters 1 and 2 to the first and last key that the id can have. */
void bind_keys(struct store_sqlite *s, enum statement q, uint64_t id);
/* Is the id one of this shard's? */
bool id_is_ours(const struct store_sqlite *s, uint64_t id);
/* Remembers it as stored. */
void id_note(struct store_sqlite *s, uint64_t id);

/* Columns of Q_RCPT_ITEM and Q_RCPT_LIST. */
enum {
    ITEM_KEY,
    ITEM_WAKE,
    ITEM_TOKEN,
    ITEM_ATTEMPTS,
    ITEM_FLAGS,
    ITEM_LINE,
    ITEM_ROUTE,
    ITEM_LAST,
    ITEM_DOMAIN
};
/* The row that q stands on, without its envelope; all bytes are the arena's. ERR_IO: damaged. */
MUST_USE enum err item_read(struct store_sqlite *s, enum statement q, struct arena *a,
                            struct store_item *ret);
/* The envelope of a message, without recipients. ERR_IO: damaged. */
MUST_USE enum err envelope_load(struct store_sqlite *s, uint64_t local, struct arena *a,
                                struct envelope *ret);
/* Deletes a recipient; then the message and its body, when that was the last. */
MUST_USE enum err rcpt_remove(struct store_sqlite *s, int64_t key, bool held);
MUST_USE enum err message_remove_if_done(struct store_sqlite *s, uint64_t local);
/* Inserts what was just seen not to be there. */
MUST_USE enum err must_insert(struct store_sqlite *s, enum statement q);
/* Adds lines behind those the id has; when they find no place they are left out, for they must
 * refuse neither mail nor results. */
MUST_USE enum err trace_try(struct store_sqlite *s, uint64_t id, struct span text);

/* How many chunks the id has. They are without gaps: APPEND sees to that. */
MUST_USE enum err chunk_count(struct store_sqlite *s, uint64_t id, unsigned *ret);
MUST_USE enum err chunk_put(struct store_sqlite *s, uint64_t id, unsigned seq, struct span bytes);
/* The caller owns the body. ERR_NOT_FOUND. */
MUST_USE enum err chunk_get(struct store_sqlite *s, uint64_t id, unsigned seq, struct body **ret);
MUST_USE enum err chunks_del(struct store_sqlite *s, uint64_t id);
/* A new owner learns where the large ones lie. ERR_REFUSED: one is damaged, why says which. */
MUST_USE enum err chunks_own(struct store_sqlite *s, struct why *why);

MUST_USE enum err sqlite_list(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_change(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_count(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_trace(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_find(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_expire(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_clamp(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_kv_put(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_kv_get(struct store_sqlite *s, struct store_op *op);
MUST_USE enum err sqlite_kv_del(struct store_sqlite *s, struct store_op *op);

#endif
