/* A struct ctl is a jansson object and nothing else: the type has no members, so that only this
 * file can look inside. Memory is ours (mem_alloc), so nothing here runs out of it quietly. */
#include "ctl/ctl.h"

#include <inttypes.h>
#include <jansson.h>

enum { READ_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, INDENT = 2 };

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
enum { REPLACEMENT_BYTES = sizeof replacement - 1 };

static json_t *json_of(const struct ctl *c)
{
    union {
        const struct ctl *c;
        json_t *json;
    } u = { c };
    ASSERT(json_is_object(u.json));
    return u.json;
}

static struct ctl *ctl_of(json_t *json)
{
    ASSERT(json != NULL); /* mem_alloc does not fail */
    return (struct ctl *)(void *)json;
}

struct ctl *ctl_new(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    return ctl_of(json_object());
}

void ctl_free(struct ctl *c)
{
    if (c)
        json_decref(json_of(c));
}

enum err ctl_parse(struct span line, struct ctl **ret, struct why *why)
{
    json_error_t error;
    json_set_alloc_funcs(mem_alloc, mem_free);
    json_t *json = json_loadb(line.n > 0 ? line.p : "", line.n, READ_FLAGS, &error);
    if (!json) {
        why_set(why, "not JSON: %s at byte %d", error.text, error.position);
        return ERR_SYNTAX;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        why_set(why, "not a JSON object");
        return ERR_SYNTAX;
    }
    *ret = ctl_of(json);
    return ERR_OK;
}

/* --- printing --- */

/* What jansson leaves as it is: a DEL can stand within a string only. */
static int print_piece(const char *p, size_t n, void *arg)
{
    struct buf *out = arg;
    struct span left = span_of(p, n);
    while (left.n > 0) {
        size_t del = span_find(left, '\x7f');
        if (buf_append(out, span_head(left, del)) != ERR_OK)
            return -1;
        if (del < left.n && buf_append(out, SPAN("\\u007f")) != ERR_OK)
            return -1;
        left = span_tail(left, del < left.n ? del + 1 : del);
    }
    return 0;
}

/* All is ASCII, so no byte of anybody's can move a terminal's cursor (T-15). */
static enum err print(const struct ctl *c, size_t flags, struct buf *out)
{
    size_t before = out->n;
    bool well = json_dump_callback(json_of(c), print_piece, out, flags | JSON_ENSURE_ASCII) == 0;
    if (well && buf_addc(out, '\n') == ERR_OK)
        return ERR_OK;
    buf_truncate(out, before);
    return ERR_TOO_BIG;
}

enum err ctl_print(const struct ctl *c, struct buf *out)
{
    return print(c, JSON_COMPACT, out);
}

enum err ctl_print_pretty(const struct ctl *c, struct buf *out)
{
    return print(c, JSON_INDENT(INDENT), out);
}

/* --- strings: whatever came in, UTF-8 goes out --- */

