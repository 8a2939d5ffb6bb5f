/* intake.c - start at intake_feed. */
#include "bench/lib/intake.h"

#include "base/buf.h"

void intake_init(struct intake *in, struct intake_rules *rules)
{
    *in = (struct intake){ .rules = rules };
}

void intake_greet(struct intake *in, struct buf *out)
{
    ASSERT(in->state == INTAKE_COMMAND);
    buf_put(out, SPAN("220 sink.bench.example ESMTP\r\n"));
}

static void intake_reset(struct intake *in)
{
    in->has_mail = in->last_chunk = false;
    in->n_rcpt = in->bytes = 0;
    in->n_head = in->n_tail = 0;
    in->state = INTAKE_COMMAND;
}

void intake_secured(struct intake *in)
{
    intake_reset(in);
    in->wants_tls = false;
    in->in_tls = true;
    in->n_line = 0;
}

/* --- bodies */

/* The bench id in the head of a message, or nothing. */
static struct span intake_id(const struct intake *in)
{
    static const char NAME[] = "X-Bench-Id: ";
    const char *at = memmem(in->head, in->n_head, NAME, sizeof(NAME) - 1);
    if (!at)
        return SPAN_NONE;
    struct span rest =
        span_tail(span_of(in->head, in->n_head), (size_t)(at - in->head) + sizeof(NAME) - 1);
    struct span line = span_head(rest, span_find(rest, '\r'));
    return span_head(line, span_find(line, ' '));
}

static void intake_take(struct intake *in, struct span body)
{
    size_t room = sizeof(in->head) - in->n_head;
    size_t n = body.n < room ? body.n : room;
    if (n > 0)
        memcpy(in->head + in->n_head, body.p, n);
    in->n_head += n;
    in->bytes += body.n;
}

static enum err intake_end(struct intake *in, struct buf *out)
{
    struct intake_rules *r = in->rules;
    ledger_add(&r->ledger, intake_id(in), in->bytes, r->now_ns());
    in->n_taken++;
    intake_reset(in);
    return buf_append(out, SPAN("250 2.0.0 taken\r\n"));
}

/* Finds the end of DATA in the last bytes seen and these. Returns how many of these belong to the
 * message with its dot, or bytes.n + 1 when the end is not among them. */
static size_t data_end(const struct intake *in, struct span bytes)
{
    static const char END[] = "\r\n.\r\n";
    enum { END_BYTES = sizeof(END) - 1 };
    char seam[INTAKE_TAIL + INTAKE_TAIL];
    size_t n = bytes.n < INTAKE_TAIL ? bytes.n : INTAKE_TAIL;
    memcpy(seam, in->tail, in->n_tail);
    memcpy(seam + in->n_tail, bytes.p, n);
    const char *at = memmem(seam, in->n_tail + n, END, END_BYTES);
    if (at)
        return (size_t)(at - seam) + END_BYTES - in->n_tail;
    at = memmem(bytes.p, bytes.n, END, END_BYTES);
    return at ? (size_t)(at - bytes.p) + END_BYTES : bytes.n + 1;
}

/* Keeps the last bytes of all that was seen. */
static void data_keep_tail(struct intake *in, struct span bytes)
{
    char all[INTAKE_TAIL + INTAKE_TAIL];
    size_t n = bytes.n < INTAKE_TAIL ? bytes.n : INTAKE_TAIL;
    memcpy(all, in->tail, in->n_tail);
    memcpy(all + in->n_tail, bytes.p + bytes.n - n, n);
    size_t total = in->n_tail + n, keep = total < INTAKE_TAIL ? total : INTAKE_TAIL;
    memcpy(in->tail, all + total - keep, keep);
    in->n_tail = keep;
}

static enum err intake_data(struct intake *in, struct span *bytes, struct buf *out)
{
    enum { DOT_BYTES = 3 };
    size_t end = data_end(in, *bytes);
    if (end > bytes->n) {
        intake_take(in, *bytes);
        data_keep_tail(in, *bytes);
        *bytes = SPAN_NONE;
        return ERR_OK;
    }
    intake_take(in, span_head(*bytes, end));
    in->bytes -= DOT_BYTES;
    *bytes = span_tail(*bytes, end);
    return intake_end(in, out);
}

static enum err intake_chunk(struct intake *in, struct span *bytes, struct buf *out)
{
    size_t n = bytes->n < in->chunk_left ? bytes->n : (size_t)in->chunk_left;
    intake_take(in, span_head(*bytes, n));
    *bytes = span_tail(*bytes, n);
    in->chunk_left -= n;
    if (in->chunk_left > 0)
        return ERR_OK;
    in->state = INTAKE_COMMAND;
    if (in->n_rcpt == 0)
        return buf_append(out, SPAN("503 5.5.1 no recipient\r\n"));
    if (in->last_chunk)
        return intake_end(in, out);
    return buf_append(out, SPAN("250 2.0.0 go on\r\n"));
}

/* --- commands */

