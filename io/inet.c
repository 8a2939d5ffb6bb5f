#include "io/inet.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- addresses: the kernel's form and ours --- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

static socklen_t address_of_ip(const struct ip *ip, union address *ret)
{
    ASSERT(ip->family == IP_V4 || ip->family == IP_V6);
    *ret = (union address){ 0 };
    if (ip->family == IP_V4) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(ip->port);
        memcpy(&ret->v4.sin_addr, ip->a, 4);
        return sizeof ret->v4;
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(ip->port);
    memcpy(&ret->v6.sin6_addr, ip->a, 16);
    return sizeof ret->v6;
}

static struct ip ip_of_address(const union address *a)
{
    struct ip ip = { 0 };
    if (a->any.sa_family == AF_UNIX) {
        ip.family = IP_UNIX;
    } else if (a->any.sa_family == AF_INET) {
        ip.family = IP_V4;
        ip.port = ntohs(a->v4.sin_port);
        memcpy(ip.a, &a->v4.sin_addr, 4);
    } else if (a->any.sa_family == AF_INET6) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
        ip.family = mapped ? IP_V4 : IP_V6;
        ip.port = ntohs(a->v6.sin6_port);
        memcpy(ip.a, a->v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
    return ip;
}

struct ip inet_local(int fd)
{
    union address a = { 0 };
    socklen_t n = sizeof a;
    if (getsockname(fd, &a.any, &n) != 0)
        return (struct ip){ 0 };
    return ip_of_address(&a);
}

enum err inet_peer_uid(int fd, unsigned *ret)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || n != sizeof peer ||
        peer.uid == (uid_t)-1)
        return ERR_IO;
    *ret = peer.uid;
    return ERR_OK;
}

/* --- errors --- */

static bool out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool inet_would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* --- connecting --- */

/* Port 0 with a fixed address: the kernel chooses the port when it knows the peer. */
static bool bind_local(int fd, const struct ip *local)
{
    union address a;
    socklen_t n = address_of_ip(local, &a);
    const int on = 1;
    if (local->port == 0 && setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0)
        return false;
    return bind(fd, &a.any, n) == 0;
}

static enum err open_socket(int family, int *ret_fd)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return out_of_resources(errno) ? ERR_FULL : ERR_REFUSED;
    *ret_fd = fd;
    return ERR_OK;
}

static enum err begin_connect(int fd, const union address *to, socklen_t n)
{
    if (connect(fd, &to->any, n) == 0 || errno == EINPROGRESS)
        return ERR_OK;
    bool full = out_of_resources(errno) || errno == EADDRNOTAVAIL || errno == EAGAIN;
    return full ? ERR_FULL : ERR_REFUSED;
}

enum err inet_connect(const struct ip *to, const struct ip *local, int *ret_fd)
{
    int fd;
    const int on = 1;
    union address a;
    socklen_t n = address_of_ip(to, &a);
    TRY(open_socket(a.any.sa_family, &fd));
    bool ok = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
              (!local || bind_local(fd, local));
    enum err e = ok ? begin_connect(fd, &a, n) : ERR_REFUSED;
    if (e == ERR_OK)
        *ret_fd = fd;
    else
        close(fd);
    return e;
}

enum err inet_connect_unix(struct span path, int *ret_fd)
{
    int fd;
    union address a = { .un.sun_family = AF_UNIX };
    if (path.n == 0 || path.n >= sizeof a.un.sun_path)
        return ERR_REFUSED;
    memcpy(a.un.sun_path, path.p, path.n);
    TRY(open_socket(AF_UNIX, &fd));
    enum err e = begin_connect(fd, &a, sizeof a.un);
    if (e == ERR_OK)
        *ret_fd = fd;
    else
        close(fd);
    return e;
}

enum err inet_connected(int fd, const char **ret_text)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    if (error == 0)
        return ERR_OK;
    *ret_text = strerrordesc_np(error);
    if (error == ETIMEDOUT)
        return ERR_TIMEOUT;
    bool refused = error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
                   error == EACCES || error == EPERM;
    return refused ? ERR_REFUSED : ERR_IO;
}

/* --- accepting --- */

void inet_prepare_listener(int fd)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

enum err inet_accept(int listener, int *ret_fd, struct ip *ret_peer)
{
    union address a = { 0 };
    socklen_t n = sizeof a;
    int fd = accept4(listener, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        *ret_fd = fd;
        *ret_peer = ip_of_address(&a);
        return ERR_OK;
    }
    ASSERT(errno != EBADF && errno != ENOTSOCK);
    if (inet_would_block())
        return ERR_AGAIN;
    return out_of_resources(errno) ? ERR_FULL : ERR_IO;
}
