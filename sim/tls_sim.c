/* io/tls.h as a toy: the handshake states facts, records hide what they carry from a passive ear,
 * and nothing is secret. What a certificate is, its "PEM" says:
 *
 *   names=mx.a.test,*.b.test ca=good expires=1704067200000 version=13 fs=yes does=normal
 *
 *   client: hello(sni, versions, ticket) -> server: hello(version, certificate, resumed?)
 *   -> client: finished -> server: ticket
 *
 * Record: kind, length (2 bytes), payload; the payload of all but hello and alert is xored, so that
 * who listens on the wire and looks for words finds none.
 */
#include "base/list.h"
#include "io/tls.h"
#include "sim/world.h"
#include <inttypes.h>

enum record_kind { HELLO = 0x16, SEALED = 0x17, ALERT = 0x15, FINISHED = 0x14, TICKET = 0x18 };
enum {
    HEAD = 3,
    PAYLOAD_MAX = 16 * 1024,
    FACTS_ARENA = 64 * 1024,
    ANCHOR_BYTES = 64,
    RECORD_MAX = HEAD + PAYLOAD_MAX
};
#define SEAL ((char)0xa5)

/* What an identity does in a handshake, beside showing itself. */
enum manner { MANNER_NORMAL, MANNER_ALERT, MANNER_STALL, MANNER_GARBAGE };

struct certificate {
    struct span names, ca, text;
    int64_t expires_ms;
    int version;
    bool forward_secret;
    enum manner manner;
};

struct tls_server {
    unsigned refs;
    struct arena arena;
    struct certificate cert;
    bool tickets;
    struct span binding;
};

/* A session that a client may resume. */
struct session {
    struct list in;
    struct span key, ticket;
    struct arena arena;
    struct tls_facts facts;
};

struct tls_client {
    unsigned refs;
    unsigned n_identity;
    struct list sessions;
};

struct tls {
    struct tls_server *server;
    struct tls_client *client;
    struct arena arena;
    struct buf in; /* of a record */
    struct buf plain;
    struct tls_peer peer; /* client; its spans are the arena's */
    struct span listener;
    struct span ticket; /* client: to offer, with the facts of its session in `facts` */
    struct tls_facts facts;
    int64_t now_ms;
    bool hello_sent, up, broken, ended, stalled;
};

/* --- certificates */

static struct span word(struct span text, struct span name)
{
    while (text.n > 0) {
        struct span item = span_cut(&text, ' ');
        struct span key = span_cut(&item, '=');
        if (span_eq(key, name))
            return item;
    }
    return SPAN_NONE;
}

static int64_t number(struct span s, int64_t otherwise)
{
    uint64_t n;
    return span_u64(s, INT64_MAX, &n) == ERR_OK ? (int64_t)n : otherwise;
}

static struct certificate certificate_read(struct arena *a, struct span text)
{
    struct span does;
    text = arena_span(a, span_trim(text));
    struct certificate c = {
        .text = text,
        .names = word(text, SPAN("names")),
        .ca = word(text, SPAN("ca")),
        .expires_ms = number(word(text, SPAN("expires")), INT64_MAX),
        .version = (int)number(word(text, SPAN("version")), 13),
        .forward_secret = !span_eq(word(text, SPAN("fs")), SPAN("no")),
    };
    does = word(text, SPAN("does"));
    if (span_eq(does, SPAN("alert")))
        c.manner = MANNER_ALERT;
    if (span_eq(does, SPAN("stall")))
        c.manner = MANNER_STALL;
    if (span_eq(does, SPAN("garbage")))
        c.manner = MANNER_GARBAGE;
    return c;
}

/* As io/tls.h says of struct tls_peer; a common name is not played. */
static bool certificate_names(const struct certificate *c, const struct tls_peer *peer)
{
    struct span host = peer->server_name;
    const struct name_set one = { .n = 1, .name = &host };
    for (unsigned i = 0; i < peer->n_names; i++) {
        if (!names_match(peer->names[i], c->names))
            return false;
    }
    bool only_sets = peer->n_names > 0 && !peer->host_name;
    return only_sets || (host.n > 0 && names_match(&one, c->names));
}

