#include "base/tree_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* After an edit of any text, what was edited is as asked, all other nodes are what they were, and
 * all bytes but those of the place stand. The first byte chooses the edit, the second the node. */

enum { DEPTH = TREE_DEPTH_MAX + 1, ROOM = 1 << 20 };

enum change { CHANGE_SET, CHANGE_REMOVE, CHANGE_APPEND };

static bool values_eq(const struct tree_value *a, const struct tree_value *b)
{
    for (; a && b; a = a->next, b = b->next)
        if (!span_eq(a->text, b->text))
            return false;
    return a == b;
}

/* Node by node; those that the edit is about are passed over. */
struct walk {
    const struct tree *up[DEPTH], *at, *skip;
    size_t depth;
};

static const struct tree *next(struct walk *w)
{
    for (;;) {
        while (!w->at && w->depth > 0)
            w->at = w->up[--w->depth]->next;
        const struct tree *t = w->at;
        if (!t)
            return NULL;
        if (t == w->skip) {
            w->at = t->next;
            continue;
        }
        if (t->is_block) {
            ASSERT(w->depth < DEPTH);
            w->up[w->depth++] = t;
        }
        w->at = t->is_block ? t->child : t->next;
        return t;
    }
}

static void check_same(const struct tree *was, const struct tree *gone, const struct tree *now,
                       const struct tree *new)
{
    struct walk a = { .at = was, .skip = gone }, b = { .at = now, .skip = new };
    for (;;) {
        const struct tree *x = next(&a), *y = next(&b);
        ASSERT(!x == !y && a.depth == b.depth);
        if (!x)
            return;
        ASSERT(span_eq(x->name, y->name) && values_eq(x->args, y->args));
        ASSERT(values_eq(x->values, y->values) && x->is_list == y->is_list);
        ASSERT(x->is_block == y->is_block);
    }
}

/* The n-th block (wants a block) or node; the same way leads to it in the other tree. */
static const struct tree *nth(const struct tree *first, size_t n, bool block)
{
    struct walk w = { .at = first };
    const struct tree *t;
    while ((t = next(&w)) != NULL)
        if ((!block || t->is_block) && n-- == 0)
            return t;
    return NULL;
}

static const struct tree *last_child(const struct tree *block)
{
    const struct tree *t = block->child;
    while (t && t->next)
        t = t->next;
    return t;
}

static void check_after(struct span text, const struct tree *first, const struct tree *old,
                        struct span out, size_t chosen, enum change change)
{
    struct arena a;
    struct tree *now = NULL;
    struct why why = { "" };
    arena_init(&a, ROOM);
    if (tree_parse(SPAN("f"), out, &a, &now, &why) != ERR_OK) {
        ASSERT(strstr(why.text, "too big") || strstr(why.text, "nested"));
    } else if (change == CHANGE_REMOVE) {
        check_same(first, old, now, NULL);
    } else {
        const struct tree *block = nth(now, chosen, true);
        const struct tree *was = change == CHANGE_SET ? tree_find(old->child, SPAN("x")) : NULL;
        const struct tree *new =
            change == CHANGE_SET ? tree_find(block->child, SPAN("x")) : last_child(block);
        ASSERT(new &&span_eq(new->name, SPAN("x")) && new->is_block == (change == CHANGE_APPEND));
        check_same(first, was, now, new);
    }
    /* all that stood before the node stands */
    size_t kept = 0;
    while (kept < text.n && kept < out.n && text.p[kept] == out.p[kept])
        kept++;
    ASSERT(change == CHANGE_REMOVE || kept >= old->at);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct tree *first = NULL;
    struct buf out;
    if (n < 2)
        return 0;
    enum change change = (enum change)(data[0] % 3);
    size_t chosen = data[1];
    struct span text = span_of((const char *)data + 2, n - 2);
    if (text.n > 1 && memmem(text.p + 1, text.n - 1, "\xef\xbb\xbf", 3))
        return 0; /* part of a word there, and a mark when what stands before it goes */
    arena_init(&a, ROOM);
    buf_init(&out, ROOM);
    const struct tree *t = NULL;
    if (tree_parse(SPAN("f"), text, &a, &first, NULL) == ERR_OK)
        t = nth(first, chosen, change != CHANGE_REMOVE);
    enum err e = ERR_NOT_FOUND;
    if (t && change == CHANGE_SET)
        e = tree_edit_set(text, t, SPAN("x = [1,\n    \"2\"]"), &out);
    else if (t && change == CHANGE_REMOVE)
        e = tree_edit_remove(text, t, &out);
    else if (t)
        e = tree_edit_append(text, t, SPAN("x \"y\" {\n    z = 1\n}"), &out);
    if (e == ERR_OK)
        check_after(text, first, t, buf_span(&out), chosen, change);
    arena_done(&a);
    buf_done(&out);
    return 0;
}
