/* ledger.h - what the sink saw: counts, and a line for each message in a file. */
#ifndef BENCH_LIB_LEDGER_H
#define BENCH_LIB_LEDGER_H

#include "base/span.h"

#include <stdio.h>

struct ledger {
    FILE *log; /* "id arrival_ns bytes" a message, or NULL */
    uint64_t n_messages, n_bytes, n_rejected;
    uint64_t n_connections, n_open, n_handshakes, n_resumed, n_shake_failed;
    int64_t first_ns, last_ns; /* monotonic; 0 before the first message */
};

/* A message is complete. `id` is empty when it had none. */
void ledger_add(struct ledger *l, struct span id, uint64_t bytes, int64_t now_ns);
/* One line of JSON on stdout; the log is flushed before. */
void ledger_print(struct ledger *l);

#endif
