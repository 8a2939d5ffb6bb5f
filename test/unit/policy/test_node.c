/* Links to our own nodes (R16), and the rule for mail between tenants (R17, R18). */
#include "policy/node.h"

#include "policy/decide.h"
#include "policy/explain.h"
#include "test/test.h"

#define CA "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static struct span ca_digest[] = { { CA, 64 } };
static struct span mx2_name[] = { { "mx2.nodes.example", 17 } };
static struct span mx3_name[] = { { "mx3.nodes.example", 17 } };
static struct route_host mx2_host[] = { { .name = { "10.0.0.2", 8 }, .port = 25 } };
static struct node nodes[] = {
    { .name = { "mx2.nodes.example", 17 },
      .host = mx2_host,
      .n_host = 1,
      .names = { .id = 3, .n = 1, .name = mx2_name } },
    { .name = { "mx3.nodes.example", 17 }, .names = { .id = 4, .n = 1, .name = mx3_name } },
};
static const struct node_table table = { .self = { "mx1.nodes.example", 17 },
                                         .node = nodes,
                                         .n = COUNTOF(nodes),
                                         .anchors = { .id = 1, .n = 1, .name = ca_digest },
                                         .identity = 9,
                                         .window_ms = 300000 };

/* What a good link shows. */
static struct tls_facts good(const char *names)
{
    return (struct tls_facts){ .on = true,
                               .forward_secret = true,
                               .peer_cert = true,
                               .chain_ok = true,
                               .name_ok = true,
                               .version = SPAN("TLSv1.3"),
                               .names = span_z(names),
                               .anchor = SPAN(CA) };
}

TEST(r16_contract_of_a_link)
{
    static const struct {
        const char *name, *version, *names, *anchor;
        bool plain, secrecy, chain, expired, private_anchor;
        enum breach breach;
    } rows[] = {
        { "good", "TLSv1.3", "mx2.nodes.example", CA, false, true, true, false, false,
          BREACH_NONE },
        { "TLS 1.2", "TLSv1.2", "a.example,mx2.nodes.example", CA, false, true, true, false, false,
          BREACH_NONE },
        { "its CA is private, which is right", "TLSv1.3", "mx2.nodes.example", CA, false, true,
          true, false, true, BREACH_NONE },
        { "no TLS", "TLSv1.3", "mx2.nodes.example", CA, true, true, true, false, false,
          BREACH_PLAIN },
        { "TLS 1.1", "TLSv1.1", "mx2.nodes.example", CA, false, true, true, false, false,
          BREACH_OLD },
        { "no forward secrecy", "TLSv1.2", "mx2.nodes.example", CA, false, false, true, false,
          false, BREACH_SECRECY },
        { "a public CA", "TLSv1.3", "mx2.nodes.example", OTHER, false, true, true, false, false,
          BREACH_CHAIN },
        { "no root is known", "TLSv1.3", "mx2.nodes.example", "", false, true, true, false, false,
          BREACH_CHAIN },
        { "the chain is not good", "TLSv1.3", "mx2.nodes.example", CA, false, true, false, false,
          false, BREACH_CHAIN },
        { "expired", "TLSv1.3", "mx2.nodes.example", CA, false, true, false, true, false,
          BREACH_EXPIRED },
        { "another node", "TLSv1.3", "mx3.nodes.example", CA, false, true, true, false, false,
          BREACH_NAME },
        { "no names", "TLSv1.3", "", CA, false, true, true, false, false, BREACH_NAME },
    };
    struct contract c = node_contract(&table, &nodes[0]);
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tls_facts tls = good(rows[i].names);
        test_case(rows[i].name);
        tls.on = !rows[i].plain;
        tls.version = span_z(rows[i].version);
        tls.anchor = span_z(rows[i].anchor);
        tls.forward_secret = rows[i].secrecy;
        tls.chain_ok = rows[i].chain;
        tls.expired = rows[i].expired;
        tls.anchor_private = rows[i].private_anchor;
        CHECK_NUM(contract_judge(&c, &tls), rows[i].breach);
        CHECK((decide_secured(&c, &(struct host_facts){ .handshake = TRI_YES }, &tls).step ==
               STEP_SEND) == (rows[i].breach == BREACH_NONE));
    }
    CHECK(decide_greeted(&c, &(struct host_facts){ .starttls_offered = TRI_NO }).step ==
          STEP_NEXT_HOST);
}

