/* ext.h - the EHLO keywords we know, both directions, in one table. */
#ifndef PROTO_EXT_H
#define PROTO_EXT_H

#include "base/buf.h"

enum ext {
    EXT_PIPELINING = 1 << 0,          /* RFC 2920 */
    EXT_SIZE = 1 << 1,                /* RFC 1870 */
    EXT_8BITMIME = 1 << 2,            /* RFC 6152 */
    EXT_SMTPUTF8 = 1 << 3,            /* RFC 6531 */
    EXT_ENHANCEDSTATUSCODES = 1 << 4, /* RFC 2034 */
    EXT_CHUNKING = 1 << 5,            /* RFC 3030 */
    EXT_BINARYMIME = 1 << 6,          /* RFC 3030 */
    EXT_DSN = 1 << 7,                 /* RFC 3461 */
    EXT_STARTTLS = 1 << 8,            /* RFC 3207 */
    EXT_REQUIRETLS = 1 << 9,          /* RFC 8689 */
};

/* One line of an EHLO reply ("SIZE 1000"): returns its bit, 0 when unknown; the parameter of SIZE
 * goes to *ret_size when it is a number, which is else untouched. */
unsigned ext_read(struct span line, uint64_t *ret_size);
/* The lines of our EHLO reply behind the first, '\n' between, in the table's order. */
void ext_write(unsigned exts, uint64_t size_max, struct buf *out);

#endif
