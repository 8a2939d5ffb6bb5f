/* The control socket over the real loop: a worker that has a store in memory and a configuration,
 * and neither DNS nor listeners. */
#include "gate/control.h"

#include "base/enc.h"
#include "base/log.h"
#include "ctl/ctl.h"
#include "gate/sched.h"
#include "io/conn.h"
#include "sys/listen.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEADLINE_MS = 20 * 1000, ROWS_MAX = 3000 };

struct stage {
    struct worker w;
    struct stats_row row;
    struct conn *conn;
    struct buf answer;
    bool closed, done;
    char path[64];
};

/* --- a configuration from a string */

static enum err read_text(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)path;
    (void)why;
    return buf_append(ret, span_z(arg));
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg;
    (void)pattern;
    (void)ret;
    (void)why;
    return ERR_OK;
}

static struct config *config_of(const char *text)
{
    char copy[4096];
    struct config_boot boot = { 0 };
    struct config_source source = { read_text, match_none, copy };
    struct config *c = NULL;
    struct why why = { "" };
    (void)snprintf(copy, sizeof copy, "%s", text);
    if (config_load(SPAN("/etc/postern/postern.conf"), &source, &boot, &c, &why) != ERR_OK)
        test_fail(__FILE__, __LINE__, "%s", why.text);
    return c;
}

/* --- a client on the same loop */

static void client_event(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct stage *s = arg;
    (void)conn;
    if (ev == CONN_INPUT) {
        buf_put(&s->answer, *in);
        *in = span_tail(*in, in->n);
        s->done = buf_span(&s->answer).p[s->answer.n - 1] == '\n';
    }
    s->closed = s->closed || ev == CONN_CLOSED || ev == CONN_TIMEOUT;
    if (ev != CONN_DRAINED && (s->closed || s->done || ev == CONN_OPEN))
        loop_stop(s->w.loop);
}

static void stage_begin_with(struct stage *s, const char *text)
{
    int fd;
    struct why why = { "" };
    *s = (struct stage){ 0 };
    s->w.loop = loop_new();
    s->w.uid = (unsigned)geteuid();
    s->w.config = config_of(text);
    s->w.n_workers = 1;
    s->w.stats = (struct stats){ &s->row, 1, 0 };
    s->w.store[0] = store_new(s->w.loop, store_mem_open(0), 0);
    s->w.n_store = 1;
    s->w.sched = sched_new(&s->w);
    sched_stop(s->w.sched); /* it takes nothing */
    (void)snprintf(s->path, sizeof s->path, "/tmp/test_control.%d", (int)getpid());
    CHECK(listen_unix(s->path, 0600, &fd, &why) == ERR_OK);
    s->w.control = control_new(&s->w, fd, -1);
    buf_init(&s->answer, CTL_LINE_MAX);
    s->conn = conn_connect_unix(s->w.loop, span_z(s->path), client_event, s);
    loop_run(s->w.loop);
    conn_deadline(s->conn, loop_now_ms(s->w.loop) + DEADLINE_MS);
}

static void stage_begin(struct stage *s)
{
    stage_begin_with(s, "hostname = \"mx.example.org\"\n"
                        "domain \"example.org\" { maildir = \"/mail/{local}\" }\n"
                        "route \"fixed.example\" { smtp = \"192.0.2.1\", tls = encrypt }\n");
}

static void stage_end(struct stage *s)
{
    conn_free(s->conn);
    control_free(s->w.control);
    store_free(s->w.store[0]);
    sched_free(s->w.sched);
    config_unref(s->w.config);
    loop_free(s->w.loop);
    buf_done(&s->answer);
    unlink(s->path);
}

static void send_text(struct stage *s, struct span text)
{
    s->done = false;
    CHECK_NUM(conn_write(s->conn, text), text.n);
}

/* The next line; NULL when the worker closed the connection instead. */
static struct ctl *next_answer(struct stage *s)
{
    struct ctl *ret = NULL;
    struct why why = { "" };
    size_t n;
    while ((n = span_find(buf_span(&s->answer), '\n')) == s->answer.n) {
        if (s->closed)
            return NULL;
        loop_run(s->w.loop);
    }
    CHECK(ctl_parse(span_head(buf_span(&s->answer), n), &ret, &why) == ERR_OK);
    buf_consume(&s->answer, n + 1);
    return ret;
}

