/* load.c - bench-load: sends so many messages over so many parallel sessions and prints what came
 * of it as one line of JSON; or holds idle connections open. Start at main. */
#include "bench/lib/clock.h"
#include "bench/lib/opt.h"
#include "bench/lib/session.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, TAG_BYTES_MAX = 24, ADDRESS_TEXT_MAX = 96, SESSIONS_MAX = 20000 };
static const int64_t SECOND_NS = 1000000000;

struct load {
    struct plan plan;
    struct session *session;
    uint64_t n_sessions, n_parallel;
    uint64_t size, warmup, deadline_s, hold_s, n_idle;
    bool tls;
    const char *to, *tag, *stamp_file;
};

/* Opens or feeds those who wait, as far as messages are due. */
static void load_kick(struct load *l)
{
    struct plan *p = &l->plan;
    LIST_EACH (m, &p->waiting) {
        if (p->idle && p->n_opening >= l->n_parallel)
            return;
        if (!p->idle && plan_due_ns(p) > mono_ns() && p->rate > 0)
            return;
        session_kick(LIST_ENTRY(m, struct session, link), mono_ns());
    }
}

/* Waits until something happens, a message falls due or the deadline passes. */
static void load_turn(struct load *l, int64_t deadline_ns)
{
    struct epoll_event event[EVENTS_MAX];
    int64_t until_ns = plan_due_ns(&l->plan), now_ns = mono_ns();
    until_ns = until_ns < deadline_ns ? until_ns : deadline_ns;
    int64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec t = { wait_ns / SECOND_NS, wait_ns % SECOND_NS };
    int n = epoll_pwait2(l->plan.epoll_fd, event, EVENTS_MAX, &t, NULL);
    for (int i = 0; i < n; i++)
        session_run(event[i].data.ptr);
}

/* Sends n messages and waits for their verdicts. */
static void load_phase(struct load *l, uint64_t n)
{
    struct plan *p = &l->plan;
    int64_t deadline_ns = mono_ns() + (int64_t)l->deadline_s * SECOND_NS;
    plan_start(p, n, mono_ns());
    while (!plan_over(p) && mono_ns() < deadline_ns) {
        load_kick(l);
        load_turn(l, deadline_ns);
    }
}

static void print_tally(const char *name, struct tally *t)
{
    printf(",\"%s\":{\"n\":%zu,\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, t->n,
           tally_ms(t, 50), tally_ms(t, 95), tally_ms(t, 99), tally_ms(t, 100));
}

static void load_report(struct load *l, double cpu_s)
{
    struct plan *p = &l->plan;
    double seconds = (double)(p->last_ns - p->start_ns) / 1e9;
    printf("{\"accepted\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"unfinished\":%" PRIu64
           ",\"seconds\":%.4f,\"accepted_per_s\":%.2f",
           p->n_accepted, p->n_failed, p->n_messages - p->n_accepted - p->n_failed, seconds,
           seconds > 0 ? (double)p->n_accepted / seconds : 0);
    printf(",\"connections\":%" PRIu64 ",\"handshakes\":%" PRIu64 ",\"resumed\":%" PRIu64,
           p->n_connections, p->n_handshakes, p->n_resumed);
    print_tally("connect_to_250_ms", &p->first);
    print_tally("mail_to_250_ms", &p->next);
    printf(",\"start_ns\":%" PRId64 ",\"cpu_s\":%.3f}\n", p->start_ns, cpu_s);
    if (p->n_failed > 0)
        fprintf(stderr, "bench-load: the first failure: %s\n", p->failure);
}

static int load_send(struct load *l)
{
    uint64_t n_messages = l->plan.n_messages;
    if (l->warmup > 0)
        load_phase(l, l->warmup);
    double before_s = own_cpu_s();
    load_phase(l, n_messages);
    load_report(l, own_cpu_s() - before_s);
    return plan_over(&l->plan) && l->plan.n_failed == 0 ? 0 : 1;
}

static void idle_report(const struct load *l, const char *when)
{
    printf("{\"when\":\"%s\",\"held\":%" PRIu64 ",\"failed\":%" PRIu64 "}\n", when, l->plan.n_held,
           l->plan.n_failed);
    fflush(stdout);
}

/* Opens all, says so, and looks again when the time is over. */
static int load_idle(struct load *l)
{
    struct plan *p = &l->plan;
    int64_t deadline_ns = mono_ns() + (int64_t)l->deadline_s * SECOND_NS;
    plan_start(p, l->n_idle, mono_ns());
    while (p->n_held + p->n_failed < l->n_idle && mono_ns() < deadline_ns) {
        load_kick(l);
        load_turn(l, deadline_ns);
    }
    idle_report(l, "opened");
    int64_t end_ns = mono_ns() + (int64_t)l->hold_s * SECOND_NS;
    while (mono_ns() < end_ns)
        load_turn(l, end_ns);
    idle_report(l, "end");
    if (p->n_failed > 0)
        fprintf(stderr, "bench-load: the first failure: %s\n", p->failure);
    return p->n_held == l->n_idle ? 0 : 1;
}

