/* sts.c - start reading at sts_policy_read and at sts_txt_read. */
#include "policy/sts.h"
#include "mail/addr.h"
#include "mail/text.h"

enum { NAME_MAX_ = 32, TXT_BYTES_MAX = STS_TXT_STRINGS_MAX * 255 };

static const char *const mode_names[] = {
    [STS_POLICY_NONE] = "none",
    [STS_POLICY_TESTING] = "testing",
    [STS_POLICY_ENFORCE] = "enforce",
};
STATIC_ASSERT(COUNTOF(mode_names) == STS_POLICY_MODE_COUNT_);

const char *sts_policy_mode_name(enum sts_policy_mode m)
{
    ASSERT(m < STS_POLICY_MODE_COUNT_);
    return mode_names[m];
}

enum err sts_policy_mode_read(struct span s, enum sts_policy_mode *ret)
{
    for (unsigned i = 0; i < STS_POLICY_MODE_COUNT_; i++) {
        if (span_eq(s, span_z(mode_names[i]))) {
            *ret = (enum sts_policy_mode)i;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

static bool is_alnum(char c)
{
    c = ascii_lower(c);
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

bool sts_id_valid(struct span id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!is_alnum(id.p[i]))
            return false;
    return id.n > 0 && id.n <= STS_ID_MAX;
}

/* sts-ext-name and sts-policy-ext-name, which are the same. */
static bool name_valid(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!is_alnum(c) && (i == 0 || (c != '_' && c != '-' && c != '.')))
            return false;
    }
    return s.n > 0 && s.n <= NAME_MAX_;
}

/* --- the TXT record */

static bool txt_value_valid(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ';' || s.p[i] == '=')
            return false;
    return s.n > 0;
}

/* Is it one of ours? Moves *s behind "v=STSv1" and its semicolon. The text of RFC 8461 3.1 asks for
 * "v=STSv1;", the grammar lets blanks stand before the semicolon: they may. */
static bool take_version(struct span *s)
{
    if (!span_starts(*s, SPAN("v=STSv1")))
        return false;
    struct span rest = span_trim(span_tail(*s, 7));
    if (!span_starts(rest, SPAN(";")))
        return false;
    *s = span_tail(rest, 1);
    return true;
}

/* The fields behind the version. */
static enum err fields_read(struct span s, struct span *ret_id, struct why *why)
{
    struct span id = SPAN_NONE;
    bool has_id = false;
    while ((s = span_trim(s)).n > 0) {
        struct span value = span_trim(span_cut(&s, ';'));
        struct span name = span_cut(&value, '=');
        if (!name_valid(name) || !txt_value_valid(value)) {
            why_set(why, "the _mta-sts record has a field that is not name=value");
            return ERR_REFUSED;
        }
        if (!span_eq(name, SPAN("id")) || has_id)
            continue; /* = RFC 8461 3.2: of what stands twice the first counts */
        id = value;
        has_id = true;
    }
    if (!has_id || !sts_id_valid(id)) {
        why_set(why, "the _mta-sts record has no id of 1 to %d letters and digits", STS_ID_MAX);
        return ERR_REFUSED;
    }
    *ret_id = id;
    return ERR_OK;
}

/* Joins the strings; what is beyond the limit cannot be part of a record that is ours. */
static void join(const struct sts_txt *txt, struct buf *out)
{
    buf_clear(out);
    for (unsigned i = 0; i < txt->n && i < STS_TXT_STRINGS_MAX; i++)
        if (buf_append(out, txt->string[i]) != ERR_OK)
            return;
}

enum err sts_txt_read(const struct sts_txt *txt, unsigned n, struct buf *ret_id, struct why *why)
{
    struct buf joined, ours;
    unsigned found = 0;
    buf_init(&joined, TXT_BYTES_MAX);
    buf_init(&ours, TXT_BYTES_MAX);
    for (unsigned i = 0; i < n; i++) {
        join(&txt[i], &joined);
        struct span s = buf_span(&joined);
        /* = RFC 8461 3.1: records that do not begin with "v=STSv1;" are discarded */
        if (!take_version(&s))
            continue;
        found++;
        buf_clear(&ours);
        buf_put(&ours, s);
    }
    struct span id = SPAN_NONE;
    enum err e = found == 0 ? ERR_NOT_FOUND : ERR_OK;
    if (found > 1) {
        /* = RFC 8461 3.1: if the number of resulting records is not one ... */
        why_set(why, "there are %u _mta-sts records with v=STSv1; one is wanted", found);
        e = ERR_REFUSED;
    }
    if (e == ERR_OK)
        e = fields_read(buf_span(&ours), &id, why);
    if (e == ERR_OK)
        buf_put(ret_id, id);
    buf_done(&joined);
    buf_done(&ours);
    return e;
}

