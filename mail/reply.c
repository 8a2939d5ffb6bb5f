#include "mail/reply.h"

#include "mail/text.h"

enum { WIRE_LINE_MAX = 500, PREFIX_BYTES_MAX = 16, DETAIL_MAX = 999 };

/* The worst case: every line is empty but for its prefix and CRLF. */
STATIC_ASSERT(REPLY_TEXT_MAX + REPLY_LINES_MAX * (PREFIX_BYTES_MAX + 2) <= REPLY_WIRE_MAX);

static bool has_status(const struct reply *r)
{
    return r->status.class != 0;
}

static void put_status(const struct reply *r, struct buf *out)
{
    ASSERT(r->status.class == r->code / 100);
    ASSERT(r->status.subject <= DETAIL_MAX && r->status.detail <= DETAIL_MAX);
    buf_putf(out, "%u.%u.%u", (unsigned)r->status.class, (unsigned)r->status.subject,
             (unsigned)r->status.detail);
}

static struct span bounded(struct span text)
{
    return text_cut(text, REPLY_TEXT_MAX);
}

/* Cuts at most `room` bytes off *line, at a blank where there is one in the second half. */
static struct span take_piece(struct span *line, size_t room)
{
    if (line->n <= room) {
        struct span all = *line;
        *line = SPAN_NONE;
        return all;
    }
    struct span piece = span_head(*line, room);
    size_t blank = span_rfind(piece, ' ');
    size_t n = blank < piece.n && blank > room / 2 ? blank + 1 : room;
    *line = span_tail(*line, n);
    return span_head(piece, n);
}

void reply_write(const struct reply *r, bool enhanced, struct buf *out)
{
    ASSERT(r->code >= 200 && r->code <= 599);
    struct span text = bounded(r->text), line = span_cut(&text, '\n');
    for (unsigned i = 1;; i++) {
        struct span piece = take_piece(&line, WIRE_LINE_MAX - PREFIX_BYTES_MAX);
        bool last = (line.n == 0 && text.n == 0) || i == REPLY_LINES_MAX;
        buf_putf(out, "%d%c", r->code, last ? ' ' : '-');
        if (enhanced && has_status(r)) {
            put_status(r, out);
            buf_put(out, piece.n > 0 ? SPAN(" ") : SPAN_NONE);
        }
        text_put(piece, "", false, out);
        buf_put(out, SPAN("\r\n"));
        if (last)
            return;
        if (line.n == 0)
            line = span_cut(&text, '\n');
    }
}

void reply_print(const struct reply *r, struct buf *out)
{
    struct span text = bounded(r->text);
    buf_putf(out, "%d", r->code);
    if (has_status(r)) {
        buf_put(out, SPAN(" "));
        put_status(r, out);
    }
    struct span sep = SPAN(" ");
    while (text.n > 0 && buf_room(out) > sep.n) {
        buf_put(out, sep);
        text_put(text_cut(span_cut(&text, '\n'), buf_room(out)), "", true, out);
        sep = SPAN(" / ");
    }
}

/* Takes the three digits. */
static enum err take_code(struct span *s, int *ret)
{
    int code = 0;
    if (s->n < 3 || s->p[0] < '2' || s->p[0] > '5')
        return ERR_SYNTAX;
    for (int i = 0; i < 3; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return ERR_SYNTAX;
        code = code * 10 + (s->p[i] - '0');
    }
    *s = span_tail(*s, 3);
    *ret = code;
    return ERR_OK;
}

/* 1 to 3 digits at the front of *s. = RFC 3463 2 */
static enum err take_number(struct span *s, uint16_t *ret)
{
    size_t n = 0;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    uint64_t value = 0;
    if (n > 3 || span_u64(span_head(*s, n), DETAIL_MAX, &value) != ERR_OK)
        return ERR_SYNTAX;
    *s = span_tail(*s, n);
    *ret = (uint16_t)value;
    return ERR_OK;
}

static enum err take_dot(struct span *s)
{
    if (s->n == 0 || s->p[0] != '.')
        return ERR_SYNTAX;
    *s = span_tail(*s, 1);
    return ERR_OK;
}

