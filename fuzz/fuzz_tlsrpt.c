/* TLS-RPT: records and addresses of others; sums that are read print and read the same; a report of
 * any of them is JSON to our own reader. */
#include "base/when.h"
#include "ctl/tlsreport.h"
#include "mail/addr.h"
#include "policy/tlsrpt_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { STRINGS = 3, BYTES_MAX = 1 << 20, TEXT_MAX = 1 << 23 };

static const struct hash_key hash_key = { { 1, 2 } };
static const int64_t day_ms = 20780 * (int64_t)DAY_MS;

static void check_rua(const struct tlsrpt_rua *rua)
{
    struct buf box;
    struct tlsrpt_https https;
    buf_init(&box, ADDR_BYTES_MAX);
    if (rua->scheme == TLSRPT_MAILTO) {
        struct addr addr;
        ASSERT(tlsrpt_mailbox(rua->uri, &box) == ERR_OK);
        ASSERT(addr_parse(buf_span(&box), false, &addr) == ERR_OK && addr.domain.n > 0);
        for (size_t i = 0; i < box.n; i++)
            ASSERT(buf_span(&box).p[i] >= ' ' && buf_span(&box).p[i] < 0x7f);
    } else {
        struct ip ip;
        ASSERT(tlsrpt_https(rua->uri, &https) == ERR_OK && https.port > 0);
        ASSERT(domain_valid(https.host, false) && ip_parse(https.host, &ip) != ERR_OK);
        ASSERT(span_find(https.target, '\n') == https.target.n);
        ASSERT(https.target.n == 0 || https.target.p[0] == '/');
    }
    buf_done(&box);
}

/* Lines are records, '|' parts strings. */
static void check_txt(struct span in)
{
    struct span string[4][STRINGS];
    struct tlsrpt_txt txt[4];
    struct tlsrpt_record r;
    unsigned n = 0;
    for (; n < COUNTOF(txt) && in.n > 0; n++) {
        struct span record = span_cut(&in, '\n');
        for (unsigned k = 0; k < STRINGS; k++)
            string[n][k] = span_cut(&record, '|');
        txt[n] = (struct tlsrpt_txt){ string[n], STRINGS };
    }
    tlsrpt_record_init(&r);
    enum err e = tlsrpt_txt_read(txt, n, &r, NULL);
    ASSERT((e == ERR_OK) == (r.n_rua > 0) && r.n_rua <= TLSRPT_RUA_MAX);
    for (unsigned i = 0; i < r.n_rua; i++)
        check_rua(&r.rua[i]);
    tlsrpt_record_done(&r);
}

static void check_report(const struct tlsrpt_domain *d)
{
    const struct tlsrpt_reporter who = { .organization = SPAN("o"),
                                         .contact = SPAN("a@b.c"),
                                         .submitter = SPAN("b.c"),
                                         .id = SPAN("1"),
                                         .day_ms = day_ms };
    struct buf json;
    struct arena a;
    struct tlsreport r;
    buf_init(&json, TEXT_MAX);
    arena_init(&a, TLSREPORT_ARENA_MAX);
    ASSERT(tlsrpt_report_json(&who, d, &json) == ERR_OK);
    enum err e = tlsreport_read(buf_span(&json), &a, &r, NULL);
    /* counts over INT64_MAX, long lines and many of them are beyond what it takes */
    ASSERT(e != ERR_OK || r.n_policy == d->n_policy);
    arena_done(&a);
    buf_done(&json);
}

static void check_day(struct span in)
{
    struct tlsrpt_day d, again;
    struct buf text, back;
    buf_init(&text, TEXT_MAX);
    buf_init(&back, TEXT_MAX);
    tlsrpt_day_init(&d, day_ms, BYTES_MAX, &hash_key);
    tlsrpt_day_init(&again, day_ms, BYTES_MAX, &hash_key);
    if (tlsrpt_day_read(&d, in, NULL) == ERR_OK) {
        ASSERT(tlsrpt_day_print(&d, &text) == ERR_OK);
        ASSERT(tlsrpt_day_read(&again, buf_span(&text), NULL) == ERR_OK);
        ASSERT(tlsrpt_day_print(&again, &back) == ERR_OK);
        ASSERT(span_eq(buf_span(&text), buf_span(&back)));
        for (const struct tlsrpt_domain *one = d.first; one; one = one->next)
            if (one->policy)
                check_report(one);
    } else {
        ASSERT(d.n_domain == 0 && d.lost == 0);
    }
    tlsrpt_day_done(&d);
    tlsrpt_day_done(&again);
    buf_done(&text);
    buf_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    check_txt(in);
    check_day(in);
    return 0;
}
