/* cert_places.h - where a configuration names certificates, and what stands there. The settings are
 * read as far as they are about certificates; keys are not opened. What else is wrong with the
 * configuration is no hindrance here: `postern config check` says it.
 */
#ifndef CLI_CERT_PLACES_H
#define CLI_CERT_PLACES_H

#include "cert/sheet.h"
#include "base/tree.h"

enum place_kind {
    PLACE_SERVED,  /* to clients of our listeners */
    PLACE_SHOWN,   /* to servers, by an organisation's connectors */
    PLACE_ANCHORS, /* whom we trust */
};

enum { PLACES_MAX = 110000 };

struct cert_place {
    enum place_kind kind;
    enum sheet_state state;
    struct span label;   /* "mx.example.org", "default", "clinic/ours", "clinic/lab ca" */
    struct span org;     /* empty: the installation's */
    struct span used_by; /* "listeners", "outbound lab, far", "inbound lab" */
    struct span path;    /* of the file */
    struct span at;      /* "postern.conf:12" */
    int64_t from_ms, until_ms;
    struct cert_chain chain; /* n 0: it cannot be read */
    struct span why;         /* then why not */
};

struct cert_places {
    struct span hostname;
    struct cert_place *item;
    unsigned n;
};

/* All of them, in the order of the files; memory is the arena's. ERR_SYNTAX, ERR_IO ...: a file of
 * the configuration; why. A certificate that cannot be read is a place that says so. */
MUST_USE enum err cert_places_read(struct span config, struct arena *a, struct cert_places *ret,
                                   struct why *why);
/* Puts the installation's own anchors (`tls`) beside those of *store: a private authority is named
 * there. */
void cert_places_trust(const struct cert_places *p, struct arena *a, struct cert_chain *store);
const char *place_kind_name(enum place_kind k);

#endif
