/* Start at replay_message. A message that would be taken or refused otherwise is not followed
 * further; of the others each attempt is looked at. */
#include "cli/replay.h"

#include "cli/out.h"
#include "cli/replay_judge.h"
#include "mail/text.h"

#include <stdlib.h>

enum {
    ARENA_MAX = 1024 * 1024,
    GROUPS_MAX = 1000,
    WORDS_MAX = 300,
    PARTNER_MAX = 100,
    KEY_MAX = 4096,
    LINE_BYTES_MAX = 4 * WORDS_MAX,
};

/* Messages of one partner and connector that fare alike. */
struct group {
    bool told, outbound;
    struct span connector, partner, before, after, example;
    uint64_t n;
    uint64_t last; /* the message that was counted last, by its number */
};

struct replay {
    struct replay_judge judge;
    struct arena arena; /* of groups */
    struct map by_key;  /* -> struct group */
    struct group *group[GROUPS_MAX];
    unsigned n_group;
    bool more_groups;
    uint64_t n_message, n_different, n_unknown, n_otherwise;
};

struct replay *replay_new(const struct config *was, const struct config *now)
{
    const struct hash_key key = { { 0, 0 } }; /* the answer is a list for the operator, no server */
    struct replay *r = NEW(struct replay);
    replay_judge_init(&r->judge, was, now);
    arena_init(&r->arena, SIZE_MAX);
    map_init(&r->by_key, &key);
    return r;
}

void replay_free(struct replay *r)
{
    if (!r)
        return;
    replay_judge_done(&r->judge);
    map_done(&r->by_key);
    arena_done(&r->arena);
    mem_free(r);
}

/* --- what was found --- */

/* A message while it is looked at. */
struct looked {
    struct replay *r;
    struct span id;
    bool different, unknown, otherwise;
};

static void put_part(struct span s, struct buf *out)
{
    buf_put(out, text_cut(s, KEY_MAX / 8));
    buf_put(out, SPAN("\n"));
}

static struct group *group_of(struct replay *r, const struct group *like)
{
    struct buf key;
    buf_init(&key, KEY_MAX);
    buf_putf(&key, "%d%d\n", like->told, like->outbound);
    put_part(like->connector, &key);
    put_part(like->partner, &key);
    put_part(like->before, &key);
    put_part(like->after, &key);
    struct group *g = map_get(&r->by_key, buf_span(&key));
    if (!g && r->n_group < GROUPS_MAX) {
        g = ARENA_NEW(&r->arena, struct group);
        *g = (struct group){ .told = like->told, .outbound = like->outbound };
        g->connector = arena_span(&r->arena, like->connector);
        g->partner = arena_span(&r->arena, like->partner);
        g->before = arena_span(&r->arena, like->before);
        g->after = arena_span(&r->arena, like->after);
        g->example = arena_span(&r->arena, like->example);
        r->group[r->n_group++] = g;
        (void)map_put(&r->by_key, buf_span(&key), g);
    }
    buf_done(&key);
    r->more_groups = r->more_groups || !g;
    return g;
}

/* Once for each message, however many of its recipients are in it. */
static void note(struct looked *m, const struct group *like)
{
    struct group *g = group_of(m->r, like);
    if (!g || (g->n > 0 && g->last == m->r->n_message))
        return;
    g->last = m->r->n_message;
    g->n++;
}

static void note_found(struct looked *m, const struct replay_found *f)
{
    struct buf before, after;
    m->otherwise = m->otherwise || f->otherwise;
    m->different = m->different || f->is == REPLAY_DIFFERENT;
    m->unknown = m->unknown || f->is == REPLAY_UNKNOWN;
    if (f->is == REPLAY_SAME)
        return;
    buf_init(&before, LINE_BYTES_MAX);
    buf_init(&after, LINE_BYTES_MAX);
    replay_words(f, &before, &after);
    note(m, &(struct group){ .told = f->is == REPLAY_DIFFERENT,
                             .outbound = f->outbound,
                             .connector = f->connector,
                             .partner = text_cut(f->partner, PARTNER_MAX),
                             .before = buf_span(&before),
                             .after = buf_span(&after),
                             .example = m->id });
    buf_done(&before);
    buf_done(&after);
}

/* --- one message --- */

static bool is_attempt(struct span event)
{
    static const char *const names[] = { "delivered", "deferred", "bounced", "expired" };
    for (size_t i = 0; i < COUNTOF(names); i++)
        if (span_eq(event, span_z(names[i])))
            return true;
    return false;
}

static const struct ctl *find_line(const struct ctl *message, const char *event)
{
    for (size_t i = 0; i < ctl_count(message, "lines"); i++) {
        const struct ctl *line = ctl_at(message, "lines", i);
        if (span_eq(ctl_get(line, "event"), span_z(event)))
            return line;
    }
    return NULL;
}

static void look_in(struct looked *m, const struct ctl *line, struct replay_mail *mail)
{
    bool taken = span_eq(ctl_get(line, "event"), SPAN("accepted"));
    mail->known = replay_read_in(line, mail->arena, &mail->in) == ERR_OK;
    for (unsigned i = 0; mail->known && i < mail->in.n_rcpt; i++) {
        struct replay_found f = replay_judge_in(&m->r->judge, mail, &mail->in.rcpt[i], taken);
        note_found(m, &f);
    }
    if (mail->known && mail->in.all)
        return;
    struct replay_found f = replay_gap(mail->known ? REPLAY_GAP_RCPTS : REPLAY_GAP_LINE);
    note_found(m, &f);
}

