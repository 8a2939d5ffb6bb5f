/* keeper.h - the process that holds the private keys: no network, no files, no mail. It takes the
 * keys as a sealed memory file, one link for each worker, and signs handshakes (store.h). What the
 * supervisor says to it is sys/helper.h's; its material are the keys of a configuration, and those
 * of the one before stay for sessions that began with it. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

/* The process exits with what it returns. */
int keeper_main(void);

#endif
