#include "base/list.h"
#include "base/log.h"
#include "test/test.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(err_names_are_all_there_and_differ)
{
    for (int i = 0; i < ERR_COUNT_; i++) {
        CHECK(err_name((enum err)i) != NULL);
        for (int k = 0; k < i; k++)
            CHECK(!span_eq(span_z(err_name((enum err)i)), span_z(err_name((enum err)k))));
    }
    CHECK_Z(span_z(err_name(ERR_REFUSED)), "refused");
}

static int64_t epoch(void)
{
    return 0;
}

/* Lets a child write a line and fail an assertion; everything it said comes back. */
static size_t said_by_failing_child(char *said, size_t cap, int *ret_status)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        log_setup(STDERR_FILENO, LOG_INFO, "child", epoch);
        log_begin(LOG_INFO, "test.before");
        log_end();
        log_begin(LOG_INFO, "test.unfinished");
        assert_failed("some/file.c", 417, "n < cap");
    }
    close(ends[1]);
    size_t n = 0;
    ssize_t got;
    while ((got = read(ends[0], said + n, cap - n)) > 0)
        n += (size_t)got;
    close(ends[0]);
    CHECK(waitpid(child, ret_status, 0) == child);
    return n;
}

TEST(assertion_flushes_the_log_names_its_place_and_aborts)
{
    char said[1024];
    int status;
    size_t n = said_by_failing_child(said, sizeof said, &status);
    CHECK(WIFSIGNALED(status));
    CHECK_NUM(WTERMSIG(status), SIGABRT);
    CHECK_Z(span_of(said, n), "1970-01-01T00:00:00.000Z info test.before who=child\n"
                              "some/file.c:417: assertion failed: n < cap\n");
}

TEST(memory_of_no_bytes_is_memory)
{
    void *a = mem_alloc(0), *b = mem_zalloc(0);
    CHECK(a && b && a != b);
    a = mem_realloc(a, 0);
    CHECK(a != NULL);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
}

struct item {
    int value;
    struct list in;
};

TEST(list_keeps_order_and_a_member_may_leave_while_walking)
{
    struct list head;
    list_init(&head);
    CHECK(list_empty(&head));
    CHECK(list_pop(&head) == NULL);

    struct item items[6];
    for (int i = 0; i < 6; i++) {
        items[i].value = i;
        list_push(&head, &items[i].in);
    }
    int seen = 0;
    LIST_EACH (it, &head) {
        struct item *item = LIST_ENTRY(it, struct item, in);
        CHECK_NUM(item->value, seen++);
        if (item->value % 2)
            list_remove(it);
    }
    CHECK_NUM(seen, 6);
    list_remove(&items[1].in); /* in none already */
    list_push_front(&head, &items[5].in);
    CHECK(list_pop(&head) == &items[5].in);
    for (int i = 0; i < 6; i += 2)
        CHECK(list_pop(&head) == &items[i].in);
    CHECK(list_empty(&head));
}
