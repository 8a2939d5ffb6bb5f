#include "cli/lint_text.h"

#include "cli/out.h"

static const char *const counts[LINT_SEVERITY_COUNT_] = {
    [LINT_NOTE] = "notes", [LINT_WARNING] = "warnings", [LINT_ERROR] = "errors"
};

static void add_count(struct ctl *out, enum lint_severity s, uint64_t n)
{
    ctl_set_num(out, counts[s], ctl_get_num(out, counts[s]) + (int64_t)n);
}

void lint_put(const struct lint *l, struct ctl *out)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct lint_finding *f = &l->finding[i];
        struct ctl *row = ctl_add(out, "findings");
        ctl_set(row, "severity", span_z(lint_severity_name(f->severity)));
        ctl_set(row, "rule", span_z(lint_rule_name(f->rule)));
        ctl_set(row, "connector", f->at->id);
        ctl_set(row, "direction", f->outbound ? SPAN("outbound") : SPAN("inbound"));
        ctl_set(row, "file", f->at->file);
        ctl_set_num(row, "line", f->at->line);
        ctl_set(row, "text", f->text);
        ctl_set(row, "remedy", f->remedy);
    }
    for (unsigned s = 0; s < LINT_SEVERITY_COUNT_; s++)
        add_count(out, (enum lint_severity)s, l->count[s]);
}

void lint_put_top(struct span file, const char *text, struct ctl *out)
{
    struct ctl *row = ctl_add(out, "findings");
    ctl_set(row, "severity", span_z(lint_severity_name(LINT_WARNING)));
    ctl_set(row, "rule", SPAN("installation"));
    ctl_set(row, "file", file);
    ctl_set(row, "text", span_z(text));
    add_count(out, LINT_WARNING, 1);
}

void lint_put_row(const struct ctl *connector, enum lint_severity s, const char *rule,
                  struct span text, struct ctl *out)
{
    struct ctl *row = ctl_add(out, "findings");
    ctl_set(row, "severity", span_z(lint_severity_name(s)));
    ctl_set(row, "rule", span_z(rule));
    ctl_set(row, "connector", ctl_get(connector, "id"));
    ctl_set(row, "direction", ctl_get(connector, "direction"));
    ctl_set(row, "file", ctl_get(connector, "file"));
    ctl_set_num(row, "line", ctl_get_num(connector, "line"));
    ctl_set(row, "text", text);
    ctl_set(row, "remedy", SPAN("Try it again with `postern connector validate`."));
    add_count(out, s, 1);
}

void lint_put_place(const struct lint_place *p, struct ctl *out)
{
    struct ctl *row = ctl_add(out, "findings");
    ctl_set(row, "severity", span_z(lint_severity_name(p->severity)));
    ctl_set(row, "rule", span_z(p->rule));
    ctl_set(row, "file", p->file);
    ctl_set_num(row, "line", p->line);
    ctl_set(row, "text", p->text);
    ctl_set(row, "remedy", span_z(p->remedy));
    add_count(out, p->severity, 1);
}

static void put_finding(const struct ctl *row, struct buf *out)
{
    out_clean(ctl_get(row, "file"), out);
    if (ctl_get_num(row, "line") > 0)
        buf_putf(out, ":%lld", (long long)ctl_get_num(row, "line"));
    buf_put(out, SPAN(": "));
    out_clean(ctl_get(row, "severity"), out);
    buf_put(out, SPAN(": "));
    if (ctl_get(row, "connector").n > 0) {
        out_clean(ctl_get(row, "direction"), out);
        buf_put(out, SPAN(" connector "));
        out_clean(ctl_get(row, "connector"), out);
        buf_put(out, SPAN(": "));
    }
    out_clean(ctl_get(row, "text"), out);
    buf_put(out, SPAN(" ["));
    out_clean(ctl_get(row, "rule"), out);
    buf_put(out, SPAN("]\n"));
    if (ctl_get(row, "remedy").n == 0)
        return;
    buf_put(out, SPAN("    "));
    out_clean(ctl_get(row, "remedy"), out);
    buf_put(out, SPAN("\n"));
}

static void put_sum(const struct ctl *all, struct buf *out)
{
    char errors[OUT_TEXT_MAX], warnings[OUT_TEXT_MAX], notes[OUT_TEXT_MAX];
    int64_t n = 0, shown = (int64_t)ctl_count(all, "findings");
    for (unsigned s = 0; s < LINT_SEVERITY_COUNT_; s++)
        n += ctl_get_num(all, counts[s]);
    buf_putf(out, "%s, %s, %s", out_count(ctl_get_num(all, "errors"), "error", errors),
             out_count(ctl_get_num(all, "warnings"), "warning", warnings),
             out_count(ctl_get_num(all, "notes"), "note", notes));
    if (shown < n)
        buf_putf(out, "; the first %lld are shown", (long long)shown);
    buf_put(out, SPAN("\n"));
}

void lint_text(const struct ctl *all, struct buf *out)
{
    for (unsigned s = LINT_SEVERITY_COUNT_; s > 0; s--) {
        struct span severity = span_z(lint_severity_name((enum lint_severity)(s - 1)));
        for (size_t i = 0; i < ctl_count(all, "findings"); i++)
            if (span_eq(ctl_get(ctl_at(all, "findings", i), "severity"), severity))
                put_finding(ctl_at(all, "findings", i), out);
    }
    put_sum(all, out);
}
