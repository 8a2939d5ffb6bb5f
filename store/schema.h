/* schema.h - the tables of a shard, and how older files become newer ones.
 *
 * Keys: `id` is the low 50 bits of a message's id (its shard is the file); `key` is id << 13 and
 * below it the number of the recipient, chunk or line. They are rowids and so need no index; as ids
 * grow, work stays at the right edge of each table whatever lies behind it.
 *
 * rcpt.wake orders all recipients by when somebody must look at them, in three regions:
 *
 *     0 .. WAKE_LEASE-1         waits, due at this wall time
 *     WAKE_LEASE .. WAKE_HELD-1 leased until (wake - WAKE_LEASE)
 *     WAKE_HELD                 held, no lease
 *
 * so that what is due, which leases ended and (on open) which leases there are, are ranges of one
 * index.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "base/base.h"

#define WAKE_LEASE ((int64_t)1 << 62)
#define WAKE_HELD INT64_MAX

enum { KEY_BITS = 13 };
enum { RCPT_HELD = 1, RCPT_WARNED = 2 }; /* rcpt.flags */

enum {
    SCHEMA_VERSION = 2,              /* PRAGMA user_version */
    SCHEMA_APPLICATION = 0x50535451, /* PRAGMA application_id: "PSTQ" */
};

/* The statements that lead from version `from` (0: an empty file) to from + 1. */
const char *schema_step(unsigned from);

#endif
