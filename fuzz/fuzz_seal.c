/* The signed field of nodes: what is read writes the same meaning, and reads back as it; the front
 * of a message is found alike however it comes in pieces. */
#include "mail/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool same(const struct seal *a, const struct seal *b)
{
    return span_eq(a->node, b->node) && span_eq(a->to, b->to) && span_eq(a->org, b->org) &&
           span_eq(a->connector, b->connector) && span_eq(a->promoted, b->promoted) &&
           a->date_ms == b->date_ms && a->id == b->id && a->on_premises == b->on_premises &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0 &&
           memcmp(a->signature, b->signature, sizeof a->signature) == 0;
}

static void check_read(struct span field)
{
    struct seal s, again;
    struct buf out, text, other;
    if (seal_read(field, &s) != ERR_OK)
        return;
    buf_init(&out, SEAL_FIELD_MAX);
    buf_init(&text, SEAL_TEXT_MAX);
    buf_init(&other, SEAL_TEXT_MAX);
    seal_write(&s, &out);
    ASSERT(seal_read(buf_span(&out), &again) == ERR_OK && same(&s, &again));
    seal_text(&s, &text);
    seal_text(&again, &other);
    ASSERT(span_eq(buf_span(&text), buf_span(&other)));
    for (unsigned i = 0, lines = 0; i <= text.n; i++) { /* no value makes a line of its own */
        lines += i < text.n && buf_span(&text).p[i] == '\n';
        ASSERT(i < text.n || lines == 11);
    }
    ASSERT(seal_judge(&s, s.node, s.to, s.date_ms, 0) == SEAL_GOOD);
    buf_done(&out);
    buf_done(&text);
    buf_done(&other);
}

/* Once it can be told, more bytes change nothing. */
static void check_front(struct span message)
{
    enum seal_front first = SEAL_FRONT_MORE;
    size_t n_first = 0, most = message.n < SEAL_FIELD_MAX + 8 ? message.n : SEAL_FIELD_MAX + 8;
    for (size_t i = 0; i <= most; i += most > 300 && i + 41 < most ? 41 : 1) {
        size_t n_field = 0;
        enum seal_front f = seal_front(span_head(message, i), &n_field);
        if (first == SEAL_FRONT_MORE) {
            first = f;
            n_first = n_field;
        }
        ASSERT(f == first && n_field == n_first);
    }
    ASSERT(first != SEAL_FRONT_FIELD || (n_first <= SEAL_FIELD_MAX && n_first < message.n));
    if (first == SEAL_FRONT_FIELD)
        check_read(span_head(message, n_first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    check_read(in);
    check_front(in);
    return 0;
}
