/* Read dsn_compose first: it lists the parts in their order. */
#include "mail/dsn.h"

#include "base/enc.h"
#include "base/when.h"
#include "mail/addr.h"
#include "mail/header.h"
#include "mail/text.h"

enum {
    FULL_BYTES_MAX = 64 * 1024,    /* a whole original up to this size goes back */
    HEADER_BYTES_MAX = 32 * 1024,  /* and so much of a header section */
    SECTION_BYTES_MAX = 32 * 1024, /* of our own text between two flushes */
    REPLY_SHOWN_MAX = 900,
    SUBJECT_SHOWN_MAX = 100,
    WIDTH = 68,
    BOUNDARY_BYTES_MAX = 48,
    LINE_BYTES_MAX = 998, /* RFC 5322 2.1.1, without CRLF */
};

/* What is being written. `b` is emptied into the body after each section. */
struct writer {
    const struct dsn *d;
    struct body *body;
    struct buf b;
    struct buf original; /* of the original, what goes back: CRLF line ends, no NUL */
    bool full;           /* and it is all of it */
    bool utf8;
    bool eight_bit; /* something of the original is */
    char boundary[BOUNDARY_BYTES_MAX];
};

bool dsn_wanted(const struct envelope *original, const struct rcpt *r, enum dsn_kind kind)
{
    if (original->from.n == 0 || r->notify & NOTIFY_NEVER)
        return false;
    switch (kind) {
    case DSN_FAILED: /* = RFC 3461 5.2.4, 5.2.5: and when NOTIFY was absent */
        return r->notify == 0 || r->notify & NOTIFY_FAILURE;
    case DSN_DELAYED:
        return r->notify == 0 || r->notify & NOTIFY_DELAY;
    case DSN_DELIVERED:
    case DSN_RELAYED:
        break;
    }
    return r->notify & NOTIFY_SUCCESS;
}

static bool has_kind(const struct dsn *d, enum dsn_kind kind)
{
    for (unsigned i = 0; i < d->n_rcpt; i++)
        if (d->rcpt[i].kind == kind)
            return true;
    return false;
}

/* --- the original */

/* = RFC 3461 4.3: RET is for failures only. RFC 8689 5: REQUIRETLS returns headers only, whatever
 * RET says. */
static bool full_wanted(const struct dsn *d)
{
    const struct envelope *e = d->original;
    return has_kind(d, DSN_FAILED) && e->ret == DSN_RET_FULL && !e->requiretls &&
           e->body_kind != BODY_BINARYMIME && d->body->n >= e->size && d->body->n <= FULL_BYTES_MAX;
}

static uint64_t header_bytes(const struct dsn *d)
{
    struct header_scan scan;
    struct span piece;
    header_scan_init(&scan, SPAN_NONE);
    uint64_t at = 0;
    while (!scan.done && at < HEADER_BYTES_MAX && (piece = body_at(d->body, at)).n > 0) {
        header_scan_input(&scan, piece);
        at += piece.n;
    }
    header_scan_end(&scan);
    uint64_t n = scan.n;
    header_scan_done(&scan);
    return n;
}

/* Copies the first n bytes. A bare CR or LF becomes CRLF (T-11). Of a line that is too long to be
 * sent the end is left out; then false. */
static bool copy_original(struct writer *w, uint64_t n)
{
    bool cr = false, whole = true;
    size_t line_n = 0;
    struct span piece;
    for (uint64_t at = 0; at < n && (piece = body_at(w->d->body, at)).n > 0; at += piece.n) {
        if (piece.n > n - at)
            piece.n = (size_t)(n - at);
        for (size_t i = 0; i < piece.n; i++) {
            char c = piece.p[i];
            if (cr && c != '\n')
                buf_put(&w->original, SPAN("\n"));
            if (!cr && c == '\n')
                buf_put(&w->original, SPAN("\r"));
            cr = c == '\r';
            line_n = cr || c == '\n' ? 0 : line_n + 1;
            whole = whole && line_n <= LINE_BYTES_MAX;
            if (line_n <= LINE_BYTES_MAX)
                buf_put(&w->original, c == 0 ? SPAN("?") : span_of(&c, 1));
        }
    }
    if (cr)
        buf_put(&w->original, SPAN("\n"));
    return whole;
}

