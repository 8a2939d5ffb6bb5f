#include "keeper/ask.h"

#include "io/loop.h"
#include "sys/channel.h"

#include <poll.h>
#include <unistd.h>

static struct {
    int fd; /* 0: none */
    uint32_t serial;
} keeper;

void keeper_link(int fd)
{
    if (keeper.fd > 0)
        close(keeper.fd);
    keeper.fd = fd > 0 ? fd : 0;
}

bool keeper_lost(void)
{
    struct pollfd p = { .fd = keeper.fd };
    return keeper.fd > 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static enum err hear(struct keeper_answer *ret)
{
    int fds[CHANNEL_FDS_MAX];
    unsigned n_fds = 0;
    size_t n;
    TRY(channel_recv(keeper.fd, ret, sizeof *ret, &n, fds, &n_fds));
    while (n_fds > 0)
        close(fds[--n_fds]); /* it has no business to send any */
    return n == sizeof *ret && ret->n <= sizeof ret->signature ? ERR_OK : ERR_IO;
}

enum err keeper_sign(struct keeper_request *q, struct keeper_answer *ret)
{
    ASSERT(q->n <= KEEPER_TBS_MAX);
    if (keeper.fd <= 0)
        return ERR_CLOSED;
    q->serial = ++keeper.serial;
    int64_t until = monotonic_ms_now() + KEEPER_WAIT_MS;
    TRY(channel_send(keeper.fd, q, KEEPER_REQUEST_BYTES(q->n), NULL, 0));
    for (;;) {
        int64_t left = until - monotonic_ms_now();
        struct pollfd p = { .fd = keeper.fd, .events = POLLIN };
        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return ERR_TIMEOUT;
        enum err e = hear(ret);
        if (e == ERR_AGAIN || (e == ERR_OK && ret->serial != q->serial))
            continue;
        if (e != ERR_OK)
            return ERR_CLOSED;
        return ret->status == KEEPER_SIGNED ? ERR_OK : ERR_REFUSED;
    }
}
