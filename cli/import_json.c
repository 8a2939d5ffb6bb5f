#include "cli/import_record.h"

#include <jansson.h>
#include <stdio.h>

/* ConvertTo-Json: an array of connectors, or one. jansson reads it; only its shapes are known here:
 * Windows PowerShell writes an array as {"value": [...], "Count": n} now and then, and the values
 * of some types as objects. */

enum { DEPTH_MAX = 4, NUMBER_MAX = 32 };

/* In objects that stand for one text, the first of these that is there. */
static const char *const members[] = {
    "IPAddressToString", "Address", "Domain", "HostnameString", "Value", "value", "Name"
};

static const json_t *list_in(const json_t *v)
{
    const json_t *inner = json_object_get(v, "value");
    return json_is_array(inner) && json_object_get(v, "Count") ? inner : v;
}

static const json_t *member(const json_t *v)
{
    for (size_t i = 0; i < COUNTOF(members); i++) {
        const json_t *m = json_object_get(v, members[i]);
        bool is_empty = json_is_string(m) && json_string_length(m) == 0;
        if (m && !json_is_null(m) && !is_empty)
            return m;
    }
    return NULL;
}

/* {"Domain": "mail.example", "Address": "0.0.0.0", "IsIPAddress": false} */
static const json_t *one_value(const json_t *v)
{
    for (int depth = 0; json_is_object(v) && depth < DEPTH_MAX; depth++) {
        bool by_name = json_is_false(json_object_get(v, "IsIPAddress"));
        const json_t *domain = json_object_get(v, "Domain");
        const json_t *m = by_name && domain ? domain : member(v);
        if (!m)
            break;
        v = m;
    }
    return v;
}

/* What cannot be a text stays as "{}": no reader takes that for a value. */
static enum err put_value(struct record_reader *r, struct record_field *to, const json_t *v)
{
    char text[NUMBER_MAX];
    v = one_value(v);
    if (json_is_null(v))
        return ERR_OK;
    if (json_is_string(v))
        return record_value(r, to, span_of(json_string_value(v), json_string_length(v)));
    if (json_is_boolean(v))
        return record_value(r, to, json_is_true(v) ? SPAN("true") : SPAN("false"));
    if (!json_is_number(v))
        return record_value(r, to, SPAN("{}"));
    to->is_number = true;
    (void)snprintf(text, sizeof text, "%.17g", json_number_value(v));
    return record_value(r, to, span_z(text));
}

static enum err put_field(struct record_reader *r, struct record *to, const char *name,
                          const json_t *v)
{
    struct record_field *f;
    TRY(record_field(r, to, span_z(name), 1, &f));
    v = list_in(v);
    if (!json_is_array(v))
        return put_value(r, f, v);
    for (size_t i = 0; i < json_array_size(v); i++)
        TRY(put_value(r, f, json_array_get(v, i)));
    return ERR_OK;
}

static enum err put_record(struct record_reader *r, json_t *v, bool alone)
{
    struct record *to;
    struct span place =
        alone ? r->file
              : draft_text(r->d, "%.*s, connector %u", SPAN_ARG(r->file), r->n_record + 1);
    if (!json_is_object(v))
        return record_error(r, 1,
                            "element %u is no object; export with: Get-InboundConnector | "
                            "ConvertTo-Json -Depth 4",
                            r->n_record + 1);
    TRY(record_new(r, RECORD_OTHER, place, &to));
    for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it))
        TRY(put_field(r, to, json_object_iter_key(it), json_object_iter_value(it)));
    return ERR_OK;
}

enum err record_json(struct record_reader *r, struct span text)
{
    json_error_t error;
    json_t *whole = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
    if (!whole)
        return record_error(r, error.line > 0 ? error.line : 1,
                            "no JSON: %s; export it anew with ConvertTo-Json -Depth 4", error.text);
    const json_t *list = list_in(whole);
    enum err e = ERR_OK;
    if (!json_is_array(list))
        e = put_record(r, whole, true);
    for (size_t i = 0; e == ERR_OK && i < json_array_size(list); i++)
        e = put_record(r, json_array_get(list, i), false);
    json_decref(whole);
    return e;
}
