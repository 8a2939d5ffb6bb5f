/* fetcher.h - the process that speaks HTTP outwards, for all workers: it resolves, connects, checks
 * certificates, parses answers. It has no keys, no mail, no queue and no listening socket; it reads
 * what a resolver and OpenSSL want to read and writes nothing. What the supervisor says to it is
 * sys/helper.h's, its material are the settings of `fetch`; what workers say to it is wire.h's.
 * What waits, runs and is shared is jobs.h's. */
#ifndef FETCHER_FETCHER_H
#define FETCHER_FETCHER_H

/* The process exits with what it returns. */
int fetcher_main(void);

#endif
