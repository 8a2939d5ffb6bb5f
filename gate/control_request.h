/* control_request.h - one request of `postern` while it is answered: what the files of the control
 * socket share.
 *
 *   control.c          the sockets: lines in, lines out, and the metrics listener
 *   control_verbs.c    the table of verbs, and those that only look
 *   control_status.c   status, shards
 *   control_change.c   queue-change
 *   control_connector.c  connector-list
 *   control_rights.c   who may ask what, and what of it is told
 *   control_fetch.c    fetch
 *   control_explain.c  explain, for `postern explain` without a daemon as well
 *
 * A request begins in request_begin and ends in request_done, at once or when the store, the DNS or
 * whoever it waits for has answered. Its client may have left by then: the work is finished all the
 * same, but for what `cancel` can stop. docs/control.md has the protocol.
 */
#ifndef GATE_CONTROL_REQUEST_H
#define GATE_CONTROL_REQUEST_H

#include "ctl/ctl.h"
#include "gate/control.h"
#include "gate/control_rights.h"

enum {
    REQUEST_ROWS_MAX = 1000,
    REQUEST_ROWS = 500, /* when the request does not say */
    REQUEST_ARENA_MAX = 32 * 1024 * 1024,
};

/* Why there is no answer, in words for programs ("code"). */
enum request_code {
    REQUEST_USAGE,     /* "usage": the request is not one of ours */
    REQUEST_NOT_FOUND, /* "not-found" */
    REQUEST_TOO_BIG,   /* "too-big": ask for fewer rows */
    REQUEST_FAILED,    /* "failed": the store */
    REQUEST_DENIED,    /* "permission": it is not for whoever asks */
};

struct client;
struct request {
    struct worker *w;
    struct client *client; /* NULL: it left */
    struct asker asker;
    struct ctl *in, *out;
    struct arena arena;
    struct store *store; /* verbs of the queue: the shard that is asked */
    struct store_op op;
    void *work; /* the verb's own */
    /* The client left: gives up at once, request_done included. NULL: there is nothing to stop. */
    void (*cancel)(struct request *r);
};

/* Frees the request's line when it is done. */
void request_begin(struct request *r);
/* Answers with r->out and frees the request. */
void request_done(struct request *r);
/* Ends it with an error instead. */
void request_fail(struct request *r, enum request_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Ends it with what the store said. */
void request_store_failed(struct request *r, enum err e);

/* How long this worker has run. */
int64_t control_uptime_ms(const struct control *c);

/* The error object of an answer, for those who have no request. */
struct ctl *request_error(enum request_code code, const char *text);

/* --- of the verbs of the queue --- */

/* The filter in the request: id, domain (made A-labels), from, to, held. ERR_SYNTAX: why. */
MUST_USE enum err request_filter(struct request *r, struct store_filter *ret, struct why *why);
bool filter_is_empty(const struct store_filter *f);
/* The request's after_id as the store knows it. */
uint64_t request_after(const struct request *r, uint64_t after_id);
/* Where the next page begins. */
void request_put_page(struct request *r, uint64_t id, unsigned i, bool more);
/* Rows that are asked for: 1..REQUEST_ROWS_MAX. */
unsigned request_limit(const struct request *r);

void control_status(struct request *r);
void control_shards(struct request *r);
void control_change(struct request *r);
void control_explain(struct request *r);
void control_connectors(struct request *r);
void control_fetch(struct request *r);

#endif
