/* submit.h - hands one message to a listener of ours, in clear over loopback, as any server of a
 * listed network would. Blocking, with one deadline for all of it. */
#ifndef CLI_SUBMIT_H
#define CLI_SUBMIT_H

#include "base/why.h"
#include "mail/ip.h"
#include "proto/smtpc.h"

struct submit_ask {
    struct ip to;
    struct smtpc_config smtp;
    struct span from, rcpt, domain; /* domain: of rcpt, A-labels */
    struct span message;            /* whole, lines end in CRLF */
    int64_t timeout_ms;
};

/* ERR_REFUSED: it said no; ERR_IO: nobody answered, or the connection broke. why. */
MUST_USE enum err submit(const struct submit_ask *ask, struct why *why);

#endif
