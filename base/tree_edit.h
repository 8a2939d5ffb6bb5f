/* tree_edit.h - changes one setting of a text in the grammar of tree.h and keeps every other byte:
 * comments, order, blanks, kinds of line ends.
 *
 *     set      name = value      the setting takes the place of the one with its name, or becomes
 *                                the last one of the block
 *     remove   name = value      goes, with its lines when it has them for itself, and with the
 *                                comment behind it
 *     append   name "x" { ... }  becomes the last node of the block
 *
 * Each appends the whole new text to `out`; places are those that tree_parse found in the same
 * text. What is put in must parse by itself; its '\n' become line ends of the text's kind, with the
 * place's indentation behind them. Pure. ERR_TOO_BIG: no room in out, which is then as it was.
 */
#ifndef BASE_TREE_EDIT_H
#define BASE_TREE_EDIT_H

#include "base/tree.h"

#include "base/buf.h"

/* setting: "name = value"; of several nodes with the name the first is replaced. */
MUST_USE enum err tree_edit_set(struct span text, const struct tree *block, struct span setting,
                                struct buf *out);
MUST_USE enum err tree_edit_remove(struct span text, const struct tree *node, struct buf *out);
MUST_USE enum err tree_edit_append(struct span text, const struct tree *block, struct span node,
                                   struct buf *out);

/* Of several nodes the first with this name, or NULL. */
const struct tree *tree_find(const struct tree *first, struct span name);
/* The bytes as a string of the grammar, quotes and escapes included. ERR_SYNTAX: a byte that no
 * string can hold. ERR_TOO_BIG. out is as it was then. */
MUST_USE enum err tree_put_string(struct span s, struct buf *out);

#endif