/* Who vouches for it, as its digest would look: 64 digits that are the same for the same words. */
static void anchor_put(struct span ca, struct buf *out)
{
    for (uint64_t i = 0; i < 4; i++)
        buf_putf(out, "%016" PRIx64, span_hash(&(struct hash_key){ { i, 0 } }, ca));
}

/* --- contexts */

enum err tls_server_new(const struct tls_server_config *config, struct tls_server **ret,
                        struct why *why)
{
    static const uint8_t none[32];
    (void)why;
    ASSERT(config->n_site > 0);
    struct tls_server *s = NEW(struct tls_server);
    s->refs = 1;
    arena_init(&s->arena, FACTS_ARENA);
    s->cert = certificate_read(&s->arena, config->site[0].identity[0].chain_pem);
    s->binding = arena_span(&s->arena, config->binding);
    s->tickets = memcmp(config->ticket_secret[0], none, sizeof none) != 0;
    *ret = s;
    return ERR_OK;
}

void tls_server_unref(struct tls_server *s)
{
    if (!s || --s->refs > 0)
        return;
    arena_done(&s->arena);
    mem_free(s);
}

enum err tls_client_new(const struct tls_client_config *config, struct tls_client **ret,
                        struct why *why)
{
    (void)why;
    struct tls_client *c = NEW(struct tls_client);
    c->refs = 1;
    c->n_identity = config->n_identity;
    list_init(&c->sessions);
    *ret = c;
    return ERR_OK;
}

static void session_free(struct session *s)
{
    list_remove(&s->in);
    arena_done(&s->arena);
    mem_free(s);
}

void tls_client_unref(struct tls_client *c)
{
    if (!c || --c->refs > 0)
        return;
    LIST_EACH (it, &c->sessions)
        session_free(LIST_ENTRY(it, struct session, in));
    mem_free(c);
}

/* One certificate a line, as a line says ca=... elsewhere. */
enum err tls_pem_digests(struct span pem, struct buf *ret, struct why *why)
{
    if (span_trim(pem).n == 0) {
        why_set(why, "no readable certificate among the trust anchors");
        return ERR_SYNTAX;
    }
    while (pem.n > 0) {
        struct span ca = span_trim(span_cut(&pem, '\n'));
        if (ca.n == 0)
            continue;
        if (buf_room(ret) < ANCHOR_BYTES + 1)
            return ERR_TOO_BIG;
        anchor_put(ca, ret);
        buf_put(ret, SPAN("\n"));
    }
    return ERR_OK;
}

/* No client of the simulation is asked about before it comes. */
enum err tls_judge_client(struct tls_server *s, struct span chain_pem, int64_t now_ms,
                          struct arena *a, struct tls_facts *ret, struct why *why)
{
    (void)s, (void)chain_pem, (void)now_ms, (void)a, (void)ret;
    why_set(why, "no readable certificate");
    return ERR_SYNTAX;
}

enum err tls_pem_use(struct span chain_pem, struct tls_use *ret, struct why *why)
{
    struct arena a;
    (void)why;
    arena_init(&a, FACTS_ARENA);
    *ret = (struct tls_use){ certificate_read(&a, chain_pem).expires_ms, true };
    arena_done(&a);
    return ERR_OK;
}

static struct session *session_find(struct tls_client *c, struct span key)
{
    LIST_EACH (it, &c->sessions) {
        struct session *s = LIST_ENTRY(it, struct session, in);
        if (span_eq(s->key, key))
            return s;
    }
    return NULL;
}

static void session_keep(struct tls *t, struct span ticket)
{
    struct session *old = session_find(t->client, t->peer.reuse_key);
    if (old)
        session_free(old);
    struct session *s = NEW(struct session);
    arena_init(&s->arena, FACTS_ARENA);
    s->key = arena_span(&s->arena, t->peer.reuse_key);
    s->ticket = arena_span(&s->arena, ticket);
    s->facts = tls_facts_copy(&t->facts, &s->arena);
    list_init(&s->in);
    list_push(&t->client->sessions, &s->in);
}

/* --- life */

