#include "base/log.h"
#include "base/buf.h"
#include "base/when.h"
#include <errno.h>
#include <unistd.h>

/* Read kv_str first: it is the quoting that keeps a value from forging anything. The log below
 * uses the same writer on a fixed block of memory: no line costs an allocation, and a failed
 * assertion can still flush what is complete. */

enum {
    LOG_BLOCK_BYTES = 64 * 1024,
    LOG_LINE_BYTES_MAX = 8 * 1024, /* what is longer is cut, quotes closed */
    NUM_BYTES_MAX = 20,            /* "-9223372036854775808" */
};

static const char hex_letters[] = "0123456789abcdef";

/* How a byte is written inside quotes: as it is, after a backslash, or as \xHH. PLAIN bytes also
 * need no quotes. */
enum { BYTE_HEX, BYTE_SHORT, BYTE_QUOTED, BYTE_PLAIN };
static const unsigned char byte_kind[256] = {
    ['\n'] = BYTE_SHORT,         ['\r'] = BYTE_SHORT,        ['\t'] = BYTE_SHORT,
    ['"'] = BYTE_SHORT,          ['\\'] = BYTE_SHORT,        [' ' ... '!'] = BYTE_QUOTED,
    ['#' ... '*'] = BYTE_QUOTED, ['+' ... ':'] = BYTE_PLAIN, [';' ... '?'] = BYTE_QUOTED,
    ['@' ... '['] = BYTE_PLAIN,  [']'] = BYTE_PLAIN,         ['^'] = BYTE_QUOTED,
    ['_'] = BYTE_PLAIN,          ['`'] = BYTE_QUOTED,        ['a' ... 'z'] = BYTE_PLAIN,
    ['{' ... '~'] = BYTE_QUOTED,
};
static const unsigned char kind_bytes[] = {
    [BYTE_HEX] = 4, [BYTE_SHORT] = 2, [BYTE_QUOTED] = 1, [BYTE_PLAIN] = 1
};

static unsigned char kind_of(char c)
{
    return byte_kind[(unsigned char)c];
}

static bool is_key_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '.';
}

/* --- writing key=value into memory; each returns the bytes written, 0 when nothing fits */

static size_t write_key(char *out, size_t cap, const char *key, bool first)
{
    size_t n = 0;
    if (!first && cap > 0)
        out[n++] = ' ';
    for (; *key && n < cap; key++) {
        ASSERT(is_key_byte(*key));
        out[n++] = *key;
    }
    if (*key || n >= cap)
        return 0;
    out[n++] = '=';
    return n;
}

static size_t write_byte(char *out, char c)
{
    switch (kind_of(c)) {
    case BYTE_HEX:
        out[0] = '\\', out[1] = 'x';
        out[2] = hex_letters[(unsigned char)c >> 4];
        out[3] = hex_letters[(unsigned char)c & 15];
        return 4;
    case BYTE_SHORT:
        out[0] = '\\';
        out[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c;
        return 2;
    default:
        out[0] = c;
        return 1;
    }
}

/* As much of the value as fits, the closing quote included. */
static size_t write_quoted(char *out, size_t cap, struct span value)
{
    if (cap < 2)
        return 0;
    size_t n = 0;
    out[n++] = '"';
    for (size_t i = 0; i < value.n; i++) {
        if (kind_bytes[kind_of(value.p[i])] > cap - n - 1)
            break;
        n += write_byte(out + n, value.p[i]);
    }
    out[n++] = '"';
    return n;
}

static bool is_plain(struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (kind_of(value.p[i]) != BYTE_PLAIN)
            return false;
    }
    return value.n > 0;
}

static size_t write_value(char *out, size_t cap, struct span value)
{
    if (!is_plain(value))
        return write_quoted(out, cap, value);
    size_t n = value.n < cap ? value.n : cap;
    memcpy(out, value.p, n);
    return n;
}

static size_t write_pair(char *out, size_t cap, bool first, const char *key, struct span value)
{
    size_t key_n = write_key(out, cap, key, first);
    size_t value_n = key_n ? write_value(out + key_n, cap - key_n, value) : 0;
    return value_n ? key_n + value_n : 0;
}

/* The number in decimal, at the end of the caller's memory. */
static struct span num_text(int64_t value, char memory[static NUM_BYTES_MAX])
{
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t i = NUM_BYTES_MAX;
    do {
        memory[--i] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0)
        memory[--i] = '-';
    return span_of(memory + i, NUM_BYTES_MAX - i);
}