static void copy_header(struct writer *w)
{
    uint64_t n = header_bytes(w->d);
    (void)copy_original(w, n < HEADER_BYTES_MAX ? n : HEADER_BYTES_MAX);
    size_t lines_n = span_rfind(buf_span(&w->original), '\n') + 1;
    if (lines_n < w->original.n)
        buf_truncate(&w->original, lines_n); /* the rest is a line that a limit cut */
}

/* What the author said, of a message with REQUIRETLS: the notification may go on to hosts that do
 * not promise anything, and knows its message by date, addresses and Message-ID. */
static bool says_content(struct span line)
{
    static const char *const names[] = { "Subject", "Comments", "Keywords", "Thread-Topic" };
    struct span name = span_trim(span_cut(&line, ':'));
    bool found = false;
    for (size_t i = 0; i < COUNTOF(names); i++)
        found = found || span_eq_nocase(name, span_z(names[i]));
    return found;
}

static void redact(struct writer *w)
{
    struct buf kept;
    bool left_out = false;
    struct span rest = buf_span(&w->original);
    buf_init(&kept, 2 * FULL_BYTES_MAX + 2);
    while (rest.n > 0) {
        size_t n = span_find(rest, '\n') + 1;
        struct span line = span_head(rest, n < rest.n ? n : rest.n);
        rest = span_tail(rest, line.n);
        if (line.p[0] != ' ' && line.p[0] != '\t')
            left_out = says_content(line);
        if (!left_out)
            buf_put(&kept, line);
    }
    buf_done(&w->original);
    w->original = kept;
}

static void take_original(struct writer *w)
{
    if (!w->d->body)
        return;
    w->full = full_wanted(w->d) && copy_original(w, w->d->body->n);
    if (!w->full) {
        buf_clear(&w->original);
        copy_header(w);
    }
    if (w->d->original->requiretls)
        redact(w);
    w->eight_bit = text_eight_bit(buf_span(&w->original));
}

static bool contains(struct span s, struct span what)
{
    while (s.n >= what.n) {
        s = span_tail(s, span_find(s, what.p[0]));
        if (span_starts(s, what))
            return true;
        if (s.n > 0)
            s = span_tail(s, 1);
    }
    return false;
}

/* A boundary that the original does not hold, whatever its author guessed. */
static void choose_boundary(struct writer *w)
{
    char id[ID_BYTES_MAX];
    struct buf b;
    buf_init(&b, BOUNDARY_BYTES_MAX - 1);
    for (unsigned i = 0;; i++) {
        buf_clear(&b);
        buf_putf(&b, "=_%s.%u", id_text(w->d->id, id), i);
        if (!contains(buf_span(&w->original), buf_span(&b)))
            break;
    }
    memcpy(w->boundary, buf_z(&b), b.n + 1);
    buf_done(&b);
}

/* The original's subject, when it can be shown as it stands; else empty. */
static struct span find_subject(const struct writer *w)
{
    struct span rest = buf_span(&w->original);
    while (rest.n > 0) {
        struct span line = span_cut(&rest, '\n');
        if (line.n <= 1)
            return SPAN_NONE;
        if (!span_starts_nocase(line, SPAN("Subject:")))
            continue;
        line = span_trim(span_tail(span_head(line, line.n - 1), 8));
        bool shown =
            text_plain(line) && !contains(line, SPAN("=?")) && (w->utf8 || !text_eight_bit(line));
        return shown ? text_cut(line, SUBJECT_SHOWN_MAX) : SPAN_NONE;
    }
    return SPAN_NONE;
}

/* --- writing */

static void flush(struct writer *w)
{
    body_append(w->body, buf_span(&w->b));
    buf_clear(&w->b);
}

static void put(struct writer *w, struct span s)
{
    buf_put(&w->b, s);
}

/* Text of others, on the line that is being written. */
static void put_text(struct writer *w, struct span s)
{
    text_put(text_cut(s, REPLY_SHOWN_MAX), "", w->utf8, &w->b);
}

