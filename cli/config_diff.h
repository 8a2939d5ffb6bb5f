/* config_diff.h - what is different between two configurations that load, in words. */
#ifndef CLI_CONFIG_DIFF_H
#define CLI_CONFIG_DIFF_H

#include "ctl/ctl.h"
#include "gate/config.h"

/* Sets "differences": an array of {"what": "added", "removed" or "changed", "kind", "id",
 * "fields": [{"field", "was", "now"}]}, and "added", "removed", "changed": how many. What was
 * removed comes first, then the rest in the order of the newer one. Keys and certificates are not
 * looked at. now_ms: wall; which weakenings hold. */
void config_diff(const struct config *was, const struct config *now, int64_t now_ms,
                 struct ctl *ret);
/* The same for people. */
void config_diff_text(const struct ctl *diff, struct buf *out);
/* What is compared of one outbound connector: its fields, into ret; weakenings as if all held. */
void config_diff_outbound(const struct config *c, const struct out_connector *k, struct ctl *ret);

#endif
