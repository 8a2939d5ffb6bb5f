/* ledger.c - see ledger.h. */
#include "bench/lib/ledger.h"

#include "bench/lib/clock.h"

#include <inttypes.h>

void ledger_add(struct ledger *l, struct span id, uint64_t bytes, int64_t now_ns)
{
    if (l->n_messages++ == 0)
        l->first_ns = now_ns;
    l->last_ns = now_ns;
    l->n_bytes += bytes;
    if (id.n == 0)
        id = SPAN("-");
    if (l->log)
        fprintf(l->log, "%.*s %" PRId64 " %" PRIu64 "\n", SPAN_ARG(id), now_ns, bytes);
}

void ledger_print(struct ledger *l)
{
    if (l->log)
        fflush(l->log);
    printf("{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"rejected\":%" PRIu64
           ",\"connections\":%" PRIu64 ",\"open\":%" PRIu64 ",\"handshakes\":%" PRIu64
           ",\"resumed\":%" PRIu64 ",\"handshakes_failed\":%" PRIu64 ",\"first_ns\":%" PRId64
           ",\"last_ns\":%" PRId64 ",\"cpu_s\":%.3f}\n",
           l->n_messages, l->n_bytes, l->n_rejected, l->n_connections, l->n_open, l->n_handshakes,
           l->n_resumed, l->n_shake_failed, l->first_ns, l->last_ns, own_cpu_s());
    fflush(stdout);
}
