#include "base/rng.h"
#include "test/test.h"

TEST(buf_refuses_what_passes_its_maximum_and_stays_as_it_was)
{
    struct buf b;
    char *to = NULL;
    buf_init(&b, 4);
    CHECK_NUM(buf_append(&b, SPAN("12345")), ERR_TOO_BIG);
    CHECK_NUM(buf_reserve(&b, 5, &to), ERR_TOO_BIG);
    CHECK_NUM(buf_reserve(&b, SIZE_MAX, &to), ERR_TOO_BIG);
    CHECK(to == NULL && b.p == NULL);
    CHECK_NUM(buf_append(&b, SPAN("abcd")), ERR_OK);
    CHECK_NUM(buf_addc(&b, 'e'), ERR_TOO_BIG);
    CHECK_NUM(buf_addf(&b, "%d", 1), ERR_TOO_BIG);
    CHECK_NUM(buf_append(&b, SPAN_NONE), ERR_OK);
    CHECK_Z(buf_span(&b), "abcd");
    CHECK_NUM(strlen(buf_z(&b)), 4);
    buf_consume(&b, 1);
    CHECK_NUM(buf_addf(&b, "%d", 12), ERR_TOO_BIG);
    CHECK_Z(buf_span(&b), "bcd");
    CHECK_NUM(buf_addf(&b, "%d", 1), ERR_OK);
    CHECK_Z(buf_span(&b), "bcd1");
    CHECK_NUM(buf_room(&b), 0);
    buf_done(&b);
}

TEST(buf_of_nothing)
{
    struct buf b;
    char *to;
    buf_init(&b, 0);
    CHECK_NUM(buf_addc(&b, 'x'), ERR_TOO_BIG);
    CHECK_NUM(buf_reserve(&b, 0, &to), ERR_OK);
    CHECK_Z(span_z(buf_z(&b)), "");
    CHECK_NUM(buf_span(&b).n, 0);
    buf_done(&b);
    buf_done(NULL);
    buf_init(&b, 8);
    CHECK(buf_span(&b).p == NULL);
    CHECK_Z(span_z(buf_z(&b)), "");
    buf_done(&b);
}

TEST(buf_formats_into_new_and_into_old_memory)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_putf(&b, "%s", "");
    for (int i = 0; i < 100; i++)
        buf_putf(&b, "%03d,", i);
    CHECK_NUM(b.n, 400);
    CHECK_Z(span_head(buf_span(&b), 8), "000,001,");
    CHECK_Z(span_tail(buf_span(&b), 392), "098,099,");
    buf_putf(&b, "%600s", "x"); /* exactly to the end */
    CHECK_NUM(buf_room(&b), 0);
    buf_done(&b);
}

TEST(buf_consume_moves_nothing)
{
    struct buf b;
    buf_init(&b, 100);
    buf_put(&b, SPAN("0123456789"));
    struct span before = buf_span(&b);
    buf_consume(&b, 4);
    CHECK(buf_span(&b).p == before.p + 4);
    CHECK_Z(buf_span(&b), "456789");
    buf_truncate(&b, 2);
    CHECK_Z(buf_span(&b), "45");
    buf_consume(&b, 2);
    CHECK_NUM(b.head, 0); /* empty: all of the memory is free again */
    buf_done(&b);
}

TEST(buf_clear_keeps_and_release_gives_memory_back)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1 << 16; i++)
        CHECK_NUM(buf_append(&b, SPAN("0123456789abcdef")), ERR_OK);
    CHECK(b.cap <= b.max + 1);
    buf_clear(&b);
    CHECK(b.cap > 0 && b.n == 0);
    buf_release(&b);
    CHECK(b.p == NULL && b.cap == 0);
    CHECK_NUM(b.max, 1 << 20);
    buf_put(&b, SPAN("again"));
    CHECK_Z(buf_span(&b), "again");
    buf_done(&b);
    buf_done(&b);
}

/* A naive model: a fixed array that is moved at every step. */
struct model {
    char p[512];
    size_t n;
};

static void random_step(struct rng *rng, struct buf *b, struct model *m)
{
    char bytes[160];
    size_t n = rng_below(rng, sizeof bytes);
    memset(bytes, (int)('a' + rng_below(rng, 26)), sizeof bytes);
    bytes[n] = '\0';
    bool fits = m->n + n <= b->max;
    char *to;
    switch (rng_below(rng, 6)) {
    case 0:
        CHECK_NUM(buf_append(b, span_of(bytes, n)), fits ? ERR_OK : ERR_TOO_BIG);
        break;
    case 1:
        CHECK_NUM(buf_addf(b, "%s", bytes), fits ? ERR_OK : ERR_TOO_BIG);
        break;
    case 2:
        CHECK_NUM(buf_reserve(b, n, &to), fits ? ERR_OK : ERR_TOO_BIG);
        if (fits) {
            memcpy(to, bytes, n);
            buf_added(b, n);
        }
        break;
    case 3:
        n = rng_below(rng, m->n + 1);
        buf_truncate(b, m->n - n);
        m->n -= n;
        return;
    default:
        n = rng_below(rng, m->n + 1);
        buf_consume(b, n);
        memmove(m->p, m->p + n, m->n - n);
        m->n -= n;
        return;
    }
    if (fits) {
        memcpy(m->p + m->n, bytes, n);
        m->n += n;
    }
}

TEST(buf_equals_its_model)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct rng rng;
        struct model m = { .n = 0 };
        struct buf b;
        rng_init(&rng, seed);
        buf_init(&b, 100 + rng_below(&rng, 400));
        for (int i = 0; i < 400; i++) {
            random_step(&rng, &b, &m);
            CHECK_SPAN(buf_span(&b), span_of(m.p, m.n));
            CHECK(b.cap <= b.max + 1 && b.head + b.n <= b.cap);
            if (rng_chance(&rng, 1, 8))
                CHECK_NUM(strlen(buf_z(&b)), m.n);
        }
        buf_done(&b);
    }
}
