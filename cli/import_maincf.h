/* import_maincf.h - Postfix's files as text: main.cf with its $names, and the tables that it names,
 * read from the text beside (never from the .db). What the parameters mean is import_postfix.c's.
 *
 * postconf(5), DATABASE_README. Everything lives in the draft's arena.
 */
#ifndef CLI_IMPORT_MAINCF_H
#define CLI_IMPORT_MAINCF_H

#include "cli/import_draft.h"
#include "gate/config.h"

struct maincf_param {
    struct span name, raw; /* raw: with its $names */
    int line;
    bool used; /* somebody asked for it */
    struct maincf_param *next;
};

struct maincf {
    struct draft *d;
    struct span dir, file; /* "/etc/postfix", "/etc/postfix/main.cf" */
    const struct config_source *source;
    struct why *why;
    struct maincf_param *first, **tail;
    int line; /* of the parameter that was asked for last */
};

/* dir and source: borrowed as long as m. ERR_SYNTAX, ERR_TOO_BIG, or what the source says. */
MUST_USE enum err maincf_read(struct maincf *m, struct draft *d, struct span dir,
                              const struct config_source *source, struct why *why);
/* Marks it as used. NULL: main.cf does not set it. */
struct maincf_param *maincf_find(struct maincf *m, const char *name);
/* Its value with all $names expanded, or the default. ERR_SYNTAX: a name that is set nowhere, a
 * condition, or a circle. */
MUST_USE enum err maincf_get(struct maincf *m, const char *name, const char *by_default,
                             struct span *ret);
/* "main.cf:12: " and the text; returns ERR_SYNTAX. p NULL: without the line. */
MUST_USE enum err maincf_error(struct maincf *m, const struct maincf_param *p, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The next value of a list: between blanks and commas, braces kept whole. false: none left. */
bool maincf_item(struct span *left, struct span *ret);

/* --- tables --- */

struct table_entry {
    struct span key; /* lower case */
    struct span value;
    struct span place; /* "tls_policy:3" */
    struct span file;
    int line;
    bool used;
    struct table_entry *next;
};

struct table_text {
    struct table_entry *first, **tail;
    struct map of; /* key -> struct table_entry * */
};
void table_text_init(struct table_text *t, const struct draft *d);
void table_text_done(struct table_text *t);
/* Adds the entries of all tables of a list: hash:/path, lmdb:, btree:, cdb:, dbm:, sdbm:, texthash:
 * with the text of that path, inline:{ k=v, ... }; proxy: in front of them is nothing. Of one key
 * the first entry counts. What is none of these is added to *ret_other, and nobody knows what it
 * says. ERR_SYNTAX; ERR_NOT_FOUND: the text is not there. */
MUST_USE enum err table_text_add(struct maincf *m, struct span list, struct table_text *t,
                                 struct draft_list *ret_other);
/* An entry that stands in main.cf itself, without a value. */
MUST_USE enum err table_text_put(struct maincf *m, struct table_text *t, struct span key);
/* NULL: none. key: lower case. */
struct table_entry *table_text_find(const struct table_text *t, struct span key);

/* Lines of a file that stand for themselves, as in mynetworks = /path; their first words. */
MUST_USE enum err maincf_lines(struct maincf *m, struct span path, struct table_text *t);
/* The whole of a file beside main.cf. ERR_NOT_FOUND. */
MUST_USE enum err maincf_file(struct maincf *m, struct span path, struct buf *ret,
                              struct span *ret_path);
struct span maincf_lower(struct maincf *m, struct span s);

/* --- lines, as postconf(5) has them --- */

/* One logical line after the other: comments and empty lines left out, what begins with a blank
 * joined to the line before. */
struct logical {
    struct span left;
    int line;
};
/* false: the end. ret_text: in the arena. */
bool logical_next(struct logical *l, struct arena *a, struct span *ret_text, int *ret_line);

#endif
