#include "store/blocks.h"

#include <string.h>

enum { WORD = 64 };

void blocks_done(struct blocks *b)
{
    mem_free(b->words);
    *b = (struct blocks){ 0 };
}

static bool is_used(const struct blocks *b, uint64_t at)
{
    return at / WORD < b->n_words && (b->words[at / WORD] >> (at % WORD) & 1);
}

static void words_reach(struct blocks *b, uint64_t at)
{
    size_t n = b->n_words > 0 ? b->n_words : 1;
    while (n <= at / WORD)
        n *= 2;
    if (n == b->n_words)
        return;
    b->words = mem_realloc(b->words, n * sizeof b->words[0]);
    memset(b->words + b->n_words, 0, (n - b->n_words) * sizeof b->words[0]);
    b->n_words = n;
}

static void use(struct blocks *b, uint64_t at, unsigned n)
{
    words_reach(b, at + n - 1);
    for (uint64_t i = at; i < at + n; i++)
        b->words[i / WORD] |= (uint64_t)1 << (i % WORD);
    b->used += n;
    b->end = at + n > b->end ? at + n : b->end;
}

uint64_t blocks_take(struct blocks *b, unsigned n)
{
    ASSERT(n > 0 && n <= BLOCKS_RUN_MAX);
    uint64_t at = b->from[n];
    for (uint64_t i = at; i - at < n;) {
        bool whole = i % WORD == 0 && i / WORD < b->n_words;
        if (whole && b->words[i / WORD] == UINT64_MAX)
            at = i += WORD;
        else if (is_used(b, i))
            at = ++i;
        else
            i++;
    }
    ASSERT(at <= BLOCKS_PLACE_MAX);
    use(b, at, n);
    b->from[n] = at + n;
    return at;
}

bool blocks_claim(struct blocks *b, uint64_t at, unsigned n)
{
    ASSERT(n > 0 && n <= BLOCKS_RUN_MAX);
    if (at > BLOCKS_PLACE_MAX)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (is_used(b, at + i))
            return false;
    use(b, at, n);
    return true;
}

void blocks_give(struct blocks *b, uint64_t at, unsigned n)
{
    for (uint64_t i = at; i < at + n; i++) {
        ASSERT(is_used(b, i));
        b->words[i / WORD] &= ~((uint64_t)1 << (i % WORD));
    }
    b->used -= n;
    for (unsigned run = 1; run <= BLOCKS_RUN_MAX; run++) {
        uint64_t first = at >= run - 1 ? at - (run - 1) : 0;
        b->from[run] = first < b->from[run] ? first : b->from[run];
    }
    while (b->end > 0 && !is_used(b, b->end - 1))
        b->end -= b->end % WORD == 0 && b->words[b->end / WORD - 1] == 0 ? WORD : 1;
}
