#include "cli/connector_text.h"

#include "base/when.h"
#include "cli/out.h"

enum { FIELD_MAX = 4000, CELL_CUT = 60, WEAK_MAX = 200, COLUMN = 12 };

/* --- a table --- */

/* The last day that is covered. */
static const char *day_of(int64_t until_ms, char text[static WHEN_BYTES_MAX])
{
    when_rfc3339(until_ms - 1, text);
    text[sizeof "2026-12-31" - 1] = '\0';
    return text;
}

/* "plaintext until 2026-12-31, expired VOID" */
static void put_weak(const struct ctl *row, struct buf *out)
{
    char day[WHEN_BYTES_MAX];
    for (size_t i = 0; i < ctl_count(row, "weakenings") && buf_room(out) > WEAK_MAX / 2; i++) {
        const struct ctl *w = ctl_at(row, "weakenings", i);
        struct span allows = ctl_get(w, "allows");
        buf_putf(out, "%s%.*s ", i > 0 ? ", " : "",
                 SPAN_ARG(span_head(allows, allows.n < 16 ? allows.n : 16)));
        if (ctl_get_bool(w, "holds"))
            buf_putf(out, "until %s", day_of(ctl_get_num(w, "until"), day));
        else
            buf_put(out, SPAN("VOID"));
    }
}

/* What is too long for a table is cut: `show` has it. */
static void add_cut(struct table *t, struct span text)
{
    struct buf b;
    buf_init(&b, CELL_CUT + 3);
    size_t n = text.n <= CELL_CUT ? text.n : CELL_CUT;
    while (n < text.n && n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--; /* not within a character */
    buf_put(&b, span_head(text, n));
    buf_put(&b, n < text.n ? SPAN("...") : SPAN_NONE);
    table_add(t, buf_span(&b));
    buf_done(&b);
}

/* A column that nobody has anything in is not shown. */
static bool any_validated(const struct ctl *all)
{
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++)
        if (ctl_has(ctl_at(all, "connectors", i), "validated"))
            return true;
    return false;
}

static struct span validated_cell(const struct ctl *row)
{
    return ctl_has(row, "validated") ? ctl_get(ctl_get_object(row, "validated"), "words")
                                     : SPAN("-");
}

void connector_table(const struct ctl *all, struct buf *out)
{
    static const char *const head[] = { "CONNECTOR", "DIRECTION", "KIND",  "MODE",     "ABOUT",
                                        "WEAKENED",  "DEMANDS",   "OWNER", "VALIDATED" };
    bool validated = any_validated(all);
    struct table t;
    struct buf weak;
    buf_init(&weak, WEAK_MAX);
    table_init(&t, head, COUNTOF(head) - !validated);
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++) {
        const struct ctl *row = ctl_at(all, "connectors", i);
        table_add(&t, ctl_get(row, "id"));
        table_add(&t, ctl_get(row, "direction"));
        table_add(&t, ctl_get(row, "kind"));
        table_add(&t, ctl_get(row, "mode"));
        add_cut(&t, ctl_get(row, "about"));
        buf_clear(&weak);
        put_weak(row, &weak);
        table_add(&t, weak.n > 0 ? buf_span(&weak) : SPAN("-"));
        add_cut(&t, ctl_get(row, "demands"));
        add_cut(&t, ctl_get(row, "owner").n > 0 ? ctl_get(row, "owner") : SPAN("-"));
        if (validated)
            add_cut(&t, validated_cell(row));
    }
    table_print(&t, "", out);
    table_done(&t);
    buf_done(&weak);
}

/* --- one of them --- */

static void put_field(const char *label, struct span text, struct buf *out)
{
    if (text.n == 0)
        return;
    buf_putf(out, "  %-*s", COLUMN, label);
    out_clean(span_head(text, text.n < FIELD_MAX ? text.n : FIELD_MAX), out);
    buf_put(out, SPAN("\n"));
}

static void put_weakening(const struct ctl *w, struct buf *out)
{
    char day[WHEN_BYTES_MAX];
    struct buf b;
    buf_init(&b, FIELD_MAX);
    struct span allows = ctl_get(w, "allows"), owner = ctl_get(w, "owner"),
                reason = ctl_get(w, "reason");
    buf_putf(&b, "allows %.*s, %s %s; ", SPAN_ARG(span_head(allows, allows.n < 16 ? allows.n : 16)),
             ctl_get_bool(w, "holds") ? "until" : "VOID since the end of",
             day_of(ctl_get_num(w, "until"), day));
    buf_putf(&b, "%.*s: ", SPAN_ARG(span_head(owner, owner.n < 1000 ? owner.n : 1000)));
    buf_putf(&b, "%.*s", SPAN_ARG(span_head(reason, reason.n < 1000 ? reason.n : 1000)));
    put_field("weakened", buf_span(&b), out);
    buf_done(&b);
}

void connector_block(const struct ctl *row, struct buf *out)
{
    static const struct {
        const char *key, *label;
    } fields[] = {
        { "kind", "kind" },        { "mode", "mode" },       { "demands", "demands" },
        { "identities", "knows" }, { "by", "leads to" },     { "contract", "contract" },
        { "owner", "owner" },      { "comment", "comment" }, { "created", "created" },
        { "changed", "changed" },
    };
    bool inbound = span_eq(ctl_get(row, "direction"), SPAN("inbound"));
    struct span id = ctl_get(row, "id"), file = ctl_get(row, "file");
    out_clean(span_head(id, id.n < FIELD_MAX ? id.n : FIELD_MAX), out);
    buf_putf(out, ", %s\n", inbound ? "inbound" : "outbound");
    put_field(inbound ? "mail from" : "mail to", ctl_get(row, "about"), out);
    for (size_t i = 0; i < COUNTOF(fields); i++)
        put_field(fields[i].label, ctl_get(row, fields[i].key), out);
    for (size_t i = 0; i < ctl_count(row, "weakenings") && i < 8; i++)
        put_weakening(ctl_at(row, "weakenings", i), out);
    if (ctl_has(row, "validated"))
        put_field("validated", ctl_get(ctl_get_object(row, "validated"), "words"), out);
    buf_putf(out, "  %-*s", COLUMN, "written in");
    out_clean(span_head(file, file.n < FIELD_MAX ? file.n : FIELD_MAX), out);
    buf_putf(out, ":%lld\n", (long long)ctl_get_num(row, "line"));
}