static void put_date(struct writer *w, const char *name, int64_t at_ms)
{
    char text[WHEN_BYTES_MAX];
    buf_putf(&w->b, "%s: %s\r\n", name, when_rfc5322(at_ms, text));
}

/* Takes a piece of at most WIDTH bytes off *s, cut at a blank where there is one. */
static struct span take_piece(struct span *s)
{
    *s = span_trim(*s);
    struct span piece = text_cut(*s, WIDTH);
    if (piece.n == 0)
        piece = span_head(*s, s->n < WIDTH ? s->n : WIDTH);
    size_t blank = piece.n < s->n ? span_rfind(piece, ' ') : piece.n;
    piece = span_head(piece, blank);
    *s = span_trim(span_tail(*s, piece.n));
    return piece;
}

/* Text of others over several lines, `fold` between. */
static void put_folded(struct writer *w, struct span s, struct span fold)
{
    s = text_cut(s, REPLY_SHOWN_MAX);
    for (bool first = true; (s = span_trim(s)).n > 0; first = false) {
        put(w, first ? SPAN_NONE : fold);
        put_text(w, take_piece(&s));
    }
}

/* --- the header */

static struct span subject(const struct dsn *d)
{
    if (has_kind(d, DSN_FAILED))
        return SPAN("Mail could not be delivered");
    if (has_kind(d, DSN_DELAYED))
        return SPAN("Mail is delayed");
    return has_kind(d, DSN_DELIVERED) ? SPAN("Mail was delivered") : SPAN("Mail was passed on");
}

static bool message_id_usable(const struct writer *w)
{
    struct span id = w->d->original->message_id;
    for (size_t i = 0; i < id.n; i++)
        if (span_find(SPAN(" \t<>()\",;"), id.p[i]) < 9)
            return false;
    return id.n > 0 && text_plain(id) && (w->utf8 || !text_eight_bit(id));
}

static void put_header(struct writer *w)
{
    const struct dsn *d = w->d;
    char id[ID_BYTES_MAX];
    put(w, SPAN("From: Mail gateway <postmaster@"));
    put(w, d->hostname);
    put(w, SPAN(">\r\nTo: <"));
    put_text(w, d->original->from);
    put(w, SPAN(">\r\nSubject: "));
    put(w, subject(d));
    put(w, SPAN("\r\n"));
    put_date(w, "Date", d->now_ms);
    buf_putf(&w->b, "Message-ID: <%s.dsn@", id_text(d->id, id));
    put(w, d->hostname);
    put(w, SPAN(">\r\n"));
    if (message_id_usable(w)) {
        put(w, SPAN("In-Reply-To: <"));
        put(w, d->original->message_id);
        put(w, SPAN(">\r\n"));
    }
    buf_putf(&w->b,
             "Auto-Submitted: auto-replied\r\n"
             "MIME-Version: 1.0\r\n"
             "Content-Type: multipart/report; report-type=%s;\r\n"
             "        boundary=\"%s\"\r\n",
             w->utf8 ? "global-delivery-status" : "delivery-status", w->boundary);
    put(w, w->utf8 || w->eight_bit ? SPAN("Content-Transfer-Encoding: 8bit\r\n") : SPAN_NONE);
    put(w, SPAN("\r\nThis is a delivery status notification in MIME format.\r\n"));
}

static void put_part(struct writer *w, const char *type, bool eight_bit)
{
    buf_putf(&w->b, "\r\n--%s\r\nContent-Type: %s\r\n", w->boundary, type);
    put(w, eight_bit ? SPAN("Content-Transfer-Encoding: 8bit\r\n\r\n") : SPAN("\r\n"));
}

/* --- the part for people */

