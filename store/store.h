/* store.h - the queue on disk: what 250 promises.
 *
 * A store is one shard: one owner, one thread that writes and checkpoints. Work is handed over as
 * operations; those that wait together are applied in order inside one transaction and made
 * durable by one flush (group commit), then each op's `done` runs on the loop's thread.
 *
 *     story --store_submit(op)--> [thread: begin, apply.., commit] --done(op)--> story
 *
 * Rules: what done() reports as ERR_OK is durable. An op is applied wholly or not at all. `finish`
 * and `renew` with a stale lease are refused (ERR_STALE) and change nothing. ERR_FULL: no space,
 * try later. ERR_IO: the shard is no longer trusted; every later op fails with ERR_IO until the
 * process has opened it anew (store_open then checks the whole file first).
 * Ids: shard number in the top 14 bits, time in milliseconds and a count below, so that they sort
 * by age within a shard; id 0 is none.
 * Bytes handed in are borrowed until done(); what comes back lives in the op's arena.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/rng.h"
#include "base/why.h"
#include "io/work.h"
#include "mail/body.h"
#include "mail/envelope.h"

enum {
    STORE_SHARDS_MAX = 4096,
    STORE_TAKE_MAX = 200,    /* recipients a take returns at most */
    STORE_CHUNKS_MAX = 8192, /* 2 GiB of body */
    STORE_KEY_MAX = 512,     /* bytes of a kv key */
    STORE_TRACE_MAX = 4000,  /* bytes of a trace line */
};

enum store_kind {
    /* mail comes in */
    STORE_APPEND, /* one chunk of a body whose message is still coming: not durable by itself */
    STORE_ABORT,  /* forget the chunks of an id that will not be committed; without space the store
                   * itself tries again, and done() waits */
    STORE_PUT,    /* a message with its recipients, leased from birth, and the rest of its body */
    /* mail goes out */
    STORE_TAKE,   /* lease what is due */
    STORE_RENEW,  /* keep leases */
    STORE_FINISH, /* results of an attempt, for recipients of one message */
    STORE_READ,   /* one chunk of a body */
    /* people */
    STORE_LIST,   /* recipients that match */
    STORE_CHANGE, /* hold, release, drop, retry, reroute those that match */
    STORE_COUNT,  /* totals */
    STORE_TRACE,  /* add lines to the trace */
    STORE_FIND,   /* trace lines that match */
    STORE_EXPIRE, /* drop trace lines of messages older than before_ms */
    STORE_CLAMP,  /* the wall clock jumped back: nothing is due later than before_ms */
    /* small things kept by name */
    STORE_KV_PUT,
    STORE_KV_GET,
    STORE_KV_DEL,
    STORE_KIND_COUNT_
};

/* A recipient that waits, is leased or is held. */
struct store_item {
    uint64_t id;
    unsigned i;     /* which recipient of the message */
    uint64_t token; /* fencing token of the lease; 0: not leased */
    int64_t due_ms; /* wall; when leased: when the lease ends */
    unsigned attempts;
    bool held, warned; /* a delay warning was sent */
    struct rcpt rcpt;
    struct span route;               /* override by reroute: "[host]:port", or empty */
    struct span last;                /* reply_print of the last failure, or empty */
    const struct envelope *envelope; /* without recipients */
};

enum store_outcome {
    STORE_DONE,  /* delivered, bounced or dropped: the recipient leaves the queue */
    STORE_DEFER, /* try again at due_ms; counts an attempt; `last` is kept */
    STORE_BACK,  /* give the lease back: due at due_ms, no attempt was made */
};

struct store_result {
    unsigned i;
    uint64_t token;
    enum store_outcome outcome;
    int64_t due_ms;
    bool warned; /* STORE_DEFER: the delay warning goes with this op */
    struct span last;
};

/* A new message: from outside, or a notification that leaves with a finish. */
struct store_new {
    const struct envelope *envelope; /* with id and recipients */
    struct body *body;               /* whole, in memory; or, after appends, only the rest */
    unsigned chunks_before;          /* chunks already appended */
    int64_t lease_until_ms;          /* wall; 0: not leased, due at once */
    uint64_t ret_token;              /* the lease of all its recipients, when it is well */
    struct span trace;               /* first trace line, may be empty */
};

enum store_change { STORE_HOLD, STORE_RELEASE, STORE_DROP, STORE_RETRY, STORE_REROUTE };

/* What a list or change looks at; empty fields match all. */
struct store_filter {
    uint64_t id;
    struct span domain; /* of the recipient */
    struct span from, to;
    bool held_only;
};

struct store_totals {
    uint64_t messages, recipients, held, leased, due;
    uint64_t bytes_file;
    int64_t oldest_ms; /* accepted time of the oldest message, 0: none */
};

struct store_trace_line {
    uint64_t id;
    unsigned i; /* its place among the lines of the message */
    struct span text;
};

