#include "mail/tlsa.h"

#include "base/enc.h"
#include <inttypes.h>

enum { SHA256_BYTES = 32, SHA512_BYTES = 64, DER_SEQUENCE = 0x30, DER_LONG = 0x80 };

enum err tlsa_parse(struct span rdata, struct tlsa *ret)
{
    if (rdata.n < 4)
        return ERR_SYNTAX;
    *ret = (struct tlsa){ .usage = (uint8_t)rdata.p[0],
                          .selector = (uint8_t)rdata.p[1],
                          .matching = (uint8_t)rdata.p[2],
                          .data = span_tail(rdata, 3) };
    return ERR_OK;
}

/* --- what can be used */

/* One DER sequence and nothing behind it: what certificates and public keys are. */
static bool is_sequence(struct span s)
{
    size_t n = 0, head = 2;
    if (s.n < head || (uint8_t)s.p[0] != DER_SEQUENCE)
        return false;
    uint8_t first = (uint8_t)s.p[1];
    if (first < DER_LONG)
        return s.n - head == first;
    unsigned bytes = first & 0x7f;
    if (bytes == 0 || bytes > 2 || s.n < head + bytes)
        return false;
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | (uint8_t)s.p[head + i];
    return s.n - head - bytes == n;
}

bool tlsa_usable(const struct tlsa *t)
{
    if (t->usage != TLSA_DANE_TA && t->usage != TLSA_DANE_EE)
        return false;
    if (t->selector != TLSA_CERT && t->selector != TLSA_SPKI)
        return false;
    switch (t->matching) {
    case TLSA_FULL:
        return is_sequence(t->data);
    case TLSA_SHA256:
        return t->data.n == SHA256_BYTES;
    case TLSA_SHA512:
        return t->data.n == SHA512_BYTES;
    default:
        return false;
    }
}

/* --- sets */

static int order(const struct tlsa *a, const struct tlsa *b)
{
    if (a->usage != b->usage)
        return a->usage < b->usage ? -1 : 1;
    if (a->selector != b->selector)
        return a->selector < b->selector ? -1 : 1;
    if (a->matching != b->matching)
        return a->matching < b->matching ? -1 : 1;
    return span_cmp(a->data, b->data);
}

static size_t set_bytes(const struct tlsa_set *set)
{
    size_t n = 0;
    for (unsigned i = 0; i < set->n; i++)
        n += set->record[i].data.n;
    return n;
}

void tlsa_set_add(struct tlsa_set *set, const struct tlsa *t, struct arena *a)
{
    struct tlsa kept = *t;
    unsigned at = 0;
    ASSERT(set->n <= TLSA_RECORDS_MAX);
    if (!tlsa_usable(t)) {
        tlsa_set_add_broken(set);
        return;
    }
    while (at < set->n && order(&set->record[at], t) < 0)
        at++;
    if (at < set->n && order(&set->record[at], t) == 0)
        return;
    bool room = set->n < TLSA_RECORDS_MAX && set_bytes(set) + t->data.n <= TLSA_SET_BYTES_MAX;
    if (!room || arena_try_span(a, t->data, &kept.data) != ERR_OK) {
        set->n_dropped++;
        return;
    }
    memmove(&set->record[at + 1], &set->record[at], (set->n - at) * sizeof set->record[0]);
    set->record[at] = kept;
    set->n++;
}

void tlsa_set_add_broken(struct tlsa_set *set)
{
    set->n_unusable++;
}

bool tlsa_set_any(const struct tlsa_set *set)
{
    return set->n + set->n_dropped + set->n_unusable > 0;
}

bool tlsa_set_usable(const struct tlsa_set *set)
{
    return set->n + set->n_dropped > 0;
}

bool tlsa_set_eq(const struct tlsa_set *a, const struct tlsa_set *b)
{
    if (a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++) {
        if (order(&a->record[i], &b->record[i]) != 0)
            return false;
    }
    return true;
}

/* A stronger digest stands beside this one. */
static bool outdone(const struct tlsa_set *set, const struct tlsa *t)
{
    for (unsigned i = 0; t->matching == TLSA_SHA256 && i < set->n; i++) {
        const struct tlsa *other = &set->record[i];
        if (other->usage == t->usage && other->selector == t->selector &&
            other->matching == TLSA_SHA512)
            return true;
    }
    return false;
}

struct tlsa_set tlsa_agile(const struct tlsa_set *set)
{
    struct tlsa_set ret = *set;
    ret.n = 0;
    for (unsigned i = 0; i < set->n; i++) {
        if (!outdone(set, &set->record[i]))
            ret.record[ret.n++] = set->record[i];
    }
    return ret;
}

const char *tlsa_set_digest(const struct tlsa_set *set, char ret[static TLSA_DIGEST_MAX])
{
    static const struct hash_key first = { { 0x544c5341, 1 } }, second = { { 0x544c5341, 2 } };
    struct buf text, digest;
    buf_init(&text, TLSA_RECORDS_MAX * 16 + 2 * TLSA_SET_BYTES_MAX);
    buf_init(&digest, TLSA_DIGEST_MAX - 1);
    for (unsigned i = 0; i < set->n; i++) {
        tlsa_print(&set->record[i], ' ', &text);
        buf_put(&text, SPAN("\n"));
    }
    buf_putf(&digest, "%016" PRIx64 "%016" PRIx64, span_hash(&first, buf_span(&text)),
             span_hash(&second, buf_span(&text)));
    memcpy(ret, buf_z(&digest), TLSA_DIGEST_MAX);
    buf_done(&text);
    buf_done(&digest);
    return ret;
}

/* --- text */

void tlsa_print(const struct tlsa *t, char between, struct buf *out)
{
    ASSERT(t->data.n <= TLSA_DATA_MAX);
    buf_putf(out, "%u%c%u%c%u%c", t->usage, between, t->selector, between, t->matching, between);
    enum err e = enc_hex(t->data, out);
    ASSERT(e == ERR_OK);
}

enum err tlsa_read(struct span s, char between, struct arena *a, struct tlsa *ret)
{
    uint64_t number[3];
    struct buf data;
    struct tlsa t;
    for (unsigned i = 0; i < COUNTOF(number); i++) {
        if (span_u64(span_cut(&s, between), UINT8_MAX, &number[i]) != ERR_OK)
            return ERR_SYNTAX;
    }
    if (s.n == 0)
        return ERR_SYNTAX;
    if (s.n > 2 * TLSA_DATA_MAX)
        return ERR_TOO_BIG;
    t = (struct tlsa){ .usage = (uint8_t)number[0],
                       .selector = (uint8_t)number[1],
                       .matching = (uint8_t)number[2] };
    buf_init(&data, TLSA_DATA_MAX);
    enum err e = dec_hex(s, &data);
    if (e == ERR_OK)
        e = arena_try_span(a, buf_span(&data), &t.data);
    buf_done(&data);
    TRY(e);
    *ret = t;
    return ERR_OK;
}
