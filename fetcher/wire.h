/* wire.h - what a worker and the fetcher say to each other: fixed layouts over sys/channel.h, both
 * ends of the same build. A worker may have many requests under way; answers come in any order and
 * carry the request's serial number.
 *
 *   request   descriptor: a sealed memory file with what is posted; none for GET
 *   answer    descriptor: a sealed memory file with the body; none when it is short and inside
 *
 * Neither end trusts the other: the fetcher reads HTTP, a worker reads mail. Reading a layout
 * checks every number and cleans every text in it.
 */
#ifndef FETCHER_WIRE_H
#define FETCHER_WIRE_H

#include "cert/fetch.h"

enum {
    FETCHER_INLINE_MAX = 16 * 1024,
    FETCHER_BODY_MAX = 64 * 1024 * 1024, /* of an answer: revocation lists are that large */
    FETCHER_POST_MAX = 1024 * 1024,
    FETCHER_TIMEOUT_MAX_MS = 60 * 1000,
};

struct fetcher_request {
    uint32_t serial;
    uint32_t n_url, n_type;
    uint32_t n_post; /* bytes in the descriptor; 0: GET, no descriptor */
    uint64_t body_max;
    int64_t timeout_ms; /* 0: what the configuration says */
    char url[FETCH_URL_MAX];
    char type[FETCH_TYPE_MAX];
};

struct fetcher_answer {
    uint32_t serial;
    uint32_t status;
    uint8_t reached, tls; /* enum fetch_phase, enum fetch_tls */
    uint8_t timed_out, refused, not_tried, too_big;
    uint16_t zero;
    uint64_t n_body;
    int64_t took_ms;
    char address[FETCH_ADDRESS_MAX];
    char why[FETCH_WHY_MAX];
    char content_type[FETCH_TYPE_MAX];
    char body[FETCHER_INLINE_MAX]; /* when n_body fits; only so many bytes travel */
};
#define FETCHER_ANSWER_BYTES(n) (offsetof(struct fetcher_answer, body) + (n))

/* ERR_TOO_BIG, ERR_SYNTAX: cannot be asked (URL, type, bounds). */
MUST_USE enum err fetcher_request_make(const struct fetch_request *r, uint32_t serial,
                                       struct fetcher_request *ret);
/* n: bytes that came; the rest of *ret's rules and its body are the caller's to fill. Borrowed from
 * m. ERR_SYNTAX: not one of ours. */
MUST_USE enum err fetcher_request_read(const struct fetcher_request *m, size_t n, unsigned n_fd,
                                       struct fetch_request *ret);

/* All but the body. */
void fetcher_answer_make(const struct fetch_result *r, uint64_t n_body, struct fetcher_answer *ret);
/* body_max: what was asked for. *ret_inline: the body when it is inside, borrowed from m; else it
 * is in the descriptor, m->n_body bytes. ERR_SYNTAX: not one of ours. */
MUST_USE enum err fetcher_answer_read(const struct fetcher_answer *m, size_t n, unsigned n_fd,
                                      uint64_t body_max, struct fetch_result *ret,
                                      struct span *ret_inline);

/* --- what the supervisor gives it, in the descriptor of START and NEWS --- */

enum { FETCHER_PROXY_MAX = 512, FETCHER_CA_MAX = 4 * 1024 * 1024 };

struct fetcher_settings {
    int64_t timeout_ms;
    uint32_t n_proxy, n_ca;
    uint8_t allow_private;
    char proxy[FETCHER_PROXY_MAX];
    /* n_ca bytes of PEM follow */
};

/* Appends the settings to *ret, which has room for FETCHER_SETTINGS_MAX. */
#define FETCHER_SETTINGS_MAX (sizeof(struct fetcher_settings) + FETCHER_CA_MAX)
void fetcher_settings_make(const struct fetch_rules *r, struct buf *ret);
/* Borrowed from bytes. ERR_SYNTAX. */
MUST_USE enum err fetcher_settings_read(struct span bytes, struct fetch_rules *ret);

#endif
