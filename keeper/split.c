#include "keeper/split.h"

#include "keeper/store.h"
#include <string.h>

static size_t find_text(struct span s, struct span what)
{
    const char *at = memmem(s.p, s.n, what.p, what.n);
    return at ? (size_t)(at - s.p) : s.n;
}

/* The first block of a private key in text: *ret_at, *ret_n with both its lines. A block without an
 * end goes on to the end of the text. */
static bool find_block(struct span text, size_t *ret_at, size_t *ret_n)
{
    struct span begin = SPAN("-----BEGIN "), end = SPAN("-----END ");
    for (size_t at = 0; at < text.n;) {
        struct span rest = span_tail(text, at);
        size_t found = find_text(rest, begin);
        if (found == rest.n)
            return false;
        struct span block = span_tail(rest, found);
        struct span line = span_head(block, span_find(block, '\n'));
        if (find_text(line, SPAN("PRIVATE KEY-----")) < line.n) {
            size_t stop = find_text(block, end);
            struct span last = span_tail(block, stop);
            size_t eol = span_find(last, '\n');
            *ret_at = at + found;
            *ret_n = stop + (eol < last.n ? eol + 1 : last.n);
            return true;
        }
        at += found + line.n;
    }
    return false;
}

bool keeper_has_key(struct span text)
{
    size_t at, n;
    return find_block(text, &at, &n);
}

static enum err put_key(struct span block, struct buf *keys)
{
    TRY(buf_append(keys, block));
    return block.p[block.n - 1] == '\n' ? ERR_OK : buf_addc(keys, '\n');
}

enum err keeper_split(struct span text, struct buf *open, struct buf *keys)
{
    size_t at, n;
    while (find_block(text, &at, &n)) {
        struct span block = span_head(span_tail(text, at), n);
        TRY(buf_append(open, span_head(text, at)));
        enum err e = keeper_key_open(block, open);
        if (e == ERR_OK)
            TRY(put_key(block, keys));
        if (e == ERR_TOO_BIG)
            return e;
        text = span_tail(text, at + n);
    }
    return buf_append(open, text);
}
