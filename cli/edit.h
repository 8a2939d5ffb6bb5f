/* edit.h - changes the configuration on the disk for the commands that do so.
 *
 *     edit_begin     the lock; the configuration as it is, loaded
 *     edit_connector a change of one connector, in the file that has its organisation; several
 *     edit_check     the whole is loaded as it would be: what does not load is not written
 *     edit_write     the file is replaced
 *     edit_done
 *
 * All changes of one edit are in one file. */
#ifndef CLI_EDIT_H
#define CLI_EDIT_H

#include "cli/connector_edit.h"
#include "gate/config.h"
#include "sys/replace.h"

struct edit {
    struct span config; /* the first file */
    int lock;
    struct config *was, *now; /* now: after edit_check */
    struct span file;         /* that is changed; empty: none yet */
    struct replace replace;
    struct buf before, after;
};

/* edit_done also after an error. ERR_REFUSED, ERR_NOT_FOUND, ERR_IO: the lock; ERR_SYNTAX and
 * others: it does not load. why. */
MUST_USE enum err edit_begin(struct edit *e, struct span config, struct why *why);
void edit_done(struct edit *e);

/* As connector_edit, and the errors of reading the file; ERR_REFUSED: it would be a second file. */
MUST_USE enum err edit_connector(struct edit *e, const struct connector_edit *change,
                                 struct why *why);
/* Are the bytes others than before? */
bool edit_changes(const struct edit *e);
/* As config_load; e->now is set. */
MUST_USE enum err edit_check(struct edit *e, struct why *why);
/* As replace_with. */
MUST_USE enum err edit_write(struct edit *e, struct why *why);

#endif
