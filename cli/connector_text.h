/* connector_text.h - connectors for people: rows of `connector-list` (docs/control.md) as a table,
 * or one of them with all that is written about it. Pure. */
#ifndef CLI_CONNECTOR_TEXT_H
#define CLI_CONNECTOR_TEXT_H

#include "base/buf.h"
#include "ctl/ctl.h"

/* The array "connectors" of `all`, a line each. */
void connector_table(const struct ctl *all, struct buf *out);
/* What one row needs at most. */
enum { CONNECTOR_BLOCK_MAX = 512 * 1024 };
void connector_block(const struct ctl *row, struct buf *out);

#endif
