#include "mail/seal.h"

#include "base/enc.h"
#include "base/when.h"
#include "mail/addr.h"
#include <inttypes.h>

#define NAME "Postern-Attribution:"
#define ALGORITHM "ed25519-sha256"

enum { LINE_WANTED = 72 };
#define DATE_MAX_S UINT64_C(253402300799) /* of the year 9999 */

static const char *const fault_names[SEAL_FAULT_COUNT_] = {
    [SEAL_GOOD] = "none",       [SEAL_MISSING] = "missing",
    [SEAL_SYNTAX] = "syntax",   [SEAL_NODE] = "node",
    [SEAL_DATE] = "date",       [SEAL_UNSIGNED] = "signature",
    [SEAL_CHANGED] = "changed", [SEAL_UNKNOWN] = "organisation",
    [SEAL_TWICE] = "twice",
};

const char *seal_fault_name(enum seal_fault f)
{
    ASSERT((size_t)f < COUNTOF(fault_names));
    return fault_names[f];
}

/* --- values --- */

/* Bytes of the names that configuration allows: none of them ends a value or a line. */
bool seal_label_valid(struct span s, size_t most)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && c != '-' && c != '_' && c != '/')
            return false;
    }
    return s.n <= most;
}

static bool is_node(struct span s)
{
    return s.n <= SEAL_NAME_MAX && domain_valid(s, false) && !domain_is_literal(s);
}

static bool is_whole(const struct seal *s)
{
    return is_node(s->node) && is_node(s->to) && seal_label_valid(s->org, SEAL_ORG_MAX) &&
           seal_label_valid(s->connector, SEAL_CONNECTOR_MAX) &&
           seal_label_valid(s->promoted, SEAL_ORG_MAX) && s->date_ms >= 0 &&
           (uint64_t)s->date_ms / SECOND_MS <= DATE_MAX_S && s->date_ms % SECOND_MS == 0;
}

/* --- keys, in their order --- */

enum key {
    KEY_VERSION,
    KEY_NODE,
    KEY_TO,
    KEY_DATE,
    KEY_ID,
    KEY_ORG,
    KEY_CONNECTOR,
    KEY_PREMISES,
    KEY_PROMOTED,
    KEY_ALGORITHM,
    KEY_DIGEST,
    KEY_SIGNATURE,
    KEY_COUNT_
};

static const char *const keys[KEY_COUNT_] = {
    "v",         "node",     "to",       "date", "id",     "org",
    "connector", "premises", "promoted", "alg",  "digest", "sig",
};

static void put_base64(const uint8_t *p, size_t n, struct buf *out)
{
    enum err e = enc_base64(span_of((const char *)p, n), out);
    ASSERT(e == ERR_OK);
}

static void put_value(const struct seal *s, enum key k, struct buf *out)
{
    const struct span names[KEY_COUNT_] = {
        [KEY_VERSION] = SPAN("1"),
        [KEY_NODE] = s->node,
        [KEY_TO] = s->to,
        [KEY_ORG] = s->org,
        [KEY_CONNECTOR] = s->connector,
        [KEY_PREMISES] = s->on_premises ? SPAN("yes") : SPAN("no"),
        [KEY_PROMOTED] = s->promoted,
        [KEY_ALGORITHM] = SPAN(ALGORITHM),
    };
    char id[ID_BYTES_MAX];
    switch (k) {
    case KEY_DATE:
        buf_putf(out, "%" PRId64, s->date_ms / SECOND_MS);
        return;
    case KEY_ID:
        buf_putf(out, "%s", id_text(s->id, id));
        return;
    case KEY_DIGEST:
        put_base64(s->digest, sizeof s->digest, out);
        return;
    case KEY_SIGNATURE:
        put_base64(s->signature, sizeof s->signature, out);
        return;
    default:
        buf_put(out, names[k]);
    }
}

void seal_text(const struct seal *s, struct buf *out)
{
    ASSERT(is_whole(s));
    buf_put(out, SPAN("postern attribution, version 1\n"));
    for (enum key k = KEY_NODE; k < KEY_SIGNATURE; k++) {
        buf_putf(out, "%s=", keys[k]);
        put_value(s, k, out);
        buf_put(out, SPAN("\n"));
    }
}

void seal_write(const struct seal *s, struct buf *out)
{
    size_t line = sizeof NAME - 1;
    struct buf one;
    ASSERT(is_whole(s));
    buf_init(&one, SEAL_FIELD_MAX);
    buf_put(out, SPAN(NAME));
    for (enum key k = KEY_VERSION; k < KEY_COUNT_; k++) {
        buf_clear(&one);
        buf_putf(&one, "%s=", keys[k]);
        put_value(s, k, &one);
        bool fold = line + 2 + one.n > LINE_WANTED;
        buf_put(out, fold ? SPAN("\r\n ") : SPAN(" "));
        buf_put(out, buf_span(&one));
        buf_put(out, k + 1 < KEY_COUNT_ ? SPAN(";") : SPAN("\r\n"));
        line = (fold ? 0 : line) + 2 + one.n;
    }
    buf_done(&one);
}

/* --- reading --- */