/* Takes "5.1.1" and a blank behind it off *text, if they are there and the class is the code's. */
static enum err take_status(struct span *text, int code, struct status *ret)
{
    struct span s = *text;
    uint16_t class = 0;
    struct status status;
    TRY(take_number(&s, &class));
    TRY(take_dot(&s));
    TRY(take_number(&s, &status.subject));
    TRY(take_dot(&s));
    TRY(take_number(&s, &status.detail));
    bool ends = s.n == 0 || s.p[0] == ' ' || s.p[0] == '\t';
    if (!ends || class != code / 100 || class == 3)
        return ERR_SYNTAX;
    status.class = (uint8_t) class;
    *text = s.n > 0 ? span_tail(s, 1) : s;
    *ret = status;
    return ERR_OK;
}

enum err reply_read(struct span s, struct reply *ret)
{
    struct reply r = { .code = 0 };
    TRY(take_code(&s, &r.code));
    if (s.n > 0 && s.p[0] != ' ')
        return ERR_SYNTAX;
    r.text = s.n > 0 ? span_tail(s, 1) : s;
    if (take_status(&r.text, r.code, &r.status) != ERR_OK)
        r.status = (struct status){ 0 };
    *ret = r;
    return ERR_OK;
}

void reply_parser_init(struct reply_parser *p)
{
    *p = (struct reply_parser){ .code = 0 };
    buf_init(&p->line, REPLY_LINE_MAX - 1); /* the LF is never kept */
    buf_init(&p->text, REPLY_TEXT_MAX);
}

void reply_parser_done(struct reply_parser *p)
{
    if (!p)
        return;
    buf_done(&p->line);
    buf_done(&p->text);
}

/* Adds a line's text, with the '\n' that keeps it from the line before. */
static void gather(struct reply_parser *p, struct span text)
{
    size_t sep = p->lines > 0 ? 1 : 0;
    size_t room = buf_room(&p->text);
    p->cut = (p->lines > 0 && p->cut) || sep + text.n > room;
    if (room <= sep)
        return;
    buf_put(&p->text, span_of("\n", sep));
    text_put(text_cut(text, room - sep), "", true, &p->text);
}

/* One line without its CRLF. ERR_OK: it was the last of its reply. */
static enum err take_line(struct reply_parser *p, struct span line)
{
    int code = 0;
    TRY(take_code(&line, &code));
    if (line.n > 0 && line.p[0] != ' ' && line.p[0] != '-')
        return ERR_SYNTAX;
    if (p->lines > 0 && code != p->code)
        return ERR_SYNTAX;
    if (p->lines == REPLY_LINES_MAX)
        return ERR_TOO_BIG;
    bool last = line.n == 0 || line.p[0] == ' ';
    struct span text = line.n > 0 ? span_tail(line, 1) : line;
    struct status status = { 0 };
    if (p->lines == 0) {
        buf_clear(&p->text);
        p->code = code;
    }
    if (take_status(&text, code, &status) != ERR_OK)
        status = (struct status){ 0 };
    if (p->lines == 0)
        p->status = status;
    gather(p, text);
    p->lines++;
    return last ? ERR_OK : ERR_AGAIN;
}

/* Takes one line off *in, CRLF included; p->line holds it without. */
static enum err next_line(struct reply_parser *p, struct span *in)
{
    size_t n = span_find(*in, '\n');
    TRY(buf_append(&p->line, span_head(*in, n)));
    if (n == in->n) {
        *in = SPAN_NONE;
        return ERR_AGAIN;
    }
    *in = span_tail(*in, n + 1);
    struct span line = buf_span(&p->line);
    if (line.n == 0 || span_find(line, '\r') != line.n - 1)
        return ERR_SYNTAX;
    buf_truncate(&p->line, line.n - 1);
    return ERR_OK;
}

enum err reply_next(struct reply_parser *p, struct span *in, struct reply *ret)
{
    enum err e = ERR_AGAIN;
    while (e == ERR_AGAIN) {
        TRY(next_line(p, in));
        e = take_line(p, buf_span(&p->line));
        buf_clear(&p->line);
    }
    if (e != ERR_OK)
        return e;
    *ret = (struct reply){ p->code, p->status, buf_span(&p->text) };
    p->lines = 0;
    return ERR_OK;
}
