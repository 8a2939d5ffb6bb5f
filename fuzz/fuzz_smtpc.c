/* fuzz_smtpc.c - a client core against a peer that says anything, at any time, in any pieces.
 *
 * The first byte draws the session, the second the body's size; then come pieces: a length byte
 * and what the peer says. The harness does what a caller would do, by the drawn bits. Checked:
 * every call comes to an end, output and memory stay bounded, no MAIL before TLS where TLS is
 * needed, a result only for recipients that were accepted, one end for each mail.
 */
#include "proto/smtpc_say.h"

enum { RCPTS = 5, TURNS_MAX = 100000 };
enum { LMTP = 1, NEED_TLS = 2, IMPLICIT = 4, ASK_TLS = 8, LAZY = 16, DIRTY = 32, BINARY = 64 };

struct fuzz {
    struct smtpc *c;
    unsigned draw;
    bool tls, over;
    unsigned mails, accepted, results, turns;
    uint64_t given;
    struct envelope envelope;
    struct rcpt rcpt[RCPTS];
    const struct rcpt *rcpt_ptrs[RCPTS];
    struct smtpc_mail mail;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char text[SMTPC_BODY_OUT_BYTES];

__attribute__((constructor)) static void fill_text(void)
{
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "\r\n.\n.\r.."[i % 8];
}

static void begin(struct fuzz *f)
{
    unsigned exts = smtpc_exts(f->c);
    if ((f->draw & ASK_TLS) && !f->tls && (exts & EXT_STARTTLS)) {
        smtpc_starttls(f->c, 0);
        return;
    }
    ASSERT(smtpc_ready(f->c) == (f->tls || !(f->draw & NEED_TLS)));
    struct reply no;
    if (!smtpc_ready(f->c) || f->mails == 0 || smtpc_fits(f->c, &f->mail, &no) != ERR_OK) {
        smtpc_quit(f->c, 0);
        return;
    }
    f->mails--;
    f->given = 0;
    f->accepted = f->results = 0;
    smtpc_send(f->c, &f->mail, 0);
}

static void give(struct fuzz *f)
{
    size_t room = smtpc_body_room(f->c);
    ASSERT(room > 0 && room <= f->mail.body_bytes - f->given);
    if ((f->draw & LAZY) && room > 700)
        room = 700;
    f->given += room;
    smtpc_body(f->c, span_of(text, room), 0);
}

static void check_sent(struct fuzz *f, const struct smtpc_ev *ev)
{
    bool lmtp = f->draw & LMTP;
    ASSERT(!ev->whole_transaction || (ev->reply.code >= 400 && f->accepted == 0));
    ASSERT(!reply_ok(&ev->reply) || (f->accepted != 0 && f->given == f->mail.body_bytes));
    ASSERT(!lmtp || ev->whole_transaction || f->results == f->accepted);
    ASSERT(lmtp || f->accepted == 0 || ev->reply.code != 0);
}

static void act(struct fuzz *f, enum smtpc_event e, const struct smtpc_ev *ev)
{
    static const struct tls_facts tls = { .on = true };
    switch (e) {
    case SMTPC_READY:
    case SMTPC_NO_TLS:
        if (e == SMTPC_NO_TLS)
            f->draw &= ~(unsigned)ASK_TLS;
        begin(f);
        return;
    case SMTPC_STARTTLS:
        ASSERT(smtpc_output(f->c).n == 0);
        f->tls = true;
        smtpc_tls_started(f->c, &tls, 0);
        return;
    case SMTPC_RCPT:
        ASSERT(ev->i < RCPTS && ev->reply.code >= 200 && !(f->accepted & 1u << ev->i));
        if (reply_ok(&ev->reply))
            f->accepted |= 1u << ev->i;
        return;
    case SMTPC_RESULT:
        ASSERT((f->accepted & 1u << ev->i) && !(f->results & 1u << ev->i));
        f->results |= 1u << ev->i;
        return;
    case SMTPC_BODY:
        give(f);
        return;
    case SMTPC_SENT:
        check_sent(f, ev);
        begin(f);
        return;
    case SMTPC_FAILED:
        ASSERT(ev->why && (ev->reply.code == 0 || ev->reply.code >= 400));
        ASSERT(!ev->unknown || f->given == f->mail.body_bytes);
        f->over = true;
        return;
    case SMTPC_CLOSED:
        f->over = true;
        return;
    case SMTPC_NONE:
        break;
    }
    ASSERT(e != SMTPC_NONE);
}

static bool drain(struct fuzz *f)
{
    struct span out = smtpc_output(f->c);
    ASSERT(out.n <= SMTPC_OUT_BYTES);
    if ((f->draw & NEED_TLS) && !f->tls && out.n > 0)
        ASSERT(memmem(out.p, out.n, "MAIL", 4) == NULL);
    size_t n = (f->draw & LAZY) && out.n > 3000 ? 3000 : out.n;
    smtpc_sent(f->c, n);
    return n > 0;
}

static void pump(struct fuzz *f, struct span in)
{
    bool more = true;
    while (more && !f->over) {
        ASSERT(f->turns++ < TURNS_MAX);
        struct smtpc_ev ev;
        enum smtpc_event e = smtpc_next(f->c, &in, 0, &ev);
        if (e != SMTPC_NONE)
            act(f, e, &ev);
        more = drain(f) || e != SMTPC_NONE;
    }
}

static void start(struct fuzz *f, uint8_t draw, uint8_t body)
{
    static const struct smtpc_limits limits = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    f->draw = draw;
    f->tls = draw & IMPLICIT;
    f->mails = 3;
    struct smtpc_config config = { .hostname = SPAN("gate.example"),
                                   .lmtp = draw & LMTP,
                                   .need_tls = draw & NEED_TLS,
                                   .implicit_tls = draw & IMPLICIT,
                                   .limits = limits };
    f->envelope = (struct envelope){ .from = SPAN("a@x.example"),
                                     .ret = DSN_RET_FULL,
                                     .envid = SPAN("Q"),
                                     .eight_bit = draw & DIRTY,
                                     .body_kind = draw & BINARY ? BODY_BINARYMIME : BODY_7BIT };
    for (unsigned i = 0; i < RCPTS; i++) {
        f->rcpt[i] = (struct rcpt){ .addr = SPAN("b@y.example"), .notify = i };
        f->rcpt_ptrs[i] = &f->rcpt[i];
    }
    f->mail = (struct smtpc_mail){ &f->envelope, f->rcpt_ptrs, 1 + body % RCPTS,
                                   (uint64_t)(body / RCPTS) * (body / RCPTS) * 150 };
    f->c = smtpc_new(&config, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct fuzz f = { 0 };
    start(&f, data[0], data[1]);
    struct span rest = span_of((const char *)data + 2, size - 2);
    while (rest.n > 1 && !f.over) {
        size_t n = (uint8_t)rest.p[0];
        rest = span_tail(rest, 1);
        n = n < rest.n ? n : rest.n;
        char *piece = mem_alloc(n);
        memcpy(piece, rest.p, n);
        pump(&f, span_of(piece, n));
        mem_free(piece);
        rest = span_tail(rest, n);
    }
    if (!f.over) {
        if (data[0] & 128)
            smtpc_broken(f.c, "broken");
        else if (smtpc_deadline_ms(f.c) < INT64_MAX)
            smtpc_timeout(f.c, smtpc_deadline_ms(f.c));
        pump(&f, SPAN_NONE);
    }
    smtpc_free(f.c);
    return 0;
}
