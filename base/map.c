#include "base/map.h"

/* Open addressing, linear probing, at most three quarters full; a removal closes the gap, so
 * there are no tombstones and a walk meets each entry once. */

enum { MAP_CAP_FIRST = 16 };

struct map_slot {
    void *value; /* NULL: the slot is free */
    char *key;
    size_t key_n;
    uint64_t hash;
};

void map_init(struct map *m, const struct hash_key *key)
{
    *m = (struct map){ .key = *key };
}

void map_done(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->slot[i].key);
    mem_free(m->slot);
    *m = (struct map){ .key = m->key };
}

static bool slot_is(const struct map_slot *s, uint64_t hash, struct span key)
{
    return s->hash == hash && span_eq(span_of(s->key, s->key_n), key);
}

/* The place of the key, or the free slot where it would go. cap > 0. */
static size_t map_place(const struct map *m, uint64_t hash, struct span key)
{
    ASSERT(m->n < m->cap);
    size_t i = hash & (m->cap - 1);
    while (m->slot[i].value && !slot_is(&m->slot[i], hash, key))
        i = (i + 1) & (m->cap - 1);
    return i;
}

static void map_resize(struct map *m, size_t cap)
{
    ASSERT(cap > m->n && (cap & (cap - 1)) == 0);
    struct map old = *m;
    m->slot = mem_zalloc(cap * sizeof *m->slot);
    m->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        struct map_slot *s = &old.slot[i];
        if (!s->value)
            continue;
        size_t to = s->hash & (cap - 1);
        while (m->slot[to].value)
            to = (to + 1) & (cap - 1);
        m->slot[to] = *s;
    }
    mem_free(old.slot);
}

void *map_get(const struct map *m, struct span key)
{
    if (m->n == 0)
        return NULL;
    return m->slot[map_place(m, span_hash(&m->key, key), key)].value;
}

void *map_put(struct map *m, struct span key, void *value)
{
    ASSERT(value != NULL);
    if ((m->n + 1) * 4 > m->cap * 3)
        map_resize(m, m->cap ? m->cap * 2 : MAP_CAP_FIRST);

    uint64_t hash = span_hash(&m->key, key);
    struct map_slot *s = &m->slot[map_place(m, hash, key)];
    void *old = s->value;
    s->value = value;
    if (old)
        return old;
    s->key = mem_alloc(key.n);
    if (key.n)
        memcpy(s->key, key.p, key.n);
    s->key_n = key.n;
    s->hash = hash;
    m->n++;
    return NULL;
}

/* Fills the gap at i with the entries after it that may stand there. */
static void map_close_gap(struct map *m, size_t gap)
{
    size_t mask = m->cap - 1;
    for (size_t i = (gap + 1) & mask; m->slot[i].value; i = (i + 1) & mask) {
        size_t home = m->slot[i].hash & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue; /* its home lies between the gap and its place */
        m->slot[gap] = m->slot[i];
        gap = i;
    }
    m->slot[gap] = (struct map_slot){ 0 };
}

void *map_del(struct map *m, struct span key)
{
    if (m->n == 0)
        return NULL;
    size_t i = map_place(m, span_hash(&m->key, key), key);
    void *old = m->slot[i].value;
    if (!old)
        return NULL;
    mem_free(m->slot[i].key);
    map_close_gap(m, i);
    m->n--;
    if (m->cap > MAP_CAP_FIRST && m->n < m->cap / 8)
        map_resize(m, m->cap / 2);
    return old;
}

bool map_next(const struct map *m, size_t *pos, struct span *ret_key, void **ret_value)
{
    for (; *pos < m->cap; (*pos)++) {
        const struct map_slot *s = &m->slot[*pos];
        if (!s->value)
            continue;
        *ret_key = span_of(s->key, s->key_n);
        *ret_value = s->value;
        (*pos)++;
        return true;
    }
    return false;
}
