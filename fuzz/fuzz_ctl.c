/* A line of the control protocol: what parses prints, as one line of ASCII, and parses again to the
 * same line. */
#include "ctl/ctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct ctl *c, *again;
    struct why why;
    struct buf one, two;
    if (ctl_parse(span_of((const char *)p, n), &c, &why) != ERR_OK)
        return 0;
    buf_init(&one, CTL_LINE_MAX);
    buf_init(&two, CTL_LINE_MAX);
    if (ctl_print(c, &one) == ERR_OK) {
        struct span line = span_head(buf_span(&one), one.n - 1);
        for (size_t i = 0; i < line.n; i++)
            ASSERT((unsigned char)line.p[i] >= 32 && (unsigned char)line.p[i] < 127);
        enum err e = ctl_parse(line, &again, &why);
        ASSERT(e == ERR_OK);
        e = ctl_print(again, &two);
        ASSERT(e == ERR_OK && span_eq(buf_span(&one), buf_span(&two)));
        ctl_free(again);
    }
    ctl_free(c);
    buf_done(&one);
    buf_done(&two);
    return 0;
}
