/* store_sqlite_chunk.c - the chunks of bodies: small ones are rows, large ones lie in the file
 * beside the database and have a row that says where. Most messages are small, and while no chunk
 * is large nothing here asks for one. */
#include "store/store_sqlite.h"

#include <inttypes.h>

static enum err last_seq(struct store_sqlite *s, enum statement q, uint64_t id, int64_t *key)
{
    int64_t last = 0;
    bind_keys(s, q, id);
    enum err e = db_get(s->db, q, &last);
    if (e == ERR_OK && last > *key)
        *key = last;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err chunk_count(struct store_sqlite *s, uint64_t id, unsigned *ret)
{
    int64_t key = key_of(id, 0) - 1;
    TRY(last_seq(s, Q_CHUNK_LAST, id, &key));
    if (!bodies_is_empty(s->bodies))
        TRY(last_seq(s, Q_PIECE_LAST, id, &key));
    *ret = (unsigned)(key - key_of(id, 0) + 1);
    return ERR_OK;
}

enum err chunk_put(struct store_sqlite *s, uint64_t id, unsigned seq, struct span bytes)
{
    if (bytes.n < BODIES_CHUNK_MIN) {
        db_num(s->db, Q_CHUNK_PUT, 1, key_of(id, seq));
        db_blob(s->db, Q_CHUNK_PUT, 2, bytes);
        return must_insert(s, Q_CHUNK_PUT);
    }
    struct piece p;
    TRY(bodies_put(s->bodies, bytes, &p));
    db_num(s->db, Q_PIECE_PUT, 1, key_of(id, seq));
    db_num(s->db, Q_PIECE_PUT, 2, p.place);
    db_num(s->db, Q_PIECE_PUT, 3, p.bytes);
    db_num(s->db, Q_PIECE_PUT, 4, p.sum);
    return must_insert(s, Q_PIECE_PUT);
}

/* The row that q stands on. */
static struct piece piece_row(struct store_sqlite *s, enum statement q)
{
    return (struct piece){
        .place = db_row_num(s->db, q, 0),
        .bytes = db_row_num(s->db, q, 1),
        .sum = db_row_num(s->db, q, 2),
    };
}

static enum err piece_get(struct store_sqlite *s, uint64_t id, unsigned seq, struct body **ret)
{
    db_num(s->db, Q_PIECE_GET, 1, key_of(id, seq));
    TRY(db_row(s->db, Q_PIECE_GET));
    struct piece p = piece_row(s, Q_PIECE_GET);
    db_end(s->db, Q_PIECE_GET);
    TRY(bodies_get(s->bodies, &p, s->memory));
    *ret = body_new();
    body_append(*ret, span_of(s->memory, (size_t)p.bytes));
    return ERR_OK;
}

enum err chunk_get(struct store_sqlite *s, uint64_t id, unsigned seq, struct body **ret)
{
    db_num(s->db, Q_CHUNK_GET, 1, key_of(id, seq));
    enum err e = db_row(s->db, Q_CHUNK_GET);
    if (e == ERR_NOT_FOUND)
        return piece_get(s, id, seq, ret);
    TRY(e);
    struct span data = db_row_span(s->db, Q_CHUNK_GET, 0);
    bool fits = data.n <= BODY_CHUNK;
    if (fits) {
        *ret = body_new();
        body_append(*ret, data);
    }
    db_end(s->db, Q_CHUNK_GET);
    return fits ? ERR_OK : db_distrust(s->db);
}

enum err chunks_del(struct store_sqlite *s, uint64_t id)
{
    bind_keys(s, Q_CHUNK_DEL, id);
    TRY(db_run(s->db, Q_CHUNK_DEL));
    if (bodies_is_empty(s->bodies))
        return ERR_OK;
    bind_keys(s, Q_PIECE_DEL, id);
    enum err e;
    while ((e = db_row(s->db, Q_PIECE_DEL)) == ERR_OK) {
        struct piece p = piece_row(s, Q_PIECE_DEL);
        bodies_drop(s->bodies, &p);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err chunks_own(struct store_sqlite *s, struct why *why)
{
    enum err e;
    while ((e = db_row(s->db, Q_PIECE_ALL)) == ERR_OK) {
        struct piece p = piece_row(s, Q_PIECE_ALL);
        uint64_t id = id_whole(s->shard, key_local(db_row_num(s->db, Q_PIECE_ALL, 3)));
        e = bodies_claim(s->bodies, &p);
        if (e == ERR_OK && db_was_distrusted(s->db))
            e = bodies_get(s->bodies, &p, s->memory);
        if (e != ERR_OK) {
            why_set(why,
                    "the body of message %016" PRIx64 " is damaged or missing in the -bodies file:"
                    " restore both files together, or move both away and start anew",
                    id);
            db_end(s->db, Q_PIECE_ALL);
            return ERR_REFUSED;
        }
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
