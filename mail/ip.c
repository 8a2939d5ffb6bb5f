#include "mail/ip.h"

enum { V4_BITS = 32, V6_BITS = 128, V6_GROUPS = 8 };

/* "0".."255" without leading zeros, which some read as octal. */
static enum err parse_octet(struct span s, uint8_t *ret)
{
    uint64_t n = 0;
    if (s.n > 3 || (s.n > 1 && s.p[0] == '0'))
        return ERR_SYNTAX;
    if (span_u64(s, 255, &n) != ERR_OK)
        return ERR_SYNTAX;
    *ret = (uint8_t)n;
    return ERR_OK;
}

static enum err parse_v4(struct span s, uint8_t ret[static 4])
{
    uint8_t a[4];
    for (int i = 0; i < 3; i++) {
        if (span_find(s, '.') == s.n)
            return ERR_SYNTAX;
        TRY(parse_octet(span_cut(&s, '.'), &a[i]));
    }
    TRY(parse_octet(s, &a[3]));
    memcpy(ret, a, sizeof a);
    return ERR_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err parse_group(struct span s, uint8_t ret[static 2])
{
    unsigned n = 0;
    if (s.n == 0 || s.n > 4)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        int digit = hex_digit(s.p[i]);
        if (digit < 0)
            return ERR_SYNTAX;
        n = n << 4 | (unsigned)digit;
    }
    ret[0] = (uint8_t)(n >> 8);
    ret[1] = (uint8_t)n;
    return ERR_OK;
}

/* Groups with ':' between, the last maybe a dotted quad (if tail), at most `room` bytes. */
static enum err parse_groups(struct span s, bool tail, size_t room, uint8_t *out, size_t *ret_n)
{
    size_t n = 0;
    if (s.n == 0) {
        *ret_n = 0;
        return ERR_OK;
    }
    for (bool more = true; more;) {
        more = span_find(s, ':') < s.n;
        struct span group = span_cut(&s, ':');
        bool quad = tail && !more && span_find(group, '.') < group.n;
        size_t step = quad ? 4 : 2;
        if (n + step > room)
            return ERR_SYNTAX;
        if (quad)
            TRY(parse_v4(group, out + n));
        else
            TRY(parse_group(group, out + n));
        n += step;
    }
    *ret_n = n;
    return ERR_OK;
}

/* Where "::" starts, or s.n. */
static size_t find_gap(struct span s)
{
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == ':' && s.p[i + 1] == ':')
            return i;
    return s.n;
}

static enum err parse_v6(struct span s, uint8_t ret[static 16])
{
    uint8_t head[16] = { 0 }, tail[16];
    size_t n_head = 0, n_tail = 0;
    size_t gap = find_gap(s);
    if (gap == s.n) {
        TRY(parse_groups(s, true, 16, head, &n_head));
        if (n_head != 16)
            return ERR_SYNTAX;
    } else { /* "::" stands for at least one group */
        TRY(parse_groups(span_head(s, gap), false, 14, head, &n_head));
        TRY(parse_groups(span_tail(s, gap + 2), true, 14 - n_head, tail, &n_tail));
        memcpy(head + 16 - n_tail, tail, n_tail);
    }
    memcpy(ret, head, 16);
    return ERR_OK;
}

void ip_fold(struct ip *ip)
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

    if (ip->family != IP_V6 || memcmp(ip->a, prefix, sizeof prefix) != 0)
        return;
    ip->family = IP_V4;
    memcpy(ip->a, ip->a + 12, 4);
    memset(ip->a + 4, 0, 12);
}

enum err ip_parse(struct span s, struct ip *ret)
{
    struct ip ip = { .family = IP_V4 };
    if (span_find(s, ':') < s.n) {
        ip.family = IP_V6;
        TRY(parse_v6(s, ip.a));
        ip_fold(&ip);
    } else {
        TRY(parse_v4(s, ip.a));
    }
    *ret = ip;
    return ERR_OK;
}

/* Cuts "host:port" or "[host]:port"; ret_port is empty when there is none. */
static enum err split_port(struct span s, struct span *ret_host, struct span *ret_port)
{
    if (s.n > 0 && s.p[0] == '[') {
        size_t end = span_find(s, ']');
        if (end == s.n)
            return ERR_SYNTAX;
        *ret_host = span_tail(span_head(s, end), 1);
        *ret_port = span_tail(s, end + 1);
        return ret_port->n == 0 || ret_port->p[0] == ':' ? ERR_OK : ERR_SYNTAX;
    }
    size_t colon = span_find(s, ':');
    bool bare_v6 = colon != span_rfind(s, ':');
    *ret_host = bare_v6 ? s : span_head(s, colon);
    *ret_port = bare_v6 ? SPAN_NONE : span_tail(s, colon);
    return ERR_OK;
}

enum err ip_parse_port(struct span s, uint16_t default_port, struct ip *ret)
{
    struct span host, port;
    struct ip ip;
    uint64_t n = default_port;
    TRY(split_port(s, &host, &port));
    TRY(ip_parse(host, &ip));
    if (port.n == 0 && default_port == 0)
        return ERR_SYNTAX;
    if (port.n > 6 || (port.n > 0 && span_u64(span_tail(port, 1), UINT16_MAX, &n) != ERR_OK))
        return ERR_SYNTAX;
    ip.port = (uint16_t)n;
    *ret = ip;
    return ERR_OK;
}

/* Do the bits from `bit` on differ from zero? */
static bool has_bits_from(const struct ip *ip, unsigned bit, unsigned bits_all)
{
    for (unsigned i = bit; i < bits_all; i++)
        if (ip->a[i / 8] & (0x80u >> (i % 8)))
            return true;
    return false;
}

