#include "base/tree_edit.h"

/* All three end in one splice: the bytes from `from` to `to` give way to others. */

struct splice {
    size_t from, to;
    struct span before, insert, after; /* insert: its '\n' become line ends */
    struct span indent;                /* behind each of those */
};

/* --- places in a text */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t skip_blanks(struct span text, size_t i)
{
    while (i < text.n && is_blank(text.p[i]))
        i++;
    return i;
}

static size_t back_over_blanks(struct span text, size_t i)
{
    while (i > 0 && is_blank(text.p[i - 1]))
        i--;
    return i;
}

static size_t line_start(struct span text, size_t i)
{
    while (i > 0 && text.p[i - 1] != '\n')
        i--;
    return i;
}

/* Before the line's end, whichever kind it is. */
static size_t line_stop(struct span text, size_t i)
{
    while (i < text.n && text.p[i] != '\n')
        i++;
    return i < text.n && i > 0 && text.p[i - 1] == '\r' ? i - 1 : i;
}

/* Behind the line's end. */
static size_t next_line(struct span text, size_t i)
{
    while (i < text.n && text.p[i] != '\n')
        i++;
    return i < text.n ? i + 1 : i;
}

/* The line ends of the text, as its first one is. */
static struct span line_end(struct span text)
{
    size_t i = span_find(text, '\n');
    return i < text.n && i > 0 && text.p[i - 1] == '\r' ? SPAN("\r\n") : SPAN("\n");
}

/* The blanks that its line begins with. */
static struct span indent_at(struct span text, size_t i)
{
    size_t start = line_start(text, i);
    if (start == 0 && span_starts(text, SPAN("\xef\xbb\xbf")))
        start = 3;
    return span_of(text.p + start, skip_blanks(text, start) - start);
}

static bool begins_line(struct span text, size_t i)
{
    size_t start = back_over_blanks(text, i);
    return start == 0 || text.p[start - 1] == '\n' ||
           (start == 3 && span_starts(text, SPAN("\xef\xbb\xbf")));
}

static bool is_separator(char c)
{
    return c == ',' || c == ';';
}

/* Behind the separators that follow, if they do on this line. */
static size_t skip_separators(struct span text, size_t i)
{
    for (;;) {
        size_t next = skip_blanks(text, i);
        if (next == text.n || !is_separator(text.p[next]))
            return i;
        i = next + 1;
    }
}

/* Whether nothing but blanks and a comment stand from here to the end of the line. */
static bool ends_line(struct span text, size_t i)
{
    i = skip_blanks(text, i);
    return i == text.n || text.p[i] == '#' || text.p[i] == '\r' || text.p[i] == '\n';
}

static bool is_blank_line(struct span text, size_t start)
{
    return skip_blanks(text, start) == line_stop(text, start) && next_line(text, start) > start;
}

/* --- the splice */

static enum err put_lines(struct span lines, struct span end, struct span indent, struct buf *out)
{
    while (lines.n > 0) {
        size_t n = span_find(lines, '\n');
        TRY(buf_append(out, span_head(lines, n)));
        if (n == lines.n)
            return ERR_OK;
        TRY(buf_append(out, end));
        TRY(buf_append(out, indent));
        lines = span_tail(lines, n + 1);
    }
    return ERR_OK;
}

static enum err put_spliced(struct span text, const struct splice *s, struct buf *out)
{
    struct span end = line_end(text);
    TRY(buf_append(out, span_head(text, s->from)));
    TRY(put_lines(s->before, end, SPAN_NONE, out));
    TRY(put_lines(s->insert, end, s->indent, out));
    TRY(put_lines(s->after, end, SPAN_NONE, out));
    return buf_append(out, span_tail(text, s->to));
}

static enum err splice(struct span text, const struct splice *s, struct buf *out)
{
    size_t before = out->n;
    ASSERT(s->from <= s->to && s->to <= text.n);
    enum err e = put_spliced(text, s, out);
    if (e != ERR_OK)
        buf_truncate(out, before);
    return e;
}

/* --- set */

const struct tree *tree_find(const struct tree *first, struct span name)
{
    while (first && !span_eq(first->name, name))
        first = first->next;
    return first;
}

static const struct tree *last_of(const struct tree *block)
{
    const struct tree *t = block->child;
    while (t && t->next)
        t = t->next;
    return t;
}

/* Behind the last node of a block, on a line of its own when the nodes have such. */
static enum err set_behind(struct span text, const struct tree *last, struct span setting,
                           struct buf *out)
{
    struct splice s = { .insert = setting, .indent = indent_at(text, last->at) };
    struct buf before;
    size_t separated = skip_separators(text, last->end);
    if (!ends_line(text, separated)) {
        s.from = s.to = last->end;
        s.before = SPAN(", ");
        return splice(text, &s, out);
    }
    s.from = s.to = line_stop(text, separated);
    buf_init(&before, s.indent.n + 1);
    buf_put(&before, SPAN("\n"));
    buf_put(&before, s.indent);
    s.before = buf_span(&before);
    enum err e = splice(text, &s, out);
    buf_done(&before);
    return e;
}

