/* Lines of the store: whatever is read prints to a line that reads back as the same value, and
 * whatever is in a message's texts survives the round trip. */
#include "mail/envelope.h"
#include "mail/received.h"

enum { ARENA_BYTES_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Prints, reads and prints again: the same line. */
static void check_again(const struct envelope *e)
{
    struct arena a;
    struct buf one, two;
    struct envelope again = { .n_rcpt = 0 };
    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&one, ENVELOPE_TEXT_MAX);
    buf_init(&two, ENVELOPE_TEXT_MAX);
    envelope_print(e, &one);
    ASSERT(envelope_read(buf_span(&one), &a, &again) == ERR_OK);
    envelope_print(&again, &two);
    ASSERT(span_eq(buf_span(&one), buf_span(&two)));
    buf_clear(&two);
    received_write(&again, true, SPAN("mx.example"), &two);
    buf_done(&one);
    buf_done(&two);
    arena_done(&a);
}

static void check_texts(struct span in)
{
    struct envelope e = { .id = 1 };
    struct span *const texts[] = { &e.from,  &e.helo,      &e.client,      &e.message_id,
                                   &e.envid, &e.tls.names, &e.tls.version, &e.tls.verify,
                                   &e.org,   &e.connector, &e.rule,        &e.promoted };
    for (size_t i = 0; i < COUNTOF(texts); i++)
        *texts[i] = span_cut(&in, '|');
    e.tls.on = e.tls.peer_cert = in.n % 2;
    e.smtputf8 = in.n % 3 == 0;
    e.from_on_premises = in.n % 5 == 0;
    check_again(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of((const char *)data, n);
    struct arena a;
    struct envelope e = { .n_rcpt = 0 };
    struct rcpt r, again;
    struct buf line;
    arena_init(&a, ARENA_BYTES_MAX);
    buf_init(&line, ENVELOPE_TEXT_MAX);
    if (envelope_read(in, &a, &e) == ERR_OK)
        check_again(&e);
    if (rcpt_read(in, &a, &r) == ERR_OK) {
        rcpt_print(&r, &line);
        ASSERT(rcpt_read(buf_span(&line), &a, &again) == ERR_OK);
        ASSERT(span_eq(r.addr, again.addr) && span_eq(r.domain, again.domain));
        ASSERT(span_eq(r.orcpt, again.orcpt) && r.notify == again.notify);
    }
    check_texts(in);
    buf_done(&line);
    arena_done(&a);
    return 0;
}
