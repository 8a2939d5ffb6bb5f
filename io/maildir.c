/* Start at maildir_deliver(). All paths are relative to one descriptor of the Maildir. */
#include "io/maildir.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_MODE = 0700, FILE_MODE = 0600 };

struct names {
    char folder[PATH_MAX];
    char tmp[NAME_MAX + 8], new[NAME_MAX + 8]; /* "tmp/x", "new/x" */
};

static enum err io_error(struct why *why, const char *what)
{
    int error = errno;
    why_set(why, "%s: %s", what, strerrordesc_np(error));
    return error == ENOSPC || error == EDQUOT ? ERR_FULL : ERR_IO;
}

static enum err names_make(struct names *n, const struct maildir_job *job, struct why *why)
{
    struct span u = job->unique;
    bool plain = u.n > 0 && u.n <= NAME_MAX && u.p[0] != '.' && span_find(u, '/') == u.n &&
                 span_find(u, '\0') == u.n;
    if (!plain || job->path.n == 0 || job->path.n >= sizeof n->folder) {
        why_set(why, "not a file name that can be used");
        return ERR_IO;
    }
    *n = (struct names){ .tmp = "tmp/", .new = "new/" };
    memcpy(n->folder, job->path.p, job->path.n);
    memcpy(n->tmp + 4, u.p, u.n);
    memcpy(n->new + 4, u.p, u.n);
    return ERR_OK;
}

/* --- folders --- */

/* The folder above must be synchronised for a new folder to last. */
static enum err sync_parent(const char *folder, struct why *why)
{
    char parent[PATH_MAX + 4];
    size_t n = strlen(folder);
    memcpy(parent, folder, n);
    memcpy(parent + n, "/..", sizeof "/..");
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(why, "open the folder above the Maildir");
    enum err e = fsync(fd) == 0 ? ERR_OK : io_error(why, "fsync the folder above the Maildir");
    close(fd);
    return e;
}

/* The folders between the root and the Maildir. */
static enum err make_above(const char *folder, size_t root_n, struct why *why)
{
    char above[PATH_MAX];
    size_t n = strlen(folder);
    ASSERT(root_n > 0 && root_n <= n);
    for (size_t i = root_n + 1; i < n; i++) {
        if (folder[i] != '/')
            continue;
        memcpy(above, folder, i);
        above[i] = '\0';
        if (mkdir(above, FOLDER_MODE) == 0)
            TRY(sync_parent(above, why));
        else if (errno != EEXIST)
            return io_error(why, "make a folder above the Maildir");
    }
    return ERR_OK;
}

static enum err open_root(const char *folder, size_t root_n, int *ret_fd, struct why *why)
{
    bool made = mkdir(folder, FOLDER_MODE) == 0;
    if (!made && errno == ENOENT && root_n > 0) {
        TRY(make_above(folder, root_n, why));
        made = mkdir(folder, FOLDER_MODE) == 0;
    }
    if (!made && errno != EEXIST)
        return io_error(why, "make the Maildir");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(why, "open the Maildir");
    enum err e = made ? sync_parent(folder, why) : ERR_OK;
    if (e == ERR_OK)
        *ret_fd = fd;
    else
        close(fd);
    return e;
}

static enum err make_folders(int root, struct why *why)
{
    static const char *const folders[] = { "tmp", "new", "cur" };
    bool made = false;
    for (size_t i = 0; i < COUNTOF(folders); i++) {
        if (mkdirat(root, folders[i], FOLDER_MODE) == 0)
            made = true;
        else if (errno != EEXIST)
            return io_error(why, "make the folders of the Maildir");
    }
    if (made && fsync(root) != 0)
        return io_error(why, "fsync the Maildir");
    return ERR_OK;
}

/* --- the file --- */

static enum err write_all(int fd, struct span s, struct why *why)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(why, "write");
        s = span_tail(s, (size_t)n);
    }
    return ERR_OK;
}

static enum err write_message(int fd, const struct maildir_job *job, struct why *why)
{
    TRY(write_all(fd, job->header, why));
    uint64_t at = 0;
    for (struct span s; (s = body_at(job->body, at)).n > 0; at += s.n)
        TRY(write_all(fd, s, why));
    return fsync(fd) == 0 ? ERR_OK : io_error(why, "fsync");
}

/* A file of this name in tmp/ is what an attempt left that did not come to its end. */
static enum err write_tmp(int root, const char *tmp, const struct maildir_job *job, struct why *why)
{
    if (unlinkat(root, tmp, 0) != 0 && errno != ENOENT)
        return io_error(why, "remove the old file in tmp/");
    int fd = openat(root, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return io_error(why, "make a file in tmp/");
    enum err e = write_message(fd, job, why);
    if (close(fd) != 0 && e == ERR_OK)
        e = io_error(why, "close");
    if (e != ERR_OK)
        (void)unlinkat(root, tmp, 0);
    return e;
}

static enum err sync_new(int root, struct why *why)
{
    int fd = openat(root, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_error(why, "open new/");
    enum err e = fsync(fd) == 0 ? ERR_OK : io_error(why, "fsync new/");
    close(fd);
    return e;
}

/* link() never replaces: that the name is there already is what an earlier attempt did. */
static enum err put(int root, const struct names *n, const struct maildir_job *job, struct why *why)
{
    TRY(make_folders(root, why));
    if (faccessat(root, n->new, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        TRY(write_tmp(root, n->tmp, job, why));
        enum err e = ERR_OK;
        if (linkat(root, n->tmp, root, n->new, 0) != 0 && errno != EEXIST)
            e = io_error(why, "link into new/");
        (void)unlinkat(root, n->tmp, 0);
        TRY(e);
    }
    return sync_new(root, why);
}

enum err maildir_deliver(const struct maildir_job *job, struct why *why)
{
    struct names n;
    int root = -1;
    enum err e = names_make(&n, job, why);
    if (e == ERR_OK)
        e = open_root(n.folder, job->root_n, &root, why);
    if (e == ERR_OK) {
        e = put(root, &n, job, why);
        close(root);
    }
    if (e != ERR_OK)
        why_prefix(why, "%.*s", SPAN_ARG(job->path));
    return e;
}
