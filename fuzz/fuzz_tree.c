#include "base/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Every name and value lies inside the arena's copy and every place inside the text; blocks are
 * no deeper than said. */
static void check_values(const struct tree_value *v)
{
    for (; v; v = v->next) {
        ASSERT(v->line >= 1 && v->column >= 1);
        for (size_t i = 0; i < v->text.n; i++)
            ASSERT(v->text.p[i] == '\n' || v->text.p[i] == '\t' ||
                   (unsigned char)v->text.p[i] >= ' ');
    }
}

static void check_nodes(const struct tree *first)
{
    const struct tree *up[TREE_DEPTH_MAX + 1];
    size_t depth = 0;
    const struct tree *t = first;
    while (t || depth > 0) {
        if (!t) {
            t = up[--depth]->next;
            continue;
        }
        ASSERT(t->name.n > 0 && t->line >= 1 && t->column >= 1);
        ASSERT(!t->child || t->is_block);
        ASSERT(!t->is_block || !t->values);
        check_values(t->args);
        check_values(t->values);
        if (t->is_block) {
            ASSERT(depth < TREE_DEPTH_MAX);
            up[depth++] = t;
            t = t->child;
            continue;
        }
        t = t->next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct why why = { "" };
    struct tree *first = NULL;
    arena_init(&a, 1 << 20);
    enum err e = tree_parse(SPAN("f"), span_of((const char *)data, n), &a, &first, &why);
    ASSERT((e == ERR_OK) == (why.text[0] == '\0'));
    if (e == ERR_OK)
        check_nodes(first);
    else
        ASSERT(first == NULL && span_starts(span_z(why.text), SPAN("f:")));
    arena_done(&a);
    return 0;
}