enum err tree_edit_set(struct span text, const struct tree *block, struct span setting,
                       struct buf *out)
{
    struct span rest = setting;
    const struct tree *old = tree_find(block->child, span_cut(&rest, ' '));
    const struct tree *last = last_of(block);
    ASSERT(block->is_block);
    if (!old && last)
        return set_behind(text, last, setting, out);
    struct splice s = { .insert = setting };
    if (old) {
        s.from = old->at;
        s.to = old->end;
        s.indent = indent_at(text, old->at);
    } else {
        s.from = s.to = block->body;
        s.before = SPAN(" ");
        /* what follows may be a comment, which must not come to stand behind the setting alone */
        s.after = ends_line(text, block->body) ? SPAN(" ") : SPAN_NONE;
        s.indent = indent_at(text, block->at);
    }
    return splice(text, &s, out);
}

/* --- remove */

/* The node's lines are its own: they go whole. A blank line above goes too where it would stand
 * before another one, or before the end of the block. */
static void cut_lines(struct span text, struct splice *s)
{
    s->from = line_start(text, s->from);
    s->to = next_line(text, s->to);
    if (s->from == 0)
        return;
    size_t above = line_start(text, s->from - 1);
    size_t next = skip_blanks(text, s->to);
    bool closes = next < text.n && text.p[next] == '}';
    if (is_blank_line(text, above) && (closes || is_blank_line(text, s->to)))
        s->from = above;
}

/* The node shares its line: one of the separators beside it goes with it. */
static void cut_between(struct span text, struct splice *s)
{
    size_t behind = skip_separators(text, s->to), before = back_over_blanks(text, s->from);
    if (behind > s->to)
        s->to = skip_blanks(text, behind);
    else if (before > 0 && is_separator(text.p[before - 1]))
        s->from = before - 1;
}

enum err tree_edit_remove(struct span text, const struct tree *node, struct buf *out)
{
    struct splice s = { .from = node->at, .to = node->end };
    size_t separated = skip_separators(text, node->end);
    bool mark = span_starts(text, SPAN("\xef\xbb\xbf")) && line_start(text, node->at) == 0;
    if (!mark && begins_line(text, node->at) && ends_line(text, separated))
        cut_lines(text, &s);
    else
        cut_between(text, &s);
    return splice(text, &s, out);
}

/* --- append */

enum err tree_edit_append(struct span text, const struct tree *block, struct span node,
                          struct buf *out)
{
    const struct tree *last = last_of(block);
    size_t brace = block->end - 1;
    bool own_line = begins_line(text, brace);
    struct span outer = indent_at(text, block->at);
    struct buf indent, before, after;
    ASSERT(block->is_block && text.p[brace] == '}');
    buf_init(&indent, text.n + 4);
    if (last && begins_line(text, last->at)) {
        buf_put(&indent, indent_at(text, last->at));
    } else {
        buf_put(&indent, outer);
        buf_put(&indent, SPAN("    "));
    }
    buf_init(&before, indent.n + 2);
    buf_init(&after, outer.n + 1);
    buf_put(&before, !own_line || last ? SPAN("\n") : SPAN_NONE);
    buf_put(&before, buf_span(&indent));
    buf_put(&after, SPAN("\n"));
    buf_put(&after, own_line ? SPAN_NONE : outer);
    size_t at = own_line ? line_start(text, brace) : brace;
    struct splice s = { at, at, buf_span(&before), node, buf_span(&after), buf_span(&indent) };
    enum err e = splice(text, &s, out);
    buf_done(&indent);
    buf_done(&before);
    buf_done(&after);
    return e;
}

/* --- strings */

static enum err put_byte(char c, struct buf *out)
{
    if (((unsigned char)c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
        return ERR_SYNTAX;
    if (c == '\n')
        return buf_append(out, SPAN("\\n"));
    if (c == '"' || c == '\\')
        TRY(buf_addc(out, '\\'));
    return buf_addc(out, c);
}

enum err tree_put_string(struct span s, struct buf *out)
{
    size_t before = out->n;
    enum err e = buf_addc(out, '"');
    for (size_t i = 0; i < s.n && e == ERR_OK; i++)
        e = put_byte(s.p[i], out);
    if (e == ERR_OK)
        e = buf_addc(out, '"');
    if (e != ERR_OK)
        buf_truncate(out, before);
    return e;
}
