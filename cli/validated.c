#include "cli/validated.h"

#include "cli/config_diff.h"
#include "cli/out.h"
#include "mail/text.h"
#include "sys/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD_MAX = 4 * 1024, WHY_SHOWN_MAX = 300, DIGEST_BYTES = 17, DEFINITION_MAX = 1 << 28 };

/* --- which definition --- */

/* Who answers for it and whether it is enforced are no part of what was tried. */
static bool counts(const char *field)
{
    static const char *const not [] = { "mode", "owner", "comment", "created", "changed" };
    for (size_t i = 0; i < COUNTOF(not ); i++)
        if (strcmp(field, not [i]) == 0)
            return false;
    return true;
}

/* Tells definitions apart; no secret is in it, so the key is none either. */
static void digest(const struct config *c, const struct out_connector *k, char ret[DIGEST_BYTES])
{
    static const struct hash_key key = { { 1, 2 } };
    struct ctl *fields = ctl_new();
    struct buf all, value;
    const char *name;
    void *it = NULL;
    buf_init(&all, DEFINITION_MAX);
    buf_init(&value, DEFINITION_MAX / 2);
    config_diff_outbound(c, k, fields);
    while (ctl_each(fields, &it, &name, &value)) {
        if (!counts(name))
            continue;
        buf_putf(&all, "%s=", name);
        buf_put(&all, buf_span(&value));
        buf_put(&all, SPAN("\n"));
    }
    (void)snprintf(ret, DIGEST_BYTES, "%016" PRIx64, span_hash(&key, buf_span(&all)));
    buf_done(&all);
    buf_done(&value);
    ctl_free(fields);
}

static const struct out_connector *find(const struct config *c, struct span id)
{
    const struct org *org = org_by_name(c->orgs, span_head(id, span_find(id, '/')));
    for (unsigned i = 0; org && i < org->n_out; i++)
        if (span_eq_nocase(org->out[i].c.id, id))
            return &org->out[i];
    return NULL;
}

/* --- where --- */

/* The folder, opened: a path below this descriptor cannot be led elsewhere. -1: there is none. */
static int open_folder(const struct config *c, bool make, struct why *why)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*s/validated", SPAN_ARG(c->data));
    if (n < 0 || (size_t)n >= sizeof path) {
        why_set(why, "the path of the data is too long");
        return -1;
    }
    if (make)
        (void)mkdir(path, 0755);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        why_set(why, "%s: %s", path, strerror(errno));
    return fd;
}

/* "organisation.connector": names have no dots. */
static void path_of(int folder, struct span id, char ret[PATH_MAX])
{
    size_t slash = span_find(id, '/');
    int n = snprintf(ret, PATH_MAX, "/proc/self/fd/%d/", folder);
    for (size_t i = 0; i < id.n && i < 2 * (size_t)CONFIG_LABEL_MAX + 1; i++)
        ret[n++] = i == slash ? '.' : ascii_lower(id.p[i]);
    ret[n] = '\0';
}

/* --- writing --- */

