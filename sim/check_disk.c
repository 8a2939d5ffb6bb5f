#include "sim/check_disk.h"

#include "base/log.h"
#include "sim/disk.h"
#include "sim/machine.h"
#include "sim/world.h"
#include <inttypes.h>
#include <stdio.h>

enum { PIECE_BLOCK = 64 * 1024, PATH_BYTES = 64 };
enum { LINES_MAX = 20000, EVENT_MAX = 24, ID_MAX = 24, VALUE_MAX = 4000 };

bool check_disk_in_doubt(void)
{
    return disk_failures() > 0;
}

typedef bool query_fn(const char *path, const char *sql, disk_row_fn *fn, void *arg,
                      const char **ret_why);

static void query_by(query_fn *by, unsigned shard, const char *sql, disk_row_fn *fn, void *arg)
{
    const char *why = "";
    if (!by(machine_shard_path(shard), sql, fn, arg, &why) && !strstr(why, "no such table"))
        violated(1, "shard %u cannot be read: %s", shard, why);
}

static void query(unsigned shard, const char *sql, disk_row_fn *fn, void *arg)
{
    query_by(disk_query, shard, sql, fn, arg);
}

/* --- numbers */

static void take_number(void *arg, int n, const char *const *column)
{
    uint64_t *ret = arg, v = 0;
    if (n == 1 && column[0] && span_u64(span_z(column[0]), UINT64_MAX, &v) == ERR_OK)
        *ret += v;
}

static uint64_t number(const char *sql)
{
    uint64_t n = 0;
    for (unsigned shard = 0; shard < MACHINE_SHARDS; shard++)
        query(shard, sql, take_number, &n);
    return n;
}

static void take_row(void *arg, int n, const char *const *column)
{
    (void)arg, (void)n;
    tell("left: %s, wake %s, token %s", column[0], column[1], column[2]);
}

void check_disk_list(void)
{
    for (unsigned shard = 0; shard < MACHINE_SHARDS; shard++)
        query(shard, "SELECT line, wake, token FROM rcpt", take_row, NULL);
}

static void tell_trace(void *arg, int n, const char *const *column)
{
    (void)arg, (void)n;
    tell("trace: %s", column[0]);
}

void check_disk_trace(void)
{
    for (unsigned shard = 0; shard < MACHINE_SHARDS; shard++)
        query(shard, "SELECT text FROM trace ORDER BY key", tell_trace, NULL);
}

bool check_queue_is_empty(void)
{
    return number("SELECT count(*) FROM rcpt") == 0;
}

/* --- who is in the queue, and of whom the trace says that all is over */

struct holding {
    bool queued[CHECK_RCPTS_MAX], over[CHECK_RCPTS_MAX];
    bool any;
};

struct look {
    struct holding *of; /* by key */
    unsigned n;
};

static struct holding *look_at(struct look *look, struct span text, int *ret_rcpt)
{
    struct letter *l = letter_find(text, ret_rcpt);
    if (!l || *ret_rcpt < 0 || (unsigned)*ret_rcpt >= l->n_rcpt)
        return NULL;
    return &look->of[l->key];
}

static void take_rcpt(void *arg, int n, const char *const *column)
{
    int i;
    struct holding *h = look_at(arg, span_z(column[0]), &i);
    (void)n;
    if (!h)
        return;
    h->queued[i] = h->any = true;
}

static bool trace_value(struct span line, const char *key, struct buf *out)
{
    buf_clear(out);
    return kv_get(line, span_z(key), out) == ERR_OK;
}

static bool is_final(struct span event)
{
    return span_eq(event, SPAN("delivered")) || span_eq(event, SPAN("bounced")) ||
           span_eq(event, SPAN("expired"));
}

static void take_trace(void *arg, int n, const char *const *column)
{
    struct span line = span_z(column[0]);
    struct buf event, to;
    int i;
    (void)n;
    buf_init(&event, VALUE_MAX);
    buf_init(&to, VALUE_MAX);
    if (trace_value(line, "event", &event) && trace_value(line, "to", &to)) {
        struct holding *h = look_at(arg, buf_span(&to), &i);
        if (h && is_final(buf_span(&event)))
            h->over[i] = true;
        if (h)
            h->any = true;
    }
    buf_done(&event);
    buf_done(&to);
}

