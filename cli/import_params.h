/* import_params.h - the parameters of one connector of Exchange, as values of their types, and
 * those that have no counterpart here. What they mean is import_exchange.c's. */
#ifndef CLI_IMPORT_PARAMS_H
#define CLI_IMPORT_PARAMS_H

#include "cli/import_record.h"

/* One record on its way to a connector. */
struct mapping {
    struct draft *d;
    const struct record *r;
    struct draft_connector *c;
    struct why *why;
};

/* Says why the value is wrong; returns ERR_SYNTAX. */
MUST_USE enum err param_fail(const struct mapping *m, const struct record_field *f,
                             const char *wants);
/* NULL in *ret: it is not there. ERR_SYNTAX: a variable of DSC, whose value nobody knows. */
MUST_USE enum err param_get(const struct mapping *m, const char *name,
                            const struct record_field **ret);
/* *ret stays when it is not there, or null. */
MUST_USE enum err param_flag(const struct mapping *m, const char *name, bool *ret);
MUST_USE enum err param_text(const struct mapping *m, const char *name, struct span *ret);

typedef bool param_item_fn(const struct mapping *m, const char *name, struct span item);
/* Each value of a list, also where they were joined to one text. false from fn: the list is full,
 * ERR_TOO_BIG. */
MUST_USE enum err param_each(const struct mapping *m, const char *name, param_item_fn *fn);
/* "2026-03-01T10:00:00Z" -> "2026-03-01"; other forms are left out: dates are for people. */
struct span param_date(const struct mapping *m, const char *name);

/* A note for each parameter that has a value and no counterpart. */
void param_note_others(const struct mapping *m);
/* For "%.*s" of a value of unknown length. */
struct span param_seen(struct span s);

#endif
