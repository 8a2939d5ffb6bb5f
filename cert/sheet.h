/* sheet.h - the fact sheet: what partners who force TLS, pin, or filter by destination have to know
 * of our certificates (R31-R34), current, next and deprecated side by side. As text, and as one
 * HTML page without scripts or anything to fetch. Every piece of text goes through one function
 * that escapes it.
 */
#ifndef CERT_SHEET_H
#define CERT_SHEET_H

#include "cert/info.h"

enum sheet_state { SHEET_CURRENT, SHEET_NEXT, SHEET_DEPRECATED };

enum { SHEET_BYTES_MAX = 16 * 1024 * 1024, SHEET_ENTRIES_MAX = 64 };

/* One certificate with its chain. */
struct sheet_entry {
    enum sheet_state state;
    struct span used_for;      /* "mx.example.org", "all names", "shown to partners" */
    int64_t from_ms, until_ms; /* when we use it; 0: not said */
    struct cert_chain chain;   /* the first is ours */
    struct cert_verdict verdict;
};

struct sheet {
    struct span title; /* whose: host, or organisation */
    int64_t now_ms;
    const struct sheet_entry *entry; /* current ones first, then next, then deprecated */
    unsigned n;
};

const char *sheet_state_name(enum sheet_state s);
/* The root that the chain leads to: of the trust store, of the chain, or the name that the last
 * certificate gives. */
struct span sheet_root(const struct sheet_entry *e);
/* Hosts of OCSP, CRL and AIA that the chain names, "ocsp.example.net:80", without doubles, into an
 * array of the arena. */
struct cert_list sheet_hosts(const struct sheet_entry *e, struct arena *a);

/* Appended; out has SHEET_BYTES_MAX at most. ERR_TOO_BIG. */
MUST_USE enum err sheet_text(const struct sheet *s, struct buf *out);
MUST_USE enum err sheet_html(const struct sheet *s, struct buf *out);

#endif
