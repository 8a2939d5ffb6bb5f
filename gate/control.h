/* control.h - answers `postern` on the worker's unix socket, and GET /metrics on loopback. */
#ifndef GATE_CONTROL_H
#define GATE_CONTROL_H

#include "gate/worker.h"

struct control *control_new(struct worker *w, int control_fd, int metrics_fd);
void control_free(struct control *c);

#endif