/* Of exactly n bytes. */
static enum err read_base64(struct span s, uint8_t *to, size_t n)
{
    struct buf b;
    buf_init(&b, SEAL_SIGNATURE + 3);
    enum err e = dec_base64(s, &b);
    if (e == ERR_OK && b.n != n)
        e = ERR_SYNTAX;
    if (e == ERR_OK)
        memcpy(to, buf_span(&b).p, n);
    buf_done(&b);
    return e == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

static enum err read_number(struct seal *s, struct span v)
{
    uint64_t date_s;
    if (span_u64(v, DATE_MAX_S, &date_s) != ERR_OK || (v.n > 1 && v.p[0] == '0'))
        return ERR_SYNTAX;
    s->date_ms = (int64_t)date_s * SECOND_MS;
    return ERR_OK;
}

static enum err read_same(struct span v, struct span want)
{
    return span_eq(v, want) ? ERR_OK : ERR_SYNTAX;
}

static enum err read_value(struct seal *s, enum key k, struct span v)
{
    switch (k) {
    case KEY_VERSION:
        return read_same(v, SPAN("1"));
    case KEY_NODE:
        s->node = v;
        return ERR_OK;
    case KEY_TO:
        s->to = v;
        return ERR_OK;
    case KEY_DATE:
        return read_number(s, v);
    case KEY_ID:
        return id_parse(v, &s->id) == ERR_OK ? ERR_OK : ERR_SYNTAX;
    case KEY_ORG:
        s->org = v;
        return ERR_OK;
    case KEY_CONNECTOR:
        s->connector = v;
        return ERR_OK;
    case KEY_PREMISES:
        s->on_premises = span_eq(v, SPAN("yes"));
        return s->on_premises ? ERR_OK : read_same(v, SPAN("no"));
    case KEY_PROMOTED:
        s->promoted = v;
        return ERR_OK;
    case KEY_ALGORITHM:
        return read_same(v, SPAN(ALGORITHM));
    case KEY_DIGEST:
        return read_base64(v, s->digest, sizeof s->digest);
    case KEY_SIGNATURE:
        return read_base64(v, s->signature, sizeof s->signature);
    case KEY_COUNT_:
        break;
    }
    ASSERT(!"a key without a reader");
    return ERR_SYNTAX;
}

/* Behind a colon or semicolon: one blank, or a fold with one. */
static enum err skip_blank(struct span *in)
{
    *in = span_starts(*in, SPAN("\r\n")) ? span_tail(*in, 2) : *in;
    if (!span_starts(*in, SPAN(" ")))
        return ERR_SYNTAX;
    *in = span_tail(*in, 1);
    return ERR_OK;
}

/* "key=value" up to its end, which is cut off. */
static enum err read_pair(struct span *in, enum key k, struct seal *s)
{
    struct span key = span_z(keys[k]);
    char end = k + 1 < KEY_COUNT_ ? ';' : '\r';
    TRY(skip_blank(in));
    if (!span_starts(*in, key) || in->n == key.n || in->p[key.n] != '=')
        return ERR_SYNTAX;
    *in = span_tail(*in, key.n + 1);
    size_t n = span_find(*in, end);
    if (n == in->n)
        return ERR_SYNTAX;
    TRY(read_value(s, k, span_head(*in, n)));
    *in = span_tail(*in, n + 1);
    return ERR_OK;
}

enum err seal_read(struct span field, struct seal *ret)
{
    struct seal s = { .date_ms = 0 };
    if (field.n > SEAL_FIELD_MAX || !span_starts_nocase(field, SPAN(NAME)))
        return ERR_SYNTAX;
    field = span_tail(field, sizeof NAME - 1);
    for (enum key k = KEY_VERSION; k < KEY_COUNT_; k++)
        TRY(read_pair(&field, k, &s));
    if (!span_eq(field, SPAN("\n")) || !is_whole(&s))
        return ERR_SYNTAX;
    *ret = s;
    return ERR_OK;
}

/* --- the front of a message --- */

enum seal_front seal_front(struct span message, size_t *ret_n)
{
    struct span name = SPAN(NAME);
    size_t common = message.n < name.n ? message.n : name.n;
    if (!span_eq_nocase(span_head(message, common), span_head(name, common)))
        return SEAL_FRONT_NONE;
    for (size_t i = name.n; i + 2 < message.n && i <= SEAL_FIELD_MAX; i++) {
        char next = message.p[i + 2];
        if (message.p[i] != '\r' || message.p[i + 1] != '\n' || next == ' ' || next == '\t')
            continue;
        *ret_n = i + 2;
        return *ret_n <= SEAL_FIELD_MAX ? SEAL_FRONT_FIELD : SEAL_FRONT_NONE;
    }
    return message.n > SEAL_FIELD_MAX ? SEAL_FRONT_NONE : SEAL_FRONT_MORE;
}

/* --- names and dates --- */

enum seal_fault seal_judge(const struct seal *s, struct span peer, struct span self, int64_t now_ms,
                           int64_t window_ms)
{
    ASSERT(window_ms >= 0);
    if (!domain_eq(s->node, peer) || !domain_eq(s->to, self))
        return SEAL_NODE;
    bool early = s->date_ms > now_ms && s->date_ms - now_ms > window_ms;
    bool late = s->date_ms < now_ms && now_ms - s->date_ms > window_ms;
    return early || late ? SEAL_DATE : SEAL_GOOD;
}
