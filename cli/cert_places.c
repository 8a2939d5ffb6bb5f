#include "cli/cert_places.h"

#include "base/map.h"
#include "base/when.h"
#include "cli/cert_file.h"
#include "gate/config.h"
#include "gate/config_read.h"
#include "mail/clean.h"

#include <stdio.h>

/* USERS_MAX: of a list that is longer the rest is left out; it is for people. */
enum { PATTERN_BYTES_MAX = 1024 * 1024, LABEL_MAX = 2048, USERS_MAX = 64 * 1024 };

/* A file of settings that is to be read. */
struct source {
    struct span path;
    struct tree *first;
    struct source *next;
};

struct reading {
    struct arena *arena;
    struct config_source disk;
    struct source *source, **source_end;
    unsigned n_source;
    struct cert_places places;
    struct map anchors; /* path -> struct cert_place: many connectors may name one file */
    struct why *why;
};

/* --- the files: an include adds to the list, and none is read twice --- */

static enum err add_source(struct reading *r, struct span path)
{
    for (const struct source *s = r->source; s; s = s->next)
        if (span_eq(s->path, path))
            return ERR_OK;
    if (r->n_source++ == CONFIG_FILES_MAX) {
        why_set(r->why, "more than %d files", CONFIG_FILES_MAX);
        return ERR_TOO_BIG;
    }
    struct source *new = ARENA_NEW(r->arena, struct source);
    new->path = arena_span(r->arena, path);
    *r->source_end = new;
    r->source_end = &new->next;
    return ERR_OK;
}

static enum err add_include(struct reading *r, const struct tree *t)
{
    struct buf paths;
    if (!t->args)
        return tree_error(t, r->why, "`include` wants a path");
    struct span pattern = path_beside(r->arena, t->file, t->args->text);
    if (span_find(pattern, '*') == pattern.n)
        return add_source(r, pattern);
    buf_init(&paths, PATTERN_BYTES_MAX);
    enum err e = r->disk.match(r->disk.arg, pattern, &paths, r->why);
    struct span left = buf_span(&paths);
    while (e == ERR_OK && left.n > 0)
        e = add_source(r, span_cut(&left, '\0'));
    buf_done(&paths);
    return e;
}

static enum err read_source(struct reading *r, struct source *s)
{
    struct buf text;
    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = r->disk.read(r->disk.arg, s->path, &text, r->why);
    if (e == ERR_OK)
        e = tree_parse(s->path, buf_span(&text), r->arena, &s->first, r->why);
    buf_done(&text);
    for (const struct tree *t = s->first; t && e == ERR_OK; t = t->next)
        if (span_eq(t->name, SPAN("include")))
            e = add_include(r, t);
    return e;
}

/* --- settings of a block --- */

static const struct tree *child_of(const struct tree *t, const char *name)
{
    for (const struct tree *c = t->child; c; c = c->next)
        if (span_eq(c->name, span_z(name)))
            return c;
    return NULL;
}

static struct span value_of(const struct tree *t, const char *name)
{
    const struct tree *c = child_of(t, name);
    return c && c->values ? c->values->text : SPAN_NONE;
}

static struct span argument_of(const struct tree *t)
{
    return t->args ? t->args->text : SPAN_NONE;
}

static int64_t day_of(const struct tree *t, const char *name)
{
    int64_t ms;
    return when_parse(value_of(t, name), &ms) == ERR_OK ? ms : 0;
}

static enum sheet_state state_of(const struct tree *t)
{
    struct span state = value_of(t, "state");
    if (span_eq(state, SPAN("next")))
        return SHEET_NEXT;
    return span_eq(state, SPAN("deprecated")) ? SHEET_DEPRECATED : SHEET_CURRENT;
}

/* --- places --- */

/* "a, b" of parts that may be anything; clean. */
static void join(struct buf *to, const char *between, struct span part)
{
    part = span_head(part, part.n < LABEL_MAX / 8 ? part.n : LABEL_MAX / 8);
    if (buf_room(to) < LABEL_MAX)
        return;
    buf_put(to, to->n > 0 ? span_z(between) : SPAN_NONE);
    clean_text(part, to);
}

