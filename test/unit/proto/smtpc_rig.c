#include "test/unit/proto/smtpc_rig.h"
#include "test/test.h"
#include <stdio.h>

struct smtpc_rig *rig_new(bool lmtp)
{
    struct smtpc_rig *r = NEW(struct smtpc_rig);
    struct smtpc_config config = {
        .hostname = SPAN("gate.example"),
        .lmtp = lmtp,
        .limits = { GREETING, HELO, TLS, MAIL, RCPT, DATA, BLOCK, END, QUIT },
    };
    r->c = smtpc_new(&config, START);
    buf_init(&r->said, 1 << 26);
    r->one = (struct rcpt){ .addr = SPAN("b@y.example") };
    for (size_t i = 0; i < COUNTOF(r->rcpts); i++)
        r->rcpts[i] = &r->one;
    r->envelope.from = SPAN("a@x.example");
    r->mail = (struct smtpc_mail){ &r->envelope, r->rcpts, 1, 0 };
    return r;
}

void rig_free(struct smtpc_rig *r)
{
    smtpc_free(r->c);
    buf_done(&r->said);
    mem_free(r);
}

void rig_flush(struct smtpc_rig *r)
{
    struct span out = smtpc_output(r->c);
    buf_put(&r->said, out);
    smtpc_sent(r->c, out.n);
}

enum smtpc_event rig_says(struct smtpc_rig *r, const char *z, int64_t now_ms)
{
    struct span in = span_z(z);
    rig_flush(r);
    enum smtpc_event e = smtpc_next(r->c, &in, now_ms, &r->ev);
    CHECK_NUM(in.n, 0);
    rig_flush(r);
    return e;
}

enum smtpc_event rig_next(struct smtpc_rig *r, int64_t now_ms)
{
    return rig_says(r, "", now_ms);
}

void rig_open(struct smtpc_rig *r, const char *keywords)
{
    char text[400];
    snprintf(text, sizeof text, "250-mx.example hello\r\n%s250 HELP\r\n", keywords);
    CHECK(rig_says(r, "220 mx\r\n", START) == SMTPC_NONE);
    CHECK(rig_says(r, text, START) == SMTPC_READY);
    buf_clear(&r->said);
}

struct smtpc_rig *rig_ready(const char *keywords)
{
    struct smtpc_rig *r = rig_new(false);
    rig_open(r, keywords);
    return r;
}

struct smtpc_rig *rig_in_data(uint64_t body_bytes)
{
    struct smtpc_rig *r = rig_ready("");
    r->mail.body_bytes = body_bytes;
    smtpc_send(r->c, &r->mail, START);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_NONE);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_RCPT);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    CHECK(rig_says(r, "354 go\r\n", START) == SMTPC_BODY);
    buf_clear(&r->said);
    return r;
}

struct smtpc_rig *rig_in_chunks(uint64_t body_bytes)
{
    struct smtpc_rig *r = rig_ready("250-PIPELINING\r\n250-CHUNKING\r\n");
    r->mail.body_bytes = body_bytes;
    smtpc_send(r->c, &r->mail, START);
    CHECK(rig_next(r, START) == SMTPC_NONE);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_NONE);
    CHECK(rig_says(r, "250 ok\r\n", START) == SMTPC_RCPT);
    CHECK(rig_next(r, START) == SMTPC_BODY);
    buf_clear(&r->said);
    return r;
}

size_t rig_give(struct smtpc_rig *r, size_t most)
{
    static const char zeros[SMTPC_CHUNK_BYTES];
    size_t given = 0;
    while (given < most) {
        size_t room = smtpc_body_room(r->c);
        if (room == 0)
            break;
        room = room < most - given ? room : most - given;
        smtpc_body(r->c, span_of(zeros, room), START);
        given += room;
    }
    return given;
}
