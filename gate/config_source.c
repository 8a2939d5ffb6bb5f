#include "gate/config.h"
#include "keeper/split.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the files of a configuration come from: the disk, or a bundle of what was read from it.
 *
 * A bundle is records one after the other: kind, two lengths of four bytes (big-endian), the path
 * or pattern, the bytes or the list of paths. What is recorded is read no second time, so that the
 * bundle and the snapshot made with it agree even when a file changes meanwhile. */

enum { KIND_FILE = 'F', KIND_MATCH = 'M', HEAD_BYTES = 9, MATCHES_MAX = CONFIG_FILES_MAX };

/* --- records --- */

static uint32_t get_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put_u32(char *p, size_t n)
{
    ASSERT(n <= UINT32_MAX);
    for (int i = 0; i < 4; i++)
        p[i] = (char)(n >> (24 - 8 * i));
}

struct record {
    char kind;
    struct span name, bytes;
};

/* The first record, which is taken off. ERR_NOT_FOUND: there is none; ERR_SYNTAX: this is no
 * bundle. */
static enum err record_next(struct span *bundle, struct record *ret)
{
    if (bundle->n == 0)
        return ERR_NOT_FOUND;
    if (bundle->n < HEAD_BYTES)
        return ERR_SYNTAX;
    size_t n_name = get_u32(bundle->p + 1), n = get_u32(bundle->p + 5);
    struct span rest = span_tail(*bundle, HEAD_BYTES);
    if (n_name > rest.n || n > rest.n - n_name)
        return ERR_SYNTAX;
    *ret = (struct record){ bundle->p[0], span_head(rest, n_name),
                            span_head(span_tail(rest, n_name), n) };
    *bundle = span_tail(rest, n_name + n);
    return ERR_OK;
}

/* ERR_NOT_FOUND; ERR_SYNTAX: these bytes are no bundle. */
static enum err record_find(struct span bundle, char kind, struct span name, struct span *ret)
{
    struct record r;
    enum err e;
    while ((e = record_next(&bundle, &r)) == ERR_OK) {
        if (r.kind == kind && span_eq(r.name, name)) {
            *ret = r.bytes;
            return ERR_OK;
        }
    }
    return e;
}

static enum err record_add(struct buf *bundle, char kind, struct span name, struct span bytes)
{
    char head[HEAD_BYTES] = { kind };
    if (buf_room(bundle) < HEAD_BYTES + name.n + bytes.n)
        return ERR_TOO_BIG;
    put_u32(head + 1, name.n);
    put_u32(head + 5, bytes.n);
    buf_put(bundle, span_of(head, sizeof head));
    buf_put(bundle, name);
    buf_put(bundle, bytes);
    return ERR_OK;
}

enum err config_bundle_split(struct span bundle, struct buf *open, struct buf *keys)
{
    struct record r;
    enum err e;
    while ((e = record_next(&bundle, &r)) == ERR_OK) {
        struct buf text;
        buf_init(&text, CONFIG_FILE_MAX + CONFIG_FILE_MAX / 4); /* names may be longer than keys */
        e = keeper_split(r.bytes, &text, keys);
        if (e == ERR_OK)
            e = record_add(open, r.kind, r.name, buf_span(&text));
        buf_done(&text);
        TRY(e);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* --- the bundle --- */

static enum err bundle_get(struct span bundle, char kind, struct span name, struct buf *ret,
                           struct why *why)
{
    struct span bytes;
    enum err e = record_find(bundle, kind, name, &bytes);
    if (e == ERR_OK)
        e = buf_append(ret, bytes);
    if (e == ERR_NOT_FOUND)
        why_set(why, "%.*s is not in the bundle", SPAN_ARG(name));
    if (e == ERR_SYNTAX)
        why_set(why, "the bundle is damaged");
    if (e == ERR_TOO_BIG)
        why_set(why, "%.*s is too big", SPAN_ARG(name));
    return e;
}

static enum err bundle_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    const struct bundle_view *view = arg;
    return bundle_get(view->bytes, KIND_FILE, path, ret, why);
}

static enum err bundle_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    const struct bundle_view *view = arg;
    return bundle_get(view->bytes, KIND_MATCH, pattern, ret, why);
}

struct config_source config_source_bundle(struct bundle_view *view, struct span bytes)
{
    view->bytes = bytes;
    return (struct config_source){ .read = bundle_read, .match = bundle_match, .arg = view };
}

/* --- the disk --- */

static enum err disk_fail(struct span path, int code, struct why *why)
{
    const char *remedy = "";
    if (code == ENOENT)
        remedy = "; create it, or correct the path";
    if (code == EACCES)
        remedy = "; the supervisor's user must be allowed to read it";
    why_set(why, "cannot read %.*s: %s%s", SPAN_ARG(path), strerror(code), remedy);
    return code == ENOENT || code == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
}

/* Reads n bytes or less, if the file shrinks. The buffer is reserved once: keys are not copied
 * about. */
