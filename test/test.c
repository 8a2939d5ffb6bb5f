#include "test/test.h"
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>

static struct test *first;
static struct test **last = &first;

/* The test that runs, and how it is left when a check fails. */
static struct {
    const struct test *test;
    const char *row;
    jmp_buf out;
} now;

void test_register(struct test *t)
{
    *last = t;
    last = &t->next;
}

void test_case(const char *name)
{
    now.row = name;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    printf("FAIL %s", now.test->name);
    if (now.row)
        printf(" [%s]", now.row);
    printf(" %s:%d: ", file, line);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    longjmp(now.out, 1);
}

/* Bytes for people: quoted, what is not printable as \xHH, long ones cut. */
static const char *shown(struct span s, char *memory, size_t cap)
{
    size_t n = 0;
    n += (size_t)snprintf(memory, cap, "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (n + 8 >= cap) {
            snprintf(memory + n, cap - n, "...");
            return memory;
        }
        unsigned char c = (unsigned char)s.p[i];
        bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
        n += (size_t)snprintf(memory + n, cap - n, plain ? "%c" : "\\x%02x", c);
    }
    snprintf(memory + n, cap - n, "\"");
    return memory;
}

void test_span_eq(const char *file, int line, struct span got, struct span want)
{
    if (span_eq(got, want))
        return;
    char a[400], b[400];
    test_fail(file, line, "got %s (%zu bytes), want %s (%zu bytes)", shown(got, a, sizeof a), got.n,
              shown(want, b, sizeof b), want.n);
}

void test_num_eq(const char *file, int line, const char *what, int64_t got, int64_t want)
{
    if (got != want)
        test_fail(file, line, "%s: got %" PRId64 ", want %" PRId64, what, got, want);
}

void test_read_file(const char *path, struct buf *ret)
{
    enum { FILE_BYTES_MAX = 64 << 20, STEP = 64 << 10 };
    buf_init(ret, FILE_BYTES_MAX);
    FILE *f = fopen(path, "rb");
    if (!f)
        test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    size_t n;
    do {
        char *to;
        if (buf_reserve(ret, STEP, &to) != ERR_OK) {
            fclose(f);
            test_fail(__FILE__, __LINE__, "%s: too big", path);
        }
        n = fread(to, 1, STEP, f);
        buf_added(ret, n);
    } while (n > 0);
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed)
        test_fail(__FILE__, __LINE__, "%s cannot be read", path);
}

static bool selected(const char *name, int n, char **prefixes)
{
    for (int i = 0; i < n; i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return n == 0;
}

/* True when it passed. The line is written before the next test may crash. */
static bool run(const struct test *t)
{
    now.test = t;
    now.row = NULL;
    bool passed = setjmp(now.out) == 0;
    if (passed)
        t->run();
    fflush(stdout);
    return passed;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0); /* who is killed has said how far it came */
    for (const struct test *t = first; t; t = t->next) {
        if (!selected(t->name, argc - 1, argv + 1))
            continue;
        if (run(t))
            passed++;
        else
            failed++;
    }
    const char *slash = strrchr(argv[0], '/');
    printf("%s: %d passed, %d failed\n", slash ? slash + 1 : argv[0], passed, failed);
    return failed > 0;
}
