/* Stories: what is told is told here, what then happens stands in test/sim/<name>.txt - the
 * gateway's log, what hosts and clients saw, and at the end the trace. Times are in seconds from
 * the beginning of the world, messages are called M1, M2, ... in the order in which they are first
 * named.
 *
 *     build/dev-gcc/sim_stories --write t      after a change that was meant; then read the
 * difference
 */
#include "sim/check.h"
#include "sim/check_disk.h"
#include "sim/disk.h"
#include "sim/machine.h"
#include "sim/story.h"
#include "sim/swarm.h"
#include "test/golden.h"
#include "test/test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* A check that fails leaves things behind; that is not what should be read then. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

enum { STORY_ALARM_S = 60, TEXT_MAX = 1 << 20, IDS_MAX = 32, ID_CHARS = 13, PATH_BYTES = 100 };
/* The calendar at the beginning of the world. */
static const int64_t begin_ms = 1704067200000;

/* --- a story's text, made fit to be kept */

struct names {
    struct span id[IDS_MAX];
    unsigned n;
};

static bool id_here(struct span s)
{
    for (size_t i = 0; i < ID_CHARS; i++)
        if (i >= s.n || !((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'A' && s.p[i] <= 'Z')))
            return false;
    return s.p[0] == '0';
}

static unsigned name_of(struct names *names, struct span id)
{
    for (unsigned i = 0; i < names->n; i++)
        if (span_eq(names->id[i], id))
            return i + 1;
    ASSERT(names->n < IDS_MAX);
    names->id[names->n++] = id;
    return names->n;
}

/* "key=NUMBER " with a moment of the calendar, anywhere in a line. */
static bool moment_here(struct span s, const char *key, int64_t *ret_ms, size_t *ret_n)
{
    uint64_t ms;
    if (!span_starts(s, span_z(key)))
        return false;
    struct span value = span_tail(s, strlen(key));
    value = span_head(value, span_find(value, ' '));
    if (span_u64(value, INT64_MAX, &ms) != ERR_OK)
        return false;
    *ret_ms = (int64_t)ms - begin_ms;
    *ret_n = strlen(key) + value.n;
    return true;
}

static void put_line(struct span s, struct names *names, struct buf *out)
{
    int64_t ms = 0;
    size_t n = 0;
    while (s.n > 0) {
        if (span_starts(s, SPAN(" who=gate0"))) {
            s = span_tail(s, strlen(" who=gate0"));
        } else if (id_here(s)) {
            buf_putf(out, "M%u", name_of(names, span_head(s, ID_CHARS)));
            s = span_tail(s, ID_CHARS);
        } else if (moment_here(s, " time=", &ms, &n) || moment_here(s, " next=", &ms, &n)) {
            struct span key = span_head(s, span_find(s, '='));
            buf_putf(out, "%.*s=%.1f", SPAN_ARG(key), (double)ms / 1000);
            s = span_tail(s, n);
        } else {
            buf_put(out, span_head(s, 1));
            s = span_tail(s, 1);
        }
    }
    buf_put(out, SPAN("\n"));
}

/* The seconds that a line begins with: virtual time, or the log's, which begins at midnight. */
static double take_time(struct span *line)
{
    struct span s = *line;
    unsigned part[3] = { 0 };
    double seconds = 0;
    if (span_starts(s, SPAN("2024-01-01T")) &&
        sscanf(s.p + 11, "%2u:%2u:%lf", &part[0], &part[1], &seconds) == 3) {
        *line = span_tail(s, span_find(s, ' '));
        return part[0] * 3600 + part[1] * 60 + seconds;
    }
    s = span_trim(s);
    seconds = strtod(s.p, NULL);
    *line = span_tail(s, span_find(s, ' '));
    return seconds;
}

static void tidy_up(struct span text, struct buf *out)
{
    struct names names = { .n = 0 };
    while (text.n > 0) {
        struct span line = span_cut(&text, '\n');
        double seconds = take_time(&line);
        if (span_starts(line, SPAN(" trace:")))
            buf_putf(out, "       ");
        else
            buf_putf(out, "%7.1f", seconds);
        put_line(line, &names, out);
    }
}

/* --- a story in a process of its own */

