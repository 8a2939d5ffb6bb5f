#include "store/parts.h"

int64_t time_within(int64_t wall_ms)
{
    if (wall_ms < 0)
        return 0;
    return wall_ms < STORE_TIME_MAX ? wall_ms : STORE_TIME_MAX;
}

uint64_t id_first(int64_t wall_ms)
{
    return (uint64_t)time_within(wall_ms) << ID_COUNT_BITS;
}

unsigned body_rows(const struct body *b)
{
    uint64_t n = (b->n + BODY_CHUNK - 1) / BODY_CHUNK;
    return n <= STORE_CHUNKS_MAX ? (unsigned)n : STORE_CHUNKS_MAX + 1;
}

struct span body_row(const struct body *b, unsigned i, char *memory)
{
    uint64_t offset = (uint64_t)i * BODY_CHUNK;
    ASSERT(offset < b->n);
    size_t want = b->n - offset < BODY_CHUNK ? (size_t)(b->n - offset) : BODY_CHUNK;

    struct span piece = body_at(b, offset);
    if (piece.n >= want)
        return span_head(piece, want);
    for (size_t n = 0; n < want; n += piece.n) {
        piece = body_at(b, offset + n);
        ASSERT(piece.n > 0);
        if (piece.n > want - n)
            piece = span_head(piece, want - n);
        memcpy(memory + n, piece.p, piece.n);
    }
    return span_of(memory, want);
}

enum err new_check(const struct store_new *m)
{
    ASSERT(m->envelope->n_rcpt > 0);
    if (m->envelope->n_rcpt > RCPTS_MAX || m->trace.n > STORE_TRACE_MAX)
        return ERR_TOO_BIG;
    if (m->chunks_before > STORE_CHUNKS_MAX)
        return ERR_TOO_BIG;
    unsigned rows = m->body ? body_rows(m->body) : 0;
    return rows > STORE_CHUNKS_MAX - m->chunks_before ? ERR_TOO_BIG : ERR_OK;
}

int64_t renew_end(const struct store_op *op, unsigned i)
{
    return time_within(op->until_ms != 0 ? op->until_ms : op->items[i].due_ms);
}

static bool span_or_any(struct span want, struct span have)
{
    return want.n == 0 || span_eq_nocase(want, have);
}

bool filter_domain(const struct store_filter *f, struct span domain)
{
    return span_or_any(f->domain, domain);
}

bool filter_to(const struct store_filter *f, struct span addr)
{
    return span_or_any(f->to, addr);
}

bool filter_from(const struct store_filter *f, struct span from)
{
    if (span_eq(f->from, SPAN("<>")))
        return from.n == 0;
    return span_or_any(f->from, from);
}

bool trace_next(struct span *text, struct span *ret_line)
{
    while (text->n > 0) {
        struct span line = span_cut(text, '\n');
        if (line.n == 0)
            continue;
        *ret_line = line;
        return true;
    }
    return false;
}

enum err trace_count(struct span text, unsigned *ret_n)
{
    unsigned n = 0;
    struct span line;
    while (trace_next(&text, &line)) {
        if (line.n > STORE_TRACE_MAX)
            return ERR_TOO_BIG;
        n++;
    }
    *ret_n = n;
    return ERR_OK;
}

unsigned match_line(const struct store_op *op, struct span line)
{
    unsigned found = 0;
    for (unsigned i = 0; i < COUNTOF(op->match); i++) {
        struct span m = op->match[i];
        if (m.n == 0 || (m.n <= line.n && memmem(line.p, line.n, m.p, m.n)))
            found |= 1u << i;
    }
    return found;
}
