/* A client that brings mail: honest, clumsy or hostile. One session brings one to four letters. */
#include "sim/peers.h"

#include "io/conn.h"
#include "mail/reply.h"
#include "sim/check.h"
#include "sim/loop_sim.h"
#include "sim/swarm.h"
#include <stdio.h>

enum {
    ASKED_MAX = 32,
    LETTERS_A_SESSION = 4,
    PATIENCE_MS = 150 * 1000,
    SIZE_LIMIT = TOWN_MESSAGE_BYTES,
    BIG_LEAST = 60 * 1000,
    BIG_MOST = 1800 * 1000
};
enum { PROBE_TRIES = 12, PROBE_AGAIN_US = 10 * SECOND_US };

enum ask {
    ASK_BANNER,
    ASK_EHLO,
    ASK_STARTTLS,
    ASK_MAIL,
    ASK_RCPT,
    ASK_DATA,
    ASK_BDAT,
    ASK_END,
    ASK_QUIT
};

/* What it does wrong when it should say or hear that. */
enum clumsy {
    CLUMSY_NOT,
    CLUMSY_CLOSE,
    CLUMSY_SILENT,
    CLUMSY_HALF_BODY,
    CLUMSY_RESET,
    CLUMSY_COUNT_
};

enum hostile {
    HOSTILE_NOT,
    HOSTILE_SMUGGLE,
    HOSTILE_EARLY,
    HOSTILE_HTTP,
    HOSTILE_INJECT,
    HOSTILE_ERRORS,
    HOSTILE_FLOOD,
    HOSTILE_BIG,
    HOSTILE_COUNT_
};

struct client {
    struct conn *conn;
    struct reply_parser parser;
    struct buf out; /* more than the connection took at once */
    enum ask asked[ASKED_MAX];
    unsigned asked_i[ASKED_MAX]; /* which recipient */
    unsigned n_asked;
    struct letter *letter;
    struct ip ip;
    unsigned n_left, n_taken;
    bool ours, pipelines, tls_wanted, tls_next, starttls, chunks, uses_bdat, ended, close_drained;
    bool probe;
    const struct letter_plan *plan; /* or NULL: it draws what it does */
    enum clumsy clumsy;
    enum ask clumsy_at;
    enum hostile hostile;
};

static struct {
    unsigned busy;
    struct tls_client *tls;
    bool probed;
    unsigned probes;
} clients;

unsigned clients_busy(void)
{
    return clients.busy;
}

static void probe_over(bool taken, const char *why);

/* --- the end */

static void client_free(struct client *c)
{
    reply_parser_done(&c->parser);
    buf_done(&c->out);
    clients.busy--;
    if (c->probe)
        probe_over(c->letter && c->letter->accepted, "its session ended");
    mem_free(c);
}

static void client_hang_up(struct client *c)
{
    conn_free(c->conn);
    c->ended = true;
}

/* --- letters */

static void put_body(struct letter *l, size_t about)
{
    char key[16];
    unsigned n = 0;
    letter_key_text(l->key, key);
    buf_putf(&l->body, "Subject: letter %s\r\nMessage-ID: <%s@home.test>\r\n\r\n", key, key);
    do {
        static const char *const lines[] = { "%s plain words %u\r\n", ".%s a dot in front %u\r\n",
                                             "..%s two dots %u\r\n", ".\t%s and a blank %u\r\n" };
        const char *line = lines[draw(COUNTOF(lines))];
        char text[100];
        (void)snprintf(text, sizeof text, "%s", line);
        struct span left = span_z(text), head = span_head(left, span_find(left, '%'));
        buf_put(&l->body, head);
        buf_putf(&l->body, "%s%s%u\r\n", key, l->eight_bit ? " \xc3\xa4 " : " words ", n++);
    } while (l->body.n < about);
}

