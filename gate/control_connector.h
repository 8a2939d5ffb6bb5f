/* control_connector.h - what a worker answers to `connector-list`, and `postern connector` says by
 * itself from a file: one value, made in one place. */
#ifndef GATE_CONTROL_CONNECTOR_H
#define GATE_CONTROL_CONNECTOR_H

#include "ctl/ctl.h"
#include "gate/control_rights.h"

struct connectors_ask {
    struct span org; /* only this organisation's; empty: all */
    int64_t now_ms;  /* wall: which weakenings hold */
    int64_t skip;    /* so many first ones */
    unsigned limit;
    struct asker asker; /* who asks: others' are not there */
};

/* The fields of the answer (docs/control.md). ERR_NOT_FOUND: there is no such organisation. */
MUST_USE enum err connectors_put(const struct config *c, const struct connectors_ask *ask,
                                 struct ctl *out);

#endif
