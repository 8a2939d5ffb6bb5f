#include "mail/header.h"
#include "mail/received.h"
#include "test/test.h"

static const struct tls_facts modern = {
    .on = true,
    .forward_secret = true,
    .bits = 256,
    .version = { "TLSv1.3", 7 },
    .suite = { "TLS_AES_256_GCM_SHA384", 22 },
    .group = { "X25519", 6 },
};

static struct envelope plain(struct rcpt *rcpt)
{
    return (struct envelope){
        .id = 1,
        .accepted_ms = 1795470600000,
        .from = SPAN("a@c.example"),
        .helo = SPAN("c.example"),
        .client = SPAN("[192.0.2.1]:4711"),
        .rcpt = rcpt,
        .n_rcpt = rcpt ? 1 : 0,
    };
}

static bool holds(const struct buf *b, const char *z)
{
    return memmem(b->p + b->head, b->n, z, strlen(z)) != NULL;
}

static void write_field(const struct envelope *e, struct buf *b)
{
    buf_init(b, RECEIVED_BYTES_MAX);
    received_write(e, true, SPAN("mx.example"), b);
}

TEST(received_protocol_words)
{
    /* = RFC 6531 4.3, RFC 3848 */
    struct envelope e = { .id = 0 };
    CHECK_Z(span_z(received_protocol(&e, false)), "SMTP");
    CHECK_Z(span_z(received_protocol(&e, true)), "ESMTP");
    e.tls.on = true;
    CHECK_Z(span_z(received_protocol(&e, true)), "ESMTPS");
    e.smtputf8 = true;
    CHECK_Z(span_z(received_protocol(&e, true)), "UTF8SMTPS");
    e.tls.on = false;
    CHECK_Z(span_z(received_protocol(&e, true)), "UTF8SMTP");
}

TEST(received_whole)
{
    struct rcpt r = { .addr = SPAN("user@example.org") };
    struct envelope e = plain(&r);
    struct buf b;
    write_field(&e, &b);
    CHECK_Z(buf_span(&b), "Received: from c.example (unknown [192.0.2.1])\r\n"
                          "        by mx.example (Postern) with ESMTP id 0000000000001\r\n"
                          "        for <user@example.org>; Mon, 23 Nov 2026 21:50:00 +0000\r\n");
    buf_done(&b);
    e.tls = modern;
    write_field(&e, &b);
    CHECK_Z(buf_span(&b),
            "Received: from c.example (unknown [192.0.2.1])\r\n"
            "        (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
            "         key-exchange X25519, forward secrecy: yes)\r\n"
            "        (client certificate: none)\r\n"
            "        by mx.example (Postern) with ESMTPS id 0000000000001\r\n"
            "        for <user@example.org>; Mon, 23 Nov 2026 21:50:00 +0000\r\n");
    buf_done(&b);
}

TEST(received_client_certificates)
{
    struct envelope e = plain(NULL);
    struct buf b;
    e.tls = modern;
    e.tls.peer_cert = e.tls.chain_ok = true;
    e.tls.names = SPAN("p.example,*.p.example");
    write_field(&e, &b);
    CHECK(holds(&b, "(client certificate: p.example,\r\n         *.p.example; verified)"));
    buf_done(&b);
    e.tls.chain_ok = false;
    e.tls.verify = SPAN("self (signed)");
    e.tls.names = SPAN("");
    write_field(&e, &b);
    CHECK(holds(&b, "without a name;\r\n         not verified: self ?signed?)"));
    buf_done(&b);
}

/* One field: folded lines of sane length, parentheses that balance, one "by". */
static void check_one_field(struct span s)
{
    struct header_scan h;
    header_scan_init(&h, SPAN("mx.example"));
    header_scan_input(&h, s);
    header_scan_input(&h, SPAN("\r\n"));
    CHECK_NUM(h.n, s.n);
    CHECK_NUM(h.received, 1);
    CHECK_NUM(h.our_hops, 1);
    header_scan_done(&h);
    int depth = 0;
    for (bool first = true; s.n > 0; first = false) {
        struct span line = span_cut(&s, '\n');
        CHECK(line.n > 1 && line.n < 999 && line.p[line.n - 1] == '\r');
        CHECK(first || (line.p[0] == ' ' && span_trim(span_head(line, line.n - 1)).n > 0));
        for (size_t i = 0; i + 1 < line.n; i++) {
            CHECK((unsigned char)line.p[i] >= 32 && line.p[i] != 127);
            depth += (line.p[i] == '(') - (line.p[i] == ')');
            CHECK(depth >= 0 && depth <= 2);
        }
    }
    CHECK_NUM(depth, 0);
}

TEST(t15_received_cannot_be_broken)
{
    static const struct span nasty[] = {
        SPAN("x\r\nBcc: evil@example.org\r\n\r\nbody"),
        SPAN("x) by evil.example (Postern"),
        SPAN("((((((((("),
        SPAN("\\"),
        SPAN("\"; \\"),
        SPAN("x\0y\x1b[2J\x7f\x80\xff"),
        SPAN("\xc2\x85\xc2\x9b"),
        SPAN("a b c; Mon, 1 Jan 2001 00:00:00 +0000"),
        SPAN("\xe2\x80\xa8"),
        SPAN(""),
        SPAN("\"a) (b\"@example.org"),
        SPAN(",,,,,,,,,,,,,"),
        SPAN("by by by by"),
    };
    for (size_t i = 0; i < COUNTOF(nasty) * 2; i++) {
        struct span s = nasty[i / 2];
        struct rcpt r = { .addr = s };
        struct envelope e = plain(&r);
        struct buf b;
        e.helo = s;
        e.smtputf8 = i % 2;
        e.client = s.n > 0 ? s : e.client;
        e.tls = (struct tls_facts){ .on = true,
                                    .peer_cert = true,
                                    .version = s,
                                    .suite = s,
                                    .group = s,
                                    .names = s,
                                    .verify = s };
        write_field(&e, &b);
        check_one_field(buf_span(&b));
        buf_done(&b);
    }
}

TEST(received_at_its_limits)
{
    static char bytes[6000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i % 300 == 299 ? ',' : 'x';
    struct span s = span_of(bytes, sizeof bytes);
    struct rcpt r = { .addr = s };
    struct envelope e = plain(&r);
    struct buf b;
    e.helo = e.client = s;
    e.tls = (struct tls_facts){ .on = true,
                                .peer_cert = true,
                                .version = s,
                                .suite = s,
                                .group = s,
                                .names = s,
                                .verify = s,
                                .bits = 65535 };
    write_field(&e, &b);
    check_one_field(buf_span(&b));
    buf_done(&b);
}

TEST(received_for_one_only)
{
    struct rcpt r[2] = { { .addr = SPAN("j\xc3\xbcrgen@b.example") },
                         { .addr = SPAN("b@b.example") } };
    struct envelope e = plain(r);
    struct buf b;
    e.smtputf8 = true;
    write_field(&e, &b);
    CHECK(holds(&b, "for <j\xc3\xbcrgen@b.example>;"));
    buf_done(&b);
    e.smtputf8 = false;
    write_field(&e, &b);
    CHECK(!holds(&b, "for <"));
    buf_done(&b);
    e.n_rcpt = 2;
    e.client = SPAN_NONE;
    e.id = 0;
    write_field(&e, &b);
    CHECK_Z(buf_span(&b), "Received: by mx.example (Postern) with ESMTP; "
                          "Mon, 23 Nov 2026 21:50:00 +0000\r\n");
    buf_done(&b);
}
