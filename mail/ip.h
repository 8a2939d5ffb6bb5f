/* ip.h - internet addresses and ports as values: parse, print, compare, prefixes. Pure; the
 * kernel's forms are io/'s business. IPv4-mapped IPv6 addresses become IPv4 when read. */
#ifndef MAIL_IP_H
#define MAIL_IP_H

#include "base/buf.h"

enum ip_family { IP_NONE, IP_V4, IP_V6, IP_UNIX };

enum { IP_TEXT_MAX = 64, UNIX_PATH_MAX_ = 104 };

struct ip {
    uint8_t family; /* enum ip_family */
    uint16_t port;
    uint8_t a[16]; /* network order; the first 4 for IP_V4 */
};

struct ip_net {
    struct ip ip;
    unsigned bits;
};

/* "192.0.2.1", "2001:db8::1", without port. ERR_SYNTAX. */
MUST_USE enum err ip_parse(struct span s, struct ip *ret);
/* "192.0.2.1:25", "[2001:db8::1]:25"; default_port when none is given (0: a port is required). */
MUST_USE enum err ip_parse_port(struct span s, uint16_t default_port, struct ip *ret);
/* Makes an IPv4-mapped IPv6 address the IPv4 address that it stands for; others stay. For those who
 * fill in bytes themselves (sockets, the PROXY header). */
void ip_fold(struct ip *ip);
/* "192.0.2.0/24"; host bits beyond the prefix are refused; a plain address is a full prefix. */
MUST_USE enum err ip_net_parse(struct span s, struct ip_net *ret);
/* Is the address inside? Ports do not count. */
bool ip_net_has(const struct ip_net *net, const struct ip *ip);
bool ip_eq(const struct ip *a, const struct ip *b); /* with port */
bool ip_same_host(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *a);
/* "192.0.2.1" and "192.0.2.1:25" / "[2001:db8::1]:25". Return ret. */
const char *ip_text(const struct ip *ip, char ret[static IP_TEXT_MAX]);
const char *ip_port_text(const struct ip *ip, char ret[static IP_TEXT_MAX]);
/* RFC 5321 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". Returns ret. */
const char *ip_literal(const struct ip *ip, char ret[static IP_TEXT_MAX]);
/* Reads such a literal. */
MUST_USE enum err ip_literal_parse(struct span s, struct ip *ret);

#endif
