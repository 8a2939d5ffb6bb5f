#include "mail/text.h"

#include "mail/addr.h"

static bool is_control(char c)
{
    return (unsigned char)c < 32 || c == 127;
}

bool text_eight_bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

bool text_plain(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_control(s.p[i]))
            return false;
        /* U+0080 to U+009F are C2 80 to C2 9F */
        if (s.p[i] == '\xc2' && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
            return false;
    }
    return utf8_valid(s);
}

void text_put(struct span s, const char *bad, bool utf8_ok, struct buf *out)
{
    if (s.n == 0)
        return;
    struct span listed = span_z(bad);
    bool keep_8bit = utf8_ok && text_plain(s);
    char *to = NULL;
    enum err e = buf_reserve(out, s.n, &to);
    ASSERT(e == ERR_OK);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool drop = is_control(c) || ((unsigned char)c > 127 && !keep_8bit) ||
                    span_find(listed, c) < listed.n;
        to[i] = c == '\t' ? ' ' : drop ? '?' : c;
    }
    buf_added(out, s.n);
}

struct span text_cut(struct span s, size_t n)
{
    if (s.n <= n)
        return s;
    while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return span_head(s, n);
}