/* Too large for the database alone; half of them not by much. */
static size_t draw_big(void)
{
    int64_t n = draw_from(BIG_LEAST, BIG_MOST);
    return (size_t)(n % 2 ? n : BIG_LEAST + n * n / BIG_MOST * n / BIG_MOST);
}

static void letter_draw(struct letter *l, bool probe, bool hostile_big)
{
    l->null_from = !probe && draw(12) == 0;
    l->eight_bit = !probe && draw(10) == 0;
    l->n_rcpt = probe ? 1 : 1 + (unsigned)draw((uint64_t)swarm.recipients);
    for (unsigned i = 0; i < l->n_rcpt; i++) {
        l->rcpt[i].domain = &town.domain[probe ? 0 : draw(town.n_domain)];
        l->rcpt[i].refused = !probe && draw(10) == 0;
    }
    size_t about = 1 + (size_t)draw((uint64_t)swarm.body_bytes);
    if (!probe && draw_permille(swarm.big_permille))
        about = draw_big();
    put_body(l, hostile_big ? SIZE_LIMIT + 5000 : about);
}

static void letter_follow(struct letter *l, const struct letter_plan *plan)
{
    l->n_rcpt = plan->n_to;
    for (unsigned i = 0; i < plan->n_to; i++) {
        l->rcpt[i].domain = plan->to[i];
        l->rcpt[i].refused = plan->no_such_user;
    }
    put_body(l, plan->bytes);
}

static struct letter *letter_make(struct client *c, bool probe)
{
    struct letter *l = check_letter_new(!c->ours);
    if (c->plan)
        letter_follow(l, c->plan);
    else
        letter_draw(l, probe, c->hostile == HOSTILE_BIG);
    for (unsigned i = 0; i < l->n_rcpt; i++)
        l->rcpt[i].copy_read_us = -1;
    l->hostile = c->hostile != HOSTILE_NOT;
    return l;
}

/* --- speaking */

static void client_flush(struct client *c)
{
    if (c->out.n > 0)
        buf_consume(&c->out, conn_write(c->conn, buf_span(&c->out)));
}

static void write_all(struct client *c, struct span s)
{
    buf_put(&c->out, s);
    client_flush(c);
}

static void ask(struct client *c, enum ask what, unsigned i, struct span text)
{
    ASSERT(c->n_asked < ASKED_MAX);
    c->asked[c->n_asked] = what;
    c->asked_i[c->n_asked++] = i;
    if (text.n > 0)
        write_all(c, text);
}

/* It fails here. true: it does nothing more. */
static bool stumbles(struct client *c, enum ask at)
{
    if (c->clumsy == CLUMSY_NOT || c->clumsy_at != at)
        return false;
    if (c->clumsy == CLUMSY_CLOSE || c->clumsy == CLUMSY_RESET)
        client_hang_up(c);
    return c->clumsy != CLUMSY_HALF_BODY;
}

static void say_mail(struct client *c, struct buf *b)
{
    char key[16];
    letter_key_text(c->letter->key, key);
    if (c->letter->null_from)
        buf_putf(b, "MAIL FROM:<>");
    else
        buf_putf(b, "MAIL FROM:<%s-s@home.test>", key);
    buf_putf(b, "%s\r\n", c->letter->eight_bit ? " BODY=8BITMIME" : "");
}

static void say_rcpt(struct client *c, unsigned i, struct buf *b)
{
    char key[16];
    letter_key_text(c->letter->key, key);
    buf_putf(b, "RCPT TO:<%s-r%u@%s>\r\n", key, i, c->letter->rcpt[i].domain->name);
}

static void begin_letter(struct client *c);

static void ask_quit(struct client *c)
{
    if (!stumbles(c, ASK_QUIT))
        ask(c, ASK_QUIT, 0, SPAN("QUIT\r\n"));
}

static void next_letter(struct client *c)
{
    if (c->n_left > 0)
        begin_letter(c);
    else
        ask_quit(c);
}