/* Whatever it is joined with asks no less, is no other's, and says so. */
TEST(r16_contract_of_a_link_is_never_lowered)
{
    struct contract link = node_contract(&table, &nodes[0]);
    for (unsigned need = 0; need < TLS_NEED_COUNT_; need++) {
        struct contract other = contract_none();
        char a[CONTRACT_DIGEST_MAX], b[CONTRACT_DIGEST_MAX];
        other.need = (enum tls_need)need;
        other.allow_expired = true;
        struct contract j = contract_join(other, link), k = contract_join(link, other);
        CHECK(contract_at_least(&j, &link) && contract_eq(&j, &k));
        CHECK(j.anchors == &table.anchors && j.identity == 9 && !j.allow_expired);
        CHECK(!contract_at_least(&other, &link));
        CHECK(!span_eq(span_z(contract_digest(&other, a)), span_z(contract_digest(&j, b))));
    }
    struct contract public = link;
    char a[CONTRACT_DIGEST_MAX], b[CONTRACT_DIGEST_MAX];
    public.anchors = NULL;
    CHECK(contract_at_least(&link, &public) && !contract_at_least(&public, &link));
    CHECK(!contract_eq(&public, &link));
    CHECK(!span_eq(span_z(contract_digest(&public, a)), span_z(contract_digest(&link, b))));
}

TEST(r16_contract_of_a_link_in_words)
{
    struct contract c = node_contract(&table, &nodes[0]);
    struct buf out;
    buf_init(&out, CONTRACT_TEXT_MAX);
    contract_print(&c, &out);
    CHECK_Z(buf_span(&out), "tls=name floor=1.2 fs=yes names=mx2.nodes.example ca=nodes identity=9 "
                            "asked-by=node");
    buf_done(&out);
}

TEST(r16_a_client_is_a_node_by_its_certificate)
{
    static const struct {
        const char *name, *names;
        int is;     /* index, or -1 */
        bool doubt; /* with the nodes' CA */
    } rows[] = {
        { "by its name", "mx2.nodes.example", 0, false },
        { "among others", "localhost,MX3.nodes.example.", 1, false },
        { "nobody's name", "mx4.nodes.example", -1, true },
        { "our own", "mx1.nodes.example", -1, true },
        { "a wildcard", "*.nodes.example", -1, true },
        { "two nodes", "mx2.nodes.example,mx3.nodes.example", -1, true },
        { "one twice", "mx2.nodes.example,mx2.nodes.example", 0, false },
        { "no names", "", -1, true },
        { "a part", "nodes.example", -1, true },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct tls_facts tls = good(rows[i].names);
        const struct node *want = rows[i].is < 0 ? NULL : &nodes[rows[i].is];
        test_case(rows[i].name);
        tls.anchor_private = true;
        CHECK(node_of_client(&table, &tls) == want);
        CHECK(node_in_doubt(&table, &tls) == rows[i].doubt);
        tls.anchor = SPAN(OTHER);
        CHECK(!node_of_client(&table, &tls) && !node_in_doubt(&table, &tls));
        tls.anchor = SPAN_NONE;
        CHECK(!node_of_client(&table, &tls) && !node_in_doubt(&table, &tls));
    }
}

TEST(r16_a_weak_channel_makes_no_node)
{
    struct tls_facts tls = good("mx2.nodes.example");
    struct node_table none = { .n = 0 };
    CHECK(node_of_client(&table, &tls) == &nodes[0]);
    CHECK(!node_of_client(&none, &tls) && !node_in_doubt(&none, &tls));
    CHECK(!node_of_client(&table, NULL) && !node_in_doubt(&table, NULL));
    tls.forward_secret = false;
    CHECK(!node_of_client(&table, &tls) && node_in_doubt(&table, &tls));
    tls = good("mx2.nodes.example");
    tls.chain_ok = false;
    tls.expired = true;
    CHECK(!node_of_client(&table, &tls) && node_in_doubt(&table, &tls));
    tls.on = false;
    CHECK(!node_of_client(&table, &tls) && !node_in_doubt(&table, &tls));
}

