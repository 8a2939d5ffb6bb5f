#include "cli/import_record.h"

/* Microsoft365DSC: PowerShell text of which only the blocks
 *
 *     EXOInboundConnector "name"
 *     {
 *         SenderDomains = @("smtp:bank.example;1");
 *         RequireTls    = $True;
 *     }
 *
 * are looked at. It is read, never run: a variable that is none of $True, $False and $Null is
 * marked as one, and is an error where its value would matter. */

enum { TEXT_BYTES_MAX = 1024 * 1024, SHOWN_MAX = 80, NESTED_MAX = 64 };

enum token { END, WORD, STRING, VARIABLE, MARK };

struct dsc {
    struct record_reader *r;
    const char *p, *end;
    int line;
    /* the token that is looked at */
    enum token token;
    struct buf text;    /* of a word, string or variable (with its $) */
    char mark;          /* of a MARK: { } ( ) = ; , @ or another byte */
    bool has_variable;  /* a STRING in which a $ stands */
    bool after_newline; /* a line ended before it */
    int token_line;
};

static bool at(const struct dsc *s, const char *what)
{
    size_t n = strlen(what);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, what, n) == 0;
}

static void step(struct dsc *s)
{
    if (*s->p++ == '\n')
        s->line++;
}

static void skip_to(struct dsc *s, const char *what)
{
    while (s->p < s->end && !at(s, what))
        step(s);
    for (const char *c = what; *c && s->p < s->end; c++)
        if (*c != '\n')
            s->p++;
}

static void skip_blanks(struct dsc *s)
{
    while (s->p < s->end) {
        if (at(s, "<#"))
            skip_to(s, "#>");
        else if (*s->p == '#')
            skip_to(s, "\n");
        else if (strchr(" \t\r\n", *s->p) && *s->p)
            step(s);
        else
            return;
    }
}

static enum err put(struct dsc *s, char c)
{
    if (buf_addc(&s->text, c) == ERR_OK)
        return ERR_OK;
    return record_error(s->r, s->token_line, "a text of more than %d bytes", TEXT_BYTES_MAX);
}

static char backtick(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == '0' ? ' ' : c;
}

/* 'it''s', "say ""x""", "a`"b": the quote twice is one; ` escapes in double quotes only. */
static enum err read_string(struct dsc *s)
{
    char quote = *s->p++;
    s->token = STRING;
    while (s->p < s->end) {
        char c = *s->p;
        bool more = s->p + 1 < s->end;
        if (c == quote && !(more && s->p[1] == quote)) {
            s->p++;
            return ERR_OK;
        }
        if (c == quote) {
            s->p++;
        } else if (quote == '"' && c == '`' && more) {
            s->p++;
            c = backtick(*s->p);
        } else if (quote == '"' && c == '$') {
            s->has_variable = true;
        }
        TRY(put(s, c));
        step(s);
    }
    return record_error(s->r, s->token_line, "this text is not closed: a %c is missing", quote);
}

static bool is_word_byte(char c)
{
    return c && !strchr(" \t\r\n'\"(){}=;,@#$`[]", c);
}

static enum err next(struct dsc *s)
{
    int before = s->line;
    skip_blanks(s);
    buf_clear(&s->text);
    s->has_variable = false;
    s->after_newline = s->line > before;
    s->token_line = s->line;
    s->token = END;
    if (s->p == s->end)
        return ERR_OK;
    if (*s->p == '"' || *s->p == '\'')
        return read_string(s);
    s->token = *s->p == '$' ? VARIABLE : is_word_byte(*s->p) ? WORD : MARK;
    if (s->token == MARK) {
        s->mark = *s->p++;
        return ERR_OK;
    }
    do {
        TRY(put(s, *s->p++));
    } while (s->p < s->end && is_word_byte(*s->p));
    return ERR_OK;
}

static bool is_mark(const struct dsc *s, char c)
{
    return s->token == MARK && s->mark == c;
}

/* --- values --- */

/* One text or variable into f. */
static enum err put_value(struct dsc *s, struct record_field *f)
{
    struct span text = buf_span(&s->text);
    if (s->token == VARIABLE && span_eq_nocase(text, SPAN("$null")))
        return ERR_OK;
    if (s->token == VARIABLE && span_eq_nocase(text, SPAN("$true")))
        return record_value(s->r, f, SPAN("true"));
    if (s->token == VARIABLE && span_eq_nocase(text, SPAN("$false")))
        return record_value(s->r, f, SPAN("false"));
    if (s->token == VARIABLE || s->has_variable)
        f->is_variable = true;
    return record_value(s->r, f, text);
}

