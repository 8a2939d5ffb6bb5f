/* opt.h - command line options of the measuring tools: a table of `--name value` pairs.
 *
 *     const struct opt table[] = { { "size", OPT_NUM, &size, "bytes of a message, 10k, 1m" } };
 *     if (opt_read(argc, argv, table, COUNTOF(table)) != ERR_OK)
 *         return 2;
 *
 * Errors and the usage text go to stderr: these are tools, not a library of the gateway.
 */
#ifndef BENCH_LIB_OPT_H
#define BENCH_LIB_OPT_H

#include "base/span.h"

enum opt_kind {
    OPT_FLAG,   /* bool: present is true */
    OPT_NO,     /* bool: present is false */
    OPT_SWITCH, /* bool: on or off */
    OPT_TEXT,   /* const char *, borrowed from argv */
    OPT_NUM,    /* uint64_t; the suffixes k and m are 1024 and 1024 * 1024 */
};

struct opt {
    const char *name; /* without the dashes */
    enum opt_kind kind;
    void *value;
    const char *help;
};

/* Fills the values that are named on the command line; the others keep what they hold.
 * ERR_SYNTAX: something was unknown or unreadable, and the usage has been printed. */
MUST_USE enum err opt_read(int argc, char **argv, const struct opt *table, size_t n);

/* Prints one line on stderr and ends the process with status 2. */
_Noreturn void bench_die(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
