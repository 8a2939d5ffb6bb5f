/* Addresses: what is read prints in one form that reads back as the same value. */
#include "mail/ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    struct ip ip, again;
    struct ip_net net;
    char text[IP_TEXT_MAX];
    if (ip_parse(in, &ip) == ERR_OK) {
        ASSERT(ip_parse(span_z(ip_text(&ip, text)), &again) == ERR_OK && ip_eq(&ip, &again));
        ASSERT(ip_literal_parse(span_z(ip_literal(&ip, text)), &again) == ERR_OK);
        ASSERT(ip_eq(&ip, &again));
    }
    if (ip_literal_parse(in, &ip) == ERR_OK)
        ASSERT(n > 2 && in.p[0] == '[');
    if (ip_parse_port(in, 25, &ip) == ERR_OK) {
        ASSERT(ip_parse_port(span_z(ip_port_text(&ip, text)), 0, &again) == ERR_OK);
        ASSERT(ip_eq(&ip, &again));
    }
    if (ip_net_parse(in, &net) == ERR_OK)
        ASSERT(ip_net_has(&net, &net.ip));
    return 0;
}
