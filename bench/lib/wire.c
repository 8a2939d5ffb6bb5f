/* wire.c - start at wire_open and wire_flush. */
#include "bench/lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RECORD_BYTES_MAX = 16 * 1024 }; /* RFC 8446 5.1 */

enum err addr_parse(const char *text, struct sockaddr_in *ret)
{
    struct span s = span_z(text);
    size_t colon = span_rfind(s, ':');
    char ip[INET_ADDRSTRLEN];
    uint64_t port;
    if (colon == s.n || colon >= sizeof(ip))
        return ERR_SYNTAX;
    TRY(span_u64(span_tail(s, colon + 1), UINT16_MAX, &port));
    memcpy(ip, s.p, colon);
    ip[colon] = '\0';

    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
        return ERR_SYNTAX;
    *ret = a;
    return ERR_OK;
}

/* --- contexts */

/* OpenSSL hands over a ticket, for which there may be a place. Returning 1 keeps it. */
static int ticket_came(SSL *ssl, SSL_SESSION *ticket)
{
    struct wire *w = SSL_get_app_data(ssl);
    if (!w || !w->keep_ticket)
        return 0;
    SSL_SESSION_free(w->ticket);
    w->ticket = ticket;
    return 1;
}

static SSL_CTX *tls_ctx(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    ASSERT(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(ctx, 1);
    return ctx;
}

SSL_CTX *tls_client_ctx(void)
{
    SSL_CTX *ctx = tls_ctx(TLS_client_method());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, ticket_came);
    return ctx;
}

enum err tls_server_ctx(const char *cert_file, const char *key_file, SSL_CTX **ret)
{
    SSL_CTX *ctx = tls_ctx(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        SSL_CTX_free(ctx);
        return ERR_IO;
    }
    *ret = ctx;
    return ERR_OK;
}

/* --- life of a connection */

void wire_init(struct wire *w)
{
    *w = (struct wire){ .fd = -1 };
    buf_init(&w->out, WIRE_OUT_MAX);
}

void wire_close(struct wire *w)
{
    if (w->shaken)
        (void)SSL_shutdown(w->ssl); /* without a close notify the ticket would be void */
    SSL_free(w->ssl);
    w->ssl = NULL;
    w->shaken = false;
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->rest = SPAN_NONE;
    buf_clear(&w->out);
}

void wire_done(struct wire *w)
{
    if (!w)
        return;
    wire_close(w);
    SSL_SESSION_free(w->ticket);
    w->ticket = NULL;
    buf_done(&w->out);
}

void wire_take(struct wire *w, int fd)
{
    ASSERT(w->fd < 0 && fd >= 0);
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without */
    w->fd = fd;
}

enum err wire_open(struct wire *w, const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS) {
        close(fd);
        return ERR_IO;
    }
    wire_take(w, fd);
    return ERR_OK;
}

enum err wire_watch(struct wire *w, int epoll_fd, void *owner)
{
    ASSERT(w->fd >= 0);
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = owner };
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &e) == 0 ? ERR_OK : ERR_IO;
}

/* --- TLS */

void wire_tls(struct wire *w, SSL_CTX *ctx, bool server)
{
    ASSERT(w->fd >= 0 && !w->ssl);
    w->ssl = SSL_new(ctx);
    ASSERT(w->ssl && SSL_set_fd(w->ssl, w->fd) == 1);
    SSL_set_app_data(w->ssl, w);
    if (server) {
        SSL_set_accept_state(w->ssl);
        return;
    }
    SSL_set_connect_state(w->ssl);
    if (w->keep_ticket && w->ticket)
        (void)SSL_set_session(w->ssl, w->ticket); /* refused: a full handshake then */
}

/* What a call that did not succeed means: ERR_AGAIN or ERR_CLOSED. */
static enum err tls_outcome(struct wire *w, int got)
{
    int e = SSL_get_error(w->ssl, got);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? ERR_AGAIN : ERR_CLOSED;
}

enum err wire_shake(struct wire *w)
{
    ASSERT(w->ssl && !w->shaken);
    ERR_clear_error();
    int got = SSL_do_handshake(w->ssl);
    if (got != 1)
        return tls_outcome(w, got) == ERR_AGAIN ? ERR_AGAIN : ERR_REFUSED;
    w->shaken = true;
    return ERR_OK;
}

bool wire_resumed(const struct wire *w)
{
    return w->ssl && SSL_session_reused(w->ssl) == 1;
}

/* --- bytes */

enum err wire_read(struct wire *w, char *p, size_t cap, size_t *ret_n)
{
    ASSERT(w->fd >= 0 && cap > 0);
    if (w->ssl) {
        ERR_clear_error();
        int got = SSL_read_ex(w->ssl, p, cap, ret_n);
        return got == 1 ? ERR_OK : tls_outcome(w, got);
    }
    ssize_t n;
    do
        n = read(w->fd, p, cap);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? ERR_AGAIN : ERR_CLOSED;
    if (n == 0)
        return ERR_CLOSED;
    *ret_n = (size_t)n;
    return ERR_OK;
}

/* n bytes are gone: from the buffer first, then from the borrowed rest. */
static void wire_sent(struct wire *w, size_t n)
{
    size_t own = n < w->out.n ? n : w->out.n;
    buf_consume(&w->out, own);
    w->rest = span_tail(w->rest, n - own);
}

/* One record as full as can be: the head of the rest moves behind what the buffer holds. */
static enum err wire_flush_tls(struct wire *w)
{
    if (w->out.n < RECORD_BYTES_MAX) {
        size_t room = RECORD_BYTES_MAX - w->out.n;
        struct span part = span_head(w->rest, w->rest.n < room ? w->rest.n : room);
        buf_put(&w->out, part);
        w->rest = span_tail(w->rest, part.n);
    }
    struct span s = buf_span(&w->out);
    size_t n;
    ERR_clear_error();
    int got = SSL_write_ex(w->ssl, s.p, s.n, &n);
    if (got != 1)
        return tls_outcome(w, got);
    buf_consume(&w->out, n);
    return ERR_OK;
}

static enum err wire_flush_clear(struct wire *w)
{
    struct span s = buf_span(&w->out);
    struct iovec v[2] = { { (void *)(uintptr_t)s.p, s.n },
                          { (void *)(uintptr_t)w->rest.p, w->rest.n } };
    ssize_t n;
    do
        n = writev(w->fd, v, COUNTOF(v));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == ENOTCONN ? ERR_AGAIN : ERR_CLOSED;
    wire_sent(w, (size_t)n);
    return ERR_OK;
}

enum err wire_flush(struct wire *w)
{
    ASSERT(w->fd >= 0);
    while (w->out.n + w->rest.n > 0)
        TRY(w->ssl ? wire_flush_tls(w) : wire_flush_clear(w));
    return ERR_OK;
}
