#include "test/unit/gate/org_files.h"

/* Files in memory: path, text, ... NULL. */
static enum err memory_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    for (const char *const *file = arg; file[0]; file += 2)
        if (span_eq(path, span_z(file[0])))
            return buf_append(ret, span_z(file[1]));
    why_set(why, "cannot read %.*s: none", SPAN_ARG(path));
    return ERR_NOT_FOUND;
}

static enum err memory_match(void *arg, struct span pattern, struct buf *ret, struct why *why)
{
    (void)arg, (void)pattern, (void)ret, (void)why;
    return ERR_OK;
}

static enum err load_files(const char *const *files, struct config **ret, struct why *why)
{
    static const struct config_boot boot = { .hash_key = { { 1, 2 } }, .generation = 7 };
    union {
        const char *const *in;
        void *out;
    } arg = { .in = files };
    const struct config_source source = { memory_read, memory_match, arg.out };
    return config_load(SPAN("etc/f"), &source, &boot, ret, why);
}

/* The file, with a CA and a certificate beside it. */
enum err org_load(const char *text, struct config **ret, struct why *why)
{
    static struct buf pem, key;
    if (pem.n == 0) {
        test_read_file("test/conf/ec.pem", &pem);
        test_read_file("test/conf/ec.key", &key);
    }
    const char *files[] = { "etc/f",     text,         "etc/ca.pem", buf_z(&pem), "etc/ec.key",
                            buf_z(&key), "etc/no.pem", "no PEM",     NULL };
    return load_files(files, ret, why);
}

struct config *org_load_well(const char *text)
{
    struct config *c = NULL;
    struct why why = { "" };
    enum err e = org_load(text, &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    return c;
}

void org_check_refused(const char *text, const char *want)
{
    struct config *c = NULL;
    struct why why = { "" };
    test_case(text);
    CHECK_NUM(org_load(text, &c, &why), ERR_SYNTAX);
    CHECK_Z(span_z(why.text), want);
    CHECK(c == NULL);
    CHECK_NUM(org_load(text, &c, NULL), ERR_SYNTAX);
}
