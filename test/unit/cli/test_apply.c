/* What `postern apply --dry-run` says of two files, for people and for programs. */
#include "cli/config_diff.h"

#include "base/when.h"
#include "cli/cli.h"
#include "test/golden.h"
#include "test/test.h"

enum { TEXT_MAX = 256 * 1024 };

static struct config *load(const char *path)
{
    struct config *config = NULL;
    struct why why = { "" };
    enum err e = cli_load(span_z(path), &config, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    return config;
}

static struct ctl *diff_of(const char *was, const char *now)
{
    struct config *a = load(was), *b = load(now);
    struct ctl *diff = ctl_new();
    int64_t now_ms;
    CHECK_NUM(when_parse(SPAN("2026-11-24T02:00:00Z"), &now_ms), ERR_OK);
    config_diff(a, b, now_ms, diff);
    config_unref(a);
    config_unref(b);
    return diff;
}

static void put(const struct ctl *diff, struct buf *out)
{
    buf_init(out, TEXT_MAX);
    config_diff_text(diff, out);
}

TEST(apply_is_golden)
{
    struct ctl *there = diff_of("test/conf/clinic.conf", "test/conf/clinic-new.conf");
    struct ctl *back = diff_of("test/conf/clinic-new.conf", "test/conf/clinic.conf");
    struct ctl *other = diff_of("test/conf/minimal.conf", "test/conf/full.conf");
    struct buf text;
    buf_init(&text, TEXT_MAX);
    config_diff_text(there, &text);
    CHECK_NUM(ctl_print_pretty(ctl_at(there, "differences", 0), &text), ERR_OK);
    buf_put(&text, SPAN("\n"));
    config_diff_text(back, &text);
    buf_put(&text, SPAN("\n"));
    config_diff_text(other, &text);
    golden_check("test/grid/cli_apply.ref", buf_span(&text));
    CHECK_NUM(ctl_get_num(there, "added"), ctl_get_num(back, "removed"));
    CHECK_NUM(ctl_get_num(there, "removed"), ctl_get_num(back, "added"));
    CHECK_NUM(ctl_get_num(there, "changed"), ctl_get_num(back, "changed"));
    buf_done(&text);
    ctl_free(there);
    ctl_free(back);
    ctl_free(other);
}

TEST(apply_of_the_same_is_no_difference)
{
    static const char *const files[] = { "test/conf/clinic.conf", "test/conf/full.conf",
                                         "test/conf/minimal.conf" };
    for (size_t i = 0; i < COUNTOF(files); i++) {
        struct ctl *diff = diff_of(files[i], files[i]);
        struct buf text;
        put(diff, &text);
        CHECK_NUM(ctl_count(diff, "differences"), 0);
        CHECK_Z(buf_span(&text), "no difference\n");
        buf_done(&text);
        ctl_free(diff);
    }
}

/* A weakening that holds for both does not hide what changed behind it. */
TEST(r21_apply_sees_behind_weakenings)
{
    struct ctl *diff = diff_of("test/conf/clinic.conf", "test/conf/clinic-new.conf");
    bool found = false;
    for (size_t i = 0; i < ctl_count(diff, "differences"); i++) {
        const struct ctl *d = ctl_at(diff, "differences", i);
        if (!span_eq(ctl_get(d, "kind"), SPAN("outbound connector")) ||
            !span_eq(ctl_get(d, "id"), SPAN("hospital/lab")))
            continue;
        for (size_t k = 0; k < ctl_count(d, "fields"); k++) {
            const struct ctl *f = ctl_at(d, "fields", k);
            found = found || (span_starts(ctl_get(f, "was"), SPAN("tls=name ")) &&
                              span_starts(ctl_get(f, "now"), SPAN("tls=chain ")));
        }
    }
    CHECK(found);
    ctl_free(diff);
}

/* --- the command */

static enum cli_exit apply(const char *file, bool dry_run)
{
    struct args args = { .config = SPAN("test/conf/clinic.conf"),
                         .run = SPAN("/nonexistent"),
                         .word = { span_z(file) },
                         .n_word = 1,
                         .dry_run = dry_run };
    struct cli c = { .args = &args };
    return cmd_apply(&c);
}

TEST(apply_exits)
{
    CHECK_NUM(apply("test/conf/clinic.conf", false), CLI_USAGE);
    CHECK_NUM(apply("test/conf/clinic.conf", true), CLI_OK);
    CHECK_NUM(apply("test/conf/clinic-new.conf", true), CLI_FAILED);
    CHECK_NUM(apply("test/conf/nowhere.conf", true), CLI_CONFIG);
}
