/* explain.h - verdicts in sentences: the same values that delivery obeys, for people. */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include "policy/select.h"

/* "Mail from A to B": route, contract and who asked for it, each host with what is known of it and
 * what would be done; what would change the verdict. Of a connector: who answers for it, its
 * weakenings with owner and last day, and what one in test mode would do. Plain lines of ASCII or
 * UTF-8. */
struct explain_input {
    struct span from, to;
    const struct route *route;
    const struct facts *facts; /* NULL: nothing was looked up */
    struct message_facts message;
    const struct selection *selection; /* what select_out said; its route is `route`, its contract
                                          is explained. NULL: the route decides alone */
    int64_t now_ms;                    /* when that was: which weakenings hold */
};
/* Needs at most this, whatever the input; what peers wrote is cut and cleaned. */
enum { EXPLAIN_TEXT_MAX = 64 * 1024 };
void explain_print(const struct explain_input *in, struct buf *out);

#endif
