/* dkim.c - start reading at dkim_text and at dkim_body. */
#include "mail/dkim.h"
#include "base/enc.h"
#include "mail/addr.h"
#include <inttypes.h>

enum { BASE64_LINE = 45 /* bytes that make 60 letters */, NAMES_LINE_MAX = 70 };

static bool is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* Index of the first CRLF, or s.n. */
static size_t find_crlf(struct span s)
{
    for (size_t i = 0; i + 1 < s.n; i++) {
        i += span_find(span_tail(s, i), '\r');
        if (i + 1 < s.n && s.p[i + 1] == '\n')
            return i;
    }
    return s.n;
}

/* Takes a line off *s, without its CRLF. */
static struct span take_line(struct span *s)
{
    size_t end = find_crlf(*s);
    struct span line = span_head(*s, end);
    *s = span_tail(*s, end < s->n ? end + 2 : end);
    return line;
}

void dkim_split(struct span message, struct span *ret_header, struct span *ret_body)
{
    struct span rest = message;
    while (rest.n > 0) {
        size_t n = message.n - rest.n;
        if (take_line(&rest).n == 0) {
            *ret_header = span_head(message, n);
            *ret_body = rest;
            return;
        }
    }
    *ret_header = message;
    *ret_body = SPAN_NONE;
}

/* --- canonical forms */

/* Blanks and tabs in a row become one blank, those at the end go. The result is no longer than s.
 */
static enum err put_reduced(struct span s, struct buf *out)
{
    bool blank = false;
    for (size_t i = 0; i < s.n; i++) {
        if (is_wsp(s.p[i])) {
            blank = true;
            continue;
        }
        if (blank)
            TRY(buf_addc(out, ' '));
        blank = false;
        TRY(buf_addc(out, s.p[i]));
    }
    return ERR_OK;
}

void dkim_body(struct span body, struct buf *out)
{
    size_t empty = 0; /* lines that are, and have not been followed by another */
    ASSERT(buf_room(out) >= body.n + 2);
    while (body.n > 0) {
        struct span line = take_line(&body);
        size_t n = out->n;
        for (size_t i = 0; i < empty; i++)
            buf_put(out, SPAN("\r\n"));
        size_t begin = out->n;
        enum err e = put_reduced(line, out);
        ASSERT(e == ERR_OK);
        if (out->n == begin) {
            buf_truncate(out, n);
            empty++;
            continue;
        }
        empty = 0;
        buf_put(out, SPAN("\r\n"));
    }
}

/* The name, without blanks before the colon; empty: there is none. */
static struct span field_name(struct span field)
{
    size_t colon = span_find(field, ':');
    return colon < field.n ? span_trim(span_head(field, colon)) : SPAN_NONE;
}

/* The value without its folds, then reduced. A CRLF that folds nothing stays what it is: taking it
 * out could make another one of its neighbours. */
static enum err put_value(struct span s, struct buf *out)
{
    struct buf unfolded;
    buf_init(&unfolded, s.n);
    while (s.n > 0) {
        struct span line = take_line(&s);
        bool ends = line.p + line.n != s.p; /* in CRLF */
        buf_put(&unfolded, line);
        if (ends && s.n > 0 && !is_wsp(s.p[0]))
            buf_put(&unfolded, SPAN("\r\n"));
    }
    enum err e = put_reduced(span_trim(buf_span(&unfolded)), out);
    buf_done(&unfolded);
    return e;
}

static enum err put_field(struct span field, struct buf *out)
{
    struct span name = field_name(field);
    for (size_t i = 0; i < name.n; i++)
        TRY(buf_addc(out, ascii_lower(name.p[i])));
    TRY(buf_addc(out, ':'));
    TRY(put_value(span_tail(field, span_find(field, ':') + 1), out));
    return buf_append(out, SPAN("\r\n"));
}

enum err dkim_field(struct span field, struct buf *out)
{
    size_t n = out->n;
    if (field_name(field).n == 0)
        return ERR_SYNTAX;
    enum err e = put_field(field, out);
    if (e != ERR_OK)
        buf_truncate(out, n);
    return e;
}

/* --- what is signed */

