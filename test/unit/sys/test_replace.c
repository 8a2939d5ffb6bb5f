#include "sys/replace.h"

#include "test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 100, TEXT_MAX = 1000 };

struct stage {
    char folder[PATH_BYTES], file[PATH_BYTES + 8], link[PATH_BYTES + 8];
    struct buf text;
    struct why why;
};

static void stage_begin(struct stage *s)
{
    *s = (struct stage){ .folder = "/tmp/test_replace.XXXXXX" };
    CHECK(mkdtemp(s->folder) != NULL);
    (void)snprintf(s->file, sizeof s->file, "%s/file", s->folder);
    (void)snprintf(s->link, sizeof s->link, "%s/link", s->folder);
    buf_init(&s->text, TEXT_MAX);
    CHECK_NUM(file_create(s->file, 0640, SPAN("before\n"), &s->why), ERR_OK);
    CHECK_NUM(symlink("file", s->link), 0);
}

static void stage_end(struct stage *s)
{
    (void)unlink(s->file);
    (void)unlink(s->link);
    CHECK_NUM(rmdir(s->folder), 0); /* and nothing else was left there */
    buf_done(&s->text);
}

static void check_file(struct stage *s, const char *want)
{
    buf_clear(&s->text);
    CHECK_NUM(file_get(s->file, &s->text, &s->why), ERR_OK);
    CHECK_Z(buf_span(&s->text), want);
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    CHECK_NUM(lstat(path, &st), 0);
    return (unsigned)st.st_mode & 07777u;
}

TEST(replace_keeps_the_mode_and_the_link)
{
    struct stage s;
    struct replace r;
    struct stat st;
    stage_begin(&s);
    CHECK_NUM(chmod(s.file, 0604), 0);
    CHECK_NUM(replace_read(&r, s.link, &s.text, &s.why), ERR_OK);
    CHECK_SPAN(buf_span(&s.text), SPAN("before\n"));
    CHECK_NUM(replace_with(&r, SPAN("after\n"), &s.why), ERR_OK);
    replace_done(&r);
    CHECK(lstat(s.link, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK_NUM(mode_of(s.file), 0604);
    check_file(&s, "after\n");
    stage_end(&s);
}

TEST(replace_refuses_what_was_changed_meanwhile)
{
    struct stage s;
    struct replace r;
    stage_begin(&s);
    CHECK_NUM(replace_read(&r, s.file, &s.text, &s.why), ERR_OK);
    CHECK_NUM(file_put(s.file, 0640, SPAN("theirs\n"), &s.why), ERR_OK);
    CHECK_NUM(replace_with(&r, SPAN("after\n"), &s.why), ERR_STALE);
    check_file(&s, "theirs\n");
    replace_done(&r);
    buf_clear(&s.text);
    CHECK_NUM(replace_read(&r, s.file, &s.text, &s.why), ERR_OK);
    CHECK_NUM(unlink(s.file), 0);
    CHECK_NUM(replace_with(&r, SPAN("after\n"), &s.why), ERR_STALE);
    CHECK(access(s.file, F_OK) != 0);
    replace_done(&r);
    stage_end(&s);
}

TEST(replace_lock_is_for_one)
{
    struct stage s;
    int one, two;
    stage_begin(&s);
    CHECK_NUM(replace_lock(s.file, &one, &s.why), ERR_OK);
    CHECK_NUM(replace_lock(s.link, &two, &s.why), ERR_REFUSED);
    CHECK_NUM(close(one), 0);
    CHECK_NUM(replace_lock(s.file, &two, &s.why), ERR_OK);
    CHECK_NUM(close(two), 0);
    CHECK_NUM(replace_lock("/tmp/no-such-folder/file", &two, &s.why), ERR_NOT_FOUND);
    stage_end(&s);
}

TEST(file_create_takes_nothing_away)
{
    struct stage s;
    stage_begin(&s);
    CHECK_NUM(file_create(s.file, 0600, SPAN("x"), &s.why), ERR_EXISTS);
    CHECK_NUM(file_create(s.link, 0600, SPAN("x"), &s.why), ERR_EXISTS);
    check_file(&s, "before\n");
    CHECK_NUM(mode_of(s.file), 0640);
    stage_end(&s);
}

TEST(file_put_replaces_a_link_and_not_what_it_leads_to)
{
    struct stage s;
    struct stat st;
    stage_begin(&s);
    CHECK_NUM(file_put(s.link, 0600, SPAN("x"), &s.why), ERR_OK);
    CHECK(lstat(s.link, &st) == 0 && S_ISREG(st.st_mode));
    check_file(&s, "before\n");
    stage_end(&s);
}

TEST(file_get_follows_no_link_and_reads_no_more_than_it_may)
{
    struct stage s;
    struct buf few;
    stage_begin(&s);
    CHECK_NUM(file_get(s.link, &s.text, &s.why), ERR_REFUSED);
    CHECK_NUM(file_get(s.folder, &s.text, &s.why), ERR_REFUSED);
    CHECK_NUM(file_get("/tmp/no-such-folder/file", &s.text, &s.why), ERR_NOT_FOUND);
    CHECK_NUM(s.text.n, 0);
    buf_init(&few, 3);
    CHECK_NUM(file_get(s.file, &few, &s.why), ERR_TOO_BIG);
    buf_done(&few);
    stage_end(&s);
}
