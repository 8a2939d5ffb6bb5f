/* The head of a request to the metrics listener: no crash; and what is refused or taken stays so
 * when it comes in pieces. */
#include "gate/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span in = span_of((const char *)p, n);
    enum http_verdict whole = http_judge(in), first = HTTP_MORE;
    for (size_t i = 0; i <= n && first == HTTP_MORE; i++)
        first = http_judge(span_head(in, i));
    ASSERT(first == whole);
    return 0;
}
