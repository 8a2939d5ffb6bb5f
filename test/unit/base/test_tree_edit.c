#include "base/tree_edit.h"
#include "test/test.h"

/* In every text the node called `x` (at the top or in blocks called `b`) is what is edited. */

struct parsed {
    struct arena arena;
    struct tree *first;
};

static void parse(struct parsed *p, struct span text)
{
    struct why why = { "" };
    arena_init(&p->arena, 1 << 20);
    enum err e = tree_parse(SPAN("f"), text, &p->arena, &p->first, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
}

static const struct tree *block_of(const struct parsed *p)
{
    const struct tree *b = tree_find(p->first, SPAN("b"));
    CHECK(b && b->is_block);
    return b;
}

TEST(tree_knows_where_its_nodes_are)
{
    static const struct {
        const char *text, *name, *want;
    } rows[] = {
        { "x", "x", "x" },
        { " x = 1 # c", "x", "x = 1" },
        { "a, x \"}\" two;b", "x", "x \"}\" two" },
        { "x = [ a,\n \"]\" ] # ]", "x", "x = [ a,\n \"]\" ]" },
        { "x { a = \"}\"\n b { } # }\n}  ", "x", "x { a = \"}\"\n b { } # }\n}" },
        { "\xef\xbb\xbfx = 1\r\n", "x", "x = 1" },
        { "a = \"\\\"\\\\\" ; x \"\\t\"", "x", "x \"\\t\"" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct parsed p;
        struct span text = span_z(rows[i].text);
        test_case(rows[i].text);
        parse(&p, text);
        const struct tree *t = tree_find(p.first, span_z(rows[i].name));
        CHECK(t != NULL);
        CHECK_Z(span_head(span_tail(text, t->at), t->end - t->at), rows[i].want);
        if (t->is_block)
            CHECK_NUM(text.p[t->body - 1], '{');
        arena_done(&p.arena);
    }
    test_case(NULL);
}

TEST(tree_set_keeps_every_other_byte)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "replaced", "b {\n  a = 1\n  x = 2 # why\n}\n", "b {\n  a = 1\n  x = 9 # why\n}\n" },
        { "a list", "b { x = [1,\n 2], y }", "b { x = 9, y }" },
        { "brace in a string", "b { a = \"}\"\n x = \"{\" }", "b { a = \"}\"\n x = 9 }" },
        { "behind the last", "b {\n\ta = 1\n}", "b {\n\ta = 1\n\tx = 9\n}" },
        { "behind its comment", "b {\n  a = 1 # }\n\n  # end\n}",
          "b {\n  a = 1 # }\n  x = 9\n\n  # end\n}" },
        { "behind a comma", "b {\n  a = 1,\n}", "b {\n  a = 1,\n  x = 9\n}" },
        { "behind a block", "b {\n  a {\n    c\n  }\n}", "b {\n  a {\n    c\n  }\n  x = 9\n}" },
        { "one line", "b { a = 1 }", "b { a = 1, x = 9 }" },
        { "one line, comma", "b { a = 1, }", "b { a = 1, x = 9, }" },
        { "empty", "b { }", "b { x = 9 }" },
        { "emptier", "b {}", "b { x = 9}" },
        { "empty with a comment", "b {# x = 1\n}", "b { x = 9 # x = 1\n}" },
        { "CRLF", "b {\r\n  a = 1\r\n}\r\n", "b {\r\n  a = 1\r\n  x = 9\r\n}\r\n" },
        { "mark",
          "\xef\xbb\xbf"
          "b { x = 1 }",
          "\xef\xbb\xbf"
          "b { x = 9 }" },
        { "last brace on the line", "b {\n  a = 1 }", "b {\n  a = 1, x = 9 }" },
        { "the first of two", "b { x = 1; x = 2 }", "b { x = 9; x = 2 }" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct parsed p, after;
        struct buf out;
        buf_init(&out, 4096);
        test_case(rows[i].name);
        parse(&p, span_z(rows[i].text));
        CHECK_NUM(tree_edit_set(span_z(rows[i].text), block_of(&p), SPAN("x = 9"), &out), ERR_OK);
        CHECK_Z(buf_span(&out), rows[i].want);
        parse(&after, buf_span(&out));
        const struct tree *x = tree_find(block_of(&after)->child, SPAN("x"));
        CHECK(x && span_eq(x->values->text, SPAN("9")));
        arena_done(&p.arena);
        arena_done(&after.arena);
        buf_done(&out);
    }
    test_case(NULL);
}

TEST(tree_set_indents_further_lines)
{
    static const char text[] = "b {\r\n\ta = 1\r\n}";
    struct parsed p;
    struct buf out;
    buf_init(&out, 4096);
    parse(&p, span_z(text));
    CHECK_NUM(tree_edit_set(span_z(text), block_of(&p), SPAN("x = [1,\n    2]"), &out), ERR_OK);
    CHECK_Z(buf_span(&out), "b {\r\n\ta = 1\r\n\tx = [1,\r\n\t    2]\r\n}");
    arena_done(&p.arena);
    buf_done(&out);
}

