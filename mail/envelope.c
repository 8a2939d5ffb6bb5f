/* One table names every key of the message's line, for printing and for reading. */
#include "mail/envelope.h"

#include "base/enc.h"
#include "base/log.h"
#include "mail/addr.h"
#include "mail/header.h"
#include "mail/text.h"

const struct notify_word notify_words[NOTIFY_WORDS] = {
    { NOTIFY_NEVER, "NEVER" },
    { NOTIFY_SUCCESS, "SUCCESS" },
    { NOTIFY_FAILURE, "FAILURE" },
    { NOTIFY_DELAY, "DELAY" },
};

enum {
    ESCAPED = 4, /* \xHH */
    ENVID_MAX = 300,
    ORCPT_MAX = 1200,
    HELO_MAX = 255,
    PAIR_BYTES_MAX = 40, /* key, quotes and a number */
};

enum kind { KIND_ID, KIND_I64, KIND_U64, KIND_UINT, KIND_FLAG, KIND_RET, KIND_BODY, KIND_TEXT };

struct key {
    const char *name;
    enum kind kind;
    size_t at, max; /* max: of KIND_TEXT, in bytes */
    bool must;
};

#define AT(member) offsetof(struct envelope, member)
static const struct key keys[] = {
    { "id", KIND_ID, AT(id), 0, true },
    { "accepted", KIND_I64, AT(accepted_ms), 0, true },
    { "size", KIND_U64, AT(size), 0, true },
    { "from", KIND_TEXT, AT(from), ADDR_BYTES_MAX, true },
    { "envid", KIND_TEXT, AT(envid), ENVID_MAX, false },
    { "ret", KIND_RET, AT(ret), 0, true },
    { "body", KIND_BODY, AT(body_kind), 0, true },
    { "utf8", KIND_FLAG, AT(smtputf8), 0, true },
    { "eight", KIND_FLAG, AT(eight_bit), 0, true },
    { "requiretls", KIND_FLAG, AT(requiretls), 0, true },
    { "tlsno", KIND_FLAG, AT(tls_required_no), 0, true },
    { "hops", KIND_UINT, AT(hops), 0, true },
    { "helo", KIND_TEXT, AT(helo), HELO_MAX, false },
    { "client", KIND_TEXT, AT(client), IP_TEXT_MAX, false },
    { "msgid", KIND_TEXT, AT(message_id), HEADER_VALUE_MAX, false },
    { "org", KIND_TEXT, AT(org), ENVELOPE_ORG_MAX, false },
    { "connector", KIND_TEXT, AT(connector), ENVELOPE_CONNECTOR_MAX, false },
    { "rule", KIND_TEXT, AT(rule), ENVELOPE_CONNECTOR_MAX, false },
    { "onprem", KIND_FLAG, AT(from_on_premises), 0, false },
    { "promoted", KIND_TEXT, AT(promoted), ENVELOPE_ORG_MAX, false },
};
#undef AT

STATIC_ASSERT(ESCAPED *(ADDR_BYTES_MAX + ENVID_MAX + HELO_MAX + IP_TEXT_MAX + HEADER_VALUE_MAX +
                        2 * ENVELOPE_ORG_MAX + 2 * ENVELOPE_CONNECTOR_MAX) +
                  COUNTOF(keys) * PAIR_BYTES_MAX + TLS_FACTS_TEXT_MAX <=
              ENVELOPE_TEXT_MAX);
STATIC_ASSERT(ESCAPED *(ADDR_BYTES_MAX + DOMAIN_BYTES_MAX + ORCPT_MAX) + 4 * PAIR_BYTES_MAX <=
              ENVELOPE_TEXT_MAX);
STATIC_ASSERT(COUNTOF(keys) <= 32);
STATIC_ASSERT(sizeof(enum dsn_ret) == sizeof(unsigned));