/* MAIL alone, or with all that follows it. */
static void begin_letter(struct client *c)
{
    struct buf b;
    c->n_left--;
    c->n_taken = 0;
    c->letter = letter_make(c, c->probe);
    c->uses_bdat = !c->plan && c->chunks && draw(3) == 0;
    if (stumbles(c, ASK_MAIL))
        return;
    buf_init(&b, 4096);
    say_mail(c, &b);
    ask(c, ASK_MAIL, 0, SPAN_NONE);
    for (unsigned i = 0; c->pipelines && i < c->letter->n_rcpt; i++) {
        say_rcpt(c, i, &b);
        ask(c, ASK_RCPT, i, SPAN_NONE);
    }
    if (c->pipelines && !c->uses_bdat) {
        buf_putf(&b, "DATA\r\n");
        ask(c, ASK_DATA, 0, SPAN_NONE);
    }
    write_all(c, buf_span(&b));
    buf_done(&b);
}

static void stuffed(struct span body, struct buf *out)
{
    while (body.n > 0) {
        size_t end = span_find(body, '\n') + 1;
        if (body.p[0] == '.')
            buf_put(out, SPAN("."));
        buf_put(out, span_head(body, end));
        body = span_tail(body, end);
    }
}

/* Bytes that end one mail for a careless reader and begin another. */
static void put_smuggled(struct client *c, struct buf *out)
{
    static const char *const ends[] = {
        "\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n"
    };
    struct letter *evil = letter_make(c, false);
    char key[16];
    letter_key_text(evil->key, key);
    buf_putf(out,
             "%sMAIL FROM:<%s-s@home.test>\r\nRCPT TO:<%s-r0@home.test>\r\nDATA\r\n%s evil\r\n",
             ends[draw(COUNTOF(ends))], key, key, key);
}

static void send_body(struct client *c)
{
    struct letter *l = c->letter;
    struct buf b;
    if (stumbles(c, ASK_END) && c->clumsy != CLUMSY_RESET)
        return;
    if (c->ended)
        return;
    buf_init(&b, SIZE_MAX / 4);
    stuffed(buf_span(&l->body), &b);
    if (c->clumsy == CLUMSY_HALF_BODY) {
        buf_truncate(&b, b.n / 2);
        c->close_drained = true;
        write_all(c, buf_span(&b));
        buf_done(&b);
        return;
    }
    if (c->hostile == HOSTILE_SMUGGLE)
        put_smuggled(c, &b);
    else
        check_end_sent(l);
    buf_putf(&b, ".\r\n");
    ask(c, ASK_END, 0, buf_span(&b));
    buf_done(&b);
    c->close_drained = c->clumsy == CLUMSY_CLOSE && c->clumsy_at == ASK_QUIT;
}

/* In one chunk, or two. */
static void send_bdat(struct client *c)
{
    struct letter *l = c->letter;
    struct span body = buf_span(&l->body);
    size_t first = draw(2) ? (size_t)draw(body.n) : 0;
    struct buf b;
    if (stumbles(c, ASK_END) || c->ended)
        return;
    buf_init(&b, SIZE_MAX / 4);
    if (first > 0) {
        buf_putf(&b, "BDAT %zu\r\n", first);
        buf_put(&b, span_head(body, first));
        ask(c, ASK_BDAT, 0, SPAN_NONE);
    }
    buf_putf(&b, "BDAT %zu LAST\r\n", body.n - first);
    if (c->clumsy == CLUMSY_HALF_BODY) {
        buf_put(&b, span_head(span_tail(body, first), (body.n - first) / 2));
        c->close_drained = true;
    } else {
        buf_put(&b, span_tail(body, first));
        check_end_sent(l);
    }
    ask(c, ASK_END, 0, buf_span(&b));
    buf_done(&b);
}

static void say_hello(struct client *c)
{
    if (c->hostile == HOSTILE_INJECT)
        return;
    if (!stumbles(c, ASK_EHLO))
        ask(c, ASK_EHLO, 0, SPAN("EHLO client.test\r\n"));
}

