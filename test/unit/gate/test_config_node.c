/* `self` and `node`: docs/nodes.md. */
#include "base/when.h"
#include "test/unit/gate/node_files.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(r16_nodes_every_setting)
{
    struct config *c = node_load_well(
        NODE_HOST "self { name = \"MX1.nodes.example\", chain = ec.pem, key = ec.key, ca = ec.pem\n"
                  " signing_key = one.key, clock_skew = 1m }\n" NODE_ONE NODE_TWO
                  "domain \"a.example\" { node = \"MX2.nodes.example\" }\n"
                  "route \"*\" { node = \"mx2.nodes.example\" }\n"
                  "organisation \"o\" { domain \"o.example\" { node = \"mx2.nodes.example\" } }\n");
    CHECK_Z(c->nodes.self, "mx1.nodes.example");
    CHECK_NUM(c->nodes.n, 1);
    CHECK_NUM(c->nodes.anchors.n, 1);
    CHECK_NUM(c->nodes.window_ms, MINUTE_MS);
    CHECK(c->node_key && c->node_peer[0] && c->tls_node && c->tls_server);
    static const char *const domains[] = { "a.example", "o.example", "else.where" };
    for (size_t i = 0; i < COUNTOF(domains); i++) {
        const struct route *r = route_find(&c->routes, span_z(domains[i]));
        CHECK(r->kind == ROUTE_SMTP && r->node == &c->nodes.node[0]);
        CHECK_NUM(r->n_host, 1);
        CHECK_Z(r->host[0].name, "10.0.0.2");
        CHECK_NUM(r->contract.rules, RULE_NODE);
        CHECK(r->contract.need == TLS_NEED_NAME && r->contract.forward_secret);
        CHECK(r->contract.anchors == &c->nodes.anchors && r->contract.identity > 0);
    }
    config_unref(c);
}

TEST(r16_nodes_defaults)
{
    struct config *c = node_load_well(NODE_HOST NODE_SELF(
        "mx1.nodes.example", "one") "node \"mx2.nodes.example\" { public_key = two.pub }\n");
    CHECK_NUM(c->nodes.window_ms, 5 * MINUTE_MS);
    CHECK_Z(c->nodes.node[0].host[0].name, "mx2.nodes.example");
    CHECK_NUM(c->nodes.node[0].host[0].port, 25);
    config_unref(c);
    c = node_load_well(NODE_HOST);
    CHECK(c->nodes.n == 0 && !c->node_key && !c->tls_node && c->nodes.self.n == 0);
    config_unref(c);
}

/* A set of names that a connector has, too, is one set: contracts are told apart by numbers. */
TEST(r16_nodes_names_have_numbers_of_their_own)
{
    struct config *c = node_load_well(
        NODE_FIRST
        "organisation \"o\" {\n"
        "outbound \"a\" { kind = partner, mode = enforce, to = \"a.example\", mx = yes,\n"
        " tls = domain, names = \"mx.a.example\" }\n"
        "outbound \"b\" { kind = partner, mode = enforce, to = \"b.example\", mx = yes,\n"
        " tls = domain, names = \"mx2.nodes.example\" } }\n");
    const struct org *o = &c->org[0];
    CHECK(c->nodes.node[0].names.id != o->out[0].route.contract.names[0]->id);
    CHECK(c->nodes.node[0].names.id == o->out[1].route.contract.names[0]->id);
    config_unref(c);
}