static void load_check(const struct load *l)
{
    const struct plan *p = &l->plan;
    if (!l->to || l->n_parallel == 0 || p->n_per_connection == 0 || p->n_domains == 0)
        bench_die("bench-load: --to is needed, and no count may be 0");
    if (l->size < DRAFT_BYTES_MIN)
        bench_die("bench-load: --size is %d bytes at least", DRAFT_BYTES_MIN);
    if (span_z(l->tag).n > TAG_BYTES_MAX || span_z(p->from).n > ADDRESS_TEXT_MAX ||
        span_z(p->rcpt).n > ADDRESS_TEXT_MAX || span_z(p->helo).n > ADDRESS_TEXT_MAX)
        bench_die("bench-load: a name or address is too long");
    if (l->n_parallel > SESSIONS_MAX || l->n_idle > SESSIONS_MAX)
        bench_die("bench-load: %d sessions at most", SESSIONS_MAX);
}

static void load_read(struct load *l, int argc, char **argv)
{
    struct plan *p = &l->plan;
    bool plain = false;
    const struct opt table[] = {
        { "to", OPT_TEXT, &l->to, "where to send: 127.0.0.1:2525" },
        { "tls", OPT_FLAG, &l->tls, "STARTTLS, which then must be offered" },
        { "plain", OPT_FLAG, &plain, "in clear (the default)" },
        { "resume", OPT_FLAG, &p->resume, "each session resumes its last TLS session" },
        { "sessions", OPT_NUM, &l->n_parallel, "parallel sessions (20)" },
        { "messages", OPT_NUM, &p->n_messages, "messages in all (1000)" },
        { "per-connection", OPT_NUM, &p->n_per_connection, "messages a connection (1)" },
        { "size", OPT_NUM, &l->size, "bytes of a message, header included (10k)" },
        { "helo", OPT_TEXT, &p->helo, "name in EHLO" },
        { "from", OPT_TEXT, &p->from, "envelope sender" },
        { "rcpt", OPT_TEXT, &p->rcpt, "recipient; %d: message number, %D: that modulo --domains" },
        { "domains", OPT_NUM, &p->n_domains, "values that %D takes (1)" },
        { "rate", OPT_NUM, &p->rate, "messages a second (0: as fast as they are taken)" },
        { "warmup", OPT_NUM, &l->warmup, "messages before those that count (0)" },
        { "pipelining", OPT_FLAG, &p->pipelining, "MAIL, RCPT and DATA at once when offered" },
        { "tag", OPT_TEXT, &l->tag, "first half of the X-Bench-Id of each message" },
        { "stamp", OPT_TEXT, &l->stamp_file, "file: id, start and 250 in monotonic ns" },
        { "idle", OPT_NUM, &l->n_idle, "hold so many idle connections instead" },
        { "hold", OPT_NUM, &l->hold_s, "seconds to hold them (10)" },
        { "deadline", OPT_NUM, &l->deadline_s, "seconds after which it gives up (60)" },
    };
    if (opt_read(argc, argv, table, COUNTOF(table)) != ERR_OK)
        exit(2);
    load_check(l);
    if (plain && l->tls)
        bench_die("bench-load: --tls or --plain");
    if (addr_parse(l->to, &p->to) != ERR_OK)
        bench_die("bench-load: cannot read the address %s", l->to);
}

static void load_set_up(struct load *l)
{
    struct plan *p = &l->plan;
    draft_init(&p->draft, l->size, l->tag);
    p->tls = l->tls ? tls_client_ctx() : NULL;
    p->idle = l->n_idle > 0;
    p->stamp = l->stamp_file ? fopen(l->stamp_file, "w") : NULL;
    if (l->stamp_file && !p->stamp)
        bench_die("bench-load: cannot write %s", l->stamp_file);
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0)
        bench_die("bench-load: no epoll");
    l->n_sessions = p->idle ? l->n_idle : l->n_parallel;
    l->session = mem_alloc(l->n_sessions * sizeof(*l->session));
    for (uint64_t i = 0; i < l->n_sessions; i++)
        session_init(&l->session[i], p);
}

int main(int argc, char **argv)
{
    static struct load l = {
        .n_parallel = 20, .size = 10 * 1024, .deadline_s = 60, .hold_s = 10, .tag = "bench"
    };
    plan_init(&l.plan);
    l.plan.n_messages = 1000;
    l.plan.n_per_connection = l.plan.n_domains = 1;
    l.plan.helo = "load.bench.example";
    l.plan.from = "sender@load.bench.example";
    l.plan.rcpt = "user%d@sink%D.bench.example";
    load_read(&l, argc, argv);
    load_set_up(&l);
    files_max();
    (void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);

    int status = l.plan.idle ? load_idle(&l) : load_send(&l);
    for (uint64_t i = 0; i < l.n_sessions; i++)
        session_done(&l.session[i]);
    mem_free(l.session);
    close(l.plan.epoll_fd);
    plan_done(&l.plan);
    return status;
}
