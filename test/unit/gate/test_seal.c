/* What one node signs another believes, and nothing that differs from it in one byte. */
#include "gate/seal.h"

#include "test/unit/gate/node_files.h"

#define ORGS                                                                                       \
    "organisation \"acme\" { domain \"acme.example\" { maildir = \"/x/{local}\" } }\n"             \
    "organisation \"beta\" { }\n"
#define NOW_MS INT64_C(1795400000000)

struct pair {
    struct config *one, *two;
};

static void pair_init(struct pair *p)
{
    p->one = node_load_well(NODE_FIRST ORGS);
    p->two = node_load_well(NODE_SECOND ORGS);
}

static void pair_done(struct pair *p)
{
    config_unref(p->one);
    config_unref(p->two);
}

#define BODY "Received: x\r\nX-MS-Exchange-CrossPremises-AuthAs: Internal\r\n\r\nHi\r\n"

/* The field of node one for node two, with a body behind it. */
static void sealed(const struct pair *p, const struct envelope *e, struct buf *out)
{
    struct sealing s;
    sealing_init(&s);
    sealing_add(&s, span_head(SPAN(BODY), 10));
    sealing_add(&s, span_tail(SPAN(BODY), 10));
    sealing_end(&s, p->one, &p->one->nodes.node[0], e, true, NOW_MS + 999);
    buf_put(out, span_of(s.field, s.n));
    buf_put(out, SPAN(BODY));
    sealing_done(&s);
}

static struct envelope sample(void)
{
    return (struct envelope){ .id = 9,
                              .org = SPAN("acme"),
                              .connector = SPAN("acme/own"),
                              .from_on_premises = true,
                              .promoted = SPAN("acme") };
}

/* Hands the message over in pieces of n bytes; u is open or not afterwards, unseal_done is the
 * caller's. */
static enum seal_fault hand_over(const struct config *c, struct unseal *u, struct span message,
                                 size_t n, int64_t now_ms)
{
    unseal_init(u, c, &c->nodes.node[0]);
    while (message.n > 0) {
        struct span piece = span_head(message, n < message.n ? n : message.n), behind;
        message = span_tail(message, piece.n);
        if (!u->open && unseal_front(u, &piece, now_ms, &behind) && u->fault == SEAL_GOOD)
            unseal_add(u, behind);
        if (u->open && u->fault == SEAL_GOOD)
            unseal_add(u, piece);
    }
    return unseal_end(u, false);
}

static enum seal_fault judged(const struct config *c, struct span message, int64_t now_ms)
{
    struct unseal u;
    enum seal_fault f = hand_over(c, &u, message, message.n, now_ms);
    unseal_done(&u);
    return f;
}

TEST(seal_is_believed_in_all_pieces)
{
    struct pair p;
    struct buf m;
    struct envelope e = sample();
    pair_init(&p);
    buf_init(&m, 10000);
    sealed(&p, &e, &m);
    for (size_t n = 1; n <= m.n; n++) {
        struct unseal u;
        CHECK_NUM(hand_over(p.two, &u, buf_span(&m), n, NOW_MS), SEAL_GOOD);
        CHECK_Z(u.org->name, "acme");
        CHECK_Z(u.promoted->name, "acme");
        CHECK_Z(u.said.connector, "acme/own");
        CHECK(u.said.on_premises && u.said.id == 9 && u.said.date_ms == NOW_MS);
        unseal_done(&u);
    }
    buf_done(&m);
    pair_done(&p);
}

TEST(seal_of_nobodys_mail)
{
    struct pair p;
    struct buf m;
    struct envelope e = { .id = 1, .org = SPAN("a b;c"), .connector = SPAN("\r\n") };
    struct unseal u;
    pair_init(&p);
    buf_init(&m, 10000);
    sealed(&p, &e, &m); /* names that no configuration has are none */
    CHECK_NUM(hand_over(p.two, &u, buf_span(&m), m.n, NOW_MS), SEAL_GOOD);
    CHECK(!u.org && !u.promoted && u.said.connector.n == 0 && !u.said.on_premises);
    unseal_done(&u);
    buf_done(&m);
    pair_done(&p);
}