static enum err say_ehlo(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    intake_reset(in);
    TRY(buf_append(out, SPAN("250-sink.bench.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
                             "250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n")));
    if (in->rules->tls && !in->in_tls)
        TRY(buf_append(out, SPAN("250-STARTTLS\r\n")));
    if (in->rules->chunking)
        TRY(buf_append(out, SPAN("250-CHUNKING\r\n")));
    return buf_append(out, SPAN("250 SMTPUTF8\r\n"));
}

static enum err say_mail(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    intake_reset(in);
    in->has_mail = true;
    return buf_append(out, SPAN("250 2.1.0 sender\r\n"));
}

static enum err say_rcpt(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    struct intake_rules *r = in->rules;
    if (!in->has_mail)
        return buf_append(out, SPAN("503 5.5.1 MAIL first\r\n"));
    if (r->reject_percent > 0 && rng_chance(&r->rng, r->reject_percent, 100)) {
        r->ledger.n_rejected++;
        return buf_append(out, SPAN("450 4.2.0 try later\r\n"));
    }
    in->n_rcpt++;
    return buf_append(out, SPAN("250 2.1.5 recipient\r\n"));
}

static enum err say_data(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    if (in->n_rcpt == 0)
        return buf_append(out, SPAN("554 5.5.1 no recipient\r\n"));
    in->state = INTAKE_DATA;
    /* The CRLF of the command stands before the first line. */
    memcpy(in->tail, "\r\n", 2);
    in->n_tail = 2;
    return buf_append(out, SPAN("354 go on\r\n"));
}

static enum err say_bdat(struct intake *in, struct span args, struct buf *out)
{
    struct span size = span_cut(&args, ' ');
    if (!in->rules->chunking || span_u64(size, UINT32_MAX, &in->chunk_left) != ERR_OK) {
        in->wants_close = true;
        return buf_append(out, SPAN("501 5.5.4 BDAT\r\n"));
    }
    in->last_chunk = span_eq_nocase(span_trim(args), SPAN("LAST"));
    in->state = INTAKE_CHUNK;
    struct span none = SPAN_NONE;
    return in->chunk_left == 0 ? intake_chunk(in, &none, out) : ERR_OK;
}

static enum err say_starttls(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    if (!in->rules->tls || in->in_tls)
        return buf_append(out, SPAN("502 5.5.1 no STARTTLS\r\n"));
    in->wants_tls = true;
    return buf_append(out, SPAN("220 2.0.0 go on\r\n"));
}

static enum err say_rset(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    intake_reset(in);
    return buf_append(out, SPAN("250 2.0.0 reset\r\n"));
}

static enum err say_noop(struct intake *in, struct span args, struct buf *out)
{
    (void)in, (void)args;
    return buf_append(out, SPAN("250 2.0.0 well\r\n"));
}

static enum err say_quit(struct intake *in, struct span args, struct buf *out)
{
    (void)args;
    in->wants_close = true;
    return buf_append(out, SPAN("221 2.0.0 bye\r\n"));
}

static const struct {
    struct span verb;
    enum err (*say)(struct intake *in, struct span args, struct buf *out);
} COMMANDS[] = {
    { { "EHLO", 4 }, say_ehlo }, { { "MAIL", 4 }, say_mail },         { { "RCPT", 4 }, say_rcpt },
    { { "DATA", 4 }, say_data }, { { "BDAT", 4 }, say_bdat },         { { "RSET", 4 }, say_rset },
    { { "QUIT", 4 }, say_quit }, { { "STARTTLS", 8 }, say_starttls }, { { "NOOP", 4 }, say_noop },
};

static enum err intake_command(struct intake *in, struct span line, struct buf *out)
{
    struct span args = line, verb = span_cut(&args, ' ');
    for (size_t i = 0; i < COUNTOF(COMMANDS); i++) {
        if (span_eq_nocase(verb, COMMANDS[i].verb))
            return COMMANDS[i].say(in, args, out);
    }
    if (span_eq_nocase(verb, SPAN("HELO"))) {
        intake_reset(in);
        return buf_append(out, SPAN("250 sink.bench.example\r\n"));
    }
    return buf_append(out, SPAN("500 5.5.2 unknown\r\n"));
}

/* Up to and with the next line end; what does not end is kept for the next time. */
static enum err intake_line(struct intake *in, struct span *bytes, struct buf *out)
{
    size_t end = span_find(*bytes, '\n');
    if (in->n_line + end > sizeof(in->line))
        return ERR_TOO_BIG;
    memcpy(in->line + in->n_line, bytes->p, end);
    in->n_line += end;
    if (end == bytes->n) {
        *bytes = SPAN_NONE;
        return ERR_OK;
    }
    *bytes = span_tail(*bytes, end + 1);
    struct span line = span_trim(span_of(in->line, in->n_line));
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    in->n_line = 0;
    return intake_command(in, line, out);
}

enum err intake_feed(struct intake *in, struct span bytes, struct buf *out)
{
    while (bytes.n > 0 && !in->wants_close && !in->wants_tls) {
        switch (in->state) {
        case INTAKE_COMMAND:
            TRY(intake_line(in, &bytes, out));
            break;
        case INTAKE_DATA:
            TRY(intake_data(in, &bytes, out));
            break;
        case INTAKE_CHUNK:
            TRY(intake_chunk(in, &bytes, out));
            break;
        }
    }
    return ERR_OK;
}
