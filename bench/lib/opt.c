/* opt.c - start at opt_read. */
#include "bench/lib/opt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUM_MAX = 1000 * 1000 * 1000 };

static const struct opt *opt_find(const struct opt *table, size_t n, struct span name)
{
    for (size_t i = 0; i < n; i++) {
        if (span_eq(span_z(table[i].name), name))
            return &table[i];
    }
    return NULL;
}

static bool opt_takes_value(enum opt_kind kind)
{
    return kind == OPT_SWITCH || kind == OPT_TEXT || kind == OPT_NUM;
}

static enum err opt_num(struct span s, uint64_t *ret)
{
    uint64_t unit = 1, v;
    if (s.n > 0 && ascii_lower(s.p[s.n - 1]) == 'k')
        unit = 1024;
    if (s.n > 0 && ascii_lower(s.p[s.n - 1]) == 'm')
        unit = 1024 * 1024;
    TRY(span_u64(span_head(s, unit > 1 ? s.n - 1 : s.n), NUM_MAX / unit, &v));
    *ret = v * unit;
    return ERR_OK;
}

static enum err opt_set(const struct opt *o, const char *text)
{
    struct span s = span_z(text);
    switch (o->kind) {
    case OPT_FLAG:
    case OPT_NO:
        *(bool *)o->value = o->kind == OPT_FLAG;
        return ERR_OK;
    case OPT_SWITCH:
        if (!span_eq(s, SPAN("on")) && !span_eq(s, SPAN("off")))
            return ERR_SYNTAX;
        *(bool *)o->value = span_eq(s, SPAN("on"));
        return ERR_OK;
    case OPT_TEXT:
        *(const char **)o->value = text;
        return ERR_OK;
    case OPT_NUM:
        return opt_num(s, o->value);
    }
    ASSERT(false); /* all kinds are above */
    return ERR_SYNTAX;
}

static void opt_usage(const char *program, const struct opt *table, size_t n)
{
    static const char *const VALUE[] = { "", "", " on|off", " TEXT", " NUM" };
    fprintf(stderr, "usage: %s [options]\n", program);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "  --%s%s\n        %s\n", table[i].name, VALUE[table[i].kind],
                table[i].help);
}

enum err opt_read(int argc, char **argv, const struct opt *table, size_t n)
{
    ASSERT(argc >= 1);
    for (int i = 1; i < argc; i++) {
        struct span arg = span_z(argv[i]);
        const struct opt *o =
            span_starts(arg, SPAN("--")) ? opt_find(table, n, span_tail(arg, 2)) : NULL;
        bool short_of_value = o && opt_takes_value(o->kind) && i + 1 == argc;
        const char *value = o && opt_takes_value(o->kind) && !short_of_value ? argv[++i] : "";
        if (!o || short_of_value || opt_set(o, value) != ERR_OK) {
            if (!span_eq(arg, SPAN("--help")))
                fprintf(stderr, "%s: cannot read %s %s\n", argv[0], arg.p, value);
            opt_usage(argv[0], table, n);
            return ERR_SYNTAX;
        }
    }
    return ERR_OK;
}

void bench_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}
