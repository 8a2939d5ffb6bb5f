#include "mail/header.h"
#include "test/test.h"

struct row {
    const char *name;
    struct span in;
    unsigned received, ours;
    bool tls_no, done;
    uint64_t n;
    const char *message_id;
};

#define OURS                                                                                       \
    "Received: from c.example (unknown [192.0.2.1])\r\n        by mx.example (Postern) with "      \
    "ESMTP "                                                                                       \
    "id 1;\r\n Mon, 23 Nov 2026 21:50:00 +0000\r\n"
#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X250 X100 X100 X10 X10 X10 X10 X10

static const struct row rows[] = {
    { "nothing", SPAN(""), 0, 0, false, true, 0, "" },
    { "empty header", SPAN("\r\nReceived: x\r\n"), 0, 0, false, true, 0, "" },
    { "no field at all", SPAN("hello\r\nReceived: x\r\n\r\n"), 0, 0, false, true, 0, "" },
    { "blank first", SPAN(" x: y\r\nReceived: x\r\n\r\n"), 0, 0, false, true, 0, "" },
    { "colon first", SPAN(": y\r\nReceived: x\r\n\r\n"), 0, 0, false, true, 0, "" },
    { "mbox line", SPAN("From a@b.example Mon\r\nReceived: x\r\n"), 0, 0, false, true, 0, "" },
    { "8-bit name", SPAN("A: b\r\nR\xc3\xbc: x\r\nReceived: x\r\n"), 0, 0, false, true, 6, "" },
    { "one field", SPAN("A: b\r\n\r\nbody"), 0, 0, false, true, 6, "" },
    { "body is not read", SPAN("A: b\r\n\r\nReceived: x\r\nTLS-Required: No\r\n"), 0, 0, false,
      true, 6, "" },
    { "line without colon ends it", SPAN("A: b\r\nhello\r\nReceived: x\r\n"), 0, 0, false, true, 6,
      "" },
    { "no empty line", SPAN("A: b\r\nMessage-ID: <x@y>"), 0, 0, false, true, 23, "x@y" },
    { "half a name", SPAN("A: b\r\nReceiv"), 0, 0, false, true, 6, "" },
    { "hops", SPAN("Received: a\r\nRECEIVED: b\r\nDelivered-To: c\r\nX-Received: d\r\n\r\n"), 3, 0,
      false, true, 58, "" },
    { "blank before colon", SPAN("Received : a\r\nReceived\t: b\r\n\r\n"), 2, 0, false, true, 28,
      "" },
    { "folded is one", SPAN("Received: a\r\n Received: b\r\n\tReceived: c\r\n\r\n"), 1, 0, false,
      true, 41, "" },
    { "bare LF", SPAN("Received: a\nReceived: b\n\nReceived: c\n"), 2, 0, false, true, 24, "" },
    { "bare CR", SPAN("Received: a\rReceived: b\r\rReceived: c\r"), 2, 0, false, true, 24, "" },
    { "ours", SPAN(OURS OURS "\r\n"), 2, 2, false, true, 2 * (sizeof OURS - 1), "" },
    { "ours in another case", SPAN("received: BY MX.Example (Postern) with SMTP\r\n\r\n"), 1, 1,
      false, true, 45, "" },
    { "by another", SPAN("Received: by mx2.example (Postern)\r\n\r\n"), 1, 0, false, true, 36, "" },
    { "from us, by another",
      SPAN("Received: from mx.example (Postern) by b.example (Postern)\r\n\r\n"), 1, 0, false, true,
      60, "" },
    { "in a comment", SPAN("Received: (by mx.example (Postern)) by b (Postern)\r\n\r\n"), 1, 0,
      false, true, 52, "" },
    { "comment that never ends", SPAN("Received: ((( by mx.example (Postern)\\\r\n\r\n"), 1, 0,
      false, true, 40, "" },
    { "by us, other program", SPAN("Received: by mx.example (Postfix)\r\n\r\n"), 1, 0, false, true,
      35, "" },
    { "id", SPAN("Message-Id:  <a.b@c>  \r\n\r\n"), 0, 0, false, true, 24, "a.b@c" },
    { "id folded", SPAN("Message-ID:\r\n <a.b@c>\r\n\r\n"), 0, 0, false, true, 23, "a.b@c" },
    { "id without brackets", SPAN("Message-ID: a.b@c\r\n\r\n"), 0, 0, false, true, 19, "a.b@c" },
    { "id open", SPAN("Message-ID: <a.b@c\r\n\r\n"), 0, 0, false, true, 20, "a.b@c" },
    { "id, first of two", SPAN("Message-ID: <a>\r\nMessage-ID: <b>\r\n\r\n"), 0, 0, false, true, 34,
      "a" },
    { "id with control bytes", SPAN("Message-ID: <a\0\x1b>\r\n\r\n"), 0, 0, false, true, 19,
      "a??" },
    { "id of 260", SPAN("Message-ID: <" X250 X10 ">\r\n\r\n"), 0, 0, false, true, 276, X250 },
    { "TLS-Required", SPAN("TLS-Required: No\r\n\r\n"), 0, 0, true, true, 18, "" },
    { "TLS-Required in odd case", SPAN("tls-REQUIRED:nO \r\n\r\n"), 0, 0, true, true, 18, "" },
    { "TLS-Required folded", SPAN("TLS-Required:\r\n No\r\n\r\n"), 0, 0, true, true, 20, "" },
    { "TLS-Required: Yes", SPAN("TLS-Required: Yes\r\n\r\n"), 0, 0, false, true, 19, "" },
    { "TLS-Required: Nothing", SPAN("TLS-Required: Nothing\r\n\r\n"), 0, 0, false, true, 23, "" },
    { "TLS-Required: No, folded on", SPAN("TLS-Required: No\r\n way\r\n\r\n"), 0, 0, false, true,
      24, "" },
    { "T-43: TLS-Required twice", SPAN("TLS-Required: No\r\nTLS-Required: No\r\n\r\n"), 0, 0, false,
      true, 36, "" },
    { "T-43: TLS-Required, another before", SPAN("TLS-Required: x\r\nTLS-Required: No\r\n\r\n"), 0,
      0, false, true, 35, "" },
    { "TLS-Required empty", SPAN("TLS-Required:\r\n\r\n"), 0, 0, false, true, 15, "" },
    { "TLS-Required of another", SPAN("X-TLS-Required: No\r\n\r\n"), 0, 0, false, true, 20, "" },
};

