#include "proto/ext.h"
#include "test/test.h"

TEST(ext_read_table)
{
    static const struct {
        const char *line;
        unsigned want;
        uint64_t size;
    } cases[] = {
        { "PIPELINING", EXT_PIPELINING, 7 },
        { "pipelining", EXT_PIPELINING, 7 },
        { "SIZE", EXT_SIZE, 7 },
        { "SIZE 1000", EXT_SIZE, 1000 },
        { "SIZE 0", EXT_SIZE, 0 },
        { "size  12 ", EXT_SIZE, 12 },
        { "SIZE many", EXT_SIZE, 7 },
        { "SIZE 99999999999999999999999", EXT_SIZE, 7 },
        { "SIZES 1", 0, 7 },
        { "8BITMIME", EXT_8BITMIME, 7 },
        { "STARTTLS", EXT_STARTTLS, 7 },
        { "STARTTLS now", EXT_STARTTLS, 7 },
        { "STARTTLSX", 0, 7 },
        { "REQUIRETLS", EXT_REQUIRETLS, 7 },
        { "SMTPUTF8", EXT_SMTPUTF8, 7 },
        { "CHUNKING", EXT_CHUNKING, 7 },
        { "BINARYMIME", EXT_BINARYMIME, 7 },
        { "DSN", EXT_DSN, 7 },
        { "ENHANCEDSTATUSCODES", EXT_ENHANCEDSTATUSCODES, 7 },
        { "XCLIENT", 0, 7 },
        { "", 0, 7 },
    };
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        test_case(cases[i].line);
        uint64_t size = 7;
        CHECK_NUM(ext_read(span_z(cases[i].line), &size), cases[i].want);
        CHECK_NUM(size, cases[i].size);
    }
}

TEST(ext_write_what_was_read)
{
    struct buf out;
    buf_init(&out, 512);
    for (unsigned exts = 0; exts < 1u << 10; exts++) {
        buf_clear(&out);
        ext_write(exts, 4711, &out);
        unsigned got = 0;
        uint64_t size = 0;
        struct span rest = buf_span(&out);
        while (rest.n > 0)
            got |= ext_read(span_cut(&rest, '\n'), &size);
        CHECK_NUM(got, exts);
        CHECK_NUM(size, exts & EXT_SIZE ? 4711 : 0);
    }
    buf_done(&out);
}
