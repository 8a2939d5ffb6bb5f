/* names.h - does a certificate name whom we mean? Reference names against presented ones (RFC 6125,
 * RFC 9525). Pure; names are A-labels, compared without case and trailing dot.
 *
 *   expected            presented           matches
 *   mail.example.org    mail.example.org    yes
 *   mail.example.org    *.example.org       yes: one label, the leftmost, whole
 *   a.b.example.org     *.example.org       no
 *   *.example.org       mail.example.org    yes: any depth below, not the name itself
 *   *.example.org       *.example.org       yes
 *   mail.example.org    mail.*.org, m*.x    no: a wildcard is a whole leftmost label
 *   example.org         *.org               no: two labels must follow the wildcard
 */
#ifndef MAIL_NAMES_H
#define MAIL_NAMES_H

#include "base/span.h"

/* A set of expected names, immutable; part of a configuration snapshot. */
struct name_set {
    unsigned id; /* tells sets of one snapshot apart; equal sets have one id; from 1 on */
    unsigned n;
    struct span *name;
};

bool name_matches(struct span expected, struct span presented);
/* Some expected name matches one of the presented, which are comma separated as in tls_facts. */
bool names_match(const struct name_set *expected, struct span presented);
/* An expected name as configuration may write it: a host name, or "*." and a domain of two labels
 * at least. */
bool name_expected_valid(struct span name);

#endif
