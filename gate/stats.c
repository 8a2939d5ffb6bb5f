#include "gate/stats.h"
#include <inttypes.h>

/* The table is the catalogue: names as Prometheus wants them (counters end in _total), and help. */
static const struct {
    const char *name;
    bool is_gauge;
    const char *help;
} table[STAT_COUNT_] = {
    [STAT_CONNECTIONS] = { "postern_connections_total", false, "Connections that clients made." },
    [STAT_CONNECTIONS_REFUSED] = { "postern_connections_refused_total", false,
                                   "Connections that a limit refused." },
    [STAT_CONNECTIONS_OPEN] = { "postern_connections_open", true, "Connections of clients now." },
    [STAT_TLS_IN] = { "postern_tls_in_total", false,
                      "TLS handshakes with clients that succeeded." },
    [STAT_TLS_IN_RESUMED] = { "postern_tls_in_resumed_total", false,
                              "TLS handshakes with clients that resumed a session." },
    [STAT_TLS_IN_FAILED] = { "postern_tls_in_failed_total", false,
                             "TLS handshakes with clients that failed." },
    [STAT_MAIL_IN] = { "postern_mail_in_total", false, "Messages that were accepted." },
    [STAT_MAIL_IN_PLAINTEXT] = { "postern_mail_in_plaintext_total", false,
                                 "Messages that were accepted without TLS." },
    [STAT_MAIL_IN_BYTES] = { "postern_mail_in_bytes_total", false,
                             "Bytes of messages that were accepted." },
    [STAT_MAIL_REFUSED] = { "postern_mail_refused_total", false,
                            "Messages that were refused for good (5xx)." },
    [STAT_MAIL_TEMPFAIL] = { "postern_mail_tempfail_total", false,
                             "Messages that were refused for now (4xx)." },
    [STAT_RCPT_IN] = { "postern_recipients_in_total", false, "Recipients of accepted messages." },
    [STAT_RELAY_DENIED] = { "postern_relay_denied_total", false,
                            "Recipients that this client may not send to." },
    [STAT_SMUGGLING] = { "postern_smuggling_total", false,
                         "Connections closed for a bare CR or LF in a body." },
    [STAT_INJECTION] = { "postern_injection_total", false,
                         "Connections closed for bytes sent behind STARTTLS." },
    [STAT_SESSIONS_OUT] = { "postern_sessions_out_total", false, "Outgoing sessions begun." },
    [STAT_SESSIONS_OUT_OPEN] = { "postern_sessions_out_open", true, "Outgoing sessions now." },
    [STAT_SESSIONS_OUT_FAILED] = { "postern_sessions_out_failed_total", false,
                                   "Outgoing sessions that failed before any mail could pass." },
    [STAT_TLS_OUT] = { "postern_tls_out_total", false, "Outgoing TLS handshakes that succeeded." },
    [STAT_TLS_OUT_RESUMED] = { "postern_tls_out_resumed_total", false,
                               "Outgoing TLS handshakes that resumed a session." },
    [STAT_TLS_OUT_FAILED] = { "postern_tls_out_failed_total", false,
                              "Outgoing TLS handshakes that failed." },
    [STAT_PLAINTEXT_OUT] = { "postern_plaintext_out_total", false,
                             "Outgoing sessions that sent mail without TLS." },
    [STAT_PLAINTEXT_AFTER_TLS_FAILED] = { "postern_plaintext_after_tls_failed_total", false,
                                          "Outgoing sessions without TLS because TLS had failed." },
    [STAT_DELIVERED] = { "postern_delivered_total", false, "Recipients that were delivered." },
    [STAT_DELIVERED_PLAINTEXT] = { "postern_delivered_plaintext_total", false,
                                   "Recipients that were delivered without TLS." },
    [STAT_DELIVERED_LOCAL] = { "postern_delivered_local_total", false,
                               "Recipients that were delivered on this machine." },
    [STAT_DEFERRED] = { "postern_deferred_total", false, "Attempts that will be made again." },
    [STAT_BOUNCED] = { "postern_bounced_total", false, "Recipients that failed for good." },
    [STAT_DSN_SENT] = { "postern_dsn_sent_total", false, "Delivery status notifications made." },
    [STAT_EXPIRED] = { "postern_expired_total", false, "Recipients given up by age." },
    [STAT_ACTIVE] = { "postern_active_recipients", true, "Recipients loaded for delivery now." },
    [STAT_BODY_MEMORY] = { "postern_body_memory_bytes", true, "Bytes of bodies in memory now." },
    [STAT_DESTINATIONS] = { "postern_destinations", true,
                            "Destinations with mail or sessions now." },
    [STAT_DESTINATIONS_DEAD] = { "postern_destinations_dead", true,
                                 "Destinations that rest after failures now." },
    [STAT_STORE_COMMITS] = { "postern_store_commits_total", false, "Commits of the store." },
    [STAT_STORE_FAILURES] = { "postern_store_failures_total", false,
                              "Commits of the store that failed." },
    [STAT_STORE_UNTRUSTED] = { "postern_store_untrusted_total", false,
                               "Times that a store was no longer trusted after an I/O error." },
    [STAT_LEASES_LOST] = { "postern_leases_lost_total", false,
                           "Results that came after their lease was gone." },
    [STAT_CONFIG_RELOADS] = { "postern_config_reloads_total", false, "Configurations taken over." },
    [STAT_WORKER_STARTS] = { "postern_worker_starts_total", false, "Worker processes started." },
};

void stats_set(struct stats *s, enum counter which, uint64_t value)
{
    ASSERT(which < STAT_COUNT_ && table[which].is_gauge);
    __atomic_store_n(&s->row[s->mine].value[which], value, __ATOMIC_RELAXED);
}

uint64_t stats_sum(const struct stats *s, enum counter which)
{
    ASSERT(which < STAT_COUNT_);
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->n; i++)
        sum += __atomic_load_n(&s->row[i].value[which], __ATOMIC_RELAXED);
    return sum;
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
        if (table[i].is_gauge)
            stats_set(s, (enum counter)i, 0);
}

void stats_print(const struct stats *s, struct buf *out)
{
    for (size_t i = 0; i < STAT_COUNT_; i++) {
        const char *name = table[i].name;
        uint64_t sum = stats_sum(s, (enum counter)i);
        buf_putf(out, "# HELP %s %s\n", name, table[i].help);
        buf_putf(out, "# TYPE %s %s\n", name, table[i].is_gauge ? "gauge" : "counter");
        if (table[i].is_gauge) /* for a moment the sum of two workers can be below zero */
            buf_putf(out, "%s %" PRId64 "\n", name, (int64_t)sum);
        else
            buf_putf(out, "%s %" PRIu64 "\n", name, sum);
    }
}