static struct ctl *ask(struct stage *s, const char *request)
{
    send_text(s, span_z(request));
    send_text(s, SPAN("\n"));
    struct ctl *c = next_answer(s);
    CHECK(c != NULL);
    return c;
}

static void check_refused(struct stage *s, const char *request, const char *code)
{
    test_case(request);
    struct ctl *c = ask(s, request);
    CHECK(!ctl_get_bool(c, "ok"));
    CHECK_Z(ctl_get(c, "code"), code);
    CHECK(ctl_get(c, "error").n > 0);
    ctl_free(c);
    test_case(NULL);
}

/* --- messages in the store */

static void op_done(struct store_op *op)
{
    struct stage *s = op->arg;
    s->done = true;
    loop_stop(s->w.loop);
}

static void run_op(struct stage *s, struct store_op *op)
{
    s->done = false;
    store_submit(s->w.store[0], op);
    while (!s->done)
        loop_run(s->w.loop);
}

static uint64_t put(struct stage *s, const char *from, const char *to, unsigned n_rcpt)
{
    struct store_op op;
    struct rcpt *rcpt = mem_zalloc(n_rcpt * sizeof *rcpt);
    size_t at = span_find(span_z(to), '@');
    char id[ID_BYTES_MAX];
    for (unsigned i = 0; i < n_rcpt; i++)
        rcpt[i] = (struct rcpt){ .addr = span_z(to), .domain = span_tail(span_z(to), at + 1) };
    struct envelope e = { .from = span_z(from),
                          .accepted_ms = loop_wall_ms(s->w.loop),
                          .message_id = SPAN("m1@example.net"),
                          .rcpt = rcpt,
                          .n_rcpt = n_rcpt };
    e.id = store_new_id(s->w.store[0], e.accepted_ms);
    struct buf line;
    buf_init(&line, STORE_TRACE_MAX);
    kv_str(&line, "event", SPAN("accepted"));
    kv_num(&line, "time", e.accepted_ms);
    kv_str(&line, "id", span_z(id_text(e.id, id)));
    kv_str(&line, "from", e.from);
    kv_str(&line, "to", rcpt->addr);
    kv_str(&line, "message-id", e.message_id);
    struct store_new new = { .envelope = &e, .body = body_new(), .trace = buf_span(&line) };
    store_op_init(&op, STORE_PUT, op_done, s);
    op.message = &new;
    op.id = e.id;
    run_op(s, &op);
    CHECK_NUM(op.result, ERR_OK);
    store_op_done(&op);
    body_unref(new.body);
    buf_done(&line);
    mem_free(rcpt);
    return e.id;
}

static int64_t changed(struct stage *s, const char *request)
{
    struct ctl *c = ask(s, request);
    CHECK(ctl_get_bool(c, "ok"));
    int64_t n = ctl_get_num(c, "changed");
    ctl_free(c);
    return n;
}

static int64_t rows(struct stage *s, const char *request)
{
    struct ctl *c = ask(s, request);
    CHECK(ctl_get_bool(c, "ok"));
    int64_t n = ctl_get_num(c, "rows");
    ctl_free(c);
    return n;
}

static size_t traced(struct stage *s, const char *request)
{
    struct ctl *c = ask(s, request);
    CHECK(ctl_get_bool(c, "ok"));
    size_t n = ctl_count(c, "messages");
    ctl_free(c);
    return n;
}

/* --- */

