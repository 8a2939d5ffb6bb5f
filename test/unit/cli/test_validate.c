/* `postern connector validate`: probes of a peer in the same loop, in clear and under TLS, and what
 * is said of them. */
#include "cli/cli.h"

#include "cli/probe.h"
#include "io/conn.h"
#include "policy/select.h"
#include "sys/listen.h"
#include "test/test.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { TEXT_MAX = 64 * 1024, WORDS_MAX = 64 * 1024, SHORT_MS = 200, LONG_MS = 20 * 1000 };

/* --- a configuration in memory: the peer and we show and trust the same certificate --- */

static const char config_text[] =
    "hostname = \"mx.example.org\"\n"
    "certificate { chain = \"/ec.pem\", key = \"/ec.key\" }\n"
    "tls { ca = \"/ec.pem\" }\n"
    "organisation \"o\" {\n"
    "domain \"own.example\" { smtp = \"127.0.0.1\" }\n"
    "outbound \"right\" { kind = partner, mode = enforce, to = \"a.example\", smtp = "
    "\"127.0.0.1:1\","
    " tls = domain, names = \"mx.example.org\" }\n"
    "outbound \"wrong\" { kind = partner, mode = enforce, to = \"b.example\", smtp = "
    "\"127.0.0.1:1\","
    " tls = domain, names = \"mx.other.example\" }\n"
    "outbound \"any\" { kind = partner, mode = enforce, to = \"c.example\", smtp = \"127.0.0.1:1\","
    " tls = opportunistic }\n"
    "outbound \"mx\" { kind = partner, mode = test, to = \"*.d.example\", mx = yes,"
    " tls = encrypt }\n"
    "}\n";

static enum err read_memory(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)arg, (void)why;
    if (span_eq(path, SPAN("/ec.pem")))
        test_read_file("test/conf/ec.pem", ret);
    else if (span_eq(path, SPAN("/ec.key")))
        test_read_file("test/conf/ec.key", ret);
    else
        return buf_append(ret, span_z(config_text));
    return ERR_OK;
}

