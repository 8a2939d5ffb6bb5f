/* tlsreport.c - start reading at tlsreport_read. The library's parser gets a text only after
 * weigh() has seen that it is neither deep nor made of very many values. */
#include "ctl/tlsreport.h"
#include "base/when.h"
#include <jansson.h>

/* Where things go, and what went wrong first. */
struct reading {
    struct arena *a;
    struct why *why;
    unsigned failures; /* so far */
};

static enum err too_big(struct reading *r, const char *what)
{
    why_set(r->why, "the report has too much: %s", what);
    return ERR_TOO_BIG;
}

static enum err wrong(struct reading *r, const char *what)
{
    why_set(r->why, "not a TLS report: %s", what);
    return ERR_SYNTAX;
}

/* --- before the library sees it */

/* Moves *i behind the string that begins there; an open one ends with the text. */
static void skip_string(struct span s, size_t *i)
{
    for (++*i; *i < s.n && s.p[*i] != '"'; ++*i)
        if (s.p[*i] == '\\')
            ++*i;
}

/* Depth and number of values, roughly: what looks like a bracket or a comma outside of strings. */
static enum err weigh(struct span s, struct reading *r)
{
    unsigned depth = 0, values = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"')
            skip_string(s, &i);
        if (c == '{' || c == '[')
            depth++;
        if ((c == '}' || c == ']') && depth > 0)
            depth--;
        values += c == '{' || c == '[' || c == ',';
        if (depth > TLSREPORT_DEPTH_MAX)
            return too_big(r, "depth");
        if (values > TLSREPORT_VALUES_MAX)
            return too_big(r, "values");
    }
    return ERR_OK;
}

/* --- values */

static enum err take_string(struct reading *r, const json_t *v, struct span *ret)
{
    *ret = SPAN_NONE;
    if (!json_is_string(v) || json_string_length(v) == 0)
        return ERR_OK;
    struct span s = span_of(json_string_value(v), json_string_length(v));
    if (s.n > TLSREPORT_STRING_MAX)
        return too_big(r, "a long string");
    if (arena_try_span(r->a, s, ret) != ERR_OK)
        return too_big(r, "text");
    return ERR_OK;
}

static enum err member(struct reading *r, const json_t *o, const char *key, struct span *ret)
{
    return take_string(r, json_object_get(o, key), ret);
}

