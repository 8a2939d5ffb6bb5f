/* `postern connector`: pages of a worker put together, and connectors for people. */
#include "cli/cli.h"

#include "base/when.h"
#include "cli/connector_text.h"
#include "gate/config.h"
#include "gate/control_connector.h"
#include "test/golden.h"
#include "test/test.h"

#include <sys/socket.h>
#include <unistd.h>

enum { TEXT_MAX = 4 * 1024 * 1024, LINE_MAX_BYTES = 4096 };

/* --- from a worker --- */

/* A worker that has said all its answers before it is asked. */
static void worker_start(struct ask_worker *w, int *ret_peer, const char *answers)
{
    int pair[2];
    CHECK_NUM(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *w = (struct ask_worker){ .fd = pair[0] };
    buf_init(&w->in, CTL_LINE_MAX);
    struct span s = span_z(answers);
    CHECK_NUM(send(pair[1], s.p, s.n, 0), s.n);
    *ret_peer = pair[1];
}

/* The next request that it was sent. */
static void check_asked(int peer, const char *want)
{
    char line[LINE_MAX_BYTES];
    size_t n = 0;
    while (n < sizeof line && recv(peer, line + n, 1, MSG_DONTWAIT) == 1 && line[n] != '\n')
        n++;
    CHECK_Z(span_of(line, n), want);
}

static void worker_end(struct ask_worker *w, int peer)
{
    close(w->fd);
    close(peer);
    buf_done(&w->in);
}

TEST(connector_pages_are_put_together)
{
    struct ask_worker w;
    struct ctl *all = ctl_new();
    struct why why;
    int peer;
    worker_start(&w, &peer,
                 "{\"ok\":true,\"connectors\":[{\"id\":\"o/a\"},{\"id\":\"o/b\"}],\"more\":true,"
                 "\"after\":2}\n"
                 "{\"ok\":false,\"code\":\"too-big\",\"error\":\"too big\"}\n"
                 "{\"ok\":true,\"connectors\":[{\"id\":\"o/c\"}],\"more\":false,\"after\":3}\n");
    CHECK_NUM(connector_fetch(&w, SPAN("o"), all, &why), ERR_OK);
    CHECK_NUM(ctl_count(all, "connectors"), 3);
    CHECK_SPAN(ctl_get(ctl_at(all, "connectors", 2), "id"), SPAN("o/c"));
    check_asked(peer, "{\"verb\":\"connector-list\",\"org\":\"o\",\"limit\":1000}");
    check_asked(peer, "{\"verb\":\"connector-list\",\"org\":\"o\",\"limit\":1000,\"after\":2}");
    check_asked(peer, "{\"verb\":\"connector-list\",\"org\":\"o\",\"limit\":250,\"after\":2}");
    worker_end(&w, peer);
    ctl_free(all);
}

/* A worker that says "more" and gives nothing is not asked for ever. */
TEST(connector_pages_end)
{
    struct ask_worker w;
    struct ctl *all = ctl_new();
    struct why why;
    int peer;
    worker_start(&w, &peer, "{\"ok\":true,\"connectors\":[],\"more\":true,\"after\":0}\n");
    CHECK_NUM(connector_fetch(&w, SPAN_NONE, all, &why), ERR_OK);
    CHECK_NUM(ctl_count(all, "connectors"), 0);
    worker_end(&w, peer);
    ctl_free(all);
}

TEST(connector_pages_of_an_unknown_organisation)
{
    struct ask_worker w;
    struct ctl *all = ctl_new();
    struct why why;
    int peer;
    worker_start(&w, &peer,
                 "{\"ok\":false,\"code\":\"usage\",\"error\":\"there is no organisation `x`\"}\n");
    CHECK_NUM(connector_fetch(&w, SPAN("x"), all, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), "there is no organisation `x`");
    worker_end(&w, peer);
    ctl_free(all);
}

/* --- for people --- */

static struct ctl *of_file(const char *path, const char *now)
{
    struct config *config = NULL;
    struct why why = { "" };
    struct ctl *all = ctl_new();
    struct connectors_ask ask = { .limit = UINT32_MAX, .asker = { .all = true } };
    CHECK_NUM(when_parse(span_z(now), &ask.now_ms), ERR_OK);
    enum err e = cli_load(span_z(path), &config, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    CHECK_NUM(connectors_put(config, &ask, all), ERR_OK);
    config_unref(config);
    return all;
}

TEST(connectors_are_golden)
{
    struct ctl *all = of_file("test/conf/clinic.conf", "2026-11-24T02:00:00Z");
    struct buf text;
    buf_init(&text, TEXT_MAX);
    connector_table(all, &text);
    for (size_t i = 0; i < ctl_count(all, "connectors"); i++) {
        buf_put(&text, SPAN("\n"));
        connector_block(ctl_at(all, "connectors", i), &text);
    }
    golden_check("test/grid/cli_connector.ref", buf_span(&text));
    ctl_free(all);
    buf_done(&text);
}

/* The day after its last one a weakening is shown as void. */
TEST(connector_weakenings_become_void)
{
    static const struct {
        const char *now, *want;
    } rows[] = {
        { "2026-12-10T23:59:59.999Z", "expired until 2026-12-10" },
        { "2026-12-11", "expired VOID" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct ctl *all = of_file("test/conf/clinic.conf", rows[i].now);
        struct buf text;
        buf_init(&text, TEXT_MAX);
        test_case(rows[i].now);
        connector_table(all, &text);
        CHECK(strstr(buf_z(&text), rows[i].want) != NULL);
        test_case(NULL);
        ctl_free(all);
        buf_done(&text);
    }
}

/* Whatever a daemon answers, what is shown is harmless and holds. */
TEST(t15_connector_text_is_clean_and_bounded)
{
    static const char *const keys[] = { "id",         "direction", "kind", "mode",    "about",
                                        "demands",    "owner",     "by",   "comment", "contract",
                                        "identities", "created",   "file", "changed" };
    static char long_text[100 * 1000];
    struct ctl *all = ctl_new(), *row = ctl_add(all, "connectors");
    struct buf text;
    buf_init(&text, TEXT_MAX);
    memset(long_text, '\x1b', sizeof long_text);
    for (size_t i = 0; i < COUNTOF(keys); i++)
        ctl_set(row, keys[i], span_of(long_text, sizeof long_text));
    for (unsigned i = 0; i < 100; i++) {
        struct ctl *w = ctl_add(row, "weakenings");
        ctl_set(w, "allows", span_of(long_text, sizeof long_text));
        ctl_set(w, "owner", span_of(long_text, sizeof long_text));
        ctl_set(w, "reason", span_of(long_text, sizeof long_text));
        ctl_set_bool(w, "holds", i % 2 == 0);
    }
    connector_block(row, &text);
    CHECK(text.n <= CONNECTOR_BLOCK_MAX);
    connector_table(all, &text);
    for (size_t i = 0; i < text.n; i++)
        CHECK(buf_span(&text).p[i] == '\n' || (unsigned char)buf_span(&text).p[i] >= 32);
    ctl_free(all);
    buf_done(&text);
}
