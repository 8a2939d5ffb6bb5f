/* Record data of the DNS: no input reads beyond its end, and a name that is taken is a plain one.
 */
#include "io/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span rdata = span_of((const char *)data, n);
    uint16_t preference;
    char name[DNS_NAME_MAX];
    struct ip ip;
    if (dns_read_mx(rdata, &preference, name) == ERR_OK) {
        size_t length = strlen(name);
        ASSERT(length + 4 == n || (length == 0 && n == 3));
        for (size_t i = 0; i < length; i++)
            ASSERT(name[i] == ascii_lower(name[i]) && name[i] > ' ' && name[i] < 0x7f);
    }
    if (dns_read_ip(rdata, DNS_A, &ip) == ERR_OK)
        ASSERT(ip.family == IP_V4 && n == 4);
    if (dns_read_ip(rdata, DNS_AAAA, &ip) == ERR_OK)
        ASSERT(n == 16);
    return 0;
}