void kv_str(struct buf *b, const char *key, struct span value)
{
    size_t most = strlen(key) + 4; /* blank, equals sign, quotes */
    for (size_t i = 0; i < value.n; i++)
        most += kind_bytes[kind_of(value.p[i])];
    if (most > buf_room(b))
        most = buf_room(b);
    char *out;
    if (buf_reserve(b, most, &out) == ERR_OK)
        buf_added(b, write_pair(out, most, b->n == 0, key, value));
}

void kv_num(struct buf *b, const char *key, int64_t value)
{
    char memory[NUM_BYTES_MAX];
    struct span text = num_text(value, memory);
    /* half a number would be another number */
    if (strlen(key) + 2 + text.n <= buf_room(b) + (b->n == 0))
        kv_str(b, key, text);
}

/* --- reading key=value */

/* The byte that an escape at the front of s stands for; ret_used: the bytes of the escape. */
static enum err read_escape(struct span s, char *ret, size_t *ret_used)
{
    if (s.n < 2)
        return ERR_SYNTAX;
    switch (s.p[1]) {
    case 'n':
        *ret = '\n';
        break;
    case 'r':
        *ret = '\r';
        break;
    case 't':
        *ret = '\t';
        break;
    case '"':
    case '\\':
        *ret = s.p[1];
        break;
    case 'x': {
        const char *high = s.n >= 4 ? memchr(hex_letters, s.p[2], 16) : NULL;
        const char *low = s.n >= 4 ? memchr(hex_letters, s.p[3], 16) : NULL;
        if (!high || !low)
            return ERR_SYNTAX;
        *ret = (char)((high - hex_letters) << 4 | (low - hex_letters));
        *ret_used = 4;
        return ERR_OK;
    }
    default:
        return ERR_SYNTAX;
    }
    *ret_used = 2;
    return ERR_OK;
}

/* A value in quotes at the front of *s. */
static enum err read_quoted(struct span *s, struct buf *ret_value)
{
    struct span left = span_tail(*s, 1);
    while (left.n > 0 && left.p[0] != '"') {
        char c = left.p[0];
        size_t used = 1;
        if (c == '\\')
            TRY(read_escape(left, &c, &used));
        else if (kind_of(c) == BYTE_HEX || kind_of(c) == BYTE_SHORT)
            return ERR_SYNTAX;
        TRY(buf_addc(ret_value, c));
        left = span_tail(left, used);
    }
    if (left.n == 0)
        return ERR_SYNTAX;
    *s = span_tail(left, 1);
    return ERR_OK;
}

/* A value without quotes: printable bytes up to a blank. */
static enum err read_bare(struct span *s, struct buf *ret_value)
{
    size_t n = span_find(*s, ' ');
    for (size_t i = 0; i < n; i++) {
        if (kind_of(s->p[i]) == BYTE_HEX || kind_of(s->p[i]) == BYTE_SHORT)
            return ERR_SYNTAX;
    }
    if (n == 0)
        return ERR_SYNTAX;
    TRY(buf_append(ret_value, span_head(*s, n)));
    *s = span_tail(*s, n);
    return ERR_OK;
}

enum err kv_next(struct span *line, struct span *ret_key, struct buf *ret_value)
{
    buf_clear(ret_value);
    struct span left = *line;
    while (left.n > 0 && left.p[0] == ' ')
        left = span_tail(left, 1);
    if (left.n == 0)
        return ERR_NOT_FOUND;

    size_t n = 0;
    while (n < left.n && is_key_byte(left.p[n]))
        n++;
    if (n == 0 || n == left.n || left.p[n] != '=')
        return ERR_SYNTAX;
    struct span key = span_head(left, n);
    left = span_tail(left, n + 1);

    if (left.n > 0 && left.p[0] == '"')
        TRY(read_quoted(&left, ret_value));
    else
        TRY(read_bare(&left, ret_value));
    if (left.n > 0 && left.p[0] != ' ')
        return ERR_SYNTAX;
    *line = left;
    *ret_key = key;
    return ERR_OK;
}

enum err kv_get(struct span line, struct span key, struct buf *ret_value)
{
    struct span found;
    do
        TRY(kv_next(&line, &found, ret_value));
    while (!span_eq(found, key));
    return ERR_OK;
}

/* --- the log of this process; one thread uses it */

