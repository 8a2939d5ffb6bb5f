/* tally.c - see tally.h. */
#include "bench/lib/tally.h"

#include <stdlib.h>

void tally_init(struct tally *t)
{
    *t = (struct tally){ 0 };
}

void tally_done(struct tally *t)
{
    if (t)
        mem_free(t->ns);
}

void tally_add(struct tally *t, int64_t ns)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 1024;
        t->ns = mem_realloc(t->ns, t->cap * sizeof(*t->ns));
    }
    t->ns[t->n++] = ns;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

double tally_ms(struct tally *t, double percent)
{
    ASSERT(percent >= 0 && percent <= 100);
    if (t->n == 0)
        return 0;
    qsort(t->ns, t->n, sizeof(*t->ns), by_size);
    size_t i = (size_t)((double)t->n * percent / 100);
    return (double)t->ns[i < t->n ? i : t->n - 1] / 1e6;
}