static struct look look_new(query_fn *by)
{
    struct look look = { .n = 0 };
    for (struct letter *l = letter_next(NULL); l; l = letter_next(l))
        look.n = l->key + 1;
    look.of = mem_zalloc((look.n + 1) * sizeof *look.of);
    for (unsigned shard = 0; shard < MACHINE_SHARDS; shard++) {
        query_by(by, shard, "SELECT line FROM rcpt", take_rcpt, &look);
        query_by(by, shard, "SELECT text FROM trace ORDER BY key", take_trace, &look);
    }
    return look;
}

static void check_held(const struct letter *l, const struct holding *h, const char *when)
{
    for (unsigned i = 0; i < l->n_rcpt && l->accepted; i++) {
        const struct letter_rcpt *r = &l->rcpt[i];
        if (r->taken && r->copies == 0 && !h->queued[i] && !h->over[i])
            violated(1, "%s: letter %u, answered 250, is lost for recipient %u", when, l->key, i);
        if (!r->taken && h->queued[i])
            violated(2, "%s: letter %u is queued for recipient %u, which was refused", when, l->key,
                     i);
    }
    if (!l->end_sent && h->any)
        violated(2, "%s: letter %u is in the queue, and its client never sent its end", when,
                 l->key);
}

static void check_all_held(const char *when)
{
    struct look look = look_new(disk_query);
    for (struct letter *l = letter_next(NULL); l; l = letter_next(l))
        check_held(l, &look.of[l->key], when);
    mem_free(look.of);
}

void check_before_start(void)
{
    check_all_held("after the end of a life");
}

/* A durable row speaks of bytes beside the database: they are durable, too. */
static void take_piece(void *arg, int n, const char *const *column)
{
    uint64_t place, bytes;
    const char *path = arg;
    if (n != 2 || span_u64(span_z(column[0]), UINT32_MAX, &place) != ERR_OK ||
        span_u64(span_z(column[1]), UINT32_MAX, &bytes) != ERR_OK)
        violated(1, "%s: a piece without place or length", path);
    if (!disk_is_synced(path, place * PIECE_BLOCK, bytes))
        violated(1, "%s: %s bytes at block %s were not synced before their row", path, column[1],
                 column[0]);
}

static void check_pieces(void)
{
    char path[PATH_BYTES];
    for (unsigned shard = 0; shard < MACHINE_SHARDS; shard++) {
        (void)snprintf(path, sizeof path, "%s-bodies", machine_shard_path(shard));
        query_by(disk_query_platter, shard, "SELECT place, bytes FROM piece", take_piece, path);
    }
}

void check_disk_committed(struct letter *l)
{
    struct look look = look_new(disk_query);
    check_held(l, &look.of[l->key], "at its 250");
    mem_free(look.of);
    if (check_disk_in_doubt())
        return;
    look = look_new(disk_query_platter);
    check_held(l, &look.of[l->key], "on the platter, at its 250");
    mem_free(look.of);
    check_pieces();
}

void check_open_failed(unsigned shard, enum err e)
{
    bool full = e == ERR_FULL;
    if (!full && !check_disk_in_doubt())
        violated(1, "shard %u does not open on a sound disk", shard);
}

/* --- the trace: invariant 7 */

struct entry {
    char id[ID_MAX];
    int rcpt; /* -1: the sender's, of a notification */
    unsigned key, attempts;
    int64_t accepted_ms;
    char event[EVENT_MAX]; /* the latest */
};

struct traces {
    struct entry *entry;
    unsigned n;
    struct {
        char id[ID_MAX];
        int64_t accepted_ms;
        bool notice;
    } mail[LINES_MAX / 4];
    unsigned n_mail;
    char about[LINES_MAX / 4][ID_MAX];
    unsigned n_about;
    unsigned delivered;
};

