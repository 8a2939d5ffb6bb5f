#include "test/unit/gate/node_files.h"

#define PRIVATE(text) "-----BEGIN PRIVATE KEY-----\n" text "\n-----END PRIVATE KEY-----\n"

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

enum err node_load(const char *text, struct config **ret, struct why *why)
{
    static const struct config_boot boot = { .hash_key = { { 1, 2 } }, .generation = 7 };
    static struct buf pem, key;
    if (pem.n == 0) {
        test_read_file("test/conf/ec.pem", &pem);
        test_read_file("test/conf/ec.key", &key);
    }
    const char *files[] = {
        "etc/f",       text,
        "etc/ec.pem",  buf_z(&pem),
        "etc/ec.key",  buf_z(&key),
        "etc/one.key", PRIVATE("MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"),
        "etc/one.pub", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n",
        "etc/two.key", PRIVATE("MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7"),
        "etc/two.pub", "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=\n",
        "etc/no.pem",  "nothing",
        NULL,
    };
    union {
        const char *const *in;
        void *out;
    } arg = { .in = files };
    const struct config_source source = { memory_read, memory_match, arg.out };
    return config_load(SPAN("etc/f"), &source, &boot, ret, why);
}

struct config *node_load_well(const char *text)
{
    struct config *c = NULL;
    struct why why = { "" };
    enum err e = node_load(text, &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    return c;
}
