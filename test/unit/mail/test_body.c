#include "base/rng.h"
#include "mail/body.h"
#include "test/test.h"

/* The byte at each place of a made-up message. */
static char byte_at(uint64_t i)
{
    return (char)('a' + i % 23);
}

static void check_whole(const struct body *b, uint64_t from, uint64_t n)
{
    uint64_t at = from;
    for (struct span s; (s = body_at(b, at)).n > 0; at += s.n)
        for (size_t i = 0; i < s.n; i++)
            if (s.p[i] != byte_at(at - from + i))
                test_fail(__FILE__, __LINE__, "wrong byte at %llu", (unsigned long long)(at + i));
    CHECK_NUM(at, from + n);
}

TEST(body_empty)
{
    struct body *b = body_new();
    CHECK_NUM(body_at(b, 0).n, 0);
    CHECK_NUM(body_at(b, 99).n, 0);
    body_append(b, SPAN_NONE);
    body_prepend(b, SPAN_NONE);
    CHECK_NUM(b->n, 0);
    body_unref(b);
    body_unref(NULL);
}

TEST(body_pieces_of_all_sizes)
{
    static char piece[3 * BODY_CHUNK];
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 60; round++) {
        struct body *b = body_new();
        uint64_t n = 0, most = round % 3 ? 1500 : sizeof piece - 1;
        for (int i = 0; i < 12; i++) {
            size_t more = (size_t)rng_below(&rng, most + 1);
            for (size_t j = 0; j < more; j++)
                piece[j] = byte_at(n + j);
            body_append(b, span_of(piece, more));
            n += more;
        }
        CHECK_NUM(b->n, n);
        check_whole(b, 0, n);
        body_prepend(b, SPAN("Received: x\r\n"));
        CHECK_SPAN(body_at(b, 0), SPAN("Received: x\r\n"));
        check_whole(b, 13, n);
        body_unref(b);
    }
}

TEST(body_small_mail_costs_little)
{
    struct body *b = body_new();
    body_append(b, SPAN("x"));
    CHECK(body_memory(b) < 5000);
    static char piece[60 * 1024];
    body_append(b, span_of(piece, sizeof piece));
    CHECK_NUM(body_at(b, 0).n, 60 * 1024 + 1);
    CHECK(body_memory(b) < 66000);
    body_unref(b);
}

TEST(body_grows_a_prepended_chunk)
{
    struct body *b = body_new();
    body_prepend(b, SPAN("abc"));
    body_append(b, SPAN("defg"));
    CHECK_SPAN(body_at(b, 0), SPAN("abcdefg"));
    CHECK_SPAN(body_at(b, 5), SPAN("fg"));
    body_unref(b);
}

TEST(body_eight_bit_anywhere)
{
    static char piece[40];
    for (size_t n = 1; n < sizeof piece; n++) {
        for (size_t at = 0; at < n; at++) {
            memset(piece, 'x', sizeof piece);
            struct body *b = body_new();
            body_append(b, span_of(piece, n));
            CHECK(!b->eight_bit);
            piece[at] = '\x80';
            body_append(b, span_of(piece, n));
            CHECK(b->eight_bit);
            body_unref(b);
        }
    }
    struct body *b = body_new();
    body_prepend(b, SPAN("\xc3\xbc"));
    CHECK(b->eight_bit);
    body_unref(b);
}

TEST(body_references)
{
    struct body *b = body_new();
    body_append(b, SPAN("x"));
    CHECK(body_ref(b) == b);
    body_unref(b);
    CHECK_SPAN(body_at(b, 0), SPAN("x"));
    body_unref(b);
}

TEST(body_cut_first_moves_a_full_chunk)
{
    static char piece[BODY_CHUNK + 5];
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = byte_at(i);
    struct body *b = body_new();
    body_append(b, span_of(piece, sizeof piece));
    struct body *first = body_cut_first(b);
    CHECK_NUM(first->n, BODY_CHUNK);
    check_whole(first, 0, BODY_CHUNK);
    CHECK_SPAN(body_at(b, 0), span_of(piece + BODY_CHUNK, 5));
    CHECK_NUM(b->n, 5);
    body_unref(first);
    body_append(b, span_of(piece, BODY_CHUNK - 5));
    first = body_cut_first(b);
    CHECK_NUM(b->n, 0);
    body_append(b, SPAN("again"));
    CHECK_SPAN(body_at(b, 0), SPAN("again"));
    body_unref(first);
    body_unref(b);
}
