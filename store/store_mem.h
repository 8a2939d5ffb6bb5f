/* store_mem.h - inside the model: what a store means, said as plainly as possible. Lists in order
 * of id, everything found by walking; the SQLite back end is compared with this one. It cannot
 * fail, so nothing is ever rolled back. Not for others than store_mem*.c.
 */
#ifndef STORE_STORE_MEM_H
#define STORE_STORE_MEM_H

#include "base/list.h"
#include "store/parts.h"

struct mem {
    struct store_backend backend; /* first */
    unsigned shard;
    uint64_t last; /* id */
    uint64_t leases;
    struct list messages, rcpts, chunks, lines, values;
};

/* The lists are in order of id, then of i or seq; all bytes are owned. */
struct mem_message {
    struct list in;
    uint64_t id;
    int64_t accepted_ms;
    struct span line;
};
struct mem_rcpt {
    struct list in;
    uint64_t id;
    unsigned i;
    int64_t due_ms; /* held: INT64_MAX, unless a lease still runs */
    uint64_t token; /* 0: not leased */
    unsigned attempts;
    bool held, warned;
    struct span domain, line, route, last;
};
struct mem_chunk {
    struct list in;
    uint64_t id;
    unsigned seq;
    struct span data;
};
struct mem_line {
    struct list in;
    uint64_t id;
    unsigned i;
    struct span text;
};
struct mem_value {
    struct list in;
    struct span key, value;
};

#define EACH(type, it, head)                                                                       \
    for (type *it = (type *)(void *)(head)->next, *it##_next = (type *)(void *)it->in.next;        \
         &it->in != (head); it = it##_next, it##_next = (type *)(void *)it->in.next)

/* Owned copies of bytes. */
struct span mem_keep(struct span s);
void mem_drop(struct span s);
void mem_replace(struct span *s, struct span with);

struct mem_message *mem_message_get(struct mem *m, uint64_t id);
bool mem_is_ours(const struct mem *m, uint64_t id);
bool mem_is_leased(const struct mem_rcpt *r, int64_t now);
/* Remembers the id as stored. */
void mem_note(struct mem *m, uint64_t id);
/* Adds lines to the trace. Is false when there would be too many, or one is too long. */
bool mem_add_lines(struct mem *m, uint64_t id, struct span text);
/* Appends the recipient to the op's items. */
void mem_item_fill(struct mem *m, struct store_op *op, const struct mem_rcpt *r);
/* The recipient leaves; with the last one its message. */
void mem_rcpt_gone(struct mem *m, struct mem_rcpt *r);
void mem_line_free(struct mem_line *l);
void mem_value_free(struct mem_value *v);

MUST_USE enum err mem_list(struct mem *m, struct store_op *op);
MUST_USE enum err mem_change(struct mem *m, struct store_op *op);
MUST_USE enum err mem_count(struct mem *m, struct store_op *op);
MUST_USE enum err mem_clamp(struct mem *m, struct store_op *op);
MUST_USE enum err mem_trace(struct mem *m, struct store_op *op);
MUST_USE enum err mem_find(struct mem *m, struct store_op *op);
MUST_USE enum err mem_expire(struct mem *m, struct store_op *op);
MUST_USE enum err mem_kv_put(struct mem *m, struct store_op *op);
MUST_USE enum err mem_kv_get(struct mem *m, struct store_op *op);
MUST_USE enum err mem_kv_del(struct mem *m, struct store_op *op);

#endif
