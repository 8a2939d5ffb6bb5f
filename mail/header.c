/* Read header_scan_input first: one byte at a time, so that no cut can matter. */
#include "mail/header.h"

#include "mail/text.h"

/* The fields whose values are looked at. The rest is only passed over. */
enum field {
    FIELD_NONE,
    FIELD_OTHER,
    FIELD_RECEIVED,
    FIELD_MESSAGE_ID,
    FIELD_TLS_REQUIRED,
    FIELD_WATCHED, /* by its owner, and of no other kind */
};

void header_scan_init(struct header_scan *h, struct span hostname)
{
    *h = (struct header_scan){ .at_line_start = true, .kind = FIELD_NONE, .hostname = hostname };
    buf_init(&h->field, HEADER_FIELD_MAX);
    buf_init(&h->message_id, HEADER_VALUE_MAX);
}

void header_scan_done(struct header_scan *h)
{
    if (!h)
        return;
    buf_done(&h->field);
    buf_done(&h->message_id);
}

void header_scan_watch(struct header_scan *h, const struct header_watch *watch, unsigned n)
{
    ASSERT(h->n == 0 && !h->done);
    h->watch = watch;
    h->n_watch = h->watched = h->watch_at = n;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What is beyond the maximum is passed over. */
static void keep(struct header_scan *h, char c)
{
    if (buf_room(&h->field) > 0)
        buf_put(&h->field, span_of(&c, 1));
}

/* Cuts a comment, which starts *s, off; nested ones as well. */
static struct span take_comment(struct span *s)
{
    size_t i = 0, depth = 0;
    do {
        depth += s->p[i] == '(';
        depth -= s->p[i] == ')';
        i += s->p[i] == '\\' ? 2 : 1;
    } while (i < s->n && depth > 0);
    i = i < s->n ? i : s->n;
    struct span comment = span_head(*s, i);
    *s = span_tail(*s, i);
    return comment;
}

static struct span take_word(struct span *s)
{
    size_t i = 0;
    while (i < s->n && !is_blank(s->p[i]) && s->p[i] != '(')
        i++;
    struct span word = span_head(*s, i);
    *s = span_tail(*s, i);
    return word;
}

/* Is this Received field's value one that we wrote: "by <hostname> (Postern..."? */
static bool received_is_ours(struct span value, struct span hostname)
{
    struct span word = SPAN_NONE;
    bool by = false, by_us = false;
    while ((value = span_trim(value)).n > 0) {
        if (value.p[0] == '(') {
            struct span comment = take_comment(&value);
            if (by_us && span_starts(comment, SPAN("(Postern")))
                return true;
            continue;
        }
        by = span_eq_nocase(word, SPAN("by"));
        word = take_word(&value);
        by_us = by && hostname.n > 0 && span_eq_nocase(word, hostname);
    }
    return false;
}

/* "<id@host>" without its brackets; the first field wins. */
static void take_message_id(struct header_scan *h, struct span value)
{
    if (h->message_id.n > 0)
        return;
    size_t open = span_find(value, '<');
    if (open < value.n) {
        value = span_tail(value, open + 1);
        value = span_head(value, span_find(value, '>'));
    }
    text_put(text_cut(span_trim(value), HEADER_VALUE_MAX), "", true, &h->message_id);
}

/* The value of a field that somebody watches for is known: of several watches the first counts. */
static void take_watched(struct header_scan *h, struct span value)
{
    struct span name = h->watch[h->watch_at].name;
    for (unsigned i = h->watch_at; i < h->watched; i++) {
        const struct header_watch *w = &h->watch[i];
        if (span_eq_nocase(w->name, name) && span_eq_nocase(w->value, value))
            h->watched = i;
    }
}

/* The field is complete: its value, unfolded, is in h->field. */
static void end_field(struct header_scan *h)
{
    struct span value = span_trim(buf_span(&h->field));
    switch ((enum field)h->kind) {
    case FIELD_RECEIVED:
        if (received_is_ours(value, h->hostname)) {
            h->our_hops++;
            h->postern_loop = true;
        }
        break;
    case FIELD_MESSAGE_ID:
        take_message_id(h, value);
        break;
    case FIELD_TLS_REQUIRED:
        /* = RFC 8689 3: "More than one instance of the TLS-Required header field MUST NOT appear in
         * a given message." "No" is the only value; what breaks the rule relaxes nothing. */
        h->tls_required_no = ++h->tls_fields == 1 && span_eq_nocase(value, SPAN("No"));
        break;
    case FIELD_NONE:
    case FIELD_OTHER:
    case FIELD_WATCHED:
        break;
    }
    if (h->watch_at < h->n_watch)
        take_watched(h, value);
    h->watch_at = h->n_watch;
    h->kind = FIELD_NONE;
    h->in_value = h->name_ended = false;
    buf_clear(&h->field);
}

static unsigned watch_of(const struct header_scan *h, struct span name)
{
    unsigned i = 0;
    while (i < h->n_watch && !span_eq_nocase(h->watch[i].name, name))
        i++;
    return i;
}

/* The colon came: h->field holds the name. */
static void end_name(struct header_scan *h)
{
    struct span name = buf_span(&h->field);
    bool received = span_eq_nocase(name, SPAN("Received"));
    if (received || span_eq_nocase(name, SPAN("Delivered-To")))
        h->received++;
    h->watch_at = watch_of(h, name);
    h->kind = received                                     ? FIELD_RECEIVED
              : span_eq_nocase(name, SPAN("Message-ID"))   ? FIELD_MESSAGE_ID
              : span_eq_nocase(name, SPAN("TLS-Required")) ? FIELD_TLS_REQUIRED
              : h->watch_at < h->n_watch                   ? FIELD_WATCHED
                                                           : FIELD_OTHER;
    h->in_value = true;
    buf_clear(&h->field);
}

/* Ends the section; the bytes of the line that ended it do not count. */
static void end_section(struct header_scan *h)
{
    h->n -= h->line_n;
    h->done = true;
    end_field(h);
}

/* The line's first byte decides whether the field before it is over. */
static void first_byte(struct header_scan *h, char c)
{
    h->at_line_start = false;
    if (!is_blank(c))
        end_field(h);
    else if (h->kind == FIELD_NONE)
        end_section(h);
}

static void name_byte(struct header_scan *h, char c)
{
    if (c == ':' && h->line_n > 1) {
        end_name(h);
        return;
    }
    if (is_blank(c)) {
        h->name_ended = true;
        return;
    }
    if (h->name_ended || c <= 32 || c > 126 || c == ':') {
        end_section(h);
        return;
    }
    keep(h, c);
}

static void end_line(struct header_scan *h)
{
    if (h->at_line_start || !h->in_value) {
        end_section(h); /* the empty line, or a line without a colon */
        return;
    }
    h->at_line_start = true;
    h->line_n = 0;
}

/* A byte behind the first of a line, or that first one itself. */
static void text_byte(struct header_scan *h, char c)
{
    if (h->at_line_start)
        first_byte(h, c);
    if (h->done)
        return;
    if (!h->in_value)
        name_byte(h, c);
    else if (h->kind != FIELD_OTHER)
        keep(h, c);
}

static void scan_byte(struct header_scan *h, char c)
{
    bool second = h->cr && c == '\n';
    h->cr = c == '\r';
    h->n++;
    if (second) /* of a CRLF, whose CR has ended the line */
        return;
    h->line_n++;
    if (c == '\r' || c == '\n')
        end_line(h);
    else
        text_byte(h, c);
}

void header_scan_input(struct header_scan *h, struct span piece)
{
    for (size_t i = 0; i < piece.n && !h->done; i++)
        scan_byte(h, piece.p[i]);
}

void header_scan_end(struct header_scan *h)
{
    if (h->done)
        return;
    if (!h->in_value && !h->at_line_start)
        end_section(h);
    end_field(h);
    h->done = true;
}
