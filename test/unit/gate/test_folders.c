/* The folders of an installation, and what strangers may have put into them. */
#include "gate/folders.h"

#include "test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STRANGER = 61218, PATH_BYTES = 128 };

/* A folder of our own in /tmp, with `run` and `data` in it, not made yet. */
struct stage {
    char top[PATH_BYTES], data[PATH_BYTES], run[PATH_BYTES], other[PATH_BYTES];
    struct config config;
    struct owner owner;
    struct why why;
};

static const char *path_in(const char *folder, const char *name)
{
    static char path[2][2 * PATH_BYTES];
    static unsigned turn;
    turn ^= 1;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void stage_begin(struct stage *s)
{
    *s = (struct stage){ .top = "/tmp/test_folders.XXXXXX", .owner = { getuid(), getgid() } };
    CHECK(mkdtemp(s->top) != NULL);
    (void)snprintf(s->data, sizeof s->data, "%.100s/data", s->top);
    (void)snprintf(s->run, sizeof s->run, "%.100s/run", s->top);
    (void)snprintf(s->other, sizeof s->other, "%.100s/other", s->top);
    s->config.data = span_z(s->data);
    s->config.run = span_z(s->run);
}

static void stage_end(struct stage *s)
{
    char command[2 * PATH_BYTES];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->top);
    CHECK_NUM(system(command), 0);
}

static enum err make(struct stage *s)
{
    s->why.text[0] = '\0';
    return folders_make(&s->config, &s->owner, &s->why);
}