TEST(a_request_that_is_none_gets_an_error_and_the_next_is_answered)
{
    struct stage s;
    stage_begin(&s);
    check_refused(&s, "", "usage");
    check_refused(&s, "nonsense", "usage");
    check_refused(&s, "[]", "usage");
    check_refused(&s, "{}", "usage");
    check_refused(&s, "{\"verb\":\"\\u001b[2J\"}", "usage");
    check_refused(&s, "{\"verb\":7}", "usage");
    check_refused(&s, "{\"verb\":\"queue-list\"}", "not-found");
    check_refused(&s, "{\"verb\":\"queue-list\",\"shard\":\"0\"}", "not-found");
    check_refused(&s, "{\"verb\":\"queue-list\",\"shard\":1}", "not-found");
    check_refused(&s, "{\"verb\":\"queue-list\",\"shard\":-1}", "not-found");
    check_refused(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"id\":\"x\"}", "usage");
    check_refused(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"domain\":\"a b\"}", "usage");
    check_refused(&s, "{\"verb\":\"trace\",\"shard\":0,\"id\":\"x\"}", "usage");
    check_refused(&s, "{\"verb\":\"queue-change\",\"shard\":0,\"change\":\"drop\"}", "usage");
    check_refused(&s, "{\"verb\":\"queue-change\",\"shard\":0,\"change\":\"x\",\"all\":true}",
                  "usage");
    check_refused(&s,
                  "{\"verb\":\"queue-change\",\"shard\":0,\"change\":\"reroute\",\"all\":true,"
                  "\"route\":\"a b\"}",
                  "usage");
    check_refused(&s, "{\"verb\":\"explain\",\"from\":\"a@b\",\"to\":\"nobody\"}", "usage");
    struct ctl *c = ask(&s, "{\"verb\":\"shards\"}");
    CHECK(ctl_get_bool(c, "ok"));
    CHECK_NUM(ctl_count(c, "shards"), 1);
    ctl_free(c);
    stage_end(&s);
}

TEST(t14_a_request_without_an_end_is_cut_off)
{
    struct stage s;
    stage_begin(&s);
    char *much = mem_alloc(100 * 1000);
    memset(much, ' ', 100 * 1000);
    send_text(&s, span_of(much, 100 * 1000));
    struct ctl *c = next_answer(&s);
    CHECK(c && !ctl_get_bool(c, "ok"));
    ctl_free(c);
    CHECK(next_answer(&s) == NULL && s.closed);
    mem_free(much);
    stage_end(&s);
}

TEST(requests_may_come_many_at_once_and_in_pieces)
{
    struct stage s;
    stage_begin(&s);
    put(&s, "a@example.net", "b@example.org", 1);
    static const char two[] = "{\"verb\":\"queue-count\",\"shard\":0}\n{\"verb\":\"shards\"}\n";
    for (size_t i = 0; i + 1 < sizeof two; i++)
        send_text(&s, span_of(two + i, 1));
    struct ctl *count = next_answer(&s), *shards = next_answer(&s);
    CHECK_NUM(ctl_get_num(count, "messages"), 1);
    CHECK_NUM(ctl_count(shards, "shards"), 1);
    ctl_free(count);
    ctl_free(shards);
    stage_end(&s);
}

TEST(status_shows_counters_shards_and_config)
{
    struct stage s;
    stage_begin(&s);
    stats_add(&s.w.stats, STAT_MAIL_IN, 3);
    struct ctl *c = ask(&s, "{\"verb\":\"status\"}");
    CHECK_SPAN(ctl_get(c, "version"), SPAN(POSTERN_VERSION));
    CHECK_NUM(ctl_get_num(ctl_get_object(c, "sums"), "postern_mail_in_total"), 3);
    CHECK_SPAN(ctl_get(ctl_at(c, "shards", 0), "health"), SPAN("ok"));
    CHECK_SPAN(ctl_get(ctl_get_object(c, "config"), "hostname"), SPAN("mx.example.org"));
    CHECK_NUM(ctl_get_num(c, "resting_n"), 0);
    ctl_free(c);
    stage_end(&s);
}

TEST(the_queue_is_listed_by_filter_and_page)
{
    struct stage s;
    stage_begin(&s);
    put(&s, "a@example.net", "b@example.org", 3);
    put(&s, "", "c@other.example", 1);
    CHECK_NUM(rows(&s, "{\"verb\":\"queue-list\",\"shard\":0}"), 4);
    CHECK_NUM(rows(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"domain\":\"Example.ORG\"}"), 3);
    CHECK_NUM(rows(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"from\":\"<>\"}"), 1);
    CHECK_NUM(rows(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"to\":\"c@other.example\"}"), 1);
    CHECK_NUM(rows(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"held\":true}"), 0);
    struct ctl *page = ask(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"limit\":2}");
    CHECK_NUM(ctl_get_num(page, "rows"), 2);
    CHECK(ctl_get_bool(page, "more"));
    struct ctl *next = ctl_new();
    struct buf line;
    buf_init(&line, 4096);
    ctl_set(next, "verb", SPAN("queue-list"));
    ctl_set_num(next, "shard", 0);
    ctl_set_num(next, "limit", 10);
    ctl_set(next, "after_id", ctl_get(page, "after_id"));
    ctl_set_num(next, "after_i", ctl_get_num(page, "after_i"));
    CHECK(ctl_print(next, &line) == ERR_OK);
    CHECK_NUM(rows(&s, buf_z(&line)), 2);
    buf_done(&line);
    ctl_free(next);
    ctl_free(page);
    stage_end(&s);
}

