/* replay.h - recorded mail asked of two configurations: how would it fare under the other one?
 *
 * A core without I/O. Its facts are lines of the trace; for each recipient that was taken or
 * refused it asks attribution_judge (whose client, may it?), for each attempt way_out and
 * policy/decide.h (where to, and would the channel that was had do?), both of the configuration
 * that is and of the one that may be. What the facts do not settle is "cannot be told", with the
 * reason, and is neither the same nor different.
 *
 *   replay_new -> replay_message, as often as there are messages -> replay_put -> replay_free
 */
#ifndef CLI_REPLAY_H
#define CLI_REPLAY_H

#include "ctl/ctl.h"
#include "gate/config.h"

struct replay;

/* Both configurations outlive it. */
struct replay *replay_new(const struct config *was, const struct config *now);
void replay_free(struct replay *r);
/* One message: "id" and the array "lines", as the verb trace gives it (docs/control.md), whole. */
void replay_message(struct replay *r, const struct ctl *message);
/* Sets "messages", "different", "unknown", "otherwise" (of those that the configuration that is
 * would have judged in another way than is recorded: it has changed since) and the array "groups":
 * "told" (false: it cannot be told), "direction", "connector", "partner", "messages", "example" (an
 * id), "before", "after". */
void replay_put(const struct replay *r, struct ctl *ret);
/* The same for people: numbers first. */
void replay_text(const struct ctl *replay, struct buf *out);

#endif
