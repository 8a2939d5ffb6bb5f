/* A partner's sheet, what is kept of `connector validate`, and the folder of an enrolment. */
#include "cli/enrol.h"

#include "base/when.h"
#include "cli/fact_sheet.h"
#include "cli/validated.h"
#include "gate/config.h"
#include "gate/control_connector.h"
#include "sys/replace.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 200 };
static const int64_t now_ms = 1795500000000; /* 2026-11-24 */

/* --- the sheet --- */

static void fill(struct ctl *sheet)
{
    ctl_set(sheet, "title", SPAN("<i>A & B</i>"));
    struct ctl *s = sheet_section(sheet, "Our \"side\"", "It's ours.");
    sheet_row(s, "host", "Host", SPAN("mx.example\r\nHost <script>\x1b[2J"));
    sheet_row(s, "none", "None", SPAN(""));
}

TEST(sheets_are_escaped)
{
    struct ctl *sheet = ctl_new();
    struct buf text, html;
    buf_init(&text, SHEET_TEXT_MAX);
    buf_init(&html, SHEET_TEXT_MAX);
    fill(sheet);
    CHECK_NUM(fact_sheet_text(sheet, &text), ERR_OK);
    CHECK_NUM(fact_sheet_html(sheet, &html), ERR_OK);
    CHECK_Z(buf_span(&text), "<i>A & B</i>\n============\n\nOur \"side\"\n----------\nIt's ours.\n"
                             "  Host                       mx.example\\x0d\\x0aHost "
                             "<script>\\x1b[2J\n");
    CHECK(strstr(buf_z(&html), "<h1>&lt;i&gt;A &amp; B&lt;/i&gt;</h1>") != NULL);
    CHECK(strstr(buf_z(&html), "<h2>Our &quot;side&quot;</h2>\n<p>It&#39;s ours.</p>") != NULL);
    CHECK(strstr(buf_z(&html), "<td>mx.example\\x0d\\x0aHost &lt;script&gt;\\x1b[2J</td>") != NULL);
    CHECK(strstr(buf_z(&html), "<script") == NULL && strstr(buf_z(&html), "None") == NULL);
    ctl_free(sheet);
    buf_done(&text);
    buf_done(&html);
}

TEST(sheets_that_are_too_long_say_so)
{
    struct ctl *sheet = ctl_new();
    struct buf whole;
    fill(sheet);
    buf_init(&whole, SHEET_TEXT_MAX);
    CHECK_NUM(fact_sheet_html(sheet, &whole), ERR_OK);
    for (size_t max = 0; max < whole.n; max += 7) {
        struct buf out;
        buf_init(&out, max);
        CHECK_NUM(fact_sheet_html(sheet, &out), ERR_TOO_BIG);
        buf_done(&out);
    }
    ctl_free(sheet);
    buf_done(&whole);
}

/* --- the folder --- */

