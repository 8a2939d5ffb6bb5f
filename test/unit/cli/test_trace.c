/* What `postern trace` puts together from the pages of shards: the workers are canned answers. */
#include "cli/cli.h"

#include "test/test.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 2, TEXT_MAX = 16 * 1024 };

struct stage {
    struct ask ask;
    int peer[WORKERS]; /* the workers' ends */
    struct ctl *request, *found;
};

static void stage_begin(struct stage *s)
{
    *s = (struct stage){ .request = ctl_new(), .found = ctl_new() };
    for (unsigned i = 0; i < WORKERS; i++) {
        int pair[2];
        CHECK_NUM(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        s->ask.worker[i] = (struct ask_worker){ .index = i, .fd = pair[0] };
        buf_init(&s->ask.worker[i].in, CTL_LINE_MAX);
        s->ask.shard[i] = (struct ask_shard){ &s->ask.worker[i], i };
        s->peer[i] = pair[1];
    }
    s->ask.n_worker = s->ask.n_shard = WORKERS;
    ctl_set(s->request, "verb", SPAN("trace"));
}

static void stage_end(struct stage *s)
{
    ask_close(&s->ask);
    for (unsigned i = 0; i < WORKERS; i++)
        close(s->peer[i]);
    ctl_free(s->request);
    ctl_free(s->found);
}

/* What the worker will answer next. `lines` is a list of "ID time" with commas between; after:
 * where the next page begins, or NULL. */
static void will_say(struct stage *s, unsigned worker, const char *lines, const char *after)
{
    struct ctl *answer = ctl_new(), *m = NULL;
    struct span left = span_z(lines), id;
    struct buf line;
    ctl_set_bool(answer, "ok", true);
    ctl_array(answer, "messages");
    while (left.n > 0) {
        struct span time = span_cut(&left, ',');
        uint64_t ms;
        id = span_cut(&time, ' ');
        CHECK_NUM(span_u64(time, INT64_MAX, &ms), ERR_OK);
        if (!m || !span_eq(ctl_get(m, "id"), id))
            m = ctl_add(answer, "messages");
        ctl_set(m, "id", id);
        ctl_set_num(ctl_add(m, "lines"), "time", (int64_t)ms);
    }
    ctl_set_bool(answer, "more", after != NULL);
    ctl_set(answer, "after_id", after ? span_z(after) : SPAN_NONE);
    ctl_set_num(answer, "after_i", after ? 7 : 0);
    buf_init(&line, TEXT_MAX);
    CHECK_NUM(ctl_print(answer, &line), ERR_OK);
    CHECK_NUM(write(s->peer[worker], buf_z(&line), line.n), line.n);
    buf_done(&line);
    ctl_free(answer);
}

/* The pages that a worker was asked for: "after_id/after_i" with blanks between. */
static void check_asked(const struct stage *s, unsigned worker, const char *pages)
{
    char text[TEXT_MAX];
    struct buf got;
    struct why why;
    ssize_t n = recv(s->peer[worker], text, sizeof text, MSG_DONTWAIT);
    struct span left = span_of(text, n > 0 ? (size_t)n : 0);
    buf_init(&got, TEXT_MAX);
    while (left.n > 0) {
        struct ctl *request = NULL;
        CHECK_NUM(ctl_parse(span_cut(&left, '\n'), &request, &why), ERR_OK);
        CHECK_SPAN(ctl_get(request, "verb"), SPAN("trace"));
        CHECK_NUM(ctl_get_num(request, "shard"), worker);
        buf_putf(&got, "%s%.*s/%lld", got.n > 0 ? " " : "", SPAN_ARG(ctl_get(request, "after_id")),
                 (long long)ctl_get_num(request, "after_i"));
        ctl_free(request);
    }
    CHECK_Z(buf_span(&got), pages);
    buf_done(&got);
}

/* The times of all lines; '|' stands between messages. */
static void check_found(struct stage *s, size_t limit, const char *lines, bool more)
{
    struct buf got;
    struct why why;
    buf_init(&got, TEXT_MAX);
    CHECK_NUM(trace_fetch(&s->ask, -1, s->request, limit, s->found, &why), ERR_OK);
    for (size_t i = 0; i < ctl_count(s->found, "messages"); i++) {
        const struct ctl *m = ctl_at(s->found, "messages", i);
        buf_putf(&got, "%s%.*s", i > 0 ? "|" : "", SPAN_ARG(ctl_get(m, "id")));
        for (size_t k = 0; k < ctl_count(m, "lines"); k++)
            buf_putf(&got, " %lld", (long long)ctl_get_num(ctl_at(m, "lines", k), "time"));
    }
    CHECK_Z(buf_span(&got), lines);
    CHECK_NUM(ctl_get_bool(s->found, "more"), more);
    buf_done(&got);
}

TEST(pages_are_asked_for_until_the_end)
{
    struct stage s;
    stage_begin(&s);
    will_say(&s, 0, "D 40,E 50", "D");
    will_say(&s, 0, "", "C");
    will_say(&s, 0, "A 10", NULL);
    will_say(&s, 1, "B 20", NULL);
    check_found(&s, 9, "A 10|B 20|D 40|E 50", false);
    check_asked(&s, 0, "/0 D/7 C/7");
    check_asked(&s, 1, "/0");
    stage_end(&s);
}

TEST(a_message_that_pages_cut_is_whole_again)
{
    struct stage s;
    stage_begin(&s);
    will_say(&s, 0, "B 25,B 26,C 30", "B");
    will_say(&s, 0, "B 23,B 24", "B");
    will_say(&s, 0, "A 10,A 11,B 20", NULL);
    will_say(&s, 1, "", NULL);
    check_found(&s, 9, "A 10 11|B 20 23 24 25 26|C 30", false);
    stage_end(&s);
}

TEST(the_newest_of_all_shards_are_whole_and_no_more_is_asked)
{
    struct stage s;
    stage_begin(&s);
    will_say(&s, 0, "B 23,C 30", "B");
    will_say(&s, 0, "A 10,B 20", "A");
    will_say(&s, 1, "X 5,Y 25", NULL);
    check_found(&s, 2, "Y 25|C 30", true);
    check_asked(&s, 0, "/0 B/7");
    check_asked(&s, 1, "/0");
    stage_end(&s);
}

TEST(exactly_as_many_as_are_wanted_is_not_more)
{
    struct stage s;
    stage_begin(&s);
    will_say(&s, 0, "A 10", NULL);
    will_say(&s, 1, "B 20", NULL);
    check_found(&s, 2, "A 10|B 20", false);
    stage_end(&s);
}

TEST(an_answer_that_cannot_go_on_says_that_there_is_more)
{
    struct stage s;
    stage_begin(&s);
    static const char answer[] = "{\"ok\":true,\"more\":true,\"messages\":[]}\n";
    CHECK_NUM(write(s.peer[0], answer, sizeof answer - 1), sizeof answer - 1);
    will_say(&s, 1, "", NULL);
    check_found(&s, 2, "", true);
    stage_end(&s);
}
