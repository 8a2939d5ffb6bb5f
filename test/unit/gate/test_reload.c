#include "gate/reload.h"
#include "sys/channel.h"
#include "test/test.h"

#include <fcntl.h>
#include <unistd.h>

enum { DONE_MAX = 8, WAIT_MS = 20 * 1000 };

static const struct span path = { "test/conf/minimal.conf", 22 };

struct stage {
    struct loop *loop;
    struct reload *reload;
    struct timer late;
    unsigned n, until;             /* ends so far; the loop stops at so many */
    uint64_t generation[DONE_MAX]; /* of what was loaded; 0: refused */
    struct config *kept;           /* the latest, one reference */
    unsigned again;                /* loads that the next end asks for */
    struct why why;
};

static struct config_boot boot_of(uint64_t generation)
{
    return (struct config_boot){ .hash_key = { { 1, 2 } }, .generation = generation };
}

static int sealed(struct span bytes)
{
    int fd = -1;
    CHECK_NUM(shared_sealed("test-bundle", bytes.p, bytes.n, &fd), ERR_OK);
    return fd;
}

static int good_bundle(void)
{
    struct buf bundle;
    struct config *c = NULL;
    struct why why = { "" };
    struct config_boot boot = boot_of(1);
    buf_init(&bundle, CONFIG_BUNDLE_MAX);
    struct config_source disk = config_source_disk(&bundle);
    CHECK_NUM(config_load(path, &disk, &boot, &c, &why), ERR_OK);
    config_unref(c);
    int fd = sealed(buf_span(&bundle));
    buf_done(&bundle);
    return fd;
}

static void start(struct stage *s, int fd, uint64_t generation)
{
    struct config_boot boot = boot_of(generation);
    reload_start(s->reload, fd, path, &boot);
}

static void ended(void *arg, struct config *c, const struct why *why)
{
    struct stage *s = arg;
    CHECK(s->n < DONE_MAX);
    s->generation[s->n++] = c ? c->generation : 0;
    s->why = *why;
    if (c) {
        config_unref(s->kept); /* as worker_reload does */
        s->kept = c;
    }
    for (; s->again > 0; s->again--)
        start(s, good_bundle(), 100 + s->again);
    if (s->n == s->until)
        loop_stop(s->loop);
}

static void too_late(void *arg)
{
    CHECK(!"no end in time");
    loop_stop(arg);
}

static void stage_init(struct stage *s)
{
    *s = (struct stage){ .loop = loop_new() };
    s->reload = reload_new(s->loop, ended, s);
    timer_init(&s->late, s->loop, too_late, s->loop);
    timer_set(&s->late, loop_now_ms(s->loop) + WAIT_MS);
}

static void stage_run(struct stage *s, unsigned until)
{
    s->until = until;
    loop_run(s->loop);
    CHECK_NUM(s->n, until);
}

static void stage_done(struct stage *s)
{
    config_unref(s->kept);
    reload_free(s->reload);
    timer_stop(&s->late);
    loop_free(s->loop);
}

TEST(reload_takes_a_file)
{
    struct stage s;
    stage_init(&s);
    start(&s, good_bundle(), 7);
    CHECK_NUM(s.n, 0); /* nothing is called before the loop runs */
    stage_run(&s, 1);
    CHECK_NUM(s.generation[0], 7);
    CHECK(s.kept && s.kept->refs == 1);
    stage_done(&s);
}

TEST(reload_while_loading_takes_the_newest)
{
    struct stage s;
    stage_init(&s);
    for (uint64_t i = 1; i <= 5; i++)
        start(&s, good_bundle(), i);
    stage_run(&s, 2);
    CHECK_NUM(s.generation[0], 1);
    CHECK_NUM(s.generation[1], 5);
    stage_done(&s);
}

TEST(reload_may_be_asked_for_by_an_end)
{
    struct stage s;
    stage_init(&s);
    s.again = 3; /* 103, 102, 101: the first begins at once, the second is passed over */
    start(&s, good_bundle(), 1);
    stage_run(&s, 3);
    CHECK_NUM(s.generation[1], 103);
    CHECK_NUM(s.generation[2], 101);
    stage_done(&s);
}

TEST(reload_of_what_is_wrong)
{
    struct stage s;
    stage_init(&s);
    start(&s, good_bundle(), 1);
    stage_run(&s, 1);
    start(&s, sealed(SPAN("no bundle at all")), 2);
    stage_run(&s, 2);
    CHECK_NUM(s.generation[1], 0);
    CHECK(s.why.text[0] != '\0');
    CHECK(s.kept && s.kept->generation == 1);

    start(&s, open("/dev/null", O_RDONLY | O_CLOEXEC), 3);
    stage_run(&s, 3);
    CHECK_NUM(s.generation[2], 0);
    CHECK_Z(span_z(s.why.text), "the bundle cannot be mapped");

    start(&s, good_bundle(), 4);
    stage_run(&s, 4);
    CHECK_NUM(s.generation[3], 4);
    stage_done(&s);
}

/* One is being loaded, one waits: neither is told, both descriptors are closed. */
TEST(reload_that_ends_while_it_loads)
{
    struct stage s;
    stage_init(&s);
    int first = good_bundle(), second = good_bundle();
    start(&s, first, 1);
    start(&s, second, 2);
    stage_done(&s);
    CHECK_NUM(s.n, 0);
    CHECK_NUM(fcntl(first, F_GETFD), -1);
    CHECK_NUM(fcntl(second, F_GETFD), -1);
}

/* A snapshot outlives its successor as long as a session holds it. */
TEST(reload_frees_with_the_last_reference)
{
    struct stage s;
    struct config *first = NULL;
    struct why why = { "" };
    struct config_boot boot = boot_of(1);
    stage_init(&s);
    CHECK_NUM(reload_now(good_bundle(), path, &boot, &first, &why), ERR_OK);
    reload_adopt(s.reload, first);
    s.kept = config_ref(first); /* a session's, and the worker's */
    start(&s, good_bundle(), 2);
    stage_run(&s, 1);
    CHECK_NUM(first->refs, 1);
    CHECK(span_eq(first->file, path));
    config_unref(first);
    stage_done(&s);
}
