/* tlsa.h - TLSA records (RFC 6698) as plain values, and which of them count for SMTP (RFC 7672).
 *
 * A set is what one DNSSEC-secure answer of _25._tcp.<base> said. It keeps the records that can be
 * used, sorted, each once, and counts the others: whether the answer demands TLS, and whether the
 * server must be authenticated, can be read from it. Nothing here matches certificates: that is the
 * TLS layer's, with tlsa_agile() of the set.
 */
#ifndef MAIL_TLSA_H
#define MAIL_TLSA_H

#include "base/arena.h"
#include "base/buf.h"

enum tlsa_usage { TLSA_PKIX_TA, TLSA_PKIX_EE, TLSA_DANE_TA, TLSA_DANE_EE };
enum tlsa_selector { TLSA_CERT, TLSA_SPKI };
enum tlsa_matching { TLSA_FULL, TLSA_SHA256, TLSA_SHA512 };

enum {
    TLSA_RECORDS_MAX = 16,
    TLSA_DATA_MAX = 4096,     /* bytes of one record's data */
    TLSA_SET_BYTES_MAX = 4096 /* of all data of a set */
};

/* As it stands in the DNS: any numbers. data is the arena's, or borrowed from the answer. */
struct tlsa {
    uint8_t usage, selector, matching;
    struct span data;
};

/* Record data in wire format; data is borrowed from it. ERR_SYNTAX: no data, or less than three
 * bytes before it. */
MUST_USE enum err tlsa_parse(struct span rdata, struct tlsa *ret);
/* Can be used for SMTP, RFC 7672 3.1: DANE-TA and DANE-EE, with a selector and matching type that
 * we know, and data that can match: a digest has its length, a full certificate or key is one DER
 * sequence. */
bool tlsa_usable(const struct tlsa *t);

/* {0} is the empty set. */
struct tlsa_set {
    unsigned n;
    struct tlsa record[TLSA_RECORDS_MAX];
    unsigned n_unusable; /* records of the answer that cannot be used */
    unsigned n_dropped;  /* that can be used, and found no room: what is left still must match */
};
/* Adds one record of the answer; its data is copied into the arena. What finds no room, in the set
 * or in the arena, is dropped and counted: fewer records match, never more. */
void tlsa_set_add(struct tlsa_set *set, const struct tlsa *t, struct arena *a);
/* The same for a record of the answer that tlsa_parse refuses: one that cannot be used. */
void tlsa_set_add_broken(struct tlsa_set *set);
/* The answer had records at all. */
bool tlsa_set_any(const struct tlsa_set *set);
/* The server must be authenticated by it: RFC 7672 2.2: one usable record is there. */
bool tlsa_set_usable(const struct tlsa_set *set);
/* The same usable records. */
bool tlsa_set_eq(const struct tlsa_set *a, const struct tlsa_set *b);
/* Digest agility, RFC 7671 9: of the records of one usage and selector only those with the
 * strongest digest, and those with the full data, count. */
struct tlsa_set tlsa_agile(const struct tlsa_set *set);

/* 32 hex digits and a NUL: equal for equal sets, and for no others as far as 128 bits tell. Returns
 * ret. */
enum { TLSA_DIGEST_MAX = 33 };
const char *tlsa_set_digest(const struct tlsa_set *set, char ret[static TLSA_DIGEST_MAX]);

/* "3 1 1 0f3a..."; between is what stands between the four: ' ', or '-' where a space ends a value.
 * At most TLSA_TEXT_MAX bytes. */
enum { TLSA_TEXT_MAX = 2 * TLSA_DATA_MAX + 12 };
void tlsa_print(const struct tlsa *t, char between, struct buf *out);
/* ERR_SYNTAX; ERR_TOO_BIG: the data, or the arena is full. *ret is untouched then. */
MUST_USE enum err tlsa_read(struct span s, char between, struct arena *a, struct tlsa *ret);

#endif
