/* text.h - other people's text made fit for lines that we write: headers, notifications, replies.
 *
 * Nothing here decodes or translates. Bytes that could end a line, move a terminal's cursor or
 * (for the callers that say so) close a comment become '?'. The length never changes.
 */
#ifndef MAIL_TEXT_H
#define MAIL_TEXT_H

#include "base/buf.h"

/* Well-formed UTF-8 without control characters (C0, DEL, U+0080 to U+009F). Plain ASCII is, too. */
bool text_plain(struct span s);
bool text_eight_bit(struct span s);
/* Appends s; a tab becomes a blank, other control bytes and those listed in `bad` become '?', bytes
 * over 127 as well unless utf8_ok and all of s is text_plain. The caller has made room: ASSERT. */
void text_put(struct span s, const char *bad, bool utf8_ok, struct buf *out);
/* The first n bytes at most, never half of a UTF-8 sequence. */
struct span text_cut(struct span s, size_t n);

#endif
