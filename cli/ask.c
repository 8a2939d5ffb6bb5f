#include "cli/ask.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, SEND_S = 10, HELLO_S = 5, ANSWER_S = 120, PAGE_ROWS = 1000 };

/* --- connecting --- */

/* "gate-3.sock" */
static bool socket_index(const char *name, unsigned *ret)
{
    struct span s = span_z(name);
    uint64_t index;
    if (!span_starts(s, SPAN("gate-")) || !span_ends_nocase(s, SPAN(".sock")) ||
        s.n < sizeof "gate-.sock")
        return false;
    s = span_of(s.p + 5, s.n - 10);
    if (span_u64(s, ASK_WORKERS_MAX - 1, &index) != ERR_OK)
        return false;
    *ret = (unsigned)index;
    return true;
}

/* How long an answer may take. */
static void set_patience(int fd, time_t seconds)
{
    struct timeval t = { .tv_sec = seconds };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

static enum err connect_to(const char *run, unsigned index, int *ret)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = SEND_S };
    int n = snprintf(to.sun_path, sizeof to.sun_path, "%s/gate-%u.sock", run, index);
    if (n < 0 || (size_t)n >= sizeof to.sun_path)
        return ERR_TOO_BIG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) != 0) {
        close(fd);
        return ERR_REFUSED;
    }
    *ret = fd;
    return ERR_OK;
}

/* --- one request --- */

