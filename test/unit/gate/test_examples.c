#include "gate/config.h"
#include "test/test.h"

#include <stdio.h>

/* Every configuration in docs/examples.md is one, and who trusts addresses alone is told so. */

static const struct {
    const char *name, *warning; /* a piece of it, or NULL */
} blocks[] = {
    { "partner-tls", NULL },
    { "partner-certificate", NULL },
    { "partner-addresses", "addresses alone" },
    { "service-only", "addresses alone" },
    { "partner-addresses-tls", "addresses alone" },
    { "to-own-server", NULL },
    { "to-partner", "addresses alone" },
    { "from-own-server", NULL },
    { "from-partner", NULL },
};

static enum err page_read(void *arg, struct span path, struct buf *ret, struct why *why)
{
    (void)path, (void)why;
    return buf_append(ret, buf_span(arg));
}

static const char *const fence = "```postern ";

/* The block that begins at p, in *text; its name in *name. What comes behind it, or NULL. */
static char *next_block(char *p, struct span *name, struct span *text)
{
    p = strstr(p, fence);
    if (!p)
        return NULL;
    p += strlen(fence);
    char *line = strchr(p, '\n');
    CHECK(line != NULL);
    char *end = strstr(line, "\n```\n");
    CHECK(end != NULL);
    *name = span_of(p, (size_t)(line - p));
    *text = span_of(line + 1, (size_t)(end - line));
    return end + 1;
}

static void warned(void *arg, const char *text)
{
    buf_putf(arg, "%s\n", text);
}

static void check_block(size_t i, struct span text)
{
    static const struct config_boot boot = { .hash_key = { { 1, 2 } } };
    struct buf file, warnings;
    struct why why = { "" };
    struct config *c = NULL;
    buf_init(&file, CONFIG_FILE_MAX);
    buf_init(&warnings, CONFIG_FILE_MAX);
    buf_put(&file, SPAN("hostname = \"mx.hospital.example\"\n"));
    buf_put(&file, text);
    struct config_source source = { .read = page_read, .arg = &file };
    enum err e = config_load(SPAN("examples.conf"), &source, &boot, &c, &why);
    CHECK_Z(span_z(why.text), "");
    CHECK_NUM(e, ERR_OK);
    if (c)
        config_warnings(c, warned, &warnings);
    if (blocks[i].warning)
        CHECK(strstr(buf_z(&warnings), blocks[i].warning) != NULL);
    config_unref(c);
    buf_done(&file);
    buf_done(&warnings);
}

TEST(examples_of_the_documentation_load)
{
    struct buf page;
    struct span name, text;
    size_t i = 0;
    test_read_file("docs/examples.md", &page);
    char *p = (char *)(uintptr_t)buf_z(&page);
    while ((p = next_block(p, &name, &text))) {
        CHECK(i < COUNTOF(blocks));
        test_case(blocks[i].name);
        CHECK_Z(name, blocks[i].name);
        check_block(i++, text);
    }
    CHECK_NUM(i, COUNTOF(blocks));
    buf_done(&page);
}
