/* firewall.h - the header firewall: takes attribution fields out of a message as it streams by, or
 * renames them, and passes every other byte as it came. It reads names, not MIME: what stands
 * behind the header section, attached messages too, is not touched.
 *
 *   fields that begin with         STRIP     PROMOTE           DEMOTE
 *   X-MS-Exchange-Organization-    removed   removed           becomes CrossPremises
 *   X-MS-Exchange-CrossPremises-   removed   becomes Organiz.  removed
 *   X-MS-Exchange-Forest-          removed   removed           removed
 *   Postern-Attribution            removed   removed           removed
 *   X-OriginatorOrg:               removed   one of `domain`   one of `domain`
 *
 * STRIP is for strangers, in both directions: no claim about whose mail this is comes in or leaks
 * out. X-OriginatorOrg is such a claim: every tenant of the service shows one certificate, so it is
 * what receivers tell tenants by, and anybody can write it. PROMOTE is for what an organisation's
 * own server brings over a connector that trusts headers, DEMOTE for what goes to one; all that
 * vouches for the fields is the channel, nothing is signed. What an own server calls Organization
 * is removed even when no CrossPremises twin follows, because a twin may be the last field.
 *
 * Only an empty line behind CRLF ends the section, since nobody reads on behind that one. A line
 * without a colon does not, nor a bare CR or LF (BODY=BINARYMIME can bring them), but each of these
 * begins a line here, as some next hop may see it. Names have no case; blanks, folds and control
 * bytes in and behind them are passed over (RFC 5322 4.5 allows blanks before the colon). A line of
 * which FIREWALL_HOLD_MAX bytes do not tell whether it is such a field is removed.
 *
 * Pure and of fixed size: at most the undecided start of one field is held.
 */
#ifndef MAIL_FIREWALL_H
#define MAIL_FIREWALL_H

#include "base/span.h"

enum firewall_mode { FIREWALL_STRIP, FIREWALL_PROMOTE, FIREWALL_DEMOTE, FIREWALL_MODE_COUNT_ };

enum { FIREWALL_HOLD_MAX = 512 };

struct firewall {
    enum firewall_mode mode;
    const struct span *domain; /* borrowed: "name" or "*.name" */
    unsigned n_domain;
    unsigned removed, renamed; /* fields so far */
    unsigned foreign;          /* of the removed: X-OriginatorOrg of somebody else */
    unsigned own;              /* X-OriginatorOrg that was kept: one of `domain` */
    unsigned sealed;           /* of the removed: Postern-Attribution */
    unsigned state;            /* firewall.c */
    bool dropping;             /* the field being read is removed, and its folded lines are */
    bool crlf;                 /* the last line that was kept ended in CRLF */
    bool clean;                /* no blanks or control bytes in the name so far */
    bool flush;                /* the held bytes are the next piece */
    unsigned maybe;            /* names that still fit: bits, in the order of firewall.c's table */
    size_t name_n;             /* bytes of the name that were compared */
    size_t hold_n;
    char hold[FIREWALL_HOLD_MAX + 1]; /* a longer name may take the place of a shorter one */
};

/* domain: the accepted domains of the organisation at the other end; n_domain 0 with STRIP. They
 * are borrowed for the life of the firewall. The message begins at the start of a line. */
void firewall_init(struct firewall *f, enum firewall_mode mode, const struct span *domain,
                   unsigned n_domain);
/* Eats some of *in and gives the next bytes to keep, part of *in or of f: valid until the next
 * call. false: all of *in is eaten and nothing is to keep; call again with more. */
bool firewall_next(struct firewall *f, struct span *in, struct span *ret);
/* The header section is over: all that follows is kept. */
bool firewall_open(const struct firewall *f);
/* The message is over, and all of it was eaten. true: the held bytes are its last piece. */
bool firewall_end(struct firewall *f, struct span *ret);

#endif
