/* import_draft.h - what an import has understood, before it is printed in our own grammar
 * (docs/import.md, docs/connectors.md):
 *
 *   import_exchange, import_postfix  ->  struct draft  ->  draft_finish  ->  draft_print
 *
 * One rule holds for all: whatever restricts in the original stands in the draft or in a note, and
 * a note of NOTE_OFF turns its connector off. So nothing is ever weaker without saying so.
 */
#ifndef CLI_IMPORT_DRAFT_H
#define CLI_IMPORT_DRAFT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/why.h"
#include "policy/contract.h"

enum {
    DRAFT_ITEMS_MAX = 100 * 1000, /* values, entries and connectors of one import */
    DRAFT_LIST_MAX = 4096,
    DRAFT_NAMES_MAX = 256, /* expected names, or keys, of one connector */
    DRAFT_ARENA_MAX = 1024 * 1024 * 1024,
    DRAFT_TEXT_MAX = 256 * 1024 * 1024,
};

/* Texts, each once, in the order of coming. */
struct draft_list {
    struct span *item;
    unsigned n, cap;
};

enum note_weight {
    NOTE_REMARK, /* the same or stricter here, but whoever reads should know */
    NOTE_LOST,   /* nothing here says it; it restricts nothing, or the text says what is missing */
    NOTE_OFF,    /* it restricts and cannot be said: the connector is off */
};

struct draft_note {
    enum note_weight weight;
    const struct draft_connector *on; /* NULL: the whole */
    struct span text;
    struct draft_note *next, *next_on; /* of all; of the same connector */
};

struct draft_connector {
    bool outbound, on_premises, off, test;
    bool as_route;     /* of no organisation: printed as `route "*"` */
    bool unfit;        /* our grammar has no such connector: printed as comments */
    struct span title; /* as the original calls it */
    struct span name;  /* by draft_finish */
    struct span place; /* "inbound.json, connector 1" */
    struct span comment, created, changed;
    struct draft_list domain;  /* from, to */
    struct draft_list implied; /* those of `domain` that only a wildcard brought along */
    struct draft_list names, addresses, keys;
    bool wildcards, require_tls, restrict_certificate, restrict_addresses, trust_headers;
    bool accepted, everything, by_header, mx;
    struct draft_list hosts;
    enum tls_need tls;
    bool revocation; /* soft */
    bool dane, sts;  /* the original obeys what a partner publishes */
    int floor;       /* 13, or 0: not said */
    struct draft_note *note, **note_tail;
    struct draft_connector *next;
};

/* An accepted domain. kind: "smtp", "lmtp", "mx"; NULL: nobody said where its mail goes. */
struct draft_domain {
    struct span name, place;
    const char *kind;
    struct draft_list hosts;
    struct draft_domain *next;
};

struct draft {
    struct arena arena;
    struct hash_key key;
    const char *source; /* "Exchange", "Postfix" */
    struct span org;
    size_t n_item;
    struct draft_connector *connector, **connector_tail;
    struct draft_domain *domain, **domain_tail;
    struct map domain_of; /* its name -> struct draft_domain * */
    struct draft_note *note, **note_tail;
};

/* org: borrowed. */
void draft_init(struct draft *d, const char *source, struct span org);
void draft_done(struct draft *d);

/* Counts one more item; ERR_TOO_BIG, and why, beyond DRAFT_ITEMS_MAX. */
MUST_USE enum err draft_count(struct draft *d, struct why *why);
/* title and place: borrowed, as long as d. */
struct draft_connector *draft_connector(struct draft *d, bool outbound, struct span title,
                                        struct span place);
/* NULL: it is there already. */
struct draft_domain *draft_domain(struct draft *d, struct span name, struct span place);
bool draft_accepts(const struct draft *d, struct span pattern);
/* on: may be NULL. NOTE_OFF turns it off. Of a text that stands there already there is no second.
 */
void draft_note(struct draft *d, struct draft_connector *on, enum note_weight weight,
                const char *fmt, ...) PRINTF_LIKE(4, 5);
/* A text in the arena. */
struct span draft_text(struct draft *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Adds it unless it is there. A list that is full takes no more: false. */
bool draft_list_add(struct draft *d, struct draft_list *l, struct span s);
void draft_list_drop(struct draft_list *l, struct span s);
bool draft_list_has(const struct draft_list *l, struct span s);

/* One more expected name or key; where there is no room it is left out, and the connector off. */
void draft_expect(struct draft *d, struct draft_connector *c, struct draft_list *l, struct span s);
/* An address or network as it is printed, so that equal ones are the same; left out, and the
 * connector off, when it is none, has host bits, or is too wide for what the connector does. */
void draft_network(struct draft *d, struct draft_connector *c, const char *param, struct span s);

/* A domain pattern, or the name of a certificate, as the configuration takes it: "x", "*.x"; for
 * patterns also "*". ERR_SYNTAX; *ret lives in the arena. */
MUST_USE enum err draft_pattern(struct draft *d, struct span s, struct span *ret);
MUST_USE enum err draft_name(struct draft *d, struct span s, struct span *ret);
/* A host of `smtp`: name, address or address in brackets, with port unless that is default_port. */
MUST_USE enum err draft_host(struct draft *d, struct span s, uint16_t port, uint16_t default_port,
                             struct span *ret);

/* Gives names, settles what two connectors both claim, and finds those that cannot be. */
void draft_finish(struct draft *d);
/* The configuration, with all notes as comments on top. */
void draft_print(const struct draft *d, struct buf *out);
/* The notes, a line each; nothing when there are none. */
void draft_print_notes(const struct draft *d, const char *indent, struct buf *out);
/* Notes but for remarks. */
unsigned draft_losses(const struct draft *d);
/* "off", "not represented", "remark" */
const char *note_weight_name(enum note_weight w);

#endif
