#include "policy/facts.h"
#include "base/enc.h"
#include "base/why.h"
#include <inttypes.h>

static const char *const tri_names[] = {
    [TRI_UNKNOWN] = "unknown",
    [TRI_NO] = "no",
    [TRI_YES] = "yes",
};

static const char *const security_names[] = {
    [SECURITY_UNKNOWN] = "unknown",
    [SECURITY_INSECURE] = "insecure",
    [SECURITY_SECURE] = "secure",
    [SECURITY_BOGUS] = "bogus",
};

static const char *const tlsa_states[TLSA_STATE_COUNT_] = {
    [TLSA_NOT_ASKED] = "not-asked", [TLSA_NONE] = "none",   [TLSA_FOUND] = "found",
    [TLSA_FAILED] = "failed",       [TLSA_BOGUS] = "bogus",
};

static const char *const sts_states[STS_STATE_COUNT_] = {
    [STS_NOT_ASKED] = "not-asked", [STS_NONE] = "none",     [STS_TESTING] = "testing",
    [STS_ENFORCE] = "enforce",     [STS_FAILED] = "failed",
};

/* Of the records of an answer those that are not kept: in the text they are numbers. */
enum { RECORDS_COUNTED_MAX = 10000 };

enum kind {
    KIND_TEXT,
    KIND_TIME,
    KIND_PREFERENCE,
    KIND_FLAG,
    KIND_TRI,
    KIND_SECURITY,
    KIND_BREACH,
    KIND_TLSA_STATE,
    KIND_STS_STATE,
    KIND_RECORDS,
    KIND_COUNT,
    KIND_IPS
};

/* One key of a line: printed and read from the same row, so that the two cannot differ. */
struct field {
    const char *key;
    enum kind kind;
    size_t offset; /* in struct facts or struct host_facts */
};

#define FACT(key, kind, member)                                                                    \
    {                                                                                              \
        key, kind, offsetof(struct facts, member)                                                  \
    }
#define HOST(key, kind, member)                                                                    \
    {                                                                                              \
        key, kind, offsetof(struct host_facts, member)                                             \
    }

static const struct field facts_field[] = {
    FACT("domain", KIND_TEXT, domain),
    FACT("now", KIND_TIME, now_ms),
    FACT("configured", KIND_FLAG, configured),
    FACT("mx", KIND_TRI, has_mx),
    FACT("null-mx", KIND_FLAG, null_mx),
    FACT("exists", KIND_TRI, domain_exists),
    FACT("mx-security", KIND_SECURITY, mx_security),
    FACT("failure", KIND_TEXT, dns_failure),
    FACT("expires", KIND_TIME, expires_ms),
};

static const struct field host_field[] = {
    HOST("host", KIND_TEXT, name),
    HOST("preference", KIND_PREFERENCE, preference),
    { "ip", KIND_IPS, 0 }, /* ip[] and n_ip */
    HOST("has-ip", KIND_TRI, has_ip),
    HOST("mx-security", KIND_SECURITY, mx_security),
    HOST("ip-security", KIND_SECURITY, ip_security),
    HOST("tlsa", KIND_TLSA_STATE, tlsa_state),
    HOST("tlsa-records", KIND_RECORDS, tlsa), /* record[] and n */
    HOST("tlsa-unusable", KIND_COUNT, tlsa.n_unusable),
    HOST("tlsa-dropped", KIND_COUNT, tlsa.n_dropped),
    HOST("tlsa-base", KIND_TEXT, tlsa_base),
    HOST("sts", KIND_STS_STATE, sts),
    HOST("sts-match", KIND_TRI, sts_match),
    HOST("sts-domain", KIND_TEXT, sts_domain),
    HOST("sts-id", KIND_TEXT, sts_id),
    HOST("sts-fetched", KIND_TIME, sts_fetched_ms),
    HOST("us", KIND_FLAG, is_us),
    HOST("path", KIND_FLAG, is_path),
    HOST("connected", KIND_TRI, connected),
    HOST("starttls", KIND_TRI, starttls_offered),
    HOST("handshake", KIND_TRI, handshake),
    HOST("requiretls", KIND_TRI, requiretls),
    HOST("channel", KIND_TRI, channel),
    HOST("breach", KIND_BREACH, breach),
    HOST("failure", KIND_TEXT, failure),
};