static enum err read_bytes(int fd, size_t n, struct span path, struct buf *ret, struct why *why)
{
    char *to;
    TRY(buf_reserve(ret, n, &to));
    size_t got = 0;
    while (got < n) {
        ssize_t more = read(fd, to + got, n - got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return disk_fail(path, errno, why);
        if (more == 0)
            break;
        got += (size_t)more;
    }
    buf_added(ret, got);
    return ERR_OK;
}

static enum err read_fd(int fd, struct span path, struct buf *ret, struct why *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return disk_fail(path, errno, why);
    if (!S_ISREG(st.st_mode)) {
        why_set(why, "cannot read %.*s: it is not a file", SPAN_ARG(path));
        return ERR_IO;
    }
    if (st.st_size > CONFIG_FILE_MAX) {
        why_set(why, "cannot read %.*s: it is over %d MiB", SPAN_ARG(path),
                CONFIG_FILE_MAX / (1024 * 1024));
        return ERR_TOO_BIG;
    }
    return read_bytes(fd, (size_t)st.st_size, path, ret, why);
}

/* The path for libc. The tree has no NUL in its text, a caller's path might. */
static enum err path_z(struct span path, struct buf *memory, struct why *why)
{
    if (span_find(path, '\0') == path.n && buf_append(memory, path) == ERR_OK)
        return ERR_OK;
    why_set(why, "%.*s is no path", SPAN_ARG(path));
    return ERR_NOT_FOUND;
}

static enum err read_path_from_disk(struct span path, struct buf *ret, struct why *why)
{
    struct buf name;
    buf_init(&name, PATH_MAX - 1);
    enum err e = path_z(path, &name, why);
    /* not to hang on a FIFO; fstat refuses it */
    int fd = e == ERR_OK ? open(buf_z(&name), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (e == ERR_OK)
        e = fd < 0 ? disk_fail(path, errno, why) : read_fd(fd, path, ret, why);
    if (fd >= 0)
        close(fd);
    buf_done(&name);
    return e;
}

typedef enum err from_disk_fn(struct span name, struct buf *ret, struct why *why);

/* What the bundle has, or what is on the disk and in the bundle from then on. */
static enum err recorded(struct buf *bundle, char kind, struct span name, from_disk_fn *from_disk,
                         struct buf *ret, struct why *why)
{
    struct span bytes;
    if (bundle && record_find(buf_span(bundle), kind, name, &bytes) == ERR_OK)
        return bundle_get(buf_span(bundle), kind, name, ret, why);
    TRY(from_disk(name, ret, why));
    if (bundle && record_add(bundle, kind, name, buf_span(ret)) != ERR_OK) {
        why_set(why, "all files together are over %zu MiB", bundle->max / (1024 * 1024));
        return ERR_TOO_BIG;
    }
    return ERR_OK;
}

static enum err disk_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    return recorded(arg, KIND_FILE, path, read_path_from_disk, ret, why);
}

/* --- patterns --- */

struct matches {
    struct span name[MATCHES_MAX];
    size_t n;
    struct arena arena;
};

static int order(const void *a, const void *b)
{
    return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static enum err match_dir(DIR *d, struct span pattern, const char *last, struct matches *m,
                          struct why *why)
{
    struct dirent *entry;
    for (errno = 0; (entry = readdir(d)) != NULL; errno = 0) {
        if (fnmatch(last, entry->d_name, FNM_PERIOD | FNM_NOESCAPE) != 0)
            continue;
        if (m->n == MATCHES_MAX) {
            why_set(why, "more than %d files match %.*s", MATCHES_MAX, SPAN_ARG(pattern));
            return ERR_TOO_BIG;
        }
        m->name[m->n++] = arena_span(&m->arena, span_z(entry->d_name));
    }
    return errno == 0 ? ERR_OK : disk_fail(pattern, errno, why);
}

static enum err put_matches(struct matches *m, struct span dir, struct buf *ret)
{
    qsort(m->name, m->n, sizeof m->name[0], order);
    for (size_t i = 0; i < m->n; i++) {
        TRY(buf_append(ret, dir));
        TRY(buf_append(ret, m->name[i]));
        TRY(buf_addc(ret, '\0'));
    }
    return ERR_OK;
}

/* A folder that is not there has no files that match. */
static enum err match_on_disk(struct span pattern, struct buf *ret, struct why *why)
{
    size_t slash = span_rfind(pattern, '/');
    struct span dir = slash < pattern.n ? span_head(pattern, slash + 1) : SPAN_NONE;
    struct matches *m = NEW(struct matches);
    struct buf name, last;
    buf_init(&name, PATH_MAX - 1);
    buf_init(&last, PATH_MAX - 1);
    arena_init(&m->arena, SIZE_MAX);

    enum err e = path_z(dir.n > 0 ? dir : SPAN("."), &name, why);
    if (e == ERR_OK)
        e = path_z(span_tail(pattern, dir.n), &last, why);
    DIR *d = e == ERR_OK ? opendir(buf_z(&name)) : NULL;
    if (e == ERR_OK && !d && errno != ENOENT)
        e = disk_fail(pattern, errno, why);
    if (d) {
        e = match_dir(d, pattern, buf_z(&last), m, why);
        closedir(d);
    }
    if (e == ERR_OK && put_matches(m, dir, ret) != ERR_OK) {
        why_set(why, "too many files match %.*s", SPAN_ARG(pattern));
        e = ERR_TOO_BIG;
    }
    arena_done(&m->arena);
    mem_free(m);
    buf_done(&name);
    buf_done(&last);
    return e;
}

static enum err disk_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    return recorded(arg, KIND_MATCH, pattern, match_on_disk, ret, why);
}

struct config_source config_source_disk(struct buf *bundle)
{
    return (struct config_source){ .read = disk_read, .match = disk_match, .arg = bundle };
}

/* Who may read a key is part of the key. What cannot be looked at fails when it is read. */
enum err config_source_guard(const struct config_source *source, struct span path, struct why *why)
{
    struct stat st;
    struct buf name;
    if (source->read != disk_read)
        return ERR_OK;
    buf_init(&name, PATH_MAX - 1);
    enum err e = path_z(path, &name, why);
    if (e == ERR_OK && stat(buf_z(&name), &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO))) {
        why_set(why, "others than its owner may read %.*s; take that away: chmod go= %.*s",
                SPAN_ARG(path), SPAN_ARG(path));
        e = ERR_REFUSED;
    }
    buf_done(&name);
    return e == ERR_REFUSED ? e : ERR_OK;
}
