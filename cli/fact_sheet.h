/* fact_sheet.h - what a partner is told of a link, for people and for programs: sections of rows,
 * each a label and a value. Pure.
 *
 *     {"title": ..., "sections": [{"title", "text", "rows": [{"key", "label", "value"}]}]}
 *
 * Values come from files, certificates and words of operators: text is cleaned (cli/out.h), HTML is
 * escaped and has neither scripts nor anything from elsewhere. */
#ifndef CLI_FACT_SHEET_H
#define CLI_FACT_SHEET_H

#include "base/buf.h"
#include "ctl/ctl.h"

enum { SHEET_TEXT_MAX = 4 * 1024 * 1024, SHEET_VALUE_MAX = 8 * 1024 };

/* text may be empty. Borrowed from sheet. */
struct ctl *sheet_section(struct ctl *sheet, const char *title, const char *text);
/* Nothing when the value is empty; cut at SHEET_VALUE_MAX. */
void sheet_row(struct ctl *section, const char *key, const char *label, struct span value);

/* ERR_TOO_BIG: over the buffer's maximum, and what came out is not all. */
MUST_USE enum err fact_sheet_text(const struct ctl *sheet, struct buf *out);
MUST_USE enum err fact_sheet_html(const struct ctl *sheet, struct buf *out);

#endif
