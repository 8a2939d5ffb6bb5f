/* Notifications about hostile mail: whatever stands in an envelope, in a next hop's reply and in
 * the original, the notification is one message of three parts, whose lines are ours, end in CRLF
 * and fit into 998 bytes; 8-bit bytes stand only where that is declared. */
#include "mail/addr.h"
#include "mail/dsn.h"
#include "mail/header.h"

enum {
    TEXT_BYTES_MAX = 1 << 22,
    LINE_BYTES_MAX = 998,
    RCPTS = 2,
    ORCPT_MAX = 1200,
    ENVID_MAX = 300
};
enum { REMOTE_MAX = 300, ID = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char hostname[] = "mx.example";
static const char message_id[] = "0000000000003.dsn@mx.example";

/* --- what it is about */

struct matter {
    struct envelope envelope;
    struct rcpt rcpt[RCPTS];
    struct dsn_rcpt dsn_rcpt[RCPTS];
    struct dsn dsn;
};

static struct span text(struct span *in, size_t most)
{
    struct span s = span_cut(in, '|');
    return span_head(s, s.n < most ? s.n : most);
}

/* flags "|" from "|" ... "|" the original */
static void matter_read(struct matter *m, struct span in)
{
    struct span flags = span_cut(&in, '|');
    unsigned bits = 0;
    for (size_t i = 0; i < flags.n; i++)
        bits = bits << 1 | (flags.p[i] & 1);
    struct envelope *e = &m->envelope;
    *e = (struct envelope){ .id = 2,
                            .accepted_ms = 1795470600000,
                            .smtputf8 = bits & 1,
                            .ret = bits & 2 ? DSN_RET_FULL : DSN_RET_HDRS,
                            .requiretls = bits & 4 };
    e->from = text(&in, ADDR_BYTES_MAX);
    e->from = e->from.n > 0 ? e->from : SPAN("a@c.example");
    e->message_id = text(&in, HEADER_VALUE_MAX);
    e->envid = text(&in, ENVID_MAX);
    for (unsigned i = 0; i < RCPTS; i++) {
        m->rcpt[i].addr = text(&in, ADDR_BYTES_MAX);
        m->rcpt[i].orcpt = text(&in, ORCPT_MAX);
        m->dsn_rcpt[i] = (struct dsn_rcpt){ .rcpt = &m->rcpt[i],
                                            .kind = (enum dsn_kind)(bits >> (3 + 2 * i) & 3),
                                            .last_attempt_ms = 1795470601000,
                                            .will_retry_until_ms = 1795470609000 };
        m->dsn_rcpt[i].reply = text(&in, REPLY_TEXT_MAX);
        m->dsn_rcpt[i].remote = text(&in, REMOTE_MAX);
    }
    struct body *body = body_new();
    body_append(body, in);
    e->size = in.n + (bits >> 7 & 1);
    e->body_kind = bits >> 8 & 1 ? BODY_BINARYMIME : BODY_8BITMIME;
    m->dsn = (struct dsn){ .hostname = span_z(hostname),
                           .original = e,
                           .body = body,
                           .id = ID,
                           .now_ms = 1795470602000,
                           .rcpt = m->dsn_rcpt,
                           .n_rcpt = RCPTS };
}

/* --- what must hold */

static bool eight_bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

/* Takes a line with its CRLF off *s and returns it without. */
static struct span take_line(struct span *s)
{
    size_t end = span_find(*s, '\n');
    ASSERT(end < s->n && end > 0 && s->p[end - 1] == '\r' && end - 1 <= LINE_BYTES_MAX);
    struct span line = span_head(*s, end - 1);
    ASSERT(span_find(line, '\r') == line.n && span_find(line, '\0') == line.n);
    *s = span_tail(*s, end + 1);
    return line;
}

/* Every line up to an empty one, or to the end, is one of these fields or goes on with one. Returns
 * how many there are. */
static unsigned check_fields(struct span *s, const char *const *names, size_t n_names)
{
    unsigned fields = 0;
    while (s->n > 0) {
        struct span line = take_line(s);
        bool known = fields > 0 && (span_starts(line, SPAN(" ")) || span_starts(line, SPAN("\t")));
        if (line.n == 0)
            break;
        for (size_t i = 0; i < n_names && !known; i++) {
            known = span_starts(line, span_z(names[i]));
            fields += known;
        }
        ASSERT(known);
    }
    return fields;
}

static const char *const header_names[] = { "From: Mail gateway <postmaster@mx.example>",
                                            "To: <",
                                            "Subject: Mail ",
                                            "Date: ",
                                            "Message-ID: <",
                                            "In-Reply-To: <",
                                            "Auto-Submitted: auto-replied",
                                            "MIME-Version: 1.0",
                                            "Content-Type: multipart/report; ",
                                            "Content-Transfer-Encoding: 8bit" };
static const char *const part_names[] = { "Content-Type: ", "Content-Transfer-Encoding: 8bit" };
static const char *const message_status_names[] = { "Original-Envelope-Id: ",
                                                    "Reporting-MTA: dns; ", "Arrival-Date: " };
static const char *const rcpt_status_names[] = { "Original-Recipient: ",
                                                 "Final-Recipient: ",
                                                 "Action: ",
                                                 "Status: ",
                                                 "Remote-MTA: dns; ",
                                                 "Diagnostic-Code: ",
                                                 "Last-Attempt-Date: ",
                                                 "Will-Retry-Until: " };

/* As a gateway reads it that it passes. */
static void check_scanned(struct span whole)
{
    struct header_scan scan;
    header_scan_init(&scan, span_z(hostname));
    header_scan_input(&scan, whole);
    header_scan_end(&scan);
    ASSERT(scan.done && scan.received == 0 && !scan.name_ended && !scan.tls_required_no);
    ASSERT(span_eq(buf_span(&scan.message_id), span_z(message_id)));
    header_scan_done(&scan);
}

/* Takes what stands before the next line "--boundary" off *s; *ret_end: it was the last one. */
static struct span take_part(struct span *s, struct span boundary, bool *ret_end)
{
    const char *begin = s->p;
    for (;;) {
        const char *line_begin = s->p;
        struct span line = take_line(s);
        if (!span_starts(line, SPAN("--")) || !span_starts(span_tail(line, 2), boundary))
            continue;
        struct span rest = span_tail(line, 2 + boundary.n);
        *ret_end = span_eq(rest, SPAN("--"));
        ASSERT(*ret_end || rest.n == 0);
        ASSERT(line_begin - begin >= 2);
        return span_of(begin, (size_t)(line_begin - begin) - 2); /* the CRLF is the boundary's */
    }
}

static void check_status(struct span part, unsigned n_rcpt)
{
    unsigned groups = 0;
    ASSERT(check_fields(&part, message_status_names, COUNTOF(message_status_names)) >= 2);
    for (; part.n > 0; groups++)
        ASSERT(check_fields(&part, rcpt_status_names, COUNTOF(rcpt_status_names)) >= 4);
    ASSERT(groups == n_rcpt);
}

static void check_part(unsigned i, struct span part, const struct matter *m)
{
    static const struct span declared = SPAN("\r\nContent-Transfer-Encoding: 8bit\r\n");
    struct span rest = part;
    (void)check_fields(&rest, part_names, COUNTOF(part_names));
    struct span head = span_head(part, part.n - rest.n);
    bool declares =
        head.n >= declared.n + 2 && span_starts(span_tail(head, head.n - declared.n - 2), declared);
    ASSERT(declares || !eight_bit(part));
    ASSERT(i == 2 || m->envelope.smtputf8 || !eight_bit(part));
    if (i == 1)
        check_status(rest, RCPTS);
    bool only_headers = span_starts(head, SPAN("Content-Type: text/rfc822-headers")) ||
                        span_starts(head, SPAN("Content-Type: message/global-headers"));
    ASSERT(i < 2 || only_headers || (m->envelope.ret == DSN_RET_FULL && !m->envelope.requiretls));
    while (rest.n > 0 && only_headers)
        ASSERT(!span_eq(span_cut(&rest, '\n'), SPAN("\r")));
}

static void check_whole(struct span whole, const struct matter *m)
{
    static const struct span boundary = SPAN("\r\n        boundary=\"");
    struct span s = whole;
    bool end = false;
    unsigned n = 0;
    ASSERT(check_fields(&s, header_names, COUNTOF(header_names)) >= 8);
    struct span head = span_head(whole, whole.n - s.n);
    struct span name = head;
    while (name.n > 0 && !span_starts(name, boundary))
        name = span_tail(name, 1);
    name = span_tail(name, boundary.n);
    name = span_head(name, span_find(name, '"'));
    ASSERT(m->envelope.smtputf8 || !eight_bit(head));
    for (struct span part = take_part(&s, name, &end); !end; n++) {
        part = take_part(&s, name, &end);
        check_part(n, part, m);
    }
    ASSERT(s.n == 0 && n >= 2 && n <= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct matter m;
    struct buf whole;
    matter_read(&m, span_of((const char *)data, n));
    struct body *body = dsn_compose(&m.dsn);
    buf_init(&whole, TEXT_BYTES_MAX);
    for (struct span s; (s = body_at(body, whole.n)).n > 0;)
        buf_put(&whole, s);
    check_scanned(buf_span(&whole));
    check_whole(buf_span(&whole), &m);
    buf_done(&whole);
    body_unref(body);
    body_unref((struct body *)(uintptr_t)m.dsn.body);
    return 0;
}
