/* ctl.h - the control protocol between `postern` and the workers: one JSON object a line each way.
 *
 * Request: {"verb": "queue-list", ...}. Answer: {"ok": true, ...} or {"ok": false, "error": "..."}.
 * Every worker has a unix socket <run>/gate-N.sock; the tool asks all of them and shows one result.
 * Only this folder knows jansson. Objects are built and read through it.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/buf.h"
#include "base/why.h"

enum { CTL_LINE_MAX = 8 * 1024 * 1024 };

struct ctl; /* a JSON object */

struct ctl *ctl_new(void);
void ctl_free(struct ctl *c);
/* One line without its end. ERR_SYNTAX: why. */
MUST_USE enum err ctl_parse(struct span line, struct ctl **ret, struct why *why);
/* Appends the line and '\n'. */
MUST_USE enum err ctl_print(const struct ctl *c, struct buf *out);
/* The same for people: indented. */
MUST_USE enum err ctl_print_pretty(const struct ctl *c, struct buf *out);

/* Bytes that are not UTF-8 are written as \ufffd. */
void ctl_set(struct ctl *c, const char *key, struct span value);
void ctl_set_num(struct ctl *c, const char *key, int64_t value);
void ctl_set_bool(struct ctl *c, const char *key, bool value);
/* Appends a new object to the array at key (made when missing); borrowed from c. */
struct ctl *ctl_add(struct ctl *c, const char *key);
/* An empty array at key, for ctl_add: readers may count on the key then. */
void ctl_array(struct ctl *c, const char *key);
/* A new object at key; borrowed from c. */
struct ctl *ctl_object(struct ctl *c, const char *key);

/* Borrowed from c; the empty span, 0, false when missing or of another type. */
struct span ctl_get(const struct ctl *c, const char *key);
int64_t ctl_get_num(const struct ctl *c, const char *key);
bool ctl_get_bool(const struct ctl *c, const char *key);
bool ctl_has(const struct ctl *c, const char *key);
bool ctl_is_num(const struct ctl *c, const char *key);
/* Elements of the array at key. ctl_at: borrowed from c. */
size_t ctl_count(const struct ctl *c, const char *key);
struct ctl *ctl_at(const struct ctl *c, const char *key, size_t i);
/* The object at key, borrowed from c; NULL when there is none. */
struct ctl *ctl_get_object(const struct ctl *c, const char *key);
/* Appends an object that is there already, of another line perhaps, to the array at key. Both hold
 * it then: neither may be changed through the other's back. */
void ctl_add_copy(struct ctl *c, const char *key, const struct ctl *element);
/* Walks the keys of an object: *it starts NULL. Values as text (numbers printed, booleans yes or
 * no); arrays, objects and what ret_value cannot hold come out empty. */
bool ctl_each(const struct ctl *c, void **it, const char **ret_key, struct buf *ret_value);

#endif