TEST(changes_are_counted_and_leave_a_trace)
{
    struct stage s;
    stage_begin(&s);
    uint64_t id = put(&s, "a@example.net", "b@example.org", 2);
    put(&s, "a@example.net", "c@other.example", 1);
#define CHANGE "{\"verb\":\"queue-change\",\"shard\":0,\"change\":"
    CHECK_NUM(changed(&s, CHANGE "\"hold\",\"domain\":\"example.org\"}"), 2);
    CHECK_NUM(changed(&s, CHANGE "\"hold\",\"domain\":\"example.org\"}"), 0);
    CHECK_NUM(rows(&s, "{\"verb\":\"queue-list\",\"shard\":0,\"held\":true}"), 2);
    CHECK_NUM(changed(&s, CHANGE "\"release\",\"held\":true}"), 2);
    CHECK_NUM(
        changed(&s, CHANGE "\"reroute\",\"to\":\"c@other.example\",\"route\":\"[192.0.2.1]:25\"}"),
        1);
    CHECK_NUM(changed(&s, CHANGE "\"drop\",\"all\":true,\"limit\":1}"), 2); /* the first message */
    CHECK_NUM(changed(&s, CHANGE "\"drop\",\"all\":true}"), 1);
    CHECK_NUM(changed(&s, CHANGE "\"drop\",\"all\":true}"), 0);
    char text[ID_BYTES_MAX], request[128];
    static const char *const events[] = { "accepted", "held", "released", "dropped" };
    (void)snprintf(request, sizeof request, "{\"verb\":\"trace\",\"shard\":0,\"id\":\"%s\"}",
                   id_text(id, text));
    struct ctl *c = ask(&s, request);
    const struct ctl *m = ctl_at(c, "messages", 0);
    CHECK(m != NULL);
    CHECK_NUM(ctl_count(m, "lines"), COUNTOF(events));
    for (size_t i = 0; i < COUNTOF(events); i++)
        CHECK_Z(ctl_get(ctl_at(m, "lines", i), "event"), events[i]);
    CHECK_SPAN(ctl_get(ctl_at(m, "lines", 1), "to"), SPAN("b@example.org,b@example.org"));
    CHECK_NUM(ctl_get_num(ctl_at(m, "lines", 3), "rcpts"), 2);
    ctl_free(c);
    stage_end(&s);
}

TEST(a_change_of_many_goes_page_by_page)
{
    struct stage s;
    stage_begin(&s);
    for (unsigned i = 0; i < 5; i++)
        put(&s, "a@example.net", "b@example.org", 400);
    struct ctl *c = ask(&s, CHANGE "\"hold\",\"all\":true,\"limit\":1000}");
    CHECK_NUM(ctl_get_num(c, "messages"), 3); /* the third as a whole, though the page cuts it */
    CHECK_NUM(ctl_get_num(c, "changed"), 1200);
    CHECK(ctl_get_bool(c, "more"));
    char request[160];
    (void)snprintf(request, sizeof request, CHANGE "\"hold\",\"all\":true,\"after_id\":\"%.*s\"}",
                   SPAN_ARG(ctl_get(c, "after_id")));
    ctl_free(c);
    c = ask(&s, request);
    CHECK_NUM(ctl_get_num(c, "changed"), 800);
    ctl_free(c);
    stage_end(&s);
}

