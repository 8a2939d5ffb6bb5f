/* test_wire.c - plays every transcript of test/wire (but client_*) against the server core.
 *
 * The language, line by line; '#' begins a comment, empty lines are nothing:
 *
 *     set KEY NUMBER   before the first C: one limit (message_bytes, errors, ...), or exts, tls
 *     C: TEXT          the client sends TEXT and CRLF
 *     c: TEXT          ... without CRLF. In both \r \n \t \0 \\ \xHH stand for bytes, and
 *                      \R{N,X} for N times the byte X
 *     S: TEXT          a line that the server must say
 *     pause            everything until here was said, and nothing else, before the client goes on
 *     tls              a pause, then the handshake is done
 *     wait MS          a pause, then time passes
 *     answer           a pause, then the event that waits is answered ("slow" recipients)
 *     mail TEXT        a pause; the oldest accepted message not yet seen was TEXT (escapes as in
 * C:) events LETTERS   a pause; the events so far (play_smtpd.h has the letters) close WHY        a
 * pause; the session closed, and why
 *
 * What stands between two pauses is sent in one piece, then one byte at a time, then cut once at
 * every place of the first 600. At the end the session must be open unless it was closed by
 * `close`, and no message may be left unseen. The story that answers is play_smtpd.c's.
 */
#include "test/test.h"
#include "test/unit/proto/play_smtpd.h"
#include <dirent.h>
#include <stdlib.h>

enum { WIRE_BYTES_MAX = 1 << 22, WIRE_FILES_MAX = 200, WIRE_NAME_MAX = 256, WIRE_CUTS_MAX = 600 };

struct wire {
    struct play play;
    bool started, closed;
    size_t cut, seen; /* where this run cuts the whole of what the client sends; bytes so far */
    size_t step;
    struct buf client, server; /* since the last pause */
    size_t messages_seen;
    struct span word; /* of the line that is being played */
};

