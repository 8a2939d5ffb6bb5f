#include "gate/stats.h"
#include <inttypes.h>

enum kind { COUNTER, GAUGE, OLDEST }; /* OLDEST: a gauge whose greatest counts */

/* The table is the catalogue: names as Prometheus wants them (counters end in _total), and help. */
static const struct {
    const char *name;
    enum kind kind;
    const char *help;
} table[STAT_COUNT_] = {
    [STAT_CONNECTIONS] = { "postern_connections_total", COUNTER, "Connections that clients made." },
    [STAT_CONNECTIONS_REFUSED] = { "postern_connections_refused_total", COUNTER,
                                   "Connections that a limit refused." },
    [STAT_CONNECTIONS_OPEN] = { "postern_connections_open", GAUGE, "Connections of clients now." },
    [STAT_TLS_IN] = { "postern_tls_in_total", COUNTER,
                      "TLS handshakes with clients that succeeded." },
    [STAT_TLS_IN_RESUMED] = { "postern_tls_in_resumed_total", COUNTER,
                              "TLS handshakes with clients that resumed a session." },
    [STAT_TLS_IN_FAILED] = { "postern_tls_in_failed_total", COUNTER,
                             "TLS handshakes with clients that failed." },
    [STAT_MAIL_IN] = { "postern_mail_in_total", COUNTER, "Messages that were accepted." },
    [STAT_MAIL_IN_PLAINTEXT] = { "postern_mail_in_plaintext_total", COUNTER,
                                 "Messages that were accepted without TLS." },
    [STAT_MAIL_IN_BYTES] = { "postern_mail_in_bytes_total", COUNTER,
                             "Bytes of messages that were accepted." },
    [STAT_MAIL_REFUSED] = { "postern_mail_refused_total", COUNTER,
                            "Messages that were refused for good (5xx)." },
    [STAT_MAIL_TEMPFAIL] = { "postern_mail_tempfail_total", COUNTER,
                             "Messages that were refused for now (4xx)." },
    [STAT_RCPT_IN] = { "postern_recipients_in_total", COUNTER, "Recipients of accepted messages." },
    [STAT_RELAY_DENIED] = { "postern_relay_denied_total", COUNTER,
                            "Recipients that this client may not send to." },
    [STAT_CONNECTOR_REFUSED_TLS] = { "postern_connector_refused_tls_total", COUNTER,
                                     "Recipients refused: a connector asks for TLS, or newer." },
    [STAT_CONNECTOR_REFUSED_CERTIFICATE] = { "postern_connector_refused_certificate_total", COUNTER,
                                             "Recipients refused: no certificate that a connector "
                                             "asks for." },
    [STAT_CONNECTOR_REFUSED_ADDRESS] = { "postern_connector_refused_address_total", COUNTER,
                                         "Recipients refused: an address that a connector does not "
                                         "list." },
    [STAT_CONNECTOR_REFUSED_RELAY] = { "postern_connector_refused_relay_total", COUNTER,
                                       "Recipients refused: an own server that sends for domains "
                                       "of others." },
    [STAT_CONNECTOR_WOULD_REFUSE] = { "postern_connector_would_refuse_total", COUNTER,
                                      "Recipients that connectors in test mode would refuse." },
    [STAT_PROBES] = { "postern_probes_total", COUNTER,
                      "Recipients that were probe addresses of organisations." },
    [STAT_NODE_MAIL_IN] = { "postern_node_mail_in_total", COUNTER,
                            "Messages that our nodes handed over, with signatures that hold." },
    [STAT_NODE_MAIL_OUT] = { "postern_node_mail_out_total", COUNTER,
                             "Messages that were signed for one of our nodes." },
    [STAT_NODE_REFUSED] = { "postern_node_refused_total", COUNTER,
                            "Messages of our nodes refused: what they signed does not hold." },
    [STAT_SMUGGLING] = { "postern_smuggling_total", COUNTER,
                         "Connections closed for a bare CR or LF in a body." },
    [STAT_INJECTION] = { "postern_injection_total", COUNTER,
                         "Connections closed for bytes sent behind STARTTLS." },
    [STAT_SESSIONS_OUT] = { "postern_sessions_out_total", COUNTER, "Outgoing sessions begun." },
    [STAT_SESSIONS_OUT_OPEN] = { "postern_sessions_out_open", GAUGE, "Outgoing sessions now." },
    [STAT_SESSIONS_OUT_FAILED] = { "postern_sessions_out_failed_total", COUNTER,
                                   "Outgoing sessions that failed before any mail could pass." },
    [STAT_TLS_OUT] = { "postern_tls_out_total", COUNTER,
                       "Outgoing TLS handshakes that succeeded." },
    [STAT_TLS_OUT_RESUMED] = { "postern_tls_out_resumed_total", COUNTER,
                               "Outgoing TLS handshakes that resumed a session." },
    [STAT_TLS_OUT_FAILED] = { "postern_tls_out_failed_total", COUNTER,
                              "Outgoing TLS handshakes that failed." },
    [STAT_PLAINTEXT_OUT] = { "postern_plaintext_out_total", COUNTER,
                             "Outgoing sessions that sent mail without TLS." },
    [STAT_PLAINTEXT_AFTER_TLS_FAILED] = { "postern_plaintext_after_tls_failed_total", COUNTER,
                                          "Outgoing sessions without TLS because TLS had failed." },
    [STAT_DELIVERED] = { "postern_delivered_total", COUNTER, "Recipients that were delivered." },
    [STAT_DELIVERED_PLAINTEXT] = { "postern_delivered_plaintext_total", COUNTER,
                                   "Recipients that were delivered without TLS." },
    [STAT_DELIVERED_LOCAL] = { "postern_delivered_local_total", COUNTER,
                               "Recipients that were delivered on this machine." },
    [STAT_DEFERRED] = { "postern_deferred_total", COUNTER, "Attempts that will be made again." },
    [STAT_BOUNCED] = { "postern_bounced_total", COUNTER, "Recipients that failed for good." },
    [STAT_DSN_SENT] = { "postern_dsn_sent_total", COUNTER, "Delivery status notifications made." },
    [STAT_EXPIRED] = { "postern_expired_total", COUNTER, "Recipients given up by age." },
    [STAT_ACTIVE] = { "postern_active_recipients", GAUGE, "Recipients loaded for delivery now." },
    [STAT_BODY_MEMORY] = { "postern_body_memory_bytes", GAUGE, "Bytes of bodies in memory now." },
    [STAT_DESTINATIONS] = { "postern_destinations", GAUGE,
                            "Destinations with mail or sessions now." },
    [STAT_DESTINATIONS_DEAD] = { "postern_destinations_dead", GAUGE,
                                 "Destinations that rest after failures now." },
    [STAT_DNSSEC_PROVEN] = { "postern_dnssec_workers", GAUGE,
                             "Workers whose resolver proves that it validates DNSSEC." },
    [STAT_STORE_COMMITS] = { "postern_store_commits_total", COUNTER, "Commits of the store." },
    [STAT_STORE_FAILURES] = { "postern_store_failures_total", COUNTER,
                              "Commits of the store that failed." },
    [STAT_STORE_UNTRUSTED] = { "postern_store_untrusted_total", COUNTER,
                               "Times that a store was no longer trusted after an I/O error." },
    [STAT_LEASES_LOST] = { "postern_leases_lost_total", COUNTER,
                           "Results that came after their lease was gone." },
    [STAT_CONFIG_RELOADS] = { "postern_config_reloads_total", COUNTER,
                              "Configurations taken over." },
    [STAT_WORKER_STARTS] = { "postern_worker_starts_total", COUNTER, "Worker processes started." },
    [STAT_QUEUE_MESSAGES] = { "postern_queue_messages", GAUGE, "Messages in the queue." },
    [STAT_QUEUE_RECIPIENTS] = { "postern_queue_recipients", GAUGE, "Recipients in the queue." },
    [STAT_QUEUE_DUE] = { "postern_queue_due", GAUGE,
                         "Recipients in the queue that are to be tried now." },
    [STAT_QUEUE_WAITING] = { "postern_queue_waiting", GAUGE,
                             "Recipients in the queue that wait for their next attempt." },
    [STAT_QUEUE_LEASED] = { "postern_queue_leased", GAUGE,
                            "Recipients in the queue that are being sent." },
    [STAT_QUEUE_HELD] = { "postern_queue_held", GAUGE,
                          "Recipients in the queue that an operator holds." },
    [STAT_QUEUE_OLDEST] = { "postern_queue_oldest_seconds", OLDEST,
                            "Age of the oldest message in the queue." },
};

