#include "base/enc.h"

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_letters[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";
static const char id_letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* --- base64 */

enum err enc_base64(struct span in, struct buf *out)
{
    char *p;
    size_t n = in.n / 3 * 4 + (in.n % 3 ? 4 : 0), i = 0;
    TRY(buf_reserve(out, n, &p));
    while (i < in.n) {
        size_t left = in.n - i < 3 ? in.n - i : 3;
        uint32_t word = 0;
        for (size_t k = 0; k < 3; k++)
            word = word << 8 | (k < left ? (unsigned char)in.p[i + k] : 0u);
        *p++ = base64_letters[word >> 18];
        *p++ = base64_letters[word >> 12 & 63];
        *p++ = left > 1 ? base64_letters[word >> 6 & 63] : '=';
        *p++ = left > 2 ? base64_letters[word & 63] : '=';
        i += left;
    }
    buf_added(out, n);
    return ERR_OK;
}

/* The value of a base64 letter, or -1. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err dec_base64(struct span in, struct buf *out)
{
    if (in.n % 4 != 0)
        return ERR_SYNTAX;
    size_t pad = 0;
    while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
        pad++;

    char *p;
    size_t n = in.n / 4 * 3 - pad, done = 0;
    uint32_t word = 0;
    TRY(buf_reserve(out, n, &p));
    for (size_t i = 0; i < in.n; i++) {
        int value = i >= in.n - pad ? 0 : base64_value(in.p[i]);
        if (value < 0)
            return ERR_SYNTAX;
        word = word << 6 | (uint32_t)value;
        for (unsigned shift = 24; i % 4 == 3 && shift > 0 && done < n; shift -= 8)
            p[done++] = (char)(word >> (shift - 8) & 0xff);
    }
    /* = RFC 4648 3.5: bits that stand for nothing must be zero, or one value has many texts */
    uint32_t spare = pad == 2 ? 0xffff : pad == 1 ? 0xff : 0;
    if (word & spare)
        return ERR_SYNTAX;
    buf_added(out, n);
    return ERR_OK;
}

/* --- hex */

enum err enc_hex(struct span in, struct buf *out)
{
    char *p;
    TRY(buf_reserve(out, in.n * 2, &p));
    for (size_t i = 0; i < in.n; i++) {
        *p++ = hex_letters[(unsigned char)in.p[i] >> 4];
        *p++ = hex_letters[(unsigned char)in.p[i] & 15];
    }
    buf_added(out, in.n * 2);
    return ERR_OK;
}

/* The value of a hex digit, or -1. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err dec_hex(struct span in, struct buf *out)
{
    if (in.n % 2 != 0)
        return ERR_SYNTAX;
    char *p;
    TRY(buf_reserve(out, in.n / 2, &p));
    for (size_t i = 0; i < in.n; i += 2) {
        int high = hex_value(in.p[i]), low = hex_value(in.p[i + 1]);
        if (high < 0 || low < 0)
            return ERR_SYNTAX;
        *p++ = (char)(high << 4 | low);
    }
    buf_added(out, in.n / 2);
    return ERR_OK;
}

/* --- xtext */

static bool is_xchar(char c)
{
    return c >= '!' && c <= '~' && c != '+' && c != '=';
}

/* = RFC 3461 4: "+" followed by two upper-case hexadecimal digits */
static bool is_hexchar(struct span s)
{
    return s.n >= 3 && s.p[0] == '+' && hex_value(s.p[1]) >= 0 && hex_value(s.p[2]) >= 0 &&
           s.p[1] < 'a' && s.p[2] < 'a';
}

/* The bytes that the text stands for. ERR_SYNTAX. */
static enum err xtext_length(struct span in, size_t *ret_n)
{
    size_t n = 0;
    while (in.n > 0) {
        size_t used = is_xchar(in.p[0]) ? 1 : is_hexchar(in) ? 3 : 0;
        if (used == 0)
            return ERR_SYNTAX;
        in = span_tail(in, used);
        n++;
    }
    *ret_n = n;
    return ERR_OK;
}

bool xtext_valid(struct span in)
{
    size_t n;
    return xtext_length(in, &n) == ERR_OK;
}

enum err dec_xtext(struct span in, struct buf *out)
{
    char *p;
    size_t n;
    TRY(xtext_length(in, &n));
    TRY(buf_reserve(out, n, &p));
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '+') {
            *p++ = in.p[i];
            continue;
        }
        *p++ = (char)(hex_value(in.p[i + 1]) << 4 | hex_value(in.p[i + 2]));
        i += 2;
    }
    buf_added(out, n);
    return ERR_OK;
}

enum err enc_xtext(struct span in, struct buf *out)
{
    char *p;
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++)
        n += is_xchar(in.p[i]) ? 1 : 3;
    TRY(buf_reserve(out, n, &p));
    for (size_t i = 0; i < in.n; i++) {
        if (is_xchar(in.p[i])) {
            *p++ = in.p[i];
            continue;
        }
        *p++ = '+';
        *p++ = hex_upper[(unsigned char)in.p[i] >> 4];
        *p++ = hex_upper[(unsigned char)in.p[i] & 15];
    }
    buf_added(out, n);
    return ERR_OK;
}

/* --- ids */

enum { ID_LETTERS = ID_BYTES_MAX - 1 };

const char *id_text(uint64_t id, char ret[static ID_BYTES_MAX])
{
    ret[ID_LETTERS] = '\0';
    for (size_t i = ID_LETTERS; i-- > 0; id >>= 5)
        ret[i] = id_letters[id & 31];
    return ret;
}

/* The value of a letter of Crockford's alphabet, or -1. Either case; what people mistake for
 * one and zero counts as such. */
static int id_value(char c)
{
    char lower = ascii_lower(c);
    if (lower == 'o')
        return 0;
    if (lower == 'i' || lower == 'l')
        return 1;
    for (int i = 0; id_letters[i]; i++) {
        if (ascii_lower(id_letters[i]) == lower)
            return i;
    }
    return -1;
}

enum err id_parse(struct span s, uint64_t *ret_id)
{
    if (s.n != ID_LETTERS)
        return ERR_SYNTAX;
    uint64_t id = 0;
    for (size_t i = 0; i < s.n; i++) {
        int value = id_value(s.p[i]);
        if (value < 0 || (i == 0 && value > 15)) /* 13 letters hold 65 bits */
            return ERR_SYNTAX;
        id = id << 5 | (uint64_t)value;
    }
    *ret_id = id;
    return ERR_OK;
}
