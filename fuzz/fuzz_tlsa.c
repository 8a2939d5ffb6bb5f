/* TLSA records, from the wire and as text: what is read prints to a text that reads as the same
 * record; a set of them stays within its bounds, and each is known by its digest. */
#include "mail/tlsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_text(const struct tlsa *t, struct arena *a)
{
    struct tlsa back;
    struct buf text;
    buf_init(&text, TLSA_TEXT_MAX);
    tlsa_print(t, '-', &text);
    enum err e = tlsa_read(buf_span(&text), '-', a, &back);
    ASSERT(e == ERR_OK && span_eq(back.data, t->data));
    ASSERT(back.usage == t->usage && back.selector == t->selector && back.matching == t->matching);
    buf_done(&text);
}

/* Records one after the other, each behind its length in two bytes. */
static void add_all(struct span in, struct tlsa_set *set, struct arena *a)
{
    while (in.n >= 2) {
        size_t want = (size_t)(uint8_t)in.p[0] << 8 | (uint8_t)in.p[1];
        struct span rdata = span_tail(in, 2);
        struct tlsa t;
        rdata = span_head(rdata, want < rdata.n ? want : rdata.n);
        in = span_tail(in, 2 + rdata.n);
        if (tlsa_parse(rdata, &t) != ERR_OK) {
            tlsa_set_add_broken(set);
            continue;
        }
        if (t.data.n <= TLSA_DATA_MAX)
            check_text(&t, a);
        tlsa_set_add(set, &t, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    struct arena a;
    struct tlsa t;
    struct tlsa_set set = { 0 }, again = { 0 };
    char x[TLSA_DIGEST_MAX], y[TLSA_DIGEST_MAX];
    arena_init(&a, 1 << 20);
    if (tlsa_read(in, ' ', &a, &t) == ERR_OK)
        check_text(&t, &a);
    add_all(in, &set, &a);
    ASSERT(set.n <= TLSA_RECORDS_MAX);
    struct tlsa_set agile = tlsa_agile(&set);
    ASSERT(agile.n <= set.n && (agile.n > 0) == (set.n > 0));
    for (unsigned i = set.n; i-- > 0;) {
        ASSERT(tlsa_usable(&set.record[i]));
        tlsa_set_add(&again, &set.record[i], &a);
    }
    if (again.n_dropped == 0) {
        ASSERT(tlsa_set_eq(&set, &again));
        ASSERT(strcmp(tlsa_set_digest(&set, x), tlsa_set_digest(&again, y)) == 0);
    }
    arena_done(&a);
    return 0;
}
