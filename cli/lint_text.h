/* lint_text.h - what policy/lint.h found, as one object and for people. Pure. */
#ifndef CLI_LINT_TEXT_H
#define CLI_LINT_TEXT_H

#include "base/buf.h"
#include "ctl/ctl.h"
#include "policy/lint.h"

/* Appends to the array "findings": severity, rule, connector, direction, file, line, text, remedy.
 * Adds to "errors", "warnings", "notes". */
void lint_put(const struct lint *l, struct ctl *out);
/* One more, of the installation: file and text. */
void lint_put_top(struct span file, const char *text, struct ctl *out);
/* One more, of a row of connector-list (docs/control.md). */
void lint_put_row(const struct ctl *connector, enum lint_severity s, const char *rule,
                  struct span text, struct ctl *out);
/* One more, of a place in a file and no connector. */
struct lint_place {
    enum lint_severity severity;
    const char *rule;
    struct span file;
    int line; /* 0: of the whole file */
    struct span text;
    const char *remedy;
};
void lint_put_place(const struct lint_place *p, struct ctl *out);
/* Errors first, as compilers do: "file:line: error: ..." with the remedy below, and a sum. */
void lint_text(const struct ctl *all, struct buf *out);

#endif