static void read_all(int fd, struct buf *out)
{
    char *to;
    ssize_t n;
    do {
        enum err e = buf_reserve(out, BUFSIZ, &to);
        ASSERT(e == ERR_OK);
        n = read(fd, to, BUFSIZ);
        if (n > 0)
            buf_added(out, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
}

static bool hear(void (*tell_it)(void), struct buf *out)
{
    int pipe_fd[2], status = -1;
    (void)fflush(stdout);
    if (pipe(pipe_fd) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(pipe_fd[1], STDOUT_FILENO);
        (void)close(pipe_fd[0]);
        (void)close(pipe_fd[1]);
        (void)alarm(STORY_ALARM_S);
        tell_it();
        _exit(2);
    }
    (void)close(pipe_fd[1]);
    read_all(pipe_fd[0], out);
    (void)close(pipe_fd[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0;
}

static void check_story(const char *name, void (*tell_it)(void))
{
    char path[PATH_BYTES];
    struct buf heard, text;
    buf_init(&heard, TEXT_MAX);
    buf_init(&text, 2 * TEXT_MAX);
    if (!hear(tell_it, &heard))
        test_fail(__FILE__, __LINE__, "the story of %s ends badly:\n%s", name, buf_z(&heard));
    tidy_up(buf_span(&heard), &text);
    (void)snprintf(path, sizeof path, "test/sim/%s.txt", name);
    golden_check(path, buf_span(&text));
    buf_done(&heard);
    buf_done(&text);
}

#define STORY(id)                                                                                  \
    static void tell_##id(void);                                                                   \
    TEST(id)                                                                                       \
    {                                                                                              \
        check_story(#id, tell_##id);                                                               \
    }                                                                                              \
    static void tell_##id(void)

/* --- what scripts say */

/* A letter to one domain, at that second. The plan lives on. */
static void send_letter(int at_s, struct town_domain *to, struct letter_plan like)
{
    struct letter_plan *plan = NEW(struct letter_plan);
    *plan = like;
    plan->to[plan->n_to++] = to;
    clients_send(at_s * (int64_t)SECOND_US, plan);
}

static void at(int s, void (*fn)(void *arg))
{
    world_in(s * (int64_t)SECOND_US, fn, NULL);
}

static bool queue_holds_mail(void)
{
    return machine_worker() && !check_queue_is_empty();
}

static bool letter_was_sent(void)
{
    const struct letter *l = letter_next(NULL);
    return l && l->end_sent;
}

static void kill_after_commit(void)
{
    tell("the letter is on the disk, and not answered");
    machine_kill(false);
}

static void kill_before_commit(void)
{
    tell("the letter is on its way");
    machine_kill(false);
}

/* --- the stories */

STORY(delivered_over_tls)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_NAME, 1);
    send_letter(1, d, (struct letter_plan){ .tls = true, .bytes = 100 });
    story_end(2 * SECOND_US);
}

/* In clear to home.test, which asks for nothing; never to bank.test. */
STORY(t01_starttls_stripped)
{
    story_begin();
    struct town_domain *d = town_add("bank.test", DOMAIN_MX, NEED_ENCRYPT, 1);
    swarm.strip_permille = 1000;
    town.give_up_s = 40;
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_end(2 * SECOND_US);
}

/* The first host's certificate is another's: its turn is over before MAIL; the second is good. */
STORY(t02_certificate_of_another)
{
    story_begin();
    struct town_domain *d = town_add("bank.test", DOMAIN_MX, NEED_NAME, 2);
    d->host[0].identity = ID_WRONG_NAME;
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_end(2 * SECOND_US);
}

STORY(greylisted_then_delivered)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    swarm.greylist_permille = 1000;
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_end(2 * SECOND_US);
}

STORY(first_host_silent)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 2);
    net_port(d->host[0].port)->mute = true;
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_end(2 * SECOND_US);
}

/* By a host, and by the domain itself; the sender hears of it at once. */
STORY(refused_for_good)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    struct town_domain *none = town_add("none.test", DOMAIN_NULL_MX, NEED_TRY, 1);
    send_letter(1, d, (struct letter_plan){ .no_such_user = true, .bytes = 100 });
    send_letter(5, none, (struct letter_plan){ .bytes = 100 });
    story_end(6 * SECOND_US);
}

