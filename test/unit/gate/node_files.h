/* node_files.h - configurations of nodes, from memory. Beside etc/f with the text stand ec.pem and
 * ec.key (a certificate that is its own CA), one.key, one.pub, two.key and two.pub (RFC 8032 7.1),
 * and no.pem, which holds nothing. */
#ifndef TEST_UNIT_GATE_NODE_FILES_H
#define TEST_UNIT_GATE_NODE_FILES_H

#include "gate/config.h"
#include "test/test.h"

enum err node_load(const char *text, struct config **ret, struct why *why);
struct config *node_load_well(const char *text);

#define NODE_HOST "hostname = \"mx.example.org\"\n"
#define NODE_SELF(name, key)                                                                       \
    "self { name = \"" name "\", chain = ec.pem, key = ec.key, ca = ec.pem, signing_key = " key    \
    ".key }\n"
#define NODE_ONE "node \"mx1.nodes.example\" { smtp = \"10.0.0.1:25\", public_key = one.pub }\n"
#define NODE_TWO "node \"mx2.nodes.example\" { smtp = \"10.0.0.2:25\", public_key = two.pub }\n"
/* The two, as each of them reads it. */
#define NODE_FIRST NODE_HOST NODE_SELF("mx1.nodes.example", "one") NODE_ONE NODE_TWO
#define NODE_SECOND NODE_HOST NODE_SELF("mx2.nodes.example", "two") NODE_ONE NODE_TWO

#endif
