#include "base/tree.h"
#include "test/test.h"

static const struct {
    const char *name, *text, *want;
} wrong[] = {
    { "string open", "a = \"b\nc = \"d\"", "f:1:5: this string is not closed" },
    { "string open at the end", "\n  a \"b", "f:2:5: this string is not closed" },
    { "string ends in a backslash", "a \"b\\", "f:1:5: unknown escape" },
    { "escape", "a \"b\\q\"", "f:1:5: unknown escape" },
    { "escaped end of line", "a \"b\\\n\"", "f:1:5: unknown escape" },
    { "control byte in a string", "a \"\x01\"", "f:1:4: control byte 0x01 in a string" },
    { "control byte", "a \x01", "f:1:3: byte 0x01 is not allowed" },
    { "bare CR", "a\rb", "f:1:2: byte 0x0d is not allowed" },
    { "backslash", "a \\", "f:1:3: byte 0x5c is not allowed" },
    { "no name", "= b", "f:1:1: the name of a setting" },
    { "string as name", "\"a\" = b", "f:1:1: the name of a setting" },
    { "block without a name", "{ }", "f:1:1: the name of a setting" },
    { "list without a name", "a\n[b]", "f:2:1: the name of a setting" },
    { "nothing after =", "a =\nb", "f:1:4: a value or [ is expected" },
    { "two =", "a = = b", "f:1:5: a value or [ is expected" },
    { "block after =", "a = { }", "f:1:5: a value or [ is expected" },
    { "nothing after = at the end", "a =", "f:1:4: a value or [ is expected" },
    { "two values", "a = b c", "f:1:7: the end of the setting" },
    { "value and block", "a = b { }", "f:1:7: the end of the setting" },
    { "list and value", "a = [b] c", "f:1:9: the end of the setting" },
    { "two nodes after a block", "a { } b", "f:1:7: the end of the setting" },
    { "list after a name", "a [b]", "f:1:3: the end of the setting" },
    { "list open", "a = [b,\nc", "f:1:5: this list is not closed" },
    { "list of lists", "a = [[b]]", "f:1:6: a value or ] is expected" },
    { "list with =", "a = [b = c]", "f:1:8: a comma is expected" },
    { "list without commas", "a = [b c]", "f:1:8: a comma is expected" },
    { "list closed by }", "a = [b }", "f:1:8: a comma is expected" },
    { "list starts with }", "a = [}", "f:1:6: a value or ] is expected" },
    { "list closed twice", "a = [b]]", "f:1:8: the end of the setting" },
    { "block open", "a {\n b { }\n", "f:1:1: the block of a is not closed" },
    { "inner block open", "a {\n b {\n }\n", "f:1:1: the block of a is not closed" },
    { "block closed twice", "a { }\n}", "f:2:1: } without a block" },
    { "} at once", "}", "f:1:1: } without a block" },
};

TEST(tree_refuses)
{
    for (size_t i = 0; i < COUNTOF(wrong); i++) {
        test_case(wrong[i].name);
        struct arena a;
        struct why why;
        struct tree *untouched = (void *)&a, *first = untouched;
        arena_init(&a, 1 << 20);
        CHECK_NUM(tree_parse(SPAN("f"), span_z(wrong[i].text), &a, &first, &why), ERR_SYNTAX);
        CHECK(first == untouched);
        CHECK_SPAN(span_head(span_z(why.text), strlen(wrong[i].want)), span_z(wrong[i].want));
        CHECK_NUM(tree_parse(SPAN("f"), span_z(wrong[i].text), &a, &first, NULL), ERR_SYNTAX);
        arena_done(&a);
    }
}

/* Prints the nodes in one form: name(args)=value or =[values] or {nodes}. Depth is bounded by
 * the parser; a stack stands for the recursion. */
static void print_values(const struct tree_value *v, struct buf *out)
{
    for (; v; v = v->next)
        buf_putf(out, "%.*s%s", SPAN_ARG(v->text), v->next ? "," : "");
}

static void print_node(const struct tree *t, struct buf *out)
{
    buf_putf(out, "%.*s", SPAN_ARG(t->name));
    if (t->args) {
        buf_putf(out, "(");
        print_values(t->args, out);
        buf_putf(out, ")");
    }
    if (t->values || t->is_list) {
        buf_putf(out, t->is_list ? "=[" : "=");
        print_values(t->values, out);
        buf_putf(out, "%s", t->is_list ? "]" : "");
    }
    buf_putf(out, "%s", t->is_block ? "{" : "");
}

static void print_tree(const struct tree *first, struct buf *out)
{
    const struct tree *up[TREE_DEPTH_MAX + 1];
    size_t depth = 0;
    const struct tree *t = first;
    while (t || depth > 0) {
        if (!t) {
            buf_putf(out, "}");
            t = up[--depth]->next;
            buf_putf(out, "%s", t ? ";" : "");
            continue;
        }
        print_node(t, out);
        if (t->is_block) {
            up[depth++] = t;
            t = t->child;
            continue;
        }
        buf_putf(out, "%s", t->next ? ";" : "");
        t = t->next;
    }
}

