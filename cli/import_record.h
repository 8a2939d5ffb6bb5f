/* import_record.h - what an export says, whatever its form: records with fields with values. JSON
 * (ConvertTo-Json), CSV (Export-Csv) and PowerShell DSC (Microsoft365DSC) are read into the same.
 *
 * Nothing is understood here, names of fields are compared without case by record_get. Everything
 * lives in the draft's arena; an error says `file:line: ` what is wrong and what to do.
 */
#ifndef CLI_IMPORT_RECORD_H
#define CLI_IMPORT_RECORD_H

#include "cli/import_draft.h"

struct record_value {
    struct span text;
    struct record_value *next;
};

struct record_field {
    struct span name;
    struct record_value *value; /* NULL: null, or an empty list */
    struct record_value **value_tail;
    bool is_number;   /* a bare number of JSON */
    bool is_variable; /* DSC: $name, which only the program that exported knows */
    int line;
    struct record_field *next;
};

enum record_kind { RECORD_OTHER, RECORD_INBOUND, RECORD_OUTBOUND };

struct record {
    enum record_kind kind; /* when the form says it */
    struct span file, place;
    struct record_field *field, **field_tail;
    struct record *next;
};

struct record_reader {
    struct draft *d;
    struct span file;
    struct why *why;
    struct record *first, **tail;
    unsigned n_record;
};

/* Any of the three forms, which are told apart by their beginning; also as UTF-16 with its mark.
 * file: for messages, borrowed as long as d. ERR_SYNTAX, ERR_TOO_BIG. *ret: NULL when there is
 * nothing. */
MUST_USE enum err record_read(struct draft *d, struct span file, struct span text,
                              struct record **ret, struct why *why);
/* NULL: none. */
struct record_field *record_get(const struct record *r, const char *name);
/* Its one value without blanks around; empty when there is none. */
struct span record_text(const struct record *r, const char *name);

/* --- for the readers of one form --- */

MUST_USE enum err record_json(struct record_reader *r, struct span text);
MUST_USE enum err record_csv(struct record_reader *r, struct span text);
MUST_USE enum err record_dsc(struct record_reader *r, struct span text);

MUST_USE enum err record_new(struct record_reader *r, enum record_kind kind, struct span place,
                             struct record **ret);
/* ERR_SYNTAX: it stands there twice. name: copied. */
MUST_USE enum err record_field(struct record_reader *r, struct record *to, struct span name,
                               int line, struct record_field **ret);
/* text: copied. */
MUST_USE enum err record_value(struct record_reader *r, struct record_field *to, struct span text);
/* Returns ERR_SYNTAX. */
MUST_USE enum err record_error(struct record_reader *r, int line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
