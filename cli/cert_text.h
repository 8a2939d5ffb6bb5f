/* cert_text.h - a certificate and a verdict about a chain, for people and as JSON. */
#ifndef CLI_CERT_TEXT_H
#define CLI_CERT_TEXT_H

#include "cert/info.h"
#include "cli/cli.h"

enum { DATE_TEXT_MAX = 11 };

/* "2026-11-23", "-" for 0. Returns ret. */
const char *date_text(int64_t wall_ms, char ret[static DATE_TEXT_MAX]);
/* "in 5d", "ended 3d ago", with how near it is: "within 7 days". Returns ret. */
const char *ends_text(int64_t until_ms, int64_t now_ms, char ret[static OUT_TEXT_MAX]);
/* The common name, else the subject, else "(no name)". */
struct span cert_title(const struct cert_info *c);

/* All fields, a line each, behind two blanks. */
void cert_text(const struct cert_info *c, int64_t now_ms, struct buf *out);
void cert_json(const struct cert_info *c, int64_t now_ms, struct ctl *to);
void verdict_text(const struct cert_chain *c, const struct cert_verdict *v, int64_t now_ms,
                  struct buf *out);
void verdict_json(const struct cert_verdict *v, int64_t now_ms, struct ctl *to);

/* Is `text` the beginning (eight digits at least) of the certificate's SHA-256, or of its key's?
 * Colons are no matter, nor is case. */
bool cert_has_digest(const struct cert_info *c, struct span text);
/* Whole fingerprint: SHA-256, 64 digits with or without colons. */
bool cert_is_sha256(const struct cert_info *c, struct span text);

#endif
