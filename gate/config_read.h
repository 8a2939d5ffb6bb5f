/* config_read.h - typed readers over the nodes of base/tree.h: one row a setting says its name, its
 * shape, its reader, its bounds and an example, and settings_read walks a block by such rows.
 *
 * It knows types, not settings: what a value means is said by those who own the rows (config.c and
 * its siblings). Every error is `file:line:column: ` what is wrong, and what to write instead.
 * Everything that is read is copied into the reader's arena.
 */
#ifndef GATE_CONFIG_READ_H
#define GATE_CONFIG_READ_H

#include "base/tree.h"
#include "mail/ip.h"

struct reader {
    struct arena *arena;
    struct why *why; /* may be NULL */
};

enum setting_shape {
    SETTING_VALUE, /* name = value */
    SETTING_LIST,  /* name = value, or name = [value, value] */
    SETTING_BLOCK, /* name { } */
    SETTING_NAMED, /* name "argument" { } */
};

struct setting;
/* Reads the node into `to`, which stands at the row's offset. The shape was checked before. */
typedef enum err setting_fn(struct reader *r, const struct setting *s, const struct tree *t,
                            void *to);

struct setting {
    const char *name, *example;
    enum setting_shape shape;
    bool many; /* may stand more than once */
    setting_fn *read;
    size_t offset;
    uint64_t least, most;     /* of numbers, sizes in bytes, durations in ms */
    const char *const *names; /* of a choice, in the order of its enum; NULL at the end */
};

enum { SETTINGS_MAX = 48 };
/* The settings of one block. */
struct settings {
    const char *block; /* "listen", for messages; NULL: the top */
    const struct setting *row;
    size_t n;
};
/* Reads the nodes from `first` into *base. ERR_SYNTAX: unknown (with the nearest name), twice, or
 * of the wrong shape or type; or what a reader returns. */
MUST_USE enum err settings_read(struct reader *r, const struct tree *first,
                                const struct settings *s, void *base);
/* One node of it; seen[i], SETTINGS_MAX of them, remembers where row i stood. */
MUST_USE enum err setting_read(struct reader *r, const struct tree *t, const struct settings *s,
                               const struct tree **seen, void *base);

/* What base points to, beyond plain types. */
struct span_list {
    struct span *item;
    unsigned n;
};
struct net_list {
    struct ip_net *item;
    unsigned n;
};

setting_fn read_string;   /* struct span; not empty, no control bytes */
setting_fn read_strings;  /* struct span_list */
setting_fn read_path;     /* struct span: relative to the file that says it */
setting_fn read_paths;    /* struct span_list */
setting_fn read_unsigned; /* unsigned, least..most */
setting_fn read_port;     /* uint16_t, 1..65535 */
setting_fn read_duration; /* int64_t: ms, least..most */
setting_fn read_flag;     /* bool: yes, no */
setting_fn read_choice;   /* int: index into names */
setting_fn read_name;     /* struct span: domain name as A-labels, lower case */
setting_fn read_names;    /* struct span_list */
setting_fn read_networks; /* struct net_list */

/* "25M", "64K", "100". ERR_SYNTAX; ERR_TOO_BIG. */
MUST_USE enum err size_parse(struct span s, uint64_t *ret);
/* A domain, "*.domain" or a literal in brackets as A-labels, lower case, in the arena. */
MUST_USE enum err name_parse(struct span s, struct arena *a, struct span *ret);
/* path, as it is meant in `file`. */
struct span path_beside(struct arena *a, struct span file, struct span path);

/* --- messages; all return ERR_SYNTAX --- */

/* What is wrong with the value v of t; v NULL: with t. */
MUST_USE enum err read_fail(struct reader *r, const struct tree *t, const struct tree_value *v,
                            const char *fmt, ...) PRINTF_LIKE(4, 5);
/* "`workers` wants a number from 0 to 64, not `two`; for example: workers = 2" */
MUST_USE enum err read_wants(struct reader *r, const struct setting *s, const struct tree *t,
                             const struct tree_value *v, const char *what);
/* t was set before, at `first`. */
MUST_USE enum err read_twice(struct reader *r, const struct tree *t, const struct tree *first);
/* For "%.*s" of a value of unknown length. */
struct span shown(struct span s);

/* The known name that is nearest to one that is not known. */
struct guess {
    struct span name;
    const char *best;
    size_t distance;
};
struct guess guess_start(struct span name);
void guess_try(struct guess *g, const char *known);
/* t is unknown; where: "" or " in `limits`". ERR_SYNTAX. */
MUST_USE enum err read_unknown(struct reader *r, const struct tree *t, const char *where,
                               const struct guess *g);

#endif
