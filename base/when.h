/* when.h - time in text. All times are int64_t milliseconds; wall_ms counts from 1970-01-01 UTC.
 * No time zone is ever consulted: what is printed is UTC. */
#ifndef BASE_WHEN_H
#define BASE_WHEN_H

#include "base/span.h"

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
};

enum { WHEN_BYTES_MAX = 40 };

/* "Mon, 23 Nov 2026 21:50:00 +0000" (RFC 5322 3.3). Returns ret. */
const char *when_rfc5322(int64_t wall_ms, char ret[static WHEN_BYTES_MAX]);
/* "2026-11-23T21:50:00.123Z" (RFC 3339). Returns ret. */
const char *when_rfc3339(int64_t wall_ms, char ret[static WHEN_BYTES_MAX]);
/* Reads RFC 3339 with Z, with or without a fraction, or a plain date. */
MUST_USE enum err when_parse(struct span s, int64_t *ret_wall_ms);
/* "4h", "90s", "250ms", "5d", "1h30m" -> milliseconds. A bare number is refused: ERR_SYNTAX. */
MUST_USE enum err when_duration(struct span s, int64_t *ret_ms);
/* "4h 10m", for people; at most two units. Returns ret. */
const char *when_span(int64_t ms, char ret[static WHEN_BYTES_MAX]);

#endif
