#include "base/base.h"
#include "base/log.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const err_names[ERR_COUNT_] = {
    [ERR_OK] = "ok",           [ERR_AGAIN] = "again",     [ERR_SYNTAX] = "syntax",
    [ERR_TOO_BIG] = "too-big", [ERR_REFUSED] = "refused", [ERR_NOT_FOUND] = "not-found",
    [ERR_EXISTS] = "exists",   [ERR_STALE] = "stale",     [ERR_IO] = "io",
    [ERR_FULL] = "full",       [ERR_TIMEOUT] = "timeout", [ERR_CLOSED] = "closed",
};

const char *err_name(enum err e)
{
    ASSERT((size_t)e < COUNTOF(err_names));
    return err_names[e];
}

/* Appends what fits of z; no libc that might allocate or lock. */
static size_t line_add(char *line, size_t cap, size_t n, const char *z)
{
    while (*z && n < cap)
        line[n++] = *z++;
    return n;
}

void assert_failed(const char *file, int line, const char *what)
{
    static bool failing; /* an assertion of log_flush itself must not come back here */
    if (!failing) {
        failing = true;
        log_flush();
    }
    char digits[12] = { 0 };
    size_t i = sizeof digits - 1;
    unsigned left = line < 0 ? 0 : (unsigned)line;
    do {
        digits[--i] = (char)('0' + left % 10);
        left /= 10;
    } while (left);

    char text[512];
    size_t cap = sizeof text - 1, n = 0;
    n = line_add(text, cap, n, file);
    n = line_add(text, cap, n, ":");
    n = line_add(text, cap, n, digits + i);
    n = line_add(text, cap, n, ": assertion failed: ");
    n = line_add(text, cap, n, what);
    text[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, text, n);
    (void)written; /* nobody is left to be told */
    abort();
}

void *mem_alloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    ASSERT(p != NULL);
    return p;
}

void *mem_zalloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    ASSERT(p != NULL);
    return p;
}

void *mem_realloc(void *p, size_t n)
{
    void *ret = realloc(p, n ? n : 1);
    ASSERT(ret != NULL);
    return ret;
}

void mem_free(void *p)
{
    free(p);
}