/* The fields of a header, in their order. */
struct fields {
    struct span field[DKIM_FIELDS_MAX];
    bool used[DKIM_FIELDS_MAX];
    unsigned n;
};

static enum err fields_read(struct span header, struct fields *f)
{
    f->n = 0;
    while (header.n > 0) {
        const char *begin = header.p;
        (void)take_line(&header);
        while (header.n > 0 && is_wsp(header.p[0]))
            (void)take_line(&header);
        if (f->n == DKIM_FIELDS_MAX)
            return ERR_TOO_BIG;
        struct span field = span_of(begin, (size_t)(header.p - begin));
        if (field_name(field).n == 0)
            return ERR_SYNTAX;
        f->used[f->n] = false;
        f->field[f->n++] = field;
    }
    return ERR_OK;
}

/* = RFC 6376 5.4.2: the last one that has not been used; nothing when there is none */
static enum err put_named(struct fields *f, struct span name, struct buf *out)
{
    for (unsigned i = f->n; i-- > 0;) {
        if (f->used[i] || !span_eq_nocase(field_name(f->field[i]), name))
            continue;
        f->used[i] = true;
        return dkim_field(f->field[i], out);
    }
    return ERR_OK;
}

enum err dkim_text(const struct dkim *d, struct span header, struct span signature, struct buf *out)
{
    struct fields f;
    size_t n = out->n;
    ASSERT(d->n_field > 0 && d->n_field <= DKIM_FIELDS_MAX);
    enum err e = fields_read(header, &f);
    for (unsigned i = 0; i < d->n_field && e == ERR_OK; i++)
        e = put_named(&f, d->field[i], out);
    if (e == ERR_OK)
        e = dkim_field(signature, out);
    if (e != ERR_OK) {
        buf_truncate(out, n);
        return e;
    }
    buf_truncate(out, out->n - 2); /* = RFC 6376 3.7: without a trailing CRLF */
    return ERR_OK;
}

/* --- the field */

static void put_base64(struct span s, struct buf *out)
{
    while (s.n > 0) {
        size_t n = s.n < BASE64_LINE ? s.n : BASE64_LINE;
        buf_put(out, SPAN("\r\n        "));
        enum err e = enc_base64(span_head(s, n), out);
        ASSERT(e == ERR_OK);
        s = span_tail(s, n);
    }
}

static void put_names(const struct dkim *d, struct buf *out)
{
    size_t line = 0;
    for (unsigned i = 0; i < d->n_field; i++) {
        if (i > 0)
            buf_put(out, SPAN(":"));
        if (i > 0 && line + d->field[i].n > NAMES_LINE_MAX) {
            buf_put(out, SPAN("\r\n        "));
            line = 0;
        }
        buf_put(out, d->field[i]);
        line += d->field[i].n + 1;
    }
}

void dkim_field_new(const struct dkim *d, const uint8_t body_hash[static DKIM_HASH],
                    struct buf *out)
{
    static const char *const names[] = {
        [DKIM_RSA_SHA256] = "rsa-sha256",
        [DKIM_ED25519_SHA256] = "ed25519-sha256",
    };
    ASSERT(d->algorithm < DKIM_ALGORITHM_COUNT_ && d->now_ms > 0);
    ASSERT(domain_valid(d->domain, false) && domain_valid(d->selector, false));
    buf_putf(out,
             "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n"
             "        d=%.*s;\r\n        s=%.*s; t=%" PRId64 ";",
             names[d->algorithm], SPAN_ARG(d->domain), SPAN_ARG(d->selector), d->now_ms / 1000);
    if (d->life_ms > 0)
        buf_putf(out, " x=%" PRId64 ";", (d->now_ms + d->life_ms) / 1000);
    buf_put(out, SPAN("\r\n        h="));
    put_names(d, out);
    buf_put(out, SPAN(";\r\n        bh="));
    enum err e = enc_base64(span_of((const char *)body_hash, DKIM_HASH), out);
    ASSERT(e == ERR_OK);
    buf_put(out, SPAN(";\r\n        b="));
}

void dkim_field_end(struct span signature, struct buf *out)
{
    ASSERT(signature.n > 0 && signature.n <= DKIM_SIGNATURE_MAX);
    put_base64(signature, out);
    buf_put(out, SPAN("\r\n"));
}
