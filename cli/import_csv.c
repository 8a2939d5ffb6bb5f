#include "cli/import_record.h"

/* Export-Csv: RFC 4180 with `,`, `;` or a tab between (-UseCulture), and a line "#TYPE ..." on top
 * from Windows PowerShell. */

enum { COLUMNS_MAX = 256, CELL_BYTES_MAX = 1024 * 1024, SHOWN_MAX = 80 };

struct csv {
    struct record_reader *r;
    const char *p, *end;
    int line;
    char mark; /* between cells */
    struct buf cell;
};

static bool at_line_end(const struct csv *c)
{
    return c->p == c->end || *c->p == '\n' || *c->p == '\r';
}

static void skip_line_end(struct csv *c)
{
    if (c->p < c->end && *c->p == '\r')
        c->p++;
    if (c->p < c->end && *c->p == '\n')
        c->p++;
    c->line++;
}

/* "..." with "" for a quote; may hold ends of lines. */
static enum err read_quoted(struct csv *c)
{
    int opened = c->line;
    for (c->p++; c->p < c->end; c->p++) {
        if (*c->p == '\n')
            c->line++;
        if (*c->p == '"') {
            if (c->p + 1 == c->end || c->p[1] != '"')
                break;
            c->p++;
        }
        if (buf_addc(&c->cell, *c->p) != ERR_OK)
            return record_error(c->r, opened, "a value of more than %d bytes", CELL_BYTES_MAX);
    }
    if (c->p == c->end)
        return record_error(c->r, opened,
                            "this value is not closed: a \" is missing; export it anew with "
                            "Export-Csv");
    c->p++;
    if (at_line_end(c) || *c->p == c->mark)
        return ERR_OK;
    return record_error(c->r, c->line, "text behind a closing \"; export it anew with Export-Csv");
}

/* The next cell into c->cell; *ret_last: the line ends behind it. */
static enum err read_cell(struct csv *c, bool *ret_last)
{
    buf_clear(&c->cell);
    if (c->p < c->end && *c->p == '"') {
        TRY(read_quoted(c));
    } else {
        const char *start = c->p;
        while (!at_line_end(c) && *c->p != c->mark)
            c->p++;
        if (buf_append(&c->cell, span_of(start, (size_t)(c->p - start))) != ERR_OK)
            return record_error(c->r, c->line, "a value of more than %d bytes", CELL_BYTES_MAX);
    }
    *ret_last = at_line_end(c);
    if (!*ret_last)
        c->p++;
    return ERR_OK;
}

struct columns {
    struct span name[COLUMNS_MAX];
    unsigned n;
};

static enum err read_head(struct csv *c, struct columns *cols)
{
    bool last = false;
    while (!last) {
        if (cols->n == COLUMNS_MAX)
            return record_error(c->r, c->line, "more than %d columns", COLUMNS_MAX);
        TRY(read_cell(c, &last));
        struct span name = span_trim(buf_span(&c->cell));
        cols->name[cols->n++] = arena_span(&c->r->d->arena, name);
    }
    for (unsigned i = 0; i < cols->n; i++)
        if (span_eq_nocase(cols->name[i], SPAN("ConnectorType")) ||
            span_eq_nocase(cols->name[i], SPAN("SenderDomains")) ||
            span_eq_nocase(cols->name[i], SPAN("RecipientDomains")))
            return ERR_OK;
    return record_error(c->r, c->line,
                        "neither JSON nor Microsoft365DSC nor CSV with a column SenderDomains, "
                        "RecipientDomains or ConnectorType; export with: Get-InboundConnector | "
                        "ConvertTo-Json -Depth 4");
}

/* Export-Csv writes the name of the type in place of a list that it does not know. */
static bool is_type_name(struct span s)
{
    return span_starts(s, SPAN("System.Collections.")) || span_starts(s, SPAN("System.Object[]")) ||
           span_starts(s, SPAN("System.String[]")) ||
           span_starts(s, SPAN("Microsoft.Exchange.Data.MultiValuedProperty"));
}

static enum err put_cell(struct csv *c, struct record *to, struct span name, int line)
{
    struct record_field *f;
    struct span text = span_trim(buf_span(&c->cell));
    struct span seen = span_head(name, name.n < SHOWN_MAX ? name.n : SHOWN_MAX);
    if (is_type_name(text))
        return record_error(c->r, line,
                            "`%.*s` has the name of a type and not its values: export with "
                            "ConvertTo-Json -Depth 4, which keeps lists",
                            SPAN_ARG(seen));
    TRY(record_field(c->r, to, name, line, &f));
    return text.n > 0 ? record_value(c->r, f, text) : ERR_OK;
}

static enum err read_row(struct csv *c, const struct columns *cols)
{
    struct record *to;
    int line = c->line;
    bool last = false;
    unsigned n = 0;
    struct span place = draft_text(c->r->d, "%.*s:%d", SPAN_ARG(c->r->file), line);
    TRY(record_new(c->r, RECORD_OTHER, place, &to));
    while (!last && n < cols->n) {
        TRY(read_cell(c, &last));
        TRY(put_cell(c, to, cols->name[n++], line));
    }
    if (last && n == cols->n)
        return ERR_OK;
    return record_error(c->r, line, "%s values than the %u columns of the first line",
                        last ? "fewer" : "more", cols->n);
}

static char mark_of(struct span line)
{
    static const char marks[] = ",;\t";
    for (const char *m = marks; *m; m++)
        if (span_find(line, *m) < line.n)
            return *m;
    return ',';
}

static enum err read_rows(struct csv *c)
{
    struct columns cols = { .n = 0 };
    while (c->p < c->end && (at_line_end(c) || *c->p == '#')) {
        while (!at_line_end(c))
            c->p++;
        skip_line_end(c);
    }
    struct span rest = span_of(c->p, (size_t)(c->end - c->p));
    c->mark = mark_of(span_head(rest, span_find(rest, '\n')));
    TRY(read_head(c, &cols));
    skip_line_end(c);
    while (c->p < c->end) {
        if (!at_line_end(c))
            TRY(read_row(c, &cols));
        skip_line_end(c);
    }
    return ERR_OK;
}

enum err record_csv(struct record_reader *r, struct span text)
{
    struct csv c = { .r = r, .p = text.p, .end = text.p + text.n, .line = 1 };
    buf_init(&c.cell, CELL_BYTES_MAX);
    enum err e = read_rows(&c);
    buf_done(&c.cell);
    return e;
}
