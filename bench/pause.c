/* bench-pause: the longest time that a client waits while something happens to the server:
 *
 *     bench-pause --to 127.0.0.1:2525 --seconds 10
 *
 * One connection after the other: greeting, EHLO, NOOP, QUIT, and on one that stays, NOOP; a
 * millisecond of sleep between. Prints one line of JSON: how long replies took, and how long the
 * sleeps did, for on a machine with other work a client is kept waiting by that, too. */
#include "bench/lib/clock.h"
#include "bench/lib/opt.h"
#include "bench/lib/tally.h"
#include "bench/lib/wire.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REPLY_MAX = 2048, WAIT_MAX_S = 20 };

struct pause {
    struct sockaddr_in to;
    struct tally reply, sleep;
    uint64_t seconds;
};

/* Reads one reply, of all its lines; how long that took goes to the tally. */
static void pause_reply(struct pause *p, int fd, int64_t since_ns)
{
    char text[REPLY_MAX];
    size_t n = 0, line = 0;
    for (;;) {
        ssize_t got = recv(fd, text + n, sizeof text - n, 0);
        if (got <= 0)
            bench_die("bench-pause: no reply within %d s, or the connection is gone", WAIT_MAX_S);
        n += (size_t)got;
        for (size_t i = line; i < n; i++) {
            if (text[i] != '\n')
                continue;
            if (i - line < 4 || text[line + 3] != '-') {
                tally_add(&p->reply, mono_ns() - since_ns);
                return;
            }
            line = i + 1;
        }
    }
}

static void pause_ask(struct pause *p, int fd, const char *command)
{
    int64_t start = mono_ns();
    struct span s = span_z(command);
    if (send(fd, s.p, s.n, MSG_NOSIGNAL) != (ssize_t)s.n)
        bench_die("bench-pause: cannot send");
    pause_reply(p, fd, start);
}

static int pause_open(struct pause *p)
{
    const struct timeval limit = { .tv_sec = WAIT_MAX_S };
    const int on = 1;
    int64_t start = mono_ns();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        bench_die("bench-pause: no socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&p->to, sizeof p->to) != 0)
        bench_die("bench-pause: cannot connect");
    pause_reply(p, fd, start);
    return fd;
}

static void pause_sleep(struct pause *p)
{
    const struct timespec ms = { .tv_nsec = 1000000 };
    int64_t start = mono_ns();
    (void)nanosleep(&ms, NULL);
    tally_add(&p->sleep, mono_ns() - start - ms.tv_nsec);
}

static void pause_run(struct pause *p)
{
    int64_t end = mono_ns() + (int64_t)p->seconds * 1000000000;
    int standing = pause_open(p);
    pause_ask(p, standing, "EHLO stays.bench.example\r\n");
    while (mono_ns() < end) {
        int fd = pause_open(p);
        pause_ask(p, fd, "EHLO comes.bench.example\r\n");
        pause_ask(p, standing, "NOOP\r\n");
        pause_ask(p, fd, "NOOP\r\n");
        pause_ask(p, fd, "QUIT\r\n");
        close(fd);
        pause_sleep(p);
    }
    close(standing);
}

static void print_tally(const char *name, struct tally *t)
{
    (void)printf("\"%s\":{\"n\":%zu,\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}", name,
                 t->n, tally_ms(t, 50), tally_ms(t, 99), tally_ms(t, 99.9), tally_ms(t, 100));
}

int main(int argc, char **argv)
{
    static struct pause p = { .seconds = 10 };
    const char *to = NULL;
    const struct opt table[] = {
        { "to", OPT_TEXT, &to, "where to connect, in clear: 127.0.0.1:2525" },
        { "seconds", OPT_NUM, &p.seconds, "how long (10)" },
    };
    if (opt_read(argc, argv, table, COUNTOF(table)) != ERR_OK)
        return 2;
    if (!to || addr_parse(to, &p.to) != ERR_OK)
        bench_die("bench-pause: --to needs an address");
    (void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    tally_init(&p.reply);
    tally_init(&p.sleep);
    pause_run(&p);
    (void)printf("{");
    print_tally("reply_ms", &p.reply);
    (void)printf(",");
    print_tally("late_ms", &p.sleep);
    (void)printf("}\n");
    tally_done(&p.reply);
    tally_done(&p.sleep);
    return 0;
}
