/* Record data in wire format (RFC 1035 section 3.3, RFC 3596): pure. */
#include "io/dns.h"

enum { WIRE_NAME_MAX = 255, LABEL_MAX = 63 };

static bool host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The whole of `wire` is one uncompressed name. Only letters, digits, '-' and '_' are taken: a
 * label with a dot, a blank or a control byte in it is no host, and would read as another one. */
static enum err read_name(struct span wire, char ret[static DNS_NAME_MAX])
{
    char text[DNS_NAME_MAX];
    size_t n = 0, i = 0;
    if (wire.n == 0 || wire.n > WIRE_NAME_MAX)
        return ERR_SYNTAX;
    while (i < wire.n && wire.p[i] != 0) {
        size_t label = (uint8_t)wire.p[i++];
        if (label > LABEL_MAX || label > wire.n - i)
            return ERR_SYNTAX;
        if (n > 0)
            text[n++] = '.';
        for (size_t end = i + label; i < end; i++) {
            char c = ascii_lower(wire.p[i]);
            if (!host_byte(c))
                return ERR_SYNTAX;
            text[n++] = c;
        }
    }
    if (i + 1 != wire.n) /* the root label ends the name, and the name the data */
        return ERR_SYNTAX;
    ASSERT(n < DNS_NAME_MAX);
    text[n] = '\0';
    memcpy(ret, text, n + 1);
    return ERR_OK;
}

enum err dns_read_mx(struct span rdata, uint16_t *ret_preference,
                     char ret_name[static DNS_NAME_MAX])
{
    if (rdata.n < 3)
        return ERR_SYNTAX;
    TRY(read_name(span_tail(rdata, 2), ret_name));
    *ret_preference = (uint16_t)((uint8_t)rdata.p[0] << 8 | (uint8_t)rdata.p[1]);
    return ERR_OK;
}

enum err dns_read_ip(struct span rdata, enum dns_type type, struct ip *ret)
{
    static const char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff' };
    ASSERT(type == DNS_A || type == DNS_AAAA);
    if (rdata.n != (type == DNS_A ? 4 : 16))
        return ERR_SYNTAX;
    bool v4 = type == DNS_A;
    if (!v4 && memcmp(rdata.p, mapped, sizeof mapped) == 0) {
        v4 = true;
        rdata = span_tail(rdata, sizeof mapped);
    }
    struct ip ip = { .family = v4 ? IP_V4 : IP_V6 };
    memcpy(ip.a, rdata.p, rdata.n);
    *ret = ip;
    return ERR_OK;
}