static uint8_t wire_hex(char c)
{
    c = ascii_lower(c);
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "{N,X}" at the front of *s: N times X. */
static void wire_repeat(struct span *s, struct buf *out)
{
    uint64_t n;
    CHECK(s->n > 4 && s->p[0] == '{');
    *s = span_tail(*s, 1);
    CHECK(span_u64(span_cut(s, ','), WIRE_BYTES_MAX, &n) == ERR_OK);
    for (uint64_t i = 0; i < n; i++)
        buf_put(out, span_head(*s, 1));
    *s = span_tail(*s, 2);
}

static void wire_unescape(struct span s, struct buf *out)
{
    static const char from[] = "rnt0\\", to[] = { '\r', '\n', '\t', '\0', '\\' };
    while (s.n > 0) {
        char c = s.p[0];
        s = span_tail(s, 1);
        if (c != '\\') {
            buf_put(out, span_of(&c, 1));
            continue;
        }
        CHECK(s.n > 0);
        c = s.p[0];
        s = span_tail(s, 1);
        const char *at = strchr(from, c);
        if (at) {
            buf_put(out, span_of(&to[at - from], 1));
        } else if (c == 'x') {
            CHECK(s.n >= 2);
            char byte = (char)(wire_hex(s.p[0]) * 16 + wire_hex(s.p[1]));
            buf_put(out, span_of(&byte, 1));
            s = span_tail(s, 2);
        } else {
            CHECK(c == 'R');
            wire_repeat(&s, out);
        }
    }
}

static void wire_set(struct smtpd_config *config, struct span rest)
{
    struct smtpd_limits *l = &config->limits;
    struct span key = span_cut(&rest, ' ');
    uint64_t value;
    CHECK(span_u64(rest, UINT64_MAX, &value) == ERR_OK);
    const struct {
        const char *name;
        unsigned *u;
        uint64_t *u64;
    } keys[] = {
        { "exts", &config->exts, NULL },
        { "command_bytes", &l->command_bytes, NULL },
        { "rcpts", &l->rcpts, NULL },
        { "errors", &l->errors, NULL },
        { "commands_idle", &l->commands_idle, NULL },
        { "messages", &l->messages, NULL },
        { "message_bytes", NULL, &l->message_bytes },
        { "text_line_bytes", NULL, &l->text_line_bytes },
    };
    if (span_eq(key, SPAN("tls"))) {
        config->implicit_tls = value != 0;
        return;
    }
    for (size_t i = 0; i < COUNTOF(keys); i++) {
        if (!span_eq(key, span_z(keys[i].name)))
            continue;
        if (keys[i].u)
            *keys[i].u = (unsigned)value;
        else
            *keys[i].u64 = value;
        return;
    }
    CHECK_Z(key, "a key that exists");
}

static void wire_start(struct wire *w)
{
    if (w->started)
        return;
    struct smtpd_config config = w->play.config;
    play_init(&w->play, &config);
    w->started = true;
}

/* Sends what has gathered, and compares what was said. */
static void wire_pause(struct wire *w)
{
    wire_start(w);
    struct span bytes = buf_span(&w->client);
    size_t cut = w->cut > w->seen && w->cut - w->seen < bytes.n ? w->cut - w->seen : 0;
    w->seen += bytes.n;
    play_feed(&w->play, span_head(bytes, cut), w->step);
    play_feed(&w->play, span_tail(bytes, cut), w->step);
    CHECK_SPAN(buf_span(&w->play.out), buf_span(&w->server));
    buf_clear(&w->client);
    buf_clear(&w->server);
    buf_clear(&w->play.out);
}

static void wire_mail(struct wire *w, struct span rest)
{
    struct buf want;
    buf_init(&want, WIRE_BYTES_MAX);
    wire_unescape(rest, &want);
    buf_put(&want, SPAN("|"));
    struct span left = span_tail(buf_span(&w->play.messages), w->messages_seen);
    CHECK_SPAN(span_head(left, want.n < left.n ? want.n : left.n), buf_span(&want));
    w->messages_seen += want.n;
    buf_done(&want);
}

static void wire_order(struct wire *w, struct span word, struct span rest)
{
    wire_pause(w);
    uint64_t ms;
    if (span_eq(word, SPAN("tls"))) {
        play_tls(&w->play);
    } else if (span_eq(word, SPAN("wait"))) {
        CHECK(span_u64(rest, INT64_MAX, &ms) == ERR_OK);
        play_wait(&w->play, (int64_t)ms);
    } else if (span_eq(word, SPAN("answer"))) {
        play_answer(&w->play, SPAN_NONE);
    } else if (span_eq(word, SPAN("mail"))) {
        wire_mail(w, rest);
    } else if (span_eq(word, SPAN("events"))) {
        CHECK_SPAN(buf_span(&w->play.events), rest);
    } else if (span_eq(word, SPAN("close"))) {
        CHECK(w->play.closed);
        CHECK_Z(rest, smtpd_why_name(w->play.why));
        w->closed = true;
    } else {
        CHECK_Z(word, "pause");
    }
}

static void wire_line(struct wire *w, struct span line)
{
    struct span rest = line, word = span_cut(&rest, ' ');
    if (line.n == 0 || line.p[0] == '#')
        return;
    if (span_eq(word, SPAN("set"))) {
        CHECK(!w->started);
        wire_set(&w->play.config, rest);
    } else if (span_eq_nocase(word, SPAN("C:"))) {
        wire_unescape(rest, &w->client);
        buf_put(&w->client, word.p[0] == 'C' ? SPAN("\r\n") : SPAN(""));
    } else if (span_eq(word, SPAN("S:"))) {
        buf_put(&w->server, rest);
        buf_put(&w->server, SPAN("\r\n"));
    } else {
        wire_order(w, word, rest);
    }
}

/* Plays the transcript once. Returns how many bytes the client sent. */
static size_t wire_play(struct span text, size_t cut, size_t step)
{
    struct wire w = { .cut = cut, .step = step };
    w.play.config = play_config;
    buf_init(&w.client, WIRE_BYTES_MAX);
    buf_init(&w.server, WIRE_BYTES_MAX);
    while (text.n > 0)
        wire_line(&w, span_cut(&text, '\n'));
    wire_pause(&w);
    CHECK_NUM(w.play.closed, w.closed);
    CHECK_NUM(w.messages_seen, w.play.messages.n);
    play_done(&w.play);
    buf_done(&w.client);
    buf_done(&w.server);
    return w.seen;
}

static void wire_file(const char *name)
{
    char path[WIRE_NAME_MAX];
    struct buf p, text;
    buf_init(&p, sizeof(path) - 1);
    buf_putf(&p, "test/wire/%s", name);
    memcpy(path, buf_z(&p), p.n + 1);
    buf_done(&p);
    buf_init(&text, WIRE_BYTES_MAX);
    test_read_file(path, &text);

    test_case(name);
    size_t n = wire_play(buf_span(&text), 0, 0);
    wire_play(buf_span(&text), 0, 1);
    wire_play(buf_span(&text), 0, 7);
    size_t cuts = n < WIRE_CUTS_MAX ? n : WIRE_CUTS_MAX;
    for (size_t cut = 1; cut < cuts; cut++)
        wire_play(buf_span(&text), cut, 0);
    buf_done(&text);
}

static int wire_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

TEST(wire_transcripts)
{
    char *names[WIRE_FILES_MAX];
    size_t n = 0;
    DIR *dir = opendir("test/wire");
    CHECK(dir != NULL);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        struct span name = span_z(d->d_name);
        if (span_starts(name, SPAN("client_")) || !span_ends_nocase(name, SPAN(".wire")))
            continue;
        CHECK(n < WIRE_FILES_MAX);
        names[n++] = strdup(d->d_name);
    }
    closedir(dir);
    CHECK(n > 0);
    qsort(names, n, sizeof(names[0]), wire_by_name);
    for (size_t i = 0; i < n; i++) {
        wire_file(names[i]);
        free(names[i]);
    }
}
