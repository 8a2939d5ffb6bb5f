/* fetching.h - how a worker has something fetched: it asks the fetcher (fetcher/wire.h) and goes
 * on. The answer comes on the loop; the worker neither resolves, connects nor parses HTTP.
 *
 *     fetching_ask(w, &request, got_policy, p);       ... got_policy(p, &result, body) later, once
 *
 * Of the request the URL, body, content type, body_max and rules.timeout_ms count, and are copied;
 * the other rules are the fetcher's own, from the block `fetch` of the configuration. Equal
 * requests without a body that are under way share one exchange, and an answer of the last seconds
 * may be given again. A deadline of our own stands behind the fetcher's: when it is dead, hangs or
 * has too much to do, the result says not_tried, which tells nothing about the server.
 *
 * A seam: fetching.c asks the real one, sim/fetching_sim.c answers out of a table.
 */
#ifndef GATE_FETCHING_H
#define GATE_FETCHING_H

#include "cert/fetch.h"

struct worker;
struct fetching;
struct fetch_ask;

enum {
    FETCHING_ASKS_MAX = 250,         /* of one worker at once */
    FETCHING_TIMEOUT_MS = 60 * 1000, /* what rules.timeout_ms is at most; 0: the fetcher's own */
    FETCHING_BODY_MAX = 64 * 1024 * 1024,
    FETCHING_POST_MAX = 1024 * 1024,
};

/* Runs once, on the loop, never inside fetching_ask; all is borrowed for the call. body is empty
 * unless r->reached is FETCH_DONE. The ask is gone: it is not cancelled any more. */
typedef void fetched_fn(void *arg, const struct fetch_result *r, struct span body);

/* Never fails and never NULL: what cannot be asked is answered not_tried. */
struct fetch_ask *fetching_ask(struct worker *w, const struct fetch_request *r, fetched_fn *fn,
                               void *arg);
/* fn will not be called. NULL is fine. */
void fetching_cancel(struct fetch_ask *a);

/* --- of the worker and its process --- */

/* fd: our end of a link to the fetcher, from now on ours; -1: none yet. */
struct fetching *fetching_new(struct worker *w, int fd);
/* A new link, to the fetcher that runs now: what was asked of the one before is answered not_tried.
 */
void fetching_link(struct fetching *f, int fd);
/* Nothing is answered any more. */
void fetching_free(struct fetching *f);

#endif