static void put_outcome(struct writer *w, const struct dsn_rcpt *r)
{
    char date[WHEN_BYTES_MAX];
    static const char *const before[] = {
        [DSN_FAILED] = "It could not be delivered to",
        [DSN_DELAYED] = "It has not been delivered yet to",
        [DSN_DELIVERED] = "It was delivered to",
        [DSN_RELAYED] = "It was passed on to the mail server of",
    };
    buf_putf(&w->b, "%s\r\n    <", before[r->kind]);
    put_text(w, r->rcpt->addr);
    put(w, SPAN(">\r\n"));
    switch (r->kind) {
    case DSN_FAILED:
        put(w, SPAN("and will not be tried again.\r\n"));
        return;
    case DSN_DELAYED:
        put(w, SPAN("You need not send it again: we go on trying"));
        if (r->will_retry_until_ms > 0)
            buf_putf(&w->b, " until\r\n%s", when_rfc5322(r->will_retry_until_ms, date));
        put(w, SPAN(".\r\n"));
        return;
    case DSN_RELAYED:
        put(w, SPAN("which does not report deliveries, so this may be the last notice.\r\n"));
        return;
    case DSN_DELIVERED:
        return;
    }
}

static void put_outcomes(struct writer *w)
{
    for (unsigned i = 0; i < w->d->n_rcpt; i++) {
        const struct dsn_rcpt *r = &w->d->rcpt[i];
        put_outcome(w, r);
        if (r->reply.n > 0) {
            put(w, r->remote.n > 0 ? SPAN("The server ") : SPAN("The reason"));
            put_text(w, r->remote);
            put(w, r->remote.n > 0 ? SPAN(" answered:\r\n    ") : SPAN(":\r\n    "));
            put_folded(w, r->reply, SPAN("\r\n    "));
            put(w, SPAN("\r\n"));
        }
        put(w, SPAN("\r\n"));
        flush(w);
    }
}

