/* probe.h - what a partner's server is told that writes to a probe address: what we saw of it, and
 * what the connectors of that organisation say of it, as lines for people and for programs. Pure.
 *
 *   Probe: the connection was looked at, no mail is taken
 *   address     192.0.2.7
 *   channel     TLSv1.3 TLS_AES_256_GCM_SHA384 X25519, forward secret
 *   certificate [mx.lab.example]
 *   issuer      CN=Some CA
 *   key         (SHA-256, hex)
 *   chain       ok
 *   sender      lab.example
 *   enforce     admitted by hospital/lab
 *   test        the same
 *   {"probe":1,"organisation":"hospital","dropped":false,"admitted":true,...}
 *   {"probe":2,"tls":"TLSv1.3",...}
 *
 * Lines that begin with `{` are JSON, each a whole object of at most PROBE_JSON_MAX bytes; together
 * they say all. What does not fit is left out, member by member, and "cut" is true then. What the
 * client presented is printable ASCII here, without quotes and backslashes, and stands behind a
 * label: it can forge neither a line nor a member. Connectors of other organisations are not named.
 */
#ifndef POLICY_PROBE_H
#define POLICY_PROBE_H

#include "policy/attribute.h"

/* A line of a reply has 512 octets at most, code and line end included (RFC 5321 4.5.3.1.5). */
enum { PROBE_JSON_MAX = 470, PROBE_TEXT_MAX = 1980 };
STATIC_ASSERT((int)PROBE_TEXT_MAX <= (int)REPLY_TEXT_MAX);

struct probe_seen {
    const struct org *org; /* whose address was written to */
    const struct inbound_facts *facts;
    const struct inbound_verdict *verdict;
    bool dropped; /* a message came with it and is gone */
};

/* Lines with '\n' between them, PROBE_TEXT_MAX bytes at most: the text of a reply. */
void probe_report(const struct probe_seen *p, struct buf *out);

#endif
