#include "sys/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum err channel_pair(int ret_fd[static 2])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return ERR_IO;
    if (fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK) != 0) {
        close(pair[0]);
        close(pair[1]);
        return ERR_IO;
    }
    ret_fd[0] = pair[0];
    ret_fd[1] = pair[1];
    return ERR_OK;
}

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
};

enum err channel_send(int fd, const void *p, size_t n, const int *fds, unsigned n_fds)
{
    ASSERT(n <= CHANNEL_BYTES_MAX && n_fds <= CHANNEL_FDS_MAX);
    union control control = { 0 };
    struct iovec iov = { (void *)(uintptr_t)p, n };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (n_fds > 0) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return ERR_OK;
    return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_AGAIN;
}

bool channel_unread(int fd)
{
    int n = 0;
    return ioctl(fd, TIOCOUTQ, &n) == 0 && n > 0; /* unix(7): what waits at the other end */
}

static void take_fds(struct msghdr *m, int *ret_fds, unsigned *ret_n)
{
    *ret_n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        ASSERT(*ret_n + n <= CHANNEL_FDS_MAX);
        memcpy(ret_fds + *ret_n, CMSG_DATA(c), n * sizeof(int));
        *ret_n += n;
    }
}

enum err channel_recv(int fd, void *p, size_t cap, size_t *ret_n, int *ret_fds, unsigned *ret_n_fds)
{
    union control control;
    struct iovec iov = { p, cap };
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t got;
    do
        got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_IO;
    if (got == 0)
        return ERR_CLOSED;
    take_fds(&m, ret_fds, ret_n_fds);
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (*ret_n_fds > 0)
            close(ret_fds[--*ret_n_fds]);
        return ERR_TOO_BIG;
    }
    *ret_n = (size_t)got;
    return ERR_OK;
}

enum err shared_new(const char *name, size_t n, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_IO;
    if (ftruncate(fd, (off_t)n) != 0) {
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

enum err shared_sealed(const char *name, const void *p, size_t n, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_IO;
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (!write_all(fd, p, n) || fcntl(fd, F_ADD_SEALS, seals) != 0) {
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}

bool shared_is_sealed(int fd, size_t n)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_WRITE;
    struct stat st;
    int has = fcntl(fd, F_GET_SEALS);
    return has >= 0 && (has & seals) == seals && fstat(fd, &st) == 0 && st.st_size >= 0 &&
           (size_t)st.st_size == n;
}

void *shared_map(int fd, bool write, size_t *ret_n)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0)
        return NULL;
    size_t n = (size_t)st.st_size;
    void *p = mmap(NULL, n, PROT_READ | (write ? PROT_WRITE : 0), write ? MAP_SHARED : MAP_PRIVATE,
                   fd, 0);
    if (p == MAP_FAILED)
        return NULL;
    *ret_n = n;
    return p;
}
