/* The verdict on the first bytes does not change with those that follow; a header that is taken
 * leaves exactly what follows it. */
#include "proto/proxy2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span all = span_of((const char *)data, n);
    struct ip ip = { .family = 99 };
    for (size_t i = 0; i <= n && i <= PROXY2_BYTES_MAX + 1; i++) {
        struct span in = span_head(all, i), whole = all;
        struct ip again = { .family = 99 };
        enum err e = proxy2_take(&in, &ip);
        ASSERT(e == ERR_OK ? in.n == 0 : in.n == i && ip.family == 99);
        if (e == ERR_AGAIN)
            continue;
        ASSERT(e == ERR_OK || e == ERR_SYNTAX || e == ERR_TOO_BIG);
        ASSERT(proxy2_take(&whole, &again) == e);
        ASSERT(e != ERR_OK || (whole.n == n - i && ip_eq(&ip, &again)));
        ASSERT(e != ERR_OK || ip.family <= IP_V6);
        break;
    }
    return 0;
}