static enum err match_none(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static struct config *config_new(void)
{
    struct config_boot boot = { 0 };
    struct config_source source = { read_memory, match_none, NULL };
    struct config *c = NULL;
    struct why why = { "" };
    enum err e = config_load(SPAN("/postern.conf"), &source, &boot, &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    return c;
}

static struct contract contract_of(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->org[0].n_out; i++)
        if (span_eq(c->org[0].out[i].c.name, span_z(name)))
            return out_connector_contract(&c->org[0].out[i], wall_ms_now());
    test_fail(__FILE__, __LINE__, "no connector %s", name);
}

/* --- the peer --- */

/* What it says at first, and to a line that begins so. A 220 to STARTTLS is followed by a
 * handshake. */
struct line {
    const char *heard, *said;
};

struct stage {
    struct config *config;
    struct loop *loop;
    struct listener *listener;
    struct conn *conn;
    struct ip at;
    const struct line *script;
    struct contract contract;
    struct arena words;
    struct defer begin;
    struct probe_result result;
    struct buf heard;
    bool tls_next;
    int64_t timeout_ms;
};

static void peer_answer(struct stage *s, struct span line)
{
    for (const struct line *l = s->script; l->heard; l++) {
        if (!span_starts(line, span_z(l->heard)))
            continue;
        s->tls_next =
            span_starts(line, SPAN("STARTTLS")) && span_starts(span_z(l->said), SPAN("220"));
        CHECK_NUM(conn_write(s->conn, span_z(l->said)), strlen(l->said));
        return;
    }
}

static void peer_event(void *arg, struct conn *c, enum conn_event ev, struct span *in)
{
    struct stage *s = arg;
    if (ev == CONN_CLOSED || ev == CONN_TLS_FAILED) {
        conn_free(c);
        s->conn = NULL;
        return;
    }
    if (ev == CONN_DRAINED && s->tls_next) {
        s->tls_next = false;
        conn_start_tls_server(c, s->config->tls_server, SPAN("25"));
    }
    while (ev == CONN_INPUT && in->n > 0) {
        struct span line = span_cut(in, '\n');
        buf_put(&s->heard, span_trim(span_head(line, line.n > 0 ? line.n - 1 : 0)));
        buf_put(&s->heard, SPAN(";"));
        peer_answer(s, line);
    }
}

static void peer_unowned(void *arg, unsigned events)
{
    (void)arg, (void)events;
}

static void peer_accept(void *arg)
{
    struct stage *s = arg;
    struct sock *sock;
    if (s->conn || listener_accept(s->listener, peer_unowned, NULL, &sock) != ERR_OK)
        return;
    s->conn = conn_accepted(s->loop, sock, peer_event, s);
    peer_answer(s, SPAN("(connected)"));
}

/* --- the stage --- */

static void on_probed(void *arg, struct probe_result *r)
{
    struct stage *s = arg;
    CHECK(r == &s->result);
    loop_stop(s->loop);
}

static void begin(void *arg)
{
    struct stage *s = arg;
    struct probe_ask ask = {
        .loop = s->loop,
        .config = s->config,
        .contract = &s->contract,
        .host = SPAN("mx.example.org"),
        .ip = s->at,
        .timeout_ms = s->timeout_ms,
        .words = &s->words,
    };
    probe_start(&ask, &s->result, on_probed, s);
}

/* One probe, by the contract of a connector. */
static void play(struct stage *s, const char *connector, const struct line *script)
{
    struct sockaddr_in bound;
    socklen_t n = sizeof bound;
    struct why why = { "" };
    int fd;
    int64_t timeout_ms = s->timeout_ms > 0 ? s->timeout_ms : LONG_MS;
    *s = (struct stage){ .script = script, .timeout_ms = timeout_ms };
    s->config = config_new();
    s->contract = contract_of(s->config, connector);
    s->loop = loop_new();
    CHECK_NUM(ip_parse(SPAN("127.0.0.1"), &s->at), ERR_OK);
    CHECK_NUM(listen_tcp(&s->at, false, &fd, &why), ERR_OK);
    CHECK_NUM(getsockname(fd, (struct sockaddr *)&bound, &n), 0);
    s->at.port = ntohs(bound.sin_port);
    s->listener = listener_new(s->loop, fd, peer_accept, s);
    arena_init(&s->words, WORDS_MAX);
    buf_init(&s->heard, TEXT_MAX);
    defer_init(&s->begin, s->loop, begin, s);
    if (!script)
        s->at.port = 1; /* nobody is there */
    defer_call(&s->begin);
    loop_run(s->loop);
}

static void done(struct stage *s)
{
    conn_free(s->conn);
    listener_free(s->listener);
    loop_free(s->loop);
    arena_done(&s->words);
    buf_done(&s->heard);
    config_unref(s->config);
}

static void check_not(const struct stage *s, enum probe_phase at, const char *words)
{
    const struct probe_result *r = &s->result;
    CHECK(!r->fulfilled);
    CHECK_Z(span_z(probe_phase_name(r->at)), probe_phase_name(at));
    CHECK_NUM(r->step[at].outcome, PROBE_FAILED);
    CHECK_Z(r->step[at].words, words);
    for (unsigned p = PROBE_RESOLVE; p < at; p++)
        CHECK_NUM(r->step[p].outcome, PROBE_OK);
}

#define GREETS                                                                                     \
    {                                                                                              \
        "(connected)", "220 peer\r\n"                                                              \
    }
#define OFFERS                                                                                     \
    {                                                                                              \
        "EHLO", "250-peer.example\r\n250 STARTTLS\r\n"                                             \
    }
#define AGREES                                                                                     \
    {                                                                                              \
        "STARTTLS", "220 go on\r\n"                                                                \
    }
#define LEAVES                                                                                     \
    {                                                                                              \
        "QUIT", "221 bye\r\n"                                                                      \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

static const struct line honest[] = { GREETS, OFFERS, AGREES, LEAVES, END };

/* --- what must hold --- */

TEST(r21_probe_of_the_right_certificate)
{
    struct stage s = { 0 };
    play(&s, "right", honest);
    for (unsigned p = 0; p < PROBE_PHASE_COUNT_; p++)
        CHECK_NUM(s.result.step[p].outcome, PROBE_OK);
    CHECK(s.result.fulfilled);
    CHECK(s.result.tls.on && s.result.tls.forward_secret && s.result.tls.name_ok);
    CHECK_Z(s.result.tls.names, "mx.example.org");
    CHECK_Z(s.result.step[PROBE_CHANNEL].words, "peer.example");
    CHECK_Z(buf_span(&s.heard), "EHLO mx.example.org;STARTTLS;EHLO mx.example.org;QUIT;");
    done(&s);
}

TEST(r22_probe_of_a_wrong_name)
{
    struct stage s = { 0 };
    play(&s, "wrong", honest);
    CHECK(!s.result.fulfilled);
    CHECK_NUM(s.result.at, PROBE_HANDSHAKE);
    CHECK_NUM(s.result.step[PROBE_HANDSHAKE].outcome, PROBE_OK);
    CHECK_NUM(s.result.step[PROBE_CHANNEL].outcome, PROBE_NOT_TRIED);
    CHECK_NUM(s.result.reply.code, 450);
    CHECK_NUM(s.result.reply.status.detail, 320);
    CHECK_Z(buf_span(&s.heard), "EHLO mx.example.org;STARTTLS;");
    done(&s);
}

TEST(r21_probe_of_a_host_without_tls)
{
    static const struct line script[] = { GREETS, { "EHLO", "250 peer\r\n" }, LEAVES, END };
    struct stage s = { 0 };
    play(&s, "right", script);
    check_not(&s, PROBE_STARTTLS, "the host does not offer STARTTLS");
    CHECK_NUM(s.result.step[PROBE_QUIT].outcome, PROBE_OK);
    done(&s);
    s = (struct stage){ 0 };
    play(&s, "any", script);
    CHECK(s.result.fulfilled);
    done(&s);
}

TEST(r21_probe_of_refused_starttls)
{
    static const struct line script[] = {
        GREETS, OFFERS, { "STARTTLS", "454 4.7.0 not now\r\n" }, LEAVES, END
    };
    struct stage s = { 0 };
    play(&s, "right", script);
    check_not(&s, PROBE_STARTTLS, "454 4.7.0 not now");
    CHECK_NUM(s.result.step[PROBE_QUIT].outcome, PROBE_OK);
    done(&s);
}

TEST(t02_probe_of_bytes_behind_starttls)
{
    static const struct line script[] = {
        GREETS, OFFERS, { "STARTTLS", "220 go on\r\n250 more\r\n" }, LEAVES, END
    };
    struct stage s = { 0 };
    play(&s, "any", script);
    CHECK(!s.result.fulfilled);
    CHECK_NUM(s.result.at, PROBE_STARTTLS);
    done(&s);
}

TEST(probe_of_a_peer_that_refuses)
{
    static const struct line script[] = { { "(connected)", "554 5.7.1 go away\r\n" }, END };
    struct stage s = { 0 };
    play(&s, "any", script);
    check_not(&s, PROBE_GREETING, "554 5.7.1 go away");
    done(&s);
}

TEST(t07_probe_of_silence_ends)
{
    static const struct line mute[] = { END };
    static const struct line deaf[] = { GREETS, OFFERS, AGREES, END };
    struct stage s = { .timeout_ms = SHORT_MS };
    play(&s, "right", mute);
    check_not(&s, PROBE_GREETING, "no answer in time");
    done(&s);
    s = (struct stage){ .timeout_ms = SHORT_MS };
    play(&s, "right", deaf); /* to QUIT: mail could have passed */
    CHECK(s.result.fulfilled);
    CHECK_NUM(s.result.step[PROBE_QUIT].outcome, PROBE_FAILED);
    done(&s);
}

TEST(probe_of_a_closed_port)
{
    struct stage s = { 0 };
    play(&s, "any", NULL);
    CHECK(!s.result.fulfilled);
    CHECK_NUM(s.result.at, PROBE_CONNECT);
    CHECK_NUM(s.result.reply.code, 0);
    CHECK_NUM(s.result.step[PROBE_GREETING].outcome, PROBE_NOT_TRIED);
    done(&s);
}

/* --- the command --- */

static enum err validate(const char *id, const char *domain, struct ctl *ret, struct why *why)
{
    struct config *c = config_new();
    struct validate_by by = { .config = c,
                              .id = span_z(id),
                              .domain = span_z(domain),
                              .timeout_ms = LONG_MS,
                              .now_ms = wall_ms_now() };
    bool well = true;
    enum err e = validate_connector(&by, ret, &well, why);
    CHECK(e != ERR_OK || !well);
    config_unref(c);
    return e;
}

TEST(validate_says_what_is_wrong_with_the_question)
{
    static const struct {
        const char *id, *domain, *why;
    } rows[] = {
        { "o/none", "", "there is no such outbound connector" },
        { "none/right", "", "there is no such outbound connector" },
        { "o/mx", "", "it leads to the MX of many domains: say which with --to DOMAIN" },
        { "o/right", "a.example",
          "it leads to hosts of its own, whatever the domain: leave --to out" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct ctl *ret = ctl_new();
        struct why why = { "" };
        test_case(rows[i].id);
        CHECK_NUM(validate(rows[i].id, rows[i].domain, ret, &why), ERR_SYNTAX);
        CHECK_Z(span_z(why.text), rows[i].why);
        ctl_free(ret);
    }
    test_case(NULL);
}

TEST(validate_of_a_closed_port_is_told)
{
    struct ctl *ret = ctl_new();
    struct why why = { "" };
    struct buf text;
    CHECK_NUM(validate("o/right", "", ret, &why), ERR_OK);
    CHECK_NUM(ctl_count(ret, "addresses"), 1);
    CHECK(!ctl_get_bool(ret, "fulfilled"));
    const struct ctl *a = ctl_at(ret, "addresses", 0);
    CHECK_Z(ctl_get(a, "address"), "127.0.0.1:1");
    CHECK_Z(ctl_get(a, "failed"), "connect");
    CHECK_NUM(ctl_count(a, "phases"), PROBE_PHASE_COUNT_);
    buf_init(&text, TEXT_MAX);
    validate_text(ret, &text);
    CHECK(strstr(buf_z(&text), "o/right\n  mode        enforce\n"));
    CHECK(strstr(buf_z(&text), "NOT FULFILLED, connect: "));
    buf_done(&text);
    ctl_free(ret);
}