static void check_scan(const struct row *r, size_t from, size_t to)
{
    struct header_scan h;
    header_scan_init(&h, SPAN("mx.example"));
    header_scan_input(&h, span_head(r->in, from));
    header_scan_input(&h, span_tail(span_head(r->in, to), from));
    header_scan_input(&h, span_tail(r->in, to));
    header_scan_end(&h);
    header_scan_end(&h);
    CHECK_NUM(h.received, r->received);
    CHECK_NUM(h.our_hops, r->ours);
    CHECK_NUM(h.postern_loop, r->ours > 0);
    CHECK_NUM(h.tls_required_no, r->tls_no);
    CHECK_NUM(h.done, r->done);
    CHECK_NUM(h.n, r->n);
    CHECK_Z(buf_span(&h.message_id), r->message_id);
    header_scan_done(&h);
}

TEST(header_at_every_cut)
{
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        test_case(rows[i].name);
        size_t n = rows[i].in.n;
        for (size_t from = 0; from <= n; from++)
            for (size_t to = from; to <= n; to += n > 100 ? 37 : 1)
                check_scan(&rows[i], from, to);
    }
    test_case(NULL);
    header_scan_done(NULL);
}

/* Whatever comes, memory stays bounded, and what follows a long field is read. */
TEST(t14_header_long_fields)
{
    struct header_scan h;
    header_scan_init(&h, SPAN("mx.example"));
    header_scan_input(&h, SPAN("Received: "));
    for (int i = 0; i < 2000; i++)
        header_scan_input(&h, SPAN(X100 "\r\n "));
    header_scan_input(&h, SPAN(" by mx.example (Postern)\r\n"));
    for (int i = 0; i < 200; i++)
        header_scan_input(&h, SPAN(X100));
    header_scan_input(&h, SPAN(": y\r\nMessage-ID: <z>\r\n\r\n"));
    CHECK(h.done);
    CHECK_NUM(h.received, 1);
    CHECK_NUM(h.our_hops, 0);
    CHECK_SPAN(buf_span(&h.message_id), SPAN("z"));
    CHECK(h.field.cap <= HEADER_FIELD_MAX + 1);
    header_scan_done(&h);
}

/* Fields that a connector's rule names: whole names and values, folded or not, the first of the
 * list wins, and fields with a meaning of their own keep it. */
TEST(header_watches_for_fields)
{
    static const struct header_watch watch[] = {
        { SPAN("X-Route-Via"), SPAN("secure lab") },
        { SPAN("X-Route-Via"), SPAN("secure") },
        { SPAN("Message-ID"), SPAN("<a@b>") },
    };
    static const struct {
        const char *text;
        unsigned seen;
    } cases[] = {
        { "\r\nX-Route-Via: secure\r\n", 3 },
        { "X-Route-Via: secure\r\n\r\n", 1 },
        { "x-route-via :SECURE \r\n\r\n", 1 },
        { "X-Route-Via: secure\r\n lab\r\n\r\n", 0 },
        { "X-Route-Via: secure\r\nX-Route-Via: secure lab\r\n\r\n", 0 },
        { "X-Route-Via: secure, really\r\n\r\n", 3 },
        { "X-Route-Viaduct: secure\r\n\r\n", 3 },
        { "Subject: secure\r\nMessage-ID: <a@b>\r\n\r\n", 2 },
        { "X-Route-Via: secure", 1 },
        { "", 3 },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct span text = span_z(cases[i].text);
        test_case(cases[i].text);
        for (size_t cut = 0; cut <= text.n; cut++) {
            struct header_scan h;
            header_scan_init(&h, SPAN("mx.example"));
            header_scan_watch(&h, watch, COUNTOF(watch));
            header_scan_input(&h, span_head(text, cut));
            header_scan_input(&h, span_tail(text, cut));
            header_scan_end(&h);
            CHECK_NUM(h.watched, cases[i].seen);
            if (cases[i].seen == 2)
                CHECK_SPAN(buf_span(&h.message_id), SPAN("a@b"));
            header_scan_done(&h);
        }
    }
}