TEST(a_trace_is_found_by_exactly_what_is_asked)
{
    struct stage s;
    stage_begin(&s);
    put(&s, "ann@example.net", "b@example.org", 1);
    put(&s, "joann@example.net", "bb@example.org", 1);
    put(&s, "", "c d@example.org", 1);
#define TRACE "{\"verb\":\"trace\",\"shard\":0,"
    CHECK_NUM(traced(&s, TRACE "\"since\":0}"), 3);
    CHECK_NUM(traced(&s, TRACE "\"from\":\"ann@example.net\"}"), 1); /* not joann's */
    CHECK_NUM(traced(&s, TRACE "\"to\":\"b@example.org\"}"), 1);
    CHECK_NUM(traced(&s, TRACE "\"to\":\"c d@example.org\"}"), 1);
    CHECK_NUM(traced(&s, TRACE "\"from\":\"<>\"}"), 1);
    CHECK_NUM(traced(&s, TRACE "\"message-id\":\"<m1@example.net>\"}"), 3);
    CHECK_NUM(traced(&s, TRACE "\"message-id\":\"1@example.net\"}"), 0);
    CHECK_NUM(traced(&s, TRACE "\"from\":\"ann@example.net\",\"to\":\"bb@example.org\"}"), 0);
    CHECK_NUM(traced(&s, TRACE "\"id\":\"0000000000001\"}"), 0);
    CHECK_NUM(traced(&s, TRACE "\"limit\":1}"), 1);
    stage_end(&s);
}

/* The lines that come page after page, from the newest back: "event" of each, and how many pages.
 */
static unsigned trace_pages(struct stage *s, unsigned limit, struct buf *ret)
{
    char request[256], after[ID_BYTES_MAX] = "";
    int64_t after_i = 0;
    unsigned pages = 0;
    bool more = true;
    for (; more && pages < 100; pages++) {
        (void)snprintf(request, sizeof request,
                       TRACE "\"since\":0,\"limit\":%u,\"after_id\":\"%s\",\"after_i\":%lld}",
                       limit, after, (long long)after_i);
        struct ctl *c = ask(s, request);
        CHECK(ctl_get_bool(c, "ok"));
        for (size_t i = ctl_count(c, "messages"); i > 0; i--) {
            const struct ctl *m = ctl_at(c, "messages", i - 1);
            for (size_t k = ctl_count(m, "lines"); k > 0; k--)
                buf_putf(ret, "%.*s ", SPAN_ARG(ctl_get(ctl_at(m, "lines", k - 1), "event")));
        }
        more = ctl_get_bool(c, "more");
        (void)snprintf(after, sizeof after, "%.*s", SPAN_ARG(ctl_get(c, "after_id")));
        after_i = ctl_get_num(c, "after_i");
        ctl_free(c);
    }
    return pages;
}

TEST(a_trace_is_paged_from_the_newest_back)
{
    struct stage s;
    struct buf got;
    stage_begin(&s);
    put(&s, "a@example.net", "b@example.org", 1);
    CHECK_NUM(changed(&s, CHANGE "\"hold\",\"all\":true}"), 1);
    CHECK_NUM(changed(&s, CHANGE "\"release\",\"all\":true}"), 1);
    put(&s, "a@example.net", "b@example.org", 1);
    CHECK_NUM(changed(&s, CHANGE "\"drop\",\"all\":true}"), 2);
    for (unsigned limit = 1; limit <= 7; limit++) {
        buf_init(&got, 4096);
        unsigned pages = trace_pages(&s, limit, &got);
        CHECK_NUM(pages, 6 / limit + 1);
        CHECK_Z(buf_span(&got), "dropped accepted dropped released held accepted ");
        buf_done(&got);
    }
    check_refused(&s, TRACE "\"after_id\":\"x\"}", "usage");
    stage_end(&s);
}

TEST(explain_answers_with_route_contract_and_facts)
{
    struct stage s;
    stage_begin(&s);
    struct ctl *c =
        ask(&s, "{\"verb\":\"explain\",\"from\":\"a@b.example\",\"to\":\"x@Fixed.example\"}");
    CHECK(ctl_get_bool(c, "ok") && !ctl_get_bool(c, "ours"));
    CHECK_SPAN(ctl_get(ctl_get_object(c, "contract"), "tls"), SPAN("encrypt"));
    CHECK(memmem(ctl_get(c, "facts").p, ctl_get(c, "facts").n, "192.0.2.1", 9) != NULL);
    CHECK(ctl_get(c, "explanation").n > 0);
    ctl_free(c);
    c = ask(&s, "{\"verb\":\"explain\",\"from\":\"<>\",\"to\":\"x@example.org\"}");
    CHECK(ctl_get_bool(c, "ours"));
    CHECK_SPAN(ctl_get(ctl_get_object(c, "route"), "kind"), SPAN("maildir"));
    ctl_free(c);
    stage_end(&s);
}

