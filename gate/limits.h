/* limits.h - every limit of the gateway in one table, with its default and its reason, and the
 * counting of what one client address may do.
 *
 * The table (limits.c) is what `postern config limits` and docs/limits.md print. A limit is set in
 * the `limits { }` block under its name.
 */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include "base/map.h"
#include "mail/ip.h"
#include "proto/smtpc.h"
#include "proto/smtpd.h"

struct limits {
    struct smtpd_limits in;
    struct smtpc_limits out;
    uint64_t connections;             /* a worker, all clients */
    uint64_t connections_per_address; /* all workers together */
    uint64_t connection_rate;         /* new ones a minute and address, all workers together */
    uint64_t message_rate;            /* mails a minute and address */
    uint64_t body_memory_bytes;       /* bodies kept in memory by a worker */
    uint64_t active_recipients;       /* loaded for delivery by a worker */
    uint64_t hops;                    /* Received fields before it is a loop */
    int64_t commit_ms;                /* from the end of a message to its place on disk */
    int64_t connect_ms;               /* to one set of addresses of a host */
    int64_t handshake_ms;             /* as a client */
    int64_t idle_session_ms;          /* an outgoing session waits for more mail */
    uint64_t messages_per_session;    /* outgoing */
    uint64_t rcpts_per_transaction;   /* outgoing */
    const struct ip_net *exempt;      /* what is per address does not bind these: trusted relays */
    unsigned n_exempt;
};

enum limit_unit { LIMIT_COUNT, LIMIT_BYTES, LIMIT_MS };

struct limit_row {
    const char *name; /* "message_size" */
    enum limit_unit unit;
    size_t offset;              /* of the member in struct limits */
    bool is_int64, is_unsigned; /* type of the member; else uint64_t */
    uint64_t fallback, least, most;
    const char *reason;
};
/* The table and its length. */
const struct limit_row *limits_table(size_t *ret_n);
void limits_defaults(struct limits *l);
/* ERR_NOT_FOUND: no such limit. ERR_TOO_BIG: outside least..most (*ret_row says which). */
MUST_USE enum err limits_set(struct limits *l, struct span name, uint64_t value,
                             const struct limit_row **ret_row);
enum { LIMIT_TEXT_MAX = 32, LIMITS_TEXT_MAX = 16 * 1024 };
/* A value as one writes it in the file: "50M", "5m", "1000". Returns ret. */
const char *limit_text(const struct limit_row *row, uint64_t value,
                       char ret[static LIMIT_TEXT_MAX]);
/* The table in Markdown, as docs/limits.md has it; out has room for LIMITS_TEXT_MAX bytes. */
void limits_print(struct buf *out);

/* --- what one address does: connections now, and rates ---
 *
 * Shared by all workers through memory that the supervisor made; each worker writes its own part,
 * so that a dead worker's part can be wiped. */

enum { CLIENTS_SLOTS = 16384 };
struct clients_part { /* one per worker */
    uint16_t connections[CLIENTS_SLOTS];
    uint16_t rate[2][CLIENTS_SLOTS]; /* connections this minute and the last */
    uint16_t mails[2][CLIENTS_SLOTS];
    int64_t minute;
};
struct clients {
    struct clients_part *part; /* n of them */
    unsigned n, mine;
    struct hash_key key; /* the same in all workers */
};
/* An address (IPv6: its /64) takes a connection. ERR_REFUSED: too many at once or a minute; nothing
 * is counted then but the rate. Exempt addresses are counted like others and not refused. now_ms:
 * wall. Addresses share a slot when their hashes do: then their counts are one. */
MUST_USE enum err clients_take(struct clients *c, const struct ip *ip, const struct limits *l,
                               int64_t now_ms);
void clients_drop(struct clients *c, const struct ip *ip);
MUST_USE enum err clients_mail(struct clients *c, const struct ip *ip, const struct limits *l,
                               int64_t now_ms);

#endif
