#include "mail/reply.h"
#include "test/test.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X500 X100 X100 X100 X100 X100

struct seen {
    enum err end;
    unsigned n;
    struct buf text; /* every reply as code, status and text */
};

/* Feeds the two pieces, each from memory that ends where it ends. */
static void feed(struct reply_parser *p, struct span piece, struct seen *s)
{
    char *copy = mem_alloc(piece.n);
    if (piece.n > 0)
        memcpy(copy, piece.p, piece.n);
    struct span in = span_of(copy, piece.n);
    struct reply r;
    while (s->end == ERR_AGAIN || s->end == ERR_OK) {
        s->end = reply_next(p, &in, &r);
        if (s->end != ERR_OK)
            break;
        s->n++;
        buf_putf(&s->text, "%d %u.%u.%u %.*s|", r.code, (unsigned)r.status.class,
                 (unsigned)r.status.subject, (unsigned)r.status.detail, SPAN_ARG(r.text));
    }
    mem_free(copy);
}

static void check_stream(struct span in, size_t cut, enum err want, const char *text)
{
    struct reply_parser p;
    struct seen s = { .end = ERR_AGAIN };
    buf_init(&s.text, 16000);
    reply_parser_init(&p);
    feed(&p, span_head(in, cut), &s);
    feed(&p, span_tail(in, cut), &s);
    CHECK_NUM(s.end, want);
    CHECK_Z(buf_span(&s.text), text);
    reply_parser_done(&p);
    buf_done(&s.text);
}

struct row {
    const char *name;
    struct span in;
    enum err want; /* ERR_AGAIN: all eaten */
    const char *text;
};

