#include "gate/folders.h"

#include "gate/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 512 };

static bool is_ours(unsigned uid, const struct owner *owner)
{
    return uid == 0 || uid == geteuid() || uid == owner->uid;
}

/* Do we follow it? A link that root made is the operator's word; one of anybody else would choose
 * what root gives away. */
static bool is_own_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
           (st.st_uid == 0 || st.st_uid == geteuid());
}

static enum err give(int fd, const char *path, const struct owner *owner, struct why *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        why_set(why, "cannot look at the folder %s: %s", path, strerror(errno));
        return ERR_IO;
    }
    if (!is_ours(st.st_uid, owner)) {
        why_set(why,
                "the folder %s belongs to user %u, who is neither root nor `user`: choose another, "
                "or chown it",
                path, (unsigned)st.st_uid);
        return ERR_REFUSED;
    }
    if (geteuid() != 0 || fchown(fd, owner->uid, owner->gid) == 0)
        return ERR_OK;
    why_set(why, "cannot own the folder %s: %s", path, strerror(errno));
    return ERR_IO;
}

/* inside: the folder around it belongs to the workers' user. */
static enum err make(struct span path, bool inside, const struct owner *owner, struct why *why)
{
    char z[PATH_BYTES_MAX];
    (void)snprintf(z, sizeof z, "%.*s", SPAN_ARG(path));
    int fd = -1;
    if (mkdir(z, 0750) == 0 || errno == EEXIST) {
        int follow = !inside && is_own_link(z) ? 0 : O_NOFOLLOW;
        fd = open(z, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
    }
    if (fd < 0) {
        why_set(why, "cannot make or use the folder %s: %s", z, strerror(errno));
        return ERR_IO;
    }
    enum err e = give(fd, z, owner, why);
    (void)close(fd);
    return e;
}

enum err folders_make(const struct config *c, const struct owner *owner, struct why *why)
{
    char queue[PATH_BYTES_MAX];
    TRY(make(c->data, false, owner, why));
    TRY(make(c->run, false, owner, why));
    (void)snprintf(queue, sizeof queue, "%.*s/queue", SPAN_ARG(c->data));
    return make(span_z(queue), true, owner, why);
}

/* --- the lock --- */

/* Nobody but us wrote it, and nothing else in the file system is called that as well. */
static bool is_plain(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid();
}

static enum err write_pid(int fd, const char *path, struct why *why)
{
    char text[32];
    if (!is_plain(fd)) {
        why_set(why, "%s is not a file that posternd made: remove it", path);
        return ERR_REFUSED;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        why_set(why,
                "another posternd runs with %s: stop it, or give this one `run` and `data` of "
                "its own",
                path);
        return ERR_IO;
    }
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0 && write(fd, text, (size_t)n) == n)
        return ERR_OK;
    why_set(why, "cannot write %s: %s", path, strerror(errno));
    return ERR_IO;
}

enum err folders_lock(const struct config *c, int *ret_fd, struct why *why)
{
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%.*s/posternd.pid", SPAN_ARG(c->run));
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0) {
        why_set(why, "cannot write %s: %s", path, strerror(errno));
        return ERR_IO;
    }
    enum err e = write_pid(fd, path, why);
    if (e == ERR_OK)
        *ret_fd = fd;
    else
        close(fd);
    return e;
}

/* --- what earlier runs left --- */

/* "shard-0012.db" */
static bool shard_number(const char *name, unsigned *ret)
{
    char rest[8];
    unsigned shard;
    if (sscanf(name, "shard-%4u.%7s", &shard, rest) != 2 || strcmp(rest, "db") != 0 ||
        shard >= STORE_SHARDS_MAX)
        return false;
    *ret = shard;
    return true;
}

enum err folders_shards(const struct config *c, unsigned n_workers, unsigned *ret_n,
                        struct why *why)
{
    char path[PATH_BYTES_MAX];
    unsigned shard, n = n_workers;
    (void)snprintf(path, sizeof path, "%.*s/queue", SPAN_ARG(c->data));
    DIR *dir = opendir(path);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (shard_number(e->d_name, &shard) && shard >= n)
            n = shard + 1;
    if (dir)
        closedir(dir);
    if (n <= n_workers * WORKER_SHARDS_MAX) {
        *ret_n = n;
        return ERR_OK;
    }
    why_set(why, "%s has %u shards: that takes %u workers at least, set `workers`", path, n,
            (n + WORKER_SHARDS_MAX - 1) / WORKER_SHARDS_MAX);
    return ERR_FULL;
}

const char *folders_socket(const struct config *c, unsigned worker,
                           char ret[static SOCKET_PATH_MAX])
{
    (void)snprintf(ret, SOCKET_PATH_MAX, "%.*s/gate-%u.sock", SPAN_ARG(c->run), worker);
    return ret;
}

/* --- who may reach the sockets --- */

static bool has_administrators(const struct config *c)
{
    for (unsigned i = 0; i < c->n_org; i++)
        if (c->org[i].n_admin > 0)
            return true;
    return false;
}

/* Of what we made: the folder may be somebody else's by now, and what is in it, too. */
static enum err change_mode(const char *path, unsigned type, mode_t off, mode_t on, struct why *why)
{
    char link[64];
    struct stat st;
    bool folder = type == S_IFDIR;
    int follow = folder && is_own_link(path) ? 0 : O_NOFOLLOW;
    int fd = open(path, O_PATH | O_CLOEXEC | follow);
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
              (folder || (st.st_uid == geteuid() && st.st_nlink == 1));
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ok = ok && chmod(link, ((st.st_mode & 07777) & ~off) | on) == 0;
    if (!ok)
        why_set(why, "cannot set the mode of %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return ok ? ERR_OK : ERR_IO;
}

enum err folders_admit(const struct config *c, unsigned n_workers, struct why *why)
{
    char path[SOCKET_PATH_MAX];
    bool open_to_all = has_administrators(c);
    if (open_to_all) {
        (void)snprintf(path, sizeof path, "%.*s", SPAN_ARG(c->run));
        TRY(change_mode(path, S_IFDIR, 0, 0055, why));
    }
    for (unsigned i = 0; i < n_workers; i++)
        TRY(change_mode(folders_socket(c, i, path), S_IFSOCK, 0777, open_to_all ? 0666 : 0600,
                        why));
    return ERR_OK;
}

void folders_tidy(const struct config *c, unsigned n_workers)
{
    char path[SOCKET_PATH_MAX];
    for (unsigned i = n_workers; i < STATS_WORKERS_MAX; i++)
        (void)unlink(folders_socket(c, i, path));
}