struct store_op {
    struct work_item work; /* first */
    enum store_kind kind;
    enum err result;
    void (*done)(struct store_op *op); /* on the loop's thread; may free the op */
    void *arg;
    struct arena arena; /* results; store_op_done frees */
    /* in, by kind */
    uint64_t id;               /* APPEND ABORT FINISH READ TRACE */
    unsigned seq;              /* APPEND READ: which chunk */
    struct span bytes;         /* APPEND, KV_PUT, TRACE, REROUTE's route; FINISH: trace text,
                                  lines with '\n' between, kept with the results */
    struct span key;           /* KV_* */
    struct store_new *message; /* PUT; FINISH: a notification to put in the same breath, or NULL */
    struct store_result *results; /* FINISH; RENEW uses due_ms as the new end and id of each item */
    struct store_item *items;     /* RENEW: in; TAKE, LIST: out (an array) */
    unsigned n;                   /* of results or items: in, or out */
    unsigned limit;               /* TAKE LIST FIND */
    int64_t now_ms, until_ms;     /* TAKE RENEW CHANGE: wall */
    int64_t before_ms;            /* EXPIRE CLAMP */
    struct store_filter filter;   /* LIST CHANGE */
    /* LIST: what stands behind this recipient. FIND, which goes from the newest back: what is older
     * than this line. after_id 0: from the beginning. */
    uint64_t after_id;
    unsigned after_i;
    uint64_t resume;          /* the back end's: where the next step begins */
    enum store_change change; /* CHANGE */
    int64_t since_ms;         /* FIND */
    struct span match[4];     /* FIND: substrings of a message's lines, all must occur */
    /* out */
    struct body *body;              /* READ: one chunk, one reference: the caller's */
    struct store_totals totals;     /* COUNT */
    uint64_t changed;               /* CHANGE: recipients; EXPIRE: lines */
    struct store_trace_line *lines; /* FIND: n of them */
    struct span value;              /* KV_GET */
};

/* Ready for use: kind, done and arg set, all else zero. */
void store_op_init(struct store_op *op, enum store_kind kind, void (*done)(struct store_op *),
                   void *arg);
/* Frees results. Not before done() ran. */
void store_op_done(struct store_op *op);

/* --- back ends: what store.c drives on the thread, and what the conformance suite compares --- */

struct store_backend {
    const struct store_backend_ops *ops;
};
struct store_backend_ops {
    enum err (*begin)(struct store_backend *b);
    /* Sets op->result. ERR_OK, ERR_STALE, ERR_NOT_FOUND, ERR_EXISTS, ERR_TOO_BIG end the op and
     * leave the transaction whole; ERR_IO and ERR_FULL break it: the caller rolls back.
     * ERR_AGAIN (LIST, FIND, CHANGE, CLAMP, EXPIRE): a bounded step of what may touch very many
     * rows is done; to be applied again, in this transaction or a later one. */
    enum err (*apply)(struct store_backend *b, struct store_op *op);
    enum err (*commit)(struct store_backend *b); /* durable when ERR_OK */
    void (*rollback)(struct store_backend *b);
    /* The greatest id ever stored, so that new ones are greater. */
    uint64_t (*last_id)(struct store_backend *b);
    void (*close)(struct store_backend *b);
};

/* SQLite: WAL, synchronous=FULL, exclusive lock, one connection. path: the database file, made when
 * missing. On open: leases of former owners are void at once (due now_ms), orphan chunks are
 * dropped; if the shard was marked untrusted its integrity is checked first.
 * vfs: name of an SQLite VFS, or NULL. ERR_IO (why says what), ERR_EXISTS: another process owns it.
 */
MUST_USE enum err store_sqlite_open(const char *path, unsigned shard, const char *vfs,
                                    int64_t now_ms, struct store_backend **ret, struct why *why);
/* The reference model: plain lists in memory. */
struct store_backend *store_mem_open(unsigned shard);
/* What closing and opening does to a file: leases are void, chunks without a message gone. */
void store_mem_reopen(struct store_backend *b, int64_t now_ms);

/* --- the front --- */

struct store;

/* Takes the back end over. Starts the thread. shard: 0..STORE_SHARDS_MAX-1. */
struct store *store_new(struct loop *loop, struct store_backend *backend, unsigned shard);
/* Waits for what was submitted (dones run), closes. */
void store_free(struct store *s);
void store_submit(struct store *s, struct store_op *op);
/* A fresh id, greater than all before. now_ms: wall. */
uint64_t store_new_id(struct store *s, int64_t now_ms);
unsigned store_shard(const struct store *s);
static inline unsigned store_id_shard(uint64_t id)
{
    return (unsigned)(id >> 50);
}
/* ERR_OK; ERR_FULL: the last commit found no space; ERR_IO: not trusted any more. */
enum err store_health(const struct store *s);
/* Submitted and not done. */
unsigned store_pending(const struct store *s);

struct store_stats {
    uint64_t commits, ops, failures;
    unsigned batch_max;
};
struct store_stats store_stats(const struct store *s);

#endif
