#include "base/enc.h"
#include "base/log.h"
#include "base/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef enum err code_fn(struct span in, struct buf *out);

/* What decodes, encodes back to the same text where a value has one text only; what is encoded,
 * decodes to itself; a failure leaves nothing behind. */
static void check_code(code_fn *encode, code_fn *decode, bool one_text, struct span in)
{
    struct buf text, plain;
    buf_init(&text, 4 * in.n + 8);
    buf_init(&plain, in.n);
    ASSERT(encode(in, &text) == ERR_OK);
    ASSERT(decode(buf_span(&text), &plain) == ERR_OK);
    ASSERT(span_eq(buf_span(&plain), in));

    buf_clear(&text);
    buf_clear(&plain);
    enum err e = decode(in, &plain);
    ASSERT(e == ERR_OK || plain.n == 0);
    if (e == ERR_OK && one_text) {
        ASSERT(encode(buf_span(&plain), &text) == ERR_OK);
        ASSERT(span_eq(buf_span(&text), in));
    }
    buf_done(&text);
    buf_done(&plain);
}

/* A value survives being written and read, and never breaks out of its line. */
static void check_kv_writes(struct span in)
{
    struct buf line, value;
    buf_init(&line, 4 * in.n + 16);
    buf_init(&value, in.n);
    kv_str(&line, "key", in);
    for (size_t i = 0; i < line.n; i++)
        ASSERT(buf_span(&line).p[i] >= ' ' && buf_span(&line).p[i] < 0x7f);
    ASSERT(kv_get(buf_span(&line), SPAN("key"), &value) == ERR_OK);
    ASSERT(span_eq(buf_span(&value), in));
    buf_done(&line);
    buf_done(&value);
}

/* What is read can be written and reads the same again. */
static void check_kv_reads(struct span in)
{
    struct buf value, line, again;
    buf_init(&value, in.n);
    buf_init(&line, 4 * in.n + 16);
    buf_init(&again, in.n);
    struct span left = in, key;
    enum err e;
    while ((e = kv_next(&left, &key, &value)) == ERR_OK) {
        buf_clear(&line);
        kv_str(&line, "key", buf_span(&value));
        ASSERT(kv_get(buf_span(&line), SPAN("key"), &again) == ERR_OK);
        ASSERT(span_eq(buf_span(&again), buf_span(&value)));
        ASSERT(left.n < in.n && key.n > 0);
    }
    ASSERT(e == ERR_NOT_FOUND || e == ERR_SYNTAX);
    buf_done(&value);
    buf_done(&line);
    buf_done(&again);
}

static void check_when(struct span in)
{
    int64_t ms, back;
    char text[WHEN_BYTES_MAX];
    if (when_parse(in, &ms) == ERR_OK) {
        /* a leap second at the end of the last year is the one time that cannot be printed */
        if (ms <= 253402300799999) {
            ASSERT(when_parse(span_z(when_rfc3339(ms, text)), &back) == ERR_OK);
            ASSERT(back == ms);
        }
    }
    if (when_duration(in, &ms) == ERR_OK) {
        ASSERT(ms >= 0);
        ASSERT(strlen(when_span(ms, text)) < WHEN_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    check_code(enc_base64, dec_base64, true, in);
    check_code(enc_hex, dec_hex, false, in);
    check_code(enc_xtext, dec_xtext, false, in);
    uint64_t id, again;
    char text[ID_BYTES_MAX];
    if (id_parse(in, &id) == ERR_OK) {
        ASSERT(id_parse(span_z(id_text(id, text)), &again) == ERR_OK);
        ASSERT(id == again);
    }
    check_kv_writes(in);
    check_kv_reads(in);
    check_when(in);
    return 0;
}