static const char *const ret_names[] = {
    [DSN_RET_NONE] = "none", [DSN_RET_FULL] = "full", [DSN_RET_HDRS] = "hdrs"
};
static const char *const body_names[] = {
    [BODY_7BIT] = "7bit", [BODY_8BITMIME] = "8bitmime", [BODY_BINARYMIME] = "binarymime"
};

static void print_key(const struct key *k, const void *member, struct buf *out)
{
    char id[ID_BYTES_MAX];
    switch (k->kind) {
    case KIND_ID:
        kv_str(out, k->name, span_z(id_text(*(const uint64_t *)member, id)));
        return;
    case KIND_I64:
        kv_num(out, k->name, *(const int64_t *)member);
        return;
    case KIND_U64:
        ASSERT(*(const uint64_t *)member <= INT64_MAX);
        kv_num(out, k->name, (int64_t) * (const uint64_t *)member);
        return;
    case KIND_UINT:
        kv_num(out, k->name, *(const unsigned *)member);
        return;
    case KIND_FLAG:
        if (k->must || *(const bool *)member)
            kv_str(out, k->name, *(const bool *)member ? SPAN("yes") : SPAN("no"));
        return;
    case KIND_RET:
        kv_str(out, k->name, span_z(ret_names[*(const enum dsn_ret *)member]));
        return;
    case KIND_BODY:
        kv_str(out, k->name, span_z(body_names[*(const enum body_kind *)member]));
        return;
    case KIND_TEXT:
        break;
    }
    struct span s = text_cut(*(const struct span *)member, k->max);
    if (s.n > 0 || k->must)
        kv_str(out, k->name, s);
}

void envelope_print(const struct envelope *e, struct buf *out)
{
    ASSERT(buf_room(out) >= ENVELOPE_TEXT_MAX);
    for (size_t i = 0; i < COUNTOF(keys); i++)
        print_key(&keys[i], (const char *)e + keys[i].at, out);
    tls_facts_print(&e->tls, out);
}

static enum err read_i64(struct span s, int64_t *ret)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t n = 0;
    if (span_u64(minus ? span_tail(s, 1) : s, INT64_MAX, &n) != ERR_OK)
        return ERR_SYNTAX;
    *ret = minus ? -(int64_t)n : (int64_t)n;
    return ERR_OK;
}

static enum err read_name(struct span s, const char *const *names, size_t n, unsigned *ret)
{
    for (unsigned i = 0; i < n; i++)
        if (span_eq(s, span_z(names[i]))) {
            *ret = i;
            return ERR_OK;
        }
    return ERR_SYNTAX;
}

static enum err read_u64(struct span s, uint64_t max, uint64_t *ret)
{
    return span_u64(s, max, ret) == ERR_OK ? ERR_OK : ERR_SYNTAX;
}

static enum err read_flag(struct span s, bool *ret)
{
    static const char *const names[] = { "no", "yes" };
    unsigned flag = 0;
    TRY(read_name(s, names, COUNTOF(names), &flag));
    *ret = flag == 1;
    return ERR_OK;
}

static enum err read_text(struct span s, size_t max, struct arena *a, struct span *ret)
{
    return s.n > max ? ERR_TOO_BIG : arena_try_span(a, s, ret);
}

static enum err read_key(const struct key *k, struct span s, struct arena *a, void *member)
{
    uint64_t n = 0;
    switch (k->kind) {
    case KIND_ID:
        return id_parse(s, member);
    case KIND_I64:
        return read_i64(s, member);
    case KIND_U64:
        return read_u64(s, INT64_MAX, member);
    case KIND_UINT:
        TRY(read_u64(s, UINT32_MAX, &n));
        *(unsigned *)member = (unsigned)n;
        return ERR_OK;
    case KIND_FLAG:
        return read_flag(s, member);
    case KIND_RET:
        return read_name(s, ret_names, COUNTOF(ret_names), member);
    case KIND_BODY:
        return read_name(s, body_names, COUNTOF(body_names), member);
    case KIND_TEXT:
        break;
    }
    return read_text(s, k->max, a, member);
}

