#include "cli/connector_edit.h"

#include "base/tree_edit.h"

/* Changes are made one after the other, each in a text that is parsed anew: places move. */

enum { ARENA_MAX = 512 * 1024 * 1024, NAME_SHOWN_MAX = 64, WIDTH = 90 };

/* --- settings, in the order in which a new connector has them: what it is, whose mail it is
 * about, where that goes, what is demanded of the channel --- */

enum form { FORM_WORD, FORM_TEXT, FORM_LIST };
enum way { WAY_BOTH, WAY_IN, WAY_OUT };

static const struct setting {
    const char *name;
    enum form form;
    enum way way;
} settings[] = {
    { "kind", FORM_WORD, WAY_BOTH },
    { "mode", FORM_WORD, WAY_BOTH },
    { "owner", FORM_TEXT, WAY_BOTH },
    { "comment", FORM_TEXT, WAY_BOTH },
    { "created", FORM_WORD, WAY_BOTH },
    { "changed", FORM_WORD, WAY_BOTH },
    { "from", FORM_LIST, WAY_IN },
    { "to", FORM_LIST, WAY_OUT },
    { "accepted", FORM_WORD, WAY_OUT },
    { "everything", FORM_WORD, WAY_OUT },
    { "header", FORM_LIST, WAY_OUT },
    { "mx", FORM_WORD, WAY_OUT },
    { "smtp", FORM_LIST, WAY_OUT },
    { "certificate_names", FORM_LIST, WAY_IN },
    { "wildcards", FORM_WORD, WAY_IN },
    { "public_keys", FORM_LIST, WAY_IN },
    { "ca", FORM_TEXT, WAY_IN },
    { "addresses", FORM_LIST, WAY_IN },
    { "require_tls", FORM_WORD, WAY_IN },
    { "restrict_to_certificate", FORM_WORD, WAY_IN },
    { "restrict_to_addresses", FORM_WORD, WAY_IN },
    { "client_usage", FORM_WORD, WAY_IN },
    { "trust_headers", FORM_WORD, WAY_IN },
    { "tls", FORM_WORD, WAY_OUT },
    { "names", FORM_LIST, WAY_OUT },
    { "certificate", FORM_TEXT, WAY_OUT },
    { "minimum_version", FORM_WORD, WAY_BOTH },
    { "revocation", FORM_WORD, WAY_BOTH },
};
STATIC_ASSERT(COUNTOF(settings) < EDIT_CHANGES_MAX);

static const struct setting *find_setting(struct span name)
{
    for (size_t i = 0; i < COUNTOF(settings); i++)
        if (span_eq(span_z(settings[i].name), name))
            return &settings[i];
    return NULL;
}

static struct span cut(struct span s)
{
    return span_head(s, s.n < NAME_SHOWN_MAX ? s.n : NAME_SHOWN_MAX);
}

static enum err no_setting(struct span name, struct why *why)
{
    if (span_eq(name, SPAN("allow")))
        why_set(why, "a weakening is not made in passing: write `allow` into the file by hand, "
                     "with its owner, reason and last day");
    else
        why_set(why, "a connector has no setting `%.*s`", SPAN_ARG(cut(name)));
    return ERR_SYNTAX;
}

/* --- changes --- */

static enum err add_change(struct connector_edit *e, struct edit_change change, struct why *why)
{
    if (!find_setting(change.name))
        return no_setting(change.name, why);
    for (unsigned i = 0; i < e->n_change; i++) {
        if (!span_eq(e->change[i].name, change.name))
            continue;
        why_set(why, "`%.*s` is given twice; a list has commas between", SPAN_ARG(change.name));
        return ERR_SYNTAX;
    }
    if (e->n_change == EDIT_CHANGES_MAX) {
        why_set(why, "more than %d settings", EDIT_CHANGES_MAX);
        return ERR_TOO_BIG;
    }
    e->change[e->n_change++] = change;
    return ERR_OK;
}

enum err edit_assign(struct connector_edit *e, struct span word, struct why *why)
{
    struct span value = word, name = span_cut(&value, '=');
    if (name.n == word.n) {
        why_set(why, "`%.*s` is no setting: setting=value, as in mode=enforce",
                SPAN_ARG(cut(word)));
        return ERR_SYNTAX;
    }
    if (value.n == 0) {
        why_set(why, "`%.*s` has no value; --unset %.*s removes it", SPAN_ARG(cut(name)),
                SPAN_ARG(cut(name)));
        return ERR_SYNTAX;
    }
    return add_change(e, (struct edit_change){ .name = name, .value = value }, why);
}

enum err edit_unset(struct connector_edit *e, struct span names, struct why *why)
{
    while (names.n > 0) {
        struct span name = span_trim(span_cut(&names, ','));
        TRY(add_change(e, (struct edit_change){ .name = name, .unset = true }, why));
    }
    return ERR_OK;
}

