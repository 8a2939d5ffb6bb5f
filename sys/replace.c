#include "sys/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* --- errors --- */

static enum err failed(const char *path, int error, struct why *why)
{
    why_set(why, "%s: %s", path, strerror(error));
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return ERR_REFUSED;
    case EEXIST:
        return ERR_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    default:
        return ERR_IO;
    }
}

/* --- folders --- */

/* "/etc/postern/x" -> "/etc/postern"; "x" -> "." */
static void folder_of(const char *path, struct buf *ret)
{
    struct span s = span_z(path);
    size_t slash = span_rfind(s, '/');
    buf_init(ret, PATH_MAX);
    if (slash == s.n)
        buf_put(ret, SPAN("."));
    else
        buf_put(ret, slash == 0 ? SPAN("/") : span_head(s, slash));
}

static enum err check_path(const char *path, struct why *why)
{
    if (strlen(path) < PATH_MAX - 16)
        return ERR_OK;
    why_set(why, "a path is too long");
    return ERR_TOO_BIG;
}

static enum err sync_folder(const char *path, struct why *why)
{
    struct buf dir;
    folder_of(path, &dir);
    int fd = open(buf_z(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : failed(buf_z(&dir), errno, why);
    if (fd >= 0)
        (void)close(fd);
    buf_done(&dir);
    return e == ERR_OK ? ERR_OK : ERR_IO;
}

enum err replace_lock(const char *path, int *ret_fd, struct why *why)
{
    struct buf dir;
    TRY(check_path(path, why));
    folder_of(path, &dir);
    int fd = open(buf_z(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err e = fd >= 0 ? ERR_OK : failed(buf_z(&dir), errno, why);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        e = failed(buf_z(&dir), errno, why);
        if (errno == EWOULDBLOCK) {
            why_set(why, "%s: somebody else is changing the configuration", buf_z(&dir));
            e = ERR_REFUSED;
        }
        (void)close(fd);
    }
    buf_done(&dir);
    if (e == ERR_OK)
        *ret_fd = fd;
    return e;
}

/* --- reading --- */

static enum err read_all(int fd, const char *path, struct buf *ret, struct why *why)
{
    for (;;) {
        char bytes[16 * 1024];
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(path, errno, why);
        if (n == 0)
            return ERR_OK;
        enum err e = buf_append(ret, span_of(bytes, (size_t)n));
        explicit_bzero(bytes, (size_t)n);
        if (e != ERR_OK) {
            why_set(why, "%s: over %zu bytes", path, ret->max);
            return e;
        }
    }
}

static enum err read_file(const char *path, int flags, struct stat *ret_stat, struct buf *ret,
                          struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    if (fd < 0)
        return failed(path, errno, why);
    enum err e = fstat(fd, ret_stat) == 0 ? ERR_OK : failed(path, errno, why);
    if (e == ERR_OK && !S_ISREG(ret_stat->st_mode)) {
        why_set(why, "%s: is no file", path);
        e = ERR_REFUSED;
    }
    if (e == ERR_OK)
        e = read_all(fd, path, ret, why);
    (void)close(fd);
    return e;
}

enum err replace_read(struct replace *r, const char *path, struct buf *ret, struct why *why)
{
    char real[PATH_MAX];
    *r = (struct replace){ 0 };
    if (!realpath(path, real))
        return failed(path, errno, why);
    TRY(check_path(real, why));
    size_t n = strlen(real) + 1;
    r->path = mem_alloc(n);
    memcpy(r->path, real, n);
    return read_file(r->path, O_NOFOLLOW, &r->before, ret, why);
}

void replace_done(struct replace *r)
{
    mem_free(r->path);
    r->path = NULL;
}

enum err file_get(const char *path, struct buf *ret, struct why *why)
{
    struct stat st;
    return read_file(path, O_NOFOLLOW, &st, ret, why);
}

/* --- writing --- */

static enum err write_all(int fd, const char *path, struct span bytes, struct why *why)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(path, errno, why);
        bytes = span_tail(bytes, (size_t)n);
    }
    return ERR_OK;
}

/* Of a new file; as: of whose owner it is to be, or NULL. */
struct rights {
    unsigned mode;
    const struct stat *as;
};

static enum err write_new(int fd, const char *path, const struct rights *rights, struct span bytes,
                          struct why *why)
{
    const struct stat *as = rights->as;
    bool other = as && (as->st_uid != geteuid() || as->st_gid != getegid());
    if (other && fchown(fd, as->st_uid, as->st_gid) != 0)
        return failed(path, errno, why);
    if (fchmod(fd, (mode_t)rights->mode) != 0)
        return failed(path, errno, why);
    TRY(write_all(fd, path, bytes, why));
    return fsync(fd) == 0 ? ERR_OK : failed(path, errno, why);
}

/* "/etc/x/.name.new12345": beside the file, so that it can be renamed; no include "*" finds it. */
static enum err write_beside(const char *path, const struct rights *rights, struct span bytes,
                             char ret[static PATH_MAX], struct why *why)
{
    struct span s = span_z(path);
    size_t slash = span_rfind(s, '/'), n = slash < s.n ? slash + 1 : 0;
    (void)snprintf(ret, PATH_MAX, "%.*s.%s.new%ld", (int)n, path, path + n, (long)getpid());
    int fd = open(ret, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(ret, errno, why);
    enum err e = write_new(fd, ret, rights, bytes, why);
    if (close(fd) != 0 && e == ERR_OK)
        e = failed(ret, errno, why);
    if (e != ERR_OK)
        (void)unlink(ret);
    return e;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static enum err rename_over(const char *from, const char *to, struct why *why)
{
    if (rename(from, to) == 0)
        return sync_folder(to, why);
    enum err e = failed(to, errno, why);
    (void)unlink(from);
    return e;
}

enum err replace_with(struct replace *r, struct span bytes, struct why *why)
{
    char new[PATH_MAX];
    struct rights rights = { r->before.st_mode & 07777, &r->before };
    struct stat now;
    TRY(write_beside(r->path, &rights, bytes, new, why));
    if (lstat(r->path, &now) == 0 && is_same(&now, &r->before))
        return rename_over(new, r->path, why);
    (void)unlink(new);
    why_set(why, "%s: was changed meanwhile; look at it and try again", r->path);
    return ERR_STALE;
}

enum err file_create(const char *path, unsigned mode, struct span bytes, struct why *why)
{
    char new[PATH_MAX];
    TRY(check_path(path, why));
    TRY(write_beside(path, &(struct rights){ mode, NULL }, bytes, new, why));
    enum err e = link(new, path) == 0 ? ERR_OK : failed(path, errno, why);
    (void)unlink(new);
    return e == ERR_OK ? sync_folder(path, why) : e;
}

enum err file_put(const char *path, unsigned mode, struct span bytes, struct why *why)
{
    char new[PATH_MAX];
    TRY(check_path(path, why));
    TRY(write_beside(path, &(struct rights){ mode, NULL }, bytes, new, why));
    return rename_over(new, path, why);
}
