#include "sys/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static socklen_t to_sockaddr(const struct ip *ip, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){ 0 };
    if (ip->family == IP_V6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(ip->port);
        memcpy(&six->sin6_addr, ip->a, 16);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    four->sin_family = AF_INET;
    four->sin_port = htons(ip->port);
    memcpy(&four->sin_addr, ip->a, 4);
    return sizeof *four;
}

static const char *remedy(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another program has that port: stop it, or choose another port";
    case EACCES:
        return "ports below 1024 need root: start as root, or choose another port";
    case EADDRNOTAVAIL:
        return "this machine does not have that address";
    default:
        return "see the system's words";
    }
}

enum err listen_tcp(const struct ip *ip, bool shared, int *ret_fd, struct why *why)
{
    struct sockaddr_storage sa;
    socklen_t n = to_sockaddr(ip, &sa);
    char text[IP_TEXT_MAX];
    int one = 1;
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0;
    ok = ok && (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0);
    ok = ok &&
         (ip->family != IP_V6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0);
    ok = ok && bind(fd, (struct sockaddr *)&sa, n) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        why_set(why, "cannot listen on %s: %s (%s)", ip_port_text(ip, text), strerror(errno),
                remedy(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* Takes an old socket away; nothing else, which somebody may want. */
static enum err make_way(const char *path, struct why *why)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return ERR_OK;
    if (S_ISSOCK(st.st_mode) && unlink(path) == 0)
        return ERR_OK;
    why_set(why, "%s is in the way of a socket: remove it", path);
    return ERR_EXISTS;
}

enum err listen_unix(const char *path, unsigned mode, int *ret_fd, struct why *why)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    if (n >= sizeof sa.sun_path) {
        why_set(why, "%s: a socket's path may have %zu bytes at most: choose a shorter `run`", path,
                sizeof sa.sun_path - 1);
        return ERR_TOO_BIG;
    }
    memcpy(sa.sun_path, path, n + 1);
    TRY(make_way(path, why));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* before it has a name: bind takes these rights over, and follows no link */
    bool ok = fd >= 0 && fchmod(fd, mode) == 0 &&
              bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        why_set(why, "cannot listen on %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}