/* The client never hears 250; the mail is there all the same and goes out once. */
STORY(killed_after_the_commit)
{
    story_begin();
    disk_set_fsync_us(50 * MS_US);
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_when(queue_holds_mail, kill_after_commit);
    story_end(2 * SECOND_US);
}

/* Nothing was promised, and nothing is kept: the client sends again. */
STORY(killed_before_the_commit)
{
    story_begin();
    swarm.latency_us = 50 * MS_US;
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    send_letter(10, d, (struct letter_plan){ .bytes = 100 });
    story_when(letter_was_sent, kill_before_commit);
    story_end(11 * SECOND_US);
}

static void cut_power(void *arg)
{
    (void)arg;
    machine_kill(true);
}

/* What 250 was said to waits for its host over a power cut; its body lies beside the database. */
STORY(power_cut_after_250)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    server_script(&d->host[0], 1, AT_BANNER, FAULT_421);
    send_letter(1, d, (struct letter_plan){ .bytes = 300 * 1000 });
    at(2, cut_power);
    story_end(3 * SECOND_US);
}

/* The host took it and hung up: it comes twice, as RFC 5321 6.1 has it. */
STORY(reply_lost)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    server_script(&d->host[0], 1, AT_END, FAULT_CLOSE_BEFORE);
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_end(2 * SECOND_US);
}

static void disk_fills(void *arg)
{
    (void)arg;
    tell("the disk is full");
    disk_set_full(true);
}

static void disk_has_room(void *arg)
{
    (void)arg;
    tell("the disk has room");
    disk_set_full(false);
}

STORY(disk_full)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    at(1, disk_fills);
    send_letter(2, d, (struct letter_plan){ .bytes = 20 * 1000 });
    at(60, disk_has_room);
    send_letter(70, d, (struct letter_plan){ .bytes = 20 * 1000 });
    story_end(71 * SECOND_US);
}

static void hang_disk(void *arg)
{
    (void)arg;
    machine_freeze(100 * (int64_t)SECOND_US);
}

/* The client is not kept waiting for ever. Nobody knows what becomes of the mail; it comes. */
STORY(disk_hangs)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    at(1, hang_disk);
    send_letter(2, d, (struct letter_plan){ .bytes = 100 });
    story_end(3 * SECOND_US);
}

static bool letter_was_accepted(void)
{
    const struct letter *l = letter_next(NULL);
    return l && l->accepted;
}

static void fill_disk(void)
{
    disk_fills(NULL);
}

static void stop_it(void *arg)
{
    (void)arg;
    machine_stop();
}

/* The result of the delivery waits for space, and so does an orderly end: it comes once. */
STORY(stopped_while_the_disk_is_full)
{
    story_begin();
    swarm.latency_us = 20 * MS_US;
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_when(letter_was_accepted, fill_disk);
    at(5, stop_it);
    at(12, disk_has_room);
    story_end(13 * SECOND_US);
}

/* More text behind the 250 than a reply is kept with. */
STORY(long_reply)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    server_script(&d->host[0], 1, AT_END, FAULT_LONG);
    send_letter(1, d, (struct letter_plan){ .bytes = 100 });
    story_end(2 * SECOND_US);
}

/* A dot between bare line ends is no end, and the words behind it are no mail. */
STORY(t10_smuggled)
{
    story_begin();
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    send_letter(1, d, (struct letter_plan){ .smuggles = true, .bytes = 100 });
    story_end(2 * SECOND_US);
}

/* Its first chunks were committed with somebody else's mail; they go when there is room again. */
STORY(disk_full_in_a_large_body)
{
    story_begin();
    swarm.window_bytes = 16 * 1024;
    swarm.latency_us = 40 * MS_US;
    struct town_domain *d = town_add("b.test", DOMAIN_MX, NEED_TRY, 1);
    send_letter(1, d, (struct letter_plan){ .bytes = 1900 * 1000 });
    send_letter(2, d, (struct letter_plan){ .bytes = 100 });
    at(3, disk_fills);
    at(20, disk_has_room);
    story_end(21 * SECOND_US);
}
