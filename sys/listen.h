/* listen.h - sockets that wait for peers, bound by the supervisor before anything is untrusted. */
#ifndef SYS_LISTEN_H
#define SYS_LISTEN_H

#include "base/why.h"
#include "mail/ip.h"

/* A listening TCP socket, non-blocking, close-on-exec. shared: SO_REUSEPORT, so that each worker
 * has one of its own and the kernel spreads connections. ERR_IO: why names the address and the
 * remedy. */
MUST_USE enum err listen_tcp(const struct ip *ip, bool shared, int *ret_fd, struct why *why);
/* A listening unix socket; an old one at the path is replaced. It never has wider rights than
 * `mode`, from which the umask is taken as always. ERR_EXISTS: something else is at the path.
 * ERR_TOO_BIG: it is too long. ERR_IO. why says which, and the remedy. */
MUST_USE enum err listen_unix(const char *path, unsigned mode, int *ret_fd, struct why *why);

#endif