TEST(r16_nodes_refused)
{
    static const char *const rows[][2] = {
        { NODE_HOST NODE_TWO "\n",
          "etc/f:2:1: there are nodes, and `self` does not say which of them this is; add self { "
          "name = ..., chain, key, ca, signing_key }" },
        { NODE_HOST "self { name = \"a.example\" }",
          "etc/f:2:1: `self` wants name, chain, key, ca and signing_key: self { name = "
          "\"mx1.nodes.example\", chain = \"node.pem\", key = \"node.key\", ca = \"nodes.pem\", "
          "signing_key = \"sign.key\" }" },
        { NODE_HOST "self { name = \"*.example\" }",
          "etc/f:2:15: `name` wants the name that is in the node's certificate, not `*.example`; "
          "for example: name = \"mx1.nodes.example\"" },
        { NODE_HOST "self { clock_skew = 2h }",
          "etc/f:2:21: `clock_skew` wants a time from 10s to 1h with its unit (ms, s, m, h, d), "
          "not `2h`; for example: clock_skew = \"5m\"" },
        { NODE_HOST NODE_SELF("mx.example.org", "one"),
          "etc/f:2:1: `mx.example.org` is `hostname`, too: whoever asks for that name would be "
          "shown the node's certificate; give the node a name of its own" },
        { NODE_HOST "certificate { name = \"a.example\", chain = ec.pem, key = ec.key "
                    "}\n" NODE_SELF("a.example", "one"),
          "etc/f:3:1: `a.example` has two certificates: at etc/f:2 and here; give the node a name "
          "of its own" },
        { NODE_HOST "self { name = \"a.example\", chain = ec.pem, key = ec.key, ca = no.pem, "
                    "signing_key = one.key }",
          "etc/f:2:1: no readable certificate among the trust anchors; give the CA's certificate "
          "in PEM form" },
        { NODE_HOST "self { name = \"a.example\", chain = ec.pem, key = ec.key, ca = ec.pem, "
                    "signing_key = ec.key }",
          "etc/f:2:1: this is no Ed25519 private key: make one with: openssl genpkey -algorithm "
          "ed25519 -out node-sign.key" },
        { NODE_HOST NODE_SELF("mx1.nodes.example", "one") "node \"a b\" { public_key = two.pub }",
          "etc/f:3:6: `node` wants the name that is in the node's certificate, not `a b`; for "
          "example: node \"mx2.nodes.example\" { smtp = \"10.0.0.2:25\", public_key = \"mx2.pub\" "
          "}" },
        { NODE_HOST NODE_SELF("mx1.nodes.example", "one") "node \"a.example\" { }",
          "etc/f:3:1: this node has no `public_key`, so that nothing it says could be checked: "
          "public_key = \"mx2.pub\"" },
        { NODE_HOST NODE_SELF("mx1.nodes.example", "one") "node \"a.example\" { public_key = "
                                                          "no.pem }",
          "etc/f:3:1: no readable public key: make it from the node's own with: openssl pkey -in "
          "node-sign.key -pubout" },
        { NODE_FIRST NODE_TWO, "etc/f:5:1: `node` is set twice: at etc/f:4 and here; keep one of "
                               "them" },
        { NODE_HOST NODE_SELF("mx1.nodes.example", "two") NODE_ONE,
          "etc/f:3:1: this node is `self`, and its `public_key` is not that of `signing_key`; make "
          "it anew: openssl pkey -pubout" },
        { NODE_HOST NODE_SELF("mx3.nodes.example", "one") NODE_ONE,
          "etc/f:3:1: the `public_key` of this node is our own; each node has its own key" },
        { NODE_FIRST "route \"a.example\" { node = \"mx3.nodes.example\" }",
          "etc/f:5:28: there is no node `mx3.nodes.example`; add node \"mx3.nodes.example\" { smtp "
          "= ..., public_key = ... }, and `self`" },
        { NODE_FIRST "route \"a.example\" { node = \"mx1.nodes.example\" }",
          "etc/f:5:28: `mx1.nodes.example` is this node itself: mail would come back" },
        { NODE_FIRST "route \"a.example\" { node = \"mx2.nodes.example\", tls = encrypt }",
          "etc/f:5:1: `tls` means nothing for mail to a node: what that link must be is fixed; "
          "remove it" },
        { NODE_FIRST "route \"a.example\" { node = \"mx2.nodes.example\", mx = yes }",
          "etc/f:5:1: this route says more than once where its mail goes; keep one of maildir, "
          "smtp, lmtp, node and mx" },
        { NODE_FIRST "route \"a.example\" { smtp = [\"10.0.0.9\", \"10.0.0.2\"] }",
          "etc/f:5:1: `10.0.0.2` is our node `mx2.nodes.example`, and mail goes to nodes by their "
          "links only; say node = \"mx2.nodes.example\" in a domain or route" },
        { NODE_FIRST "organisation \"o\" { outbound \"x\" { kind = partner, mode = enforce, to = "
                     "\"a.example\", smtp = \"10.0.0.2\" } }",
          "etc/f:5:20: `10.0.0.2` is our node `mx2.nodes.example`, and mail goes to nodes by their "
          "links only; say node = \"mx2.nodes.example\" in a domain or route" },
        { NODE_FIRST "organisation \"o\" { inbound \"x\" { kind = partner, mode = enforce, ca = "
                     "ec.pem, restrict_to_certificate = yes } }",
          "etc/f:5:20: the `ca` of this connector is that of `self`, whose certificates make a "
          "client one of our nodes; give nodes a CA of their own" },
    };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        struct config *c = NULL;
        struct why why = { "" };
        test_case(rows[i][1]);
        CHECK_NUM(node_load(rows[i][0], &c, &why), ERR_SYNTAX);
        CHECK_Z(span_z(why.text), rows[i][1]);
        CHECK(c == NULL);
        CHECK_NUM(node_load(rows[i][0], &c, NULL), ERR_SYNTAX);
    }
}

