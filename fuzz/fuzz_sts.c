/* MTA-STS: what is read of a record, a policy file and a line of the cache prints itself and reads
 * the same again; whatever a policy lists, nothing but a host name matches it. */
#include "policy/sts_life.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { STRINGS = 3 };

/* Lines are records, '|' parts strings. */
static void check_txt(struct span in)
{
    struct span string[4][STRINGS];
    struct sts_txt txt[4];
    struct why why = { "" };
    struct buf id;
    unsigned n = 0;
    for (; n < COUNTOF(txt) && in.n > 0; n++) {
        struct span record = span_cut(&in, '\n');
        for (unsigned k = 0; k < STRINGS; k++)
            string[n][k] = span_cut(&record, '|');
        txt[n] = (struct sts_txt){ string[n], STRINGS };
    }
    buf_init(&id, STS_ID_MAX);
    enum err e = sts_txt_read(txt, n, &id, &why);
    ASSERT(e == ERR_OK || e == ERR_NOT_FOUND || e == ERR_REFUSED);
    ASSERT(e == ERR_OK ? sts_id_valid(buf_span(&id)) : id.n == 0);
    buf_done(&id);
}

static void check_policy(struct span in)
{
    struct sts_policy p, again;
    struct why why = { "" };
    struct buf text;
    if (sts_policy_read(in, &p, &why) != ERR_OK) {
        ASSERT(why.text[0] != 0);
        return;
    }
    ASSERT(p.n_mx > 0 || p.mode == STS_POLICY_NONE);
    ASSERT(p.max_age_s <= STS_MAX_AGE_MAX_S);
    buf_init(&text, STS_LINES_MAX);
    sts_policy_print(&p, &text);
    ASSERT(sts_policy_read(buf_span(&text), &again, &why) == ERR_OK && sts_policy_eq(&p, &again));
    buf_done(&text);

    struct sts_entry e, back;
    buf_init(&text, STS_ENTRY_MAX);
    sts_entry_init(&e, SPAN("example.org"));
    sts_entry_fetched(&e, SPAN("1"), &p, 1800000000000);
    sts_entry_print(&e, &text);
    ASSERT(sts_entry_read(buf_span(&text), &back, &why) == ERR_OK);
    ASSERT(sts_policy_eq(&back.policy, &p));
    buf_done(&text);
}

static void check_pattern(struct span in)
{
    struct span mx = in, pattern = span_cut(&mx, '\n');
    bool match = sts_pattern_matches(pattern, mx);
    ASSERT(!match || (sts_pattern_valid(pattern) && span_find(mx, '*') == mx.n));
}

static void check_entry(struct span in)
{
    struct sts_entry e;
    struct buf text;
    if (sts_entry_read(in, &e, NULL) != ERR_OK)
        return;
    buf_init(&text, STS_ENTRY_MAX);
    sts_entry_print(&e, &text);
    ASSERT(sts_entry_read(buf_span(&text), &e, NULL) == ERR_OK);
    struct sts_input ask = { .entry = &e, .now_ms = 1800000000000 };
    ASSERT(sts_next(&ask).what != STS_DO_FETCH);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    check_txt(in);
    check_policy(in);
    check_pattern(in);
    check_entry(in);
    return 0;
}