static const struct row rows[] = {
    { "no code", SPAN("hello\r\n"), ERR_SYNTAX, "" },
    { "empty line", SPAN("\r\n"), ERR_SYNTAX, "" },
    { "two digits", SPAN("25\r\n"), ERR_SYNTAX, "" },
    { "1yz", SPAN("199 x\r\n"), ERR_SYNTAX, "" },
    { "600", SPAN("600 x\r\n"), ERR_SYNTAX, "" },
    { "999", SPAN("999 x\r\n"), ERR_SYNTAX, "" },
    { "000", SPAN("000 x\r\n"), ERR_SYNTAX, "" },
    { "four digits", SPAN("2500 x\r\n"), ERR_SYNTAX, "" },
    { "no blank", SPAN("250x\r\n"), ERR_SYNTAX, "" },
    { "blank first", SPAN(" 250 x\r\n"), ERR_SYNTAX, "" },
    { "bare LF", SPAN("250 x\n"), ERR_SYNTAX, "" },
    { "bare LF at once", SPAN("\n"), ERR_SYNTAX, "" },
    { "bare CR", SPAN("250 x\ry\r\n"), ERR_SYNTAX, "" },
    { "CR CR LF", SPAN("250 x\r\r\n"), ERR_SYNTAX, "" },
    { "codes differ", SPAN("250-a\r\n251 b\r\n"), ERR_SYNTAX, "" },
    { "bad second line", SPAN("250-a\r\nfoo\r\n"), ERR_SYNTAX, "" },
    { "line too long", SPAN("250 " X500 X500 "\r\n"), ERR_TOO_BIG, "" },
    { "line without end", SPAN("250 " X500 X500 X500), ERR_TOO_BIG, "" },
    { "good, then bad", SPAN("250 a\r\nxxx\r\n"), ERR_SYNTAX, "250 0.0.0 a|" },

    { "half a line", SPAN("250 a"), ERR_AGAIN, "" },
    { "half a reply", SPAN("250-a\r\n250-b\r\n"), ERR_AGAIN, "" },
    { "one", SPAN("250 a\r\n"), ERR_AGAIN, "250 0.0.0 a|" },
    { "no text", SPAN("250\r\n250 \r\n250-\r\n250\r\n"), ERR_AGAIN,
      "250 0.0.0 |250 0.0.0 |250 0.0.0 \n|" },
    { "status", SPAN("250 2.1.5 ok\r\n"), ERR_AGAIN, "250 2.1.5 ok|" },
    { "status alone", SPAN("550 5.1.1\r\n"), ERR_AGAIN, "550 5.1.1 |" },
    { "status of three digits", SPAN("450 4.700.123 x\r\n"), ERR_AGAIN, "450 4.700.123 x|" },
    { "status of another class", SPAN("550 4.1.1 x\r\n"), ERR_AGAIN, "550 0.0.0 4.1.1 x|" },
    { "status of no class", SPAN("354 3.0.0 x\r\n"), ERR_AGAIN, "354 0.0.0 3.0.0 x|" },
    { "status with four digits", SPAN("550 5.1.1000 x\r\n"), ERR_AGAIN, "550 0.0.0 5.1.1000 x|" },
    { "no status but a version", SPAN("220 2.0.1-rc x\r\n"), ERR_AGAIN, "220 0.0.0 2.0.1-rc x|" },
    { "status in each line", SPAN("550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n"), ERR_AGAIN,
      "550 5.7.1 a\nb\nc|" },
    { "status in the last line", SPAN("550-a\r\n550 5.7.1 c\r\n"), ERR_AGAIN, "550 0.0.0 a\nc|" },
    { "EHLO", SPAN("250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"), ERR_AGAIN,
      "250 0.0.0 mx.example\nSIZE 1000\nSTARTTLS|" },
    { "two replies", SPAN("250 a\r\n550-b\r\n550 c\r\n"), ERR_AGAIN,
      "250 0.0.0 a|550 0.0.0 b\nc|" },
    { "control bytes", SPAN("250 a\0b\x1b[2J\tc\x7f\r\n"), ERR_AGAIN, "250 0.0.0 a?b?[2J c?|" },
    { "UTF-8", SPAN("550 gr\xc3\xbc\xc3\x9f\r\n"), ERR_AGAIN, "550 0.0.0 gr\xc3\xbc\xc3\x9f|" },
    { "Latin-1", SPAN("550 gr\xfc\xdf\r\n"), ERR_AGAIN, "550 0.0.0 gr??|" },
    { "line of 1000",
      SPAN("550 " X500 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxx\r\n"),
      ERR_AGAIN,
      "550 0.0.0 " X500 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxx|" },
    { "a long lecture is cut",
      SPAN("550-" X500 "\r\n550-" X500 "\r\n550-" X500 "\r\n550-" X500 "\r\n550 " X500 "\r\n"),
      ERR_AGAIN,
      "550 0.0.0 " X500 "\n" X500 "\n" X500
      "\n" X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxx|" },
};

TEST(t02_replies_at_every_cut)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        for (size_t cut = 0; cut <= rows[i].in.n; cut++)
            check_stream(rows[i].in, cut, rows[i].want, rows[i].text);
    }
    test_case(NULL);
}

TEST(reply_bytes_behind_it_stay)
{
    struct reply_parser p;
    struct reply r;
    struct span in = SPAN("220 go ahead\r\n250-FAKE\r\n");
    reply_parser_init(&p);
    CHECK_NUM(reply_next(&p, &in, &r), ERR_OK);
    CHECK_SPAN(in, SPAN("250-FAKE\r\n"));
    reply_parser_done(&p);
    reply_parser_done(NULL);
}

TEST(reply_text_is_cut_and_the_code_counts)
{
    struct reply_parser p;
    struct reply r;
    struct span in = SPAN("250-" X500 "\r\n250-" X500 "\r\n250-" X500 "\r\n250-" X500
                          "\r\n250 " X500 "\r\n250 short\r\n");
    reply_parser_init(&p);
    CHECK_NUM(reply_next(&p, &in, &r), ERR_OK);
    CHECK_NUM(r.code, 250);
    CHECK_NUM(r.text.n, REPLY_TEXT_MAX);
    CHECK(p.cut);
    CHECK_NUM(reply_next(&p, &in, &r), ERR_OK);
    CHECK_SPAN(r.text, SPAN("short"));
    CHECK(!p.cut);
    reply_parser_done(&p);
}

TEST(reply_of_too_many_lines)
{
    struct reply_parser p;
    struct reply r;
    reply_parser_init(&p);
    enum err e = ERR_AGAIN;
    for (int i = 0; i <= REPLY_LINES_MAX; i++) {
        CHECK_NUM(e, ERR_AGAIN);
        struct span in = SPAN("550-x\r\n");
        e = reply_next(&p, &in, &r);
    }
    CHECK_NUM(e, ERR_TOO_BIG);
    reply_parser_done(&p);
}

static void check_wire(struct reply r, bool enhanced, const char *want)
{
    struct buf b;
    buf_init(&b, REPLY_WIRE_MAX);
    reply_write(&r, enhanced, &b);
    CHECK_Z(buf_span(&b), want);
    buf_done(&b);
}

TEST(reply_wire_form)
{
    check_wire(REPLY(250, 2, 1, 5, "ok"), true, "250 2.1.5 ok\r\n");
    check_wire(REPLY(250, 2, 1, 5, "ok"), false, "250 ok\r\n");
    check_wire(REPLY(354, 0, 0, 0, "go"), true, "354 go\r\n");
    check_wire(REPLY(250, 2, 0, 0, ""), true, "250 2.0.0\r\n");
    check_wire(REPLY(250, 0, 0, 0, ""), true, "250 \r\n");
    check_wire(REPLY(250, 0, 0, 0, "a\nb\nc"), true, "250-a\r\n250-b\r\n250 c\r\n");
    check_wire(REPLY(550, 5, 7, 1, "a\nb"), true, "550-5.7.1 a\r\n550 5.7.1 b\r\n");
    check_wire(REPLY(550, 5, 7, 1, "a\r\r250 b\0\x1b\xc3\xbc"), true, "550 5.7.1 a??250 b????\r\n");
}

/* Whatever the text is, the lines are short, end in CRLF and read back as one reply. */
TEST(t15_reply_long_texts_fold)
{
    static char text[REPLY_TEXT_MAX + 500];
    for (size_t gap = 1; gap < 1200; gap += 7) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = i % gap == gap - 1 ? (gap % 2 ? '\n' : ' ') : 'x';
        struct reply r = { 550, { 5, 999, 999 }, span_of(text, sizeof text) }, got;
        struct buf b;
        struct reply_parser p;
        buf_init(&b, REPLY_WIRE_MAX);
        reply_parser_init(&p);
        reply_write(&r, true, &b);
        for (struct span s = buf_span(&b), line; s.n > 0;) {
            line = span_cut(&s, '\n');
            CHECK(line.n <= 499 && line.p[line.n - 1] == '\r');
        }
        struct span in = buf_span(&b);
        CHECK_NUM(reply_next(&p, &in, &got), ERR_OK);
        CHECK_NUM(in.n, 0);
        CHECK_NUM(got.status.detail, 999);
        reply_parser_done(&p);
        buf_done(&b);
    }
}

