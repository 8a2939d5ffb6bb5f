/* tally.h - durations and their percentiles. */
#ifndef BENCH_LIB_TALLY_H
#define BENCH_LIB_TALLY_H

#include "base/base.h"

struct tally {
    int64_t *ns;
    size_t n, cap;
};

void tally_init(struct tally *t);
void tally_done(struct tally *t);
void tally_add(struct tally *t, int64_t ns);
/* Sorts what is there; the value below which `percent` of them lie, in ms. 0 when empty. */
double tally_ms(struct tally *t, double percent);

#endif
