/* inet.h - stream sockets of the kernel in our terms: addresses, errors, the flags that every
 * descriptor of ours has (not blocking, closed on exec, TCP_NODELAY). For io/loop_epoll.c alone. */
#ifndef IO_INET_H
#define IO_INET_H

#include "mail/ip.h"

/* Begin to connect; the caller owns *ret_fd. ERR_FULL: no descriptors or ports; ERR_REFUSED. */
MUST_USE enum err inet_connect(const struct ip *to, const struct ip *local, int *ret_fd);
MUST_USE enum err inet_connect_unix(struct span path, int *ret_fd);
/* How it ended, once the descriptor is writable. ERR_REFUSED, ERR_TIMEOUT, ERR_IO: *ret_text is
 * set, too, and static. */
MUST_USE enum err inet_connected(int fd, const char **ret_text);
/* ERR_AGAIN: none waits. ERR_FULL: no descriptors. ERR_IO: one died while it waited; the next. */
MUST_USE enum err inet_accept(int listener, int *ret_fd, struct ip *ret_peer);
/* IP_NONE when the kernel does not say. */
struct ip inet_local(int fd);
/* ERR_IO: it is no unix socket. */
MUST_USE enum err inet_peer_uid(int fd, unsigned *ret);
/* What is accepted from there inherits TCP_NODELAY; a unix socket has none. */
void inet_prepare_listener(int fd);

/* errno says: not now. */
bool inet_would_block(void);

#endif
