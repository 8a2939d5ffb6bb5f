/* inbound.h - the story of receiving: from accept to 250. */
#ifndef GATE_INBOUND_H
#define GATE_INBOUND_H

#include "gate/worker.h"

struct inbound *inbound_new(struct worker *w, const int *listen_fd);
/* No new connections; open ones get 421 at their next clean point. */
void inbound_stop(struct inbound *in);
bool inbound_quiet(const struct inbound *in);
void inbound_free(struct inbound *in);

#endif