/* --- hearing */

static void heard_banner(struct client *c, const struct reply *r)
{
    struct buf b;
    char key[16];
    if (r->code != 220) {
        client_hang_up(c);
        return;
    }
    if (c->hostile == HOSTILE_EARLY)
        return;
    buf_init(&b, SIZE_MAX / 4);
    switch (c->hostile) {
    case HOSTILE_HTTP:
        write_all(c, SPAN("POST / HTTP/1.1\r\nHost: gate.test\r\n\r\nEHLO x\r\n"));
        break;
    case HOSTILE_ERRORS:
        for (unsigned i = 0; i < 40; i++)
            write_all(c, SPAN("XYZZY now\r\n"));
        break;
    case HOSTILE_FLOOD:
        for (unsigned i = 0; i < 30000; i++)
            buf_put(&b, SPAN("A"));
        write_all(c, buf_span(&b));
        break;
    case HOSTILE_INJECT:
        c->letter = letter_make(c, false);
        letter_key_text(c->letter->key, key);
        buf_putf(&b,
                 "EHLO x\r\nSTARTTLS\r\nEHLO x\r\nMAIL FROM:<%s-s@home.test>\r\n"
                 "RCPT TO:<%s-r0@home.test>\r\nDATA\r\n%s\r\n.\r\n",
                 key, key, key);
        write_all(c, buf_span(&b));
        break;
    default:
        say_hello(c);
    }
    buf_done(&b);
}

static void heard_ehlo(struct client *c, const struct reply *r)
{
    struct span lines = r->text;
    bool tls = conn_tls(c->conn) != NULL;
    if (!reply_ok(r)) {
        client_hang_up(c);
        return;
    }
    c->starttls = c->chunks = false;
    while (lines.n > 0) {
        struct span line = span_cut(&lines, '\n');
        c->starttls = c->starttls || span_eq_nocase(line, SPAN("STARTTLS"));
        c->chunks = c->chunks || span_eq_nocase(line, SPAN("CHUNKING"));
    }
    if (tls && c->starttls)
        violated(4, "the gateway offers STARTTLS under TLS");
    if (c->tls_wanted && c->starttls && !stumbles(c, ASK_STARTTLS) && !c->ended)
        ask(c, ASK_STARTTLS, 0, SPAN("STARTTLS\r\n"));
    else if (!c->ended && !(c->clumsy != CLUMSY_NOT && c->clumsy_at == ASK_STARTTLS))
        next_letter(c);
}

static void heard_rcpt(struct client *c, unsigned i, const struct reply *r)
{
    struct letter *l = c->letter;
    struct buf b;
    check_rcpt_answer(l, i, r->code);
    c->n_taken += l->rcpt[i].taken;
    bool last = i + 1 == l->n_rcpt;
    if (!c->pipelines && !last) {
        buf_init(&b, 400);
        say_rcpt(c, i + 1, &b);
        ask(c, ASK_RCPT, i + 1, buf_span(&b));
        buf_done(&b);
    }
    if (!last || (c->pipelines && !c->uses_bdat))
        return;
    if (c->n_taken == 0) {
        l->finished = true;
        ask_quit(c);
    } else if (stumbles(c, ASK_DATA)) {
        return;
    } else if (c->uses_bdat) {
        send_bdat(c);
    } else {
        ask(c, ASK_DATA, 0, SPAN("DATA\r\n"));
    }
}

static void heard_mail(struct client *c, const struct reply *r)
{
    struct buf b;
    if (c->pipelines)
        return;
    if (!reply_ok(r)) {
        ask_quit(c);
        return;
    }
    buf_init(&b, 400);
    say_rcpt(c, 0, &b);
    ask(c, ASK_RCPT, 0, buf_span(&b));
    buf_done(&b);
}