/* T-22: of the whole message no bit can be turned. */
TEST(seal_no_bit_can_be_turned)
{
    struct pair p;
    struct buf m;
    struct envelope e = sample();
    unsigned believed = 0;
    pair_init(&p);
    buf_init(&m, 10000);
    sealed(&p, &e, &m);
    char *bytes = (char *)(uintptr_t)buf_z(&m);
    for (size_t i = 0; i < m.n; i++) {
        for (unsigned bit = 0; bit < 8; bit += 1 + (unsigned)(i % 3)) {
            bytes[i] ^= (char)(1 << bit);
            believed += judged(p.two, buf_span(&m), NOW_MS) == SEAL_GOOD;
            /* but the case of the field's own name, and of host names */
            if (bit == 5)
                believed -= judged(p.two, buf_span(&m), NOW_MS) == SEAL_GOOD && i < 19;
            bytes[i] ^= (char)(1 << bit);
        }
    }
    CHECK_NUM(believed, 0);
    for (size_t n = 0; n < m.n; n++)
        CHECK(judged(p.two, span_head(buf_span(&m), n), NOW_MS) != SEAL_GOOD);
    buf_put(&m, SPAN("x"));
    CHECK_NUM(judged(p.two, buf_span(&m), NOW_MS), SEAL_CHANGED);
    buf_done(&m);
    pair_done(&p);
}

TEST(seal_replay_window)
{
    static const struct {
        int64_t later_ms;
        enum seal_fault fault;
    } rows[] = { { 0, SEAL_GOOD },       { 300000, SEAL_GOOD },    { 300001, SEAL_DATE },
                 { -300000, SEAL_GOOD }, { -300001, SEAL_DATE },   { INT32_MAX, SEAL_DATE },
                 { -NOW_MS, SEAL_DATE }, { NOW_MS * 2, SEAL_DATE } };
    struct pair p;
    struct buf m;
    struct envelope e = sample();
    pair_init(&p);
    buf_init(&m, 10000);
    sealed(&p, &e, &m);
    for (size_t i = 0; i < COUNTOF(rows); i++)
        CHECK_NUM(judged(p.two, buf_span(&m), NOW_MS + rows[i].later_ms), rows[i].fault);
    buf_done(&m);
    pair_done(&p);
}

TEST(seal_of_another_node)
{
    struct pair p;
    struct buf m;
    struct envelope e = sample();
    pair_init(&p);
    buf_init(&m, 10000);
    sealed(&p, &e, &m);
    /* it comes back to the one that signed, by the other */
    CHECK_NUM(judged(p.one, buf_span(&m), NOW_MS), SEAL_NODE);
    /* another key has signed */
    struct config *c = node_load_well(NODE_HOST NODE_SELF(
        "mx2.nodes.example", "one") "node \"mx1.nodes.example\" { smtp = \"10.0.0.1:25\", "
                                    "public_key = two.pub }\n" ORGS);
    CHECK_NUM(judged(c, buf_span(&m), NOW_MS), SEAL_UNSIGNED);
    config_unref(c);
    /* organisations that are not known here */
    c = node_load_well(NODE_SECOND "organisation \"beta\" { }\n");
    CHECK_NUM(judged(c, buf_span(&m), NOW_MS), SEAL_UNKNOWN);
    config_unref(c);
    buf_done(&m);
    pair_done(&p);
}

TEST(seal_missing_and_twice)
{
    struct pair p;
    struct buf m, long_one;
    struct envelope e = sample();
    struct unseal u;
    pair_init(&p);
    buf_init(&m, 10000);
    buf_init(&long_one, 100000);
    CHECK_NUM(judged(p.two, SPAN(BODY), NOW_MS), SEAL_MISSING);
    CHECK_NUM(judged(p.two, SPAN_NONE, NOW_MS), SEAL_MISSING);
    CHECK_NUM(judged(p.two, SPAN("Postern-Attribution: v=1\r\nx"), NOW_MS), SEAL_SYNTAX);
    buf_put(&long_one, SPAN("Postern-Attribution: "));
    while (long_one.n < 50000)
        buf_put(&long_one, SPAN("v=1; "));
    CHECK_NUM(judged(p.two, buf_span(&long_one), NOW_MS), SEAL_MISSING);
    sealed(&p, &e, &m);
    unseal_init(&u, p.two, &p.two->nodes.node[0]);
    struct span in = buf_span(&m), behind;
    CHECK(unseal_front(&u, &in, NOW_MS, &behind));
    unseal_add(&u, behind);
    unseal_add(&u, in);
    CHECK_NUM(unseal_end(&u, true), SEAL_TWICE);
    unseal_done(&u);
    buf_done(&m);
    buf_done(&long_one);
    pair_done(&p);
}

TEST(seal_replies_keep_the_mail)
{
    for (unsigned f = SEAL_GOOD + 1; f < SEAL_FAULT_COUNT_; f++) {
        struct reply r = unseal_reply((enum seal_fault)f);
        CHECK(r.code == 451 && r.status.class == 4 && r.status.detail == 7 && r.text.n > 0);
    }
}
