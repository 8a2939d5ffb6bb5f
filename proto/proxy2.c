/* proxy2.c - the fixed 16 bytes, the address block, and whatever else the length covers (TLVs),
 * which is passed over. */
#include "proto/proxy2.h"

enum {
    PROXY2_FIXED = 16,
    PROXY2_LOCAL = 0x20, /* version 2, command LOCAL */
    PROXY2_PROXY = 0x21,
    PROXY2_TCP4 = 0x11, /* AF_INET, STREAM */
    PROXY2_TCP6 = 0x21,
    PROXY2_FAMILY_MAX = 3, /* unspecified, inet, inet6, unix */
    PROXY2_TRANSPORT_MAX = 2,
    PROXY2_TCP4_BYTES = 12,
    PROXY2_TCP6_BYTES = 36,
    PROXY2_UNIX_BYTES = 216,
};

static const struct span proxy2_signature = { "\r\n\r\n\0\r\nQUIT\n", 12 };

static unsigned proxy2_u16(const char *p)
{
    return (unsigned)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

/* Is what came so far the beginning of a header that we can read? */
static bool proxy2_starts(struct span s)
{
    size_t n = s.n < proxy2_signature.n ? s.n : proxy2_signature.n;
    if (!span_eq(span_head(s, n), span_head(proxy2_signature, n)))
        return false;
    if (s.n > 12 && (uint8_t)s.p[12] != PROXY2_LOCAL && (uint8_t)s.p[12] != PROXY2_PROXY)
        return false;
    return s.n <= 13 || ((uint8_t)s.p[13] >> 4 <= PROXY2_FAMILY_MAX &&
                         ((uint8_t)s.p[13] & 0xf) <= PROXY2_TRANSPORT_MAX);
}

/* ::ffff:a.b.c.d becomes a.b.c.d, as everywhere (mail/ip.h). */
static void proxy2_unmap(struct ip *ip)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (ip->family != IP_V6 || memcmp(ip->a, mapped, sizeof(mapped)) != 0)
        return;
    struct ip v4 = { .family = IP_V4, .port = ip->port };
    memcpy(v4.a, ip->a + sizeof(mapped), 4);
    *ip = v4;
}

/* The source address out of the block behind the fixed bytes. */
static enum err proxy2_source(uint8_t family, struct span block, struct ip *ret)
{
    struct ip ip = { .family = IP_NONE };
    size_t need = 0;
    if (family >> 4 == 1)
        need = PROXY2_TCP4_BYTES;
    if (family >> 4 == 2)
        need = PROXY2_TCP6_BYTES;
    if (family >> 4 == 3)
        need = PROXY2_UNIX_BYTES;
    if (block.n < need)
        return ERR_SYNTAX;

    if (family == PROXY2_TCP4) {
        ip.family = IP_V4;
        memcpy(ip.a, block.p, 4);
        ip.port = (uint16_t)proxy2_u16(block.p + 8);
    }
    if (family == PROXY2_TCP6) {
        ip.family = IP_V6;
        memcpy(ip.a, block.p, 16);
        ip.port = (uint16_t)proxy2_u16(block.p + 32);
        proxy2_unmap(&ip);
    }
    *ret = ip;
    return ERR_OK;
}

enum err proxy2_take(struct span *in, struct ip *ret)
{
    if (!proxy2_starts(*in))
        return ERR_SYNTAX;
    if (in->n < PROXY2_FIXED)
        return ERR_AGAIN;

    size_t n = PROXY2_FIXED + proxy2_u16(in->p + 14);
    if (n > PROXY2_BYTES_MAX)
        return ERR_TOO_BIG;
    if (in->n < n)
        return ERR_AGAIN;

    bool local = (uint8_t)in->p[12] == PROXY2_LOCAL;
    struct span block = span_of(in->p + PROXY2_FIXED, n - PROXY2_FIXED);
    struct ip ip = { .family = IP_NONE };
    if (!local)
        TRY(proxy2_source((uint8_t)in->p[13], block, &ip));
    *in = span_tail(*in, n);
    *ret = ip;
    return ERR_OK;
}