static enum err lock(struct stage *s)
{
    int fd = -1;
    s->why.text[0] = '\0';
    enum err e = folders_lock(&s->config, &fd, &s->why);
    if (e == ERR_OK)
        close(fd);
    return e;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_NUM(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void check_file(const char *path, const char *text)
{
    char got[64];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, got, sizeof got);
    CHECK_Z(span_of(got, n > 0 ? (size_t)n : 0), text);
    close(fd);
}

TEST(folders_are_made_and_taken_again)
{
    struct stage s;
    struct stat st;
    stage_begin(&s);
    CHECK_NUM(make(&s), ERR_OK);
    CHECK_NUM(stat(path_in(s.data, "queue"), &st), 0);
    CHECK_NUM(st.st_mode & 07007, 0);
    CHECK_NUM(make(&s), ERR_OK);
    CHECK_NUM(lock(&s), ERR_OK);
    CHECK_NUM(stat(path_in(s.run, "posternd.pid"), &st), 0);
    CHECK_NUM(st.st_mode & 07777, 0600);
    CHECK_NUM(lock(&s), ERR_OK);
    stage_end(&s);
}

TEST(a_second_supervisor_is_refused)
{
    struct stage s;
    int first = -1;
    stage_begin(&s);
    CHECK_NUM(make(&s), ERR_OK);
    CHECK_NUM(folders_lock(&s.config, &first, &s.why), ERR_OK);
    CHECK_NUM(lock(&s), ERR_IO);
    CHECK(strstr(s.why.text, "another posternd") != NULL);
    close(first);
    CHECK_NUM(lock(&s), ERR_OK);
    stage_end(&s);
}

TEST(a_folder_of_a_stranger_is_refused)
{
    struct stage s;
    struct stat st;
    if (geteuid() != 0)
        return; /* only root can make one */
    stage_begin(&s);
    CHECK_NUM(mkdir(s.run, 0755), 0);
    CHECK_NUM(chown(s.run, STRANGER, STRANGER), 0);
    CHECK_NUM(make(&s), ERR_REFUSED);
    CHECK(strstr(s.why.text, s.run) != NULL);
    CHECK_NUM(stat(s.run, &st), 0);
    CHECK_NUM(st.st_uid, STRANGER);
    s.owner = (struct owner){ STRANGER, STRANGER }; /* now it is the workers' own */
    CHECK_NUM(make(&s), ERR_OK);
    stage_end(&s);
}

TEST(a_link_is_followed_only_when_it_is_the_operator_s)
{
    struct stage s;
    struct stat st;
    stage_begin(&s);
    CHECK_NUM(mkdir(s.other, 0755), 0);
    CHECK_NUM(symlink(s.other, s.data), 0);
    CHECK_NUM(make(&s), ERR_OK);
    CHECK_NUM(stat(path_in(s.other, "queue"), &st), 0);
    if (geteuid() == 0) {
        CHECK_NUM(lchown(s.data, STRANGER, STRANGER), 0);
        CHECK_NUM(make(&s), ERR_IO);
        CHECK(strstr(s.why.text, s.data) != NULL);
    }
    stage_end(&s);
}

TEST(a_link_within_a_folder_of_the_workers_is_not_followed)
{
    struct stage s;
    stage_begin(&s);
    CHECK_NUM(mkdir(s.other, 0755), 0);
    CHECK_NUM(mkdir(s.data, 0755), 0);
    CHECK_NUM(symlink(s.other, path_in(s.data, "queue")), 0);
    CHECK_NUM(make(&s), ERR_IO);
    stage_end(&s);
}

/* The workers' user may put anything at <run>/posternd.pid, and root writes there. */
TEST(the_pid_is_written_into_a_file_of_our_own_or_not_at_all)
{
    struct stage s;
    stage_begin(&s);
    CHECK_NUM(make(&s), ERR_OK);
    const char *pid = path_in(s.run, "posternd.pid");
    write_file(s.other, "precious\n");

    test_case("a symbolic link");
    CHECK_NUM(symlink(s.other, pid), 0);
    CHECK_NUM(lock(&s), ERR_IO);
    check_file(s.other, "precious\n");
    CHECK_NUM(unlink(pid), 0);

    test_case("another name of a file");
    CHECK_NUM(link(s.other, pid), 0);
    CHECK_NUM(lock(&s), ERR_REFUSED);
    CHECK(strstr(s.why.text, "remove it") != NULL);
    check_file(s.other, "precious\n");
    CHECK_NUM(unlink(pid), 0);

    test_case("a pipe");
    CHECK_NUM(mkfifo(pid, 0600), 0);
    CHECK_NUM(lock(&s), ERR_REFUSED);
    CHECK_NUM(unlink(pid), 0);

    test_case("a folder");
    CHECK_NUM(mkdir(pid, 0700), 0);
    CHECK_NUM(lock(&s), ERR_IO);
    CHECK_NUM(rmdir(pid), 0);

    test_case("a file of somebody else");
    write_file(pid, "1\n");
    if (geteuid() == 0) {
        CHECK_NUM(chown(pid, STRANGER, STRANGER), 0);
        CHECK_NUM(lock(&s), ERR_REFUSED);
        check_file(pid, "1\n");
        CHECK_NUM(chown(pid, 0, 0), 0);
    }
    CHECK_NUM(lock(&s), ERR_OK);
    test_case(NULL);
    stage_end(&s);
}

TEST(shards_of_more_workers_are_counted_and_their_sockets_go)
{
    struct stage s;
    unsigned n = 0;
    char path[SOCKET_PATH_MAX];
    stage_begin(&s);
    CHECK_NUM(make(&s), ERR_OK);
    CHECK_NUM(folders_shards(&s.config, 2, &n, &s.why), ERR_OK);
    CHECK_NUM(n, 2);
    write_file(path_in(s.data, "queue/shard-0007.db"), "");
    write_file(path_in(s.data, "queue/shard-0009.db-wal"), "");
    CHECK_NUM(folders_shards(&s.config, 2, &n, &s.why), ERR_OK);
    CHECK_NUM(n, 8);
    write_file(path_in(s.data, "queue/shard-0200.db"), "");
    CHECK_NUM(folders_shards(&s.config, 2, &n, &s.why), ERR_FULL);

    write_file(folders_socket(&s.config, 1, path), "");
    write_file(folders_socket(&s.config, 2, path), "");
    folders_tidy(&s.config, 2);
    CHECK_NUM(access(folders_socket(&s.config, 1, path), F_OK), 0);
    CHECK_NUM(access(folders_socket(&s.config, 2, path), F_OK), -1);
    stage_end(&s);
}