/* Something in brackets that no connector has as a value: up to where they are balanced. */
static enum err skip_nested(struct dsc *s)
{
    int depth = 0, opened = s->token_line;
    do {
        if (s->token == MARK && strchr("({[", s->mark) && s->mark)
            depth++;
        if (s->token == MARK && strchr(")}]", s->mark) && s->mark)
            depth--;
        if (s->token == END || depth > NESTED_MAX)
            return record_error(s->r, opened, "brackets that are not closed");
        TRY(next(s));
    } while (depth > 0);
    return ERR_OK;
}

/* @("a", "b"); behind it is the next token. */
static enum err read_list(struct dsc *s, struct record_field *f)
{
    int opened = s->token_line;
    TRY(next(s));
    if (!is_mark(s, '(')) {
        f->is_variable = true; /* @{ }: a table */
        return skip_nested(s);
    }
    TRY(next(s));
    while (!is_mark(s, ')')) {
        if (s->token == END)
            return record_error(s->r, opened, "this list is not closed: a ) is missing");
        if (s->token == MARK && !is_mark(s, ',')) {
            f->is_variable = true;
            TRY(skip_nested(s));
            continue;
        }
        if (s->token != MARK)
            TRY(put_value(s, f));
        TRY(next(s));
    }
    return next(s);
}

/* Name = value: s stands at the name. */
static enum err read_field(struct dsc *s, struct record *to)
{
    struct record_field *f;
    struct span name = buf_span(&s->text);
    int line = s->token_line;
    if (s->token != WORD)
        return record_error(s->r, line, "a name is expected here, as in: RequireTls = $True;");
    TRY(record_field(s->r, to, name, line, &f));
    TRY(next(s));
    if (!is_mark(s, '='))
        return record_error(
            s->r, line, "a = is missing behind `%.*s`",
            SPAN_ARG(span_head(f->name, f->name.n < SHOWN_MAX ? f->name.n : SHOWN_MAX)));
    TRY(next(s));
    if (is_mark(s, '@')) {
        TRY(read_list(s, f));
    } else if (s->token == MARK || s->token == END) {
        return record_error(s->r, line, "a value is missing behind the =");
    } else {
        TRY(put_value(s, f));
        TRY(next(s));
    }
    /* a value that goes on, $x.y + "z", is none that we know */
    while (s->token != END && !s->after_newline && !is_mark(s, ';') && !is_mark(s, '}')) {
        f->is_variable = true;
        TRY(next(s));
    }
    return ERR_OK;
}

static enum err read_block(struct dsc *s, enum record_kind kind)
{
    struct record *to;
    int opened = s->token_line;
    struct span place = draft_text(s->r->d, "%.*s:%d", SPAN_ARG(s->r->file), opened);
    TRY(record_new(s->r, kind, place, &to));
    TRY(next(s)); /* its name */
    if (s->token == STRING || s->token == WORD || s->token == VARIABLE)
        TRY(next(s));
    if (!is_mark(s, '{'))
        return record_error(s->r, opened, "a { is missing behind the name of the connector");
    TRY(next(s));
    while (!is_mark(s, '}')) {
        if (s->token == END)
            return record_error(s->r, opened, "this block is not closed: a } is missing");
        if (is_mark(s, ';'))
            TRY(next(s));
        else
            TRY(read_field(s, to));
    }
    return next(s);
}

static enum record_kind block_kind(const struct dsc *s)
{
    struct span word = buf_span(&s->text);
    if (s->token != WORD)
        return RECORD_OTHER;
    if (span_eq_nocase(word, SPAN("EXOInboundConnector")))
        return RECORD_INBOUND;
    return span_eq_nocase(word, SPAN("EXOOutboundConnector")) ? RECORD_OUTBOUND : RECORD_OTHER;
}

static enum err read_all(struct dsc *s)
{
    TRY(next(s));
    while (s->token != END) {
        enum record_kind kind = block_kind(s);
        if (kind == RECORD_OTHER)
            TRY(next(s));
        else
            TRY(read_block(s, kind));
    }
    return ERR_OK;
}

enum err record_dsc(struct record_reader *r, struct span text)
{
    struct dsc s = { .r = r, .p = text.p, .end = text.p + text.n, .line = 1 };
    buf_init(&s.text, TEXT_BYTES_MAX);
    enum err e = read_all(&s);
    buf_done(&s.text);
    return e;
}
