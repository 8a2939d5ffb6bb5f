#include "base/tree.h"
#include <stdarg.h>

/* Two layers: scan_next() makes tokens, tree_parse() makes nodes of them with an explicit stack.
 * The text is copied into the arena once; names and values point into that copy, and the escapes
 * of strings are resolved in place. */

enum token_kind {
    TOKEN_END,   /* of the text */
    TOKEN_BREAK, /* end of line, ',' or ';' */
    TOKEN_WORD,
    TOKEN_STRING,
    TOKEN_EQUALS,
    TOKEN_LIST_OPEN,
    TOKEN_LIST_CLOSE,
    TOKEN_BLOCK_OPEN,
    TOKEN_BLOCK_CLOSE,
};

struct scan {
    char *p, *end;
    const char *start; /* of the text, `skipped` bytes of it passed over */
    size_t skipped;
    const char *line_start;
    int line;
    struct span file;
    struct why *why;
};

struct token {
    enum token_kind kind;
    struct span text; /* of a word or string */
    int line, column;
    size_t at, end; /* in the text */
};

static enum err PRINTF_LIKE(4, 5)
    fail_at(const struct scan *s, int line, int column, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    why_setv(s->why, fmt, ap);
    va_end(ap);
    why_prefix(s->why, "%.*s:%d:%d", SPAN_ARG(s->file), line, column);
    return ERR_SYNTAX;
}

enum err tree_error(const struct tree *at, struct why *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    why_setv(why, fmt, ap);
    va_end(ap);
    why_prefix(why, "%.*s:%d:%d", SPAN_ARG(at->file), at->line, at->column);
    return ERR_SYNTAX;
}

/* --- tokens */

static int scan_column(const struct scan *s)
{
    return (int)(s->p - s->line_start) + 1;
}

static size_t scan_offset(const struct scan *s)
{
    return s->skipped + (size_t)(s->p - s->start);
}

static bool is_word_byte(char c)
{
    static const char marks[] = "\"=[]{},;#\\";
    return (unsigned char)c > ' ' && c != 0x7f && !memchr(marks, c, sizeof marks - 1);
}

/* Skips blanks and a comment, up to the next token or the end of the line. */
static void scan_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
        s->p++;
    if (s->p < s->end && *s->p == '#') {
        char *end = memchr(s->p, '\n', (size_t)(s->end - s->p));
        s->p = end ? end : s->end;
    }
    if (s->end - s->p >= 2 && s->p[0] == '\r' && s->p[1] == '\n')
        s->p++;
}

/* The byte behind a backslash, or NUL when there is no such escape. */
static char escaped(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case 'n':
        return '\n';
    case 't':
        return '\t';
    default:
        return '\0';
    }
}

static bool is_string_byte(char c)
{
    return ((unsigned char)c >= ' ' && c != 0x7f) || c == '\t';
}

static enum err scan_string(struct scan *s, struct token *t)
{
    char *to = ++s->p;
    t->kind = TOKEN_STRING;
    t->text.p = to;
    for (; s->p < s->end && *s->p != '"'; s->p++) {
        char c = *s->p;
        if (c == '\n' || c == '\r')
            break;
        if (!is_string_byte(c))
            return fail_at(s, s->line, scan_column(s), "control byte 0x%02x in a string",
                           (unsigned char)c);
        if (c == '\\') {
            c = s->p + 1 < s->end ? escaped(s->p[1]) : '\0';
            if (!c)
                return fail_at(s, s->line, scan_column(s),
                               "unknown escape in a string; it knows \\\" \\\\ \\n and \\t");
            s->p++;
        }
        *to++ = c;
    }
    if (s->p == s->end || *s->p != '"')
        return fail_at(s, t->line, t->column, "this string is not closed");
    s->p++;
    t->text.n = (size_t)(to - t->text.p);
    return ERR_OK;
}

static enum token_kind mark_kind(char c)
{
    switch (c) {
    case '\n':
    case ',':
    case ';':
        return TOKEN_BREAK;
    case '=':
        return TOKEN_EQUALS;
    case '[':
        return TOKEN_LIST_OPEN;
    case ']':
        return TOKEN_LIST_CLOSE;
    case '{':
        return TOKEN_BLOCK_OPEN;
    case '}':
        return TOKEN_BLOCK_CLOSE;
    default:
        return TOKEN_END;
    }
}