/* Bytes of the well-formed sequence at the front of s (RFC 3629), 0 when there is none. */
static size_t utf8_sequence(struct span s)
{
    unsigned char a = (unsigned char)s.p[0], low = 0x80, high = 0xbf;
    if (a < 0x80)
        return 1;
    size_t n = a >= 0xc2 && a <= 0xdf ? 2 : (a & 0xf0) == 0xe0 ? 3 : a >= 0xf0 && a <= 0xf4 ? 4 : 0;
    if (n == 0 || n > s.n)
        return 0;
    if (a == 0xe0)
        low = 0xa0; /* overlong */
    if (a == 0xed)
        high = 0x9f; /* surrogates */
    if (a == 0xf0)
        low = 0x90;
    if (a == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    for (size_t i = 1; i < n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (b < low || b > high)
            return 0;
        low = 0x80, high = 0xbf;
    }
    return n;
}

static json_t *string_new(struct span s)
{
    char *clean = mem_alloc(s.n * REPLACEMENT_BYTES + 1);
    size_t n = 0;
    while (s.n > 0) {
        size_t good = utf8_sequence(s);
        memcpy(clean + n, good ? s.p : replacement, good ? good : REPLACEMENT_BYTES);
        n += good ? good : REPLACEMENT_BYTES;
        s = span_tail(s, good ? good : 1);
    }
    json_t *json = json_stringn_nocheck(clean, n);
    mem_free(clean);
    ASSERT(json != NULL);
    return json;
}

/* --- building --- */

static void set_new(struct ctl *c, const char *key, json_t *value)
{
    int failed = json_object_set_new_nocheck(json_of(c), key, value);
    ASSERT(!failed);
}

void ctl_set(struct ctl *c, const char *key, struct span value)
{
    set_new(c, key, string_new(value));
}

void ctl_set_num(struct ctl *c, const char *key, int64_t value)
{
    set_new(c, key, json_integer(value));
}

void ctl_set_bool(struct ctl *c, const char *key, bool value)
{
    set_new(c, key, json_boolean(value));
}

void ctl_array(struct ctl *c, const char *key)
{
    set_new(c, key, json_array());
}

/* The array at key, made when missing. */
static json_t *array_at(struct ctl *c, const char *key)
{
    if (!ctl_has(c, key))
        ctl_array(c, key);
    json_t *array = json_object_get(json_of(c), key);
    ASSERT(json_is_array(array));
    return array;
}

struct ctl *ctl_add(struct ctl *c, const char *key)
{
    json_t *array = array_at(c, key);
    json_t *object = json_object();
    int failed = json_array_append_new(array, object);
    ASSERT(!failed);
    return ctl_of(object);
}

struct ctl *ctl_object(struct ctl *c, const char *key)
{
    json_t *object = json_object();
    set_new(c, key, object);
    return ctl_of(object);
}

/* --- reading --- */

static struct span string_of(const json_t *json)
{
    if (!json_is_string(json))
        return SPAN_NONE;
    return span_of(json_string_value(json), json_string_length(json));
}

struct span ctl_get(const struct ctl *c, const char *key)
{
    return string_of(json_object_get(json_of(c), key));
}

int64_t ctl_get_num(const struct ctl *c, const char *key)
{
    return json_integer_value(json_object_get(json_of(c), key));
}

bool ctl_get_bool(const struct ctl *c, const char *key)
{
    return json_is_true(json_object_get(json_of(c), key));
}

bool ctl_has(const struct ctl *c, const char *key)
{
    return json_object_get(json_of(c), key) != NULL;
}

bool ctl_is_num(const struct ctl *c, const char *key)
{
    return json_is_integer(json_object_get(json_of(c), key));
}

size_t ctl_count(const struct ctl *c, const char *key)
{
    return json_array_size(json_object_get(json_of(c), key));
}

struct ctl *ctl_at(const struct ctl *c, const char *key, size_t i)
{
    json_t *json = json_array_get(json_object_get(json_of(c), key), i);
    return json_is_object(json) ? ctl_of(json) : NULL;
}

struct ctl *ctl_get_object(const struct ctl *c, const char *key)
{
    json_t *json = json_object_get(json_of(c), key);
    return json_is_object(json) ? ctl_of(json) : NULL;
}

void ctl_add_copy(struct ctl *c, const char *key, const struct ctl *element)
{
    json_t *array = array_at(c, key);
    int failed = json_array_append(array, json_of(element));
    ASSERT(!failed);
}

bool ctl_each(const struct ctl *c, void **it, const char **ret_key, struct buf *ret_value)
{
    json_t *object = json_of(c);
    *it = *it ? json_object_iter_next(object, *it) : json_object_iter(object);
    if (!*it)
        return false;
    const json_t *value = json_object_iter_value(*it);
    enum err e = ERR_OK;
    buf_clear(ret_value);
    if (json_is_string(value))
        e = buf_append(ret_value, string_of(value));
    else if (json_is_integer(value))
        e = buf_addf(ret_value, "%" PRId64, (int64_t)json_integer_value(value));
    else if (json_is_boolean(value))
        e = buf_append(ret_value, json_is_true(value) ? SPAN("yes") : SPAN("no"));
    if (e != ERR_OK)
        buf_clear(ret_value); /* longer than the caller wants to know */
    *ret_key = json_object_iter_key(*it);
    return true;
}
