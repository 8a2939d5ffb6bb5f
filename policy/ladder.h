/* ladder.h - of each host, rung by rung: what is known and from where, and what every answer that
 * is not known yet would lead to. Pure; every verdict is decide.h's. */
#ifndef POLICY_LADDER_H
#define POLICY_LADDER_H

#include "policy/suppose.h"

struct ladder_input {
    const struct contract *contract;
    const struct route *route; /* who names the hosts, where facts->configured */
    const struct facts *facts;
    const struct suppose *suppose; /* NULL: nothing */
    bool from_file;                /* the facts were read, not gathered */
    int64_t now_ms;                /* wall; what the age of an answer is told at */
};
/* Plain lines; at most LADDER_TEXT_MAX bytes, what peers wrote is cut and cleaned. */
enum { LADDER_TEXT_MAX = 64 * 1024 };
void ladder_print(const struct ladder_input *in, struct buf *out);

#endif
