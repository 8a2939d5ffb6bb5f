/* fetch_daemon.h - an exchange of cert/endpoints.h done by the daemon that runs: its fetcher asks,
 * as the daemon's user, in its sandbox, by its proxy and rules (verb `fetch`, docs/control.md). */
#ifndef CLI_FETCH_DAEMON_H
#define CLI_FETCH_DAEMON_H

#include "cert/fetch.h"
#include "cli/ask.h"

/* arg: a struct ask_worker. An endpoint_fetch_fn. */
void fetch_daemon(void *arg, const struct fetch_request *request, struct buf *body,
                  struct fetch_result *ret);

#endif