static void fill(const struct ctl *answer, struct ctl *record)
{
    size_t n = ctl_count(answer, "addresses");
    ctl_set_bool(record, "fulfilled", ctl_get_bool(answer, "fulfilled"));
    ctl_set_num(record, "addresses", (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        const struct ctl *a = ctl_at(answer, "addresses", i);
        if (i == 0)
            ctl_set(record, "to", text_cut(ctl_get(a, "domain"), WHY_SHOWN_MAX));
        if (ctl_get_bool(a, "fulfilled"))
            continue;
        ctl_set(record, "host", text_cut(ctl_get(a, "host"), WHY_SHOWN_MAX));
        ctl_set(record, "failed", ctl_get(a, "failed"));
        ctl_set(record, "why", text_cut(ctl_get(a, "why"), WHY_SHOWN_MAX));
        return;
    }
}

enum err validated_keep(const struct config *c, const struct ctl *answer, int64_t now_ms,
                        struct why *why)
{
    struct span id = ctl_get(answer, "connector");
    const struct out_connector *k = find(c, id);
    char path[PATH_MAX], hex[DIGEST_BYTES];
    ASSERT(k);
    int folder = open_folder(c, true, why);
    if (folder < 0)
        return ERR_IO;
    struct ctl *record = ctl_new();
    struct buf line;
    buf_init(&line, RECORD_MAX);
    digest(c, k, hex);
    ctl_set_num(record, "at", now_ms);
    ctl_set(record, "definition", span_z(hex));
    fill(answer, record);
    path_of(folder, id, path);
    enum err e = ctl_print(record, &line);
    if (e == ERR_OK)
        e = file_put(path, 0644, buf_span(&line), why);
    else
        why_set(why, "the result is too long");
    (void)close(folder);
    ctl_free(record);
    buf_done(&line);
    return e;
}

/* --- reading --- */

/* NULL: there is none, or it is not one of ours. */
static struct ctl *read_record(int folder, struct span id)
{
    char path[PATH_MAX];
    struct buf line;
    struct ctl *record = NULL;
    buf_init(&line, RECORD_MAX);
    path_of(folder, id, path);
    if (file_get(path, &line, NULL) == ERR_OK) {
        struct span text = buf_span(&line);
        if (ctl_parse(span_cut(&text, '\n'), &record, NULL) != ERR_OK)
            record = NULL;
    }
    buf_done(&line);
    return record;
}

static void attach(const struct config *c, const struct ctl *record, struct ctl *row)
{
    static const char *const texts[] = { "to", "host", "failed", "why" };
    const struct out_connector *k = find(c, ctl_get(row, "id"));
    char hex[DIGEST_BYTES] = "";
    if (k)
        digest(c, k, hex);
    struct ctl *to = ctl_object(row, "validated");
    ctl_set_num(to, "at", ctl_get_num(record, "at"));
    ctl_set_bool(to, "fulfilled", ctl_get_bool(record, "fulfilled"));
    ctl_set_num(to, "addresses", ctl_get_num(record, "addresses"));
    for (size_t i = 0; i < COUNTOF(texts); i++)
        ctl_set(to, texts[i], text_cut(ctl_get(record, texts[i]), WHY_SHOWN_MAX));
    ctl_set_bool(to, "changed", !span_eq(ctl_get(record, "definition"), span_z(hex)));
}

void validated_attach(const struct config *c, struct ctl *all)
{
    int folder = open_folder(c, false, NULL);
    for (size_t i = 0; folder >= 0 && i < ctl_count(all, "connectors"); i++) {
        struct ctl *row = ctl_at(all, "connectors", i);
        if (!span_eq(ctl_get(row, "direction"), SPAN("outbound")))
            continue;
        struct ctl *record = read_record(folder, ctl_get(row, "id"));
        if (record)
            attach(c, record, row);
        ctl_free(record);
    }
    if (folder >= 0)
        (void)close(folder);
}

void validated_text(const struct ctl *validated, int64_t now_ms, struct buf *out)
{
    char when[OUT_TEXT_MAX];
    struct span to = ctl_get(validated, "to"), host = ctl_get(validated, "host");
    bool well = ctl_get_bool(validated, "fulfilled");
    buf_putf(out, "%s: ", out_when(ctl_get_num(validated, "at"), now_ms, when));
    if (well) {
        int64_t n = ctl_get_num(validated, "addresses");
        buf_putf(out, "ok, %" PRId64 " address%s", n, n == 1 ? "" : "es");
    } else {
        buf_putf(out, "FAILED at %.*s of %.*s: ", SPAN_ARG(ctl_get(validated, "failed")),
                 SPAN_ARG(host));
        buf_put(out, ctl_get(validated, "why"));
    }
    if (to.n > 0)
        buf_putf(out, ", to %.*s", SPAN_ARG(to));
    if (ctl_get_bool(validated, "changed"))
        buf_put(out, SPAN("; the connector was changed since"));
}