/* --- organisations */

static const char orgs[] =
    "hostname = \"mx.example.org\"\n"
    "organisation \"lab\" {\n"
    " owner = \"it@lab.example\"\n"
    " domain \"lab.example\" { maildir = \"/mail/{local}\" }\n"
    " inbound \"bank\" { kind = partner, mode = enforce, from = [\"bank.example\", "
    "\"b.example\"],\n"
    "  certificate_names = \"mail.bank.example\", require_tls = yes, restrict_to_certificate = "
    "yes,\n"
    "  comment = \"since the audit\",\n"
    "  allow \"plaintext\" { owner = \"eve\", reason = \"new machine\", until = 2030-12-31 } }\n"
    " inbound \"own\" { kind = on-premises, mode = test, certificate_names = "
    "\"mail.lab.example\",\n"
    "  addresses = \"192.0.2.0/28\" }\n"
    " outbound \"bank\" { kind = partner, mode = enforce, to = \"bank.example\",\n"
    "  smtp = \"192.0.2.1\", tls = domain, names = \"mail.bank.example\", owner = \"adam\" }\n"
    " outbound \"via\" { kind = partner, mode = off, header = [\"X-Via\", \"a\"], mx = yes }\n"
    "}\n";

static bool says(const struct ctl *c, const char *key, const char *words)
{
    struct span s = ctl_get(c, key);
    return memmem(s.p, s.n, words, strlen(words)) != NULL;
}

#define EXPLAIN "{\"verb\":\"explain\",\"from\":\"a@bank.example\",\"to\":\"x@lab.example\","

/* 2026-06-01 and 2031-01-01: before and after a weakening's last day. */
TEST(explain_judges_who_comes_in_at_a_time)
{
    static const struct {
        const char *ask;
        bool admitted;
        const char *failed, *words;
    } rows[] = {
        { "\"client-cert-names\":\"mail.bank.example\",\"at\":1780272000000}", true, "none",
          "admitted by lab/bank" },
        { "\"client-cert-names\":\"else.example\",\"at\":1780272000000}", false, "name",
          "refused: 550 5.7.51" },
        { "\"client-plaintext\":true,\"at\":1924992000000}", false, "tls", "refused: 454 4.7.0" },
    };
    struct stage s;
    stage_begin_with(&s, orgs);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        char line[400];
        (void)snprintf(line, sizeof line, EXPLAIN "\"client-addr\":\"203.0.113.1\",%s",
                       rows[i].ask);
        test_case(line);
        struct ctl *c = ask(&s, line);
        const struct ctl *in = ctl_get_object(c, "inbound");
        CHECK(ctl_get_bool(c, "ok") && in);
        CHECK_NUM(ctl_get_bool(in, "admitted"), rows[i].admitted);
        CHECK_Z(ctl_get(in, "failed"), rows[i].failed);
        CHECK_Z(ctl_get(in, "connector"), "lab/bank");
        CHECK(says(c, "explanation", rows[i].words));
        CHECK(says(c, "explanation", "Mail from <a@bank.example> to <x@lab.example>"));
        ctl_free(c);
    }
    test_case(NULL);
    check_refused(&s, EXPLAIN "\"client-addr\":\"here\"}", "usage");
    check_refused(&s, EXPLAIN "\"client-cert-names\":\"a.example\"}", "usage");
    check_refused(&s, EXPLAIN "\"org\":\"nobody\"}", "usage");
    stage_end(&s);
}

TEST(explain_says_by_which_connector_it_leaves)
{
    static const char asked[] = "{\"verb\":\"explain\",\"from\":\"a@lab.example\",\"to\":"
                                "\"x@bank.example\"}";
    struct stage s;
    stage_begin_with(&s, orgs);
    struct ctl *c = ask(&s, asked);
    const struct ctl *out = ctl_get_object(c, "outbound");
    CHECK(ctl_get_bool(c, "ok") && out && !ctl_get_object(c, "inbound"));
    CHECK_Z(ctl_get(out, "connector"), "lab/bank");
    CHECK_Z(ctl_get(out, "org"), "lab"); /* as MAIL FROM says, for nobody was named */
    CHECK(says(c, "explanation", "taken for mail of organisation lab"));
    CHECK(says(c, "explanation", "lab/bank, partner, enforce: taken"));
    CHECK_Z(ctl_get(ctl_get_object(c, "contract"), "tls"), "name");
    ctl_free(c);
    stage_end(&s);
}