static const struct key *find_key(struct span name)
{
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (span_eq(name, span_z(keys[i].name)))
            return &keys[i];
    return NULL;
}

static enum err read_pairs(struct span line, struct buf *value, struct arena *a, struct envelope *e)
{
    uint32_t seen = 0;
    struct span name;
    enum err end;
    while ((end = kv_next(&line, &name, value)) == ERR_OK) {
        const struct key *k = find_key(name);
        if (!k)
            continue;
        uint32_t bit = 1u << (k - keys);
        if (seen & bit)
            return ERR_SYNTAX;
        seen |= bit;
        TRY(read_key(k, buf_span(value), a, (char *)e + k->at));
    }
    if (end != ERR_NOT_FOUND)
        return end;
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (keys[i].must && !(seen & 1u << i))
            return ERR_SYNTAX;
    return ERR_OK;
}

enum err envelope_read(struct span line, struct arena *a, struct envelope *ret)
{
    struct envelope e = { .id = 0 };
    struct buf value;
    if (line.n > ENVELOPE_TEXT_MAX)
        return ERR_TOO_BIG;
    buf_init(&value, ENVELOPE_TEXT_MAX);
    enum err end = read_pairs(line, &value, a, &e);
    buf_done(&value);
    TRY(end);
    TRY(tls_facts_read(line, a, &e.tls));
    e.rcpt = ret->rcpt;
    e.n_rcpt = ret->n_rcpt;
    *ret = e;
    return ERR_OK;
}

void rcpt_print(const struct rcpt *r, struct buf *out)
{
    ASSERT(buf_room(out) >= ENVELOPE_TEXT_MAX);
    kv_str(out, "addr", text_cut(r->addr, ADDR_BYTES_MAX));
    kv_str(out, "domain", text_cut(r->domain, DOMAIN_BYTES_MAX));
    if (r->orcpt.n > 0)
        kv_str(out, "orcpt", text_cut(r->orcpt, ORCPT_MAX));
    kv_num(out, "notify", r->notify);
}

static enum err read_rcpt_pair(struct span name, struct span value, struct arena *a, struct rcpt *r)
{
    uint64_t n = 0;
    if (span_eq(name, SPAN("addr")))
        return read_text(value, ADDR_BYTES_MAX, a, &r->addr);
    if (span_eq(name, SPAN("domain")))
        return read_text(value, DOMAIN_BYTES_MAX, a, &r->domain);
    if (span_eq(name, SPAN("orcpt")))
        return read_text(value, ORCPT_MAX, a, &r->orcpt);
    if (!span_eq(name, SPAN("notify")))
        return ERR_OK;
    TRY(read_u64(value, NOTIFY_NEVER | NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, &n));
    r->notify = (unsigned)n;
    return ERR_OK;
}

static enum err read_rcpt_pairs(struct span line, struct buf *value, struct arena *a,
                                struct rcpt *r)
{
    struct span name;
    enum err end;
    while ((end = kv_next(&line, &name, value)) == ERR_OK)
        TRY(read_rcpt_pair(name, buf_span(value), a, r));
    if (end != ERR_NOT_FOUND)
        return end;
    return r->addr.n > 0 ? ERR_OK : ERR_SYNTAX;
}

enum err rcpt_read(struct span line, struct arena *a, struct rcpt *ret)
{
    struct rcpt r = { .notify = 0 };
    struct buf value;
    if (line.n > ENVELOPE_TEXT_MAX)
        return ERR_TOO_BIG;
    buf_init(&value, ENVELOPE_TEXT_MAX);
    enum err end = read_rcpt_pairs(line, &value, a, &r);
    buf_done(&value);
    TRY(end);
    *ret = r;
    return ERR_OK;
}
