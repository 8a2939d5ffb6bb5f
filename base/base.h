/* base.h - what every file of Postern leans on: assertions that stay on in production, the one
 * enumeration of error values, memory that never fails, and borrowed bytes.
 *
 * Rules that hold everywhere (STYLE.md says why):
 *   - bool answers a question; enum err reports what can fail and must be looked at;
 *   - outputs are last, named ret_..., set on success and untouched on failure;
 *   - what a peer, a file, the network or the clock does is an error value, what only our own bug
 *     can do is an ASSERT.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNTOF(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define STATIC_ASSERT(cond) _Static_assert(cond, #cond)
#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            assert_failed(__FILE__, __LINE__, #cond);                                              \
    } while (0)
/* Leaves the function with the error, if there is one. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (expr);                                                                \
        if (try_err_ != ERR_OK)                                                                    \
            return try_err_;                                                                       \
    } while (0)

enum err {
    ERR_OK,
    ERR_AGAIN,     /* not yet: more input, a writable socket, or a later time is needed */
    ERR_SYNTAX,    /* the bytes do not follow the grammar */
    ERR_TOO_BIG,   /* a limit was reached */
    ERR_REFUSED,   /* the other side, or a rule, said no */
    ERR_NOT_FOUND, /* there is none */
    ERR_EXISTS,    /* there is one already */
    ERR_STALE,     /* the lease, snapshot or token is no longer ours */
    ERR_IO,        /* disk or system call failed; nothing may be assumed done */
    ERR_FULL,      /* no space, no descriptors, no memory of a bounded kind */
    ERR_TIMEOUT,   /* a deadline passed */
    ERR_CLOSED,    /* end of stream */
    ERR_COUNT_
};

/* The short name of an error, "refused" for ERR_REFUSED: for logs. */
const char *err_name(enum err e);

/* Reports a bug of ours on stderr and aborts. Never returns. */
_Noreturn void assert_failed(const char *file, int line, const char *what);

/* Memory. Running out ends the process: nothing we said 250 to is lost by that. n may be 0. */
void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));
void mem_free(void *p);

#define NEW(type) ((type *)mem_zalloc(sizeof(type)))

#endif
