/* floor.c - bench-floor: the least CPU time that a message costs whoever takes and gives it over
 * TLS and keeps it durably in between. Nothing of a mail server is in it: no SMTP, no queue, no
 * events. Start at main.
 *
 * Both ends of each connection are in this process. That is the work of a gateway, which is the
 * server of one connection and the client of the next, takes the bytes once and gives them once. */
#include "bench/lib/clock.h"
#include "bench/lib/opt.h"
#include "bench/lib/wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORD_BYTES = 16 * 1024, PAIR_BYTES = 20 * 1024, FILE_MESSAGES = 1024 };

struct least {
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
    char *bytes;
    uint64_t n_bytes;
    uint64_t batch; /* messages that share a flush */
    int file_fd, listen_fd;
    struct sockaddr_in at;
};

typedef void step_fn(struct least *l, uint64_t i);

/* --- TLS */

static void ends_free(struct least *l)
{
    SSL_free(l->server);
    SSL_free(l->client);
    l->server = l->client = NULL;
}

static void ends_new(struct least *l)
{
    BIO *a, *b;
    ends_free(l);
    l->server = SSL_new(l->server_ctx);
    l->client = SSL_new(l->client_ctx);
    if (!l->server || !l->client || BIO_new_bio_pair(&a, PAIR_BYTES, &b, PAIR_BYTES) != 1)
        bench_die("bench-floor: no memory");
    SSL_set_bio(l->server, a, a);
    SSL_set_bio(l->client, b, b);
    SSL_set_accept_state(l->server);
    SSL_set_connect_state(l->client);
}

/* A connection's handshake, as the server and as the client. */
static void step_handshake(struct least *l, uint64_t i)
{
    (void)i;
    ends_new(l);
    for (int flights = 0; SSL_in_init(l->server) || SSL_in_init(l->client); flights++) {
        (void)SSL_do_handshake(l->client); /* both want more until they are through */
        (void)SSL_do_handshake(l->server);
        if (flights > 8)
            bench_die("bench-floor: the handshake failed");
    }
}

/* The message is encrypted once and decrypted once. */
static void step_records(struct least *l, uint64_t i)
{
    (void)i;
    static char plain[RECORD_BYTES];
    for (uint64_t done = 0; done < l->n_bytes;) {
        size_t n = l->n_bytes - done, got;
        n = n < RECORD_BYTES ? n : RECORD_BYTES;
        if (SSL_write_ex(l->client, l->bytes + done, n, &got) != 1 || got != n ||
            SSL_read_ex(l->server, plain, sizeof(plain), &got) != 1 || got != n)
            bench_die("bench-floor: a record was lost");
        done += n;
    }
}

/* --- TCP */

static void tcp_set_up(struct least *l)
{
    socklen_t n = sizeof(l->at);
    if (addr_parse("127.0.0.1:0", &l->at) != ERR_OK)
        bench_die("bench-floor: no loopback");
    l->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->listen_fd < 0 || bind(l->listen_fd, (struct sockaddr *)&l->at, n) != 0 ||
        listen(l->listen_fd, 1) != 0 ||
        getsockname(l->listen_fd, (struct sockaddr *)&l->at, &n) != 0)
        bench_die("bench-floor: cannot listen");
}

/* A connection over loopback and the message over it, both ends; no more is written than the
 * socket surely holds before it is read. */
static void step_tcp(struct least *l, uint64_t i)
{
    (void)i;
    static char in[RECORD_BYTES];
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (out < 0 || connect(out, (struct sockaddr *)&l->at, sizeof(l->at)) != 0)
        bench_die("bench-floor: cannot connect");
    int fd = accept4(l->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    for (uint64_t done = 0; done < l->n_bytes;) {
        size_t n = l->n_bytes - done;
        n = n < RECORD_BYTES ? n : RECORD_BYTES;
        if (send(out, l->bytes + done, n, 0) != (ssize_t)n ||
            recv(fd, in, n, MSG_WAITALL) != (ssize_t)n)
            bench_die("bench-floor: the connection broke");
        done += n;
    }
    close(out);
    close(fd);
}

/* --- the disk */

/* Written one behind the other into a file that is used again from its beginning, as a log is;
 * one flush a batch. */
static void step_durable(struct least *l, uint64_t i)
{
    off_t at = (off_t)(i % FILE_MESSAGES * l->n_bytes);
    if (pwrite(l->file_fd, l->bytes, l->n_bytes, at) != (ssize_t)l->n_bytes)
        bench_die("bench-floor: cannot write");
    if ((i + 1) % l->batch == 0 && fdatasync(l->file_fd) != 0)
        bench_die("bench-floor: cannot flush");
}

/* --- measuring */

/* ms of CPU time that one step costs. */
static double cost_ms(struct least *l, step_fn *step, uint64_t n)
{
    double before_s = own_cpu_s();
    for (uint64_t i = 0; i < n; i++)
        step(l, i);
    return (own_cpu_s() - before_s) * 1000 / (double)n;
}

static void measure(struct least *l, uint64_t n)
{
    (void)cost_ms(l, step_handshake, n / 10 + 1);
    (void)cost_ms(l, step_durable, FILE_MESSAGES); /* the file gets its size */
    double handshakes = cost_ms(l, step_handshake, n);
    double records = cost_ms(l, step_records, n);
    double tcp = cost_ms(l, step_tcp, n);
    double durable = cost_ms(l, step_durable, n);
    printf("{\"bytes\":%llu,\"batch\":%llu,\"handshakes_ms\":%.4f,\"records_ms\":%.4f,"
           "\"durable_ms\":%.4f,\"floor_ms\":%.4f,\"tcp_ms\":%.4f}\n",
           (unsigned long long)l->n_bytes, (unsigned long long)l->batch, handshakes, records,
           durable, handshakes + records + durable, tcp);
}

int main(int argc, char **argv)
{
    struct least l = { .n_bytes = 10 * 1024, .batch = 16 };
    uint64_t n = 2000;
    const char *cert = NULL, *key = NULL, *file = NULL;
    const struct opt table[] = {
        { "cert", OPT_TEXT, &cert, "certificate chain, PEM" },
        { "key", OPT_TEXT, &key, "its key, PEM" },
        { "file", OPT_TEXT, &file, "a file to write, on the disk that counts; made and removed" },
        { "size", OPT_NUM, &l.n_bytes, "bytes of a message (10k)" },
        { "batch", OPT_NUM, &l.batch, "messages that share a flush (16)" },
        { "rounds", OPT_NUM, &n, "how often each step is made (2000)" },
    };
    if (opt_read(argc, argv, table, COUNTOF(table)) != ERR_OK)
        return 2;
    if (!cert || !key || !file || l.n_bytes == 0 || l.batch == 0 || n == 0)
        bench_die("bench-floor: --cert, --key and --file are needed, and no count may be 0");
    if (tls_server_ctx(cert, key, &l.server_ctx) != ERR_OK)
        bench_die("bench-floor: a certificate and a key that belong together, please");
    l.client_ctx = tls_client_ctx();
    l.bytes = mem_zalloc(l.n_bytes);
    l.file_fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (l.file_fd < 0)
        bench_die("bench-floor: cannot write %s", file);
    tcp_set_up(&l);

    measure(&l, n);

    ends_free(&l);
    SSL_CTX_free(l.server_ctx);
    SSL_CTX_free(l.client_ctx);
    mem_free(l.bytes);
    close(l.file_fd);
    close(l.listen_fd);
    return unlink(file) == 0 ? 0 : 1;
}
