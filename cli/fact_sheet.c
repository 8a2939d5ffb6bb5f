#include "cli/fact_sheet.h"

#include "cli/out.h"
#include "mail/text.h"

enum { COLUMN = 26 };

struct ctl *sheet_section(struct ctl *sheet, const char *title, const char *text)
{
    struct ctl *section = ctl_add(sheet, "sections");
    ctl_set(section, "title", span_z(title));
    ctl_set(section, "text", span_z(text));
    ctl_array(section, "rows");
    return section;
}

void sheet_row(struct ctl *section, const char *key, const char *label, struct span value)
{
    if (value.n == 0)
        return;
    struct ctl *row = ctl_add(section, "rows");
    ctl_set(row, "key", span_z(key));
    ctl_set(row, "label", span_z(label));
    ctl_set(row, "value", text_cut(value, SHEET_VALUE_MAX));
}

/* --- text --- */

static enum err put_clean(struct span s, struct buf *out)
{
    struct buf clean;
    buf_init(&clean, 4 * (size_t)SHEET_VALUE_MAX);
    out_clean(text_cut(s, SHEET_VALUE_MAX), &clean);
    enum err e = buf_append(out, buf_span(&clean));
    buf_done(&clean);
    return e;
}

static enum err text_title(struct span title, char under, struct buf *out)
{
    size_t before = out->n;
    TRY(put_clean(title, out));
    size_t width = out_width(span_tail(buf_span(out), before));
    TRY(buf_addc(out, '\n'));
    for (size_t i = 0; i < width; i++)
        TRY(buf_addc(out, under));
    return buf_addc(out, '\n');
}

static enum err text_section(const struct ctl *section, struct buf *out)
{
    TRY(buf_addc(out, '\n'));
    TRY(text_title(ctl_get(section, "title"), '-', out));
    if (ctl_get(section, "text").n > 0) {
        TRY(put_clean(ctl_get(section, "text"), out));
        TRY(buf_addc(out, '\n'));
    }
    for (size_t i = 0; i < ctl_count(section, "rows"); i++) {
        const struct ctl *row = ctl_at(section, "rows", i);
        TRY(buf_addf(out, "  %-*.*s ", COLUMN, SPAN_ARG(ctl_get(row, "label"))));
        TRY(put_clean(ctl_get(row, "value"), out));
        TRY(buf_addc(out, '\n'));
    }
    return ERR_OK;
}

enum err fact_sheet_text(const struct ctl *sheet, struct buf *out)
{
    TRY(text_title(ctl_get(sheet, "title"), '=', out));
    for (size_t i = 0; i < ctl_count(sheet, "sections"); i++)
        TRY(text_section(ctl_at(sheet, "sections", i), out));
    return ERR_OK;
}

/* --- HTML --- */

static enum err put_escaped(struct span s, struct buf *out)
{
    struct buf clean;
    enum err e = ERR_OK;
    buf_init(&clean, 4 * (size_t)SHEET_VALUE_MAX);
    out_clean(text_cut(s, SHEET_VALUE_MAX), &clean);
    struct span c = buf_span(&clean);
    for (size_t i = 0; i < c.n && e == ERR_OK; i++) {
        switch (c.p[i]) {
        case '&':
            e = buf_append(out, SPAN("&amp;"));
            break;
        case '<':
            e = buf_append(out, SPAN("&lt;"));
            break;
        case '>':
            e = buf_append(out, SPAN("&gt;"));
            break;
        case '"':
            e = buf_append(out, SPAN("&quot;"));
            break;
        case '\'':
            e = buf_append(out, SPAN("&#39;"));
            break;
        default:
            e = buf_addc(out, c.p[i]);
        }
    }
    buf_done(&clean);
    return e;
}

static enum err put_element(const char *name, struct span text, struct buf *out)
{
    TRY(buf_addf(out, "<%s>", name));
    TRY(put_escaped(text, out));
    return buf_addf(out, "</%s>", name);
}

static enum err html_section(const struct ctl *section, struct buf *out)
{
    TRY(put_element("h2", ctl_get(section, "title"), out));
    TRY(buf_addc(out, '\n'));
    if (ctl_get(section, "text").n > 0)
        TRY(put_element("p", ctl_get(section, "text"), out));
    TRY(buf_append(out, SPAN("<table>\n")));
    for (size_t i = 0; i < ctl_count(section, "rows"); i++) {
        const struct ctl *row = ctl_at(section, "rows", i);
        TRY(buf_append(out, SPAN("<tr>")));
        TRY(put_element("th", ctl_get(row, "label"), out));
        TRY(put_element("td", ctl_get(row, "value"), out));
        TRY(buf_append(out, SPAN("</tr>\n")));
    }
    return buf_append(out, SPAN("</table>\n"));
}

enum err fact_sheet_html(const struct ctl *sheet, struct buf *out)
{
    TRY(buf_append(
        out, SPAN("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "style-src 'unsafe-inline'\">\n<style>body{font-family:sans-serif;max-width:60em;"
                  "margin:2em auto}th{text-align:left;vertical-align:top;padding-right:2em;"
                  "white-space:nowrap}td{overflow-wrap:anywhere}</style>\n")));
    TRY(put_element("title", ctl_get(sheet, "title"), out));
    TRY(buf_append(out, SPAN("</head><body>\n")));
    TRY(put_element("h1", ctl_get(sheet, "title"), out));
    TRY(buf_addc(out, '\n'));
    for (size_t i = 0; i < ctl_count(sheet, "sections"); i++)
        TRY(html_section(ctl_at(sheet, "sections", i), out));
    return buf_append(out, SPAN("</body></html>\n"));
}
