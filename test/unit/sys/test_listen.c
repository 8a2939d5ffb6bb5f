#include "sys/listen.h"

#include "test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATH_BYTES = 64 };

struct stage {
    char folder[PATH_BYTES], path[PATH_BYTES + 8], other[PATH_BYTES + 8];
    mode_t umask_before;
    struct why why;
};

/* Nothing but the code keeps rights narrow: the umask takes none away. */
static void stage_begin(struct stage *s)
{
    *s = (struct stage){ .folder = "/tmp/test_listen.XXXXXX", .umask_before = umask(0) };
    CHECK(mkdtemp(s->folder) != NULL);
    (void)snprintf(s->path, sizeof s->path, "%s/sock", s->folder);
    (void)snprintf(s->other, sizeof s->other, "%s/other", s->folder);
}

static void stage_end(struct stage *s)
{
    (void)unlink(s->path);
    (void)rmdir(s->path);
    (void)unlink(s->other);
    CHECK_NUM(rmdir(s->folder), 0);
    (void)umask(s->umask_before);
}

static enum err try_listen(struct stage *s)
{
    int fd = -1;
    s->why.text[0] = '\0';
    enum err e = listen_unix(s->path, 0600, &fd, &s->why);
    if (e == ERR_OK)
        close(fd);
    return e;
}

static bool answers(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    bool well = connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) == 0;
    close(fd);
    return well;
}

/* Events on the folder's files, all together. */
static uint32_t events_of(int watch)
{
    union {
        struct inotify_event event;
        char bytes[4096];
    } u;
    uint32_t all = 0;
    ssize_t n = read(watch, &u, sizeof u);
    for (ssize_t at = 0; at < n;) {
        struct inotify_event e;
        memcpy(&e, u.bytes + at, sizeof e);
        all |= e.mask;
        at += (ssize_t)(sizeof e + e.len);
    }
    return all;
}

/* A right that is taken away after the name is there was there for a moment. */
TEST(a_unix_socket_is_never_open_to_others)
{
    struct stage s;
    struct stat st;
    int fd = -1;
    stage_begin(&s);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(inotify_add_watch(watch, s.folder, IN_CREATE | IN_ATTRIB) >= 0);
    CHECK_NUM(listen_unix(s.path, 0600, &fd, &s.why), ERR_OK);
    CHECK_NUM(stat(s.path, &st), 0);
    CHECK_NUM(st.st_mode & 07777, 0600);
    CHECK_NUM(events_of(watch), IN_CREATE);
    CHECK(answers(s.path));
    close(fd);
    close(watch);
    stage_end(&s);
}

TEST(an_old_socket_makes_way)
{
    struct stage s;
    stage_begin(&s);
    CHECK_NUM(try_listen(&s), ERR_OK);
    CHECK(!answers(s.path));
    CHECK_NUM(try_listen(&s), ERR_OK);
    stage_end(&s);
}

/* The folder belongs to the workers' user, who may have put anything there. */
TEST(what_is_no_socket_is_left_alone)
{
    struct stage s;
    struct stat st;
    stage_begin(&s);

    test_case("a link to a file");
    int fd = open(s.other, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    close(fd);
    CHECK_NUM(symlink(s.other, s.path), 0);
    CHECK_NUM(try_listen(&s), ERR_EXISTS);
    CHECK(strstr(s.why.text, s.path) != NULL);
    CHECK_NUM(stat(s.other, &st), 0);
    CHECK_NUM(st.st_mode & 07777, 0644);
    CHECK_NUM(lstat(s.path, &st), 0);
    CHECK(S_ISLNK(st.st_mode));

    test_case("a link to nothing");
    CHECK_NUM(unlink(s.other), 0);
    CHECK_NUM(try_listen(&s), ERR_EXISTS);
    CHECK_NUM(lstat(s.other, &st), -1);
    CHECK_NUM(unlink(s.path), 0);

    test_case("a folder");
    CHECK_NUM(mkdir(s.path, 0755), 0);
    CHECK_NUM(try_listen(&s), ERR_EXISTS);
    CHECK_NUM(stat(s.path, &st), 0);
    CHECK_NUM(st.st_mode & 07777, 0755);
    CHECK_NUM(rmdir(s.path), 0);

    test_case("a file");
    fd = open(s.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    close(fd);
    CHECK_NUM(try_listen(&s), ERR_EXISTS);
    CHECK_NUM(stat(s.path, &st), 0);
    test_case(NULL);
    stage_end(&s);
}

TEST(a_path_that_is_too_long_says_how_long_it_may_be)
{
    char path[256];
    int fd = -1;
    struct why why = { "" };
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    CHECK_NUM(listen_unix(path, 0600, &fd, &why), ERR_TOO_BIG);
    CHECK(strstr(why.text, "107 bytes") != NULL);
}