void stats_set(struct stats *s, enum counter which, uint64_t value)
{
    ASSERT(which < STAT_COUNT_ && table[which].kind != COUNTER);
    __atomic_store_n(&s->row[s->mine].value[which], value, __ATOMIC_RELAXED);
}

uint64_t stats_sum(const struct stats *s, enum counter which)
{
    ASSERT(which < STAT_COUNT_);
    uint64_t sum = 0, most = 0;
    for (unsigned i = 0; i < s->n; i++) {
        uint64_t value = __atomic_load_n(&s->row[i].value[which], __ATOMIC_RELAXED);
        sum += value;
        most = value > most ? value : most;
    }
    return table[which].kind == OLDEST ? most : sum;
}

const char *stats_name(enum counter which)
{
    ASSERT(which < STAT_COUNT_);
    return table[which].name;
}

void stats_wipe_gauges(struct stats *s)
{
    ASSERT(s->mine < s->n);
    for (size_t i = 0; i < STAT_COUNT_; i++)
        if (table[i].kind != COUNTER)
            stats_set(s, (enum counter)i, 0);
}

void stats_print(const struct stats *s, struct buf *out)
{
    for (size_t i = 0; i < STAT_COUNT_; i++) {
        const char *name = table[i].name;
        uint64_t sum = stats_sum(s, (enum counter)i);
        buf_putf(out, "# HELP %s %s\n", name, table[i].help);
        buf_putf(out, "# TYPE %s %s\n", name, table[i].kind != COUNTER ? "gauge" : "counter");
        if (table[i].kind != COUNTER) /* for a moment the sum of two workers can be below zero */
            buf_putf(out, "%s %" PRId64 "\n", name, (int64_t)sum);
        else
            buf_putf(out, "%s %" PRIu64 "\n", name, sum);
    }
}
