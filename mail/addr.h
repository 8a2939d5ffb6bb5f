/* addr.h - mailboxes and domains as SMTP writes them (RFC 5321 4.1.2, RFC 6531 3.3).
 *
 * Nothing is rewritten: a mailbox keeps its bytes. Domains are compared without ASCII case and
 * without a trailing dot; turning U-labels into A-labels is io/idn.h's work, not ours.
 */
#ifndef MAIL_ADDR_H
#define MAIL_ADDR_H

#include "base/buf.h"
#include "base/map.h"

enum { ADDR_BYTES_MAX = 512, ADDR_LOCAL_MAX = 64 * 4, DOMAIN_BYTES_MAX = 255 };

struct addr {
    struct span text;   /* local@domain as given, without brackets and source route; may be empty */
    struct span local;  /* quoted form kept */
    struct span domain; /* may be empty ("postmaster"), or an address literal with brackets */
    bool utf8;          /* has bytes over 127: needs SMTPUTF8 */
};

/* Reads a reverse- or forward-path at the start of *in: "<...>", and moves *in behind it.
 * A source route ("@a,@b:") is read and dropped, as RFC 5321 appendix C asks. "<>" gives an empty
 * address (the caller decides whether it may be). utf8_ok: SMTPUTF8 was asked for.
 * ERR_SYNTAX: not a path, or control bytes, or bare 8-bit without utf8_ok; ERR_TOO_BIG. */
MUST_USE enum err addr_path(struct span *in, bool utf8_ok, struct addr *ret);

/* Reads "local@domain" that fills the whole span (no brackets), as in configuration. */
MUST_USE enum err addr_parse(struct span s, bool utf8_ok, struct addr *ret);

/* A host name of RFC 5321 (letters, digits, hyphens, dots, and UTF-8 when utf8_ok); underscores
 * pass, because they exist. Lengths of labels and of the whole are checked. */
bool domain_valid(struct span d, bool utf8_ok);
bool domain_is_literal(struct span d);
/* Equal without case and trailing dot. */
bool domain_eq(struct span a, struct span b);
/* `pattern` is "name", or "*.name" which covers any depth below name but not name itself. */
bool domain_match(struct span pattern, struct span d);

/* The value of the domain in a map of lower-case names: its own entry, else that of the longest
 * "*.suffix" above it, else NULL. A trailing dot does not count; literals match only exactly. */
void *domain_map_get(const struct map *m, struct span domain);

/* The local part without quotes and backslashes, for mailbox names. */
MUST_USE enum err addr_unquote_local(struct span local, struct buf *out);

/* True for bytes that are well-formed UTF-8 (RFC 3629). */
bool utf8_valid(struct span s);

#endif
