/* keeper/ask.h: simulated TLS has no private keys, and so nobody to ask. */
#include "keeper/ask.h"

bool keeper_lost(void)
{
    return false;
}
