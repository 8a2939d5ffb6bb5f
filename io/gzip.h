/* gzip.h - the gzip format (RFC 1952) by zlib: packs what we send, unpacks what others sent.
 *
 * Unpacking takes its input in pieces of any size, and never makes more of it than the caller's
 * buffer holds or than GUNZIP_RATIO_MAX times what came in so far: a small bomb stays
 * small (T-44).
 */
#ifndef IO_GZIP_H
#define IO_GZIP_H

#include "base/buf.h"
#include "base/why.h"

enum {
    GUNZIP_RATIO_MAX = 200, /* reports shrink to a tenth or a fiftieth, bombs to a thousandth */
    GUNZIP_FREE_MAX = 64 * 1024, /* so much may come out of anything */
};

/* Appends the packed form of `in`: one member, no name, no time, so that the same bytes give the
 * same. ERR_TOO_BIG: out is full, and holds what it held before. */
MUST_USE enum err gzip(struct span in, struct buf *out);

struct gunzip;

/* Unpacked bytes go to `out`, which is borrowed until gunzip_free; its maximum is the bound. */
struct gunzip *gunzip_new(struct buf *out);
void gunzip_free(struct gunzip *g);
/* Feeds a piece. ERR_SYNTAX: no gzip, damaged, or bytes behind its end; ERR_TOO_BIG: a bound was
 * reached. After an error only gunzip_free may follow; out holds what came out until then. */
MUST_USE enum err gunzip_input(struct gunzip *g, struct span piece, struct why *why);
/* All has been fed. ERR_SYNTAX: the end is missing. */
MUST_USE enum err gunzip_end(struct gunzip *g, struct why *why);

/* Does it begin as gzip does? Two bytes tell. */
bool gzip_looks(struct span s);

#endif
