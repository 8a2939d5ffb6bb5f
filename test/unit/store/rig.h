/* rig.h - a back end under test: opens it on the disk in memory, applies one operation a
 * transaction, and writes down what is stored so that two back ends can be compared. */
#ifndef TEST_UNIT_STORE_RIG_H
#define TEST_UNIT_STORE_RIG_H

#include "store/store.h"
#include "test/test.h"
#include "test/unit/store/disk.h"

#define RIG_NOW ((int64_t)1795000000000) /* a wall time */
enum { RIG_SHARD = 5, RIG_RCPTS_MAX = 8, RIG_LEASE_MS = 60000 };

struct rig {
    bool sqlite;
    struct store_backend *b; /* NULL: closed */
    char path[32];
    int64_t now_ms; /* the wall clock of its operations */
    uint64_t last_id;
};

/* sqlite: the file "queue.db" on the disk in memory, which disk_new made; else the model. */
void rig_open(struct rig *r, bool sqlite);
/* Opens again: as after an orderly end. */
void rig_reopen(struct rig *r);
/* For sqlite: goes on with a copy of the file and its log as a killed process leaves them. */
void rig_kill(struct rig *r);
/* Tries to open; the file must be closed. */
enum err rig_try(struct rig *r, struct why *why);
void rig_close(struct rig *r);

uint64_t rig_id(struct rig *r);

/* Begin, apply until it is done, commit; roll back when that is broken. */
enum err rig_do(struct rig *r, struct store_op *op);
/* One more of a transaction that the caller began. */
enum err rig_apply(struct rig *r, struct store_op *op);

/* A message to put. Recipients r0@d0.example, r1@d1.example ... */
struct rig_mail {
    struct envelope envelope;
    struct rcpt rcpt[RIG_RCPTS_MAX];
    char text[RIG_RCPTS_MAX][2][32];
    struct body *body;
    struct store_new message;
};
void rig_mail_init(struct rig_mail *m, struct rig *r, uint64_t id, unsigned n_rcpt, size_t body_n);
void rig_mail_done(struct rig_mail *m);

/* The usual operations. */
void rig_op(struct store_op *op, enum store_kind kind);
/* Puts a message of one small body; returns its lease. */
uint64_t rig_put(struct rig *r, uint64_t id, unsigned n_rcpt);
/* The caller frees with store_op_done. */
void rig_take(struct rig *r, unsigned limit, struct store_op *op);
void rig_list(struct rig *r, struct store_op *op);
enum err rig_finish(struct rig *r, uint64_t id, struct store_result result);
enum err rig_change(struct rig *r, enum store_change change, uint64_t id, uint64_t *ret_changed);
enum err rig_trace(struct rig *r, uint64_t id, const char *text);
/* Bytes of the chunk, or -1. */
int64_t rig_chunk(struct rig *r, uint64_t id, unsigned seq);

/* All that an operation gave back, without tokens and file sizes: leased or not is told. */
void rig_print(const struct store_op *op, struct buf *out);
/* All that is stored, as text. */
void rig_dump(struct rig *r, struct buf *out);

#endif
