/* seal.h - the field by which one of our nodes tells another whose mail it hands over
 * (docs/nodes.md): the first of the message, signed, and bound to every byte behind it.
 *
 *   Postern-Attribution: v=1; node=mx1.example; to=mx2.example;
 *    date=1795400000; id=0ABCDEFGHJKMN; org=acme; connector=acme/own; premises=yes;
 *    promoted=acme; alg=ed25519-sha256;
 *    digest=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;
 *    sig=...
 *
 * All keys, in this order; org, connector and promoted may be empty. The signature is over the
 * canonical text: a line for what this is, then one for each key but v and sig. Writer and reader
 * are one strict pair: no comments, no other order, no unknown keys. Pure; who signs and verifies
 * is io/tls_sign.h.
 */
#ifndef MAIL_SEAL_H
#define MAIL_SEAL_H

#include "base/buf.h"

enum {
    SEAL_DIGEST = 32,    /* SHA-256 */
    SEAL_SIGNATURE = 64, /* Ed25519 */
    SEAL_FIELD_MAX = 2048,
    SEAL_TEXT_MAX = 2048,
    SEAL_NAME_MAX = 253, /* of a node */
    SEAL_ORG_MAX = 64,
    SEAL_CONNECTOR_MAX = 129,
};

struct seal {
    struct span node, to;        /* who signs, for whom: domain names */
    int64_t date_ms;             /* wall, whole seconds: when it was signed */
    uint64_t id;                 /* queue id at the signer: with node, to and date the nonce */
    struct span org;             /* whose mail it is, or empty */
    struct span connector;       /* inbound, that it came by, or empty */
    bool on_premises;            /* it came from the organisation's own server */
    struct span promoted;        /* the organisation whose attribution fields it has, or empty */
    uint8_t digest[SEAL_DIGEST]; /* of all bytes behind the field */
    uint8_t signature[SEAL_SIGNATURE];
};

/* Why a message of a node is not taken: no word of its field counts. */
enum seal_fault {
    SEAL_GOOD,
    SEAL_MISSING,  /* the message does not begin with the field */
    SEAL_SYNTAX,   /* it cannot be read, or another version wrote it */
    SEAL_NODE,     /* it speaks for another node than TLS has proved, or to another one than us */
    SEAL_DATE,     /* too far from our clock */
    SEAL_UNSIGNED, /* the signature is not that node's over this field */
    SEAL_UNKNOWN,  /* it names an organisation that there is none of here */
    SEAL_CHANGED,  /* the bytes behind it are others than were signed */
    SEAL_TWICE,    /* there is another such field */
    SEAL_FAULT_COUNT_
};
const char *seal_fault_name(enum seal_fault f); /* "none", "missing", "signature", ... */

/* Bytes of the names of organisations and connectors, and no more than `most` of them. */
bool seal_label_valid(struct span s, size_t most);
/* What is signed: at most SEAL_TEXT_MAX bytes. */
void seal_text(const struct seal *s, struct buf *out);
/* The whole field with its CRLF: at most SEAL_FIELD_MAX bytes. Values are in bounds: ASSERT. */
void seal_write(const struct seal *s, struct buf *out);
/* field: as seal_front found it. Spans of *ret are its. ERR_SYNTAX. */
MUST_USE enum err seal_read(struct span field, struct seal *ret);

/* Does a message begin with the field? */
enum seal_front {
    SEAL_FRONT_MORE,  /* cannot tell from these bytes: ask again with more */
    SEAL_FRONT_NONE,  /* no; or it is over SEAL_FIELD_MAX */
    SEAL_FRONT_FIELD, /* *ret_n: its bytes, folds and last CRLF included */
};
enum seal_front seal_front(struct span message, size_t *ret_n);

/* SEAL_GOOD as far as names and the date go: peer: whom TLS has proved; self: our own name;
 * window_ms: in both directions, as either clock may be the slow one. */
enum seal_fault seal_judge(const struct seal *s, struct span peer, struct span self, int64_t now_ms,
                           int64_t window_ms);

#endif
