/* validated.h - the last result of `connector validate`, kept: one small file for each outbound
 * connector in <data>/validated/. The tool writes and reads them; the daemon does not know of them.
 * The folder of the data belongs to the daemon's user, so nothing of a path below it is followed as
 * a link, and what is read is bounded and shown cleaned. */
#ifndef CLI_VALIDATED_H
#define CLI_VALIDATED_H

#include "ctl/ctl.h"
#include "gate/config.h"

/* answer: of validate_connector. ERR_IO and others: why. */
MUST_USE enum err validated_keep(const struct config *c, const struct ctl *answer, int64_t now_ms,
                                 struct why *why);
/* Adds to each outbound row of connector-list that has one "validated": {"at", "fulfilled",
 * "failed", "why", "to", "addresses", "changed"}; changed: the connector is another one since. */
void validated_attach(const struct config *c, struct ctl *all);
enum { VALIDATED_TEXT_MAX = 4 * 1024 };
/* "3d ago: ok, 2 addresses; changed since" */
void validated_text(const struct ctl *validated, int64_t now_ms, struct buf *out);

#endif
