/* bar.h - why no channel to one host will do, however good it is: what DANE, MTA-STS and REQUIRETLS
 * say before anybody connects. A part of a host's contract. */
#ifndef POLICY_BAR_H
#define POLICY_BAR_H

#include "base/base.h"

/* The order has no meaning but that a join of contracts keeps the greater. */
enum bar {
    BAR_NONE,
    BAR_REQUIRETLS,    /* REQUIRETLS, and who the host is rests on neither DNSSEC nor MTA-STS */
    BAR_STS_HOST,      /* the MTA-STS policy does not list it */
    BAR_NOT_ASKED,     /* DANE is mandatory, and nobody looked for TLSA records */
    BAR_NO_TLSA,       /* DANE is mandatory, and there are none that can be used */
    BAR_NO_DNSSEC,     /* DANE is mandatory, and the MX or the addresses are not secure */
    BAR_DNSSEC_UNTOLD, /* DANE is mandatory, and whether the MX or the addresses are secure cannot
                          be told */
    BAR_TLSA_FAILED,   /* the TLSA records cannot be looked up */
    BAR_TLSA_BOGUS,    /* DNSSEC says that they are forged */
    BAR_COUNT_
};

const char *bar_name(enum bar b); /* "sts-host" */
/* One sentence; NULL of BAR_NONE. */
const char *bar_words(enum bar b);

#endif
