/* peers.h - the others: clients that bring mail and hosts that take it (server.c, client.c). They
 * live on one loop of their own, talk over io/conn.h, and read and write SMTP by themselves, so
 * that a mistake of proto/ is not made twice. */
#ifndef SIM_PEERS_H
#define SIM_PEERS_H

#include "io/loop.h"

struct loop *peers_loop(void);
/* Opens all hosts of the town. */
void servers_start(void);
/* Letters are sent at drawn moments until then. */
void clients_start(int64_t until_us);
/* One honest letter to home.test, which must be taken. */
void clients_probe(void);
unsigned clients_busy(void);

#endif
