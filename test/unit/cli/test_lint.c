/* What `postern lint` says of a file, for people and for programs. The rules themselves:
 * test/unit/policy/test_lint.c. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/lint_text.h"
#include "gate/config.h"
#include "test/golden.h"
#include "test/test.h"

enum { TEXT_MAX = 256 * 1024 };

static struct ctl *lint_file(const char *path, const char *now)
{
    struct config *config = NULL;
    struct why why = { "" };
    struct ctl *all = ctl_new();
    int64_t now_ms;
    CHECK_NUM(when_parse(span_z(now), &now_ms), ERR_OK);
    enum err e = cli_load(span_z(path), &config, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    lint_config(config, now_ms, all);
    config_unref(config);
    return all;
}

TEST(lint_is_golden)
{
    struct ctl *all = lint_file("test/conf/clinic.conf", "2026-11-24T02:00:00Z");
    struct buf text;
    buf_init(&text, TEXT_MAX);
    lint_text(all, &text);
    golden_check("test/grid/cli_lint.ref", buf_span(&text));
    CHECK(!ctl_get_bool(all, "ok"));
    CHECK_NUM(ctl_count(all, "findings"), ctl_get_num(all, "errors") +
                                              ctl_get_num(all, "warnings") +
                                              ctl_get_num(all, "notes"));
    ctl_free(all);
    buf_done(&text);
}

/* Each finding can be found: file, line, and whose it is. */
TEST(r30_lint_says_where)
{
    struct ctl *all = lint_file("test/conf/clinic.conf", "2026-11-24T02:00:00Z");
    bool found = false;
    for (size_t i = 0; i < ctl_count(all, "findings"); i++) {
        const struct ctl *row = ctl_at(all, "findings", i);
        CHECK(ctl_get(row, "remedy").n > 0);
        CHECK(ctl_get_num(row, "line") > 0);
        if (!span_eq(ctl_get(row, "rule"), SPAN("not-asked-of-outgoing")))
            continue;
        CHECK_SPAN(ctl_get(row, "connector"), SPAN("clinic/pharmacy"));
        CHECK_SPAN(ctl_get(row, "direction"), SPAN("inbound"));
        CHECK_SPAN(ctl_get(row, "file"), SPAN("test/conf/clinic.conf"));
        found = true;
    }
    CHECK(found);
    ctl_free(all);
}

/* What only the installation says is among it, and has no connector. */
TEST(lint_has_the_warnings_of_the_installation)
{
    struct ctl *all = lint_file("test/conf/minimal.conf", "2026-11-24");
    struct buf text;
    buf_init(&text, TEXT_MAX);
    CHECK(ctl_count(all, "findings") > 0);
    CHECK_SPAN(ctl_get(ctl_at(all, "findings", 0), "rule"), SPAN("installation"));
    CHECK_NUM(ctl_get_num(all, "warnings"), ctl_count(all, "findings"));
    lint_text(all, &text);
    CHECK(span_starts(buf_span(&text), SPAN("test/conf/minimal.conf: warning: ")));
    ctl_free(all);
    buf_done(&text);
}

TEST(lint_of_nothing)
{
    struct ctl *all = ctl_new();
    struct lint lint = { 0 };
    struct buf text;
    buf_init(&text, TEXT_MAX);
    ctl_array(all, "findings");
    lint_put(&lint, all);
    lint_text(all, &text);
    CHECK_Z(buf_span(&text), "0 errors, 0 warnings, 0 notes\n");
    ctl_free(all);
    buf_done(&text);
}

TEST(lint_says_that_there_are_more)
{
    struct ctl *all = ctl_new();
    struct lint lint = { .count = { [LINT_WARNING] = 12000 } };
    struct buf text;
    buf_init(&text, TEXT_MAX);
    ctl_array(all, "findings");
    lint_put(&lint, all);
    lint_text(all, &text);
    CHECK_Z(buf_span(&text), "0 errors, 12000 warnings, 0 notes; the first 0 are shown\n");
    ctl_free(all);
    buf_done(&text);
}
