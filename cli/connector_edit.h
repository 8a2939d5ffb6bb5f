/* connector_edit.h - one connector in the text of a configuration file: written, changed, removed.
 * All bytes outside of its block stay (base/tree_edit.h). Whether the result means anything is the
 * loader's business. Pure. */
#ifndef CLI_CONNECTOR_EDIT_H
#define CLI_CONNECTOR_EDIT_H

#include "base/buf.h"
#include "base/why.h"

enum { EDIT_CHANGES_MAX = 40, EDIT_TEXT_MAX = 4 * 1024 * 1024 };

enum edit_verb { EDIT_ADD, EDIT_SET, EDIT_REMOVE };

/* "from=a.example,b.example", or a setting that goes. */
struct edit_change {
    struct span name, value;
    bool unset;
};

struct connector_edit {
    enum edit_verb verb;
    bool outbound;
    struct span org, name;
    struct edit_change change[EDIT_CHANGES_MAX];
    unsigned n_change;
    struct span today; /* "2026-11-24": created, changed */
};

/* Takes "name=value" as the next change. ERR_SYNTAX, ERR_TOO_BIG: why. */
MUST_USE enum err edit_assign(struct connector_edit *e, struct span word, struct why *why);
/* Takes "name,name" as settings that go. As edit_assign. */
MUST_USE enum err edit_unset(struct connector_edit *e, struct span names, struct why *why);
/* The value of a change; the empty span when there is none for the setting. */
struct span edit_value(const struct connector_edit *e, struct span name);

/* Appends the new text of the file. ERR_NOT_FOUND: it has no such organisation or connector.
 * ERR_EXISTS: there is one already. ERR_SYNTAX: the text is no configuration, or a setting is none
 * or of the wrong form. ERR_TOO_BIG. why; out is untouched. */
MUST_USE enum err connector_edit(const struct connector_edit *e, struct span file, struct span text,
                                 struct buf *out, struct why *why);

#endif