static struct span joined(struct reading *r, struct buf *text)
{
    struct span s = arena_span(r->arena, buf_span(text));
    buf_done(text);
    return s;
}

static void load(struct reading *r, struct cert_place *p)
{
    struct why why = { "" };
    bool anchors = p->kind == PLACE_ANCHORS;
    unsigned max = anchors ? CERT_STORE_MAX : CERT_CHAIN_MAX;
    const struct cert_place *same = anchors ? map_get(&r->anchors, p->path) : NULL;
    if (same) {
        p->chain = same->chain;
        p->why = same->why;
        return;
    }
    if (anchors)
        (void)map_put(&r->anchors, p->path, p);
    if (cert_file_read(p->path, max, r->arena, &p->chain, &why) != ERR_OK)
        p->why = arena_span(r->arena, span_z(why.text));
}

/* One certificate file. like: what is known of it. */
static enum err add_place(struct reading *r, const struct tree *at, struct span path,
                          const struct cert_place *like)
{
    char line[24];
    struct buf text;
    if (r->places.n == PLACES_MAX)
        return tree_error(at, r->why, "more than %d certificates", PLACES_MAX);
    struct cert_place *p = &r->places.item[r->places.n++];
    *p = *like;
    p->path = path_beside(r->arena, at->file, path);
    (void)snprintf(line, sizeof line, "%d", at->line);
    buf_init(&text, USERS_MAX);
    join(&text, "", at->file);
    join(&text, ":", span_z(line));
    p->at = joined(r, &text);
    load(r, p);
    return ERR_OK;
}

static enum err add_chains(struct reading *r, const struct tree *t, struct cert_place *like)
{
    const struct tree *chain = child_of(t, "chain");
    like->state = state_of(t);
    like->from_ms = day_of(t, "from");
    like->until_ms = day_of(t, "until");
    for (const struct tree_value *v = chain ? chain->values : NULL; v; v = v->next)
        TRY(add_place(r, chain, v->text, like));
    return ERR_OK;
}

static enum err read_served(struct reading *r, const struct tree *t)
{
    struct cert_place like = { .kind = PLACE_SERVED, .used_by = SPAN("listeners") };
    const struct tree *names = child_of(t, "name");
    struct buf label;
    buf_init(&label, USERS_MAX);
    for (const struct tree_value *v = names ? names->values : NULL; v; v = v->next)
        join(&label, ", ", v->text);
    like.label = label.n > 0 ? joined(r, &label) : SPAN("default");
    return add_chains(r, t, &like);
}

static enum err read_anchors(struct reading *r, const struct tree *t, const char *name,
                             const struct cert_place *like)
{
    const struct tree *ca = child_of(t, name);
    if (!ca || !ca->values)
        return ERR_OK;
    return add_place(r, ca, ca->values->text, like);
}

static enum err read_tls(struct reading *r, const struct tree *t)
{
    const struct cert_place hops = { .kind = PLACE_ANCHORS,
                                     .label = SPAN("tls ca"),
                                     .used_by = SPAN("all next hops") };
    const struct cert_place clients = { .kind = PLACE_ANCHORS,
                                        .label = SPAN("tls client_ca"),
                                        .used_by = SPAN("clients") };
    TRY(read_anchors(r, t, "ca", &hops));
    return read_anchors(r, t, "client_ca", &clients);
}

/* --- organisations --- */

static struct span label_in(struct reading *r, struct span org, struct span label, const char *more)
{
    struct buf text;
    buf_init(&text, USERS_MAX);
    join(&text, "", org);
    join(&text, "/", label);
    if (more[0])
        join(&text, " ", span_z(more));
    return joined(r, &text);
}