TEST(connectors_are_listed_in_words_and_pages)
{
    struct stage s;
    stage_begin_with(&s, orgs);
    struct ctl *c = ask(&s, "{\"verb\":\"connector-list\"}");
    CHECK_NUM(ctl_count(c, "connectors"), 4);
    CHECK(!ctl_get_bool(c, "more"));
    const struct ctl *row = ctl_at(c, "connectors", 0);
    CHECK_Z(ctl_get(row, "id"), "lab/bank");
    CHECK_Z(ctl_get(row, "direction"), "inbound");
    CHECK_Z(ctl_get(row, "mode"), "enforce");
    CHECK_Z(ctl_get(row, "about"), "bank.example, b.example");
    CHECK_Z(ctl_get(row, "demands"), "TLS 1.2 or later; a certificate for mail.bank.example");
    CHECK_Z(ctl_get(row, "owner"), "it@lab.example");
    CHECK_Z(ctl_get(row, "comment"), "since the audit");
    CHECK_NUM(ctl_get_num(row, "line"), 5);
    CHECK_NUM(ctl_count(row, "weakenings"), 1);
    CHECK_Z(ctl_get(ctl_at(row, "weakenings", 0), "allows"), "plaintext");
    CHECK_Z(ctl_get(ctl_at(c, "connectors", 1), "demands"),
            "a certificate for mail.lab.example, or an address in 192.0.2.0/28");
    CHECK_Z(ctl_get(ctl_at(c, "connectors", 2), "demands"),
            "TLS 1.2 or later with a valid certificate for mail.bank.example");
    CHECK_Z(ctl_get(ctl_at(c, "connectors", 2), "by"), "smtp 192.0.2.1");
    CHECK_Z(ctl_get(ctl_at(c, "connectors", 3), "about"), "mail with X-Via: a");
    ctl_free(c);

    c = ask(&s, "{\"verb\":\"connector-list\",\"org\":\"lab\",\"limit\":3}");
    CHECK_NUM(ctl_count(c, "connectors"), 3);
    CHECK(ctl_get_bool(c, "more"));
    CHECK_NUM(ctl_get_num(c, "after"), 3);
    ctl_free(c);
    c = ask(&s, "{\"verb\":\"connector-list\",\"limit\":3,\"after\":3}");
    CHECK_NUM(ctl_count(c, "connectors"), 1);
    CHECK(!ctl_get_bool(c, "more"));
    ctl_free(c);
    check_refused(&s, "{\"verb\":\"connector-list\",\"org\":\"x\"}", "usage");
    stage_end(&s);
}

TEST(who_leaves_in_the_middle_changes_nothing)
{
    struct stage s;
    stage_begin(&s);
    put(&s, "a@example.net", "b@example.org", 1);
    send_text(&s, SPAN("{\"verb\":\"explain\",\"from\":\"a@b\",\"to\":\"x@fixed.example\"}\n"));
    conn_finish(s.conn, 0);
    s.conn = conn_connect_unix(s.w.loop, span_z(s.path), client_event, &s);
    loop_run(s.w.loop);
    send_text(&s,
              SPAN("{\"verb\":\"queue-change\",\"shard\":0,\"change\":\"hold\",\"all\":true}\n"));
    conn_finish(s.conn, 0);
    s.conn = conn_connect_unix(s.w.loop, span_z(s.path), client_event, &s);
    loop_run(s.w.loop);
    struct ctl *c = ask(&s, "{\"verb\":\"shards\"}");
    CHECK(ctl_get_bool(c, "ok"));
    ctl_free(c);
    send_text(&s,
              SPAN("{\"verb\":\"trace\",\"shard\":0}\n{\"verb\":\"queue-count\",\"shard\":0}\n"));
    stage_end(&s); /* with requests on their way */
}