static void heard(struct client *c, enum ask what, unsigned i, const struct reply *r)
{
    if (r->code == 421) {
        if (what == ASK_END || what == ASK_DATA)
            check_body_cut_off(c->letter);
        client_hang_up(c);
        return;
    }
    switch (what) {
    case ASK_BANNER:
        heard_banner(c, r);
        return;
    case ASK_EHLO:
        heard_ehlo(c, r);
        return;
    case ASK_STARTTLS:
        c->tls_wanted = false;
        c->tls_next = r->code == 220;
        if (!c->tls_next)
            next_letter(c);
        return;
    case ASK_MAIL:
        heard_mail(c, r);
        return;
    case ASK_RCPT:
        heard_rcpt(c, i, r);
        return;
    case ASK_DATA:
        if (r->code == 354)
            send_body(c);
        else
            ask_quit(c);
        return;
    case ASK_BDAT:
        return;
    case ASK_END:
        check_body_answer(c->letter, r->code);
        if (c->hostile == HOSTILE_BIG && reply_ok(r))
            violated(8, "letter %u is larger than the limit and taken", c->letter->key);
        next_letter(c);
        return;
    case ASK_QUIT:
        client_hang_up(c);
        return;
    }
}

static void client_input(struct client *c, struct span *in)
{
    struct reply r;
    while (!c->ended && !c->tls_next && in->n > 0) {
        enum err e = reply_next(&c->parser, in, &r);
        if (e == ERR_AGAIN)
            return;
        if (e != ERR_OK)
            violated(2, "the gateway's replies are no SMTP");
        if (c->n_asked == 0) {
            if (r.code != 421 && c->hostile == HOSTILE_NOT && c->clumsy == CLUMSY_NOT)
                violated(2, "the gateway says %d, and was not asked", r.code);
            if (r.code == 421)
                client_hang_up(c);
            continue;
        }
        enum ask what = c->asked[0];
        unsigned i = c->asked_i[0];
        c->n_asked--;
        memmove(c->asked, c->asked + 1, c->n_asked * sizeof c->asked[0]);
        memmove(c->asked_i, c->asked_i + 1, c->n_asked * sizeof c->asked_i[0]);
        heard(c, what, i, &r);
    }
}

static void client_conn(void *arg, struct conn *conn, enum conn_event ev, struct span *in)
{
    struct client *c = arg;
    switch (ev) {
    case CONN_OPEN:
        if (c->hostile == HOSTILE_EARLY)
            write_all(c, SPAN("EHLO early.test\r\nMAIL FROM:<a@home.test>\r\n"));
        if (c->clumsy != CLUMSY_NOT && c->clumsy_at == ASK_BANNER)
            (void)stumbles(c, ASK_BANNER);
        break;
    case CONN_INPUT:
        client_input(c, in);
        break;
    case CONN_DRAINED:
        client_flush(c);
        if (c->close_drained && c->out.n == 0)
            client_hang_up(c);
        break;
    case CONN_TLS_UP:
        c->tls_next = false;
        say_hello(c);
        break;
    case CONN_TLS_FAILED:
    case CONN_TIMEOUT:
    case CONN_CLOSED:
        client_hang_up(c);
        break;
    }
    if (!c->ended && c->tls_next && conn_flushed(conn) && !conn_tls(conn) &&
        !conn_input_held(conn) && ev == CONN_INPUT) {
        c->tls_next = false;
        conn_start_tls_client(
            conn, clients.tls,
            &(struct tls_peer){ .server_name = SPAN("gate.test"), .reuse_key = SPAN("gate.test") });
    }
    if (c->ended)
        client_free(c);
}

/* --- the beginning of a session */

static struct client *client_new(bool probe)
{
    struct client *c = NEW(struct client);
    clients.busy++;
    reply_parser_init(&c->parser);
    buf_init(&c->out, SIZE_MAX / 4);
    c->probe = probe;
    return c;
}