static struct tls *tls_make(int64_t now_ms)
{
    struct tls *t = NEW(struct tls);
    arena_init(&t->arena, FACTS_ARENA);
    buf_init(&t->in, RECORD_MAX);
    buf_init(&t->plain, PAYLOAD_MAX);
    t->now_ms = now_ms;
    return t;
}

struct tls *tls_accept(struct tls_server *s, enum tls_door door, struct span listener,
                       int64_t now_ms)
{
    struct tls *t = tls_make(now_ms);
    s->refs++;
    t->server = s;
    (void)door; /* ALPN is not played, and a ticket opens at any listener of its server */
    t->listener = arena_span(&t->arena, listener);
    return t;
}

/* No server asks for a certificate here: identity is checked and not shown. */
struct tls *tls_connect(struct tls_client *c, const struct tls_peer *peer, int64_t now_ms)
{
    ASSERT(peer->identity <= c->n_identity);
    struct tls *t = tls_make(now_ms);
    c->refs++;
    t->client = c;
    t->peer = *peer;
    t->peer.server_name = arena_span(&t->arena, peer->server_name);
    t->peer.reuse_key = arena_span(&t->arena, peer->reuse_key);
    struct session *s = peer->reuse_key.n > 0 ? session_find(c, t->peer.reuse_key) : NULL;
    if (s) {
        t->ticket = arena_span(&t->arena, s->ticket);
        t->facts = tls_facts_copy(&s->facts, &t->arena);
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    tls_server_unref(t->server);
    tls_client_unref(t->client);
    buf_done(&t->in);
    buf_done(&t->plain);
    arena_done(&t->arena);
    mem_free(t);
}

const struct tls_facts *tls_facts(const struct tls *t)
{
    return &t->facts;
}

/* --- records */

static void seal(char *to, struct span from, enum record_kind kind)
{
    char mask = kind == HELLO || kind == ALERT ? 0 : SEAL;
    for (size_t i = 0; i < from.n; i++)
        to[i] = (char)(from.p[i] ^ mask);
}

static bool record_put(struct buf *out, enum record_kind kind, struct span payload)
{
    char head[HEAD] = { (char)kind, (char)(payload.n >> 8), (char)payload.n };
    ASSERT(payload.n <= PAYLOAD_MAX);
    if (buf_room(out) < HEAD + payload.n)
        return false;
    char *to;
    buf_put(out, span_of(head, HEAD));
    if (payload.n == 0 || buf_reserve(out, payload.n, &to) != ERR_OK)
        return payload.n == 0;
    seal(to, payload, kind);
    buf_added(out, payload.n);
    return true;
}

/* One whole record out of *in: ERR_OK, ERR_AGAIN, ERR_SYNTAX. Its payload, unsealed, is in t->in
 * until the next call. */
static enum err record_take(struct tls *t, struct span *in, enum record_kind *ret_kind,
                            struct span *ret_payload)
{
    while (t->in.n < HEAD && in->n > 0) {
        buf_put(&t->in, span_head(*in, 1));
        *in = span_tail(*in, 1);
    }
    if (t->in.n < HEAD)
        return ERR_AGAIN;
    const uint8_t *head = (const uint8_t *)buf_span(&t->in).p;
    size_t n = (size_t)head[1] << 8 | head[2];
    if (head[0] < FINISHED || head[0] > TICKET || n > PAYLOAD_MAX)
        return ERR_SYNTAX;
    size_t lacks = HEAD + n - t->in.n;
    struct span more = span_head(*in, lacks < in->n ? lacks : in->n);
    *in = span_tail(*in, more.n);
    buf_put(&t->in, more);
    if (t->in.n < HEAD + n)
        return ERR_AGAIN;
    head = (const uint8_t *)buf_span(&t->in).p;
    *ret_kind = (enum record_kind)head[0];
    buf_clear(&t->plain);
    char *to;
    if (n > 0 && buf_reserve(&t->plain, n, &to) == ERR_OK) {
        seal(to, span_of((const char *)head + HEAD, n), *ret_kind);
        buf_added(&t->plain, n);
    }
    buf_clear(&t->in);
    *ret_payload = buf_span(&t->plain);
    return ERR_OK;
}

static enum err handshake_fails(struct tls *t, struct buf *out, struct why *why, const char *text)
{
    t->broken = true;
    (void)record_put(out, ALERT, SPAN("fatal"));
    why_set(why, "%s; sent alert: handshake failure", text);
    return ERR_REFUSED;
}

/* --- the server's half */

static void facts_common(struct tls *t, int version, bool forward_secret)
{
    t->facts.on = true;
    t->facts.version = version == 13 ? SPAN("TLSv1.3") : SPAN("TLSv1.2");
    t->facts.suite = version == 13 ? SPAN("TLS_AES_128_GCM_SHA256")
                                   : SPAN("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    t->facts.group = SPAN("X25519");
    t->facts.forward_secret = version == 13 || forward_secret;
    t->facts.bits = 128;
}

/* A ticket opens where it was made only: it is the server's binding. */
static bool ticket_opens(const struct tls *t, struct span ticket)
{
    return t->server->tickets && t->server->binding.n > 0 && span_eq(ticket, t->server->binding);
}

static enum err server_hello(struct tls *t, struct span hello, struct buf *out, struct why *why)
{
    const struct certificate *c = &t->server->cert;
    struct buf b;
    switch (c->manner) {
    case MANNER_ALERT:
        return handshake_fails(t, out, why, "no shared cipher");
    case MANNER_STALL:
        t->stalled = true;
        return ERR_AGAIN;
    case MANNER_GARBAGE:
        buf_put(out, SPAN("HTTP/1.0 400 Bad Request\r\n\r\n"));
        t->broken = true;
        return ERR_REFUSED;
    case MANNER_NORMAL:
        break;
    }
    if (c->version < number(word(hello, SPAN("least")), 0) && c->version >= 12)
        return handshake_fails(t, out, why, "client offered no version we accept");
    t->facts.sni = arena_span(&t->arena, word(hello, SPAN("sni")));
    t->facts.resumed = ticket_opens(t, word(hello, SPAN("ticket")));
    facts_common(t, c->version, c->forward_secret);
    buf_init(&b, PAYLOAD_MAX);
    buf_putf(&b, "resumed=%s %.*s", t->facts.resumed ? "yes" : "no", SPAN_ARG(c->text));
    (void)record_put(out, HELLO, buf_span(&b));
    buf_done(&b);
    return ERR_AGAIN;
}

static enum err server_shake(struct tls *t, enum record_kind kind, struct span payload,
                             struct buf *out, struct why *why)
{
    if (kind == HELLO && !t->facts.on)
        return server_hello(t, payload, out, why);
    if (kind != FINISHED || !t->facts.on)
        return handshake_fails(t, out, why, "unexpected message");
    if (t->server->tickets && t->server->binding.n > 0)
        (void)record_put(out, TICKET, t->server->binding);
    t->up = true;
    return ERR_OK;
}

/* --- the client's half */

static void client_hello(struct tls *t, struct buf *out)
{
    struct buf b;
    buf_init(&b, PAYLOAD_MAX);
    buf_putf(&b, "least=12 sni=%.*s", SPAN_ARG(t->peer.server_name));
    if (t->ticket.n > 0)
        buf_putf(&b, " ticket=%.*s", SPAN_ARG(t->ticket));
    (void)record_put(out, HELLO, buf_span(&b));
    buf_done(&b);
    t->hello_sent = true;
}

static void client_judge(struct tls *t, const struct certificate *c)
{
    bool in_time = t->now_ms <= c->expires_ms;
    bool trusted = span_eq(c->ca, SPAN("good"));
    t->facts = (struct tls_facts){ 0 };
    facts_common(t, c->version, c->forward_secret);
    t->facts.peer_cert = true;
    t->facts.chain_ok = trusted && in_time;
    t->facts.expired = trusted && !in_time;
    t->facts.client_usage = true;
    t->facts.name_ok = certificate_names(c, &t->peer);
    t->facts.names = c->names;
    if (trusted) {
        struct buf anchor;
        buf_init(&anchor, ANCHOR_BYTES);
        anchor_put(c->ca, &anchor);
        t->facts.anchor = arena_span(&t->arena, buf_span(&anchor));
        buf_done(&anchor);
    }
    t->facts.verify = !trusted  ? SPAN("self-signed certificate")
                      : in_time ? SPAN("ok")
                                : SPAN("certificate has expired");
}

static enum err client_shake(struct tls *t, enum record_kind kind, struct span payload,
                             struct buf *out, struct why *why)
{
    if (kind == ALERT) {
        t->broken = true;
        why_set(why, "peer sent alert: handshake failure");
        return ERR_REFUSED;
    }
    if (kind != HELLO)
        return handshake_fails(t, out, why, "unexpected message");
    struct certificate c = certificate_read(&t->arena, payload);
    bool resumed = span_eq(word(payload, SPAN("resumed")), SPAN("yes")) && t->facts.on;
    if (c.version < 12)
        return handshake_fails(t, out, why, "server chose a version we do not accept");
    if (!resumed)
        client_judge(t, &c);
    t->facts.resumed = resumed;
    t->facts.sni = t->peer.server_name;
    (void)record_put(out, FINISHED, SPAN("finished"));
    t->up = true;
    return ERR_OK;
}

/* --- the calls */

enum err tls_handshake(struct tls *t, struct span *in, struct buf *out, struct why *why)
{
    ASSERT(!t->up);
    if (t->broken) {
        why_set(why, "the handshake has failed before");
        return ERR_REFUSED;
    }
    if (t->stalled) {
        *in = SPAN_NONE;
        return ERR_AGAIN;
    }
    if (t->client && !t->hello_sent)
        client_hello(t, out);
    enum err e = ERR_AGAIN;
    while (e == ERR_AGAIN && !t->stalled) {
        enum record_kind kind;
        struct span payload;
        enum err got = record_take(t, in, &kind, &payload);
        if (got == ERR_SYNTAX)
            return handshake_fails(t, out, why, "wrong version number");
        if (got != ERR_OK)
            return ERR_AGAIN;
        e = t->server ? server_shake(t, kind, payload, out, why)
                      : client_shake(t, kind, payload, out, why);
        buf_clear(&t->plain);
    }
    return e;
}

enum err tls_read(struct tls *t, struct span *in, struct buf *out, char *p, size_t cap,
                  size_t *ret_n)
{
    (void)out;
    ASSERT(t->up && cap > 0);
    if (t->broken)
        return ERR_IO;
    while (t->plain.n == 0) {
        enum record_kind kind;
        struct span payload;
        if (t->ended)
            return ERR_CLOSED;
        enum err got = record_take(t, in, &kind, &payload);
        if (got == ERR_AGAIN) {
            return got;
        } else if (got != ERR_OK || kind == HELLO || kind == FINISHED) {
            t->broken = true;
            return ERR_IO;
        }
        if (kind == ALERT)
            t->ended = true;
        if (kind == TICKET && t->client && t->peer.reuse_key.n > 0)
            session_keep(t, payload);
        if (kind != SEALED)
            buf_clear(&t->plain);
    }
    size_t n = t->plain.n < cap ? t->plain.n : cap;
    memcpy(p, buf_span(&t->plain).p, n);
    buf_consume(&t->plain, n);
    *ret_n = n;
    return ERR_OK;
}

enum err tls_write(struct tls *t, struct span plain, struct buf *out)
{
    ASSERT(t->up);
    if (t->broken)
        return ERR_IO;
    if (buf_room(out) < plain.n + (plain.n / PAYLOAD_MAX + 1) * HEAD)
        return ERR_TOO_BIG;
    while (plain.n > 0) {
        struct span piece = span_head(plain, plain.n < PAYLOAD_MAX ? plain.n : PAYLOAD_MAX);
        bool fits = record_put(out, SEALED, piece);
        ASSERT(fits);
        plain = span_tail(plain, piece.n);
    }
    return ERR_OK;
}

void tls_close(struct tls *t, struct buf *out)
{
    if (t->up && !t->broken)
        (void)record_put(out, ALERT, SPAN("close"));
}
