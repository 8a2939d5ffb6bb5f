/* stats.h - counters, in memory shared by all workers so that any of them can show the sums and a
 * restart loses nothing. Each worker writes its own row. Names and help texts: the table in
 * stats.c.
 */
#ifndef GATE_STATS_H
#define GATE_STATS_H

#include "base/buf.h"

enum counter {
    STAT_CONNECTIONS,
    STAT_CONNECTIONS_REFUSED,
    STAT_CONNECTIONS_OPEN,
    STAT_TLS_IN,
    STAT_TLS_IN_RESUMED,
    STAT_TLS_IN_FAILED,
    STAT_MAIL_IN,
    STAT_MAIL_IN_PLAINTEXT,
    STAT_MAIL_IN_BYTES,
    STAT_MAIL_REFUSED,
    STAT_MAIL_TEMPFAIL,
    STAT_RCPT_IN,
    STAT_RELAY_DENIED,
    STAT_CONNECTOR_REFUSED_TLS,
    STAT_CONNECTOR_REFUSED_CERTIFICATE,
    STAT_CONNECTOR_REFUSED_ADDRESS,
    STAT_CONNECTOR_REFUSED_RELAY,
    STAT_CONNECTOR_WOULD_REFUSE,
    STAT_PROBES,
    STAT_NODE_MAIL_IN,
    STAT_NODE_MAIL_OUT,
    STAT_NODE_REFUSED,
    STAT_SMUGGLING,
    STAT_INJECTION,
    STAT_SESSIONS_OUT,
    STAT_SESSIONS_OUT_OPEN,
    STAT_SESSIONS_OUT_FAILED,
    STAT_TLS_OUT,
    STAT_TLS_OUT_RESUMED,
    STAT_TLS_OUT_FAILED,
    STAT_PLAINTEXT_OUT,
    STAT_PLAINTEXT_AFTER_TLS_FAILED,
    STAT_DELIVERED,
    STAT_DELIVERED_PLAINTEXT,
    STAT_DELIVERED_LOCAL,
    STAT_DEFERRED,
    STAT_BOUNCED,
    STAT_DSN_SENT,
    STAT_EXPIRED,
    STAT_ACTIVE,
    STAT_BODY_MEMORY,
    STAT_DESTINATIONS,
    STAT_DESTINATIONS_DEAD,
    STAT_DNSSEC_PROVEN,
    STAT_STORE_COMMITS,
    STAT_STORE_FAILURES,
    STAT_STORE_UNTRUSTED,
    STAT_LEASES_LOST,
    STAT_CONFIG_RELOADS,
    STAT_WORKER_STARTS,
    STAT_QUEUE_MESSAGES,
    STAT_QUEUE_RECIPIENTS,
    STAT_QUEUE_DUE,
    STAT_QUEUE_WAITING,
    STAT_QUEUE_LEASED,
    STAT_QUEUE_HELD,
    STAT_QUEUE_OLDEST,
    STAT_COUNT_
};

enum { STATS_WORKERS_MAX = 256 };

struct stats_row {
    uint64_t value[STAT_COUNT_];
};
struct stats {
    struct stats_row *row; /* n of them, shared */
    unsigned n, mine;
};

static inline void stats_add(struct stats *s, enum counter which, int64_t by)
{
    __atomic_fetch_add(&s->row[s->mine].value[which], (uint64_t)by, __ATOMIC_RELAXED);
}
/* For gauges. */
void stats_set(struct stats *s, enum counter which, uint64_t value);
/* Of all workers: the sum, or of an age the greatest. */
uint64_t stats_sum(const struct stats *s, enum counter which);
const char *stats_name(enum counter which);
/* Gauges of a worker that died are wiped (those of row `mine`), counters stay. */
void stats_wipe_gauges(struct stats *s);
enum { STATS_TEXT_MAX = 32 * 1024 };
/* Prometheus text exposition (0.0.4); out has room for STATS_TEXT_MAX bytes. */
void stats_print(const struct stats *s, struct buf *out);

#endif
