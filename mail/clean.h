/* clean.h - other people's text made fit to be looked at: on a terminal, in a table, in a page.
 *
 * Control bytes, what is not UTF-8, and the characters that turn the direction of writing or cannot
 * be seen become \x1b, so that nobody moves a cursor or forges a line (T-15). Nothing is decoded.
 */
#ifndef MAIL_CLEAN_H
#define MAIL_CLEAN_H

#include "base/buf.h"

/* The most that a byte becomes. */
enum { CLEAN_GROWTH = 4 };

/* Appends s; the caller has made room: ASSERT. */
void clean_text(struct span s, struct buf *out);
/* The same, but lines stay lines. */
void clean_lines(struct span s, struct buf *out);

#endif
