/* One table names every key, for printing and for reading. */
#include "mail/tls_facts.h"

#include "base/buf.h"
#include "base/log.h"
#include "mail/text.h"

enum { BITS_MAX = 65535, ESCAPED = 4, PAIR_BYTES_MAX = 20 };

struct string_key {
    const char *key;
    size_t at, max;
};
struct flag_key {
    const char *key;
    size_t at;
    bool only_yes; /* left out when it is no */
};

#define AT(member) offsetof(struct tls_facts, member)
static const struct string_key strings[] = {
    { "tls", AT(version), 16 },    { "suite", AT(suite), 64 },
    { "group", AT(group), 64 },    { "sni", AT(sni), 255 },
    { "spki", AT(spki), 64 },      { "names", AT(names), TLS_FACTS_NAMES_MAX },
    { "issuer", AT(issuer), 256 }, { "verify", AT(verify), 200 },
    { "anchor", AT(anchor), 64 },
};
static const struct flag_key flags[] = {
    { "fs", AT(forward_secret), false },
    { "resumed", AT(resumed), false },
    { "cert", AT(peer_cert), false },
    { "chain", AT(chain_ok), false },
    { "name", AT(name_ok), false },
    { "expired", AT(expired), true },
    { "client-usage", AT(client_usage), true },
    { "anchor-private", AT(anchor_private), true },
};
#undef AT
static const char *const dane_names[TLS_DANE_COUNT_] = {
    [TLS_DANE_UNKNOWN] = "unknown", [TLS_DANE_NO] = "no",           [TLS_DANE_EE] = "ee",
    [TLS_DANE_TA] = "ta",           [TLS_DANE_EXPIRED] = "expired", [TLS_DANE_NAME] = "name",
};
STATIC_ASSERT(ESCAPED *(16 + 64 + 64 + 255 + 64 + TLS_FACTS_NAMES_MAX + 256 + 200 + 64) +
                  (COUNTOF(strings) + COUNTOF(flags) + 3) * PAIR_BYTES_MAX <=
              TLS_FACTS_TEXT_MAX);

void tls_facts_print(const struct tls_facts *f, struct buf *out)
{
    if (!f->on) {
        kv_str(out, "tls", SPAN("none"));
        return;
    }
    for (size_t i = 0; i < COUNTOF(strings); i++) {
        const void *member = (const char *)f + strings[i].at;
        struct span s = text_cut(*(const struct span *)member, strings[i].max);
        if (s.n > 0 || i == 0)
            kv_str(out, strings[i].key, s);
    }
    for (size_t i = 0; i < COUNTOF(flags); i++) {
        const void *member = (const char *)f + flags[i].at;
        bool yes = *(const bool *)member;
        if (yes || !flags[i].only_yes)
            kv_str(out, flags[i].key, yes ? SPAN("yes") : SPAN("no"));
    }
    if (f->revoked != TLS_REVOKED_UNKNOWN)
        kv_str(out, "revoked", f->revoked == TLS_REVOKED_YES ? SPAN("yes") : SPAN("no"));
    ASSERT((size_t)f->dane < COUNTOF(dane_names));
    if (f->dane != TLS_DANE_UNKNOWN)
        kv_str(out, "dane", span_z(dane_names[f->dane]));
    kv_num(out, "bits", f->bits);
}

static enum err read_flag(struct span value, bool *ret)
{
    bool yes = span_eq(value, SPAN("yes"));
    if (!yes && !span_eq(value, SPAN("no")))
        return ERR_SYNTAX;
    *ret = yes;
    return ERR_OK;
}

static enum err read_revoked(struct span value, enum tls_revoked *ret)
{
    bool yes = false;
    TRY(read_flag(value, &yes));
    *ret = yes ? TLS_REVOKED_YES : TLS_REVOKED_NO;
    return ERR_OK;
}

static enum err read_dane(struct span value, enum tls_dane *ret)
{
    for (size_t i = 0; i < COUNTOF(dane_names); i++) {
        if (!span_eq(value, span_z(dane_names[i])))
            continue;
        *ret = (enum tls_dane)i;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

/* Keeps one pair, if its key is one of ours. */
static enum err read_pair(struct tls_facts *f, struct span key, struct span value, struct arena *a)
{
    for (size_t i = 0; i < COUNTOF(strings); i++)
        if (span_eq(key, span_z(strings[i].key)))
            return arena_try_span(a, value, (void *)((char *)f + strings[i].at));
    for (size_t i = 0; i < COUNTOF(flags); i++)
        if (span_eq(key, span_z(flags[i].key)))
            return read_flag(value, (void *)((char *)f + flags[i].at));
    if (span_eq(key, SPAN("revoked")))
        return read_revoked(value, &f->revoked);
    if (span_eq(key, SPAN("dane")))
        return read_dane(value, &f->dane);
    uint64_t bits = 0;
    if (!span_eq(key, SPAN("bits")))
        return ERR_OK;
    if (span_u64(value, BITS_MAX, &bits) != ERR_OK)
        return ERR_SYNTAX;
    f->bits = (int)bits;
    return ERR_OK;
}

static enum err read_pairs(struct span s, struct buf *value, struct arena *a, struct tls_facts *f)
{
    bool seen = false;
    struct span key;
    enum err e;
    while ((e = kv_next(&s, &key, value)) == ERR_OK) {
        bool first = span_eq(key, span_z(strings[0].key));
        if (first && seen)
            return ERR_SYNTAX;
        seen = seen || first;
        TRY(read_pair(f, key, buf_span(value), a));
    }
    if (e != ERR_NOT_FOUND)
        return e;
    return seen ? ERR_OK : ERR_SYNTAX;
}

enum err tls_facts_read(struct span s, struct arena *a, struct tls_facts *ret)
{
    struct tls_facts f = { .on = false };
    struct buf value;
    buf_init(&value, s.n);
    enum err e = read_pairs(s, &value, a, &f);
    buf_done(&value);
    TRY(e);
    f.on = !span_eq(f.version, SPAN("none"));
    *ret = f.on ? f : (struct tls_facts){ .on = false };
    return ERR_OK;
}

struct tls_facts tls_facts_copy(const struct tls_facts *f, struct arena *a)
{
    struct tls_facts copy = *f;
    for (size_t i = 0; i < COUNTOF(strings); i++) {
        struct span *s = (void *)((char *)&copy + strings[i].at);
        *s = arena_span(a, text_cut(*s, strings[i].max));
    }
    return copy;
}

void tls_facts_keys(struct buf *out)
{
    for (size_t i = 0; i < COUNTOF(strings); i++)
        buf_putf(out, "%s ", strings[i].key);
    for (size_t i = 0; i < COUNTOF(flags); i++)
        buf_putf(out, "%s ", flags[i].key);
    buf_put(out, SPAN("revoked bits "));
}
