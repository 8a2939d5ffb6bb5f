/* story.h - a line of the trace, as a sentence. Pure. The keys are those that gate/incoming.c,
 * gate/report.c and gate/control_change.c write. */
#ifndef CLI_STORY_H
#define CLI_STORY_H

#include "base/buf.h"
#include "ctl/ctl.h"

/* What a sentence may need, whatever the line holds: others are longer than a line of the trace. */
enum { STORY_MAX = 64 * 1024 };

/* "delivered to <b@example.org> at mx.example.org 192.0.2.1:25 over TLSv1.3 ...", clean, without a
 * time and a line end. An event that is not known is shown as it is. */
void story_print(const struct ctl *line, struct buf *out);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519, forward secret", "none": of an object with the keys of
 * tls_facts_print. */
void story_tls(const struct ctl *facts, struct buf *out);

#endif