static void look_out(struct looked *m, const struct ctl *message, struct replay_mail *mail)
{
    for (size_t i = 0; i < ctl_count(message, "lines"); i++) {
        const struct ctl *line = ctl_at(message, "lines", i);
        struct replay_out out;
        if (!is_attempt(ctl_get(line, "event")))
            continue;
        struct replay_found f = replay_gap(REPLAY_GAP_LINE);
        if (replay_read_out(line, mail->arena, &out) == ERR_OK)
            f = replay_judge_out(&m->r->judge, mail, &out);
        f.outbound = true;
        note_found(m, &f);
    }
}

static void count(const struct looked *m)
{
    m->r->n_different += m->different;
    m->r->n_unknown += !m->different && m->unknown;
    m->r->n_otherwise += m->otherwise;
}

void replay_message(struct replay *r, const struct ctl *message)
{
    struct looked m = { .r = r, .id = ctl_get(message, "id") };
    const struct ctl *taken = find_line(message, "accepted");
    const struct ctl *refused = find_line(message, "refused");
    const struct ctl *ours = find_line(message, "notification");
    struct arena a;
    if (find_line(message, "tls-failed"))
        return; /* nothing of mail was said */
    arena_init(&a, ARENA_MAX);
    struct replay_mail mail = { .arena = &a, .rerouted = find_line(message, "rerouted") != NULL };
    r->n_message++;
    if (taken || refused)
        look_in(&m, taken ? taken : refused, &mail);
    else if (ours)
        mail.known = replay_read_in(ours, &a, &mail.in) == ERR_OK;
    replay_mail_ready(&mail, ours != NULL);
    if (!m.different)
        look_out(&m, message, &mail);
    count(&m);
    arena_done(&a);
}

/* --- telling --- */

static int by_number(const void *a, const void *b)
{
    const struct group *const *x = a, *const *y = b;
    return (*x)->n > (*y)->n ? -1 : (*x)->n < (*y)->n;
}

void replay_put(const struct replay *r, struct ctl *ret)
{
    struct group *sorted[GROUPS_MAX];
    memcpy(sorted, r->group, sizeof sorted);
    qsort(sorted, r->n_group, sizeof *sorted, by_number);
    ctl_set_num(ret, "messages", (int64_t)r->n_message);
    ctl_set_num(ret, "different", (int64_t)r->n_different);
    ctl_set_num(ret, "unknown", (int64_t)r->n_unknown);
    ctl_set_num(ret, "otherwise", (int64_t)r->n_otherwise);
    ctl_set_bool(ret, "more-groups", r->more_groups);
    ctl_array(ret, "groups");
    for (unsigned i = 0; i < r->n_group; i++) {
        const struct group *g = sorted[i];
        struct ctl *row = ctl_add(ret, "groups");
        ctl_set_bool(row, "told", g->told);
        ctl_set(row, "direction", g->outbound ? SPAN("outbound") : SPAN("inbound"));
        ctl_set(row, "connector", g->connector);
        ctl_set(row, "partner", g->partner);
        ctl_set_num(row, "messages", (int64_t)g->n);
        ctl_set(row, "example", g->example);
        ctl_set(row, "before", g->before);
        ctl_set(row, "after", g->after);
    }
}

static void text_groups(const struct ctl *replay, bool told, struct buf *out)
{
    static const char *const head[] = { "DIRECTION", "CONNECTOR", "PARTNER", ">MESSAGES",
                                        "EXAMPLE",   "NOW",       "THEN" };
    static const char *const keys[] = { "direction", "connector", "partner", NULL,
                                        "example",   "before",    "after" };
    struct table t;
    table_init(&t, head, COUNTOF(head));
    for (size_t i = 0; i < ctl_count(replay, "groups"); i++) {
        const struct ctl *row = ctl_at(replay, "groups", i);
        if (ctl_get_bool(row, "told") != told)
            continue;
        for (size_t k = 0; k < COUNTOF(keys); k++) {
            if (keys[k])
                table_add(&t, ctl_get(row, keys[k]).n > 0 ? ctl_get(row, keys[k]) : SPAN("-"));
            else
                table_addf(&t, "%lld", (long long)ctl_get_num(row, "messages"));
        }
    }
    if (t.n > 0 && !told)
        buf_put(out, SPAN("cannot be told:\n"));
    table_print(&t, "  ", out);
    table_done(&t);
}

void replay_text(const struct ctl *replay, struct buf *out)
{
    char n[OUT_TEXT_MAX], since[OUT_TEXT_MAX];
    buf_putf(out, "of %s since %s, %lld would fare differently, of %lld it cannot be told\n",
             out_count(ctl_get_num(replay, "messages"), "recorded message", n),
             out_time(ctl_get_num(replay, "since"), since),
             (long long)ctl_get_num(replay, "different"),
             (long long)ctl_get_num(replay, "unknown"));
    text_groups(replay, true, out);
    text_groups(replay, false, out);
    if (ctl_get_bool(replay, "more-groups"))
        buf_put(out, SPAN("not all groups are shown\n"));
    if (ctl_get_num(replay, "otherwise") > 0)
        buf_putf(out,
                 "%s fared otherwise than the present configuration says: it has changed "
                 "since; NOW is what it says\n",
                 out_count(ctl_get_num(replay, "otherwise"), "message", n));
    if (ctl_get_bool(replay, "more"))
        buf_put(out, SPAN("there are older ones within that time: ask with --limit\n"));
    buf_put(out, SPAN("clients that are turned away without a connector (Relaying denied), and "
                      "failed handshakes, leave no recipient in the trace: nothing is said of "
                      "them\n"));
}
