/* postern-sim: one seed, one world. Each seed runs in a child of its own, so that a life of the
 * gateway that was cut off may leave its memory behind, and a failure is only that seed's. */
#include "base/log.h"
#include "sim/check_disk.h"
#include "sim/loop_sim.h"
#include "sim/machine.h"
#include "sim/peers.h"
#include "sim/swarm.h"
#include "sim/world.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SIM_COMMIT
#define SIM_COMMIT POSTERN_VERSION
#endif

enum { EXIT_VIOLATED = 1, EXIT_USAGE = 64, POLL_US = 5 * SECOND_US, ALARM_S = 120 };
enum { LONGEST_CALM_S = 3 * 3600, LINE_BYTES = 8192, PATH_BYTES = 512 };

struct run {
    bool shown, story, calm;
    const char *expected; /* file of the story that it should be, or NULL */
};

/* --- one world */

static void storm_ends(void)
{
    const int64_t *const faults[] = {
        &swarm.reset_permille,     &swarm.silence_permille,  &swarm.half_permille,
        &swarm.refuse_permille,    &swarm.strip_permille,    &swarm.peer_fault_permille,
        &swarm.tls_fault_permille, &swarm.greylist_permille, &swarm.client_fault_permille,
        &swarm.hostile_permille,   &swarm.dns_fail_permille,
    };
    for (size_t i = 0; i < COUNTOF(faults); i++)
        *(int64_t *)(uintptr_t)faults[i] = 0;
    tell("the storm is over");
    net_storm(false);
    machine_calm();
    town_dns_calm();
}

/* Until nobody is owed anything. */
static void calm(void)
{
    int64_t most = world_us() + (int64_t)LONGEST_CALM_S * SECOND_US;
    clients_probe();
    for (;;) {
        world_run(world_us() + POLL_US + (int64_t)draw(SECOND_US));
        bool up = machine_worker() != NULL;
        if (up && clients_busy() == 0 && loop_is_quiet(machine_loop()) && check_queue_is_empty())
            return;
        if (world_us() <= most)
            continue;
        check_disk_list();
        violated(8, "the storm is long over: gateway %s, %u clients, queue %s", up ? "up" : "down",
                 clients_busy(), check_queue_is_empty() ? "empty" : "not empty");
    }
}

static void one_world(uint64_t seed, const struct run *run)
{
    struct buf summary;
    world_start(seed, run->story);
    if (run->calm)
        swarm_calm();
    else
        swarm_draw();
    (void)printf("seed %" PRIu64 " commit %s\n", seed, SIM_COMMIT);
    swarm_print();
    int log = run->story ? STDOUT_FILENO : open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_setup(log, LOG_INFO, "gate0", world_wall_ms);
    town_build();
    machine_build();
    servers_start();
    int64_t end_us = swarm.storm_s * SECOND_US;
    net_storm(true);
    machine_storm(end_us);
    clients_start(end_us);
    world_run(end_us);
    world_run(machine_well_us());
    storm_ends();
    calm();
    world_run(world_us() + (TOWN_SESSION_S + 30) * SECOND_US); /* every deadline */
    check_end();
    buf_init(&summary, 400);
    check_summary(&summary);
    (void)printf(
        "seed %" PRIu64 " well: %s; %" PRIu64 " s, %" PRIu64 " events, digest %016" PRIx64 "\n",
        seed, buf_z(&summary), (uint64_t)(world_us() / SECOND_US), world_events(), world_digest());
    (void)fflush(stdout);
    _exit(0);
}

/* --- many */

/* Are the stories in two files the same from their second lines on (the first names the commit)?
 * Shows the first difference. */
static bool same_story(const char *is_path, const char *should_path)
{
    char is[LINE_BYTES] = "", should[LINE_BYTES] = "";
    FILE *a = fopen(is_path, "r"), *b = fopen(should_path, "r");
    bool more_a = a && fgets(is, sizeof is, a), more_b = b && fgets(should, sizeof should, b);
    bool same = a && b;
    while (same && (more_a || more_b)) {
        more_a = fgets(is, sizeof is, a);
        more_b = fgets(should, sizeof should, b);
        same = more_a == more_b && (!more_a || strcmp(is, should) == 0);
    }
    if (!same)
        (void)printf("%s: the story is another:\n- %s+ %s", should_path, should, is);
    if (a)
        (void)fclose(a);
    if (b)
        (void)fclose(b);
    return same;
}

/* Copies what a child said; without `all` only its last line. */
static void show(const char *path, bool all)
{
    char line[LINE_BYTES], last[LINE_BYTES] = "";
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (all)
            (void)fputs(line, stdout);
        memcpy(last, line, sizeof last);
    }
    if (!all)
        (void)fputs(last, stdout);
    if (f)
        (void)fclose(f);
    (void)fflush(stdout);
}

