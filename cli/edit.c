#include "cli/edit.h"

#include "cli/cli.h"

#include <unistd.h>

enum err edit_begin(struct edit *e, struct span config, struct why *why)
{
    struct arena a;
    *e = (struct edit){ .config = config, .lock = -1 };
    buf_init(&e->before, EDIT_TEXT_MAX);
    buf_init(&e->after, EDIT_TEXT_MAX);
    arena_init(&a, SIZE_MAX);
    enum err bad = replace_lock(arena_z(&a, config), &e->lock, why);
    arena_done(&a);
    return bad == ERR_OK ? cli_load(config, &e->was, why) : bad;
}

void edit_done(struct edit *e)
{
    if (e->lock >= 0)
        (void)close(e->lock);
    e->lock = -1;
    config_unref(e->was);
    config_unref(e->now);
    replace_done(&e->replace);
    buf_done(&e->before);
    buf_done(&e->after);
}

/* The file that an organisation is in becomes the one that is changed. */
static enum err take_file(struct edit *e, struct span name, struct why *why)
{
    const struct org *org = org_by_name(e->was->orgs, name);
    struct arena a;
    if (!org) {
        why_set(why,
                "there is no organisation `%.*s`; write organisation \"%.*s\" { } into the "
                "configuration first",
                SPAN_ARG(span_head(name, name.n < CONFIG_LABEL_MAX ? name.n : CONFIG_LABEL_MAX)),
                SPAN_ARG(span_head(name, name.n < CONFIG_LABEL_MAX ? name.n : CONFIG_LABEL_MAX)));
        return ERR_NOT_FOUND;
    }
    if (e->file.n > 0 && span_eq(e->file, org->file))
        return ERR_OK;
    if (e->file.n > 0) {
        why_set(why, "%.*s and %.*s cannot be changed at once", SPAN_ARG(e->file),
                SPAN_ARG(org->file));
        return ERR_REFUSED;
    }
    arena_init(&a, SIZE_MAX);
    enum err bad = replace_read(&e->replace, arena_z(&a, org->file), &e->before, why);
    arena_done(&a);
    if (bad != ERR_OK)
        return bad;
    e->file = org->file;
    buf_put(&e->after, buf_span(&e->before));
    return ERR_OK;
}

enum err edit_connector(struct edit *e, const struct connector_edit *change, struct why *why)
{
    struct buf new;
    TRY(take_file(e, change->org, why));
    buf_init(&new, EDIT_TEXT_MAX);
    enum err bad = connector_edit(change, e->file, buf_span(&e->after), &new, why);
    if (bad == ERR_OK) {
        buf_clear(&e->after);
        buf_put(&e->after, buf_span(&new));
    }
    buf_done(&new);
    return bad;
}

bool edit_changes(const struct edit *e)
{
    return !span_eq(buf_span(&e->before), buf_span(&e->after));
}

/* --- the whole, as it would be */

struct overlay {
    struct config_source disk;
    const struct edit *edit;
};

static enum err overlay_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    const struct overlay *o = arg;
    if (span_eq(path, o->edit->file))
        return buf_append(ret, buf_span(&o->edit->after));
    return o->disk.read(o->disk.arg, path, ret, why);
}

static enum err overlay_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    const struct overlay *o = arg;
    return o->disk.match(o->disk.arg, pattern, ret, why);
}

enum err edit_check(struct edit *e, struct why *why)
{
    struct overlay o = { config_source_disk(NULL), e };
    const struct config_source source = { overlay_read, overlay_match, &o };
    const struct config_boot boot = { 0 };
    ASSERT(!e->now);
    return config_load(e->config, &source, &boot, &e->now, why);
}

enum err edit_write(struct edit *e, struct why *why)
{
    ASSERT(e->now && e->file.n > 0);
    return replace_with(&e->replace, buf_span(&e->after), why);
}