static const struct edit_change *find_change(const struct connector_edit *e, struct span name)
{
    for (unsigned i = 0; i < e->n_change; i++)
        if (span_eq(e->change[i].name, name))
            return &e->change[i];
    return NULL;
}

struct span edit_value(const struct connector_edit *e, struct span name)
{
    const struct edit_change *c = find_change(e, name);
    return c ? c->value : SPAN_NONE;
}

/* --- a setting as text --- */

static bool is_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.')
            return false;
    }
    return s.n > 0;
}

static enum err put_list(struct span value, struct buf *out)
{
    bool one = span_find(value, ',') == value.n;
    size_t start = out->n, n = 0;
    if (one)
        return tree_put_string(span_trim(value), out);
    TRY(buf_addc(out, '['));
    while (value.n > 0) {
        bool full = out->n - start > WIDTH;
        if (n++ > 0)
            TRY(buf_append(out, full ? SPAN(",\n    ") : SPAN(", ")));
        start = full ? out->n : start;
        TRY(tree_put_string(span_trim(span_cut(&value, ',')), out));
    }
    return buf_addc(out, ']');
}

static enum err put_setting(const struct setting *s, struct span value, struct buf *out)
{
    TRY(buf_addf(out, "%s = ", s->name));
    if (s->form == FORM_LIST)
        return put_list(value, out);
    if (s->form == FORM_WORD && is_plain(value))
        return buf_append(out, value);
    return tree_put_string(value, out);
}

static enum err bad_value(const struct edit_change *c, enum err e, struct why *why)
{
    if (e == ERR_TOO_BIG)
        why_set(why, "the value of `%.*s` is too long", SPAN_ARG(c->name));
    else
        why_set(why, "the value of `%.*s` has a byte that no setting can hold", SPAN_ARG(c->name));
    return e;
}

/* --- what the text has --- */

/* A text that is being changed, and what it is made of at the moment. */
struct work {
    const struct connector_edit *edit;
    struct span file;
    struct buf text;
    struct arena arena;
    struct tree *first;
};

static enum err parse(struct work *w, struct why *why)
{
    arena_done(&w->arena);
    return tree_parse(w->file, buf_span(&w->text), &w->arena, &w->first, why);
}

/* The block `kind "name" { }`, names without case. */
static const struct tree *find_named(const struct tree *t, struct span kind, struct span name)
{
    for (; t; t = t->next)
        if (span_eq(t->name, kind) && t->is_block && t->args && span_eq_nocase(t->args->text, name))
            return t;
    return NULL;
}

static const char *way_name(const struct connector_edit *e)
{
    return e->outbound ? "outbound" : "inbound";
}

static const struct tree *find_org(const struct work *w)
{
    return find_named(w->first, SPAN("organisation"), w->edit->org);
}

static const struct tree *find_connector(const struct work *w)
{
    const struct tree *org = find_org(w);
    return org ? find_named(org->child, span_z(way_name(w->edit)), w->edit->name) : NULL;
}

static enum err not_found(const struct work *w, struct why *why)
{
    const struct connector_edit *e = w->edit;
    why_set(why, "there is no %s connector `%.*s/%.*s`", way_name(e), SPAN_ARG(cut(e->org)),
            SPAN_ARG(cut(e->name)));
    return ERR_NOT_FOUND;
}

/* The new text takes the place of the old one. */
static enum err took(struct work *w, struct buf *new, enum err e, struct why *why)
{
    if (e == ERR_OK) {
        buf_clear(&w->text);
        buf_put(&w->text, buf_span(new));
        e = parse(w, why);
    } else {
        why_set(why, "the file would be over %d MiB", EDIT_TEXT_MAX >> 20);
    }
    buf_done(new);
    return e;
}

/* --- add --- */

static enum err put_block(const struct connector_edit *e, struct buf *out, struct why *why)
{
    TRY(buf_addf(out, "%s ", way_name(e)));
    TRY(tree_put_string(e->name, out));
    TRY(buf_append(out, SPAN(" {")));
    for (size_t i = 0; i < COUNTOF(settings); i++) {
        const struct edit_change *c = find_change(e, span_z(settings[i].name));
        if (!c)
            continue;
        TRY(buf_append(out, SPAN("\n    ")));
        enum err bad = put_setting(&settings[i], c->value, out);
        if (bad != ERR_OK)
            return bad_value(c, bad, why);
    }
    return buf_append(out, SPAN("\n}"));
}