TEST(reply_print_and_read)
{
    const struct {
        struct reply r;
        const char *want, *text;
    } printed[] = {
        { REPLY(250, 2, 1, 5, "ok"), "250 2.1.5 ok", "ok" },
        { REPLY(354, 0, 0, 0, "go"), "354 go", "go" },
        { REPLY(550, 5, 1, 1, ""), "550 5.1.1", "" },
        { REPLY(550, 0, 0, 0, ""), "550", "" },
        { REPLY(550, 5, 7, 1, "a\nb\nc"), "550 5.7.1 a / b / c", "a / b / c" },
        { REPLY(550, 5, 7, 1, "a\r\x1b[1m\xc3\xbc"), "550 5.7.1 a??[1m??", "a??[1m??" },
        { REPLY(550, 5, 7, 1, "gr\xc3\xbc"), "550 5.7.1 gr\xc3\xbc", "gr\xc3\xbc" },
    };
    for (size_t i = 0; i < COUNTOF(printed); i++) {
        test_case(printed[i].want);
        struct buf b;
        struct reply got;
        buf_init(&b, REPLY_WIRE_MAX);
        reply_print(&printed[i].r, &b);
        CHECK_Z(buf_span(&b), printed[i].want);
        CHECK_NUM(reply_read(buf_span(&b), &got), ERR_OK);
        CHECK_NUM(got.code, printed[i].r.code);
        CHECK_NUM(got.status.class, printed[i].r.status.class);
        CHECK_NUM(got.status.detail, printed[i].r.status.detail);
        CHECK_Z(got.text, printed[i].text);
        buf_done(&b);
    }
    static const char *const bad[] = { "", "25", "250x", "199 x", "600 x", "x", "250-x" };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        test_case(bad[i]);
        struct reply got;
        CHECK_NUM(reply_read(span_z(bad[i]), &got), ERR_SYNTAX);
    }
    test_case(NULL);
}

/* A peer chooses how many lines there are, so the caller's room may be what ends the text. */
TEST(t14_reply_print_in_any_room)
{
    static char text[REPLY_TEXT_MAX];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 3 == 2 ? '\n' : 'x';
    struct reply r = { 550, { 5, 999, 999 }, span_of(text, sizeof text) };
    for (size_t room = REPLY_PRINT_MIN; room < REPLY_WIRE_MAX; room += 3) {
        struct buf b;
        struct reply got;
        buf_init(&b, room);
        reply_print(&r, &b);
        CHECK_NUM(reply_read(buf_span(&b), &got), ERR_OK);
        CHECK_NUM(got.status.detail, 999);
        CHECK(b.n + 3 >= (room < 3000 ? room : 3000));
        buf_done(&b);
    }
}
