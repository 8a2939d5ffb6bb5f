#include "io/maildir.h"
#include "test/test.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct place {
    char root[100], path[200];
    struct body *body;
    struct maildir_job job;
};

static void place_init(struct place *p)
{
    snprintf(p->root, sizeof p->root, "/tmp/postern-test-maildir-XXXXXX");
    CHECK(mkdtemp(p->root) != NULL);
    snprintf(p->path, sizeof p->path, "%s/box", p->root);
    p->body = body_new();
    p->job = (struct maildir_job){ .path = span_z(p->path),
                                   .unique = SPAN("1.abc.mx"),
                                   .header = SPAN("Return-Path: <>\r\n"),
                                   .body = p->body };
}

static void remove_file(const char *folder, const char *sub, const char *name)
{
    char path[700];
    snprintf(path, sizeof path, "%s/%s/%s", folder, sub, name);
    unlink(path);
}

/* How many files there are in one of the folders; -1: no folder. With `clean` they go. */
static int count(const struct place *p, const char *sub, bool clean)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", p->path, sub);
    DIR *d = opendir(path);
    if (!d)
        return -1;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        if (clean)
            remove_file(p->path, sub, e->d_name);
    }
    closedir(d);
    if (clean)
        rmdir(path);
    return n;
}

static void place_done(struct place *p)
{
    body_unref(p->body);
    count(p, "tmp", true);
    count(p, "new", true);
    count(p, "cur", true);
    rmdir(p->path);
    rmdir(p->root);
}

static void read_back(const struct place *p, const char *name, struct buf *ret)
{
    char path[300];
    snprintf(path, sizeof path, "%s/new/%s", p->path, name);
    test_read_file(path, ret);
}

TEST(maildir_makes_its_folders_and_delivers)
{
    struct place p;
    place_init(&p);
    body_append(p.body, SPAN("Subject: hi\r\n\r\ntext\r\n"));
    struct why why = { "" };
    CHECK(maildir_deliver(&p.job, &why) == ERR_OK);
    CHECK_NUM(count(&p, "tmp", false), 0);
    CHECK_NUM(count(&p, "new", false), 1);
    CHECK_NUM(count(&p, "cur", false), 0);
    struct buf got;
    read_back(&p, "1.abc.mx", &got);
    CHECK_SPAN(buf_span(&got), SPAN("Return-Path: <>\r\nSubject: hi\r\n\r\ntext\r\n"));
    buf_done(&got);
    struct stat st;
    CHECK(stat(p.path, &st) == 0 && (st.st_mode & 0777) == 0700);
    place_done(&p);
}

TEST(maildir_same_name_twice_is_one_file)
{
    struct place p;
    place_init(&p);
    body_append(p.body, SPAN("a\r\n"));
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK);
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK);
    CHECK_NUM(count(&p, "new", false), 1);
    p.job.unique = SPAN("2.abc.mx");
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK);
    CHECK_NUM(count(&p, "new", false), 2);
    place_done(&p);
}

/* What an attempt left in tmp/ that was cut off does not stand in the way, nor get in. */
TEST(maildir_old_file_in_tmp)
{
    struct place p;
    place_init(&p);
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK);
    remove_file(p.path, "new", "1.abc.mx");
    char path[300];
    snprintf(path, sizeof path, "%s/tmp/1.abc.mx", p.path);
    CHECK(symlink("/nonexistent/elsewhere", path) == 0);
    body_append(p.body, SPAN("new text\r\n"));
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK);
    struct buf got;
    read_back(&p, "1.abc.mx", &got);
    CHECK_SPAN(buf_span(&got), SPAN("Return-Path: <>\r\nnew text\r\n"));
    buf_done(&got);
    place_done(&p);
}

TEST(maildir_body_of_many_chunks)
{
    struct place p;
    place_init(&p);
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 2000; i++)
        body_append(p.body, span_of(piece, sizeof piece));
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK);
    struct buf got;
    read_back(&p, "1.abc.mx", &got);
    CHECK_NUM(got.n, 2000 * 1000 + p.job.header.n);
    buf_done(&got);
    place_done(&p);
}

TEST(maildir_bad_places_are_named)
{
    static const char *const names[] = { "", ".", "..", ".hidden", "a/b", "../x" };
    struct place p;
    place_init(&p);
    for (size_t i = 0; i < COUNTOF(names); i++) {
        test_case(names[i]);
        p.job.unique = span_z(names[i]);
        CHECK(maildir_deliver(&p.job, NULL) == ERR_IO);
    }
    char name[300];
    memset(name, 'a', sizeof name);
    p.job.unique = span_of(name, sizeof name);
    CHECK(maildir_deliver(&p.job, NULL) == ERR_IO);
    p.job.unique = SPAN("x");
    p.job.path = SPAN("/nonexistent/root/box");
    struct why why = { "" };
    CHECK(maildir_deliver(&p.job, &why) == ERR_IO);
    CHECK_Z(span_z(why.text), "/nonexistent/root/box: make the Maildir: No such file or directory");
    place_done(&p);
}

TEST(maildir_makes_folders_below_its_root)
{
    static const char *const above[] = { "a/b/box", "a/b", "a" };
    struct place p;
    place_init(&p);
    snprintf(p.path, sizeof p.path, "%s/%s", p.root, above[0]);
    p.job.path = span_z(p.path);
    struct why why = { "" };
    CHECK(maildir_deliver(&p.job, &why) == ERR_IO); /* without a root only the last part is made */
    p.job.root_n = strlen(p.root);
    CHECK(maildir_deliver(&p.job, &why) == ERR_OK);
    CHECK(maildir_deliver(&p.job, &why) == ERR_OK);
    CHECK_NUM(count(&p, "new", true), 1);
    count(&p, "tmp", true);
    count(&p, "cur", true);
    for (size_t i = 0; i < COUNTOF(above); i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", p.root, above[i]);
        CHECK(rmdir(path) == 0);
    }
    place_done(&p);
}

/* No room: nothing is left behind, and the caller is told which kind it was. */
TEST(t54_maildir_without_space)
{
    struct place p;
    place_init(&p);
    CHECK(maildir_deliver(&p.job, NULL) == ERR_OK); /* the folders */
    p.job.unique = SPAN("full");
    struct rlimit before, low;
    getrlimit(RLIMIT_FSIZE, &before);
    low = before;
    low.rlim_cur = 5; /* the nearest thing to a full disk: EFBIG */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &set, NULL);
    setrlimit(RLIMIT_FSIZE, &low);
    enum err e = maildir_deliver(&p.job, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    siginfo_t info;
    sigtimedwait(&set, &info, &(struct timespec){ 0 });
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(e == ERR_IO || e == ERR_FULL);
    CHECK_NUM(count(&p, "tmp", false), 0);
    CHECK_NUM(count(&p, "new", false), 1);
    place_done(&p);
}
