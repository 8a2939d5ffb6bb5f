#include "policy/bar.h"

static const struct {
    const char *name, *words;
} bars[BAR_COUNT_] = {
    [BAR_NONE] = { "none", NULL },
    [BAR_REQUIRETLS] = { "requiretls", "REQUIRETLS wants to know who the host is, and neither "
                                       "DNSSEC nor an MTA-STS policy says so (RFC 8689 4.2.1)" },
    [BAR_STS_HOST] = { "sts-host", "the MTA-STS policy of the domain does not list the host (RFC "
                                   "8461 5)" },
    [BAR_NOT_ASKED] = { "not-asked",
                        "DANE is mandatory, and no TLSA records of the host were looked up" },
    [BAR_NO_TLSA] = { "no-tlsa",
                      "DANE is mandatory, and the host has no TLSA records that can be used (RFC "
                      "7672 6)" },
    [BAR_NO_DNSSEC] = { "no-dnssec", "DANE is mandatory, and DNSSEC does not secure the way to the "
                                     "host (RFC 7672 6)" },
    [BAR_DNSSEC_UNTOLD] = { "dnssec-untold",
                            "DANE is mandatory, and whether DNSSEC secures the way "
                            "to the host cannot be told" },
    [BAR_TLSA_FAILED] = { "tlsa-failed", "the host's TLSA records cannot be looked up, and without "
                                         "them nobody knows what they demand (RFC 7672 2.1.2)" },
    [BAR_TLSA_BOGUS] = { "tlsa-bogus", "DNSSEC says that the host's TLSA records are forged (RFC "
                                       "7672 2.1.2)" },
};

const char *bar_name(enum bar b)
{
    ASSERT((size_t)b < COUNTOF(bars));
    return bars[b].name;
}

const char *bar_words(enum bar b)
{
    ASSERT((size_t)b < COUNTOF(bars));
    return bars[b].words;
}
