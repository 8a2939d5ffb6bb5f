#include "gate/limits.h"
#include "base/when.h"
#include "mail/envelope.h"
#include <inttypes.h>
#include <stdio.h>

/* Start at the table. Below it: setting and printing, then the counting of clients. */

enum { KIB = 1024, MIB = 1024 * KIB };
#define GIB ((uint64_t)1024 * MIB)

/* A row for a member of struct limits; its type is taken from the declaration. */
#define HAS_TYPE(member, type)                                                                     \
    __builtin_types_compatible_p(typeof(((struct limits *)0)->member), type)
#define ROW(row_name, member, row_unit, row_fallback, row_least, row_most, row_reason)             \
    {                                                                                              \
        .name = (row_name), .unit = LIMIT_##row_unit, .offset = offsetof(struct limits, member),   \
        .is_int64 = HAS_TYPE(member, int64_t), .is_unsigned = HAS_TYPE(member, unsigned),          \
        .fallback = (row_fallback), .least = (row_least), .most = (row_most),                      \
        .reason = (row_reason),                                                                    \
    }

enum { MS_MIN = 100, MS_MAX = DAY_MS, RATE_MAX = 60000 };

/* What a client may send, how long it may take, what all of them may take together; then delivery.
 */
static const struct limit_row table[] = {
    ROW("message_size", in.message_bytes, BYTES, 50 * MIB, 64 * KIB, GIB,
        "the largest message; announced as SIZE. The big providers take 25M to 150M"),
    ROW("text_line", in.text_line_bytes, BYTES, 0, 0, GIB,
        "the longest line of a message, 0: any. Real mail has lines over 1000 bytes, and none is "
        "kept in memory"),
    ROW("command_line", in.command_bytes, BYTES, 4 * KIB, KIB, 64 * KIB,
        "the longest command: 512 bytes by RFC 5321 4.5.3.1.4, and what DSN, SIZE and SMTPUTF8 "
        "add to it"),
    ROW("recipients", in.rcpts, COUNT, 1000, 100, RCPTS_MAX,
        "of one transaction; RFC 5321 4.5.3.1.8 asks for 100 at least"),
    ROW("errors", in.errors, COUNT, 20, 1, 10000,
        "commands refused by syntax or order before 421: a client that errs more is broken or "
        "looks for holes"),
    ROW("idle_commands", in.commands_idle, COUNT, 100, 5, 100000,
        "NOOP, RSET, VRFY and EHLO without a mail before 421: enough for every probe"),
    ROW("messages_per_connection", in.messages, COUNT, 1000, 1, 1000000,
        "then 421, so that a busy client comes to a worker with less to do"),
    ROW("hops", hops, COUNT, 50, 10, 1000,
        "Received fields before a message counts as a loop: more than any honest path has, and "
        "half of what RFC 5321 6.3 calls normal, because a loop costs twice as much at 100"),
    ROW("first_command", in.greeting_wait_ms, MS, 30 * SECOND_MS, MS_MIN, MS_MAX,
        "for the first command: whoever connects has something to say"),
    ROW("command", in.command_ms, MS, 5 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the next command; RFC 5321 4.5.3.2.7"),
    ROW("data", in.data_ms, MS, 3 * MINUTE_MS, MS_MIN, MS_MAX,
        "between two pieces of a body; a client waits as long for us, RFC 5321 4.5.3.2.5"),
    ROW("body", in.body_total_ms, MS, HOUR_MS, MS_MIN, MS_MAX,
        "for one whole body: 50M at 14 kB a second, and the end of a trickle"),
    ROW("handshake", in.handshake_ms, MS, 60 * SECOND_MS, MS_MIN, MS_MAX,
        "from STARTTLS to the end of the handshake"),
    ROW("commit", commit_ms, MS, 5 * MINUTE_MS, MS_MIN, MS_MAX,
        "for a whole message to be on disk, then 421; a client waits 10 minutes, RFC 5321 "
        "4.5.3.2.6. What is stored later is delivered, and may come again"),
    ROW("session", in.session_ms, MS, 2 * HOUR_MS, MS_MIN, 7 * (uint64_t)DAY_MS,
        "for everything on one connection"),
    ROW("connections", connections, COUNT, 4000, 1, RATE_MAX,
        "of one worker at once; with file descriptors and memory for each"),
    ROW("connections_per_address", connections_per_address, COUNT, 50, 1, RATE_MAX,
        "at once from one address (IPv6: its /64), all workers together; not for `networks`"),
    ROW("connection_rate", connection_rate, COUNT, 300, 1, RATE_MAX,
        "new connections a minute from one address, all workers together; not for `networks`"),
    ROW("message_rate", message_rate, COUNT, 3000, 1, RATE_MAX,
        "messages a minute from one address, all workers together; not for `networks`"),
    ROW("body_memory", body_memory_bytes, BYTES, 12 * MIB, MIB, 64 * GIB,
        "bodies that one worker keeps in memory; what is above goes to disk at once"),
    ROW("active_recipients", active_recipients, COUNT, 20000, 100, 10000000,
        "loaded for delivery by one worker, about 1 kB each; the rest waits in the store"),
    ROW("out_connect", connect_ms, MS, 30 * SECOND_MS, MS_MIN, MS_MAX,
        "to connect to a host, all its addresses together"),
    ROW("out_greeting", out.greeting_ms, MS, 5 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the greeting; RFC 5321 4.5.3.2.1"),
    ROW("out_helo", out.helo_ms, MS, 5 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the answer to EHLO; as for MAIL"),
    ROW("out_starttls", out.starttls_ms, MS, 2 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the answer to STARTTLS, which costs the server nothing"),
    ROW("out_handshake", handshake_ms, MS, 60 * SECOND_MS, MS_MIN, MS_MAX, "for the TLS handshake"),
    ROW("out_mail", out.mail_ms, MS, 5 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the answer to MAIL; RFC 5321 4.5.3.2.2"),
    ROW("out_rcpt", out.rcpt_ms, MS, 5 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the answer to each RCPT; RFC 5321 4.5.3.2.3"),
    ROW("out_data", out.data_ms, MS, 2 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the answer to DATA; RFC 5321 4.5.3.2.4"),
    ROW("out_block", out.block_ms, MS, 3 * MINUTE_MS, MS_MIN, MS_MAX,
        "for a piece of the body to be taken; RFC 5321 4.5.3.2.5"),
    ROW("out_end", out.end_ms, MS, 10 * MINUTE_MS, MS_MIN, MS_MAX,
        "for the answer to a whole body: giving up early makes duplicates; RFC 5321 4.5.3.2.6"),
    ROW("out_quit", out.quit_ms, MS, 10 * SECOND_MS, MS_MIN, MS_MAX,
        "for the answer to QUIT, which changes nothing"),
    ROW("out_idle", idle_session_ms, MS, 5 * SECOND_MS, 0, HOUR_MS,
        "that a session stays open for more mail: long enough to save handshakes, short enough "
        "not to hold a server's slot"),
    ROW("out_messages", messages_per_session, COUNT, 100, 1, 1000000,
        "on one outgoing session; many servers hang up after about as many"),
    ROW("out_recipients", rcpts_per_transaction, COUNT, 100, 1, 100000,
        "of one outgoing transaction: what RFC 5321 4.5.3.1.8 lets every server take"),
};

const struct limit_row *limits_table(size_t *ret_n)
{
    *ret_n = COUNTOF(table);
    return table;
}

static void row_store(struct limits *l, const struct limit_row *row, uint64_t value)
{
    ASSERT(value >= row->least && value <= row->most);
    char *to = (char *)l + row->offset;
    if (row->is_unsigned)
        memcpy(to, &(unsigned){ (unsigned)value }, sizeof(unsigned));
    else /* an int64_t, too: most is far below its end */
        memcpy(to, &value, sizeof value);
}

void limits_defaults(struct limits *l)
{
    *l = (struct limits){ 0 };
    for (size_t i = 0; i < COUNTOF(table); i++)
        row_store(l, &table[i], table[i].fallback);
}

enum err limits_set(struct limits *l, struct span name, uint64_t value,
                    const struct limit_row **ret_row)
{
    for (size_t i = 0; i < COUNTOF(table); i++) {
        const struct limit_row *row = &table[i];
        if (!span_eq(name, span_z(row->name)))
            continue;
        *ret_row = row;
        if (value < row->least || value > row->most)
            return ERR_TOO_BIG;
        row_store(l, row, value);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

const char *limit_text(const struct limit_row *row, uint64_t value, char ret[static LIMIT_TEXT_MAX])
{
    static const struct {
        enum limit_unit unit;
        uint64_t size;
        const char *suffix;
    } units[] = {
        { LIMIT_BYTES, GIB, "G" },    { LIMIT_BYTES, MIB, "M" },  { LIMIT_BYTES, KIB, "K" },
        { LIMIT_MS, DAY_MS, "d" },    { LIMIT_MS, HOUR_MS, "h" }, { LIMIT_MS, MINUTE_MS, "m" },
        { LIMIT_MS, SECOND_MS, "s" }, { LIMIT_MS, 1, "ms" },
    };
    const char *suffix = "";
    for (size_t i = 0; i < COUNTOF(units); i++) {
        if (units[i].unit != row->unit || value % units[i].size != 0 || value == 0)
            continue;
        suffix = units[i].suffix;
        value /= units[i].size;
        break;
    }
    if (value == 0 && row->unit == LIMIT_MS)
        suffix = "s";
    snprintf(ret, LIMIT_TEXT_MAX, "%" PRIu64 "%s", value, suffix);
    return ret;
}

void limits_print(struct buf *out)
{
    buf_putf(out, "| limit | default | least | most | reason |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNTOF(table); i++) {
        const struct limit_row *row = &table[i];
        char fallback[LIMIT_TEXT_MAX], least[LIMIT_TEXT_MAX], most[LIMIT_TEXT_MAX];
        buf_putf(out, "| `%s` | %s | %s | %s | %s |\n", row->name,
                 limit_text(row, row->fallback, fallback), limit_text(row, row->least, least),
                 limit_text(row, row->most, most), row->reason);
    }
}

/* --- clients --- */

/* A minute's counts stand at [minute & 1]; the part's `minute` says which minute that is. */

static uint16_t get(const uint16_t *slot)
{
    return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

/* Only the part's own worker writes, so no addition is lost. */
static void put(uint16_t *slot, unsigned value)
{
    __atomic_store_n(slot, value > UINT16_MAX ? UINT16_MAX : (uint16_t)value, __ATOMIC_RELAXED);
}

enum counted { COUNT_CONNECTIONS, COUNT_MAILS };

static uint16_t *minute_slot(struct clients_part *p, enum counted what, int64_t minute, size_t slot)
{
    return what == COUNT_MAILS ? &p->mails[minute & 1][slot] : &p->rate[minute & 1][slot];
}

static void wipe_minute(struct clients_part *p, int64_t minute)
{
    for (size_t i = 0; i < CLIENTS_SLOTS; i++) {
        put(&p->rate[minute & 1][i], 0);
        put(&p->mails[minute & 1][i], 0);
    }
}

/* Begins a minute in our own part. A clock that was set back or far ahead begins from nothing. */
static void roll(struct clients_part *p, int64_t minute)
{
    int64_t was = __atomic_load_n(&p->minute, __ATOMIC_RELAXED);
    if (was == minute)
        return;
    wipe_minute(p, minute);
    if (was != minute - 1)
        wipe_minute(p, minute - 1);
    __atomic_store_n(&p->minute, minute, __ATOMIC_RELAXED);
}

static struct clients_part *own_part(const struct clients *c)
{
    ASSERT(c->part && c->mine < c->n);
    return &c->part[c->mine];
}

static size_t slot_of(const struct clients *c, const struct ip *client)
{
    struct ip ip = *client;
    ip_fold(&ip);
    char key[9] = { (char)ip.family };
    memcpy(key + 1, ip.a, ip.family == IP_V4 ? 4 : 8); /* IPv6: the /64 */
    return span_hash(&c->key, span_of(key, sizeof key)) % CLIENTS_SLOTS;
}

static bool is_exempt(const struct limits *l, const struct ip *client)
{
    struct ip ip = *client;
    ip_fold(&ip);
    for (unsigned i = 0; i < l->n_exempt; i++)
        if (ip_net_has(&l->exempt[i], &ip))
            return true;
    return false;
}

static uint64_t connections_of(const struct clients *c, size_t slot)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < c->n; i++)
        sum += get(&c->part[i].connections[slot]);
    return sum;
}

/* What a slot counted in the last 60 seconds, by all workers: all of this minute, and of the last
 * the share that is not yet a minute ago. */
static uint64_t rate_of(const struct clients *c, enum counted what, size_t slot, int64_t now_ms)
{
    int64_t minute = now_ms / MINUTE_MS;
    uint64_t current = 0, last = 0;
    for (unsigned i = 0; i < c->n; i++) {
        struct clients_part *p = &c->part[i];
        int64_t has = __atomic_load_n(&p->minute, __ATOMIC_RELAXED);
        if (has == minute)
            current += get(minute_slot(p, what, minute, slot));
        if (has == minute || has == minute - 1)
            last += get(minute_slot(p, what, minute - 1, slot));
    }
    return current + last * (uint64_t)(MINUTE_MS - now_ms % MINUTE_MS) / MINUTE_MS;
}

/* Counts one of `what` in this minute, by our own part. */
static void count_now(struct clients *c, enum counted what, size_t slot, int64_t now_ms)
{
    ASSERT(now_ms >= 0);
    struct clients_part *own = own_part(c);
    int64_t minute = now_ms / MINUTE_MS;
    roll(own, minute);
    uint16_t *n = minute_slot(own, what, minute, slot);
    put(n, get(n) + 1u);
}

enum err clients_take(struct clients *c, const struct ip *ip, const struct limits *l,
                      int64_t now_ms)
{
    size_t slot = slot_of(c, ip);
    count_now(c, COUNT_CONNECTIONS, slot, now_ms);
    uint16_t *open = &own_part(c)->connections[slot];
    if (get(open) == UINT16_MAX)
        return ERR_REFUSED;
    if (!is_exempt(l, ip) && (connections_of(c, slot) >= l->connections_per_address ||
                              rate_of(c, COUNT_CONNECTIONS, slot, now_ms) > l->connection_rate))
        return ERR_REFUSED;
    put(open, get(open) + 1u);
    return ERR_OK;
}

void clients_drop(struct clients *c, const struct ip *ip)
{
    uint16_t *open = &own_part(c)->connections[slot_of(c, ip)];
    ASSERT(get(open) > 0);
    put(open, get(open) - 1u);
}

enum err clients_mail(struct clients *c, const struct ip *ip, const struct limits *l,
                      int64_t now_ms)
{
    size_t slot = slot_of(c, ip);
    count_now(c, COUNT_MAILS, slot, now_ms);
    bool well = is_exempt(l, ip) || rate_of(c, COUNT_MAILS, slot, now_ms) <= l->message_rate;
    return well ? ERR_OK : ERR_REFUSED;
}