TEST(nodes_keys_are_their_owners)
{
    char path[] = "/tmp/postern-key.XXXXXX";
    struct config_source disk = config_source_disk(NULL), bundle;
    struct bundle_view view;
    struct why why = { "" };
    int fd = mkstemp(path);
    CHECK(fd >= 0 && close(fd) == 0);
    bundle = config_source_bundle(&view, SPAN_NONE);
    static const struct {
        mode_t mode;
        enum err e;
    } rows[] = { { 0600, ERR_OK },      { 0400, ERR_OK },      { 0640, ERR_REFUSED },
                 { 0604, ERR_REFUSED }, { 0620, ERR_REFUSED }, { 0644, ERR_REFUSED } };
    for (size_t i = 0; i < COUNTOF(rows); i++) {
        CHECK(chmod(path, rows[i].mode) == 0);
        CHECK_NUM(config_source_guard(&disk, span_z(path), &why), rows[i].e);
        CHECK_NUM(config_source_guard(&bundle, span_z(path), &why), ERR_OK);
    }
    CHECK(strstr(why.text, "chmod go= /tmp/postern-key") != NULL);
    CHECK(unlink(path) == 0);
    CHECK_NUM(config_source_guard(&disk, span_z(path), &why), ERR_OK); /* reading it will say */
}

/* The example of the document, whole, but for its files. */
TEST(r16_nodes_example_of_the_document_loads)
{
    struct buf doc, text;
    test_read_file("docs/nodes.md", &doc);
    const char *start = strstr(buf_z(&doc), "```\nself {");
    CHECK(start != NULL);
    start += 4;
    const char *end = strstr(start, "```\n");
    CHECK(end != NULL);
    buf_init(&text, 100000);
    buf_put(&text, SPAN(NODE_HOST));
    for (struct span rest = span_of(start, (size_t)(end - start)); rest.n > 0;) {
        static const char *const files[][2] = {
            { "node.pem", "ec.pem" },       { "node.key", "ec.key" }, { "nodes-ca.pem", "ec.pem" },
            { "node-sign.key", "one.key" }, { "mx1.pub", "one.pub" }, { "mx2.pub", "two.pub" },
        };
        size_t i = 0;
        while (i < COUNTOF(files) && !span_starts(rest, span_z(files[i][0])))
            i++;
        buf_put(&text, i < COUNTOF(files) ? span_z(files[i][1]) : span_head(rest, 1));
        rest = span_tail(rest, i < COUNTOF(files) ? strlen(files[i][0]) : 1);
    }
    struct config *c = node_load_well(buf_z(&text));
    CHECK_NUM(c->nodes.n, 1);
    CHECK(route_find(&c->routes, SPAN("hospital.example"))->node == &c->nodes.node[0]);
    config_unref(c);
    buf_done(&text);
    buf_done(&doc);
}