static void put_people(struct writer *w)
{
    char date[WHEN_BYTES_MAX];
    struct span title = find_subject(w);
    put_part(w, w->utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", w->utf8);
    buf_putf(&w->b, "This notice is about the mail that you sent on\r\n%s",
             when_rfc5322(w->d->original->accepted_ms, date));
    if (title.n > 0) {
        put(w, SPAN("\r\nwith the subject \""));
        put_text(w, title);
        put(w, SPAN("\""));
    }
    put(w, SPAN(".\r\n"));
    put_outcomes(w);
    put(w, SPAN("The mail gateway at "));
    put(w, w->d->hostname);
    put(w, SPAN("\r\n"));
    flush(w);
}

/* --- the part for programs, RFC 3464 */

/* "rfc822; user@example.org" out of what ORCPT said; nothing when that is no ORCPT. */
static void put_original_rcpt(struct writer *w, struct span orcpt)
{
    struct buf decoded;
    struct span value = orcpt, type = span_cut(&value, ';');
    if (type.n == 0 || type.n > WIDTH || value.n == 0 || !xtext_valid(type))
        return;
    buf_init(&decoded, value.n);
    /* = RFC 6533 3: the escapes of the utf-8 type may stay */
    if (span_eq_nocase(type, SPAN("utf-8")))
        buf_put(&decoded, value);
    else if (dec_xtext(value, &decoded) != ERR_OK)
        buf_clear(&decoded);
    if (decoded.n > 0) {
        put(w, SPAN("Original-Recipient: "));
        put(w, type);
        put(w, SPAN("; "));
        put_text(w, buf_span(&decoded));
        put(w, SPAN("\r\n"));
    }
    buf_done(&decoded);
}

/* The reply's own status where its class suits the action, else one that says as much. */
static struct status status_of(const struct dsn_rcpt *r)
{
    struct reply reply = { .code = 0 };
    bool ok = r->kind == DSN_DELIVERED || r->kind == DSN_RELAYED;
    uint8_t class = ok ? 2 : r->kind == DSN_DELAYED ? 4 : 5;
    if (reply_read(r->reply, &reply) != ERR_OK)
        reply.code = 0;
    bool suits = reply.code / 100 == class || (r->kind == DSN_FAILED && reply_transient(&reply));
    if (!suits)
        return (struct status){ class, 0, 0 };
    if (reply.status.class != 0)
        return reply.status;
    return (struct status){ (uint8_t)(reply.code / 100), 0, 0 };
}

static void put_diagnosis(struct writer *w, const struct dsn_rcpt *r)
{
    if (r->remote.n > 0) {
        put(w, SPAN("Remote-MTA: dns; "));
        put_text(w, r->remote);
        put(w, SPAN("\r\n"));
    }
    if (r->reply.n > 0) {
        put(w, SPAN("Diagnostic-Code: "));
        put(w, r->remote.n > 0 ? SPAN("smtp; ") : SPAN("x-postern; "));
        put_folded(w, r->reply, SPAN("\r\n    "));
        put(w, SPAN("\r\n"));
    }
}

static void put_rcpt_status(struct writer *w, const struct dsn_rcpt *r)
{
    static const char *const actions[] = { [DSN_FAILED] = "failed",
                                           [DSN_DELAYED] = "delayed",
                                           [DSN_DELIVERED] = "delivered",
                                           [DSN_RELAYED] = "relayed" };
    struct status status = status_of(r);
    bool utf8 = w->utf8 && text_eight_bit(r->rcpt->addr);
    put(w, SPAN("\r\n"));
    put_original_rcpt(w, r->rcpt->orcpt);
    put(w, utf8 ? SPAN("Final-Recipient: utf-8; ") : SPAN("Final-Recipient: rfc822; "));
    put_text(w, r->rcpt->addr);
    buf_putf(&w->b, "\r\nAction: %s\r\nStatus: %u.%u.%u\r\n", actions[r->kind],
             (unsigned)status.class, (unsigned)status.subject, (unsigned)status.detail);
    put_diagnosis(w, r);
    if (r->last_attempt_ms > 0)
        put_date(w, "Last-Attempt-Date", r->last_attempt_ms);
    if (r->kind == DSN_DELAYED && r->will_retry_until_ms > 0)
        put_date(w, "Will-Retry-Until", r->will_retry_until_ms);
    flush(w);
}

static void put_envelope_id(struct writer *w, struct span envid)
{
    struct buf decoded;
    buf_init(&decoded, envid.n);
    if (envid.n > 0 && dec_xtext(envid, &decoded) == ERR_OK) {
        put(w, SPAN("Original-Envelope-Id: "));
        put_text(w, buf_span(&decoded));
        put(w, SPAN("\r\n"));
    }
    buf_done(&decoded);
}

static void put_status_part(struct writer *w)
{
    put_part(w, w->utf8 ? "message/global-delivery-status" : "message/delivery-status", w->utf8);
    put_envelope_id(w, w->d->original->envid);
    put(w, SPAN("Reporting-MTA: dns; "));
    put(w, w->d->hostname);
    put(w, SPAN("\r\n"));
    put_date(w, "Arrival-Date", w->d->original->accepted_ms);
    for (unsigned i = 0; i < w->d->n_rcpt; i++)
        put_rcpt_status(w, &w->d->rcpt[i]);
}

/* --- the original's part and the end */

static void put_original(struct writer *w)
{
    struct span s = buf_span(&w->original);
    if (s.n == 0)
        return;
    const char *whole = w->utf8 ? "message/global" : "message/rfc822";
    const char *headers = w->utf8 ? "message/global-headers" : "text/rfc822-headers";
    put_part(w, w->full ? whole : headers, w->eight_bit);
    flush(w);
    body_append(w->body, s);
}

struct body *dsn_compose(const struct dsn *d)
{
    ASSERT(d->n_rcpt > 0 && d->original->from.n > 0);
    ASSERT(d->hostname.n <= DOMAIN_BYTES_MAX);
    struct writer w = { .d = d, .body = body_new(), .utf8 = d->original->smtputf8 };
    buf_init(&w.b, SECTION_BYTES_MAX);
    buf_init(&w.original, 2 * FULL_BYTES_MAX + 2);
    take_original(&w);
    choose_boundary(&w);
    put_header(&w);
    put_people(&w);
    put_status_part(&w);
    put_original(&w);
    buf_putf(&w.b, "\r\n--%s--\r\n", w.boundary);
    flush(&w);
    buf_done(&w.b);
    buf_done(&w.original);
    return w.body;
}
