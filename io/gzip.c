/* gzip.c - start reading at gunzip_input. */
#include "io/gzip.h"
#include <zlib.h>

/* 32 KiB of window, and the wrapper of gzip around it: zlib counts that as 16 more. */
enum { WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8, STEP_BYTES = 16 * 1024 };

struct gunzip {
    z_stream z;
    struct buf *out;
    uint64_t in_n, out_n;
    bool ended, failed;
};

static void *memory(void *arg, unsigned items, unsigned size)
{
    (void)arg;
    return mem_alloc((size_t)items * size);
}

static void memory_free(void *arg, void *p)
{
    (void)arg;
    mem_free(p);
}

static z_stream stream(void)
{
    return (z_stream){ .zalloc = memory, .zfree = memory_free };
}

/* zlib reads through a pointer that it does not write through. */
static void set_input(z_stream *z, struct span s)
{
    ASSERT(s.n <= UINT32_MAX);
    z->next_in = (Bytef *)(uintptr_t)s.p;
    z->avail_in = (uInt)s.n;
}

/* --- packing */

static enum err pack(z_stream *z, struct buf *out)
{
    int got = Z_OK;
    while (got == Z_OK) {
        size_t n = buf_room(out) < STEP_BYTES ? buf_room(out) : STEP_BYTES;
        char *p = NULL;
        if (n == 0)
            return ERR_TOO_BIG;
        TRY(buf_reserve(out, n, &p));
        z->next_out = (Bytef *)p;
        z->avail_out = (uInt)n;
        got = deflate(z, Z_FINISH);
        ASSERT(got == Z_OK || got == Z_STREAM_END || got == Z_BUF_ERROR);
        buf_added(out, n - z->avail_out);
    }
    return got == Z_STREAM_END ? ERR_OK : ERR_TOO_BIG;
}

enum err gzip(struct span in, struct buf *out)
{
    if (in.n > UINT32_MAX)
        return ERR_TOO_BIG;
    z_stream z = stream();
    size_t n = out->n;
    int got = deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                           Z_DEFAULT_STRATEGY);
    ASSERT(got == Z_OK);
    set_input(&z, in);
    enum err e = pack(&z, out);
    (void)deflateEnd(&z);
    if (e != ERR_OK)
        buf_truncate(out, n);
    return e;
}

/* --- unpacking */

bool gzip_looks(struct span s)
{
    return s.n >= 2 && s.p[0] == '\x1f' && s.p[1] == '\x8b';
}

struct gunzip *gunzip_new(struct buf *out)
{
    struct gunzip *g = NEW(struct gunzip);
    g->z = stream();
    g->out = out;
    int got = inflateInit2(&g->z, WINDOW_BITS);
    ASSERT(got == Z_OK);
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    (void)inflateEnd(&g->z);
    mem_free(g);
}

/* How much may still come out. */
static size_t allowed(const struct gunzip *g)
{
    uint64_t most =
        g->in_n > UINT64_MAX / GUNZIP_RATIO_MAX ? UINT64_MAX : g->in_n * GUNZIP_RATIO_MAX;
    if (most < GUNZIP_FREE_MAX)
        most = GUNZIP_FREE_MAX;
    uint64_t left = most > g->out_n ? most - g->out_n : 0;
    size_t room = buf_room(g->out);
    return left < room ? (size_t)left : room;
}

static enum err fail(struct gunzip *g, enum err e, struct why *why, const char *what)
{
    g->failed = true;
    why_set(why, "gzip: %s", what);
    return e;
}

/* One step. Where nothing more may come out, zlib is lent one byte of ours: it finds the end of the
 * data with it, or fills it, and then there is too much. */
static int step(struct gunzip *g, bool *ret_over)
{
    char spare, *p = &spare;
    size_t n = allowed(g), lent = 1;
    if (n > 0) {
        lent = n < STEP_BYTES ? n : STEP_BYTES;
        enum err e = buf_reserve(g->out, lent, &p);
        ASSERT(e == ERR_OK);
    }
    g->z.next_out = (Bytef *)p;
    g->z.avail_out = (uInt)lent;
    int got = inflate(&g->z, Z_NO_FLUSH);
    size_t made = lent - g->z.avail_out;
    *ret_over = n == 0 && made > 0;
    if (n > 0)
        buf_added(g->out, made);
    g->out_n += made;
    return got;
}

enum err gunzip_input(struct gunzip *g, struct span piece, struct why *why)
{
    ASSERT(!g->failed);
    if (piece.n > UINT32_MAX)
        return fail(g, ERR_TOO_BIG, why, "too large a piece");
    set_input(&g->z, piece);
    g->in_n += piece.n;
    bool full = true; /* the last step used all that it was lent */
    while (!g->ended && (g->z.avail_in > 0 || full)) {
        bool over = false;
        int got = step(g, &over);
        if (over)
            return fail(g, ERR_TOO_BIG, why, "it unpacks to more than is allowed");
        if (got == Z_BUF_ERROR)
            break; /* no progress without more input */
        if (got != Z_OK && got != Z_STREAM_END)
            return fail(g, ERR_SYNTAX, why, "damaged, or no gzip at all");
        g->ended = got == Z_STREAM_END;
        full = g->z.avail_out == 0;
    }
    if (g->z.avail_in > 0)
        return fail(g, ERR_SYNTAX, why, "bytes behind its end");
    return ERR_OK;
}

enum err gunzip_end(struct gunzip *g, struct why *why)
{
    ASSERT(!g->failed);
    return g->ended ? ERR_OK : fail(g, ERR_SYNTAX, why, "its end is missing");
}
