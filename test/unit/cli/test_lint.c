/* What `postern lint` says of a file, for people and for programs. The rules themselves:
 * test/unit/policy/test_lint.c. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/lint_more.h"
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

/* --- certificates and MX --- */

static void check_only(struct ctl *all, const char *severity, const char *rule)
{
    CHECK_NUM(ctl_count(all, "findings"), severity ? 1 : 0);
    if (severity && ctl_at(all, "findings", 0)) {
        CHECK_Z(ctl_get(ctl_at(all, "findings", 0), "severity"), severity);
        CHECK_Z(ctl_get(ctl_at(all, "findings", 0), "rule"), rule);
        CHECK(ctl_get(ctl_at(all, "findings", 0), "remedy").n > 0);
    }
    ctl_free(all);
}

TEST(lint_tells_ends_of_certificates_by_their_distance)
{
    static const struct {
        const char *name;
        int64_t left_ms;
        const char *severity, *rule;
    } rows[] = {
        { "31 days", 31 * (int64_t)DAY_MS, NULL, NULL },
        { "30 days", 30 * (int64_t)DAY_MS, "note", "certificate-expires" },
        { "14 days", 14 * (int64_t)DAY_MS, "warning", "certificate-expires" },
        { "7 days", 7 * (int64_t)DAY_MS, "error", "certificate-expires" },
        { "now", 0, "error", "certificate-expired" },
        { "long ago", -400 * (int64_t)DAY_MS, "error", "certificate-expired" },
    };
    const int64_t now_ms = 1790000000000;
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct config_certificate k = { .path = SPAN("a.pem"),
                                        .file = SPAN("f.conf"),
                                        .line = 3,
                                        .for_servers = true,
                                        .until_ms = now_ms + rows[i].left_ms };
        struct config c = { .certificate = &k };
        struct ctl *all = ctl_new();
        test_case(rows[i].name);
        lint_certificates(&c, now_ms, all);
        check_only(all, rows[i].severity, rows[i].rule);
    }
    test_case(NULL);
}

TEST(p27_lint_tells_of_certificates_that_are_not_for_clients)
{
    struct config_certificate k = { .path = SPAN("a.pem"), .file = SPAN("f.conf") };
    struct config c = { .certificate = &k };
    struct ctl *all = ctl_new();
    lint_certificates(&c, 1, all);
    check_only(all, "warning", "certificate-usage");
    k.client_usage = true;
    all = ctl_new();
    lint_certificates(&c, 1, all);
    check_only(all, NULL, NULL);
}

static struct config *load_mx(void)
{
    struct config *config = NULL;
    struct why why = { "" };
    CHECK_NUM(cli_load(SPAN("test/conf/clinic.conf"), &config, &why), ERR_OK);
    return config;
}

TEST(p18_lint_tells_of_mx_elsewhere_and_no_lock_down)
{
    static const struct {
        const char *name;
        struct facts f;
        const char *severity, *rule;
    } rows[] = {
        { "MX elsewhere",
          { .has_mx = TRI_YES, .n_host = 1, .host = { { .name = { "mx.filter.example", 17 } } } },
          "warning",
          "mx-elsewhere" },
        { "one of them is us",
          { .has_mx = TRI_YES, .n_host = 2, .host = { { .is_us = false }, { .is_us = true } } },
          NULL,
          NULL },
        { "null MX", { .has_mx = TRI_YES, .null_mx = true }, NULL, NULL },
        { "no such domain", { .has_mx = TRI_NO, .domain_exists = TRI_NO }, NULL, NULL },
        { "it cannot be told", { .has_mx = TRI_UNKNOWN }, "note", "mx-unknown" },
        { "its own address", { .has_mx = TRI_NO, .n_host = 1 }, "warning", "mx-elsewhere" },
    };
    struct config *config = load_mx();
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct ctl *all = ctl_new();
        test_case(rows[i].name);
        lint_mx(config, SPAN("clinic.example"), &rows[i].f, all);
        check_only(all, rows[i].severity, rows[i].rule);
    }
    test_case("locked down");
    struct in_connector *lock = (struct in_connector *)&config->org[1].in[0];
    lock->sender[0] = SPAN("*");
    struct ctl *all = ctl_new();
    lint_mx(config, SPAN("clinic.example"), &rows[0].f, all);
    check_only(all, NULL, NULL);
    test_case("in test mode it locks nothing");
    lock->c.mode = CONNECTOR_TEST;
    all = ctl_new();
    lint_mx(config, SPAN("clinic.example"), &rows[0].f, all);
    check_only(all, "warning", "mx-elsewhere");
    test_case("TLS alone keeps nobody out");
    lock->c.mode = CONNECTOR_ENFORCE;
    lock->restrict_certificate = false;
    all = ctl_new();
    lint_mx(config, SPAN("clinic.example"), &rows[0].f, all);
    check_only(all, "warning", "mx-elsewhere");
    test_case(NULL);
    config_unref(config);
}