const char *tri_name(enum tri t)
{
    ASSERT((size_t)t < COUNTOF(tri_names));
    return tri_names[t];
}

/* --- printing */

static void put_text(struct span s, struct buf *out)
{
    s.n = s.n < FACTS_STRING_MAX ? s.n : FACTS_STRING_MAX;
    enum err e = enc_xtext(s, out);
    ASSERT(e == ERR_OK); /* out has FACTS_TEXT_MAX */
}

static void put_ips(const struct host_facts *h, struct buf *out)
{
    char text[IP_TEXT_MAX];
    ASSERT(h->n_ip <= FACTS_IPS_MAX);
    for (unsigned i = 0; i < h->n_ip; i++) {
        const struct ip *ip = &h->ip[i];
        ASSERT(ip->family == IP_V4 || ip->family == IP_V6);
        buf_putf(out, "%s%s", i ? "," : "", ip->port ? ip_port_text(ip, text) : ip_text(ip, text));
    }
}

static void put_records(const struct tlsa_set *set, struct buf *out)
{
    ASSERT(set->n <= TLSA_RECORDS_MAX);
    for (unsigned i = 0; i < set->n; i++) {
        buf_putf(out, "%s", i ? "," : "");
        tlsa_print(&set->record[i], '-', out);
    }
}

static const char *name_at(const char *const *names, size_t n, unsigned i)
{
    ASSERT(i < n);
    return names[i];
}

static unsigned count_shown(unsigned n)
{
    return n < RECORDS_COUNTED_MAX ? n : RECORDS_COUNTED_MAX;
}

static void put_value(enum kind kind, const void *value, struct buf *out)
{
    switch (kind) {
    case KIND_TEXT:
        put_text(*(const struct span *)value, out);
        return;
    case KIND_TIME:
        buf_putf(out, "%" PRId64, *(const int64_t *)value);
        return;
    case KIND_PREFERENCE:
        buf_putf(out, "%u", *(const uint16_t *)value);
        return;
    case KIND_FLAG:
        buf_putf(out, "%s", *(const bool *)value ? "yes" : "no");
        return;
    case KIND_TRI:
        buf_putf(out, "%s", tri_name(*(const enum tri *)value));
        return;
    case KIND_SECURITY:
        buf_putf(out, "%s",
                 name_at(security_names, COUNTOF(security_names), *(const enum security *)value));
        return;
    case KIND_BREACH:
        buf_putf(out, "%s", breach_name(*(const enum breach *)value));
        return;
    case KIND_TLSA_STATE:
        buf_putf(out, "%s",
                 name_at(tlsa_states, COUNTOF(tlsa_states), *(const enum tlsa_state *)value));
        return;
    case KIND_STS_STATE:
        buf_putf(out, "%s",
                 name_at(sts_states, COUNTOF(sts_states), *(const enum sts_state *)value));
        return;
    case KIND_RECORDS:
        put_records(value, out);
        return;
    case KIND_COUNT:
        buf_putf(out, "%u", count_shown(*(const unsigned *)value));
        return;
    case KIND_IPS:
        break;
    }
    ASSERT(kind == KIND_IPS);
    put_ips(value, out);
}

static void put_line(const struct field *field, size_t n, const void *base, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_putf(out, "%s%s=", i ? " " : "", field[i].key);
        put_value(field[i].kind, (const char *)base + field[i].offset, out);
    }
    buf_put(out, SPAN("\n"));
}

void facts_print(const struct facts *f, struct buf *out)
{
    ASSERT(f->n_host <= FACTS_HOSTS_MAX);
    put_line(facts_field, COUNTOF(facts_field), f, out);
    for (unsigned i = 0; i < f->n_host; i++)
        put_line(host_field, COUNTOF(host_field), &f->host[i], out);
}

/* --- reading */

static enum err read_text(struct span s, struct arena *a, struct span *ret)
{
    struct buf plain;
    buf_init(&plain, s.n);
    enum err e = dec_xtext(s, &plain);
    if (e == ERR_OK)
        e = arena_try_span(a, buf_span(&plain), ret);
    buf_done(&plain);
    return e;
}

static enum err read_time(struct span s, int64_t *ret)
{
    bool negative = span_starts(s, SPAN("-"));
    uint64_t n, max = (uint64_t)INT64_MAX + negative;
    if (span_u64(span_tail(s, negative), max, &n) != ERR_OK)
        return ERR_SYNTAX;
    *ret = (int64_t)(negative ? 0 - n : n);
    return ERR_OK;
}

