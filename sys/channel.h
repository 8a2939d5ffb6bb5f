/* channel.h - messages with descriptors between the supervisor and its children: a SEQPACKET pair,
 * one message a packet, fixed layouts, both ends of the same build. */
#ifndef SYS_CHANNEL_H
#define SYS_CHANNEL_H

#include "base/base.h"

enum { CHANNEL_FDS_MAX = 200, CHANNEL_BYTES_MAX = 64 * 1024 };

/* The first end never blocks, to read either: what sits at the other one may hang. */
MUST_USE enum err channel_pair(int ret_fd[static 2]);
/* Never blocks. ERR_AGAIN: the other end has not read enough of what it was sent, try later;
 * ERR_CLOSED: it is gone. */
MUST_USE enum err channel_send(int fd, const void *p, size_t n, const int *fds, unsigned n_fds);
/* Is there something that the other end was sent and has not read? */
bool channel_unread(int fd);
/* ERR_AGAIN (nothing there, and the descriptor does not block), ERR_CLOSED, ERR_IO, ERR_TOO_BIG.
 * fds: room for CHANNEL_FDS_MAX; they come close-on-exec. */
MUST_USE enum err channel_recv(int fd, void *p, size_t cap, size_t *ret_n, int *ret_fds,
                               unsigned *ret_n_fds);

/* Memory behind a descriptor: shared by whoever maps it, or sealed for reading only. */
MUST_USE enum err shared_new(const char *name, size_t n, int *ret_fd);
MUST_USE enum err shared_sealed(const char *name, const void *p, size_t n, int *ret_fd);
/* Is it of n bytes, and can nobody change or cut it any more? For descriptors of others. */
bool shared_is_sealed(int fd, size_t n);
/* The whole of it, mapped; write: MAP_SHARED and writable. NULL: failed. */
void *shared_map(int fd, bool write, size_t *ret_n);

#endif