/* In a child that says everything into the file. */
static bool run_into(uint64_t seed, const struct run *run, int fd, int *ret_status)
{
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        (void)alarm(ALARM_S);
        one_world(seed, run);
    }
    *ret_status = -1;
    while (child > 0 && waitpid(child, ret_status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(*ret_status) && WEXITSTATUS(*ret_status) == 0;
}

static bool run_seed(uint64_t seed, const struct run *run)
{
    char path[] = "/tmp/postern-sim-XXXXXX";
    int fd = mkstemp(path), status = 0;
    if (fd < 0) {
        perror("mkstemp");
        exit(EXIT_USAGE);
    }
    bool well = run_into(seed, run, fd, &status);
    show(path, run->shown || !well);
    if (!well)
        (void)printf("seed %" PRIu64 " FAILED (%s %d)\n", seed,
                     WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (well && run->expected)
        well = same_story(path, run->expected);
    (void)fflush(stdout);
    close(fd);
    (void)unlink(path);
    return well;
}

/* The same seed twice says the same, byte for byte. */
static bool run_twice(uint64_t seed)
{
    char path[] = "/tmp/postern-sim-XXXXXX";
    struct run run = { .story = true }, again = { .story = true, .expected = path };
    int fd = mkstemp(path), status = 0;
    bool well = fd >= 0 && run_into(seed, &run, fd, &status) && run_seed(seed, &again);
    if (fd >= 0)
        close(fd);
    (void)unlink(path);
    return well;
}

/* One line of a list: "SEED [calm] [twice] [story=FILE] # why". */
static bool run_line(struct span line, const char *list)
{
    char expected[PATH_BYTES] = "";
    struct run run = { 0 };
    uint64_t seed;
    bool twice = false;
    line = span_trim(span_head(line, span_find(line, '#')));
    struct span word = span_cut(&line, ' ');
    if (word.n == 0)
        return true;
    if (span_u64(word, UINT64_MAX, &seed) != ERR_OK) {
        (void)printf("%s: `%.*s` is no seed\n", list, SPAN_ARG(word));
        return false;
    }
    while ((word = span_cut(&line, ' ')).n > 0) {
        twice = twice || span_eq(word, SPAN("twice"));
        run.calm = run.calm || span_eq(word, SPAN("calm"));
        if (!span_starts(word, SPAN("story=")))
            continue;
        struct span folder = span_head(span_z(list), span_rfind(span_z(list), '/'));
        word = span_tail(word, 6);
        (void)snprintf(expected, sizeof expected, "%.*s/%.*s", SPAN_ARG(folder), SPAN_ARG(word));
        run.story = true;
        run.expected = expected;
    }
    return run_seed(seed, &run) && (!twice || run_twice(seed));
}

static bool tally(uint64_t passed, uint64_t failed)
{
    (void)printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
    return failed == 0;
}

static bool run_list(const char *path)
{
    char line[LINE_BYTES];
    uint64_t count[2] = { 0 };
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return false;
    }
    while (fgets(line, sizeof line, f)) {
        struct span s = span_head(span_z(line), span_find(span_z(line), '\n'));
        if (s.n > 0 && s.p[0] != '#')
            count[run_line(s, path)]++;
    }
    (void)fclose(f);
    return tally(count[1], count[0]);
}

static bool run_seconds(uint64_t seconds, uint64_t first, const struct run *run)
{
    time_t end = time(NULL) + (time_t)seconds;
    uint64_t count[2] = { 0 };
    for (uint64_t seed = first; time(NULL) < end; seed++)
        count[run_seed(seed, run)]++;
    return tally(count[1], count[0]);
}

/* Until one fails. */
static bool run_until(uint64_t most, uint64_t first, const struct run *run)
{
    uint64_t passed = 0;
    while (passed < most && run_seed(first + passed, run))
        passed++;
    return tally(passed, passed < most);
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "usage: postern-sim --seed N [--story] [--calm]\n"
                  "       postern-sim --seconds S [--from N]\n"
                  "       postern-sim --until M [--from N]\n"
                  "       postern-sim --seeds FILE\n"
                  "  --seed N      runs the world of seed N and prints its options\n"
                  "  --story       and everything that happens in it\n"
                  "  --calm        without faults, and small\n"
                  "  --seconds S   runs seeds, one after the other, for so long\n"
                  "  --until M     runs M seeds, or fewer: ends with the first that fails\n"
                  "  --from N      beginning with N; else with one of the moment\n"
                  "  --seeds FILE  runs those of a list: SEED [calm] [twice] [story=FILE] # why\n");
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },  { "story", no_argument, NULL, 'v' },
        { "calm", no_argument, NULL, 'c' },        { "seconds", required_argument, NULL, 't' },
        { "until", required_argument, NULL, 'u' }, { "from", required_argument, NULL, 'f' },
        { "seeds", required_argument, NULL, 'l' }, { NULL, 0, NULL, 0 }
    };
    struct run run = { .shown = false };
    uint64_t seed = 0, seconds = 0, most = 0, from = (uint64_t)time(NULL) * 1000;
    const char *list = NULL;
    bool one = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        struct span number = span_z(optarg);
        enum err e = ERR_OK;
        if (option == 's')
            e = span_u64(number, UINT64_MAX, &seed), one = true;
        else if (option == 'v')
            run.story = true;
        else if (option == 'c')
            run.calm = true;
        else if (option == 't')
            e = span_u64(number, UINT32_MAX, &seconds);
        else if (option == 'u')
            e = span_u64(number, UINT32_MAX, &most);
        else if (option == 'f')
            e = span_u64(number, UINT64_MAX, &from);
        else if (option == 'l')
            list = optarg;
        if (option == '?' || e != ERR_OK)
            return usage();
    }
    run.shown = one;
    if (one)
        return run_seed(seed, &run) ? 0 : EXIT_VIOLATED;
    if (list)
        return run_list(list) ? 0 : EXIT_VIOLATED;
    if (seconds > 0)
        return run_seconds(seconds, from, &run) ? 0 : EXIT_VIOLATED;
    if (most > 0)
        return run_until(most, from, &run) ? 0 : EXIT_VIOLATED;
    return usage();
}