/* --- the policy file */

bool sts_pattern_valid(struct span pattern)
{
    if (span_starts(pattern, SPAN("*.")))
        pattern = span_tail(pattern, 2);
    return domain_valid(pattern, false);
}

bool sts_pattern_matches(struct span pattern, struct span mx)
{
    if (!sts_pattern_valid(pattern) || !domain_valid(mx, false))
        return false;
    if (!span_starts(pattern, SPAN("*.")))
        return domain_eq(pattern, mx);
    /* = RFC 8461 4.1: the wildcard stands for the left-most label, whole, and for one label only */
    size_t dot = span_find(mx, '.');
    return dot < mx.n && domain_eq(span_tail(pattern, 2), span_tail(mx, dot + 1));
}

bool sts_lists(const struct sts_policy *p, struct span mx)
{
    for (unsigned i = 0; i < p->n_mx; i++)
        if (sts_pattern_matches(p->mx[i], mx))
            return true;
    return false;
}

/* What has been read so far of a file. */
struct reading {
    struct sts_policy policy;
    bool has_version, has_mode, has_max_age;
};

typedef enum err key_fn(struct reading *r, struct span value, struct why *why);

static enum err read_version(struct reading *r, struct span value, struct why *why)
{
    if (r->has_version)
        return ERR_OK;
    r->has_version = true;
    if (span_eq(value, SPAN("STSv1")))
        return ERR_OK;
    why_set(why, "version is not STSv1");
    return ERR_SYNTAX;
}

static enum err read_mode(struct reading *r, struct span value, struct why *why)
{
    if (r->has_mode)
        return ERR_OK;
    r->has_mode = true;
    enum err e = sts_policy_mode_read(value, &r->policy.mode);
    if (e != ERR_OK)
        why_set(why, "mode is none of enforce, testing and none");
    return e;
}

static enum err read_max_age(struct reading *r, struct span value, struct why *why)
{
    if (r->has_max_age)
        return ERR_OK;
    r->has_max_age = true;
    uint64_t n = 0;
    if (value.n > 10 || span_u64(value, STS_MAX_AGE_MAX_S, &n) != ERR_OK) {
        why_set(why, "max_age is no number of seconds from 0 to %d", STS_MAX_AGE_MAX_S);
        return ERR_SYNTAX;
    }
    r->policy.max_age_s = (uint32_t)n;
    return ERR_OK;
}

static enum err read_mx(struct reading *r, struct span value, struct why *why)
{
    if (!sts_pattern_valid(value)) {
        const char *hint =
            text_eight_bit(value) ? " (international names are written as A-labels)" : "";
        why_set(why, "mx is neither a host name nor \"*.\" and one%s", hint);
        return ERR_SYNTAX;
    }
    if (r->policy.n_mx == STS_MX_MAX) {
        why_set(why, "more than %d mx patterns", STS_MX_MAX);
        return ERR_TOO_BIG;
    }
    r->policy.mx[r->policy.n_mx++] = value;
    return ERR_OK;
}

static const struct {
    struct span name;
    key_fn *read;
} keys[] = {
    { { "version", 7 }, read_version },
    { { "mode", 4 }, read_mode },
    { { "max_age", 7 }, read_max_age },
    { { "mx", 2 }, read_mx },
};

static struct span without_blanks_behind(struct span s)
{
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s = span_head(s, s.n - 1);
    return s;
}

