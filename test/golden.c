#include "test/golden.h"
#include "test/test.h"
#include <stdio.h>

static bool writing;

/* The harness takes arguments for names of tests; no test is named so. */
__attribute__((constructor)) static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        writing |= strcmp(argv[i], "--write") == 0;
}

static void golden_write(const char *path, struct span text)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
        test_fail(__FILE__, __LINE__, "%s cannot be written", path);
}

void golden_check(const char *path, struct span got)
{
    if (writing)
        golden_write(path, got);

    struct buf file;
    test_read_file(path, &file);
    struct span want = buf_span(&file);
    for (int number = 1; got.n > 0 || want.n > 0; number++) {
        struct span a = span_cut(&got, '\n'), b = span_cut(&want, '\n');
        if (!span_eq(a, b))
            test_fail(__FILE__, __LINE__, "%s:%d: got \"%.*s\", want \"%.*s\"", path, number,
                      SPAN_ARG(a), SPAN_ARG(b));
    }
    buf_done(&file);
}
