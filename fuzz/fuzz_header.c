/* The header scanner: the same result at any cut, bounded memory, and a size within the input. */
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct span in = span_of((const char *)data + 2, n - 2);
    size_t cut = (size_t)(data[0] << 8 | data[1]) % (in.n + 1);
    static const struct header_watch watch[] = { { SPAN("X-Via"), SPAN("a") },
                                                 { SPAN("x-via"), SPAN("") },
                                                 { SPAN("Received"), SPAN("b") } };
    struct header_scan a, b;
    header_scan_init(&a, SPAN("mx.example"));
    header_scan_init(&b, SPAN("mx.example"));
    header_scan_watch(&a, watch, COUNTOF(watch));
    header_scan_watch(&b, watch, COUNTOF(watch));
    header_scan_input(&a, in);
    header_scan_input(&b, span_head(in, cut));
    header_scan_input(&b, span_tail(in, cut));
    header_scan_end(&a);
    header_scan_end(&b);
    ASSERT(a.done && b.done && a.n <= in.n);
    ASSERT(a.received == b.received && a.our_hops == b.our_hops && a.n == b.n);
    ASSERT(a.our_hops <= a.received);
    ASSERT(a.watched == b.watched && a.watched <= COUNTOF(watch));
    ASSERT(a.tls_required_no == b.tls_required_no);
    ASSERT(span_eq(buf_span(&a.message_id), buf_span(&b.message_id)));
    ASSERT(a.message_id.n <= HEADER_VALUE_MAX && a.field.cap <= HEADER_FIELD_MAX + 1);
    header_scan_done(&a);
    header_scan_done(&b);
    return 0;
}