static enum err send_line(const struct ask_worker *w, const struct ctl *request)
{
    struct buf line;
    buf_init(&line, CTL_LINE_MAX);
    enum err e = ctl_print(request, &line);
    while (e == ERR_OK && line.n > 0) {
        struct span s = buf_span(&line);
        ssize_t n = send(w->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            e = errno == EAGAIN ? ERR_TIMEOUT : ERR_IO;
        if (n > 0)
            buf_consume(&line, (size_t)n);
    }
    buf_done(&line);
    return e;
}

static enum err receive_more(struct ask_worker *w)
{
    char *to;
    TRY(buf_reserve(&w->in, READ_BYTES, &to));
    ssize_t n = recv(w->fd, to, READ_BYTES, 0);
    if (n > 0)
        buf_added(&w->in, (size_t)n);
    if (n > 0 || (n < 0 && errno == EINTR))
        return ERR_OK;
    return n < 0 && errno == EAGAIN ? ERR_TIMEOUT : ERR_IO;
}

static enum err receive_line(struct ask_worker *w, struct ctl **ret, struct why *why)
{
    size_t n = 0, looked = 0;
    for (;;) {
        struct span s = buf_span(&w->in);
        n = looked + span_find(span_tail(s, looked), '\n');
        if (n < s.n)
            break;
        looked = s.n;
        TRY(receive_more(w));
    }
    enum err e = ctl_parse(span_head(buf_span(&w->in), n), ret, why);
    buf_consume(&w->in, n + 1);
    return e == ERR_OK ? ERR_OK : ERR_IO;
}

static enum err error_of(const struct ctl *answer, struct why *why)
{
    static const struct {
        const char *code;
        enum err e;
    } codes[] = { { "usage", ERR_SYNTAX },
                  { "not-found", ERR_NOT_FOUND },
                  { "too-big", ERR_TOO_BIG } };
    struct span text = ctl_get(answer, "error");
    if (ctl_get_bool(answer, "ok"))
        return ERR_OK;
    why_set(why, "%.*s",
            SPAN_ARG(span_head(text, text.n < WHY_BYTES_MAX ? text.n : WHY_BYTES_MAX)));
    for (size_t i = 0; i < COUNTOF(codes); i++)
        if (span_eq(ctl_get(answer, "code"), span_z(codes[i].code)))
            return codes[i].e;
    return ERR_REFUSED;
}

enum err ask_one(struct ask_worker *w, const struct ctl *request, struct ctl **ret, struct why *why)
{
    struct ctl *answer = NULL;
    enum err e = send_line(w, request);
    if (e == ERR_OK || e == ERR_IO) /* it may have said why it hung up */
        e = receive_line(w, &answer, why);
    if (e != ERR_OK) {
        why_set(why, "worker %u %s", w->index,
                e == ERR_TIMEOUT ? "does not answer in time" : "broke the connection");
        return e;
    }
    e = error_of(answer, why);
    if (e == ERR_OK)
        *ret = answer;
    else
        ctl_free(answer);
    return e;
}

/* --- all shards --- */

/* Fewer rows when they are too many for a line. */
static enum err ask_page(struct ask_worker *w, struct ctl *request, struct ctl **ret,
                         struct why *why)
{
    enum err e = ERR_TOO_BIG;
    for (int64_t limit = PAGE_ROWS; e == ERR_TOO_BIG && limit > 0; limit /= 4) {
        ctl_set_num(request, "limit", limit);
        e = ask_one(w, request, ret, why);
    }
    return e;
}

static enum err ask_shard(const struct ask_shard *s, struct ctl *request, ask_page_fn *fn,
                          void *arg, struct why *why)
{
    bool more = true;
    ctl_set(request, "after_id", SPAN_NONE);
    ctl_set_num(request, "after_i", 0);
    ctl_set_num(request, "shard", s->shard);
    while (more) {
        struct ctl *answer;
        TRY(ask_page(s->worker, request, &answer, why));
        more = fn(arg, answer) && ctl_get_bool(answer, "more") && ctl_get(answer, "after_id").n > 0;
        ctl_set(request, "after_id", ctl_get(answer, "after_id"));
        ctl_set_num(request, "after_i", ctl_get_num(answer, "after_i"));
        ctl_free(answer);
    }
    return ERR_OK;
}

enum err ask_pages(struct ask *a, int64_t shard, struct ctl *request, ask_page_fn *fn, void *arg,
                   struct why *why)
{
    for (unsigned i = 0; i < a->n_shard; i++)
        if (shard < 0 || a->shard[i].shard == shard)
            TRY(ask_shard(&a->shard[i], request, fn, arg, why));
    return ERR_OK;
}

/* --- the beginning and the end --- */

static void note_shards(struct ask *a, struct ask_worker *w, const struct ctl *answer)
{
    a->n_configured = (unsigned)ctl_get_num(answer, "workers");
    for (size_t i = 0; i < ctl_count(answer, "shards") && a->n_shard < ASK_SHARDS_MAX; i++) {
        int64_t shard = ctl_get_num(ctl_at(answer, "shards", i), "shard");
        a->shard[a->n_shard++] = (struct ask_shard){ w, (unsigned)shard };
    }
}

/* The first question is one that a worker answers at once, if it is well. */
static enum err hello(struct ask *a, struct ask_worker *w)
{
    struct ctl *request = ctl_new(), *answer;
    struct why why;
    ctl_set(request, "verb", SPAN("shards"));
    set_patience(w->fd, HELLO_S);
    enum err e = ask_one(w, request, &answer, &why);
    ctl_free(request);
    if (e == ERR_REFUSED)
        a->denied = why;
    if (e != ERR_OK)
        return e;
    note_shards(a, w, answer);
    ctl_free(answer);
    set_patience(w->fd, ANSWER_S);
    return ERR_OK;
}

static void worker_close(struct ask_worker *w)
{
    close(w->fd);
    buf_done(&w->in);
}

static void open_worker(struct ask *a, const char *run, unsigned index)
{
    struct ask_worker *w = &a->worker[a->n_worker];
    *w = (struct ask_worker){ .index = index };
    buf_init(&w->in, CTL_LINE_MAX + READ_BYTES);
    enum err e = connect_to(run, index, &w->fd);
    if (e == ERR_OK) {
        e = hello(a, w);
        if (e != ERR_OK)
            worker_close(w);
    }
    if (e == ERR_OK)
        a->n_worker++;
    else
        a->missing[a->n_missing++] = index;
}

enum err ask_open(struct ask *a, const char *run, struct why *why)
{
    bool there[ASK_WORKERS_MAX] = { false };
    unsigned index;
    *a = (struct ask){ 0 };
    DIR *dir = opendir(run);
    if (!dir) {
        why_set(why,
                "no daemon is reachable: %s: %s; start posternd, or say where its sockets are "
                "with --run DIR or -c FILE (root and administrators may use them)",
                run, strerror(errno));
        return ERR_NOT_FOUND;
    }
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        if (socket_index(e->d_name, &index))
            there[index] = true;
    closedir(dir);
    for (unsigned i = 0; i < ASK_WORKERS_MAX; i++)
        if (there[i])
            open_worker(a, run, i);
    if (a->n_worker > 0)
        return ERR_OK;
    if (a->denied.text[0] != '\0') {
        *why = a->denied;
        return ERR_REFUSED;
    }
    why_set(why,
            a->n_missing > 0
                ? "no daemon is reachable: nobody answers on the sockets in %s; start posternd, "
                  "or try as root if you may not use them"
                : "no daemon is reachable: there is no socket in %s; start posternd, or say where "
                  "its sockets are with --run DIR or -c FILE",
            run);
    return ERR_NOT_FOUND;
}

void ask_close(struct ask *a)
{
    for (unsigned i = 0; i < a->n_worker; i++)
        worker_close(&a->worker[i]);
    a->n_worker = 0;
}
