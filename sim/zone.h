/* zone.h - what the simulated DNS knows. Names that are not there do not exist (NXDOMAIN). */
#ifndef SIM_ZONE_H
#define SIM_ZONE_H

#include "io/dns.h"
#include "mail/ip.h"

/* How a name and type answer; ZONE_NODATA: the name exists, without that type. */
enum zone_status { ZONE_OK, ZONE_NODATA, ZONE_SERVFAIL, ZONE_BOGUS, ZONE_SILENT };

/* Names live as long as the world. secure: proven by DNSSEC. */
void zone_mx(const char *name, unsigned preference, const char *host, bool secure);
void zone_ip(const char *name, const struct ip *ip, bool secure);
/* The records of that name and type are there, and yet it answers so. */
void zone_status(const char *name, enum dns_type type, enum zone_status status);
/* Forgets the records of that name and type. */
void zone_clear(const char *name, enum dns_type type);

#endif
