/* tree.h - the grammar of configuration files: nested settings, with line and column.
 *
 *     # a comment to the end of the line
 *     hostname = "mx.example.org"
 *     listen "0.0.0.0:25" { tls = starttls, proxy = ["10.0.0.0/8"] }
 *     include "conf.d/mx-*.conf"       -> the caller expands it; here it is a node like others
 *
 * A node is a word, then optional values (words or "strings") as arguments, then optionally
 * `= value`, `= [value, value]` or `{ nodes }`. Ends of lines, `,` and `;` separate nodes.
 * Strings know \" \\ \n \t; an unclosed string is reported at its own line. Pure: text in, nodes
 * in the caller's arena out. Depth, count and size are bounded (TREE_ limits).
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include "base/arena.h"
#include "base/why.h"

enum { TREE_DEPTH_MAX = 8, TREE_NODES_MAX = 200000, TREE_VALUES_MAX = 100000 };

struct tree_value {
    struct span text;
    int line, column;
    struct tree_value *next;
};

struct tree {
    struct span name;
    struct span file; /* as handed to tree_parse */
    int line, column;
    size_t at, end; /* its bytes in the text: from the name to behind the last value or brace */
    size_t body;    /* of a block: behind the opening brace */
    struct tree_value *args;   /* listen "0.0.0.0:25" */
    struct tree_value *values; /* = value or = [..] */
    bool is_list;              /* written with [ ] */
    bool is_block;             /* written with { } */
    struct tree *child;        /* first of the block */
    struct tree *next;
};

/* Parses the whole text. *ret_first is the first top node or NULL; all memory is the arena's,
 * spans point into copies there. ERR_SYNTAX, ERR_TOO_BIG: why says `file:line:column: ...`. */
MUST_USE enum err tree_parse(struct span file, struct span text, struct arena *a,
                             struct tree **ret_first, struct why *why);

/* Puts "file:line:column: " and the message into why; returns ERR_SYNTAX. */
MUST_USE enum err tree_error(const struct tree *at, struct why *why, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