static enum err scan_next(struct scan *s, struct token *ret)
{
    scan_blanks(s);
    struct token t = { .kind = TOKEN_END, .line = s->line, .column = scan_column(s) };
    t.at = t.end = scan_offset(s);
    if (s->p == s->end) {
        *ret = t;
        return ERR_OK;
    }
    if (*s->p == '"') {
        TRY(scan_string(s, &t));
    } else if (is_word_byte(*s->p)) {
        t.kind = TOKEN_WORD;
        t.text.p = s->p;
        while (s->p < s->end && is_word_byte(*s->p))
            s->p++;
        t.text.n = (size_t)(s->p - t.text.p);
    } else {
        t.kind = mark_kind(*s->p);
        if (t.kind == TOKEN_END)
            return fail_at(s, t.line, t.column, "byte 0x%02x is not allowed outside of a string",
                           (unsigned char)*s->p);
        if (*s->p++ == '\n') {
            s->line++;
            s->line_start = s->p;
        }
    }
    t.end = scan_offset(s);
    *ret = t;
    return ERR_OK;
}

/* --- nodes */

struct parser {
    struct scan scan;
    struct token token; /* the one that is looked at */
    size_t passed;      /* where the one before it ends */
    struct arena *arena;
    struct span file;
    size_t nodes, depth;
    struct tree *open[TREE_DEPTH_MAX];      /* the blocks we are in */
    struct tree **tail[TREE_DEPTH_MAX + 1]; /* where the next node goes, at each depth */
};

static enum err parser_next(struct parser *p)
{
    p->passed = p->token.end;
    return scan_next(&p->scan, &p->token);
}

/* Says what is wrong at the token. */
static enum err parser_fail(struct parser *p, const char *what)
{
    return fail_at(&p->scan, p->token.line, p->token.column, "%s", what);
}

static enum err parser_too_big(struct parser *p, const char *what)
{
    (void)parser_fail(p, what);
    return ERR_TOO_BIG;
}

static enum err parser_alloc(struct parser *p, size_t n, void **ret)
{
    if (arena_try(p->arena, n, ret) != ERR_OK)
        return parser_too_big(p, "the configuration is too big");
    return ERR_OK;
}

static bool is_value(const struct token *t)
{
    return t->kind == TOKEN_WORD || t->kind == TOKEN_STRING;
}

/* Takes the token as a value and moves on. *tail: where it is linked. */
static enum err take_value(struct parser *p, struct tree_value ***tail, size_t *n)
{
    ASSERT(is_value(&p->token));
    if (++*n > TREE_VALUES_MAX)
        return parser_too_big(p, "too many values");
    void *memory;
    TRY(parser_alloc(p, sizeof(struct tree_value), &memory));
    struct tree_value *v = memory;
    v->text = p->token.text;
    v->line = p->token.line;
    v->column = p->token.column;
    **tail = v;
    *tail = &v->next;
    return parser_next(p);
}

/* After `=`: a value, or a list of them. */
static enum err take_values(struct parser *p, struct tree *node)
{
    struct tree_value **tail = &node->values;
    size_t n = 0;
    if (is_value(&p->token))
        return take_value(p, &tail, &n);
    if (p->token.kind != TOKEN_LIST_OPEN)
        return parser_fail(p, "a value or [ is expected after =");

    node->is_list = true;
    struct token open = p->token;
    TRY(parser_next(p));
    while (p->token.kind != TOKEN_LIST_CLOSE) {
        while (p->token.kind == TOKEN_BREAK)
            TRY(parser_next(p));
        if (p->token.kind == TOKEN_LIST_CLOSE)
            break;
        if (p->token.kind == TOKEN_END)
            return fail_at(&p->scan, open.line, open.column, "this list is not closed");
        if (!is_value(&p->token))
            return parser_fail(p, "a value or ] is expected in a list");
        TRY(take_value(p, &tail, &n));
        if (p->token.kind != TOKEN_BREAK && p->token.kind != TOKEN_LIST_CLOSE &&
            p->token.kind != TOKEN_END)
            return parser_fail(p, "a comma is expected between the values of a list");
    }
    return parser_next(p);
}