static enum err read_preference(struct span s, uint16_t *ret)
{
    uint64_t n;
    if (span_u64(s, UINT16_MAX, &n) != ERR_OK)
        return ERR_SYNTAX;
    *ret = (uint16_t)n;
    return ERR_OK;
}

/* Which of the names it is. */
static enum err read_name(struct span s, const char *const *names, unsigned n, unsigned *ret)
{
    for (unsigned i = 0; i < n; i++) {
        if (!span_eq(s, span_z(names[i])))
            continue;
        *ret = i;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

static enum err read_ips(struct span s, struct host_facts *ret)
{
    while (s.n > 0) {
        struct ip ip;
        struct span one = span_cut(&s, ',');
        if (ret->n_ip == FACTS_IPS_MAX)
            return ERR_TOO_BIG;
        if (ip_parse(one, &ip) != ERR_OK)
            TRY(ip_parse_port(one, 0, &ip));
        ret->ip[ret->n_ip++] = ip;
    }
    return ERR_OK;
}

/* A record that cannot be used is none that a set keeps. */
static enum err read_records(struct span s, struct arena *a, struct tlsa_set *ret)
{
    while (s.n > 0) {
        struct tlsa t;
        unsigned n = ret->n;
        TRY(tlsa_read(span_cut(&s, ','), '-', a, &t));
        if (!tlsa_usable(&t))
            return ERR_SYNTAX;
        unsigned unkept = ret->n_dropped;
        tlsa_set_add(ret, &t, a);
        if (ret->n == n)
            return ret->n_dropped > unkept ? ERR_TOO_BIG : ERR_SYNTAX;
    }
    return ERR_OK;
}

static enum err read_count(struct span s, unsigned *ret)
{
    uint64_t n;
    if (span_u64(s, RECORDS_COUNTED_MAX, &n) != ERR_OK)
        return ERR_SYNTAX;
    *ret = (unsigned)n;
    return ERR_OK;
}

static enum err read_value(enum kind kind, struct span s, struct arena *a, void *ret)
{
    unsigned i = 0;
    switch (kind) {
    case KIND_TEXT:
        return read_text(s, a, ret);
    case KIND_TIME:
        return read_time(s, ret);
    case KIND_PREFERENCE:
        return read_preference(s, ret);
    case KIND_FLAG:
        TRY(read_name(s, tri_names + TRI_NO, 2, &i));
        *(bool *)ret = i > 0;
        return ERR_OK;
    case KIND_TRI:
        TRY(read_name(s, tri_names, COUNTOF(tri_names), &i));
        *(enum tri *)ret = (enum tri)i;
        return ERR_OK;
    case KIND_SECURITY:
        TRY(read_name(s, security_names, COUNTOF(security_names), &i));
        *(enum security *)ret = (enum security)i;
        return ERR_OK;
    case KIND_BREACH:
        return breach_read(s, ret);
    case KIND_TLSA_STATE:
        TRY(read_name(s, tlsa_states, COUNTOF(tlsa_states), &i));
        *(enum tlsa_state *)ret = (enum tlsa_state)i;
        return ERR_OK;
    case KIND_STS_STATE:
        TRY(read_name(s, sts_states, COUNTOF(sts_states), &i));
        *(enum sts_state *)ret = (enum sts_state)i;
        return ERR_OK;
    case KIND_RECORDS:
        return read_records(s, a, ret);
    case KIND_COUNT:
        return read_count(s, ret);
    case KIND_IPS:
        break;
    }
    ASSERT(kind == KIND_IPS);
    return read_ips(s, ret);
}

static const struct field *find_field(const struct field *field, size_t n, struct span key)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(key, span_z(field[i].key)))
            return &field[i];
    }
    return NULL;
}