static void enrol_begin(struct enrol *e, const char *folder)
{
    struct why why = { "" };
    *e = (struct enrol){ .org = SPAN("hospital"),
                         .name = SPAN("lab"),
                         .domain = { SPAN("lab.example") },
                         .n_domain = 1,
                         .host = { SPAN("mx.lab.example") },
                         .n_host = 1,
                         .now_ms = now_ms,
                         .days = 90 };
    arena_init(&e->arena, 1 << 24);
    enum err bad = enrol_folder(e, span_z(folder), &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(bad, ERR_OK);
}

static void run(const char *command)
{
    int status = (system)(command);
    CHECK_NUM(status, 0);
}

TEST(enrolments_share_an_authority)
{
    char top[] = "/tmp/test_enrol.XXXXXX", folder[PATH_BYTES], command[PATH_BYTES];
    struct enrol one, two, other;
    struct why why = { "" };
    struct stat st;
    CHECK(mkdtemp(top) != NULL);
    (void)snprintf(folder, sizeof folder, "%s/partners/hospital-lab", top);
    enrol_begin(&one, folder);
    CHECK_NUM(enrol_issue(&one, &why), ERR_OK);
    enrol_begin(&two, folder);
    CHECK_NUM(enrol_issue(&two, &why), ERR_OK);
    CHECK(one.new_ca && !two.new_ca);
    CHECK_SPAN(one.ca.sha256, two.ca.sha256);
    CHECK(!span_eq(one.certificate_path, two.certificate_path));
    CHECK(stat(one.key_path.p, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(stat(folder, &st) == 0 && (st.st_mode & 0777) == 0700);

    enrol_begin(&other, folder);
    other.domain[0] = SPAN("bank.example");
    CHECK_NUM(enrol_issue(&other, &why), ERR_REFUSED);
    enrol_undo(&other);
    CHECK(access(one.ca_path.p, F_OK) == 0);
    enrol_undo(&two);
    CHECK(access(two.certificate_path.p, F_OK) != 0 && access(two.key_path.p, F_OK) != 0);
    CHECK(access(one.certificate_path.p, F_OK) == 0);
    enrol_undo(&one);
    CHECK(access(folder, F_OK) != 0);
    (void)snprintf(command, sizeof command, "rmdir %s/partners %s", top, top);
    run(command);
    arena_done(&one.arena);
    arena_done(&two.arena);
    arena_done(&other.arena);
}

/* The key of an authority without its certificate, as a crash could leave it. */
TEST(half_an_authority_is_not_replaced)
{
    char folder[] = "/tmp/test_enrol.XXXXXX", key[PATH_BYTES];
    struct enrol e;
    struct why why = { "" };
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(key, sizeof key, "%s/ca.key", folder);
    CHECK_NUM(file_create(key, 0600, SPAN("a key"), &why), ERR_OK);
    enrol_begin(&e, folder);
    CHECK_NUM(enrol_issue(&e, &why), ERR_EXISTS);
    enrol_undo(&e);
    CHECK(access(key, F_OK) == 0);
    CHECK_NUM(unlink(key), 0);
    CHECK_NUM(rmdir(folder), 0);
    arena_done(&e.arena);
}

/* --- what is kept of validate --- */

static struct config *config_of(const char *data, const char *tls)
{
    char path[PATH_BYTES];
    struct buf text;
    struct config *c = NULL;
    struct why why = { "" };
    (void)snprintf(path, sizeof path, "%s/conf", data);
    buf_init(&text, 4096);
    buf_putf(&text,
             "hostname = h.example\ndata = \"%s\"\nlisten \"127.0.0.1:25\" { }\n"
             "organisation \"o\" {\n domain \"o.example\" { smtp = \"m.o.example\" }\n"
             " outbound \"Lab\" { kind = partner, mode = test, to = \"lab.example\", mx = yes, "
             "tls = %s }\n"
             " inbound \"Lab\" { kind = partner, mode = test, require_tls = yes }\n}\n",
             data, tls);
    CHECK_NUM(file_put(path, 0600, buf_span(&text), &why), ERR_OK);
    enum err e = cli_load(span_z(path), &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    buf_done(&text);
    return c;
}

/* What the outbound connector shows two days later. */
static void check_shown(const struct config *c, const char *want)
{
    const struct connectors_ask ask = { .now_ms = now_ms, .limit = 10, .asker = { .all = true } };
    struct ctl *all = ctl_new();
    struct buf text;
    buf_init(&text, VALIDATED_TEXT_MAX);
    CHECK_NUM(connectors_put(c, &ask, all), ERR_OK);
    validated_attach(c, all);
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++) {
        const struct ctl *row = ctl_at(all, "connectors", i);
        const struct ctl *v = ctl_get_object(row, "validated");
        CHECK(!v || span_eq(ctl_get(row, "direction"), SPAN("outbound")));
        if (v)
            validated_text(v, now_ms + 2 * (int64_t)DAY_MS, &text);
    }
    CHECK_Z(buf_span(&text), want);
    buf_done(&text);
    ctl_free(all);
}

static void keep(const struct config *c, const char *answer)
{
    struct ctl *a = NULL;
    struct why why = { "" };
    CHECK_NUM(ctl_parse(span_z(answer), &a, &why), ERR_OK);
    enum err e = validated_keep(c, a, now_ms, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    ctl_free(a);
}

TEST(results_of_validate_are_kept)
{
    char data[] = "/tmp/test_valid.XXXXXX", command[PATH_BYTES], path[PATH_BYTES];
    struct why why;
    CHECK(mkdtemp(data) != NULL);
    struct config *c = config_of(data, "encrypt");
    check_shown(c, "");
    keep(c,
         "{\"connector\":\"o/Lab\",\"fulfilled\":true,\"addresses\":[{\"domain\":\"lab.example\","
         "\"fulfilled\":true},{\"fulfilled\":true}]}");
    check_shown(c, "2d ago: ok, 2 addresses, to lab.example");
    config_unref(c);
    c = config_of(data, "domain");
    check_shown(c, "2d ago: ok, 2 addresses, to lab.example; the connector was changed since");
    keep(c, "{\"connector\":\"o/Lab\",\"fulfilled\":false,\"addresses\":[{\"fulfilled\":true},{"
            "\"host\":\"mx\",\"failed\":\"handshake\",\"why\":\"no name\",\"fulfilled\":false}]}");
    check_shown(c, "2d ago: FAILED at handshake of mx: no name");

    /* what others write there is not believed, and not fatal */
    (void)snprintf(path, sizeof path, "%s/validated/o.lab", data);
    CHECK_NUM(file_put(path, 0644, SPAN("{\"at\":\"x\",\"failed\":[]"), &why), ERR_OK);
    check_shown(c, "");
    CHECK_NUM(unlink(path), 0);
    CHECK_NUM(symlink("/etc/passwd", path), 0);
    check_shown(c, "");
    config_unref(c);
    (void)snprintf(command, sizeof command, "rm -r %s", data);
    run(command);
}

/* The daemon's user owns the folder above: a link there leads nowhere. */
TEST(results_are_not_led_elsewhere)
{
    char data[] = "/tmp/test_valid.XXXXXX", path[PATH_BYTES], command[PATH_BYTES];
    struct why why = { "" };
    struct ctl *a = ctl_new();
    CHECK(mkdtemp(data) != NULL);
    struct config *c = config_of(data, "encrypt");
    (void)snprintf(path, sizeof path, "%s/validated", data);
    CHECK_NUM(symlink("/tmp", path), 0);
    ctl_set(a, "connector", SPAN("o/Lab"));
    CHECK_NUM(validated_keep(c, a, now_ms, &why), ERR_IO);
    CHECK(access("/tmp/o.lab", F_OK) != 0);
    check_shown(c, "");
    ctl_free(a);
    config_unref(c);
    (void)snprintf(command, sizeof command, "rm -r %s", data);
    run(command);
}
