/* peers.h - the others: clients that bring mail and hosts that take it (server.c, client.c). They
 * live on one loop of their own, talk over io/conn.h, and read and write SMTP by themselves, so
 * that a mistake of proto/ is not made twice. */
#ifndef SIM_PEERS_H
#define SIM_PEERS_H

#include "io/loop.h"
#include "sim/town.h"

struct loop *peers_loop(void);

/* --- hosts --- */

/* What a host does wrong in one session, and at which step. */
enum host_step {
    AT_NONE,
    AT_BANNER,
    AT_EHLO,
    AT_STARTTLS,
    AT_MAIL,
    AT_RCPT,
    AT_DATA,
    AT_BODY,
    AT_END,
    AT_QUIT,
    AT_COUNT_
};

enum host_fault {
    FAULT_CLOSE_BEFORE, /* hangs up without answering */
    FAULT_CLOSE_AFTER,
    FAULT_SILENT, /* never says another word */
    FAULT_421,
    FAULT_4XX,
    FAULT_5XX,
    FAULT_RUBBISH,
    FAULT_BARE_LF,
    FAULT_TWO_CODES,
    FAULT_LONG,
    FAULT_SLOW,
    FAULT_TOO_SLOW,
    FAULT_INJECT, /* STARTTLS: plain words behind the 220 */
    FAULT_COUNT_
};

/* Opens all hosts of the town. */
void servers_start(void);
/* The host's n-th session, from 1, does this and not what would be drawn. */
void server_script(const struct town_host *h, unsigned session, enum host_step step,
                   enum host_fault fault);

/* --- clients --- */

/* Letters are sent at drawn moments until then. */
void clients_start(int64_t until_us);
/* One honest letter to home.test, which must be taken. */
void clients_probe(void);
unsigned clients_busy(void);

enum { PLAN_RCPTS_MAX = 4 };

/* A letter that is told, not drawn; in a session of its own. */
struct letter_plan {
    struct town_domain *to[PLAN_RCPTS_MAX];
    unsigned n_to;
    bool no_such_user; /* its hosts refuse the recipients for good */
    bool tls, smuggles;
    size_t bytes; /* about */
};
/* plan lives as long as the world. */
void clients_send(int64_t in_us, const struct letter_plan *plan);

#endif