TEST(tree_remove_keeps_every_other_byte)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "a line", "b {\n  a = 1\n  x = 2 # why\n  c\n}\n", "b {\n  a = 1\n  c\n}\n" },
        { "the comment above stays", "b {\n  # why\n  x = 2\n}\n", "b {\n  # why\n}\n" },
        { "lines", "b {\n  x {\n    a = \"}\"\n  }\n}\n", "b {\n}\n" },
        { "a blank line above the end", "b {\n  a\n\n  x { }\n}", "b {\n  a\n}" },
        { "a blank line above another", "b {\n  a\n\n  x { }\n\n  c\n}", "b {\n  a\n\n  c\n}" },
        { "a blank line above what goes on", "b {\n  a\n\n  x { }\n  c\n}", "b {\n  a\n\n  c\n}" },
        { "between", "b { a = 1, x = 2, c }", "b { a = 1, c }" },
        { "last", "b { a = 1, x = 2 }", "b { a = 1 }" },
        { "first", "b { x = 2; c }", "b { c }" },
        { "alone", "b { x = 2 }", "b {  }" },
        { "before the brace", "b {\n  a\n  x = 2 }", "b {\n  a\n   }" },
        { "two on a line", "b {\n  a; x\n}", "b {\n  a\n}" },
        { "CRLF", "b {\r\n  a\r\n  x = 2\r\n}\r\n", "b {\r\n  a\r\n}\r\n" },
        { "with its comma", "b {\n  x = 2, # two\n  a\n}", "b {\n  a\n}" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct parsed p, after;
        struct buf out;
        buf_init(&out, 4096);
        test_case(rows[i].name);
        parse(&p, span_z(rows[i].text));
        const struct tree *x = tree_find(block_of(&p)->child, SPAN("x"));
        CHECK_NUM(tree_edit_remove(span_z(rows[i].text), x, &out), ERR_OK);
        CHECK_Z(buf_span(&out), rows[i].want);
        parse(&after, buf_span(&out));
        CHECK(tree_find(block_of(&after)->child, SPAN("x")) == NULL);
        arena_done(&p.arena);
        arena_done(&after.arena);
        buf_done(&out);
    }
    test_case(NULL);
}

TEST(tree_remove_of_the_last_line)
{
    static const char text[] = "a = 1\nx { }";
    struct parsed p;
    struct buf out;
    buf_init(&out, 4096);
    parse(&p, span_z(text));
    CHECK_NUM(tree_edit_remove(span_z(text), p.first->next, &out), ERR_OK);
    CHECK_Z(buf_span(&out), "a = 1\n");
    arena_done(&p.arena);
    buf_done(&out);
}

TEST(tree_append_keeps_every_other_byte)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "lines", "b {\n  a = 1\n  # end\n}\nc\n",
          "b {\n  a = 1\n  # end\n\n  x {\n    y\n  }\n}\nc\n" },
        { "empty", "b {\n}", "b {\n    x {\n      y\n    }\n}" },
        { "one line", "  b { a }\n", "  b { a \n      x {\n        y\n      }\n  }\n" },
        { "empty line", "b { }", "b { \n    x {\n      y\n    }\n}" },
        { "CRLF", "b {\r\n\ta\r\n}", "b {\r\n\ta\r\n\r\n\tx {\r\n\t  y\r\n\t}\r\n}" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct parsed p, after;
        struct buf out;
        buf_init(&out, 4096);
        test_case(rows[i].name);
        parse(&p, span_z(rows[i].text));
        CHECK_NUM(tree_edit_append(span_z(rows[i].text), block_of(&p), SPAN("x {\n  y\n}"), &out),
                  ERR_OK);
        CHECK_Z(buf_span(&out), rows[i].want);
        parse(&after, buf_span(&out));
        CHECK(tree_find(block_of(&after)->child, SPAN("x")) != NULL);
        arena_done(&p.arena);
        arena_done(&after.arena);
        buf_done(&out);
    }
    test_case(NULL);
}

TEST(tree_edits_stop_at_the_maximum)
{
    static const char text[] = "b { a = 1 }";
    struct parsed p;
    parse(&p, span_z(text));
    for (size_t max = 0; max < sizeof text - 1 + sizeof ", x = 9" - 1; max++) {
        struct buf out;
        buf_init(&out, max);
        CHECK_NUM(tree_edit_set(span_z(text), block_of(&p), SPAN("x = 9"), &out), ERR_TOO_BIG);
        CHECK_NUM(out.n, 0);
        buf_done(&out);
    }
    arena_done(&p.arena);
}

TEST(tree_strings_come_back)
{
    static const char *const rows[] = { "", "a", "a b", "\"", "\\", "\\n", "\n\t", "\xc3\xa4" };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct parsed p;
        struct buf out;
        buf_init(&out, 64);
        buf_put(&out, SPAN("x = "));
        CHECK_NUM(tree_put_string(span_z(rows[i]), &out), ERR_OK);
        parse(&p, buf_span(&out));
        CHECK_Z(p.first->values->text, rows[i]);
        arena_done(&p.arena);
        buf_done(&out);
    }
    struct buf out;
    buf_init(&out, 64);
    CHECK_NUM(tree_put_string(SPAN("a\rb"), &out), ERR_SYNTAX);
    CHECK_NUM(tree_put_string(SPAN("a\x7f"), &out), ERR_SYNTAX);
    CHECK_NUM(out.n, 0);
    buf_done(&out);
}