static struct entry *entry_of(struct traces *t, struct span id, unsigned key, int rcpt)
{
    for (unsigned i = 0; i < t->n; i++)
        if (span_eq(span_z(t->entry[i].id), id) && t->entry[i].key == key &&
            t->entry[i].rcpt == rcpt)
            return &t->entry[i];
    ASSERT(t->n < LINES_MAX && id.n < ID_MAX);
    struct entry *e = &t->entry[t->n++];
    memcpy(e->id, id.p, id.n);
    e->key = key;
    e->rcpt = rcpt;
    return e;
}

static int64_t trace_number(struct span line, const char *key)
{
    struct buf b;
    uint64_t n = 0;
    buf_init(&b, VALUE_MAX);
    if (!trace_value(line, key, &b) || span_u64(buf_span(&b), INT64_MAX, &n) != ERR_OK)
        violated(7, "a trace line has no %s: %.*s", key, SPAN_ARG(line));
    buf_done(&b);
    return (int64_t)n;
}

static void trace_born(struct traces *t, struct span line, struct span event, struct span id)
{
    bool notice = span_eq(event, SPAN("notification"));
    for (unsigned i = 0; i < t->n_mail; i++)
        if (span_eq(span_z(t->mail[i].id), id))
            violated(7, "mail %.*s was born twice", SPAN_ARG(id));
    ASSERT(t->n_mail < COUNTOF(t->mail));
    memcpy(t->mail[t->n_mail].id, id.p, id.n);
    t->mail[t->n_mail].accepted_ms = trace_number(line, "time");
    t->mail[t->n_mail++].notice = notice;
    struct buf about;
    buf_init(&about, VALUE_MAX);
    if (notice && trace_value(line, "about", &about)) {
        memcpy(t->about[t->n_about], buf_span(&about).p, about.n);
        t->n_about++;
    }
    buf_done(&about);
}

static int64_t born_ms(const struct traces *t, const char *id)
{
    for (unsigned i = 0; i < t->n_mail; i++)
        if (strcmp(t->mail[i].id, id) == 0)
            return t->mail[i].accepted_ms;
    violated(7, "mail %s is tried, and has no record of its coming", id);
}

static bool noticed(const struct traces *t, const char *id)
{
    for (unsigned i = 0; i < t->n_about; i++)
        if (strcmp(t->about[i], id) == 0)
            return true;
    return false;
}

static bool may_bounce(const struct letter *l, int i)
{
    const struct town_domain *d = i < 0 ? &town.domain[0] : l->rcpt[i].domain;
    if (i >= 0 && (l->rcpt[i].may_bounce || l->rcpt[i].refused))
        return true;
    if (d->kind == DOMAIN_NXDOMAIN || d->kind == DOMAIN_NULL_MX || d->kind == DOMAIN_NO_ADDRESS ||
        d->kind == DOMAIN_LOOP || d->was_without_address || (d->was_bare && l->eight_bit))
        return true;
    for (unsigned k = 0; k < d->n_host; k++)
        if (d->host[k].small || d->host[k].seven_bit)
            return true;
    return false;
}

static void trace_tried(struct traces *t, struct span line, struct span event, struct span id,
                        struct span to)
{
    int rcpt;
    const struct letter *l = letter_find(to, &rcpt);
    if (!l)
        violated(7, "a trace line of nobody's mail: %.*s", SPAN_ARG(line));
    struct entry *e = entry_of(t, id, l->key, rcpt);
    if (is_final(span_z(e->event)))
        violated(7, "mail %s, letter %u, recipient %d: tried again after it was %s", e->id, l->key,
                 rcpt, e->event);
    if (trace_number(line, "attempt") != (int64_t)e->attempts + 1)
        violated(7, "mail %s, letter %u, recipient %d: record %u says attempt %" PRId64, e->id,
                 l->key, rcpt, e->attempts + 1, trace_number(line, "attempt"));
    e->attempts++;
    (void)snprintf(e->event, sizeof e->event, "%.*s", SPAN_ARG(event));
    e->accepted_ms = born_ms(t, e->id);
    t->delivered += span_eq(event, SPAN("delivered"));
    if (span_eq(event, SPAN("bounced")) && !may_bounce(l, rcpt) && rcpt >= 0)
        violated(6, "letter %u bounces for recipient %d, and nobody refused it: %.*s", l->key, rcpt,
                 SPAN_ARG(line));
    int64_t give_up_ms = (l->null_from ? town.bounce_give_up_s : town.give_up_s) * (int64_t)1000;
    int64_t age_ms = trace_number(line, "time") - e->accepted_ms;
    bool old = age_ms >= give_up_ms;
    if (age_ms < 0) /* the calendar was set back: then the waits between attempts tell */
        old = e->attempts * (int64_t)TOWN_RETRY_MAX_S * 1000 >= give_up_ms;
    if (span_eq(event, SPAN("expired")) && rcpt >= 0 && !old)
        violated(6, "letter %u expires for recipient %d before its time", l->key, rcpt);
}

