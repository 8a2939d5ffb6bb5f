/* ask.h - a worker's end of its link to the keeper. A signature is waited for, as long as computing
 * it would take, and never longer than KEEPER_WAIT_MS. One link a process, for the library's
 * provider of keys has no place for another. */
#ifndef KEEPER_ASK_H
#define KEEPER_ASK_H

#include "keeper/wire.h"

enum { KEEPER_WAIT_MS = 2000 };

/* Signatures are asked for over fd from now on, which becomes the link's; the one before is closed.
 * -1: none. */
void keeper_link(int fd);
/* There is a link, and nobody at its other end. */
bool keeper_lost(void);
/* *q: all but the serial number. ERR_CLOSED: there is no keeper; ERR_TIMEOUT: no answer in time;
 * ERR_REFUSED: ret->status says why. */
MUST_USE enum err keeper_sign(struct keeper_request *q, struct keeper_answer *ret);

#endif
