#include "cli/import_exchange.h"
#include "cli/import_postfix.h"

#include "base/tree.h"
#include "gate/config_make.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Any export is an error that says something, or a configuration that loads: one organisation, and
 * one route behind it at most. The first byte chooses: 'p' main.cf, with what stands behind a NUL
 * as every other file; else an export of Exchange. */

enum { TEXT_MAX = 64 * 1024 * 1024 };

struct files {
    struct span main, other;
};

static enum err files_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    const struct files *f = arg;
    if (span_ends_nocase(path, SPAN("none"))) {
        why_set(why, "there is none");
        return ERR_NOT_FOUND;
    }
    return buf_append(ret, span_ends_nocase(path, SPAN("/main.cf")) ? f->main : f->other);
}

static enum err text_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)path;
    (void)why;
    return buf_append(ret, *(const struct span *)arg);
}

/* As far as it goes without a disk; whatever is left out of a connector, the rest must load. */
static void check_loads(struct span text)
{
    static const struct config_boot boot = { .hash_key = { { 1, 2 } } };
    struct buf whole;
    struct why why = { "" };
    struct config_make m;
    buf_init(&whole, TEXT_MAX);
    buf_put(&whole, SPAN("hostname = h.example\nlisten \"127.0.0.1:25\" { }\n"));
    buf_put(&whole, text);
    struct span all = buf_span(&whole);
    const struct config_source source = { text_read, NULL, &all };
    make_init(&m, &source, &boot, &why);
    if (make_read(&m, SPAN("f")) != ERR_OK) {
        fprintf(stderr, "%s\n%.*s\n", why.text, SPAN_ARG(all));
        ASSERT(!"what was imported does not load");
    }
    make_done(&m);
    buf_done(&whole);
}

static void check_text(const struct draft *d)
{
    struct buf out;
    struct arena a;
    struct tree *t = NULL;
    struct why why = { "" };
    buf_init(&out, TEXT_MAX);
    arena_init(&a, TEXT_MAX);
    draft_print(d, &out);
    for (size_t i = 0; i < out.n; i++) {
        unsigned char c = (unsigned char)buf_span(&out).p[i];
        ASSERT((c >= ' ' && c != 0x7f) || c == '\n');
    }
    ASSERT(tree_parse(SPAN("f"), buf_span(&out), &a, &t, &why) == ERR_OK);
    ASSERT(span_eq(t->name, SPAN("organisation")) && t->is_block);
    for (t = t->next; t; t = t->next)
        ASSERT(span_eq(t->name, SPAN("route")));
    check_loads(buf_span(&out));
    arena_done(&a);
    buf_done(&out);
}

/* What the notes promise. */
static void check_draft(const struct draft *d)
{
    for (const struct draft_note *n = d->note; n; n = n->next)
        ASSERT(n->weight != NOTE_OFF || (n->on && n->on->off));
    for (const struct draft_connector *c = d->connector; c; c = c->next) {
        ASSERT(c->name.n > 0 && c->name.n <= 64);
        ASSERT(!c->as_route || c->outbound);
        ASSERT(!c->unfit || c->off);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span text = span_of((const char *)data, n);
    struct why why = { "" };
    struct draft d;
    enum err e;
    bool is_postfix = n > 0 && data[0] == 'p';
    draft_init(&d, is_postfix ? "Postfix" : "Exchange", SPAN("o"));
    if (is_postfix) {
        struct files files;
        text = span_tail(text, 1);
        files.main = span_cut(&text, '\0');
        files.other = text;
        const struct config_source source = { files_read, NULL, &files };
        e = import_postfix(&d, SPAN("/f"), &source, &why);
    } else {
        e = import_exchange(&d, SPAN("f"), text, &why);
    }
    ASSERT(e == ERR_OK || why.text[0] != '\0');
    if (e == ERR_OK) {
        draft_finish(&d);
        check_draft(&d);
        check_text(&d);
    }
    draft_done(&d);
    return 0;
}