static void take_line(void *arg, int n, const char *const *column)
{
    struct traces *t = arg;
    struct span line = span_z(column[0]);
    struct buf event, id, to;
    (void)n;
    buf_init(&event, VALUE_MAX);
    buf_init(&id, VALUE_MAX);
    buf_init(&to, VALUE_MAX);
    if (!trace_value(line, "event", &event) || !trace_value(line, "id", &id))
        violated(7, "a trace line without event or id: %.*s", SPAN_ARG(line));
    struct span what = buf_span(&event);
    if (span_eq(what, SPAN("accepted")) || span_eq(what, SPAN("notification")))
        trace_born(t, line, what, buf_span(&id));
    else if (!span_eq(what, SPAN("tls-failed")) && trace_value(line, "to", &to))
        trace_tried(t, line, what, buf_span(&id), buf_span(&to));
    buf_done(&event);
    buf_done(&id);
    buf_done(&to);
}

static void check_entry(const struct traces *t, const struct entry *e)
{
    const struct letter *l = letter_next(NULL);
    while (l && l->key != e->key)
        l = letter_next((struct letter *)(uintptr_t)l);
    if (!is_final(span_z(e->event)))
        violated(1, "letter %u, recipient %d: gone from the queue after \"%s\"", e->key, e->rcpt,
                 e->event);
    if (e->rcpt < 0)
        return;
    const struct letter_rcpt *r = &l->rcpt[e->rcpt];
    bool delivered = strcmp(e->event, "delivered") == 0;
    if (delivered && r->copies == 0)
        violated(1, "letter %u, recipient %d: the trace says delivered, and nobody has it", e->key,
                 e->rcpt);
    if (!delivered && !l->null_from && !noticed(t, e->id))
        violated(1, "letter %u, recipient %d bounced, and its sender is not told", e->key, e->rcpt);
}

static void check_tallies(void)
{
    static const char *const empty[] = {
        "SELECT count(*) FROM message", "SELECT count(*) FROM chunk", "SELECT count(*) FROM staged",
        "SELECT count(*) FROM piece",   "SELECT messages FROM meta",  "SELECT recipients FROM meta",
        "SELECT held FROM meta"
    };
    for (size_t i = 0; i < COUNTOF(empty); i++)
        if (number(empty[i]) != 0)
            violated(8, "the queue is empty, but %s gives %" PRIu64, empty[i], number(empty[i]));
}

void check_disk_end(void)
{
    struct traces *t = NEW(struct traces);
    t->entry = mem_zalloc(LINES_MAX * sizeof *t->entry);
    check_all_held("at the end");
    check_tallies();
    for (unsigned shard = 0; shard < MACHINE_SHARDS; shard++)
        query(shard, "SELECT text FROM trace ORDER BY key", take_line, t);
    for (unsigned i = 0; i < t->n; i++)
        check_entry(t, &t->entry[i]);
    struct worker *w = machine_worker();
    uint64_t counted = w ? stats_sum(&w->stats, STAT_DELIVERED) : 0;
    if (w && (counted > t->delivered || (machine_life() == 1 && counted != t->delivered)))
        violated(7, "counted %" PRIu64 " deliveries, traced %u", counted, t->delivered);
    mem_free(t->entry);
    mem_free(t);
}