/* The outbound connectors that show it. */
static struct span shown_by(struct reading *r, const struct tree *org, struct span label)
{
    struct buf text;
    buf_init(&text, USERS_MAX);
    for (const struct tree *c = org->child; c; c = c->next) {
        if (!span_eq(c->name, SPAN("outbound")) || !span_eq(value_of(c, "certificate"), label))
            continue;
        join(&text, "", text.n == 0 ? SPAN("outbound ") : SPAN(", "));
        join(&text, "", argument_of(c));
    }
    if (text.n == 0)
        buf_put(&text, SPAN("nobody"));
    return joined(r, &text);
}

static enum err read_organisation(struct reading *r, const struct tree *org)
{
    struct span name = argument_of(org);
    for (const struct tree *c = org->child; c; c = c->next) {
        struct span label = argument_of(c);
        struct cert_place like = { .org = name };
        bool outbound = span_eq(c->name, SPAN("outbound"));
        if (span_eq(c->name, SPAN("certificate"))) {
            like.kind = PLACE_SHOWN;
            like.label = label_in(r, name, label, "");
            like.used_by = shown_by(r, org, label);
            TRY(add_chains(r, c, &like));
        } else if (outbound || span_eq(c->name, SPAN("inbound"))) {
            like.kind = PLACE_ANCHORS;
            like.label = label_in(r, name, label, "ca");
            like.used_by = outbound ? SPAN("outbound connector") : SPAN("inbound connector");
            TRY(read_anchors(r, c, "ca", &like));
        }
    }
    return ERR_OK;
}

static enum err read_top(struct reading *r, const struct tree *t)
{
    if (span_eq(t->name, SPAN("certificate")))
        return read_served(r, t);
    if (span_eq(t->name, SPAN("tls")))
        return read_tls(r, t);
    if (span_eq(t->name, SPAN("organisation")))
        return read_organisation(r, t);
    if (span_eq(t->name, SPAN("hostname")) && t->values) {
        struct buf text;
        buf_init(&text, USERS_MAX);
        join(&text, "", t->values->text);
        r->places.hostname = joined(r, &text);
    }
    return ERR_OK;
}

static enum err read_all(struct reading *r, struct span config)
{
    TRY(add_source(r, config));
    for (struct source *s = r->source; s; s = s->next)
        TRY(read_source(r, s));
    for (const struct source *s = r->source; s; s = s->next)
        for (const struct tree *t = s->first; t; t = t->next)
            TRY(read_top(r, t));
    return ERR_OK;
}

enum err cert_places_read(struct span config, struct arena *a, struct cert_places *ret,
                          struct why *why)
{
    static const struct hash_key key = { { 1, 2 } }; /* paths are the operator's */
    struct reading r = { .arena = a, .disk = config_source_disk(NULL), .why = why };
    r.source_end = &r.source;
    r.places.item = ARENA_ARRAY(a, struct cert_place, PLACES_MAX);
    map_init(&r.anchors, &key);
    enum err e = read_all(&r, config);
    map_done(&r.anchors);
    if (e == ERR_OK)
        *ret = r.places;
    return e;
}

static bool is_own_anchors(const struct cert_place *p)
{
    return p->kind == PLACE_ANCHORS && p->org.n == 0;
}

void cert_places_trust(const struct cert_places *p, struct arena *a, struct cert_chain *store)
{
    struct cert_chain both = { .n = store->n };
    for (unsigned i = 0; i < p->n; i++)
        both.n += is_own_anchors(&p->item[i]) ? p->item[i].chain.n : 0;
    both.item = ARENA_ARRAY(a, struct cert_info, both.n);
    unsigned n = store->n;
    memcpy(both.item, store->item, n * sizeof *both.item);
    for (unsigned i = 0; i < p->n; i++) {
        const struct cert_chain *more = &p->item[i].chain;
        if (!is_own_anchors(&p->item[i]) || more->n == 0)
            continue;
        memcpy(both.item + n, more->item, more->n * sizeof *both.item);
        n += more->n;
    }
    ASSERT(n == both.n);
    *store = both;
}

const char *place_kind_name(enum place_kind k)
{
    static const char *const names[] = { "served", "shown", "anchors" };
    ASSERT((size_t)k < COUNTOF(names));
    return names[k];
}