static enum err open_block(struct parser *p, struct tree *node)
{
    if (p->depth == TREE_DEPTH_MAX)
        return parser_too_big(p, "blocks are nested too deeply");
    node->is_block = true;
    node->body = p->token.end;
    p->open[p->depth++] = node;
    p->tail[p->depth] = &node->child;
    return parser_next(p);
}

/* After a node or a block something must separate it from the next. */
static enum err check_ended(struct parser *p)
{
    if (p->token.kind == TOKEN_BREAK || p->token.kind == TOKEN_END ||
        p->token.kind == TOKEN_BLOCK_CLOSE)
        return ERR_OK;
    return parser_fail(p, "the end of the setting is expected here: a new line, a comma or ;");
}

static enum err close_block(struct parser *p)
{
    if (p->depth == 0)
        return parser_fail(p, "} without a block that is open");
    p->open[--p->depth]->end = p->token.end;
    TRY(parser_next(p));
    return check_ended(p);
}

static enum err take_node(struct parser *p)
{
    if (p->token.kind != TOKEN_WORD)
        return parser_fail(p, "the name of a setting is expected here");
    if (++p->nodes > TREE_NODES_MAX)
        return parser_too_big(p, "too many settings");
    void *memory;
    TRY(parser_alloc(p, sizeof(struct tree), &memory));
    struct tree *node = memory;
    node->name = p->token.text;
    node->file = p->file;
    node->line = p->token.line;
    node->column = p->token.column;
    node->at = p->token.at;
    *p->tail[p->depth] = node;
    p->tail[p->depth] = &node->next;
    TRY(parser_next(p));

    struct tree_value **tail = &node->args;
    size_t n = 0;
    while (is_value(&p->token))
        TRY(take_value(p, &tail, &n));
    if (p->token.kind == TOKEN_BLOCK_OPEN)
        return open_block(p, node);
    if (p->token.kind == TOKEN_EQUALS) {
        TRY(parser_next(p));
        TRY(take_values(p, node));
    }
    node->end = p->passed;
    return check_ended(p);
}

static enum err parse_nodes(struct parser *p)
{
    TRY(parser_next(p));
    while (p->token.kind != TOKEN_END) {
        if (p->token.kind == TOKEN_BREAK)
            TRY(parser_next(p));
        else if (p->token.kind == TOKEN_BLOCK_CLOSE)
            TRY(close_block(p));
        else
            TRY(take_node(p));
    }
    if (p->depth > 0)
        return tree_error(p->open[p->depth - 1], p->scan.why, "the block of %.*s is not closed",
                          SPAN_ARG(p->open[p->depth - 1]->name));
    return ERR_OK;
}

enum err tree_parse(struct span file, struct span text, struct arena *a, struct tree **ret_first,
                    struct why *why)
{
    struct tree *first = NULL;
    struct parser p = { .scan = { .file = file, .line = 1, .why = why }, .arena = a };
    p.token = (struct token){ .line = 1, .column = 1 };
    p.tail[0] = &first;
    if (text.n > INT32_MAX)
        return parser_too_big(&p, "the file is too big");
    if (span_starts(text, SPAN("\xef\xbb\xbf"))) { /* the mark that some editors leave */
        text = span_tail(text, 3);
        p.scan.skipped = 3;
    }

    void *copy;
    TRY(parser_alloc(&p, text.n + 1, &copy));
    if (text.n)
        memcpy(copy, text.p, text.n);
    if (arena_try_span(a, file, &p.file) != ERR_OK)
        return parser_too_big(&p, "the configuration is too big");
    p.scan.p = copy;
    p.scan.start = p.scan.p;
    p.scan.end = p.scan.p + text.n;
    p.scan.line_start = p.scan.p;
    TRY(parse_nodes(&p));
    *ret_first = first;
    return ERR_OK;
}