static enum err take_count(struct reading *r, const json_t *o, const char *key, uint64_t *ret)
{
    const json_t *v = json_object_get(o, key);
    *ret = 0;
    if (!v || json_is_null(v))
        return ERR_OK;
    if (json_is_string(v)) {
        struct span s = span_of(json_string_value(v), json_string_length(v));
        if (span_u64(s, INT64_MAX, ret) == ERR_OK)
            return ERR_OK;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return wrong(r, "a count that is no number");
    *ret = (uint64_t)json_integer_value(v);
    return ERR_OK;
}

/* How many there are: the elements of an array, one when it is something else, none when absent. */
static size_t count(const json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : v && !json_is_null(v) ? 1 : 0;
}

static const json_t *element(const json_t *v, size_t i)
{
    return json_is_array(v) ? json_array_get(v, i) : v;
}

/* Room for n elements of that size; n is bounded by the caller. */
static enum err room(struct reading *r, size_t n, size_t size, void *ret)
{
    void *p = NULL;
    if (arena_try(r->a, n * size, &p) != ERR_OK)
        return too_big(r, "text");
    memcpy(ret, &p, sizeof(p));
    return ERR_OK;
}

static enum err take_strings(struct reading *r, const json_t *v, struct span **ret, unsigned *ret_n)
{
    size_t n = count(v);
    *ret_n = 0;
    if (n > TLSREPORT_LINES_MAX)
        return too_big(r, "lines of a policy");
    TRY(room(r, n, sizeof(**ret), ret));
    for (size_t i = 0; i < n; i++) {
        struct span s;
        TRY(take_string(r, element(v, i), &s));
        if (s.n > 0)
            (*ret)[(*ret_n)++] = s;
    }
    return ERR_OK;
}

/* RFC 3339, with an offset of zero in either form. */
static enum err take_time(struct reading *r, const json_t *o, const char *key, int64_t *ret)
{
    enum { TEXT_MAX = 40 };
    const json_t *v = json_object_get(o, key);
    struct span s =
        json_is_string(v) ? span_of(json_string_value(v), json_string_length(v)) : SPAN_NONE;
    char text[TEXT_MAX];
    if (s.n >= 6 && s.n < sizeof(text) && span_ends_nocase(s, SPAN("+00:00"))) {
        memcpy(text, s.p, s.n);
        text[s.n - 6] = 'Z';
        s = span_of(text, s.n - 5);
    }
    return when_parse(s, ret) == ERR_OK ? ERR_OK : wrong(r, "a date-range without two times");
}

/* --- the report's parts */

static enum err read_failure(struct reading *r, const json_t *o, struct tlsreport_failure *f)
{
    if (!json_is_object(o))
        return wrong(r, "a failure that is no object");
    TRY(member(r, o, "result-type", &f->result));
    TRY(member(r, o, "sending-mta-ip", &f->sending_ip));
    TRY(member(r, o, "receiving-ip", &f->receiving_ip));
    TRY(member(r, o, "receiving-mx-hostname", &f->mx));
    TRY(member(r, o, "receiving-mx-helo", &f->helo));
    TRY(member(r, o, "additional-information", &f->info));
    TRY(member(r, o, "failure-reason-code", &f->reason));
    if (f->reason.n == 0)
        TRY(member(r, o, "failure-error-code", &f->reason));
    return take_count(r, o, "failed-session-count", &f->n);
}

static enum err read_failures(struct reading *r, const json_t *v, struct tlsreport_policy *p)
{
    size_t n = count(v);
    r->failures += n <= TLSREPORT_FAILURES_MAX ? (unsigned)n : TLSREPORT_FAILURES_MAX + 1;
    if (r->failures > TLSREPORT_FAILURES_MAX)
        return too_big(r, "failures");
    TRY(room(r, n, sizeof(*p->failure), &p->failure));
    for (; p->n_failure < n; p->n_failure++)
        TRY(read_failure(r, element(v, p->n_failure), &p->failure[p->n_failure]));
    return ERR_OK;
}

static enum err read_policy(struct reading *r, const json_t *o, struct tlsreport_policy *p)
{
    const json_t *policy = json_object_get(o, "policy"), *summary = json_object_get(o, "summary");
    if (!json_is_object(policy))
        return wrong(r, "no policy in an element of policies");
    TRY(member(r, policy, "policy-type", &p->type));
    TRY(member(r, policy, "policy-domain", &p->domain));
    if (p->domain.n == 0)
        return wrong(r, "a policy without its domain");
    TRY(take_strings(r, json_object_get(policy, "policy-string"), &p->line, &p->n_line));
    const json_t *mx = json_object_get(policy, "mx-host");
    if (!mx)
        mx = json_object_get(policy, "mx-host-pattern");
    TRY(take_strings(r, mx, &p->mx, &p->n_mx));
    TRY(take_count(r, summary, "total-successful-session-count", &p->well));
    TRY(take_count(r, summary, "total-failure-session-count", &p->failed));
    return read_failures(r, json_object_get(o, "failure-details"), p);
}

static enum err read_root(struct reading *r, const json_t *o, struct tlsreport *ret)
{
    const json_t *range = json_object_get(o, "date-range"), *all = json_object_get(o, "policies");
    if (!json_is_object(o))
        return wrong(r, "no object");
    TRY(member(r, o, "organization-name", &ret->organization));
    TRY(member(r, o, "contact-info", &ret->contact));
    TRY(member(r, o, "report-id", &ret->id));
    if (ret->id.n == 0)
        return wrong(r, "no report-id");
    TRY(take_time(r, range, "start-datetime", &ret->begin_ms));
    TRY(take_time(r, range, "end-datetime", &ret->end_ms));
    size_t n = count(all);
    if (n == 0)
        return wrong(r, "no policies");
    if (n > TLSREPORT_POLICIES_MAX)
        return too_big(r, "policies");
    TRY(room(r, n, sizeof(*ret->policy), &ret->policy));
    for (; ret->n_policy < n; ret->n_policy++)
        TRY(read_policy(r, element(all, ret->n_policy), &ret->policy[ret->n_policy]));
    return ERR_OK;
}

enum err tlsreport_read(struct span text, struct arena *a, struct tlsreport *ret, struct why *why)
{
    struct reading r = { .a = a, .why = why };
    struct tlsreport report = { 0 };
    json_error_t error;
    if (text.n > TLSREPORT_BYTES_MAX)
        return too_big(&r, "bytes");
    if (span_starts(text, SPAN("\xef\xbb\xbf")))
        text = span_tail(text, 3);
    TRY(weigh(text, &r));
    json_t *root = json_loadb(text.n > 0 ? text.p : "", text.n, 0, &error);
    if (!root) {
        why_set(why, "not a TLS report: line %d: %s", error.line, error.text);
        return ERR_SYNTAX;
    }
    enum err e = read_root(&r, root, &report);
    json_decref(root);
    if (e == ERR_OK)
        *ret = report;
    return e;
}
