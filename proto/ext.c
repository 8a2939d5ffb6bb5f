/* ext.c - the table, and the two walks over it. */
#include "proto/ext.h"
#include <inttypes.h>

static const struct ext_row {
    enum ext bit;
    const char *keyword;
} ext_rows[] = {
    { EXT_PIPELINING, "PIPELINING" },
    { EXT_SIZE, "SIZE" },
    { EXT_8BITMIME, "8BITMIME" },
    { EXT_STARTTLS, "STARTTLS" },
    { EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES" },
    { EXT_DSN, "DSN" },
    { EXT_SMTPUTF8, "SMTPUTF8" },
    { EXT_CHUNKING, "CHUNKING" },
    { EXT_BINARYMIME, "BINARYMIME" },
    { EXT_REQUIRETLS, "REQUIRETLS" },
};

unsigned ext_read(struct span line, uint64_t *ret_size)
{
    struct span rest = span_trim(line);
    struct span keyword = span_cut(&rest, ' ');
    for (size_t i = 0; i < COUNTOF(ext_rows); i++) {
        if (!span_eq_nocase(keyword, span_z(ext_rows[i].keyword)))
            continue;
        uint64_t size;
        if (ext_rows[i].bit == EXT_SIZE && span_u64(span_trim(rest), UINT64_MAX, &size) == ERR_OK)
            *ret_size = size;
        return ext_rows[i].bit;
    }
    return 0;
}

void ext_write(unsigned exts, uint64_t size_max, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < COUNTOF(ext_rows); i++) {
        if (!(exts & ext_rows[i].bit))
            continue;
        buf_putf(out, "%s%s", first ? "" : "\n", ext_rows[i].keyword);
        if (ext_rows[i].bit == EXT_SIZE)
            buf_putf(out, " %" PRIu64, size_max); /* = RFC 1870 4: 0 is "no fixed maximum" */
        first = false;
    }
}