/* One line without its end. Keys are compared with case, as the grammar has them. */
static enum err line_read(struct reading *r, struct span line, struct why *why)
{
    size_t colon = span_find(line, ':');
    struct span name = span_head(line, colon);
    if (colon == line.n || !name_valid(name)) {
        why_set(why, "not \"key: value\"");
        return ERR_SYNTAX;
    }
    struct span value = span_trim(span_tail(line, colon + 1));
    if (!text_plain(value)) {
        why_set(why, "the value has control characters, or is no UTF-8");
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < COUNTOF(keys); i++)
        if (span_eq(name, keys[i].name))
            return keys[i].read(r, value, why);
    return ERR_OK; /* = RFC 8461 3.2: unknown fields SHALL be ignored */
}

/* What the whole must have. */
static enum err complete(const struct reading *r, struct why *why)
{
    const char *missing = !r->has_version                                            ? "version"
                          : !r->has_mode                                             ? "mode"
                          : !r->has_max_age                                          ? "max_age"
                          : r->policy.n_mx == 0 && r->policy.mode != STS_POLICY_NONE ? "mx"
                                                                                     : NULL;
    if (!missing)
        return ERR_OK;
    why_set(why, "the policy has no %s", missing);
    return ERR_SYNTAX;
}

enum err sts_policy_read(struct span text, struct sts_policy *ret, struct why *why)
{
    if (text.n > STS_POLICY_MAX) {
        why_set(why, "the policy is larger than %d bytes", STS_POLICY_MAX);
        return ERR_TOO_BIG;
    }
    struct reading r = { 0 };
    for (unsigned line_no = 1; text.n > 0; line_no++) {
        struct span line = span_cut(&text, '\n');
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line = span_head(line, line.n - 1);
        line = without_blanks_behind(line);
        if (line.n == 0)
            continue; /* the grammar has none, files have them at their end */
        enum err e = line_read(&r, line, why);
        if (e != ERR_OK) {
            why_prefix(why, "line %u", line_no);
            return e;
        }
    }
    TRY(complete(&r, why));
    *ret = r.policy;
    return ERR_OK;
}

bool sts_policy_eq(const struct sts_policy *a, const struct sts_policy *b)
{
    if (a->mode != b->mode || a->max_age_s != b->max_age_s || a->n_mx != b->n_mx)
        return false;
    for (unsigned i = 0; i < a->n_mx; i++)
        if (!span_eq_nocase(a->mx[i], b->mx[i]))
            return false;
    return true;
}

void sts_policy_print(const struct sts_policy *p, struct buf *out)
{
    buf_putf(out, "version: STSv1\nmode: %s\n", sts_policy_mode_name(p->mode));
    for (unsigned i = 0; i < p->n_mx; i++)
        buf_putf(out, "mx: %.*s\n", SPAN_ARG(p->mx[i]));
    buf_putf(out, "max_age: %u\n", (unsigned)p->max_age_s);
}

/* --- the web */

static void put_name(const char *prefix, struct span domain, const char *suffix, struct buf *out)
{
    ASSERT(domain_valid(domain, false));
    if (domain.p[domain.n - 1] == '.')
        domain = span_head(domain, domain.n - 1);
    buf_putf(out, "%s%.*s%s", prefix, SPAN_ARG(domain), suffix);
}

void sts_txt_name(struct span domain, struct buf *out)
{
    put_name("_mta-sts.", domain, "", out);
}

void sts_web_host(struct span domain, struct buf *out)
{
    put_name("mta-sts.", domain, "", out);
}

void sts_url(struct span domain, struct buf *out)
{
    put_name("https://mta-sts.", domain, STS_PATH, out);
}

enum err sts_answer_check(const struct sts_answer *a, struct why *why)
{
    /* = RFC 8461 3.3: HTTP 3xx redirects MUST NOT be followed */
    if (a->status != 200) {
        const char *hint = a->status / 100 == 3 ? " (redirects are not followed)" : "";
        why_set(why, "the policy host answers %u%s; 200 is wanted", a->status, hint);
        return ERR_REFUSED;
    }
    /* = RFC 8461 3.3: SHOULD validate that the media type is "text/plain" */
    struct span rest = a->content_type;
    if (!span_eq_nocase(span_trim(span_cut(&rest, ';')), SPAN("text/plain"))) {
        why_set(why, "the policy's content type is not text/plain");
        return ERR_REFUSED;
    }
    if (a->n > STS_POLICY_MAX) {
        why_set(why, "the policy is larger than %d bytes", STS_POLICY_MAX);
        return ERR_TOO_BIG;
    }
    return ERR_OK;
}