enum err ip_net_parse(struct span s, struct ip_net *ret)
{
    struct ip_net net;
    bool given = span_find(s, '/') < s.n;
    struct span host = span_cut(&s, '/');
    TRY(ip_parse(host, &net.ip));
    unsigned bits_all = net.ip.family == IP_V4 ? V4_BITS : V6_BITS;
    /* "::ffff:192.0.2.0/120" was folded, so its prefix shrinks as well */
    unsigned folded = net.ip.family == IP_V4 && span_find(host, ':') < host.n ? 96 : 0;
    uint64_t bits = bits_all + folded;
    if (given && (s.n > 3 || span_u64(s, bits_all + folded, &bits) != ERR_OK))
        return ERR_SYNTAX;
    if (bits < folded)
        return ERR_SYNTAX;
    net.bits = (unsigned)bits - folded;
    if (has_bits_from(&net.ip, net.bits, bits_all))
        return ERR_SYNTAX;
    *ret = net;
    return ERR_OK;
}

bool ip_net_has(const struct ip_net *net, const struct ip *ip)
{
    if (ip->family != net->ip.family || (ip->family != IP_V4 && ip->family != IP_V6))
        return false;
    ASSERT(net->bits <= V6_BITS);
    size_t whole = net->bits / 8;
    if (memcmp(net->ip.a, ip->a, whole) != 0)
        return false;
    unsigned rest = net->bits % 8;
    return rest == 0 || (net->ip.a[whole] ^ ip->a[whole]) >> (8 - rest) == 0;
}

bool ip_same_host(const struct ip *a, const struct ip *b)
{
    if (a->family != b->family)
        return false;
    return memcmp(a->a, b->a, a->family == IP_V6 ? 16 : 4) == 0;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->port == b->port && ip_same_host(a, b);
}

bool ip_is_loopback(const struct ip *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    if (a->family == IP_V4)
        return a->a[0] == 127;
    return a->family == IP_UNIX || (a->family == IP_V6 && memcmp(a->a, one, 16) == 0);
}

/* A writer into IP_TEXT_MAX bytes; the longest address, port and literal prefix fit. */
struct text {
    char *p;
    size_t n;
};

static void put(struct text *t, struct span s)
{
    ASSERT(t->n + s.n < IP_TEXT_MAX);
    if (s.n > 0)
        memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
    t->p[t->n] = 0;
}

static void put_num(struct text *t, unsigned n, unsigned base)
{
    char digits[8];
    size_t i = sizeof digits;
    do {
        digits[--i] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n > 0);
    put(t, span_of(digits + i, sizeof digits - i));
}

static void put_v4(struct text *t, const uint8_t a[static 4])
{
    for (int i = 0; i < 4; i++) {
        put(t, i > 0 ? SPAN(".") : SPAN_NONE);
        put_num(t, a[i], 10);
    }
}

static unsigned group(const uint8_t a[static 16], unsigned i)
{
    return (unsigned)a[2 * i] << 8 | a[2 * i + 1];
}

/* The longest run of two or more zero groups, the first of equals. RFC 5952 4.2. */
static void find_zeros(const uint8_t a[static 16], unsigned *ret_at, unsigned *ret_n)
{
    *ret_at = V6_GROUPS, *ret_n = 1;
    for (unsigned i = 0; i < V6_GROUPS; i++) {
        unsigned n = 0;
        while (i + n < V6_GROUPS && group(a, i + n) == 0)
            n++;
        if (n > *ret_n)
            *ret_at = i, *ret_n = n;
    }
}

static void put_v6(struct text *t, const uint8_t a[static 16])
{
    unsigned at, n;
    find_zeros(a, &at, &n);
    for (unsigned i = 0; i < V6_GROUPS; i++) {
        if (i == at) {
            put(t, SPAN("::"));
            i += n - 1;
            continue;
        }
        put(t, i > 0 && i != at + n ? SPAN(":") : SPAN_NONE);
        put_num(t, group(a, i), 16);
    }
}

static void put_ip(struct text *t, const struct ip *ip)
{
    switch ((enum ip_family)ip->family) {
    case IP_V4:
        put_v4(t, ip->a);
        return;
    case IP_V6:
        put_v6(t, ip->a);
        return;
    case IP_UNIX:
        put(t, SPAN("unix"));
        return;
    case IP_NONE:
        break;
    }
    put(t, SPAN("none"));
}

const char *ip_text(const struct ip *ip, char ret[static IP_TEXT_MAX])
{
    struct text t = { .p = ret };
    put_ip(&t, ip);
    return ret;
}

const char *ip_port_text(const struct ip *ip, char ret[static IP_TEXT_MAX])
{
    struct text t = { .p = ret };
    put(&t, ip->family == IP_V6 ? SPAN("[") : SPAN_NONE);
    put_ip(&t, ip);
    put(&t, ip->family == IP_V6 ? SPAN("]") : SPAN_NONE);
    if (ip->family == IP_V4 || ip->family == IP_V6) {
        put(&t, SPAN(":"));
        put_num(&t, ip->port, 10);
    }
    return ret;
}

const char *ip_literal(const struct ip *ip, char ret[static IP_TEXT_MAX])
{
    struct text t = { .p = ret };
    put(&t, ip->family == IP_V6 ? SPAN("[IPv6:") : SPAN("["));
    put_ip(&t, ip);
    put(&t, SPAN("]"));
    return ret;
}

enum err ip_literal_parse(struct span s, struct ip *ret)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return ERR_SYNTAX;
    s = span_tail(span_head(s, s.n - 1), 1);
    bool tagged = span_starts_nocase(s, SPAN("IPv6:"));
    bool colon = span_find(s, ':') < s.n;
    if (colon != tagged)
        return ERR_SYNTAX;
    return ip_parse(tagged ? span_tail(s, 5) : s, ret);
}