static const struct {
    const char *name, *text, *want;
} right[] = {
    { "empty", "", "" },
    { "blanks and comments", " \t# a\n\n#b", "" },
    { "mark of an editor",
      "\xef\xbb\xbf"
      "a",
      "a" },
    { "bare name", "a", "a" },
    { "separators", "a;b,c\nd ;,\n e", "a;b;c;d;e" },
    { "arguments", "a b \"c d\" e", "a(b,c d,e)" },
    { "value", "a=b", "a=b" },
    { "empty string", "a = \"\"", "a=" },
    { "argument and value", "a b = c", "a(b)=c" },
    { "escapes", "a = \"\\\"\\\\\\n\\t#{}\"", "a=\"\\\n\t#{}" },
    { "comment ends a word", "a = b#c\nd", "a=b;d" },
    { "CRLF", "a = b\r\nc = d # e\r\n", "a=b;c=d" },
    { "list", "a = [b, c,\"d\" ]", "a=[b,c,d]" },
    { "empty list", "a = []", "a=[]" },
    { "list over lines", "a = [ # x\n b\n c,\n]\nd", "a=[b,c];d" },
    { "block", "a { }", "a{}" },
    { "block in one line", "l \"0.0.0.0:25\" { tls = starttls, proxy = [\"10.0.0.0/8\"] }",
      "l(0.0.0.0:25){tls=starttls;proxy=[10.0.0.0/8]}" },
    { "blocks in blocks", "a {\n b { c }\n d { e { } } }\nf", "a{b{c};d{e{}}};f" },
    { "odd words", "a *.x /etc/y 4h $z a@b.c:25 \xc3\xa4 (",
      "a(*.x,/etc/y,4h,$z,a@b.c:25,\xc3\xa4,()" },
};

TEST(tree_parses)
{
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < COUNTOF(right); i++) {
        test_case(right[i].name);
        struct arena a;
        struct why why = { "" };
        struct tree *first = NULL;
        arena_init(&a, 1 << 20);
        enum err e = tree_parse(SPAN("f"), span_z(right[i].text), &a, &first, &why);
        CHECK_Z(span_z(why.text), "");
        CHECK_NUM(e, ERR_OK);
        buf_clear(&out);
        print_tree(first, &out);
        CHECK_Z(buf_span(&out), right[i].want);
        arena_done(&a);
    }
    buf_done(&out);
}

TEST(tree_knows_places)
{
    struct arena a;
    struct why why;
    struct tree *first;
    char file[] = "mx.conf", text[] = "\n  a b = \"c\" ; d {\n\te\n}";
    arena_init(&a, 1 << 20);
    CHECK_NUM(tree_parse(span_z(file), span_z(text), &a, &first, &why), ERR_OK);
    memset(text, 'x', sizeof text - 1); /* nothing points into what was handed in */
    memset(file, 'x', sizeof file - 1);
    CHECK_Z(first->name, "a");
    CHECK_Z(first->file, "mx.conf");
    CHECK_NUM(first->line, 2);
    CHECK_NUM(first->column, 3);
    CHECK_NUM(first->args->column, 5);
    CHECK_Z(first->values->text, "c");
    CHECK_NUM(first->values->column, 9);
    const struct tree *e = first->next->child;
    CHECK_NUM(e->line, 3);
    CHECK_NUM(e->column, 2);
    CHECK_NUM(tree_error(e, &why, "no %s", "e"), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "mx.conf:3:2: no e");
    CHECK_NUM(tree_error(e, NULL, "x"), ERR_SYNTAX);
    arena_done(&a);
}

/* `n` times `what`, parsed with so much memory. */
static enum err parse_many(const char *before, const char *what, size_t n, size_t memory,
                           struct why *why)
{
    struct buf text;
    struct arena a;
    struct tree *first;
    buf_init(&text, 16 << 20);
    buf_put(&text, span_z(before));
    for (size_t i = 0; i < n; i++)
        buf_put(&text, span_z(what));
    arena_init(&a, memory);
    enum err e = tree_parse(SPAN("f"), buf_span(&text), &a, &first, why);
    arena_done(&a);
    buf_done(&text);
    return e;
}

TEST(tree_has_limits)
{
    struct why why;
    CHECK_NUM(parse_many("", "a {\n", TREE_DEPTH_MAX + 1, 1 << 20, &why), ERR_TOO_BIG);
    CHECK_Z(span_z(why.text), "f:9:3: blocks are nested too deeply");
    CHECK_NUM(parse_many("a { b { c { d { e { f { g { h { i", "}", 8, 1 << 20, &why), ERR_OK);
    CHECK_NUM(parse_many("", "a;", TREE_NODES_MAX + 1, 1 << 28, &why), ERR_TOO_BIG);
    CHECK_Z(span_z(why.text), "f:1:400001: too many settings");
    CHECK_NUM(parse_many("", "a;", TREE_NODES_MAX, 1 << 28, &why), ERR_OK);
    CHECK_NUM(parse_many("a", " b", TREE_VALUES_MAX + 1, 1 << 28, &why), ERR_TOO_BIG);
    CHECK_NUM(parse_many("a", " b", TREE_VALUES_MAX, 1 << 28, &why), ERR_OK);
    for (size_t memory = 0; memory < 1000; memory += 7) {
        enum err e = parse_many("a b = c", "\na b = c", 10, memory, &why);
        CHECK_NUM(e, ERR_TOO_BIG);
        CHECK(span_ends_nocase(span_z(why.text), SPAN("the configuration is too big")));
    }
}