static void client_draw(struct client *c)
{
    unsigned who = (unsigned)draw((uint64_t)swarm.clients);
    c->ours = c->probe || draw(4) > 0;
    c->ip = c->ours ? (struct ip){ IP_V4, 0, { 10, 1, 0, (uint8_t)(1 + who) } }
                    : (struct ip){ IP_V4, 0, { 192, 0, 2, (uint8_t)(1 + who) } };
    c->n_left = c->probe ? 1 : 1 + (unsigned)draw(LETTERS_A_SESSION);
    c->pipelines = draw(2);
    c->tls_wanted = draw_permille(swarm.client_tls_permille);
    if (!c->probe && draw_permille(swarm.client_fault_permille)) {
        c->clumsy = (enum clumsy)(1 + draw(CLUMSY_COUNT_ - 1));
        c->clumsy_at = (enum ask)draw(ASK_QUIT + 1);
    } else if (!c->probe && draw_permille(swarm.hostile_permille)) {
        c->hostile = (enum hostile)(1 + draw(HOSTILE_COUNT_ - 1));
        if (c->hostile == HOSTILE_BIG && swarm.big_permille == 0)
            c->hostile = HOSTILE_FLOOD;
        if (c->hostile == HOSTILE_INJECT && swarm.strip_permille > 0)
            c->hostile = HOSTILE_HTTP; /* without STARTTLS the injected words are only words */
    }
}

static void client_follow(struct client *c, const struct letter_plan *plan)
{
    c->plan = plan;
    c->ours = c->pipelines = true;
    c->ip = (struct ip){ IP_V4, 0, { 10, 1, 0, 1 } };
    c->n_left = 1;
    c->tls_wanted = plan->tls;
    c->hostile = plan->smuggles ? HOSTILE_SMUGGLE : HOSTILE_NOT;
}

static void client_start(struct client *c)
{
    ask(c, ASK_BANNER, 0, SPAN_NONE);
    c->conn = conn_connect(peers_loop(), &town.gate, 1, &c->ip, client_conn, c);
    conn_deadline(c->conn, loop_now_ms(peers_loop()) + PATIENCE_MS);
}

static void client_comes(void *arg)
{
    (void)arg;
    struct client *c = client_new(false);
    client_draw(c);
    client_start(c);
}

static void client_sends(void *arg)
{
    struct client *c = client_new(false);
    client_follow(c, arg);
    client_start(c);
}

void clients_send(int64_t in_us, const struct letter_plan *plan)
{
    ASSERT(plan->n_to > 0 && plan->n_to <= PLAN_RCPTS_MAX);
    world_in(in_us, client_sends, (void *)(uintptr_t)plan);
}

static void clients_tls(void)
{
    struct why why;
    const struct tls_client_config config = { .profile = TLS_PROFILE_DEFAULT };
    enum err e = tls_client_new(&config, &clients.tls, &why);
    ASSERT(e == ERR_OK);
}

void clients_start(int64_t until_us)
{
    clients_tls();
    for (int64_t n = 0; n < swarm.messages;) {
        int64_t crowd = draw(6) ? 1 : draw_from(2, 6), at = draw_from(0, until_us - world_us());
        for (int64_t k = 0; k < crowd && n < swarm.messages; k++, n += 2)
            world_in(at + (int64_t)draw(20000), client_comes, NULL);
    }
}

/* --- the probe */

static void probe_again(void *arg)
{
    (void)arg;
    struct client *c = client_new(true);
    clients.probes++;
    client_draw(c);
    client_start(c);
}

static void probe_over(bool taken, const char *why)
{
    clients.probed = clients.probed || taken;
    if (taken)
        return;
    if (clients.probes >= PROBE_TRIES)
        check_probe_failed(why);
    clients.busy++;
    world_in(PROBE_AGAIN_US, probe_again, NULL);
    clients.busy--;
}

void clients_probe(void)
{
    probe_again(NULL);
}
