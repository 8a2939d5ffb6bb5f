/* test.h - the smallest harness that serves: tests register themselves, checks say what they saw.
 *
 *     TEST(dot_ends_only_at_crlf) { CHECK(dot_decode(...) == ERR_OK); CHECK_SPAN(got, want); }
 *
 * A failed check ends its test, not the program. The runner prints one line a failed test and
 * "unit_x: N passed, N failed" at the end; arguments are name prefixes that select tests.
 */
#ifndef TEST_TEST_H
#define TEST_TEST_H

#include "base/buf.h"
#include "base/span.h"

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *t);
_Noreturn void test_fail(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
void test_span_eq(const char *file, int line, struct span got, struct span want);
void test_num_eq(const char *file, int line, const char *what, int64_t got, int64_t want);
/* The row of a table that is being tested: printed when a check fails. NULL: none. */
void test_case(const char *name);
/* A file below the source tree, whole; the test fails when it cannot be read. Caller: buf_done. */
void test_read_file(const char *path, struct buf *ret);

#define TEST(id)                                                                                   \
    static void test_##id(void);                                                                   \
    static struct test test_entry_##id = { #id, test_##id, NULL };                                 \
    __attribute__((constructor)) static void test_add_##id(void)                                   \
    {                                                                                              \
        test_register(&test_entry_##id);                                                           \
    }                                                                                              \
    static void test_##id(void)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_fail(__FILE__, __LINE__, "%s", #cond);                                            \
    } while (0)
#define CHECK_NUM(got, want) test_num_eq(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define CHECK_SPAN(got, want) test_span_eq(__FILE__, __LINE__, (got), (want))
#define CHECK_Z(got, want) test_span_eq(__FILE__, __LINE__, (got), span_z(want))

#endif