static const char *const level_names[] = { "debug", "info", "warn", "alarm" };

static struct {
    int fd; /* -1: no log_setup yet, nothing is kept */
    enum log_level least;
    char who[32];
    int64_t (*wall_ms)(void);
    uint64_t lost;  /* lines that found no room since the last one that did */
    size_t n;       /* complete lines in block */
    size_t line_n;  /* the line that is being built, after them */
    bool in_line;   /* between log_begin and log_end */
    bool keep_line; /* this one is written */
    char block[LOG_BLOCK_BYTES];
} lg = { .fd = -1 };

void log_setup(int fd, enum log_level least, const char *who, int64_t (*wall_ms)(void))
{
    ASSERT(!lg.in_line);
    ASSERT(strlen(who) < sizeof lg.who);
    ASSERT(least <= LOG_ALARM && wall_ms != NULL);
    log_flush();
    lg.fd = fd;
    lg.least = least;
    lg.wall_ms = wall_ms;
    memcpy(lg.who, who, strlen(who) + 1);
}

bool log_on(enum log_level level)
{
    return lg.fd >= 0 && level >= lg.least;
}

/* Room in the line, without the byte that its end needs. */
static size_t line_room(void)
{
    return LOG_LINE_BYTES_MAX - 1 - lg.line_n;
}

static char *line_end(void)
{
    return lg.block + lg.n + lg.line_n;
}

static void line_text(const char *z)
{
    size_t n = strlen(z);
    ASSERT(n <= line_room());
    memcpy(line_end(), z, n);
    lg.line_n += n;
}

static void line_start(enum log_level level, const char *event)
{
    char when[WHEN_BYTES_MAX];
    ASSERT(strlen(event) < 64);
    lg.line_n = 0;
    line_text(when_rfc3339(lg.wall_ms(), when));
    line_text(" ");
    line_text(level_names[level]);
    line_text(" ");
    line_text(event);
    lg.line_n += write_pair(line_end(), line_room(), false, "who", span_z(lg.who));
}

static void line_finish(void)
{
    lg.block[lg.n + lg.line_n++] = '\n';
    lg.n += lg.line_n;
    lg.line_n = 0;
}

/* True when a line of any length fits; says first how many did not. */
static bool log_make_room(void)
{
    if (LOG_BLOCK_BYTES - lg.n < 2 * (size_t)LOG_LINE_BYTES_MAX)
        log_flush();
    if (LOG_BLOCK_BYTES - lg.n < 2 * (size_t)LOG_LINE_BYTES_MAX)
        return false;
    if (lg.lost > 0) {
        char memory[NUM_BYTES_MAX];
        line_start(LOG_WARN, "log.lost");
        lg.line_n +=
            write_pair(line_end(), line_room(), false, "lines", num_text((int64_t)lg.lost, memory));
        line_finish();
        lg.lost = 0;
    }
    return true;
}

void log_begin(enum log_level level, const char *event)
{
    ASSERT(!lg.in_line);
    lg.in_line = true;
    lg.keep_line = false;
    if (!log_on(level))
        return;
    if (!log_make_room()) {
        lg.lost++;
        return;
    }
    lg.keep_line = true;
    line_start(level, event);
}

void log_str(const char *key, struct span value)
{
    ASSERT(lg.in_line);
    if (lg.keep_line)
        lg.line_n += write_pair(line_end(), line_room(), false, key, value);
}

void log_z(const char *key, const char *value)
{
    if (lg.keep_line)
        log_str(key, span_z(value));
}

void log_num(const char *key, int64_t value)
{
    ASSERT(lg.in_line);
    char memory[NUM_BYTES_MAX];
    if (lg.keep_line && strlen(key) + 2 + NUM_BYTES_MAX <= line_room())
        log_str(key, num_text(value, memory));
}

void log_end(void)
{
    ASSERT(lg.in_line);
    lg.in_line = false;
    if (lg.keep_line)
        line_finish();
    lg.keep_line = false;
}

/* What the descriptor does not take now stays for the next time; when the block is full of it,
 * new lines are counted as lost. */
void log_flush(void)
{
    size_t done = 0;
    while (lg.fd >= 0 && done < lg.n) {
        ssize_t n = write(lg.fd, lg.block + done, lg.n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (done > 0)
        memmove(lg.block, lg.block + done, lg.n - done + lg.line_n);
    lg.n -= done;
}
