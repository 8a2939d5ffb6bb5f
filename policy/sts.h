/* sts.h - what MTA-STS (RFC 8461) writes: the TXT record, the policy file, the answer of the web
 * server that holds it, and which MX hosts a policy lists. How long a policy lives and when to look
 * again is sts_life.h's business; how a channel is judged is decide()'s.
 *
 *   _mta-sts.example.org. TXT "v=STSv1; id=20260101T000000;"
 *   https://mta-sts.example.org/.well-known/mta-sts.txt
 *
 * All spans of a policy are borrowed from the text that it was read from.
 */
#ifndef POLICY_STS_H
#define POLICY_STS_H

#include "base/buf.h"
#include "base/why.h"

enum {
    STS_ID_MAX = 32,
    STS_MX_MAX = 64,              /* patterns of one policy; more is refused */
    STS_TXT_STRINGS_MAX = 64,     /* strings of one TXT record that are looked at */
    STS_POLICY_MAX = 64 * 1024,   /* = RFC 8461 3.3: suggested limit of the file */
    STS_FETCH_MS = 60 * 1000,     /* = RFC 8461 3.3: suggested limit of the time to fetch it */
    STS_MAX_AGE_MAX_S = 31557600, /* = RFC 8461 3.2 */
    STS_URL_MAX = 300,
    STS_LINES_MAX = STS_MX_MAX * (255 + 8) + 100,
};

enum sts_policy_mode {
    STS_POLICY_NONE,
    STS_POLICY_TESTING,
    STS_POLICY_ENFORCE,
    STS_POLICY_MODE_COUNT_
};

/* "none", "testing", "enforce" */
const char *sts_policy_mode_name(enum sts_policy_mode m);
/* ERR_SYNTAX: none of the three (they are compared with case). */
MUST_USE enum err sts_policy_mode_read(struct span s, enum sts_policy_mode *ret);

/* One TXT record as DNS has it: one or more strings. */
struct sts_txt {
    const struct span *string;
    unsigned n;
};

struct sts_policy {
    enum sts_policy_mode mode;
    uint32_t max_age_s;
    unsigned n_mx; /* 0: only with STS_POLICY_NONE */
    struct span mx[STS_MX_MAX];
};

/* The id of the one record among n that begins with "v=STSv1" and a semicolon; others are passed
 * over. The strings of a record are joined with nothing between them.
 * ERR_NOT_FOUND: no such record. ERR_REFUSED: several, or one that is malformed. Both mean that the
 * domain shows no policy now (RFC 8461 3.1); the second deserves a word to its owner. ret_id gets
 * the id appended, it has room for STS_ID_MAX. */
MUST_USE enum err sts_txt_read(const struct sts_txt *txt, unsigned n, struct buf *ret_id,
                               struct why *why);
/* 1 to 32 letters and digits. */
bool sts_id_valid(struct span id);

/* Reads a policy file. Lines end in CRLF or LF; of a key that stands twice the first counts, but
 * for mx; unknown keys are passed over. ERR_TOO_BIG: over STS_POLICY_MAX bytes or STS_MX_MAX
 * patterns; ERR_SYNTAX. why names the line and what is wrong; *ret is untouched. */
MUST_USE enum err sts_policy_read(struct span text, struct sts_policy *ret, struct why *why);
/* A host name, or "*." and one; A-labels only (RFC 8461 3.2: U-labels never stand in a policy). */
bool sts_pattern_valid(struct span pattern);
/* "*.example.org" matches mx.example.org, neither example.org nor a.mx.example.org. mx: A-labels;
 * case and a trailing dot do not count. */
bool sts_pattern_matches(struct span pattern, struct span mx);
/* Whether the policy lists this MX host. */
bool sts_lists(const struct sts_policy *p, struct span mx);
bool sts_policy_eq(const struct sts_policy *a, const struct sts_policy *b);
/* The policy as lines that end in LF, without what was unknown in the file: "version: STSv1\nmode:
 * enforce\nmx: ...\nmax_age: ...\n". This is a policy file, and the policy-string of TLS-RPT.
 * Room for STS_LINES_MAX. */
void sts_policy_print(const struct sts_policy *p, struct buf *out);

/* --- where it is, and what a web server may answer */

/* "_mta-sts.example.org" and "mta-sts.example.org"; the path is the same for all. domain: A-labels,
 * without a trailing dot or with one. Room for STS_URL_MAX. */
void sts_txt_name(struct span domain, struct buf *out);
void sts_web_host(struct span domain, struct buf *out);
void sts_url(struct span domain, struct buf *out);
#define STS_PATH "/.well-known/mta-sts.txt"

/* A finished HTTP answer; redirects were not followed, no cache was asked. */
struct sts_answer {
    unsigned status;
    struct span content_type; /* value of the field; empty: there was none */
    uint64_t n;               /* bytes of the content */
};

/* May the content be read as a policy? ERR_REFUSED: another status than 200 (a redirect too), or
 * not text/plain. ERR_TOO_BIG. */
MUST_USE enum err sts_answer_check(const struct sts_answer *a, struct why *why);

#endif