TEST(node_is_found_where_it_is)
{
    struct route_host h = mx2_host[0];
    CHECK(node_at(&table, &h) == &nodes[0]);
    h.port = 2525;
    CHECK(node_at(&table, &h) == NULL);
    h = (struct route_host){ .name = SPAN("10.0.0.2"), .port = 25, .is_path = true };
    CHECK(node_at(&table, &h) == NULL);
    CHECK(node_by_name(&table, SPAN("MX3.nodes.example.")) == &nodes[1]);
    CHECK(node_by_name(&table, SPAN("mx9.nodes.example")) == NULL);
}

/* What `explain` says of a link, and of mail between tenants. */
TEST(r16_r18_explain_says_who_asks)
{
    struct route link = { .kind = ROUTE_SMTP,
                          .pattern = SPAN("ours.example"),
                          .host = mx2_host,
                          .n_host = 1,
                          .node = &nodes[0],
                          .contract = node_contract(&table, &nodes[0]) };
    struct explain_input in = { .from = SPAN("a@b.example"),
                                .to = SPAN("c@ours.example"),
                                .route = &link };
    struct buf out;
    buf_init(&out, EXPLAIN_TEXT_MAX);
    explain_print(&in, &out);
    CHECK_Z(buf_span(&out),
            "Mail from <a@b.example> to <c@ours.example>\n"
            "  route     smtp for ours.example, by the link to our node mx2.nodes.example\n"
            "  contract  tls=name floor=1.2 fs=yes names=mx2.nodes.example ca=nodes identity=9 "
            "asked-by=node\n"
            "            it goes to one of our own nodes: nothing lowers what that link must be\n"
            "            mail passes only through TLS with a certificate of the nodes' own CA\n"
            "            the certificate must have one of these names: mx2.nodes.example\n"
            "            the cipher suite must have forward secrecy\n"
            "            it is shown our own certificate, and what we say of the mail is signed\n"
            "  verdict   the hosts were not looked up\n");
    link.node = NULL;
    link.contract = contract_none();
    link.contract.need = TLS_NEED_ENCRYPT;
    link.contract.forward_secret = true;
    link.contract.rules = RULE_TENANT;
    buf_clear(&out);
    explain_print(&in, &out);
    CHECK(strstr(buf_z(&out), "asked-by=tenant\n            sender and recipient are organisations "
                              "of this installation: never in clear\n") != NULL);
    buf_done(&out);
}

/* A node that does not meet the contract: nobody is told to ask for less. */
TEST(r16_explain_of_a_link_that_fails)
{
    struct route link = { .kind = ROUTE_SMTP,
                          .pattern = SPAN("ours.example"),
                          .host = mx2_host,
                          .n_host = 1,
                          .node = &nodes[0],
                          .contract = node_contract(&table, &nodes[0]) };
    struct facts f = { .configured = true,
                       .n_host = 1,
                       .host = { { .name = SPAN("10.0.0.2"),
                                   .n_ip = 1,
                                   .has_ip = TRI_YES,
                                   .connected = TRI_YES,
                                   .starttls_offered = TRI_YES,
                                   .handshake = TRI_YES,
                                   .channel = TRI_NO,
                                   .breach = BREACH_CHAIN } } };
    struct explain_input in = {
        .from = SPAN("a@b.example"), .to = SPAN("c@ours.example"), .route = &link, .facts = &f
    };
    struct buf out;
    buf_init(&out, EXPLAIN_TEXT_MAX);
    explain_print(&in, &out);
    CHECK(strstr(buf_z(&out), "450 4.7.320 Certificate validation failed") != NULL);
    CHECK(strstr(buf_z(&out), "  change    the node must meet the contract: its certificate, its "
                              "name, the CA\n") != NULL);
    f.host[0] = (struct host_facts){ .name = SPAN("10.0.0.2"), .n_ip = 1, .has_ip = TRI_YES };
    buf_clear(&out);
    explain_print(&in, &out);
    CHECK(strstr(buf_z(&out), "  change    nothing can be asked for: links between nodes are as "
                              "they are\n") != NULL);
    buf_done(&out);
}