/* Reads key=value pairs into base. Each key at most once: two values cannot both be true. */
static enum err read_line(struct span line, const struct field *field, size_t n, struct arena *a,
                          void *base, struct why *why)
{
    unsigned seen = 0;
    while (line.n > 0) {
        struct span value = span_cut(&line, ' ');
        if (value.n == 0)
            continue;
        struct span key = span_cut(&value, '=');
        const struct field *f = find_field(field, n, key);
        int shown = key.n < 40 ? (int)key.n : 40;
        if (!f || seen & 1u << (f - field)) {
            why_set(why, "%.*s: %s", shown, key.p, f ? "given twice" : "no such key here");
            return ERR_SYNTAX;
        }
        seen |= 1u << (f - field);
        enum err e = read_value(f->kind, value, a, (char *)base + f->offset);
        if (e != ERR_OK) {
            why_set(why, "%s: %s", f->key, e == ERR_SYNTAX ? "not a value for it" : "too much");
            return e;
        }
    }
    return ERR_OK;
}

static enum err read_host(struct span line, struct arena *a, struct facts *f, struct why *why)
{
    if (f->n_host == FACTS_HOSTS_MAX) {
        why_set(why, "more than %d hosts", FACTS_HOSTS_MAX);
        return ERR_TOO_BIG;
    }
    return read_line(line, host_field, COUNTOF(host_field), a, &f->host[f->n_host++], why);
}

static enum err read_any(struct span line, struct arena *a, struct facts *f, bool *seen_domain,
                         struct why *why)
{
    if (line.n == 0 || line.p[0] == '#')
        return ERR_OK;
    if (span_starts(line, SPAN("host=")))
        return read_host(line, a, f, why);
    if (!span_starts(line, SPAN("domain=")) || *seen_domain) {
        why_set(why,
                *seen_domain ? "a line starts with host=" : "a line starts with domain= or host=");
        return ERR_SYNTAX;
    }
    *seen_domain = true;
    return read_line(line, facts_field, COUNTOF(facts_field), a, f, why);
}

enum err facts_read(struct span text, struct arena *a, struct facts *ret, struct why *why)
{
    struct facts f = { 0 };
    bool seen_domain = false;
    for (unsigned number = 1; text.n > 0; number++) {
        struct span line = span_cut(&text, '\n');
        line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
        line = span_trim(line);
        enum err e = read_any(line, a, &f, &seen_domain, why);
        if (e != ERR_OK) {
            why_prefix(why, "line %u", number);
            return e;
        }
    }
    if (!seen_domain) {
        why_set(why, "no line starts with domain=");
        return ERR_SYNTAX;
    }
    *ret = f;
    return ERR_OK;
}

/* --- one key --- */

static const char *const kind_values[KIND_IPS + 1] = {
    [KIND_TEXT] = "a text",
    [KIND_TIME] = "milliseconds since 1970",
    [KIND_PREFERENCE] = "a number up to 65535",
    [KIND_FLAG] = "no, yes",
    [KIND_TRI] = "unknown, no, yes",
    [KIND_SECURITY] = "unknown, insecure, secure, bogus",
    [KIND_BREACH] = ("none, plain, old, floor, secrecy, chain, expired, revoked, untold, name, "
                     "barred, tlsa, tlsa-expired, tlsa-name"),
    [KIND_TLSA_STATE] = "not-asked, none, found, failed, bogus",
    [KIND_RECORDS] = "TLSA records, as 3-1-1-HEX, with commas between",
    [KIND_COUNT] = "a number",
    [KIND_STS_STATE] = "not-asked, none, testing, enforce, failed",
    [KIND_IPS] = "addresses with commas between",
};

enum err facts_set(struct facts *f, struct host_facts *host, struct span key, struct span value,
                   struct arena *a, struct why *why)
{
    const struct field *field = host ? find_field(host_field, COUNTOF(host_field), key)
                                     : find_field(facts_field, COUNTOF(facts_field), key);
    struct facts whole = *f;
    struct host_facts one = host ? *host : (struct host_facts){ .n_ip = 0 };
    if (!field)
        return ERR_NOT_FOUND;
    if (field->kind == KIND_IPS)
        one.n_ip = 0;
    char *base = host ? (char *)&one : (char *)&whole;
    enum err e = read_value(field->kind, value, a, base + field->offset);
    if (e != ERR_OK) {
        why_set(why, "%s wants one of: %s", field->key, kind_values[field->kind]);
        return e;
    }
    if (host)
        *host = one;
    else
        *f = whole;
    return ERR_OK;
}

void facts_keys(bool host, struct buf *out)
{
    const struct field *field = host ? host_field : facts_field;
    size_t n = host ? COUNTOF(host_field) : COUNTOF(facts_field);
    for (size_t i = 0; i < n; i++)
        buf_putf(out, "%s ", field[i].key);
}
