#include "mail/clean.h"

#include "mail/addr.h"

/* Bytes of the character at the front: a whole one of UTF-8, or one byte that is none. */
static size_t character(struct span s, bool *ret_valid)
{
    unsigned char a = (unsigned char)s.p[0];
    size_t n = a < 0x80 ? 1 : a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;
    *ret_valid = n <= s.n && utf8_valid(span_head(s, n));
    return *ret_valid ? n : 1;
}

static bool is_between(struct span c, const char *first, const char *last)
{
    return span_cmp(c, span_z(first)) >= 0 && span_cmp(c, span_z(last)) <= 0;
}

/* C0, DEL, C1, line and paragraph separators, marks that turn the direction, invisible ones. */
static bool is_disturbing(struct span c)
{
    if (c.n == 1)
        return (unsigned char)c.p[0] < 32 || c.p[0] == 127;
    return is_between(c, "\xc2\x80", "\xc2\x9f") || span_eq(c, SPAN("\xd8\x9c")) ||
           is_between(c, "\xe2\x80\x8b", "\xe2\x80\x8f") ||
           is_between(c, "\xe2\x80\xa8", "\xe2\x80\xae") ||
           is_between(c, "\xe2\x81\xa0", "\xe2\x81\xaf") || span_eq(c, SPAN("\xef\xbb\xbf"));
}

static void clean(struct span s, bool lines, struct buf *out)
{
    while (s.n > 0) {
        bool valid;
        size_t n = character(s, &valid);
        struct span c = span_head(s, n);
        if ((lines && c.p[0] == '\n') || (valid && !is_disturbing(c)))
            buf_put(out, c);
        else
            for (size_t i = 0; i < n; i++)
                buf_putf(out, "\\x%02x", (unsigned char)c.p[i]);
        s = span_tail(s, n);
    }
}

void clean_text(struct span s, struct buf *out)
{
    clean(s, false, out);
}

void clean_lines(struct span s, struct buf *out)
{
    clean(s, true, out);
}