static enum err add(struct work *w, struct why *why)
{
    const struct tree *org = find_org(w);
    struct connector_edit e = *w->edit;
    struct buf block, new;
    if (!org) {
        why_set(why, "there is no organisation `%.*s`", SPAN_ARG(cut(e.org)));
        return ERR_NOT_FOUND;
    }
    if (find_connector(w)) {
        why_set(why, "there is an %s connector `%.*s/%.*s` already; `connector set` changes it",
                way_name(&e), SPAN_ARG(cut(e.org)), SPAN_ARG(cut(e.name)));
        return ERR_EXISTS;
    }
    if (!find_change(&e, SPAN("mode")))
        TRY(edit_assign(&e, SPAN("mode=test"), why));
    if (!find_change(&e, SPAN("created")))
        TRY(add_change(&e, (struct edit_change){ .name = SPAN("created"), .value = e.today }, why));
    buf_init(&block, EDIT_TEXT_MAX);
    buf_init(&new, EDIT_TEXT_MAX);
    enum err bad = put_block(&e, &block, why);
    if (bad == ERR_TOO_BIG)
        why_set(why, "the settings are too long");
    if (bad == ERR_OK)
        bad = took(w, &new, tree_edit_append(buf_span(&w->text), org, buf_span(&block), &new), why);
    buf_done(&block);
    buf_done(&new);
    return bad;
}

/* --- set, remove --- */

static enum err change_one(struct work *w, const struct edit_change *c, struct why *why)
{
    const struct tree *block = find_connector(w);
    struct buf setting, new;
    ASSERT(block);
    buf_init(&new, EDIT_TEXT_MAX);
    if (c->unset) {
        const struct tree *old = tree_find(block->child, c->name);
        enum err e = old ? tree_edit_remove(buf_span(&w->text), old, &new) : ERR_OK;
        return old ? took(w, &new, e, why) : ERR_OK;
    }
    buf_init(&setting, EDIT_TEXT_MAX);
    enum err e = put_setting(find_setting(c->name), c->value, &setting);
    if (e == ERR_OK)
        e = took(w, &new, tree_edit_set(buf_span(&w->text), block, buf_span(&setting), &new), why);
    else
        e = bad_value(c, e, why);
    buf_done(&setting);
    buf_done(&new);
    return e;
}

/* What says the same already is left as it is written. */
static bool says(const struct tree *block, const struct edit_change *c)
{
    const struct tree *old = tree_find(block->child, c->name);
    struct span left = c->value;
    if (c->unset)
        return !old;
    if (!old)
        return false;
    if (find_setting(c->name)->form != FORM_LIST)
        return old->values && !old->values->next && span_eq(old->values->text, left);
    for (const struct tree_value *v = old->values; v; v = v->next)
        if (left.n == 0 || !span_eq(v->text, span_trim(span_cut(&left, ','))))
            return false;
    return left.n == 0;
}

static enum err set(struct work *w, struct why *why)
{
    const struct connector_edit *e = w->edit;
    const struct edit_change changed = { .name = SPAN("changed"), .value = e->today };
    bool any = false;
    if (!find_connector(w))
        return not_found(w, why);
    for (unsigned i = 0; i < e->n_change; i++) {
        if (says(find_connector(w), &e->change[i]))
            continue;
        TRY(change_one(w, &e->change[i], why));
        any = true;
    }
    if (!any || find_change(e, changed.name) || says(find_connector(w), &changed))
        return ERR_OK;
    return change_one(w, &changed, why);
}

static enum err remove_connector(struct work *w, struct why *why)
{
    const struct tree *old = find_connector(w);
    struct buf new;
    if (!old)
        return not_found(w, why);
    buf_init(&new, EDIT_TEXT_MAX);
    return took(w, &new, tree_edit_remove(buf_span(&w->text), old, &new), why);
}

/* --- all of it --- */

static enum err check_ways(const struct connector_edit *e, struct why *why)
{
    for (unsigned i = 0; i < e->n_change; i++) {
        enum way way = find_setting(e->change[i].name)->way;
        if (way == WAY_BOTH || (way == WAY_OUT) == e->outbound)
            continue;
        why_set(why, "`%.*s` is for %s connectors and this is an %s one",
                SPAN_ARG(e->change[i].name), way == WAY_OUT ? "outbound" : "inbound", way_name(e));
        return ERR_SYNTAX;
    }
    return ERR_OK;
}

enum err connector_edit(const struct connector_edit *e, struct span file, struct span text,
                        struct buf *out, struct why *why)
{
    struct work w = { .edit = e, .file = file };
    if (text.n > EDIT_TEXT_MAX) {
        why_set(why, "the file is over %d MiB", EDIT_TEXT_MAX >> 20);
        return ERR_TOO_BIG;
    }
    TRY(check_ways(e, why));
    arena_init(&w.arena, ARENA_MAX);
    buf_init(&w.text, EDIT_TEXT_MAX);
    buf_put(&w.text, text);
    enum err bad = parse(&w, why);
    if (bad == ERR_OK && e->verb == EDIT_ADD)
        bad = add(&w, why);
    else if (bad == ERR_OK && e->verb == EDIT_SET)
        bad = set(&w, why);
    else if (bad == ERR_OK)
        bad = remove_connector(&w, why);
    if (bad == ERR_OK)
        bad = buf_append(out, buf_span(&w.text));
    buf_done(&w.text);
    arena_done(&w.arena);
    return bad;
}
